use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use proptest::prelude::*;

use super::*;

/// The days of 2026 to 2030, as an independent list has them; `*` is 振替休日, `+` 国民の休日.
const DAYS: [(i16, &str); 5] = [
    (
        2026,
        "1/1 1/12 2/11 2/23 3/20 4/29 5/3 5/4 5/5 5/6* 7/20 8/11 9/21 9/22+ 9/23 10/12 11/3 11/23",
    ),
    (
        2027,
        "1/1 1/11 2/11 2/23 3/21 3/22* 4/29 5/3 5/4 5/5 7/19 8/11 9/20 9/23 10/11 11/3 11/23",
    ),
    (
        2028,
        "1/1 1/10 2/11 2/23 3/20 4/29 5/3 5/4 5/5 7/17 8/11 9/18 9/22 10/9 11/3 11/23",
    ),
    (
        2029,
        "1/1 1/8 2/11 2/12* 2/23 3/20 4/29 4/30* 5/3 5/4 5/5 7/16 8/11 9/17 9/23 9/24* 10/8 11/3 11/23",
    ),
    (
        2030,
        "1/1 1/14 2/11 2/23 3/20 4/29 5/3 5/4 5/5 5/6* 7/15 8/11 8/12* 9/16 9/23 10/14 11/3 11/4* 11/23",
    ),
];

fn date(text: &str) -> Date {
    text.parse().expect("a date")
}

fn at(text: &str) -> DateTime {
    text.parse().expect("a date with a time")
}

fn calendar() -> Calendar {
    serde_json::from_str(r#"{"new_year": {"from": "12-29", "to": "01-03"}}"#).expect("a calendar")
}

#[test]
fn holidays_of_five_years_are_those_of_the_list() {
    for (year, listed) in DAYS {
        let first = Date::new(year, 1, 1).expect("a date");
        let found: Vec<String> = first
            .series(1.day())
            .take_while(|day| day.year() == year)
            .filter_map(|day| {
                let mark = match by_rule(day)? {
                    Holiday::Named => "",
                    Holiday::Moved => "*",
                    Holiday::Between => "+",
                };
                Some(format!("{}/{}{mark}", day.month(), day.day()))
            })
            .collect();
        assert_eq!(found.join(" "), listed, "{year}");
    }
}

#[test]
fn a_year_s_decision_goes_before_the_rule() {
    let calendar: Calendar =
        serde_json::from_str(r#"{"declared": ["2028-06-05"], "moved_away": ["2028-07-17"]}"#)
            .expect("a calendar");
    assert!(calendar.is_holiday(date("2028-06-05")));
    assert!(!calendar.is_holiday(date("2028-07-17")));
    assert!(calendar.is_holiday(date("2028-09-18")));
    assert!(!calendar.is_new_year(date("2028-01-01")));
}

#[test]
fn the_turn_of_the_year_is_six_days_long() {
    let calendar = calendar();
    let days: Vec<String> = date("2026-12-20")
        .series(1.day())
        .take(30)
        .filter(|day| calendar.is_new_year(*day))
        .map(|day| day.to_string())
        .collect();
    assert_eq!(days.first().map(String::as_str), Some("2026-12-29"));
    assert_eq!(days.last().map(String::as_str), Some("2027-01-03"));
    assert_eq!(days.len(), 6);
}

#[test]
fn only_what_can_be_meant_is_read_as_hours() {
    let read = |text: &str| serde_json::from_str::<Hours>(text);
    assert_eq!(read(r#""always""#).ok(), Some(Hours::Always));
    for bad in [
        r#""sometimes""#,
        r#"{"spans": []}"#,
        r#"{"spans": [{"from": "09:00", "to": "18:00"}]}"#,
        r#"{"spans": [{"days": ["monday"], "from": "09:00", "to": "18:00"}]}"#,
        r#"{"spans": [{"days": ["mon"], "from": "09:00", "to": "25:00"}]}"#,
        r#"{"spans": [{"days": ["mon"], "from": "09:00", "to": "18:00"}], "not_holiday": true}"#,
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
    for bad in ["12-32", "1-3", "2028-12", ""] {
        assert_eq!(MonthDay::parse(bad), None, "{bad}");
    }
}

fn office() -> Hours {
    serde_json::from_str(
        r#"{"spans": [{"days": ["tue", "wed", "thu", "fri", "sat"], "from": "09:00", "to": "18:00"}],
            "not_holidays": true, "not_new_year": true}"#,
    )
    .expect("hours")
}

#[test]
fn an_office_is_open_on_its_days_and_says_when_it_opens_next() {
    let cases = [
        // Friday.
        ("2026-11-20T09:00", Ok("2026-11-20T18:00")),
        ("2026-11-20T17:59", Ok("2026-11-20T18:00")),
        ("2026-11-20T18:00", Err("2026-11-21T09:00")),
        // Saturday evening; Sunday, and a Monday that is a holiday, follow.
        ("2026-11-21T18:00", Err("2026-11-24T09:00")),
        // A holiday on a Tuesday.
        ("2026-11-03T10:00", Err("2026-11-04T09:00")),
        // 年末年始, and a Sunday and a Monday.
        ("2026-12-29T12:00", Err("2027-01-05T09:00")),
    ];
    for (now, stands) in cases {
        let wanted = match stands {
            Ok(until) => Now::Open {
                until: Some(at(until)),
            },
            Err(opens) => Now::Closed {
                opens: Some(at(opens)),
            },
        };
        assert_eq!(office().at(at(now), &calendar()), wanted, "{now}");
    }
}

#[test]
fn spans_over_midnight_and_of_a_day_of_the_month_are_one_where_they_meet() {
    let hours: Hours = serde_json::from_str(
        r#"{"spans": [
            {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "16:00", "to": "21:00"},
            {"day_of_month": 10, "from": "08:00", "to": "08:00"}]}"#,
    )
    .expect("hours");
    let open = |now: &str| match hours.at(at(now), &Calendar::default()) {
        Now::Open { until } => until.map(|until| until.to_string()),
        Now::Closed { .. } => None,
    };
    assert_eq!(
        open("2026-11-09T20:00").as_deref(),
        Some("2026-11-09T21:00:00")
    );
    assert_eq!(open("2026-11-10T07:59"), None);
    assert_eq!(
        open("2026-11-10T17:00").as_deref(),
        Some("2026-11-11T08:00:00")
    );
    assert_eq!(
        open("2026-11-11T03:00").as_deref(),
        Some("2026-11-11T08:00:00")
    );
    assert_eq!(open("2026-11-11T08:00"), None);
    let night: Hours =
        serde_json::from_str(r#"{"spans": [{"days": ["fri"], "from": "22:00", "to": "00:00"}]}"#)
            .expect("hours");
    assert!(night.is_open(at("2026-11-20T23:59"), &Calendar::default()));
    assert!(!night.is_open(at("2026-11-21T00:00"), &Calendar::default()));
}

#[test]
fn spans_that_never_end_have_no_end() {
    let hours: Hours = serde_json::from_str(
        r#"{"spans": [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00", "to": "00:00"}]}"#,
    )
    .expect("hours");
    assert_eq!(
        hours.at(at("2026-11-20T12:00"), &Calendar::default()),
        Now::Open { until: None }
    );
}

proptest! {
    /// What is said of the next opening and of the end is so: the minute before it is the other.
    #[test]
    fn an_end_is_an_end_and_an_opening_an_opening(minutes in 0i64..5 * 366 * 24 * 60) {
        let (hours, calendar) = (office(), calendar());
        let now = at("2026-01-01T00:00") + minutes.minutes();
        match hours.at(now, &calendar) {
            Now::Open { until } => {
                let until = until.expect("an office closes");
                prop_assert!(until > now);
                prop_assert!(hours.is_open(until - 1.minute(), &calendar));
                prop_assert!(!hours.is_open(until, &calendar));
            }
            Now::Closed { opens } => {
                let opens = opens.expect("an office opens");
                prop_assert!(opens > now);
                prop_assert!(hours.is_open(opens, &calendar));
                prop_assert!(!hours.is_open(opens - 1.minute(), &calendar));
            }
        }
    }
}
