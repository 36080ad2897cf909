//! The audit log's SQL.

use sqlx::{query, query_as};

use super::chain::Row;
use crate::platform::store::{Db, Stored, Tx};
use crate::{on_tx, read, statements};

statements! {
    // Locks the head until the transaction ends, so that entries follow one another.
    LOCK_HEAD = "UPDATE audit_head SET n = n WHERE one = 1 RETURNING n, hash";
    HEAD = "SELECT n, hash FROM audit_head WHERE one = 1";
    SET_HEAD = "UPDATE audit_head SET n = $1, hash = $2 WHERE one = 1";
    INSERT = "INSERT INTO audit (n, at_ms, node, actor, roles, act, object, reason, prev, hash) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    PAGE = "SELECT n, at_ms, node, actor, roles, act, object, reason, prev, hash FROM audit WHERE n > $1 ORDER BY n LIMIT $2";
}

pub(super) async fn lock_head(tx: &mut Tx) -> Stored<(i64, String)> {
    on_tx!(tx, c => query_as::<_, (i64, String)>(LOCK_HEAD).fetch_one(c).await)
}

pub(super) async fn head(db: &Db) -> Stored<(i64, String)> {
    read!(db, p => query_as::<_, (i64, String)>(HEAD).fetch_one(p).await)
}

pub(super) async fn set_head(tx: &mut Tx, n: i64, hash: &str) -> Stored<()> {
    on_tx!(tx, c => query(SET_HEAD).bind(n).bind(hash).execute(c).await.map(|_| ()))
}

pub(super) async fn insert(tx: &mut Tx, row: &Row) -> Stored<()> {
    on_tx!(tx, c => query(INSERT)
        .bind(row.n).bind(row.at_ms).bind(&row.node).bind(&row.actor).bind(&row.roles)
        .bind(&row.act).bind(&row.object).bind(&row.reason).bind(&row.prev).bind(&row.hash)
        .execute(c).await.map(|_| ()))
}

pub(super) async fn page(db: &Db, after: i64, n: i64) -> Stored<Vec<Row>> {
    read!(db, p => query_as::<_, Row>(PAGE).bind(after).bind(n).fetch_all(p).await)
}
