//! What the hostile tests share: the store behind the server's back, and the words of the contract as they are committed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use engawa_tests::{House, Node, within};
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A file of the repository.
pub fn from_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The text of a file of the repository.
pub fn text_of(path: &str) -> Result<String> {
    std::fs::read_to_string(from_root(path)).with_context(|| format!("read {path}"))
}

/// Every value of an enum of the socket's wire, from the description that is made of the code.
pub fn wire_values(name: &str) -> Result<BTreeSet<String>> {
    let described: Value = serde_json::from_str(&text_of("docs/api/asyncapi.json")?)?;
    let values = described["components"]["schemas"][name]["enum"]
        .as_array()
        .with_context(|| format!("docs/api/asyncapi.json describes {name} as an enum"))?;
    Ok(values
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect())
}

/// Runs a statement in the house's database, behind the back of its nodes.
pub async fn in_store(house: &House, sql: &str) -> Result<()> {
    let ran = match house.database_url() {
        Some(address) => {
            let mut connection = PgConnection::connect(address).await?;
            sqlx::query(AssertSqlSafe(sql.to_owned()))
                .execute(&mut connection)
                .await
                .map(|_| ())
        }
        None => {
            let options = SqliteConnectOptions::new().filename(sqlite_file(house).await?);
            let mut connection = SqliteConnection::connect_with(&options).await?;
            let ran = sqlx::query(AssertSqlSafe(sql.to_owned()))
                .execute(&mut connection)
                .await
                .map(|_| ());
            connection.close().await?;
            ran
        }
    };
    ran.with_context(|| sql.to_owned())
}

/// The file that holds the gatherings.
async fn sqlite_file(house: &House) -> Result<PathBuf> {
    for entry in std::fs::read_dir(house.data_dir())? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != "db") {
            continue;
        }
        let options = SqliteConnectOptions::new().filename(&path).read_only(true);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let found: Option<String> =
            sqlx::query_scalar("SELECT name FROM sqlite_master WHERE name = 'gathering'")
                .fetch_optional(&mut connection)
                .await?;
        if found.is_some() {
            return Ok(path);
        }
    }
    anyhow::bail!("no database with gatherings in the data folder")
}

/// The resident memory of a node, in KiB.
pub fn resident_kib(node: &Node) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid()?))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kib| kib.parse().ok())
        .context("VmRSS in /proc/PID/status")
}

/// Sends these bytes on a connection of their own and gives the status and the body of the answer; the head alone
/// where the connection was switched to another protocol.
pub async fn raw_call(node: &Node, request: &[u8]) -> Result<(u16, String)> {
    within("the answer to a raw request", async {
        let mut stream = TcpStream::connect(node.address()).await?;
        stream.write_all(request).await?;
        let mut got = Vec::new();
        let mut part = [0; 16 * 1024];
        loop {
            let n = stream.read(&mut part).await?;
            got.extend_from_slice(&part[..n]);
            if let Some(whole) = whole_answer(&got, n == 0) {
                return Ok(whole);
            }
            ensure!(
                n > 0,
                "the connection ended in the middle of an answer of {} bytes",
                got.len()
            );
        }
    })
    .await?
}

fn whole_answer(got: &[u8], ended: bool) -> Option<(u16, String)> {
    let text = String::from_utf8_lossy(got);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status: u16 = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    let whole = status == 101 || ended || length.is_some_and(|length: usize| body.len() >= length);
    whole.then(|| (status, body.to_owned()))
}

/// What must not stand in a node's log: a panic, or an error that nobody has caused on purpose.
pub fn log_is_calm(house: &House) -> Result<()> {
    let log = std::fs::read_to_string(house.log_file())?;
    let loud = log
        .lines()
        .find(|line| line.contains("panic") || line.contains("ERROR"));
    ensure!(loud.is_none(), "in the log: {}", loud.unwrap_or_default());
    Ok(())
}
