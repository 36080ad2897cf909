//! The truth: numbers taken in the transaction that inserts, keys, changes with their count, leases, the epoch.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::plants::Plant;
use crate::features::gatherings::StoredState;
use crate::features::rooms::hold::{
    Found, Held, HeldWords, HoldAct, HoldCame, HoldClock, HoldKept, NewHold, WhichHold,
};
use crate::features::rooms::line::{Line, NewLine, Shows};
use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, HoldId, ParticipantId, Seq};
use crate::protocol::{HoldEnd, StampKind};

/// When the hour began; nobody has been there before.
pub(super) const STARTS: i64 = 1_000_000;

/// Somebody's duty, by the store's clock.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) conn: u64,
    pub(super) node: usize,
    pub(super) name: String,
    pub(super) until: i64,
}

/// What a commit says of one line.
#[derive(Clone, Debug)]
pub(super) struct KeptRow {
    pub(super) author: ParticipantId,
    pub(super) key: ClientKey,
    pub(super) seq: Seq,
    pub(super) at: Millis,
    /// The line, unless its key was there before.
    pub(super) line: Option<Line>,
}

/// One change as it is read back.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChangeRow {
    pub(super) seq: Seq,
    pub(super) shows: Shows,
    pub(super) n: i64,
}

/// One moment of the room's row and its leases.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    /// Of two looks, the one that was taken later is the higher.
    pub(super) order: u64,
    /// When it was read.
    pub(super) read_at: i64,
    pub(super) state: StoredState,
    pub(super) slow_ms: u32,
    pub(super) last_seq: i64,
    pub(super) n_changes: i64,
    pub(super) n_holds: i64,
    pub(super) guard: u8,
    pub(super) attended: i64,
    pub(super) ends: i64,
    pub(super) on_duty: Vec<String>,
}

/// What came of asking for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangeCame {
    /// It was done.
    Done { seq: Seq, shows: Shows, n: i64 },
    /// It was so already.
    Already,
    /// Not there, not theirs, or not to be opened again.
    NotYours,
}

/// The database.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) lines: Vec<Line>,
    last_seq: i64,
    n_changes: i64,
    changed_at: BTreeMap<i64, i64>,
    pub(super) leases: Vec<Lease>,
    pub(super) state: StoredState,
    pub(super) slow_ms: u32,
    pub(super) ends: i64,
    pub(super) epoch: u32,
    pub(super) plant: Option<Plant>,
    n_planted: u32,
    pub(super) holds: Vec<Held>,
    n_holds: i64,
    pub(super) guard: u8,
    n_snapshots: Cell<u64>,
}

impl Store {
    pub(super) fn new(ends: i64, plant: Option<Plant>) -> Self {
        Self {
            lines: Vec::new(),
            last_seq: 0,
            n_changes: 0,
            changed_at: BTreeMap::new(),
            leases: Vec::new(),
            state: StoredState::Open,
            slow_ms: 0,
            ends,
            epoch: 1,
            plant,
            n_planted: 0,
            holds: Vec::new(),
            n_holds: 0,
            n_snapshots: Cell::new(0),
            guard: 0,
        }
    }

    /// True at every third place where this fault could be.
    fn plants(&mut self, plant: Plant) -> bool {
        if self.plant != Some(plant) {
            return false;
        }
        self.n_planted += 1;
        self.n_planted.is_multiple_of(3)
    }

    /// One transaction: looks for keys that were kept before, takes the next numbers, inserts.
    pub(super) fn keep(&mut self, new: &[NewLine], at: Millis) -> Vec<KeptRow> {
        let mut kept = Vec::new();
        for one in new {
            let forgets = self.plants(Plant::DedupForgotten);
            let before = self
                .lines
                .iter()
                .find(|line| line.author == one.author && line.key == one.key)
                .filter(|_| !forgets);
            if let Some(line) = before {
                let seq = line.seq;
                let at = line.at;
                let renumbered = self.plants(Plant::RepeatAnsweredAnew);
                kept.push(KeptRow {
                    author: one.author.clone(),
                    key: one.key.clone(),
                    seq: Seq(seq.get() + i64::from(renumbered)),
                    at,
                    line: None,
                });
                continue;
            }
            if let Some(held) = self.hold_of(&one.author, &one.key) {
                kept.push(KeptRow {
                    author: one.author.clone(),
                    key: one.key.clone(),
                    seq: Seq::NONE,
                    at: held.at,
                    line: None,
                });
                continue;
            }
            if !self.plants(Plant::NumberTakenTwice) || self.last_seq == 0 {
                self.last_seq += 1;
            }
            let line = Line {
                seq: Seq(self.last_seq),
                author: one.author.clone(),
                key: one.key.clone(),
                at,
                shows: Shows::Yes,
                content: Some(one.content.clone()),
                stamps: BTreeSet::new(),
            };
            if !self.plants(Plant::CommitLost) {
                self.lines.push(line.clone());
            }
            kept.push(KeptRow {
                author: one.author.clone(),
                key: one.key.clone(),
                seq: line.seq,
                at,
                line: Some(line),
            });
        }
        kept
    }

    /// Lines whose words nobody can open any more.
    pub(super) fn lose_words(&mut self, up_to: i64) {
        for line in self.lines.iter_mut().filter(|line| line.seq.get() <= up_to) {
            line.shows = Shows::Gone;
            line.content = None;
        }
    }

    pub(super) fn kept_before(
        &self,
        author: &ParticipantId,
        key: &ClientKey,
    ) -> Option<(Seq, Millis)> {
        self.lines
            .iter()
            .find(|line| line.author == *author && line.key == *key)
            .map(|line| (line.seq, line.at))
    }

    pub(super) fn hold_of(&self, author: &ParticipantId, key: &ClientKey) -> Option<&Held> {
        self.holds
            .iter()
            .find(|held| held.author == *author && held.key == *key)
    }

    /// What stands under a key.
    pub(super) fn found(&self, author: &ParticipantId, key: &ClientKey) -> Option<Found> {
        let line = self.kept_before(author, key);
        let held = self.hold_of(author, key).cloned();
        line.map(|(seq, at)| Found::Line(seq, at))
            .or_else(|| held.map(|held| Found::Hold(Box::new(held))))
    }

    /// One transaction: each waits, unless its key is there.
    pub(super) fn keep_holds(&mut self, new: &[NewHold], at: Millis) -> Vec<HoldKept> {
        let mut kept = Vec::new();
        for one in new {
            let before = self.found(&one.author, &one.key);
            let is_new = before.is_none();
            let found = before.unwrap_or_else(|| {
                self.n_holds += 1;
                let n = self.holds.len() as i64 + 1;
                let held = Held {
                    id: HoldId::parse(&format!("h{n}")).expect("an id"),
                    n,
                    author: one.author.clone(),
                    key: one.key.clone(),
                    reason: one.reason,
                    at,
                    clock: HoldClock::Runs(one.due),
                    looked: false,
                    told: false,
                    ended: None,
                    seq: None,
                    change_n: self.n_holds,
                    words: Some(one.words.clone()),
                };
                self.holds.push(held.clone());
                Found::Hold(Box::new(held))
            });
            kept.push(HoldKept {
                author: one.author.clone(),
                key: one.key.clone(),
                found,
                is_new,
            });
        }
        kept
    }

    /// One transaction: the first finds it open.
    pub(super) fn act_on_hold(&mut self, which: &WhichHold, act: HoldAct, at: Millis) -> HoldCame {
        let idx = self.holds.iter().position(|held| match which {
            WhichHold::Id(id) => held.id == *id,
            WhichHold::Of(author, key) => held.author == *author && held.key == *key,
        });
        let Some(idx) = idx else {
            return HoldCame::Not(None);
        };
        let mut held = self.holds[idx].clone();
        let is_so = match (act, held.clock) {
            _ if held.ended.is_some() => !self.plants(Plant::HoldEndsTwice),
            (HoldAct::End(_), _) => false,
            (HoldAct::Look, _) => held.looked,
            (HoldAct::Tell | HoldAct::Stand(_), clock) => !matches!(clock, HoldClock::Runs(_)),
            (HoldAct::Run(_), clock) => !matches!(clock, HoldClock::Stands(_)),
        };
        if is_so {
            return HoldCame::Not(Some(Box::new(held)));
        }
        self.n_holds += 1;
        held.change_n = self.n_holds;
        let mut line = None;
        match act {
            HoldAct::Look => (held.looked, held.clock) = (true, HoldClock::Off),
            HoldAct::Tell => (held.told, held.clock) = (true, HoldClock::Off),
            HoldAct::Stand(left_ms) => held.clock = HoldClock::Stands(left_ms),
            HoldAct::Run(due) => held.clock = HoldClock::Runs(due),
            HoldAct::End(how) => {
                held.ended = Some((how, at));
                held.clock = HoldClock::Off;
                let words = held.words.take().unwrap_or_else(|| HeldWords {
                    content: super::world::content("held", "x"),
                    spans: Vec::new(),
                    card: None,
                });
                if matches!(how, HoldEnd::Approved | HoldEnd::Passed) {
                    self.last_seq += 1;
                    let passed = Line {
                        seq: Seq(self.last_seq),
                        author: held.author.clone(),
                        key: held.key.clone(),
                        at,
                        shows: Shows::Yes,
                        content: Some(words.content),
                        stamps: BTreeSet::new(),
                    };
                    held.seq = Some(passed.seq);
                    self.lines.push(passed.clone());
                    line = Some(Arc::new(passed));
                }
            }
        }
        self.holds[idx] = held.clone();
        HoldCame::Done {
            hold: Box::new(held),
            line,
        }
    }

    pub(super) fn holds_after(&self, after: i64) -> Vec<Held> {
        let mut rows: Vec<Held> = self
            .holds
            .iter()
            .filter(|held| held.change_n > after)
            .cloned()
            .collect();
        rows.sort_by_key(|held| held.change_n);
        rows
    }

    pub(super) fn range(&self, from: Seq, to: Seq) -> Vec<Arc<Line>> {
        self.lines
            .iter()
            .filter(|line| line.seq >= from && line.seq <= to)
            .cloned()
            .map(Arc::new)
            .collect()
    }

    pub(super) fn change(
        &mut self,
        seq: Seq,
        author: Option<&ParticipantId>,
        to: Shows,
    ) -> ChangeCame {
        let Some(line) = self.lines.iter_mut().find(|line| line.seq == seq) else {
            return ChangeCame::NotYours;
        };
        if author.is_some_and(|author| *author != line.author) {
            return ChangeCame::NotYours;
        }
        // What cannot be opened stands as `yes` in its row, and nothing can be seen of it either way.
        if line.shows == to || (line.shows == Shows::TakenBack && to == Shows::Hidden) {
            return ChangeCame::Already;
        }
        if matches!(line.shows, Shows::TakenBack | Shows::Gone) {
            return ChangeCame::NotYours;
        }
        self.n_changes += 1;
        line.shows = to;
        if to == Shows::TakenBack {
            line.content = None;
        }
        self.changed_at.insert(seq.get(), self.n_changes);
        ChangeCame::Done {
            seq,
            shows: to,
            n: self.n_changes,
        }
    }

    pub(super) fn changes_after(&self, after: i64) -> Vec<ChangeRow> {
        let mut rows: Vec<ChangeRow> = self
            .changed_at
            .iter()
            .filter(|(_, n)| **n > after)
            .filter_map(|(seq, n)| {
                let line = self.lines.iter().find(|line| line.seq.get() == *seq)?;
                Some(ChangeRow {
                    seq: line.seq,
                    shows: line.shows,
                    n: *n,
                })
            })
            .collect();
        rows.sort_by_key(|row| row.n);
        rows
    }

    pub(super) fn set_stamp(
        &mut self,
        seq: Seq,
        author: &ParticipantId,
        stamp: StampKind,
        on: bool,
    ) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.seq == seq) {
            if on {
                line.stamps.insert((stamp, author.clone()));
            } else {
                line.stamps.remove(&(stamp, author.clone()));
            }
        }
    }

    pub(super) fn take_lease(&mut self, lease: Lease) {
        self.leases.retain(|other| other.conn != lease.conn);
        self.leases.push(lease);
    }

    /// Renews what has not run out.
    pub(super) fn renew_lease(&mut self, conn: u64, now: i64, until: i64) {
        for lease in &mut self.leases {
            if lease.conn == conn && lease.until > now {
                lease.until = until;
            }
        }
    }

    pub(super) fn end_leases(&mut self, now: i64, ends: impl Fn(&Lease) -> bool) {
        for lease in &mut self.leases {
            if lease.until > now && ends(lease) {
                lease.until = now;
            }
        }
    }

    pub(super) fn snapshot(&self, now: i64) -> Snapshot {
        let mut on_duty: Vec<String> = self
            .leases
            .iter()
            .filter(|lease| lease.until > now)
            .map(|lease| lease.name.clone())
            .collect();
        on_duty.sort();
        on_duty.dedup();
        self.n_snapshots.set(self.n_snapshots.get() + 1);
        Snapshot {
            order: self.n_snapshots.get(),
            read_at: now,
            state: self.state,
            slow_ms: self.slow_ms,
            last_seq: self.last_seq,
            n_changes: self.n_changes,
            n_holds: self.n_holds,
            guard: self.guard,
            attended: self
                .leases
                .iter()
                .map(|lease| lease.until)
                .max()
                .unwrap_or(STARTS)
                .max(STARTS),
            ends: self.ends,
            on_duty,
        }
    }
}
