//! A line from its key to everybody's screen.

use engawa_tests::{Db, House, on_both};
use serde_json::json;

on_both!(
    p4_acked_comes_before_the_said_and_before_a_later_pong,
    p4_every_member_hears_each_line_once_and_in_one_order,
    p4_a_resend_makes_no_second_line_and_the_first_text_stands,
    p4_one_key_stands_for_one_line_in_each_room,
    what_comes_back_is_normalised_trimmed_and_free_of_controls,
    five_hundred_characters_pass_and_one_more_is_too_long,
    a_key_has_its_form,
    a_ready_line_a_note_and_no_reply_come_as_they_were_sent,
    a_hasty_writer_is_told_when_to_go_on,
    too_many_frames_are_told_so,
);

async fn p4_acked_comes_before_the_said_and_before_a_later_pong(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut socket = node.tojisha("さきに").await?.enter(node.room()).await?;
    socket.barrier().await?;
    let from = socket.frames.len();
    for n in 0..5 {
        socket
            .say(node.room(), &format!("k{n}"), &format!("{n}つめ"))
            .await?;
    }
    socket.barrier().await?;
    let frames = &socket.frames[from..];
    for n in 0..5 {
        let place = |kind: &str, field: &str, value: &str| {
            frames
                .iter()
                .position(|frame| frame["type"] == kind && frame[field] == value)
        };
        let acked = place("acked", "key", &format!("k{n}"));
        let said = place("said", "body", &format!("{n}つめ"));
        assert!(
            acked.is_some(),
            "pong came before the answer to k{n}: {frames:#?}"
        );
        assert!(
            said.is_none() || acked < said,
            "said before acked: {frames:#?}"
        );
        let acked = &frames[acked.unwrap_or_default()];
        assert_eq!(acked["room"], node.room());
        assert!(acked["at"].is_string());
    }
    if !frames
        .iter()
        .any(|frame| frame["type"] == "said" && frame["body"] == "4つめ")
    {
        socket.hears("4つめ").await?;
    }
    Ok(())
}

async fn p4_every_member_hears_each_line_once_and_in_one_order(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut sockets = Vec::new();
    for name in ["いち", "に", "さん"] {
        sockets.push(node.tojisha(name).await?.enter(node.room()).await?);
    }
    for n in 0..10 {
        for (idx, socket) in sockets.iter_mut().enumerate() {
            socket
                .say(node.room(), &format!("k{n}"), &format!("{idx}の{n}"))
                .await?;
        }
    }
    for (idx, socket) in sockets.iter_mut().enumerate() {
        while socket
            .frames
            .iter()
            .filter(|frame| frame["type"] == "acked")
            .count()
            < 10
        {
            socket.next().await?;
        }
        assert_eq!(
            socket
                .frames
                .iter()
                .filter(|frame| frame["type"] == "refused")
                .count(),
            0,
            "socket {idx}"
        );
    }
    // `said` may follow several `acked` of one commit.
    let acked = sockets.iter().flat_map(|socket| &socket.frames);
    let last = acked
        .filter_map(|frame| frame["seq"].as_u64())
        .max()
        .unwrap_or(0);
    for socket in &mut sockets {
        while socket.view(node.room())?.last_seq() < last {
            socket.next().await?;
        }
    }
    let texts: Vec<Vec<String>> = sockets
        .iter()
        .map(|socket| {
            Ok(socket
                .view(node.room())?
                .words
                .iter()
                .rev()
                .take(30)
                .map(|word| format!("{word:?}"))
                .collect())
        })
        .collect::<anyhow::Result<_>>()?;
    assert_eq!(texts[0].len(), 30);
    assert_eq!(texts[0], texts[1]);
    assert_eq!(texts[1], texts[2]);
    Ok(())
}

async fn p4_a_resend_makes_no_second_line_and_the_first_text_stands(db: Db) -> anyhow::Result<()> {
    let house = House::new(db)
        .await?
        .with("limits.say_burst = 3\nlimits.say_interval_ms = 3600000")?;
    let node = house.start().await?;
    let person = node.tojisha("くりかえす").await?;
    let mut reader = node.tojisha("よむひと").await?.enter(node.room()).await?;
    let mut socket = person.enter(node.room()).await?;
    let first = socket
        .say_answered(node.room(), "k", "はじめの言葉")
        .await?;
    assert_eq!(first["type"], "acked");
    for body in [
        "はじめの言葉",
        "べつの言葉",
        "はじめの言葉",
        "はじめの言葉",
        "はじめの言葉",
    ] {
        let again = socket.say_answered(node.room(), "k", body).await?;
        assert_eq!(
            again, first,
            "a repeat is answered as the first was, at no cost to the rate"
        );
    }
    // The key is looked up before every other check: not entered, another socket.
    let mut other = person.connect().await?;
    assert_eq!(
        other.say_answered(node.room(), "k", "はじめの言葉").await?,
        first
    );
    socket
        .send(&json!({"type": "leave", "room": node.room()}))
        .await?;
    socket.of_type("left").await?;
    assert_eq!(
        socket
            .say_answered(node.room(), "k", "はじめの言葉")
            .await?,
        first
    );
    // An own key of somebody else is another line.
    let stranger = reader.say_answered(node.room(), "k", "わたしの k").await?;
    assert_eq!(stranger["type"], "acked");
    assert_ne!(stranger["seq"], first["seq"]);
    reader.hears("わたしの k").await?;
    let bodies = reader
        .view(node.room())?
        .bodies()
        .into_iter()
        .filter(|body| body.contains("言葉"))
        .count();
    assert_eq!(bodies, 1);
    Ok(())
}

async fn p4_one_key_stands_for_one_line_in_each_room(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?.with_rooms(1);
    let node = house.start().await?;
    let rooms = node.tojisha_rooms();
    let mut socket = node.tojisha("おなじ鍵").await?.connect().await?;
    for room in &rooms[..2] {
        socket.enter(room).await?;
        socket.say_kept(room, "same", &format!("{room} に")).await?;
    }
    for room in &rooms[..2] {
        let again = socket.say_answered(room, "same", "ちがう").await?;
        assert_eq!(
            (&again["type"], &again["room"]),
            (&json!("acked"), &json!(room))
        );
    }
    Ok(())
}

async fn what_comes_back_is_normalised_trimmed_and_free_of_controls(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut socket = node.tojisha("ととのえる").await?.enter(node.room()).await?;
    let cases = [
        ("か\u{3099}くせい", "がくせい"),
        ("  前と後ろ \n", "前と後ろ"),
        ("一行め\n二行め", "一行め\n二行め"),
        ("改行\r\nふたつ", "改行\nふたつ"),
        ("鈴\u{7}と\u{0}無\u{1b}と\u{7f}\u{85}消", "鈴と無と消"),
        ("右\u{202e}から\u{202c}左\u{2066}へ\u{2069}", "右から左へ"),
        ("<b>太く</b> & \"引用\"", "<b>太く</b> & \"引用\""),
        ("家族👨\u{200d}👩\u{200d}👧", "家族👨\u{200d}👩\u{200d}👧"),
    ];
    for (idx, (sent, kept)) in cases.iter().enumerate() {
        socket
            .say_kept(node.room(), &format!("n{idx}"), sent)
            .await?;
        let said = socket
            .wait("the said of it", |frame| frame["type"] == "said")
            .await?;
        assert_eq!(said["body"], *kept, "{sent:?}");
    }
    Ok(())
}

async fn five_hundred_characters_pass_and_one_more_is_too_long(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut socket = node.tojisha("ながい").await?.enter(node.room()).await?;
    let room = node.room();
    socket.say_kept(room, "ok1", &"あ".repeat(500)).await?;
    socket
        .say_kept(room, "ok2", &"か\u{3099}".repeat(500))
        .await?;
    socket.say_kept(room, "ok3", &"🍵".repeat(500)).await?;
    socket
        .say_kept(room, "ok4", &format!("{}\u{202e}\u{0}  ", "い".repeat(500)))
        .await?;
    let refused = socket.say_answered(room, "long", &"あ".repeat(501)).await?;
    assert_eq!(
        (&refused["type"], &refused["code"], &refused["room"]),
        (&json!("refused"), &json!("too_long"), &json!(room))
    );
    for body in ["", "   \n ", "\u{202e}\u{0}"] {
        let refused = socket.say_answered(room, "empty", body).await?;
        assert_eq!(
            (&refused["type"], &refused["code"]),
            (&json!("refused"), &json!("bad_frame")),
            "{body:?}"
        );
    }
    // Nothing was stored, so the key is still free.
    socket.say_kept(room, "long", "みじかく").await?;
    Ok(())
}

async fn a_key_has_its_form(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut socket = node.tojisha("かぎ").await?.enter(node.room()).await?;
    for key in ["a", "A_z-09", &"k".repeat(64)] {
        socket
            .say_kept(node.room(), key, &format!("鍵は {key}"))
            .await?;
    }
    for key in ["", "a b", "あ", "a.b", &"k".repeat(65)] {
        socket.say(node.room(), key, "だめな鍵").await?;
        assert_eq!(socket.refused().await?["code"], "bad_frame", "{key:?}");
    }
    Ok(())
}

async fn a_ready_line_a_note_and_no_reply_come_as_they_were_sent(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let room = node.room();
    let mut socket = node.tojisha("えらぶ").await?.connect().await?;
    let entered = socket.enter(room).await?;
    let mut reader = node.tojisha("みる").await?.enter(room).await?;
    let ready = &entered["ready"][0];
    socket
        .send(&json!({"type": "say", "room": room, "key": "r1", "ready": ready["id"]}))
        .await?;
    assert_eq!(socket.answer("r1").await?["type"], "acked");
    let said = reader.of_type("said").await?;
    assert_eq!(
        (&said["form"], &said["body"]),
        (&json!("ready"), &ready["text"])
    );

    socket.send(&json!({"type": "say", "room": room, "key": "n1", "body": "すこし重い話です", "note": "家のこと", "no_reply": true})).await?;
    assert_eq!(socket.answer("n1").await?["type"], "acked");
    let said = reader.hears("すこし重い話です").await?;
    assert_eq!(
        (&said["note"], &said["no_reply"]),
        (&json!("家のこと"), &json!(true))
    );
    assert!(
        said.get("form").is_none() && said.get("stamps").is_none_or(|stamps| stamps == &json!([]))
    );

    socket.send(&json!({"type": "say", "room": room, "key": "t1", "body": "雨の日は、なにを聞きますか", "form": "topic"})).await?;
    assert_eq!(socket.answer("t1").await?["type"], "acked");
    assert_eq!(
        reader.hears("雨の日は、なにを聞きますか").await?["form"],
        "topic"
    );

    for bad in [
        json!({"ready": "no-such-line"}),
        json!({}),
        json!({"body": 7}),
        json!({"body": "x", "form": "time"}),
    ] {
        let mut frame = json!({"type": "say", "room": room, "key": "bad"});
        for (name, value) in bad.as_object().into_iter().flatten() {
            frame[name] = value.clone();
        }
        socket.send(&frame).await?;
        let code = socket.refused().await?["code"].clone();
        assert_eq!(code, "bad_frame", "{frame}");
    }
    Ok(())
}

async fn a_hasty_writer_is_told_when_to_go_on(db: Db) -> anyhow::Result<()> {
    let house = House::new(db)
        .await?
        .with("limits.say_burst = 3\nlimits.say_interval_ms = 600000")?;
    let node = house.start().await?;
    let person = node.tojisha("はやい").await?;
    let mut socket = person.enter(node.room()).await?;
    for n in 0..3 {
        socket
            .say_kept(node.room(), &format!("k{n}"), "いそいで")
            .await?;
    }
    let refused = socket.say_answered(node.room(), "k3", "もうひとつ").await?;
    assert_eq!(
        (&refused["type"], &refused["code"]),
        (&json!("refused"), &json!("too_fast"))
    );
    let wait = refused["retry_after_ms"].as_u64().unwrap_or(0);
    assert!(wait > 0 && wait <= 600_000, "retry_after_ms {wait}");
    // The limit is the person's, not the socket's.
    let mut other = person.enter(node.room()).await?;
    assert_eq!(
        other.say_answered(node.room(), "k4", "別の窓から").await?["code"],
        "too_fast"
    );
    // Others are not slowed.
    node.tojisha("ほかのひと")
        .await?
        .enter(node.room())
        .await?
        .say_kept(node.room(), "k", "ゆっくり")
        .await?;
    Ok(())
}

async fn too_many_frames_are_told_so(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?.with("limits.frames_per_10s = 20")?;
    let node = house.start().await?;
    let mut socket = node.tojisha("おおい").await?.connect().await?;
    for n in 0..40 {
        socket.send(&json!({"type": "ping", "n": n})).await?;
    }
    let refused = socket.refused().await?;
    assert_eq!(refused["code"], "too_fast");
    assert!(
        refused["retry_after_ms"]
            .as_u64()
            .is_some_and(|wait| wait > 0 && wait <= 10_000),
        "{refused}"
    );
    Ok(())
}
