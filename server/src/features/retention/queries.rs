//! The SQL of what is kept: it counts what other features keep, and removes what is long over.

use sqlx::{query, query_as, query_scalar};

use super::Class;
use crate::platform::clock::Millis;
use crate::platform::store::{Db, Stored, Tx};
use crate::{on_tx, read, statements};

statements! {
    N_LINES = "SELECT COUNT(*), MIN(at_ms), CAST(NULL AS TEXT) FROM message";
    N_HOLDS = "SELECT COUNT(*), MIN(at_ms), CAST(NULL AS TEXT) FROM hold";
    N_STAMPS = "SELECT COUNT(*), CAST(NULL AS BIGINT), CAST(NULL AS TEXT) FROM stamp";
    N_DRAFTS = "SELECT COUNT(*), CAST(NULL AS BIGINT), CAST(NULL AS TEXT) FROM draft";
    N_HANDLES = "SELECT COUNT(*), CAST(NULL AS BIGINT), MIN(made_day) FROM handle";
    N_SESSIONS = "SELECT COUNT(*), MIN(made_ms), CAST(NULL AS TEXT) FROM session";
    N_SLIPS = "SELECT COUNT(*), MIN(made_ms), CAST(NULL AS TEXT) FROM slip";
    N_STAFF = "SELECT COUNT(*), MIN(made_ms), CAST(NULL AS TEXT) FROM staff";
    N_ALERTS = "SELECT COUNT(*), MIN(at_ms), CAST(NULL AS TEXT) FROM alert";
    N_AUDIT = "SELECT COUNT(*), MIN(at_ms), CAST(NULL AS TEXT) FROM audit";
    N_TALLY = "SELECT COUNT(*), CAST(NULL AS BIGINT), MIN(day) FROM tally";
    META = "SELECT value FROM meta WHERE name = $1";
    PUT_META = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    REMOVE_SLIPS = "DELETE FROM slip WHERE ends_ms < $1 OR used_ms < $1 OR revoked_ms < $1";
    REMOVE_ALERTS = "DELETE FROM alert WHERE seen_ms < $1";
}

type Counted = (i64, Option<Millis>, Option<String>);

/// How many there are, and the oldest: its instant or its day.
pub(super) async fn count(db: &Db, class: Class) -> Stored<Counted> {
    let sql = match class {
        Class::Lines => N_LINES,
        Class::Holds => N_HOLDS,
        Class::Stamps => N_STAMPS,
        Class::Drafts => N_DRAFTS,
        Class::Handles => N_HANDLES,
        Class::Sessions => N_SESSIONS,
        Class::Slips => N_SLIPS,
        Class::Staff => N_STAFF,
        Class::Alerts => N_ALERTS,
        Class::Audit => N_AUDIT,
        Class::Tally => N_TALLY,
    };
    read!(db, p => query_as::<_, Counted>(sql).fetch_one(p).await)
}

pub(super) async fn meta(db: &Db, name: &str) -> Stored<Option<String>> {
    read!(db, p => query_scalar::<_, String>(META).bind(name).fetch_optional(p).await)
}

pub(super) async fn put_meta(tx: &mut Tx, name: &str, value: &str) -> Stored<()> {
    on_tx!(tx, c => query(PUT_META).bind(name).bind(value).execute(c).await.map(|_| ()))
}

pub(super) async fn remove_slips(tx: &mut Tx, before: Millis) -> Stored<u64> {
    on_tx!(tx, c => query(REMOVE_SLIPS).bind(before).execute(c).await.map(|done| done.rows_affected()))
}

pub(super) async fn remove_alerts(tx: &mut Tx, before: Millis) -> Stored<u64> {
    on_tx!(tx, c => query(REMOVE_ALERTS).bind(before).execute(c).await.map(|done| done.rows_affected()))
}
