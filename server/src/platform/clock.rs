//! The only place that reads the wall clock.
//!
//! Everything that needs the time takes a [`Clock`], so that tests own it. No order and no number of a
//! line depends on it: a clock that jumps moves deadlines, never messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub use jiff::civil::Weekday;
use serde::{Deserialize, Serialize};

/// Japan has kept UTC+9 without summer time since 1951.
const JST_OFFSET_MS: i64 = 9 * 60 * 60 * 1000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// The number itself, for arithmetic and columns.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// This much later; stays at the end of time rather than wrapping.
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// This much earlier; stays at the beginning of time rather than wrapping.
    pub const fn minus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_sub(ms))
    }

    /// How many milliseconds this lies after `earlier`; negative when it lies before.
    pub const fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// How long after `earlier` this is; zero when it lies before, so a clock set back never yields a negative wait.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.since_ms(earlier)).unwrap_or(0))
    }

    /// RFC 3339 in UTC with milliseconds, as the wire has it: `2026-11-22T00:00:00.000Z`.
    pub fn rfc3339(self) -> String {
        let t = self.at_offset(0);
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            t.year(),
            t.month(),
            t.day(),
            t.hour(),
            t.minute(),
            t.second(),
            t.millisecond()
        )
    }

    /// Reads RFC 3339 with any offset; anything finer than a millisecond is cut off. `None` for anything else.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let instant: jiff::Timestamp = text.parse().ok()?;
        Some(Self(instant.as_millisecond()))
    }

    /// The wall clock of Japan at this instant, for texts that people read.
    pub fn jst(self) -> jiff::civil::DateTime {
        self.at_offset(JST_OFFSET_MS)
    }

    /// The day in Japan on which this instant falls.
    pub fn day(self) -> Day {
        Day(self.jst().date().to_string())
    }

    /// The instant at which Japan's clocks show that time; `None` beyond the calendar. Japan has no summer time.
    pub fn from_jst(civil: jiff::civil::DateTime) -> Option<Self> {
        let instant = jiff::tz::Offset::UTC.to_timestamp(civil).ok()?;
        Some(Self(instant.as_millisecond().checked_sub(JST_OFFSET_MS)?))
    }

    /// The next full hour of that number in Japan after this instant, on that weekday if one is given.
    pub fn next_jst(self, weekday: Option<Weekday>, hour: i8) -> Option<Self> {
        let today = self.jst().date();
        (0..=7).find_map(|n_days| {
            let date = today.checked_add(jiff::Span::new().days(n_days)).ok()?;
            let instant = Self::from_jst(date.at(hour, 0, 0, 0))?;
            let fits = weekday.is_none_or(|weekday| date.weekday() == weekday);
            (fits && instant > self).then_some(instant)
        })
    }

    fn at_offset(self, offset_ms: i64) -> jiff::civil::DateTime {
        let instant = jiff::Timestamp::from_millisecond(self.0.saturating_add(offset_ms))
            .unwrap_or(match self.0 {
                ..0 => jiff::Timestamp::MIN,
                _ => jiff::Timestamp::MAX,
            });
        jiff::tz::Offset::UTC.to_datetime(instant)
    }
}

impl std::ops::Add<Duration> for Millis {
    type Output = Self;
    fn add(self, wait: Duration) -> Self {
        self.plus_ms(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
    }
}

impl std::ops::Sub<Duration> for Millis {
    type Output = Self;
    fn sub(self, wait: Duration) -> Self {
        self.minus_ms(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A setting's milliseconds as a wait; a negative number is none.
pub const fn wait_ms(ms: i64) -> Duration {
    Duration::from_millis(if ms < 0 { 0 } else { ms.unsigned_abs() })
}

/// A calendar day in Japan, `YYYY-MM-DD`. Text order is the order of days.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
pub struct Day(String);

impl Day {
    /// Reads `YYYY-MM-DD`; `None` for any other form and for days that no calendar has.
    pub fn parse(text: &str) -> Option<Self> {
        let date: jiff::civil::Date = text.parse().ok()?;
        let day = Self(date.to_string());
        (day.0 == text).then_some(day)
    }

    /// `YYYY-MM-DD`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The instant at which this day begins in Japan.
    pub fn begins_at(&self) -> Millis {
        let date: jiff::civil::Date = self.0.parse().expect("a Day holds only dates it has read");
        let utc = jiff::tz::Offset::UTC
            .to_timestamp(date.to_datetime(jiff::civil::Time::midnight()))
            .expect("a Day is far from the ends of the calendar");
        Millis(utc.as_millisecond() - JST_OFFSET_MS)
    }

    /// The instant at which the next day begins in Japan.
    pub fn ends_at(&self) -> Millis {
        self.begins_at().plus_ms(DAY_MS)
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Day {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a day is written YYYY-MM-DD")
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.0
    }
}

/// What time it is. The second implementation is the one that tests set.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> Millis;

    /// The present day in Japan.
    fn today(&self) -> Day {
        self.now().day()
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the wall clock"
    )]
    fn now(&self) -> Millis {
        let since_1970 = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Millis(0) + since_1970
    }
}

/// A clock that stands still until it is moved. Its copies share one time.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    /// A clock that says `now` until told otherwise.
    pub fn at(now: Millis) -> Self {
        Self(Arc::new(AtomicI64::new(now.0)))
    }

    /// Jumps to an instant, forwards or back.
    pub fn set(&self, now: Millis) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    /// Moves on.
    pub fn advance(&self, wait: Duration) {
        self.set(self.now() + wait);
    }

    /// Moves on by milliseconds; a negative number moves back.
    pub fn advance_ms(&self, ms: i64) {
        self.set(self.now().plus_ms(ms));
    }
}

impl Default for TestClock {
    /// 2026-11-22T09:00 in Japan.
    fn default() -> Self {
        Self::at(Millis(1_795_305_600_000))
    }
}

impl Clock for TestClock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_evening_and_the_next_saturday_are_found_across_the_year_s_end() {
        // Wednesday 2026-12-30, 19:00 in Japan.
        let wednesday = Millis::parse_rfc3339("2026-12-30T10:00:00.000Z").expect("an instant");
        let next = |weekday, hour| {
            wednesday
                .next_jst(weekday, hour)
                .map(|instant| instant.rfc3339())
        };
        assert_eq!(next(None, 19).as_deref(), Some("2026-12-31T10:00:00.000Z"));
        assert_eq!(next(None, 20).as_deref(), Some("2026-12-30T11:00:00.000Z"));
        assert_eq!(
            next(Some(Weekday::Saturday), 14).as_deref(),
            Some("2027-01-02T05:00:00.000Z")
        );
    }

    #[test]
    fn an_instant_is_written_as_the_wire_has_it() {
        assert_eq!(
            Millis(1_795_305_600_000).rfc3339(),
            "2026-11-22T00:00:00.000Z"
        );
        assert_eq!(Millis(0).rfc3339(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Millis(-1).rfc3339(), "1969-12-31T23:59:59.999Z");
        assert_eq!(
            Millis::parse_rfc3339("2026-11-22T09:00:00.5+09:00"),
            Some(Millis(1_795_305_600_500))
        );
        assert_eq!(Millis::parse_rfc3339("yesterday"), None);
    }

    #[test]
    fn extreme_instants_do_not_panic() {
        for ms in [i64::MIN, i64::MAX] {
            assert!(Millis(ms).rfc3339().ends_with('Z'));
            let _ = (Millis(ms) + Duration::MAX) - Duration::MAX;
            let _ = Millis(ms).day();
        }
    }

    #[test]
    fn the_day_changes_at_midnight_in_japan() {
        let midnight = Millis::parse_rfc3339("2026-11-22T00:00:00+09:00").expect("valid");
        assert_eq!(midnight.day().as_str(), "2026-11-22");
        assert_eq!(midnight.minus_ms(1).day().as_str(), "2026-11-21");
        assert_eq!(midnight.day().begins_at(), midnight);
        assert_eq!(midnight.minus_ms(1).day().ends_at(), midnight);
    }

    #[test]
    fn only_real_days_parse() {
        assert!(Day::parse("2028-02-29").is_some());
        for bad in [
            "2026-02-29",
            "2026-2-9",
            "2026-11-22T00:00",
            "",
            "+002026-11-22",
        ] {
            assert_eq!(Day::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_clock_set_back_gives_no_negative_wait() {
        assert_eq!(Millis(5).since(Millis(9)), Duration::ZERO);
        assert_eq!(Millis(9).since(Millis(5)), Duration::from_millis(4));
    }

    #[test]
    fn copies_of_a_test_clock_share_one_time() {
        let clock = TestClock::default();
        let copy = clock.clone();
        clock.advance(Duration::from_secs(1));
        assert_eq!(copy.now(), TestClock::default().now().plus_ms(1000));
        assert_eq!(copy.today().as_str(), "2026-11-22");
    }
}
