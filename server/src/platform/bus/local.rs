//! The in-process implementation, and its faulty form for tests.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::hearing::{Hearing, Mouth, pair};
use super::{Bus, Hint};
use crate::platform::ids::{Chance, RoomId, below};

/// What a faulty net does, in percent of hints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Never arrive.
    pub lost: u32,
    /// Arrive twice.
    pub doubled: u32,
    /// Arrive after the next one.
    pub late: u32,
}

#[derive(Default)]
struct Node {
    rooms: HashSet<RoomId>,
    late: Option<Hint>,
}

struct Peer {
    mouth: Mouth,
    node: Arc<Mutex<Node>>,
}

struct Shared {
    peers: Mutex<Vec<Peer>>,
    faults: Faults,
    chance: Option<Arc<dyn Chance>>,
}

/// What joins the nodes of one process.
#[derive(Clone)]
pub struct LocalNet(Arc<Shared>);

/// One node's end of a [`LocalNet`].
pub struct LocalBus {
    net: LocalNet,
    idx: usize,
    node: Arc<Mutex<Node>>,
    stream: Mutex<Option<Hearing>>,
}

impl Default for LocalNet {
    fn default() -> Self {
        Self::with(Faults::default(), None)
    }
}

impl LocalNet {
    /// A net that loses, repeats and reorders, by that chance.
    pub fn faulty(faults: Faults, chance: Arc<dyn Chance>) -> Self {
        Self::with(faults, Some(chance))
    }

    fn with(faults: Faults, chance: Option<Arc<dyn Chance>>) -> Self {
        Self(Arc::new(Shared {
            peers: Mutex::default(),
            faults,
            chance,
        }))
    }

    /// Another node.
    pub fn node(&self) -> LocalBus {
        let (mouth, stream) = pair();
        let node = Arc::new(Mutex::new(Node::default()));
        let mut peers = lock(&self.0.peers);
        peers.push(Peer {
            mouth,
            node: Arc::clone(&node),
        });
        LocalBus {
            net: self.clone(),
            idx: peers.len() - 1,
            node,
            stream: Mutex::new(Some(stream)),
        }
    }
}

impl Shared {
    fn happens(&self, percent: u32) -> bool {
        percent > 0
            && self
                .chance
                .as_ref()
                .is_some_and(|chance| below(&**chance, 100) < percent)
    }

    fn send(&self, peer: &Peer, hint: &Hint) {
        let mut node = lock(&peer.node);
        if !node.rooms.contains(&hint.room) || self.happens(self.faults.lost) {
            return;
        }
        let late = node.late.take();
        if late.is_none() && self.happens(self.faults.late) {
            node.late = Some(hint.clone());
            return;
        }
        drop(node);
        peer.mouth.tell(hint.clone());
        if self.happens(self.faults.doubled) {
            peer.mouth.tell(hint.clone());
        }
        if let Some(late) = late {
            peer.mouth.tell(late);
        }
    }
}

impl Bus for LocalBus {
    fn publish(&self, hint: Hint) {
        let peers = lock(&self.net.0.peers);
        for (idx, peer) in peers.iter().enumerate() {
            if idx != self.idx {
                self.net.0.send(peer, &hint);
            }
        }
    }

    fn join(&self, room: &RoomId) {
        lock(&self.node).rooms.insert(room.clone());
    }

    fn leave(&self, room: &RoomId) {
        lock(&self.node).rooms.remove(room);
    }

    fn stream(&self) -> Option<Hearing> {
        lock(&self.stream).take()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
