//! The append-only, hash-chained record of every power that was used.
//!
//! An entry is written in the same transaction as its act: no entry, no act. It names who, when, what and why by ids and
//! codes; no text that a person wrote, no network address. Each row's hash covers the row and the hash before it, keyed
//! by a key derived from the key-encryption key, so that whoever can write to the database alone cannot mend the chain.

mod chain;
mod queries;

pub use chain::{AuditKey, Broken};
pub use queries::STATEMENTS;

use std::sync::Arc;

use crate::platform::clock::Clock;
use crate::platform::ids::NodeId;
use crate::platform::store::{Db, Stored, Tx};

/// What was done. Ids and codes only.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The account that did it, or `system`.
    pub actor: String,
    /// The roles and the duty it was done under.
    pub roles: String,
    /// The act, `part.verb`.
    pub act: &'static str,
    /// What it was done to.
    pub object: String,
    /// Why: a code, or empty.
    pub reason: String,
}

/// Writes and checks the log.
#[derive(Clone)]
pub struct Audit {
    key: Arc<AuditKey>,
    clock: Arc<dyn Clock>,
    node: NodeId,
}

/// What `verify` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How many entries were read.
    pub n_entries: i64,
    /// The first that does not hold, if one does not.
    pub broken: Option<Broken>,
}

/// Rows read at a time by `verify`.
const VERIFY_PAGE: i64 = 1_000;

impl Audit {
    /// A log under that key, for the entries of that node.
    pub fn new(key: AuditKey, clock: Arc<dyn Clock>, node: NodeId) -> Self {
        Self {
            key: Arc::new(key),
            clock,
            node,
        }
    }

    /// Adds an entry in the act's transaction.
    ///
    /// # Errors
    /// As the store's; the act must then not be committed.
    pub async fn append(&self, tx: &mut Tx, entry: &Entry) -> Stored<()> {
        let (before, prev) = queries::lock_head(tx).await?;
        let mut row = chain::Row {
            n: before + 1,
            at_ms: self.clock.now().get(),
            node: self.node.as_str().to_owned(),
            actor: entry.actor.clone(),
            roles: entry.roles.clone(),
            act: entry.act.to_owned(),
            object: entry.object.clone(),
            reason: entry.reason.clone(),
            prev,
            hash: String::new(),
        };
        row.hash = self.key.hash(&row);
        queries::insert(tx, &row).await?;
        queries::set_head(tx, row.n, &row.hash).await
    }

    /// Reads the whole log and checks every link, and that none is missing at the end.
    ///
    /// # Errors
    /// As the store's.
    pub async fn verify(&self, db: &Db) -> Stored<Verdict> {
        let (head_n, head_hash) = queries::head(db).await?;
        let mut walk = chain::Walk::default();
        loop {
            let rows = queries::page(db, walk.n(), VERIFY_PAGE).await?;
            let last_page = (rows.len() as i64) < VERIFY_PAGE;
            for row in &rows {
                if row.n > head_n {
                    break;
                }
                if let Err(broken) = walk.step(&self.key, row) {
                    return Ok(Verdict {
                        n_entries: walk.n(),
                        broken: Some(broken),
                    });
                }
            }
            if last_page || walk.n() >= head_n {
                break;
            }
        }
        Ok(Verdict {
            n_entries: walk.n(),
            broken: walk.end(head_n, &head_hash).err(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_both_engines;
    use crate::platform::clock::{Millis, TestClock};

    fn audit() -> Audit {
        Audit::new(
            AuditKey::new(
                crate::platform::sealing::DataKey::from_bytes(&[7; 32]).expect("32 bytes"),
            ),
            Arc::new(TestClock::at(Millis(1_000))),
            NodeId::parse("test").expect("an id"),
        )
    }

    fn entry(object: &str) -> Entry {
        Entry {
            actor: "s1".into(),
            roles: "moderator/host".into(),
            act: "rooms.hide",
            object: object.into(),
            reason: String::new(),
        }
    }

    async fn three(db: &Db) {
        for object in ["a", "b", "c"] {
            db.write(move |tx| Box::pin(async move { audit().append(tx, &entry(object)).await }))
                .await
                .expect("an entry is added");
        }
    }

    on_both_engines!(p10_the_log_is_one_chain_that_verifies, db => {
        three(&db).await;
        let verdict = audit().verify(&db).await.expect("the store answers");
        assert_eq!(verdict, Verdict { n_entries: 3, broken: None });
    });

    on_both_engines!(p10_an_entry_of_an_act_that_was_not_committed_is_not_there, db => {
        three(&db).await;
        let mut tx = db.begin().await.expect("a transaction");
        audit().append(&mut tx, &entry("d")).await.expect("an entry is added");
        drop(tx);
        let verdict = audit().verify(&db).await.expect("the store answers");
        assert_eq!(verdict, Verdict { n_entries: 3, broken: None });
    });

    on_both_engines!(p10_the_database_itself_refuses_to_change_an_entry, db => {
        three(&db).await;
        for sql in ["UPDATE audit SET object = 'x' WHERE n = 2", "DELETE FROM audit WHERE n = 3"] {
            let mut tx = db.begin().await.expect("a transaction");
            let outcome = crate::on_tx!(&mut tx, c => sqlx::query(sql).execute(c).await.map(|_| ()));
            assert!(outcome.is_err(), "{sql} went through");
        }
    });
}
