//! A line that passed, and what of it is sealed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::body::Body;
use super::policy::Assessed;
use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, ParticipantId, RoomId, Seq};
use crate::protocol::{Duty, Form, LineOut, ServerFrame, Speaker, StampKind, Time};

/// Whether a line is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// It is.
    Yes,
    /// Those on duty closed it; they can open it again.
    Hidden,
    /// Its writer took it back; its words are gone.
    TakenBack,
    /// Its words cannot be opened any more.
    Gone,
}

impl Shows {
    /// The spelling in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Shows::Yes | Shows::Gone => "yes",
            Shows::Hidden => "hidden",
            Shows::TakenBack => "taken_back",
        }
    }

    /// From the store's spelling.
    pub fn from_stored(text: &str) -> Option<Self> {
        match text {
            "yes" => Some(Shows::Yes),
            "hidden" => Some(Shows::Hidden),
            "taken_back" => Some(Shows::TakenBack),
            _ => None,
        }
    }
}

/// What the author of the room's own lines is called in the store; nobody's id looks like it, and nobody is told of it.
pub const ROOM_ITSELF: &str = "room";

/// What is sealed of a line: its words, and the name and duty under which they were said.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The words.
    pub body: String,
    /// The name worn.
    pub name: String,
    /// What the writer was there as.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub duty: Option<Duty>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
    /// 返事はいりません.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub no_reply: bool,
    /// What sort of line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub form: Option<Form>,
    /// The room itself says it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub by_room: bool,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Content(…)")
    }
}

/// A line that passed.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its number.
    pub seq: Seq,
    /// Who wrote it, in this room's ids.
    pub author: ParticipantId,
    /// The author's key for it.
    pub key: ClientKey,
    /// When it was kept.
    pub at: Millis,
    /// Whether it is shown.
    pub shows: Shows,
    /// Its words; absent once they are gone.
    pub content: Option<Content>,
    /// Whose stamps stand under it; told only as which are present.
    pub stamps: BTreeSet<(StampKind, ParticipantId)>,
}

impl Line {
    /// Which stamps are present, in the order of the contract.
    pub fn stamps_present(&self) -> Vec<StampKind> {
        StampKind::ALL
            .iter()
            .copied()
            .filter(|kind| self.stamps.iter().any(|(stamp, _)| stamp == kind))
            .collect()
    }

    /// The first word of this line that a member gets: `said`, or `hidden`.
    pub fn frame(&self, room: &RoomId) -> ServerFrame {
        match (&self.content, self.shows) {
            (Some(content), Shows::Yes) => {
                let stamps = self.stamps_present();
                ServerFrame::Said(LineOut {
                    room: room.as_str().to_owned(),
                    seq: self.seq.get(),
                    from: (!content.by_room).then(|| Speaker {
                        id: self.author.as_str().to_owned(),
                        name: content.name.clone(),
                        duty: content.duty,
                    }),
                    body: content.body.clone(),
                    at: Time(self.at),
                    note: content.note.clone(),
                    no_reply: content.no_reply.then_some(true),
                    form: content.form,
                    stamps: (!stamps.is_empty()).then_some(stamps),
                })
            }
            (_, Shows::Hidden | Shows::TakenBack | Shows::Gone) | (None, Shows::Yes) => {
                ServerFrame::Hidden {
                    room: room.as_str().to_owned(),
                    seq: self.seq.get(),
                }
            }
        }
    }
}

/// A line that somebody wants to say, before it has a number.
#[derive(Clone, Debug)]
pub struct NewLine {
    /// Who, in this room's ids.
    pub author: ParticipantId,
    /// Their key for it.
    pub key: ClientKey,
    /// What will be sealed.
    pub content: Content,
}

/// What of a `say` the connection has already read.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// What was found in it.
    pub found: Assessed,
    /// The words.
    pub body: Body,
    /// What it is about.
    pub note: Option<Body>,
    /// 返事はいりません.
    pub no_reply: bool,
    /// What sort of line.
    pub form: Option<Form>,
    /// Which answer of the present topic it is, counted from 0; the room knows its words.
    pub answer: Option<usize>,
}
