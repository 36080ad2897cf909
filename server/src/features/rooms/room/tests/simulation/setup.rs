//! What a seed makes of the world: how many there are, how fast and how faulty everything is.

use super::adapter::Sizes;
use crate::platform::bus::Faults;
use crate::platform::ids::{Chance, SeededChance, below};

/// Chance, from the seed alone.
pub(super) struct Dice(SeededChance);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(SeededChance::new(seed))
    }

    pub(super) fn below(&self, n: u32) -> u32 {
        below(&self.0 as &dyn Chance, n.max(1))
    }

    /// True in so many of a hundred.
    pub(super) fn percent(&self, n: u32) -> bool {
        n > 0 && self.below(100) < n
    }

    /// From 0 to `max`, both included.
    pub(super) fn upto(&self, max: i64) -> i64 {
        i64::from(self.below(u32::try_from(max).unwrap_or(u32::MAX - 1) + 1))
    }

    pub(super) fn pick<T: Copy>(&self, from: &[T]) -> T {
        from[self.below(from.len() as u32) as usize]
    }
}

/// How often somebody renews a duty, and how long it then lasts.
pub(super) const RENEW_MS: i64 = 8_000;
pub(super) const LEASE_MS: i64 = 15_000;
/// Two looks at the store.
pub(super) const WATCH_MS: i64 = 5_000;
/// Clocks of nodes are apart from the store's by so much at most.
pub(super) const SKEW_MS: i64 = 1_000;
/// Silence after which all must have come to rest.
pub(super) const QUIET_MS: i64 = 90_000;

/// A world's measure.
pub(super) struct Setup {
    pub(super) n_nodes: usize,
    pub(super) n_members: usize,
    pub(super) n_on_duty: usize,
    /// Acts of all members until it is quiet.
    pub(super) n_acts: u32,
    /// What lies between two acts of a member, about.
    pub(super) think_ms: i64,
    /// The slowest store, the slowest wire.
    pub(super) store_ms: i64,
    pub(super) wire_ms: i64,
    pub(super) bus: Faults,
    /// In percent.
    pub(super) commits_fail: u32,
    pub(super) outcomes_lost: u32,
    pub(super) reads_fail: u32,
    /// In a thousand acts.
    pub(super) crashes: u32,
    /// In a thousand acts.
    pub(super) other_faults: u32,
    pub(super) sizes: Sizes,
    pub(super) outbox_frames: usize,
    pub(super) n_before: i64,
    pub(super) n_gone: i64,
    /// Until the hour is over.
    pub(super) lasts_ms: i64,
    /// Somebody moves the room's state by hand.
    pub(super) is_moved: bool,
    /// An old copy of the store is put back once.
    pub(super) is_restored: bool,
    /// In percent of lines: those that a human reads first.
    pub(super) n_held: u32,
    /// 1: the first lines of each wait for a while.
    pub(super) guard: u8,
}

impl Setup {
    pub(super) fn draw(dice: &Dice) -> Self {
        let n_before = match dice.below(24) {
            0 => 230,
            1..=4 => 60,
            5..=10 => 12,
            _ => 0,
        };
        let n_gone = if n_before > 0 && dice.percent(40) {
            1 + dice.upto(n_before - 1)
        } else {
            0
        };
        let page_frames = dice.pick(&[2, 4, 16, 256]);
        let think_ms = dice.pick(&[2, 20, 200, 2_000]);
        let n_acts = if n_before > 100 { 30 } else { 90 };
        Self {
            n_nodes: 2 + dice.below(2) as usize,
            n_members: 3 + dice.below(4) as usize,
            n_on_duty: 1 + dice.below(2) as usize,
            n_acts,
            think_ms,
            store_ms: dice.pick(&[2, 30, 800]),
            wire_ms: dice.pick(&[1, 20, 300]),
            bus: Faults {
                lost: dice.pick(&[0, 0, 20, 60]),
                doubled: dice.pick(&[0, 20]),
                late: dice.pick(&[0, 20]),
            },
            commits_fail: dice.pick(&[0, 0, 5, 20]),
            outcomes_lost: dice.pick(&[0, 0, 5, 20]),
            reads_fail: dice.pick(&[0, 0, 5, 20]),
            crashes: dice.pick(&[0, 10, 40]),
            other_faults: dice.pick(&[0, 20, 60]),
            sizes: Sizes {
                ring_lines: dice.pick(&[3, 8, 40, 512]),
                page_frames,
                slow_after_ms: 15_000,
                slow_ms: 2_000,
                pause_after_ms: 30_000,
            },
            outbox_frames: 2 * page_frames,
            n_before,
            n_gone,
            lasts_ms: if dice.percent(15) {
                1 + dice.upto(i64::from(n_acts) * think_ms / 6 + 2_000)
            } else {
                100_000_000
            },
            is_moved: dice.percent(20),
            is_restored: dice.percent(8),
            n_held: dice.pick(&[0, 0, 10, 40]),
            guard: dice.pick(&[0, 0, 0, 1]),
        }
    }
}
