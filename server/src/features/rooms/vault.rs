//! A room's key: it seals the lines and drafts of that room, and makes its participants' ids.
//!
//! Because the ids of a room come from its key, nobody who has the database alone can tell who wrote what, and after the
//! room is forgotten nobody at all can.

use std::sync::Arc;

use super::act::Topic;
use super::line::{Content, Line, Shows};
use super::queries::LineRow;
use crate::platform::clock::Millis;
use crate::platform::ids::{Chance, HandleId, ParticipantId, RoomId, Seq, StaffId};
use crate::platform::keys::{KeyError, KeyRing};
use crate::platform::sealing::{DataKey, Place, open, seal};

/// The version of the keys that rooms have now.
pub const KEY_VERSION: i64 = 1;
/// Bytes of a participant id: 80 bits tell some trillion people apart in one room.
const PARTICIPANT_BYTES: usize = 10;

/// Whose id in a room is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PersonId {
    /// A handle's.
    Handle(HandleId),
    /// An account's.
    Staff(StaffId),
}

/// The name of a room's key in the key store.
pub fn key_id(room: &RoomId) -> String {
    format!("room:{}", room.as_str())
}

/// The room's key, made if it has none yet.
///
/// # Errors
/// As the key store's; `Ended` once the room's text has ended.
pub async fn make_key(
    keys: &KeyRing,
    room: &RoomId,
    ends: Millis,
) -> Result<Arc<DataKey>, KeyError> {
    keys.get_or_create(&key_id(room), "room", Some(ends)).await
}

/// Somebody's id in the room of that key.
pub fn participant(key: &DataKey, person: &PersonId) -> ParticipantId {
    let text = match person {
        PersonId::Handle(id) => format!("participant:h:{}", id.as_str()),
        PersonId::Staff(id) => format!("participant:s:{}", id.as_str()),
    };
    let tag = key.tag(text.as_bytes());
    let id = data_encoding::BASE32_NOPAD
        .encode(&tag[..PARTICIPANT_BYTES])
        .to_lowercase();
    ParticipantId::parse(&id).expect("base32 is the letters and digits of an id")
}

/// Seals a line's content for its place.
pub fn seal_content(
    key: &DataKey,
    room: &RoomId,
    seq: Seq,
    content: &Content,
    chance: &dyn Chance,
) -> Vec<u8> {
    let plain = serde_json::to_vec(content).expect("a content is JSON");
    let row = format!("{}:{}", room.as_str(), seq.get());
    seal(
        key,
        &Place {
            table: "message",
            row: &row,
            column: "sealed",
            key_version: KEY_VERSION,
        },
        &plain,
        chance,
    )
}

/// Where a room's topic is sealed for.
fn topic_place<'a>(room: &'a RoomId) -> Place<'a> {
    Place {
        table: "room",
        row: room.as_str(),
        column: "topic_sealed",
        key_version: KEY_VERSION,
    }
}

/// Seals what a room talks about.
pub fn seal_topic(key: &DataKey, room: &RoomId, topic: &Topic, chance: &dyn Chance) -> Vec<u8> {
    let plain = serde_json::to_vec(topic).expect("a topic is JSON");
    seal(key, &topic_place(room), &plain, chance)
}

/// Opens what a room talks about; nothing where it does not open.
pub fn open_topic(key: &DataKey, room: &RoomId, sealed: &[u8]) -> Option<Topic> {
    let plain = open(key, &topic_place(room), sealed).ok()?;
    serde_json::from_slice(&plain).ok()
}

/// Opens a line. One that does not open is [`Shows::Gone`], so that it is named and never passed over.
pub fn open_line(key: &DataKey, room: &RoomId, row: LineRow) -> Line {
    let content = row.sealed.as_deref().and_then(|sealed| {
        let place_row = format!("{}:{}", room.as_str(), row.seq.get());
        let place = Place {
            table: "message",
            row: &place_row,
            column: "sealed",
            key_version: row.key_version,
        };
        let plain = open(key, &place, sealed).ok()?;
        serde_json::from_slice::<Content>(&plain).ok()
    });
    let shows = match (Shows::from_stored(&row.shows), &content) {
        (Some(Shows::TakenBack), _) => Shows::TakenBack,
        (Some(shows), Some(_)) => shows,
        (Some(_) | None, None) | (None, Some(_)) => {
            tracing::error!(
                room = room.as_str(),
                seq = row.seq.get(),
                "a line cannot be opened"
            );
            Shows::Gone
        }
    };
    Line {
        seq: row.seq,
        author: row.author,
        key: row.client_key,
        at: row.at_ms,
        shows,
        content,
        stamps: Default::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::ids::SeededChance;

    #[test]
    fn p5_the_same_person_has_another_id_in_every_room() {
        let chance = SeededChance::new(1);
        let person = PersonId::Handle(HandleId::new(&chance));
        let (one, other) = (DataKey::new(&chance), DataKey::new(&chance));
        assert_eq!(participant(&one, &person), participant(&one, &person));
        assert_ne!(participant(&one, &person), participant(&other, &person));
    }
}
