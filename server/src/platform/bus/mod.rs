//! Hints between nodes. It may lose, repeat or reorder; nothing breaks, because the store has the truth.
//!
//! Local members never wait for it: publishing does not block and cannot fail. What a node published does not come back
//! to it.

mod local;
#[cfg(test)]
mod tests;

pub use local::{Faults, LocalBus, LocalNet};

use tokio::sync::mpsc;

use super::ids::RoomId;

/// News of a room.
#[derive(Clone, PartialEq, Eq)]
pub enum News {
    /// Lines were kept: their encoded frames, in order.
    Lines {
        /// The frames as members get them.
        frames: Vec<String>,
    },
    /// Something was hidden, shown or taken back.
    Changed,
    /// Somebody came or went on duty, or the room's row changed.
    Head,
}

impl std::fmt::Debug for News {
    /// Never the frames: they hold what people write.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            News::Lines { frames } => write!(f, "Lines({})", frames.len()),
            News::Changed => f.write_str("Changed"),
            News::Head => f.write_str("Head"),
        }
    }
}

/// News and the room it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The room.
    pub room: RoomId,
    /// The news.
    pub news: News,
}

/// The way to the other nodes.
pub trait Bus: Send + Sync {
    /// Tells the nodes that joined the room. Never blocks; what cannot be sent is lost.
    fn publish(&self, hint: Hint);
    /// From here on this node hears of the room.
    fn join(&self, room: &RoomId);
    /// From here on it does not.
    fn leave(&self, room: &RoomId);
    /// What this node hears, in one bounded stream; it can be taken once.
    fn stream(&self) -> Option<mpsc::Receiver<Hint>>;
}

/// Hints that may wait for a node; more are lost.
pub const STREAM_HINTS: usize = 1_024;
