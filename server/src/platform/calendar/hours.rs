//! Opening hours: on which days from when to when, and on which days not.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time, Weekday};
use serde::Deserialize;

use super::Calendar;

/// How far ahead the next opening is looked for, in days: past any 年末年始, and past the day of a month.
const AHEAD_DAYS: i64 = 45;
/// How many spans may follow on each other before nobody needs to know the end.
const CHAIN_MAX: usize = 16;

/// When somebody is there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub enum Hours {
    /// Day and night, every day.
    Always,
    /// In these spans.
    Weekly(Weekly),
}

/// Spans of days of the week or of the month, and when they do not count.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weekly {
    /// The spans.
    pub spans: Vec<Span>,
    /// Closed on holidays. A span belongs to the day on which it begins.
    #[serde(default)]
    pub not_holidays: bool,
    /// Closed in 年末年始.
    #[serde(default)]
    pub not_new_year: bool,
}

/// From when to when, on which days.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Days of the week.
    #[serde(default)]
    pub days: Vec<DayOfWeek>,
    /// A day of every month.
    #[serde(default)]
    pub day_of_month: Option<i8>,
    /// When it begins.
    pub from: Time,
    /// When it ends; at or before `from` it is the next day's, so `00:00` is midnight.
    pub to: Time,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayOfWeek {
    /// 月.
    Mon,
    /// 火.
    Tue,
    /// 水.
    Wed,
    /// 木.
    Thu,
    /// 金.
    Fri,
    /// 土.
    Sat,
    /// 日.
    Sun,
}

impl DayOfWeek {
    /// Three letters, as in the data and in keys of texts.
    pub const fn as_str(self) -> &'static str {
        match self {
            DayOfWeek::Mon => "mon",
            DayOfWeek::Tue => "tue",
            DayOfWeek::Wed => "wed",
            DayOfWeek::Thu => "thu",
            DayOfWeek::Fri => "fri",
            DayOfWeek::Sat => "sat",
            DayOfWeek::Sun => "sun",
        }
    }
}

impl From<Weekday> for DayOfWeek {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Monday => DayOfWeek::Mon,
            Weekday::Tuesday => DayOfWeek::Tue,
            Weekday::Wednesday => DayOfWeek::Wed,
            Weekday::Thursday => DayOfWeek::Thu,
            Weekday::Friday => DayOfWeek::Fri,
            Weekday::Saturday => DayOfWeek::Sat,
            Weekday::Sunday => DayOfWeek::Sun,
        }
    }
}

/// How it stands at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Now {
    /// Somebody is there.
    Open {
        /// Until when; nothing where there is no end.
        until: Option<DateTime>,
    },
    /// Nobody is.
    Closed {
        /// When somebody is there again; nothing where it is not within weeks.
        opens: Option<DateTime>,
    },
}

impl Hours {
    /// How it stands at a moment of the city's own time.
    pub fn at(&self, now: DateTime, calendar: &Calendar) -> Now {
        match self {
            Hours::Always => Now::Open { until: None },
            Hours::Weekly(weekly) => weekly.at(now, calendar),
        }
    }

    /// Whether somebody is there.
    pub fn is_open(&self, now: DateTime, calendar: &Calendar) -> bool {
        matches!(self.at(now, calendar), Now::Open { .. })
    }
}

impl Weekly {
    fn at(&self, now: DateTime, calendar: &Calendar) -> Now {
        let Some(mut until) = self.covering(now, calendar) else {
            return Now::Closed {
                opens: self.opens(now, calendar),
            };
        };
        // Spans that touch or overlap are one to the person who asks.
        for _ in 0..CHAIN_MAX {
            match self.covering(until, calendar) {
                Some(later) if later > until => until = later,
                _ => return Now::Open { until: Some(until) },
            }
        }
        Now::Open { until: None }
    }

    /// The end of the longest span that covers a moment.
    fn covering(&self, now: DateTime, calendar: &Calendar) -> Option<DateTime> {
        // A span lasts a day at most, so it began today or yesterday.
        [-1, 0]
            .iter()
            .filter_map(|days: &i64| now.date().checked_add(days.days()).ok())
            .flat_map(|day| self.on(day, calendar))
            .filter(|(from, to)| *from <= now && now < *to)
            .map(|(_, to)| to)
            .max()
    }

    fn opens(&self, now: DateTime, calendar: &Calendar) -> Option<DateTime> {
        (0..=AHEAD_DAYS)
            .filter_map(|days| now.date().checked_add(days.days()).ok())
            .find_map(|day| {
                self.on(day, calendar)
                    .map(|(from, _)| from)
                    .filter(|from| *from > now)
                    .min()
            })
    }

    /// The spans that begin on a day.
    fn on(&self, day: Date, calendar: &Calendar) -> impl Iterator<Item = (DateTime, DateTime)> {
        let closed = (self.not_holidays && calendar.is_holiday(day))
            || (self.not_new_year && calendar.is_new_year(day));
        self.spans
            .iter()
            .filter(move |span| !closed && span.is_on(day))
            .filter_map(move |span| {
                let ends = if span.to > span.from {
                    day
                } else {
                    day.checked_add(1.day()).ok()?
                };
                Some((day.to_datetime(span.from), ends.to_datetime(span.to)))
            })
    }
}

impl Span {
    fn is_on(&self, day: Date) -> bool {
        self.days.contains(&day.weekday().into()) || self.day_of_month == Some(day.day())
    }
}

/// As the data have it: the word `always`, or spans.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Word(String),
    Weekly(Weekly),
}

impl TryFrom<Written> for Hours {
    type Error = &'static str;
    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written::Word(word) if word == "always" => Ok(Hours::Always),
            Written::Word(_) => Err("hours are \"always\" or spans"),
            Written::Weekly(weekly) if weekly.spans.is_empty() => Err("hours without a span"),
            Written::Weekly(weekly)
                if weekly
                    .spans
                    .iter()
                    .any(|span| span.days.is_empty() && span.day_of_month.is_none()) =>
            {
                Err("a span without a day")
            }
            Written::Weekly(weekly) => Ok(Hours::Weekly(weekly)),
        }
    }
}
