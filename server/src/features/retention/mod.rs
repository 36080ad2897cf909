//! What is kept, and until when: one table, from which `engawa inventory` counts and the runner removes.
//!
//! Room lines, holds, stamps and drafts end with their room's key (`rooms::forget`); sessions end by themselves
//! (`identity::sweep`). What is left is removed here, once a day, a little at a time, and never much more than usual: a clock that
//! jumps, or a fault, must not empty a centre.

mod queries;
mod runner;

pub use queries::STATEMENTS;
pub use runner::{Parts, run_once};

use crate::platform::clock::{Day, Millis};
use crate::platform::store::{Db, Stored, Tx};

/// Years after the last visit for which a handle is kept: people come back after long gaps.
pub const HANDLE_YEARS: i64 = 2;
/// Years for which the record of powers is kept.
pub const AUDIT_YEARS: i64 = 5;
/// Days after its end for which a slip's stub is kept, and an alert after somebody saw it.
pub const SLIP_DAYS: i64 = 180;
/// See [`SLIP_DAYS`].
pub const ALERT_DAYS: i64 = 90;

const DAY_MS: i64 = 86_400_000;
/// As many may always go at once, however few usually do.
const ALWAYS_FEW: i64 = 20;
/// Between two runs a clock does not move further than this, or it is not believed. Milliseconds.
const CLOCK_STEP_MAX_MS: i64 = 8 * DAY_MS;

/// A class of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Lines of rooms.
    Lines,
    /// Lines that wait, or were kept back.
    Holds,
    /// Stamps.
    Stamps,
    /// Unsent text.
    Drafts,
    /// Pseudonyms.
    Handles,
    /// Logins.
    Sessions,
    /// 案内カード.
    Slips,
    /// Accounts of people with powers.
    Staff,
    /// What staff had to hear of.
    Alerts,
    /// The record of powers.
    Audit,
    /// What reports are counted from.
    Tally,
}

impl Class {
    /// Every class, in the order of the table.
    pub const ALL: [Self; 11] = [
        Self::Lines,
        Self::Holds,
        Self::Stamps,
        Self::Drafts,
        Self::Handles,
        Self::Sessions,
        Self::Slips,
        Self::Staff,
        Self::Alerts,
        Self::Audit,
        Self::Tally,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lines => "room_lines",
            Self::Holds => "held_lines",
            Self::Stamps => "stamps",
            Self::Drafts => "drafts",
            Self::Handles => "handles",
            Self::Sessions => "sessions",
            Self::Slips => "slips",
            Self::Staff => "staff_accounts",
            Self::Alerts => "alerts",
            Self::Audit => "audit",
            Self::Tally => "tally",
        }
    }

    /// When it ends, in words for an operator.
    pub const fn ends(self) -> &'static str {
        match self {
            Self::Lines | Self::Holds | Self::Stamps => {
                "24 h after the gathering closes (rooms.keep_ms): the room's key is destroyed"
            }
            Self::Drafts => "until sent or deleted, 7 days at most; with their room at the latest",
            Self::Handles => "2 years after the last visit, or at once when its owner removes it",
            Self::Sessions => "by themselves (sessions.*)",
            Self::Slips => "180 days after they ended, were used or taken back",
            Self::Staff => "while the account exists; an ended one stays for the record",
            Self::Alerts => "90 days after somebody saw them",
            Self::Audit => "5 years",
            Self::Tally => "kept; there is no person in it",
        }
    }
}

/// How much of a class there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which.
    pub class: Class,
    /// How many.
    pub n: i64,
    /// Since when, as far as it has a time; a day for what is kept by day.
    pub oldest: Option<String>,
}

/// Counts every class.
///
/// # Errors
/// As the store's.
pub async fn inventory(db: &Db) -> Stored<Vec<Held>> {
    let mut held = Vec::new();
    for class in Class::ALL {
        let (n, oldest_ms, oldest_day) = queries::count(db, class).await?;
        let oldest = oldest_ms.map(|at| at.rfc3339()).or(oldest_day);
        held.push(Held { class, n, oldest });
    }
    Ok(held)
}

/// What the runner may remove now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// All of it.
    Go,
    /// Nothing, until a human has looked: it is more than twice the usual.
    TooMany,
    /// Nothing: the clock went back, or too far ahead.
    Clock,
}

/// Decides. `n` is how many would go, `usual` how many went at most in the last runs, `last` when that was.
pub fn decide(n: i64, usual: i64, last: Option<Millis>, now: Millis) -> Decision {
    if let Some(last) = last {
        let step = now.since_ms(last);
        if !(0..=CLOCK_STEP_MAX_MS).contains(&step) {
            return Decision::Clock;
        }
    }
    if n > ALWAYS_FEW.max(usual.saturating_mul(2)) {
        return Decision::TooMany;
    }
    Decision::Go
}

/// The last day of a visit after which a handle is kept no longer.
pub fn handles_before(now: Millis) -> Day {
    now.minus_ms(HANDLE_YEARS * 365 * DAY_MS + DAY_MS / 2).day()
}

/// Removes slips and alerts that are long over. Gives how many went.
///
/// # Errors
/// As the store's.
pub async fn remove_old(tx: &mut Tx, now: Millis) -> Stored<u64> {
    let slips = queries::remove_slips(tx, now.minus_ms(SLIP_DAYS * DAY_MS)).await?;
    let alerts = queries::remove_alerts(tx, now.minus_ms(ALERT_DAYS * DAY_MS)).await?;
    Ok(slips + alerts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Millis = Millis(1_800_000_000_000);

    #[test]
    fn much_more_than_usual_is_asked_about_first() {
        let yesterday = Some(NOW.minus_ms(DAY_MS));
        assert_eq!(decide(20, 0, yesterday, NOW), Decision::Go);
        assert_eq!(decide(21, 0, yesterday, NOW), Decision::TooMany);
        assert_eq!(decide(60, 30, yesterday, NOW), Decision::Go);
        assert_eq!(decide(61, 30, yesterday, NOW), Decision::TooMany);
    }

    #[test]
    fn a_clock_that_jumped_removes_nothing() {
        let at = |days: i64| Some(NOW.minus_ms(days * DAY_MS));
        assert_eq!(decide(1, 5, at(-1), NOW), Decision::Clock);
        assert_eq!(decide(1, 5, at(9), NOW), Decision::Clock);
        assert_eq!(decide(1, 5, at(7), NOW), Decision::Go);
        assert_eq!(decide(1, 5, None, NOW), Decision::Go);
    }

    proptest! {
        #[test]
        fn nothing_goes_by_the_thousand_in_one_run(n in 1_000i64..1_000_000, usual in 0i64..400) {
            prop_assert_eq!(decide(n, usual, Some(NOW.minus_ms(1)), NOW), Decision::TooMany);
        }
    }
}
