//! Throwaway PostgreSQL clusters: one for the data and one, of its own, for keys (as an operator is told to have it).
//! Each test binary has one pair, and a test that does something to its cluster has one of its own. A guardian process holds a pipe to the test binary and stops and removes the clusters
//! when that pipe closes, so they go away after a panic or a SIGKILL too.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use anyhow::{Context, Result, anyhow, bail};
use sqlx::{Connection, PgConnection};

/// A running cluster on loopback.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    options: String,
    // Never read: while it lives, so does the cluster.
    _guardian: Mutex<Child>,
}

static DATA: OnceLock<Result<Cluster, String>> = OnceLock::new();
static KEYS: OnceLock<Result<Cluster, String>> = OnceLock::new();
static DATABASES_MADE: AtomicU32 = AtomicU32::new(0);

/// The cluster for data, started at first use.
pub fn data() -> Result<&'static Cluster> {
    DATA.get_or_init(|| {
        Cluster::start("data", &["max_wal_size=64MB"]).map_err(|e| format!("{e:#}"))
    })
    .as_ref()
    .map_err(|e| anyhow!("{e}"))
}

/// The cluster for keys: no recycling of WAL files, so that a destroyed key is in no file.
pub fn keys() -> Result<&'static Cluster> {
    let start = || {
        Cluster::start("keys", &["wal_recycle=off", "wal_init_zero=on"])
            .map_err(|e| format!("{e:#}"))
    };
    KEYS.get_or_init(start).as_ref().map_err(|e| anyhow!("{e}"))
}

impl Cluster {
    /// A cluster of a test's own; it goes away when dropped.
    pub async fn of_a_test(name: &'static str) -> Result<Self> {
        tokio::task::spawn_blocking(move || Self::start(name, &["max_wal_size=64MB"])).await?
    }

    fn start(name: &str, settings: &[&str]) -> Result<Self> {
        let bin = bin_folder()?;
        let folder = tempfile::Builder::new()
            .prefix(&format!("engawa-pg-{name}-"))
            .tempdir()?
            .keep();
        own_by_postgres(&folder)?;
        let data = folder.join("data");
        run(as_postgres(&bin.join("initdb"))
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync", "-D"])
            .arg(&data))?;
        let port = free_port()?;
        let mut options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c max_connections=200",
            folder.display()
        );
        for setting in settings {
            options.push_str(&format!(" -c {setting}"));
        }
        run(as_postgres(&bin.join("pg_ctl"))
            .arg("-D")
            .arg(&data)
            .arg("-l")
            .arg(folder.join("log"))
            .args(["-w", "-t", "60", "-o", &options, "start"]))?;
        let guardian = guard(&bin, &data, &folder)?;
        Ok(Self {
            folder,
            port,
            options,
            _guardian: Mutex::new(guardian),
        })
    }

    /// `pg_ctl -m immediate restart`: every connection is gone at once, nothing is written out, the log is replayed.
    /// Returns when it answers again.
    pub async fn restart_at_once(&self) -> Result<()> {
        let mut command = as_postgres(&bin_folder()?.join("pg_ctl"));
        command
            .arg("-D")
            .arg(self.folder.join("data"))
            .arg("-l")
            .arg(self.folder.join("log"))
            .args(["-w", "-t", "60", "-m", "immediate", "-o", &self.options])
            .arg("restart");
        tokio::task::spawn_blocking(move || run(&mut command)).await?
    }

    /// One number, asked of a database.
    pub async fn number(&self, address: &str, sql: &'static str) -> Result<i64> {
        let mut connection = PgConnection::connect(address).await?;
        let number = sqlx::query_scalar(sql).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(number)
    }

    /// A new empty database; its address for the server.
    pub async fn new_database(&self) -> Result<String> {
        let name = format!("engawa_{}", DATABASES_MADE.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&self.address("postgres"))
            .await
            .context("connect to the throwaway cluster")?;
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "CREATE DATABASE {name} TEMPLATE template0"
        )))
        .execute(&mut connection)
        .await?;
        connection.close().await?;
        Ok(self.address(&name))
    }

    /// The address of one of its databases.
    pub fn address(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The folder in which everything of this cluster lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What `pg_dump` (plain) and `pg_dump -Fc` write for a database, one after the other.
    pub fn dump(&self, address: &str) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        for form in ["-Fp", "-Fc"] {
            let output = Command::new(bin_folder()?.join("pg_dump"))
                .args([form, "-Z0", "-d", address])
                .stdin(Stdio::null())
                .output()?;
            if !output.status.success() {
                bail!(
                    "pg_dump {form}: {}",
                    String::from_utf8_lossy(&output.stderr)
                );
            }
            all.extend(output.stdout);
        }
        Ok(all)
    }
}

/// Where PostgreSQL's programs lie: Debian keeps them out of the path.
fn bin_folder() -> Result<PathBuf> {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    versions.sort();
    if let Some(bin) = versions.pop() {
        return Ok(bin);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|folder| folder.join("initdb").exists())
        .context("PostgreSQL's server is not installed: apt-get install -y postgresql-15")
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

/// PostgreSQL refuses to run as root: then its own user runs it.
fn as_postgres(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command.current_dir("/");
        command
    } else {
        Command::new(program)
    }
}

fn own_by_postgres(folder: &Path) -> Result<()> {
    if is_root() {
        run(Command::new("chown").arg("postgres:").arg(folder))
    } else {
        Ok(())
    }
}

fn run(command: &mut Command) -> Result<()> {
    // Not `output()`: the server inherits the pipes and would hold them open.
    let log = tempfile::NamedTempFile::new()?;
    let status = command
        .stdin(Stdio::null())
        .stdout(log.reopen()?)
        .stderr(log.reopen()?)
        .status()
        .with_context(|| format!("run {command:?}"))?;
    if status.success() {
        return Ok(());
    }
    bail!(
        "{command:?} failed ({status}): {}",
        std::fs::read_to_string(log.path())?
    )
}

fn guard(bin: &Path, data: &Path, folder: &Path) -> Result<Child> {
    let stop = as_postgres(&bin.join("pg_ctl"));
    let script = format!(
        "cat >/dev/null; \"$@\" -D '{}' -m immediate -w stop >/dev/null 2>&1; rm -rf '{}'",
        data.display(),
        folder.display()
    );
    let mut command = Command::new("setsid");
    command
        .args(["sh", "-c", &script, "guardian"])
        .arg(stop.get_program())
        .args(stop.get_args());
    Ok(command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?)
}

/// A port of loopback that was free a moment ago. It is below those that the system gives to outgoing connections, so that
/// no client takes it while its server is down.
pub fn free_port() -> Result<u16> {
    let chance = RandomState::new().build_hasher().finish();
    (0..1_000)
        .map(|n| 10_000 + (chance.wrapping_add(n * 7) % 22_000))
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("no port of loopback is free")
}
