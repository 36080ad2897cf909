//! `/s/lines`: every help line of the data for staff, with what has to be looked at again.

use askama::Template;
use jiff::civil::Date;

use super::card::{about, cost_key};
use super::texts::{fill, t};
use super::{Page, Speak, Worded, hours};
use crate::features::care::{self, Mode};
use crate::platform::calendar::{Hours, Span, Weekly};
use crate::protocol::WayMode;

/// Days of the week; a span that has them all is every day's.
const DAYS_OF_WEEK: usize = 7;

/// A line, in words.
#[derive(Debug, Clone)]
struct Row {
    name: String,
    mode: WayMode,
    place: String,
    about: Option<&'static str>,
    hours: String,
    cost: &'static str,
    unsure: bool,
    stale: bool,
    checked: String,
    check: Option<String>,
    source: String,
}

/// The page.
#[derive(Debug, Clone, Template)]
#[template(path = "lines.html")]
pub struct HelpLinesPage {
    /// What every page knows, with `staff` and `signed_in` set.
    pub page: Page,
    rows: Vec<Row>,
}

impl HelpLinesPage {
    /// As it stands on a day.
    pub fn new(page: Page, today: Date) -> Self {
        let rows = care::built_in()
            .to_check(today)
            .into_iter()
            .map(|check| {
                let line = check.line;
                Row {
                    name: line.name.clone(),
                    mode: match line.mode {
                        Mode::Chat => WayMode::Chat,
                        Mode::Mail => WayMode::Mail,
                        Mode::Phone => WayMode::Phone,
                    },
                    place: line
                        .number
                        .clone()
                        .or_else(|| Some(bare(line.url.as_deref()?).to_owned()))
                        .unwrap_or_default(),
                    about: line.is_shown().then(|| about(line)),
                    hours: hours_words(line.hours.as_ref()),
                    cost: t(cost_key(line.cost)),
                    unsure: check.unsure,
                    stale: check.stale,
                    checked: hours::date(line.checked),
                    check: line.check.clone(),
                    source: line.source.clone(),
                }
            })
            .collect();
        Self { page, rows }
    }

    /// As staff see it when nobody has looked for a while.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        let page = Page {
            staff: true,
            signed_in: true,
            ..Page::default()
        };
        Self::new(page, Date::constant(2027, 3, 1))
    }
}

/// An address as people say it.
fn bare(url: &str) -> &str {
    let bare = url.split_once("://").map_or(url, |(_, bare)| bare);
    bare.trim_end_matches('/')
}

fn hours_words(hours: Option<&Hours>) -> String {
    match hours {
        None => t("lines.hours_unknown").to_owned(),
        Some(Hours::Always) => t("way.always").to_owned(),
        Some(Hours::Weekly(weekly)) => weekly_words(weekly),
    }
}

fn weekly_words(weekly: &Weekly) -> String {
    let mut words: String = weekly.spans.iter().map(span_words).collect();
    match (weekly.not_holidays, weekly.not_new_year) {
        (true, true) => words.push_str(t("lines.not_both")),
        (true, false) => words.push_str(t("lines.not_holidays")),
        (false, true) => words.push_str(t("lines.not_new_year")),
        (false, false) => {}
    }
    words
}

fn span_words(span: &Span) -> String {
    let mut days = String::new();
    if span.days.len() == DAYS_OF_WEEK {
        days.push_str(t("lines.every_day"));
    } else {
        for day in &span.days {
            days.push_str(t(&format!("day.{}", day.as_str())));
        }
    }
    if let Some(day) = span.day_of_month {
        days.push_str(&fill("lines.day_of_month", &[("day", &day.to_string())]));
    }
    let (from, to) = (hours::clock(span.from), hours::clock(span.to));
    let key = if span.to > span.from {
        "lines.span"
    } else {
        "lines.span_over"
    };
    fill(key, &[("days", &days), ("from", &from), ("to", &to)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::pages::View;

    #[test]
    fn hours_are_said_in_words() {
        let words = |text: &str| hours_words(serde_json::from_str(text).ok().as_ref());
        assert_eq!(words("\"always\""), "24時間。");
        assert_eq!(
            words(
                r#"{"spans": [{"days": ["tue", "sat"], "from": "09:00", "to": "17:15"}], "not_holidays": true}"#
            ),
            "火土の9時から17時15分。祝日は休み。"
        );
        assert_eq!(
            words(r#"{"spans": [{"day_of_month": 10, "from": "08:00", "to": "08:00"}]}"#),
            "毎月10日の8時から、次の日の8時。"
        );
    }

    #[test]
    fn staff_see_what_is_not_shown_and_what_is_old() {
        let page = |today| HelpLinesPage::new(Page::default(), today).html();
        let fresh = page(Date::constant(2026, 11, 22));
        assert!(fresh.contains(t("lines.unsure")));
        assert!(!fresh.contains(t("lines.stale")));
        let (unsure, sure) = (fresh.find("025-288-4343"), fresh.find("0120-279-338"));
        assert!(unsure < sure, "what has to be asked stands first");
        assert!(page(Date::constant(2027, 3, 1)).contains(t("lines.stale")));
    }
}
