//! Those on duty: who may be, and what they may do with a line.

use engawa_tests::{Db, House, Standing, on_both};
use serde_json::{Value, json};

on_both!(
    p10_duty_needs_a_place_on_the_roster_or_a_role_that_may_everywhere,
    p10_a_line_is_hidden_and_shown_by_those_on_duty_alone,
    what_its_writer_took_back_is_not_brought_back_by_duty,
    a_line_of_somebody_on_duty_says_so,
    p12_the_audit_chain_verifies_after_an_evening,
);

async fn p10_duty_needs_a_place_on_the_roster_or_a_role_that_may_everywhere(
    db: Db,
) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let (ours, theirs) = (node.room().to_owned(), node.family_room()?.to_owned());
    let cases = [
        (node.person(Standing::Tojisha).await?, &ours, false),
        (node.person(Standing::Family).await?, &theirs, false),
        (node.supporter().await?, &ours, true),
        (
            node.staff(node.login_for("peer_supporter", "family")?)
                .await?,
            &theirs,
            true,
        ),
        (
            node.staff(node.login_for("moderator", "tojisha")?).await?,
            &ours,
            true,
        ),
        (
            node.staff(node.login("coordinator", 0)?).await?,
            &ours,
            true,
        ),
        (
            node.staff(node.login("coordinator", 1)?).await?,
            &theirs,
            true,
        ),
        (node.staff(node.login("manager", 0)?).await?, &ours, true),
        (node.staff(node.login("manager", 1)?).await?, &theirs, true),
    ];
    for (person, room, may) in cases {
        let answer = person
            .connect()
            .await?
            .try_enter(json!({"room": room, "mode": "duty"}))
            .await?;
        if may {
            assert_eq!(
                answer["type"], "entered",
                "{} in {room}: {answer}",
                person.me
            );
        } else {
            assert_eq!(
                (&answer["type"], &answer["code"]),
                (&json!("refused"), &json!("not_allowed")),
                "{}",
                person.me
            );
        }
    }
    Ok(())
}

async fn p10_a_line_is_hidden_and_shown_by_those_on_duty_alone(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let room = node.room();
    let mut writer = node.tojisha("かいたひと").await?.enter(room).await?;
    let mut reader = node.tojisha("よんだひと").await?.enter(room).await?;
    let supporter = node.supporter().await?;
    let mut on_duty = supporter.enter_on_duty(room).await?;
    let seq = writer
        .say_kept(room, "k", "電話番号は、ここに書かないでね")
        .await?;
    let line = reader.hears("電話番号は、ここに書かないでね").await?;
    let measure = |key: &str, kind: &str| json!({"type": "measure", "room": room, "key": key, "kind": kind, "target": seq, "reason": "連絡先のため"});

    reader.send(&measure("no", "hide")).await?;
    let refused = reader.refused().await?;
    assert_eq!(
        (&refused["code"], &refused["key"]),
        (&json!("not_allowed"), &json!("no"))
    );
    // A supporter who merely visits has no duty here.
    let mut visiting = supporter.connect().await?;
    visiting.send(&measure("no1", "hide")).await?;
    let code = visiting.refused().await?["code"].clone();
    assert!(
        code == "not_entered" || code == "not_allowed",
        "powers come from duty, not from role alone: {code}"
    );

    on_duty.send(&measure("h1", "hide")).await?;
    assert_eq!(on_duty.answer("h1").await?["type"], "done");
    for socket in [&mut writer, &mut reader] {
        let hidden = socket.of_type("hidden").await?;
        assert_eq!(
            (&hidden["room"], &hidden["seq"]),
            (&json!(room), &json!(seq))
        );
    }
    let late = node.tojisha("あとのひと").await?;
    let entered = late.connect().await?.enter(room).await?;
    let word = first_word(&entered, seq);
    assert_eq!(word["type"], "hidden", "{word}");
    assert!(
        word.get("body").is_none() && word.get("from").is_none(),
        "never the author's name on a hidden line: {word}"
    );

    reader.send(&measure("no3", "unhide")).await?;
    assert_eq!(reader.refused().await?["code"], "not_allowed");
    on_duty.send(&measure("u1", "unhide")).await?;
    assert_eq!(on_duty.answer("u1").await?["type"], "done");
    let shown = reader.of_type("shown").await?;
    assert_eq!((&shown["room"], &shown["seq"]), (&json!(room), &json!(seq)));
    assert_eq!(shown["line"]["type"], "said", "the whole said: {shown}");
    for field in ["seq", "body", "at", "from"] {
        assert_eq!(shown["line"][field], line[field], "{field}");
    }
    let entered = late.connect().await?.enter(room).await?;
    assert_eq!(
        first_word(&entered, seq)["body"],
        "電話番号は、ここに書かないでね"
    );
    Ok(())
}

async fn what_its_writer_took_back_is_not_brought_back_by_duty(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let room = node.room();
    let mut writer = node.tojisha("とりけし").await?.enter(room).await?;
    let mut on_duty = node.supporter().await?.enter_on_duty(room).await?;
    let seq = writer.say_kept(room, "k", "やっぱり消します").await?;
    writer
        .send(&json!({"type": "unsay", "room": room, "seq": seq}))
        .await?;
    writer.of_type("hidden").await?;
    on_duty
        .send(
            &json!({"type": "measure", "room": room, "key": "u", "kind": "unhide", "target": seq}),
        )
        .await?;
    let answer = on_duty.answer("u").await?;
    assert_eq!(answer["type"], "refused", "{answer}");
    let entered = node
        .tojisha("あと")
        .await?
        .connect()
        .await?
        .enter(room)
        .await?;
    assert_eq!(first_word(&entered, seq)["type"], "hidden");
    Ok(())
}

async fn a_line_of_somebody_on_duty_says_so(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let room = node.room();
    let mut reader = node.tojisha("よむ").await?.enter(room).await?;
    let mut on_duty = node.supporter().await?.enter_on_duty(room).await?;
    on_duty
        .say_kept(room, "k", "こんばんは。今日もここにいます。")
        .await?;
    let said = reader.hears("こんばんは。今日もここにいます。").await?;
    assert_eq!(said["from"]["duty"], "supporter");
    reader.say_kept(room, "k", "こんばんは").await?;
    assert!(
        reader.hears("こんばんは").await?["from"]
            .get("duty")
            .is_none()
    );
    Ok(())
}

async fn p12_the_audit_chain_verifies_after_an_evening(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let room = node.room();
    let mut writer = node.tojisha("かくひと").await?.enter(room).await?;
    let mut on_duty = node.supporter().await?.enter_on_duty(room).await?;
    for n in 0..3 {
        let seq = writer
            .say_kept(room, &format!("k{n}"), &format!("{n}つめ"))
            .await?;
        on_duty.send(&json!({"type": "measure", "room": room, "key": format!("h{n}"), "kind": "hide", "target": seq})).await?;
        assert_eq!(on_duty.answer(&format!("h{n}")).await?["type"], "done");
    }
    node.stop().await?;
    let output = engawa_tests::node::command(&house, &["audit", "verify"]).await?;
    assert!(
        output.status.success(),
        "audit verify: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn first_word(entered: &Value, seq: u64) -> Value {
    entered["messages"]
        .as_array()
        .and_then(|words| words.iter().find(|word| word["seq"] == seq))
        .cloned()
        .unwrap_or_default()
}
