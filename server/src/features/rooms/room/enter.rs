//! Coming in, coming back, going.

use std::sync::Arc;

use super::{Asker, ConnId, Effect, Member, NEWEST_LINES, PAGE_LINES, Phase, Room, Who};
use crate::features::rooms::line::{Line, Shows};
use crate::features::rooms::ticket::Ticket;
use crate::features::tally::Rung;
use crate::platform::clock::Millis;
use crate::platform::ids::Seq;
use crate::protocol::{
    EnterMode, Entered, Frame, Gap, RefusalCode, RoomOut, RoomState, ServerFrame, Time, Why,
    YouInRoom,
};

impl Room {
    pub(super) fn enter(
        &mut self,
        asker: Asker,
        who: Who,
        mode: EnterMode,
        after: Option<Seq>,
        now: Millis,
        out: &mut Vec<Effect>,
    ) {
        let conn = asker.conn;
        self.waiting.remove(&conn);
        match self.standing(now).0 {
            RoomState::Planned | RoomState::Closed | RoomState::Cancelled => {
                self.refuse(conn, None, RefusalCode::RoomClosed.into(), out);
                return self.answered(asker);
            }
            RoomState::DoorsOpen
            | RoomState::Open
            | RoomState::Paused
            | RoomState::LastCall
            | RoomState::Afterglow => {}
        }
        if self.seen.people.moved.contains(&who.participant) {
            self.refuse(conn, None, RefusalCode::NotAllowed.into(), out);
            return self.answered(asker);
        }
        if let Some(why) = self.waits_for(&who, mode, now) {
            return self.wait(asker, (who, mode, after), why, out);
        }
        self.go_inside(conn, who, mode, after, Some(asker.ticket), out);
    }

    /// Somebody who may come in does.
    pub(super) fn go_inside(
        &mut self,
        conn: ConnId,
        who: Who,
        mode: EnterMode,
        after: Option<Seq>,
        ticket: Option<Ticket>,
        out: &mut Vec<Effect>,
    ) {
        let lamp = self.members.get(&conn).is_some_and(|member| member.lamp);
        if mode != EnterMode::Duty {
            self.came(&who.participant, Rung::Here, out);
            self.been_in.insert(who.participant.clone());
        }
        if let Some(left_at) = self.writers.get_mut(&who.participant) {
            *left_at = None;
        }
        out.push(Effect::NotLive(conn));
        self.members.insert(
            conn,
            Member {
                who,
                mode,
                lamp,
                holds_from: None,
                phase: Phase::Arriving { after, ticket },
            },
        );
        self.arrive(conn);
    }

    /// Whether an `enter` of theirs is not answered yet.
    pub(super) fn is_coming_in(&self, conn: ConnId) -> bool {
        matches!(
            self.members.get(&conn).map(|member| &member.phase),
            Some(Phase::Arriving { .. } | Phase::Entering { .. })
        )
    }

    /// Tells somebody who arrives what they missed, as the room knows it now.
    pub(super) fn go_in(&mut self, conn: ConnId, now: Millis, out: &mut Vec<Effect>) {
        let newest = Seq((self.head.get() - NEWEST_LINES + 1).max(1));
        let Some(member) = self.members.get_mut(&conn) else {
            return;
        };
        let Phase::Arriving { after, ticket } = &member.phase else {
            return;
        };
        let from = match *after {
            Some(after) if after <= self.head => after.next(),
            Some(_) | None => newest,
        };
        let ticket = ticket.clone();
        member.phase = Phase::Entering { from, ticket };
        let to = self.head.min(from.plus(PAGE_LINES - 1));
        if let Some(lines) = self.ring_lines(from, to) {
            self.entered(conn, from, lines, now, out);
        } else {
            out.push(Effect::Load {
                conn: Some(conn),
                from,
                to,
            });
        }
    }

    /// The lines of the ring from `from` to `to`, if it reaches back so far. Nothing at all is a reach too.
    fn ring_lines(&self, from: Seq, to: Seq) -> Option<Vec<Arc<Line>>> {
        if from > to {
            return Some(Vec::new());
        }
        let first = self.in_ring(from)?;
        let last = self.in_ring(to)?;
        Some(self.ring.range(first..=last).cloned().collect())
    }

    /// Lines for one member have been read.
    pub(super) fn loaded_for(
        &mut self,
        conn: ConnId,
        from: Seq,
        lines: Vec<Arc<Line>>,
        now: Millis,
        out: &mut Vec<Effect>,
    ) {
        let lines: Vec<Arc<Line>> = lines
            .into_iter()
            .map(|line| self.as_changed(line))
            .collect();
        match self.members.get(&conn).map(|member| &member.phase) {
            Some(Phase::Entering { from: wanted, .. }) if *wanted == from => {
                self.entered(conn, from, lines, now, out)
            }
            Some(Phase::CatchingUp { next, .. }) if *next == from => {
                self.page(conn, from, &lines, out)
            }
            // Gone, or entered anew meanwhile: what was read is for nobody.
            Some(
                Phase::Arriving { .. }
                | Phase::Entering { .. }
                | Phase::CatchingUp { .. }
                | Phase::Live,
            )
            | None => {}
        }
    }

    fn entered(
        &mut self,
        conn: ConnId,
        from: Seq,
        lines: Vec<Arc<Line>>,
        now: Millis,
        out: &mut Vec<Effect>,
    ) {
        let Some(member) = self.members.get(&conn) else {
            return;
        };
        let you = YouInRoom {
            id: member.who.participant.as_str().to_owned(),
            name: member.who.name.clone(),
        };
        let waiting_lines = self.waiting_lines(&member.who.participant);
        let is_on_duty = member.who.duty.is_some();
        // What cannot be opened any more, or is not there, is named, never passed over.
        let last_gone = lines.iter().rposition(|line| line.shows == Shows::Gone);
        let readable = last_gone.map_or(&lines[..], |idx| &lines[idx + 1..]);
        let first_told = readable.first().map_or_else(
            || {
                lines
                    .last()
                    .map_or(self.head.next(), |line| line.seq.next())
            },
            |line| line.seq,
        );
        let gap = (first_told > from && from <= self.head).then(|| Gap {
            from: from.get(),
            to: first_told.get() - 1,
        });
        let next = lines.last().map_or(first_told, |line| line.seq.next());
        let entered = Entered {
            room: self.room_text(),
            epoch: self.facts.epoch.as_str().to_owned(),
            you,
            readers: self.facts.readers.clone(),
            forgets_at: Time(self.seen.gathering.forgets),
            title: self.seen.gathering.title.clone(),
            kind: self.seen.gathering.kind,
            audience: self.seen.gathering.audience,
            head: self.head_now(now),
            messages: readable
                .iter()
                .map(|line| line.frame(&self.facts.room))
                .collect(),
            last_seq: self.head.get(),
            gap,
            waiting_lines,
        };
        out.push(Effect::SendEntered {
            conn,
            frame: Frame::of(&ServerFrame::Entered(Box::new(entered))),
        });
        if is_on_duty {
            self.tell_holds(conn, 0, out);
        }
        self.follow(conn, next, out);
    }

    /// Live if nothing is left to tell; else the next page once this one has left, so that an outbox never overflows.
    fn follow(&mut self, conn: ConnId, next: Seq, out: &mut Vec<Effect>) {
        let up_to_date = next > self.head;
        let Some(member) = self.members.get_mut(&conn) else {
            return;
        };
        let (ticket, caught_up) = match std::mem::replace(&mut member.phase, Phase::Live) {
            Phase::Arriving { ticket, .. } | Phase::Entering { ticket, .. } => (ticket, false),
            Phase::CatchingUp { ticket, .. } => (ticket, true),
            Phase::Live => return,
        };
        if up_to_date {
            out.push(Effect::Live(conn));
            self.answered.extend(ticket);
            if let (true, Some(head)) = (caught_up, self.told.clone()) {
                // What changed in the room meanwhile went to all, and not to this one.
                self.send(
                    conn,
                    &ServerFrame::Room(RoomOut {
                        room: self.room_text(),
                        head,
                    }),
                    out,
                );
            }
        } else {
            member.phase = Phase::CatchingUp { next, ticket };
            out.push(Effect::Mark(conn));
        }
    }

    pub(super) fn flushed(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        if let Some(from) = self
            .members
            .get_mut(&conn)
            .and_then(|member| member.holds_from.take())
        {
            self.tell_holds(conn, from, out);
        }
        let Some(&Phase::CatchingUp { next, .. }) =
            self.members.get(&conn).map(|member| &member.phase)
        else {
            return;
        };
        let to = self.head.min(next.plus(PAGE_LINES - 1));
        if let Some(lines) = self.ring_lines(next, to) {
            self.page(conn, next, &lines, out);
        } else {
            out.push(Effect::Load {
                conn: Some(conn),
                from: next,
                to,
            });
        }
    }

    /// Tells as many lines as half an outbox holds; the rest follows when these have left.
    fn page(&mut self, conn: ConnId, from: Seq, lines: &[Arc<Line>], out: &mut Vec<Effect>) {
        let mut next = from;
        let mut n_bytes = 0;
        for line in lines.iter().take(self.facts.page_frames.max(1)) {
            let frame = Frame::of(&line.frame(&self.facts.room));
            n_bytes += frame.n_bytes();
            if next > from && n_bytes > self.facts.page_bytes {
                break;
            }
            next = line.seq.next();
            out.push(Effect::Send { conn, frame });
        }
        self.follow(conn, next, out);
    }

    pub(super) fn leave(&mut self, conn: ConnId, now: Millis, out: &mut Vec<Effect>) {
        let n_unanswered = usize::from(self.is_coming_in(conn))
            + self.again.remove(&conn).map_or(0, |again| again.len());
        let waited = self.waiting.remove(&conn).is_some();
        let member = self.members.remove(&conn);
        if !waited && member.is_none() {
            return self.refuse(conn, None, RefusalCode::NotEntered.into(), out);
        }
        for _ in 0..n_unanswered {
            // They are gone before they were in; each of their words gets its answer.
            self.refuse(conn, None, RefusalCode::NotEntered.into(), out);
        }
        self.put_out(conn, Why::You, out);
        if let Some(member) = member {
            self.leave_seat(&member.who.participant, now);
        }
    }

    pub(super) fn gone(&mut self, conn: ConnId, now: Millis) {
        self.waiting.remove(&conn);
        self.again.remove(&conn);
        if let Some(member) = self.members.remove(&conn) {
            self.leave_seat(&member.who.participant, now);
        }
        for pending in self.pending.values_mut() {
            pending.waiters.retain(|waiter| waiter.conn != conn);
        }
    }
}
