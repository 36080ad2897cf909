//! The one place that knows how a room is spoken to: inputs in, effects out, in the simulation's own terms.

use std::sync::Arc;

use super::store::{ChangeRow, KeptRow, Snapshot};
use crate::features::audit::Entry;
use crate::features::gatherings::Gathering;
use crate::features::rooms::body::Body;
use moderation::Category;

use crate::features::rooms::hold::{Found, Held, HoldAct, HoldCame, HoldKept, NewHold, WhichHold};
use crate::features::rooms::life::testing::PLAIN;
use crate::features::rooms::life::{AttendedUntil, Grace, OnCallUntil};
use crate::features::rooms::line::{Line, NewLine, Proposed, Shows};
use crate::features::rooms::outbox::Outbox;
use crate::features::rooms::policy::Assessed;
use crate::features::rooms::reading::elsewhere;
use crate::features::rooms::room::{
    Asker, Changed, ConnId, Effect, Facts, HoldAsked, HoldTimes, Input, Kept, Otherwise, Refusal,
    Room, Seen, Which, Who,
};
use crate::features::rooms::ticket::Tickets;
use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, EpochId, HoldId, ParticipantId, RoomId, Seq};
use crate::protocol::{
    Audience, Duty, EnterMode, EntryKind, Frame, GatheringKind, HoldEnd, OnDuty, RefusalCode,
    StampKind,
};

/// Who somebody is in the room.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) on_duty: bool,
}

/// A connection that waits for an answer, with what is held for it.
#[derive(Clone, Debug)]
pub(super) struct Asked(Asker);

/// What a room is told.
#[derive(Debug)]
pub(super) enum Told {
    Enter {
        conn: u64,
        who: Person,
        after: Option<i64>,
    },
    Leave {
        conn: u64,
    },
    Gone {
        conn: u64,
    },
    Say {
        conn: u64,
        who: Person,
        key: String,
        body: String,
        by_form: bool,
    },
    Unsay {
        conn: u64,
        who: Person,
        which: WhichLine,
    },
    Stamp {
        conn: u64,
        who: Person,
        seq: i64,
        on: bool,
    },
    Lamp {
        conn: u64,
        on: bool,
    },
    Measure {
        conn: u64,
        key: String,
        seq: i64,
        to: Shows,
    },
    Looked {
        look: Look,
        found: Option<Found>,
        works: bool,
    },
    Kept(Vec<KeptRow>),
    NotKept(Vec<(ParticipantId, ClientKey)>),
    Loaded {
        conn: Option<u64>,
        from: Seq,
        lines: Vec<Arc<Line>>,
    },
    NotLoaded {
        conn: Option<u64>,
    },
    Flushed {
        conn: u64,
    },
    Changed {
        rows: Vec<ChangeRow>,
        complete_to: Option<i64>,
        lines: Vec<Arc<Line>>,
    },
    ChangeDone {
        asked: Asked,
        key: Option<ClientKey>,
        came: Result<(), RefusalCode>,
    },
    HoldsKept(Vec<HoldKept>),
    HoldsNotKept(Vec<(ParticipantId, ClientKey)>),
    HoldCame {
        doing: Doing,
        came: HoldCame,
    },
    Holds {
        rows: Option<Vec<Held>>,
        complete_to: i64,
    },
    MeasureHold {
        conn: u64,
        key: String,
        hold: String,
        act: HoldAct,
    },
    /// Frames that another node published.
    Elsewhere {
        frames: Vec<String>,
    },
    Seen {
        snapshot: Snapshot,
        ahead_ms: i64,
    },
    Tick,
}

/// A line by its number or its key.
#[derive(Clone, Debug)]
pub(super) enum WhichLine {
    Seq(i64),
    Key(String),
}

/// A key to be looked up.
#[derive(Clone, Debug)]
pub(super) struct Look {
    asked: Asked,
    pub(super) author: ParticipantId,
    pub(super) key: ClientKey,
    otherwise: Otherwise,
}

/// A line to be shown or not.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) asked: Asked,
    pub(super) key: Option<ClientKey>,
    pub(super) which: WhichLine,
    pub(super) author: Option<ParticipantId>,
    pub(super) to: Shows,
}

/// Something to be done to a hold.
#[derive(Debug)]
pub(super) struct Doing {
    pub(super) which: WhichHold,
    pub(super) act: HoldAct,
    pub(super) asked: Option<HoldAsked>,
}

impl Doing {
    /// A line was to be taken back by its key, and there is none: it may wait.
    pub(super) fn taken_back(asked: Asked, author: ParticipantId, key: &str) -> Self {
        Self {
            which: WhichHold::Of(author, client_key(key)),
            act: HoldAct::End(HoldEnd::Withdrawn),
            asked: Some(HoldAsked {
                asker: asked.0,
                key: None,
            }),
        }
    }
}

/// What a room wants done.
#[derive(Debug)]
pub(super) enum Act {
    KeepHold(NewHold),
    Hold(Doing),
    LoadHolds {
        after: i64,
    },
    Send {
        conn: u64,
        frame: Frame,
    },
    All(Frame),
    Live(u64),
    NotLive(u64),
    Mark(u64),
    Commit(Vec<NewLine>),
    Look(Look),
    Load {
        conn: Option<u64>,
        from: Seq,
        to: Seq,
    },
    Change(Change),
    LoadChanges {
        after: i64,
    },
    KeepStamp {
        seq: Seq,
        author: ParticipantId,
        stamp: StampKind,
        on: bool,
    },
    /// The frames that go to the other nodes.
    Publish(Vec<String>),
}

/// How big things are in a room, and when it slows and pauses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) ring_lines: usize,
    pub(super) page_frames: usize,
    pub(super) slow_after_ms: i64,
    pub(super) slow_ms: u32,
    pub(super) pause_after_ms: i64,
}

/// A room on one node.
pub(super) struct Hosted {
    room: Room,
    tickets: Tickets,
}

impl Hosted {
    pub(super) fn new(
        sizes: &Sizes,
        epoch: u32,
        snapshot: &Snapshot,
        ahead_ms: i64,
        lines: Vec<Arc<Line>>,
        holds: Vec<Held>,
        now: Millis,
    ) -> Self {
        let facts = Facts {
            room: room_id(),
            epoch: EpochId::parse(&format!("e{epoch}")).expect("an id"),
            readers: Vec::new(),
            texts: Arc::default(),
            grace: Grace {
                slow_after_ms: sizes.slow_after_ms,
                slow_ms: sizes.slow_ms,
                pause_after_ms: sizes.pause_after_ms,
                ..PLAIN
            },
            holds: HoldTimes {
                newcomer_lines: 3,
                newcomer_ms: 1_500,
                risk_told_ms: 120_000,
                told_ms: 240_000,
            },
            capacity: 0,
            about_every_ms: 60_000,
            ring_lines: sizes.ring_lines,
            page_frames: sizes.page_frames,
            page_bytes: 10_000,
            shared: true,
        };
        Self {
            room: Room::new(facts, seen(snapshot, ahead_ms), lines, holds, now),
            tickets: Tickets::new(Outbox::new(8, 8_000)),
        }
    }

    /// The one way in; what is wanted comes back in an order that the same seed gives again.
    pub(super) fn apply(&mut self, told: Told, now: Millis) -> Vec<Act> {
        let input = self.input(told);
        let acts = self.room.apply(input, now);
        steady(acts.into_iter().filter_map(act).collect())
    }

    /// The one look inside: what is kept for later is later than what was told, and the ring has no hole.
    pub(super) fn is_sound(&self) -> Result<(), String> {
        let room = &self.room;
        if let Some((seq, _)) = room.ahead.first_key_value()
            && *seq <= room.head.next()
        {
            return Err(format!("{seq:?} waits, told up to {:?}", room.head));
        }
        let first = room.head.get() + 1 - room.ring.len() as i64;
        let is_whole = room
            .ring
            .iter()
            .zip(first..)
            .all(|(line, seq)| line.seq.get() == seq);
        if is_whole {
            Ok(())
        } else {
            Err("the ring has a hole".into())
        }
    }

    fn asker(&self, conn: u64) -> Asker {
        Asker {
            conn: ConnId(conn),
            ticket: self.tickets.take(),
        }
    }

    fn input(&self, told: Told) -> Input {
        match told {
            Told::Enter { conn, who, after } => Input::Enter {
                asker: self.asker(conn),
                mode: if who.on_duty {
                    EnterMode::Duty
                } else {
                    EnterMode::Talk
                },
                who: person(&who),
                after: after.map(Seq),
            },
            Told::Leave { conn } => Input::Leave { conn: ConnId(conn) },
            Told::Gone { conn } => Input::Gone { conn: ConnId(conn) },
            Told::Say {
                conn,
                who,
                key,
                body,
                by_form,
            } => Input::Say {
                asker: self.asker(conn),
                who: Who {
                    duty: None,
                    ..person(&who)
                },
                key: client_key(&key),
                line: Ok(Proposed {
                    found: found(&body),
                    body: Body::known(body),
                    note: None,
                    no_reply: false,
                    form: None,
                    answer: None,
                }),
                by_form,
            },
            Told::Unsay { conn, who, which } => Input::Unsay {
                asker: self.asker(conn),
                participant: participant(&who.id),
                which: match which {
                    WhichLine::Seq(seq) => Which::Seq(Seq(seq)),
                    WhichLine::Key(key) => Which::Key(client_key(&key)),
                },
            },
            Told::Stamp { conn, who, seq, on } => Input::Stamp {
                conn: ConnId(conn),
                participant: participant(&who.id),
                seq: Seq(seq),
                stamp: StampKind::ALL[0],
                on,
                by_form: false,
            },
            Told::Lamp { conn, on } => Input::Lamp {
                conn: ConnId(conn),
                on,
            },
            Told::Measure { conn, key, seq, to } => Input::Measure {
                asker: self.asker(conn),
                key: client_key(&key),
                seq: Seq(seq),
                to,
                entry: entry("rooms.hide"),
            },
            Told::Looked { look, found, works } => Input::Looked {
                asker: look.asked.0,
                key: look.key,
                found,
                otherwise: if works { look.otherwise } else { busy().into() },
            },
            Told::Kept(rows) => Input::Kept(
                rows.into_iter()
                    .map(|row| Kept {
                        author: row.author,
                        key: row.key,
                        seq: row.seq,
                        at: row.at,
                        line: row.line.map(Arc::new),
                    })
                    .collect(),
            ),
            Told::NotKept(keys) => Input::NotKept(keys),
            Told::Loaded { conn, from, lines } => Input::Loaded {
                conn: conn.map(ConnId),
                from,
                lines,
            },
            Told::NotLoaded { conn } => Input::NotLoaded {
                conn: conn.map(ConnId),
            },
            Told::Flushed { conn } => Input::Flushed { conn: ConnId(conn) },
            Told::Changed {
                rows,
                complete_to,
                lines,
            } => Input::Changed {
                changes: rows
                    .into_iter()
                    .map(|row| Changed {
                        seq: row.seq,
                        shows: row.shows,
                        n: row.n,
                    })
                    .collect(),
                complete_to,
                lines,
            },
            Told::ChangeDone { asked, key, came } => Input::ChangeDone {
                asker: asked.0,
                key,
                outcome: came.map_err(|code| match code {
                    RefusalCode::Busy => busy(),
                    code => code.into(),
                }),
            },
            Told::HoldsKept(kept) => Input::HoldsKept(kept),
            Told::HoldsNotKept(keys) => Input::HoldsNotKept(keys),
            Told::HoldCame { doing, came } => Input::HoldCame {
                which: doing.which,
                act: doing.act,
                asked: doing.asked,
                came,
            },
            Told::Holds { rows, complete_to } => Input::Holds { rows, complete_to },
            Told::MeasureHold {
                conn,
                key,
                hold,
                act,
            } => Input::MeasureHold {
                asker: self.asker(conn),
                key: client_key(&key),
                which: WhichHold::Id(HoldId::parse(&hold).expect("an id")),
                act,
                entry: entry("rooms.look"),
            },
            Told::Elsewhere { frames } => elsewhere(&frames),
            Told::Seen { snapshot, ahead_ms } => Input::Seen(Box::new(seen(&snapshot, ahead_ms))),
            Told::Tick => Input::Tick,
        }
    }
}

fn act(effect: Effect) -> Option<Act> {
    Some(match effect {
        Effect::Send { conn, frame } | Effect::SendEntered { conn, frame } => Act::Send {
            conn: conn.0,
            frame,
        },
        Effect::All(frame) => Act::All(frame),
        Effect::Live(conn) => Act::Live(conn.0),
        Effect::NotLive(conn) => Act::NotLive(conn.0),
        Effect::Mark(conn) => Act::Mark(conn.0),
        Effect::Commit(lines) => Act::Commit(lines),
        Effect::Look {
            asker,
            author,
            key,
            otherwise,
        } => Act::Look(Look {
            asked: Asked(asker),
            author,
            key,
            otherwise,
        }),
        Effect::Load { conn, from, to } => Act::Load {
            conn: conn.map(|conn| conn.0),
            from,
            to,
        },
        Effect::Change {
            asker,
            key,
            which,
            author,
            to,
            entry: _,
        } => Act::Change(Change {
            asked: Asked(asker),
            key,
            which: match which {
                Which::Seq(seq) => WhichLine::Seq(seq.get()),
                Which::Key(key) => WhichLine::Key(key.as_str().to_owned()),
            },
            author,
            to,
        }),
        Effect::LoadChanges { after } => Act::LoadChanges { after },
        // Nobody does anything to the room as a whole here; what comes of it is a look like any other.
        Effect::Act { .. } => return None,
        Effect::KeepStamp {
            seq,
            author,
            stamp,
            on,
        } => Act::KeepStamp {
            seq,
            author,
            stamp,
            on,
        },
        Effect::Publish(frames) => Act::Publish(
            frames
                .iter()
                .map(|frame| frame.as_str().to_owned())
                .collect(),
        ),
        Effect::KeepHold(hold) => Act::KeepHold(hold),
        Effect::Hold {
            which,
            act,
            asked,
            entry: _,
        } => Act::Hold(Doing { which, act, asked }),
        Effect::LoadHolds { after } => Act::LoadHolds { after },
        Effect::Came(_) | Effect::Release(_) => return None,
    })
}

impl Act {
    /// The connection that it is for alone.
    fn conn(&self) -> Option<u64> {
        match self {
            Act::Send { conn, .. } | Act::Live(conn) | Act::NotLive(conn) | Act::Mark(conn) => {
                Some(*conn)
            }
            _ => None,
        }
    }
}

/// A room goes through its members in no fixed order; neighbours that are for one connection each are put into one, so that
/// a seed gives the same schedule again. What one connection gets keeps its order.
fn steady(mut acts: Vec<Act>) -> Vec<Act> {
    for run in acts.chunk_by_mut(|one, next| one.conn().is_some() && next.conn().is_some()) {
        run.sort_by_key(Act::conn);
    }
    acts
}

pub(super) fn participant(text: &str) -> ParticipantId {
    ParticipantId::parse(text).expect("an id")
}

pub(super) fn client_key(text: &str) -> ClientKey {
    ClientKey::parse(text).expect("a key")
}

pub(super) fn room_id() -> RoomId {
    RoomId::parse("r1").expect("an id")
}

fn entry(act: &'static str) -> Entry {
    Entry {
        actor: "staff".into(),
        roles: String::new(),
        act,
        object: String::new(),
        reason: String::new(),
    }
}

/// What the assessment makes of a line here: some are read by a human first.
fn found(body: &str) -> Assessed {
    if !body.starts_with("held") {
        return Assessed::default();
    }
    Assessed {
        category: Category::Threat,
        action: Category::Threat.action(),
        ..Assessed::default()
    }
}

fn busy() -> Refusal {
    Refusal {
        code: RefusalCode::Busy,
        retry_after_ms: Some(crate::features::rooms::room::BUSY_RETRY_MS),
    }
}

fn person(who: &Person) -> Who {
    Who {
        participant: participant(&who.id),
        name: who.id.clone(),
        duty: who.on_duty.then_some(Duty::Supporter),
        declared: true,
    }
}

fn seen(snapshot: &Snapshot, ahead_ms: i64) -> Seen {
    Seen {
        order: snapshot.order,
        gathering: Gathering {
            id: room_id(),
            kind: GatheringKind::Ibasho,
            audience: Audience::Tojisha,
            entry: EntryKind::Open,
            title: "t".into(),
            starts: Millis(0),
            ends: Millis(snapshot.ends),
            forgets: Millis(snapshot.ends + 1_000_000),
            details: Default::default(),
        },
        state: snapshot.state,
        guard: snapshot.guard,
        slow_ms: snapshot.slow_ms,
        last_seq: Seq(snapshot.last_seq),
        n_changes: snapshot.n_changes,
        n_holds: snapshot.n_holds,
        attended: AttendedUntil(Millis(snapshot.attended + ahead_ms)),
        on_duty: snapshot
            .on_duty
            .iter()
            .map(|name| OnDuty {
                name: name.clone(),
                duty: Duty::Supporter,
            })
            .collect(),
        since: Millis(0),
        on_call: OnCallUntil(Millis(0)),
        risk_at: None,
        locked: false,
        topic: None,
        n_acts: 0,
        n_admits: 0,
        people: Default::default(),
    }
}
