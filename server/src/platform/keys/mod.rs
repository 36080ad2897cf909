//! The key-encryption key, and the store of keys that no backup contains.
//!
//! Two kinds of keys live here. The **key-encryption key** is a file that the operator keeps apart
//! ([`KeyFile`]); what must survive everything hangs on it. The keys of rooms, drafts and notes live **only**
//! in the [`KeyStore`], a database of its own: whoever destroys such a key has deleted all that was sealed
//! under it, in last month's backup too (promise 5).
//!
//! One thing is stricter than `design.md` asks: the bytes in the key store are themselves wrapped under the
//! key-encryption key. A stolen copy of the key store alone opens nothing.
//!
//! This part knows keys by id and kind; it does not know what a room is, nor when one ends.

mod file;
mod postgres;
mod ring;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;

pub use file::{CREDENTIAL_NAME, KeyFile, KeyFileError, Purpose};
pub use ring::KeyRing;
pub use store::{KeyError, KeyStore};
