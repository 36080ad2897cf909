//! A card in words: for the frame, for the page without script, and the ways on 今つらいとき.

use jiff::civil::{Date, DateTime};

use super::hours;
use super::texts::{fill, t};
use crate::features::care::{self, Cost, HelpLine, Mode, OpenLine};
use crate::protocol::{CardKind, CardLink, ServerFrame, WayMode};

/// Every line that is open now.
const ALL: &str = "/now";
/// The centre's own hours and number.
const STAFF: &str = "/now#staff";

/// A card with its words.
#[derive(Debug, Clone)]
pub struct ShownCard {
    /// Which.
    pub kind: CardKind,
    /// In paragraphs, a line break between them; the last one says when to call 119 or 110.
    pub text: String,
    /// Where to turn, those for an emergency last.
    pub links: Vec<CardLink>,
    /// Where 今は、このままにする leads without script.
    pub back: String,
}

/// A piece of a paragraph: words, or a number to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What is read.
    pub text: String,
    /// What is dialled.
    pub href: Option<String>,
}

impl ShownCard {
    /// The card of a kind at a moment of the city's own time.
    pub fn new(kind: CardKind, now: DateTime, back: &str) -> Self {
        let lines = care::built_in();
        let card = care::card(kind, now, lines);
        let words = |part: &str| t(&format!("card.{}.{part}", kind.as_str()));
        let text = format!(
            "{}{}\n{}\n{}",
            words("felt"),
            t("card.machine"),
            words("words"),
            words("urgent")
        );
        let mut links = Vec::with_capacity(card.lines.len() + 4);
        if let Some(until) = card.centre_until {
            links.push(CardLink {
                about: Some(lines.centre().name.clone()),
                hours: Some(open_words(Some(until), now.date())),
                ..plain(t("page.staff"), STAFF, WayMode::Here)
            });
        }
        links.extend(card.lines.iter().map(|open| way(open, now.date())));
        links.push(plain(t("card.now"), ALL, WayMode::Here));
        links.extend(card.emergency.iter().map(|number| CardLink {
            number: Some(number.clone()),
            ..plain(number, &care::lines::dialled(number), WayMode::Emergency)
        }));
        Self {
            kind,
            text,
            links,
            back: back.to_owned(),
        }
    }

    /// As it goes over the wire.
    pub fn frame(self) -> ServerFrame {
        ServerFrame::Card {
            kind: self.kind,
            text: self.text,
            links: self.links,
        }
    }

    /// The paragraphs above the ways.
    pub fn paragraphs(&self) -> impl Iterator<Item = &str> {
        let (words, _) = self.split();
        words.lines()
    }

    /// The ways, but for those of an emergency.
    pub fn ways(&self) -> impl Iterator<Item = &CardLink> {
        self.links
            .iter()
            .filter(|link| link.mode != WayMode::Emergency)
    }

    /// The last paragraph, with its numbers as links.
    pub fn urgent(&self) -> Vec<Piece> {
        let (_, mut rest) = self.split();
        let mut pieces = Vec::new();
        while let Some((at, link)) = self
            .links
            .iter()
            .filter(|link| link.mode == WayMode::Emergency)
            .filter_map(|link| Some((rest.find(link.label.as_str())?, link)))
            .min_by_key(|(at, _)| *at)
        {
            pieces.push(Piece {
                text: rest[..at].to_owned(),
                href: None,
            });
            pieces.push(Piece {
                text: link.label.clone(),
                href: Some(link.href.clone()),
            });
            rest = &rest[at + link.label.len()..];
        }
        pieces.push(Piece {
            text: rest.to_owned(),
            href: None,
        });
        pieces
    }

    fn split(&self) -> (&str, &str) {
        self.text.rsplit_once('\n').unwrap_or(("", &self.text))
    }
}

fn plain(label: &str, href: &str, mode: WayMode) -> CardLink {
    CardLink {
        label: label.to_owned(),
        href: href.to_owned(),
        mode,
        number: None,
        about: None,
        hours: None,
        cost: None,
    }
}

/// A line that is open now, as a way to go.
pub fn way(open: &OpenLine<'_>, today: Date) -> CardLink {
    let line = open.line;
    CardLink {
        label: line.name.clone(),
        href: line.href(),
        mode: match line.mode {
            Mode::Chat => WayMode::Chat,
            Mode::Mail => WayMode::Mail,
            Mode::Phone => WayMode::Phone,
        },
        number: line.number.clone(),
        about: Some(about(line).to_owned()),
        hours: Some(open_words(open.until, today)),
        cost: Some(t(cost_key(line.cost)).to_owned()),
    }
}

/// For whom or for what a line is.
pub(super) fn about(line: &HelpLine) -> &'static str {
    t(&format!("line.{}", line.id))
}

pub(super) fn cost_key(cost: Cost) -> &'static str {
    match cost {
        Cost::Free => "way.free",
        Cost::Charged => "way.charged",
    }
}

fn open_words(until: Option<DateTime>, today: Date) -> String {
    match until {
        None => t("way.always").to_owned(),
        Some(until) => fill(
            "way.until",
            &[("when", &hours::day_and_clock_of(until, today))],
        ),
    }
}

/// The centre's number.
#[derive(Debug, Clone)]
pub struct Centre {
    pub(super) name: String,
    pub(super) number: String,
    pub(super) tel: String,
}

impl Centre {
    /// From the data.
    pub(super) fn known() -> Self {
        let line = care::built_in().centre();
        Self {
            name: line.name.clone(),
            number: line.number.clone().unwrap_or_default(),
            tel: line.href(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::pages::texts;

    fn at(text: &str) -> DateTime {
        text.parse().expect("a date with a time")
    }

    #[test]
    fn every_card_has_its_words_and_names_the_numbers_it_links() {
        for kind in CardKind::ALL {
            let card = ShownCard::new(*kind, at("2026-11-20T15:00"), "/");
            assert_eq!(card.text.lines().count(), 3, "{}", kind.as_str());
            assert!(card.text.lines().all(|line| !line.is_empty()));
            let urgent = card.urgent();
            let dialled: Vec<&str> = urgent
                .iter()
                .filter(|piece| piece.href.is_some())
                .map(|piece| piece.text.as_str())
                .collect();
            let linked: Vec<&str> = card
                .links
                .iter()
                .filter(|link| link.mode == WayMode::Emergency)
                .map(|link| link.label.as_str())
                .collect();
            assert_eq!(dialled, linked, "{}", kind.as_str());
            let digits = card.text.matches("11").count();
            assert_eq!(digits, linked.len(), "no number without a link");
            let whole: String = urgent.iter().map(|piece| piece.text.as_str()).collect();
            assert_eq!(Some(whole.as_str()), card.text.lines().last());
        }
    }

    #[test]
    fn p8_a_card_for_a_life_says_what_is_true_at_every_hour() {
        for hour in 0..24 {
            let now = at("2026-11-20T00:30").date().at(hour, 30, 0, 0);
            let card = ShownCard::new(CardKind::Life, now, "/");
            assert!(card.text.contains(
                "ここからは、あなたがどこにいるかわかりません。こちらから救急車は呼べません。命があぶないときは119へ"
            ));
        }
    }

    #[test]
    fn a_card_lays_text_before_voice_and_all_lines_and_119_last() {
        let modes = |now: &str| -> Vec<WayMode> {
            let card = ShownCard::new(CardKind::HurtAtHome, at(now), "/");
            card.links.iter().map(|link| link.mode).collect()
        };
        use WayMode::{Chat, Emergency, Here, Mail, Phone};
        assert_eq!(
            modes("2026-11-20T15:00"),
            [Here, Chat, Chat, Phone, Phone, Here, Emergency, Emergency]
        );
        assert_eq!(
            modes("2026-11-21T03:00"),
            [Chat, Mail, Phone, Phone, Here, Emergency, Emergency],
            "at night nobody is at the centre"
        );
    }

    #[test]
    fn a_way_says_until_when_and_what_it_costs() {
        let card = ShownCard::new(CardKind::IMayHurt, at("2026-11-20T15:00"), "/");
        let police = card.links.iter().find(|link| link.href == "tel:%239110");
        let police = police.expect("it is open on a Friday");
        assert_eq!(police.number.as_deref(), Some("#9110"));
        assert_eq!(police.hours.as_deref(), Some("きょうの17時15分まで。"));
        assert_eq!(police.cost.as_deref(), Some("通話料がかかります。"));
        let text = card.links.iter().find(|link| link.mode == WayMode::Chat);
        assert_eq!(
            text.and_then(|link| link.hours.as_deref()),
            Some("24時間。")
        );
    }

    #[test]
    fn every_line_says_for_whom_it_is() {
        for check in care::built_in().to_check(at("2026-11-20T15:00").date()) {
            if check.line.is_shown() {
                assert!(
                    texts::has(&format!("line.{}", check.line.id)),
                    "{}",
                    check.line.id
                );
            }
        }
    }
}
