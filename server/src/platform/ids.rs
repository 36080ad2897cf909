//! Every kind of id is its own type, and chance comes from one place.
//!
//! Ids are random and carry no time: an id that sorts by its birth would tell when a person came.
//! The ids of persons and of their sessions print as `…` in `Debug`, so that no log line can join up two evenings.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng, TryRng};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// The longest id or client key, in characters.
pub const ID_CHARS_MAX: usize = 64;

/// Where random bytes come from.
pub trait Chance: Send + Sync {
    /// Fills the whole buffer.
    fn fill(&self, buffer: &mut [u8]);
}

/// The operating system's cryptographic source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn fill(&self, buffer: &mut [u8]) {
        SysRng
            .try_fill_bytes(buffer)
            .expect("the operating system gives random bytes once it has started");
    }
}

/// The same bytes for the same seed: for tests, and for nothing that has to stay secret.
pub struct SeededChance(Mutex<StdRng>);

impl SeededChance {
    /// A source that repeats itself for this seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Chance for SeededChance {
    fn fill(&self, buffer: &mut [u8]) {
        // A panic elsewhere cannot leave the generator half-written in a way that matters here.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .fill_bytes(buffer);
    }
}

/// 128 random bits in lower-case base32: 26 characters.
pub fn new_id(chance: &dyn Chance) -> String {
    let mut bytes = [0; 16];
    chance.fill(&mut bytes);
    let mut id = BASE32_NOPAD.encode(&bytes);
    id.make_ascii_lowercase();
    id
}

/// 256 random bits in URL-safe base64, 43 characters: for cookies and one-time addresses.
pub fn token(chance: &dyn Chance) -> Secret {
    let mut bytes = Zeroizing::new([0; 32]);
    chance.fill(&mut *bytes);
    Secret::new(BASE64URL_NOPAD.encode(&*bytes))
}

/// An evenly random number below `n`, without the slant of a plain remainder. `n` must not be 0.
pub fn below(chance: &dyn Chance, n: u32) -> u32 {
    assert!(n > 0, "there is no number below 0");
    let fair_max = u32::MAX - u32::MAX % n;
    loop {
        let mut bytes = [0; 4];
        chance.fill(&mut bytes);
        let drawn = u32::from_le_bytes(bytes);
        if drawn < fair_max {
            return drawn % n;
        }
    }
}

/// A random wait below `max` (to the millisecond), so that many who wait do not come at once.
pub fn jitter(chance: &dyn Chance, max: Duration) -> Duration {
    let max_ms = u32::try_from(max.as_millis()).unwrap_or(u32::MAX);
    Duration::from_millis(u64::from(below(chance, max_ms.max(1))))
}

/// Text that must not be printed: tokens, passwords, addresses with passwords in them. Wiped when dropped.
#[derive(Clone, Default, Deserialize)]
#[serde(from = "String")]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself; whoever calls this answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl PartialEq for Secret {
    /// Takes the same time wherever the difference lies.
    fn eq(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq;
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl Zeroize for Secret {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

fn is_id(text: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $debug:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(String);

        impl $name {
            /// A new random one: 128 bits.
            pub fn new(chance: &dyn Chance) -> Self {
                Self(new_id(chance))
            }

            /// 1–64 of `A–Z a–z 0–9 _ -`; `None` for anything else. It may still name nothing.
            pub fn parse(text: &str) -> Option<Self> {
                is_id(text).then(|| Self(text.to_owned()))
            }

            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        id!(@$debug $name);
    };
    (@shown $name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
    (@hidden $name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("…")
            }
        }
    };
}

id!(
    /// A room, and the gathering it is the live side of: they share one id.
    RoomId, shown
);
id!(
    /// A person's pseudonym across rooms; nobody but the server and its owner ever sees it.
    HandleId, hidden
);
id!(
    /// An account of somebody with powers.
    StaffId, hidden
);
id!(
    /// A session's row; the cookie is another secret.
    SessionId, hidden
);
id!(
    /// A person within one room: other rooms know them by another one.
    ParticipantId, shown
);
id!(
    /// A line that waits for a human.
    HoldId, shown
);
id!(
    /// Something that staff must hear of.
    AlertId, shown
);
id!(
    /// A running server.
    NodeId, shown
);
id!(
    /// One unbroken history of the store; a restore starts another.
    EpochId, shown
);

/// The number of a line in its room, counted from 1.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Seq(pub i64);

impl Seq {
    /// Before the first line: what `last_seq` says in a room where nothing was said.
    pub const NONE: Self = Self(0);
    /// The first line.
    pub const FIRST: Self = Self(1);

    /// The number itself.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The number after this one.
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// `n` numbers later.
    pub const fn plus(self, n: i64) -> Self {
        Self(self.0.saturating_add(n))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a client calls a line of its own: 1–64 of `A–Z a–z 0–9 _ -`. Checked wherever it is read.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
pub struct ClientKey(String);

impl ClientKey {
    /// `None` for what is no key.
    pub fn parse(text: &str) -> Option<Self> {
        is_id(text).then(|| Self(text.to_owned()))
    }

    /// One for a line whose key is not known: no client can send it, so it is nobody's repeat.
    pub fn of_no_client(seq: Seq) -> Self {
        Self(format!("#{seq}"))
    }

    /// A random one, for forms whose reader has no script to make it.
    pub fn new(chance: &dyn Chance) -> Self {
        Self(new_id(chance))
    }

    /// The text of the key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ClientKey {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a key is 1 to 64 letters, digits, _ or -")
    }
}

impl From<ClientKey> for String {
    fn from(key: ClientKey) -> Self {
        key.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_id_is_its_own_parse_and_never_the_same() {
        let first = RoomId::new(&SystemChance);
        assert_eq!(RoomId::parse(first.as_str()), Some(first.clone()));
        assert_eq!(first.as_str().len(), 26);
        assert_ne!(first, RoomId::new(&SystemChance));
    }

    #[test]
    fn a_seed_repeats_itself() {
        let draw = |seed| new_id(&SeededChance::new(seed));
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn what_is_no_id_does_not_parse() {
        let long = "a".repeat(65);
        for bad in ["", "a b", "あ", "a/b", "a\0", long.as_str()] {
            assert_eq!(RoomId::parse(bad), None, "{bad:?}");
            assert_eq!(ClientKey::parse(bad), None, "{bad:?}");
        }
        assert!(RoomId::parse(&"a".repeat(64)).is_some());
    }

    #[test]
    fn a_bad_key_is_refused_where_it_is_read() {
        assert_eq!(
            ClientKey::parse(ClientKey::of_no_client(Seq(7)).as_str()),
            None
        );
        assert!(serde_json::from_str::<ClientKey>("\"a-B_9\"").is_ok());
        assert!(serde_json::from_str::<ClientKey>("\"a b\"").is_err());
        assert!(serde_json::from_str::<ClientKey>("\"\"").is_err());
    }

    #[test]
    fn p5_ids_of_persons_and_secrets_do_not_print() {
        let chance = SeededChance::new(1);
        assert_eq!(format!("{:?}", HandleId::new(&chance)), "…");
        assert_eq!(format!("{:?}", StaffId::new(&chance)), "…");
        assert_eq!(format!("{:?}", SessionId::new(&chance)), "…");
        assert_eq!(format!("{:?}", token(&chance)), "…");
    }

    #[test]
    fn a_token_has_256_bits_and_fits_into_a_cookie() {
        let secret = token(&SystemChance);
        assert_eq!(secret.expose().len(), 43);
        assert!(is_id(secret.expose()));
        assert!(secret == secret.clone());
        assert!(secret != token(&SystemChance));
    }

    #[test]
    fn numbers_below_reach_all_and_never_more() {
        let chance = SeededChance::new(3);
        let mut seen = [false; 7];
        for _ in 0..500 {
            seen[below(&chance, 7) as usize] = true;
        }
        assert!(seen.iter().all(|s| *s));
        assert!(jitter(&chance, Duration::ZERO).is_zero());
        assert!(jitter(&chance, Duration::from_millis(20)) < Duration::from_millis(20));
    }
}
