//! Removes what is long over, once a day, on whichever node is first.

use std::sync::Arc;

use super::{Decision, decide, handles_before, queries, remove_old};
use crate::features::alerts::{self, AlertKind, Alerts};
use crate::features::identity::Identity;
use crate::platform::clock::{Clock, Millis};
use crate::platform::store::{Db, Stored};

/// Where it is remembered when the runner last ran, and how many handles went at most in a run.
const LAST: &str = "retention.last_ms";
const USUAL: &str = "retention.usual";
/// Between two runs.
const EVERY_MS: i64 = 86_400_000;

/// What the runner stands on.
pub struct Parts {
    /// The store.
    pub db: Db,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who people are.
    pub identity: Arc<Identity>,
    /// What staff must hear of.
    pub alerts: Alerts,
}

/// Runs if a day has gone by. Gives how many handles went.
///
/// # Errors
/// As the store's; what went is gone, the rest goes with the next run.
pub async fn run_once(parts: &Parts) -> Stored<u64> {
    let now = parts.clock.now();
    let last = number(queries::meta(&parts.db, LAST).await?).map(Millis);
    if last.is_some_and(|last| (0..EVERY_MS).contains(&now.since_ms(last))) {
        return Ok(0);
    }
    let usual = number(queries::meta(&parts.db, USUAL).await?).unwrap_or(0);
    let due = parts.identity.handles_before(&handles_before(now)).await?;
    let n = i64::try_from(due.len()).unwrap_or(i64::MAX);
    match decide(n, usual, last, now) {
        Decision::Go => {}
        Decision::TooMany | Decision::Clock => {
            // A human looks, and starts the node again with the right time; nothing is removed meanwhile.
            let once = now.day().as_str().to_owned();
            alerts::raise(&parts.alerts, AlertKind::RetentionAsks, &once, None).await?;
            return Ok(0);
        }
    }
    // Said before, so that another node does not begin as well.
    remember(parts, LAST, now.get()).await?;
    for handle in due {
        parts.identity.remove(handle).await?;
    }
    remember(parts, USUAL, usual.max(n)).await?;
    parts
        .db
        .write(move |tx| Box::pin(async move { remove_old(tx, now).await }))
        .await?;
    Ok(n.unsigned_abs())
}

fn number(text: Option<String>) -> Option<i64> {
    text?.parse().ok()
}

async fn remember(parts: &Parts, name: &'static str, value: i64) -> Stored<()> {
    parts
        .db
        .write(move |tx| {
            Box::pin(async move { queries::put_meta(tx, name, &value.to_string()).await })
        })
        .await
}
