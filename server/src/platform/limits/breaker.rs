//! When to stop asking somebody who does not answer, and when to try again.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row after which nobody asks any more.
const FAILURES_MAX: u32 = 3;
/// How long one try may be out before another is let through; the one who tried may have gone away.
const PROBE_WITHIN: Duration = Duration::from_secs(1);

/// A circuit breaker: plain data, moved by what is told to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breaker {
    /// Everybody asks.
    Closed {
        /// How many times in a row there was no answer.
        n_failures: u32,
    },
    /// Nobody asks.
    Open {
        /// How many times in a row it opened.
        n_openings: u32,
        /// One may try then.
        until: Instant,
    },
    /// One tries.
    Probing {
        /// As it was when open.
        n_openings: u32,
        /// Another may try then.
        until: Instant,
    },
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { n_failures: 0 }
    }
}

impl Breaker {
    /// Whether the one who wants to ask may.
    pub(super) fn lets_through(&mut self, now: Instant) -> bool {
        match *self {
            Self::Closed { .. } => true,
            Self::Open { n_openings, until } | Self::Probing { n_openings, until }
                if until <= now =>
            {
                *self = Self::Probing {
                    n_openings,
                    until: now + PROBE_WITHIN,
                };
                true
            }
            Self::Open { .. } | Self::Probing { .. } => false,
        }
    }

    /// There was an answer in time.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// There was none. `wait` says how long to stay open at the nth opening in a row.
    pub(super) fn failed(&mut self, now: Instant, wait: impl FnOnce(u32) -> Duration) {
        let n_openings = match *self {
            Self::Closed { n_failures } if n_failures + 1 < FAILURES_MAX => {
                *self = Self::Closed {
                    n_failures: n_failures + 1,
                };
                return;
            }
            Self::Closed { .. } => 1,
            // Somebody who asked before it opened: that is known already.
            Self::Open { .. } => return,
            Self::Probing { n_openings, .. } => n_openings.saturating_add(1),
        };
        *self = Self::Open {
            n_openings,
            until: now + wait(n_openings),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn wait(n_openings: u32) -> Duration {
        SECOND * n_openings
    }

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES_MAX {
            assert!(breaker.lets_through(now));
            breaker.failed(now, wait);
        }
        breaker
    }

    #[tokio::test]
    async fn some_failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            breaker.failed(now, wait);
            breaker.failed(now, wait);
            breaker.answered();
        }
        assert!(breaker.lets_through(now));
        assert!(!opened(now).lets_through(now));
    }

    #[tokio::test]
    async fn after_the_wait_one_tries_and_the_others_do_not() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert!(!breaker.lets_through(now + SECOND / 2));
        assert!(breaker.lets_through(now + SECOND));
        assert!(!breaker.lets_through(now + SECOND));
        breaker.answered();
        assert!(breaker.lets_through(now + SECOND));
    }

    #[tokio::test]
    async fn a_try_that_fails_opens_it_for_longer() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert!(breaker.lets_through(now + SECOND));
        breaker.failed(now + SECOND, wait);
        assert!(!breaker.lets_through(now + SECOND * 2));
        assert!(breaker.lets_through(now + SECOND * 3));
    }

    #[tokio::test]
    async fn a_try_that_nobody_ends_does_not_keep_it_shut() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert!(breaker.lets_through(now + SECOND));
        assert!(breaker.lets_through(now + SECOND + PROBE_WITHIN));
    }

    #[tokio::test]
    async fn late_failures_of_those_who_asked_before_change_nothing() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let before = breaker;
        for _ in 0..100 {
            breaker.failed(now + SECOND / 2, wait);
        }
        assert_eq!(breaker, before);
    }
}
