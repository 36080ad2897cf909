//! Hours in words, by the clock of the city: 20時半, あすの21時, 20時半ごろ.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::texts::{fill, t};

/// The city's time zone (no summer time).
pub fn city() -> TimeZone {
    TimeZone::get("Asia/Tokyo").expect("the zone table is inside the binary")
}

/// The city's own date and time.
pub fn local(at: Timestamp) -> DateTime {
    at.to_zoned(city()).datetime()
}

/// 21時, 21時半, 21時12分.
pub fn clock(at: Time) -> String {
    let hour = at.hour().to_string();
    match at.minute() {
        0 => fill("time.hour", &[("h", &hour)]),
        30 => fill("time.half", &[("h", &hour)]),
        minute => fill("time.minute", &[("h", &hour), ("m", &minute.to_string())]),
    }
}

/// きょうの21時, あすの21時半, 11月24日の9時.
pub fn day_and_clock(at: Timestamp, now: Timestamp) -> String {
    day_and_clock_of(local(at), local(now).date())
}

/// As [`day_and_clock`], of the city's own date and time.
pub fn day_and_clock_of(at: DateTime, today: Date) -> String {
    let time = clock(at.time());
    let tomorrow = today.checked_add(1.day()).unwrap_or(today);
    if at.date() == today {
        fill("time.today", &[("time", &time)])
    } else if at.date() == tomorrow {
        fill("time.tomorrow", &[("time", &time)])
    } else {
        fill(
            "time.day",
            &[
                ("month", &at.month().to_string()),
                ("day", &at.day().to_string()),
                ("time", &time),
            ],
        )
    }
}

/// 2026年11月21日.
pub fn date(day: Date) -> String {
    fill(
        "time.date",
        &[
            ("year", &day.year().to_string()),
            ("month", &day.month().to_string()),
            ("day", &day.day().to_string()),
        ],
    )
}

/// The half hour a line stands in; equal for lines of the same half hour.
pub fn half_hour(at: Timestamp) -> i64 {
    at.as_second().div_euclid(1800)
}

/// 20時半ごろ: the half hour a line stands in, in words.
pub fn about(at: Timestamp) -> String {
    let at = at.to_zoned(city());
    let hour = at.hour().to_string();
    let key = if at.minute() < 30 {
        "time.hour"
    } else {
        "time.half"
    };
    fill("time.about", &[("time", &fill(key, &[("h", &hour)]))])
}

/// Several words in a row: みなと、もり.
pub fn row(words: &[&str]) -> String {
    words.join(t("time.comma"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_said_by_the_clock_of_the_city() {
        let now: Timestamp = "2026-11-20T11:00:00Z".parse().expect("a time");
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        assert_eq!(
            day_and_clock(at("2026-11-20T12:30:00Z"), now),
            "きょうの21時半"
        );
        assert_eq!(day_and_clock(at("2026-11-21T12:00:00Z"), now), "あすの21時");
        assert_eq!(
            day_and_clock(at("2026-11-24T00:05:00Z"), now),
            "11月24日の9時5分"
        );
        assert_eq!(about(at("2026-11-20T11:31:00Z")), "20時半ごろ");
        assert_eq!(about(at("2026-11-20T15:00:00Z")), "0時ごろ");
        assert_ne!(
            half_hour(at("2026-11-20T11:29:59Z")),
            half_hour(at("2026-11-20T11:30:00Z"))
        );
    }
}
