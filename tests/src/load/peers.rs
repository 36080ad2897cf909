//! Who is measured: the house itself, the bare broadcaster. Each is a process of its own on the server's core.

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::generator::Target;
use super::machine::{self, Cores, Used};
use super::sessions;
use crate::{Db, House, Node};

/// Lifted limits, as anybody may use them who measures.
const LIMITS: &str = include_str!("../../../ops/load/limits.toml");

/// The house under load: a node of the real binary on a durable database.
pub struct Measured {
    /// Keeps the processes' pipes empty.
    runtime: tokio::runtime::Runtime,
    _house: House,
    node: Option<Node>,
    /// What the generator loads.
    pub target: Target,
    pid: u32,
}

impl Measured {
    /// Starts `engawa demo` with so many rooms, pinned to the server's core, and makes so many persons.
    pub fn start(cores: Cores, n_rooms: usize, n_people: usize) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let started = machine::pin(cores.server).and_then(|()| {
            runtime.block_on(async {
                let house = House::new(Db::Sqlite)
                    .await?
                    .with(LIMITS)?
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
                addresses: vec![node.address().to_owned()],
                cookies,
                rooms,
                keys: Cell::new(0),
            },
            runtime,
            _house: house,
            node: Some(node),
        })
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

/// The bare broadcaster in a process of its own. It ends when this is dropped.
pub struct Bare {
    child: Child,
    /// What the generator loads.
    pub target: Target,
}

impl Bare {
    /// Starts this program anew as a broadcaster, pinned to the server's core.
    pub fn start(cores: Cores, program: &std::path::Path, n_rooms: usize) -> Result<Self> {
        let spawned = machine::pin(cores.server).and_then(|()| {
            Command::new(program)
                .arg("broadcaster")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .with_context(|| format!("start {} broadcaster", program.display()))
        });
        machine::pin(cores.generator)?;
        let mut child = spawned?;
        let stdout = child.stdout.take().context("its output was asked for")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        Ok(Self {
            child,
            target: Target {
                addresses: vec![line.trim().to_owned()],
                cookies: Vec::new(),
                rooms: (0..n_rooms).map(|idx| format!("r{idx:011}")).collect(),
                keys: Cell::new(0),
            },
        })
    }
}

impl Drop for Bare {
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
}

impl Peer for Bare {
    fn name(&self) -> &'static str {
        "bare"
    }

    fn target(&self) -> &Target {
        &self.target
    }

    fn used(&self) -> Result<Used> {
        Used::by(self.child.id())
    }
}
