//! People who talk without end: they send, repeat a fifth of their sends, cut the line, come back by another door, and
//! write down what they did and were told, for [`crate::history`] to judge.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use crate::history::{Event, Verdict, check};
use crate::socket::Came;
use crate::view::Word;
use crate::{Node, Person, Socket, within};

/// How many lines of one talker may be on their way.
const ON_THEIR_WAY_MAX: usize = 6;

/// A number from the environment: `ENGAWA_SEED`, `ENGAWA_CYCLES`.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// How many cycles a test runs: `ENGAWA_CYCLES`, else `usual`.
pub fn cycles(usual: usize) -> usize {
    number("ENGAWA_CYCLES")
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(usual)
}

/// A run's seed: `ENGAWA_SEED`, else one by chance. It repeats the choices, not the machine's timing.
pub fn seed() -> u64 {
    number("ENGAWA_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish())
}

/// How talkers behave.
#[derive(Debug, Clone)]
pub struct Manner {
    /// Milliseconds between two lines, from and to.
    pub pace_ms: (u64, u64),
    /// How often a line is cut, of all sends.
    pub cuts: f64,
    /// The rooms they are in.
    pub rooms: Vec<String>,
    /// The addresses of the nodes they may come by.
    pub doors: Vec<String>,
}

/// What all talkers write into, in the order in which they see it.
#[derive(Debug)]
pub struct Record {
    events: Mutex<Vec<Event>>,
    n_visits: AtomicUsize,
    over: AtomicBool,
    n_talkers: AtomicUsize,
    n_done: AtomicUsize,
    refused: Mutex<BTreeMap<String, usize>>,
    highest_acked: Mutex<HashMap<String, u64>>,
    acked_by: broadcast::Sender<String>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            events: Mutex::default(),
            n_visits: AtomicUsize::default(),
            over: AtomicBool::default(),
            n_talkers: AtomicUsize::default(),
            n_done: AtomicUsize::default(),
            refused: Mutex::default(),
            highest_acked: Mutex::default(),
            acked_by: broadcast::channel(1024).0,
        }
    }
}

impl Record {
    fn push(&self, event: Event) {
        lock(&self.events).push(event);
    }

    /// The codes that lines were refused with, and how often.
    pub fn refused(&self) -> BTreeMap<String, usize> {
        lock(&self.refused).clone()
    }

    /// From now on, the address of the node that sent each acknowledgement, at the instant it was read.
    pub fn acks(&self) -> broadcast::Receiver<String> {
        self.acked_by.subscribe()
    }

    /// How many acknowledgements were read so far.
    pub fn n_acked(&self) -> usize {
        lock(&self.events)
            .iter()
            .filter(|event| matches!(event, Event::Acked { .. }))
            .count()
    }
}

/// Talkers at work.
#[derive(Debug)]
pub struct Talkers {
    /// What they write down.
    pub record: Arc<Record>,
    tasks: Vec<JoinHandle<Result<()>>>,
}

impl Talkers {
    /// Lets these people talk. A person starts at the door at which they were made.
    pub fn start(people: Vec<Person>, manner: &Manner, chance: &mut StdRng) -> Self {
        let record = Arc::new(Record::default());
        record.n_talkers.store(people.len(), Ordering::SeqCst);
        let tasks = people
            .into_iter()
            .enumerate()
            .map(|(id, person)| {
                let chance = StdRng::seed_from_u64(chance.random());
                let talker = Talker {
                    id,
                    person,
                    manner: manner.clone(),
                    chance,
                    record: record.clone(),
                    knows: HashMap::new(),
                    unanswered: VecDeque::new(),
                    answered: Vec::new(),
                    n_lines: 0,
                    done: false,
                };
                tokio::spawn(talker.run())
            })
            .collect();
        Self { record, tasks }
    }

    /// Fails if one of them has met what must not be.
    pub fn all_well(&self) -> Result<()> {
        anyhow::ensure!(
            self.tasks.iter().all(|task| !task.is_finished()),
            "a talker gave up"
        );
        Ok(())
    }

    /// No new lines: waits until each line is answered and each talker has heard all that anybody was acknowledged.
    pub async fn settle(&mut self) -> Result<()> {
        self.record.over.store(true, Ordering::SeqCst);
        for task in self.tasks.drain(..) {
            tokio::time::timeout(Duration::from_secs(60), task)
                .await
                .context("a talker to settle")???;
        }
        Ok(())
    }

    /// Settles, reads the rooms to the end on each of these nodes, and judges.
    pub async fn judge(mut self, nodes: &[&Node], rooms: &[String]) -> Result<Judged> {
        self.settle().await?;
        let mut history = std::mem::take(&mut *lock(&self.record.events));
        for room in rooms {
            let mut first: Option<Vec<(u64, Option<String>)>> = None;
            for node in nodes {
                let lines = read_all(node, room)
                    .await
                    .with_context(|| format!("read {room} to the end"))?;
                match &first {
                    Some(first) => anyhow::ensure!(
                        *first == lines,
                        "{room} differs between nodes: {} and {} lines",
                        first.len(),
                        lines.len()
                    ),
                    None => first = Some(lines),
                }
            }
            for (seq, body) in first.unwrap_or_default() {
                let room = room.clone();
                history.push(Event::Holds { room, seq, body });
            }
        }
        let verdict = check(&history);
        Ok(Judged {
            verdict,
            history,
            refused: self.record.refused(),
        })
    }
}

/// The end of a run.
#[derive(Debug)]
pub struct Judged {
    /// What the history shows.
    pub verdict: Verdict,
    /// All that happened.
    pub history: Vec<Event>,
    /// The codes that lines were refused with.
    pub refused: BTreeMap<String, usize>,
}

impl Judged {
    /// Fails unless nothing was found, at least so many lines were acknowledged, and `busy` was the only refusal. A
    /// history that shows something is kept in a file.
    pub fn must_be_clean(&self, name: &str, seed: u64, n_acked_min: usize) -> Result<()> {
        if !self.verdict.is_clean() {
            let kept = std::env::temp_dir().join(format!("engawa-history-{name}-{seed}.txt"));
            std::fs::write(&kept, format!("{:#?}", self.history))?;
            let findings = self.verdict.findings();
            anyhow::bail!(
                "{} findings, the history is in {}:\n{}",
                findings.len(),
                kept.display(),
                findings[..findings.len().min(30)].join("\n")
            );
        }
        anyhow::ensure!(
            self.verdict.n_acked > n_acked_min,
            "only {} lines were acked: too few to show anything",
            self.verdict.n_acked
        );
        anyhow::ensure!(
            self.refused.keys().all(|code| code == "busy"),
            "refused without a reason: {:?}",
            self.refused
        );
        Ok(())
    }
}

/// A room as one talker knows it.
#[derive(Default)]
struct Knows {
    epoch: Option<String>,
    last: Option<u64>,
    visit: Option<usize>,
    acked_max: u64,
}

struct Talker {
    id: usize,
    person: Person,
    manner: Manner,
    chance: StdRng,
    record: Arc<Record>,
    knows: HashMap<String, Knows>,
    unanswered: VecDeque<(String, String, String)>,
    answered: Vec<(String, String, String)>,
    n_lines: usize,
    done: bool,
}

impl Talker {
    async fn run(mut self) -> Result<()> {
        loop {
            if let Ok(mut socket) = self.person.connect().await {
                socket.checks_order = false;
                if self.visit(&mut socket).await? {
                    return Ok(());
                }
                socket.cut();
            } else {
                // The node is down: the wait is the fault's.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            self.other_door();
        }
    }

    fn other_door(&mut self) {
        let here = self.person.http.address().to_owned();
        let others: Vec<&String> = self
            .manner
            .doors
            .iter()
            .filter(|door| **door != here)
            .collect();
        if others.is_empty() {
            return;
        }
        let door = others[self.chance.random_range(0..others.len())].clone();
        self.person.http.goes_to(&door);
    }

    /// One life of a socket; true when all is over and everything is answered and heard.
    async fn visit(&mut self, socket: &mut Socket) -> Result<bool> {
        for known in self.knows.values_mut() {
            known.visit = None;
        }
        for room in self.manner.rooms.clone() {
            if !self.enter(socket, &room).await? {
                return Ok(false);
            }
        }
        for (room, key, body) in self.unanswered.clone() {
            if !self.send(socket, &room, &key, &body).await {
                return Ok(false);
            }
        }
        loop {
            let over = self.record.over.load(Ordering::SeqCst);
            if over && self.unanswered.is_empty() {
                if !self.done {
                    self.done = true;
                    self.record.n_done.fetch_add(1, Ordering::SeqCst);
                }
                if self.record.n_done.load(Ordering::SeqCst)
                    == self.record.n_talkers.load(Ordering::SeqCst)
                {
                    return self.settle(socket).await;
                }
            }
            let (from, to) = self.manner.pace_ms;
            let pace = Duration::from_millis(self.chance.random_range(from..to));
            match tokio::time::timeout(pace, socket.next_or_end("anything")).await {
                Ok(Ok(Came::Frame(frame))) => {
                    if !self.hear(socket, &frame).await? {
                        return Ok(false);
                    }
                    continue;
                }
                Ok(Ok(Came::End(_))) => return Ok(false),
                Ok(Err(error)) => return Err(error.context(format!("talker {}", self.id))),
                Err(_) => {}
            }
            if over {
                continue;
            }
            if self.chance.random_bool(self.manner.cuts) {
                return Ok(false); // the line is cut
            }
            if !self.speak(socket).await {
                return Ok(false);
            }
        }
    }

    async fn enter(&mut self, socket: &mut Socket, room: &str) -> Result<bool> {
        let visit = self.record.n_visits.fetch_add(1, Ordering::SeqCst);
        let known = self.knows.entry(room.to_owned()).or_default();
        let mut frame = json!({"type": "enter", "room": room});
        if let (Some(epoch), Some(last)) = (&known.epoch, known.last) {
            frame["epoch"] = epoch.as_str().into();
            frame["after"] = last.into();
        }
        let after = known.last;
        self.record.push(Event::Enter {
            visit,
            room: room.to_owned(),
            after,
        });
        if socket.send(&frame).await.is_err() {
            return Ok(false);
        }
        loop {
            let Came::Frame(frame) = socket.next_or_end("entered").await? else {
                return Ok(false);
            };
            let ours = frame["room"] == room;
            match frame["type"].as_str() {
                Some("entered") if ours => {
                    let known = self.knows.entry(room.to_owned()).or_default();
                    let epoch = frame["epoch"].as_str().map(str::to_owned);
                    anyhow::ensure!(
                        known.epoch.is_none() || known.epoch == epoch,
                        "the epoch changed without a restore"
                    );
                    known.epoch = epoch;
                    known.visit = Some(visit);
                    let gap = frame["gap"]["from"]
                        .as_u64()
                        .zip(frame["gap"]["to"].as_u64());
                    let last_seq = frame["last_seq"].as_u64().context("last_seq")?;
                    self.record.push(Event::Entered {
                        visit,
                        last_seq,
                        gap,
                    });
                    for word in frame["messages"].as_array().into_iter().flatten() {
                        self.word(room, word);
                    }
                    let known = self.knows.entry(room.to_owned()).or_default();
                    known.last.get_or_insert(last_seq);
                    // The pong of this ping says that all which was due has come.
                    return Ok(socket
                        .send(&json!({"type": "ping", "n": visit}))
                        .await
                        .is_ok());
                }
                // The store does not answer just now; a socket that comes anew tries again.
                Some("refused") if ours && frame["code"] == "busy" => {
                    self.count_refused("busy");
                    let wait_ms = frame["retry_after_ms"].as_u64().unwrap_or(50).min(500);
                    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                    return Ok(false);
                }
                Some("refused" | "waiting") if ours => anyhow::bail!("enter was answered {frame}"),
                _ => {
                    if !self.hear(socket, &frame).await? {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// A first word of a line.
    fn word(&mut self, room: &str, frame: &Value) {
        let Some(known) = self.knows.get_mut(room) else {
            return;
        };
        let (Some(visit), Some(seq)) = (known.visit, frame["seq"].as_u64()) else {
            return;
        };
        known.last = Some(known.last.unwrap_or(0).max(seq));
        let body = (frame["type"] == "said")
            .then(|| frame["body"].as_str().unwrap_or_default().to_owned());
        self.record.push(Event::Heard { visit, seq, body });
    }

    fn count_refused(&self, code: &str) {
        *lock(&self.record.refused)
            .entry(code.to_owned())
            .or_default() += 1;
    }

    async fn hear(&mut self, socket: &mut Socket, frame: &Value) -> Result<bool> {
        let room = frame["room"].as_str().unwrap_or_default().to_owned();
        let key = frame["key"].as_str().unwrap_or_default().to_owned();
        match frame["type"].as_str() {
            Some("said" | "hidden") => self.word(&room, frame),
            Some("acked") => {
                let seq = frame["seq"].as_u64().context("acked without seq")?;
                // Nobody may be listening for acks.
                let _ = self
                    .record
                    .acked_by
                    .send(self.person.http.address().to_owned());
                self.acked(&room, &key, seq);
            }
            Some("refused") => {
                let code = frame["code"].as_str().unwrap_or_default().to_owned();
                self.count_refused(&code);
                if code != "busy" {
                    self.record.push(Event::Refused {
                        client: self.id,
                        room: room.clone(),
                        key: key.clone(),
                    });
                    self.unanswered
                        .retain(|line| line.0 != room || line.1 != key);
                } else if let Some((room, key, body)) = self
                    .unanswered
                    .iter()
                    .find(|line| line.0 == room && line.1 == key)
                    .cloned()
                {
                    tokio::time::sleep(Duration::from_millis(
                        frame["retry_after_ms"].as_u64().unwrap_or(50).min(2000),
                    ))
                    .await;
                    return Ok(self.send(socket, &room, &key, &body).await);
                }
            }
            Some("pong") => {
                let visit = frame["n"]
                    .as_u64()
                    .and_then(|n| usize::try_from(n).ok())
                    .context("pong without n")?;
                self.record.push(Event::Settled { visit, at_least: 0 });
            }
            Some("bye") => return Ok(false),
            _ => {}
        }
        Ok(true)
    }

    fn acked(&mut self, room: &str, key: &str, seq: u64) {
        self.record.push(Event::Acked {
            client: self.id,
            room: room.to_owned(),
            key: key.to_owned(),
            seq,
        });
        {
            let mut highest = lock(&self.record.highest_acked);
            let highest = highest.entry(room.to_owned()).or_default();
            *highest = (*highest).max(seq);
        }
        let known = self.knows.entry(room.to_owned()).or_default();
        known.acked_max = known.acked_max.max(seq);
        if let Some(at) = self
            .unanswered
            .iter()
            .position(|line| line.0 == room && line.1 == key)
            && let Some(line) = self.unanswered.remove(at)
        {
            self.answered.push(line);
        }
    }

    async fn send(&mut self, socket: &mut Socket, room: &str, key: &str, body: &str) -> bool {
        self.record.push(Event::Send {
            client: self.id,
            room: room.to_owned(),
            key: key.to_owned(),
            body: body.to_owned(),
        });
        socket.say(room, key, body).await.is_ok()
    }

    /// A new line, or one of five times one that was sent before, answered or not.
    async fn speak(&mut self, socket: &mut Socket) -> bool {
        if self.chance.random_bool(0.2) {
            let n_known = self.unanswered.len() + self.answered.len();
            if n_known > 0 {
                // Mostly a late one: repeats of lines from before a crash are the interesting ones.
                let at = n_known - 1 - self.chance.random_range(0..n_known.min(40));
                let line = self
                    .answered
                    .get(at)
                    .or_else(|| self.unanswered.get(at - self.answered.len().min(at)))
                    .cloned();
                if let Some((room, key, body)) = line {
                    return self.send(socket, &room, &key, &body).await;
                }
            }
        }
        if self.unanswered.len() >= ON_THEIR_WAY_MAX {
            return true;
        }
        self.n_lines += 1;
        let rooms = &self.manner.rooms;
        let room = rooms[self.chance.random_range(0..rooms.len())].clone();
        let (key, body) = (
            format!("k{}", self.n_lines),
            format!("ひと{} の {} つめ", self.id, self.n_lines),
        );
        self.unanswered
            .push_back((room.clone(), key.clone(), body.clone()));
        self.send(socket, &room, &key, &body).await
    }

    /// All lines of all are answered: what was acknowledged to anybody must be heard on this very visit.
    async fn settle(&mut self, socket: &mut Socket) -> Result<bool> {
        let due = lock(&self.record.highest_acked).clone();
        let due_in = |room: &str| due.get(room).copied().unwrap_or(0);
        let behind = |talker: &Self| {
            talker
                .knows
                .iter()
                .any(|(room, known)| known.last.unwrap_or(0) < known.acked_max.max(due_in(room)))
        };
        let caught_up = within("the said of every acked line", async {
            while behind(self) {
                let Came::Frame(frame) = socket.next_or_end("the said of every acked line").await?
                else {
                    return Ok(false);
                };
                if !self.hear(socket, &frame).await? {
                    return Ok(false);
                }
            }
            anyhow::Ok(true)
        })
        .await;
        if matches!(caught_up, Ok(Ok(false))) {
            return Ok(false);
        }
        for (room, known) in &self.knows {
            if let Some(visit) = known.visit {
                self.record.push(Event::Settled {
                    visit,
                    at_least: known.acked_max.max(due_in(room)),
                });
            }
        }
        Ok(true)
    }
}

/// Reads a room from its first line to its last, as somebody who was never there; `None` stands for a hidden line.
pub async fn read_all(node: &Node, room: &str) -> Result<Vec<(u64, Option<String>)>> {
    let mut socket = node.tojisha("すべてよむ").await?.connect().await?;
    let entered = socket.enter_with(json!({"room": room, "after": 0})).await?;
    let last_seq = entered["last_seq"].as_u64().context("last_seq")?;
    while socket.view(room)?.last_seq() < last_seq {
        socket.next().await?;
    }
    let words = &socket.view(room)?.words;
    Ok(words
        .iter()
        .map(|(seq, word)| match word {
            Word::Said(body) => (*seq, Some(body.clone())),
            Word::Hidden => (*seq, None),
        })
        .collect())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
