//! SQLite or PostgreSQL behind one body of statements.
//!
//! A statement is one constant, a query one function, for both engines and in native types; the few places where they
//! differ are in [`dialect`]. This module knows no table: a feature's SQL is in its `queries.rs` and nowhere else.

mod dialect;
mod error;
mod open;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

use crate::platform::telemetry::names::STORE_RETRIES;

pub use dialect::{DATABASE_NOW_MS, Engine, Only, Statement};
pub use error::StoreError;
pub use open::StoreSettings;

/// What a store call answers.
pub type Stored<T> = Result<T, StoreError>;

/// A future a write step returns.
pub type Step<'t, T> = Pin<Box<dyn Future<Output = Stored<T>> + Send + 't>>;

/// The store. SQLite has one writer and a few readers, as its file has.
#[derive(Clone)]
pub enum Db {
    /// An embedded file.
    Sqlite {
        /// One connection; every write transaction begins IMMEDIATE on it.
        w: SqlitePool,
        /// Connections that can only read.
        r: SqlitePool,
    },
    /// A PostgreSQL cluster.
    Pg(PgPool),
}

/// A write transaction.
pub enum Tx {
    /// On SQLite's one writer.
    Sqlite(Transaction<'static, Sqlite>),
    /// On a PostgreSQL connection.
    Pg(Transaction<'static, Postgres>),
}

/// Runs one read on whichever engine it is: `read!(db, p => sqlx::query(…).fetch_all(p).await)`.
#[macro_export]
macro_rules! read {
    ($db:expr, $p:ident => $b:expr) => {
        match $db {
            $crate::platform::store::Db::Sqlite { r: $p, .. } => $b,
            $crate::platform::store::Db::Pg($p) => $b,
        }
        .map_err($crate::platform::store::StoreError::from)
    };
}

/// Runs one statement in a transaction on whichever engine it is.
#[macro_export]
macro_rules! on_tx {
    ($tx:expr, $c:ident => $b:expr) => {
        match $tx {
            $crate::platform::store::Tx::Sqlite(t) => {
                let $c = &mut **t;
                $b
            }
            $crate::platform::store::Tx::Pg(t) => {
                let $c = &mut **t;
                $b
            }
        }
        .map_err($crate::platform::store::StoreError::from)
    };
}

/// Names a feature's statements, and lists them, so that a test can prepare every one on both engines.
///
/// `NAME = "…"` is for both; `sqlite NAME = "…"` and `postgres NAME = "…"` for one.
#[macro_export]
macro_rules! statements {
    (@only sqlite) => { $crate::platform::store::Only::Sqlite };
    (@only postgres) => { $crate::platform::store::Only::Postgres };
    (@only) => { $crate::platform::store::Only::Both };
    ($( $(#[$meta:meta])* $([$engine:ident])? $name:ident = $sql:expr; )+) => {
        $( $(#[$meta])* const $name: &str = $sql; )+
        /// Every statement of this feature, for the test that prepares them all.
        pub const STATEMENTS: &[$crate::platform::store::Statement] = &[
            $( $crate::platform::store::Statement {
                name: stringify!($name),
                sql: $name,
                only: $crate::statements!(@only $($engine)?),
            } ),+
        ];
    };
}

impl Db {
    /// Which engine this is.
    pub fn engine(&self) -> Engine {
        match self {
            Db::Sqlite { .. } => Engine::Sqlite,
            Db::Pg(_) => Engine::Postgres,
        }
    }

    /// Opens the store; makes a SQLite file where there is none. Runs no migration.
    ///
    /// # Errors
    /// `Unavailable` where it cannot be reached, `Unfit` for a version or address that must not be used.
    pub async fn open(settings: &StoreSettings) -> Stored<Db> {
        open::open(settings).await
    }

    /// Brings the schema to this program's version.
    ///
    /// # Errors
    /// As the store's; a released file that was changed is `Unfit`.
    pub async fn migrate(&self) -> Stored<()> {
        open::migrate(self).await
    }

    /// Begins a write transaction. Spawned, so that a caller that is dropped cannot leave a half-begun one in the pool.
    ///
    /// # Errors
    /// `Unavailable` where no connection can be had.
    pub async fn begin(&self) -> Stored<Tx> {
        let db = self.clone();
        tokio::spawn(async move {
            Ok(match db {
                Db::Sqlite { w, .. } => Tx::Sqlite(w.begin_with("BEGIN IMMEDIATE").await?),
                Db::Pg(p) => Tx::Pg(p.begin().await?),
            })
        })
        .await
        .map_err(|_| StoreError::Unavailable {
            what: "the task that began a transaction ended".into(),
        })?
    }

    /// Runs `work` in one transaction and commits it, in a task of its own, so that a caller that hangs up cannot stop
    /// it half-way. A deadlock or serialisation failure is retried whole, so `work` must have no effect but its writes.
    ///
    /// # Errors
    /// As `work`'s and the store's; `Again` where it still failed after eight tries.
    pub async fn write<T, F>(&self, work: F) -> Stored<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> Step<'t, T> + Send + Sync + 'static,
    {
        let db = self.clone();
        tokio::spawn(async move {
            let mut tries = 0;
            loop {
                match db.once(&work).await {
                    Err(StoreError::Again) if tries < RETRIES_MAX => {
                        tries += 1;
                        metrics::counter!(STORE_RETRIES).increment(1);
                        tokio::time::sleep(Duration::from_millis(2 << tries)).await;
                    }
                    outcome => return outcome,
                }
            }
        })
        .await
        .map_err(|_| StoreError::Unavailable {
            what: "the task of a transaction ended".into(),
        })?
    }

    async fn once<T, F>(&self, work: &F) -> Stored<T>
    where
        F: for<'t> Fn(&'t mut Tx) -> Step<'t, T> + Send + Sync,
    {
        let mut tx = self.begin().await?;
        let outcome = work(&mut tx).await?;
        tx.commit().await?;
        Ok(outcome)
    }

    /// The id of the PostgreSQL cluster; `None` on SQLite.
    pub async fn cluster_id(&self) -> Stored<Option<String>> {
        match self.engine() {
            Engine::Sqlite => Ok(None),
            Engine::Postgres => {
                read!(self, p => sqlx::query_scalar::<_, String>(dialect::DATABASE_CLUSTER).fetch_optional(p).await)
            }
        }
    }

    /// Closes all connections, after what runs on them has ended.
    pub async fn close(&self) {
        match self {
            Db::Sqlite { w, r } => {
                r.close().await;
                w.close().await;
            }
            Db::Pg(p) => p.close().await,
        }
    }
}

/// How often a transaction that lost against another is tried again.
const RETRIES_MAX: u32 = 8;

impl Tx {
    /// Which engine this is on.
    pub fn engine(&self) -> Engine {
        match self {
            Tx::Sqlite(_) => Engine::Sqlite,
            Tx::Pg(_) => Engine::Postgres,
        }
    }

    /// Commits; when it returns, the log is flushed (SQLite `synchronous=FULL`, PostgreSQL `synchronous_commit=on`).
    ///
    /// # Errors
    /// As the store's; the outcome is then unknown and the caller repeats by key.
    pub async fn commit(self) -> Stored<()> {
        match self {
            Tx::Sqlite(t) => t.commit().await?,
            Tx::Pg(t) => t.commit().await?,
        }
        Ok(())
    }
}
