//! `/me`: who am I here, the words to come back by, leaving and removing.

use askama::Template;

use super::{Audience, Device, Page, Speak, Worded};

/// `/me`; also the answer of POST `/me/words`, which shows the words this once.
#[derive(Clone, Template)]
#[template(path = "me.html")]
pub struct Me {
    /// What every page knows; for staff accounts `page.staff`.
    pub page: Page,
    /// The name.
    pub name: String,
    /// What the person came about; absent for staff accounts.
    pub standing: Option<Audience>,
    /// The other side, while it can still be chosen: until the first act in a room.
    pub other_side: Option<Audience>,
    /// Whose device this is.
    pub device: Device,
    /// Whether there are words already.
    pub has_words: bool,
    /// The eight new words, shown once.
    pub words: Option<Vec<String>>,
}

impl Me {
    /// With new words.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            page: Page {
                signed_in: true,
                ..Page::default()
            },
            name: "こもれび".into(),
            standing: Some(Audience::Tojisha),
            other_side: Some(Audience::Family),
            device: Device::Mine,
            has_words: true,
            words: Some(
                [
                    "あさひ",
                    "いわし",
                    "うみべ",
                    "えんぴつ",
                    "おちゃ",
                    "かえで",
                    "きりん",
                    "くるみ",
                ]
                .map(String::from)
                .to_vec(),
            ),
        }
    }
}

/// `/me/remove`: the question before the handle is removed.
#[derive(Clone, Template)]
#[template(path = "remove.html")]
pub struct Remove {
    /// What every page knows.
    pub page: Page,
    /// The name that would go.
    pub name: String,
}

impl Remove {
    /// As somebody sees it.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            page: Page {
                signed_in: true,
                ..Page::default()
            },
            name: "こもれび".into(),
        }
    }
}
