//! `engawa serve`.

use std::process::ExitCode;

use serde::Serialize;

use super::{Common, ServeArgs, complain, say, settings};
use crate::app::{Ground, Listeners, Node};
use crate::platform::telemetry;

#[derive(Serialize)]
struct Line<'a> {
    url: &'a str,
}

pub(super) async fn run(common: &Common, args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let settings = settings(common)?;
    telemetry::start_log(&settings.log, settings.log_format)?;
    telemetry::hook_panics();
    let listeners = Listeners::bind(&settings).await?;
    let url = super::url_of(&settings, &listeners)?;
    let ground = Ground::open(settings).await?;
    warn_of_new_key(&ground);
    let staff_url = match &listeners.staff {
        Some(staff) => format!("http://{}", staff.local_addr()?),
        None => url.clone(),
    };
    let first = ground.identity.first_manager_token().await?;
    let node = Node::build(ground, None).await?;
    node.end_on_signal();
    if let Some(token) = first {
        complain(
            "There is no account yet. The first manager makes theirs here; the address is good once:",
        );
        complain(&format!("  {staff_url}/s/first/{}", token.expose()));
    }
    if args.json {
        say(&serde_json::to_string(&Line { url: &url })?);
    } else {
        complain(&format!("Engawa answers at {url}"));
    }
    node.serve(listeners).await;
    Ok(ExitCode::SUCCESS)
}

/// Whoever loses this file loses what is sealed under it, so it is said once, loudly.
pub(super) fn warn_of_new_key(ground: &Ground) {
    if ground.key_file.created() {
        complain(&format!(
            "A new key file was made: {}. Keep a copy of it apart from the data and its backups: without it, \
             consultations and accounts cannot be opened again.",
            ground.settings.key_file.display()
        ));
    }
}
