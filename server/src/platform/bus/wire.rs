//! A hint as it travels: who published it, and the rest sealed, so that what people write is readable on no wire and in
//! no Redis, and nobody who can reach Redis can put a line into a room.
//!
//! `origin (16) ‖ nonce ‖ ciphertext ‖ tag`; inside `kind (1) ‖ (length (4, little-endian) ‖ frame)*`. Every frame is
//! bound to its room.

use super::{Hint, News};
use crate::platform::ids::{Chance, RoomId};
use crate::platform::sealing::{self, DataKey, Place};

const ORIGIN_BYTES: usize = 16;

/// One run of one node, so that it does not hear itself. Drawn by chance: two nodes may by mistake have one name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin([u8; ORIGIN_BYTES]);

impl Origin {
    pub(super) fn new(chance: &dyn Chance) -> Self {
        let mut bytes = [0; ORIGIN_BYTES];
        chance.fill(&mut bytes);
        Self(bytes)
    }
}

const LINES: u8 = 0;
const CHANGED: u8 = 1;
const HEAD: u8 = 2;
const LOST: u8 = 3;

/// What came over the wire.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// News of another node.
    News(News),
    /// This node's own.
    Own,
    /// Not of a node with the same key file, changed on the way, or of another release.
    Foreign,
}

pub(super) fn write(hint: &Hint, origin: Origin, key: &DataKey, chance: &dyn Chance) -> Vec<u8> {
    let mut plain = Vec::with_capacity(64);
    match &hint.news {
        News::Lines { frames } => {
            plain.push(LINES);
            for frame in frames {
                let n_bytes = u32::try_from(frame.len()).expect("a frame is far below 4 GiB");
                plain.extend_from_slice(&n_bytes.to_le_bytes());
                plain.extend_from_slice(frame.as_bytes());
            }
        }
        News::Changed => plain.push(CHANGED),
        News::Head => plain.push(HEAD),
        News::Lost => plain.push(LOST),
    }
    let mut bytes = origin.0.to_vec();
    bytes.extend_from_slice(&sealing::seal(key, &place(&hint.room), &plain, chance));
    bytes
}

pub(super) fn read(bytes: &[u8], room: &RoomId, own: Origin, key: &DataKey) -> Read {
    let Some((origin, sealed)) = bytes.split_first_chunk::<ORIGIN_BYTES>() else {
        return Read::Foreign;
    };
    if *origin == own.0 {
        return Read::Own;
    }
    sealing::open(key, &place(room), sealed)
        .ok()
        .and_then(|plain| news(&plain))
        .map_or(Read::Foreign, Read::News)
}

fn news(plain: &[u8]) -> Option<News> {
    let (kind, mut rest) = plain.split_first()?;
    match *kind {
        LINES => {
            let mut frames = Vec::new();
            while !rest.is_empty() {
                let (n_bytes, after) = rest.split_first_chunk::<4>()?;
                let n_bytes = usize::try_from(u32::from_le_bytes(*n_bytes)).ok()?;
                let (frame, after) = after.split_at_checked(n_bytes)?;
                frames.push(std::str::from_utf8(frame).ok()?.to_owned());
                rest = after;
            }
            Some(News::Lines { frames })
        }
        CHANGED if rest.is_empty() => Some(News::Changed),
        HEAD if rest.is_empty() => Some(News::Head),
        LOST if rest.is_empty() => Some(News::Lost),
        _ => None,
    }
}

fn place(room: &RoomId) -> Place<'_> {
    Place::of("bus", room.as_str(), "hint")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::platform::ids::SystemChance;

    fn room(name: &str) -> RoomId {
        RoomId::parse(name).unwrap()
    }

    fn hint(news: News) -> Hint {
        Hint {
            room: room("a"),
            news,
        }
    }

    #[test]
    fn every_hint_comes_out_as_it_went_in_and_not_at_its_own_node() {
        let key = DataKey::new(&SystemChance);
        let (own, other) = (Origin::new(&SystemChance), Origin::new(&SystemChance));
        let lines = |frames: &[&str]| News::Lines {
            frames: frames.iter().map(|frame| (*frame).to_owned()).collect(),
        };
        for news in [
            lines(&[]),
            lines(&["{}"]),
            lines(&["", "縁側", "x"]),
            News::Changed,
            News::Head,
            News::Lost,
        ] {
            let bytes = write(&hint(news.clone()), own, &key, &SystemChance);
            assert_eq!(read(&bytes, &room("a"), other, &key), Read::News(news));
            assert_eq!(read(&bytes, &room("a"), own, &key), Read::Own);
        }
    }

    #[test]
    fn p5_what_people_write_is_not_readable_and_cannot_be_put_into_another_room() {
        let key = DataKey::new(&SystemChance);
        let (own, other) = (Origin::new(&SystemChance), Origin::new(&SystemChance));
        let frames = vec!["つらい夜でした".to_owned()];
        let bytes = write(&hint(News::Lines { frames }), own, &key, &SystemChance);
        let word = "つらい".as_bytes();
        assert!(!bytes.windows(word.len()).any(|window| window == word));
        assert_eq!(read(&bytes, &room("b"), other, &key), Read::Foreign);
        let foreign = DataKey::new(&SystemChance);
        assert_eq!(read(&bytes, &room("a"), other, &foreign), Read::Foreign);
        for idx in ORIGIN_BYTES..bytes.len() {
            let mut changed = bytes.clone();
            changed[idx] ^= 1;
            assert_eq!(read(&changed, &room("a"), other, &key), Read::Foreign);
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_over_the_wire_is_read_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let key = DataKey::new(&SystemChance);
            let _ = read(&bytes, &room("a"), Origin([0; ORIGIN_BYTES]), &key);
            let _ = news(&bytes);
        }
    }
}
