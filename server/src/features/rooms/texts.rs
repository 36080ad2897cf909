//! The words a room says by itself; they come from the one catalogue and are handed in.

use std::collections::HashMap;

use crate::platform::clock::Millis;
use crate::protocol::{CardKind, HoldReason, ReadyOut, RefusalCode, ReportReason, ServerFrame};

/// Where a hold stands, for its author.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HoldStage {
    /// Nobody has looked yet.
    Waits,
    /// A human reads it.
    Looked,
    /// Nobody has looked for long.
    Told,
    /// It was kept back.
    Rejected,
}

impl HoldStage {
    /// Every stage.
    pub const ALL: [Self; 4] = [Self::Waits, Self::Looked, Self::Told, Self::Rejected];

    /// Its name in the catalogue.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waits => "waits",
            Self::Looked => "looked",
            Self::Told => "told",
            Self::Rejected => "rejected",
        }
    }
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaitWhy {
    /// The hour.
    Doors,
    /// Those on duty let people in.
    Locked,
    /// Somebody on call.
    OnCall,
}

impl WaitWhy {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Doors, Self::Locked, Self::OnCall];

    /// Its name in the catalogue.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Doors => "doors",
            Self::Locked => "locked",
            Self::OnCall => "on_call",
        }
    }
}

/// Words for people.
#[derive(Clone, Debug, Default)]
pub struct RoomTexts {
    /// What each refusal says.
    pub refusals: HashMap<RefusalCode, String>,
    /// Ready lines.
    pub ready: Vec<ReadyOut>,
    /// What somebody hears who waits.
    pub waits: HashMap<WaitWhy, String>,
    /// What they hear when they may come in.
    pub admitted: String,
    /// What somebody hears who is taken to the other side.
    pub moved: String,
    /// What the room says when its last call begins, and when it is only read.
    pub last_call: String,
    /// See `last_call`.
    pub afterglow: String,
    /// What the author of a held line hears.
    pub holds: HashMap<(HoldReason, HoldStage), String>,
    /// What the author of a line that was kept back hears, by what those on duty said of it.
    pub rejected: HashMap<ReportReason, String>,
    /// What somebody hears who repeats a line that they took back while it waited.
    pub withdrawn: String,
    /// What somebody hears who is asked back.
    pub asks: HashMap<HoldReason, String>,
    /// A card as it is at that moment: which lines are open is not the room's to know.
    pub card: Option<fn(CardKind, Millis) -> ServerFrame>,
}

impl RoomTexts {
    /// What a refusal says.
    pub fn refusal(&self, code: RefusalCode) -> String {
        self.refusals.get(&code).cloned().unwrap_or_default()
    }

    /// What is said to somebody who waits.
    pub fn wait(&self, why: WaitWhy) -> String {
        self.waits.get(&why).cloned().unwrap_or_default()
    }

    /// What is said about a held line.
    pub fn hold(&self, reason: HoldReason, stage: HoldStage) -> String {
        self.holds
            .get(&(reason, stage))
            .cloned()
            .unwrap_or_default()
    }

    /// What is said to somebody who is asked back.
    pub fn ask(&self, reason: HoldReason) -> String {
        self.asks.get(&reason).cloned().unwrap_or_default()
    }

    /// The words of a ready line.
    pub fn ready_line(&self, id: &str) -> Option<&str> {
        self.ready
            .iter()
            .find(|line| line.id == id)
            .map(|line| line.text.as_str())
    }
}
