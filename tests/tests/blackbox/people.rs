//! People with powers from the operator's console: invited, joined, renewed, gone.

use anyhow::{Context, Result};
use engawa_tests::node::command;
use engawa_tests::person::{Person, totp};
use engawa_tests::{Client, Db, House, Node, on_both};
use serde_json::{Value, json};

on_both!(
    an_invited_person_joins_keeps_a_room_renews_and_leaves,
    wrong_usage_and_unknown_people_have_their_own_exit_status,
);

const PASSWORD: &str = "correct horse battery staple";

/// Runs `engawa staff …`; standard output as JSON.
async fn staff(house: &House, arguments: &[&str]) -> Result<Value> {
    let mut all = vec!["staff"];
    all.extend(arguments);
    let output = command(house, &all).await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).with_context(|| format!("{arguments:?}: {said}"))
}

fn path_of(made: &Value) -> Result<String> {
    let url = made["url"].as_str().context("an address")?;
    let (_, token) = url.split_once("/s/join/").context("its path")?;
    Ok(format!("/s/join/{token}"))
}

/// The secret that a one-time page shows.
async fn secret(http: &Client, path: &str) -> Result<String> {
    let page = http.get(path).await?.is(200)?.text();
    let (_, after) = page
        .split_once("class=\"code\">")
        .context("the secret as text")?;
    let secret = after.split('<').next().unwrap_or_default();
    Ok(secret.chars().filter(char::is_ascii_alphanumeric).collect())
}

async fn log_in(node: &Node, id: &str, password: &str, code: &str) -> Result<u16> {
    let body = json!({"id": id, "password": password, "totp": code});
    Ok(node
        .client()
        .post("/api/v1/staff/login", &body)
        .await?
        .status)
}

async fn an_invited_person_joins_keeps_a_room_renews_and_leaves(db: Db) -> Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let made = staff(
        &house,
        &[
            "invite",
            "--role",
            "moderator/family",
            "--role",
            "peer_supporter/tojisha",
            "--name",
            "みなと",
            "--json",
        ],
    )
    .await?;
    let path = path_of(&made)?;
    let token = path.trim_start_matches("/s/join/").to_owned();
    let mut http = node.client();
    let key = secret(&http, &path).await?;
    let code = totp(&key, 0)?;
    let short = [
        ("id", "minato"),
        ("name", "みなと"),
        ("password", "short"),
        ("totp", code.as_str()),
    ];
    http.form(&path, &short).await?.is(422)?;
    let good = [
        ("id", "minato"),
        ("name", "みなと"),
        ("password", PASSWORD),
        ("totp", code.as_str()),
    ];
    let joined = http.form(&path, &good).await?;
    assert_eq!(
        (joined.status, joined.header("location")),
        (303, "/s/today")
    );
    let me = http.get("/api/v1/me").await?.is(200)?.json()?;
    assert_eq!(me["roles"], json!(["peer_supporter", "moderator"]));
    assert_eq!(
        http.get(&path).await?.status,
        404,
        "the address is good once"
    );

    let mut person = Person { me, http };
    let mut socket = person.connect().await?;

    // A new second factor, with the password they have: what was open ends.
    let path = path_of(&staff(&house, &["reset", "minato", "--json"]).await?)?;
    let new_key = secret(&node.client(), &path).await?;
    assert_ne!(new_key, key);
    let code = totp(&new_key, 0)?;
    let wrong = [("password", "not their password"), ("totp", code.as_str())];
    node.client().form(&path, &wrong).await?.is(422)?;
    let right = [("password", PASSWORD), ("totp", code.as_str())];
    let mut http = node.client();
    assert_eq!(http.form(&path, &right).await?.status, 303);
    assert_eq!(socket.ends().await?.code, Some(4001));
    assert_eq!(
        log_in(&node, "minato", PASSWORD, &totp(&key, 1)?).await?,
        401
    );
    assert_eq!(
        log_in(&node, "minato", PASSWORD, &totp(&new_key, 1)?).await?,
        200
    );

    // Leaving, from another process than the one that holds the socket.
    person.me = http.get("/api/v1/me").await?.is(200)?.json()?;
    person.http = http;
    let mut socket = person.connect().await?;
    let listed = staff(&house, &["list", "--json"]).await?;
    let row = |listed: &Value| {
        let rows = listed.as_array().cloned().unwrap_or_default();
        rows.into_iter().find(|row| row["id"] == "minato")
    };
    assert_eq!(row(&listed).context("listed")?["state"], "active");
    let output = command(&house, &["staff", "revoke", "minato"]).await?;
    assert!(output.status.success());
    assert_eq!(socket.ends().await?.code, Some(4001));
    person
        .http
        .get("/api/v1/me")
        .await?
        .is_problem(401, "no_session")?;
    assert_eq!(
        row(&staff(&house, &["list", "--json"]).await?).context("listed")?["state"],
        "ended"
    );
    assert_eq!(
        command(&house, &["staff", "revoke", "minato"])
            .await?
            .status
            .code(),
        Some(1)
    );
    let verified = command(&house, &["audit", "verify"]).await?;
    assert!(verified.status.success(), "the record holds");
    let log = std::fs::read_to_string(house.log_file())?;
    assert!(
        !log.contains(&token) && !log.contains(&key),
        "no address and no secret in the log"
    );
    Ok(())
}

async fn wrong_usage_and_unknown_people_have_their_own_exit_status(db: Db) -> Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    for (arguments, status) in [
        (vec!["staff"], 2),
        (vec!["staff", "invite"], 2),
        (vec!["staff", "invite", "--role", "king"], 2),
        (vec!["staff", "invite", "--role", "moderator"], 2),
        (vec!["staff", "invite", "--role", "manager/family"], 2),
        (
            vec![
                "staff", "invite", "--role", "manager", "--until", "tomorrow",
            ],
            2,
        ),
        (
            vec![
                "staff",
                "invite",
                "--role",
                "manager",
                "--until",
                "2020-01-01",
            ],
            1,
        ),
        (
            vec!["staff", "invite", "--role", "manager", "--specialist"],
            1,
        ),
        (vec!["staff", "revoke"], 2),
        (vec!["staff", "revoke", "nobody"], 1),
        (vec!["staff", "revoke", "--invitation", "nothing"], 1),
        (vec!["staff", "reset", "nobody"], 1),
        (vec!["staff", "list"], 0),
    ] {
        let output = command(&house, &arguments).await?;
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
    }
    let made = staff(&house, &["invite", "--role", "manager", "--json"]).await?;
    let id = made["invitation"].as_str().context("its id")?;
    let withdrawn = command(&house, &["staff", "revoke", "--invitation", id]).await?;
    assert!(withdrawn.status.success());
    assert_eq!(node.client().get(&path_of(&made)?).await?.status, 404);
    Ok(())
}
