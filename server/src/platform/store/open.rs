//! Opening and migrating.

use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};

use super::{Db, StoreError, Stored};

/// The first SQLite without the bug that could corrupt a WAL on reset.
const SQLITE_AT_LEAST: (u32, u32, u32) = (3, 51, 3);
/// Pages in the log before they are put where they belong: a page that many commits changed goes there once.
const SQLITE_CHECKPOINT_PAGES: &str = "4000";
/// Memory for pages, of the writer and of each reader, in KiB (negative, as SQLite counts it). What readers read is mostly
/// in the system's cache as well.
const SQLITE_CACHE: &str = "-16000";
const SQLITE_READER_CACHE: &str = "-1000";
/// A WAL larger than this is cut back at a checkpoint, in bytes.
const SQLITE_WAL_BYTES_KEPT: &str = "67108864";

/// Where the store is and how many connections it may use.
#[derive(Clone)]
pub struct StoreSettings {
    /// `sqlite:PATH` or `postgres://…`.
    pub url: String,
    /// Connections that read, on SQLite.
    pub readers: u32,
    /// Connections, on PostgreSQL.
    pub pg_connections: u32,
}

pub(super) async fn open(settings: &StoreSettings) -> Stored<Db> {
    if let Some(path) = settings.url.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        open_sqlite(path, settings.readers).await
    } else if settings.url.starts_with("postgres:") || settings.url.starts_with("postgresql:") {
        open_postgres(settings).await
    } else {
        Err(StoreError::Unfit(
            "database_url: it must begin with sqlite: or postgres:".into(),
        ))
    }
}

async fn open_sqlite(path: &str, readers: u32) -> Stored<Db> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: NORMAL may roll back acknowledged commits when power is lost.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(true)
        .auto_vacuum(SqliteAutoVacuum::Full)
        // A removed row's bytes do not stay in free pages.
        .pragma("secure_delete", "ON")
        .pragma("trusted_schema", "OFF")
        .pragma("journal_size_limit", SQLITE_WAL_BYTES_KEPT)
        .pragma("wal_autocheckpoint", SQLITE_CHECKPOINT_PAGES)
        .pragma("cache_size", SQLITE_CACHE)
        .pragma("temp_store", "MEMORY")
        .optimize_on_close(true, None)
        // It would look for a listener at each statement, thousands of times a second; errors are told to the caller.
        .disable_statement_logging();
    let w = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(10))
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_with(options.clone())
        .await?;
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(&w)
        .await?;
    let numbers: Vec<u32> = version
        .split('.')
        .filter_map(|part| part.parse().ok())
        .collect();
    if let [major, minor, patch, ..] = numbers[..]
        && (major, minor, patch) < SQLITE_AT_LEAST
    {
        return Err(StoreError::Unfit(format!(
            "SQLite {version} is too old: 3.51.3 or newer is needed"
        )));
    }
    let r = SqlitePoolOptions::new()
        .max_connections(readers.max(1))
        .acquire_timeout(Duration::from_secs(10))
        .max_lifetime(None)
        .connect_with(
            options
                .pragma("query_only", "ON")
                .pragma("cache_size", SQLITE_READER_CACHE),
        )
        .await?;
    Ok(Db::Sqlite { w, r })
}

async fn open_postgres(settings: &StoreSettings) -> Stored<Db> {
    let options = PgConnectOptions::from_str(&settings.url)
        .map_err(|_| StoreError::Unfit("database_url: not a PostgreSQL address".into()))?
        .application_name("engawa")
        .options([
            ("statement_timeout", "15s"),
            ("idle_in_transaction_session_timeout", "30s"),
            ("lock_timeout", "10s"),
            // The promise of every ack: the commit is on disk.
            ("synchronous_commit", "on"),
        ]);
    let pool = PgPoolOptions::new()
        .max_connections(settings.pg_connections.max(2))
        .acquire_timeout(Duration::from_secs(5))
        .connect_with(options)
        .await?;
    Ok(Db::Pg(pool))
}

pub(super) async fn migrate(db: &Db) -> Stored<()> {
    let outcome = match db {
        Db::Sqlite { w, .. } => sqlx::migrate!("../migrations/sqlite").run(w).await,
        Db::Pg(p) => sqlx::migrate!("../migrations/postgres").run(p).await,
    };
    outcome.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(error)
        | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => StoreError::from(error),
        other => StoreError::Unfit(format!(
            "the schema cannot be brought to this version: {other}"
        )),
    })
}
