//! The lines of a room as a page shows them, with the half hours between them.

use jiff::Timestamp;

use super::hours;
use super::values::{Duty, Form, Stamp};

/// The author of a line, as this viewer may see them.
#[derive(Debug, Clone)]
pub struct Who {
    /// Their name in this room.
    pub name: String,
    /// Their duty, where they had one.
    pub duty: Option<Duty>,
    /// Whether it is the viewer.
    pub own: bool,
}

/// A line of the room.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its number.
    pub seq: u64,
    /// When it was said.
    pub at: Timestamp,
    /// Who said it; absent when the room itself speaks.
    pub who: Option<Who>,
    /// What was said.
    pub body: String,
    /// What it is about, when its author folded it.
    pub note: Option<String>,
    /// Whether no reply is wanted.
    pub no_reply: bool,
    /// How it was made; absent where it was written freely.
    pub form: Option<Form>,
    /// Which stamps are there.
    pub stamps: Vec<Stamp>,
    /// Which of them the viewer gave; may stay empty where that is not known.
    pub own_stamps: Vec<Stamp>,
}

/// What a number of the room holds.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A line.
    Line(Line),
    /// A line that is hidden or was taken back.
    Hidden {
        /// Its number.
        seq: u64,
    },
    /// Lines that are gone for good.
    Gap,
}

/// A row of the log.
pub(crate) enum Item<'a> {
    Hour(String),
    Gap,
    Hidden(u64),
    Voice(&'a Line),
    Line(&'a Line, &'a Who),
}

/// Entries as rows, with a row for each half hour in which somebody spoke but the first.
pub(crate) fn rows(entries: &[Entry]) -> Vec<Item<'_>> {
    let mut rows = Vec::with_capacity(entries.len() + 4);
    let mut half_hour = None;
    for entry in entries {
        match entry {
            Entry::Gap => rows.push(Item::Gap),
            Entry::Hidden { seq } => rows.push(Item::Hidden(*seq)),
            Entry::Line(line) => {
                let this = hours::half_hour(line.at);
                if half_hour.is_some_and(|before| before != this) {
                    rows.push(Item::Hour(hours::about(line.at)));
                }
                half_hour = Some(this);
                match &line.who {
                    None => rows.push(Item::Voice(line)),
                    Some(who) => rows.push(Item::Line(line, who)),
                }
            }
        }
    }
    rows
}
