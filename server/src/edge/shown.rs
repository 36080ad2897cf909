//! Values of the wire in the form that pages have for them.

use jiff::Timestamp;

use super::pages;
use super::pages::card::ShownCard;
use crate::platform::clock::Millis;
use crate::protocol::{CardKind, OnDuty, ServerFrame};

/// An instant.
pub fn instant(at: Millis) -> Timestamp {
    Timestamp::from_millisecond(at.get()).unwrap_or(Timestamp::MAX)
}

/// The frame that lays a card before somebody, with who is awake at that moment.
pub fn card(kind: CardKind, now: Millis) -> ServerFrame {
    ShownCard::new(kind, now.jst(), "").frame()
}

/// Who is on duty.
pub fn on_duty(people: Vec<OnDuty>) -> Vec<pages::OnDuty> {
    people
        .into_iter()
        .map(|OnDuty { name, duty }| pages::OnDuty { name, duty })
        .collect()
}
