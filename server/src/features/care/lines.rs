//! Help lines: who answers where, when, at what cost, and how sure that is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, DateTime};
use serde::Deserialize;

use crate::platform::calendar::{Calendar, Hours, Now};
use crate::protocol::CardKind;

/// After so many days somebody has to look again whether a line is still so.
pub const CHECKED_DAYS_MAX: i32 = 90;
/// The centre's own line. It stands on its own on cards and pages, not among the others.
const CENTRE: &str = "centre";

/// How a line is reached, in the order in which lines are laid before somebody: text before voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By text, answered at once.
    Chat,
    /// By text, answered later.
    Mail,
    /// By voice.
    Phone,
}

impl Mode {
    /// Whether no voice is needed.
    pub const fn is_text(self) -> bool {
        match self {
            Mode::Chat | Mode::Mail => true,
            Mode::Phone => false,
        }
    }
}

/// What a line costs, the cheaper first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// Nothing.
    Free,
    /// The call is charged.
    Charged,
}

/// How sure the facts of a line are; of several the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Certainty {
    /// The body that owns it says so, or two independent sources do.
    A,
    /// As above, from copies of what the body says.
    #[serde(rename = "A-")]
    AMinus,
    /// One secondary or old source.
    B,
    /// Not found anywhere.
    C,
}

impl Certainty {
    /// Whether it may be shown as certain.
    pub const fn is_sure(self) -> bool {
        match self {
            Certainty::A | Certainty::AMinus => true,
            Certainty::B | Certainty::C => false,
        }
    }
}

/// A help line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelpLine {
    /// Its name in the data and in keys of texts.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// How it is reached.
    pub mode: Mode,
    /// Its number, where it is a telephone's.
    #[serde(default)]
    pub number: Option<String>,
    /// Its address, where it is text.
    #[serde(default)]
    pub url: Option<String>,
    /// When somebody is there; unknown where absent.
    pub hours: Option<Hours>,
    /// What it costs.
    pub cost: Cost,
    /// Whether it is there for people who think of dying: no other card may lead with it.
    #[serde(default)]
    pub suicide: bool,
    /// When somebody last looked.
    pub checked: Date,
    /// How sure it is.
    pub certainty: Certainty,
    /// Where it was found, for staff.
    pub source: String,
    /// What the centre is asked to find out.
    #[serde(default)]
    pub check: Option<String>,
}

impl HelpLine {
    /// Where a link to it leads: `tel:` or `https:`.
    pub fn href(&self) -> String {
        match (&self.url, &self.number) {
            (Some(url), _) => url.clone(),
            (None, Some(number)) => dialled(number),
            (None, None) => String::new(),
        }
    }

    /// Whether it may be shown to people: it is sure, it can be reached, and its hours are known.
    pub fn is_shown(&self) -> bool {
        self.certainty.is_sure()
            && self.hours.is_some()
            && (self.url.is_some() || self.number.is_some())
    }

    /// Whether somebody has to look again.
    pub fn is_stale(&self, today: Date) -> bool {
        today
            .since(self.checked)
            .is_ok_and(|since| since.get_days() > CHECKED_DAYS_MAX)
    }
}

/// The address of a telephone number.
pub fn dialled(number: &str) -> String {
    let mut href = String::from("tel:");
    for c in number.chars() {
        match c {
            '0'..='9' => href.push(c),
            // What begins with # would be a fragment, and nothing would be dialled.
            '#' => href.push_str("%23"),
            _ => {}
        }
    }
    href
}

/// A line at which somebody is there now.
#[derive(Clone, Copy, Debug)]
pub struct OpenLine<'a> {
    /// Which.
    pub line: &'a HelpLine,
    /// Until when; nothing where it is day and night.
    pub until: Option<DateTime>,
}

impl OpenLine<'_> {
    /// Text before voice, free before charged, day and night before hours.
    fn rank(&self) -> (Mode, Cost, bool) {
        (self.line.mode, self.line.cost, self.until.is_some())
    }
}

/// Why staff should look at a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToCheck<'a> {
    /// Which.
    pub line: &'a HelpLine,
    /// Its facts are not sure, so that nobody is shown it.
    pub unsure: bool,
    /// Nobody has looked for longer than [`CHECKED_DAYS_MAX`].
    pub stale: bool,
}

impl PartialEq for HelpLine {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for HelpLine {}

/// All lines, the days on which they are closed, and which of them each card has.
#[derive(Clone, Debug)]
pub struct HelpLines {
    calendar: Calendar,
    lines: Vec<HelpLine>,
    plans: BTreeMap<&'static str, Plan>,
}

/// What a card is made of.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    /// Lines by id; among equals the first comes first.
    pub(super) lines: Vec<String>,
    /// 110 and 119, as far as they belong there.
    pub(super) emergency: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinesData {
    calendar: Calendar,
    lines: Vec<HelpLine>,
}

impl HelpLines {
    /// Reads the lines and the cards.
    ///
    /// # Errors
    /// All that is wrong with them, in words for whoever edits the data.
    pub fn read(lines: &str, cards: &str) -> Result<Self, Vec<String>> {
        let data: LinesData =
            serde_json::from_str(lines).map_err(|error| vec![format!("lines: {error}")])?;
        let mut by_kind: BTreeMap<String, Plan> =
            serde_json::from_str(cards).map_err(|error| vec![format!("cards: {error}")])?;
        let mut wrong = wrong_lines(&data.lines);
        let ids: BTreeSet<&str> = data.lines.iter().map(|line| line.id.as_str()).collect();
        let mut plans = BTreeMap::new();
        for kind in CardKind::ALL {
            let Some(plan) = by_kind.remove(kind.as_str()) else {
                wrong.push(format!("no card {}", kind.as_str()));
                continue;
            };
            for id in &plan.lines {
                if !ids.contains(id.as_str()) || id == CENTRE {
                    wrong.push(format!("{}: no line {id}", kind.as_str()));
                }
            }
            for number in &plan.emergency {
                if number != "110" && number != "119" {
                    wrong.push(format!("{}: {number} is no emergency", kind.as_str()));
                }
            }
            plans.insert(kind.as_str(), plan);
        }
        wrong.extend(by_kind.keys().map(|kind| format!("{kind} is no card")));
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Self {
            calendar: data.calendar,
            lines: data.lines,
            plans,
        })
    }

    /// The days on which offices are closed.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The centre's own line.
    pub fn centre(&self) -> &HelpLine {
        self.lines
            .iter()
            .find(|line| line.id == CENTRE)
            .expect("read refuses data without it")
    }

    /// How it stands at the centre.
    pub fn centre_at(&self, now: DateTime) -> Now {
        match &self.centre().hours {
            Some(hours) => hours.at(now, &self.calendar),
            None => Now::Closed { opens: None },
        }
    }

    /// Every line that may be shown and is open now, but for the centre's, the most helpful first.
    pub fn open_at(&self, now: DateTime) -> Vec<OpenLine<'_>> {
        self.ranked(self.lines.iter().filter(|line| line.id != CENTRE), now)
    }

    /// Those of a card that may be shown and are open now, the most helpful first.
    pub(super) fn of_card(&self, kind: CardKind, now: DateTime) -> Vec<OpenLine<'_>> {
        let ids = self.plan(kind).lines.iter();
        self.ranked(
            ids.filter_map(|id| self.lines.iter().find(|line| line.id == *id)),
            now,
        )
    }

    pub(super) fn plan(&self, kind: CardKind) -> &Plan {
        self.plans
            .get(kind.as_str())
            .expect("read refuses data without a card for each kind")
    }

    fn ranked<'a>(
        &self,
        lines: impl Iterator<Item = &'a HelpLine>,
        now: DateTime,
    ) -> Vec<OpenLine<'a>> {
        let mut open: Vec<OpenLine<'a>> = lines
            .filter(|line| line.is_shown())
            .filter_map(|line| match line.hours.as_ref()?.at(now, &self.calendar) {
                Now::Open { until } => Some(OpenLine { line, until }),
                Now::Closed { .. } => None,
            })
            .collect();
        // Stable: among equals the order of the data stands.
        open.sort_by_key(OpenLine::rank);
        open
    }

    /// The oldest day on which one of the lines that are shown was looked at.
    pub fn oldest_check(&self) -> Option<Date> {
        self.lines
            .iter()
            .filter(|line| line.is_shown())
            .map(|line| line.checked)
            .min()
    }

    /// How many lines nobody has looked at for longer than [`CHECKED_DAYS_MAX`].
    pub fn n_stale(&self, today: Date) -> usize {
        self.lines
            .iter()
            .filter(|line| line.is_stale(today))
            .count()
    }

    /// All lines with what staff should look at, that first.
    pub fn to_check(&self, today: Date) -> Vec<ToCheck<'_>> {
        let mut all: Vec<ToCheck<'_>> = self
            .lines
            .iter()
            .map(|line| ToCheck {
                line,
                unsure: !line.is_shown(),
                stale: line.is_stale(today),
            })
            .collect();
        all.sort_by_key(|check| (!check.stale, !check.unsure, check.line.checked));
        all
    }

    /// Every number of the data, sure or not: they are public, so a line of a room may name them.
    pub fn numbers(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| line.number.as_deref())
    }
}

/// What no line may be.
fn wrong_lines(lines: &[HelpLine]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for line in lines {
        let id = &line.id;
        if !seen.insert(id) {
            wrong.push(format!("two lines are called {id}"));
        }
        let fits = match line.mode {
            Mode::Phone => line.number.is_some() && line.url.is_none(),
            Mode::Chat | Mode::Mail => line.url.is_some() && line.number.is_none(),
        };
        if !fits {
            wrong.push(format!(
                "{id}: a telephone has a number, text has an address"
            ));
        }
        if let Some(number) = &line.number
            && (!number
                .chars()
                .all(|c| c.is_ascii_digit() || c == '-' || c == '#')
                || !number.contains(|c: char| c.is_ascii_digit()))
        {
            wrong.push(format!("{id}: {number} is no number"));
        }
        if let Some(url) = &line.url
            && !url.starts_with("https://")
        {
            wrong.push(format!("{id}: {url} does not begin with https://"));
        }
        if !line.is_shown() && line.check.is_none() {
            wrong.push(format!("{id}: nobody is told what to find out"));
        }
    }
    if !seen.contains(&CENTRE.to_owned()) {
        wrong.push("the centre's own line is missing".into());
    }
    wrong
}
