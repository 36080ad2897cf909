//! What people see: one typed view for each page, over the templates in `web/templates`.
//!
//! A view is plain data that a handler fills; it knows no store, no clock and no request. Every text comes from
//! [`texts`], every file a page asks for from [`assets`], so that a page never asks another origin for anything.

use askama::Template;

pub mod assets;
pub mod card;
pub mod days;
pub mod demo;
pub mod enter;
pub mod foyer;
pub mod help_lines;
pub mod holds;
pub mod hours;
pub mod keep;
pub mod lines;
pub mod look;
pub mod me;
pub mod now;
pub mod problem;
pub mod room;
pub mod sample;
pub mod slips;
pub mod staff;
pub mod still;
pub mod texts;
pub mod values;

#[cfg(test)]
mod tests;

pub use holds::{Asked, Desk, HoldRow};
pub use look::{Letters, Look, Theme};
pub use values::{
    About, Audience, Device, Duty, Form, Kind, Mode, OnDuty, Reader, Role, RoomState, Seat, Stamp,
    Worded,
};

/// What every page knows about the one who looks at it.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Brightness, size of letters and reading aloud, from the cookie `look`.
    pub look: Look,
    /// Whether there is a session; decides which ways the foot shows.
    pub signed_in: bool,
    /// Whether the page is one of staff and is set closer together.
    pub staff: bool,
    /// Whether this is a sample centre (`engawa demo`).
    pub demo: bool,
    /// What waits, on every page of somebody with powers who is signed in; the room has its own.
    pub desk: Option<Desk>,
    /// What staff must hear of, on every page of somebody with powers.
    pub alerts: Vec<AlertRow>,
}

/// Something that staff must hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRow {
    /// Its id.
    pub id: String,
    /// What it is, in words.
    pub words: String,
}

/// A page as a string of HTML.
pub trait View: Template {
    /// The whole page.
    fn html(&self) -> String {
        Template::render(self).expect("a template writes into a String, which does not fail")
    }
}

impl<T: Template> View for T {}

/// What templates may call: texts and assets.
pub(crate) trait Speak {
    /// The text of a key.
    fn t(&self, key: impl AsRef<str>) -> &'static str {
        texts::t(key.as_ref())
    }

    /// The text of a key with one place filled in.
    fn t1(&self, key: &str, place: &str, value: &str) -> String {
        texts::fill(key, &[(place, value)])
    }

    /// The address of an asset.
    fn asset(&self, file: &str) -> String {
        assets::url(file)
    }
}

impl<T: Template> Speak for T {}

/// The key of the words for a kind of gathering of an audience.
pub(crate) fn kind_key(kind: &Kind, audience: &Audience) -> String {
    format!("kind.{}.{}", kind.as_str(), audience.as_str())
}

/// Who is on duty, in words: one sentence for each duty.
pub(crate) fn duty_words(on_duty: &[OnDuty]) -> String {
    let mut words = String::new();
    for duty in Duty::ALL {
        let names: Vec<&str> = on_duty
            .iter()
            .filter(|person| person.duty == *duty)
            .map(|person| person.name.as_str())
            .collect();
        if !names.is_empty() {
            let names = names.join(texts::t("time.comma"));
            words.push_str(&texts::fill(
                "room.on_duty",
                &[("duty", texts::t(&duty.key())), ("names", &names)],
            ));
        }
    }
    if words.is_empty() {
        words.push_str(texts::t("room.no_duty"));
    }
    words
}
