//! Clients that are slow on purpose: heads, bodies and readers by `slowhttptest`, frames by ourselves. They are let go
//! in their time, and others do not notice them.
//!
//! `ENGAWA_TEST_SLOW_SECONDS` says how long they are borne (60).

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use engawa_tests::{Db, House, Node, Person, Socket, tell};
use serde_json::json;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::stage::{log_is_calm, resident_kib};
use super::wire::{TEXT, Wire, framed};

/// A way to be slow.
#[derive(Debug, Clone, Copy)]
enum Slow {
    /// The head of a request never ends.
    Heads,
    /// Its body never ends.
    Bodies,
    /// The answer is read a few bytes at a time.
    Readers,
}

const WAYS: [Slow; 3] = [Slow::Heads, Slow::Bodies, Slow::Readers];

/// Starts `slowhttptest` with that many connections for that many seconds; gives what it printed at its end.
fn attack(
    node: &Node,
    person: &Person,
    slow: Slow,
    n: usize,
    seconds: u64,
) -> JoinHandle<Result<String>> {
    let mut command = Command::new("slowhttptest");
    let address = node.address();
    let url = match slow {
        Slow::Heads => format!("http://{address}/"),
        Slow::Bodies => format!("http://{address}/in"),
        Slow::Readers => format!("http://{address}/r/{}", node.room()),
    };
    match slow {
        Slow::Heads => command.args(["-H", "-i", "3", "-x", "24"]),
        Slow::Bodies => command.args(["-B", "-i", "3", "-x", "10", "-s", "8192", "-t", "POST"]),
        // Ten pages of a room: more than the buffers of both ends take.
        Slow::Readers => command
            .args([
                "-X", "-n", "3", "-z", "8", "-w", "64", "-y", "128", "-k", "10", "-j",
            ])
            .arg(person.http.cookie_line()),
    };
    command
        .args(["-c", &n.to_string(), "-r", "200", "-p", "3"])
        .args(["-l", &seconds.to_string(), "-u", &url])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    // Dropped with its task, it ends.
    tokio::spawn(async move {
        let output = command
            .output()
            .await
            .context("slowhttptest is not here: apt-get install -y slowhttptest")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    })
}

/// How many connections to the node are open on its side.
fn n_connections(node: &Node) -> Result<usize> {
    const ESTABLISHED: &str = "01";
    let port: u16 = node.address().rsplit(':').next().unwrap_or("").parse()?;
    let ours = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp")?;
    let is_one = |line: &&str| {
        let mut words = line.split_whitespace().skip(1);
        let local = words.next().unwrap_or_default();
        local.ends_with(&ours) && words.nth(1) == Some(ESTABLISHED)
    };
    Ok(table.lines().filter(is_one).count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_and_bodies_are_let_go_in_their_time() -> Result<()> {
    const EACH: usize = 60;
    let house = House::new(Db::Sqlite)
        .await?
        .with("limits.head_ms = 1500\nlimits.body_ms = 2500")?;
    let node = house.start().await?;
    let mut bystander = node.tojisha("そばにいる").await?.enter(node.room()).await?;
    let person = node.tojisha("ゆっくり").await?;
    let mut attacks = Vec::new();
    for slow in [Slow::Heads, Slow::Bodies] {
        attacks.push((slow, attack(&node, &person, slow, EACH, 60)));
    }
    for (slow, attack) in attacks {
        // It ends when the server has closed all its connections, or after a minute.
        let printed = attack.await??;
        ensure!(
            printed.contains("No open connections left"),
            "{slow:?}: the server let not all go:\n{printed}"
        );
        bystander.barrier().await?;
    }
    log_is_calm(&house)?;
    tell(&format!(
        "show: slow heads and bodies: {EACH} of each let go at their limits"
    ));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_slow_sockets_keep_nobody_else_from_talking() -> Result<()> {
    const EACH: usize = 150;
    const DRIBBLERS: usize = 50;
    const MOST: usize = (EACH * WAYS.len() + DRIBBLERS) * 9 / 10;
    let seconds = std::env::var("ENGAWA_TEST_SLOW_SECONDS")
        .ok()
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(60);
    // Here nobody is let go for being slow: they are all there for the whole time.
    let house = House::new(Db::Sqlite)
        .await?
        .with("limits.head_ms = 600000\nlimits.body_ms = 600000")?;
    let node = house.start().await?;
    let mut talker = node.tojisha("はなすひと").await?.enter(node.room()).await?;
    // The first calls warm up what the others find warm.
    talk(&node, &mut talker, Duration::from_secs(1), "warm").await?;
    let n_before = n_connections(&node)?;
    let before_kib = resident_kib(&node)?;
    let before = talk(&node, &mut talker, Duration::from_secs(5), "before").await?;

    let person = node.tojisha("ぽつぽつ").await?;
    let dribbling = dribble(&node, &person, DRIBBLERS).await?;
    let attacks: Vec<_> = WAYS
        .iter()
        .map(|slow| attack(&node, &person, *slow, EACH, seconds + 60))
        .collect();
    engawa_tests::within("the slow ones to be there", async {
        while n_connections(&node)? < n_before + MOST {
            talker.barrier().await?;
        }
        anyhow::Ok(())
    })
    .await??;
    let meanwhile = talk(&node, &mut talker, Duration::from_secs(seconds), "while").await?;
    let n_meanwhile = n_connections(&node)?;
    ensure!(
        n_meanwhile >= n_before + MOST,
        "only {n_meanwhile} connections were left at the end"
    );
    let meanwhile_kib = resident_kib(&node)?;
    for attack in &attacks {
        attack.abort();
    }
    dribbling.abort();
    engawa_tests::within("the slow ones to be gone", async {
        while n_connections(&node)? > n_before {
            talker.barrier().await?;
        }
        anyhow::Ok(())
    })
    .await??;
    log_is_calm(&house)?;
    tell(&format!(
        "show: {} slow sockets for {seconds} s: others' p99 {:.2} ms, {:.2} before ({:.2} times; p50 {:.2} and {:.2}), {} and {} calls, none failed; memory {before_kib} KiB before, {meanwhile_kib} with them",
        n_meanwhile - n_before,
        meanwhile.p99_ms,
        before.p99_ms,
        meanwhile.p99_ms / before.p99_ms,
        meanwhile.p50_ms,
        before.p50_ms,
        meanwhile.n_calls,
        before.n_calls
    ));
    Ok(())
}

/// How long calls took.
struct Took {
    p50_ms: f64,
    p99_ms: f64,
    n_calls: usize,
}

/// Says lines and asks for a page, one after the other, for that long; each must succeed.
async fn talk(node: &Node, socket: &mut Socket, span: Duration, key: &str) -> Result<Took> {
    let room = node.room().to_owned();
    // A long one, so that a page of them is long.
    let line = "雨".repeat(480);
    let began = Instant::now();
    let mut took = Vec::new();
    while began.elapsed() < span {
        let at = Instant::now();
        socket
            .say_kept(&room, &format!("{key}-{}", took.len()), &line)
            .await?;
        took.push(at.elapsed());
        let at = Instant::now();
        node.get("/rules").await?.is(200)?;
        took.push(at.elapsed());
        // What was heard is not kept: this goes on for a minute.
        socket.frames.clear();
    }
    took.sort_unstable();
    let ms = |share: usize| took[(took.len() - 1) * share / 100].as_secs_f64() * 1_000.0;
    Ok(Took {
        p50_ms: ms(50),
        p99_ms: ms(99),
        n_calls: took.len(),
    })
}

/// Sockets that send a frame a byte at a time, each some bytes a second.
async fn dribble(node: &Node, person: &Person, n: usize) -> Result<JoinHandle<()>> {
    let mut wires = Vec::new();
    for _ in 0..n {
        wires.push(Wire::open(node, person).await?);
    }
    let frame = framed(
        TEXT,
        true,
        json!({"type": "ping", "n": 1, "pad": "x".repeat(1_000)})
            .to_string()
            .as_bytes(),
    );
    Ok(tokio::spawn(async move {
        for byte in frame.iter().cycle() {
            for wire in &mut wires {
                wire.send(&[*byte]).await;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }))
}
