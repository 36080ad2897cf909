//! One process of the release binary.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::house::House;
use crate::http::{Answer, Client};
use crate::person::{Person, Standing};
use crate::within;

/// A room of the sample centre, as its first line names it.
#[derive(Debug, Clone, Deserialize)]
pub struct RoomInfo {
    /// Its id.
    pub id: String,
    /// `ibasho`, `tojisha_kai`, `kazoku_kai`.
    pub kind: String,
    /// `tojisha` or `family`.
    pub audience: String,
    /// What its header says.
    pub title: String,
}

/// A sample login of somebody with powers.
#[derive(Debug, Clone, Deserialize)]
pub struct Login {
    /// `peer_supporter`, `moderator`, `coordinator`, `manager`.
    pub role: String,
    /// What is typed as id.
    pub id: String,
    /// The password.
    pub password: String,
    /// Base32, RFC 6238.
    pub totp_secret: String,
    /// For supporters and moderators: whose rooms they serve.
    pub audience: Option<String>,
}

#[derive(Debug, Deserialize)]
struct FirstLine {
    url: String,
    #[serde(default)]
    rooms: Vec<RoomInfo>,
    #[serde(default)]
    logins: Vec<Login>,
}

/// A running node. It is killed when dropped.
#[derive(Debug)]
pub struct Node {
    child: Option<Child>,
    address: String,
    /// What the first line says: `http://127.0.0.1:PORT`.
    pub url: String,
    /// The rooms that are open, in the order of the first line.
    pub rooms: Vec<RoomInfo>,
    /// The sample logins.
    pub logins: Vec<Login>,
}

/// Where the release binary lies: `ENGAWA_BIN`, else two folders above the test's own executable.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("ENGAWA_BIN") {
        return Ok(path.into());
    }
    let own = std::env::current_exe()?;
    let path = own
        .parent()
        .and_then(|deps| deps.parent())
        .context("a test lies in target/PROFILE/deps")?
        .join("engawa");
    if !path.exists() {
        bail!(
            "{} is not there: cargo build --release (or set ENGAWA_BIN)",
            path.display()
        );
    }
    Ok(path)
}

impl Node {
    /// `engawa demo --json --quiet-samples` on the house's data.
    pub async fn demo(house: &House) -> Result<Self> {
        Self::start_demo(house, true).await
    }

    /// `engawa demo --json`: sample people say something now and then.
    pub async fn demo_with_samples(house: &House) -> Result<Self> {
        Self::start_demo(house, false).await
    }

    async fn start_demo(house: &House, quiet: bool) -> Result<Self> {
        let mut command = Command::new(binary()?);
        command
            .args(["demo", "--json"])
            .arg("--data")
            .arg(house.data_dir())
            .arg("--config")
            .arg(house.write_settings()?);
        if quiet {
            command.arg("--quiet-samples");
        }
        if house.further_rooms() > 0 {
            command
                .arg("--rooms")
                .arg(house.further_rooms().to_string());
        }
        Self::spawn(house, command, house.port()).await
    }

    /// A further node on the same data: `engawa serve --json --config DIR/engawa.toml`.
    pub async fn further(house: &House) -> Result<Self> {
        let mut command = Command::new(binary()?);
        command
            .args(["serve", "--json", "--config"])
            .arg(house.data_dir().join("engawa.toml"));
        Self::spawn(house, command, 0).await
    }

    /// `engawa serve --json` on an empty data folder, as an operator starts it the first time.
    pub async fn serve(house: &House) -> Result<Self> {
        let mut command = Command::new(binary()?);
        command
            .args(["serve", "--json", "--config"])
            .arg(house.write_settings()?)
            .env("ENGAWA_DATA_DIR", house.data_dir());
        Self::spawn(house, command, house.port()).await
    }

    /// A node of several on the same stores, as [`crate::Nodes`] keeps them.
    pub(crate) async fn member(
        house: &House,
        config: &Path,
        variables: &[(&str, String)],
        port: u16,
    ) -> Result<Self> {
        let mut command = Command::new(binary()?);
        command.args(["serve", "--json", "--config"]).arg(config);
        Self::spawn_with(house, command, variables, port).await
    }

    async fn spawn(house: &House, command: Command, port: u16) -> Result<Self> {
        Self::spawn_with(house, command, &[], port).await
    }

    async fn spawn_with(
        house: &House,
        mut command: Command,
        variables: &[(&str, String)],
        port: u16,
    ) -> Result<Self> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(house.log_file())?;
        without_our_variables(&mut command);
        command.env("ENGAWA_LISTEN", format!("127.0.0.1:{port}"));
        command.envs(
            house
                .environment()
                .iter()
                .map(|(name, value)| (name, value)),
        );
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        if let Some(address) = house.database_url() {
            command.env("ENGAWA_DATABASE_URL", address);
        }
        if let Some(address) = house.keys_url() {
            command.env("ENGAWA_KEYS_URL", address);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        let stdout = child
            .stdout
            .take()
            .context("standard output was asked for")?;
        let mut lines = BufReader::new(stdout).lines();
        let limit = std::time::Duration::from_secs(30);
        let line = match tokio::time::timeout(limit, lines.next_line()).await {
            Ok(Ok(Some(line))) => line,
            Ok(other) => {
                let status = child.wait().await?;
                bail!(
                    "the node ended before its first line ({other:?}, {status}); its log:\n{}",
                    tail(house)
                );
            }
            Err(_) => bail!(
                "waited {limit:?} in vain for the node's first line; its log:\n{}",
                tail(house)
            ),
        };
        // What else it prints is taken off, so that it never blocks on a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let first: FirstLine = serde_json::from_str(&line)
            .with_context(|| format!("the first line is not what protocol.md says: {line}"))?;
        // A public address need not be where it listens.
        let bound = match port {
            0 => {
                let last = first.url.rsplit(':').next();
                let port = last.and_then(|port| port.parse().ok());
                port.with_context(|| format!("no port in {}", first.url))?
            }
            port => port,
        };
        if house.port() == 0 {
            house.keep_port(bound);
        }
        Ok(Self {
            child: Some(child),
            address: format!("127.0.0.1:{bound}"),
            url: first.url,
            rooms: first.rooms,
            logins: first.logins,
        })
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The process id.
    pub fn pid(&self) -> Result<u32> {
        self.child
            .as_ref()
            .and_then(Child::id)
            .context("the node is gone")
    }

    /// SIGKILL, at this instant.
    pub async fn kill(mut self) -> Result<()> {
        let mut child = self.child.take().context("the node is gone")?;
        child.start_kill()?;
        within("a killed node to be gone", child.wait()).await??;
        Ok(())
    }

    /// SIGTERM, without waiting.
    pub async fn terminate(&self) -> Result<()> {
        self.signal("-TERM").await
    }

    /// SIGSTOP: its sockets stay and nothing answers.
    pub async fn pause(&self) -> Result<()> {
        self.signal("-STOP").await
    }

    /// SIGCONT.
    pub async fn go_on(&self) -> Result<()> {
        self.signal("-CONT").await
    }

    async fn signal(&self, signal: &str) -> Result<()> {
        let status = Command::new("kill")
            .args([signal, &self.pid()?.to_string()])
            .status()
            .await?;
        anyhow::ensure!(status.success(), "kill {signal} failed");
        Ok(())
    }

    /// SIGTERM, and waits for a clean end (exit status 0).
    pub async fn stop(mut self) -> Result<()> {
        self.terminate().await?;
        let mut child = self.child.take().context("the node is gone")?;
        let limit = std::time::Duration::from_secs(20);
        let status = tokio::time::timeout(limit, child.wait())
            .await
            .map_err(|_| anyhow::anyhow!("the node did not end within {limit:?} of SIGTERM"))??;
        anyhow::ensure!(
            status.success(),
            "the node ended with {status} after SIGTERM"
        );
        Ok(())
    }

    /// A client without a cookie.
    pub fn client(&self) -> Client {
        Client::new(self.address())
    }

    /// The first room for 当事者.
    pub fn room(&self) -> &str {
        &self.rooms[0].id
    }

    /// The rooms for 当事者.
    pub fn tojisha_rooms(&self) -> Vec<String> {
        self.rooms
            .iter()
            .filter(|room| room.audience == "tojisha")
            .map(|room| room.id.clone())
            .collect()
    }

    /// The room for families.
    pub fn family_room(&self) -> Result<&str> {
        Ok(&self
            .rooms
            .iter()
            .find(|room| room.audience == "family")
            .context("a room for families is open")?
            .id)
    }

    /// The `idx`th sample login of a role.
    pub fn login(&self, role: &str, idx: usize) -> Result<&Login> {
        self.logins
            .iter()
            .filter(|login| login.role == role)
            .nth(idx)
            .with_context(|| format!("there is a login {idx} of role {role}"))
    }

    /// A sample login of a role that serves an audience.
    pub fn login_for(&self, role: &str, audience: &str) -> Result<&Login> {
        let fits =
            |login: &&Login| login.role == role && login.audience.as_deref() == Some(audience);
        self.logins
            .iter()
            .find(fits)
            .with_context(|| format!("there is a login of {role} for {audience}"))
    }

    /// A new visitor.
    pub async fn person(&self, standing: Standing) -> Result<Person> {
        Person::arrive(self, standing, None).await
    }

    /// A new 当事者 with a name.
    pub async fn tojisha(&self, name: &str) -> Result<Person> {
        Person::arrive(self, Standing::Tojisha, Some(name)).await
    }

    /// Somebody with powers, logged in with password and code.
    pub async fn staff(&self, login: &Login) -> Result<Person> {
        Person::log_in(self, login).await
    }

    /// The supporter for 当事者, logged in.
    pub async fn supporter(&self) -> Result<Person> {
        self.staff(self.login_for("peer_supporter", "tojisha")?)
            .await
    }

    /// One GET without a cookie.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.client().get(path).await
    }
}

/// Variables that are meant for the tests would be settings to the binary.
pub fn without_our_variables(command: &mut Command) {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ENGAWA_")) {
        command.env_remove(name);
    }
}

/// Runs `engawa` with arguments on the house's data and waits for its end.
pub async fn command(house: &House, arguments: &[&str]) -> Result<std::process::Output> {
    let mut command = Command::new(binary()?);
    without_our_variables(&mut command);
    command.args(arguments);
    command
        .arg("--config")
        .arg(house.data_dir().join("engawa.toml"));
    let run = command.stdin(Stdio::null()).kill_on_drop(true).output();
    Ok(within(&format!("the end of engawa {arguments:?}"), run).await??)
}

fn tail(house: &House) -> String {
    let log = std::fs::read_to_string(house.log_file()).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
