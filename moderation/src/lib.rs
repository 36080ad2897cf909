//! Text in, assessment out: pure, no I/O, no clock, no server.
//!
//! The rules come with a lexicon of their own; until then every line is [`Category::Ok`]. What stands here is what the
//! rest of the house is built against: the shape of an assessment, and the one place that is asked for it.

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
}

/// A place in the original text, in Unicode scalar values; `to` is past the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Where.
    pub spans: Vec<Span>,
    /// The rule's id.
    pub rule: String,
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
}

/// Whose room the line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// 本人.
    Tojisha,
    /// 家族.
    Family,
}

/// What the room knows beyond the line.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The same writer's last few lines here, oldest first.
    pub recent: &'a [&'a str],
    /// Whose room.
    pub side: Side,
}

/// Reads one line. Never panics, whatever the text.
pub fn assess(_line: &str, _context: &Context<'_>) -> Assessment {
    Assessment {
        category: Category::Ok,
        action: Category::Ok.action(),
        findings: Vec::new(),
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
    }

    #[test]
    fn an_ordinary_line_passes() {
        let assessment = assess(
            "こんばんは",
            &Context {
                recent: &[],
                side: Side::Tojisha,
            },
        );
        assert_eq!(assessment.action, Action::Pass);
    }
}
