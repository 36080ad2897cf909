//! Every problem code of the HTTP calls and of the upgrade, each caused for real.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use engawa_tests::{Answer, Db, House, Node, Person, Standing, on_both};
use hyper::Method;
use serde_json::{Value, json};

use super::stage::{in_store, text_of};

on_both!(
    every_problem_is_really_given,
    every_refusal_of_an_upgrade_is_really_given,
);

/// How a problem is caused.
#[derive(Debug, Clone, Copy)]
enum Cause {
    /// A body that is no JSON.
    BrokenBody,
    /// A call without a cookie.
    NoCookie,
    /// A wrong password.
    WrongPassword,
    /// Words that nobody has.
    UnknownWords,
    /// A call that another site made.
    OtherSite,
    /// Words to come back by, for somebody who has a password.
    NotForStaff,
    /// A call that does not exist.
    NoSuchCall,
    /// A draft for a room of the other side.
    OtherSide,
    /// A name that cannot be worn.
    NameTooLong,
    /// One handle more than the rate allows.
    HandleTooMany,
    /// A slip.
    Slip,
    /// A store that fails.
    BrokenStore,
    /// Nothing that is built gives it; what will.
    NotBuilt(&'static str),
}

const PROBLEMS: [(u16, &str, Cause); 13] = [
    (400, "bad_request", Cause::BrokenBody),
    (401, "no_session", Cause::NoCookie),
    (401, "bad_login", Cause::WrongPassword),
    (401, "bad_login", Cause::UnknownWords),
    (403, "wrong_origin", Cause::OtherSite),
    (403, "not_allowed", Cause::NotForStaff),
    (404, "not_found", Cause::NoSuchCall),
    (404, "not_found", Cause::OtherSide),
    (422, "bad_name", Cause::NameTooLong),
    (422, "bad_slip", Cause::Slip),
    (501, "not_yet", Cause::NotBuilt("every call is built")),
    (503, "busy", Cause::BrokenStore),
    // The last: nobody can be made after it.
    (429, "too_fast", Cause::HandleTooMany),
];

#[test]
fn the_table_has_every_problem_of_the_calls() -> Result<()> {
    let listed: BTreeSet<String> = PROBLEMS
        .iter()
        .map(|(_, code, _)| (*code).to_owned())
        .collect();
    // The codes are nowhere described as an enum, so they are read where they are spelled.
    let code = text_of("server/src/edge/problem.rs")?;
    let spelled = code
        .split_once("fn as_str(self)")
        .and_then(|(_, rest)| rest.split_once("fn status(self)"))
        .map(|(spelling, _)| spelling)
        .context("the spelling of the problem codes")?;
    let in_code: BTreeSet<String> = spelled
        .lines()
        .filter_map(|line| line.split('"').nth(1))
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, in_code);
    Ok(())
}

async fn every_problem_is_really_given(db: Db) -> Result<()> {
    let house = House::new(db)
        .await?
        .with("limits.handles_burst = 8\nlimits.handles_interval_ms = 3600000")?;
    let node = house.start().await?;
    let mut person = node.tojisha("つまずく").await?;
    let staff = node.staff(node.login("manager", 0)?).await?;
    let mut n_given = BTreeSet::new();
    for (status, code, cause) in PROBLEMS {
        let Some(answer) = caused(cause, &house, &node, &mut person, &staff).await? else {
            continue;
        };
        let problem = answer
            .is_problem(status, code)
            .with_context(|| format!("{cause:?}"))?;
        ensure!(
            problem["status"] == status && problem["type"] == "about:blank",
            "{problem}"
        );
        let detail = problem["detail"].as_str().unwrap_or_default();
        ensure!(!detail.is_ascii(), "words for people: {problem}");
        let waits: Option<u64> = answer.header("retry-after").parse().ok();
        match code {
            "too_fast" | "busy" => {
                ensure!(
                    waits.is_some_and(|seconds| seconds > 0),
                    "{code}: {waits:?}"
                )
            }
            _ => ensure!(waits.is_none(), "{code}: {waits:?}"),
        }
        if code == "bad_name" {
            let suggested = problem["suggestions"].as_array().map_or(0, Vec::len);
            ensure!(suggested > 0, "names that could be worn: {problem}");
        }
        n_given.insert(code);
        person
            .http
            .get("/api/v1/me")
            .await?
            .is(200)
            .with_context(|| format!("the session goes on after {cause:?}"))?;
    }
    let to_come: Vec<String> = PROBLEMS
        .iter()
        .filter_map(|(_, code, cause)| match cause {
            Cause::NotBuilt(what) => Some(format!("{code} ({what})")),
            _ => None,
        })
        .collect();
    engawa_tests::tell(&format!(
        "show: problems {}: {} given, not built yet: {}",
        db.name(),
        n_given.len(),
        to_come.join(", ")
    ));
    Ok(())
}

async fn caused(
    cause: Cause,
    house: &House,
    node: &Node,
    person: &mut Person,
    staff: &Person,
) -> Result<Option<Answer>> {
    let json_type = [("content-type", "application/json")];
    let mut nobody = node.client();
    let new_handle = json!({"name": null, "standing": "tojisha"});
    let answer = match cause {
        Cause::BrokenBody => {
            let body = b"{\"name\": null".to_vec();
            nobody
                .call(Method::POST, "/api/v1/handles", &json_type, body)
                .await?
        }
        Cause::NoCookie => nobody.get("/api/v1/me").await?,
        Cause::WrongPassword => {
            let id = &node.login("moderator", 0)?.id;
            let body = json!({"id": id, "password": "ちがうことば", "totp": "000000"});
            nobody.post("/api/v1/staff/login", &body).await?
        }
        Cause::UnknownWords => {
            let body = json!({"recovery_code": "あさ いぬ うみ えき おか かさ きた くも"});
            nobody.post("/api/v1/handles/recover", &body).await?
        }
        Cause::OtherSite => {
            let headers = [("origin", "https://evil.example")];
            person
                .http
                .call(Method::DELETE, "/api/v1/sessions", &headers, Vec::new())
                .await?
        }
        Cause::NotForStaff => {
            let mut http = staff.http.clone();
            http.post_empty("/api/v1/me/recovery").await?
        }
        Cause::NoSuchCall => nobody.get("/api/v1/presence").await?,
        Cause::OtherSide => {
            let path = format!("/api/v1/drafts/room/{}", node.family_room()?);
            person.http.get(&path).await?
        }
        Cause::NameTooLong => {
            let body = json!({"name": "な".repeat(17), "standing": "tojisha"});
            nobody.post("/api/v1/handles", &body).await?
        }
        Cause::Slip => {
            let body = json!({"name": null, "standing": "tojisha", "slip": "1234-5678"});
            nobody.post("/api/v1/handles", &body).await?
        }
        Cause::BrokenStore => {
            in_store(house, "ALTER TABLE session RENAME TO session_away").await?;
            let answer = person.http.get("/api/v1/me").await;
            in_store(house, "ALTER TABLE session_away RENAME TO session").await?;
            answer?
        }
        Cause::HandleTooMany => {
            let mut answer = nobody.post("/api/v1/handles", &new_handle).await?;
            for _ in 0..8 {
                if answer.status != 201 {
                    break;
                }
                answer = nobody.post("/api/v1/handles", &new_handle).await?;
            }
            answer
        }
        Cause::NotBuilt(_) => return Ok(None),
    };
    Ok(Some(answer))
}

/// What is wrong with an upgrade.
#[derive(Debug, Clone, Copy)]
enum Upgrade {
    /// Another version of the protocol.
    OldVersion,
    /// A key that is not 16 bytes.
    ShortKey,
    /// No key.
    NoKey,
    /// No subprotocol.
    NoSubprotocol,
    /// No session.
    NoCookie,
    /// A session that never was.
    ForgedCookie,
    /// Another site.
    OtherSite,
    /// No origin.
    NoOrigin,
    /// One socket more than a person may have.
    SocketTooMany,
    /// One socket more than the node has room for.
    FullNode,
}

async fn every_refusal_of_an_upgrade_is_really_given(db: Db) -> Result<()> {
    let house = House::new(db).await?.with("limits.sockets_max = 2")?;
    let node = house.start().await?;
    let person = node.tojisha("とびらのまえ").await?;
    let mut open = vec![person.connect().await?];
    for (status, code, upgrade) in [
        (400, "bad_request", Upgrade::OldVersion),
        (400, "bad_request", Upgrade::ShortKey),
        (400, "bad_request", Upgrade::NoKey),
        (400, "bad_request", Upgrade::NoSubprotocol),
        (401, "no_session", Upgrade::NoCookie),
        (401, "no_session", Upgrade::ForgedCookie),
        (403, "wrong_origin", Upgrade::OtherSite),
        (403, "wrong_origin", Upgrade::NoOrigin),
    ] {
        let answer = knock(&node, &person, upgrade).await?;
        answer
            .is_problem(status, code)
            .with_context(|| format!("{upgrade:?}"))?;
    }
    open.push(person.connect().await?);
    let answer = knock(&node, &person, Upgrade::SocketTooMany).await?;
    let problem: Value = answer.is_problem(429, "too_fast")?;
    ensure!(!answer.header("retry-after").is_empty(), "{problem}");
    for socket in &mut open {
        socket
            .barrier()
            .await
            .context("those that were open go on")?;
    }
    drop(open);
    node.stop().await?;

    // The people of the sample centre hold some of these.
    let house = house.with("limits.sockets_per_node_max = 8")?;
    let node = house.start().await?;
    let mut open = Vec::new();
    let answer = loop {
        ensure!(open.len() <= 8, "the node has no bound");
        let person = node.person(Standing::Tojisha).await?;
        let answer = knock(&node, &person, Upgrade::FullNode).await?;
        if answer.status != 101 {
            break answer;
        }
        match person.connect().await {
            Ok(socket) => open.push(socket),
            Err(_) => break knock(&node, &person, Upgrade::FullNode).await?,
        }
    };
    answer.is_problem(503, "busy")?;
    ensure!(
        !answer.header("retry-after").is_empty(),
        "when to come again"
    );
    for socket in &mut open {
        socket
            .barrier()
            .await
            .context("those that were open go on")?;
    }
    node.get("/healthz").await?.is(200)?;
    Ok(())
}

/// Asks for an upgrade that is sound but for one thing.
async fn knock(node: &Node, person: &Person, upgrade: Upgrade) -> Result<Answer> {
    let cookie = person.http.cookie_line();
    let mut headers = vec![
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "engawa.v1"),
        ("origin", node.url.as_str()),
        ("cookie", cookie.as_str()),
    ];
    let mut set = |name: &str, value: Option<&'static str>| {
        headers.retain(|(other, _)| *other != name || value.is_some());
        if let Some(value) = value {
            for header in &mut headers {
                if header.0 == name {
                    header.1 = value;
                }
            }
        }
    };
    match upgrade {
        Upgrade::SocketTooMany | Upgrade::FullNode => {}
        Upgrade::OldVersion => set("sec-websocket-version", Some("8")),
        Upgrade::ShortKey => set("sec-websocket-key", Some("c2hvcnQ=")),
        Upgrade::NoKey => set("sec-websocket-key", None),
        Upgrade::NoSubprotocol => set("sec-websocket-protocol", None),
        Upgrade::NoCookie => set("cookie", None),
        Upgrade::ForgedCookie => set(
            "cookie",
            Some("engawa=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ),
        Upgrade::OtherSite => set("origin", Some("https://evil.example")),
        Upgrade::NoOrigin => set("origin", None),
    }
    node.client()
        .call(Method::GET, "/ws", &headers, Vec::new())
        .await
}
