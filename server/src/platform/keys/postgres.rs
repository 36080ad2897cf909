//! The key store on PostgreSQL: a cluster of its own, whose log is thrown away after every destruction.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use super::store::KeyError;

/// `SET STATISTICS 0`: ANALYZE would otherwise copy keys into pg_statistic, where no deletion reaches them.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS key_store_about (name TEXT PRIMARY KEY, value BYTEA NOT NULL);
    CREATE TABLE IF NOT EXISTS data_key (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        key BYTEA NOT NULL,
        made_at_ms BIGINT NOT NULL,
        ends_at_ms BIGINT
    );
    ALTER TABLE data_key ALTER COLUMN key SET STATISTICS 0;
    CREATE INDEX IF NOT EXISTS data_key_end ON data_key (ends_at_ms);";
/// Nodes that start at once would stumble over each other's CREATE TABLE.
const LOCK_SCHEMA: &str = "SELECT pg_advisory_xact_lock(7223372036854775001)";
const HAS_SCHEMA: &str = "SELECT to_regclass('data_key_end') IS NOT NULL";
const DELETE_KEYS: &str = "DELETE FROM data_key WHERE id = ANY($1)";
const THIS_TRANSACTION: &str = "SELECT pg_current_xact_id()::xid::text";
/// A session that began before the deletion still sees the rows, and VACUUM FULL would carry them over for it.
const OLDER_SESSIONS: &str = "SELECT COUNT(*) FROM pg_stat_activity
     WHERE pid <> pg_backend_pid() AND (datname = current_database() OR datname IS NULL)
       AND backend_xmin IS NOT NULL AND age(backend_xmin) >= age($1::text::xid)";
const CLUSTER: &str = "SELECT system_identifier::text FROM pg_control_system()";
const SWITCH_LOG: &str = "SELECT pg_switch_wal()::text";

const OLDER_SESSIONS_WAIT: Duration = Duration::from_millis(50);
const OLDER_SESSIONS_TRIES: usize = 400;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Keys are read once per room and node, so few connections are enough.
const CONNECTIONS_MAX: u32 = 4;

pub(super) async fn open(url: &str) -> Result<PgPool, KeyError> {
    let options = PgConnectOptions::from_str(url)?.application_name("engawa-keys");
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await?;
    let mut tx = pool.begin().await?;
    sqlx::query(LOCK_SCHEMA).execute(&mut *tx).await?;
    if !sqlx::query_scalar::<_, bool>(HAS_SCHEMA)
        .fetch_one(&mut *tx)
        .await?
    {
        sqlx::raw_sql(SCHEMA).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(pool)
}

/// What of this cluster would keep destroyed bytes, each as a query that says whether all is well, and the
/// sentence for the operator when it is not.
const DEMANDS: [(&str, &str); 7] = [
    (
        "SELECT current_setting('wal_recycle')::bool IS FALSE",
        "set wal_recycle = off: the key store's cluster reuses old log files, and destroyed keys stay in them",
    ),
    (
        "SELECT current_setting('archive_mode') = 'off'",
        "set archive_mode = off: the key store's log is archived, and destroyed keys stay in the archive",
    ),
    (
        "SELECT NOT EXISTS (SELECT 1 FROM pg_stat_replication) AND NOT EXISTS (SELECT 1 FROM pg_replication_slots) AND NOT pg_is_in_recovery()",
        "remove replicas and replication slots: the key store's cluster must have no copy",
    ),
    (
        "SELECT current_setting('wal_keep_size') = '0'",
        "set wal_keep_size = 0: the key store's cluster keeps old log files, and destroyed keys stay in them",
    ),
    (
        "SELECT current_setting('max_prepared_transactions') = '0'",
        "set max_prepared_transactions = 0: a forgotten prepared transaction would keep destroyed keys alive",
    ),
    (
        "SELECT current_setting('log_statement') IN ('none', 'ddl') AND current_setting('log_min_duration_statement') = '-1'
            OR current_setting('log_parameter_max_length') = '0'",
        "set log_parameter_max_length = 0: the key store's server log may hold keys as parameters",
    ),
    (
        "SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
            OR (has_function_privilege(current_user, 'pg_switch_wal()', 'execute')
                AND EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'pg_checkpoint' AND pg_has_role(current_user, oid, 'member')))",
        "let the key store's role destroy keys: GRANT pg_checkpoint, and EXECUTE on pg_switch_wal()",
    ),
];

pub(super) async fn warnings(pool: &PgPool) -> Result<Vec<String>, KeyError> {
    let mut warnings = Vec::new();
    for (query, advice) in DEMANDS {
        let well: Option<bool> = sqlx::query_scalar(query).fetch_one(pool).await?;
        if well != Some(true) {
            warnings.push(format!("{advice}."));
        }
    }
    Ok(warnings)
}

/// Which cluster this is.
pub(super) async fn cluster_id(pool: &PgPool) -> Result<String, KeyError> {
    Ok(sqlx::query_scalar(CLUSTER).fetch_one(pool).await?)
}

pub(super) async fn destroy(pool: &PgPool, ids: &[String]) -> Result<(), KeyError> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut tx = pool.begin().await?;
    let deletion: String = sqlx::query_scalar(THIS_TRANSACTION)
        .fetch_one(&mut *tx)
        .await?;
    sqlx::query(DELETE_KEYS).bind(ids).execute(&mut *tx).await?;
    tx.commit().await?;
    wait_for_older_sessions(pool, &deletion).await?;
    // Also when nothing was deleted: whoever did may have died before this point.
    for step in [
        "VACUUM FULL data_key",
        "CHECKPOINT",
        SWITCH_LOG,
        "CHECKPOINT",
    ] {
        sqlx::raw_sql(step).execute(pool).await?;
    }
    Ok(())
}

async fn wait_for_older_sessions(pool: &PgPool, deletion: &str) -> Result<(), KeyError> {
    for _ in 0..OLDER_SESSIONS_TRIES {
        let older: i64 = sqlx::query_scalar(OLDER_SESSIONS)
            .bind(deletion)
            .fetch_one(pool)
            .await?;
        if older == 0 {
            return Ok(());
        }
        tokio::time::sleep(OLDER_SESSIONS_WAIT).await;
    }
    Err(KeyError::HeldBack)
}
