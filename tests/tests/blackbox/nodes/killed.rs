//! A node of two or three is killed again and again, also between an acknowledgement and its way to the other nodes.

use std::time::Duration;

use anyhow::{Context, Result};
use engawa_tests::talker::{Manner, Talkers, cycles, seed};
use engawa_tests::{Nodes, Redis, nodes, tell, within};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

/// Kills, and a pause after each four of them.
const CYCLES: usize = 75;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_two_nodes_keep_one_order_when_either_is_killed_at_any_instant() -> Result<()> {
    killed(2, CYCLES).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_three_nodes_keep_one_order_when_any_is_killed_at_any_instant() -> Result<()> {
    killed(3, CYCLES).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_three_nodes_restarted_in_turn_as_a_deploy_does_lose_nothing() -> Result<()> {
    let seed = seed();
    let mut chance = StdRng::seed_from_u64(seed);
    let redis = Redis::start().await?;
    let house = nodes::house().await?.with_rooms(2);
    let nodes = Nodes::new(house, 3, Some(&redis)).await?;
    let mut running = nodes.start_all().await?;
    let manner = Manner {
        pace_ms: (2, 25),
        cuts: 0.0,
        rooms: running[0].tojisha_rooms(),
        doors: nodes.doors(),
    };
    let people = nodes.people(&running, 9).await?;
    let talkers = Talkers::start(people, &manner, &mut chance);
    let mut slowest = Duration::ZERO;
    for turn in 0..6 {
        let context = || format!("turn {turn}, seed {seed}");
        let idx = turn % 3;
        let began = Instant::now();
        running.remove(idx).stop().await.with_context(context)?;
        slowest = slowest.max(began.elapsed());
        running.insert(idx, nodes.start(idx).await.with_context(context)?);
        talkers.all_well().with_context(context)?;
        let mut acks = talkers.record.acks();
        for _ in 0..60 {
            within("an acknowledgement", acks.recv()).await??;
        }
    }
    let refs: Vec<_> = running.iter().collect();
    let judged = talkers.judge(&refs, &manner.rooms).await?;
    // What is under way when a node closes its stores is logged as an error: it was answered nowhere and is said again.
    let (panics, errors): (Vec<_>, Vec<_>) = nodes
        .failures()?
        .into_iter()
        .partition(|line| line.contains("panicked"));
    tell(&format!(
        "show: 3 nodes restarted in turn, twice, under load: {}; {} lines answered busy, {} errors logged as the stores closed; the slowest drain {:.2} s (seed {seed})",
        judged.verdict.summary(),
        judged.refused.values().sum::<usize>(),
        errors.len(),
        slowest.as_secs_f64()
    ));
    anyhow::ensure!(panics.is_empty(), "{panics:#?}");
    judged.must_be_clean("deploy", seed, 100)
}

async fn killed(n_nodes: usize, usual_cycles: usize) -> Result<()> {
    let seed = seed();
    let cycles = cycles(usual_cycles);
    let mut chance = StdRng::seed_from_u64(seed);
    let redis = Redis::start().await?;
    let house = nodes::house().await?.with_rooms(2);
    let nodes = Nodes::new(house, n_nodes, Some(&redis)).await?;
    let mut running = nodes.start_all().await?;
    let doors = nodes.doors();
    let manner = Manner {
        pace_ms: (2, 25),
        cuts: 0.005,
        rooms: running[0].tojisha_rooms(),
        doors: doors.clone(),
    };
    let people = nodes.people(&running, 2 * n_nodes).await?;
    let talkers = Talkers::start(people, &manner, &mut chance);
    let began = Instant::now();
    let (mut n_between, mut n_paused) = (0, 0);
    for cycle in 0..cycles {
        let context = || format!("cycle {cycle}, seed {seed}");
        // The span is part of the fault: the node dies at any instant of its life.
        tokio::time::sleep(Duration::from_millis(chance.random_range(150..700))).await;
        let victim = chance.random_range(0..running.len());
        if cycle % 5 == 4 {
            // It wakes in the middle of what it was doing, while the others went on.
            running[victim].pause().await.with_context(context)?;
            tokio::time::sleep(Duration::from_millis(chance.random_range(300..900))).await;
            running[victim].go_on().await.with_context(context)?;
            n_paused += 1;
            continue;
        }
        let mut acks = talkers.record.acks();
        if cycle % 2 == 1 {
            // From here on what it tells the other nodes waits before Redis. The first acknowledgement that somebody
            // then has from it is its last: that line was kept and told to nobody elsewhere.
            nodes.gate(victim)?.shut();
            let by_victim = async {
                loop {
                    if acks.recv().await.is_ok_and(|door| door == doors[victim]) {
                        return;
                    }
                }
            };
            // Everybody may be at the other doors just now; then it dies with nothing said.
            let had = tokio::time::timeout(Duration::from_secs(2), by_victim).await;
            n_between += usize::from(had.is_ok());
        }
        running.remove(victim).kill().await.with_context(context)?;
        nodes.gate(victim)?.open();
        // Those who were there go on elsewhere before it is back.
        within("an acknowledgement by a node that is left", async {
            while acks.recv().await.is_ok_and(|door| door == doors[victim]) {}
        })
        .await
        .with_context(context)?;
        let again = nodes.start(victim).await.with_context(context)?;
        running.insert(victim, again);
        talkers.all_well().with_context(context)?;
    }
    let span = began.elapsed();
    let refs: Vec<_> = running.iter().collect();
    let judged = talkers
        .judge(&refs, &manner.rooms)
        .await
        .with_context(|| format!("seed {seed}"))?;
    tell(&format!(
        "show: {n_nodes} nodes, {cycles} cycles in {:.0} s ({} kills, {n_between} of them between an ack and the other nodes; {n_paused} pauses): {} (seed {seed})",
        span.as_secs_f64(),
        cycles - n_paused,
        judged.verdict.summary()
    ));
    anyhow::ensure!(
        n_between * 4 >= cycles,
        "only {n_between} kills after an ack: too few to show anything"
    );
    judged.must_be_clean(&format!("{n_nodes}-nodes"), seed, cycles * 10)
}
