//! `engawa doctor`: is all there that is needed, and what are the settings.

use std::process::ExitCode;

use super::{Common, DoctorArgs, FAILED, ground, say};
use crate::permit::{Action, Capacity, is_allowed};

pub(super) async fn run(common: &Common, args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    if args.permits {
        print_permits();
        return Ok(ExitCode::SUCCESS);
    }
    let ground = ground(common).await?;
    let mut well = true;
    let mut tell = |good: bool, what: &str| {
        well &= good;
        say(&format!("{}  {what}", if good { "ok  " } else { "FAIL" }));
    };
    tell(
        true,
        &format!("database: {:?}, at this version", ground.db.engine()),
    );
    tell(
        ground.keys.store().ping().await.is_ok(),
        "key store: answers",
    );
    for warning in ground.keys.store().warnings() {
        tell(false, &format!("key store: {warning}"));
    }
    let verdict = ground.audit.verify(&ground.db).await?;
    tell(
        verdict.broken.is_none(),
        &match &verdict.broken {
            None => format!("audit log: {} entries, one chain", verdict.n_entries),
            Some(broken) => format!("audit log: {broken}"),
        },
    );
    let key_file = if ground.key_file.created() {
        "key file: made just now; keep a copy of it apart"
    } else {
        "key file: there; keep a copy of it apart"
    };
    tell(true, key_file);
    say("");
    say("Settings (secrets left out):");
    say(&ground.settings.printed());
    say("");
    say("Who may do what in a room:");
    print_permits();
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}

/// Who may do what, as the code decides it.
fn print_permits() {
    for capacity in Capacity::ALL {
        let allowed: Vec<&str> = Action::ALL
            .iter()
            .filter(|action| is_allowed(capacity, **action))
            .map(|action| action.as_str())
            .collect();
        say(&format!(
            "{:<12}  {}",
            format!("{capacity:?}"),
            allowed.join("  ")
        ));
    }
}
