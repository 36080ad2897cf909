//! What the hostile tests share: the store behind the server's back, and the words of the contract as they are committed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use engawa_tests::House;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

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
