//! Nothing lost: clients that send, repeat a fifth of their sends, cut the line and come back, on a node that is killed
//! with SIGKILL at random instants. What they did and were told is held against the contract by `history`.
//!
//! `ENGAWA_SEED` repeats a run's choices (not the machine's timing), `ENGAWA_CYCLES` makes it longer.

use std::time::Duration;

use anyhow::Context;
use engawa_tests::talker::{Manner, Talkers, cycles, seed};
use engawa_tests::{Db, House, on_both, tell};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const CYCLES: usize = 60;
const CLIENTS: usize = 6;
const FURTHER_ROOMS: u32 = 2;

on_both!(p4_nothing_acknowledged_is_lost_when_a_node_is_killed_at_any_instant,);

async fn p4_nothing_acknowledged_is_lost_when_a_node_is_killed_at_any_instant(
    db: Db,
) -> anyhow::Result<()> {
    let seed = seed();
    let cycles = cycles(CYCLES);
    let mut chance = StdRng::seed_from_u64(seed);
    let house = House::new(db).await?.with_rooms(FURTHER_ROOMS);
    let mut node = house.start().await?;
    let manner = Manner {
        pace_ms: (2, 25),
        cuts: 0.01,
        rooms: node.tojisha_rooms(),
        doors: vec![node.address().to_owned()],
    };
    let mut people = Vec::new();
    for id in 0..CLIENTS {
        people.push(node.tojisha(&format!("ひと{id}")).await?);
    }
    let talkers = Talkers::start(people, &manner, &mut chance);
    for cycle in 0..cycles {
        // The span is part of the fault: the node dies at any instant of its life.
        tokio::time::sleep(Duration::from_millis(chance.random_range(150..900))).await;
        node.kill().await?;
        node = house
            .start()
            .await
            .with_context(|| format!("start after kill {cycle}, seed {seed}"))?;
        talkers
            .all_well()
            .with_context(|| format!("cycle {cycle}, seed {seed}"))?;
    }
    let judged = talkers
        .judge(&[&node], &manner.rooms)
        .await
        .with_context(|| format!("seed {seed}"))?;
    tell(&format!(
        "p4 {cycles} cycles {}: {} (seed {seed})",
        db.name(),
        judged.verdict.summary()
    ));
    judged.must_be_clean(db.name(), seed, cycles * 10)?;
    node.stop().await?;
    Ok(())
}
