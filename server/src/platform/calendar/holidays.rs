//! Holidays of Japan by rule (国民の祝日に関する法律, as in force since 2022).
//!
//! The equinoxes are computed by the usual approximation, which agrees with the official days from 1980 to 2099. A
//! year's days become official each February for the year after; what then differs stands in [`super::Calendar`].

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

/// Why a day is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holiday {
    /// Named by the law (第2条).
    Named,
    /// 振替休日: the next day that is not named after one that falls on a Sunday (第3条2項).
    Moved,
    /// 国民の休日: a day between two named ones (第3条3項).
    Between,
}

/// What the law makes of a day; nothing for an ordinary one.
pub fn by_rule(day: Date) -> Option<Holiday> {
    if is_named(day) {
        Some(Holiday::Named)
    } else if stands_for_a_sunday(day) {
        Some(Holiday::Moved)
    } else if neighbour(day, -1).is_some_and(is_named) && neighbour(day, 1).is_some_and(is_named) {
        Some(Holiday::Between)
    } else {
        None
    }
}

fn neighbour(day: Date, days: i64) -> Option<Date> {
    day.checked_add(days.days()).ok()
}

/// Whether the named days right before this one begin on a Sunday.
fn stands_for_a_sunday(day: Date) -> bool {
    let mut before = neighbour(day, -1);
    while let Some(named) = before.filter(|before| is_named(*before)) {
        if named.weekday() == Weekday::Sunday {
            return true;
        }
        before = neighbour(named, -1);
    }
    false
}

fn is_named(day: Date) -> bool {
    let monday = |nth: i8| day.weekday() == Weekday::Monday && (day.day() - 1) / 7 + 1 == nth;
    match (day.month(), day.day()) {
        // 元日, 建国記念の日, 天皇誕生日, 昭和の日
        (1, 1) | (2, 11) | (2, 23) | (4, 29) => true,
        // 憲法記念日, みどりの日, こどもの日, 山の日, 文化の日, 勤労感謝の日
        (5, 3..=5) | (8, 11) | (11, 3) | (11, 23) => true,
        // 成人の日, スポーツの日
        (1 | 10, _) => monday(2),
        // 海の日
        (7, _) => monday(3),
        // 春分の日
        (3, date) => date == equinox(day.year(), 20.8431),
        // 敬老の日, 秋分の日
        (9, date) => monday(3) || date == equinox(day.year(), 23.2488),
        _ => false,
    }
}

/// The day of the month on which the equinox falls; `in_1980` is its moment in that year, in days.
fn equinox(year: i16, in_1980: f64) -> i8 {
    let years = i32::from(year) - 1980;
    let moment = in_1980 + 0.242_194 * f64::from(years) - f64::from(years.div_euclid(4));
    // Between 18 and 25 for every year a date can have near ours; what lies elsewhere matches no day.
    moment.floor() as i8
}
