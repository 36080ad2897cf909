//! Values of the wire in the form that pages have for them.

use jiff::Timestamp;

use super::pages;
use crate::platform::clock::Millis;
use crate::protocol::OnDuty;

/// An instant.
pub fn instant(at: Millis) -> Timestamp {
    Timestamp::from_millisecond(at.get()).unwrap_or(Timestamp::MAX)
}

/// Who is on duty.
pub fn on_duty(people: Vec<OnDuty>) -> Vec<pages::OnDuty> {
    people
        .into_iter()
        .map(|OnDuty { name, duty }| pages::OnDuty { name, duty })
        .collect()
}
