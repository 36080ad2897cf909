//! A house: a data folder, a database, settings. Nodes are started on it, killed, and started again.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::node::Node;
use crate::postgres::{self, Cluster};

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Db {
    /// The embedded one.
    Sqlite,
    /// PostgreSQL, with a key store in a cluster of its own.
    Postgres,
}

impl Db {
    /// The name for summaries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// Rates that would only be in the way, and lines that pass whatever they say, so that any text serves for a test: tests
/// of a limit or of what becomes of a line set it back by [`House::with`].
const LIFTED: &str = "
[limits]
say_burst = 1000000
say_interval_ms = 1
frames_per_10s = 1000000
sockets_max = 1000
handles_burst = 1000000
handles_interval_ms = 1
logins_burst = 1000000
logins_interval_ms = 1
recover_burst = 1000000
recover_interval_ms = 1
upgrades_burst = 1000000
upgrades_interval_ms = 1

[moderation]
decide = 'pass'
";

/// A sample centre on throwaway data.
#[derive(Debug)]
pub struct House {
    /// The database it stands on.
    pub db: Db,
    folder: TempDir,
    settings: toml::Table,
    further_rooms: u32,
    environment: Vec<(String, String)>,
    database_url: Option<String>,
    keys_url: Option<String>,
    port: Mutex<u16>,
}

impl House {
    /// A new house with lifted rates; nothing runs yet.
    pub async fn new(db: Db) -> Result<Self> {
        match db {
            Db::Sqlite => Self::on(db, None, None),
            Db::Postgres => {
                let (data, keys) =
                    tokio::task::spawn_blocking(|| (postgres::data(), postgres::keys())).await?;
                Self::on_cluster(data?, keys?).await
            }
        }
    }

    /// A new house on PostgreSQL clusters of a test's own.
    pub async fn on_cluster(data: &Cluster, keys: &Cluster) -> Result<Self> {
        let data = data.new_database().await?;
        let keys = keys.new_database().await?;
        Self::on(Db::Postgres, Some(data), Some(keys))
    }

    fn on(db: Db, database_url: Option<String>, keys_url: Option<String>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("engawa-house-").tempdir()?;
        let settings = LIFTED.parse().context("the lifted rates are TOML")?;
        Ok(Self {
            db,
            folder,
            settings,
            further_rooms: 0,
            environment: Vec::new(),
            database_url,
            keys_url,
            port: Mutex::new(0),
        })
    }

    /// Sets settings, as lines of TOML with dotted keys: `limits.say_burst = 5`.
    pub fn with(mut self, lines: &str) -> Result<Self> {
        merge(
            &mut self.settings,
            lines.parse().context("settings of a test are TOML")?,
        );
        Ok(self)
    }

    /// Sets a variable of the environment of its nodes.
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Chooses the port beforehand: where the public address does not tell it.
    pub fn with_a_port(self) -> Result<Self> {
        self.keep_port(postgres::free_port()?);
        Ok(self)
    }

    /// Opens `n` further rooms for 当事者.
    pub fn with_rooms(mut self, n: u32) -> Self {
        self.further_rooms = n;
        self
    }

    /// Starts a node with sample logins (`demo --json --quiet-samples`), the first time on a free port, then on the same.
    pub async fn start(&self) -> Result<Node> {
        Node::demo(self).await
    }

    /// Starts a node whose sample people talk.
    pub async fn start_with_samples(&self) -> Result<Node> {
        Node::demo_with_samples(self).await
    }

    /// Where its data lies.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where its nodes' standard error goes, all starts one after the other.
    pub fn log_file(&self) -> PathBuf {
        self.folder.path().join("stderr.log")
    }

    /// A place beside the data for what a test keeps.
    pub fn aside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The address of the PostgreSQL database, if it stands on one.
    pub fn database_url(&self) -> Option<&str> {
        self.database_url.as_deref()
    }

    /// The address of the key store, if that is PostgreSQL.
    pub fn keys_url(&self) -> Option<&str> {
        self.keys_url.as_deref()
    }

    /// The settings file, written anew.
    pub(crate) fn write_settings(&self) -> Result<PathBuf> {
        let file = self.folder.path().join("settings.toml");
        std::fs::write(&file, toml::to_string(&self.settings)?)?;
        Ok(file)
    }

    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    pub(crate) fn further_rooms(&self) -> u32 {
        self.further_rooms
    }

    pub(crate) fn port(&self) -> u16 {
        *self
            .port
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn keep_port(&self, port: u16) {
        *self
            .port
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = port;
    }
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// All bytes of all files below a folder, with the file each stands in.
pub fn files_below(folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut all = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                all.push((path, bytes));
            }
        }
    }
    Ok(all)
}

/// Whether `needle` stands in `bytes`.
pub fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && memchr::memmem::find(bytes, needle).is_some()
}
