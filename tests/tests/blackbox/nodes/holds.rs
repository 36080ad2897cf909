//! A line that waits on one node is read by those on duty on another.

use std::time::Duration;

use anyhow::Result;
use engawa_tests::{Nodes, Redis, nodes, tell};
use serde_json::json;
use tokio::time::Instant;

const CONTACT: &str = "よかったら 090-1234-5678 に電話ください";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_a_line_that_waits_on_one_node_is_let_pass_on_the_other_and_acked_before_it_is_said()
-> Result<()> {
    let redis = Redis::start().await?;
    let house = nodes::house().await?;
    let house = house.with("moderation.decide = 'rules'")?;
    let nodes = Nodes::new(house, 2, Some(&redis)).await?;
    let mut running = nodes.start_all().await?;
    let room = running[0].room().to_owned();
    let author = running[0].tojisha("かくひと").await?;
    let mut writer = author.enter(&room).await?;
    let supporter = running[0].supporter().await?;
    let mut on_duty = supporter.at(&running[1]).enter_on_duty(&room).await?;

    let began = Instant::now();
    let held = writer.say_answered(&room, "urgent", "今夜死ぬ").await?;
    assert_eq!(held["type"], "held");
    let hold = on_duty.of_type("hold").await?;
    let heard_after = began.elapsed();
    tell(&format!(
        "show: a line about danger was before those on duty on the other node after {} ms",
        heard_after.as_millis()
    ));
    assert!(heard_after < Duration::from_secs(1));
    let approve = json!({"type": "measure", "room": room, "key": "m1", "kind": "approve", "target": hold["hold"]});
    on_duty.send(&approve).await?;
    assert_eq!(on_duty.answer("m1").await?["type"], "done");
    let first = writer
        .wait("the end of the hold", |frame| {
            frame["type"] == "acked" || frame["type"] == "said"
        })
        .await?;
    assert_eq!(first["type"], "acked", "acked comes before said");
    writer.hears("今夜死ぬ").await?;

    // The node dies while a line waits; its author comes back by the other.
    let ask = writer.say_answered(&room, "c1", CONTACT).await?;
    assert_eq!(ask["type"], "ask");
    let held = writer.say_answered(&room, "c2", CONTACT).await?;
    assert_eq!(held["type"], "held");
    let hold = on_duty.of_type("hold").await?;
    running.remove(0).kill().await?;
    let mut writer = author.at(&running[0]).connect().await?;
    let entered = writer.enter(&room).await?;
    assert_eq!(entered["waiting_lines"][0]["body"], CONTACT);
    let again = writer.say_answered(&room, "c2", "ほかのことば").await?;
    assert_eq!(again["type"], "held");
    let reject = json!({"type": "measure", "room": room, "key": "m2", "kind": "reject", "target": hold["hold"]});
    on_duty.send(&reject).await?;
    assert_eq!(writer.answer("c2").await?["code"], "rejected");
    assert_eq!(on_duty.answer("m2").await?["type"], "done");

    // A wish to die that passes on one node is marked for those on duty on the other.
    running.insert(0, nodes.start(0).await?);
    let mut writer = author.at(&running[0]).enter(&room).await?;
    let seq = writer.say_kept(&room, "wish", "もう死にたい").await?;
    assert_eq!(on_duty.of_type("marked").await?["seq"], seq);
    Ok(())
}
