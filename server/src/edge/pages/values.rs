//! The small choices that pages are made of, with their names on the wire and their keys in the catalogue.

/// An enum of unit variants with a name on the wire and a key in the catalogue.
macro_rules! values {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $wire:literal, $key:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// All of them, in the order in which pages show them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name on the wire and in forms.
            pub fn wire(&self) -> &'static str {
                match self { $(Self::$variant => $wire,)+ }
            }

            /// The value of a name on the wire.
            pub fn from_wire(wire: &str) -> Option<Self> {
                match wire { $($wire => Some(Self::$variant),)+ _ => None }
            }

            /// The key of its words in the catalogue.
            pub fn key(&self) -> &'static str {
                match self { $(Self::$variant => $key,)+ }
            }
        }
    };
}
pub(crate) use values;

values! {
    /// Whose gathering it is; as a standing, what somebody came about.
    Audience {
        /// 本人.
        Tojisha = "tojisha", "enter.tojisha";
        /// 家族.
        Family = "family", "enter.family";
    }
}

impl Audience {
    /// The key of the words for a person's standing.
    pub fn standing_key(&self) -> &'static str {
        self.key()
    }
}

values! {
    /// The kind of a gathering.
    Kind {
        /// 居場所.
        Ibasho = "ibasho", "kind.ibasho.tojisha";
        /// 本人の会.
        TojishaKai = "tojisha_kai", "kind.tojisha_kai.tojisha";
        /// 家族会.
        KazokuKai = "kazoku_kai", "kind.kazoku_kai.family";
    }
}

values! {
    /// How a gathering stands.
    RoomState {
        /// Not yet.
        Planned = "planned", "state.planned";
        /// The waiting room is open.
        DoorsOpen = "doors_open", "state.doors_open";
        /// Open.
        Open = "open", "state.open";
        /// Reading only for now.
        Paused = "paused", "state.paused";
        /// The last ten minutes.
        LastCall = "last_call", "state.last_call";
        /// Reading and stamps.
        Afterglow = "afterglow", "state.afterglow";
        /// Over.
        Closed = "closed", "state.closed";
        /// Does not take place.
        Cancelled = "cancelled", "state.cancelled";
    }
}

values! {
    /// About how many people are here; never a number.
    About {
        /// At most three.
        Few = "few", "room.few";
        /// At most nine.
        Some = "some", "room.some";
        /// More.
        Many = "many", "room.many";
    }
}

values! {
    /// What somebody with a duty does in the room.
    Duty {
        /// 進行役.
        Host = "host", "duty.host";
        /// サポーター.
        Supporter = "supporter", "duty.supporter";
        /// 職員.
        Staff = "staff", "duty.staff";
    }
}

values! {
    /// Who can read a room, by role.
    Reader {
        /// Those in the room.
        Participant = "participant", "reader.participant";
        /// ピアサポーター on duty.
        PeerSupporter = "peer_supporter", "reader.peer_supporter";
        /// 進行役.
        Moderator = "moderator", "reader.moderator";
        /// コーディネーター.
        Coordinator = "coordinator", "reader.coordinator";
        /// 事業責任者.
        Manager = "manager", "reader.manager";
        /// 待機の職員.
        OnCall = "on_call", "reader.on_call";
        /// Anybody.
        Public = "public", "reader.public";
    }
}

values! {
    /// What a person with powers may ever do.
    Role {
        /// ピアサポーター.
        PeerSupporter = "peer_supporter", "role.peer_supporter";
        /// 進行役.
        Moderator = "moderator", "role.moderator";
        /// コーディネーター.
        Coordinator = "coordinator", "role.coordinator";
        /// 事業責任者.
        Manager = "manager", "role.manager";
    }
}

values! {
    /// A stamp.
    Stamp {
        /// うなずき.
        Nod = "nod", "stamp.nod";
        /// 聞いています.
        Listening = "listening", "stamp.listening";
        /// ありがとう.
        Thanks = "thanks", "stamp.thanks";
        /// あたたかい.
        Warm = "warm", "stamp.warm";
        /// わたしも.
        Same = "same", "stamp.same";
    }
}

values! {
    /// Whose device this is.
    Device {
        /// Only the person's own.
        Mine = "mine", "enter.mine";
        /// Shared with others.
        Shared = "shared", "enter.shared";
    }
}

values! {
    /// How somebody is in a room.
    Mode {
        /// May write.
        Talk = "talk", "room.field";
        /// Reads only.
        Listen = "listen", "seat.listen";
        /// On duty.
        Duty = "duty", "room.field";
    }
}

values! {
    /// What the composer lets one do just now.
    Seat {
        /// Write and choose words.
        Write = "write", "room.field";
        /// Entered for reading only.
        Listen = "listen", "seat.listen";
        /// Guard 3: stamps and ready lines only.
        Reading = "reading", "seat.reading";
        /// Guard 4: those on duty only.
        Rest = "rest", "seat.rest";
        /// The room is paused.
        Paused = "paused", "seat.paused";
        /// No free writer's seat.
        Full = "full", "seat.full";
        /// After the end: reading and stamps.
        Afterglow = "afterglow", "seat.afterglow";
        /// Closed.
        Closed = "closed", "seat.closed";
        /// This person has a rest.
        Resting = "resting", "seat.resting";
    }
}

impl Seat {
    /// Whether the field is there.
    pub fn writes(&self) -> bool {
        matches!(self, Self::Write)
    }

    /// Whether words can be chosen.
    pub fn chooses(&self) -> bool {
        matches!(self, Self::Write | Self::Reading)
    }
}

/// Somebody on duty, as the room shows them.
#[derive(Debug, Clone)]
pub struct OnDuty {
    /// The name that is shown.
    pub name: String,
    /// What they do.
    pub duty: Duty,
}
