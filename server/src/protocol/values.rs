//! The small values of the wire.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::platform::clock::Millis;

/// An instant on the wire: RFC 3339 in UTC with milliseconds and `Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, TS, ToSchema)]
#[ts(type = "string")]
#[schema(value_type = String, format = DateTime)]
pub struct Time(pub Millis);

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.rfc3339())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Millis::parse_rfc3339(&text)
            .map(Time)
            .ok_or_else(|| serde::de::Error::custom("not an RFC 3339 instant"))
    }
}

/// Makes a value of the wire: an enum of unit variants with a fixed lower-case spelling, the same in the database.
macro_rules! value {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$vmeta])* $variant),+
        }

        impl $name {
            /// Every value, in the order of the contract.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The spelling on the wire and in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            /// The value of that spelling, if there is one.
            pub fn from_wire(text: &str) -> Option<Self> {
                match text { $($text => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

value! {
    /// Which rooms a handle may enter: 自分のことで / 家族のことで.
    Standing {
        /// 自分のことで.
        Tojisha = "tojisha",
        /// 家族のことで.
        Family = "family",
    }
}

/// Whose gathering it is; the same two values as a standing, and every gathering has exactly one.
pub type Audience = Standing;
value! {
    /// What sort of meeting a gathering is.
    GatheringKind {
        /// 居場所.
        Ibasho = "ibasho",
        /// 本人の会 (当事者会).
        TojishaKai = "tojisha_kai",
        /// 家族会.
        KazokuKai = "kazoku_kai",
    }
}

value! {
    /// How one gets into a gathering.
    EntryKind {
        /// 自分で入れる.
        Open = "open",
        /// 案内カードで入る.
        Introduced = "introduced",
    }
}

value! {
    /// Whether a device is one person's alone.
    Device {
        /// 自分だけが使う.
        Mine = "mine",
        /// 家の人も使う.
        Shared = "shared",
    }
}

value! {
    /// Where a gathering stands in its life.
    RoomState {
        /// Announced.
        Planned = "planned",
        /// The waiting room is open.
        DoorsOpen = "doors_open",
        /// People talk.
        Open = "open",
        /// Reading only, for now.
        Paused = "paused",
        /// The last ten minutes.
        LastCall = "last_call",
        /// Reading and stamps.
        Afterglow = "afterglow",
        /// Over.
        Closed = "closed",
        /// It did not take place.
        Cancelled = "cancelled",
    }
}

value! {
    /// How somebody comes into a room.
    EnterMode {
        /// Reads and may write.
        Talk = "talk",
        /// Reads.
        Listen = "listen",
        /// Keeps the room; needs a roster place, or role coordinator or manager.
        Duty = "duty",
    }
}

value! {
    /// What somebody on duty is there as.
    Duty {
        /// 進行役.
        Host = "host",
        /// サポーター.
        Supporter = "supporter",
        /// 職員.
        Staff = "staff",
    }
}

value! {
    /// What a person with powers may ever do.
    RoleKind {
        /// ピアサポーター.
        PeerSupporter = "peer_supporter",
        /// 進行役.
        Moderator = "moderator",
        /// コーディネーター.
        Coordinator = "coordinator",
        /// 事業責任者.
        Manager = "manager",
    }
}

value! {
    /// Who can read a room, by role.
    ReaderRole {
        /// Those who are in it.
        Participant = "participant",
        /// ピアサポーター.
        PeerSupporter = "peer_supporter",
        /// 進行役.
        Moderator = "moderator",
        /// コーディネーター.
        Coordinator = "coordinator",
        /// 事業責任者.
        Manager = "manager",
        /// 待機の職員.
        OnCall = "on_call",
        /// Anybody, where the header says so.
        Public = "public",
    }
}

value! {
    /// How many are about, in words; recomputed at most once a minute.
    About {
        /// At most 3.
        Few = "few",
        /// At most 9.
        Some = "some",
        /// More.
        Many = "many",
    }
}

value! {
    /// What can be put under a line; shown as present, never counted.
    StampKind {
        /// うなずき.
        Nod = "nod",
        /// 聞いています.
        Listening = "listening",
        /// ありがとう.
        Thanks = "thanks",
        /// あたたかい.
        Warm = "warm",
        /// わたしも.
        Same = "same",
    }
}

value! {
    /// What sort of line it is, where it is not plain talk.
    Form {
        /// A topic was put up.
        Topic = "topic",
        /// The time was told.
        Time = "time",
        /// A word by those on duty.
        Word = "word",
        /// A ready line.
        Ready = "ready",
    }
}

value! {
    /// Why a line waits for a human, or was asked back.
    HoldReason {
        /// A newcomer's first lines.
        Newcomer = "newcomer",
        /// All lines are read first.
        Guard = "guard",
        /// Contact or identity.
        Contact = "contact",
        /// A life may be in danger.
        Risk = "risk",
        /// Harm to others.
        Threat = "threat",
        /// An insult.
        Abuse = "abuse",
        /// Sexual talk.
        Sexual = "sexual",
        /// Selling.
        Solicitation = "solicitation",
    }
}

value! {
    /// How a hold ended.
    HoldEnd {
        /// Somebody on duty let it pass.
        Approved = "approved",
        /// Somebody on duty kept it back.
        Rejected = "rejected",
        /// Its time passed.
        Passed = "passed",
        /// Its author took it back.
        Withdrawn = "withdrawn",
        /// The room closed.
        Closed = "closed",
    }
}

value! {
    /// Which card.
    CardKind {
        /// 命.
        Life = "life",
        /// けがをさせられている.
        HurtAtHome = "hurt_at_home",
        /// 自分がしてしまいそう.
        IMayHurt = "i_may_hurt",
        /// 子ども.
        Child = "child",
        /// 介護.
        Care = "care",
        /// お金.
        Money = "money",
        /// 連れていかれる.
        TakenAway = "taken_away",
        /// 性のこと.
        Sexual = "sexual",
    }
}

value! {
    /// By which way one gets to somebody from a card.
    WayMode {
        /// In this place: 職員と話す, or all lines that are open.
        Here = "here",
        /// By text, answered at once.
        Chat = "chat",
        /// By text, answered later.
        Mail = "mail",
        /// By voice.
        Phone = "phone",
        /// 119 or 110.
        Emergency = "emergency",
    }
}

value! {
    /// Why somebody tells those on duty of a line.
    ReportReason {
        /// Contact was asked or given.
        Contact = "contact",
        /// It hurt.
        Hurt = "hurt",
        /// Worry for the writer.
        Worry = "worry",
        /// Selling.
        Trade = "trade",
        /// Something else.
        Other = "other",
    }
}

value! {
    /// How soon somebody of the staff is needed.
    Urgency {
        /// A life.
        Now = "now",
        /// A crisis.
        Crisis = "crisis",
        /// Today.
        Soon = "soon",
        /// In turn.
        Routine = "routine",
    }
}

value! {
    /// What a human does in a room.
    MeasureKind {
        /// ひと声.
        Word = "word",
        /// 折る.
        Fold = "fold",
        /// とじる.
        Hide = "hide",
        /// ひらく.
        Unhide = "unhide",
        /// 書き込みのお休み.
        Rest = "rest",
        /// お休みの終わり.
        Unrest = "unrest",
        /// 今日はここまで.
        NotToday = "not_today",
        /// ほかの側の部屋へ.
        MoveSide = "move_side",
        /// A human reads this hold.
        Look = "look",
        /// Let a hold pass.
        Approve = "approve",
        /// Keep a hold back.
        Reject = "reject",
        /// ゆっくり.
        Slow = "slow",
        /// 部屋の進め方.
        Guard = "guard",
        /// Nobody new comes in.
        Lock = "lock",
        /// They do again.
        Unlock = "unlock",
        /// Let one who waits come in.
        Admit = "admit",
        /// Reading only.
        Pause = "pause",
        /// Talk again.
        Resume = "resume",
        /// お題.
        Topic = "topic",
        /// お知らせ.
        Notice = "notice",
        /// The end.
        Close = "close",
    }
}

value! {
    /// Why somebody is no longer in a room, or the socket goes.
    Why {
        /// They left.
        You = "you",
        /// A human removed them.
        Removed = "removed",
        /// The session ended.
        Session = "session",
        /// The room closed.
        Closed = "closed",
        /// This node goes away.
        Drain = "drain",
        /// They read too slowly.
        Slow = "slow",
    }
}

value! {
    /// Why nothing was done; the text beside it is for people.
    RefusalCode {
        /// Not a frame of this contract.
        BadFrame = "bad_frame",
        /// More characters than a line may have.
        TooLong = "too_long",
        /// More than the rate allows.
        TooFast = "too_fast",
        /// Not in this room.
        NotEntered = "not_entered",
        /// Not for this person; also: not there, gone.
        NotAllowed = "not_allowed",
        /// Over, or not yet.
        RoomClosed = "room_closed",
        /// Reading only, for now.
        RoomPaused = "room_paused",
        /// No free writer's seat.
        RoomFull = "room_full",
        /// This person's writing rests.
        Resting = "resting",
        /// This person was removed.
        Removed = "removed",
        /// Those on duty kept the line back.
        Rejected = "rejected",
        /// The room listens.
        Listening = "listening",
        /// Spam.
        Spam = "spam",
        /// Could not be kept now; it may have been: repeat with the same key.
        Busy = "busy",
        /// Not built yet.
        NotYet = "not_yet",
    }
}

/// A role with what it is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
pub struct Role {
    /// Which role.
    pub role: RoleKind,
    /// The side a supporter or moderator serves.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub audience: Option<Audience>,
    /// Whether a coordinator is a 専門職 (ordinance 第5条).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(optional)]
    pub specialist: Option<bool>,
}
