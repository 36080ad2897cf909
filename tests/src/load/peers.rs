//! Who is measured: the house itself, the bare broadcaster. Each is a process of its own on the server's core.

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::generator::{Dialect, Target};
use super::machine::{self, Cores, Used};
use super::sessions;
use crate::{Db, House, Node};

/// Lifted limits, as anybody may use them who measures.
const LIMITS: &str = include_str!("../../../ops/load/limits.toml");

/// The house under load: a node of the real binary on a durable database.
pub struct Measured {
    /// Keeps the processes' pipes empty.
    runtime: tokio::runtime::Runtime,
    house: House,
    node: Option<Node>,
    cores: Cores,
    /// What the generator loads.
    pub target: Target,
    pid: u32,
}

impl Measured {
    /// Starts `engawa demo` with so many rooms, pinned to the server's core, and makes so many persons.
    pub fn start(cores: Cores, n_rooms: usize, n_people: usize) -> Result<Self> {
        Self::start_with(cores, n_rooms, n_people, "")
    }

    /// As [`Measured::start`], with further settings as lines of TOML.
    pub fn start_with(
        cores: Cores,
        n_rooms: usize,
        n_people: usize,
        settings: &str,
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let started = machine::pin(cores.server).and_then(|()| {
            runtime.block_on(async {
                let house = House::new(Db::Sqlite)
                    .await?
                    .with(LIMITS)?
                    .with(settings)?
                    .with_rooms(u32::try_from(n_rooms)?);
                let node = house.start().await?;
                anyhow::Ok((house, node))
            })
        });
        machine::pin(cores.generator)?;
        let (house, node) = started?;
        let mut rooms = node.tojisha_rooms();
        ensure!(rooms.len() >= n_rooms, "too few rooms are open");
        rooms.truncate(n_rooms);
        let cookies = sessions::make(node.address(), n_people)?;
        Ok(Self {
            pid: node.pid()?,
            target: Target {
                dialect: Dialect::House,
                addresses: vec![node.address().to_owned()],
                cookies,
                rooms,
                keys: Cell::new(0),
            },
            runtime,
            house,
            node: Some(node),
            cores,
        })
    }

    /// Ends the node and starts it anew on the same data: a process that has done nothing yet.
    pub fn restart(&mut self) -> Result<()> {
        if let Some(node) = self.node.take() {
            self.runtime.block_on(node.stop())?;
        }
        let started = machine::pin(self.cores.server)
            .and_then(|()| self.runtime.block_on(self.house.start()));
        machine::pin(self.cores.generator)?;
        let node = started?;
        self.pid = node.pid()?;
        self.node = Some(node);
        Ok(())
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if let Some(node) = self.node.take() {
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
        "engawa"
    }

    fn target(&self) -> &Target {
        &self.target
    }

    fn used(&self) -> Result<Used> {
        Used::by(self.pid)
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
