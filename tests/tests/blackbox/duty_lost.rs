//! No talk without duty: what a room does when those on duty are gone.

use anyhow::Result;
use engawa_tests::{Db, House, Node, on_both};
use serde_json::{Value, json};

on_both!(p1_a_room_without_duty_slows_then_pauses_kindly_and_goes_on_when_duty_is_back);

async fn p1_a_room_without_duty_slows_then_pauses_kindly_and_goes_on_when_duty_is_back(
    db: Db,
) -> Result<()> {
    let house = House::new(db).await?.with(
        "rooms.slow_after_ms = 1500\nrooms.pause_after_ms = 4000\nrooms.lease_ms = 1500\nrooms.ping_ms = 400\nrooms.pong_grace_ms = 2000\nrooms.watch_every_ms = 300",
    )?;
    // The rooms and people of the sample centre, then a plain node on the same data, without sample supporters.
    let node = house.start().await?;
    let room = node.room().to_owned();
    let person = node.tojisha("のこされる").await?;
    let supporter = node.supporter().await?;
    node.stop().await?;
    let node = Node::serve(&house).await?;

    let mut on_duty = supporter.enter_on_duty(&room).await?;
    let mut socket = person.connect().await?;
    let entered = socket.enter(&room).await?;
    assert_eq!(entered["state"], "open", "{entered}");
    assert_eq!(entered["on_duty"].as_array().map(Vec::len), Some(1));
    let seq = socket.say_kept(&room, "k1", "担当の人がいるあいだ").await?;
    on_duty
        .send(&json!({"type": "leave", "room": room}))
        .await?;
    on_duty.of_type("left").await?;

    let is_room = |frame: &Value, field: &str, value: Value| {
        frame["type"] == "room" && frame["room"] == room.as_str() && frame[field] == value
    };
    let slow = socket
        .wait(
            "the slower room after 2 min without duty (here 1.5 s)",
            |frame| is_room(frame, "slow_ms", json!(60_000)),
        )
        .await?;
    assert_eq!(slow["state"], "open");
    let paused = socket
        .wait("the pause after 5 min without duty (here 4 s)", |frame| {
            is_room(frame, "state", json!("paused"))
        })
        .await?;
    assert_eq!(paused["on_duty"], json!([]));
    let refused = socket.say_answered(&room, "k2", "だれかいますか").await?;
    assert_eq!(refused["code"], "room_paused");
    socket
        .send(&json!({"type": "stamp", "room": room, "seq": seq, "stamp": "nod"}))
        .await?;
    assert_eq!(socket.refused().await?["code"], "room_paused");
    // Nobody is thrown out; coming in, reading and taking back go on.
    let mut late = node.tojisha("あとからくる").await?.connect().await?;
    assert_eq!(late.enter(&room).await?["state"], "paused");
    socket
        .send(&json!({"type": "unsay", "room": room, "key": "k1"}))
        .await?;
    assert_eq!(late.of_type("hidden").await?["seq"], seq);

    // A pause for want of duty ends by itself when duty is back.
    let on_duty = supporter.enter_on_duty(&room).await?;
    let open = socket
        .wait("the room to go on", |frame| {
            is_room(frame, "state", json!("open"))
        })
        .await?;
    assert_eq!(open["slow_ms"], 0);
    assert_eq!(open["on_duty"].as_array().map(Vec::len), Some(1));
    socket.say_kept(&room, "k3", "おかえりなさい").await?;
    drop(on_duty);
    Ok(())
}
