//! A room as a plain struct: inputs in, effects out; no runtime, no store, no socket.
//!
//! One task owns each room and performs its effects in order, without awaiting. A commit is an effect; its outcome comes
//! back as an input. The room knows its members, the newest lines (the ring) and how far it has delivered (`head`):
//! lines are delivered strictly in sequence, whoever kept them.

mod acts;
mod change;
mod effect;
mod enter;
mod hold_words;
mod holds;
mod input;
mod look;
mod say;
#[cfg(test)]
mod tests;
mod waiting;

pub use effect::Effect;
pub use holds::HoldAsked;
pub use input::{
    AskBack, Asker, Changed, ConnId, Facts, HoldTimes, Input, Kept, Otherwise, Refusal, Seen,
    Which, Who,
};

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use self::holds::Holds;
use self::look::Arriving;
use self::waiting::{Again, Waiting};
use super::act::Topic;
use super::hold::Held;
use super::life::standing_at;
use super::line::{Line, NewLine};
use super::ticket::Ticket;
use crate::features::tally::Rung;
use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, ParticipantId, Seq};
use crate::protocol::{
    About, CardKind, EnterMode, Form, Frame, Head, HoldReason, ReadyOut, RefusalCode, RoomOut,
    RoomState, ServerFrame, Why,
};

/// How far a member's view has come.
#[derive(Clone, Debug)]
enum Phase {
    /// `entered` waits for a look at what other nodes kept.
    Arriving {
        /// The last they hold.
        after: Option<Seq>,
        /// Held until all is told; whoever waited before has had their answer.
        ticket: Option<Ticket>,
    },
    /// `entered` waits for lines from the store, from this number on.
    Entering {
        /// The first to be told.
        from: Seq,
        /// Held until all is told.
        ticket: Option<Ticket>,
    },
    /// `entered` was sent; older lines follow from this number on.
    CatchingUp {
        /// The next to be told.
        next: Seq,
        /// Held until all is told.
        ticket: Option<Ticket>,
    },
    /// Gets what goes to all.
    Live,
}

#[derive(Clone, Debug)]
struct Member {
    who: Who,
    mode: EnterMode,
    lamp: bool,
    /// Somebody on duty who is not told yet of what waits from this one on.
    holds_from: Option<i64>,
    phase: Phase,
}

/// A line that is being kept.
#[derive(Debug)]
struct Pending {
    waiters: Vec<Asker>,
    take_back: Option<Asker>,
    /// Its author gets this card with the answer.
    card: Option<CardKind>,
    /// Those on duty are told of it.
    mark: Option<&'static str>,
    /// It is kept as one that waits, for that reason.
    waits: Option<HoldReason>,
    /// It is said because of a measure: its asker is told `done`.
    by_measure: bool,
}

/// Lines told at a time: in `entered`, and in each page after it.
pub const PAGE_LINES: i64 = 200;
/// Lines told to somebody who comes without a number.
pub const NEWEST_LINES: i64 = 50;
/// When somebody should try again whose line could not be kept, in milliseconds.
pub const BUSY_RETRY_MS: u64 = 1_000;

/// The live side of a gathering.
#[derive(Debug)]
pub struct Room {
    facts: Facts,
    seen: Seen,
    /// The newest lines without a hole; the last one's number is `head`.
    ring: VecDeque<Arc<Line>>,
    head: Seq,
    /// The newest change of each line that was changed: what is read or heard late may be from before it.
    changed: HashMap<Seq, Changed>,
    /// Lines that came before the ones they follow.
    ahead: BTreeMap<Seq, (Arc<Line>, Option<Frame>)>,
    loading: bool,
    /// Whether what loads is a look for those who arrive, and how many of these were begun.
    looking: bool,
    n_looks: u64,
    arriving: Vec<Arriving>,
    loading_changes: bool,
    /// The highest count of changes that the store told.
    changes_due: i64,
    members: HashMap<ConnId, Member>,
    /// Those who wait to come in.
    waiting: HashMap<ConnId, Waiting>,
    /// Each `enter` that came while the one before it was not answered.
    again: HashMap<ConnId, VecDeque<Again>>,
    /// Who was in the room, or was let in: they come back without waiting. Memory alone.
    been_in: HashSet<ParticipantId>,
    /// Who has a writer's seat; since when they are gone, if they are. Memory of this node.
    writers: HashMap<ParticipantId, Option<Millis>>,
    /// Keys of what was done to the room, by whom.
    acted: VecDeque<(ParticipantId, ClientKey)>,
    /// Members who catch up and whose next lines could not be read.
    stalled: BTreeSet<ConnId>,
    pending: HashMap<(ParticipantId, ClientKey), Pending>,
    queue: Vec<NewLine>,
    /// Lines that were handed over to be kept and are not answered yet.
    n_committing: usize,
    /// The store has lines that this node has not: what is said meanwhile waits until they can be read.
    missing: bool,
    /// The numbers of keys in the ring, so that a repeat needs no read.
    known: HashMap<(ParticipantId, ClientKey), (Seq, Millis)>,
    last_said: HashMap<ParticipantId, Millis>,
    holds: Holds,
    /// Lines that each has written here; chosen ones are not counted.
    n_written: HashMap<ParticipantId, usize>,
    /// The keys for which somebody was asked back for contact. Memory alone.
    asked: HashMap<ParticipantId, Vec<ClientKey>>,
    /// The present input's moment.
    now: Millis,
    /// Who was counted on which rung: each person once a room, however often they reload or come back.
    counted: BTreeSet<(ParticipantId, Rung)>,
    about: About,
    about_at: Millis,
    /// Whether anybody's lamp is lit.
    lamp_lit: bool,
    told: Option<Head>,
    /// What was answered in this input.
    answered: Vec<Ticket>,
}

impl Room {
    /// A room as the store has it; `lines` are its newest, in order and without a hole up to `seen.last_seq`, and `holds`
    /// all of its holds, read after `seen` was.
    pub fn new(
        facts: Facts,
        seen: Seen,
        lines: Vec<Arc<Line>>,
        holds: Vec<Held>,
        now: Millis,
    ) -> Self {
        let head = seen.last_seq;
        let holds = Holds::new(holds, seen.n_holds);
        let mut room = Self {
            facts,
            seen,
            ring: VecDeque::new(),
            head,
            changed: HashMap::new(),
            ahead: BTreeMap::new(),
            loading: false,
            looking: false,
            n_looks: 0,
            arriving: Vec::new(),
            loading_changes: false,
            changes_due: 0,
            members: HashMap::new(),
            waiting: HashMap::new(),
            again: HashMap::new(),
            been_in: HashSet::new(),
            writers: HashMap::new(),
            acted: VecDeque::new(),
            stalled: BTreeSet::new(),
            pending: HashMap::new(),
            queue: Vec::new(),
            n_committing: 0,
            missing: false,
            known: HashMap::new(),
            last_said: HashMap::new(),
            holds,
            n_written: HashMap::new(),
            asked: HashMap::new(),
            now,
            counted: BTreeSet::new(),
            about: About::Few,
            about_at: now,
            lamp_lit: false,
            told: None,
            answered: Vec::new(),
        };
        for line in lines {
            room.remember(line);
        }
        room.told = Some(room.head_now(now));
        room
    }

    /// The one way in. Effects are to be performed in order.
    pub fn apply(&mut self, input: Input, now: Millis) -> Vec<Effect> {
        let mut out = Vec::new();
        self.now = now;
        let moves_nobody = matches!(
            input,
            Input::Say { .. } | Input::Kept(_) | Input::Stamp { .. } | Input::Elsewhere { .. }
        );
        match input {
            Input::Enter {
                asker,
                who,
                mode,
                after,
            } => self.come(asker, who, mode, after, now, &mut out),
            Input::Leave { conn } => self.leave(conn, now, &mut out),
            Input::Gone { conn } => self.gone(conn, now),
            Input::Say {
                asker,
                who,
                key,
                line,
                by_form,
            } => self.say(asker, who, key, line, by_form, now, &mut out),
            Input::Unsay {
                asker,
                participant,
                which,
            } => self.unsay(asker, participant, which, now, &mut out),
            Input::Stamp {
                conn,
                participant,
                seq,
                stamp,
                on,
                by_form,
            } => {
                self.stamp(conn, participant, seq, stamp, on, by_form, now, &mut out);
            }
            Input::Lamp { conn, on } => self.lamp(conn, on, &mut out),
            Input::Measure {
                asker,
                key,
                seq,
                to,
                entry,
            } => self.measure(asker, key, seq, to, entry, now, &mut out),
            Input::Looked {
                asker,
                key,
                found,
                otherwise,
            } => self.looked(asker, key, found, otherwise, &mut out),
            Input::Kept(kept) => self.kept(kept, &mut out),
            Input::NotKept(keys) => self.not_kept(keys, &mut out),
            Input::Loaded {
                conn: Some(conn),
                from,
                lines,
            } => self.loaded_for(conn, from, lines, now, &mut out),
            Input::Loaded {
                conn: None,
                from: _,
                lines,
            } => self.loaded(lines, &mut out),
            Input::NotLoaded { conn } => self.not_loaded(conn, &mut out),
            Input::Flushed { conn } => self.flushed(conn, &mut out),
            Input::Changed {
                changes,
                complete_to,
                lines,
            } => self.changed(&changes, complete_to, &lines, &mut out),
            Input::ChangeDone {
                asker,
                key,
                outcome,
            } => self.change_done(asker, key, outcome, &mut out),
            Input::Elsewhere { lines, marks } => self.elsewhere(lines, &marks, &mut out),
            Input::MeasureHold {
                asker,
                key,
                which,
                act,
                entry,
            } => {
                if let Some(asker) = self.may_measure(asker, &key, now, &mut out) {
                    self.measure_hold(asker, key, which, act, entry, &mut out);
                }
            }
            Input::Act {
                asker,
                key,
                act,
                entry,
            } => self.act(asker, key, act, entry, now, &mut out),
            Input::Acted {
                asker,
                by,
                act,
                outcome,
            } => self.acted(asker, by, act, outcome, &mut out),
            Input::Announce { key, body } => self.announce(key, body, &mut out),
            Input::HoldsKept(kept) => self.holds_kept(kept, &mut out),
            Input::HoldsNotKept(keys) => self.holds_not_kept(keys, &mut out),
            Input::HoldCame {
                which,
                act,
                asked,
                came,
            } => self.hold_came(&which, act, asked, came, &mut out),
            Input::Holds { rows, complete_to } => self.holds_loaded(rows, complete_to, &mut out),
            Input::Seen(seen) => self.see(*seen, &mut out),
            Input::Tick => self.go_on_with_stalled(&mut out),
        }
        self.tend_holds(now, &mut out);
        self.let_in(now, &mut out);
        self.let_go_of_moved(&mut out);
        self.let_waiting_in(now, &mut out);
        self.come_again(now, &mut out);
        self.close_if_over(now, &mut out);
        if !moves_nobody {
            self.lamp_lit = self.members.values().any(|member| member.lamp);
        }
        self.tell_head(now, &mut out);
        if !self.answered.is_empty() {
            out.push(Effect::Release(std::mem::take(&mut self.answered)));
        }
        out
    }

    /// What is told of the room, at `now`.
    pub fn head_now(&self, now: Millis) -> Head {
        let (state, slow_ms) = self.standing(now);
        Head {
            state,
            guard: self.seen.guard,
            topic: self.seen.topic.as_ref().map(|topic| topic.text.clone()),
            slow_ms,
            about: self.about,
            on_duty: self.seen.on_duty.clone(),
            ready: self.ready_lines(),
            lamp: self.lamp_lit,
        }
    }

    fn standing(&self, now: Millis) -> (RoomState, u32) {
        standing_at(&self.seen.course(), &self.facts.grace, now)
            .map_or((RoomState::Closed, 0), |standing| {
                (standing.state, standing.slow_ms)
            })
    }

    /// What can be chosen: answers of the topic, then what can always be.
    fn ready_lines(&self) -> Vec<ReadyOut> {
        let answers = self.seen.topic.iter().flat_map(|topic| &topic.answers);
        let answers = answers.enumerate().map(|(idx, text)| ReadyOut {
            id: Topic::answer_id(idx),
            text: text.clone(),
        });
        answers
            .chain(self.facts.texts.ready.iter().cloned())
            .collect()
    }

    fn n_ready_lines(&self) -> usize {
        let n_answers = self
            .seen
            .topic
            .as_ref()
            .map_or(0, |topic| topic.answers.len());
        n_answers + self.facts.texts.ready.len()
    }

    /// Lets everybody go once the hour is over.
    fn close_if_over(&mut self, now: Millis, out: &mut Vec<Effect>) {
        let over = matches!(
            self.standing(now).0,
            RoomState::Closed | RoomState::Cancelled
        );
        // Whoever has a line that waits hears first that it is not said.
        let is_waited_for =
            self.n_committing > 0 || self.holds.n_keeping > 0 || self.holds.has_open();
        if !over || self.is_empty() || is_waited_for {
            return;
        }
        let mut conns: Vec<ConnId> = self.members.keys().copied().collect();
        conns.extend(self.waiting.keys().copied());
        for conn in conns {
            let phase = self.members.remove(&conn).map(|member| member.phase);
            if let Some(Phase::Arriving { .. } | Phase::Entering { .. }) = phase {
                // Not in yet: this is what their `enter` comes to.
                self.refuse(conn, None, RefusalCode::RoomClosed.into(), out);
                continue;
            }
            self.put_out(conn, Why::Closed, out);
        }
    }

    /// Tells the head where something of it changed; how many are about is looked at once a minute at most.
    fn tell_head(&mut self, now: Millis, out: &mut Vec<Effect>) {
        if now.since_ms(self.about_at) >= self.facts.about_every_ms {
            self.about_at = now;
            self.about = self.about_now();
        }
        if self.is_told(now) {
            return;
        }
        let head = self.head_now(now);
        out.push(Effect::All(Frame::of(&ServerFrame::Room(RoomOut {
            room: self.room_text(),
            head: head.clone(),
        }))));
        self.told = Some(head);
    }

    /// Whether what would be told of the room was. Asked after every input, so nothing is copied for it; the words of a
    /// head do not change while a room lives here.
    fn is_told(&self, now: Millis) -> bool {
        let (state, slow_ms) = self.standing(now);
        self.told.as_ref().is_some_and(|told| {
            told.state == state
                && told.slow_ms == slow_ms
                && told.guard == self.seen.guard
                && told.topic.as_deref()
                    == self.seen.topic.as_ref().map(|topic| topic.text.as_str())
                && told.ready.len() == self.n_ready_lines()
                && told.about == self.about
                && told.lamp == self.lamp_lit
                && told.on_duty == self.seen.on_duty
        })
    }

    fn about_now(&self) -> About {
        let mut people: Vec<&ParticipantId> = self
            .members
            .values()
            .map(|member| &member.who.participant)
            .collect();
        people.sort_unstable();
        people.dedup();
        match people.len() {
            0..=3 => About::Few,
            4..=9 => About::Some,
            _ => About::Many,
        }
    }

    /// Puts a line at the end of the ring.
    fn remember(&mut self, line: Arc<Line>) {
        let form = line.content.as_ref().and_then(|content| content.form);
        if form != Some(Form::Ready) {
            match self.n_written.get_mut(&line.author) {
                Some(n) => *n += 1,
                None => {
                    self.n_written.insert(line.author.clone(), 1);
                }
            }
        }
        self.known
            .insert((line.author.clone(), line.key.clone()), (line.seq, line.at));
        self.ring.push_back(line);
        while self.ring.len() > self.facts.ring_lines {
            if let Some(old) = self.ring.pop_front() {
                self.known.remove(&(old.author.clone(), old.key.clone()));
            }
        }
    }

    fn in_ring(&self, seq: Seq) -> Option<usize> {
        let first = self.ring.front()?.seq;
        let idx = usize::try_from(seq.get().checked_sub(first.get())?).ok()?;
        (idx < self.ring.len()).then_some(idx)
    }

    /// Takes lines from wherever they come and delivers what now follows without a hole.
    fn arrived(
        &mut self,
        lines: impl IntoIterator<Item = (Arc<Line>, Option<Frame>)>,
        out: &mut Vec<Effect>,
    ) {
        for (line, frame) in lines {
            if line.seq == self.head.next() {
                self.deliver(line, frame, out);
            } else if line.seq > self.head {
                self.ahead.entry(line.seq).or_insert((line, frame));
            }
        }
        while let Some((line, frame)) = self.ahead.remove(&self.head.next()) {
            self.deliver(line, frame, out);
        }
        if !self.ahead.is_empty() {
            self.look_for_missing(out);
        }
    }

    /// Lines of a hint. A hint does not say a line's key: where one of its author waits, it may be that one, and the store
    /// is asked.
    fn elsewhere(
        &mut self,
        mut lines: Vec<Arc<Line>>,
        marks: &[ServerFrame],
        out: &mut Vec<Effect>,
    ) {
        let n_heard = lines.len();
        if self.holds.has_any() || self.holds.n_keeping > 0 {
            lines.retain(|line| {
                let concerned =
                    self.holds.concern(&line.author) || self.keeps_hold_of(&line.author);
                if concerned {
                    self.seen.last_seq = self.seen.last_seq.max(line.seq);
                }
                !concerned
            });
        }
        let n_left = lines.len();
        self.arrived(not_encoded(lines), out);
        if n_left < n_heard {
            self.look_for_missing(out);
        }
        for mark in marks {
            self.to_duty(mark, out);
        }
    }

    /// Whether a line of theirs is being kept as one that waits: another node may let it pass before this one hears of it.
    fn keeps_hold_of(&self, author: &ParticipantId) -> bool {
        self.holds.n_keeping > 0
            && self
                .pending
                .iter()
                .any(|(id, pending)| id.0 == *author && pending.waits.is_some())
    }

    /// Tells all of the line after the newest.
    fn deliver(&mut self, line: Arc<Line>, frame: Option<Frame>, out: &mut Vec<Effect>) {
        self.head = line.seq;
        self.ack_held(&line, out);
        // The same line may have come by a hint before.
        self.ahead.remove(&line.seq);
        let now = self.as_changed(Arc::clone(&line));
        let frame = frame
            .filter(|_| Arc::ptr_eq(&now, &line))
            .unwrap_or_else(|| Frame::of(&now.frame(&self.facts.room)));
        out.push(Effect::All(frame));
        self.remember(now);
    }

    fn not_loaded(&mut self, conn: Option<ConnId>, out: &mut Vec<Effect>) {
        match conn {
            None => self.not_looked(out),
            Some(conn) => match self.members.get(&conn).map(|member| &member.phase) {
                Some(Phase::Entering { .. }) => {
                    self.members.remove(&conn);
                    let refusal = Refusal {
                        code: RefusalCode::Busy,
                        retry_after_ms: Some(BUSY_RETRY_MS),
                    };
                    self.refuse(conn, None, refusal, out);
                }
                // They were told that they are in, so they are not put out: it is read again with the next tick.
                Some(Phase::CatchingUp { .. }) => {
                    self.stalled.insert(conn);
                }
                Some(Phase::Arriving { .. } | Phase::Live) | None => {}
            },
        }
    }

    /// Reads again what could not be read for those who catch up.
    fn go_on_with_stalled(&mut self, out: &mut Vec<Effect>) {
        for conn in std::mem::take(&mut self.stalled) {
            self.flushed(conn, out);
        }
    }

    fn send(&self, conn: ConnId, frame: &ServerFrame, out: &mut Vec<Effect>) {
        out.push(Effect::Send {
            conn,
            frame: Frame::of(frame),
        });
    }

    fn refuse(
        &self,
        conn: ConnId,
        key: Option<ClientKey>,
        refusal: Refusal,
        out: &mut Vec<Effect>,
    ) {
        let frame = ServerFrame::Refused {
            key: key.map(|key| key.as_str().to_owned()),
            room: Some(self.room_text()),
            code: refusal.code,
            text: self.facts.texts.refusal(refusal.code),
            retry_after_ms: refusal.retry_after_ms,
        };
        self.send(conn, &frame, out);
    }

    /// Counts that somebody was here on that rung, once. Those on duty are not counted as having come.
    fn came(&mut self, participant: &ParticipantId, rung: Rung, out: &mut Vec<Effect>) {
        if self.counted.insert((participant.clone(), rung)) {
            out.push(Effect::Came(rung));
        }
    }

    /// The asker's answer is among the effects; the `pong` that waits for it may follow.
    fn answered(&mut self, asker: Asker) {
        self.answered.push(asker.ticket);
    }

    fn room_text(&self) -> String {
        self.facts.room.as_str().to_owned()
    }
}

/// Lines that came without their frames.
fn not_encoded(lines: Vec<Arc<Line>>) -> impl Iterator<Item = (Arc<Line>, Option<Frame>)> {
    lines.into_iter().map(|line| (line, None))
}
