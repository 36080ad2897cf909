//! A room's end: its key is destroyed at `forgets_at`, then its rows go. And a person's, in all rooms.

use std::sync::Arc;
use std::time::Duration;

use super::vault::{self, PersonId};
use super::{Rooms, acting, holding, queries};
use crate::features::{drafts, gatherings};
use crate::platform::bus::{Hint, News};
use crate::platform::ids::RoomId;
use crate::platform::keys::KeyError;
use crate::platform::store::{StoreError, Stored};

/// How long the runner sleeps at most, so that a room whose hours were moved is seen. Milliseconds.
const LOOK_EVERY_MS: i64 = 5_000;

/// Forgets what is due, for ever: woken by the next end, and every few seconds. It takes no input and may run on every
/// node at once.
pub(super) async fn run(rooms: Rooms) {
    loop {
        if let Err(error) = forget_due(&rooms).await {
            tracing::error!(%error, "a room could not be forgotten");
        }
        rooms.drop_forgotten();
        let deps = rooms.deps();
        let now = deps.clock.now();
        let wait_ms = match gatherings::next_forgetting(&deps.db).await {
            Ok(Some(next)) => next.since_ms(now).clamp(10, LOOK_EVERY_MS),
            Ok(None) | Err(_) => LOOK_EVERY_MS,
        };
        tokio::time::sleep(Duration::from_millis(wait_ms.unsigned_abs())).await;
    }
}

async fn forget_due(rooms: &Rooms) -> Stored<()> {
    let deps = rooms.deps();
    let due = gatherings::due_to_forget(&deps.db, deps.clock.now()).await?;
    if due.is_empty() {
        return Ok(());
    }
    for room in &due {
        deps.forgotten(room);
        rooms.drop_link(room);
    }
    // The key first: from here on nobody can read the rows, whether they are there or not.
    let key_ids: Vec<String> = due.iter().map(vault::key_id).collect();
    deps.keys.destroy(&key_ids).await.map_err(key_store)?;
    for room in due {
        forget_rows(rooms, room).await?;
    }
    Ok(())
}

async fn forget_rows(rooms: &Rooms, room: RoomId) -> Stored<()> {
    tracing::info!(room = room.as_str(), "a room was forgotten");
    rooms
        .deps()
        .db
        .write(move |tx| {
            let room = room.clone();
            Box::pin(async move {
                queries::forget(tx, &room).await?;
                acting::forget(tx, &room).await?;
                holding::forget(tx, &room).await?;
                drafts::forget_room(tx, &room).await?;
                gatherings::mark_forgotten(tx, &room).await
            })
        })
        .await
}

pub(super) async fn remove_person(rooms: &Rooms, person: &PersonId) -> Stored<()> {
    let deps = rooms.deps();
    for room in gatherings::unforgotten(&deps.db).await? {
        // No key, no lines that anybody could read.
        let Some(key) = deps
            .keys
            .get(&vault::key_id(&room))
            .await
            .map_err(key_store)?
        else {
            continue;
        };
        let participant = vault::participant(&key, person);
        let asked = Arc::new((room.clone(), participant));
        let now = deps.clock.now();
        deps.db
            .write(move |tx| {
                let asked = Arc::clone(&asked);
                Box::pin(async move {
                    let (room, participant) = &*asked;
                    if queries::lock(tx, room).await?.is_none() {
                        return Ok(());
                    }
                    for seq in queries::lines_of(tx, room, participant).await? {
                        let n_changes = queries::count_change(tx, room).await?;
                        queries::take_back_line(tx, room, seq, n_changes).await?;
                    }
                    holding::remove_of(tx, room, participant, now).await?;
                    queries::forget_stamps_of(tx, room, participant).await?;
                    drafts::remove_in(tx, participant, room).await
                })
            })
            .await?;
        match rooms.held(&room) {
            Some(link) => link.look_again().await,
            None => deps.bus.publish(Hint {
                room,
                news: News::Changed,
            }),
        }
    }
    Ok(())
}

fn key_store(error: KeyError) -> StoreError {
    StoreError::Unavailable {
        what: format!("the key store: {error}"),
    }
}
