//! `/now`: 今つらいとき. Who is awake at this hour, from data with a checked date, in the form of a card.

use askama::Template;
use jiff::Timestamp;
use jiff::civil::Date;

use super::card::{Centre, way};
use super::texts::{fill, t};
use super::{Page, Speak, Worded, hours};
use crate::features::care;
use crate::platform::calendar::Now as Stands;
use crate::protocol::CardLink;

/// 今つらいとき.
#[derive(Debug, Clone, Template)]
#[template(path = "now.html")]
pub struct Now {
    /// What every page knows.
    pub page: Page,
    back: String,
    today: Date,
    centre: Centre,
    stands: Stands,
    ways: Vec<CardLink>,
}

impl Now {
    /// What is open at `now`; `back` is where 今は、このままにする leads (`/`, or the room one came from).
    pub fn new(page: Page, now: Timestamp, back: String) -> Self {
        let now = hours::local(now);
        let lines = care::built_in();
        Self {
            page,
            back,
            today: now.date(),
            centre: Centre::known(),
            stands: lines.centre_at(now),
            ways: lines
                .open_at(now)
                .iter()
                .map(|open| way(open, now.date()))
                .collect(),
        }
    }

    fn centre_open(&self) -> bool {
        matches!(self.stands, Stands::Open { .. })
    }

    fn centre_words(&self) -> String {
        match self.stands {
            Stands::Closed { opens: Some(opens) } => fill(
                "now.centre_closed",
                &[("when", &hours::day_and_clock_of(opens, self.today))],
            ),
            Stands::Open { .. } | Stands::Closed { opens: None } => {
                t("now.centre_hours").to_owned()
            }
        }
    }

    /// The oldest checked date of what is shown.
    fn checked_words(&self) -> String {
        match care::built_in().oldest_check() {
            None => String::new(),
            Some(day) => fill("now.checked", &[("when", &hours::date(day))]),
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
        let centre = html.find("tel:0252788585").expect("the centre is there");
        let text = html.find("https://talkme.jp/").expect("text is there");
        let voice = html.find("tel:0120279338").expect("a voice is there");
        assert!(centre < text && text < voice);
        assert!(html.contains("025-284-1001"));
    }

    #[test]
    fn only_lines_that_are_sure_are_shown_and_red_stands_last() {
        let html = page("2026-11-20T11:10:00Z");
        assert!(!html.contains("025-288-4343"));
        assert!(!html.contains("#8891"));
        let red = html.find("tel:119").expect("119 stands there");
        assert!(html.rfind("class=\"way\"").expect("ways stand there") < red);
    }
}
