//! The alerts' SQL.

use sqlx::{FromRow, query, query_as, query_scalar};

use crate::platform::clock::Millis;
use crate::platform::ids::{AlertId, RoomId};
use crate::platform::store::{Db, Stored, Tx};
use crate::{on_tx, read, statements};

statements! {
    INSERT = "INSERT INTO alert (id, kind, once, gathering_id, at_ms) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (once) DO NOTHING";
    IS_RAISED = "SELECT COUNT(*) FROM alert WHERE once = $1";
    OPEN = "SELECT id, kind, gathering_id, at_ms FROM alert WHERE seen_ms IS NULL ORDER BY at_ms, id LIMIT 50";
    MARK_SEEN = "UPDATE alert SET seen_by = $2, seen_ms = $3 WHERE id = $1 AND seen_ms IS NULL";
}

pub(super) struct NewAlert {
    pub(super) id: AlertId,
    pub(super) kind: &'static str,
    pub(super) once: String,
    pub(super) gathering: Option<RoomId>,
    pub(super) at: Millis,
}

#[derive(FromRow)]
pub(super) struct AlertRow {
    pub(super) id: AlertId,
    pub(super) kind: String,
    pub(super) gathering_id: Option<RoomId>,
    pub(super) at_ms: Millis,
}

pub(super) async fn is_raised(db: &Db, once: &str) -> Stored<bool> {
    let n = read!(db, p => query_scalar::<_, i64>(IS_RAISED).bind(once).fetch_one(p).await)?;
    Ok(n > 0)
}

pub(super) async fn insert(tx: &mut Tx, new: &NewAlert) -> Stored<bool> {
    let n_rows = on_tx!(tx, c => query(INSERT)
        .bind(&new.id).bind(new.kind).bind(&new.once).bind(&new.gathering).bind(new.at)
        .execute(c).await.map(|done| done.rows_affected()))?;
    Ok(n_rows == 1)
}

pub(super) async fn open(db: &Db) -> Stored<Vec<AlertRow>> {
    read!(db, p => query_as::<_, AlertRow>(OPEN).fetch_all(p).await)
}

pub(super) async fn mark_seen(tx: &mut Tx, id: &AlertId, by: &str, now: Millis) -> Stored<bool> {
    let n_rows = on_tx!(tx, c => query(MARK_SEEN)
        .bind(id).bind(by).bind(now).execute(c).await.map(|done| done.rows_affected()))?;
    Ok(n_rows == 1)
}
