//! Lines that wait for a human. What the store says of a hold is learned here, whichever node did it; what a clock or a
//! human wants done goes to the store first. So each hold ends once, and everybody hears of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Asker, BUSY_RETRY_MS, ConnId, Effect, Refusal, Room};
use crate::features::audit::Entry;
use crate::features::rooms::hold::{
    Found, Held, HeldWords, HoldAct, HoldCame, HoldClock, HoldKept, NewHold, WhichHold,
};
use crate::features::rooms::line::{Line, Shows};
use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, HoldId, ParticipantId, Seq};
use crate::protocol::{
    Frame, HoldEnd, HoldReason, RefusalCode, ReportReason, RoomState, ServerFrame,
};

use super::input::Which;

/// Milliseconds until something is tried again that the store did not do.
const RETRY_MS: i64 = 1_000;

/// Who asked for something to be done to a hold.
#[derive(Debug)]
pub struct HoldAsked {
    /// Their connection.
    pub asker: Asker,
    /// The measure's key; absent for taking back.
    pub key: Option<ClientKey>,
}

/// A hold that is open, and what this room knows of it beside the store.
#[derive(Debug)]
struct Open {
    held: Held,
    /// Something was asked of the store for it, and is not answered.
    is_busy: bool,
    /// Nothing is tried before.
    retry_at: Millis,
    /// Its line was told, and its author that it is kept: that it ended will be read.
    is_acked: bool,
    /// Who waits for its end: they repeat it while the room closes.
    waiters: Vec<Asker>,
}

/// What should happen to a hold.
enum Due {
    Now(HoldAct),
    At(Millis),
    Never,
}

/// The holds of a room.
#[derive(Debug, Default)]
pub(super) struct Holds {
    open: BTreeMap<i64, Open>,
    /// How those ended that were not let pass: a repeat of their key hears of it.
    ended: HashMap<(ParticipantId, ClientKey), (HoldReason, HoldEnd, Option<ReportReason>)>,
    /// Why those on duty kept a line back, where they said so here.
    whys: HashMap<HoldId, ReportReason>,
    /// Those that passed and whose line is not told yet.
    passing: BTreeMap<Seq, (ParticipantId, ClientKey, Millis, Vec<Asker>)>,
    /// The count of what happened to holds up to which nothing is missing here.
    n_known: i64,
    n_due: i64,
    is_loading: bool,
    /// Holds that are being kept.
    pub(super) n_keeping: usize,
}

impl Holds {
    /// As the store has them.
    pub(super) fn new(rows: Vec<Held>, n_holds: i64) -> Self {
        let mut holds = Self {
            n_known: n_holds,
            n_due: n_holds,
            ..Self::default()
        };
        for held in rows {
            holds.n_known = holds.n_known.max(held.change_n);
            match held.ended {
                Some((how, _)) => holds.remember_end(&held, how),
                None => holds.put(held),
            }
        }
        holds
    }

    fn put(&mut self, held: Held) {
        self.open.insert(
            held.n,
            Open {
                held,
                is_busy: false,
                retry_at: Millis(i64::MIN),
                is_acked: false,
                waiters: Vec::new(),
            },
        );
    }

    /// Why it was kept back, as far as it was said on this node.
    pub(super) fn why(&self, held: &Held) -> Option<ReportReason> {
        self.whys.get(&held.id).copied()
    }

    fn remember_end(&mut self, held: &Held, how: HoldEnd) {
        if !matches!(how, HoldEnd::Approved | HoldEnd::Passed) {
            let id = (held.author.clone(), held.key.clone());
            self.ended.insert(id, (held.reason, how, self.why(held)));
        }
    }

    fn of_key(&mut self, author: &ParticipantId, key: &ClientKey) -> Option<&mut Open> {
        self.open
            .values_mut()
            .find(|open| open.held.author == *author && open.held.key == *key)
    }

    /// Whether a line of theirs waits, or has passed and is not told yet.
    pub(super) fn concern(&self, author: &ParticipantId) -> bool {
        self.open.values().any(|open| open.held.author == *author)
            || self.passing.values().any(|(whose, ..)| whose == author)
    }

    /// How many of their lines wait.
    pub(super) fn n_of(&self, author: &ParticipantId) -> usize {
        self.open
            .values()
            .filter(|open| open.held.author == *author)
            .count()
    }

    /// Whether a line of theirs waits as a newcomer's.
    pub(super) fn has_newcomers(&self, author: &ParticipantId) -> bool {
        self.open
            .values()
            .any(|open| open.held.author == *author && open.held.reason == HoldReason::Newcomer)
    }

    /// What waits, in the order in which it came.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Held> {
        self.open
            .values()
            .filter(|open| !open.is_acked)
            .map(|open| &open.held)
    }

    /// Whether any line waits, or has passed and is not told yet.
    pub(super) fn has_any(&self) -> bool {
        !self.open.is_empty() || !self.passing.is_empty()
    }

    /// Whether any line waits.
    pub(super) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether an earlier line of the same newcomer waits.
    fn is_behind(&self, held: &Held) -> bool {
        self.open.range(..held.n).any(|(_, earlier)| {
            earlier.held.author == held.author && earlier.held.reason == HoldReason::Newcomer
        })
    }

    fn due(&self, open: &Open, state: RoomState, now: Millis) -> Due {
        if open.is_busy || open.is_acked {
            return Due::Never;
        }
        if now < open.retry_at {
            return Due::At(open.retry_at);
        }
        match (state, open.held.clock) {
            (RoomState::Planned | RoomState::Closed | RoomState::Cancelled, _) => {
                Due::Now(HoldAct::End(HoldEnd::Closed))
            }
            (RoomState::Paused, HoldClock::Runs(due)) => {
                Due::Now(HoldAct::Stand(due.since_ms(now).max(0)))
            }
            (RoomState::Paused, HoldClock::Stands(_)) => Due::Never,
            (_, HoldClock::Stands(left_ms)) => Due::Now(HoldAct::Run(now.plus_ms(left_ms))),
            (_, HoldClock::Runs(due)) if now < due => Due::At(due),
            (_, HoldClock::Runs(_)) if open.held.reason != HoldReason::Newcomer => {
                Due::Now(HoldAct::Tell)
            }
            (_, HoldClock::Runs(_)) if self.is_behind(&open.held) => Due::Never,
            (_, HoldClock::Runs(_)) => Due::Now(HoldAct::End(HoldEnd::Passed)),
            (_, HoldClock::Off) => Due::Never,
        }
    }
}

impl Room {
    /// When a hold's clock strikes next, if nothing else happens before.
    pub fn wakes_at(&self, now: Millis) -> Option<Millis> {
        if self.holds.open.is_empty() {
            return None;
        }
        let state = self.standing(now).0;
        self.holds
            .open
            .values()
            .filter_map(|open| match self.holds.due(open, state, now) {
                Due::Now(_) => Some(now),
                Due::At(at) => Some(at),
                Due::Never => None,
            })
            .min()
    }

    /// Asks the store for what clocks, the pause and the end of the hour want.
    pub(super) fn tend_holds(&mut self, now: Millis, out: &mut Vec<Effect>) {
        if self.holds.open.is_empty() {
            return;
        }
        let state = self.standing(now).0;
        let due: Vec<(i64, HoldAct)> = self
            .holds
            .open
            .iter()
            .filter_map(|(n, open)| match self.holds.due(open, state, now) {
                Due::Now(act) => Some((*n, act)),
                Due::At(_) | Due::Never => None,
            })
            .collect();
        for (n, act) in due {
            if let Some(open) = self.holds.open.get_mut(&n) {
                open.is_busy = true;
                out.push(Effect::Hold {
                    which: WhichHold::Id(open.held.id.clone()),
                    act,
                    asked: None,
                    entry: None,
                });
            }
        }
    }

    /// A line that waits: it is kept before its author is told.
    pub(super) fn hold(
        &mut self,
        (author, key): (ParticipantId, ClientKey),
        reason: HoldReason,
        words: HeldWords,
        out: &mut Vec<Effect>,
    ) {
        let times = &self.facts.holds;
        let wait_ms = match reason {
            HoldReason::Newcomer => times.newcomer_ms,
            HoldReason::Risk => times.risk_told_ms,
            HoldReason::Guard
            | HoldReason::Contact
            | HoldReason::Threat
            | HoldReason::Abuse
            | HoldReason::Sexual
            | HoldReason::Solicitation => times.told_ms,
        };
        self.holds.n_keeping += 1;
        out.push(Effect::KeepHold(NewHold {
            author,
            key,
            reason,
            due: self.now.plus_ms(wait_ms),
            words,
        }));
    }

    pub(super) fn holds_kept(&mut self, kept: Vec<HoldKept>, out: &mut Vec<Effect>) {
        for one in kept {
            self.holds.n_keeping = self.holds.n_keeping.saturating_sub(1);
            let pending = self.pending.remove(&(one.author.clone(), one.key.clone()));
            if let Found::Hold(held) = &one.found {
                let told: Vec<ConnId> = pending
                    .iter()
                    .flat_map(|pending| pending.waiters.iter().map(|waiter| waiter.conn))
                    .collect();
                self.learn(Held::clone(held), &told, out);
            }
            let Some(pending) = pending else { continue };
            for asker in pending.waiters {
                self.tell_found(asker.conn, &one.key, &one.found, one.is_new, out);
                self.answered(asker);
            }
            if let Some(asker) = pending.take_back {
                let which = Which::Key(one.key);
                self.unsay(asker, one.author, which, self.now, out);
            }
        }
        self.look_for_missing(out);
        self.look_for_holds(out);
    }

    pub(super) fn holds_not_kept(
        &mut self,
        keys: Vec<(ParticipantId, ClientKey)>,
        out: &mut Vec<Effect>,
    ) {
        self.holds.n_keeping = self.holds.n_keeping.saturating_sub(keys.len());
        self.give_up(keys, out);
        self.look_for_missing(out);
        if !self.holds.is_loading {
            self.holds.is_loading = true;
            out.push(Effect::LoadHolds {
                after: self.holds.n_known,
            });
        }
    }

    /// The answer to a repeat of a key that is here as a hold; false where it is not.
    pub(super) fn say_held(
        &mut self,
        asker: &Asker,
        author: &ParticipantId,
        key: &ClientKey,
        out: &mut Vec<Effect>,
    ) -> bool {
        if self.holds.open.is_empty() && self.holds.ended.is_empty() {
            return false;
        }
        let is_over = matches!(
            self.standing(self.now).0,
            RoomState::Planned | RoomState::Closed | RoomState::Cancelled
        );
        if let Some(open) = self.holds.of_key(author, key) {
            if is_over {
                open.waiters.push(asker.clone());
                return true;
            }
            if self.facts.shared {
                // It may have passed on another node, and is then answered as a line that is kept.
                out.push(Effect::Look {
                    asker: asker.clone(),
                    author: author.clone(),
                    key: key.clone(),
                    otherwise: busy().into(),
                });
                return true;
            }
            let held = Found::Hold(Box::new(open.held.clone()));
            self.tell_found(asker.conn, key, &held, false, out);
            self.answered(asker.clone());
            return true;
        }
        let id = (author.clone(), key.clone());
        let Some((reason, how, why)) = self.holds.ended.get(&id).copied() else {
            return false;
        };
        self.tell_end(asker.conn, key, (reason, how, why), out);
        self.answered(asker.clone());
        true
    }

    /// Takes back a line that waits; gives the asker back where none of that key does here.
    pub(super) fn unsay_held(
        &mut self,
        asker: Asker,
        author: &ParticipantId,
        key: &ClientKey,
        out: &mut Vec<Effect>,
    ) -> Option<Asker> {
        let Some(open) = self.holds.of_key(author, key) else {
            return Some(asker);
        };
        open.is_busy = true;
        out.push(Effect::Hold {
            which: WhichHold::Id(open.held.id.clone()),
            act: HoldAct::End(HoldEnd::Withdrawn),
            asked: Some(HoldAsked { asker, key: None }),
            entry: None,
        });
        None
    }

    /// Somebody on duty looks at a hold, lets it pass or keeps it back.
    pub(super) fn measure_hold(
        &mut self,
        asker: Asker,
        key: ClientKey,
        which: WhichHold,
        act: HoldAct,
        entry: Entry,
        out: &mut Vec<Effect>,
    ) {
        if let (WhichHold::Id(id), HoldAct::End(HoldEnd::Rejected), Some(why)) =
            (&which, act, ReportReason::from_wire(&entry.reason))
        {
            self.holds.whys.insert(id.clone(), why);
        }
        out.push(Effect::Hold {
            which,
            act,
            asked: Some(HoldAsked {
                asker,
                key: Some(key),
            }),
            entry: Some(entry),
        });
    }

    pub(super) fn hold_came(
        &mut self,
        which: &WhichHold,
        act: HoldAct,
        asked: Option<HoldAsked>,
        came: HoldCame,
        out: &mut Vec<Effect>,
    ) {
        let open = self.holds.open.values_mut().find(|open| match which {
            WhichHold::Id(id) => open.held.id == *id,
            WhichHold::Of(author, key) => open.held.author == *author && open.held.key == *key,
        });
        if let Some(open) = open {
            open.is_busy = false;
            open.retry_at = match &came {
                HoldCame::Failed | HoldCame::Not(_) => self.now.plus_ms(RETRY_MS),
                HoldCame::Done { .. } => open.retry_at,
            };
            if matches!(came, HoldCame::Not(None)) {
                // The room is forgotten: there is nothing left to end.
                open.is_acked = true;
            }
        }
        let outcome: Result<(), Refusal> = match came {
            HoldCame::Done { hold, line } => {
                if let Some(line) = line {
                    self.passed(line, out);
                }
                self.learn(*hold, &[], out);
                Ok(())
            }
            HoldCame::Not(hold) => {
                let so = hold.as_deref().is_some_and(|hold| is_as_asked(hold, act));
                let passed = hold
                    .as_deref()
                    .and_then(|hold| Some((hold.seq?, hold.author.clone())));
                if let Some(hold) = hold {
                    self.learn(*hold, &[], out);
                }
                match (asked, passed) {
                    // Taken back in the moment in which it passed: then its line is.
                    (Some(HoldAsked { asker, key: None }), Some((seq, author))) => {
                        out.push(Effect::Change {
                            asker,
                            key: None,
                            which: Which::Seq(seq),
                            author: Some(author),
                            to: Shows::TakenBack,
                            entry: None,
                        });
                    }
                    (Some(asked), _) => {
                        let outcome = if so {
                            Ok(())
                        } else {
                            Err(RefusalCode::NotAllowed.into())
                        };
                        self.change_done(asked.asker, asked.key, outcome, out);
                    }
                    (None, _) => {}
                }
                return self.look_for_holds(out);
            }
            HoldCame::Failed => Err(busy()),
        };
        if let Some(asked) = asked {
            self.change_done(asked.asker, asked.key, outcome, out);
        }
        self.look_for_holds(out);
    }

    /// A held line that has its number now.
    fn passed(&mut self, line: Arc<Line>, out: &mut Vec<Effect>) {
        let frame = Frame::of(&line.frame(&self.facts.room));
        self.seen.last_seq = self.seen.last_seq.max(line.seq);
        self.arrived([(line, Some(frame.clone()))], out);
        out.push(Effect::Publish(vec![frame]));
    }

    /// Before a line is told: if it waited, its author hears first that it is kept.
    pub(super) fn ack_held(&mut self, line: &Line, out: &mut Vec<Effect>) {
        if !self.holds.has_any() {
            return;
        }
        if let Some((author, key, at, waiters)) = self.holds.passing.remove(&line.seq) {
            return self.ack_author(&author, &key, line.seq, at, waiters, out);
        }
        let Some(open) = self.holds.of_key(&line.author, &line.key) else {
            return;
        };
        open.is_acked = true;
        let waiters = std::mem::take(&mut open.waiters);
        self.ack_author(&line.author, &line.key, line.seq, line.at, waiters, out);
    }

    fn ack_author(
        &mut self,
        author: &ParticipantId,
        key: &ClientKey,
        seq: Seq,
        at: Millis,
        waiters: Vec<Asker>,
        out: &mut Vec<Effect>,
    ) {
        for conn in self.conns_of(author, &waiters) {
            self.ack(conn, key, seq, at, out);
        }
        for waiter in waiters {
            self.answered(waiter);
        }
    }

    /// What the store says of a hold; those of `told` have their answer.
    pub(super) fn learn(&mut self, held: Held, told: &[ConnId], out: &mut Vec<Effect>) {
        self.holds.n_due = self.holds.n_due.max(held.change_n);
        if held.change_n == self.holds.n_known + 1 {
            self.holds.n_known = held.change_n;
        }
        let known = self.holds.open.get(&held.n);
        if known.is_some_and(|known| known.held.change_n >= held.change_n) {
            return;
        }
        if let Some((how, at)) = held.ended {
            return self.learn_end(&held, how, at, out);
        }
        let id = (held.author.clone(), held.key.clone());
        if self.holds.ended.contains_key(&id) || self.known.contains_key(&id) {
            // Read before it ended, heard of after.
            return;
        }
        let before = known.map(|known| (known.held.looked, known.held.told, known.held.clock));
        let (was_looked, was_told) =
            before.map_or((false, false), |(looked, told, _)| (looked, told));
        let tells_author = before.is_none()
            || (held.looked && !was_looked)
            || (held.told && !was_told && !held.looked);
        let tells_duty = match before {
            None => true,
            // When a newcomer's line passes by itself is told again: the clock stood still.
            Some((.., clock)) => {
                held.reason == HoldReason::Newcomer && !held.looked && clock != held.clock
            }
        };
        match self.holds.open.get_mut(&held.n) {
            Some(open) => open.held = held.clone(),
            None => self.holds.put(held.clone()),
        }
        if tells_duty && let Some(frame) = self.hold_frame(&held) {
            self.to_duty(&frame, out);
        }
        if tells_author {
            let card = held.words.as_ref().and_then(|words| words.card);
            for conn in self.conns_of(&held.author, &[]) {
                if told.contains(&conn) {
                    continue;
                }
                if let Some(card) = card.filter(|_| !held.looked) {
                    self.lay_card(conn, card, out);
                }
                self.tell_held(conn, &held, out);
            }
        }
    }

    fn learn_end(&mut self, held: &Held, how: HoldEnd, at: Millis, out: &mut Vec<Effect>) {
        self.holds.remember_end(held, how);
        let Some(open) = self.holds.open.remove(&held.n) else {
            return;
        };
        match held.seq {
            Some(seq) if open.is_acked => debug_assert!(seq <= self.head),
            Some(seq) if seq > self.head => {
                let passing = (held.author.clone(), held.key.clone(), at, open.waiters);
                self.holds.passing.insert(seq, passing);
            }
            Some(seq) => self.ack_author(&held.author, &held.key, seq, at, open.waiters, out),
            // Whoever took it back knows.
            None if how == HoldEnd::Withdrawn => {
                for waiter in open.waiters {
                    self.tell_end(waiter.conn, &held.key, (held.reason, how, None), out);
                    self.answered(waiter);
                }
            }
            None => {
                for conn in self.conns_of(&held.author, &open.waiters) {
                    let end = (held.reason, how, self.holds.why(held));
                    self.tell_end(conn, &held.key, end, out);
                }
                for waiter in open.waiters {
                    self.answered(waiter);
                }
            }
        }
        let frame = ServerFrame::HoldDone {
            room: self.room_text(),
            hold: held.id.as_str().to_owned(),
            how,
        };
        self.to_duty(&frame, out);
    }

    pub(super) fn holds_loaded(
        &mut self,
        rows: Option<Vec<Held>>,
        complete_to: i64,
        out: &mut Vec<Effect>,
    ) {
        self.holds.is_loading = false;
        let Some(rows) = rows else { return };
        for held in rows {
            self.learn(held, &[], out);
        }
        self.holds.n_known = self.holds.n_known.max(complete_to);
        self.look_for_holds(out);
    }

    /// Reads what happened to holds that this node has not heard of.
    pub(super) fn look_for_holds(&mut self, out: &mut Vec<Effect>) {
        self.holds.n_due = self.holds.n_due.max(self.seen.n_holds);
        if self.holds.n_due > self.holds.n_known && !self.holds.is_loading {
            self.holds.is_loading = true;
            out.push(Effect::LoadHolds {
                after: self.holds.n_known,
            });
        }
    }
}

fn busy() -> Refusal {
    Refusal {
        code: RefusalCode::Busy,
        retry_after_ms: Some(BUSY_RETRY_MS),
    }
}

/// Whether a hold is as somebody wanted it, though another was first.
fn is_as_asked(held: &Held, act: HoldAct) -> bool {
    match act {
        HoldAct::End(how) => held.ended.is_some_and(|(ended, _)| ended == how),
        HoldAct::Look => held.looked || held.ended.is_some(),
        HoldAct::Tell | HoldAct::Stand(_) | HoldAct::Run(_) => true,
    }
}
