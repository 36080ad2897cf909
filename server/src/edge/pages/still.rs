//! Pages that say what is so: about, rules, what is kept, look, the harmless page, clearing this device.

use askama::Template;

use super::texts::fill;
use super::{Letters, Page, Speak, Theme, card::Centre};

/// `/about`.
#[derive(Debug, Clone, Template)]
#[template(path = "about.html")]
pub struct About {
    /// What every page knows.
    pub page: Page,
    centre: Centre,
}

impl About {
    /// The page.
    pub fn new(page: Page) -> Self {
        Self {
            page,
            centre: Centre::known(),
        }
    }

    fn parts(&self) -> std::ops::RangeInclusive<u8> {
        1..=7
    }

    fn key(&self, part: &u8, what: &str) -> String {
        format!("about.{part}.{what}")
    }

    /// The page, for tests.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self::new(Page::default())
    }
}

/// `/rules`: 約束.
#[derive(Debug, Clone, Template)]
#[template(path = "rules.html")]
pub struct Rules {
    /// What every page knows.
    pub page: Page,
}

impl Rules {
    fn keys(&self) -> Vec<String> {
        (1..=12).map(|rule| format!("rules.{rule}")).collect()
    }

    /// The page, for tests.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            page: Page::default(),
        }
    }
}

/// What is kept, and how long: the figures come from the table in code that removes it.
#[derive(Debug, Clone, Copy)]
pub struct KeptRow {
    /// What.
    pub kind: KeptKind,
    /// How long, in the unit its words have (hours, days or years); 0 where the words have none.
    pub n: u32,
}

/// Classes of data that exist now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptKind {
    /// Lines of rooms, in hours after the room has closed.
    Room,
    /// Drafts, in days.
    Drafts,
    /// Handles, in years after the last visit.
    Handle,
    /// Sessions, in days.
    Session,
    /// The audit log, in years.
    Audit,
    /// The tally, without end.
    Tally,
}

impl KeptKind {
    fn key(self, what: &str) -> String {
        let kind = match self {
            Self::Room => "room",
            Self::Drafts => "drafts",
            Self::Handle => "handle",
            Self::Session => "session",
            Self::Audit => "audit",
            Self::Tally => "tally",
        };
        format!("kept.{kind}.{what}")
    }
}

/// `/kept`: この場所が覚えていること.
#[derive(Debug, Clone, Template)]
#[template(path = "kept.html")]
pub struct Kept {
    /// What every page knows.
    pub page: Page,
    /// The classes of data.
    pub rows: Vec<KeptRow>,
}

impl Kept {
    fn until(&self, row: &KeptRow) -> String {
        fill(&row.kind.key("until"), &[("n", &row.n.to_string())])
    }

    /// With the defaults of the design.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        let row = |kind, n| KeptRow { kind, n };
        Self {
            page: Page::default(),
            rows: vec![
                row(KeptKind::Room, 24),
                row(KeptKind::Drafts, 7),
                row(KeptKind::Handle, 2),
                row(KeptKind::Session, 90),
                row(KeptKind::Audit, 5),
                row(KeptKind::Tally, 0),
            ],
        }
    }
}

/// `/look`: 明るさと文字. POST fields: `theme`, `letters`, `announce` (see [`super::Look::from_form`]).
#[derive(Debug, Clone, Template)]
#[template(path = "look.html")]
pub struct LookPage {
    /// What every page knows; what is chosen is in `page.look`.
    pub page: Page,
    /// Whether it was changed just now.
    pub saved: bool,
}

impl LookPage {
    /// The page, for tests.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            page: Page::default(),
            saved: true,
        }
    }
}

/// `/m`: a shopping list. The field at its foot posts `item` to `/m/add`, which goes back to `/`.
#[derive(Debug, Clone, Template)]
#[template(path = "hidden.html")]
pub struct Hidden {}

impl Hidden {
    /// The page, for tests.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {}
    }
}

/// `/x`: この端末から消す, the question before.
#[derive(Debug, Clone, Template)]
#[template(path = "erase.html")]
pub struct Erase {
    /// What every page knows.
    pub page: Page,
}

impl Erase {
    /// The page, for tests.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            page: Page {
                signed_in: true,
                ..Page::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::pages::View;
    use crate::edge::pages::texts::t;

    #[test]
    fn the_harmless_page_has_no_trace_of_the_place() {
        let html = Hidden::sample().html();
        for word in [
            t("foyer.house"),
            t("page.hide"),
            t("page.now"),
            "look.css",
            "hide.js",
            "room",
        ] {
            assert!(!html.contains(word), "{word}");
        }
    }
}
