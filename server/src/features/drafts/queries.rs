//! The drafts' SQL.

use sqlx::{query, query_as};

use crate::platform::clock::Millis;
use crate::platform::ids::{ParticipantId, RoomId};
use crate::platform::store::{Db, Stored, Tx};
use crate::{on_tx, read, statements};

statements! {
    PUT = "INSERT INTO draft (owner, kind, place, key_version, sealed, ends_ms) VALUES ($1, 'room', $2, $3, $4, $5) \
           ON CONFLICT (owner, kind, place) DO UPDATE SET key_version = excluded.key_version, sealed = excluded.sealed, ends_ms = excluded.ends_ms";
    GET = "SELECT key_version, sealed FROM draft WHERE owner = $1 AND kind = 'room' AND place = $2 AND ends_ms > $3";
    REMOVE = "DELETE FROM draft WHERE owner = $1 AND kind = 'room' AND place = $2";
    REMOVE_ENDED = "DELETE FROM draft WHERE ends_ms <= $1";
    FORGET_ROOM = "DELETE FROM draft WHERE kind = 'room' AND place = $1";
}

pub(super) async fn put(
    tx: &mut Tx,
    owner: &ParticipantId,
    room: &RoomId,
    key_version: i64,
    sealed: &[u8],
    ends: Millis,
) -> Stored<()> {
    on_tx!(tx, c => query(PUT).bind(owner).bind(room).bind(key_version).bind(sealed).bind(ends).execute(c).await.map(|_| ()))
}

pub(super) async fn get(
    db: &Db,
    owner: &ParticipantId,
    room: &RoomId,
    now: Millis,
) -> Stored<Option<(i64, Vec<u8>)>> {
    read!(db, p => query_as::<_, (i64, Vec<u8>)>(GET).bind(owner).bind(room).bind(now).fetch_optional(p).await)
}

pub(super) async fn remove(tx: &mut Tx, owner: &ParticipantId, room: &RoomId) -> Stored<()> {
    on_tx!(tx, c => query(REMOVE).bind(owner).bind(room).execute(c).await.map(|_| ()))
}

pub(super) async fn remove_ended(tx: &mut Tx, now: Millis) -> Stored<()> {
    on_tx!(tx, c => query(REMOVE_ENDED).bind(now).execute(c).await.map(|_| ()))
}

pub(super) async fn forget_room(tx: &mut Tx, room: &RoomId) -> Stored<()> {
    on_tx!(tx, c => query(FORGET_ROOM).bind(room).execute(c).await.map(|_| ()))
}
