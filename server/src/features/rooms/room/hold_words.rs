//! What is said of lines that wait: to their authors, and to those on duty.

use super::{Asker, ConnId, Effect, Phase, Room};
use crate::features::rooms::hold::{Found, Held};
use crate::features::rooms::texts::HoldStage;
use crate::platform::ids::{ClientKey, ParticipantId};
use crate::protocol::{
    CardKind, Frame, HoldEnd, HoldReason, RefusalCode, ReportReason, ServerFrame, WaitingLine,
};

impl Room {
    /// What stands under a key, to somebody who said it.
    pub(super) fn tell_found(
        &mut self,
        conn: ConnId,
        key: &ClientKey,
        found: &Found,
        is_new: bool,
        out: &mut Vec<Effect>,
    ) {
        let held = match found {
            Found::Line(seq, at) => return self.ack(conn, key, *seq, *at, out),
            Found::Hold(held) => held,
        };
        match (held.ended, held.seq) {
            (Some((_, at)), Some(seq)) => self.ack(conn, key, seq, at, out),
            (Some((how, _)), None) => {
                let end = (held.reason, how, self.holds.why(held));
                self.tell_end(conn, key, end, out);
            }
            (None, _) => {
                let card = held.words.as_ref().and_then(|words| words.card);
                // Whoever may be in danger is given it again with every answer: the first may have been lost.
                if let Some(card) = card.filter(|_| is_new || held.reason == HoldReason::Risk) {
                    self.lay_card(conn, card, out);
                }
                self.tell_held(conn, held, out);
            }
        }
    }

    /// All sockets of somebody who is in the room, and those that wait.
    pub(super) fn conns_of(&self, author: &ParticipantId, waiters: &[Asker]) -> Vec<ConnId> {
        let mut conns: Vec<ConnId> = self
            .members
            .iter()
            .filter(|(_, member)| member.who.participant == *author)
            .map(|(conn, _)| *conn)
            .chain(waiters.iter().map(|waiter| waiter.conn))
            .collect();
        conns.sort_unstable();
        conns.dedup();
        conns
    }

    /// To all who are on duty here and have been told that they are in.
    pub(super) fn to_duty(&self, frame: &ServerFrame, out: &mut Vec<Effect>) {
        let mut conns: Vec<ConnId> = self
            .members
            .iter()
            .filter(|(_, member)| {
                member.who.duty.is_some()
                    && matches!(member.phase, Phase::Live | Phase::CatchingUp { .. })
            })
            .map(|(conn, _)| *conn)
            .collect();
        if conns.is_empty() {
            return;
        }
        conns.sort_unstable();
        let frame = Frame::of(frame);
        out.extend(conns.into_iter().map(|conn| Effect::Send {
            conn,
            frame: frame.clone(),
        }));
    }

    /// What waits here, for somebody who comes on duty: as many as leave room in an outbox, the rest once these have left.
    pub(super) fn tell_holds(&mut self, conn: ConnId, from: i64, out: &mut Vec<Effect>) {
        let at_once = (self.facts.page_frames / 2).max(1);
        let mut waiting = self.holds.waiting().filter(|held| held.n >= from);
        let now: Vec<ServerFrame> = waiting
            .by_ref()
            .take(at_once)
            .filter_map(|held| self.hold_frame(held))
            .collect();
        let next = waiting.next().map(|held| held.n);
        for frame in &now {
            self.send(conn, frame, out);
        }
        if next.is_some()
            && let Some(member) = self.members.get_mut(&conn)
        {
            member.holds_from = next;
            out.push(Effect::Mark(conn));
        }
    }

    /// Somebody's own lines that wait.
    pub(super) fn waiting_lines(&self, author: &ParticipantId) -> Vec<WaitingLine> {
        self.holds
            .waiting()
            .filter(|held| held.author == *author)
            .filter_map(|held| {
                Some(WaitingLine {
                    key: held.key.as_str().to_owned(),
                    body: held.words.as_ref()?.content.body.clone(),
                    reason: held.reason,
                })
            })
            .collect()
    }

    pub(super) fn hold_frame(&self, held: &Held) -> Option<ServerFrame> {
        held.frame(&self.facts.room)
    }

    pub(super) fn tell_held(&self, conn: ConnId, held: &Held, out: &mut Vec<Effect>) {
        let stage = if held.looked {
            HoldStage::Looked
        } else if held.told {
            HoldStage::Told
        } else {
            HoldStage::Waits
        };
        let frame = ServerFrame::Held {
            key: held.key.as_str().to_owned(),
            room: self.room_text(),
            reason: held.reason,
            text: self.facts.texts.hold(held.reason, stage),
        };
        self.send(conn, &frame, out);
    }

    /// That a held line ended without passing, and why: as those on duty said it, else as it was held.
    pub(super) fn tell_end(
        &self,
        conn: ConnId,
        key: &ClientKey,
        (reason, how, why): (HoldReason, HoldEnd, Option<ReportReason>),
        out: &mut Vec<Effect>,
    ) {
        let texts = &self.facts.texts;
        let (code, text) = match how {
            HoldEnd::Closed => {
                let code = RefusalCode::RoomClosed;
                (code, texts.refusal(code))
            }
            HoldEnd::Withdrawn => (RefusalCode::Rejected, texts.withdrawn.clone()),
            HoldEnd::Rejected | HoldEnd::Approved | HoldEnd::Passed => (
                RefusalCode::Rejected,
                why.and_then(|why| texts.rejected.get(&why).cloned())
                    .unwrap_or_else(|| texts.hold(reason, HoldStage::Rejected)),
            ),
        };
        let frame = ServerFrame::Refused {
            key: Some(key.as_str().to_owned()),
            room: Some(self.room_text()),
            code,
            text,
            retry_after_ms: None,
        };
        self.send(conn, &frame, out);
    }

    /// A card, to one person alone.
    pub(super) fn lay_card(&self, conn: ConnId, card: CardKind, out: &mut Vec<Effect>) {
        if let Some(card_at) = self.facts.texts.card {
            self.send(conn, &card_at(card, self.now), out);
        }
    }
}
