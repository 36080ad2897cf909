//! Unsent text, sealed, read by its author only.
//!
//! A draft for a room is sealed under that room's key and owned by the author's participant id, so the row says neither
//! what it holds nor whose it is; it ends when it is sent or deleted, with its room, or after seven days.

mod queries;

pub use queries::STATEMENTS;

use crate::platform::clock::Millis;
use crate::platform::ids::{Chance, ParticipantId, RoomId};
use crate::platform::sealing::{DataKey, Place, open_text, seal};
use crate::platform::store::{Db, Stored, Tx};

/// How long a draft is kept at most, in milliseconds (`design.md`, What is kept).
pub const KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// A draft's size at most, in bytes: a line, and the lines that are not acknowledged yet.
pub const BYTES_MAX: usize = 16 * 1024;

const KEY_VERSION: i64 = 1;

fn row(owner: &ParticipantId, room: &RoomId) -> String {
    format!("{}:{}", owner.as_str(), room.as_str())
}

/// Keeps a draft for a room, in place of the one before.
///
/// # Errors
/// As the store's.
pub async fn put(
    db: &Db,
    key: &DataKey,
    owner: &ParticipantId,
    room: &RoomId,
    body: &str,
    now: Millis,
    chance: &dyn Chance,
) -> Stored<()> {
    let row = row(owner, room);
    let place = Place {
        table: "draft",
        row: &row,
        column: "sealed",
        key_version: KEY_VERSION,
    };
    let sealed = seal(key, &place, body.as_bytes(), chance);
    let ends = now.plus_ms(KEPT_MS);
    let (owner, room) = (owner.clone(), room.clone());
    db.write(move |tx| {
        let (owner, room, sealed) = (owner.clone(), room.clone(), sealed.clone());
        Box::pin(async move {
            queries::remove_ended(tx, now).await?;
            queries::put(tx, &owner, &room, KEY_VERSION, &sealed, ends).await
        })
    })
    .await
}

/// The draft for a room, if there is one that can be opened.
///
/// # Errors
/// As the store's.
pub async fn get(
    db: &Db,
    key: &DataKey,
    owner: &ParticipantId,
    room: &RoomId,
    now: Millis,
) -> Stored<Option<String>> {
    let Some((key_version, sealed)) = queries::get(db, owner, room, now).await? else {
        return Ok(None);
    };
    let row = row(owner, room);
    Ok(open_text(
        key,
        &Place {
            table: "draft",
            row: &row,
            column: "sealed",
            key_version,
        },
        &sealed,
    )
    .ok())
}

/// Removes the draft for a room; there need not be one.
///
/// # Errors
/// As the store's.
pub async fn remove(db: &Db, owner: &ParticipantId, room: &RoomId) -> Stored<()> {
    let (owner, room) = (owner.clone(), room.clone());
    db.write(move |tx| {
        let (owner, room) = (owner.clone(), room.clone());
        Box::pin(async move { queries::remove(tx, &owner, &room).await })
    })
    .await
}

/// Removes one person's draft for a room, in the transaction that removes the person.
///
/// # Errors
/// As the store's.
pub async fn remove_in(tx: &mut Tx, owner: &ParticipantId, room: &RoomId) -> Stored<()> {
    queries::remove(tx, owner, room).await
}

/// Removes all drafts for a room, in the transaction that forgets it.
///
/// # Errors
/// As the store's.
pub async fn forget_room(tx: &mut Tx, room: &RoomId) -> Stored<()> {
    queries::forget_room(tx, room).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_both_engines;
    use crate::platform::ids::SeededChance;

    on_both_engines!(p11_a_draft_comes_back_to_its_author_alone_and_ends_after_seven_days, db => {
        let chance = SeededChance::new(5);
        let key = DataKey::new(&chance);
        let (mine, theirs) = (ParticipantId::new(&chance), ParticipantId::new(&chance));
        let room = RoomId::new(&chance);
        let now = Millis(1_000_000);
        put(&db, &key, &mine, &room, "まえの", now, &chance).await.expect("kept");
        put(&db, &key, &mine, &room, "書きかけ", now, &chance).await.expect("kept");
        let got = get(&db, &key, &mine, &room, now).await.expect("the store answers");
        assert_eq!(got.as_deref(), Some("書きかけ"));
        assert_eq!(get(&db, &key, &theirs, &room, now).await.expect("the store answers"), None);
        let other_key = DataKey::new(&chance);
        assert_eq!(get(&db, &other_key, &mine, &room, now).await.expect("the store answers"), None);
        let week_later = now.plus_ms(KEPT_MS);
        assert_eq!(get(&db, &key, &mine, &room, week_later).await.expect("the store answers"), None);
        remove(&db, &mine, &room).await.expect("removed");
        assert_eq!(get(&db, &key, &mine, &room, now).await.expect("the store answers"), None);
    });
}
