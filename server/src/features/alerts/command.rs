//! `alert.command`: what the operator runs for each alert, such as a message to the duty telephone.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use super::AlertKind;

/// How long it may take.
const WITHIN: Duration = Duration::from_secs(30);

/// A program and its arguments. It is told the kind of the alert and nothing else, so that nothing of a person leaves here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command(Arc<Vec<String>>);

impl Command {
    /// From the setting; nothing where it is empty.
    pub fn new(words: Vec<String>) -> Option<Self> {
        (!words.is_empty()).then(|| Self(Arc::new(words)))
    }

    /// Runs it beside everything else. The kind is its last argument. That it failed is logged, and the alert still stands on
    /// the pages.
    pub(super) fn run(&self, kind: AlertKind) {
        let words = Arc::clone(&self.0);
        tokio::spawn(async move {
            let Some((program, arguments)) = words.split_first() else {
                return;
            };
            let child = tokio::process::Command::new(program)
                .args(arguments)
                .arg(kind.as_str())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .status();
            match tokio::time::timeout(WITHIN, child).await {
                Ok(Ok(status)) if status.success() => {}
                Ok(Ok(status)) => {
                    tracing::error!(code = status.code(), "alert.command failed");
                }
                Ok(Err(error)) => tracing::error!(%error, "alert.command cannot be run"),
                Err(_) => tracing::error!("alert.command took too long and was ended"),
            }
        });
    }
}
