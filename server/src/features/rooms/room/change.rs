//! What happens to lines that are there: taken back, closed, opened again, stamped.

use std::sync::Arc;

use super::{Asker, Changed, ConnId, Effect, Phase, Refusal, Room, Which};
use crate::features::audit::Entry;
use crate::features::rooms::line::{Line, Shows};
use crate::features::tally::Rung;
use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, ParticipantId, Seq};
use crate::protocol::{Frame, RefusalCode, RoomState, ServerFrame, StampKind};

impl Room {
    pub(super) fn unsay(
        &mut self,
        asker: Asker,
        participant: ParticipantId,
        which: Which,
        now: Millis,
        out: &mut Vec<Effect>,
    ) {
        if matches!(
            self.standing(now).0,
            RoomState::Planned | RoomState::Cancelled
        ) {
            self.refuse(asker.conn, None, RefusalCode::NotAllowed.into(), out);
            return self.answered(asker);
        }
        if let Which::Key(key) = &which
            && let Some(pending) = self.pending.get_mut(&(participant.clone(), key.clone()))
        {
            pending.take_back = Some(asker);
            return;
        }
        let asker = match &which {
            Which::Key(key) => match self.unsay_held(asker, &participant, key, out) {
                Some(asker) => asker,
                None => return,
            },
            Which::Seq(_) => asker,
        };
        out.push(Effect::Change {
            asker,
            key: None,
            which,
            author: Some(participant),
            to: Shows::TakenBack,
            entry: None,
        });
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one input, taken apart in one place"
    )]
    pub(super) fn measure(
        &mut self,
        asker: Asker,
        key: ClientKey,
        seq: Seq,
        to: Shows,
        entry: Entry,
        now: Millis,
        out: &mut Vec<Effect>,
    ) {
        let Some(asker) = self.may_measure(asker, &key, now, out) else {
            return;
        };
        out.push(Effect::Change {
            asker,
            key: Some(key),
            which: Which::Seq(seq),
            author: None,
            to,
            entry: Some(entry),
        });
    }

    /// Gives the asker back where the room stands so that measures are taken, and they are in it.
    pub(super) fn may_measure(
        &mut self,
        asker: Asker,
        key: &ClientKey,
        now: Millis,
        out: &mut Vec<Effect>,
    ) -> Option<Asker> {
        let refusal = match self.standing(now).0 {
            RoomState::Planned | RoomState::Closed | RoomState::Cancelled => {
                Some(RefusalCode::RoomClosed)
            }
            RoomState::DoorsOpen
            | RoomState::Open
            | RoomState::Paused
            | RoomState::LastCall
            | RoomState::Afterglow => {
                (!self.members.contains_key(&asker.conn)).then_some(RefusalCode::NotEntered)
            }
        };
        let Some(code) = refusal else {
            return Some(asker);
        };
        self.refuse(asker.conn, Some(key.clone()), code.into(), out);
        self.answered(asker);
        None
    }

    pub(super) fn change_done(
        &mut self,
        asker: Asker,
        key: Option<ClientKey>,
        outcome: Result<(), Refusal>,
        out: &mut Vec<Effect>,
    ) {
        match (outcome, key) {
            (Err(refusal), key) => self.refuse(asker.conn, key, refusal, out),
            (Ok(()), Some(key)) => {
                self.send(
                    asker.conn,
                    &ServerFrame::Done {
                        key: key.as_str().to_owned(),
                    },
                    out,
                );
            }
            (Ok(()), None) => {}
        }
        self.answered(asker);
    }

    /// Lines changed in the store, by this node or another. A member hears only of numbers they were given.
    pub(super) fn changed(
        &mut self,
        changes: &[Changed],
        complete_to: Option<i64>,
        lines: &[Arc<Line>],
        out: &mut Vec<Effect>,
    ) {
        for change in changes {
            if self
                .changed
                .get(&change.seq)
                .is_some_and(|known| known.n >= change.n)
            {
                continue;
            }
            let with_words = lines
                .iter()
                .find(|line| line.seq == change.seq)
                .filter(|line| line.content.is_some());
            let idx = self.in_ring(change.seq);
            let has_words =
                with_words.is_some() || idx.is_some_and(|idx| self.ring[idx].content.is_some());
            if change.shows == Shows::Yes && !has_words && complete_to.is_none() {
                // Its words could not be read; the next look brings the change again.
                continue;
            }
            self.changed.insert(change.seq, *change);
            // One that follows what is known leaves nothing out; any other waits for the look that reads them all.
            if change.n == self.seen.n_changes + 1 {
                self.seen.n_changes = change.n;
            }
            if change.seq > self.head {
                // Not told yet: it will be told as it is then.
                continue;
            }
            let Some(idx) = idx else {
                self.tell_change(change, with_words, out);
                continue;
            };
            if self.ring[idx].shows != change.shows {
                self.ring[idx] = changed_line(&self.ring[idx], change.shows, with_words);
            }
            // Told also where the ring has it so already: what was read for one member may have been older or newer.
            let line = Arc::clone(&self.ring[idx]);
            self.tell_change(change, Some(&line), out);
        }
        if let Some(n_changes) = complete_to {
            self.loading_changes = false;
            let came_further = n_changes > self.seen.n_changes;
            self.seen.n_changes = self.seen.n_changes.max(n_changes);
            // More may have changed since that was read. One that failed is for the next look.
            if came_further {
                self.look_for_changes(out);
            }
        }
    }

    /// A line that was read or heard of, with the newest change of it that is known.
    pub(super) fn as_changed(&self, line: Arc<Line>) -> Arc<Line> {
        match self.changed.get(&line.seq) {
            Some(change) if change.shows != line.shows && line.shows != Shows::Gone => {
                changed_line(&line, change.shows, Some(&line))
            }
            Some(_) | None => line,
        }
    }

    fn tell_change(&self, change: &Changed, line: Option<&Arc<Line>>, out: &mut Vec<Effect>) {
        // Words that were read late can be hidden again, or taken back: that is told in its turn.
        let line = line.filter(|line| line.shows == Shows::Yes && line.content.is_some());
        let frame = match (change.shows, line) {
            (Shows::Yes, Some(line)) => ServerFrame::Shown {
                room: self.room_text(),
                seq: change.seq.get(),
                line: Box::new(line.frame(&self.facts.room)),
            },
            (Shows::Yes, None) => return,
            (Shows::Hidden | Shows::TakenBack | Shows::Gone, _) => ServerFrame::Hidden {
                room: self.room_text(),
                seq: change.seq.get(),
            },
        };
        let frame = Frame::of(&frame);
        // Somebody who is still catching up was told of this line, but does not get yet what goes to all.
        for (conn, member) in &self.members {
            if matches!(member.phase, Phase::CatchingUp { next, .. } if change.seq < next) {
                out.push(Effect::Send {
                    conn: *conn,
                    frame: frame.clone(),
                });
            }
        }
        out.push(Effect::All(frame));
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one input, taken apart in one place"
    )]
    pub(super) fn stamp(
        &mut self,
        conn: ConnId,
        participant: ParticipantId,
        seq: Seq,
        stamp: StampKind,
        on: bool,
        by_form: bool,
        now: Millis,
        out: &mut Vec<Effect>,
    ) {
        if !by_form && !self.members.contains_key(&conn) {
            return self.refuse(conn, None, RefusalCode::NotEntered.into(), out);
        }
        let on_duty = self
            .members
            .get(&conn)
            .is_some_and(|member| member.who.duty.is_some());
        let code = match self.standing(now).0 {
            RoomState::Open | RoomState::LastCall | RoomState::Afterglow => {
                (self.seen.guard >= 4 && !on_duty).then_some(RefusalCode::Listening)
            }
            RoomState::Paused => Some(RefusalCode::RoomPaused),
            RoomState::DoorsOpen => Some(RefusalCode::NotEntered),
            RoomState::Planned | RoomState::Closed | RoomState::Cancelled => {
                Some(RefusalCode::RoomClosed)
            }
        };
        if let Some(code) = code {
            return self.refuse(conn, None, code.into(), out);
        }
        // A stamp is for lines one can see; what is further back than the ring is not on any page.
        let Some(idx) = self
            .in_ring(seq)
            .filter(|idx| self.ring[*idx].shows == Shows::Yes)
        else {
            return self.refuse(conn, None, RefusalCode::NotAllowed.into(), out);
        };
        let mut line = Line::clone(&self.ring[idx]);
        let changed = if on {
            line.stamps.insert((stamp, participant.clone()))
        } else {
            line.stamps.remove(&(stamp, participant.clone()))
        };
        if changed {
            if on && !on_duty {
                self.came(&participant, Rung::Stamp, out);
            }
            out.push(Effect::KeepStamp {
                seq,
                author: participant,
                stamp,
                on,
            });
            self.ring[idx] = Arc::new(line);
        }
        let frame = ServerFrame::Stamped {
            room: self.room_text(),
            seq: seq.get(),
            stamps: self.ring[idx].stamps_present(),
        };
        let frame = Frame::of(&frame);
        if changed {
            out.push(Effect::All(frame))
        } else {
            out.push(Effect::Send { conn, frame })
        }
    }

    pub(super) fn lamp(&mut self, conn: ConnId, on: bool, out: &mut Vec<Effect>) {
        match self.members.get_mut(&conn) {
            None => self.refuse(conn, None, RefusalCode::NotEntered.into(), out),
            Some(member) => {
                member.lamp = on;
                if on && member.who.duty.is_none() {
                    let participant = member.who.participant.clone();
                    self.came(&participant, Rung::Lamp, out);
                }
            }
        }
    }
}

fn changed_line(line: &Arc<Line>, shows: Shows, with_words: Option<&Arc<Line>>) -> Arc<Line> {
    let mut changed = Line::clone(line);
    changed.shows = shows;
    match shows {
        // Taken back means that no memory holds the words either.
        Shows::TakenBack | Shows::Gone => changed.content = None,
        Shows::Yes | Shows::Hidden => {
            if changed.content.is_none() {
                changed.content = with_words.and_then(|line| line.content.clone());
            }
        }
    }
    Arc::new(changed)
}
