//! Saying something: looked up by its key first, kept before it is acknowledged, told after.

use super::{Asker, BUSY_RETRY_MS, ConnId, Effect, Kept, Pending, Refusal, Room, Which, Who};
use crate::features::rooms::line::{Content, NewLine, Proposed, Shows};
use crate::features::tally::Rung;
use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, ParticipantId, Seq};
use crate::protocol::{EnterMode, Form, Frame, RefusalCode, RoomState, ServerFrame, Time};

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
        let proposed = if entered {
            line.and_then(|proposed| self.may_say(&who, mode, proposed, now))
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
        let proposed = match proposed {
            Ok(proposed) => proposed,
            // The key is looked up before every other check, so the answer waits for the store.
            Err(refusal) => {
                return out.push(Effect::Look {
                    asker,
                    author: who.participant,
                    key,
                    refusal,
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
        self.queue.push(NewLine {
            author: who.participant,
            key,
            content: Content {
                body: proposed.body.as_str().to_owned(),
                name: who.name,
                duty: who.duty,
                note: proposed.note.map(|note| note.as_str().to_owned()),
                no_reply: proposed.no_reply,
                form: proposed.form,
            },
        });
        self.pending.insert(
            id,
            Pending {
                waiters: vec![asker],
                take_back: None,
            },
        );
        self.commit(out);
    }

    /// State, guard and pace, in the order in which a person would want to hear of them.
    fn may_say(
        &self,
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
    fn commit(&mut self, out: &mut Vec<Effect>) {
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
        // On the socket that said it, `acked` comes before `said`.
        for one in kept {
            let id = (one.author.clone(), one.key.clone());
            if let Some(pending) = self.pending.remove(&id) {
                for asker in pending.waiters {
                    self.ack(asker.conn, &one.key, one.seq, one.at, out);
                    self.answered(asker);
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
        self.look_for_missing(out);
        self.commit(out);
    }

    pub(super) fn looked(
        &mut self,
        asker: Asker,
        key: ClientKey,
        found: Option<(Seq, Millis)>,
        refusal: Refusal,
        out: &mut Vec<Effect>,
    ) {
        match found {
            Some((seq, at)) => self.ack(asker.conn, &key, seq, at, out),
            None => self.refuse(asker.conn, Some(key), refusal, out),
        }
        self.answered(asker);
    }

    fn ack(&self, conn: ConnId, key: &ClientKey, seq: Seq, at: Millis, out: &mut Vec<Effect>) {
        let frame = ServerFrame::Acked {
            key: key.as_str().to_owned(),
            room: self.room_text(),
            seq: seq.get(),
            at: Time(at),
        };
        self.send(conn, &frame, out);
    }
}
