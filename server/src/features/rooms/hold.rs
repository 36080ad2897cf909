//! A line that waits for a human before others see it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::line::{Content, Line};
use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, HoldId, ParticipantId, RoomId, Seq};
use crate::protocol::{CardKind, HoldEnd, HoldReason, ServerFrame, SpanOut, Speaker, Time};

/// What is sealed of a hold.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldWords {
    /// The line as it will be said.
    pub content: Content,
    /// What was found in it, for those on duty.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub spans: Vec<SpanOut>,
    /// The card that its author was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub card: Option<CardKind>,
}

impl std::fmt::Debug for HeldWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HeldWords(…)")
    }
}

/// A hold's one clock: a newcomer's line passes when it strikes; of any other its author is told that nobody has read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldClock {
    /// It strikes then.
    Runs(Millis),
    /// The room is paused: so many milliseconds are left.
    Stands(i64),
    /// A human looks, or it has struck.
    Off,
}

/// A hold as it stands in the store.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its id.
    pub id: HoldId,
    /// Its place among the holds of its room.
    pub n: i64,
    /// Whose line it is.
    pub author: ParticipantId,
    /// Their key for it.
    pub key: ClientKey,
    /// Why it waits.
    pub reason: HoldReason,
    /// Since when.
    pub at: Millis,
    /// Its clock.
    pub clock: HoldClock,
    /// A human reads it.
    pub looked: bool,
    /// Its author was told that nobody has read it yet.
    pub told: bool,
    /// How it ended, and when.
    pub ended: Option<(HoldEnd, Millis)>,
    /// The number of its line, where it ended by passing.
    pub seq: Option<Seq>,
    /// The room's count of what happened to its holds at the newest of this one.
    pub change_n: i64,
    /// Its words, until it ends; absent, too, where they cannot be opened.
    pub words: Option<HeldWords>,
}

impl Held {
    /// As those on duty are told of it; nothing once its words are gone.
    pub fn frame(&self, room: &RoomId) -> Option<ServerFrame> {
        let words = self.words.as_ref()?;
        Some(ServerFrame::Hold {
            room: room.as_str().to_owned(),
            hold: self.id.as_str().to_owned(),
            from: Speaker {
                id: self.author.as_str().to_owned(),
                name: words.content.name.clone(),
                duty: words.content.duty,
            },
            // Never masked: those who read first must see what somebody wrote in order to be found.
            body: words.content.body.clone(),
            spans: words.spans.clone(),
            reason: self.reason,
            at: Time(self.at),
            passes_at: match self.clock {
                HoldClock::Runs(due) if self.reason == HoldReason::Newcomer => Some(Time(due)),
                HoldClock::Runs(_) | HoldClock::Stands(_) | HoldClock::Off => None,
            },
        })
    }
}

/// A line that is to wait.
#[derive(Clone, Debug)]
pub struct NewHold {
    /// Whose.
    pub author: ParticipantId,
    /// Their key for it.
    pub key: ClientKey,
    /// Why.
    pub reason: HoldReason,
    /// When its clock strikes.
    pub due: Millis,
    /// What will be sealed.
    pub words: HeldWords,
}

/// What happens to a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldAct {
    /// It ends.
    End(HoldEnd),
    /// A human reads it: its clock is off.
    Look,
    /// Its clock struck: its author is told.
    Tell,
    /// Its clock stands, with so much left.
    Stand(i64),
    /// Its clock runs on, and strikes then.
    Run(Millis),
}

/// A hold by its id, or by its author's key for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhichHold {
    /// Its id.
    Id(HoldId),
    /// Its author and their key.
    Of(ParticipantId, ClientKey),
}

/// What stands under a key: a line that passed, or a hold.
#[derive(Clone, Debug)]
pub enum Found {
    /// A line, with its number and when it was kept.
    Line(Seq, Millis),
    /// A hold, open or ended.
    Hold(Box<Held>),
}

/// A hold that is kept now, or what was there under its key before.
#[derive(Clone, Debug)]
pub struct HoldKept {
    /// Whose.
    pub author: ParticipantId,
    /// Their key.
    pub key: ClientKey,
    /// What stands there.
    pub found: Found,
    /// Whether it came now.
    pub is_new: bool,
}

/// What came of an act on a hold.
#[derive(Debug)]
pub enum HoldCame {
    /// It was done.
    Done {
        /// The hold after it.
        hold: Box<Held>,
        /// Its line, where it ended by passing.
        line: Option<Arc<Line>>,
    },
    /// It was not: the hold is otherwise by now, or not there.
    Not(Option<Box<Held>>),
    /// The store does not say.
    Failed,
}
