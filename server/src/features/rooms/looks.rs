//! Looks into the store that hints ask for: one a room at a time, and few at once, so that a bus that comes back does
//! not take the store from those who write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use super::RoomLink;
use crate::platform::ids::RoomId;

/// Rooms that look at the same time.
const AT_ONCE: usize = 4;

#[derive(Clone)]
pub(super) struct Looks(Arc<Inner>);

struct Inner {
    /// Rooms that look or are about to, and whether they must do so once more. Plain data, never held over a wait.
    rooms: Mutex<HashMap<RoomId, bool>>,
    free: Semaphore,
}

impl Default for Looks {
    fn default() -> Self {
        Self(Arc::new(Inner {
            rooms: Mutex::default(),
            free: Semaphore::new(AT_ONCE),
        }))
    }
}

impl Looks {
    /// The room looks after this, at least once: a look that has begun already may have read too early.
    pub(super) fn ask(&self, link: RoomLink) {
        let id = link.gathering.id.clone();
        if let Some(again) = self.0.rooms().get_mut(&id) {
            *again = true;
            return;
        }
        self.0.rooms().insert(id.clone(), false);
        let looks = self.clone();
        tokio::spawn(async move {
            loop {
                // The semaphore is never closed.
                let turn = looks.0.free.acquire().await;
                looks.0.rooms().insert(id.clone(), false);
                link.look().await;
                drop(turn);
                let mut rooms = looks.0.rooms();
                if rooms.get(&id) != Some(&true) {
                    rooms.remove(&id);
                    break;
                }
            }
        });
    }
}

impl Inner {
    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomId, bool>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
