//! A node: its room, what runs beside it, its committer, its end of the bus; and how it dies.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::adapter::{Act, Hosted, Told, room_id};
use super::jobs::Job;
use super::lines::Conn;
use super::plants::Plant;
use super::setup::{SKEW_MS, WATCH_MS};
use super::store::STARTS;
use super::words::Word;
use super::world::{Event, Item, World, of_look};
use crate::features::gatherings::StoredState;
use crate::features::rooms::line::NewLine;
use crate::platform::bus::{Bus, Hearing, Hint, LocalBus, News};
use crate::platform::clock::Millis;
use crate::platform::ids::{ParticipantId, Seq};
use crate::protocol::{Frame, StampKind};

/// An input on its way to a room, from a connection.
pub(super) struct Envelope {
    pub(super) conn: u64,
    pub(super) told: Told,
}

/// What a node's committer has to do.
pub(super) enum Commit {
    Lines(Vec<NewLine>),
    Stamp {
        seq: Seq,
        author: ParticipantId,
        stamp: StampKind,
        on: bool,
    },
}

/// A node.
pub(super) struct Node {
    pub(super) is_up: bool,
    /// Counted up when it dies.
    pub(super) life: u32,
    pub(super) room: Option<Hosted>,
    pub(super) is_hosting: bool,
    /// When the newest that the room was told of its state had been read.
    pub(super) known_at: i64,
    pub(super) bus: LocalBus,
    pub(super) stream: Option<Hearing>,
    pub(super) skew_ms: i64,
    /// The store does not answer it.
    pub(super) is_cut: bool,
    pub(super) commits: VecDeque<Commit>,
    pub(super) is_committing: bool,
    pub(super) inbox: VecDeque<Envelope>,
    /// Who can be told something, and whether they get what goes to all.
    pub(super) attached: BTreeMap<u64, bool>,
    /// It dies in the middle of what it does next.
    pub(super) dies_midway: bool,
}

impl Node {
    pub(super) fn new(bus: LocalBus, skew_ms: i64) -> Self {
        Self {
            is_up: false,
            life: 0,
            room: None,
            is_hosting: false,
            known_at: STARTS,
            stream: None,
            bus,
            skew_ms,
            is_cut: false,
            commits: VecDeque::new(),
            is_committing: false,
            inbox: VecDeque::new(),
            attached: BTreeMap::new(),
            dies_midway: false,
        }
    }
}

impl World {
    pub(super) fn lives(&self, node: usize, life: u32) -> bool {
        self.nodes[node].is_up && self.nodes[node].life == life
    }

    pub(super) fn node_now(&self, node: usize) -> Millis {
        Millis(self.now + self.nodes[node].skew_ms)
    }

    pub(super) fn node_up(&mut self, node: usize) {
        if self.nodes[node].is_up {
            return;
        }
        self.note(1, || format!("node {node} comes up"));
        let now = self.now;
        // A new one of the same name holds none of the old one's leases.
        self.store.end_leases(now, |lease| lease.node == node);
        self.stands();
        let bus = self.net.node();
        let state = &mut self.nodes[node];
        state.is_up = true;
        state.stream = bus.stream();
        state.bus = bus;
    }

    /// Brings the room to a node. What it needs is read at two moments.
    pub(super) fn host(&mut self, node: usize) {
        if self.nodes[node].is_hosting || self.nodes[node].room.is_some() {
            return;
        }
        self.nodes[node].is_hosting = true;
        // Heard before it is read, so that what comes in between is not missed.
        self.nodes[node].bus.join(&room_id());
        self.asks(node, Job::Host);
    }

    pub(super) fn asks(&mut self, node: usize, job: Job) {
        let life = self.nodes[node].life;
        let after = self.takes(self.setup.store_ms);
        self.at(after, Event::Runs(node, life, Box::new(job)));
    }

    pub(super) fn tells(&mut self, node: usize, life: u32, told: Vec<Told>) {
        let after = self.takes(self.setup.store_ms / 4);
        self.at(after, Event::Outcome(node, life, told));
    }

    /// An input of a connection, as the room's task takes it.
    pub(super) fn takes_input(&mut self, node: usize) {
        let Some(Envelope { conn, told }) = self.nodes[node].inbox.pop_front() else {
            return;
        };
        let is_closing = self.conns.get(&conn).is_none_or(|conn| !conn.server_open);
        if is_closing {
            // Nobody comes in after they have gone.
            if matches!(told, Told::Enter { .. }) {
                return;
            }
        } else {
            self.nodes[node].attached.entry(conn).or_insert(false);
        }
        if let Told::Say { who, key, .. } = &told {
            let known_at = self.nodes[node].known_at;
            self.checker.say_taken(&who.id, key, self.now, known_at);
        }
        self.applies(node, told);
    }

    pub(super) fn posts(&mut self, node: usize, envelope: Envelope) {
        if !self.nodes[node].is_up {
            return;
        }
        let life = self.nodes[node].life;
        self.nodes[node].inbox.push_back(envelope);
        let after = self.takes(2);
        self.at(after, Event::Inbox(node, life));
    }

    pub(super) fn comes_back(&mut self, node: usize, mut told: Vec<Told>) {
        if told.is_empty() {
            return;
        }
        let first = told.remove(0);
        if !told.is_empty() {
            // What one task tells comes in its order; others may come between.
            let life = self.nodes[node].life;
            let after = self.takes(2);
            self.at(after, Event::Outcome(node, life, told));
        }
        self.applies(node, first);
    }

    pub(super) fn applies(&mut self, node: usize, told: Told) {
        let now = self.node_now(node);
        if let Told::Seen { snapshot, .. } = &told {
            let known_at = self.nodes[node].known_at.max(snapshot.read_at);
            self.nodes[node].known_at = known_at;
        }
        let gone = match &told {
            Told::Gone { conn } => Some(*conn),
            _ => None,
        };
        if self.nodes[node].room.is_none() {
            return;
        }
        let is_routine = matches!(told, Told::Seen { .. } | Told::Tick);
        if !(is_routine && self.quiet_since.is_some()) {
            let code = 10 + node as u64;
            self.note(code, || format!("node {node} takes {}", brief(&told)));
        }
        let Some(room) = &mut self.nodes[node].room else {
            return;
        };
        let acts = room.apply(told, now);
        if let Err(what) = room.is_sound() {
            self.checker.broken(super::checker::Broken::Wild, what);
        }
        let dies_before = if self.nodes[node].dies_midway && !acts.is_empty() {
            Some(self.dice.below(acts.len() as u32 + 1) as usize)
        } else {
            None
        };
        for (idx, act) in acts.into_iter().enumerate() {
            if dies_before == Some(idx) {
                break;
            }
            self.performs(node, act);
        }
        if let Some(conn) = gone {
            self.nodes[node].attached.remove(&conn);
        }
        if dies_before.is_some() {
            self.dies(node);
        }
    }

    fn performs(&mut self, node: usize, act: Act) {
        match act {
            Act::Send { conn, frame } => {
                if self.nodes[node].attached.contains_key(&conn) {
                    let word = self.read(&frame);
                    self.pushes(node, conn, word);
                }
            }
            Act::All(frame) => {
                let word = self.read(&frame);
                let life = self.nodes[node].life;
                self.checker.told_to_all(node, life, &word, self.now);
                let live: Vec<u64> = self.nodes[node]
                    .attached
                    .iter()
                    .filter(|(_, live)| **live)
                    .map(|(conn, _)| *conn)
                    .collect();
                for conn in live {
                    let is_line = matches!(*word, Word::Said(_));
                    if is_line && self.plants(Plant::DeliveryDropped) {
                        continue;
                    }
                    if is_line && self.plants(Plant::DeliveryDoubled) {
                        self.pushes(node, conn, Rc::clone(&word));
                    }
                    self.pushes(node, conn, Rc::clone(&word));
                }
            }
            Act::Live(conn) => {
                if let Some(live) = self.nodes[node].attached.get_mut(&conn) {
                    *live = true;
                }
            }
            Act::NotLive(conn) => {
                if self.plants(Plant::ToldAfterLeaving) {
                    return;
                }
                if let Some(live) = self.nodes[node].attached.get_mut(&conn) {
                    *live = false;
                }
            }
            Act::Mark(conn) => {
                if self.nodes[node].attached.contains_key(&conn) {
                    self.puts(conn, Item::Mark);
                }
            }
            Act::Commit(lines) => {
                if self.plants(Plant::AckedBeforeCommit) {
                    self.acks_early(node, &lines);
                }
                self.queues(node, Commit::Lines(lines));
            }
            Act::KeepStamp {
                seq,
                author,
                stamp,
                on,
            } => self.queues(
                node,
                Commit::Stamp {
                    seq,
                    author,
                    stamp,
                    on,
                },
            ),
            Act::Look(look) => {
                self.note(20, || of_look(&look));
                self.asks(node, Job::Look(look));
            }
            Act::Load { conn, from, to } => self.asks(node, Job::Load { conn, from, to }),
            Act::Change(change) => self.asks(node, Job::Change(change)),
            Act::KeepHold(new) => self.asks(node, Job::KeepHold(new)),
            Act::Hold(doing) => self.asks(node, Job::Hold(doing)),
            Act::LoadHolds { after } => self.asks(node, Job::Holds { after }),
            Act::LoadChanges { after } => self.asks(node, Job::Changes { after }),
            Act::Publish(frames) => {
                let mut frames = frames;
                if self.plants(Plant::HintFalsified)
                    && let Some(frame) = frames.first_mut()
                {
                    *frame = frame.replace("\"body\":\"", "\"body\":\"x");
                }
                self.publishes(node, News::Lines { frames });
            }
        }
    }

    fn read(&mut self, frame: &Frame) -> Rc<Word> {
        let mut word = Word::read(frame.as_str());
        if let Word::Entered(entered) = &mut word
            && entered.gap.is_some()
            && self.plant == Some(Plant::GapNotNamed)
        {
            entered.gap = None;
        }
        if let Word::Unknown(text) = &word {
            let text = text.clone();
            self.checker.broken(super::checker::Broken::Wild, text);
        }
        Rc::new(word)
    }

    fn acks_early(&mut self, node: usize, lines: &[NewLine]) {
        let next = self.store.snapshot(self.now).last_seq + 1;
        for (line, seq) in lines.iter().zip(next..) {
            let asking: Vec<u64> = self
                .conns
                .iter()
                .filter(|(_, conn)| conn.node == node && conn.author == line.author.as_str())
                .map(|(id, _)| *id)
                .collect();
            for conn in asking {
                let key = line.key.as_str().to_owned();
                let at = String::new();
                self.pushes(node, conn, Rc::new(Word::Acked { key, seq, at }));
            }
        }
    }

    fn queues(&mut self, node: usize, commit: Commit) {
        self.nodes[node].commits.push_back(commit);
        if !self.nodes[node].is_committing {
            self.nodes[node].is_committing = true;
            let life = self.nodes[node].life;
            let after = self.takes(self.setup.store_ms);
            self.at(after, Event::Commits(node, life));
        }
    }

    /// One transaction: all of it or nothing. What came of it may be lost, and so may be whoever waits for it.
    pub(super) fn commits(&mut self, node: usize) {
        let life = self.nodes[node].life;
        let Some(commit) = self.nodes[node].commits.pop_front() else {
            self.nodes[node].is_committing = false;
            return;
        };
        let fails = self.nodes[node].is_cut || self.dice.percent(self.setup.commits_fail);
        match commit {
            Commit::Stamp {
                seq,
                author,
                stamp,
                on,
            } => {
                if !fails {
                    self.store.set_stamp(seq, &author, stamp, on);
                }
            }
            Commit::Lines(lines) => {
                let ids = lines
                    .iter()
                    .map(|line| (line.author.clone(), line.key.clone()))
                    .collect();
                let at = self.node_now(node);
                let is_lost = self.dice.percent(self.setup.outcomes_lost);
                let told = if fails {
                    self.note(30, || format!("a commit of node {node} fails"));
                    Told::NotKept(ids)
                } else {
                    let kept = self.keep(&lines, at);
                    self.note(31, || {
                        let kept: Vec<String> = kept
                            .iter()
                            .map(|row| format!("{}={}", row.key.as_str(), row.seq.get()))
                            .collect();
                        format!("node {node} commits {} lost={is_lost}", kept.join(" "))
                    });
                    if is_lost {
                        Told::NotKept(ids)
                    } else {
                        Told::Kept(kept)
                    }
                };
                self.tells(node, life, vec![told]);
            }
        }
        let after = self.takes(self.setup.store_ms);
        self.at(after, Event::Commits(node, life));
    }

    /// Hints go their ways at once, and arrive when they do.
    pub(super) fn publishes(&mut self, node: usize, news: News) {
        if self.bus_is_down {
            return;
        }
        self.nodes[node].bus.publish(Hint {
            room: room_id(),
            news,
        });
        for to in 0..self.nodes.len() {
            while let Some(hint) = self.nodes[to].stream.as_mut().and_then(Hearing::try_recv) {
                let life = self.nodes[to].life;
                let after = self.takes(self.setup.wire_ms);
                self.at(after, Event::Hint(to, life, hint));
            }
        }
    }

    pub(super) fn hears_of(&mut self, node: usize, hint: Hint) {
        // A room that is not here yet does not hear.
        if self.nodes[node].room.is_none() {
            return;
        }
        match hint.news {
            News::Lines { frames } => self.applies(node, Told::Elsewhere { frames }),
            News::Changed | News::Head | News::Lost => self.asks(node, Job::See),
        }
    }

    pub(super) fn watches(&mut self, node: usize) {
        if self.nodes[node].room.is_none() {
            return;
        }
        let life = self.nodes[node].life;
        self.at(WATCH_MS, Event::Watch(node, life));
        if self.plant != Some(Plant::NeverCompared) {
            self.asks(node, Job::See);
        }
        let conns = &self.conns;
        self.nodes[node]
            .attached
            .retain(|conn, _| conns.get(conn).is_some_and(|conn| conn.server_open));
        self.applies(node, Told::Tick);
    }

    /// Somebody came or went on duty: this node looks at once, others are told to.
    pub(super) fn looks_again(&mut self, node: usize) {
        self.publishes(node, News::Head);
        if !self.nodes[node].is_cut {
            let told = self.sees(node);
            self.applies(node, told);
        }
    }

    pub(super) fn sees(&self, node: usize) -> Told {
        let mut snapshot = self.store.snapshot(self.now);
        if self.plant == Some(Plant::StandingNotRead) {
            snapshot.state = StoredState::Open;
            snapshot.attended = self.now + 1_000_000;
            snapshot.ends = self.now + 1_000_000;
        }
        Told::Seen {
            snapshot,
            ahead_ms: self.nodes[node].skew_ms,
        }
    }

    /// A node dies. What its sockets had taken is still read; what waits for it in the store is done or not.
    pub(super) fn dies(&mut self, node: usize) {
        if !self.nodes[node].is_up {
            return;
        }
        self.note(3, || format!("node {node} dies"));
        let conns: Vec<u64> = self
            .conns
            .iter()
            .filter(|(_, conn)| conn.node == node && conn.server_open)
            .map(|(id, _)| *id)
            .collect();
        for conn in conns {
            let n_waiting = self.conns[&conn].outbox.len() as u32;
            let n_written = self.dice.below(n_waiting + 1) as usize;
            self.delivers(conn, n_written);
            self.cuts(conn);
        }
        let skew_ms = self.dice.upto(2 * SKEW_MS) - SKEW_MS;
        let state = &mut self.nodes[node];
        // A commit that is on its way is done all the same, in half of the cases.
        let under_way = state.commits.pop_front();
        state.bus.leave(&room_id());
        let bus = self.net.node();
        *state = Node {
            life: state.life + 1,
            ..Node::new(bus, skew_ms)
        };
        if let Some(Commit::Lines(lines)) = under_way
            && self.dice.percent(50)
        {
            let at = Millis(self.now);
            self.keep(&lines, at);
        }
        let after = 50 + self.dice.upto(3_000);
        self.at(after, Event::NodeUp(node));
    }

    /// Puts a frame into a connection's outbox.
    pub(super) fn pushes(&mut self, node: usize, conn: u64, word: Rc<Word>) {
        let life = self.nodes[node].life;
        if self.conns.get(&conn).is_none_or(|conn| !conn.server_open) {
            return;
        }
        self.checker.told_by(node, life, &word, self.now);
        let swaps = matches!(*word, Word::Said(_)) && self.plants(Plant::DeliveriesSwapped);
        if swaps
            && let Some(Conn { held_back, .. }) = self.conns.get_mut(&conn)
            && held_back.is_none()
        {
            *held_back = Some(word);
            return;
        }
        self.puts(conn, Item::Frame(word));
        let late = self
            .conns
            .get_mut(&conn)
            .and_then(|conn| conn.held_back.take());
        if let Some(late) = late {
            self.puts(conn, Item::Frame(late));
        }
    }
}

fn brief(told: &Told) -> String {
    match told {
        Told::Loaded { conn, from, lines } => {
            format!(
                "Loaded {conn:?} from {} ({} lines)",
                from.get(),
                lines.len()
            )
        }
        Told::Elsewhere { frames } => format!("Elsewhere of {} lines", frames.len()),
        Told::Kept(rows) => format!("Kept {} lines", rows.len()),
        Told::Seen { snapshot, .. } => format!(
            "Seen last_seq={} n_changes={} of {}",
            snapshot.last_seq,
            snapshot.n_changes,
            snapshot.read_at - STARTS
        ),
        Told::Changed {
            rows, complete_to, ..
        } => {
            let rows: Vec<String> = rows
                .iter()
                .map(|row| format!("{}:{:?}@{}", row.seq.get(), row.shows, row.n))
                .collect();
            format!("Changed {} complete to {complete_to:?}", rows.join(" "))
        }
        Told::Looked { found, works, .. } => format!("Looked {found:?} works={works}"),
        Told::ChangeDone { came, .. } => format!("ChangeDone {came:?}"),
        other => format!("{other:?}"),
    }
}
