//! Handles, their words to come back by, sessions, and the accounts of people with powers.

mod fold;
pub mod name;
pub mod password;
pub mod recovery;
pub mod totp;

pub use name::{BadName, Name};
pub use recovery::{BadCode, RecoveryCode};
