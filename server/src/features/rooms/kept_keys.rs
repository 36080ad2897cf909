//! Which keys a room has kept, where one node keeps them all (SQLite): read from its lines once, then counted on.
//!
//! An index over the keys would make each line change a page of its own. Here a key is 16 bytes of a keyed hash: with two
//! independent 64-bit hashes no two keys of a centre's whole life meet, and nobody outside can look for two that do.
//! What is here was committed; a commit whose outcome is not known makes its rooms be read anew.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;

use super::queries;
use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, ParticipantId, RoomId, Seq};
use crate::platform::store::{Stored, Tx};

/// The first number of a key, and when it was kept.
pub(super) type First = (Seq, Millis);
/// A key and its author, hashed.
type Print = (u64, u64);

/// The keys of the rooms this node has. Plain data, never held over a wait.
#[derive(Default)]
pub(super) struct KeptKeys {
    rooms: Mutex<HashMap<RoomId, HashMap<Print, First>>>,
    hashers: (RandomState, RandomState),
}

/// Whether a room's keys are known, and if so, what is known of one.
pub(super) enum Known {
    /// The room was not read yet.
    NotRead,
    /// It was, and this is what it has of the key.
    Read(Option<First>),
}

impl KeptKeys {
    fn print(&self, author: &ParticipantId, key: &ClientKey) -> Print {
        let id = (author.as_str(), key.as_str());
        (self.hashers.0.hash_one(id), self.hashers.1.hash_one(id))
    }

    /// What is known of a key.
    pub(super) fn find(&self, room: &RoomId, author: &ParticipantId, key: &ClientKey) -> Known {
        match super::lock(&self.rooms).get(room) {
            None => Known::NotRead,
            Some(keys) => Known::Read(keys.get(&self.print(author, key)).copied()),
        }
    }

    /// Reads those of the rooms that were not read yet, in the transaction that is about to write to them: the one writer
    /// of a SQLite file, so nobody else keeps a line of theirs meanwhile.
    ///
    /// # Errors
    /// As the store's.
    pub(super) async fn read(
        &self,
        tx: &mut Tx,
        rooms: impl Iterator<Item = &RoomId>,
    ) -> Stored<()> {
        for room in rooms {
            if super::lock(&self.rooms).contains_key(room) {
                continue;
            }
            let rows = queries::keys(tx, room).await?;
            let keys = rows
                .iter()
                .map(|row| {
                    (
                        self.print(&row.author, &row.client_key),
                        (row.seq, row.at_ms),
                    )
                })
                .collect();
            super::lock(&self.rooms).insert(room.clone(), keys);
        }
        Ok(())
    }

    /// Counts on lines that were committed.
    pub(super) fn add<'a>(
        &self,
        room: &RoomId,
        lines: impl Iterator<Item = (&'a ParticipantId, &'a ClientKey, First)>,
    ) {
        if let Some(keys) = super::lock(&self.rooms).get_mut(room) {
            for (author, key, first) in lines {
                keys.entry(self.print(author, key)).or_insert(first);
            }
        }
    }

    /// Lets go of a room: it is forgotten, or what became of its lines is not known.
    pub(super) fn drop_room(&self, room: &RoomId) {
        super::lock(&self.rooms).remove(room);
    }
}
