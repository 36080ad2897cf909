//! The chain's arithmetic: no store, no clock.

use crate::platform::sealing::DataKey;

/// One entry as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Row {
    pub(super) n: i64,
    pub(super) at_ms: i64,
    pub(super) node: String,
    pub(super) actor: String,
    pub(super) roles: String,
    pub(super) act: String,
    pub(super) object: String,
    pub(super) reason: String,
    pub(super) prev: String,
    pub(super) hash: String,
}

/// The key the chain is hashed under, derived from the key-encryption key.
pub struct AuditKey(DataKey);

impl std::fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditKey(…)")
    }
}

impl AuditKey {
    /// From the key derived for this purpose.
    pub fn new(key: DataKey) -> Self {
        Self(key)
    }

    /// The hash of a row: HMAC-SHA-256 over its fields, each with its length before it, so that no two rows share one
    /// spelling. The row's own `hash` has no part.
    pub(super) fn hash(&self, row: &Row) -> String {
        let mut bytes = Vec::with_capacity(256);
        for number in [row.n, row.at_ms] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        for text in [
            &row.node,
            &row.actor,
            &row.roles,
            &row.act,
            &row.object,
            &row.reason,
            &row.prev,
        ] {
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        data_encoding::HEXLOWER.encode(&self.0.tag(&bytes))
    }
}

/// What does not hold, and at which entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// An entry is not there.
    #[error("entry {n} is missing")]
    Missing {
        /// Its number.
        n: i64,
    },
    /// An entry was changed.
    #[error("entry {n} was changed")]
    Changed {
        /// Its number.
        n: i64,
    },
    /// An entry does not follow the one before.
    #[error("entry {n} does not follow the one before it")]
    Unlinked {
        /// Its number.
        n: i64,
    },
    /// The end was cut or replaced.
    #[error("the log ends at entry {n}, which is not its newest")]
    Cut {
        /// The last that is there.
        n: i64,
    },
}

/// A walk along the chain.
#[derive(Default)]
pub(super) struct Walk {
    n: i64,
    hash: String,
}

impl Walk {
    /// The newest entry that held.
    pub(super) fn n(&self) -> i64 {
        self.n
    }

    pub(super) fn step(&mut self, key: &AuditKey, row: &Row) -> Result<(), Broken> {
        if row.n != self.n + 1 {
            return Err(Broken::Missing { n: self.n + 1 });
        }
        if row.prev != self.hash {
            return Err(Broken::Unlinked { n: row.n });
        }
        if key.hash(row) != row.hash {
            return Err(Broken::Changed { n: row.n });
        }
        self.n = row.n;
        self.hash = row.hash.clone();
        Ok(())
    }

    pub(super) fn end(&self, head_n: i64, head_hash: &str) -> Result<(), Broken> {
        if self.n == head_n && self.hash == head_hash {
            Ok(())
        } else {
            Err(Broken::Cut { n: self.n })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chain(n: i64) -> (AuditKey, Vec<Row>) {
        let key = AuditKey::new(DataKey::from_bytes(&[3; 32]).expect("32 bytes"));
        let mut rows: Vec<Row> = Vec::new();
        for n in 1..=n {
            let mut row = Row {
                n,
                at_ms: n * 10,
                node: "node".into(),
                actor: format!("s{}", n % 3),
                roles: "manager".into(),
                act: "rooms.hide".into(),
                object: format!("r1/{n}"),
                reason: String::new(),
                prev: rows.last().map(|row| row.hash.clone()).unwrap_or_default(),
                hash: String::new(),
            };
            row.hash = key.hash(&row);
            rows.push(row);
        }
        (key, rows)
    }

    fn verdict(key: &AuditKey, rows: &[Row], head: &Row) -> Result<(), Broken> {
        let mut walk = Walk::default();
        for row in rows {
            walk.step(key, row)?;
        }
        walk.end(head.n, &head.hash)
    }

    #[derive(Clone, Debug)]
    enum Tamper {
        Edit,
        EditAndRehashWithoutTheKey,
        Delete,
        Swap,
        Cut,
    }

    proptest! {
        #[test]
        fn p10_any_edit_removal_reordering_or_cut_is_found(
            n in 3i64..30,
            at in 0usize..29,
            tamper in prop_oneof![
                Just(Tamper::Edit), Just(Tamper::EditAndRehashWithoutTheKey), Just(Tamper::Delete), Just(Tamper::Swap), Just(Tamper::Cut)
            ],
        ) {
            let (key, mut rows) = chain(n);
            let head = rows.last().expect("there are rows").clone();
            let at = at % (rows.len() - 1);
            match tamper {
                Tamper::Edit => rows[at].object.push('x'),
                Tamper::EditAndRehashWithoutTheKey => {
                    rows[at].object.push('x');
                    rows[at].hash = AuditKey::new(DataKey::from_bytes(&[4; 32]).expect("32 bytes")).hash(&rows[at]);
                }
                Tamper::Delete => { rows.remove(at); }
                Tamper::Swap => rows.swap(at, at + 1),
                Tamper::Cut => rows.truncate(at + 1),
            }
            prop_assert!(verdict(&key, &rows, &head).is_err());
        }

        #[test]
        fn p10_an_untouched_chain_verifies(n in 1i64..30) {
            let (key, rows) = chain(n);
            prop_assert_eq!(verdict(&key, &rows, rows.last().expect("there are rows")), Ok(()));
        }
    }
}
