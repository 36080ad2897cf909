//! The bus over a real Redis, through a wire that a test can cut. Each test has a prefix of its own there.

use super::*;
use crate::platform::ids::{Secret, new_id};
use crate::platform::redis::testing::{Wire, redis_url};
use crate::platform::sealing::DataKey;

/// A centre of its own on the shared Redis.
struct Centre {
    prefix: String,
    key: DataKey,
}

impl Centre {
    fn new() -> Self {
        Self {
            prefix: new_id(&SystemChance),
            key: DataKey::new(&SystemChance),
        }
    }

    fn node(&self) -> RedisBus {
        self.node_at(&redis_url())
    }

    fn node_at(&self, url: &str) -> RedisBus {
        RedisBus::start(RedisBusParts {
            url: Secret::new(url.to_owned()),
            prefix: self.prefix.clone(),
            answer_within: Duration::from_millis(300),
            key: self.key.derive("test"),
            chance: Arc::new(SystemChance),
        })
        .expect("an address")
    }
}

async fn until_lost(by: &mut Hearing, room_name: &str) {
    while by.recv().await.expect("the bus lives") != hint(room_name, News::Lost) {}
}

#[tokio::test]
async fn the_bus_over_redis_keeps_the_contract() {
    let centre = Centre::new();
    contract(&centre.node(), &centre.node()).await;
}

#[tokio::test]
async fn hints_of_one_node_come_in_their_order_and_each_once() {
    let centre = Centre::new();
    let (one, other) = (centre.node(), centre.node());
    let mut heard = other.stream().expect("the stream can be taken");
    other.join(&room("a"));
    until_heard(&one, &mut heard, &hint("a", News::Head)).await;
    for n in 0..500 {
        one.publish(lines("a", n));
    }
    let mut n_next = 0;
    while n_next < 500 {
        let heard = heard.recv().await.expect("the bus lives");
        // The first hint was published until it was heard; it may come again.
        if heard != hint("a", News::Head) {
            assert_eq!(heard, lines("a", n_next));
            n_next += 1;
        }
    }
}

#[tokio::test]
async fn a_room_looks_once_its_subscription_has_begun() {
    let centre = Centre::new();
    let node = centre.node();
    let mut heard = node.stream().expect("the stream can be taken");
    node.join(&room("a"));
    assert_eq!(heard.recv().await, Some(hint("a", News::Lost)));
}

#[tokio::test]
async fn a_cut_wire_is_told_to_every_room_and_mended_by_itself() {
    let centre = Centre::new();
    let mut wire = Wire::new().await;
    let (near, far) = (centre.node(), centre.node_at(&wire.url()));
    let mut heard = far.stream().expect("the stream can be taken");
    let rooms = ["a", "b", "c"];
    for name in rooms {
        far.join(&room(name));
        until_heard(&near, &mut heard, &hint(name, News::Head)).await;
    }
    while heard.try_recv().is_some() {}

    wire.cut();
    for name in rooms {
        until_lost(&mut heard, name).await;
    }
    near.publish(lines("a", 1));
    wire.mend().await;
    for name in rooms {
        until_lost(&mut heard, name).await;
    }
    for name in rooms {
        until_heard(&near, &mut heard, &hint(name, News::Changed)).await;
    }
}

#[tokio::test]
async fn a_redis_that_says_nothing_any_more_counts_as_away() {
    let centre = Centre::new();
    let mut wire = Wire::new().await;
    let (near, far) = (centre.node(), centre.node_at(&wire.url()));
    let mut heard = far.stream().expect("the stream can be taken");
    far.join(&room("a"));
    until_heard(&near, &mut heard, &hint("a", News::Head)).await;
    while heard.try_recv().is_some() {}

    wire.stall(true);
    until_lost(&mut heard, "a").await;
    wire.stall(false);
    until_heard(&near, &mut heard, &hint("a", News::Changed)).await;
}

#[tokio::test]
async fn what_could_not_be_published_is_told_to_the_others_as_lost() {
    let centre = Centre::new();
    let mut wire = Wire::new().await;
    let (near, far) = (centre.node(), centre.node_at(&wire.url()));
    let mut heard_near = near.stream().expect("the stream can be taken");
    let mut heard_far = far.stream().expect("the stream can be taken");
    near.join(&room("a"));
    far.join(&room("a"));
    until_heard(&far, &mut heard_near, &hint("a", News::Head)).await;
    until_heard(&near, &mut heard_far, &hint("a", News::Head)).await;
    while heard_far.try_recv().is_some() {}

    wire.cut();
    until_lost(&mut heard_far, "a").await;
    far.publish(lines("a", 1));
    wire.mend().await;
    until_lost(&mut heard_near, "a").await;
}

#[tokio::test]
async fn redis_need_not_be_there_when_a_node_starts() {
    let centre = Centre::new();
    let mut wire = Wire::new().await;
    wire.cut();
    let (near, far) = (centre.node(), centre.node_at(&wire.url()));
    let mut heard = far.stream().expect("the stream can be taken");
    far.join(&room("a"));
    wire.mend().await;
    until_heard(&near, &mut heard, &hint("a", News::Head)).await;
}

#[tokio::test]
async fn a_node_with_another_key_file_is_not_heard() {
    let (centre, mut stranger) = (Centre::new(), Centre::new());
    stranger.prefix.clone_from(&centre.prefix);
    let (one, other, foreign) = (centre.node(), centre.node(), stranger.node());
    let mut heard = other.stream().expect("the stream can be taken");
    let mut heard_by_foreign = foreign.stream().expect("the stream can be taken");
    other.join(&room("a"));
    foreign.join(&room("b"));
    // Once it hears that its subscription has begun, it can publish, too.
    until_lost(&mut heard_by_foreign, "b").await;
    foreign.publish(lines("a", 666));
    let before = until_heard(&one, &mut heard, &hint("a", News::Head)).await;
    foreign.publish(lines("a", 667));
    let after = until_heard(&one, &mut heard, &hint("a", News::Changed)).await;
    for heard in before.iter().chain(&after) {
        assert!(!matches!(heard.news, News::Lines { .. }), "{heard:?}");
    }
}

#[tokio::test]
async fn p5_nothing_that_was_published_is_kept_by_redis() {
    let centre = Centre::new();
    let (one, other) = (centre.node(), centre.node());
    let mut heard = other.stream().expect("the stream can be taken");
    other.join(&room("a"));
    for n in 0..100 {
        one.publish(lines("a", n));
    }
    until_heard(&one, &mut heard, &hint("a", News::Head)).await;
    let mut connection = crate::platform::redis::testing::connection().await;
    let kept: Vec<String> = ::redis::cmd("KEYS")
        .arg(format!("{}*", centre.prefix))
        .query_async(&mut connection)
        .await
        .expect("Redis answers");
    assert!(kept.is_empty(), "{kept:?}");
}
