//! Quotas of several nodes in a real Redis. Each test has a prefix of its own there.

use std::net::IpAddr;

use super::*;
use crate::platform::clock::{SystemClock, TestClock};
use crate::platform::ids::{SystemChance, new_id};
use crate::platform::redis::testing::{Wire, connection, redis_url};

struct Centre {
    prefix: String,
    key: DataKey,
    limits: settings::Limits,
    clock: Arc<dyn Clock>,
    check_within: Duration,
}

struct Node {
    cluster: Cluster,
    addresses: Arc<AddressKeys>,
}

impl Centre {
    fn new() -> Self {
        Self {
            prefix: new_id(&SystemChance),
            key: DataKey::new(&SystemChance),
            limits: settings::Limits::default(),
            clock: Arc::new(SystemClock),
            check_within: Duration::from_secs(5),
        }
    }

    async fn node(&self) -> Node {
        self.node_at(&redis_url()).await
    }

    /// A node that has reached Redis.
    async fn node_at(&self, url: &str) -> Node {
        let addresses = Arc::new(AddressKeys::new(
            Arc::clone(&self.clock),
            Arc::new(SystemChance),
        ));
        let cluster = Cluster::start(ClusterParts {
            url: Secret::new(url.to_owned()),
            prefix: self.prefix.clone(),
            answer_within: Duration::from_secs(5),
            check_within: self.check_within,
            key: self.key.derive("test"),
            limits: self.limits.clone(),
            addresses: Arc::clone(&addresses),
            clock: Arc::clone(&self.clock),
            chance: Arc::new(SystemChance),
        })
        .expect("an address");
        let node = Node { cluster, addresses };
        node.until_there().await;
        node
    }
}

impl Node {
    async fn until_there(&self) {
        while lock(&self.cluster.shared.connection).is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn key(&self, address: &str) -> RateKey {
        self.addresses
            .key(address.parse::<IpAddr>().expect("an address"))
    }

    async fn check(&self, bucket: Bucket, address: &str) -> Option<Result<(), RetryAfter>> {
        self.cluster.check(bucket, self.key(address)).await
    }
}

#[tokio::test]
async fn nodes_share_one_burst_and_what_is_refused_is_not_counted() {
    let centre = Centre::new();
    let (one, other) = (centre.node().await, centre.node().await);
    for n in 0..centre.limits.logins_burst {
        let node = if n % 2 == 0 { &one } else { &other };
        assert_eq!(node.check(Bucket::Logins, "192.0.2.1").await, Some(Ok(())));
    }
    let mut last = Duration::MAX;
    for node in [&one, &other, &one, &other] {
        let Some(Err(RetryAfter(wait))) = node.check(Bucket::Logins, "192.0.2.1").await else {
            panic!("the burst is used up");
        };
        let interval = Duration::from_millis(centre.limits.logins_interval_ms.unsigned_abs());
        assert!(wait <= interval && wait <= last, "{wait:?}");
        last = wait;
    }
    assert_eq!(one.check(Bucket::Logins, "192.0.2.2").await, Some(Ok(())));
    assert_eq!(one.check(Bucket::Recover, "192.0.2.1").await, Some(Ok(())));
    let elsewhere = Centre::new().node().await;
    assert_eq!(
        elsewhere.check(Bucket::Logins, "192.0.2.1").await,
        Some(Ok(()))
    );
}

#[tokio::test]
async fn after_the_wait_that_was_told_one_more_is_free() {
    let mut centre = Centre::new();
    centre.limits.logins_burst = 2;
    centre.limits.logins_interval_ms = 200;
    let node = centre.node().await;
    for _ in 0..3 {
        while node.check(Bucket::Logins, "192.0.2.1").await == Some(Ok(())) {}
        let Some(Err(RetryAfter(wait))) = node.check(Bucket::Logins, "192.0.2.1").await else {
            // The interval went by between the two.
            continue;
        };
        tokio::time::sleep(wait).await;
        assert_eq!(node.check(Bucket::Logins, "192.0.2.1").await, Some(Ok(())));
    }
}

#[tokio::test]
async fn a_burst_and_an_interval_of_any_size_are_counted() {
    for (burst, interval_ms) in [(1, 1), (1, 86_400_000), (1_000_000_000, 86_400_000)] {
        let mut centre = Centre::new();
        centre.limits.recover_burst = burst;
        centre.limits.recover_interval_ms = interval_ms;
        let node = centre.node().await;
        assert_eq!(node.check(Bucket::Recover, "::1").await, Some(Ok(())));
        assert!(node.check(Bucket::Recover, "::1").await.is_some());
    }
}

#[tokio::test]
async fn p5_redis_holds_hashes_alone_and_all_of_it_ends_within_a_day_or_so() {
    let centre = Centre::new();
    let node = centre.node().await;
    let _ = node.check(Bucket::Logins, "192.0.2.1").await;
    let account = node
        .addresses
        .key_of(Some(node.key("192.0.2.1")), "manager");
    let _ = node.cluster.check(Bucket::Logins, account).await;
    let mut redis = connection().await;
    let names: Vec<String> = redis::cmd("KEYS")
        .arg(format!("{}:*", centre.prefix))
        .query_async(&mut redis)
        .await
        .expect("Redis answers");
    assert_eq!(names.len(), 3, "{names:?}");
    for name in &names {
        assert!(
            !name.contains("192.0.2.1") && !name.contains("manager"),
            "{name}"
        );
        let ttl_s: i64 = redis::cmd("TTL")
            .arg(name)
            .query_async(&mut redis)
            .await
            .expect("Redis answers");
        assert!((0..=i64::from(SALT_LIVES_S)).contains(&ttl_s), "{name}");
    }
}

#[tokio::test]
async fn p5_the_salt_in_redis_is_not_enough_to_know_an_address() {
    let centre = Centre::new();
    let mut stranger = Centre::new();
    stranger.prefix.clone_from(&centre.prefix);
    let (one, other) = (centre.node().await, centre.node().await);
    let foreign = stranger.node().await;
    assert!(one.key("192.0.2.1") == other.key("192.0.2.1"));
    assert!(one.key("192.0.2.1") != foreign.key("192.0.2.1"));
}

#[tokio::test]
async fn p5_the_next_day_has_another_key_and_all_nodes_the_same() {
    let mut centre = Centre::new();
    let clock = TestClock::default();
    centre.clock = Arc::new(clock.clone());
    let (one, other) = (centre.node().await, centre.node().await);
    let today = one.key("192.0.2.1");
    clock.advance(Duration::from_secs(86_400));
    while one.key("192.0.2.1") != other.key("192.0.2.1") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(one.key("192.0.2.1") != today);
}

#[tokio::test]
async fn a_redis_that_came_back_empty_gets_its_salt_back() {
    let centre = Centre::new();
    let node = centre.node().await;
    let before = node.key("192.0.2.1");
    let name = format!("{}:salt:{}", centre.prefix, centre.clock.today().as_str());
    let mut redis = connection().await;
    let n_gone: u32 = redis::cmd("DEL")
        .arg(&name)
        .query_async(&mut redis)
        .await
        .expect("Redis answers");
    assert_eq!(n_gone, 1);
    loop {
        let n_there: u32 = redis::cmd("EXISTS")
            .arg(&name)
            .query_async(&mut redis)
            .await
            .expect("Redis answers");
        if n_there == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(centre.node().await.key("192.0.2.1") == before);
}

#[tokio::test]
async fn without_redis_the_nodes_own_quota_decides_and_goes_on_where_it_was() {
    let mut centre = Centre::new();
    centre.limits.logins_interval_ms = 86_400_000;
    let mut wire = Wire::new().await;
    let node = centre.node_at(&wire.url()).await;
    let key = node.key("192.0.2.1");
    let shared = Arc::clone(&node.cluster.shared);
    let quotas = Quotas::new(Arc::new(Rates::new(&centre.limits)), Some(node.cluster));
    for _ in 0..3 {
        assert_eq!(quotas.check(Bucket::Logins, key).await, Ok(()));
    }
    wire.cut();
    for _ in 3..centre.limits.logins_burst {
        assert_eq!(quotas.check(Bucket::Logins, key).await, Ok(()));
    }
    assert!(quotas.check(Bucket::Logins, key).await.is_err());

    while lock(&shared.connection).is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    wire.mend().await;
    while lock(&shared.connection).is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Redis knows of three alone.
    assert_eq!(quotas.check(Bucket::Logins, key).await, Ok(()));
}

#[tokio::test]
async fn a_redis_that_is_too_slow_refuses_nobody_and_is_soon_not_asked_any_more() {
    let mut centre = Centre::new();
    centre.check_within = Duration::from_millis(50);
    let mut wire = Wire::new().await;
    let node = centre.node_at(&wire.url()).await;
    wire.stall(true);
    let key = node.key("192.0.2.1");
    let mut n_asked = 0;
    while matches!(*lock(&node.cluster.shared.breaker), Breaker::Closed { .. }) {
        assert_eq!(node.cluster.check(Bucket::Logins, key).await, None);
        n_asked += 1;
        assert!(n_asked <= 3);
    }
    wire.stall(false);
    while node.cluster.check(Bucket::Recover, key).await.is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
