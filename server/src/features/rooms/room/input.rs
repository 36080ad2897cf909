//! What happens to a room, and what a room knows.

use std::sync::Arc;

use crate::features::audit::Entry;
use crate::features::gatherings::{Gathering, StoredState};
use crate::features::rooms::act::{RoomAct, Topic};
use crate::features::rooms::acting::People;
use crate::features::rooms::hold::{Found, Held, HoldAct, HoldCame, HoldKept, WhichHold};
use crate::features::rooms::life::{AttendedUntil, Course, Grace, OnCallUntil};
use crate::features::rooms::line::{Line, Proposed, Shows};
use crate::features::rooms::texts::RoomTexts;
use crate::features::rooms::ticket::Ticket;
use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, EpochId, ParticipantId, RoomId, Seq};
use crate::protocol::{
    CardKind, Duty, EnterMode, HoldReason, OnDuty, Reader, RefusalCode, ServerFrame, SpanOut,
    StampKind,
};

use super::holds::HoldAsked;

/// A connection, as this node numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// A connection that asked for something, and what holds back its next `pong` until it is answered.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Which.
    pub conn: ConnId,
    /// Held until the answer is in the outbox.
    pub ticket: Ticket,
}

/// Somebody, as this room knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Their id in this room alone.
    pub participant: ParticipantId,
    /// The name worn here.
    pub name: String,
    /// What they are on duty as, if they came in that mode.
    pub duty: Option<Duty>,
    /// They came without a slip: a newcomer's first lines may wait.
    pub declared: bool,
}

/// The times of lines that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldTimes {
    /// So many first lines of a newcomer wait.
    pub newcomer_lines: usize,
    /// For so many milliseconds; then each passes by itself.
    pub newcomer_ms: i64,
    /// When the author hears that nobody has read a line about danger, in milliseconds.
    pub risk_told_ms: i64,
    /// When the author of any other hears it.
    pub told_ms: i64,
}

/// What does not change while a room lives on this node.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The room.
    pub room: RoomId,
    /// The epoch of the store.
    pub epoch: EpochId,
    /// Who can read here, by role.
    pub readers: Vec<Reader>,
    /// Whether other nodes may write here, too.
    pub shared: bool,
    /// Words.
    pub texts: Arc<RoomTexts>,
    /// When it slows and pauses.
    pub grace: Grace,
    /// Times of lines that wait.
    pub holds: HoldTimes,
    /// Writers at most, where the gathering says nothing; 0 for no bound.
    pub capacity: u32,
    /// Milliseconds between two looks at how many are about.
    pub about_every_ms: i64,
    /// Lines kept in memory.
    pub ring_lines: usize,
    /// Frames and bytes of a page to somebody who catches up: half of what an outbox holds.
    pub page_frames: usize,
    /// See `page_frames`.
    pub page_bytes: usize,
}

/// What the store says of the room, read again every few seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Of two looks, the one that began later is the higher.
    pub order: u64,
    /// The gathering.
    pub gathering: Gathering,
    /// Its stored state.
    pub state: StoredState,
    /// 部屋の進め方.
    pub guard: u8,
    /// The pace set for it.
    pub slow_ms: u32,
    /// The newest number.
    pub last_seq: Seq,
    /// How often something was hidden, shown or taken back.
    pub n_changes: i64,
    /// How often something happened to a hold.
    pub n_holds: i64,
    /// Until when it is attended.
    pub attended: AttendedUntil,
    /// Who is on duty.
    pub on_duty: Vec<OnDuty>,
    /// Since when it is in this state; 0 where that is not known.
    pub since: Millis,
    /// Until when somebody on call can be reached.
    pub on_call: OnCallUntil,
    /// When somebody last wrote of danger to life.
    pub risk_at: Option<Millis>,
    /// Whoever comes waits until they are let in.
    pub locked: bool,
    /// What it talks about now.
    pub topic: Option<Topic>,
    /// How often a human did something to the room as a whole.
    pub n_acts: i64,
    /// How often all who waited were let in.
    pub n_admits: i64,
    /// Who was let in, and who was moved.
    pub people: People,
}

impl Seen {
    /// What its course follows from.
    pub fn course(&self) -> Course {
        Course {
            state: self.state,
            since: self.since,
            starts: self.gathering.starts,
            ends: self.gathering.ends,
            attended: self.attended,
            on_call: self.on_call,
            risk_at: self.risk_at,
            slow_ms: self.slow_ms,
        }
    }
}

/// A refusal before it has words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For programs.
    pub code: RefusalCode,
    /// When to try again.
    pub retry_after_ms: Option<u64>,
}

impl From<RefusalCode> for Refusal {
    fn from(code: RefusalCode) -> Self {
        Self {
            code,
            retry_after_ms: None,
        }
    }
}

/// What somebody is answered whose key is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// A refusal.
    Refuse(Refusal),
    /// They are asked first.
    Ask(Box<AskBack>),
}

impl From<Refusal> for Otherwise {
    fn from(refusal: Refusal) -> Self {
        Otherwise::Refuse(refusal)
    }
}

/// What somebody is asked.
#[derive(Clone, PartialEq, Eq)]
pub struct AskBack {
    /// Why.
    pub reason: HoldReason,
    /// Where, in the body.
    pub spans: Vec<SpanOut>,
    /// What they may send instead.
    pub masked: Option<String>,
    /// The card that goes with it.
    pub card: Option<CardKind>,
}

impl std::fmt::Debug for AskBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AskBack(…)")
    }
}

/// A line by its number, or by its author's key for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Its number.
    Seq(Seq),
    /// Its key.
    Key(ClientKey),
}

/// A line that is kept now, or was before.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Whose.
    pub author: ParticipantId,
    /// Their key for it.
    pub key: ClientKey,
    /// Its number.
    pub seq: Seq,
    /// When it was kept.
    pub at: Millis,
    /// The line, unless the key was there before.
    pub line: Option<Arc<Line>>,
}

/// A line whose showing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Which.
    pub seq: Seq,
    /// To what.
    pub shows: Shows,
    /// The store's count of changes at this one: of two changes of a line, the higher stands.
    pub n: i64,
}

/// What happens to a room.
#[derive(Debug)]
pub enum Input {
    /// Somebody comes in, or comes back.
    Enter {
        /// Their connection.
        asker: Asker,
        /// Who.
        who: Who,
        /// How.
        mode: EnterMode,
        /// The last number they saw, if it is of the present epoch.
        after: Option<Seq>,
    },
    /// Somebody goes.
    Leave {
        /// Their connection.
        conn: ConnId,
    },
    /// A connection is no more.
    Gone {
        /// Which.
        conn: ConnId,
    },
    /// Somebody says something.
    Say {
        /// Their connection.
        asker: Asker,
        /// Who, should they not have entered.
        who: Who,
        /// Their key.
        key: ClientKey,
        /// What, or why not.
        line: Result<Proposed, Refusal>,
        /// Loading the page counts as entering, so a form need not have entered on a socket.
        by_form: bool,
    },
    /// Somebody takes a line of theirs back.
    Unsay {
        /// Their connection.
        asker: Asker,
        /// Who.
        participant: ParticipantId,
        /// Which.
        which: Which,
    },
    /// Somebody puts a stamp under a line, or takes it off.
    Stamp {
        /// Their connection.
        conn: ConnId,
        /// Who.
        participant: ParticipantId,
        /// Under which.
        seq: Seq,
        /// Which.
        stamp: StampKind,
        /// The state after it.
        on: bool,
        /// Sent by a form of the page.
        by_form: bool,
    },
    /// Somebody lights or puts out their lamp.
    Lamp {
        /// Their connection.
        conn: ConnId,
        /// Lit.
        on: bool,
    },
    /// Somebody with a permit closes a line, or opens it again.
    Measure {
        /// Their connection.
        asker: Asker,
        /// Their key.
        key: ClientKey,
        /// Which line.
        seq: Seq,
        /// To what.
        to: Shows,
        /// What the audit log will say.
        entry: Entry,
    },
    /// The store was asked for a key that could not be taken now.
    Looked {
        /// Whose connection.
        asker: Asker,
        /// The key.
        key: ClientKey,
        /// What stands under that key.
        found: Option<Found>,
        /// What else to answer.
        otherwise: Otherwise,
    },
    /// A commit is on disk.
    Kept(Vec<Kept>),
    /// A commit failed; it may or may not be on disk.
    NotKept(Vec<(ParticipantId, ClientKey)>),
    /// Lines were read from the store.
    Loaded {
        /// For whom; for the room itself where absent.
        conn: Option<ConnId>,
        /// The first number that was asked for.
        from: Seq,
        /// The lines, in order.
        lines: Vec<Arc<Line>>,
    },
    /// Lines could not be read.
    NotLoaded {
        /// For whom.
        conn: Option<ConnId>,
    },
    /// What a connection was sent has left for it.
    Flushed {
        /// Which.
        conn: ConnId,
    },
    /// Lines were hidden, shown or taken back; with the count after it.
    Changed {
        /// What.
        changes: Vec<Changed>,
        /// The store's count of changes up to which nothing is missing here, if all were read.
        complete_to: Option<i64>,
        /// Lines that are shown again, whose words this node may not have.
        lines: Vec<Arc<Line>>,
    },
    /// A change came to nothing, or was done: its asker is told.
    ChangeDone {
        /// Whose connection.
        asker: Asker,
        /// The measure's key; absent for taking back.
        key: Option<ClientKey>,
        /// What came of it.
        outcome: Result<(), Refusal>,
    },
    /// Another node kept lines.
    Elsewhere {
        /// In order.
        lines: Vec<Arc<Line>>,
        /// What those on duty are told of some of them.
        marks: Vec<ServerFrame>,
    },
    /// Somebody with a permit looks at a line that waits, lets it pass or keeps it back.
    MeasureHold {
        /// Their connection.
        asker: Asker,
        /// Their key.
        key: ClientKey,
        /// Which hold.
        which: WhichHold,
        /// What.
        act: HoldAct,
        /// What the audit log will say.
        entry: Entry,
    },
    /// Somebody with a permit does something to the room as a whole.
    Act {
        /// Their connection.
        asker: Asker,
        /// Their key.
        key: ClientKey,
        /// What.
        act: RoomAct,
        /// What the audit log will say.
        entry: Entry,
    },
    /// What came of that.
    Acted {
        /// Who asked.
        asker: Asker,
        /// Their id here, and their key.
        by: (ParticipantId, ClientKey),
        /// What.
        act: RoomAct,
        /// What came of it.
        outcome: Result<(), Refusal>,
    },
    /// The room says something of the time.
    Announce {
        /// Which: it is said once.
        key: ClientKey,
        /// What.
        body: String,
    },
    /// Holds are on disk.
    HoldsKept(Vec<HoldKept>),
    /// They may or may not be.
    HoldsNotKept(Vec<(ParticipantId, ClientKey)>),
    /// What came of an act on a hold.
    HoldCame {
        /// Which.
        which: WhichHold,
        /// What was to be done.
        act: HoldAct,
        /// Who asked for it.
        asked: Option<HoldAsked>,
        /// What came of it.
        came: HoldCame,
    },
    /// Holds were read from the store; nothing where they could not be.
    Holds {
        /// In the order of what happened to them.
        rows: Option<Vec<Held>>,
        /// The count up to which nothing is missing now.
        complete_to: i64,
    },
    /// What the store says now.
    Seen(Box<Seen>),
    /// Time went on.
    Tick,
}
