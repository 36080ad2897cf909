//! Bad frames, and every way in which a socket ends.

use engawa_tests::socket::Came;
use engawa_tests::{Db, House, Socket, on_both};
use futures_util::future::join_all;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

on_both!(
    a_bad_frame_is_answered_and_the_twentieth_ends_the_socket,
    eight_kib_pass_and_one_byte_more_is_1009,
    binary_is_1003_and_bad_utf8_is_1007,
    a_session_that_ends_closes_all_its_sockets_with_4001,
    p4_a_slow_reader_is_let_go_and_loses_nothing,
    p4_a_stop_says_bye_and_keeps_what_was_on_its_way,
    a_silent_socket_is_asked_and_let_go,
);

async fn a_bad_frame_is_answered_and_the_twentieth_ends_the_socket(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let room = node.room();
    let mut socket = node.tojisha("まちがい").await?.connect().await?;
    let bad = [
        "{".to_owned(),
        "[]".to_owned(),
        "7".to_owned(),
        "{}".to_owned(),
        json!({"type": "dance"}).to_string(),
        json!({"type": "enter"}).to_string(),
        json!({"type": "enter", "room": 7}).to_string(),
        json!({"type": "enter", "room": room, "mode": "hover"}).to_string(),
        json!({"type": "enter", "room": room, "after": "3"}).to_string(),
        json!({"type": "say", "room": room, "body": "鍵がない"}).to_string(),
        json!({"type": "ping", "n": "one"}).to_string(),
        json!({"type": "lamp", "room": room, "on": "yes"}).to_string(),
        json!({"type": "unsay", "room": room}).to_string(),
        "[".repeat(4000),
    ];
    for text in &bad {
        socket.send_message(Message::text(text.clone())).await?;
        assert_eq!(
            socket.refused().await?["code"],
            "bad_frame",
            "{}",
            &text[..text.len().min(80)]
        );
    }
    // Unknown fields are ignored, and the socket is still of use.
    socket
        .send(&json!({"type": "enter", "room": room, "colour": "red", "deep": {"a": [1, null]}}))
        .await?;
    socket.of_type("entered").await?;
    for _ in bad.len()..19 {
        socket.send_message(Message::text("{")).await?;
        assert_eq!(socket.refused().await?["code"], "bad_frame");
    }
    socket.barrier().await?;
    socket.send_message(Message::text("{")).await?;
    assert_eq!(socket.ends().await?.code, Some(1008));
    Ok(())
}

async fn eight_kib_pass_and_one_byte_more_is_1009(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let person = node.tojisha("おおきい").await?;
    let padded = |bytes: usize| {
        let empty = json!({"type": "ping", "n": 1, "pad": ""}).to_string().len();
        json!({"type": "ping", "n": 1, "pad": "x".repeat(bytes - empty)}).to_string()
    };
    let mut socket = person.connect().await?;
    socket.send_message(Message::text(padded(8192))).await?;
    assert_eq!(socket.of_type("pong").await?["n"], 1);
    socket.send_message(Message::text(padded(8193))).await?;
    assert_eq!(socket.ends().await?.code, Some(1009));
    let mut socket = person.connect().await?;
    socket.send_message(Message::text(padded(200_000))).await?;
    assert_eq!(socket.ends().await?.code, Some(1009));
    Ok(())
}

async fn binary_is_1003_and_bad_utf8_is_1007(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let person = node.tojisha("もじ").await?;
    let mut socket = person.connect().await?;
    socket.send_message(Message::binary(vec![1, 2, 3])).await?;
    assert_eq!(socket.ends().await?.code, Some(1003));
    let mut socket = person.connect().await?;
    let bytes = b"{\"type\":\"ping\",\"n\":1,\"x\":\"\xff\xfe\"}".to_vec();
    socket
        .send_message(Message::Frame(Frame::message(
            bytes,
            OpCode::Data(Data::Text),
            true,
        )))
        .await?;
    assert_eq!(socket.ends().await?.code, Some(1007));
    Ok(())
}

async fn a_session_that_ends_closes_all_its_sockets_with_4001(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut person = node.tojisha("おわる").await?;
    let other = node.tojisha("べつのひと").await?;
    let mut sockets = vec![person.enter(node.room()).await?, person.connect().await?];
    let mut stays = other.enter(node.room()).await?;
    person.http.delete("/api/v1/sessions").await?;
    for socket in &mut sockets {
        assert_eq!(socket.ends().await?.code, Some(4001));
    }
    assert!(person.connect().await.is_err(), "the cookie is dead");
    stays.barrier().await?;

    let mut leaving = node.tojisha("きえる").await?;
    let mut socket = leaving.enter(node.room()).await?;
    leaving.http.delete("/api/v1/me").await?;
    assert_eq!(socket.ends().await?.code, Some(4001));
    Ok(())
}

async fn p4_a_slow_reader_is_let_go_and_loses_nothing(db: Db) -> anyhow::Result<()> {
    let house = House::new(db)
        .await?
        .with("limits.outbox_frames_max = 64")?;
    let node = house.start().await?;
    let room = node.room().to_owned();
    let slow = node.tojisha("ゆっくり").await?;
    let mut socket = Socket::connect_narrow(node.address(), &slow.http.cookie_line()).await?;
    let entered = socket.enter(&room).await?;
    let mut quick = node.tojisha("はやく").await?.enter(&room).await?;
    // More and more lines at once, until they are more than all buffers between take. They are read soon after, while
    // the close can still reach a reader who had stopped for a moment.
    let mut n_lines = 0;
    let mut ended = None;
    for burst in [200, 400, 800, 1600, 3200] {
        let mut n_acked = n_lines;
        let until = n_lines + burst;
        while n_acked < until {
            if n_lines < until && n_lines < n_acked + 8 {
                let line = format!("{n_lines} {}", "雨".repeat(480));
                quick.say(&room, &format!("k{n_lines}"), &line).await?;
                n_lines += 1;
            } else {
                quick.of_type("acked").await?;
                n_acked += 1;
            }
        }
        let due = entered["last_seq"].as_u64().unwrap_or(0) + n_lines as u64;
        while ended.is_none() && socket.view(&room)?.last_seq() < due {
            if let Came::End(how) = socket.next_or_end("a line or the end").await? {
                ended = Some(how);
            }
        }
        if ended.is_some() {
            break;
        }
    }
    assert_eq!(ended.and_then(|ended| ended.code), Some(4003));
    let heard = socket.view(&room)?.last_seq();
    let due = entered["last_seq"].as_u64().unwrap_or(0) + n_lines as u64;
    assert!(heard < due, "the reader was never too slow");
    // It comes back as often as it must, reads now, and has everything.
    let mut all = heard;
    for _ in 0..400 {
        let mut again = slow.connect().await?;
        let entered = again
            .enter_with(json!({"room": room, "after": all, "epoch": entered["epoch"]}))
            .await?;
        if let Some(to) = entered["gap"]["to"].as_u64() {
            anyhow::bail!("a gap up to {to} among lines that are kept");
        }
        loop {
            all = again.view(&room)?.last_seq();
            if all >= due {
                return Ok(());
            }
            match again.next_or_end("the missed lines").await? {
                Came::Frame(_) => {}
                Came::End(ended) => {
                    assert_eq!(ended.code, Some(4003));
                    break;
                }
            }
        }
    }
    anyhow::bail!("of {due} lines only {all} came")
}

async fn p4_a_stop_says_bye_and_keeps_what_was_on_its_way(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let room = node.room().to_owned();
    let person = node.tojisha("おやすみ").await?;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(person.enter(&room).await?);
    }
    let epoch = sockets[0].view(&room)?.epoch.clone();
    let after = sockets[0].view(&room)?.last_seq();
    for (idx, socket) in sockets.iter_mut().enumerate() {
        socket
            .say(&room, &format!("k{idx}"), &format!("とまる前に {idx}"))
            .await?;
    }
    node.terminate().await?;
    let ended = join_all(sockets.iter_mut().map(Socket::ends)).await;
    for (socket, ended) in sockets.iter().zip(ended) {
        assert_eq!(ended?.code, Some(1001));
        let bye = socket.frames.last().cloned().unwrap_or_default();
        assert_eq!(
            (&bye["type"], &bye["why"]),
            (&json!("bye"), &json!("drain")),
            "the last frame: {bye}"
        );
        assert!(bye["reconnect_after_ms"].is_u64(), "{bye}");
    }
    node.stop().await?;
    let node = house.start().await?;
    assert_eq!(node.room(), room);
    let mut socket = person.connect().await?;
    let entered = socket
        .enter_with(json!({"room": room, "after": after, "epoch": epoch}))
        .await?;
    assert_eq!(entered["epoch"], epoch.as_str());
    for (idx, old) in sockets.iter().enumerate() {
        let key = format!("k{idx}");
        let acked = old
            .frames
            .iter()
            .find(|frame| frame["type"] == "acked" && frame["key"] == key.as_str());
        let again = socket
            .say_answered(&room, &key, &format!("とまる前に {idx}"))
            .await?;
        assert_eq!(again["type"], "acked");
        if let Some(acked) = acked {
            assert_eq!((&again["seq"], &again["at"]), (&acked["seq"], &acked["at"]));
        }
    }
    Ok(())
}

async fn a_silent_socket_is_asked_and_let_go(db: Db) -> anyhow::Result<()> {
    let house = House::new(db)
        .await?
        .with("rooms.ping_ms = 300\nrooms.pong_grace_ms = 300\nrooms.lease_ms = 2000")?;
    let node = house.start().await?;
    let person = node.tojisha("しずか").await?;
    let mut answering = person.enter(node.room()).await?;
    let mut socket = person.enter(node.room()).await?;
    // The client answers pings only while it reads: this one reads, and stays longer than the grace.
    answering
        .quiet_for(std::time::Duration::from_millis(1500))
        .await?;
    answering.barrier().await?;
    // This one did not read at all since then.
    let ended = engawa_tests::within("a silent socket to be let go", async {
        while socket.barrier().await.is_ok() {}
    })
    .await;
    assert!(ended.is_ok(), "a socket without a pong is still open");
    Ok(())
}
