//! What staff must hear of at once, until somebody says that they saw it: a line on every staff page, and a command for the
//! duty telephone.
//!
//! An alert is raised once for what it is about, on whichever node sees it first. It names a gathering at most, never a person,
//! and never what somebody wrote.

mod command;
mod queries;

pub use command::Command;
pub use queries::STATEMENTS;

use std::sync::Arc;

use crate::features::audit::{Audit, Entry};
use crate::platform::clock::{Clock, Millis};
use crate::platform::ids::{AlertId, Chance, RoomId};
use crate::platform::store::{Db, StoreError, Stored};

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertKind {
    /// People are in a room and nobody on duty is.
    Unattended,
    /// Nobody on call can be reached for a room that is open.
    NoOnCall,
    /// Nobody opened a gathering: it was cancelled.
    Cancelled,
    /// Somebody says that they did not use their slip.
    SlipDoubted,
    /// Much more than usual is due to be removed, or the clock jumped: somebody has to look first.
    RetentionAsks,
}

impl AlertKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Unattended,
        Self::NoOnCall,
        Self::Cancelled,
        Self::SlipDoubted,
        Self::RetentionAsks,
    ];

    /// The spelling in the store and in the catalogue.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unattended => "unattended",
            Self::NoOnCall => "no_on_call",
            Self::Cancelled => "cancelled",
            Self::SlipDoubted => "slip_doubted",
            Self::RetentionAsks => "retention_asks",
        }
    }

    fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// An alert that nobody has seen yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// What it is about.
    pub kind: AlertKind,
    /// Where.
    pub gathering: Option<RoomId>,
    /// Since when.
    pub at: Millis,
}

/// What alerts stand on.
#[derive(Clone)]
pub struct Alerts {
    /// The store.
    pub db: Db,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
    /// The record of powers.
    pub audit: Audit,
    /// Runs for each alert, if the operator set one.
    pub command: Option<Command>,
}

/// Raises an alert, unless one was raised about the same. `once` says what it is about, such as a room and since when.
///
/// # Errors
/// As the store's.
pub async fn raise(
    alerts: &Alerts,
    kind: AlertKind,
    once: &str,
    gathering: Option<&RoomId>,
) -> Stored<()> {
    let new = Arc::new(queries::NewAlert {
        id: AlertId::new(&*alerts.chance),
        kind: kind.as_str(),
        once: format!("{}:{once}", kind.as_str()),
        gathering: gathering.cloned(),
        at: alerts.clock.now(),
    });
    if queries::is_raised(&alerts.db, &new.once).await? {
        return Ok(());
    }
    let raised = alerts
        .db
        .write(move |tx| {
            let new = Arc::clone(&new);
            Box::pin(async move { queries::insert(tx, &new).await })
        })
        .await?;
    if raised {
        metrics::counter!("engawa_alerts_total", "kind" => kind.as_str()).increment(1);
        tracing::warn!(kind = kind.as_str(), "staff are alerted");
        if let Some(command) = &alerts.command {
            command.run(kind);
        }
    }
    Ok(())
}

/// Alerts that nobody has seen yet, the oldest first; at most 50.
///
/// # Errors
/// As the store's.
pub async fn open(db: &Db) -> Stored<Vec<Alert>> {
    queries::open(db)
        .await?
        .into_iter()
        .map(|row| {
            let kind =
                AlertKind::from_stored(&row.kind).ok_or_else(|| StoreError::Inconsistent {
                    table: "alert",
                    column: "kind",
                    id: row.id.as_str().to_owned(),
                })?;
            Ok(Alert {
                id: row.id,
                kind,
                gathering: row.gathering_id,
                at: row.at_ms,
            })
        })
        .collect()
}

/// Somebody has seen it: it goes from every staff page. False where it was seen before, or never was.
///
/// # Errors
/// As the store's.
pub async fn seen(alerts: &Alerts, id: &AlertId, entry: Entry) -> Stored<bool> {
    let (audit, now) = (alerts.audit.clone(), alerts.clock.now());
    let (id, entry) = (id.clone(), Arc::new(entry));
    alerts
        .db
        .write(move |tx| {
            let (audit, id, entry) = (audit.clone(), id.clone(), Arc::clone(&entry));
            Box::pin(async move {
                let is_new = queries::mark_seen(tx, &id, &entry.actor, now).await?;
                if is_new {
                    audit.append(tx, &entry).await?;
                }
                Ok(is_new)
            })
        })
        .await
}
