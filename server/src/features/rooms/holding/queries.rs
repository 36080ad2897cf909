//! The holds' SQL. Whoever writes here holds the room's lock.

use sqlx::{query, query_as, query_scalar};

use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, HoldId, ParticipantId, RoomId, Seq};
use crate::platform::store::{Db, Stored, Tx};
use crate::{on_tx, read, statements};

statements! {
    COUNT_HOLD = "UPDATE room SET n_holds = n_holds + 1 WHERE id = $1 RETURNING n_holds";
    LAST_N = "SELECT COALESCE(MAX(n), 0) FROM hold WHERE room_id = $1";
    INSERT = "INSERT INTO hold (room_id, n, id, author, client_key, reason, at_ms, due_ms, looked, told, change_n, key_version, sealed) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    AFTER = "SELECT n, id, author, client_key, reason, at_ms, due_ms, left_ms, looked, told, ended, ended_ms, seq, change_n, key_version, sealed \
             FROM hold WHERE room_id = $1 AND change_n > $2 ORDER BY change_n";
    BY_ID = "SELECT n, id, author, client_key, reason, at_ms, due_ms, left_ms, looked, told, ended, ended_ms, seq, change_n, key_version, sealed \
             FROM hold WHERE room_id = $1 AND id = $2";
    BY_KEY = "SELECT n, id, author, client_key, reason, at_ms, due_ms, left_ms, looked, told, ended, ended_ms, seq, change_n, key_version, sealed \
              FROM hold WHERE room_id = $1 AND author = $2 AND client_key = $3";
    SET_CLOCK = "UPDATE hold SET due_ms = $3, left_ms = $4, looked = $5, told = $6, change_n = $7 WHERE room_id = $1 AND n = $2";
    END = "UPDATE hold SET ended = $3, ended_ms = $4, seq = $5, change_n = $6, due_ms = NULL, left_ms = NULL, sealed = NULL \
           WHERE room_id = $1 AND n = $2";
    OPEN_OF = "SELECT n FROM hold WHERE room_id = $1 AND author = $2 AND ended IS NULL ORDER BY n";
    FORGET = "DELETE FROM hold WHERE room_id = $1";
}

/// A hold as it stands in the store.
#[derive(sqlx::FromRow)]
pub(super) struct Row {
    pub(super) n: i64,
    pub(super) id: HoldId,
    pub(super) author: ParticipantId,
    pub(super) client_key: ClientKey,
    pub(super) reason: String,
    pub(super) at_ms: Millis,
    pub(super) due_ms: Option<Millis>,
    pub(super) left_ms: Option<i64>,
    pub(super) looked: bool,
    pub(super) told: bool,
    pub(super) ended: Option<String>,
    pub(super) ended_ms: Option<Millis>,
    pub(super) seq: Option<Seq>,
    pub(super) change_n: i64,
    pub(super) key_version: i64,
    pub(super) sealed: Option<Vec<u8>>,
}

pub(super) async fn count(tx: &mut Tx, room: &RoomId) -> Stored<i64> {
    on_tx!(tx, c => query_scalar::<_, i64>(COUNT_HOLD).bind(room).fetch_one(c).await)
}

pub(super) async fn last_n(tx: &mut Tx, room: &RoomId) -> Stored<i64> {
    on_tx!(tx, c => query_scalar::<_, i64>(LAST_N).bind(room).fetch_one(c).await)
}

pub(super) async fn insert(tx: &mut Tx, room: &RoomId, row: &Row) -> Stored<()> {
    on_tx!(tx, c => query(INSERT)
        .bind(room).bind(row.n).bind(&row.id).bind(&row.author).bind(&row.client_key).bind(&row.reason).bind(row.at_ms)
        .bind(row.due_ms).bind(row.looked).bind(row.told).bind(row.change_n).bind(row.key_version).bind(row.sealed.as_deref())
        .execute(c).await.map(|_| ()))
}

pub(super) async fn after(db: &Db, room: &RoomId, after: i64) -> Stored<Vec<Row>> {
    read!(db, p => query_as::<_, Row>(AFTER).bind(room).bind(after).fetch_all(p).await)
}

pub(super) async fn by_id(tx: &mut Tx, room: &RoomId, id: &HoldId) -> Stored<Option<Row>> {
    on_tx!(tx, c => query_as::<_, Row>(BY_ID).bind(room).bind(id).fetch_optional(c).await)
}

pub(super) async fn by_key(
    tx: &mut Tx,
    room: &RoomId,
    author: &ParticipantId,
    key: &ClientKey,
) -> Stored<Option<Row>> {
    on_tx!(tx, c => query_as::<_, Row>(BY_KEY).bind(room).bind(author).bind(key).fetch_optional(c).await)
}

pub(super) async fn read_by_key(
    db: &Db,
    room: &RoomId,
    author: &ParticipantId,
    key: &ClientKey,
) -> Stored<Option<Row>> {
    read!(db, p => query_as::<_, Row>(BY_KEY).bind(room).bind(author).bind(key).fetch_optional(p).await)
}

pub(super) async fn set_clock(tx: &mut Tx, room: &RoomId, row: &Row) -> Stored<()> {
    on_tx!(tx, c => query(SET_CLOCK)
        .bind(room).bind(row.n).bind(row.due_ms).bind(row.left_ms).bind(row.looked).bind(row.told).bind(row.change_n)
        .execute(c).await.map(|_| ()))
}

/// Ends a hold: its words go.
pub(super) async fn end(
    tx: &mut Tx,
    room: &RoomId,
    n: i64,
    how: &str,
    at: Millis,
    seq: Option<Seq>,
    change_n: i64,
) -> Stored<()> {
    on_tx!(tx, c => query(END)
        .bind(room).bind(n).bind(how).bind(at).bind(seq).bind(change_n)
        .execute(c).await.map(|_| ()))
}

pub(super) async fn open_of(
    tx: &mut Tx,
    room: &RoomId,
    author: &ParticipantId,
) -> Stored<Vec<i64>> {
    on_tx!(tx, c => query_scalar::<_, i64>(OPEN_OF).bind(room).bind(author).fetch_all(c).await)
}

pub(super) async fn forget(tx: &mut Tx, room: &RoomId) -> Stored<()> {
    on_tx!(tx, c => query(FORGET).bind(room).execute(c).await.map(|_| ()))
}
