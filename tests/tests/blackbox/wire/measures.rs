//! What those on duty do to a room as a whole: who may, what everybody is told, and what it comes to.

use std::time::Duration;

use engawa_tests::{Db, House, Node, Person, Socket, Standing, on_both};
use serde_json::{Value, json};

on_both!(
    p10_what_is_done_to_a_room_needs_a_host_or_staff_and_is_on_record,
    a_measure_whose_value_or_target_does_not_fit_is_a_bad_frame,
    reading_time_lets_ready_lines_and_stamps_pass_and_rest_lets_nothing_pass_but_duty,
    a_pace_makes_one_person_wait_and_no_other,
    a_pause_by_hand_ends_by_hand_alone,
    a_topic_brings_answers_that_can_be_chosen_while_it_stands,
    the_room_says_a_notice_once_and_under_nobodys_name,
    what_staff_write_for_a_room_goes_through_the_same_door_as_lines,
    a_shut_door_lets_newcomers_wait_until_they_are_let_in_and_keeps_nobody_out_who_was_in,
    a_room_that_is_closed_lets_everybody_go_and_stays_closed,
    p6_who_is_of_the_other_side_is_taken_there_and_told_privately,
    p2_seats_bound_writers_and_never_readers,
    a_key_does_one_thing_once,
);

async fn stage(db: Db, settings: &str) -> anyhow::Result<(Node, String, Socket)> {
    let house = House::new(db).await?.with(settings)?;
    let node = house.start().await?;
    let room = node.room().to_owned();
    let host = host(&node).await?.enter_on_duty(&room).await?;
    Ok((node, room, host))
}

async fn host(node: &Node) -> anyhow::Result<Person> {
    node.staff(node.login_for("moderator", "tojisha")?).await
}

fn frame(room: &str, key: &str, kind: &str, value: Value) -> Value {
    json!({"type": "measure", "room": room, "key": key, "kind": kind, "value": value})
}

async fn measure(
    socket: &mut Socket,
    room: &str,
    key: &str,
    kind: &str,
    value: Value,
) -> anyhow::Result<Value> {
    socket.send(&frame(room, key, kind, value)).await?;
    socket.answer(key).await
}

async fn done(
    socket: &mut Socket,
    room: &str,
    key: &str,
    kind: &str,
    value: Value,
) -> anyhow::Result<()> {
    let answer = measure(socket, room, key, kind, value).await?;
    anyhow::ensure!(answer["type"] == "done", "{kind}: {answer}");
    Ok(())
}

/// Waits until the room says so of itself.
async fn told(socket: &mut Socket, what: &str, is: Value) -> anyhow::Result<Value> {
    socket
        .wait(&format!("{what} {is}"), |frame| {
            frame["type"] == "room" && frame[what] == is
        })
        .await
}

async fn p10_what_is_done_to_a_room_needs_a_host_or_staff_and_is_on_record(
    db: Db,
) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let room = node.room();
    let mut participant = node.tojisha("ただのひと").await?.enter(room).await?;
    let mut supporter = node.supporter().await?.enter_on_duty(room).await?;
    let mut coordinator = node
        .staff(node.login("coordinator", 0)?)
        .await?
        .enter_on_duty(room)
        .await?;
    let mut manager = node
        .staff(node.login("manager", 0)?)
        .await?
        .enter_on_duty(room)
        .await?;
    let mut host = host(&node).await?.enter_on_duty(room).await?;
    let kinds = [
        ("slow", json!(1000)),
        ("guard", json!(1)),
        ("lock", json!(null)),
        ("admit", json!(null)),
        ("unlock", json!(null)),
        ("pause", json!(null)),
        ("resume", json!(null)),
        ("topic", json!("冬のこと")),
        ("notice", json!("お茶にします")),
    ];
    let mut n = 0;
    for (kind, value) in &kinds {
        for (who, socket, may) in [
            ("participant", &mut participant, false),
            ("supporter", &mut supporter, false),
            ("host", &mut host, true),
            ("coordinator", &mut coordinator, true),
            ("manager", &mut manager, true),
        ] {
            n += 1;
            let answer = measure(socket, room, &format!("k{n}"), kind, value.clone()).await?;
            if may {
                assert_eq!(answer["type"], "done", "{who} {kind}: {answer}");
            } else {
                assert_eq!(
                    (&answer["type"], &answer["code"]),
                    (&json!("refused"), &json!("not_allowed")),
                    "{who} {kind}"
                );
            }
        }
    }
    let target = json!({"type": "measure", "room": room, "key": "mv", "kind": "move_side", "target": "nobody-here"});
    for (socket, code) in [
        (&mut participant, "not_allowed"),
        (&mut supporter, "not_allowed"),
        (&mut host, "not_allowed"),
    ] {
        socket.send(&target).await?;
        assert_eq!(socket.answer("mv").await?["code"], code);
    }
    let close = measure(&mut supporter, room, "cl", "close", json!(null)).await?;
    assert_eq!(close["code"], "not_allowed");
    node.stop().await?;
    let verified = engawa_tests::node::command(&house, &["audit", "verify"]).await?;
    assert!(verified.status.success(), "{verified:?}");
    Ok(())
}

async fn a_measure_whose_value_or_target_does_not_fit_is_a_bad_frame(db: Db) -> anyhow::Result<()> {
    let (_node, room, mut host) = stage(db, "").await?;
    for (n, (kind, value)) in [
        ("slow", json!("fast")),
        ("guard", json!(5)),
        ("guard", json!(null)),
        ("topic", json!({"text": "冬", "ready": ["雪", "炬燵"]})),
        ("topic", json!(7)),
        ("notice", json!("")),
        ("close", json!("soon")),
        ("move_side", json!(null)),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = measure(&mut host, &room, &format!("b{n}"), kind, value.clone()).await?;
        assert_eq!(answer["code"], "bad_frame", "{kind} {value}");
    }
    let long = "あ".repeat(201);
    let answer = measure(&mut host, &room, "long", "notice", json!(long)).await?;
    assert_eq!(answer["code"], "too_long");
    for kind in ["word", "fold", "rest", "unrest", "not_today"] {
        let answer = measure(&mut host, &room, kind, kind, json!(null)).await?;
        assert_eq!(answer["code"], "not_yet", "{kind}");
    }
    Ok(())
}

async fn reading_time_lets_ready_lines_and_stamps_pass_and_rest_lets_nothing_pass_but_duty(
    db: Db,
) -> anyhow::Result<()> {
    let (node, room, mut host) = stage(db, "").await?;
    let mut writer = node.tojisha("かくひと").await?.enter(&room).await?;
    let seq = writer.say_kept(&room, "before", "こんばんは").await?;
    let ready = json!({"type": "say", "room": room, "key": "r1", "ready": "evening"});
    let stamp = json!({"type": "stamp", "room": room, "seq": seq, "stamp": "nod"});

    done(&mut host, &room, "g3", "guard", json!(3)).await?;
    told(&mut writer, "guard", json!(3)).await?;
    let refused = writer.say_answered(&room, "l", "書けますか").await?;
    assert_eq!(refused["code"], "listening");
    writer.send(&ready).await?;
    assert_eq!(writer.answer("r1").await?["type"], "acked");
    writer.send(&stamp).await?;
    writer.of_type("stamped").await?;
    host.say_kept(&room, "duty3", "いまは読む時間です").await?;

    done(&mut host, &room, "g4", "guard", json!(4)).await?;
    told(&mut writer, "guard", json!(4)).await?;
    writer
        .send(&json!({"type": "say", "room": room, "key": "r2", "ready": "evening"}))
        .await?;
    assert_eq!(writer.answer("r2").await?["code"], "listening");
    writer.send(&stamp).await?;
    assert_eq!(writer.refused().await?["code"], "listening");
    host.say_kept(&room, "duty4", "少し休みます").await?;

    done(&mut host, &room, "g0", "guard", json!(0)).await?;
    told(&mut writer, "guard", json!(0)).await?;
    writer.say_kept(&room, "after", "戻りました").await?;
    Ok(())
}

async fn a_pace_makes_one_person_wait_and_no_other(db: Db) -> anyhow::Result<()> {
    let (node, room, mut host) = stage(db, "").await?;
    let mut one = node.tojisha("はやいひと").await?.enter(&room).await?;
    let mut other = node.tojisha("ほかのひと").await?.enter(&room).await?;
    done(&mut host, &room, "s", "slow", json!(30_000)).await?;
    told(&mut one, "slow_ms", json!(30_000)).await?;
    one.say_kept(&room, "1", "ひとこと").await?;
    let refused = one.say_answered(&room, "2", "もうひとこと").await?;
    assert_eq!(refused["code"], "too_fast");
    let wait_ms = refused["retry_after_ms"].as_u64().unwrap_or(0);
    assert!((20_000..=30_000).contains(&wait_ms), "{refused}");
    other.say_kept(&room, "1", "わたしも").await?;
    done(&mut host, &room, "s0", "slow", json!(null)).await?;
    told(&mut one, "slow_ms", json!(0)).await?;
    one.say_kept(&room, "3", "もうひとこと").await?;
    Ok(())
}

async fn a_pause_by_hand_ends_by_hand_alone(db: Db) -> anyhow::Result<()> {
    let (node, room, mut host) = stage(db, "").await?;
    let mut writer = node.tojisha("かくひと").await?.enter(&room).await?;
    let seq = writer
        .say_kept(&room, "own", "消すかもしれないことば")
        .await?;
    done(&mut host, &room, "p", "pause", json!(null)).await?;
    told(&mut writer, "state", json!("paused")).await?;
    for (key, frame) in [
        (
            "say",
            json!({"type": "say", "room": room, "key": "say", "body": "いま"}),
        ),
        (
            "ready",
            json!({"type": "say", "room": room, "key": "ready", "ready": "evening"}),
        ),
    ] {
        writer.send(&frame).await?;
        assert_eq!(writer.answer(key).await?["code"], "room_paused");
    }
    writer
        .send(&json!({"type": "unsay", "room": room, "seq": seq}))
        .await?;
    writer.of_type("hidden").await?;
    // Duty that comes back does not end it: a human paused it.
    let mut supporter = node.supporter().await?.enter_on_duty(&room).await?;
    let entered = node
        .tojisha("あとのひと")
        .await?
        .connect()
        .await?
        .enter(&room)
        .await?;
    assert_eq!(entered["state"], "paused");
    let answer = measure(&mut supporter, &room, "no", "resume", json!(null)).await?;
    assert_eq!(answer["code"], "not_allowed");
    done(&mut host, &room, "r", "resume", json!(null)).await?;
    told(&mut writer, "state", json!("open")).await?;
    writer.say_kept(&room, "again", "戻りました").await?;
    Ok(())
}

async fn a_topic_brings_answers_that_can_be_chosen_while_it_stands(db: Db) -> anyhow::Result<()> {
    let (node, room, mut host) = stage(db, "moderation.decide = 'rules'").await?;
    let mut writer = node.tojisha("えらぶひと").await?.enter(&room).await?;
    let topic = json!({"text": "冬にほしいもの", "ready": ["毛布", "あたたかいお茶", "静かな夜"]});
    done(&mut host, &room, "t", "topic", topic).await?;
    let head = told(&mut writer, "topic", json!("冬にほしいもの")).await?;
    let first = &head["ready"][0];
    assert_eq!(first["text"], "毛布", "{head}");
    // It is there for whoever comes later, too.
    let entered = node
        .tojisha("あとのひと")
        .await?
        .connect()
        .await?
        .enter(&room)
        .await?;
    assert_eq!(entered["topic"], "冬にほしいもの");
    assert_eq!(entered["ready"][2]["text"], "静かな夜");
    // Read by nobody first, whatever the guard is.
    done(&mut host, &room, "g", "guard", json!(2)).await?;
    told(&mut writer, "guard", json!(2)).await?;
    writer
        .send(&json!({"type": "say", "room": room, "key": "a", "ready": first["id"]}))
        .await?;
    assert_eq!(writer.answer("a").await?["type"], "acked");
    let said = writer.hears("毛布").await?;
    assert_eq!(said["form"], "ready");

    done(&mut host, &room, "t0", "topic", json!(null)).await?;
    let head = writer
        .wait("no topic", |frame| {
            frame["type"] == "room" && frame["topic"].is_null()
        })
        .await?;
    assert_ne!(head["ready"][0]["text"], "毛布");
    writer
        .send(&json!({"type": "say", "room": room, "key": "late", "ready": first["id"]}))
        .await?;
    assert_eq!(writer.answer("late").await?["code"], "not_allowed");
    Ok(())
}

async fn the_room_says_a_notice_once_and_under_nobodys_name(db: Db) -> anyhow::Result<()> {
    let (node, room, mut host) = stage(db, "").await?;
    let mut reader = node.tojisha("よむひと").await?.enter(&room).await?;
    for _ in 0..3 {
        done(
            &mut host,
            &room,
            "n",
            "notice",
            json!("十時に、お茶にします"),
        )
        .await?;
    }
    let said = reader.hears("十時に、お茶にします").await?;
    assert_eq!(
        (&said["from"], &said["form"], &said["seq"]),
        (&Value::Null, &json!("word"), &json!(1))
    );
    let came = reader.barrier().await?;
    assert!(came.iter().all(|frame| frame["type"] != "said"), "{came:?}");
    let later = node
        .tojisha("あとのひと")
        .await?
        .connect()
        .await?
        .enter(&room)
        .await?;
    assert_eq!(later["messages"][0]["body"], "十時に、お茶にします");
    assert!(later["messages"][0]["from"].is_null());
    Ok(())
}

async fn what_staff_write_for_a_room_goes_through_the_same_door_as_lines(
    db: Db,
) -> anyhow::Result<()> {
    let (_node, room, mut host) = stage(db, "moderation.decide = 'rules'").await?;
    let number = "連絡は 090-1234-5678 まで";
    for (key, kind, value) in [
        ("n", "notice", json!(number)),
        ("t", "topic", json!(number)),
        (
            "a",
            "topic",
            json!({"text": "冬", "ready": ["雪", number, "夜"]}),
        ),
    ] {
        let answer = measure(&mut host, &room, key, kind, value).await?;
        assert_eq!(answer["code"], "rejected", "{kind}: {answer}");
    }
    Ok(())
}

async fn a_shut_door_lets_newcomers_wait_until_they_are_let_in_and_keeps_nobody_out_who_was_in(
    db: Db,
) -> anyhow::Result<()> {
    let (node, room, mut host) = stage(db, "").await?;
    let inside = node.tojisha("なかのひと").await?;
    let mut first = inside.enter(&room).await?;
    first.say_kept(&room, "1", "います").await?;
    done(&mut host, &room, "l", "lock", json!(null)).await?;

    let mut newcomer = node.tojisha("そとのひと").await?.connect().await?;
    let waiting = newcomer.try_enter(json!({"room": room})).await?;
    assert_eq!(waiting["type"], "waiting", "{waiting}");
    assert!(!waiting["text"].as_str().unwrap_or_default().is_ascii());
    // Each `enter` has its answer, and nothing else is said to whoever waits.
    let again = newcomer.try_enter(json!({"room": room})).await?;
    assert_eq!(again["type"], "waiting");
    let refused = newcomer.say_answered(&room, "no", "入れますか").await?;
    assert_eq!(refused["code"], "not_entered");
    first.say_kept(&room, "2", "なかの話").await?;
    let came = newcomer.barrier().await?;
    assert!(came.iter().all(|frame| frame["type"] != "said"), "{came:?}");
    // Whoever was in comes back without waiting.
    first.cut();
    let mut first = inside.connect().await?;
    first.enter(&room).await?;

    done(&mut host, &room, "a", "admit", json!(null)).await?;
    newcomer.of_type("admitted").await?;
    let next = newcomer.next().await?;
    assert_eq!(
        next["type"], "entered",
        "followed at once by entered: {next}"
    );
    newcomer.say_kept(&room, "hi", "こんばんは").await?;
    first.hears("こんばんは").await?;

    // The next one waits again, until the door is open.
    let mut next = node.tojisha("つぎのひと").await?.connect().await?;
    assert_eq!(
        next.try_enter(json!({"room": room})).await?["type"],
        "waiting"
    );
    done(&mut host, &room, "u", "unlock", json!(null)).await?;
    next.of_type("admitted").await?;
    next.of_type("entered").await?;
    // Somebody who waits can go.
    done(&mut host, &room, "l2", "lock", json!(null)).await?;
    let mut goes = node.tojisha("かえるひと").await?.connect().await?;
    assert_eq!(
        goes.try_enter(json!({"room": room})).await?["type"],
        "waiting"
    );
    goes.send(&json!({"type": "leave", "room": room})).await?;
    assert_eq!(goes.of_type("left").await?["why"], "you");
    Ok(())
}

async fn a_room_that_is_closed_lets_everybody_go_and_stays_closed(db: Db) -> anyhow::Result<()> {
    let (node, room, mut host) = stage(db, "").await?;
    let mut writer = node.tojisha("かくひと").await?.enter(&room).await?;
    writer.say_kept(&room, "1", "こんばんは").await?;
    done(&mut host, &room, "lc", "close", json!("last_call")).await?;
    told(&mut writer, "state", json!("last_call")).await?;
    writer.say_kept(&room, "2", "そろそろ").await?;
    done(&mut host, &room, "ag", "close", json!("afterglow")).await?;
    told(&mut writer, "state", json!("afterglow")).await?;
    assert_eq!(
        writer.say_answered(&room, "3", "まだ").await?["code"],
        "room_closed"
    );
    writer
        .send(&json!({"type": "stamp", "room": room, "seq": 1, "stamp": "thanks"}))
        .await?;
    writer.of_type("stamped").await?;
    host.send(&frame(&room, "cl", "close", json!(null))).await?;
    assert_eq!(writer.of_type("left").await?["why"], "closed");
    assert_eq!(host.of_type("left").await?["why"], "closed");
    let mut late = node.tojisha("あとのひと").await?.connect().await?;
    let refused = late.try_enter(json!({"room": room})).await?;
    assert_eq!(refused["code"], "room_closed");
    // A line that was kept is answered as kept, whatever the room is now.
    assert_eq!(
        writer.say_answered(&room, "1", "こんばんは").await?["seq"],
        1
    );
    Ok(())
}

async fn p6_who_is_of_the_other_side_is_taken_there_and_told_privately(
    db: Db,
) -> anyhow::Result<()> {
    let (node, room, mut host) = stage(db, "").await?;
    let mother = node.tojisha("はは").await?;
    let mut socket = mother.enter(&room).await?;
    let mut other = node.tojisha("ほかのひと").await?.enter(&room).await?;
    socket.say_kept(&room, "1", "息子のことで来ました").await?;
    let said = host.hears("息子のことで来ました").await?;
    let measure = json!({"type": "measure", "room": room, "key": "m", "kind": "move_side", "target": said["from"]["id"]});
    host.send(&measure).await?;
    assert_eq!(host.answer("m").await?["type"], "done");
    let told = socket.of_type("measured").await?;
    assert_eq!(
        (&told["kind"], &told["appeal"], &told["room"]),
        (&json!("move_side"), &json!(true), &json!(room))
    );
    assert!(!told["text"].as_str().unwrap_or_default().is_ascii());
    assert_eq!(socket.of_type("left").await?["why"], "removed");
    // Nobody else is told anything.
    let came = other.barrier().await?;
    assert!(
        came.iter()
            .all(|frame| frame["type"] != "measured" && frame["type"] != "left"),
        "{came:?}"
    );
    // Her cookie is good, and is of the other side from here on.
    engawa_tests::within("the sockets of the old session close", async {
        socket.ends().await
    })
    .await??;
    let me = mother.http.get("/api/v1/me").await?.is(200)?.json()?;
    assert_eq!(me["standing"], "family");
    let mut socket = mother.connect().await?;
    let refused = socket.try_enter(json!({"room": room})).await?;
    assert_eq!(refused["code"], "not_allowed");
    socket.enter(node.family_room()?).await?;
    Ok(())
}

async fn p2_seats_bound_writers_and_never_readers(db: Db) -> anyhow::Result<()> {
    let (node, room, mut host) = stage(db, "rooms.capacity = 1").await?;
    let mut one = node.tojisha("ひとりめ").await?.enter(&room).await?;
    let mut two = node.tojisha("ふたりめ").await?.enter(&room).await?;
    one.say_kept(&room, "1", "こんばんは").await?;
    two.hears("こんばんは").await?;
    let refused = two.say_answered(&room, "1", "わたしも").await?;
    assert_eq!(refused["code"], "room_full");
    two.send(&json!({"type": "stamp", "room": room, "seq": 1, "stamp": "nod"}))
        .await?;
    two.of_type("stamped").await?;
    one.say_kept(&room, "2", "まだいます").await?;
    host.say_kept(&room, "h", "進行役に席はいりません").await?;
    Ok(())
}

async fn a_key_does_one_thing_once(db: Db) -> anyhow::Result<()> {
    let (node, room, mut host) = stage(db, "").await?;
    let mut reader = node.person(Standing::Tojisha).await?.enter(&room).await?;
    done(&mut host, &room, "one", "guard", json!(3)).await?;
    done(&mut host, &room, "two", "guard", json!(0)).await?;
    told(&mut reader, "guard", json!(0)).await?;
    done(&mut host, &room, "one", "guard", json!(3)).await?;
    reader.quiet_for(Duration::from_millis(300)).await?;
    reader.say_kept(&room, "k", "書けます").await?;
    Ok(())
}
