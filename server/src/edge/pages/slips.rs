//! `/s/slips`: 案内カード, and the sheet that is printed.

use askama::Template;
use jiff::Timestamp;

use super::texts::t;
use super::{Audience, Page, Speak, Worded, hours};

/// A slip as the list shows it: never whose it became.
#[derive(Debug, Clone)]
pub struct SlipRow {
    /// The stub's number.
    pub stub: String,
    /// Which side it opens.
    pub audience: Audience,
    /// The name of its state in the catalogue.
    pub state: &'static str,
    /// When it ends.
    pub ends_at: Timestamp,
    /// Whether it can be taken back.
    pub may_revoke: bool,
    /// Somebody says that they did not use it.
    pub doubted: bool,
}

impl SlipRow {
    fn state_words(&self) -> &'static str {
        t(&format!("slips.state.{}", self.state))
    }

    fn ends(&self) -> String {
        hours::date(hours::local(self.ends_at).date())
    }
}

/// The list. POST fields: `n`, `audience`; of `/s/slips/revoke`: `stub`.
#[derive(Debug, Clone, Template)]
#[template(path = "slips.html")]
pub struct Slips {
    /// What every page knows.
    pub page: Page,
    /// The slips, the newest first.
    pub rows: Vec<SlipRow>,
    /// Days that a new one is good.
    pub good_days: i64,
    /// What came of the last act.
    pub says: Option<String>,
}

/// A new slip, with its number: seen this once.
#[derive(Clone)]
pub struct NewSlip {
    /// In three groups.
    pub number: String,
    /// The stub's number.
    pub stub: String,
}

/// The sheet.
#[derive(Clone, Template)]
#[template(path = "slip-sheet.html")]
pub struct Sheet {
    /// What every page knows.
    pub page: Page,
    /// Which side they open.
    pub audience: Audience,
    /// The slips.
    pub slips: Vec<NewSlip>,
    /// Where the number is typed in, without it.
    pub address: String,
    /// That address as QR: an inline SVG that our own code drew (it is not escaped).
    pub qr_svg: String,
    /// Until when they are good.
    pub ends_at: Timestamp,
}

impl Sheet {
    fn until(&self) -> String {
        hours::date(hours::local(self.ends_at).date())
    }
}

#[cfg(test)]
impl Slips {
    /// A few slips.
    pub(crate) fn sample() -> Self {
        let row = |stub: &str, state, may_revoke, doubted| SlipRow {
            stub: stub.into(),
            audience: Audience::Family,
            state,
            ends_at: Timestamp::UNIX_EPOCH,
            may_revoke,
            doubted,
        };
        Self {
            page: Page {
                staff: true,
                signed_in: true,
                ..Page::default()
            },
            rows: vec![
                row("K7CA34", "open", true, false),
                row("PR9TUV", "used", true, true),
                row("WXY347", "revoked", false, false),
            ],
            good_days: 90,
            says: Some(t("slips.revoked").into()),
        }
    }
}

#[cfg(test)]
impl Sheet {
    /// Two slips.
    pub(crate) fn sample() -> Self {
        let slip = |number: &str, stub: &str| NewSlip {
            number: number.into(),
            stub: stub.into(),
        };
        Self {
            page: Page {
                staff: true,
                signed_in: true,
                ..Page::default()
            },
            audience: Audience::Family,
            slips: vec![
                slip("1234 5678 9010", "K7CA34"),
                slip("4321 8765 0190", "PR9TUV"),
            ],
            address: "ibasho.example.jp/in".into(),
            qr_svg: "<svg viewBox=\"0 0 8 8\"><path d=\"M0 0h8v8H0z\"/></svg>".into(),
            ends_at: Timestamp::UNIX_EPOCH,
        }
    }
}
