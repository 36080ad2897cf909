//! What a node hears, bounded: hints in their order, and the rooms of which hints were lost.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use super::{Hint, News, STREAM_HINTS};
use crate::platform::ids::RoomId;
use crate::platform::telemetry::names;

/// The rooms that must look into the store. Never larger than the rooms that were joined.
#[derive(Default)]
struct Lost {
    rooms: Mutex<BTreeSet<RoomId>>,
    told: Notify,
}

/// Where a bus puts what it heard.
#[derive(Clone)]
pub(super) struct Mouth {
    hints: mpsc::Sender<Hint>,
    lost: Arc<Lost>,
}

/// What a node hears. Rooms that lost something come first: nothing that waits is of use to them before they looked.
pub struct Hearing {
    hints: mpsc::Receiver<Hint>,
    lost: Arc<Lost>,
}

/// Both ends.
pub(super) fn pair() -> (Mouth, Hearing) {
    let (sender, receiver) = mpsc::channel(STREAM_HINTS);
    let lost = Arc::new(Lost::default());
    let mouth = Mouth {
        hints: sender,
        lost: Arc::clone(&lost),
    };
    let hearing = Hearing {
        hints: receiver,
        lost,
    };
    (mouth, hearing)
}

impl Mouth {
    /// Hands a hint on; where too many wait, the room is told that it lost some.
    pub(super) fn tell(&self, hint: Hint) {
        if let Err(full) = self.hints.try_send(hint) {
            metrics::counter!(names::BUS_DROPPED, "way" => "in").increment(1);
            self.tell_lost([full.into_inner().room]);
        }
    }

    /// Tells these rooms that hints of them may be lost.
    pub(super) fn tell_lost(&self, rooms: impl IntoIterator<Item = RoomId>) {
        self.lost.rooms().extend(rooms);
        self.lost.told.notify_one();
    }
}

impl Hearing {
    /// The next hint; `None` once the bus has ended.
    pub async fn recv(&mut self) -> Option<Hint> {
        loop {
            if let Some(hint) = self.lost.take() {
                return Some(hint);
            }
            tokio::select! {
                biased;
                () = self.lost.told.notified() => {}
                hint = self.hints.recv() => return hint,
            }
        }
    }

    /// The next hint if one is there.
    pub fn try_recv(&mut self) -> Option<Hint> {
        self.lost.take().or_else(|| self.hints.try_recv().ok())
    }
}

impl Lost {
    fn rooms(&self) -> MutexGuard<'_, BTreeSet<RoomId>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Hint> {
        let room = self.rooms().pop_first()?;
        Some(Hint {
            room,
            news: News::Lost,
        })
    }
}
