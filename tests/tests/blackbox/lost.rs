//! Nothing lost: clients that send, repeat a fifth of their sends, cut the line and come back, on a node that is killed
//! with SIGKILL at random instants. What they did and were told is held against the contract by `history`.
//!
//! `ENGAWA_SEED` repeats a run's choices (not the machine's timing), `ENGAWA_CYCLES` makes it longer.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use engawa_tests::history::{Event, check};
use engawa_tests::socket::Came;
use engawa_tests::{Db, House, Node, Person, Socket, on_both, tell, within};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

const CYCLES: usize = 60;
const CLIENTS: usize = 6;
const FURTHER_ROOMS: u32 = 2;
/// How many lines of one client may be on their way.
const ON_THEIR_WAY_MAX: usize = 6;

on_both!(p4_nothing_acknowledged_is_lost_when_a_node_is_killed_at_any_instant,);

async fn p4_nothing_acknowledged_is_lost_when_a_node_is_killed_at_any_instant(
    db: Db,
) -> anyhow::Result<()> {
    let seed = number("ENGAWA_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let cycles = number("ENGAWA_CYCLES")
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(CYCLES);
    let mut chance = StdRng::seed_from_u64(seed);
    let house = House::new(db).await?.with_rooms(FURTHER_ROOMS);
    let mut node = house.start().await?;
    let rooms = node.tojisha_rooms();
    let record = Arc::new(Record::default());
    let mut clients = Vec::new();
    for id in 0..CLIENTS {
        let person = node.tojisha(&format!("ひと{id}")).await?;
        let client = Client::new(
            id,
            person,
            rooms.clone(),
            StdRng::seed_from_u64(chance.random()),
            record.clone(),
        );
        clients.push(tokio::spawn(client.run()));
    }
    for cycle in 0..cycles {
        // The span is part of the fault: the node dies at any instant of its life.
        tokio::time::sleep(Duration::from_millis(chance.random_range(150..900))).await;
        node.kill().await?;
        node = house
            .start()
            .await
            .with_context(|| format!("start after kill {cycle}, seed {seed}"))?;
        anyhow::ensure!(
            clients.iter().all(|client| !client.is_finished()),
            "a client gave up in cycle {cycle}, seed {seed}"
        );
    }
    record.over.store(true, Ordering::SeqCst);
    for client in clients {
        tokio::time::timeout(Duration::from_secs(60), client)
            .await
            .with_context(|| format!("a client to settle, seed {seed}"))???;
    }
    let mut history =
        std::mem::take(&mut *record.events.lock().unwrap_or_else(PoisonError::into_inner));
    for room in &rooms {
        read_all(&node, room, &mut history)
            .await
            .with_context(|| format!("read {room} to the end, seed {seed}"))?;
    }
    let verdict = check(&history);
    tell(&format!(
        "p4 {cycles} cycles {}: {} (seed {seed})",
        db.name(),
        verdict.summary()
    ));
    if !verdict.is_clean() {
        let kept = std::env::temp_dir().join(format!("engawa-history-{}-{seed}.txt", db.name()));
        std::fs::write(&kept, format!("{history:#?}"))?;
        let findings = verdict.findings();
        anyhow::bail!(
            "{} findings, the history is in {}:\n{}",
            findings.len(),
            kept.display(),
            findings[..findings.len().min(30)].join("\n")
        );
    }
    anyhow::ensure!(
        verdict.n_acked > cycles * 10,
        "only {} lines were acked: too few to show anything",
        verdict.n_acked
    );
    let refused = record
        .refused
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    anyhow::ensure!(
        refused.keys().all(|code| code == "busy"),
        "refused without a reason: {refused:?}"
    );
    node.stop().await?;
    Ok(())
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What all clients write into, in the order in which they see it.
#[derive(Default)]
struct Record {
    events: Mutex<Vec<Event>>,
    n_visits: AtomicUsize,
    over: AtomicBool,
    refused: Mutex<BTreeMap<String, usize>>,
}

impl Record {
    fn push(&self, event: Event) {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event);
    }
}

/// A room as one client knows it.
#[derive(Default)]
struct Knows {
    epoch: Option<String>,
    last: Option<u64>,
    visit: Option<usize>,
    acked_max: u64,
}

struct Client {
    id: usize,
    person: Person,
    rooms: Vec<String>,
    chance: StdRng,
    record: Arc<Record>,
    knows: HashMap<String, Knows>,
    unanswered: VecDeque<(String, String, String)>,
    answered: Vec<(String, String, String)>,
    n_lines: usize,
}

impl Client {
    fn new(
        id: usize,
        person: Person,
        rooms: Vec<String>,
        chance: StdRng,
        record: Arc<Record>,
    ) -> Self {
        Self {
            id,
            person,
            rooms,
            chance,
            record,
            knows: HashMap::new(),
            unanswered: VecDeque::new(),
            answered: Vec::new(),
            n_lines: 0,
        }
    }

    async fn run(mut self) -> Result<()> {
        loop {
            let Ok(mut socket) = self.person.connect().await else {
                // The node is down: the wait is the fault's.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            socket.checks_order = false;
            if self.visit(&mut socket).await? {
                return Ok(());
            }
            socket.cut();
        }
    }

    /// One life of a socket; true when all is over and everything is answered.
    async fn visit(&mut self, socket: &mut Socket) -> Result<bool> {
        for known in self.knows.values_mut() {
            known.visit = None;
        }
        for room in self.rooms.clone() {
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
            if self.record.over.load(Ordering::SeqCst) && self.unanswered.is_empty() {
                return self.settle(socket).await;
            }
            let pace = Duration::from_millis(self.chance.random_range(2..25));
            match tokio::time::timeout(pace, socket.next_or_end("anything")).await {
                Ok(Ok(Came::Frame(frame))) => {
                    if !self.hear(socket, &frame).await? {
                        return Ok(false);
                    }
                    continue;
                }
                Ok(Ok(Came::End(_))) => return Ok(false),
                Ok(Err(error)) => return Err(error.context(format!("client {}", self.id))),
                Err(_) => {}
            }
            if self.record.over.load(Ordering::SeqCst) {
                continue;
            }
            if self.chance.random_bool(0.01) {
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

    async fn hear(&mut self, socket: &mut Socket, frame: &Value) -> Result<bool> {
        let room = frame["room"].as_str().unwrap_or_default().to_owned();
        let key = frame["key"].as_str().unwrap_or_default().to_owned();
        match frame["type"].as_str() {
            Some("said" | "hidden") => self.word(&room, frame),
            Some("acked") => {
                let seq = frame["seq"].as_u64().context("acked without seq")?;
                self.record.push(Event::Acked {
                    client: self.id,
                    room: room.clone(),
                    key: key.clone(),
                    seq,
                });
                let known = self.knows.entry(room.clone()).or_default();
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
            Some("refused") => {
                let code = frame["code"].as_str().unwrap_or_default().to_owned();
                *self
                    .record
                    .refused
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .entry(code.clone())
                    .or_default() += 1;
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
        let room = self.rooms[self.chance.random_range(0..self.rooms.len())].clone();
        let (key, body) = (
            format!("k{}", self.n_lines),
            format!("ひと{} の {} つめ", self.id, self.n_lines),
        );
        self.unanswered
            .push_back((room.clone(), key.clone(), body.clone()));
        self.send(socket, &room, &key, &body).await
    }

    /// All own lines are answered: what was acknowledged must be heard on this very visit.
    async fn settle(&mut self, socket: &mut Socket) -> Result<bool> {
        let behind = |client: &Self| {
            client
                .knows
                .values()
                .any(|known| known.last.unwrap_or(0) < known.acked_max)
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
        for known in self.knows.values() {
            if let Some(visit) = known.visit {
                self.record.push(Event::Settled {
                    visit,
                    at_least: known.acked_max,
                });
            }
        }
        Ok(true)
    }
}

/// Reads a room from its first line to its last, as somebody who was never there.
async fn read_all(node: &Node, room: &str, history: &mut Vec<Event>) -> Result<()> {
    let mut socket = node.tojisha("すべてよむ").await?.connect().await?;
    let entered = socket.enter_with(json!({"room": room, "after": 0})).await?;
    let last_seq = entered["last_seq"].as_u64().context("last_seq")?;
    while socket.view(room)?.last_seq() < last_seq {
        socket.next().await?;
    }
    for (seq, word) in &socket.view(room)?.words {
        let body = match word {
            engawa_tests::view::Word::Said(body) => Some(body.clone()),
            engawa_tests::view::Word::Hidden => None,
        };
        history.push(Event::Holds {
            room: room.to_owned(),
            seq: *seq,
            body,
        });
    }
    Ok(())
}
