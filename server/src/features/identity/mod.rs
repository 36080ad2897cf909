//! Handles, their words to come back by, sessions, and the accounts of people with powers.
//!
//! No mail, no telephone, no password for those who come: a name and a cookie are all. What could name a person's hour
//! of visit is not written; of a device of one's own the store knows days. Nothing here tells whether a handle exists:
//! no lookup by name or id is offered, and wrong and absent words have one answer after the same work.

mod accounts;
mod fold;
mod handles;
mod hashing;
pub mod name;
pub mod password;
mod people;
#[cfg(test)]
mod people_tests;
mod queries;
pub mod recovery;
mod session;
mod sessions;
mod slip;
mod slips;
#[cfg(test)]
mod tests;
pub mod totp;

pub use accounts::{FirstManager, NewAccount};
pub use handles::{Newcomer, Removal};
pub use name::{BadName, Name};
pub use password::BadPassword;
pub use people::{By, Invite, Join, JoinKind, OneTime, Pending, Person, State, Term};
pub use queries::STATEMENTS;
pub use recovery::{BadCode, RecoveryCode};
pub use session::{HandleFacts, Session, SessionSettings};
pub use slip::{Slip, SlipNumber, SlipState};
pub use totp::{TotpSecret, TotpStep, qr_svg};

use std::sync::{Arc, OnceLock};

use data_encoding::BASE64URL_NOPAD;
use tokio::sync::broadcast;

use crate::features::audit::Audit;
use crate::features::tally::Tally;
use crate::platform::clock::Clock;
use crate::platform::ids::{Chance, Secret, SessionId};
use crate::platform::keys::{KeyFile, Purpose};
use crate::platform::sealing::DataKey;
use crate::platform::store::{Db, StoreError};

use hashing::{Busy, Hashing};

/// Ends that a listener may miss before it is told to look into the store.
const ENDED_KEPT: usize = 256;

/// Why identity said no. Store failures are the only ones that are worth repeating.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The name cannot be worn.
    #[error("the name cannot be worn")]
    BadName(#[from] BadName),
    /// The password cannot be set.
    #[error("the password cannot be set")]
    BadPassword(#[from] BadPassword),
    /// Words, or id, password and code, that open nothing: one answer for every reason.
    #[error("nothing is opened by this")]
    BadLogin,
    /// Only a handle can do this, or only somebody with powers.
    #[error("not for this kind of account")]
    NotForThis,
    /// The handle acted in a room; its standing stays.
    #[error("the standing is settled")]
    Settled,
    /// The id of an account is taken, or cannot be one.
    #[error("the id cannot be used")]
    BadId,
    /// A role without its side, with one that is not its own, with an end that is past; or no role at all.
    #[error("a role does not hold together")]
    BadRole,
    /// A slip that opens nothing: one answer for every reason.
    #[error("no slip opens this")]
    BadSlip,
    /// Too many hashes wait.
    #[error("too much at once")]
    Busy,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl From<Busy> for Refusal {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

/// A session that was just made, and the cookie that opens it: the only time the cookie is seen here.
#[derive(Debug)]
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// The cookie's value.
    pub cookie: Secret,
}

/// What identity stands on.
pub struct Parts {
    /// The store.
    pub db: Db,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance, for ids, cookies and words.
    pub chance: Arc<dyn Chance>,
    /// Where powers leave their trace.
    pub audit: Audit,
    /// Where new handles are counted.
    pub tally: Tally,
    /// How long sessions last.
    pub sessions: SessionSettings,
}

/// The part that knows who somebody is.
pub struct Identity {
    db: Db,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    audit: Audit,
    tally: Tally,
    settings: SessionSettings,
    hashing: Hashing,
    /// Logins of people with powers wait apart, so that a flood of words keeps no supporter from the room.
    staff_hashing: Hashing,
    keys: Arc<IdentityKeys>,
    ended: broadcast::Sender<SessionId>,
    removal: OnceLock<Removal>,
}

/// Keys derived from the key-encryption key; a copy of the database alone can neither be logged in with nor searched.
struct IdentityKeys {
    sessions: DataKey,
    pepper: DataKey,
    staff: DataKey,
    slips: DataKey,
}

impl Identity {
    /// Builds the part; [`on_removal`](Self::on_removal) must be set before people can remove themselves.
    pub fn new(parts: Parts, keys: &KeyFile) -> Self {
        let hashing = Hashing::new();
        Self {
            staff_hashing: hashing.beside(),
            hashing,
            db: parts.db,
            clock: parts.clock,
            chance: parts.chance,
            audit: parts.audit,
            tally: parts.tally,
            settings: parts.sessions,
            keys: Arc::new(IdentityKeys {
                sessions: keys.key_for(Purpose::Sessions),
                pepper: keys.key_for(Purpose::Pepper),
                staff: keys.key_for(Purpose::StaffSecrets),
                slips: keys.key_for(Purpose::Slips),
            }),
            ended: broadcast::Sender::new(ENDED_KEPT),
            removal: OnceLock::new(),
        }
    }

    /// The name of a gathering in calendars: the same each time, and no way to it.
    pub fn calendar_uid(&self, id: &str) -> String {
        let tag = self.keys.slips.tag(format!("calendar:{id}").as_bytes());
        format!("{}@engawa", BASE64URL_NOPAD.encode(&tag[..15]))
    }

    /// Names to choose from.
    pub fn suggestions(&self, n: usize) -> Vec<Name> {
        name::suggestions(&*self.chance, n)
    }
}

impl IdentityKeys {
    /// What the store keeps of a cookie or a one-time address: a keyed SHA-256.
    fn token_hash(&self, token: &str) -> String {
        BASE64URL_NOPAD.encode(&self.sessions.tag(token.as_bytes()))
    }

    /// What the store keeps of a slip's number: twelve digits could be tried out, so it is keyed.
    fn slip_hash(&self, number: &SlipNumber) -> String {
        BASE64URL_NOPAD.encode(&self.slips.tag(number.digits().as_bytes()))
    }

    /// What the store keeps of words to come back by. Slow: call it off the runtime.
    fn recovery_hash(&self, code: &RecoveryCode) -> String {
        let salt = self.pepper.tag(b"recovery-salt");
        BASE64URL_NOPAD.encode(&self.pepper.tag(&*code.slow_hash(&salt)))
    }

    /// The pepper of passwords.
    fn password_pepper(&self) -> [u8; 32] {
        self.pepper.tag(b"password")
    }
}
