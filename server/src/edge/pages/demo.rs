//! Pages of the sample centre: who to be, and the parts of the look.

use askama::Template;
use jiff::civil::DateTime;

use super::card::ShownCard;
use super::lines::{Entry, Item, rows};
use super::texts::{fill, t};
use super::{Audience, Form, Page, Role, Speak, Stamp, Worded};
use crate::protocol::CardKind;

/// A login of the sample centre.
#[derive(Debug, Clone)]
pub struct DemoLogin {
    /// Its id, the value of `as`.
    pub id: String,
    /// Its role.
    pub role: Role,
    /// Its side, for supporters and moderators.
    pub audience: Option<Audience>,
}

/// `/demo`. POST `/demo/enter` field `as`: `tojisha`, `family` (a new visitor) or the id of a login.
#[derive(Debug, Clone, Template)]
#[template(path = "demo.html")]
pub struct Demo {
    /// What every page knows, with `demo` set.
    pub page: Page,
    /// The logins.
    pub logins: Vec<DemoLogin>,
}

impl Demo {
    fn words(&self, login: &DemoLogin) -> String {
        let role = t(&login.role.key());
        match login.audience {
            None => fill("demo.login", &[("role", role), ("id", &login.id)]),
            Some(audience) => {
                let side = match audience {
                    Audience::Tojisha => t("demo.side_tojisha"),
                    Audience::Family => t("demo.side_family"),
                };
                fill(
                    "demo.login_side",
                    &[("role", role), ("side", side), ("id", &login.id)],
                )
            }
        }
    }

    /// With a login of each form.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            page: Page {
                demo: true,
                ..Page::default()
            },
            logins: vec![
                DemoLogin {
                    id: "supporter-1".into(),
                    role: Role::PeerSupporter,
                    audience: Some(Audience::Tojisha),
                },
                DemoLogin {
                    id: "manager-1".into(),
                    role: Role::Manager,
                    audience: None,
                },
            ],
        }
    }
}

/// When most lines are open, so that the parts can be seen.
const fn an_afternoon() -> DateTime {
    DateTime::constant(2026, 11, 20, 15, 0, 0, 0)
}

/// `/styleguide`: every part of the look on one page.
#[derive(Debug, Clone, Template)]
#[template(path = "styleguide.html")]
pub struct Styleguide {
    /// What every page knows.
    pub page: Page,
    id: String,
    lines: Vec<Entry>,
    cards: Vec<ShownCard>,
    on_duty_here: bool,
}

impl Styleguide {
    /// The page.
    pub fn new(page: Page) -> Self {
        Self {
            page,
            id: "sample".into(),
            lines: super::sample::conversation(),
            cards: CardKind::ALL
                .iter()
                .map(|kind| ShownCard::new(*kind, an_afternoon(), "/styleguide"))
                .collect(),
            on_duty_here: false,
        }
    }

    fn items(&self) -> Vec<Item<'_>> {
        rows(&self.lines)
    }

    fn strip_of(&self, seq: &u64) -> bool {
        *seq == 3
    }

    fn held(&self) -> (&'static str, &'static str) {
        super::holds::first_words(super::texts::t("live.held.guard"))
    }

    fn acts(&self) -> bool {
        true
    }

    /// The page, for tests.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self::new(Page::default())
    }
}
