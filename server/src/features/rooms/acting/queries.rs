//! The SQL of what a human does to a room as a whole.

use sqlx::{query, query_as, query_scalar};

use crate::features::gatherings::{StoredState, inconsistent};
use crate::platform::clock::Millis;
use crate::platform::ids::{ParticipantId, RoomId};
use crate::platform::store::{Db, Stored, Tx};
use crate::{on_tx, read, statements};

statements! {
    PEOPLE = "SELECT participant, what FROM room_person WHERE room_id = $1 ORDER BY participant";
    PUT_PERSON = "INSERT INTO room_person (room_id, participant, what) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    FORGET_PEOPLE = "DELETE FROM room_person WHERE room_id = $1";
    [sqlite] LOCK_STATE = "SELECT state FROM room WHERE id = $1";
    [postgres] LOCK_STATE_PG = "SELECT state FROM room WHERE id = $1 FOR UPDATE";
    SET_STATE_SINCE = "UPDATE room SET state = $2, since_ms = $3 WHERE id = $1";
    TURN = "UPDATE room SET state = $3, since_ms = $4 WHERE id = $1 AND state = $2";
    SET_SLOW = "UPDATE room SET slow_ms = $2 WHERE id = $1";
    SET_GUARD = "UPDATE room SET guard = $2 WHERE id = $1";
    SET_LOCKED = "UPDATE room SET locked = $2 WHERE id = $1";
    SET_TOPIC = "UPDATE room SET topic_sealed = $2 WHERE id = $1";
    ADMIT_ALL = "UPDATE room SET n_admits = n_admits + 1 WHERE id = $1";
    COUNT_ACT = "UPDATE room SET n_acts = n_acts + 1 WHERE id = $1";
}

pub(super) async fn people(db: &Db, room: &RoomId) -> Stored<Vec<(ParticipantId, String)>> {
    read!(db, p => query_as::<_, (ParticipantId, String)>(PEOPLE).bind(room).fetch_all(p).await)
}

pub(super) async fn put_person(
    tx: &mut Tx,
    room: &RoomId,
    participant: &ParticipantId,
    what: &'static str,
) -> Stored<()> {
    on_tx!(tx, c => query(PUT_PERSON).bind(room).bind(participant).bind(what).execute(c).await.map(|_| ()))
}

/// Forgets who was let in and who was moved: with the room.
pub(in crate::features::rooms) async fn forget(tx: &mut Tx, room: &RoomId) -> Stored<()> {
    on_tx!(tx, c => query(FORGET_PEOPLE).bind(room).execute(c).await.map(|_| ()))
}

/// The stored state, locked until the transaction ends.
pub(super) async fn lock(tx: &mut Tx, room: &RoomId) -> Stored<Option<StoredState>> {
    let state = match tx {
        Tx::Sqlite(c) => {
            query_scalar::<_, String>(LOCK_STATE)
                .bind(room)
                .fetch_optional(&mut **c)
                .await?
        }
        Tx::Pg(c) => {
            query_scalar::<_, String>(LOCK_STATE_PG)
                .bind(room)
                .fetch_optional(&mut **c)
                .await?
        }
    };
    state
        .map(|text| {
            StoredState::from_stored(&text)
                .ok_or_else(|| inconsistent("room", "state", room.as_str()))
        })
        .transpose()
}

pub(super) async fn set_state(
    tx: &mut Tx,
    room: &RoomId,
    state: StoredState,
    since: Millis,
) -> Stored<()> {
    on_tx!(tx, c => query(SET_STATE_SINCE).bind(room).bind(state.as_str()).bind(since).execute(c).await.map(|_| ()))
}

/// Moves a room on, unless it is not in that state any more.
pub(in crate::features::rooms) async fn turn(
    tx: &mut Tx,
    room: &RoomId,
    from: StoredState,
    to: StoredState,
    since: Millis,
) -> Stored<bool> {
    let n_rows = on_tx!(tx, c => query(TURN)
        .bind(room).bind(from.as_str()).bind(to.as_str()).bind(since)
        .execute(c).await.map(|done| done.rows_affected()))?;
    Ok(n_rows == 1)
}

pub(super) async fn set_slow(tx: &mut Tx, room: &RoomId, slow_ms: u32) -> Stored<()> {
    on_tx!(tx, c => query(SET_SLOW).bind(room).bind(i64::from(slow_ms)).execute(c).await.map(|_| ()))
}

pub(super) async fn set_guard(tx: &mut Tx, room: &RoomId, guard: u8) -> Stored<()> {
    on_tx!(tx, c => query(SET_GUARD).bind(room).bind(i64::from(guard)).execute(c).await.map(|_| ()))
}

pub(super) async fn set_locked(tx: &mut Tx, room: &RoomId, locked: bool) -> Stored<()> {
    on_tx!(tx, c => query(SET_LOCKED).bind(room).bind(locked).execute(c).await.map(|_| ()))
}

pub(super) async fn set_topic(tx: &mut Tx, room: &RoomId, sealed: Option<&[u8]>) -> Stored<()> {
    on_tx!(tx, c => query(SET_TOPIC).bind(room).bind(sealed).execute(c).await.map(|_| ()))
}

pub(super) async fn admit_all(tx: &mut Tx, room: &RoomId) -> Stored<()> {
    on_tx!(tx, c => query(ADMIT_ALL).bind(room).execute(c).await.map(|_| ()))
}

pub(super) async fn count_act(tx: &mut Tx, room: &RoomId) -> Stored<()> {
    on_tx!(tx, c => query(COUNT_ACT).bind(room).execute(c).await.map(|_| ()))
}
