//! Writes down what a human does to a room, with its entry in the record, in one transaction; and who may come in where
//! newcomers wait, and who was taken to the other side.

mod queries;

pub use queries::STATEMENTS;
pub(super) use queries::{forget, turn};

use std::sync::Arc;

use super::Deps;
use super::act::{Ending, RoomAct};
use super::vault::{self, PersonId};
use crate::features::audit::Entry;
use crate::features::gatherings::StoredState;
use crate::platform::ids::{HandleId, ParticipantId, RoomId, SessionId};
use crate::platform::keys::KeyError;
use crate::platform::store::{StoreError, Stored};

/// What the store knows of single people in a room: by their ids there, so that it says nothing once the key is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    /// They were let in while others wait.
    pub admitted: Vec<ParticipantId>,
    /// They are of the other side.
    pub moved: Vec<ParticipantId>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActCame {
    /// It is so now, or was before.
    Done,
    /// The room is not in a state in which it can be done.
    Over,
    /// There is nobody of that id whom it could be done to.
    Nobody,
}

/// Who was let in and who was moved.
///
/// # Errors
/// As the store's.
pub(super) async fn people(deps: &Deps, id: &RoomId) -> Stored<People> {
    let mut people = People::default();
    for (participant, what) in queries::people(&deps.db, id).await? {
        match what.as_str() {
            "admitted" => people.admitted.push(participant),
            _ => people.moved.push(participant),
        }
    }
    Ok(people)
}

/// Does it. Gives the sessions whose sockets must be closed, too: whoever was moved comes back as of the other side.
///
/// # Errors
/// As the stores'; nothing was done then.
pub(super) async fn act(
    deps: &Arc<Deps>,
    id: &RoomId,
    act: &RoomAct,
    entry: Entry,
) -> Stored<(ActCame, Vec<SessionId>)> {
    let moved = match act {
        RoomAct::MoveSide(participant) => match who_is(deps, id, participant).await? {
            Some(handle) => Some(handle),
            None => return Ok((ActCame::Nobody, Vec::new())),
        },
        _ => None,
    };
    let change = match act {
        RoomAct::Topic(Some(topic)) => {
            let Some(key) = deps.keys.get(&vault::key_id(id)).await.map_err(key_store)? else {
                return Ok((ActCame::Over, Vec::new()));
            };
            Change::Topic(Some(vault::seal_topic(&key, id, topic, &*deps.chance)))
        }
        RoomAct::Topic(None) => Change::Topic(None),
        RoomAct::Slow(ms) => Change::Slow(*ms),
        RoomAct::Guard(guard) => Change::Guard(*guard),
        RoomAct::Lock(locked) => Change::Lock(*locked),
        RoomAct::Admit(Some(participant)) => Change::Admit(participant.clone()),
        RoomAct::Admit(None) => Change::AdmitAll,
        RoomAct::MoveSide(participant) => match moved {
            Some(handle) => Change::Move(participant.clone(), handle),
            None => return Ok((ActCame::Nobody, Vec::new())),
        },
        // The line itself is said by the room.
        RoomAct::Notice(_) => Change::Count,
        RoomAct::Pause => Change::State(
            &[StoredState::Open, StoredState::LastCall],
            StoredState::Paused,
        ),
        RoomAct::Resume => Change::State(&[StoredState::Paused], StoredState::Open),
        RoomAct::End(Ending::LastCall) => Change::State(
            &[StoredState::Open, StoredState::Paused],
            StoredState::LastCall,
        ),
        RoomAct::End(Ending::Afterglow) => Change::State(
            &[
                StoredState::Open,
                StoredState::Paused,
                StoredState::LastCall,
            ],
            StoredState::Afterglow,
        ),
        RoomAct::End(Ending::Closed) => Change::State(
            &[
                StoredState::DoorsOpen,
                StoredState::Open,
                StoredState::Paused,
                StoredState::LastCall,
                StoredState::Afterglow,
            ],
            StoredState::Closed,
        ),
    };
    let now = super::queries::now(&deps.db, deps.clock.now()).await?;
    let (deps_in, id, change, entry) = (
        Arc::clone(deps),
        id.clone(),
        Arc::new(change),
        Arc::new(entry),
    );
    deps.db
        .write(move |tx| {
            let (deps, id, change, entry) = (
                Arc::clone(&deps_in),
                id.clone(),
                Arc::clone(&change),
                Arc::clone(&entry),
            );
            Box::pin(async move {
                let mut ended = Vec::new();
                let Some(state) = queries::lock(tx, &id).await? else {
                    return Ok((ActCame::Over, ended));
                };
                let done = match &*change {
                    Change::State(from, to) if from.contains(&state) => {
                        queries::set_state(tx, &id, *to, now).await?;
                        true
                    }
                    // So already: nothing to do, and no refusal.
                    Change::State(from, to) => {
                        state == *to || (from == &[StoredState::Paused] && is_live(state))
                    }
                    _ if !is_live(state) => false,
                    Change::Slow(ms) => queries::set_slow(tx, &id, *ms).await.map(|()| true)?,
                    Change::Guard(guard) => {
                        queries::set_guard(tx, &id, *guard).await.map(|()| true)?
                    }
                    Change::Lock(locked) => {
                        queries::set_locked(tx, &id, *locked).await.map(|()| true)?
                    }
                    Change::Topic(sealed) => queries::set_topic(tx, &id, sealed.as_deref())
                        .await
                        .map(|()| true)?,
                    Change::AdmitAll => queries::admit_all(tx, &id).await.map(|()| true)?,
                    Change::Admit(participant) => {
                        queries::put_person(tx, &id, participant, "admitted")
                            .await
                            .map(|()| true)?
                    }
                    Change::Move(participant, handle) => {
                        queries::put_person(tx, &id, participant, "moved").await?;
                        if let Some(identity) = &deps.identity {
                            ended = identity.move_side(tx, handle, now).await?;
                        }
                        true
                    }
                    Change::Count => true,
                };
                if !done {
                    return Ok((ActCame::Over, ended));
                }
                queries::count_act(tx, &id).await?;
                deps.audit.append(tx, &entry).await?;
                Ok((ActCame::Done, ended))
            })
        })
        .await
}

/// What is written.
enum Change {
    Slow(u32),
    Guard(u8),
    Lock(bool),
    AdmitAll,
    Admit(ParticipantId),
    Move(ParticipantId, HandleId),
    Topic(Option<Vec<u8>>),
    State(&'static [StoredState], StoredState),
    Count,
}

/// Whether people may be in it.
const fn is_live(state: StoredState) -> bool {
    match state {
        StoredState::DoorsOpen
        | StoredState::Open
        | StoredState::Paused
        | StoredState::LastCall
        | StoredState::Afterglow => true,
        StoredState::Planned
        | StoredState::Closed
        | StoredState::Cancelled
        | StoredState::Forgotten => false,
    }
}

/// Whose id that is in that room, among people who are logged in. The ids come from the room's key, so this is a search,
/// and possible only while the room is remembered.
async fn who_is(deps: &Deps, id: &RoomId, participant: &ParticipantId) -> Stored<Option<HandleId>> {
    let Some(identity) = &deps.identity else {
        return Ok(None);
    };
    let Some(key) = deps.keys.get(&vault::key_id(id)).await.map_err(key_store)? else {
        return Ok(None);
    };
    let handles = identity.logged_in_handles().await?;
    Ok(handles
        .into_iter()
        .find(|handle| vault::participant(&key, &PersonId::Handle(handle.clone())) == *participant))
}

fn key_store(error: KeyError) -> StoreError {
    StoreError::Unavailable {
        what: format!("the key store: {error}"),
    }
}
