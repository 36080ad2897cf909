//! What a human does to a room as a whole; values only. `room/acts.rs` says when, `acting.rs` writes it down.

use serde::{Deserialize, Serialize};

use super::body::Body;
use crate::platform::ids::ParticipantId;

/// The slowest pace that can be set, in milliseconds between two lines of one person.
pub const SLOWEST_MS: u32 = 600_000;
/// Characters of a topic and of each of its answers.
pub const TOPIC_CHARS_MAX: usize = 100;
/// Characters of what the room is made to say.
pub const NOTICE_CHARS_MAX: usize = 200;
/// Answers that a topic brings along, at least and at most: fewer are no choice, more are work to read.
pub const TOPIC_ANSWERS: std::ops::RangeInclusive<usize> = 3..=6;

/// What a room talks about, with answers to choose (お題のことば). They are never held and never totalled.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// The topic.
    pub text: String,
    /// Answers to choose.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub answers: Vec<String>,
}

impl std::fmt::Debug for Topic {
    /// People write it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Topic(…)")
    }
}

/// What the id of an answer begins with; its number follows, from 1.
const ANSWER_PREFIX: &str = "topic-";

impl Topic {
    /// The id under which an answer is chosen; `idx` counts from 0.
    pub fn answer_id(idx: usize) -> String {
        format!("{ANSWER_PREFIX}{}", idx + 1)
    }

    /// Which answer an id means, counted from 0, if it is one of a topic.
    pub fn answer_of(id: &str) -> Option<usize> {
        id.strip_prefix(ANSWER_PREFIX)?
            .parse::<usize>()
            .ok()?
            .checked_sub(1)
            .filter(|idx| idx < TOPIC_ANSWERS.end())
    }
}

/// How a human ends a gathering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Ten more minutes.
    LastCall,
    /// Reading and stamps.
    Afterglow,
    /// At once.
    Closed,
}

/// What a human does to a room as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomAct {
    /// The pace: milliseconds between two lines of one person.
    Slow(u32),
    /// 部屋の進め方, 0–4.
    Guard(u8),
    /// Whoever comes waits, or need not any more.
    Lock(bool),
    /// Lets in whoever waits: one person, or all.
    Admit(Option<ParticipantId>),
    /// Reading only.
    Pause,
    /// The end of that.
    Resume,
    /// What it talks about; nothing takes it away.
    Topic(Option<Topic>),
    /// A line that the room says.
    Notice(Body),
    /// The end.
    End(Ending),
    /// Somebody who is of the other side is taken there.
    MoveSide(ParticipantId),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_chosen_by_its_number_and_nothing_else() {
        for idx in 0..*TOPIC_ANSWERS.end() {
            assert_eq!(Topic::answer_of(&Topic::answer_id(idx)), Some(idx));
        }
        for id in [
            "topic-0", "topic-7", "topic--1", "topic-", "topic", "evening",
        ] {
            assert_eq!(Topic::answer_of(id), None, "{id}");
        }
    }
}
