//! What a room wants done.

use super::holds::HoldAsked;
use super::input::{Asker, ConnId, Otherwise, Which};
use crate::features::audit::Entry;
use crate::features::rooms::act::RoomAct;
use crate::features::rooms::hold::{HoldAct, NewHold, WhichHold};
use crate::features::rooms::line::{NewLine, Shows};
use crate::features::rooms::ticket::Ticket;
use crate::features::tally::Rung;
use crate::platform::ids::{ClientKey, ParticipantId, Seq};
use crate::protocol::{Frame, StampKind};

/// What a room wants done, in this order.
#[derive(Debug)]
pub enum Effect {
    /// To one connection.
    Send {
        /// Which.
        conn: ConnId,
        /// What.
        frame: Frame,
    },
    /// `entered`, to one connection: it can be larger than all other frames together.
    SendEntered {
        /// Which.
        conn: ConnId,
        /// What.
        frame: Frame,
    },
    /// To every member that is up to date.
    All(Frame),
    /// From here on this connection gets what goes to all.
    Live(ConnId),
    /// From here on it does not.
    NotLive(ConnId),
    /// Tell the room when all that was sent to this connection has left.
    Mark(ConnId),
    /// Keep these lines, in one commit.
    Commit(Vec<NewLine>),
    /// Look whether this key was kept before; refuse if not.
    Look {
        /// Whose connection.
        asker: Asker,
        /// Whose key.
        author: ParticipantId,
        /// The key.
        key: ClientKey,
        /// What else to answer.
        otherwise: Otherwise,
    },
    /// Read lines from the store, both ends included.
    Load {
        /// For whom; for the room itself where absent.
        conn: Option<ConnId>,
        /// The first.
        from: Seq,
        /// The last.
        to: Seq,
    },
    /// Change whether a line is shown.
    Change {
        /// Who asked.
        asker: Asker,
        /// The measure's key; absent for taking back.
        key: Option<ClientKey>,
        /// Which line.
        which: Which,
        /// Only if it is this author's.
        author: Option<ParticipantId>,
        /// To what.
        to: Shows,
        /// What the audit log will say, for a measure.
        entry: Option<Entry>,
    },
    /// Do something to the room as a whole.
    Act {
        /// Who asked.
        asker: Asker,
        /// Their key.
        key: ClientKey,
        /// Their id here.
        by: ParticipantId,
        /// What.
        act: RoomAct,
        /// What the audit log will say.
        entry: Entry,
    },
    /// Read what was changed after this count.
    LoadChanges {
        /// The count this room knows.
        after: i64,
    },
    /// Keep a stamp's state.
    KeepStamp {
        /// Under which line.
        seq: Seq,
        /// Whose.
        author: ParticipantId,
        /// Which.
        stamp: StampKind,
        /// Present.
        on: bool,
    },
    /// Keep a line that waits.
    KeepHold(NewHold),
    /// Do something to a line that waits.
    Hold {
        /// Which.
        which: WhichHold,
        /// What.
        act: HoldAct,
        /// Who asked for it, if anybody did.
        asked: Option<HoldAsked>,
        /// What the audit log will say, for a measure.
        entry: Option<Entry>,
    },
    /// Read what happened to holds after this count.
    LoadHolds {
        /// The count this room knows.
        after: i64,
    },
    /// Tell the other nodes of lines that were kept here: their frames, as members get them.
    Publish(Vec<Frame>),
    /// Count that somebody was here, on that rung.
    Came(Rung),
    /// Let go of these: what they waited for has been said.
    Release(Vec<Ticket>),
}
