//! Saying something: looked up by its key first, kept before it is acknowledged, told after.

use super::{
    AskBack, Asker, BUSY_RETRY_MS, ConnId, Effect, Kept, Otherwise, Pending, Refusal, Room, Which,
    Who,
};
use crate::features::rooms::body::Body;
use crate::features::rooms::hold::{Found, HeldWords};
use crate::features::rooms::line::{Content, NewLine, Proposed, Shows};
use crate::features::rooms::policy::{self, Case, Verdict};
use crate::features::tally::Rung;
use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, ParticipantId, Seq};
use crate::protocol::{
    EnterMode, Form, Frame, HoldReason, RefusalCode, RoomState, ServerFrame, Time,
};

/// Keys of one person that are remembered for having been asked back: one other than the present is enough.
const ASKED_MAX: usize = 2;

impl Room {
    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one input, taken apart in one place"
    )]
    pub(super) fn say(
        &mut self,
        asker: Asker,
        who: Who,
        key: ClientKey,
        line: Result<Proposed, Refusal>,
        by_form: bool,
        now: Millis,
        out: &mut Vec<Effect>,
    ) {
        // Who they are in this room is what they entered as; a form enters by being sent.
        let (who, mode, entered) = match self.members.get(&asker.conn) {
            Some(member) => (member.who.clone(), member.mode, true),
            None => (who, EnterMode::Talk, by_form),
        };
        let id = (who.participant.clone(), key.clone());
        if let Some(&(seq, at)) = self.known.get(&id) {
            self.ack(asker.conn, &key, seq, at, out);
            return self.answered(asker);
        }
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.waiters.push(asker);
            return;
        }
        if self.say_held(&asker, &who.participant, &key, out) {
            return;
        }
        let proposed = if entered {
            line.and_then(|proposed| self.with_answer(proposed))
                .and_then(|proposed| self.may_say(&who, mode, proposed, now))
        } else {
            match self.standing(now).0 {
                RoomState::Planned | RoomState::Closed | RoomState::Cancelled => {
                    Err(RefusalCode::RoomClosed.into())
                }
                RoomState::DoorsOpen
                | RoomState::Open
                | RoomState::Paused
                | RoomState::LastCall
                | RoomState::Afterglow => Err(RefusalCode::NotEntered.into()),
            }
        };
        let decided = proposed
            .map_err(Otherwise::from)
            .and_then(|proposed| self.decided(&who, &key, proposed));
        let (proposed, case, verdict) = match decided {
            Ok(decided) => decided,
            // The key is looked up before every other check, so the answer waits for the store.
            Err(otherwise) => {
                return out.push(Effect::Look {
                    asker,
                    author: who.participant,
                    key,
                    otherwise,
                });
            }
        };
        if who.duty.is_none() {
            let rung = match proposed.form {
                Some(Form::Ready) => Rung::Ready,
                Some(Form::Topic) => Rung::Topic,
                Some(Form::Time | Form::Word) | None => Rung::Wrote,
            };
            self.came(&who.participant, rung, out);
        }
        self.last_said.insert(who.participant.clone(), now);
        let card = verdict.card(case, &proposed.found);
        let content = Content {
            body: proposed.body.as_str().to_owned(),
            name: who.name,
            duty: who.duty,
            note: proposed.note.map(|note| note.as_str().to_owned()),
            no_reply: proposed.no_reply,
            form: proposed.form,
            by_room: false,
        };
        let mark = (verdict == Verdict::Raise).then(|| proposed.found.category.as_str());
        if mode == EnterMode::Talk {
            self.take_seat(&who.participant);
        }
        let pending = Pending {
            by_measure: false,
            waiters: vec![asker],
            take_back: None,
            card,
            mark,
            waits: match verdict {
                Verdict::Hold(reason) => Some(reason),
                Verdict::Pass | Verdict::Raise | Verdict::Ask(_) | Verdict::Refuse => None,
            },
        };
        self.pending.insert(id.clone(), pending);
        if let Verdict::Hold(reason) = verdict {
            let words = HeldWords {
                content,
                spans: proposed.found.spans,
                card,
            };
            return self.hold(id, reason, words, out);
        }
        let (author, key) = id;
        self.queue.push(NewLine {
            author,
            key,
            content,
        });
        self.commit(out);
    }

    /// What becomes of a line that could be said now: it passes or waits, or its author is answered otherwise.
    fn decided(
        &mut self,
        who: &Who,
        key: &ClientKey,
        proposed: Proposed,
    ) -> Result<(Proposed, Case, Verdict), Otherwise> {
        let case = self.case(who, key, &proposed);
        let verdict = policy::decide(case, &proposed.found);
        match verdict {
            Verdict::Pass | Verdict::Raise | Verdict::Hold(_) => Ok((proposed, case, verdict)),
            Verdict::Refuse => Err(Refusal::from(RefusalCode::Spam).into()),
            Verdict::Ask(reason) => {
                let tried = self.asked.entry(who.participant.clone()).or_default();
                if !tried.contains(key) && tried.len() < ASKED_MAX {
                    tried.push(key.clone());
                }
                Err(Otherwise::Ask(Box::new(AskBack {
                    reason,
                    card: verdict.card(case, &proposed.found),
                    spans: proposed.found.spans,
                    masked: proposed.found.masked,
                })))
            }
        }
    }

    fn case(&self, who: &Who, key: &ClientKey, proposed: &Proposed) -> Case {
        let author = &who.participant;
        let on_duty = who.duty.is_some();
        let is_ready = proposed.form == Some(Form::Ready);
        if on_duty || is_ready {
            return Case {
                guard: self.seen.guard,
                on_duty,
                is_ready,
                ..Case::default()
            };
        }
        // Looked through only where it matters: most rooms never come here.
        let is_new = self.seen.guard == 1 && who.declared && {
            let n_written = self.n_written.get(author).copied().unwrap_or(0);
            let n_pending = self.pending.keys().filter(|id| id.0 == *author).count();
            n_written + n_pending + self.holds.n_of(author) < self.facts.holds.newcomer_lines
        };
        let waits_behind = self.holds.has_newcomers(author)
            || (self.holds.n_keeping > 0
                && self.pending.iter().any(|(id, pending)| {
                    id.0 == *author && pending.waits == Some(HoldReason::Newcomer)
                }));
        Case {
            guard: self.seen.guard,
            on_duty,
            is_ready,
            is_new,
            waits_behind,
            tried_before: self
                .asked
                .get(author)
                .is_some_and(|tried| tried.iter().any(|before| before != key)),
        }
    }

    /// A chosen answer of the present topic gets its words; one of a topic that is gone cannot be chosen any more.
    fn with_answer(&self, mut proposed: Proposed) -> Result<Proposed, Refusal> {
        if let Some(idx) = proposed.answer {
            let topic = self.seen.topic.as_ref();
            let answer = topic.and_then(|topic| topic.answers.get(idx));
            let answer = answer.ok_or(Refusal::from(RefusalCode::NotAllowed))?;
            proposed.body = Body::known(answer.clone());
        }
        Ok(proposed)
    }

    /// State, guard, seat and pace, in the order in which a person would want to hear of them.
    fn may_say(
        &mut self,
        who: &Who,
        mode: EnterMode,
        proposed: Proposed,
        now: Millis,
    ) -> Result<Proposed, Refusal> {
        let (state, slow_ms) = self.standing(now);
        match (state, mode) {
            (_, EnterMode::Listen) => return Err(RefusalCode::NotAllowed.into()),
            (RoomState::Open | RoomState::LastCall, EnterMode::Talk | EnterMode::Duty)
            | (RoomState::DoorsOpen, EnterMode::Duty) => {}
            (RoomState::DoorsOpen, EnterMode::Talk) => return Err(RefusalCode::NotEntered.into()),
            (RoomState::Paused, EnterMode::Talk | EnterMode::Duty) => {
                return Err(RefusalCode::RoomPaused.into());
            }
            (
                RoomState::Planned
                | RoomState::Afterglow
                | RoomState::Closed
                | RoomState::Cancelled,
                EnterMode::Talk | EnterMode::Duty,
            ) => return Err(RefusalCode::RoomClosed.into()),
        }
        if mode == EnterMode::Duty {
            return Ok(proposed);
        }
        let ready = proposed.form == Some(Form::Ready);
        if self.seen.guard >= 4 || (self.seen.guard == 3 && !ready) {
            return Err(RefusalCode::Listening.into());
        }
        if !self.has_seat(&who.participant, now) {
            return Err(RefusalCode::RoomFull.into());
        }
        if let Some(&last) = self.last_said.get(&who.participant) {
            let wait_ms = i64::from(slow_ms) - now.since_ms(last);
            if wait_ms > 0 {
                let retry_after_ms = Some(wait_ms.unsigned_abs());
                return Err(Refusal {
                    code: RefusalCode::TooFast,
                    retry_after_ms,
                });
            }
        }
        Ok(proposed)
    }

    /// What comes while a commit is out joins the next one, at the committer: that is where it shows when one begins.
    pub(super) fn commit(&mut self, out: &mut Vec<Effect>) {
        let reads_first = self.missing && self.n_committing > 0;
        if reads_first || self.queue.is_empty() {
            return;
        }
        self.n_committing += self.queue.len();
        out.push(Effect::Commit(std::mem::take(&mut self.queue)));
    }

    pub(super) fn kept(&mut self, kept: Vec<Kept>, out: &mut Vec<Effect>) {
        self.n_committing = self.n_committing.saturating_sub(kept.len());
        let mut lines = Vec::new();
        let mut frames = Vec::new();
        let mut marks = Vec::new();
        // On the socket that said it, `acked` comes before `said`.
        for one in kept {
            let id = (one.author.clone(), one.key.clone());
            if let Some(pending) = self.pending.remove(&id) {
                if one.seq == Seq::NONE {
                    // Another node has it as a hold.
                    self.look_at(id, pending, out);
                    continue;
                }
                for asker in pending.waiters {
                    if let Some(card) = pending.card.filter(|_| one.line.is_some()) {
                        self.lay_card(asker.conn, card, out);
                    }
                    if pending.by_measure {
                        self.done(&asker, &one.key, out);
                    } else {
                        self.ack(asker.conn, &one.key, one.seq, one.at, out);
                    }
                    self.answered(asker);
                }
                if let Some(category) = pending.mark.filter(|_| one.line.is_some()) {
                    marks.push(ServerFrame::Marked {
                        room: self.room_text(),
                        seq: one.seq.get(),
                        category: category.to_owned(),
                    });
                }
                if let Some(asker) = pending.take_back {
                    out.push(Effect::Change {
                        asker,
                        key: None,
                        which: Which::Seq(one.seq),
                        author: Some(one.author),
                        to: Shows::TakenBack,
                        entry: None,
                    });
                }
            }
            if let Some(line) = one.line {
                // Encoded once, for members here and elsewhere.
                let frame = Frame::of(&line.frame(&self.facts.room));
                frames.push(frame.clone());
                lines.push((line, Some(frame)));
            }
        }
        if !lines.is_empty() {
            self.arrived(lines, out);
            for mark in &marks {
                self.to_duty(mark, out);
            }
            frames.extend(marks.iter().map(Frame::of));
            out.push(Effect::Publish(frames));
        }
        self.look_for_missing(out);
        self.commit(out);
    }

    pub(super) fn not_kept(
        &mut self,
        keys: Vec<(ParticipantId, ClientKey)>,
        out: &mut Vec<Effect>,
    ) {
        self.n_committing = self.n_committing.saturating_sub(keys.len());
        self.give_up(keys, out);
        self.look_for_missing(out);
        self.commit(out);
    }

    /// Whether it is on disk is not known: whoever waits may try again.
    pub(super) fn give_up(&mut self, keys: Vec<(ParticipantId, ClientKey)>, out: &mut Vec<Effect>) {
        let refusal = Refusal {
            code: RefusalCode::Busy,
            retry_after_ms: Some(BUSY_RETRY_MS),
        };
        for id in keys {
            // Not said at a slow pace, so the pace does not count it.
            self.last_said.remove(&id.0);
            if let Some(pending) = self.pending.remove(&id) {
                for asker in pending.waiters {
                    self.refuse(asker.conn, Some(id.1.clone()), refusal, out);
                    self.answered(asker);
                }
                if let Some(asker) = pending.take_back {
                    self.refuse(asker.conn, None, refusal, out);
                    self.answered(asker);
                }
            }
        }
    }

    /// Asks the store for what stands under a key that could not be kept.
    fn look_at(
        &mut self,
        (author, key): (ParticipantId, ClientKey),
        pending: Pending,
        out: &mut Vec<Effect>,
    ) {
        let busy = Refusal {
            code: RefusalCode::Busy,
            retry_after_ms: Some(BUSY_RETRY_MS),
        };
        for asker in pending.waiters {
            out.push(Effect::Look {
                asker,
                author: author.clone(),
                key: key.clone(),
                otherwise: busy.into(),
            });
        }
        if let Some(asker) = pending.take_back {
            out.push(Effect::Change {
                asker,
                key: None,
                which: Which::Key(key),
                author: Some(author),
                to: Shows::TakenBack,
                entry: None,
            });
        }
    }

    pub(super) fn looked(
        &mut self,
        asker: Asker,
        key: ClientKey,
        found: Option<Found>,
        otherwise: Otherwise,
        out: &mut Vec<Effect>,
    ) {
        match (found, otherwise) {
            (Some(found), _) => {
                if let Found::Hold(held) = &found {
                    self.learn((**held).clone(), &[asker.conn], out);
                    self.look_for_holds(out);
                }
                self.tell_found(asker.conn, &key, &found, false, out);
            }
            (None, Otherwise::Refuse(refusal)) => {
                self.refuse(asker.conn, Some(key), refusal, out);
            }
            (None, Otherwise::Ask(ask)) => self.ask(asker.conn, &key, *ask, out),
        }
        self.answered(asker);
    }

    fn ask(&self, conn: ConnId, key: &ClientKey, ask: AskBack, out: &mut Vec<Effect>) {
        if let Some(card) = ask.card {
            self.lay_card(conn, card, out);
        }
        let frame = ServerFrame::Ask {
            key: key.as_str().to_owned(),
            room: self.room_text(),
            reason: ask.reason,
            text: self.facts.texts.ask(ask.reason),
            spans: ask.spans,
            masked: ask.masked,
        };
        self.send(conn, &frame, out);
    }

    pub(super) fn ack(
        &self,
        conn: ConnId,
        key: &ClientKey,
        seq: Seq,
        at: Millis,
        out: &mut Vec<Effect>,
    ) {
        let frame = ServerFrame::Acked {
            key: key.as_str().to_owned(),
            room: self.room_text(),
            seq: seq.get(),
            at: Time(at),
        };
        self.send(conn, &frame, out);
    }
}
