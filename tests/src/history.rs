//! The history checker: what clients did and were told, held against what the rooms hold in the end.
//!
//! Its names follow Jepsen's set-full and Kafka workloads. It is itself tested: `model` is a tiny server in memory that can
//! be told to be faulty, and every planted fault must be found, or a green run would mean nothing.

mod check;
#[cfg(test)]
mod model;

pub use check::{Verdict, check};

/// One thing that happened, in the order in which the clients saw it (an acknowledgement that stands before a send in
/// this list was received before that send began).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A client begins to send a line, or sends it again.
    Send {
        /// Who.
        client: usize,
        /// Where.
        room: String,
        /// The line's key, unique for this client and room.
        key: String,
        /// Its text, unique in the whole history.
        body: String,
    },
    /// The line is kept.
    Acked {
        /// Whose line.
        client: usize,
        /// Where.
        room: String,
        /// The line's key.
        key: String,
        /// Its number.
        seq: u64,
    },
    /// The line was not stored (every code but `busy`, which says nothing).
    Refused {
        /// Whose line.
        client: usize,
        /// Where.
        room: String,
        /// The line's key.
        key: String,
    },
    /// A client begins to come in.
    Enter {
        /// A number of its own for each time in a room on a socket.
        visit: usize,
        /// Where.
        room: String,
        /// The last number it holds, where it counts (same epoch).
        after: Option<u64>,
    },
    /// The answer.
    Entered {
        /// The visit.
        visit: usize,
        /// `last_seq`.
        last_seq: u64,
        /// `gap`.
        gap: Option<(u64, u64)>,
    },
    /// A first word of a number came on a visit; `None` stands for a hidden line.
    Heard {
        /// The visit.
        visit: usize,
        /// The number.
        seq: u64,
        /// The text.
        body: Option<String>,
    },
    /// All that was due on this visit has come (a `pong` after a quiet end): nothing up to `last_seq` may be missing.
    Settled {
        /// The visit.
        visit: usize,
        /// The room's last number at that time, as the visit's own `entered` and acks prove it.
        at_least: u64,
    },
    /// After all is over: a line that the room holds.
    Holds {
        /// Where.
        room: String,
        /// The number.
        seq: u64,
        /// The text.
        body: Option<String>,
    },
}
