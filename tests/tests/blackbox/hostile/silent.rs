//! Other ends that are there no more, and messages that are too large: both end, and cost nothing that stays.

use anyhow::{Context, Result, ensure};
use engawa_tests::{Db, House, Node, Person, postgres, tell, within};
use futures_util::future::try_join_all;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::stage::{log_is_calm, resident_kib};
use super::wire::{CONTINUATION, End, PING, TEXT, Wire, framed, header};

/// What an allocator may keep.
const GROWTH_KIB_MAX: u64 = 16 * 1024;

/// How the other end is there no more.
#[derive(Debug, Clone, Copy)]
enum Gone {
    /// It reads nothing and says nothing.
    Deaf,
    /// It reads, and says nothing.
    Mute,
    /// It stopped in the middle of a frame's header.
    InAHeader,
    /// It stopped in the middle of a frame.
    InAFrame,
    /// It stopped in the middle of a message of several frames.
    InAMessage,
    /// It sends no more, and still reads.
    HalfClosed,
}

const KINDS: [Gone; 6] = [
    Gone::Deaf,
    Gone::Mute,
    Gone::InAHeader,
    Gone::InAFrame,
    Gone::InAMessage,
    Gone::HalfClosed,
];
/// Sockets of each kind.
const EACH: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_is_there_no_more_is_let_go_within_its_time() -> Result<()> {
    let numbers = format!("127.0.0.1:{}", postgres::free_port()?);
    let house = House::new(Db::Sqlite)
        .await?
        .with("rooms.ping_ms = 700\nrooms.pong_grace_ms = 1400\nrooms.lease_ms = 5000")?
        .with_variable("ENGAWA_METRICS_LISTEN", &numbers);
    let node = house.start().await?;
    let room = node.room().to_owned();
    let mut bystander = node.tojisha("そばにいる").await?.enter(&room).await?;
    let n_before = n_sockets(&numbers).await?;
    let enter = json!({"type": "enter", "room": room}).to_string();
    let mut wires = Vec::new();
    for gone in KINDS {
        for _ in 0..EACH {
            let person = node.tojisha("きえる").await?;
            let mut wire = Wire::open(&node, &person).await?;
            wire.send(&framed(TEXT, true, enter.as_bytes())).await;
            match gone {
                Gone::Deaf | Gone::Mute => {}
                Gone::InAHeader => {
                    wire.send(&[0x81]).await;
                }
                Gone::InAFrame => {
                    let whole = framed(TEXT, true, enter.as_bytes());
                    wire.send(&whole[..whole.len() / 2]).await;
                }
                Gone::InAMessage => {
                    wire.send(&framed(TEXT, false, b"{\"type\": ")).await;
                }
                Gone::HalfClosed => wire.stream.shutdown().await?,
            }
            wires.push((gone, wire));
            // Somebody who answers pings answers them while others come, too.
            bystander.barrier().await?;
        }
    }
    let n_then = n_sockets(&numbers).await?;
    ensure!(n_then > n_before, "{n_then} sockets are open");
    // Those who read see their end, while somebody who answers stays.
    let reading = wires
        .iter_mut()
        .filter(|(gone, _)| !matches!(gone, Gone::Deaf))
        .map(|(gone, wire)| async move {
            let end = wire.ends().await.with_context(|| format!("{gone:?}"))?;
            match gone {
                Gone::HalfClosed => {}
                _ => ensure!(end == End::Closed(1001), "{gone:?}: {end:?}"),
            }
            anyhow::Ok(())
        });
    let all_gone = within("all of them to be let go", async {
        loop {
            bystander.barrier().await?;
            if n_sockets(&numbers).await? <= n_before {
                return anyhow::Ok(());
            }
        }
    });
    let (ends, all_gone) = tokio::join!(try_join_all(reading), all_gone);
    ends?;
    all_gone??;
    bystander
        .say_kept(&room, "still", "まだ話せます")
        .await
        .context("somebody who answers goes on")?;
    log_is_calm(&house)?;
    tell(&format!(
        "show: half-open sockets: {} of {} kinds let go, the {n_before} that answered stayed",
        wires.len(),
        KINDS.len()
    ));
    Ok(())
}

/// How many sockets the node has, as its own numbers say.
async fn n_sockets(numbers: &str) -> Result<usize> {
    let page = engawa_tests::Client::new(numbers)
        .get("/metrics")
        .await?
        .is(200)?
        .text();
    page.lines()
        .find_map(|line| line.strip_prefix("engawa_sockets "))
        .and_then(|n| n.trim().parse::<f64>().ok())
        .map(|n| n as usize)
        .context("engawa_sockets in the numbers")
}

/// A message that is too much.
#[derive(Debug, Clone, Copy)]
enum TooMuch {
    /// One frame of 1 MiB.
    OneFrame,
    /// 1 MiB in frames of 4 KiB.
    Fragments,
    /// 1 MiB in frames of a byte.
    Crumbs,
    /// A header that promises 2^63 - 1 bytes, and nothing after it.
    Promise,
    /// A header that promises 2^64 - 1 bytes, which no frame can have.
    Impossible,
    /// A ping of 126 bytes.
    LongPing,
}

const MIB: usize = 1024 * 1024;
const MUCH: [(TooMuch, &[u16]); 6] = [
    (TooMuch::OneFrame, &[1009]),
    (TooMuch::Fragments, &[1009]),
    (TooMuch::Crumbs, &[1009]),
    (TooMuch::Promise, &[1009]),
    // RFC 6455, 5.2: the first bit of the length must be 0.
    (TooMuch::Impossible, &[1002, 1009]),
    // RFC 6455, 5.5: the payload of a control frame has 125 bytes at most.
    (TooMuch::LongPing, &[1002]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_a_megabyte_closes_its_socket_and_is_kept_nowhere() -> Result<()> {
    const ROUNDS: usize = 12;
    let house = House::new(Db::Sqlite).await?;
    let node = house.start().await?;
    let mut bystander = node.tojisha("そばにいる").await?.enter(node.room()).await?;
    let person = node.tojisha("おおきすぎる").await?;
    let mut first_kib = 0;
    let mut most_kib = 0;
    for round in 0..ROUNDS {
        for (much, codes) in MUCH {
            let end = too_much(&node, &person, much).await?;
            let fits = matches!(end, End::Closed(code) if codes.contains(&code));
            ensure!(fits, "{much:?} in round {round}: {end:?}, not {codes:?}");
            most_kib = most_kib.max(resident_kib(&node)?);
        }
        bystander.barrier().await?;
        if round == 1 {
            first_kib = resident_kib(&node)?;
        }
    }
    let last_kib = resident_kib(&node)?;
    // Fragments that say nothing are a message that is not there yet; pings that nobody reads the answers of are not kept.
    let mut wire = Wire::open(&node, &person).await?;
    wire.send(&framed(TEXT, false, b"{\"type\":\"ping\",\"n\":1"))
        .await;
    for _ in 0..20_000 {
        if !wire.send(&framed(CONTINUATION, false, b"")).await {
            break;
        }
    }
    wire.send(&framed(CONTINUATION, true, b"}")).await;
    let answered = within("the answer to a message of crumbs", async {
        while let Some((_, payload)) = wire.frame().await {
            if payload.starts_with(b"{\"type\":\"pong\"") {
                return true;
            }
        }
        false
    });
    ensure!(answered.await?, "a message in 20,000 empty frames is one");
    let mut deaf = Wire::open(&node, &person).await?;
    let pings = framed(PING, true, &[b'x'; 125]).repeat(1_000);
    // Where the server stops reading, or closes, there is no more to send.
    let flood = async {
        for _ in 0..200 {
            if !deaf.send(&pings).await {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(std::time::Duration::from_secs(3), flood).await;
    bystander.barrier().await.context("somebody else goes on")?;
    let flooded_kib = resident_kib(&node)?;
    for (what, kib) in [
        ("the rounds", last_kib),
        ("any of them, at the most", most_kib),
        ("a flood of pings", flooded_kib),
    ] {
        ensure!(
            kib <= first_kib + GROWTH_KIB_MAX,
            "memory went from {first_kib} KiB to {kib} by {what}"
        );
    }
    log_is_calm(&house)?;
    tell(&format!(
        "show: messages of 1 MiB and impossible frames: {} kinds closed as they must be, {ROUNDS} rounds; memory {first_kib} KiB after the second, at most {most_kib}, {last_kib} after the last, {flooded_kib} after 25 MB of pings",
        MUCH.len()
    ));
    Ok(())
}

async fn too_much(node: &Node, person: &Person, much: TooMuch) -> Result<End> {
    let mut wire = Wire::open(node, person).await?;
    match much {
        TooMuch::OneFrame => {
            wire.send(&framed(TEXT, true, &vec![b'x'; MIB])).await;
        }
        TooMuch::Fragments => {
            let part = [b'x'; 4096];
            wire.send(&framed(TEXT, false, &part)).await;
            for _ in 1..MIB / part.len() {
                if !wire.send(&framed(CONTINUATION, false, &part)).await {
                    break;
                }
            }
        }
        TooMuch::Crumbs => {
            wire.send(&framed(TEXT, false, b"x")).await;
            let crumbs = framed(CONTINUATION, false, b"x").repeat(1024);
            for _ in 0..1024 {
                if !wire.send(&crumbs).await {
                    break;
                }
            }
        }
        TooMuch::Promise => {
            wire.send(&header(TEXT, true, u64::MAX >> 1)).await;
            wire.send(&[0; 4]).await;
        }
        TooMuch::Impossible => {
            wire.send(&header(TEXT, true, u64::MAX)).await;
            wire.send(&[0; 4]).await;
        }
        TooMuch::LongPing => {
            wire.send(&framed(PING, true, &[b'x'; 126])).await;
        }
    }
    wire.ends().await.with_context(|| format!("{much:?}"))
}
