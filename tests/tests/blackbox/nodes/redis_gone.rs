//! Redis stopped, paused, emptied and started anew: lines cross all the same.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use engawa_tests::talker::{Manner, Talkers, seed};
use engawa_tests::{DEADLINE, Node, Nodes, Redis, Socket, nodes, tell};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::time::Instant;

/// How long Redis is away.
const AWAY: Duration = Duration::from_secs(10);
/// A line that crosses so fast came by the bus: nodes compare with the store every 5 s.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Somebody on one node who says lines, and somebody on the other who hears them.
struct Crossing {
    room: String,
    /// The longest wait for an acknowledgement: nobody waits for Redis.
    slowest_ack: Duration,
    /// The longest wait for a handle.
    slowest_handle: Duration,
    says: Socket,
    hears: Socket,
    n_lines: usize,
}

impl Crossing {
    /// How long one line takes from its acknowledgement on one node to a reader on the other.
    async fn one(&mut self) -> Result<Duration> {
        self.n_lines += 1;
        let body = format!("わたる {}", self.n_lines);
        let key = format!("c{}", self.n_lines);
        let sent = Instant::now();
        self.says.say_kept(&self.room, &key, &body).await?;
        let began = Instant::now();
        self.slowest_ack = self.slowest_ack.max(began - sent);
        self.hears.hears(&body).await?;
        Ok(began.elapsed())
    }

    /// The slowest crossing while Redis is away. Those who arrive meanwhile are counted by the nodes' own limits.
    async fn slowest(&mut self, node: &Node, span: Duration) -> Result<Duration> {
        let began = Instant::now();
        let mut slowest = Duration::ZERO;
        while began.elapsed() < span {
            let arrives = Instant::now();
            node.tojisha("あたらしいひと").await?;
            self.slowest_handle = self.slowest_handle.max(arrives.elapsed());
            slowest = slowest.max(self.one().await?);
        }
        Ok(slowest)
    }

    /// How long it takes until lines cross at once again, and how fast they do then.
    async fn at_once(&mut self) -> Result<(Duration, Duration)> {
        let began = Instant::now();
        loop {
            let took = self.one().await?;
            if took < AT_ONCE {
                let back = began.elapsed();
                let mut all = Vec::new();
                for _ in 0..10 {
                    all.push(self.one().await?);
                }
                all.sort();
                return Ok((back, all[all.len() / 2]));
            }
            ensure!(
                began.elapsed() < 2 * DEADLINE,
                "lines do not cross at once again"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_redis_stopped_paused_emptied_or_started_anew_costs_time_and_no_line() -> Result<()> {
    let seed = seed();
    let mut chance = StdRng::seed_from_u64(seed);
    let redis = Redis::start().await?;
    // A room for those who talk all the time, and one for those who measure.
    let house = nodes::house().await?.with_rooms(1);
    let nodes = Nodes::new(house, 2, Some(&redis)).await?;
    let running = nodes.start_all().await?;
    let rooms = running[0].tojisha_rooms();
    let manner = Manner {
        pace_ms: (20, 100),
        cuts: 0.01,
        rooms: vec![rooms[0].clone()],
        doors: nodes.doors(),
    };
    let people = nodes.people(&running, 4).await?;
    let talkers = Talkers::start(people, &manner, &mut chance);
    let mut crossing = Crossing {
        room: rooms[1].clone(),
        slowest_ack: Duration::ZERO,
        slowest_handle: Duration::ZERO,
        says: running[0]
            .tojisha("いうひと")
            .await?
            .enter(&rooms[1])
            .await?,
        hears: running[1]
            .tojisha("きくひと")
            .await?
            .enter(&rooms[1])
            .await?,
        n_lines: 0,
    };
    let (joined, usual) = crossing.at_once().await?;
    let seconds = |span: Duration| format!("{:.3} s", span.as_secs_f64());
    tell(&format!(
        "show: Redis there: a line crosses in {} (at once after {})",
        seconds(usual),
        seconds(joined)
    ));
    for fault in [
        "stopped for 10 s",
        "paused for 10 s",
        "emptied",
        "started anew",
        "cutting every connection",
    ] {
        let context = || format!("Redis {fault}, seed {seed}");
        let meanwhile = match fault {
            "stopped for 10 s" => {
                redis.kill();
                let slowest = crossing
                    .slowest(&running[1], AWAY)
                    .await
                    .with_context(context)?;
                redis.start_again().await?;
                Some(slowest)
            }
            "paused for 10 s" => {
                redis.pause()?;
                let slowest = crossing
                    .slowest(&running[1], AWAY)
                    .await
                    .with_context(context)?;
                redis.go_on()?;
                Some(slowest)
            }
            "emptied" => {
                redis.flush().await?;
                None
            }
            "cutting every connection" => {
                redis.cut_clients().await?;
                None
            }
            _ => {
                redis.kill();
                redis.start_again().await?;
                None
            }
        };
        let (back, usual) = crossing.at_once().await.with_context(context)?;
        talkers.all_well().with_context(context)?;
        let meanwhile = meanwhile.map_or_else(String::new, |slowest| {
            format!("meanwhile lines crossed in at most {}, ", seconds(slowest))
        });
        tell(&format!(
            "show: Redis {fault}: {meanwhile}at once again after {}, then in {}",
            seconds(back),
            seconds(usual)
        ));
    }
    let keys = redis.keys().await?;
    ensure!(
        !keys.contains("わたる") && !keys.contains("ひと"),
        "Redis keeps what people say: {keys}"
    );
    let refs: Vec<_> = running.iter().collect();
    let judged = talkers
        .judge(&refs, &manner.rooms)
        .await
        .with_context(|| format!("seed {seed}"))?;
    tell(&format!(
        "show: Redis away five times: {}; nobody waited longer than {} for an ack, {} for a handle (seed {seed})",
        judged.verdict.summary(),
        seconds(crossing.slowest_ack),
        seconds(crossing.slowest_handle)
    ));
    judged.must_be_clean("redis", seed, 200)
}
