//! Waiting to come in: before the hour, at a door that was shut, and where nobody could be reached in need.

use std::collections::BTreeSet;

use super::{Asker, ConnId, Effect, Room, Who};
use crate::features::rooms::life::standing_at;
use crate::features::rooms::texts::WaitWhy;
use crate::platform::clock::Millis;
use crate::platform::ids::{ParticipantId, Seq};
use crate::protocol::{Admitted, EnterMode, RoomState, ServerFrame, Why};

/// How long a seat is kept for a writer who went, in milliseconds: lines break.
const SEAT_KEPT_MS: i64 = 600_000;

/// Somebody who waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) who: Who,
    mode: EnterMode,
    after: Option<Seq>,
    why: WaitWhy,
}

/// An `enter` that came while the one before it was not answered.
#[derive(Debug)]
pub(super) struct Again {
    asker: Asker,
    who: Who,
    mode: EnterMode,
    after: Option<Seq>,
}

impl Room {
    /// Each `enter` gets an answer of its own: one that comes while another is under way waits for it.
    pub(super) fn come(
        &mut self,
        asker: Asker,
        who: Who,
        mode: EnterMode,
        after: Option<Seq>,
        now: Millis,
        out: &mut Vec<Effect>,
    ) {
        if self.is_coming_in(asker.conn) || self.again.contains_key(&asker.conn) {
            let again = Again {
                asker,
                who,
                mode,
                after,
            };
            self.again
                .entry(again.asker.conn)
                .or_default()
                .push_back(again);
            return;
        }
        self.enter(asker, who, mode, after, now, out);
    }

    /// The next `enter` of whoever has come in meanwhile.
    pub(super) fn come_again(&mut self, now: Millis, out: &mut Vec<Effect>) {
        while let Some(conn) = self
            .again
            .keys()
            .copied()
            .find(|conn| !self.is_coming_in(*conn))
        {
            let next = self
                .again
                .get_mut(&conn)
                .and_then(|waits| waits.pop_front());
            if self.again.get(&conn).is_none_or(|waits| waits.is_empty()) {
                self.again.remove(&conn);
            }
            if let Some(Again {
                asker,
                who,
                mode,
                after,
            }) = next
            {
                self.enter(asker, who, mode, after, now, out);
                self.let_in(now, out);
            }
        }
    }

    /// Why somebody has to wait, if they have to. Whoever was in the room comes back into it.
    pub(super) fn waits_for(&self, who: &Who, mode: EnterMode, now: Millis) -> Option<WaitWhy> {
        if mode == EnterMode::Duty {
            return None;
        }
        let standing = standing_at(&self.seen.course(), &self.facts.grace, now)?;
        if standing.state == RoomState::DoorsOpen {
            return Some(WaitWhy::Doors);
        }
        let is_known = self.been_in.contains(&who.participant)
            || self.seen.people.admitted.contains(&who.participant)
            || self.n_written.contains_key(&who.participant);
        if is_known {
            None
        } else if standing.waits {
            Some(WaitWhy::OnCall)
        } else {
            self.seen.locked.then_some(WaitWhy::Locked)
        }
    }

    pub(super) fn wait(
        &mut self,
        asker: Asker,
        (who, mode, after): (Who, EnterMode, Option<Seq>),
        why: WaitWhy,
        out: &mut Vec<Effect>,
    ) {
        self.send_waiting(asker.conn, why, out);
        if self.members.remove(&asker.conn).is_some() {
            out.push(Effect::NotLive(asker.conn));
        }
        self.waiting.insert(
            asker.conn,
            Waiting {
                who,
                mode,
                after,
                why,
            },
        );
        self.answered(asker);
    }

    fn send_waiting(&self, conn: ConnId, why: WaitWhy, out: &mut Vec<Effect>) {
        let frame = ServerFrame::Waiting(Admitted {
            room: self.room_text(),
            text: self.facts.texts.wait(why),
        });
        self.send(conn, &frame, out);
    }

    /// Lets in those who need not wait any more, and tells the others where what they wait for has changed.
    pub(super) fn let_waiting_in(&mut self, now: Millis, out: &mut Vec<Effect>) {
        if self.waiting.is_empty() {
            return;
        }
        let (state, _) = self.standing(now);
        let is_shut = matches!(
            state,
            RoomState::Planned | RoomState::Closed | RoomState::Cancelled
        );
        if is_shut {
            // They are let go with everybody.
            return;
        }
        let conns: BTreeSet<ConnId> = self.waiting.keys().copied().collect();
        for conn in conns {
            let Some(waiting) = self.waiting.get(&conn) else {
                continue;
            };
            let before = waiting.why;
            match self.waits_for(&waiting.who, waiting.mode, now) {
                Some(why) if why == before => {}
                Some(why) => {
                    self.send_waiting(conn, why, out);
                    if let Some(waiting) = self.waiting.get_mut(&conn) {
                        waiting.why = why;
                    }
                }
                None => self.admit(conn, now, out),
            }
        }
    }

    fn admit(&mut self, conn: ConnId, now: Millis, out: &mut Vec<Effect>) {
        let Some(Waiting {
            who,
            mode,
            after,
            why,
        }) = self.waiting.remove(&conn)
        else {
            return;
        };
        self.send(
            conn,
            &ServerFrame::Admitted(Admitted {
                room: self.room_text(),
                text: self.facts.texts.admitted.clone(),
            }),
            out,
        );
        if why == WaitWhy::Doors && mode == EnterMode::Talk {
            // Whoever was here before the hour has a seat.
            self.writers.insert(who.participant.clone(), None);
        }
        self.go_inside(conn, who, mode, after, None, out);
        self.let_in(now, out);
    }

    /// A host lets in all who wait now.
    pub(super) fn admit_all_now(&mut self) {
        let all: Vec<ParticipantId> = self
            .waiting
            .values()
            .filter(|waiting| waiting.why != WaitWhy::Doors)
            .map(|waiting| waiting.who.participant.clone())
            .collect();
        self.been_in.extend(all);
    }

    /// Takes somebody out who is in the room or waits for it.
    pub(super) fn put_out(&mut self, conn: ConnId, why: Why, out: &mut Vec<Effect>) {
        self.waiting.remove(&conn);
        self.again.remove(&conn);
        self.members.remove(&conn);
        out.push(Effect::NotLive(conn));
        self.send(
            conn,
            &ServerFrame::Left {
                room: self.room_text(),
                why,
            },
            out,
        );
    }

    /// Whether somebody may write who has not written yet: seats are for writers, and readers are never bounded.
    pub(super) fn has_seat(&mut self, participant: &ParticipantId, now: Millis) -> bool {
        let seats = self
            .seen
            .gathering
            .details
            .seats
            .unwrap_or(self.facts.capacity);
        if seats == 0 || self.writers.contains_key(participant) {
            return true;
        }
        self.writers
            .retain(|_, left_at| left_at.is_none_or(|at| now.since_ms(at) < SEAT_KEPT_MS));
        self.writers.len() < seats as usize
    }

    pub(super) fn take_seat(&mut self, participant: &ParticipantId) {
        self.writers.insert(participant.clone(), None);
    }

    /// Their seat is kept for a while.
    pub(super) fn leave_seat(&mut self, participant: &ParticipantId, now: Millis) {
        let is_here = self
            .members
            .values()
            .any(|member| member.who.participant == *participant);
        if let Some(left_at) = self.writers.get_mut(participant) {
            *left_at = (!is_here).then_some(now);
        }
    }

    /// Whether the room is one that nobody is in any more.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.waiting.is_empty()
    }
}
