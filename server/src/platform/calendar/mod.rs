//! Days of Japan: holidays by the rule of the law, 年末年始, and hours in a form that can be asked "open now?".
//!
//! Plain functions of the city's own date and time, with no clock and no zone: Japan has one, without summer time.
//! Whoever keeps opening hours (the centre, help lines, gatherings) asks here, so that all of them know the same days.

mod holidays;
mod hours;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::Deserialize;

pub use holidays::{Holiday, by_rule};
pub use hours::{DayOfWeek, Hours, Now, Span, Weekly};

/// The days on which a house may be closed. The rule is computed; what a year's decision changes is written down.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// From which day to which day 年末年始 lasts; absent: there is none.
    #[serde(default)]
    new_year: Option<NewYear>,
    /// Holidays that the rule does not know: declared for one year alone.
    #[serde(default)]
    declared: BTreeSet<Date>,
    /// Days that the rule names and that are none in that year, because they were moved.
    #[serde(default)]
    moved_away: BTreeSet<Date>,
}

impl Calendar {
    /// The rule alone, with 年末年始 from a day of December to a day of January.
    pub fn with_new_year(from: MonthDay, to: MonthDay) -> Self {
        Self {
            new_year: Some(NewYear { from, to }),
            ..Self::default()
        }
    }

    /// Whether nobody works on this day by law: 国民の祝日, 振替休日 or 国民の休日.
    pub fn is_holiday(&self, day: Date) -> bool {
        self.declared.contains(&day) || (!self.moved_away.contains(&day) && by_rule(day).is_some())
    }

    /// Whether this day belongs to 年末年始, both ends included.
    pub fn is_new_year(&self, day: Date) -> bool {
        let month_day = MonthDay {
            month: day.month(),
            day: day.day(),
        };
        self.new_year
            .is_some_and(|new_year| month_day >= new_year.from || month_day <= new_year.to)
    }
}

/// From a day of one year to a day of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewYear {
    from: MonthDay,
    to: MonthDay,
}

/// A day of every year, written `MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct MonthDay {
    month: i8,
    day: i8,
}

impl MonthDay {
    /// Reads `MM-DD`; `None` for any other form and for days that no year has.
    pub fn parse(text: &str) -> Option<Self> {
        // A leap year, so that 02-29 is a day.
        let date: Date = format!("2028-{text}").parse().ok()?;
        (text.len() == 5).then_some(Self {
            month: date.month(),
            day: date.day(),
        })
    }
}

impl TryFrom<String> for MonthDay {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a day of the year is written MM-DD")
    }
}
