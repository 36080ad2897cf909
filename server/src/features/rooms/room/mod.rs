//! A room as a plain struct: inputs in, effects out; no runtime, no store, no socket.
//!
//! One task owns each room and performs its effects in order, without awaiting. A commit is an effect; its outcome comes
//! back as an input. The room knows its members, the newest lines (the ring) and how far it has delivered (`head`):
//! lines are delivered strictly in sequence, whoever kept them.

mod change;
mod enter;
mod say;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::life::{AttendedUntil, Grace, standing_at};
use super::line::{Line, NewLine, Proposed, Shows};
use super::texts::RoomTexts;
use super::ticket::Ticket;
use crate::features::gatherings::{Gathering, StoredState};
use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, EpochId, ParticipantId, RoomId, Seq};
use crate::protocol::{
    About, Duty, EnterMode, Frame, Head, OnDuty, Reader, RefusalCode, RoomOut, RoomState,
    ServerFrame, StampKind, Why,
};

/// A connection, as this node numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// A connection that asked for something, and what holds back its next `pong` until it is answered.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Which.
    pub conn: ConnId,
    /// Held until the answer is in the outbox.
    pub ticket: Ticket,
}

/// Somebody, as this room knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Their id in this room alone.
    pub participant: ParticipantId,
    /// The name worn here.
    pub name: String,
    /// What they are on duty as, if they came in that mode.
    pub duty: Option<Duty>,
}

/// What does not change while a room lives on this node.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The room.
    pub room: RoomId,
    /// The epoch of the store.
    pub epoch: EpochId,
    /// Who can read here, by role.
    pub readers: Vec<Reader>,
    /// Words.
    pub texts: Arc<RoomTexts>,
    /// When it slows and pauses.
    pub grace: Grace,
    /// Milliseconds between two looks at how many are about.
    pub about_every_ms: i64,
    /// Lines kept in memory.
    pub ring_lines: usize,
    /// Frames and bytes of a page to somebody who catches up: half of what an outbox holds.
    pub page_frames: usize,
    /// See `page_frames`.
    pub page_bytes: usize,
}

/// What the store says of the room, read again every few seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The gathering.
    pub gathering: Gathering,
    /// Its stored state.
    pub state: StoredState,
    /// 部屋の進め方.
    pub guard: u8,
    /// The pace set for it.
    pub slow_ms: u32,
    /// The newest number.
    pub last_seq: Seq,
    /// How often something was hidden, shown or taken back.
    pub n_changes: i64,
    /// Until when it is attended.
    pub attended: AttendedUntil,
    /// Who is on duty.
    pub on_duty: Vec<OnDuty>,
}

/// A refusal before it has words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For programs.
    pub code: RefusalCode,
    /// When to try again.
    pub retry_after_ms: Option<u64>,
}

impl From<RefusalCode> for Refusal {
    fn from(code: RefusalCode) -> Self {
        Self {
            code,
            retry_after_ms: None,
        }
    }
}

/// A line by its number, or by its author's key for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Its number.
    Seq(Seq),
    /// Its key.
    Key(ClientKey),
}

/// A line that is kept now, or was before.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Whose.
    pub author: ParticipantId,
    /// Their key for it.
    pub key: ClientKey,
    /// Its number.
    pub seq: Seq,
    /// When it was kept.
    pub at: Millis,
    /// The line, unless the key was there before.
    pub line: Option<Arc<Line>>,
}

/// A line whose showing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Which.
    pub seq: Seq,
    /// To what.
    pub shows: Shows,
    /// The store's count of changes at this one: of two changes of a line, the higher stands.
    pub n: i64,
}

/// What happens to a room.
#[derive(Debug)]
pub enum Input {
    /// Somebody comes in, or comes back.
    Enter {
        /// Their connection.
        asker: Asker,
        /// Who.
        who: Who,
        /// How.
        mode: EnterMode,
        /// The last number they saw, if it is of the present epoch.
        after: Option<Seq>,
    },
    /// Somebody goes.
    Leave {
        /// Their connection.
        conn: ConnId,
    },
    /// A connection is no more.
    Gone {
        /// Which.
        conn: ConnId,
    },
    /// Somebody says something.
    Say {
        /// Their connection.
        asker: Asker,
        /// Who, should they not have entered.
        who: Who,
        /// Their key.
        key: ClientKey,
        /// What, or why not.
        line: Result<Proposed, Refusal>,
        /// Loading the page counts as entering, so a form need not have entered on a socket.
        by_form: bool,
    },
    /// Somebody takes a line of theirs back.
    Unsay {
        /// Their connection.
        asker: Asker,
        /// Who.
        participant: ParticipantId,
        /// Which.
        which: Which,
    },
    /// Somebody puts a stamp under a line, or takes it off.
    Stamp {
        /// Their connection.
        conn: ConnId,
        /// Who.
        participant: ParticipantId,
        /// Under which.
        seq: Seq,
        /// Which.
        stamp: StampKind,
        /// The state after it.
        on: bool,
        /// Sent by a form of the page.
        by_form: bool,
    },
    /// Somebody lights or puts out their lamp.
    Lamp {
        /// Their connection.
        conn: ConnId,
        /// Lit.
        on: bool,
    },
    /// Somebody with a permit closes a line, or opens it again.
    Measure {
        /// Their connection.
        asker: Asker,
        /// Their key.
        key: ClientKey,
        /// Which line.
        seq: Seq,
        /// To what.
        to: Shows,
        /// What the audit log will say.
        entry: crate::features::audit::Entry,
    },
    /// The store was asked for a key that could not be taken now.
    Looked {
        /// Whose connection.
        asker: Asker,
        /// The key.
        key: ClientKey,
        /// The line of that key, if it was kept before.
        found: Option<(Seq, Millis)>,
        /// Why it could not be taken.
        refusal: Refusal,
    },
    /// A commit is on disk.
    Kept(Vec<Kept>),
    /// A commit failed; it may or may not be on disk.
    NotKept(Vec<(ParticipantId, ClientKey)>),
    /// Lines were read from the store.
    Loaded {
        /// For whom; for the room itself where absent.
        conn: Option<ConnId>,
        /// The first number that was asked for.
        from: Seq,
        /// The lines, in order.
        lines: Vec<Arc<Line>>,
    },
    /// Lines could not be read.
    NotLoaded {
        /// For whom.
        conn: Option<ConnId>,
    },
    /// What a connection was sent has left for it.
    Flushed {
        /// Which.
        conn: ConnId,
    },
    /// Lines were hidden, shown or taken back; with the count after it.
    Changed {
        /// What.
        changes: Vec<Changed>,
        /// The store's count of changes up to which nothing is missing here, if all were read.
        complete_to: Option<i64>,
        /// Lines that are shown again, whose words this node may not have.
        lines: Vec<Arc<Line>>,
    },
    /// A change came to nothing, or was done: its asker is told.
    ChangeDone {
        /// Whose connection.
        asker: Asker,
        /// The measure's key; absent for taking back.
        key: Option<ClientKey>,
        /// What came of it.
        outcome: Result<(), Refusal>,
    },
    /// Another node kept lines.
    Elsewhere {
        /// In order.
        lines: Vec<Arc<Line>>,
    },
    /// What the store says now.
    Seen(Box<Seen>),
    /// Time went on.
    Tick,
}

/// What a room wants done, in this order.
#[derive(Debug)]
pub enum Effect {
    /// To one connection.
    Send {
        /// Which.
        conn: ConnId,
        /// What.
        frame: Frame,
    },
    /// `entered`, to one connection: it can be larger than all other frames together.
    SendEntered {
        /// Which.
        conn: ConnId,
        /// What.
        frame: Frame,
    },
    /// To every member that is up to date.
    All(Frame),
    /// From here on this connection gets what goes to all.
    Live(ConnId),
    /// From here on it does not.
    NotLive(ConnId),
    /// Tell the room when all that was sent to this connection has left.
    Mark(ConnId),
    /// Keep these lines, in one commit.
    Commit(Vec<NewLine>),
    /// Look whether this key was kept before; refuse if not.
    Look {
        /// Whose connection.
        asker: Asker,
        /// Whose key.
        author: ParticipantId,
        /// The key.
        key: ClientKey,
        /// What else to answer.
        refusal: Refusal,
    },
    /// Read lines from the store, both ends included.
    Load {
        /// For whom; for the room itself where absent.
        conn: Option<ConnId>,
        /// The first.
        from: Seq,
        /// The last.
        to: Seq,
    },
    /// Change whether a line is shown.
    Change {
        /// Who asked.
        asker: Asker,
        /// The measure's key; absent for taking back.
        key: Option<ClientKey>,
        /// Which line.
        which: Which,
        /// Only if it is this author's.
        author: Option<ParticipantId>,
        /// To what.
        to: Shows,
        /// What the audit log will say, for a measure.
        entry: Option<crate::features::audit::Entry>,
    },
    /// Read what was changed after this count.
    LoadChanges {
        /// The count this room knows.
        after: i64,
    },
    /// Keep a stamp's state.
    KeepStamp {
        /// Under which line.
        seq: Seq,
        /// Whose.
        author: ParticipantId,
        /// Which.
        stamp: StampKind,
        /// Present.
        on: bool,
    },
    /// Tell the other nodes of lines that were kept here.
    Publish(Vec<Arc<Line>>),
    /// Count that somebody was here, on that rung.
    Came(crate::features::tally::Rung),
    /// The room is over for this connection.
    Detach(ConnId),
    /// Let go of these: what they waited for has been said.
    Release(Vec<Ticket>),
}

/// How far a member's view has come.
#[derive(Clone, Debug)]
enum Phase {
    /// `entered` waits for lines from the store, from this number on.
    Entering {
        /// The first to be told.
        from: Seq,
        /// Held until all is told.
        ticket: Ticket,
    },
    /// `entered` was sent; older lines follow from this number on.
    CatchingUp {
        /// The next to be told.
        next: Seq,
        /// Held until all is told.
        ticket: Ticket,
    },
    /// Gets what goes to all.
    Live,
}

#[derive(Clone, Debug)]
struct Member {
    who: Who,
    mode: EnterMode,
    lamp: bool,
    phase: Phase,
}

/// A line that is being kept.
#[derive(Debug)]
struct Pending {
    waiters: Vec<Asker>,
    take_back: Option<Asker>,
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
    ahead: BTreeMap<Seq, Arc<Line>>,
    loading: bool,
    loading_changes: bool,
    members: HashMap<ConnId, Member>,
    pending: HashMap<(ParticipantId, ClientKey), Pending>,
    queue: Vec<NewLine>,
    committing: bool,
    /// The numbers of keys in the ring, so that a repeat needs no read.
    known: HashMap<(ParticipantId, ClientKey), (Seq, Millis)>,
    last_said: HashMap<ParticipantId, Millis>,
    about: About,
    about_at: Millis,
    told: Option<Head>,
    /// What was answered in this input.
    answered: Vec<Ticket>,
}

impl Room {
    /// A room as the store has it; `lines` are its newest, in order and without a hole up to `seen.last_seq`.
    pub fn new(facts: Facts, seen: Seen, lines: Vec<Arc<Line>>, now: Millis) -> Self {
        let head = seen.last_seq;
        let mut room = Self {
            facts,
            seen,
            ring: VecDeque::new(),
            head,
            changed: HashMap::new(),
            ahead: BTreeMap::new(),
            loading: false,
            loading_changes: false,
            members: HashMap::new(),
            pending: HashMap::new(),
            queue: Vec::new(),
            committing: false,
            known: HashMap::new(),
            last_said: HashMap::new(),
            about: About::Few,
            about_at: now,
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
        match input {
            Input::Enter {
                asker,
                who,
                mode,
                after,
            } => self.enter(asker, who, mode, after, now, &mut out),
            Input::Leave { conn } => self.leave(conn, &mut out),
            Input::Gone { conn } => self.gone(conn),
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
                refusal,
            } => self.looked(asker, key, found, refusal, &mut out),
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
            Input::Elsewhere { lines } => self.arrived(lines, &mut out),
            Input::Seen(seen) => self.see(*seen, &mut out),
            Input::Tick => {}
        }
        self.close_if_over(now, &mut out);
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
            topic: None,
            slow_ms,
            about: self.about,
            on_duty: self.seen.on_duty.clone(),
            ready: self.facts.texts.ready.clone(),
            lamp: self.members.values().any(|member| member.lamp),
        }
    }

    fn standing(&self, now: Millis) -> (RoomState, u32) {
        standing_at(
            self.seen.state,
            self.seen.slow_ms,
            self.seen.attended,
            self.seen.gathering.ends,
            &self.facts.grace,
            now,
        )
        .map_or((RoomState::Closed, 0), |standing| {
            (standing.state, standing.slow_ms)
        })
    }

    fn see(&mut self, seen: Seen, out: &mut Vec<Effect>) {
        let n_changes_known = self.seen.n_changes;
        let last_seq = seen.last_seq;
        let n_changes = seen.n_changes;
        self.seen = Seen {
            n_changes: n_changes_known,
            ..seen
        };
        self.look_for_missing(last_seq, out);
        if n_changes > n_changes_known && !self.loading_changes {
            self.loading_changes = true;
            out.push(Effect::LoadChanges {
                after: n_changes_known,
            });
        }
    }

    /// Lets everybody go once the hour is over.
    fn close_if_over(&mut self, now: Millis, out: &mut Vec<Effect>) {
        let over = matches!(
            self.standing(now).0,
            RoomState::Closed | RoomState::Cancelled
        );
        if !over || self.members.is_empty() || self.committing {
            return;
        }
        let conns: Vec<ConnId> = self.members.keys().copied().collect();
        for conn in conns {
            self.members.remove(&conn);
            out.push(Effect::NotLive(conn));
            self.send(
                conn,
                &ServerFrame::Left {
                    room: self.room_text(),
                    why: Why::Closed,
                },
                out,
            );
            out.push(Effect::Detach(conn));
        }
    }

    /// Tells the head where something of it changed; how many are about is looked at once a minute at most.
    fn tell_head(&mut self, now: Millis, out: &mut Vec<Effect>) {
        if now.since_ms(self.about_at) >= self.facts.about_every_ms {
            self.about_at = now;
            self.about = self.about_now();
        }
        let head = self.head_now(now);
        if self.told.as_ref() == Some(&head) {
            return;
        }
        out.push(Effect::All(Frame::of(&ServerFrame::Room(RoomOut {
            room: self.room_text(),
            head: head.clone(),
        }))));
        self.told = Some(head);
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
    fn arrived(&mut self, lines: Vec<Arc<Line>>, out: &mut Vec<Effect>) {
        for line in lines {
            if line.seq > self.head {
                self.ahead.entry(line.seq).or_insert(line);
            }
        }
        while let Some(line) = self.ahead.remove(&self.head.next()) {
            self.head = line.seq;
            let line = self.as_changed(line);
            out.push(Effect::All(Frame::of(&line.frame(&self.facts.room))));
            self.remember(line);
        }
        if let Some((&first_ahead, _)) = self.ahead.first_key_value() {
            self.look_for_missing(Seq(first_ahead.get() - 1), out);
        }
    }

    /// Reads what the store has and this node does not, unless its own commit is about to bring it.
    fn look_for_missing(&mut self, last_seq: Seq, out: &mut Vec<Effect>) {
        // While a commit is out, its lines are in the store before their authors were told `acked`.
        if last_seq <= self.head
            || self.loading
            || self.committing
            || self.ahead.contains_key(&self.head.next())
        {
            return;
        }
        self.loading = true;
        let to = last_seq.min(self.head.plus(PAGE_LINES));
        out.push(Effect::Load {
            conn: None,
            from: self.head.next(),
            to,
        });
    }

    fn loaded(&mut self, lines: Vec<Arc<Line>>, out: &mut Vec<Effect>) {
        self.loading = false;
        self.arrived(lines, out);
        self.look_for_missing(self.seen.last_seq, out);
    }

    fn not_loaded(&mut self, conn: Option<ConnId>, out: &mut Vec<Effect>) {
        match conn {
            None => self.loading = false,
            Some(conn) => {
                if self.members.remove(&conn).is_some() {
                    out.push(Effect::NotLive(conn));
                    self.refuse(
                        conn,
                        None,
                        Refusal {
                            code: RefusalCode::Busy,
                            retry_after_ms: Some(BUSY_RETRY_MS),
                        },
                        out,
                    );
                }
            }
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

    /// The asker's answer is among the effects; the `pong` that waits for it may follow.
    fn answered(&mut self, asker: Asker) {
        self.answered.push(asker.ticket);
    }

    fn room_text(&self) -> String {
        self.facts.room.as_str().to_owned()
    }
}
