//! The command line, and the first evening of an operator.

use std::process::Stdio;

use anyhow::{Context, Result};
use engawa_tests::node::{binary, command, without_our_variables};
use engawa_tests::person::totp;
use engawa_tests::{Client, Db, House, Node, on_both, postgres};
use serde_json::json;
use tokio::process::Command;

on_both!(
    the_first_manager_comes_in_by_an_address_that_works_once,
    doctor_says_what_is_set_and_no_secret,
    staff_pages_can_have_an_address_of_their_own,
);

/// What stands between two marks.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    text.split_once(from)?
        .1
        .split_once(to)
        .map(|(inner, _)| inner)
}

async fn the_first_manager_comes_in_by_an_address_that_works_once(db: Db) -> Result<()> {
    let house = House::new(db).await?;
    let node = Node::serve(&house).await?;
    let log = std::fs::read_to_string(house.log_file())?;
    let token: String = log
        .split_once("/s/first/")
        .context("serve prints the first manager's address on an empty database")?
        .1
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_')
        .collect();
    let path = format!("/s/first/{token}");
    let wrong = node.get("/s/first/no-such-token").await?;
    assert!((400..500).contains(&wrong.status), "{}", wrong.status);

    let mut http = node.client();
    let page = http.get(&path).await?.is(200)?.text();
    let secret = between(&page, "class=\"code\">", "<").context("the TOTP secret as text")?;
    let secret: String = secret.chars().filter(char::is_ascii_alphanumeric).collect();
    let code = totp(&secret, 0)?;
    let fields = |password: &'static str, code: &str| {
        [
            ("id", "manager".to_owned()),
            ("name", "事業責任者".to_owned()),
            ("password", password.to_owned()),
            ("totp", code.to_owned()),
        ]
    };
    let post = |fields: [(&'static str, String); 4]| {
        let mut http = node.client();
        let path = path.clone();
        async move {
            let fields: Vec<(&str, &str)> = fields
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            http.form(&path, &fields).await
        }
    };
    let short = post(fields("short", &code)).await?;
    assert!((400..500).contains(&short.status), "{}", short.status);
    let made = post(fields("correct horse battery staple", &code)).await?;
    assert_eq!(made.status, 303, "{}", made.text());
    let again = post(fields("another long password here", &code)).await?;
    assert!((400..500).contains(&again.status), "the address works once");

    let body = json!({"id": "manager", "password": "correct horse battery staple", "totp": totp(&secret, 1)?});
    let me = http
        .post("/api/v1/staff/login", &body)
        .await?
        .is(200)?
        .json()?;
    assert_eq!(me["roles"], json!(["manager"]));
    node.stop().await?;
    let before = std::fs::read_to_string(house.log_file())?.len();
    let node = Node::serve(&house).await?;
    let log = std::fs::read_to_string(house.log_file())?;
    assert!(!log[before..].contains("/s/first/"), "a manager is there");
    node.stop().await
}

async fn doctor_says_what_is_set_and_no_secret(db: Db) -> Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let output = command(&house, &["doctor"]).await?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for word in [
        "limits.say_burst",
        "rooms.pause_after_ms",
        "peer_supporter",
        "manager",
        "hide",
    ] {
        assert!(said.contains(word), "{word} in what doctor prints:\n{said}");
    }
    for login in &node.logins {
        assert!(!said.contains(&login.password) && !said.contains(&login.totp_secret));
    }
    let migrated = command(&house, &["migrate"]).await?;
    assert!(migrated.status.success(), "migrate a second time");
    Ok(())
}

async fn staff_pages_can_have_an_address_of_their_own(db: Db) -> Result<()> {
    let port = postgres::free_port()?;
    let house = House::new(db)
        .await?
        .with(&format!("staff_listen = \"127.0.0.1:{port}\""))?;
    let node = house.start().await?;
    let staff = Client::new(&format!("127.0.0.1:{port}"));
    staff.get("/s").await?.is(200)?;
    node.get("/s").await?.is(404)?;
    node.get("/s/today").await?.is(404)?;
    let login = node.login("manager", 0)?;
    let body =
        json!({"id": login.id, "password": login.password, "totp": totp(&login.totp_secret, 0)?});
    let public = node.client().post("/api/v1/staff/login", &body).await?;
    assert_eq!(public.status, 404, "{}", public.text());
    staff
        .clone()
        .post("/api/v1/staff/login", &body)
        .await?
        .is(200)?;
    Ok(())
}

async fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Result<(i32, String)> {
    let mut command = Command::new(binary()?);
    without_our_variables(&mut command);
    command.args(arguments).envs(variables.iter().copied());
    let ended = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = engawa_tests::within(&format!("the end of engawa {arguments:?}"), ended).await??;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.code().unwrap_or(-1), said))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_usage_is_2_and_a_failure_is_1_with_one_clear_line() -> Result<()> {
    for usage in [
        &["dance"][..],
        &["demo", "--no-such-flag"],
        &["demo", "--rooms", "many"],
        &["audit"],
    ] {
        let (status, said) = run(usage, &[]).await?;
        assert_eq!(status, 2, "{usage:?}: {said}");
    }
    let (status, said) = run(&["serve", "--config", "/nonexistent/engawa.toml"], &[]).await?;
    assert_eq!((status, said.trim().lines().count()), (1, 1), "{said}");
    let folder = tempfile::tempdir()?;
    let wrong = folder.path().join("engawa.toml");
    std::fs::write(&wrong, "[limits]\nno_such_limit = 1\n")?;
    let wrong = wrong.display().to_string();
    let (status, said) = run(&["demo", "--config", &wrong], &[]).await?;
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("no_such_limit"), "{said}");
    let (status, said) = run(&["demo"], &[("ENGAWA_LISTEN", "0.0.0.0:0")]).await?;
    assert_eq!(status, 1, "the demo is for loopback only: {said}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let (status, said) = run(&["demo"], &[("ENGAWA_LISTEN", &address)]).await?;
    assert_eq!(status, 1, "an address that is taken: {said}");
    Ok(())
}

#[tokio::test]
async fn inventory_counts_what_is_kept_and_says_when_it_ends() -> anyhow::Result<()> {
    let house = engawa_tests::House::new(engawa_tests::Db::Sqlite).await?;
    let node = house.start().await?;
    let mut writer = node.tojisha("かくひと").await?.enter(node.room()).await?;
    writer.say_kept(node.room(), "1", "こんばんは").await?;
    node.stop().await?;
    let said = engawa_tests::node::command(&house, &["inventory", "--json"]).await?;
    anyhow::ensure!(said.status.success(), "{said:?}");
    let rows: serde_json::Value = serde_json::from_slice(&said.stdout)?;
    let row = |class: &str| {
        rows.as_array()
            .into_iter()
            .flatten()
            .find(|row| row["class"] == class)
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(row("room_lines")["n"], 1, "{rows}");
    for class in ["handles", "audit", "staff_accounts"] {
        assert!(
            row(class)["n"].as_i64().is_some_and(|n| n > 0),
            "{class} in {rows}"
        );
        assert!(row(class)["ends"].is_string());
    }
    let plain = engawa_tests::node::command(&house, &["inventory"]).await?;
    assert!(String::from_utf8_lossy(&plain.stdout).contains("room_lines"));
    Ok(())
}
