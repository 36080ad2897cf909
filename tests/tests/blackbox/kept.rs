//! What is kept, and that it ends: bodies in no file in clear, a forgotten room's key in no file at all.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use engawa_tests::house::{files_below, holds};
use engawa_tests::{Db, House, on_both, postgres, tell};
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

/// A run of this many bytes of a key counts as the key.
const RUN: usize = 12;

on_both!(
    p5_a_body_stands_in_no_file_in_clear_and_a_log_names_nobody,
    p5_a_forgotten_room_cannot_be_read_from_anything_that_is_left,
    a_room_that_closes_says_so_and_lets_its_lines_be_taken_back,
);

async fn p5_a_body_stands_in_no_file_in_clear_and_a_log_names_nobody(db: Db) -> anyhow::Result<()> {
    let house = House::new(db)
        .await?
        .with_variable("RUST_LOG", "trace")
        .with_variable("ENGAWA_LOG", "trace");
    let node = house.start().await?;
    let room = node.room();
    let mut person = node.tojisha("なまえのなぎさ").await?;
    let code = person
        .http
        .post_empty("/api/v1/me/recovery")
        .await?
        .is(201)?
        .json()?["recovery_code"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let mut socket = person.enter(room).await?;
    let canary = "かなりあ-7f3a9c51e2";
    let seq = socket
        .say_kept(room, "k1", &format!("{canary} をしるす"))
        .await?;
    socket
        .say_kept(room, "k2", &format!("{canary} とりけすほう"))
        .await?;
    socket
        .send(&json!({"type": "unsay", "room": room, "key": "k2"}))
        .await?;
    socket
        .send(&json!({"type": "say", "room": room, "key": "k3", "body": "ながすぎる".repeat(200)}))
        .await?;
    socket.answer("k3").await?;
    socket
        .send_message(tokio_tungstenite::tungstenite::Message::text(format!(
            "{{\"type\": \"say\", \"body\": \"{canary}"
        )))
        .await?;
    socket.of_type("refused").await?;
    person
        .http
        .form(
            &format!("/r/{room}/say"),
            &[("body", &format!("{canary} かたちから")), ("key", "k4")],
        )
        .await?;
    let mut on_duty = node.supporter().await?.enter_on_duty(room).await?;
    on_duty.send(&json!({"type": "measure", "room": room, "key": "h", "kind": "hide", "target": seq, "reason": format!("{canary} の理由")})).await?;
    on_duty.answer("h").await?;

    // While it runs, with its WAL; then after a clean stop.
    let kept_live = everything(&house).await?;
    let manager = node.login("manager", 0)?.clone();
    let session = person.http.session().unwrap_or_default().to_owned();
    node.stop().await?;
    let log = std::fs::read(house.log_file())?;
    for (what, secret) in [
        ("a body", canary),
        ("a name", "なまえのなぎさ"),
        ("a cookie", session.as_str()),
        ("the words", code.as_str()),
        ("a password", manager.password.as_str()),
        ("a TOTP secret", manager.totp_secret.as_str()),
    ] {
        let log = String::from_utf8_lossy(&log);
        let line = log.lines().find(|line| line.contains(secret));
        let line = line.map(|line| line.chars().take(160).collect::<String>());
        assert_eq!(line, None, "{what} stands in the log");
    }
    let settings = house.aside("settings.toml");
    let kept_stopped = everything(&house).await?;
    for (path, bytes) in kept_live
        .into_iter()
        .chain(kept_stopped)
        .filter(|(path, _)| *path != settings)
    {
        assert!(
            !holds(&bytes, canary.as_bytes()),
            "a body in clear in {}",
            path.display()
        );
        assert!(
            !holds(&bytes, session.as_bytes()),
            "a cookie in clear in {}",
            path.display()
        );
        for word in [code.as_str(), &code.replace([' ', '\u{3000}'], "")] {
            assert!(
                !holds(&bytes, word.as_bytes()),
                "the words in clear in {}",
                path.display()
            );
        }
    }
    Ok(())
}

async fn p5_a_forgotten_room_cannot_be_read_from_anything_that_is_left(
    db: Db,
) -> anyhow::Result<()> {
    let house = House::new(db)
        .await?
        .with("rooms.last_call_ms = 0\nrooms.afterglow_ms = 0\ndemo.open_ms = 10000\nrooms.keep_ms = 5000\nrooms.watch_every_ms = 500")?;
    let node = house.start().await?;
    let room = node.room().to_owned();
    let person = node.tojisha("わすれられる").await?;
    let mut socket = person.connect().await?;
    let entered = socket.enter(&room).await?;
    let canary = "かなりあ-c0ffee77aa";
    socket
        .say_kept(&room, "k", &format!("{canary} は一晩だけ"))
        .await?;

    // What somebody could take away before: a backup of the data, and (for this test alone) the keys' bytes.
    let keys_before = keys(&house).await?;
    anyhow::ensure!(
        !keys_before.is_empty(),
        "the key store holds the keys of open rooms"
    );
    let backup = backup(&house).await?;
    assert!(
        !holds(&backup, canary.as_bytes()),
        "a body in clear in the backup"
    );
    for (id, key) in &keys_before {
        assert!(
            !holds(&backup, &key[..RUN.min(key.len())]),
            "the key {id} stands in the backup"
        );
    }
    let present = files_of_the_key_store(&house)?;
    let found = keys_before
        .iter()
        .all(|(_, key)| present.iter().any(|(_, bytes)| holds_run(bytes, key)));
    assert!(found, "the search finds a key that is there");

    // Closed, then forgotten. One answer for what is closed, and later the answer of a room that never was.
    let started = tokio::time::Instant::now();
    let mut refusals = Vec::new();
    let forgotten = tokio::time::timeout(Duration::from_secs(40), async {
        loop {
            let answer = person
                .connect()
                .await?
                .try_enter(json!({"room": room}))
                .await?;
            if answer["type"] == "refused" {
                let code = answer["code"].as_str().unwrap_or_default().to_owned();
                if refusals.last() != Some(&code) {
                    refusals.push(code.clone());
                }
                if code == "not_allowed" {
                    return anyhow::Ok(());
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await;
    forgotten.with_context(|| {
        format!(
            "the room was not forgotten in {:?}; refusals {refusals:?}, forgets_at {}",
            started.elapsed(),
            entered["forgets_at"]
        )
    })??;
    refusals.retain(|code| code != "room_closed");
    assert_eq!(refusals, ["not_allowed"], "closed first, then gone");

    // The key goes at `forgets_at`; give the deletion the time that a search over its files takes.
    let mut left = Vec::new();
    for _ in 0..50 {
        left = remains(&house, &keys_before)?;
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(left.is_empty(), "keys of forgotten rooms in {left:?}");
    let keys_after = keys(&house).await?;
    for (id, _) in &keys_before {
        assert!(
            !keys_after.iter().any(|(kept, _)| kept == id),
            "the key store still holds {id}"
        );
    }
    node.stop().await?;
    let left = remains(&house, &keys_before)?;
    assert!(
        left.is_empty(),
        "after the stop, keys of forgotten rooms in {left:?}"
    );
    for (path, bytes) in everything(&house).await? {
        assert!(
            !holds(&bytes, canary.as_bytes()),
            "a body in clear in {}",
            path.display()
        );
        for (id, key) in &keys_before {
            assert!(
                !holds_run(&bytes, key),
                "the key {id} stands in {}",
                path.display()
            );
        }
    }
    tell(&format!(
        "p5 forgotten room on {}: {} keys destroyed, found in 0 files; 0 bodies in clear in data, log and backup",
        db.name(),
        keys_before.len()
    ));
    Ok(())
}

async fn a_room_that_closes_says_so_and_lets_its_lines_be_taken_back(db: Db) -> anyhow::Result<()> {
    let house = House::new(db)
        .await?
        .with("rooms.last_call_ms = 0\nrooms.afterglow_ms = 0\ndemo.open_ms = 3000\nrooms.keep_ms = 60000\nrooms.watch_every_ms = 500")?;
    let node = house.start().await?;
    let room = node.room().to_owned();
    let person = node.tojisha("さいごまで").await?;
    let mut socket = person.enter(&room).await?;
    let seq = socket.say_kept(&room, "k", "おわる前のひとこと").await?;
    let left = socket.of_type("left").await?;
    assert_eq!(
        (&left["room"], &left["why"]),
        (&json!(room), &json!("closed"))
    );
    let refused = socket.try_enter(json!({"room": room})).await?;
    assert_eq!(
        (&refused["type"], &refused["code"]),
        (&json!("refused"), &json!("room_closed"))
    );
    // A repeat is answered whatever the state of the room is now; a new line is not taken.
    assert_eq!(
        socket
            .say_answered(&room, "k", "おわる前のひとこと")
            .await?["seq"],
        seq
    );
    let refused = socket.say_answered(&room, "late", "まだいますか").await?;
    assert_eq!(refused["type"], "refused");
    // At any time until the room forgets, entered or not.
    socket
        .send(&json!({"type": "unsay", "room": room, "seq": seq}))
        .await?;
    let refused = socket
        .barrier()
        .await?
        .into_iter()
        .find(|frame| frame["type"] == "refused");
    assert!(refused.is_none(), "{refused:?}");
    Ok(())
}

/// Every file of a house: data, keys, log; and of PostgreSQL a dump and the key cluster's files.
async fn everything(house: &House) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let folder = house.data_dir();
    let mut all = files_below(
        folder
            .parent()
            .context("the data lies in the house's folder")?,
    )?;
    if let Some(address) = house.database_url() {
        all.push((PathBuf::from("pg_dump"), postgres::data()?.dump(address)?));
        let mut connection = PgConnection::connect(address).await?;
        sqlx::raw_sql("CHECKPOINT").execute(&mut connection).await?;
        const FOLDER: &str =
            "SELECT 'base/' || oid FROM pg_database WHERE datname = current_database()";
        let own: String = sqlx::query_scalar(FOLDER)
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        for folder in [own.as_str(), "pg_wal"] {
            all.extend(files_below(
                &postgres::data()?.folder().join("data").join(folder),
            )?);
        }
    }
    Ok(all)
}

/// The bytes that the key store holds for each data key.
async fn keys(house: &House) -> Result<Vec<(String, Vec<u8>)>> {
    const KEYS: &str = "SELECT id, key FROM data_key ORDER BY id";
    if let Some(address) = house.keys_url() {
        let mut connection = PgConnection::connect(address).await?;
        let keys = sqlx::query_as(KEYS).fetch_all(&mut connection).await?;
        connection.close().await?;
        return Ok(keys);
    }
    let file = sqlite_with(house, "data_key").await?;
    let mut connection =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file).read_only(true))
            .await?;
    let keys = sqlx::query_as(KEYS).fetch_all(&mut connection).await?;
    connection.close().await?;
    Ok(keys)
}

/// A backup of the data as an operator takes it: `VACUUM INTO`, or `pg_dump`.
async fn backup(house: &House) -> Result<Vec<u8>> {
    if let Some(address) = house.database_url() {
        return postgres::data()?.dump(address);
    }
    let file = sqlite_with(house, "message").await?;
    let copy = house.aside("backup.db");
    let mut connection =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await?;
    sqlx::query(AssertSqlSafe(format!("VACUUM INTO '{}'", copy.display())))
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(std::fs::read(copy)?)
}

/// The SQLite file of a house that has a table.
async fn sqlite_with(house: &House, table: &str) -> Result<PathBuf> {
    for (path, bytes) in files_below(&house.data_dir())? {
        if !bytes.starts_with(b"SQLite format 3\0") {
            continue;
        }
        let mut connection = SqliteConnection::connect_with(
            &SqliteConnectOptions::new().filename(&path).read_only(true),
        )
        .await?;
        let found: Option<String> =
            sqlx::query_scalar("SELECT name FROM sqlite_master WHERE name = $1")
                .bind(table)
                .fetch_optional(&mut connection)
                .await?;
        connection.close().await?;
        if found.is_some() {
            return Ok(path);
        }
    }
    anyhow::bail!(
        "no SQLite file below {} has a table {table}",
        house.data_dir().display()
    )
}

fn files_of_the_key_store(house: &House) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = files_below(&house.data_dir())?;
    if house.keys_url().is_some() {
        files.extend(files_below(postgres::keys()?.folder())?);
    }
    Ok(files)
}

/// The files that still hold a run of any of these keys.
fn remains(house: &House, keys: &[(String, Vec<u8>)]) -> Result<Vec<PathBuf>> {
    let files = files_of_the_key_store(house)?;
    Ok(files
        .into_iter()
        .filter(|(_, bytes)| keys.iter().any(|(_, key)| holds_run(bytes, key)))
        .map(|(path, _)| path)
        .collect())
}

/// Whether a run from a key stands in these bytes. Its first byte is the wrapping key's version; the rest is random.
fn holds_run(bytes: &[u8], key: &[u8]) -> bool {
    let tail = key.get(1..).unwrap_or_default();
    tail.chunks_exact(RUN).any(|run| holds(bytes, run))
}

#[test]
fn the_search_finds_a_run_of_a_key() {
    let key: Vec<u8> = (0..61).collect();
    assert!(holds_run(&[&[9, 9], &key[..]].concat(), &key));
    assert!(holds_run(&key[13..30], &key));
    assert!(!holds_run(&key[..8], &key));
    assert_eq!(Db::Sqlite.name(), "sqlite");
}
