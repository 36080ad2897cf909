//! What can go wrong in the store, in words its callers can act on.

/// A failure of the store. A lookup that finds nothing is `Ok(None)`, never one of these.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique or foreign key said no.
    #[error("the row stands against the constraint {constraint}")]
    Conflict {
        /// Its name, where the engine tells it.
        constraint: String,
    },
    /// The store cannot be reached, is full, or answered nothing usable. What was asked may or may not have been done.
    #[error("the store does not answer: {what}")]
    Unavailable {
        /// The engine's words; they hold no values.
        what: String,
    },
    /// Another transaction won; the whole may be tried again.
    #[error("another transaction was first")]
    Again,
    /// A row fits no meaning of the program.
    #[error("{table}.{column} of {id} has a value that means nothing here")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row; an id that names no person.
        id: String,
    },
    /// The store is of a kind or version that must not be used.
    #[error("{0}")]
    Unfit(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(database) = &error {
            let code = database.code().unwrap_or_default();
            // PostgreSQL: serialisation failure, deadlock. SQLite: busy, busy snapshot, locked.
            if matches!(
                code.as_ref(),
                "40001" | "40P01" | "5" | "517" | "261" | "6" | "262"
            ) {
                return StoreError::Again;
            }
            if database.is_unique_violation() || database.is_foreign_key_violation() {
                return StoreError::Conflict {
                    constraint: database.constraint().unwrap_or("unnamed").to_owned(),
                };
            }
            // The engine's message can quote values, so only its code goes on.
            return StoreError::Unavailable {
                what: format!("engine code {code}"),
            };
        }
        match error {
            sqlx::Error::ColumnDecode { index, .. } => StoreError::Unavailable {
                what: format!("column {index} does not decode"),
            },
            sqlx::Error::PoolTimedOut => StoreError::Unavailable {
                what: "no connection became free".into(),
            },
            sqlx::Error::PoolClosed => StoreError::Unavailable {
                what: "the store is closed".into(),
            },
            sqlx::Error::Io(io) => StoreError::Unavailable {
                what: format!("i/o: {}", io.kind()),
            },
            _ => StoreError::Unavailable {
                what: "the connection failed".into(),
            },
        }
    }
}
