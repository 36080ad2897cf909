//! Hints between nodes. It may lose, repeat or reorder; nothing breaks, because the store has the truth.
//!
//! Local members never wait for it: publishing does not block and cannot fail. What a node published does not come back
//! to it. Where a bus knows that it lost something, it says so ([`News::Lost`]), and the room looks into the store.

mod hearing;
mod local;
mod redis;
#[cfg(test)]
mod tests;
mod wire;

pub use hearing::Hearing;
pub use local::{Faults, LocalBus, LocalNet};
pub use redis::{RedisBus, RedisBusParts};

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
    /// Hints of the room were lost, or may have been: what they would have said stands in the store.
    Lost,
}

impl std::fmt::Debug for News {
    /// Never the frames: they hold what people write.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            News::Lines { frames } => write!(f, "Lines({})", frames.len()),
            News::Changed => f.write_str("Changed"),
            News::Head => f.write_str("Head"),
            News::Lost => f.write_str("Lost"),
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
    /// From here on this node hears of the room. Where that takes a while, [`News::Lost`] is heard when it has begun.
    fn join(&self, room: &RoomId);
    /// From here on it does not.
    fn leave(&self, room: &RoomId);
    /// What this node hears, in one bounded stream; it can be taken once.
    fn stream(&self) -> Option<Hearing>;
}

/// Hints that may wait for a node; of more only the rooms are remembered, as [`News::Lost`].
pub const STREAM_HINTS: usize = 1_024;
