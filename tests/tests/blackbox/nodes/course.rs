//! A gathering's course on two nodes: each transition once, and the same end when a node dies at each of them.

use std::time::Duration;

use anyhow::{Context, Result};
use engawa_tests::{Nodes, Person, Redis, nodes, tell, within};
use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, query_as};

/// The way of an evening that is kept.
const WAY: [&str; 5] = ["doors_open", "open", "last_call", "afterglow", "closed"];

const EVENING: &str = "demo.evening_in_ms = 16000\ndemo.planned_ms = 6000\nrooms.doors_ms = 5000\nrooms.last_call_ms = 3000\n\
    rooms.afterglow_ms = 3000\nrooms.life_every_ms = 100\nrooms.watch_every_ms = 300\nrooms.pause_after_ms = 86000000\n\
    rooms.slow_after_ms = 80000000";

/// The evening and its state, as that person's node tells them.
async fn evening(person: &Person) -> Result<(String, String)> {
    let path = "/api/v1/gatherings?from=2020-01-01T00:00:00Z&to=2099-01-01T00:00:00Z";
    let list = person.http.get(path).await?.is(200)?.json()?;
    let evening = list
        .as_array()
        .into_iter()
        .flatten()
        .find(|gathering| gathering["kind"] == "tojisha_kai")
        .with_context(|| format!("an evening in {list}"))?;
    let text = |name: &str| evening[name].as_str().unwrap_or_default().to_owned();
    Ok((text("id"), text("state")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_each_transition_happens_once_on_two_nodes_though_one_dies_at_each() -> Result<()> {
    let redis = Redis::start().await?;
    let house = nodes::house().await?.with(EVENING)?;
    let address = house.database_url().context("PostgreSQL")?.to_owned();
    let nodes = Nodes::new(house, 2, Some(&redis)).await?;
    let mut mortal = Some(nodes.start(0).await?);
    let stays = nodes.start(1).await?;
    let watcher = stays.tojisha("みているひと").await?;
    let (room, state) = evening(&watcher).await?;
    assert_eq!(state, "planned");
    let mut waits = stays.tojisha("まつひと").await?.connect().await?;
    let host = stays
        .staff(stays.login_for("moderator", "tojisha")?)
        .await?;
    let mut on_duty = None;
    for expected in WAY {
        within(&format!("the evening is {expected}"), async {
            loop {
                if evening(&watcher).await?.1 == expected {
                    return Ok::<(), anyhow::Error>(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await??;
        // Whichever node made it: this one is gone a moment later, and back for the next.
        if let Some(node) = mortal.take() {
            node.kill().await?;
        }
        mortal = Some(nodes.start(0).await?);
        match expected {
            "doors_open" => {
                let waiting = waits.try_enter(json!({"room": room})).await?;
                assert_eq!(waiting["type"], "waiting");
                on_duty = Some(host.enter_on_duty(&room).await?);
            }
            "open" => {
                waits.of_type("admitted").await?;
                waits.of_type("entered").await?;
                waits.say_kept(&room, "1", "こんばんは").await?;
            }
            "last_call" | "afterglow" => {
                // Said by the room, by whichever node; a line that died with its node is not said twice later.
                waits
                    .wait(expected, |frame| {
                        frame["type"] == "room" && frame["state"] == expected
                    })
                    .await?;
            }
            _ => {
                assert_eq!(waits.of_type("left").await?["why"], "closed");
            }
        }
    }
    drop(on_duty);
    let mut store = PgConnection::connect(&address).await?;
    let turns: Vec<(String, String)> = query_as(
        "SELECT object, reason FROM audit WHERE act = 'rooms.turn' AND object LIKE 'demo-evening%' ORDER BY n",
    )
    .fetch_all(&mut store)
    .await?;
    let states: Vec<&str> = turns
        .iter()
        .filter_map(|(object, _)| object.rsplit('/').next())
        .collect();
    assert_eq!(states, WAY, "each once, in this order: {turns:?}");
    tell(&format!(
        "show: {} transitions on two nodes, each once, a node killed at each",
        states.len()
    ));
    Ok(())
}
