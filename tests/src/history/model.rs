//! A tiny server in memory, with a group commit, a crash that forgets what was not committed, and faults that can be
//! planted. Random clients run against it and write the same history as real ones.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Event, Verdict, check};

/// What is wrong with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    AckBeforeCommit,
    NoDedup,
    PartialResume,
    NumbersFromClock,
    LosesALiveLine,
    ShowsBeforeCommit,
    StaleAfterRestart,
    RefusesAndStores,
}

const CLIENTS: usize = 4;
const ROOM: &str = "r";
const NEWEST_MAX: usize = 5;

struct Line {
    client: usize,
    key: String,
    body: String,
    seq: u64,
}

#[derive(Default)]
struct Person {
    visit: Option<usize>,
    last_heard: u64,
    acked_on_visit: u64,
    n_sent: usize,
    unanswered: Vec<(String, String)>,
    answered: Vec<(String, String)>,
}

struct World {
    fault: Fault,
    chance: StdRng,
    history: Vec<Event>,
    committed: Vec<Line>,
    pending: Vec<Line>,
    people: Vec<Person>,
    n_visits: usize,
    /// What a stale node still believes.
    remembered: usize,
    clock: u64,
}

impl World {
    fn new(fault: Fault, seed: u64) -> Self {
        let people = (0..CLIENTS).map(|_| Person::default()).collect();
        Self {
            fault,
            chance: StdRng::seed_from_u64(seed),
            history: Vec::new(),
            committed: Vec::new(),
            pending: Vec::new(),
            people,
            n_visits: 0,
            remembered: 0,
            clock: 100,
        }
    }

    fn last_seq(&self) -> u64 {
        self.committed
            .iter()
            .map(|line| line.seq)
            .max()
            .unwrap_or(0)
    }

    fn enter(&mut self, client: usize) {
        let visit = self.n_visits;
        self.n_visits += 1;
        let last_heard = self.people[client].last_heard;
        let after = (last_heard > 0).then_some(last_heard);
        self.history.push(Event::Enter {
            visit,
            room: ROOM.into(),
            after,
        });
        let known = if self.fault == Fault::StaleAfterRestart {
            self.remembered.min(self.committed.len())
        } else {
            self.committed.len()
        };
        let mut lines: Vec<(u64, String)> = self.committed[..known]
            .iter()
            .map(|line| (line.seq, line.body.clone()))
            .collect();
        lines.sort_unstable();
        let last_seq = lines.last().map_or(0, |line| line.0);
        match after.filter(|after| *after <= last_seq) {
            Some(after) => lines.retain(|line| line.0 > after),
            None => drop(lines.drain(..lines.len().saturating_sub(NEWEST_MAX))),
        }
        if self.fault == Fault::PartialResume && lines.len() > 2 {
            lines.drain(..lines.len() - 2);
        }
        self.history.push(Event::Entered {
            visit,
            last_seq,
            gap: None,
        });
        self.people[client].visit = Some(visit);
        self.people[client].acked_on_visit = last_seq;
        for (seq, body) in lines {
            self.hear(client, seq, body);
        }
        let again = std::mem::take(&mut self.people[client].unanswered);
        for (key, body) in again {
            self.send(client, key, body);
        }
    }

    fn hear(&mut self, client: usize, seq: u64, body: String) {
        let person = &mut self.people[client];
        let Some(visit) = person.visit else { return };
        person.last_heard = person.last_heard.max(seq);
        self.history.push(Event::Heard {
            visit,
            seq,
            body: Some(body),
        });
    }

    fn send(&mut self, client: usize, key: String, body: String) {
        self.history.push(Event::Send {
            client,
            room: ROOM.into(),
            key: key.clone(),
            body: body.clone(),
        });
        let stored = self
            .committed
            .iter()
            .find(|line| line.client == client && line.key == key);
        if let Some(line) = stored.filter(|_| self.fault != Fault::NoDedup) {
            let seq = line.seq;
            self.ack(client, &key, &body, seq);
            return;
        }
        let waits = self
            .pending
            .iter()
            .any(|line| line.client == client && line.key == key);
        self.people[client]
            .unanswered
            .push((key.clone(), body.clone()));
        if waits && self.fault != Fault::NoDedup {
            return;
        }
        let ahead = u64::try_from(self.pending.len()).expect("few lines wait");
        let seq = if self.fault == Fault::NumbersFromClock {
            self.clock =
                (self.clock + 1).saturating_sub(if self.chance.random_bool(0.1) { 3 } else { 0 });
            self.clock.saturating_sub(99).max(1)
        } else {
            self.last_seq() + ahead + 1
        };
        if self.fault == Fault::AckBeforeCommit {
            self.ack(client, &key, &body, seq);
        }
        if self.fault == Fault::ShowsBeforeCommit {
            for other in 0..CLIENTS {
                self.hear(other, seq, body.clone());
            }
        }
        if self.fault == Fault::RefusesAndStores && self.chance.random_bool(0.1) {
            self.people[client]
                .unanswered
                .retain(|(waiting, _)| *waiting != key);
            self.history.push(Event::Refused {
                client,
                room: ROOM.into(),
                key: key.clone(),
            });
        }
        self.pending.push(Line {
            client,
            key,
            body,
            seq,
        });
    }

    fn ack(&mut self, client: usize, key: &str, body: &str, seq: u64) {
        let person = &mut self.people[client];
        person.unanswered.retain(|(waiting, _)| waiting != key);
        person.answered.push((key.into(), body.into()));
        person.acked_on_visit = person.acked_on_visit.max(seq);
        self.history.push(Event::Acked {
            client,
            room: ROOM.into(),
            key: key.into(),
            seq,
        });
    }

    fn commit(&mut self) {
        for line in std::mem::take(&mut self.pending) {
            let (client, key, body, seq) =
                (line.client, line.key.clone(), line.body.clone(), line.seq);
            self.committed.push(line);
            let waits = self.people[client]
                .unanswered
                .iter()
                .any(|(waiting, _)| *waiting == key);
            if waits && self.people[client].visit.is_some() {
                self.ack(client, &key, &body, seq);
            }
            if self.fault == Fault::ShowsBeforeCommit {
                continue;
            }
            for other in 0..CLIENTS {
                if self.fault == Fault::LosesALiveLine && self.chance.random_bool(0.05) {
                    continue;
                }
                self.hear(other, seq, body.clone());
            }
        }
    }

    fn crash(&mut self) {
        self.pending.clear();
        for person in &mut self.people {
            person.visit = None;
        }
    }

    fn step(&mut self) {
        let client = self.chance.random_range(0..CLIENTS);
        match self.chance.random_range(0..100) {
            0..3 => self.crash(),
            3..8 => self.people[client].visit = None,
            8..10 => self.remembered = self.committed.len(),
            10..40 => self.commit(),
            _ if self.people[client].visit.is_none() => self.enter(client),
            _ => {
                let repeat = self.chance.random_bool(0.2);
                let person = &mut self.people[client];
                let known: Vec<_> = person
                    .unanswered
                    .iter()
                    .chain(&person.answered)
                    .cloned()
                    .collect();
                if repeat && !known.is_empty() {
                    let (key, body) = known[self.chance.random_range(0..known.len())].clone();
                    self.people[client]
                        .unanswered
                        .retain(|(waiting, _)| *waiting != key);
                    self.send(client, key, body);
                } else {
                    person.n_sent += 1;
                    let key = format!("k{}", person.n_sent);
                    let body = format!("client {client} {key}");
                    self.send(client, key, body);
                }
            }
        }
    }

    fn finish(mut self) -> Vec<Event> {
        self.remembered = self.committed.len();
        for client in 0..CLIENTS {
            if self.people[client].visit.is_none() {
                self.enter(client);
            }
        }
        self.commit();
        for client in 0..CLIENTS {
            if let Some(visit) = self.people[client].visit {
                self.history.push(Event::Settled {
                    visit,
                    at_least: self.people[client].acked_on_visit,
                });
            }
        }
        for line in &self.committed {
            self.history.push(Event::Holds {
                room: ROOM.into(),
                seq: line.seq,
                body: Some(line.body.clone()),
            });
        }
        self.history
    }
}

fn run(fault: Fault, seed: u64) -> Verdict {
    let mut world = World::new(fault, seed);
    for _ in 0..400 {
        world.step();
    }
    check(&world.finish())
}

/// Of 50 seeds, in how many the fault was found.
fn caught(fault: Fault, shows: impl Fn(&Verdict) -> bool) -> usize {
    (0..50).filter(|seed| shows(&run(fault, *seed))).count()
}

#[test]
fn p4_a_clean_server_passes_the_checker() {
    for seed in 0..300 {
        let verdict = run(Fault::None, seed);
        assert!(verdict.is_clean(), "seed {seed}: {:#?}", verdict.findings());
        assert!(
            verdict.n_acked > 20,
            "seed {seed}: only {} lines were acked",
            verdict.n_acked
        );
    }
}

#[test]
fn p4_the_checker_finds_an_ack_before_the_commit() {
    assert!(caught(Fault::AckBeforeCommit, |verdict| !verdict.lost.is_empty()) >= 45);
}

#[test]
fn p4_the_checker_finds_a_server_that_does_not_know_keys_again() {
    assert!(caught(Fault::NoDedup, |verdict| !verdict.doubled.is_empty()) >= 45);
}

#[test]
fn p4_the_checker_finds_a_partial_resume_passed_off_as_whole() {
    assert!(
        caught(Fault::PartialResume, |verdict| !verdict
            .unreported_holes
            .is_empty())
            >= 45
    );
}

#[test]
fn p4_the_checker_finds_numbers_from_the_clock() {
    assert!(caught(Fault::NumbersFromClock, |verdict| !verdict.is_clean()) >= 45);
}

#[test]
fn p4_the_checker_finds_a_live_line_that_was_dropped() {
    assert!(
        caught(Fault::LosesALiveLine, |verdict| !verdict
            .unreported_holes
            .is_empty())
            >= 45
    );
}

#[test]
fn p4_the_checker_finds_lines_shown_before_they_were_committed() {
    assert!(
        caught(Fault::ShowsBeforeCommit, |verdict| !verdict
            .divergent
            .is_empty()
            || !verdict.lost.is_empty())
            >= 45
    );
}

#[test]
fn p4_the_checker_finds_a_node_that_wakes_with_old_numbers() {
    assert!(
        caught(Fault::StaleAfterRestart, |verdict| !verdict
            .stale
            .is_empty())
            >= 45
    );
}

#[test]
fn p4_the_checker_finds_a_refused_line_that_was_stored() {
    assert!(
        caught(Fault::RefusesAndStores, |verdict| !verdict
            .unexpected
            .is_empty())
            >= 45
    );
}
