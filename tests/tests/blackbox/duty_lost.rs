//! No talk without duty: what a room does when those on duty are gone.

use std::time::Duration;

use anyhow::{Context, Result};
use engawa_tests::{Db, House, on_both};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, PgConnection, SqliteConnection};

on_both!(p1_a_room_without_duty_slows_then_pauses_kindly_and_goes_on_when_duty_is_back);

/// Ends the session of everybody who is on duty in a room, as another node does when a person logs out everywhere.
const END_DUTY: [&str; 2] = [
    "INSERT INTO session_ended (id, at_ms) SELECT id, 9000000000000 FROM session WHERE staff_id IN (SELECT staff_id FROM duty_lease)",
    "DELETE FROM session WHERE staff_id IN (SELECT staff_id FROM duty_lease)",
];

async fn end_all_duty(house: &House) -> Result<()> {
    if let Some(address) = house.database_url() {
        let mut connection = PgConnection::connect(address).await?;
        for statement in END_DUTY {
            sqlx::query(statement).execute(&mut connection).await?;
        }
        connection.close().await?;
    } else {
        let file = house.data_dir().join("engawa.db");
        let options = SqliteConnectOptions::new()
            .filename(file)
            .busy_timeout(Duration::from_secs(5));
        let mut connection = SqliteConnection::connect_with(&options).await?;
        for statement in END_DUTY {
            sqlx::query(statement).execute(&mut connection).await?;
        }
        connection.close().await?;
    }
    Ok(())
}

async fn p1_a_room_without_duty_slows_then_pauses_kindly_and_goes_on_when_duty_is_back(
    db: Db,
) -> Result<()> {
    let house = House::new(db).await?.with(
        "rooms.slow_after_ms = 1500\nrooms.pause_after_ms = 4000\nrooms.lease_ms = 1500\nrooms.ping_ms = 400\nrooms.pong_grace_ms = 2000\nrooms.watch_every_ms = 300",
    )?;
    let node = house.start().await?;
    let room = node.room();
    let mut socket = node.tojisha("のこされる").await?.connect().await?;
    let entered = socket.enter(room).await?;
    anyhow::ensure!(entered["state"] == "open" && entered["slow_ms"] == 0);
    socket.say_kept(room, "k1", "担当の人がいるあいだ").await?;
    end_all_duty(&house).await?;

    let is_room = |frame: &Value, field: &str, value: Value| {
        frame["type"] == "room" && frame["room"] == room && frame[field] == value
    };
    let slow = socket
        .wait("a slower room", |frame| {
            is_room(frame, "slow_ms", json!(60_000))
        })
        .await
        .context("after 2 min without duty (here 1.5 s) the room slows")?;
    assert_eq!(slow["state"], "open");
    let paused = socket
        .wait("a paused room", |frame| {
            is_room(frame, "state", json!("paused"))
        })
        .await?;
    assert_eq!(paused["on_duty"], json!([]));
    let refused = socket.say_answered(room, "k2", "だれかいますか").await?;
    assert_eq!(refused["code"], "room_paused");
    for frame in [json!({"type": "stamp", "room": room, "seq": 1, "stamp": "nod"})] {
        socket.send(&frame).await?;
        assert_eq!(socket.refused().await?["code"], "room_paused");
    }
    // Nobody is thrown out; reading, coming in and taking back go on.
    let again = node
        .tojisha("あとからくる")
        .await?
        .connect()
        .await?
        .enter(room)
        .await?;
    assert_eq!(again["state"], "paused");
    socket
        .send(&json!({"type": "unsay", "room": room, "key": "k1"}))
        .await?;
    socket.of_type("hidden").await?;

    // A pause for want of duty ends by itself when duty is back.
    let on_duty = node.supporter().await?.enter_on_duty(room).await?;
    let open = socket
        .wait("an open room", |frame| {
            is_room(frame, "state", json!("open"))
        })
        .await?;
    assert_eq!(open["slow_ms"], 0);
    assert_eq!(open["on_duty"].as_array().map(Vec::len), Some(1));
    socket.say_kept(room, "k3", "おかえりなさい").await?;
    on_duty.cut();
    Ok(())
}
