//! Lines that are asked back, held, raised: what their authors and those on duty are told, and how each hold ends.

use std::time::Duration;

use engawa_tests::{Db, House, Node, Socket, on_both};
use serde_json::{Value, json};

on_both!(
    p7_an_ordinary_line_passes_and_a_contact_is_asked_back_with_a_masked_version_that_passes,
    p7_a_second_contact_waits_and_its_author_hears_what_became_of_it,
    p7_a_wish_to_die_passes_with_a_card_and_those_on_duty_are_told,
    p7_an_urgent_line_is_held_at_once_with_a_card_and_those_on_duty_have_it_within_a_second,
    p7_whom_nobody_reads_is_told_so_and_where_to_turn,
    p7_a_human_who_looks_is_told_of_and_stops_the_clock,
    p7_a_held_line_can_be_taken_back_by_its_author_alone,
    p4_a_held_line_outlives_its_node_and_passes_once,
    p4_a_line_that_waits_when_the_hour_ends_is_answered_before_its_author_is_let_go,
    p10_who_is_not_on_duty_lets_nothing_pass_and_each_act_is_on_record,
    p7_lines_of_those_on_duty_are_asked_back_and_never_held,
    p7_a_name_is_no_way_to_a_number,
);

const CONTACT: &str = "よかったら 090-1234-5678 に電話ください";
const WISH: &str = "もう死にたい";
const URGENT: &str = "今夜死ぬ";

/// A house whose lines are judged.
async fn house(db: Db, settings: &str) -> anyhow::Result<House> {
    House::new(db)
        .await?
        .with(&format!("moderation.decide = 'rules'\n{settings}"))
}

async fn stage(house: &House) -> anyhow::Result<(Node, String)> {
    let node = house.start().await?;
    let room = node.room().to_owned();
    Ok((node, room))
}

async fn measure(
    socket: &mut Socket,
    room: &str,
    key: &str,
    kind: &str,
    hold: &Value,
) -> anyhow::Result<Value> {
    let frame = json!({"type": "measure", "room": room, "key": key, "kind": kind, "target": hold});
    socket.send(&frame).await?;
    socket.answer(key).await
}

/// The second try with a contact: it waits.
async fn held_contact(socket: &mut Socket, room: &str, key: &str) -> anyhow::Result<()> {
    let first = socket
        .say_answered(room, &format!("{key}-first"), CONTACT)
        .await?;
    anyhow::ensure!(first["type"] == "ask", "{first}");
    let second = socket.say_answered(room, key, CONTACT).await?;
    anyhow::ensure!(
        second["type"] == "held" && second["reason"] == "contact",
        "{second}"
    );
    Ok(())
}

async fn p7_an_ordinary_line_passes_and_a_contact_is_asked_back_with_a_masked_version_that_passes(
    db: Db,
) -> anyhow::Result<()> {
    let house = house(db, "").await?;
    let (node, room) = stage(&house).await?;
    let mut writer = node.tojisha("かくひと").await?.enter(&room).await?;
    let mut reader = node.tojisha("よむひと").await?.enter(&room).await?;
    writer.say_kept(&room, "ok", "きょうは、雨です").await?;
    reader.hears("きょうは、雨です").await?;

    let ask = writer.say_answered(&room, "asked", CONTACT).await?;
    assert_eq!(
        (&ask["type"], &ask["reason"]),
        (&json!("ask"), &json!("contact"))
    );
    let (from, to) = (
        ask["spans"][0]["from"].as_u64().unwrap_or(0) as usize,
        ask["spans"][0]["to"].as_u64().unwrap_or(0) as usize,
    );
    let found: String = CONTACT.chars().skip(from).take(to - from).collect();
    assert!(found.contains("1234"), "{found}");
    // A repeat of the key is no second try.
    assert_eq!(
        writer.say_answered(&room, "asked", CONTACT).await?["type"],
        "ask"
    );
    let masked = ask["masked"].as_str().unwrap_or_default().to_owned();
    assert!(!masked.contains("1234"), "{masked}");
    writer.say_kept(&room, "masked", &masked).await?;
    let said = reader.hears(&masked).await?;
    assert_eq!(said["seq"], 2, "what was asked back took no number");
    let came = reader.barrier().await?;
    assert!(came.iter().all(|frame| !frame.to_string().contains("1234")));
    Ok(())
}

async fn p7_a_second_contact_waits_and_its_author_hears_what_became_of_it(
    db: Db,
) -> anyhow::Result<()> {
    let house = house(db, "").await?;
    let (node, room) = stage(&house).await?;
    let author = node.tojisha("かくひと").await?;
    let mut writer = author.enter(&room).await?;
    let mut tab = author.enter(&room).await?;
    let mut reader = node.tojisha("よむひと").await?.enter(&room).await?;
    let mut on_duty = node.supporter().await?.enter_on_duty(&room).await?;

    held_contact(&mut writer, &room, "one").await?;
    let hold = on_duty.of_type("hold").await?;
    assert_eq!(
        (&hold["body"], &hold["reason"]),
        (&json!(CONTACT), &json!("contact")),
        "those on duty see all of it"
    );
    assert!(hold["spans"][0]["to"].is_u64() && hold["passes_at"].is_null());
    // A repeat is answered in the same way; other words under the same key change nothing.
    let again = writer.say_answered(&room, "one", "ほかのことば").await?;
    assert_eq!(again["type"], "held");
    let mut late = author.connect().await?;
    let entered = late.enter(&room).await?;
    assert_eq!(
        entered["waiting_lines"],
        json!([{"key": "one", "body": CONTACT, "reason": "contact"}])
    );
    let mut colleague = node
        .staff(node.login("coordinator", 1)?)
        .await?
        .connect()
        .await?;
    let on_entry = json!({"room": room, "mode": "duty"});
    assert_eq!(
        colleague.enter_with(on_entry).await?["waiting_lines"],
        json!([]),
        "one's own lines alone"
    );
    assert_eq!(colleague.of_type("hold").await?["hold"], hold["hold"]);

    let answer = measure(&mut on_duty, &room, "m1", "approve", &hold["hold"]).await?;
    assert_eq!(answer["type"], "done");
    assert_eq!(colleague.of_type("hold_done").await?["how"], "approved");
    for socket in [&mut writer, &mut tab, &mut late] {
        let acked = socket
            .wait("acked", |frame| {
                frame["type"] == "acked" && frame["key"] == "one"
            })
            .await?;
        assert_eq!(acked["seq"], 1);
        assert_eq!(socket.hears(CONTACT).await?["seq"], 1);
    }
    reader.hears(CONTACT).await?;
    let again = writer.say_answered(&room, "one", CONTACT).await?;
    assert_eq!(
        (&again["type"], &again["seq"]),
        (&json!("acked"), &json!(1))
    );

    let second = writer.say_answered(&room, "two", CONTACT).await?;
    assert_eq!(second["type"], "held");
    let hold = on_duty.of_type("hold").await?;
    let answer = measure(&mut on_duty, &room, "m2", "reject", &hold["hold"]).await?;
    assert_eq!(answer["type"], "done");
    for socket in [&mut writer, &mut tab] {
        let refused = socket.refused().await?;
        assert_eq!(
            (&refused["code"], &refused["key"]),
            (&json!("rejected"), &json!("two"))
        );
    }
    let again = writer.say_answered(&room, "two", CONTACT).await?;
    assert_eq!(again["code"], "rejected", "remembered, without its words");
    let twice = measure(&mut on_duty, &room, "m3", "approve", &hold["hold"]).await?;
    assert_eq!(twice["code"], "not_allowed", "a hold ends once");
    let next = writer.say_kept(&room, "three", "では、また").await?;
    assert_eq!(next, 2, "what was kept back took no number");
    reader.hears("では、また").await?;
    assert!(reader.view(&room)?.words.len() == 2);
    Ok(())
}

async fn p7_a_wish_to_die_passes_with_a_card_and_those_on_duty_are_told(
    db: Db,
) -> anyhow::Result<()> {
    let house = house(db, "").await?;
    let (node, room) = stage(&house).await?;
    let mut writer = node.tojisha("かくひと").await?.enter(&room).await?;
    let mut reader = node.tojisha("よむひと").await?.enter(&room).await?;
    let mut on_duty = node.supporter().await?.enter_on_duty(&room).await?;
    writer.say(&room, "wish", WISH).await?;
    let card = writer.of_type("card").await?;
    assert_eq!(card["kind"], "life");
    assert!(
        card["links"]
            .as_array()
            .is_some_and(|links| !links.is_empty())
    );
    let acked = writer.answer("wish").await?;
    assert_eq!(acked["type"], "acked");
    let marked = on_duty.of_type("marked").await?;
    assert_eq!(
        (&marked["seq"], &marked["category"]),
        (&acked["seq"], &json!("risk_watch"))
    );
    reader.hears(WISH).await?;
    let came = reader.barrier().await?;
    assert!(
        came.iter()
            .all(|frame| frame["type"] != "card" && frame["type"] != "marked")
    );
    Ok(())
}

async fn p7_an_urgent_line_is_held_at_once_with_a_card_and_those_on_duty_have_it_within_a_second(
    db: Db,
) -> anyhow::Result<()> {
    let house = house(db, "").await?;
    let (node, room) = stage(&house).await?;
    let mut writer = node.tojisha("かくひと").await?.enter(&room).await?;
    let mut reader = node.tojisha("よむひと").await?.enter(&room).await?;
    let mut on_duty = node.supporter().await?.enter_on_duty(&room).await?;
    let began = tokio::time::Instant::now();
    writer.say(&room, "urgent", URGENT).await?;
    assert_eq!(writer.of_type("card").await?["kind"], "life");
    let held = writer.answer("urgent").await?;
    assert_eq!(
        (&held["type"], &held["reason"]),
        (&json!("held"), &json!("risk"))
    );
    let hold = on_duty.of_type("hold").await?;
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        (&hold["reason"], &hold["body"]),
        (&json!("risk"), &json!(URGENT))
    );
    let came = reader.barrier().await?;
    assert!(
        came.iter().all(|frame| !frame.to_string().contains(URGENT)),
        "nobody else hears of it"
    );
    Ok(())
}

async fn p7_whom_nobody_reads_is_told_so_and_where_to_turn(db: Db) -> anyhow::Result<()> {
    let house = house(db, "rooms.risk_told_ms = 1000\nrooms.told_ms = 1000").await?;
    let (node, room) = stage(&house).await?;
    let mut writer = node.tojisha("かくひと").await?.enter(&room).await?;
    let first = writer.say_answered(&room, "urgent", URGENT).await?;
    assert_eq!(first["type"], "held");
    let card = writer.of_type("card").await?;
    assert_eq!(card["kind"], "life", "a fresh one");
    let later = writer.answer("urgent").await?;
    assert_eq!(later["type"], "held");
    assert_ne!(first["text"], later["text"]);
    held_contact(&mut writer, &room, "contact").await?;
    let later = writer.answer("contact").await?;
    assert_eq!(later["type"], "held");
    // It is not ended by that, and it is not told again.
    writer.quiet_for(Duration::from_millis(1_500)).await?;
    let mut on_duty = node.supporter().await?.enter_on_duty(&room).await?;
    assert_eq!(on_duty.of_type("hold").await?["body"], URGENT);
    assert_eq!(on_duty.of_type("hold").await?["body"], CONTACT);
    Ok(())
}

async fn p7_a_human_who_looks_is_told_of_and_stops_the_clock(db: Db) -> anyhow::Result<()> {
    let house = house(db, "rooms.risk_told_ms = 2000").await?;
    let (node, room) = stage(&house).await?;
    let mut writer = node.tojisha("かくひと").await?.enter(&room).await?;
    let mut on_duty = node.supporter().await?.enter_on_duty(&room).await?;
    let first = writer.say_answered(&room, "urgent", URGENT).await?;
    let hold = on_duty.of_type("hold").await?;
    let answer = measure(&mut on_duty, &room, "m1", "look", &hold["hold"]).await?;
    assert_eq!(answer["type"], "done");
    let looked = writer.answer("urgent").await?;
    assert_eq!(looked["type"], "held");
    assert_ne!(looked["text"], first["text"]);
    writer.quiet_for(Duration::from_millis(2_500)).await?;
    Ok(())
}

async fn p7_a_held_line_can_be_taken_back_by_its_author_alone(db: Db) -> anyhow::Result<()> {
    let house = house(db, "").await?;
    let (node, room) = stage(&house).await?;
    let author = node.tojisha("かくひと").await?;
    let mut writer = author.enter(&room).await?;
    let mut other = node.tojisha("ほかのひと").await?.enter(&room).await?;
    let mut on_duty = node.supporter().await?.enter_on_duty(&room).await?;
    held_contact(&mut writer, &room, "mine").await?;
    on_duty.of_type("hold").await?;
    let unsay = json!({"type": "unsay", "room": room, "key": "mine"});
    other.send(&unsay).await?;
    assert_eq!(other.refused().await?["code"], "not_allowed");
    writer.send(&unsay).await?;
    assert_eq!(on_duty.of_type("hold_done").await?["how"], "withdrawn");
    let came = writer.barrier().await?;
    assert!(came.iter().all(|frame| frame["type"] != "refused"));
    let entered = author.connect().await?.enter(&room).await?;
    assert_eq!(entered["waiting_lines"], json!([]));
    assert_eq!(entered["last_seq"], 0);
    Ok(())
}

async fn p4_a_held_line_outlives_its_node_and_passes_once(db: Db) -> anyhow::Result<()> {
    let house = house(db, "").await?;
    let (node, room) = stage(&house).await?;
    let author = node.tojisha("かくひと").await?;
    let supporter = node.supporter().await?;
    let mut writer = author.enter(&room).await?;
    held_contact(&mut writer, &room, "kept").await?;
    node.kill().await?;

    let node = house.start().await?;
    let mut writer = author.at(&node).connect().await?;
    let entered = writer.enter(&room).await?;
    assert_eq!(entered["waiting_lines"][0]["body"], CONTACT);
    assert_eq!(
        writer.say_answered(&room, "kept", "ほかのことば").await?["type"],
        "held"
    );
    let mut on_duty = supporter.at(&node).enter_on_duty(&room).await?;
    let hold = on_duty.of_type("hold").await?;
    assert_eq!(hold["body"], CONTACT);
    let answer = measure(&mut on_duty, &room, "m1", "approve", &hold["hold"]).await?;
    assert_eq!(answer["type"], "done");
    assert_eq!(writer.answer("kept").await?["seq"], 1);
    writer.hears(CONTACT).await?;
    let answer = measure(&mut on_duty, &room, "m2", "approve", &hold["hold"]).await?;
    assert_eq!(answer["type"], "done", "as it was asked already");
    let next = writer.say_kept(&room, "next", "つぎの行").await?;
    assert_eq!(next, 2);
    Ok(())
}

async fn p4_a_line_that_waits_when_the_hour_ends_is_answered_before_its_author_is_let_go(
    db: Db,
) -> anyhow::Result<()> {
    let house = house(
        db,
        "rooms.last_call_ms = 0\nrooms.afterglow_ms = 0\ndemo.open_ms = 6000",
    )
    .await?;
    let (node, room) = stage(&house).await?;
    let mut writer = node.tojisha("かくひと").await?.enter(&room).await?;
    let mut on_duty = node.supporter().await?.enter_on_duty(&room).await?;
    held_contact(&mut writer, &room, "late").await?;
    on_duty.of_type("hold").await?;
    let refused = writer.refused().await?;
    assert_eq!(
        (&refused["code"], &refused["key"]),
        (&json!("room_closed"), &json!("late"))
    );
    assert_eq!(writer.of_type("left").await?["why"], "closed");
    assert_eq!(on_duty.of_type("hold_done").await?["how"], "closed");
    let again = writer.say_answered(&room, "late", CONTACT).await?;
    assert_eq!(again["code"], "room_closed");
    Ok(())
}

async fn p10_who_is_not_on_duty_lets_nothing_pass_and_each_act_is_on_record(
    db: Db,
) -> anyhow::Result<()> {
    let house = house(db, "").await?;
    let (node, room) = stage(&house).await?;
    let mut writer = node.tojisha("かくひと").await?.enter(&room).await?;
    let mut on_duty = node.supporter().await?.enter_on_duty(&room).await?;
    held_contact(&mut writer, &room, "mine").await?;
    let hold = on_duty.of_type("hold").await?;
    for kind in ["look", "approve", "reject"] {
        let answer = measure(&mut writer, &room, kind, kind, &hold["hold"]).await?;
        assert_eq!(answer["code"], "not_allowed", "{kind}");
    }
    let answer = measure(&mut on_duty, &room, "m0", "approve", &json!("nothing")).await?;
    assert_eq!(answer["code"], "not_allowed");
    let answer = measure(&mut on_duty, &room, "m1", "look", &json!(1)).await?;
    assert_eq!(answer["code"], "bad_frame");
    for (key, kind) in [("m2", "look"), ("m3", "approve")] {
        let answer = measure(&mut on_duty, &room, key, kind, &hold["hold"]).await?;
        assert_eq!(answer["type"], "done", "{kind}");
    }
    node.stop().await?;
    let checked = engawa_tests::node::command(&house, &["audit", "verify"]).await?;
    assert!(checked.status.success(), "{checked:?}");
    Ok(())
}

async fn p7_lines_of_those_on_duty_are_asked_back_and_never_held(db: Db) -> anyhow::Result<()> {
    let house = house(db, "").await?;
    let (node, room) = stage(&house).await?;
    let mut on_duty = node.supporter().await?.enter_on_duty(&room).await?;
    for key in ["one", "two"] {
        let answer = on_duty.say_answered(&room, key, CONTACT).await?;
        assert_eq!(answer["type"], "ask", "{answer}");
    }
    on_duty.say_kept(&room, "risk", WISH).await?;
    let came = on_duty.barrier().await?;
    assert!(came.iter().all(|frame| frame["type"] != "card"));
    Ok(())
}

async fn p7_a_name_is_no_way_to_a_number(db: Db) -> anyhow::Result<()> {
    let house = house(db, "").await?;
    let (node, room) = stage(&house).await?;
    let name = "ﾗｲﾝ交換きぼんぬ";
    let mut client = node.client();
    let body = json!({"name": name, "standing": "tojisha"});
    let problem = client.post("/api/v1/handles", &body).await?;
    let problem = problem.is_problem(422, "bad_name")?;
    assert!(
        problem["suggestions"]
            .as_array()
            .is_some_and(|names| !names.is_empty())
    );
    let mut socket = node.tojisha("かくひと").await?.connect().await?;
    let answer = socket
        .try_enter(json!({"room": room, "name": name}))
        .await?;
    assert_eq!(answer["type"], "refused");
    Ok(())
}
