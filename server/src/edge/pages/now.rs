//! `/now`: 今つらいとき. What is open at this hour, from data with a checked date, in the form of a card.

use std::sync::LazyLock;

use askama::Template;
use jiff::civil::{Date, Time};
use jiff::{Timestamp, ToSpan, Zoned};
use serde::Deserialize;

use super::texts::{fill, t};
use super::values::values;
use super::{Page, Speak, hours};

const DATA: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../web/data/lines.json"
));

static BOOK: LazyLock<Book> =
    LazyLock::new(|| serde_json::from_str(DATA).expect("the data are checked by a test"));

#[derive(Deserialize)]
struct Book {
    holidays: Vec<Date>,
    new_year: NewYear,
    centre: CentreData,
    lines: Vec<LineData>,
}

/// 年末年始, from a day of one year to a day of the next, as `MM-DD`.
#[derive(Deserialize)]
struct NewYear {
    from: String,
    to: String,
}

#[derive(Deserialize)]
struct CentreData {
    number: String,
    open: Vec<Span>,
}

#[derive(Deserialize)]
struct LineData {
    name: String,
    mode: String,
    url: Option<String>,
    number: Option<String>,
    open: Open,
    #[serde(default)]
    not_holidays: bool,
    #[serde(default)]
    not_new_year: bool,
    cost: String,
    checked: Date,
    certainty: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Open {
    Always(String),
    Spans(Vec<Span>),
}

#[derive(Deserialize)]
struct Span {
    days: Vec<String>,
    from: Time,
    to: Time,
}

impl Span {
    fn covers(&self, at: &Zoned) -> bool {
        self.on(at.date()) && self.from <= at.time() && at.time() < self.to
    }

    fn on(&self, day: Date) -> bool {
        const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let name = DAYS[usize::from(day.weekday().to_monday_zero_offset().unsigned_abs())];
        self.days.iter().any(|day| day == name)
    }
}

fn is_new_year(day: Date) -> bool {
    let month_day = format!("{:02}-{:02}", day.month(), day.day());
    month_day >= BOOK.new_year.from || month_day <= BOOK.new_year.to
}

fn is_holiday(day: Date) -> bool {
    BOOK.holidays.contains(&day)
}

values! {
    /// How a line is reached.
    Reach {
        /// By text, first.
        Text = "text", "now.text";
        /// By telephone.
        Phone = "phone", "now.phone";
    }
}

values! {
    /// What it costs.
    Cost {
        /// Nothing.
        Free = "free", "now.free";
        /// The call is charged.
        Charged = "charged", "now.charged";
    }
}

/// A line that is open now.
#[derive(Debug, Clone)]
pub struct HelpLine {
    name: String,
    mode: Reach,
    url: Option<String>,
    number: Option<String>,
    hours_words: String,
    cost: Cost,
}

impl HelpLine {
    fn tel(&self) -> String {
        dialled(self.number.as_deref().unwrap_or_default())
    }
}

fn dialled(number: &str) -> String {
    number
        .chars()
        .filter(|c| c.is_ascii_digit() || *c == '#')
        .collect()
}

/// The centre's number.
#[derive(Debug, Clone)]
pub struct Centre {
    pub(super) number: String,
    pub(super) tel: String,
}

impl Centre {
    /// From the data.
    pub(super) fn known() -> Self {
        Self {
            number: BOOK.centre.number.clone(),
            tel: dialled(&BOOK.centre.number),
        }
    }
}

fn centre_open(at: &Zoned) -> bool {
    !is_holiday(at.date())
        && !is_new_year(at.date())
        && BOOK.centre.open.iter().any(|span| span.covers(at))
}

/// When the centre opens next; within the three weeks ahead it always does.
fn centre_opens(at: &Zoned) -> Option<Timestamp> {
    (0..21)
        .filter_map(|days| at.date().checked_add(days.days()).ok())
        .filter(|day| !is_holiday(*day) && !is_new_year(*day))
        .filter_map(|day| {
            let span = BOOK.centre.open.iter().find(|span| span.on(day))?;
            Some(
                day.to_datetime(span.from)
                    .to_zoned(hours::city())
                    .ok()?
                    .timestamp(),
            )
        })
        .find(|opens| *opens > at.timestamp())
}

fn open_now(line: &LineData, at: &Zoned, now: Timestamp) -> Option<HelpLine> {
    let closed = (line.not_holidays && is_holiday(at.date()))
        || (line.not_new_year && is_new_year(at.date()));
    if line.certainty != "A" || closed || (line.url.is_none() && line.number.is_none()) {
        return None;
    }
    let hours_words = match &line.open {
        Open::Always(word) => {
            debug_assert_eq!(word, "always");
            t("now.always").to_owned()
        }
        Open::Spans(spans) => {
            let span = spans.iter().find(|span| span.covers(at))?;
            let until = at
                .date()
                .to_datetime(span.to)
                .to_zoned(hours::city())
                .ok()?
                .timestamp();
            fill("now.until", &[("when", &hours::day_and_clock(until, now))])
        }
    };
    Some(HelpLine {
        name: line.name.clone(),
        mode: Reach::from_wire(&line.mode)?,
        url: line.url.clone(),
        number: line.number.clone(),
        hours_words,
        cost: Cost::from_wire(&line.cost)?,
    })
}

/// 今つらいとき.
#[derive(Debug, Clone, Template)]
#[template(path = "now.html")]
pub struct Now {
    /// What every page knows.
    pub page: Page,
    back: String,
    now: Timestamp,
    centre: Centre,
    centre_open: bool,
    lines: Vec<HelpLine>,
}

impl Now {
    /// What is open at `now`; `back` is where 今は、このままにする leads (`/`, or the room one came from).
    pub fn new(page: Page, now: Timestamp, back: String) -> Self {
        let at = now.to_zoned(hours::city());
        let mut lines: Vec<HelpLine> = BOOK
            .lines
            .iter()
            .filter_map(|line| open_now(line, &at, now))
            .collect();
        lines.sort_by_key(|line| line.mode == Reach::Phone);
        Self {
            page,
            back,
            now,
            centre: Centre::known(),
            centre_open: centre_open(&at),
            lines,
        }
    }

    fn centre_closed(&self) -> String {
        match centre_opens(&self.now.to_zoned(hours::city())) {
            None => t("now.centre_hours").to_owned(),
            Some(opens) => fill(
                "now.centre_closed",
                &[("when", &hours::day_and_clock(opens, self.now))],
            ),
        }
    }

    /// The oldest checked date of what is shown.
    fn checked_words(&self) -> String {
        let oldest = BOOK
            .lines
            .iter()
            .filter(|line| line.certainty == "A")
            .map(|line| line.checked)
            .min();
        match oldest {
            None => String::new(),
            Some(day) => {
                let [year, month, date] = [
                    day.year().to_string(),
                    day.month().to_string(),
                    day.day().to_string(),
                ];
                let when = fill(
                    "now.date",
                    &[("year", &year), ("month", &month), ("day", &date)],
                );
                fill("now.checked", &[("when", &when)])
            }
        }
    }

    /// A Friday evening.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self::new(
            Page::default(),
            "2026-11-20T11:10:00Z".parse().expect("a time"),
            "/".into(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::pages::View;

    fn page(at: &str) -> String {
        Now::new(Page::default(), at.parse().expect("a time"), "/".into()).html()
    }

    #[test]
    fn p8_at_night_the_page_says_that_nobody_reads_and_when_somebody_does() {
        let html = page("2026-11-20T15:30:00Z"); // Saturday, 0:30 in the city
        assert!(html.contains("だれも読んでいません"), "{html}");
        assert!(html.contains("きょうの9時"), "{html}");
        assert!(html.contains("0120-279-338"));
        assert!(
            !html.contains("025-284-1001"),
            "a line that is closed now is absent"
        );
        // Saturday evening, then a Sunday, a Monday that is a holiday: Tuesday.
        assert!(page("2026-11-21T10:00:00Z").contains("11月24日の9時"));
        // 年末年始
        assert!(page("2026-12-29T03:00:00Z").contains("1月5日の9時"));
    }

    #[test]
    fn p8_in_opening_hours_the_centre_stands_first() {
        let html = page("2026-11-20T02:00:00Z"); // Friday, 11:00
        assert!(html.contains("tel:0252788585"));
        assert!(html.contains("025-284-1001"));
    }

    #[test]
    fn only_lines_of_certainty_a_are_shown_and_red_stands_last() {
        let html = page("2026-11-20T11:10:00Z");
        assert!(!html.contains("0120-061-338"));
        let red = html.find("tel:119").expect("119 stands there");
        assert!(html.rfind("class=\"way\"").expect("ways stand there") < red);
    }
}
