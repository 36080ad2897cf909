//! What happens on one node reaches the people on another.

use std::time::Duration;

use anyhow::{Context, Result};
use engawa_tests::{Nodes, Redis, nodes, postgres, tell, within};
use serde_json::{Value, json};
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s6_a_session_that_ends_on_one_node_closes_its_sockets_on_the_other() -> Result<()> {
    let redis = Redis::start().await?;
    let nodes = Nodes::new(nodes::house().await?, 2, Some(&redis)).await?;
    let running = nodes.start_all().await?;
    let mut person = running[0].tojisha("でていく").await?;
    let stays = running[1].tojisha("のこる").await?;
    let mut there = person.at(&running[1]).enter(running[0].room()).await?;
    let mut other = stays.enter(running[0].room()).await?;
    let began = Instant::now();
    person.http.delete("/api/v1/sessions").await?.is(204)?;
    let ended = there.ends().await?;
    tell(&format!(
        "show: a session ended on one node closed its socket on the other after {:.1} s",
        began.elapsed().as_secs_f64()
    ));
    assert_eq!(ended.code, Some(4001), "{ended:?}");
    assert!(there.frames.iter().any(|frame| frame["why"] == "session"));
    assert!(
        person.at(&running[1]).connect().await.is_err(),
        "a session that ended opens no socket"
    );
    other
        .say_kept(running[0].room(), "k1", "まだいます")
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_a_line_that_is_hidden_or_taken_back_on_one_node_is_so_on_the_other() -> Result<()> {
    let redis = Redis::start().await?;
    let nodes = Nodes::new(nodes::house().await?, 2, Some(&redis)).await?;
    let running = nodes.start_all().await?;
    let room = running[0].room().to_owned();
    let mut author = running[0].tojisha("かくひと").await?.enter(&room).await?;
    let mut reader = running[1].tojisha("よむひと").await?.enter(&room).await?;
    let supporter = running[1].supporter().await?;
    let mut on_duty = supporter.at(&running[1]).enter_on_duty(&room).await?;
    let hidden = author.say_kept(&room, "k1", "かくされる").await?;
    let back = author.say_kept(&room, "k2", "とりけす").await?;
    let stays = author.say_kept(&room, "k3", "のこる").await?;
    reader.hears("のこる").await?;
    let began = Instant::now();
    author
        .send(&json!({"type": "unsay", "room": room, "seq": back}))
        .await?;
    reader
        .wait("the line that was taken back elsewhere", |frame| {
            frame["type"] == "hidden" && frame["seq"] == back
        })
        .await?;
    let taken_back = began.elapsed();
    let began = Instant::now();
    on_duty
        .send(&json!({"type": "measure", "room": room, "key": "m1", "kind": "hide", "target": hidden, "reason": "test"}))
        .await?;
    on_duty.answer("m1").await?;
    author
        .wait("the line that was hidden elsewhere", |frame| {
            frame["type"] == "hidden" && frame["seq"] == hidden
        })
        .await?;
    tell(&format!(
        "show: across nodes a line was taken back after {:.2} s and hidden after {:.2} s",
        taken_back.as_secs_f64(),
        began.elapsed().as_secs_f64()
    ));
    // Who comes later sees the same on both.
    for node in &running {
        let mut late = node.tojisha("おそくくる").await?.connect().await?;
        let entered = late.enter(&room).await?;
        let shown: Vec<u64> = entered["messages"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|line| line["type"] == "said")
            .filter_map(|line| line["seq"].as_u64())
            .collect();
        assert_eq!(shown, [stays], "{entered}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_a_key_is_the_same_line_on_every_node_and_no_other_key_is() -> Result<()> {
    let redis = Redis::start().await?;
    let nodes = Nodes::new(nodes::house().await?, 2, Some(&redis)).await?;
    let running = nodes.start_all().await?;
    let room = running[0].room().to_owned();
    let person = running[0].tojisha("ふたつのドア").await?;
    let mut here = person.enter(&room).await?;
    let mut there = person.at(&running[1]).enter(&room).await?;
    let first = here.say_kept(&room, "k1", "ひとつめ").await?;
    there.hears("ひとつめ").await?;
    assert_eq!(there.say_kept(&room, "k1", "ひとつめ").await?, first);
    // Keys that a node might make up for lines it heard of.
    for key in [format!("elsewhere-{first}"), first.to_string()] {
        let seq = there
            .say_kept(&room, &key, &format!("べつのことば {key}"))
            .await?;
        assert!(seq > first, "{key} was taken for the line {first}");
        here.hears(&format!("べつのことば {key}")).await?;
    }
    // At the same instant on both: one line, one number.
    for n in 0..20 {
        let (key, body) = (format!("both-{n}"), format!("どちらも {n}"));
        let (one, other) = tokio::join!(
            here.say_kept(&room, &key, &body),
            there.say_kept(&room, &key, &body)
        );
        assert_eq!(one?, other?, "{key}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_a_room_that_two_nodes_have_is_forgotten_by_both() -> Result<()> {
    let redis = Redis::start().await?;
    let house = nodes::house()
        .await?
        .with("rooms.last_call_ms = 0\nrooms.afterglow_ms = 0\ndemo.open_ms = 9000\nrooms.keep_ms = 1500\nrooms.watch_every_ms = 300")?;
    let (data, keys) = (postgres::data()?, postgres::keys()?);
    let address = house.database_url().context("PostgreSQL")?.to_owned();
    let keys_address = house.keys_url().context("PostgreSQL")?.to_owned();
    let nodes = Nodes::new(house, 2, Some(&redis)).await?;
    let running = nodes.start_all().await?;
    let room = running[0].room().to_owned();
    let mut sockets = Vec::new();
    for node in &running {
        sockets.push(node.tojisha("わすれられる").await?.enter(&room).await?);
    }
    sockets[0].say_kept(&room, "k1", "ここだけのことば").await?;
    sockets[1].hears("ここだけのことば").await?;
    for socket in &mut sockets {
        let left = socket.of_type("left").await?;
        assert_eq!(left["why"], "closed");
    }
    const ROOM_KEYS: &str = "SELECT count(*) FROM data_key WHERE kind = 'room'";
    const LINES: &str = "SELECT count(*) FROM message";
    within("the keys and the lines to be gone", async {
        while keys.number(&keys_address, ROOM_KEYS).await? > 0
            || data.number(&address, LINES).await? > 0
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    })
    .await??;
    for socket in &mut sockets {
        let refused = socket.try_enter(json!({"room": room})).await?;
        assert_eq!(refused["code"], "not_allowed", "{refused}");
        let refused = socket.say_answered(&room, "k2", "まだいますか").await?;
        assert_eq!(refused["type"], "refused", "{refused}");
    }
    assert_eq!(keys.number(&keys_address, ROOM_KEYS).await?, 0);
    assert_eq!(data.number(&address, LINES).await?, 0);
    let failures = nodes.failures()?;
    assert!(failures.is_empty(), "{failures:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_who_removes_themselves_on_one_node_leaves_no_word_on_the_other() -> Result<()> {
    let redis = Redis::start().await?;
    let nodes = Nodes::new(nodes::house().await?, 2, Some(&redis)).await?;
    let running = nodes.start_all().await?;
    let room = running[0].room().to_owned();
    let mut person = running[0].tojisha("きえる").await?;
    let mut own = person.at(&running[1]).enter(&room).await?;
    let mut reader = running[1].tojisha("よむひと").await?.enter(&room).await?;
    let mut gone = Vec::new();
    for n in 0..3 {
        let body = format!("きえることば {n}");
        gone.push(own.say_kept(&room, &format!("k{n}"), &body).await?);
    }
    reader.hears("きえることば 2").await?;
    person.http.delete("/api/v1/me").await?.is(204)?;
    for seq in gone {
        reader
            .wait("a line of somebody who removed themselves", |frame| {
                frame["type"] == "hidden" && frame["seq"] == seq
            })
            .await?;
    }
    assert_eq!(own.ends().await?.code, Some(4001));
    let mut late = running[1].tojisha("おそい").await?.connect().await?;
    let entered = late.enter(&room).await?;
    assert!(!entered.to_string().contains("きえることば"), "{entered}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_a_code_is_good_once_on_all_nodes_together() -> Result<()> {
    let redis = Redis::start().await?;
    let nodes = Nodes::new(nodes::house().await?, 2, Some(&redis)).await?;
    let running = nodes.start_all().await?;
    for login in running[0].logins.iter().take(4) {
        let (one, other) = tokio::join!(running[0].staff(login), running[1].staff(login));
        let n_in = usize::from(one.is_ok()) + usize::from(other.is_ok());
        assert_eq!(n_in, 1, "{}: {one:?} {other:?}", login.id);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_duty_on_one_node_opens_the_room_on_the_other_and_its_loss_pauses_it_there() -> Result<()>
{
    let house = nodes::house().await?.with(
        "rooms.slow_after_ms = 1500\nrooms.pause_after_ms = 4000\nrooms.lease_ms = 1500\nrooms.ping_ms = 400\nrooms.pong_grace_ms = 2000\nrooms.watch_every_ms = 300",
    )?;
    let redis = Redis::start().await?;
    let nodes = Nodes::new(house, 2, Some(&redis)).await?;
    let mut running = nodes.start_all().await?;
    let room = running[0].room().to_owned();
    let supporter = running[0].supporter().await?;
    let mut person = running[1].tojisha("のこされる").await?.connect().await?;
    let is_room = |frame: &Value, field: &str, value: Value| {
        frame["type"] == "room" && frame["room"] == room.as_str() && frame[field] == value
    };
    person.enter(&room).await?;
    let mut on_duty = supporter.enter_on_duty(&room).await?;
    let open = person
        .wait("duty taken on the other node", |frame| {
            frame["type"] == "room" && frame["on_duty"].as_array().map(Vec::len) == Some(1)
        })
        .await?;
    assert_eq!(open["state"], "open", "{open}");
    person.say_kept(&room, "k1", "担当の人がいる").await?;
    // Given up in order.
    on_duty
        .send(&json!({"type": "leave", "room": room}))
        .await?;
    let reading = tokio::spawn(async move {
        // Reads on, so that pings are answered, until the node is gone.
        let _ = on_duty.of_type("left").await;
        on_duty
    });
    person
        .wait("nobody on duty", |frame| {
            is_room(frame, "on_duty", json!([]))
        })
        .await?;
    person
        .wait("the slower room", |frame| {
            is_room(frame, "slow_ms", json!(60_000))
        })
        .await?;
    drop(reading.await?);
    // Taken again, and lost with its node: the lease runs out.
    let on_duty = supporter.enter_on_duty(&room).await?;
    person
        .wait("duty taken again on the other node", |frame| {
            frame["type"] == "room" && frame["on_duty"].as_array().map(Vec::len) == Some(1)
        })
        .await?;
    running.remove(0).kill().await?;
    let began = Instant::now();
    let paused = person
        .wait("the pause after the other node died (here 4 s)", |frame| {
            is_room(frame, "state", json!("paused"))
        })
        .await?;
    assert_eq!(paused["on_duty"], json!([]), "{paused}");
    tell(&format!(
        "show: the node with the only duty died, the room paused on the other after {:.1} s (lease 1.5 s, pause after 4 s)",
        began.elapsed().as_secs_f64()
    ));
    let refused = person.say_answered(&room, "k2", "だれかいますか").await?;
    assert_eq!(refused["code"], "room_paused", "{refused}");
    drop(on_duty);
    Ok(())
}
