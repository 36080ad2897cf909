//! A gathering's hours: who waits, when it opens, and what becomes of one that nobody keeps.

use std::time::Duration;

use engawa_tests::{Db, House, Node, Socket, Standing, on_both};
use serde_json::{Value, json};

on_both!(
    p1_who_comes_before_the_hour_waits_and_is_let_in_when_somebody_keeps_it,
    p1_a_gathering_that_nobody_keeps_is_cancelled_and_staff_are_told,
    p6_a_gathering_for_people_with_a_card_is_not_there_for_others,
    an_evening_goes_its_whole_way_by_itself,
);

/// An evening that begins soon and is short; its rooms that are open already do not matter here.
const SHORT: &str = "demo.evening_in_ms = 3000\ndemo.planned_ms = 4000\nrooms.doors_ms = 60000\nrooms.life_every_ms = 100\n\
    rooms.last_call_ms = 1500\nrooms.afterglow_ms = 1500\nrooms.watch_every_ms = 300";

/// The sample evening, as anybody of its side sees it.
async fn evening(node: &Node) -> anyhow::Result<String> {
    let person = node.person(Standing::Tojisha).await?;
    let list = person
        .http
        .get("/api/v1/gatherings")
        .await?
        .is(200)?
        .json()?;
    list.as_array()
        .into_iter()
        .flatten()
        .find(|gathering| gathering["kind"] == "tojisha_kai")
        .and_then(|gathering| gathering["id"].as_str().map(str::to_owned))
        .ok_or_else(|| anyhow::anyhow!("there is no evening in {list}"))
}

async fn state(socket: &mut Socket, room: &str, state: &str) -> anyhow::Result<Value> {
    socket
        .wait(state, |frame| {
            frame["type"] == "room" && frame["room"] == room && frame["state"] == state
        })
        .await
}

async fn p1_who_comes_before_the_hour_waits_and_is_let_in_when_somebody_keeps_it(
    db: Db,
) -> anyhow::Result<()> {
    let house = House::new(db)
        .await?
        .with("demo.evening_in_ms = 2000\nrooms.doors_ms = 60000\nrooms.life_every_ms = 100\nrooms.watch_every_ms = 300")?;
    let node = house.start().await?;
    let room = evening(&node).await?;
    let mut early = node.tojisha("はやくきたひと").await?.connect().await?;
    let waiting = early.try_enter(json!({"room": room})).await?;
    assert_eq!(waiting["type"], "waiting", "{waiting}");
    let refused = early.say_answered(&room, "no", "まだですか").await?;
    assert_eq!(refused["code"], "not_entered");
    // The hour comes and nobody keeps it: it stays as it is.
    early.quiet_for(Duration::from_millis(3000)).await?;
    let mut host = node
        .staff(node.login_for("moderator", "tojisha")?)
        .await?
        .enter_on_duty(&room)
        .await?;
    early.of_type("admitted").await?;
    let entered = early.next().await?;
    assert_eq!(
        (&entered["type"], &entered["state"]),
        (&json!("entered"), &json!("open"))
    );
    early.say_kept(&room, "hi", "こんばんは").await?;
    host.hears("こんばんは").await?;
    Ok(())
}

async fn p1_a_gathering_that_nobody_keeps_is_cancelled_and_staff_are_told(
    db: Db,
) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let told = house.aside("told");
    let command = format!(
        "demo.evening_in_ms = 1500\nrooms.doors_ms = 60000\nrooms.life_every_ms = 100\nrooms.cancel_after_ms = 1500\n\
         rooms.watch_every_ms = 300\nalert_command = [\"sh\", \"-c\", \"echo $0 >> {}\"]",
        told.display()
    );
    let house = house.with(&command)?;
    let node = house.start().await?;
    let room = evening(&node).await?;
    let mut early = node.tojisha("まつひと").await?.connect().await?;
    assert_eq!(
        early.try_enter(json!({"room": room})).await?["type"],
        "waiting"
    );
    assert_eq!(early.of_type("left").await?["why"], "closed");
    let refused = early.try_enter(json!({"room": room})).await?;
    assert_eq!(refused["code"], "room_closed");
    let manager = node.staff(node.login("manager", 0)?).await?;
    let list = manager.http.get("/api/v1/gatherings").await?.json()?;
    let shown = list
        .as_array()
        .into_iter()
        .flatten()
        .find(|gathering| gathering["id"] == room.as_str());
    assert_eq!(
        shown.map(|gathering| &gathering["state"]),
        Some(&json!("cancelled"))
    );
    engawa_tests::within("the duty telephone is told", async {
        loop {
            if std::fs::read_to_string(&told).is_ok_and(|text| text.contains("cancelled")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await?;
    Ok(())
}

async fn p6_a_gathering_for_people_with_a_card_is_not_there_for_others(
    db: Db,
) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let manager = node.staff(node.login("manager", 0)?).await?;
    let list = manager.http.get("/api/v1/gatherings").await?.json()?;
    let saturday = list
        .as_array()
        .into_iter()
        .flatten()
        .find(|gathering| gathering["kind"] == "kazoku_kai");
    let saturday = saturday
        .and_then(|gathering| gathering["id"].as_str())
        .unwrap_or_default()
        .to_owned();
    assert!(!saturday.is_empty(), "{list}");
    let family = node.person(Standing::Family).await?;
    let mut socket = family.connect().await?;
    let no = socket.try_enter(json!({"room": saturday})).await?;
    let nowhere = socket.try_enter(json!({"room": "never-was"})).await?;
    assert_eq!(no["code"], "not_allowed");
    assert_eq!(no["text"], nowhere["text"]);
    // One answer on the page, too, whatever the reason is.
    let page = family.http.get(&format!("/r/{saturday}")).await?;
    let nowhere = family.http.get("/r/never-was").await?;
    assert_eq!(page.status, nowhere.status);
    assert!(page.status >= 400);
    Ok(())
}

async fn an_evening_goes_its_whole_way_by_itself(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?.with(SHORT)?;
    let node = house.start().await?;
    let room = evening(&node).await?;
    let mut host = node
        .staff(node.login_for("moderator", "tojisha")?)
        .await?
        .enter_on_duty(&room)
        .await?;
    let mut writer = node.tojisha("かくひと").await?.connect().await?;
    assert_eq!(
        writer.try_enter(json!({"room": room})).await?["type"],
        "waiting"
    );
    writer.of_type("entered").await?;
    writer.say_kept(&room, "1", "こんばんは").await?;
    state(&mut writer, &room, "last_call").await?;
    let said = writer
        .wait("a line on the time", |frame| {
            frame["type"] == "said" && frame["form"] == "time"
        })
        .await?;
    assert!(said["from"].is_null(), "{said}");
    state(&mut writer, &room, "afterglow").await?;
    assert_eq!(
        writer.say_answered(&room, "2", "まだ").await?["code"],
        "room_closed"
    );
    assert_eq!(writer.of_type("left").await?["why"], "closed");
    assert_eq!(host.of_type("left").await?["why"], "closed");
    Ok(())
}
