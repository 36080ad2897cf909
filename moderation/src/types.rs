//! The shape of a question and of its answer: what the rest of the house is built against.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What a line is about, by the order in which the highest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Nothing to do.
    Ok,
    /// Flood, nonsense, adverts.
    Spam,
    /// A wish to die, or being hurt, without plan or time.
    RiskWatch,
    /// Selling, recruiting, press.
    Solicitation,
    /// An insult.
    Abuse,
    /// Contact or identity, given or asked for.
    Contact,
    /// Sexual talk.
    Sexual,
    /// Harm to others.
    Threat,
    /// Plan, time, means, farewell, in progress.
    RiskUrgent,
}

/// What should be done with a line, before the room's own policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It goes on.
    Pass,
    /// Its author is asked first.
    Ask,
    /// A human reads it first.
    Hold,
    /// It goes on, and somebody is told.
    Raise,
    /// A human reads it first, and somebody is told at once.
    HoldRaise,
    /// It is not taken, with words.
    Refuse,
}

impl Category {
    /// All of them, lowest first: a category's place here is its number.
    pub const ALL: [Category; 9] = [
        Category::Ok,
        Category::Spam,
        Category::RiskWatch,
        Category::Solicitation,
        Category::Abuse,
        Category::Contact,
        Category::Sexual,
        Category::Threat,
        Category::RiskUrgent,
    ];

    /// The action this category has by default (`protocol.md`, `moderate`).
    pub const fn action(self) -> Action {
        match self {
            Category::Ok => Action::Pass,
            Category::Contact => Action::Ask,
            Category::RiskWatch => Action::Raise,
            Category::RiskUrgent => Action::HoldRaise,
            Category::Threat | Category::Abuse | Category::Sexual | Category::Solicitation => {
                Action::Hold
            }
            Category::Spam => Action::Refuse,
        }
    }

    /// Its name in files and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Category::Ok => "ok",
            Category::Spam => "spam",
            Category::RiskWatch => "risk_watch",
            Category::Solicitation => "solicitation",
            Category::Abuse => "abuse",
            Category::Contact => "contact",
            Category::Sexual => "sexual",
            Category::Threat => "threat",
            Category::RiskUrgent => "risk_urgent",
        }
    }

    /// The category of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }

    /// A life may be in danger: such a finding is never hidden from those who can help.
    pub const fn is_risk(self) -> bool {
        matches!(self, Category::RiskWatch | Category::RiskUrgent)
    }
}

impl Action {
    /// Its name in files and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::Pass => "pass",
            Action::Ask => "ask",
            Action::Hold => "hold",
            Action::Raise => "raise",
            Action::HoldRaise => "hold_raise",
            Action::Refuse => "refuse",
        }
    }
}

/// Which private card fits what was felt (`protocol.md`, `card`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Card {
    /// A wish to die, self-harm.
    Life,
    /// Hurt by somebody of the household.
    HurtAtHome,
    /// Fear of hurting somebody.
    IMayHurt,
    /// A child in danger.
    Child,
    /// A carer's limit.
    Care,
    /// Money taken, debts.
    Money,
    /// Taken out by force (引き出し屋).
    TakenAway,
    /// Sexual harm.
    Sexual,
}

/// A place in the original text, in Unicode scalar values; `to` is past the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// The first.
    pub from: u32,
    /// One past the last.
    pub to: u32,
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// As what.
    pub category: Category,
    /// Where. Empty where the line as a whole is meant.
    pub spans: Vec<Span>,
    /// The rule's id.
    pub rule: Arc<str>,
    /// Which card it asks for, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<Card>,
}

/// What a line was found to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// The highest category.
    pub category: Category,
    /// What should be done.
    pub action: Action,
    /// Everything that was found.
    pub findings: Vec<Finding>,
    /// What rules on trial found: it changed nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trial: Vec<Finding>,
}

impl Assessment {
    /// The card of the highest finding that asks for one.
    pub fn card(&self) -> Option<Card> {
        self.findings
            .iter()
            .filter(|finding| finding.card.is_some())
            .max_by_key(|finding| finding.category)
            .and_then(|finding| finding.card)
    }

    /// The places of one category, in order, overlapping ones made one.
    pub fn spans(&self, category: Category) -> Vec<Span> {
        let mut spans: Vec<Span> = self
            .findings
            .iter()
            .filter(|finding| finding.category == category)
            .flat_map(|finding| finding.spans.iter().copied())
            .collect();
        spans.sort_unstable();
        let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
        for span in spans {
            match merged.last_mut() {
                Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
                _ => merged.push(span),
            }
        }
        merged
    }
}

/// Whose room the line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// 本人.
    Tojisha,
    /// 家族.
    Family,
}

/// Where the text stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Place {
    /// Said in a room.
    #[default]
    Line,
    /// A handle's name (呼び名).
    Name,
    /// A topic.
    Topic,
    /// A notice of those on duty.
    Notice,
    /// A ready line that staff write.
    ReadyLine,
}

/// What the room knows beyond the line.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The same writer's last few lines here, oldest first.
    pub recent: &'a [&'a str],
    /// Whose room.
    pub side: Side,
    /// Where the text stands.
    pub place: Place,
    /// Further telephone numbers, addresses and domains of the house that may be written, beside those of the lexicon.
    pub public: &'a [&'a str],
}

impl<'a> Context<'a> {
    /// A first line in a room of this side.
    pub const fn new(side: Side) -> Self {
        Self {
            recent: &[],
            side,
            place: Place::Line,
            public: &[],
        }
    }

    /// With what the same writer said before, oldest first.
    #[must_use]
    pub const fn after(mut self, recent: &'a [&'a str]) -> Self {
        self.recent = recent;
        self
    }

    /// Standing there.
    #[must_use]
    pub const fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_comes_before_everything_else() {
        let order = [
            Category::RiskUrgent,
            Category::Threat,
            Category::Sexual,
            Category::Contact,
            Category::Abuse,
            Category::Solicitation,
            Category::RiskWatch,
            Category::Spam,
            Category::Ok,
        ];
        assert!(order.windows(2).all(|pair| pair[0] > pair[1]));
        assert!(Category::ALL.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
