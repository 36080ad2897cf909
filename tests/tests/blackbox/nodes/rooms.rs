//! Two nodes that write to the same rooms as fast as they can.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use engawa_tests::socket::Came;
use engawa_tests::{Nodes, Person, Redis, nodes, tell};
use serde_json::json;
use tokio::time::Instant;

const FURTHER_ROOMS: u32 = 9;
const WRITERS: usize = 3;
const SPAN: Duration = Duration::from_secs(5);
/// Lines of one writer on their way.
const WINDOW: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_two_nodes_that_write_to_the_same_ten_rooms_surface_no_deadlock() -> Result<()> {
    let house = nodes::house().await?.with_rooms(FURTHER_ROOMS);
    let address = house.database_url().context("PostgreSQL")?.to_owned();
    let redis = Redis::start().await?;
    let nodes = Nodes::new(house, 2, Some(&redis)).await?;
    let running = nodes.start_all().await?;
    let rooms = running[0].tojisha_rooms();
    assert_eq!(rooms.len(), 10);
    let began = Instant::now();
    let mut writers = Vec::new();
    for (idx, person) in nodes
        .people(&running, 2 * WRITERS)
        .await?
        .into_iter()
        .enumerate()
    {
        writers.push(tokio::spawn(write(idx, person, rooms.clone())));
    }
    let mut n_acked = 0;
    for writer in writers {
        n_acked += writer.await??;
    }
    let span = began.elapsed();
    let n_held = engawa_tests::postgres::data()?
        .number(
            &address,
            "SELECT CAST(sum(last_seq) AS BIGINT) FROM room WHERE last_seq = (SELECT count(*) FROM message WHERE room_id = room.id)",
        )
        .await?;
    let mut n_retries = 0.0;
    for idx in 0..running.len() {
        n_retries += nodes.metric(idx, "engawa_store_retries_total").await?;
    }
    tell(&format!(
        "show: two nodes, the same ten rooms, full speed: {n_acked} lines acked in {:.1} s, 0 refused, {n_retries} transactions tried again",
        span.as_secs_f64()
    ));
    assert!(n_acked > 500, "only {n_acked} lines");
    assert_eq!(
        n_held, n_acked,
        "what the rooms count, where all of it is there"
    );
    Ok(())
}

/// Writes to the rooms in turn, takes some lines back and stamps some; any refusal is a failure.
async fn write(idx: usize, person: Person, rooms: Vec<String>) -> Result<i64> {
    let mut socket = person.connect().await?;
    for room in &rooms {
        socket.enter(room).await?;
    }
    let began = Instant::now();
    let (mut n_sent, mut n_acked) = (0usize, 0usize);
    let mut to_stamp = HashSet::new();
    loop {
        let over = began.elapsed() > SPAN;
        while !over && n_sent < n_acked + WINDOW {
            // Each begins elsewhere and goes the other way than its neighbour.
            let step = if idx.is_multiple_of(2) {
                n_sent
            } else {
                rooms.len() - n_sent % rooms.len()
            };
            let room = &rooms[(idx + step) % rooms.len()];
            let key = format!("w{n_sent}");
            socket
                .say(room, &key, &format!("{idx} の {n_sent}"))
                .await?;
            n_sent += 1;
        }
        if over && n_acked == n_sent {
            return Ok(i64::try_from(n_acked)?);
        }
        let Came::Frame(frame) = socket.next_or_end("an answer").await? else {
            bail!("a writer's socket ended");
        };
        match frame["type"].as_str() {
            Some("acked") => {
                n_acked += 1;
                let (room, seq) = (frame["room"].to_string(), frame["seq"].to_string());
                if n_acked % 10 == 5 {
                    let (room, seq) = (&frame["room"], &frame["seq"]);
                    socket
                        .send(&json!({"type": "unsay", "room": room, "seq": seq}))
                        .await?;
                } else if n_acked % 10 == 0 {
                    to_stamp.insert((room, seq));
                }
            }
            // What was acknowledged and not told yet cannot be stamped.
            Some("said")
                if to_stamp.remove(&(frame["room"].to_string(), frame["seq"].to_string())) =>
            {
                let (room, seq) = (&frame["room"], &frame["seq"]);
                socket
                    .send(&json!({"type": "stamp", "room": room, "seq": seq, "stamp": "nod"}))
                    .await?;
            }
            Some("refused") => bail!("a writer was refused: {frame}"),
            _ => {}
        }
    }
}
