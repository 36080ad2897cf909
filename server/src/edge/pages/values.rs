//! The small choices that pages are made of, with their names in forms and their keys in the catalogue.
//!
//! What the wire has is the wire's; only what pages alone know is made here.

pub use crate::protocol::{
    About, Audience, Device, Duty, EnterMode as Mode, Form, GatheringKind as Kind, HoldReason,
    ReaderRole as Reader, ReportReason as RejectReason, RoleKind as Role, RoomState,
    StampKind as Stamp, WayMode,
};

/// A value of the wire as pages show it.
pub trait Worded {
    /// Its name in forms and attributes, the same as on the wire.
    fn wire(&self) -> &'static str;

    /// The key of its words in the catalogue.
    fn key(&self) -> String;
}

macro_rules! worded {
    ($($name:ident => $part:literal,)+) => {
        $(impl Worded for $name {
            fn wire(&self) -> &'static str {
                self.as_str()
            }

            fn key(&self) -> String {
                format!(concat!($part, ".{}"), self.as_str())
            }
        })+

        /// Every key that values of the wire may ask for.
        #[cfg(test)]
        pub(crate) fn keys_of_the_wire() -> Vec<String> {
            let mut keys = Vec::new();
            $(keys.extend($name::ALL.iter().map(Worded::key));)+
            keys
        }
    };
}

worded! {
    About => "room",
    Audience => "enter",
    Device => "enter",
    Duty => "duty",
    HoldReason => "why",
    Mode => "mode",
    Reader => "reader",
    RejectReason => "reject",
    Role => "role",
    RoomState => "state",
    Stamp => "stamp",
    WayMode => "way",
}

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
