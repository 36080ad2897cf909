//! Time and what is under way: every event has its moment, drawn from the seed; of two at one moment either may be first.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::adapter::{Look, Told};
use super::checker::{Bounds, Checker, Standing, Violation};
use super::jobs::Job;
use super::lines::Conn;
use super::nodes::Node;
use super::people::Member;
use super::plants::Plant;
use super::setup::{Dice, LEASE_MS, QUIET_MS, SKEW_MS, Setup, WATCH_MS};
use super::store::{STARTS, Store};
use super::words::Word;
use crate::features::gatherings::StoredState;
use crate::features::rooms::line::{Content, NewLine, Shows};
use crate::platform::bus::LocalNet;
use crate::platform::clock::Millis;
use crate::platform::ids::SeededChance;
use crate::protocol::HoldReason;

/// What is under way. A node is named with its life: what a dead one asked for comes back to nobody.
pub(super) enum Event {
    /// A member does something.
    Acts(usize),
    /// The edge reads the next frame of a connection.
    Uplink(u64),
    /// A connection's writer takes what is there.
    Downlink(u64),
    /// A room takes the next of its inbox.
    Inbox(usize, u32),
    /// Something comes back to a room; then, in order, the rest.
    Outcome(usize, u32, Vec<Told>),
    /// The store does or reads what a node asked for.
    Runs(usize, u32, Box<Job>),
    /// A node's committer takes the next.
    Commits(usize, u32),
    /// A hint arrives.
    Hint(usize, u32, crate::platform::bus::Hint),
    /// A node looks at the store.
    Watch(usize, u32),
    /// A node comes up.
    NodeUp(usize),
    /// A pong renews a duty.
    Renews(u64),
    /// The server notices that a connection is gone.
    Noticed(u64),
    /// A member says again what has no answer.
    Again(usize, String),
    /// A fault ends.
    BusHeals,
    StoreHeals(usize),
    /// The room's state is moved by hand.
    Moved(StoredState),
}

/// Something to be written to a connection.
pub(super) enum Item {
    Frame(Rc<Word>),
    Mark,
}

/// What a run came to.
pub(super) struct Ran {
    pub(super) violation: Option<Violation>,
    pub(super) n_steps: u64,
    pub(super) n_lines: usize,
    /// The same for the same schedule.
    pub(super) mark: u64,
    pub(super) schedule: VecDeque<String>,
}

/// Steps after which something goes round in circles.
const STEPS_MAX: u64 = 60_000;

/// All of it.
pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) setup: Setup,
    pub(super) plant: Option<Plant>,
    pub(super) n_planted: u32,
    pub(super) now: i64,
    queue: BTreeMap<(i64, u32, u64), Event>,
    n_events: u64,
    pub(super) store: Store,
    pub(super) old_store: Option<Store>,
    pub(super) net: LocalNet,
    pub(super) nodes: Vec<Node>,
    pub(super) bus_is_down: bool,
    pub(super) members: Vec<Member>,
    pub(super) conns: BTreeMap<u64, Conn>,
    pub(super) n_conns: u64,
    pub(super) n_keys: u32,
    pub(super) n_acts_left: u32,
    pub(super) quiet_since: Option<i64>,
    pub(super) checker: Checker,
    mark: u64,
    schedule: Option<VecDeque<String>>,
    schedule_max: usize,
}

impl World {
    /// The world of a seed. `schedule_max`: how many of its last events are kept in words.
    pub(super) fn new(seed: u64, plant: Option<Plant>, schedule_max: usize) -> Self {
        let dice = Dice::new(seed);
        let setup = Setup::draw(&dice);
        let net = LocalNet::faulty(
            setup.bus,
            std::sync::Arc::new(SeededChance::new(seed ^ 0x5EED)),
        );
        let mut store = Store::new(STARTS + setup.lasts_ms, plant);
        store.guard = setup.guard;
        let checker = Checker::new(Bounds {
            pause_after_ms: setup.sizes.pause_after_ms,
            skew_ms: 2 * SKEW_MS,
            // Two looks, the slower of which may fail; what is read is on its way for a while.
            stale_ms: 4 * WATCH_MS + 4 * LEASE_MS,
        });
        let mut world = Self {
            nodes: Vec::new(),
            members: Vec::new(),
            conns: BTreeMap::new(),
            n_conns: 0,
            n_keys: 0,
            n_acts_left: setup.n_acts,
            quiet_since: None,
            dice,
            setup,
            plant,
            n_planted: 0,
            now: STARTS,
            queue: BTreeMap::new(),
            n_events: 0,
            store,
            old_store: None,
            net,
            bus_is_down: false,
            checker,
            mark: 0xcbf2_9ce4_8422_2325,
            schedule: (schedule_max > 0).then(VecDeque::new),
            schedule_max,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        self.stands();
        for n in 1..=self.setup.n_before {
            let line = NewLine {
                author: super::adapter::participant("before"),
                key: super::adapter::client_key(&format!("b{n}")),
                content: content(&format!("b{n}"), "before"),
            };
            self.keep(&[line], Millis(STARTS));
        }
        let n_gone = self.setup.n_gone;
        self.store.lose_words(n_gone);
        for seq in 1..=n_gone {
            self.checker.changed(seq, Shows::Gone, STARTS);
        }
        for idx in 0..self.setup.n_nodes {
            let skew_ms = self.dice.upto(2 * SKEW_MS) - SKEW_MS;
            self.nodes.push(Node::new(self.net.node(), skew_ms));
            self.at(0, Event::NodeUp(idx));
        }
        for idx in 0..self.setup.n_members {
            let is_on_duty = idx < self.setup.n_on_duty;
            // Some are one person with two tabs.
            let person = if is_on_duty || self.dice.percent(70) {
                idx
            } else {
                (idx - 1).max(self.setup.n_on_duty)
            };
            let on_slow_line = self.dice.percent(15);
            self.members
                .push(Member::new(format!("p{person}"), is_on_duty, on_slow_line));
            self.at(i64::from(!is_on_duty) * 5, Event::Acts(idx));
        }
        if self.setup.is_moved {
            let whole =
                i64::from(self.setup.n_acts) * self.setup.think_ms / self.setup.n_members as i64;
            let moves: &[StoredState] = if self.dice.percent(50) {
                &[StoredState::Paused, StoredState::Open]
            } else {
                &[
                    StoredState::LastCall,
                    StoredState::Afterglow,
                    StoredState::Closed,
                ]
            };
            let mut after = whole / 4;
            for state in moves {
                after += self.dice.upto(whole / 3);
                self.at(after, Event::Moved(*state));
            }
        }
    }

    /// Puts an event so many milliseconds from now.
    pub(super) fn at(&mut self, after_ms: i64, event: Event) {
        self.n_events += 1;
        let tie = self.dice.below(u32::MAX);
        self.queue
            .insert((self.now + after_ms.max(0), tie, self.n_events), event);
    }

    /// Up to so many milliseconds, mostly few.
    pub(super) fn takes(&self, max_ms: i64) -> i64 {
        let max_ms = if self.quiet_since.is_some() {
            max_ms.min(20)
        } else {
            max_ms
        };
        let some = self.dice.upto(max_ms);
        if self.dice.percent(70) {
            some / 8
        } else {
            some
        }
    }

    /// Notes what happens; the words are made only where somebody wants to read them.
    pub(super) fn note(&mut self, code: u64, words: impl FnOnce() -> String) {
        for part in [code, self.now.unsigned_abs()] {
            self.mark = (self.mark ^ part).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(schedule) = &mut self.schedule {
            if schedule.len() == self.schedule_max {
                schedule.pop_front();
            }
            schedule.push_back(format!("{:>8} {}", self.now - STARTS, words()));
        }
    }

    /// True at every third place where this fault could be.
    pub(super) fn plants(&mut self, plant: Plant) -> bool {
        if self.plant != Some(plant) {
            return false;
        }
        self.n_planted += 1;
        self.n_planted.is_multiple_of(3)
    }

    /// Tells the judge what the room is now, by the store.
    pub(super) fn stands(&mut self) {
        let snapshot = self.store.snapshot(self.now);
        self.checker.stands(Standing {
            at: self.now,
            state: snapshot.state,
            attended: snapshot.attended,
            ends: snapshot.ends,
        });
    }

    /// A transaction of the store, and what the judge knows of it.
    pub(super) fn keep(&mut self, lines: &[NewLine], at: Millis) -> Vec<super::store::KeptRow> {
        let n_before = self.store.lines.len();
        let kept = self.store.keep(lines, at);
        for line in &self.store.lines[n_before..] {
            let body = line.content.as_ref().map_or("", |content| &content.body);
            self.checker.kept(
                line.seq.get(),
                line.author.as_str(),
                line.key.as_str(),
                body,
                self.now,
            );
        }
        kept
    }

    /// Lets it go to its end.
    pub(super) fn run(mut self) -> Ran {
        let mut n_steps = 0;
        while let Some(((at, _, _), event)) = self.queue.pop_first() {
            self.now = at;
            n_steps += 1;
            self.happens(event);
            if self.checker.violation.is_some() {
                break;
            }
            if n_steps > STEPS_MAX {
                self.checker
                    .broken(super::checker::Broken::Wild, "it does not come to rest");
                break;
            }
            match self.quiet_since {
                None if self.n_acts_left == 0 => self.fall_quiet(),
                Some(since) if self.now > since + QUIET_MS => {
                    self.judge_rest();
                    break;
                }
                None | Some(_) => {}
            }
        }
        Ran {
            violation: self.checker.violation.take(),
            n_steps,
            n_lines: self.checker.n_kept,
            mark: self.mark,
            schedule: self.schedule.take().unwrap_or_default(),
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Acts(member) => self.acts(member),
            Event::Uplink(conn) => self.edge_reads(conn),
            Event::Downlink(conn) => self.writes(conn),
            Event::Inbox(node, life) if self.lives(node, life) => self.takes_input(node),
            Event::Outcome(node, life, told) if self.lives(node, life) => {
                self.comes_back(node, told);
            }
            Event::Runs(node, life, job) => self.runs(node, life, *job),
            Event::Commits(node, life) if self.lives(node, life) => self.commits(node),
            Event::Hint(node, life, hint) if self.lives(node, life) => self.hears_of(node, hint),
            Event::Watch(node, life) if self.lives(node, life) => self.watches(node),
            Event::NodeUp(node) => self.node_up(node),
            Event::Renews(conn) => self.renews(conn),
            Event::Noticed(conn) => self.noticed(conn),
            Event::Again(member, key) => self.says_again(member, &key),
            Event::BusHeals => self.bus_is_down = false,
            Event::StoreHeals(node) => self.nodes[node].is_cut = false,
            Event::Moved(state) => {
                self.note(90, || format!("the room is {state:?}"));
                self.store.state = state;
                self.stands();
            }
            Event::Inbox(..)
            | Event::Outcome(..)
            | Event::Commits(..)
            | Event::Hint(..)
            | Event::Watch(..) => {}
        }
    }

    /// Nothing fails any more, and nobody begins anything.
    fn fall_quiet(&mut self) {
        self.note(91, || "all is quiet from here".into());
        self.quiet_since = Some(self.now);
        self.bus_is_down = false;
        for idx in 0..self.nodes.len() {
            self.nodes[idx].is_cut = false;
            if !self.nodes[idx].is_up {
                self.at(10, Event::NodeUp(idx));
            }
        }
        self.setup.commits_fail = 0;
        self.setup.outcomes_lost = 0;
        self.setup.reads_fail = 0;
    }

    fn judge_rest(&mut self) {
        let truth = self.true_head();
        let conns: Vec<(u64, bool)> = self
            .conns
            .iter()
            .filter(|(_, conn)| conn.client_open)
            .map(|(id, conn)| {
                (
                    *id,
                    conn.member.is_some_and(|idx| self.members[idx].wants_in),
                )
            })
            .collect();
        for (conn, member_is_in) in conns {
            self.checker.at_rest(conn, member_is_in, truth.as_ref());
        }
        let waits = self
            .store
            .holds
            .iter()
            .find(|held| held.ended.is_none() && held.reason == HoldReason::Newcomer);
        if let (Some(held), Some(truth)) = (waits, &truth)
            && matches!(truth.state.as_str(), "open" | "last_call")
            && !held.looked
        {
            let what = format!("{} did not pass by itself", held.key.as_str());
            self.checker.broken(super::checker::Broken::Hold, what);
        }
        if truth.is_some() {
            self.judge_words();
        }
        self.checker.at_the_end();
    }

    /// What every node must say of the room now; `None` once it is closed.
    fn true_head(&self) -> Option<super::words::HeadWord> {
        let snapshot = self.store.snapshot(self.now);
        let alone_ms = self.now - snapshot.attended;
        let sizes = &self.setup.sizes;
        let state = match snapshot.state {
            StoredState::Afterglow => "afterglow",
            _ if self.now >= snapshot.ends => return None,
            StoredState::Paused => "paused",
            StoredState::Open | StoredState::LastCall if alone_ms > sizes.pause_after_ms => {
                "paused"
            }
            StoredState::Open => "open",
            StoredState::LastCall => "last_call",
            _ => return None,
        };
        let is_slow = state != "paused" && state != "afterglow" && alone_ms > sizes.slow_after_ms;
        Some(super::words::HeadWord {
            state: state.into(),
            guard: i64::from(self.setup.guard),
            slow_ms: if is_slow { i64::from(sizes.slow_ms) } else { 0 },
            on_duty: snapshot.on_duty,
        })
    }
}

/// What is sealed of a line.
pub(super) fn content(body: &str, name: &str) -> Content {
    Content {
        body: body.to_owned(),
        name: name.to_owned(),
        duty: None,
        note: None,
        no_reply: false,
        form: None,
        by_room: false,
    }
}

/// What `Look` wants, for the schedule.
pub(super) fn of_look(look: &Look) -> String {
    format!("look for {}", look.key.as_str())
}
