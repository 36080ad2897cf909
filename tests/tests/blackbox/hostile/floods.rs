//! A flood over each limit: what is over it is refused with a time to wait, and nobody else notices.

use anyhow::{Context, Result, ensure};
use engawa_tests::{Answer, Db, House, Node, Person, Socket, Standing, tell, within};
use hyper::Method;
use serde_json::{Value, json};

use super::stage::log_is_calm;

/// The limits of the settings as they are shipped, each with its interval so long that a slow machine fills nothing up.
const LIMITS: &str = "
limits.say_burst = 5
limits.say_interval_ms = 600000
limits.frames_per_10s = 100
limits.handles_burst = 30
limits.handles_interval_ms = 600000
limits.logins_burst = 5
limits.logins_interval_ms = 600000
limits.recover_burst = 10
limits.recover_interval_ms = 600000
limits.upgrades_burst = 60
limits.upgrades_interval_ms = 600000
";

/// What somebody does too often.
#[derive(Debug, Clone, Copy)]
enum Flood {
    /// New handles, by address.
    Handles,
    /// Tries to log in to one account, by address.
    Logins,
    /// Tries to come back by words, by address.
    Recoveries,
    /// Upgrades, by address.
    Upgrades,
}

const FLOODS: [(Flood, usize); 4] = [
    (Flood::Handles, 30),
    (Flood::Logins, 5),
    (Flood::Recoveries, 10),
    (Flood::Upgrades, 60),
];

/// Two networks behind the proxy.
const FLOODING: &str = "203.0.113.7";
const QUIET: &str = "198.51.100.20";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_by_one_address_is_refused_with_a_wait_and_no_other_is_concerned() -> Result<()> {
    let house = House::new(Db::Sqlite)
        .await?
        .with(LIMITS)?
        .with_variable("ENGAWA_TRUSTED_PROXIES", "127.0.0.1/32");
    let node = house.start().await?;
    let mut bystander = node.tojisha("そばにいる").await?.enter(node.room()).await?;
    let person = node.tojisha("いそぐひと").await?;
    let mut told = Vec::new();
    for (flood, burst) in FLOODS {
        let named = || format!("{flood:?}");
        let mut n_free = 0;
        let n_tries = burst * 3;
        for n in 0..n_tries {
            let answer = once(&node, &person, flood, FLOODING).await?;
            if answer.status != 429 {
                ensure!(n == n_free, "{}: free again after a refusal", named());
                n_free += 1;
                continue;
            }
            answer.is_problem(429, "too_fast").with_context(named)?;
            let wait: Option<u64> = answer.header("retry-after").parse().ok();
            ensure!(
                wait.is_some_and(|seconds| (1..=600).contains(&seconds)),
                "{}: Retry-After {:?}",
                named(),
                answer.header("retry-after")
            );
        }
        ensure!(
            n_free == burst,
            "{}: {n_free} were free, the limit is {burst}",
            named()
        );
        let elsewhere = once(&node, &person, flood, QUIET).await?;
        ensure!(
            elsewhere.status != 429,
            "{}: another address is refused, too",
            named()
        );
        bystander.barrier().await.with_context(named)?;
        told.push(format!("{} of {n_tries} {flood:?}", n_tries - burst));
    }
    // One account's tries are not another's.
    let other = node.login("moderator", 1)?;
    let headers = [
        ("content-type", "application/json"),
        ("x-forwarded-for", FLOODING),
    ];
    let body = json!({"id": other.id, "password": "ちがう", "totp": "000000"});
    let body = body.to_string().into_bytes();
    node.client()
        .call(Method::POST, "/api/v1/staff/login", &headers, body)
        .await?
        .is_problem(401, "bad_login")
        .context("another account from the same address")?;
    log_is_calm(&house)?;
    tell(&format!(
        "show: floods by address: refused with Retry-After {}",
        told.join(", ").to_lowercase()
    ));
    Ok(())
}

async fn once(node: &Node, person: &Person, flood: Flood, from: &str) -> Result<Answer> {
    let mut http = node.client();
    let cookie = person.http.cookie_line();
    let (method, path, body) = match flood {
        Flood::Handles => (
            Method::POST,
            "/api/v1/handles",
            json!({"name": null, "standing": "tojisha"}),
        ),
        Flood::Logins => (
            Method::POST,
            "/api/v1/staff/login",
            json!({"id": node.login("moderator", 0)?.id, "password": "ちがう", "totp": "000000"}),
        ),
        Flood::Recoveries => (
            Method::POST,
            "/api/v1/handles/recover",
            json!({"recovery_code": "あさ いぬ"}),
        ),
        Flood::Upgrades => (Method::GET, "/ws", Value::Null),
    };
    let origin = format!("http://{}", node.address());
    let mut headers = vec![("x-forwarded-for", from)];
    if matches!(flood, Flood::Upgrades) {
        headers.extend([
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "engawa.v1"),
            ("origin", origin.as_str()),
            ("cookie", cookie.as_str()),
        ]);
        return http.call(method, path, &headers, Vec::new()).await;
    }
    headers.push(("content-type", "application/json"));
    http.call(method, path, &headers, body.to_string().into_bytes())
        .await
}

/// What somebody sends too much of, on one socket.
#[derive(Debug, Clone, Copy)]
enum Stream {
    /// Pings.
    Pings,
    /// Coming in, again and again.
    Enters,
    /// Stamps.
    Stamps,
    /// The lamp on and off.
    Lamps,
    /// Frames whose part is not built.
    ToCome,
}

const STREAMS: [Stream; 5] = [
    Stream::Pings,
    Stream::Enters,
    Stream::Stamps,
    Stream::Lamps,
    Stream::ToCome,
];
const FRAMES_PER_10S: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_frames_is_refused_with_a_wait_and_nobody_else_notices() -> Result<()> {
    let house = House::new(Db::Sqlite).await?.with(
        "limits.frames_per_10s = 100\nlimits.say_burst = 5\nlimits.say_interval_ms = 600000",
    )?;
    let node = house.start().await?;
    let room = node.room().to_owned();
    let mut bystander = node.tojisha("そばにいる").await?.enter(&room).await?;
    let seq = bystander.say_kept(&room, "first", "はじめの行").await?;
    let mut told = Vec::new();
    for stream in STREAMS {
        let named = || format!("{stream:?}");
        let person = node.person(Standing::Tojisha).await?;
        let mut socket = person.enter(&room).await?;
        let n_sent = FRAMES_PER_10S * 4;
        for n in 0..n_sent {
            let frame = match stream {
                Stream::Pings => json!({"type": "ping", "n": n}),
                Stream::Enters => json!({"type": "enter", "room": room}),
                Stream::Stamps => {
                    json!({"type": "stamp", "room": room, "seq": seq, "stamp": "nod", "on": n % 2 == 0})
                }
                Stream::Lamps => json!({"type": "lamp", "room": room, "on": n % 2 == 0}),
                Stream::ToCome => json!({"type": "call", "key": format!("c-{n}")}),
            };
            socket.send(&frame).await?;
        }
        let n_refused = all_answered(&mut socket).await.with_context(named)?;
        // What fills up again while it lasts is little.
        ensure!(
            (n_sent / 2..n_sent).contains(&n_refused),
            "{}: {n_refused} of {n_sent} refused",
            named()
        );
        bystander.barrier().await.with_context(named)?;
        told.push(format!("{n_refused} of {n_sent} {stream:?}"));
    }
    let refused_bystander = bystander
        .frames
        .iter()
        .any(|frame| frame["type"] == "refused");
    ensure!(!refused_bystander, "somebody else was refused something");
    log_is_calm(&house)?;
    tell(&format!(
        "show: floods of frames: refused with retry_after_ms {}",
        told.join(", ").to_lowercase()
    ));
    Ok(())
}

/// Counts what was refused as too fast, each with its wait, up to the answer to one frame more, which has a key of its
/// own and is refused in any case.
async fn all_answered(socket: &mut Socket) -> Result<usize> {
    let mut n_refused = 0;
    socket
        .send(&json!({"type": "call", "key": "the-end"}))
        .await?;
    within("the end of a flood", async {
        loop {
            let frame = socket.next().await?;
            if frame["type"] != "refused" {
                continue;
            }
            if frame["code"] == "too_fast" {
                let wait = frame["retry_after_ms"].as_u64();
                ensure!(
                    wait.is_some_and(|ms| (1..=10_000).contains(&ms)),
                    "when again: {frame}"
                );
            } else {
                ensure!(frame["code"] == "not_yet", "{frame}");
            }
            if frame["key"] == "the-end" {
                return Ok(n_refused);
            }
            n_refused += usize::from(frame["code"] == "too_fast");
        }
    })
    .await?
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_lines_is_refused_each_by_its_key_and_others_talk_on() -> Result<()> {
    let house = House::new(Db::Sqlite)
        .await?
        .with("limits.say_burst = 5\nlimits.say_interval_ms = 600000")?;
    let node = house.start().await?;
    let room = node.room().to_owned();
    let mut bystander = node.tojisha("そばにいる").await?.enter(&room).await?;
    let person = node.tojisha("いそぐひと").await?;
    // Another tab is the same person.
    let mut tabs = [person.enter(&room).await?, person.enter(&room).await?];
    const LINES: usize = 100;
    let (mut n_kept, mut n_refused) = (0, 0);
    for (tab, socket) in tabs.iter_mut().enumerate() {
        for n in 0..LINES {
            socket
                .say(&room, &format!("t{tab}-{n}"), "はやく はやく")
                .await?;
        }
        for n in 0..LINES {
            let key = format!("t{tab}-{n}");
            let is_answer = |frame: &Value| {
                frame["key"] == key.as_str()
                    && (frame["type"] == "acked" || frame["type"] == "refused")
            };
            // Answers to lines that are looked up may overtake each other.
            let seen = socket.frames.iter().find(|frame| is_answer(frame)).cloned();
            let answer = match seen {
                Some(answer) => answer,
                None => socket.answer(&key).await?,
            };
            if answer["type"] == "acked" {
                n_kept += 1;
                continue;
            }
            ensure!(
                answer["code"] == "too_fast" && answer["retry_after_ms"].as_u64() > Some(0),
                "{answer}"
            );
            n_refused += 1;
        }
    }
    ensure!(n_kept == 5, "{n_kept} lines were kept, 5 are free");
    bystander
        .say_kept(&room, "calm", "ゆっくりで")
        .await
        .context("somebody else")?;
    // By a form it is the same person, too.
    let mut http = person.http.clone();
    let answer = http
        .form(
            &format!("/r/{room}/say"),
            &[("body", "かたちからも"), ("key", "form")],
        )
        .await?;
    ensure!(answer.status == 429, "by form: {}", answer.status);
    ensure!(!answer.header("retry-after").is_empty(), "Retry-After");
    log_is_calm(&house)?;
    tell(&format!(
        "show: flood of lines: {n_refused} of {} refused by key with retry_after_ms, others talk on",
        2 * LINES
    ));
    Ok(())
}
