//! `/days`: 予定.

use askama::Template;
use jiff::Timestamp;
use jiff::civil::Date;

use super::texts::{fill, t};
use super::{Audience, Kind, Page, RoomState, Speak, Worded, hours, kind_key};
use crate::protocol::EntryKind;

/// A gathering as the schedule shows it.
#[derive(Debug, Clone)]
pub struct Gathering {
    /// The room's id, where there is a door to it now.
    pub door: Option<String>,
    /// Its title.
    pub title: String,
    /// Its kind.
    pub kind: Kind,
    /// Whose it is.
    pub audience: Audience,
    /// By what one gets in.
    pub entry: EntryKind,
    /// How it stands.
    pub state: RoomState,
    /// When it begins.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// What it is about; nothing where nothing was said.
    pub theme: String,
    /// For whom of the audience.
    pub note: String,
    /// The line to those who come, where it does not take place.
    pub cancel_words: String,
}

impl Gathering {
    fn hours(&self) -> String {
        let (starts, ends) = (hours::local(self.starts_at), hours::local(self.ends_at));
        // Past midnight it is said of which day the end is.
        let clock = hours::clock(ends.time());
        let to = if starts.date() == ends.date() {
            clock
        } else {
            fill("days.next_day", &[("time", &clock)])
        };
        fill(
            "days.hours",
            &[("from", &hours::clock(starts.time())), ("to", &to)],
        )
    }

    fn kind_words(&self) -> &'static str {
        t(&kind_key(&self.kind, &self.audience))
    }

    fn entry_words(&self) -> &'static str {
        t(&format!("days.entry.{}", self.entry.as_str()))
    }

    fn is_cancelled(&self) -> bool {
        self.state == RoomState::Cancelled
    }

    fn is_on(&self) -> bool {
        self.door.is_some()
    }

    fn state_words(&self) -> &'static str {
        t(&self.state.key())
    }
}

/// A day with what is on it.
#[derive(Debug, Clone)]
pub struct Day {
    /// The day, in Japan.
    pub date: Date,
    /// In the order of their beginning.
    pub gatherings: Vec<Gathering>,
}

impl Day {
    fn words(&self) -> String {
        let weekday = t(&format!(
            "days.weekday.{}",
            self.date.weekday().to_monday_zero_offset()
        ));
        fill(
            "days.day",
            &[
                ("month", &self.date.month().to_string()),
                ("day", &self.date.day().to_string()),
                ("weekday", weekday),
            ],
        )
    }
}

/// The schedule of one side; of both for somebody who has not said which.
#[derive(Debug, Clone, Template)]
#[template(path = "days.html")]
pub struct Days {
    /// What every page knows.
    pub page: Page,
    /// Whose.
    pub side: Option<Audience>,
    /// Whether it is the viewer's own side, which they need not choose.
    pub is_own: bool,
    /// Days that have something.
    pub days: Vec<Day>,
}

impl Days {
    fn of(&self, audience: Audience) -> bool {
        self.side == Some(audience)
    }

    fn feed(&self) -> String {
        match self.side {
            Some(side) => format!("/calendar.ics?for={}", side.as_str()),
            None => "/calendar.ics".to_owned(),
        }
    }

    /// Some days.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        let gathering = |door: Option<&str>, state| Gathering {
            door: door.map(str::to_owned),
            title: "夜の本人の会".into(),
            kind: Kind::TojishaKai,
            audience: Audience::Tojisha,
            entry: EntryKind::Open,
            state,
            starts_at: Timestamp::UNIX_EPOCH,
            ends_at: Timestamp::UNIX_EPOCH,
            theme: "冬のこと".into(),
            note: String::new(),
            cancel_words: "担当の都合で、お休みします。".into(),
        };
        Self {
            page: Page::default(),
            side: Some(Audience::Tojisha),
            is_own: false,
            days: vec![Day {
                date: Date::constant(2026, 11, 25),
                gatherings: vec![
                    gathering(Some("r1"), RoomState::Open),
                    gathering(None, RoomState::Planned),
                    gathering(None, RoomState::Cancelled),
                ],
            }],
        }
    }

    /// Nothing is planned.
    #[cfg(test)]
    pub(crate) fn sample_empty() -> Self {
        Self {
            days: Vec::new(),
            ..Self::sample()
        }
    }
}
