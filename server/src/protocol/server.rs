//! Server → client.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::values::{
    About, Audience, CardKind, Duty, Form, GatheringKind, HoldEnd, HoldReason, MeasureKind,
    ReaderRole, RefusalCode, ReportReason, RoleKind, RoomState, StampKind, Standing, Time, Urgency,
    WayMode, Why,
};

/// Who one is, on a socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct YouOut {
    /// The handle's or the account's id.
    pub id: String,
    /// The name.
    pub name: String,
    /// The side; absent for accounts with powers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub standing: Option<Standing>,
    /// Roles; empty for a handle.
    pub roles: Vec<RoleKind>,
}

/// What a client has to keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Limits {
    /// Unicode scalar values of a body.
    pub body_chars_max: u32,
    /// Bytes of a frame.
    pub frame_bytes_max: u32,
    /// Lines that may come at once.
    pub say_burst: u32,
    /// Milliseconds until one more may come.
    pub say_interval_ms: u32,
    /// Frames in ten seconds on one socket.
    pub frames_per_10s: u32,
    /// Sockets of one handle.
    pub sockets_max: u32,
}

/// Who one is in a room; the id is of this room alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct YouInRoom {
    /// The participant id.
    pub id: String,
    /// The name worn here.
    pub name: String,
}

/// Somebody who can read here, by role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Reader {
    /// The role.
    pub role: ReaderRole,
}

/// Somebody on duty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct OnDuty {
    /// The name shown.
    pub name: String,
    /// What they are there as.
    pub duty: Duty,
}

/// A ready line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct ReadyOut {
    /// Its id.
    pub id: String,
    /// Its words.
    pub text: String,
}

/// Lines that are gone, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Gap {
    /// The first.
    pub from: i64,
    /// The last.
    pub to: i64,
}

/// One's own line that waits for a human.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct WaitingLine {
    /// Its key.
    pub key: String,
    /// Its words.
    pub body: String,
    /// Why it waits.
    pub reason: HoldReason,
}

/// A place in a body, in Unicode scalar values; `to` is past the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct SpanOut {
    /// The first.
    pub from: u32,
    /// One past the last.
    pub to: u32,
}

/// A way to somebody, on a card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct CardLink {
    /// Whom one gets to.
    pub label: String,
    /// `tel:`, `https:`, or a path of this place.
    pub href: String,
    /// By which way.
    pub mode: WayMode,
    /// The number as people read it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub number: Option<String>,
    /// For whom or for what it is, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub about: Option<String>,
    /// Until when somebody is there, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub hours: Option<String>,
    /// What it costs, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub cost: Option<String>,
}

/// Who said it; the id is of this room alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Speaker {
    /// The participant id.
    pub id: String,
    /// The name worn.
    pub name: String,
    /// What they were there as, if on duty.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub duty: Option<Duty>,
}

/// A line that passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct LineOut {
    /// The room.
    pub room: String,
    /// Its number, from 1.
    pub seq: i64,
    /// Who; absent when the room itself speaks.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub from: Option<Speaker>,
    /// The words.
    pub body: String,
    /// When it was kept.
    pub at: Time,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub note: Option<String>,
    /// 返事はいりません.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub no_reply: Option<bool>,
    /// What sort of line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub form: Option<Form>,
    /// Which stamps are present.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub stamps: Option<Vec<StampKind>>,
}

/// What changes in a room while one is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Head {
    /// Where it stands.
    pub state: RoomState,
    /// 部屋の進め方, 0–4.
    pub guard: u8,
    /// お題.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub topic: Option<String>,
    /// Milliseconds between two lines of one person; 0 where there is no slow pace.
    pub slow_ms: u32,
    /// How many are about, in words.
    pub about: About,
    /// Who keeps the room.
    pub on_duty: Vec<OnDuty>,
    /// Ready lines.
    pub ready: Vec<ReadyOut>,
    /// Whether any lamp is lit.
    pub lamp: bool,
}

/// The answer to `enter`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Entered {
    /// The room.
    pub room: String,
    /// The epoch that its numbers belong to.
    pub epoch: String,
    /// Who one is here.
    pub you: YouInRoom,
    /// Who can read here.
    pub readers: Vec<Reader>,
    /// When its text ends.
    pub forgets_at: Time,
    /// Its title.
    pub title: String,
    /// What sort of gathering.
    pub kind: GatheringKind,
    /// Whose.
    pub audience: Audience,
    /// What changes.
    #[serde(flatten)]
    pub head: Head,
    /// `said` and `hidden` frames, contiguous.
    #[schema(no_recursion)]
    pub messages: Vec<ServerFrame>,
    /// The newest number.
    pub last_seq: i64,
    /// What is gone of what was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub gap: Option<Gap>,
    /// One's own open holds.
    pub waiting_lines: Vec<WaitingLine>,
}

/// A word about waiting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Admitted {
    /// The room.
    pub room: String,
    /// The words.
    pub text: String,
}

/// What changed in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct RoomOut {
    /// The room.
    pub room: String,
    /// Its head as it is now.
    #[serde(flatten)]
    pub head: Head,
}

/// One frame to a client.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame {
    /// At once after the upgrade.
    Welcome {
        /// Who one is.
        you: YouOut,
        /// The server's time.
        now: Time,
        /// What to keep to.
        limits: Limits,
    },
    /// The answer to `enter`.
    Entered(Box<Entered>),
    /// The doors are not open yet, or nobody new comes in just now.
    Waiting(Admitted),
    /// Followed at once by `entered`.
    Admitted(Admitted),
    /// A line.
    Said(LineOut),
    /// One's own line is kept.
    Acked {
        /// Its key.
        key: String,
        /// The room.
        room: String,
        /// Its number.
        seq: i64,
        /// When.
        at: Time,
    },
    /// One's own line waits for a human.
    Held {
        /// Its key.
        key: String,
        /// The room.
        room: String,
        /// Why.
        reason: HoldReason,
        /// In words.
        text: String,
    },
    /// One's own line is asked back.
    Ask {
        /// Its key.
        key: String,
        /// The room.
        room: String,
        /// Why.
        reason: HoldReason,
        /// In words.
        text: String,
        /// Where.
        spans: Vec<SpanOut>,
        /// The body with the spans replaced.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        masked: Option<String>,
    },
    /// Nothing was done.
    Refused {
        /// Of which frame.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        key: Option<String>,
        /// In which room.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        room: Option<String>,
        /// For programs.
        code: RefusalCode,
        /// For people.
        text: String,
        /// When to try again.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        retry_after_ms: Option<u64>,
    },
    /// To this person alone.
    Card {
        /// Which.
        kind: CardKind,
        /// In words: paragraphs, a line break between them. The last says when to call 119 or 110.
        text: String,
        /// Where to turn now: `here`, then text, then telephone, `emergency` last. What is closed is absent.
        links: Vec<CardLink>,
    },
    /// Which stamps stand under a line now.
    Stamped {
        /// The room.
        room: String,
        /// The line.
        seq: i64,
        /// Which are present.
        stamps: Vec<StampKind>,
    },
    /// A line is not shown.
    Hidden {
        /// The room.
        room: String,
        /// The line.
        seq: i64,
    },
    /// A hidden line is shown again.
    Shown {
        /// The room.
        room: String,
        /// The line's number.
        seq: i64,
        /// The whole line.
        #[schema(no_recursion)]
        line: Box<ServerFrame>,
    },
    /// A line is folded.
    Folded {
        /// The room.
        room: String,
        /// The line.
        seq: i64,
        /// What it is about.
        note: String,
    },
    /// A whisper, call, report or measure was done.
    Done {
        /// Its key.
        key: String,
    },
    /// The answer to `ping`.
    Pong {
        /// Given back.
        n: i64,
    },
    /// A whisper.
    Whispered {
        /// The room.
        room: String,
        /// From whom.
        from: String,
        /// To whom.
        to: String,
        /// The words.
        body: String,
        /// When.
        at: Time,
    },
    /// A human did something that concerns this person.
    Measured {
        /// Where.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        room: Option<String>,
        /// Its id.
        measure: String,
        /// What.
        kind: MeasureKind,
        /// In words.
        text: String,
        /// Until when.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        until: Option<Time>,
        /// Why.
        reason: String,
        /// Whether it can be appealed to somebody else.
        appeal: bool,
    },
    /// What changed in the room.
    Room(RoomOut),
    /// One is no longer in the room.
    Left {
        /// The room.
        room: String,
        /// Why.
        why: Why,
    },
    /// The socket is about to close.
    Bye {
        /// Why.
        why: Why,
        /// When to come again.
        reconnect_after_ms: u64,
    },
    /// To those on duty: a line waits.
    Hold {
        /// The room.
        room: String,
        /// Its id.
        hold: String,
        /// Whose.
        from: Speaker,
        /// The words.
        body: String,
        /// Where.
        spans: Vec<SpanOut>,
        /// Why.
        reason: HoldReason,
        /// Since when.
        at: Time,
        /// When it passes by itself.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[ts(optional)]
        passes_at: Option<Time>,
    },
    /// To those on duty: a hold ended.
    HoldDone {
        /// The room.
        room: String,
        /// Its id.
        hold: String,
        /// How.
        how: HoldEnd,
    },
    /// To those on duty: somebody told of a line.
    Reported {
        /// The room.
        room: String,
        /// Its id.
        report: String,
        /// The line.
        seq: i64,
        /// Why.
        reason: ReportReason,
    },
    /// To those on duty: somebody asked for staff.
    Called {
        /// The room.
        room: String,
        /// Who.
        from: String,
        /// How soon.
        urgency: Urgency,
    },
    /// To those on duty: a line was marked.
    Marked {
        /// The room.
        room: String,
        /// The line.
        seq: i64,
        /// As what.
        category: String,
    },
}

impl std::fmt::Debug for ServerFrame {
    /// Nothing of it: a frame holds what people write.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerFrame(…)")
    }
}
