//! `/sample`: an invented conversation in the form of a room; nothing of it was ever recorded.

use askama::Template;
use jiff::{Timestamp, ToSpan};

use super::lines::{Entry, Item, Line, Who, rows};
use super::texts::t;
use super::{Duty, Form, Page, Speak, Stamp, Worded};

/// The sample room.
#[derive(Debug, Clone, Template)]
#[template(path = "sample.html")]
pub struct Sample {
    /// What every page knows.
    pub page: Page,
    id: String,
    lines: Vec<Entry>,
    on_duty_here: bool,
}

impl Sample {
    /// The same invented conversation every time.
    pub fn new(page: Page) -> Self {
        Self {
            page,
            id: String::new(),
            lines: conversation(),
            on_duty_here: false,
        }
    }

    /// The sample room, for tests.
    #[cfg(test)]
    pub(crate) fn invented() -> Self {
        Self::new(Page::default())
    }

    fn items(&self) -> Vec<Item<'_>> {
        rows(&self.lines)
    }

    fn strip_of(&self, _seq: &u64) -> bool {
        false
    }

    fn acts(&self) -> bool {
        false
    }
}

/// Invented lines of every form.
pub(crate) fn conversation() -> Vec<Entry> {
    let start: Timestamp = "2026-11-20T11:00:00Z".parse().expect("a time");
    let line = |seq: u64, minutes: i64, who: Option<(&str, Option<Duty>, bool)>, body: &str| Line {
        seq,
        at: start.checked_add(minutes.minutes()).unwrap_or(start),
        who: who.map(|(key, duty, own)| Who {
            name: t(key).into(),
            duty,
            own,
        }),
        body: t(body).into(),
        note: None,
        no_reply: false,
        form: None,
        stamps: Vec::new(),
        own_stamps: Vec::new(),
    };
    vec![
        Entry::Line(line(1, 0, None, "sample.1.body")),
        Entry::Line(line(
            2,
            1,
            Some(("sample.3.who", Some(Duty::Host), false)),
            "sample.3.body",
        )),
        Entry::Line(Line {
            stamps: vec![Stamp::Nod, Stamp::Warm],
            ..line(3, 4, Some(("sample.4.who", None, false)), "sample.4.body")
        }),
        Entry::Line(Line {
            form: Some(Form::Ready),
            ..line(4, 9, Some(("sample.5.who", None, false)), "sample.5.body")
        }),
        Entry::Line(Line {
            stamps: vec![Stamp::Listening, Stamp::Same],
            ..line(5, 16, Some(("sample.2.who", None, true)), "sample.2.body")
        }),
        Entry::Line(Line {
            no_reply: true,
            ..line(6, 22, Some(("sample.6.who", None, false)), "sample.6.body")
        }),
        Entry::Line(Line {
            note: Some(t("sample.7.note").into()),
            ..line(7, 33, Some(("sample.7.who", None, false)), "sample.7.body")
        }),
        Entry::Hidden { seq: 8 },
        Entry::Line(line(9, 50, None, "sample.8.body")),
    ]
}
