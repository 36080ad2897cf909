//! PostgreSQL restarted at once under load, and requests that are cut off half-way.

use std::time::Duration;

use anyhow::{Context, Result};
use engawa_tests::postgres::Cluster;
use engawa_tests::talker::{Manner, Talkers, seed};
use engawa_tests::{DEADLINE, Nodes, Person, Redis, nodes, tell, within};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

const RESTARTS: usize = 6;
const CUTS: usize = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_postgresql_restarted_at_once_under_load_loses_nothing_acknowledged() -> Result<()> {
    let seed = seed();
    let mut chance = StdRng::seed_from_u64(seed);
    let data = Cluster::of_a_test("restarted").await?;
    let keys = Cluster::of_a_test("restarted-keys").await?;
    let house = nodes::house_on(&data, &keys).await?.with_rooms(2);
    let redis = Redis::start().await?;
    let nodes = Nodes::new(house, 2, Some(&redis)).await?;
    let running = nodes.start_all().await?;
    let manner = Manner {
        pace_ms: (2, 25),
        cuts: 0.005,
        rooms: running[0].tojisha_rooms(),
        doors: nodes.doors(),
    };
    let people = nodes.people(&running, 6).await?;
    let talkers = Talkers::start(people, &manner, &mut chance);
    let mut back = Vec::new();
    for restart in 0..RESTARTS {
        // The span is part of the fault: the store goes at any instant.
        tokio::time::sleep(Duration::from_millis(chance.random_range(200..900))).await;
        if restart % 3 == 2 {
            keys.restart_at_once().await?;
        }
        data.restart_at_once().await?;
        let answers_again = Instant::now();
        let mut acks = talkers.record.acks();
        let mut silent = manner.doors.clone();
        within("an acknowledgement by each node after the restart", async {
            while !silent.is_empty() {
                if let Ok(door) = acks.recv().await {
                    silent.retain(|other| *other != door);
                }
            }
        })
        .await
        .with_context(|| format!("restart {restart}, seed {seed}"))?;
        back.push(answers_again.elapsed());
        talkers.all_well()?;
    }
    let refs: Vec<_> = running.iter().collect();
    let judged = talkers.judge(&refs, &manner.rooms).await?;
    let slowest = back.iter().max().copied().unwrap_or_default();
    tell(&format!(
        "show: {RESTARTS} immediate restarts of PostgreSQL under load of two nodes: {}; both acknowledge again after at most {:.2} s (seed {seed})",
        judged.verdict.summary(),
        slowest.as_secs_f64()
    ));
    judged.must_be_clean("pg-restart", seed, RESTARTS * 10)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_requests_and_sockets_that_are_cut_half_way_poison_no_connection() -> Result<()> {
    let seed = seed();
    let mut chance = StdRng::seed_from_u64(seed);
    // Few connections, so that a poisoned one would be met soon.
    let house = nodes::house().await?.with("store.pg_connections = 3")?;
    let address = house.database_url().context("PostgreSQL")?.to_owned();
    let redis = Redis::start().await?;
    let nodes = Nodes::new(house, 1, Some(&redis)).await?;
    let node = nodes.start(0).await?;
    let person = node.tojisha("きられる").await?;
    let room = node.room().to_owned();
    for burst in 0..CUTS / 20 {
        let mut cuts = Vec::new();
        for idx in 0..20 {
            let kind = chance.random_range(0..6);
            let after = Duration::from_micros(chance.random_range(0..6_000));
            let person = person.clone();
            let room = room.clone();
            cuts.push(tokio::spawn(async move {
                let key = format!("cut-{burst}-{idx}");
                cut_off(&person, &room, &key, kind, after).await
            }));
        }
        for cut in cuts {
            within("a request to be cut", cut).await???;
        }
    }
    // All works, more often at once than there are connections.
    let mut after = Vec::new();
    for _ in 0..12 {
        let (mut person, room) = (person.clone(), room.clone());
        after.push(tokio::spawn(async move {
            for _ in 0..5 {
                person.http.get("/api/v1/me").await?.is(200)?;
                person.http.get("/api/v1/gatherings").await?.is(200)?;
                person.http.get(&format!("/r/{room}")).await?.is(200)?;
            }
            person
                .http
                .post(
                    "/api/v1/handles",
                    &json!({"name": null, "standing": "tojisha"}),
                )
                .await?
                .is(201)
        }));
    }
    for task in after {
        within("the requests after the cuts", task).await???;
    }
    let mut socket = person.enter(&room).await?;
    for n in 0..20 {
        socket
            .say_kept(&room, &format!("after-{n}"), &format!("そのあと {n}"))
            .await?;
    }
    let cluster = engawa_tests::postgres::data()?;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    let began = Instant::now();
    let mut n_open = cluster.number(&address, open).await?;
    while n_open > 0 && began.elapsed() < DEADLINE {
        tokio::time::sleep(Duration::from_millis(20)).await;
        n_open = cluster.number(&address, open).await?;
    }
    let held = cluster
        .number(&address, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'engawa'")
        .await?;
    let failures = nodes.failures()?;
    tell(&format!(
        "show: {CUTS} requests and sockets cut half-way: all works after, {n_open} transactions left open, {held} of 3 connections in use, {} errors in the log (seed {seed})",
        failures.len()
    ));
    assert_eq!(n_open, 0, "a transaction was left open");
    assert!(held <= 3, "{held} connections");
    assert!(failures.is_empty(), "{failures:#?}");
    Ok(())
}

/// One call or socket that is dropped without a word `after` it began.
async fn cut_off(
    person: &Person,
    room: &str,
    key: &str,
    kind: usize,
    after: Duration,
) -> Result<()> {
    let (address, cookie) = (person.http.address(), person.http.cookie_line());
    if kind >= 4 {
        let mut socket = person.connect().await?;
        socket.send(&json!({"type": "enter", "room": room})).await?;
        socket.say(room, key, "きられる").await?;
        if kind == 5 {
            socket
                .send(&json!({"type": "unsay", "room": room, "key": key}))
                .await?;
        }
        tokio::time::sleep(after).await;
        socket.cut();
        return Ok(());
    }
    let (line, body) = match kind {
        0 => ("GET /api/v1/gatherings".to_owned(), String::new()),
        1 => (format!("GET /r/{room}"), String::new()),
        2 => (
            "POST /api/v1/handles".to_owned(),
            json!({"name": null, "standing": "tojisha"}).to_string(),
        ),
        _ => ("GET /api/v1/me".to_owned(), String::new()),
    };
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "{line} HTTP/1.1\r\nhost: {address}\r\ncookie: {cookie}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    tokio::time::sleep(after).await;
    stream.set_zero_linger()?;
    drop(stream);
    Ok(())
}
