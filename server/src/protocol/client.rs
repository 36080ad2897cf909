//! Client → server.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::values::{EnterMode, Form, MeasureKind, ReportReason, StampKind};

/// What a measure aims at: a line by its number, or a participant or a hold by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(untagged)]
pub enum MeasureTarget {
    /// A line's `seq`.
    Seq(i64),
    /// A participant or a hold.
    Id(String),
}

/// One frame from a client. Unknown fields are ignored; ids are checked by whoever uses them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientFrame {
    /// Come in, or come back.
    Enter {
        /// The room.
        room: String,
        /// The epoch that `after` belongs to.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        epoch: Option<String>,
        /// The last `seq` seen.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        after: Option<i64>,
        /// How; talk where absent.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        mode: Option<EnterMode>,
        /// The name worn in this gathering.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        name: Option<String>,
    },
    /// A line.
    Say {
        /// The room.
        room: String,
        /// 1–64 of `A–Z a–z 0–9 _ -`, unique for this handle in this room.
        key: String,
        /// The words, or …
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        body: Option<String>,
        /// … the id of a ready line.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        ready: Option<String>,
        /// What it is about, for those who would rather not read it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        note: Option<String>,
        /// 返事はいりません.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        no_reply: Option<bool>,
        /// `topic` where a topic is offered.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        form: Option<Form>,
    },
    /// Take one's own line back.
    Unsay {
        /// The room.
        room: String,
        /// The line, or …
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        seq: Option<i64>,
        /// … its key (a held line has only that).
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        key: Option<String>,
    },
    /// Put a stamp under a line, or take it off.
    Stamp {
        /// The room.
        room: String,
        /// The line.
        seq: i64,
        /// Which.
        stamp: StampKind,
        /// The state after it; true where absent.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        on: Option<bool>,
    },
    /// Light one's lamp, or put it out.
    Lamp {
        /// The room.
        room: String,
        /// Lit.
        on: bool,
    },
    /// A line with those on duty.
    Whisper {
        /// The room.
        room: String,
        /// Its key.
        key: String,
        /// The words.
        body: String,
        /// From those on duty: the participant.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        to: Option<String>,
    },
    /// Ask for staff.
    Call {
        /// Where from.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        room: Option<String>,
        /// Its key.
        key: String,
        /// In words.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        text: Option<String>,
    },
    /// Tell those on duty of a line.
    Report {
        /// The room.
        room: String,
        /// Its key.
        key: String,
        /// The line.
        seq: i64,
        /// Why.
        reason: ReportReason,
        /// In words.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        text: Option<String>,
    },
    /// What a human does; needs a permit.
    Measure {
        /// The room.
        room: String,
        /// Its key.
        key: String,
        /// What.
        kind: MeasureKind,
        /// On what.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        target: Option<MeasureTarget>,
        /// Until when, RFC 3339.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        until: Option<String>,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        reason: Option<String>,
        /// What else it needs.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional, type = "unknown")]
        value: Option<serde_json::Value>,
    },
    /// Go, unannounced.
    Leave {
        /// The room.
        room: String,
    },
    /// Answered by `pong`, after everything before it.
    Ping {
        /// Given back.
        n: i64,
    },
}

impl std::fmt::Debug for ClientFrame {
    /// The type alone: a frame holds what people write.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            ClientFrame::Enter { .. } => "enter",
            ClientFrame::Say { .. } => "say",
            ClientFrame::Unsay { .. } => "unsay",
            ClientFrame::Stamp { .. } => "stamp",
            ClientFrame::Lamp { .. } => "lamp",
            ClientFrame::Whisper { .. } => "whisper",
            ClientFrame::Call { .. } => "call",
            ClientFrame::Report { .. } => "report",
            ClientFrame::Measure { .. } => "measure",
            ClientFrame::Leave { .. } => "leave",
            ClientFrame::Ping { .. } => "ping",
        };
        write!(f, "ClientFrame::{name}(…)")
    }
}
