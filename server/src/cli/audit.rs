//! `engawa audit verify`.

use std::process::ExitCode;

use super::{Common, FAILED, complain, ground, say};

pub(super) async fn verify(common: &Common) -> anyhow::Result<ExitCode> {
    let ground = ground(common).await?;
    let verdict = ground.audit.verify(&ground.db).await?;
    match verdict.broken {
        None => {
            say(&format!(
                "The audit log holds: {} entries, one chain.",
                verdict.n_entries
            ));
            Ok(ExitCode::SUCCESS)
        }
        Some(broken) => {
            complain(&format!("engawa: the audit log does not hold: {broken}"));
            Ok(ExitCode::from(FAILED))
        }
    }
}
