//! The settings by topic: name, unit, reason, default and bounds of each, in one table a topic.

use std::fmt;

use super::reading::{Given, Read};

macro_rules! topic {
    ($(#[$doc:meta])* $topic:ident, $section:literal {
        $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr, $bounds:expr;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $topic {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $topic {
            pub(super) fn take(given: &mut Given) -> Self {
                Self {
                    $($field: given.take_within(concat!($section, ".", stringify!($field)), $default, $bounds),)*
                }
            }

            pub(super) fn print(&self, line: &mut dyn FnMut(&str, &dyn fmt::Display)) {
                $(line(concat!($section, ".", stringify!($field)), &self.$field);)*
            }
        }

        impl Default for $topic {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

const MANY: u32 = 1_000_000_000;
const BYTES: usize = 1 << 30;
const DAY_MS: i64 = 86_400_000;
/// A century: no setting means longer.
const EVER_MS: i64 = 36_525 * DAY_MS;

topic! {
    /// What one person, address or connection may do. A rate is a burst, and an interval after which one more is free.
    Limits, "limits" {
        /// Longest line, in Unicode scalar values: a line is read by tired people.
        body_chars_max: usize = 500, 1..=100_000;
        /// Longest frame of the socket, in bytes; a longer one closes it.
        frame_bytes_max: usize = 8192, 1024..=1_048_576;
        /// Lines that one handle may say at once.
        say_burst: u32 = 5, 1..=MANY;
        /// Milliseconds after which a handle may say one more line.
        say_interval_ms: i64 = 2000, 1..=DAY_MS;
        /// Frames of any type that one socket may send in 10 seconds.
        frames_per_10s: u32 = 100, 1..=MANY;
        /// Sockets of one handle: a phone, a tablet, and tabs forgotten on them.
        sockets_max: u32 = 4, 1..=MANY;
        /// Sockets of this node: each costs some 60 kilobytes.
        sockets_per_node_max: u32 = 10_000, 1..=MANY;
        /// Handles that one address may make at once: a whole centre may share an address.
        handles_burst: u32 = 30, 1..=MANY;
        /// Milliseconds after which an address may make one more handle.
        handles_interval_ms: i64 = 10_000, 1..=DAY_MS;
        /// Tries to log in with a password, for one account and for one address, at once.
        logins_burst: u32 = 5, 1..=MANY;
        /// Milliseconds after which one more try is free.
        logins_interval_ms: i64 = 20_000, 1..=DAY_MS;
        /// Tries to come back by words, for one address, at once: words are mistyped.
        recover_burst: u32 = 10, 1..=MANY;
        /// Milliseconds after which one more try is free.
        recover_interval_ms: i64 = 10_000, 1..=DAY_MS;
        /// Tries of a slip's number, for one address, at once: numbers are mistyped, and must not be tried out.
        slips_burst: u32 = 6, 1..=MANY;
        /// Milliseconds after which one more try is free.
        slips_interval_ms: i64 = 60_000, 1..=DAY_MS;
        /// Sockets that one address may open at once: after a deploy a whole centre comes back together.
        upgrades_burst: u32 = 60, 1..=MANY;
        /// Milliseconds after which an address may open one more.
        upgrades_interval_ms: i64 = 500, 1..=DAY_MS;
        /// Frames that wait for a slow reader before it is let go; it comes back and misses nothing.
        outbox_frames_max: usize = 512, 8..=1_000_000;
        /// Bytes that wait for a slow reader before it is let go.
        outbox_bytes_max: usize = 262_144, 16_384..=BYTES;
        /// Broken frames in a minute; this many close the socket.
        bad_frames_per_minute: u32 = 20, 1..=MANY;
        /// Milliseconds a client has for the head of a request: a head that never ends must not hold a place.
        head_ms: i64 = 5000, 10..=DAY_MS;
        /// Longest head of a request, in bytes.
        head_bytes_max: usize = 16_384, 8192..=1_048_576;
        /// Longest body of a request, in bytes.
        body_bytes_max: usize = 65_536, 1024..=BYTES;
        /// Milliseconds a client has for the body of a request.
        body_ms: i64 = 10_000, 10..=DAY_MS;
    }
}

topic! {
    /// The clocks of rooms and sockets.
    Rooms, "rooms" {
        /// Milliseconds without anybody on duty after which a room slows.
        slow_after_ms: i64 = 120_000, 1..=DAY_MS;
        /// Milliseconds between two lines of one person in a slowed room.
        slow_ms: i64 = 60_000, 0..=DAY_MS;
        /// Milliseconds without anybody on duty after which a room pauses.
        pause_after_ms: i64 = 300_000, 1..=DAY_MS;
        /// Milliseconds that a duty lasts when nothing renews it.
        lease_ms: i64 = 45_000, 2..=DAY_MS;
        /// Milliseconds between two pings of the server: shorter than what phone networks forget after.
        ping_ms: i64 = 25_000, 1..=DAY_MS;
        /// Milliseconds a client has for the pong.
        pong_grace_ms: i64 = 20_000, 1..=DAY_MS;
        /// Milliseconds between two words on how many are here: the finer, the more it tells of one person.
        about_every_ms: i64 = 60_000, 1..=DAY_MS;
        /// Milliseconds after a line about danger to life in which a room does not pause, while somebody on call can be reached.
        risk_pause_ms: i64 = 600_000, 0..=DAY_MS;
        /// Milliseconds before the hour at which the waiting room opens.
        doors_ms: i64 = 1_800_000, 0..=DAY_MS;
        /// Milliseconds after the hour at which a room that nobody opened is cancelled.
        cancel_after_ms: i64 = 900_000, 1..=DAY_MS;
        /// Milliseconds before its end at which a room says that it ends.
        last_call_ms: i64 = 600_000, 0..=DAY_MS;
        /// Milliseconds after its end in which a room is still read.
        afterglow_ms: i64 = 1_200_000, 0..=DAY_MS;
        /// Whether a room is open only while somebody on call can be reached.
        needs_on_call: bool = true, ..;
        /// Milliseconds without anybody on call after which newcomers wait.
        on_call_wait_ms: i64 = 300_000, 1..=DAY_MS;
        /// Milliseconds without anybody on call after which the last call begins.
        on_call_end_ms: i64 = 600_000, 1..=DAY_MS;
        /// Milliseconds between two looks at which gatherings open, end or are cancelled.
        life_every_ms: i64 = 1000, 1..=DAY_MS;
        /// Milliseconds that a closed room is kept before its key is destroyed.
        keep_ms: i64 = DAY_MS, 1..=EVER_MS;
        /// First lines of somebody without a slip that wait, where newcomers are read first.
        newcomer_lines: u32 = 3, 0..=MANY;
        /// Milliseconds that such a line waits before it passes by itself.
        newcomer_ms: i64 = 10_000, 1..=DAY_MS;
        /// Milliseconds after which the author of a line about danger hears that nobody has read it, and where to turn.
        risk_told_ms: i64 = 120_000, 1..=DAY_MS;
        /// Milliseconds after which the author of any other held line hears it.
        told_ms: i64 = 240_000, 1..=DAY_MS;
        /// Milliseconds between two looks of a node into the store for lines that the bus lost.
        watch_every_ms: i64 = 5000, 1..=DAY_MS;
        /// Writers in one room; 0 for no bound. Readers are never bounded.
        capacity: u32 = 0, 0..=MANY;
        /// Lines of a room that a node keeps in memory for those who come back.
        ring_lines: usize = 512, 1..=1_000_000;
    }
}

topic! {
    /// How long people stay logged in.
    Sessions, "sessions" {
        /// Days without a visit, on a device that is only theirs.
        mine_days: i64 = 30, 1..=3650;
        /// Minutes without a visit, on a shared device.
        shared_minutes: i64 = 30, 1..=1440;
        /// Minutes that a session lasts behind the harmless page.
        hidden_minutes: i64 = 30, 1..=1440;
        /// Hours from the login of a person with powers.
        staff_hours: i64 = 10, 1..=168;
        /// Days that a one-time address for somebody with powers is good.
        invite_days: i64 = 7, 1..=90;
    }
}

topic! {
    /// 案内カード.
    Slips, "slips" {
        /// Days that a slip is good, if nobody uses it.
        good_days: i64 = 90, 1..=3650;
    }
}

topic! {
    /// What the assessment of a line does.
    Moderation, "moderation" {
        /// `rules` acts on it; for measuring, `pass` assesses and times lines and stops none, and `off` reads none.
        decide: Decide = Decide::Rules, ..;
    }
}

topic! {
    /// The sample centre of `engawa demo`.
    Demo, "demo" {
        /// Milliseconds that its rooms are open, from the latest start.
        open_ms: i64 = DAY_MS, 1000..=EVER_MS;
        /// Milliseconds from the start to the sample evening; 0 for the next evening at 19:00 in Japan.
        evening_in_ms: i64 = 0, 0..=EVER_MS;
        /// Milliseconds that a planned sample gathering is long.
        planned_ms: i64 = 7_200_000, 1000..=DAY_MS;
    }
}

topic! {
    /// Connections to the database.
    Store, "store" {
        /// Connections that read, on SQLite; one writes.
        readers: u32 = 4, 1..=64;
        /// Connections, on PostgreSQL.
        pg_connections: u32 = 8, 2..=500;
    }
}

topic! {
    /// Several nodes. Without `redis_url` none of it counts.
    Redis, "redis" {
        /// Milliseconds that Redis has for an answer; then it is away, and rooms read the store.
        answer_ms: i64 = 1000, 10..=60_000;
        /// Milliseconds that somebody waits for Redis to count a try to log in; then the node counts alone.
        limits_ms: i64 = 100, 1..=60_000;
    }
}

/// Whether the assessment of a line stops it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decide {
    /// It asks back, holds or refuses, as the rules say.
    #[default]
    Rules,
    /// Lines are assessed and timed, never stopped.
    Pass,
    /// Lines are not read at all: what the hub alone carries.
    Off,
}

impl Read for Decide {
    fn read(value: &toml::Value) -> Result<Self, String> {
        match String::read(value)?.as_str() {
            "rules" => Ok(Self::Rules),
            "pass" => Ok(Self::Pass),
            "off" => Ok(Self::Off),
            _ => Err("must be \"rules\", \"pass\" or \"off\"".to_owned()),
        }
    }
}

impl fmt::Display for Decide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rules => "rules",
            Self::Pass => "pass",
            Self::Off => "off",
        })
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

impl Read for LogFormat {
    fn read(value: &toml::Value) -> Result<Self, String> {
        match String::read(value)?.as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("must be \"text\" or \"json\"".to_owned()),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}
