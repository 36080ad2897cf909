//! Who is measured: the house itself, the bare broadcaster. Each is a process of its own on the server's core.

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use tokio::runtime::Runtime;

use super::generator::{Dialect, Target};
use super::machine::{self, Cores, Used};
use super::sessions;
use crate::redis::Redis;
use crate::{Db, House, Node};

/// Lifted limits, as anybody may use them who measures.
const LIMITS: &str = include_str!("../../../ops/load/limits.toml");
/// What the hub alone carries is measured with lines that nobody reads.
const HUB_ALONE: &str = "[moderation]\ndecide = \"off\"\n";

/// The house under load: a node of the real binary on a durable database.
pub struct Measured {
    /// Keeps the processes' pipes empty.
    runtime: Runtime,
    house: House,
    nodes: Vec<Node>,
    _redis: Option<Redis>,
    cores: Cores,
    /// What the generator loads.
    pub target: Target,
    name: &'static str,
    pids: Vec<u32>,
}

fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

impl Measured {
    /// Starts `engawa demo` with so many rooms, pinned to the server's core, and makes so many persons. Lines are not
    /// assessed; with [`Measured::start_with`] they are.
    pub fn start(cores: Cores, n_rooms: usize, n_people: usize) -> Result<Self> {
        Self::start_with(cores, n_rooms, n_people, HUB_ALONE)
    }

    /// As [`Measured::start`], with further settings as lines of TOML.
    pub fn start_with(
        cores: Cores,
        n_rooms: usize,
        n_people: usize,
        settings: &str,
    ) -> Result<Self> {
        let runtime = runtime()?;
        let house = runtime.block_on(House::new(Db::Sqlite))?;
        let house = house.with(LIMITS)?.with(settings)?;
        Self::on(runtime, house, None, "engawa", cores, n_rooms, n_people, 1)
    }

    /// As [`Measured::start`] on PostgreSQL, with several nodes on the server's core that hear of each other by Redis.
    /// PostgreSQL and Redis run where there is time.
    pub fn start_nodes(
        cores: Cores,
        n_rooms: usize,
        n_people: usize,
        n_nodes: usize,
    ) -> Result<Self> {
        let runtime = runtime()?;
        machine::pin_to_both(cores)?;
        let (house, redis) = runtime.block_on(async {
            let redis = Redis::start().await?;
            anyhow::Ok((House::new(Db::Postgres).await?, redis))
        })?;
        let house = house
            .with(LIMITS)?
            .with_variable("ENGAWA_REDIS_URL", &redis.url());
        let name = if n_nodes == 1 {
            "one node"
        } else {
            "two nodes"
        };
        Self::on(
            runtime,
            house,
            Some(redis),
            name,
            cores,
            n_rooms,
            n_people,
            n_nodes,
        )
    }

    #[expect(clippy::too_many_arguments, reason = "two callers, both above")]
    fn on(
        runtime: Runtime,
        house: House,
        redis: Option<Redis>,
        name: &'static str,
        cores: Cores,
        n_rooms: usize,
        n_people: usize,
        n_nodes: usize,
    ) -> Result<Self> {
        let house = house.with_rooms(u32::try_from(n_rooms)?);
        let started = machine::pin(cores.server).and_then(|()| {
            runtime.block_on(async {
                let mut nodes = vec![house.start().await?];
                while nodes.len() < n_nodes {
                    nodes.push(Node::further(&house).await?);
                }
                anyhow::Ok(nodes)
            })
        });
        machine::pin(cores.generator)?;
        let nodes = started?;
        let mut rooms = nodes[0].tojisha_rooms();
        ensure!(rooms.len() >= n_rooms, "too few rooms are open");
        rooms.truncate(n_rooms);
        let cookies = sessions::make(nodes[0].address(), n_people)?;
        let addresses = nodes.iter().map(|node| node.address().to_owned());
        Ok(Self {
            target: Target {
                dialect: Dialect::House,
                addresses: addresses.collect(),
                cookies,
                rooms,
                keys: Cell::new(0),
            },
            name,
            pids: nodes.iter().map(Node::pid).collect::<Result<_>>()?,
            runtime,
            house,
            nodes,
            _redis: redis,
            cores,
        })
    }

    /// How many files its processes have open, sockets included.
    pub fn n_files(&self) -> Result<usize> {
        let counts = self.pids.iter().map(|pid| {
            let folder = std::fs::read_dir(format!("/proc/{pid}/fd"))?;
            anyhow::Ok(folder.count())
        });
        counts.sum()
    }

    /// Ends the one node and starts it anew on the same data: a process that has done nothing yet.
    pub fn restart(&mut self) -> Result<()> {
        for node in self.nodes.drain(..) {
            self.runtime.block_on(node.stop())?;
        }
        let started = machine::pin(self.cores.server)
            .and_then(|()| self.runtime.block_on(self.house.start()));
        machine::pin(self.cores.generator)?;
        let node = started?;
        self.pids = vec![node.pid()?];
        self.nodes = vec![node];
        Ok(())
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        for node in self.nodes.drain(..) {
            // Killed either way; the runtime reaps it.
            let _ = self.runtime.block_on(node.kill());
        }
    }
}

/// A peer in a process of its own, whose first line is its address: the bare broadcaster, socket.io. It ends when this is
/// dropped.
pub struct Other {
    name: &'static str,
    child: Child,
    cores: Cores,
    /// What the generator loads.
    pub target: Target,
}

impl Other {
    /// Starts this program anew as a bare broadcaster, pinned to the server's core.
    pub fn bare(cores: Cores, program: &Path, n_rooms: usize) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("broadcaster");
        Self::start("bare", command, Dialect::House, cores, n_rooms)
    }

    /// Starts socket.io on Node, pinned to the server's core. `npm ci` has been run in its folder.
    pub fn socket_io(cores: Cores, n_rooms: usize) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops/load/socketio");
        ensure!(
            folder.join("node_modules/socket.io").exists(),
            "socket.io is not installed: npm ci --prefix ops/load/socketio"
        );
        let mut command = Command::new("node");
        command
            .arg(folder.join("server.mjs"))
            .env("NODE_ENV", "production");
        Self::start("socket.io", command, Dialect::SocketIo, cores, n_rooms)
    }

    fn start(
        name: &'static str,
        mut command: Command,
        dialect: Dialect,
        cores: Cores,
        n_rooms: usize,
    ) -> Result<Self> {
        let spawned = machine::pin(cores.server).and_then(|()| {
            command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .with_context(|| format!("start {name}"))
        });
        machine::pin(cores.generator)?;
        let mut child = spawned?;
        let stdout = child.stdout.take().context("its output was asked for")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        Ok(Self {
            name,
            child,
            cores,
            target: Target {
                dialect,
                addresses: vec![line.trim().to_owned()],
                cookies: Vec::new(),
                rooms: (0..n_rooms).map(|idx| format!("r{idx:011}")).collect(),
                keys: Cell::new(0),
            },
        })
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may be gone already; either way it is reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that can be loaded and watched.
pub trait Peer {
    /// Its name in a table.
    fn name(&self) -> &'static str;
    /// What the generator loads.
    fn target(&self) -> &Target;
    /// What its process has used.
    fn used(&self) -> Result<Used>;
    /// Which cores it and the generator are on.
    fn cores(&self) -> Cores;
}

impl Peer for Measured {
    fn name(&self) -> &'static str {
        self.name
    }

    fn target(&self) -> &Target {
        &self.target
    }

    fn used(&self) -> Result<Used> {
        let mut sum = Used::default();
        for pid in &self.pids {
            let used = Used::by(*pid)?;
            sum.cpu_us += used.cpu_us;
            sum.rss_bytes += used.rss_bytes;
        }
        Ok(sum)
    }

    fn cores(&self) -> Cores {
        self.cores
    }
}

impl Peer for Other {
    fn name(&self) -> &'static str {
        self.name
    }

    fn target(&self) -> &Target {
        &self.target
    }

    fn used(&self) -> Result<Used> {
        Used::by(self.child.id())
    }

    fn cores(&self) -> Cores {
        self.cores
    }
}
