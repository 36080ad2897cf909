//! How long to wait before trying again, when something is away.

use std::time::Duration;

use super::ids::{Chance, jitter};

/// The bounds of the waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure, before chance is added.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after this many failures in a row, from 1: doubled each time, and of each the latter half by chance, so
    /// that nodes that lost something together do not come back to it together.
    pub fn after(self, n_failures: u32, chance: &dyn Chance) -> Duration {
        let doublings = n_failures.saturating_sub(1).min(20);
        let whole = self.first.saturating_mul(1 << doublings).min(self.longest);
        let half = whole / 2;
        half + jitter(chance, whole - half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::ids::SeededChance;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_millis(100),
        longest: Duration::from_millis(1_000),
    };

    #[test]
    fn waits_double_up_to_the_longest_and_lie_in_their_latter_half() {
        let chance = SeededChance::new(1);
        for (n_failures, whole_ms) in [
            (1, 100),
            (2, 200),
            (3, 400),
            (4, 800),
            (5, 1_000),
            (6, 1_000),
            (u32::MAX, 1_000),
        ] {
            for _ in 0..100 {
                let wait = BACKOFF.after(n_failures, &chance).as_millis();
                assert!(
                    (whole_ms / 2..whole_ms).contains(&wait),
                    "{n_failures}: {wait}"
                );
            }
        }
    }

    #[test]
    fn nodes_that_fail_together_do_not_come_back_together() {
        let waits: std::collections::HashSet<Duration> = (0..20)
            .map(|seed| BACKOFF.after(5, &SeededChance::new(seed)))
            .collect();
        assert!(waits.len() > 10, "{waits:?}");
    }
}
