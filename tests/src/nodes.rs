//! Several nodes on one PostgreSQL, one key store, one key file and, where there is one, one Redis; each with a data
//! folder of its own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};

use crate::http::Client;
use crate::node::{Login, Node, RoomInfo};
use crate::postgres::{Cluster, free_port};
use crate::redis::{Gate, Redis};
use crate::{Db, House, Person};

/// Without anybody on duty the rooms stay as they are: a test of nodes has nobody there, or says who.
const NOBODY_NEEDED: &str =
    "rooms.slow_after_ms = 80000000\nrooms.pause_after_ms = 86000000\nstore.pg_connections = 6";

/// What nodes are started from, and where each listens.
#[derive(Debug)]
pub struct Nodes {
    house: House,
    config: PathBuf,
    seats: Vec<Seat>,
    rooms: Vec<RoomInfo>,
    logins: Vec<Login>,
    n_people: AtomicUsize,
}

/// One node's place: the same over all its lives.
#[derive(Debug)]
struct Seat {
    port: u16,
    metrics_port: u16,
    data_dir: PathBuf,
    gate: Option<Gate>,
}

/// A house on PostgreSQL for tests with several nodes.
pub async fn house() -> Result<House> {
    House::new(Db::Postgres).await?.with(NOBODY_NEEDED)
}

/// The same on clusters of a test's own.
pub async fn house_on(data: &Cluster, keys: &Cluster) -> Result<House> {
    House::on_cluster(data, keys).await?.with(NOBODY_NEEDED)
}

impl Nodes {
    /// Makes the sample centre on the house's stores and leaves it without a node. `n` nodes may be started then, each
    /// with its own way to Redis.
    pub async fn new(house: House, n: usize, redis: Option<&Redis>) -> Result<Self> {
        let demo = house.start().await.context("make the sample centre")?;
        let (rooms, logins) = (demo.rooms.clone(), demo.logins.clone());
        demo.stop().await?;
        let mut seats = Vec::new();
        for idx in 0..n {
            seats.push(Seat {
                port: free_port()?,
                metrics_port: free_port()?,
                data_dir: house.aside(&format!("node-{idx}")),
                gate: match redis {
                    Some(redis) => Some(Gate::before(&redis.address()).await?),
                    None => None,
                },
            });
        }
        Ok(Self {
            config: house.data_dir().join("engawa.toml"),
            house,
            seats,
            rooms,
            logins,
            n_people: AtomicUsize::default(),
        })
    }

    /// Starts one of them, the first time or again, at the same address.
    pub async fn start(&self, idx: usize) -> Result<Node> {
        let seat = &self.seats[idx];
        let mut variables = vec![
            ("ENGAWA_DATA_DIR", seat.data_dir.display().to_string()),
            (
                "ENGAWA_METRICS_LISTEN",
                format!("127.0.0.1:{}", seat.metrics_port),
            ),
        ];
        if let Some(gate) = &seat.gate {
            variables.push(("ENGAWA_REDIS_URL", gate.url()));
        }
        let mut node = Node::member(&self.house, &self.config, &variables, seat.port)
            .await
            .with_context(|| format!("start node {idx}"))?;
        node.rooms.clone_from(&self.rooms);
        node.logins.clone_from(&self.logins);
        Ok(node)
    }

    /// Starts all of them.
    pub async fn start_all(&self) -> Result<Vec<Node>> {
        let mut nodes = Vec::new();
        for idx in 0..self.seats.len() {
            nodes.push(self.start(idx).await?);
        }
        Ok(nodes)
    }

    /// Where each listens.
    pub fn doors(&self) -> Vec<String> {
        let door = |seat: &Seat| format!("127.0.0.1:{}", seat.port);
        self.seats.iter().map(door).collect()
    }

    /// The gate before a node's Redis.
    pub fn gate(&self, idx: usize) -> Result<&Gate> {
        self.seats[idx].gate.as_ref().context("there is no Redis")
    }

    /// So many people, made at the nodes in turn.
    pub async fn people(&self, nodes: &[Node], n: usize) -> Result<Vec<Person>> {
        let mut people = Vec::new();
        for _ in 0..n {
            let id = self.n_people.fetch_add(1, Ordering::Relaxed);
            let node = &nodes[id % nodes.len()];
            people.push(node.tojisha(&format!("ひと{id}")).await?);
        }
        Ok(people)
    }

    /// A number of a node by its name, all labels added up; 0 where it was never counted.
    pub async fn metric(&self, idx: usize, name: &str) -> Result<f64> {
        let address = format!("127.0.0.1:{}", self.seats[idx].metrics_port);
        let text = Client::new(&address).get("/metrics").await?.is(200)?.text();
        let of_name = |line: &&str| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with([' ', '{']))
        };
        let values = text.lines().filter(of_name);
        Ok(values
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }

    /// What all nodes have logged as an error so far, and their panics.
    pub fn failures(&self) -> Result<Vec<String>> {
        let log = std::fs::read_to_string(self.house.log_file())?;
        let bad = |line: &&str| line.contains("ERROR") || line.contains("panicked");
        Ok(log.lines().filter(bad).map(str::to_owned).collect())
    }
}
