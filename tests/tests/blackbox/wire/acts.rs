//! What can be done with a line that was said, and what cannot yet.

use engawa_tests::{Db, House, on_both};
use serde_json::{Value, json};

on_both!(
    a_line_can_be_taken_back_by_its_writer_alone,
    p2_stamps_and_the_lamp_say_that_they_are_there_and_never_whose,
    what_is_not_built_yet_says_so,
    pong_comes_after_the_answer_to_everything_before_it,
);

async fn a_line_can_be_taken_back_by_its_writer_alone(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let room = node.room();
    let person = node.tojisha("とりけす").await?;
    let mut socket = person.enter(room).await?;
    let mut reader = node.tojisha("みていた").await?.enter(room).await?;
    let by_seq = socket.say_kept(room, "one", "番号で消す").await?;
    let by_key = socket.say_kept(room, "two", "鍵で消す").await?;
    let kept = socket.say_kept(room, "three", "のこる").await?;
    reader.hears("のこる").await?;
    reader
        .send(&json!({"type": "unsay", "room": room, "seq": by_seq}))
        .await?;
    assert_eq!(reader.refused().await?["code"], "not_allowed");
    reader
        .send(&json!({"type": "unsay", "room": room, "key": "two"}))
        .await?;
    assert_eq!(reader.refused().await?["code"], "not_allowed");

    socket
        .send(&json!({"type": "unsay", "room": room, "seq": by_seq}))
        .await?;
    let hidden = reader.of_type("hidden").await?;
    assert_eq!(
        (&hidden["room"], &hidden["seq"]),
        (&json!(room), &json!(by_seq))
    );
    assert_eq!(socket.of_type("hidden").await?["seq"], by_seq);
    // At any time, entered or not.
    let mut elsewhere = person.connect().await?;
    elsewhere
        .send(&json!({"type": "unsay", "room": room, "key": "two"}))
        .await?;
    assert_eq!(reader.of_type("hidden").await?["seq"], by_key);

    let mut late = node.tojisha("あとから").await?.connect().await?;
    let entered = late.enter(room).await?;
    let words: Vec<(Value, Value)> = entered["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|word| (word["type"].clone(), word["seq"].clone()))
        .collect();
    for (kind, seq) in [("hidden", by_seq), ("hidden", by_key), ("said", kept)] {
        assert!(
            words.contains(&(json!(kind), json!(seq))),
            "{kind} {seq} in {words:?}"
        );
    }
    let all = entered.to_string();
    assert!(
        !all.contains("番号で消す") && !all.contains("鍵で消す"),
        "a line taken back is never served again"
    );
    // A repeat of its key is still answered as the first time.
    assert_eq!(
        socket.say_answered(room, "one", "番号で消す").await?["seq"],
        by_seq
    );
    Ok(())
}

async fn p2_stamps_and_the_lamp_say_that_they_are_there_and_never_whose(
    db: Db,
) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let room = node.room();
    let mut one = node.tojisha("あかり").await?.enter(room).await?;
    let mut two = node.tojisha("ともしび").await?.enter(room).await?;
    let seq = one.say_kept(room, "k", "きょうは、よく眠れました").await?;
    two.hears("きょうは、よく眠れました").await?;
    let stamp = |name: &str| json!({"type": "stamp", "room": room, "seq": seq, "stamp": name});
    one.send(&stamp("nod")).await?;
    two.send(&stamp("nod")).await?;
    two.send(&stamp("warm")).await?;
    let shows_both = |frame: &Value| {
        let mut stamps: Vec<&str> = frame["stamps"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        stamps.sort_unstable();
        frame["type"] == "stamped" && frame["seq"] == seq && stamps == ["nod", "warm"]
    };
    let stamped = one.wait("both stamps", shows_both).await?;
    assert!(!stamped.to_string().contains("ともしび"));
    let fields: Vec<&String> = stamped
        .as_object()
        .into_iter()
        .flat_map(|fields| fields.keys())
        .collect();
    assert_eq!(
        fields.len(),
        4,
        "type, room, seq, stamps and nothing more: {fields:?}"
    );
    two.send(&json!({"type": "stamp", "room": room, "seq": seq, "stamp": "warm", "on": false}))
        .await?;
    one.wait("nod alone", |frame| {
        frame["type"] == "stamped" && frame["stamps"] == json!(["nod"])
    })
    .await?;
    two.send(&json!({"type": "stamp", "room": room, "seq": seq, "stamp": "nod", "on": false}))
        .await?;
    two.barrier().await?;
    let entered = node
        .tojisha("あと")
        .await?
        .connect()
        .await?
        .enter(room)
        .await?;
    let line = entered["messages"]
        .as_array()
        .and_then(|words| words.iter().find(|word| word["seq"] == seq))
        .cloned()
        .unwrap_or_default();
    assert_eq!(
        line["stamps"],
        json!(["nod"]),
        "another's nod is still there: {line}"
    );
    two.send(&json!({"type": "stamp", "room": room, "seq": seq, "stamp": "heart"}))
        .await?;
    assert_eq!(two.refused().await?["code"], "bad_frame");

    two.send(&json!({"type": "lamp", "room": room, "on": true}))
        .await?;
    let lit = one
        .wait("a lit lamp", |frame| {
            frame["type"] == "room" && frame["lamp"] == true
        })
        .await?;
    assert!(
        !lit.to_string().contains("ともしび"),
        "the lamp is never sent on with a name: {lit}"
    );
    Ok(())
}

async fn what_is_not_built_yet_says_so(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let room = node.room();
    let mut socket = node.tojisha("まだない").await?.enter(room).await?;
    let seq = socket.say_kept(room, "k", "ひとこと").await?;
    for frame in [
        json!({"type": "whisper", "room": room, "key": "w", "body": "進行役にだけ"}),
        json!({"type": "call", "room": room, "key": "c"}),
        json!({"type": "call", "key": "c2", "text": "職員と話したい"}),
        json!({"type": "report", "room": room, "key": "r", "seq": seq, "reason": "worry"}),
    ] {
        socket.send(&frame).await?;
        let refused = socket.refused().await?;
        assert_eq!(
            (&refused["code"], &refused["key"]),
            (&json!("not_yet"), &frame["key"]),
            "{frame}"
        );
    }
    let mut supporter = node.supporter().await?.enter_on_duty(room).await?;
    for kind in ["word", "fold", "rest", "unrest", "not_today"] {
        supporter
            .send(&json!({"type": "measure", "room": room, "key": kind, "kind": kind}))
            .await?;
        let refused = supporter.refused().await?;
        assert_eq!(
            (&refused["code"], &refused["key"]),
            (&json!("not_yet"), &json!(kind))
        );
    }
    Ok(())
}

async fn pong_comes_after_the_answer_to_everything_before_it(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let room = node.room();
    let mut socket = node.tojisha("じゅんばん").await?.connect().await?;
    let mut on_duty = node.supporter().await?.enter_on_duty(room).await?;
    for round in 0..5 {
        let key = format!("k{round}");
        let acts = [
            (json!({"type": "enter", "room": room}), "entered"),
            (
                json!({"type": "say", "room": room, "key": key, "body": "ひとこと"}),
                "acked",
            ),
            (
                json!({"type": "stamp", "room": room, "seq": 1, "stamp": "warm"}),
                "stamped",
            ),
            (json!({"type": "unsay", "room": room, "key": key}), "hidden"),
            (json!({"type": "leave", "room": room}), "left"),
        ];
        for (frame, answer) in acts {
            socket.send(&frame).await?;
            let before_pong = socket.barrier().await?;
            let answered = before_pong.iter().any(|came| {
                came["type"] == answer || (answer == "stamped" && came["type"] == "refused")
            });
            assert!(
                answered,
                "no {answer} before the pong after {frame}: {before_pong:#?}"
            );
        }
        let seq = on_duty.say_kept(room, &key, "とじてみる").await?;
        on_duty.send(&json!({"type": "measure", "room": room, "key": format!("h{round}"), "kind": "hide", "target": seq})).await?;
        let before_pong = on_duty.barrier().await?;
        assert!(
            before_pong.iter().any(|came| came["type"] == "done"),
            "no done before the pong: {before_pong:#?}"
        );
    }
    Ok(())
}
