//! What becomes of a line: guard, newcomer and assessment in, verdict out. One pure function, read as a table.

use moderation::{Action, Category};

use crate::protocol::{CardKind, HoldReason, SpanOut};

/// What the assessment found of a line, as the policy takes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Assessed {
    /// The highest category.
    pub category: Category,
    /// What that category asks for.
    pub action: Action,
    /// Where, in the body.
    pub spans: Vec<SpanOut>,
    /// The card that fits what was felt.
    pub card: Option<CardKind>,
    /// The body with what was found replaced, if that passes.
    pub masked: Option<String>,
}

impl Default for Assessed {
    /// A line in which nothing was found, or that nobody has to read: a chosen one.
    fn default() -> Self {
        Self {
            category: Category::Ok,
            action: Action::Pass,
            spans: Vec::new(),
            card: None,
            masked: None,
        }
    }
}

impl Assessed {
    /// Whether somebody on duty may let the room say it.
    pub fn may_stand(&self) -> bool {
        match self.action {
            Action::Pass | Action::Raise | Action::HoldRaise => true,
            Action::Ask | Action::Hold | Action::Refuse => false,
        }
    }
}

impl std::fmt::Debug for Assessed {
    /// Not the masked body.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Assessed({}, …)", self.category.as_str())
    }
}

/// What a verdict depends on, beside what was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// 部屋の進め方.
    pub guard: u8,
    /// The writer is on duty here.
    pub on_duty: bool,
    /// The line was chosen, not typed.
    pub is_ready: bool,
    /// One of the first lines of somebody who came without a slip.
    pub is_new: bool,
    /// An earlier line of theirs waits as a newcomer's.
    pub waits_behind: bool,
    /// They were asked back for contact here before.
    pub tried_before: bool,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Pass,
    /// It goes on; its author gets a card, and those on duty are told of it.
    Raise,
    /// Its author is asked first.
    Ask(HoldReason),
    /// A human reads it first.
    Hold(HoldReason),
    /// It is not taken: spam.
    Refuse,
}

impl Verdict {
    /// The card that its author gets at once. A wish to die is never without one.
    pub fn card(self, case: Case, found: &Assessed) -> Option<CardKind> {
        match self {
            _ if case.on_duty || case.is_ready => None,
            Verdict::Raise | Verdict::Hold(HoldReason::Risk) => {
                Some(found.card.unwrap_or(CardKind::Life))
            }
            Verdict::Pass | Verdict::Ask(_) | Verdict::Hold(_) => found.card,
            Verdict::Refuse => None,
        }
    }
}

/// The verdict on a line. A life goes before guard and newcomer: its author never waits there without a card.
pub fn decide(case: Case, found: &Assessed) -> Verdict {
    if case.is_ready {
        return Verdict::Pass;
    }
    let reason = reason(found.category);
    if case.on_duty {
        // Nobody is there to read the lines of those who read: they are asked, and answer for what they write.
        return match found.action {
            Action::Pass | Action::Raise | Action::HoldRaise => Verdict::Pass,
            Action::Ask | Action::Hold => Verdict::Ask(reason),
            Action::Refuse => Verdict::Refuse,
        };
    }
    match found.action {
        Action::Refuse => Verdict::Refuse,
        Action::HoldRaise => Verdict::Hold(HoldReason::Risk),
        // Where all lines are read first, this one is the first of them.
        Action::Raise if case.guard >= 2 => Verdict::Hold(HoldReason::Risk),
        Action::Raise => Verdict::Raise,
        Action::Hold => Verdict::Hold(reason),
        Action::Ask if case.tried_before => Verdict::Hold(reason),
        Action::Ask => Verdict::Ask(reason),
        Action::Pass if case.guard >= 2 => Verdict::Hold(HoldReason::Guard),
        Action::Pass if case.waits_behind || (case.guard == 1 && case.is_new) => {
            Verdict::Hold(HoldReason::Newcomer)
        }
        Action::Pass => Verdict::Pass,
    }
}

/// Under which reason a category waits, or is asked back.
const fn reason(category: Category) -> HoldReason {
    match category {
        Category::Contact => HoldReason::Contact,
        Category::RiskWatch | Category::RiskUrgent => HoldReason::Risk,
        Category::Threat => HoldReason::Threat,
        Category::Abuse => HoldReason::Abuse,
        Category::Sexual => HoldReason::Sexual,
        Category::Solicitation => HoldReason::Solicitation,
        // Neither waits by itself.
        Category::Ok | Category::Spam => HoldReason::Guard,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(category: Category) -> Assessed {
        Assessed {
            category,
            action: category.action(),
            ..Assessed::default()
        }
    }

    /// A participant under guard 0, 1 as somebody who is here for long, 1 as a newcomer, 2; behind an own line that waits;
    /// a second try; on duty; a chosen line.
    fn cases() -> [Case; 8] {
        let plain = Case::default();
        [
            plain,
            Case { guard: 1, ..plain },
            Case {
                guard: 1,
                is_new: true,
                ..plain
            },
            Case { guard: 2, ..plain },
            Case {
                waits_behind: true,
                ..plain
            },
            Case {
                tried_before: true,
                ..plain
            },
            Case {
                guard: 2,
                on_duty: true,
                is_new: true,
                tried_before: true,
                ..plain
            },
            Case {
                guard: 2,
                is_ready: true,
                is_new: true,
                waits_behind: true,
                ..plain
            },
        ]
    }

    /// `.` passes, `!` passes and raises, `?` asks, `x` refuses, a letter holds.
    fn cell(verdict: Verdict) -> char {
        match verdict {
            Verdict::Pass => '.',
            Verdict::Raise => '!',
            Verdict::Ask(_) => '?',
            Verdict::Refuse => 'x',
            Verdict::Hold(reason) => match reason {
                HoldReason::Newcomer => 'n',
                HoldReason::Guard => 'g',
                HoldReason::Contact => 'c',
                HoldReason::Risk => 'r',
                HoldReason::Threat => 't',
                HoldReason::Abuse => 'a',
                HoldReason::Sexual => 's',
                HoldReason::Solicitation => 'o',
            },
        }
    }

    #[test]
    fn p7_every_cell_of_the_table() {
        let rows = [
            (Category::Ok, "..ngn..."),
            (Category::Spam, "xxxxxxx."),
            (Category::RiskWatch, "!!!r!!.."),
            (Category::Solicitation, "oooooo?."),
            (Category::Abuse, "aaaaaa?."),
            (Category::Contact, "?????c?."),
            (Category::Sexual, "ssssss?."),
            (Category::Threat, "tttttt?."),
            (Category::RiskUrgent, "rrrrrr.."),
        ];
        for (category, expected) in rows {
            let cells: String = cases()
                .into_iter()
                .map(|case| cell(decide(case, &found(category))))
                .collect();
            assert_eq!(cells, expected, "{category:?}");
        }
    }

    #[test]
    fn p7_whoever_may_be_in_danger_has_a_card_at_once_wherever_their_line_goes() {
        for category in [Category::RiskWatch, Category::RiskUrgent] {
            for case in cases() {
                let verdict = decide(case, &found(category));
                let card = verdict.card(case, &found(category));
                assert_eq!(card.is_some(), !case.on_duty && !case.is_ready, "{case:?}");
            }
        }
        let hurt = Assessed {
            card: Some(CardKind::HurtAtHome),
            ..found(Category::RiskWatch)
        };
        let case = Case::default();
        let card = decide(case, &hurt).card(case, &hurt);
        assert_eq!(card, Some(CardKind::HurtAtHome));
    }

    #[test]
    fn p2_a_chosen_line_never_waits_and_a_line_of_those_on_duty_is_never_held() {
        for category in Category::ALL {
            for case in cases() {
                let verdict = decide(case, &found(category));
                if case.is_ready {
                    assert_eq!(verdict, Verdict::Pass);
                } else if case.on_duty {
                    assert!(!matches!(verdict, Verdict::Hold(_)));
                }
            }
        }
    }
}
