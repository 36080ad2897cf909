//! When lines are due in an open loop: at a fixed rate, whatever has become of the ones before.

/// Lines at a fixed rate from a moment on.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    start_us: u64,
    per_second: u64,
    n_given: u64,
}

impl Schedule {
    /// So many lines a second, the first at once.
    pub fn new(start_us: u64, per_second: u64) -> Self {
        Self {
            start_us,
            per_second: per_second.max(1),
            n_given: 0,
        }
    }

    /// When the next line is due.
    pub fn next_us(&self) -> u64 {
        self.start_us + self.n_given * 1_000_000 / self.per_second
    }

    /// The next line, if it is due by now: its number and the moment it was meant for. One that is late keeps its
    /// moment, so that the time it waited counts.
    pub fn take(&mut self, now_us: u64) -> Option<(u64, u64)> {
        let due_us = self.next_us();
        (due_us <= now_us).then(|| {
            self.n_given += 1;
            (self.n_given - 1, due_us)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_at_their_rate_and_keep_their_moment_when_late() {
        let mut schedule = Schedule::new(1000, 3000);
        assert_eq!(schedule.take(999), None);
        assert_eq!(schedule.take(1000), Some((0, 1000)));
        assert_eq!(schedule.take(1000), None);
        assert_eq!(schedule.take(5000), Some((1, 1333)));
        assert_eq!(schedule.take(5000), Some((2, 1666)));
        let n = std::iter::from_fn(|| schedule.take(1_000_999)).count();
        assert_eq!(n + 3, 3000, "a second has three thousand");
    }
}
