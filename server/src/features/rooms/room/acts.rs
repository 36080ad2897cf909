//! What a human does to the room as a whole: asked for here, written down beside the room, known by the next look.

use super::{Asker, Effect, Pending, Refusal, Room};
use crate::features::audit::Entry;
use crate::features::rooms::act::RoomAct;
use crate::features::rooms::body::Body;
use crate::features::rooms::line::{Content, NewLine, ROOM_ITSELF};
use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, ParticipantId};
use crate::protocol::{Form, MeasureKind, ServerFrame, Why};

/// Keys of acts that are remembered, so that a repeat does nothing twice.
const ACTED_MAX: usize = 256;

impl Room {
    pub(super) fn act(
        &mut self,
        asker: Asker,
        key: ClientKey,
        act: RoomAct,
        entry: Entry,
        now: Millis,
        out: &mut Vec<Effect>,
    ) {
        let Some(asker) = self.may_measure(asker, &key, now, out) else {
            return;
        };
        let Some(by) = self
            .members
            .get(&asker.conn)
            .map(|member| member.who.participant.clone())
        else {
            return self.answered(asker);
        };
        let id = (by.clone(), key);
        if self.acted.contains(&id) || self.known.contains_key(&id) {
            self.done(&asker, &id.1, out);
            return self.answered(asker);
        }
        let (_, key) = id;
        out.push(Effect::Act {
            asker,
            key,
            by,
            act,
            entry,
        });
    }

    pub(super) fn acted(
        &mut self,
        asker: Asker,
        (by, key): (ParticipantId, ClientKey),
        act: RoomAct,
        outcome: Result<(), Refusal>,
        out: &mut Vec<Effect>,
    ) {
        match (outcome, act) {
            (Err(refusal), _) => self.refuse(asker.conn, Some(key), refusal, out),
            (Ok(()), RoomAct::Notice(body)) => return self.say_notice(asker, by, key, body, out),
            (Ok(()), _) => {
                self.done(&asker, &key, out);
                self.acted.push_back((by, key));
                if self.acted.len() > ACTED_MAX {
                    self.acted.pop_front();
                }
            }
        }
        self.answered(asker);
    }

    pub(super) fn done(&self, asker: &Asker, key: &ClientKey, out: &mut Vec<Effect>) {
        let frame = ServerFrame::Done {
            key: key.as_str().to_owned(),
        };
        self.send(asker.conn, &frame, out);
    }

    /// A line that the room says because somebody on duty asked for it. It is kept as any line.
    fn say_notice(
        &mut self,
        asker: Asker,
        by: ParticipantId,
        key: ClientKey,
        body: Body,
        out: &mut Vec<Effect>,
    ) {
        let id = (by, key);
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.waiters.push(asker);
            return;
        }
        self.pending.insert(
            id.clone(),
            Pending {
                waiters: vec![asker],
                take_back: None,
                card: None,
                mark: None,
                waits: None,
                by_measure: true,
            },
        );
        let (author, key) = id;
        self.say_by_room(author, key, Form::Word, body.as_str().to_owned(), out);
    }

    /// A line on the time. Its key says which, so that it is said once, whoever says it.
    pub(super) fn announce(&mut self, key: ClientKey, body: String, out: &mut Vec<Effect>) {
        let Some(author) = ParticipantId::parse(ROOM_ITSELF) else {
            return;
        };
        if self.known.contains_key(&(author.clone(), key.clone())) {
            return;
        }
        self.say_by_room(author, key, Form::Time, body, out);
    }

    fn say_by_room(
        &mut self,
        author: ParticipantId,
        key: ClientKey,
        form: Form,
        body: String,
        out: &mut Vec<Effect>,
    ) {
        self.queue.push(NewLine {
            author,
            key,
            content: Content {
                body,
                name: String::new(),
                duty: None,
                note: None,
                no_reply: false,
                form: Some(form),
                by_room: true,
            },
        });
        self.commit(out);
    }

    /// Tells whoever was taken to the other side, and lets them go from here.
    pub(super) fn let_go_of_moved(&mut self, out: &mut Vec<Effect>) {
        if self.seen.people.moved.is_empty() {
            return;
        }
        let moved = &self.seen.people.moved;
        let mut gone: Vec<_> = self
            .members
            .iter()
            .filter(|(_, member)| moved.contains(&member.who.participant))
            .map(|(conn, _)| *conn)
            .collect();
        gone.extend(
            self.waiting
                .iter()
                .filter(|(_, waiting)| moved.contains(&waiting.who.participant))
                .map(|(conn, _)| *conn),
        );
        for conn in gone {
            self.send(
                conn,
                &ServerFrame::Measured {
                    room: Some(self.room_text()),
                    measure: format!("{}-side", self.facts.room.as_str()),
                    kind: MeasureKind::MoveSide,
                    text: self.facts.texts.moved.clone(),
                    until: None,
                    reason: String::new(),
                    appeal: true,
                },
                out,
            );
            self.put_out(conn, Why::Removed, out);
        }
    }
}
