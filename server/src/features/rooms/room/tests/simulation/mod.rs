//! Rooms on several nodes under random schedules: a model of the store, the faulty bus, nodes that die, people who come,
//! go, repeat and come back; and a judge who knows only the wire and the promises.
//!
//! A seed is a whole schedule. `ENGAWA_TEST_SEEDS=20000` runs so many instead of 500, `ENGAWA_TEST_FIRST_SEED` from there
//! on; `ENGAWA_TEST_SEED=7` runs that one and prints all that happens in it:
//!
//! ```text
//! ENGAWA_TEST_SEED=7 cargo test -p engawa --lib simulation::seeds
//! ```
//!
//! A seed that found something is kept in `cases.rs`. `adapter.rs` alone knows a room's inputs and effects; `checker.rs`
//! judges; `plants.rs` lists the faults that are planted to see that the judge finds them.

mod adapter;
mod cases;
mod checker;
mod jobs;
mod lines;
mod nodes;
mod people;
mod plants;
mod setup;
mod store;
mod verdict;
mod words;
mod world;

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use checker::{Broken, Violation};
use plants::Plant;
use world::{Ran, World};

/// Seeds of one run of the tests.
const SEEDS: u64 = 500;
/// Seeds within which each planted fault must be found.
const PLANT_SEEDS: u64 = 60;
/// Last events that a failure shows.
const LAST_EVENTS: usize = 120;

/// Runs a seed; a panic is a violation as well.
fn run(seed: u64, plant: Option<Plant>, schedule_max: usize) -> Ran {
    let ran = catch_unwind(AssertUnwindSafe(|| {
        World::new(seed, plant, schedule_max).run()
    }));
    ran.unwrap_or_else(|panicked| Ran {
        violation: Some(Violation {
            broken: Broken::Wild,
            what: format!(
                "a panic: {}",
                panicked
                    .downcast_ref::<String>()
                    .map_or("(no words)", String::as_str)
            ),
        }),
        n_steps: 0,
        n_lines: 0,
        mark: 0,
        schedule: Default::default(),
    })
}

fn number_from(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

/// Past the test runner, which shows nothing of a test that passed.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    // On a line of its own, also where tests run one by one. Nobody has to read it.
    let _ = writeln!(out, "\n{text}");
}

/// What a seed did wrong, with its last events.
fn report(seed: u64) -> Option<String> {
    let ran = run(seed, None, LAST_EVENTS);
    let violation = ran.violation?;
    let events: Vec<String> = ran.schedule.into_iter().collect();
    Some(format!(
        "seed {seed}: {:?}: {}\n{}\n(ENGAWA_TEST_SEED={seed} prints all of it)",
        violation.broken,
        violation.what,
        events.join("\n")
    ))
}

#[derive(Default)]
struct Totals {
    n_seeds: AtomicU64,
    n_steps: AtomicU64,
    n_lines: AtomicU64,
    violations: Mutex<Vec<(u64, Violation)>>,
}

/// Runs seeds on all cores; which core has which seed makes no difference.
fn run_all(first: u64, n_seeds: u64) -> Totals {
    let totals = Totals::default();
    let next = AtomicU64::new(0);
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| {
                loop {
                    let idx = next.fetch_add(1, Ordering::Relaxed);
                    if idx >= n_seeds {
                        return;
                    }
                    let ran = run(first + idx, None, 0);
                    totals.n_seeds.fetch_add(1, Ordering::Relaxed);
                    totals.n_steps.fetch_add(ran.n_steps, Ordering::Relaxed);
                    totals
                        .n_lines
                        .fetch_add(ran.n_lines as u64, Ordering::Relaxed);
                    if let Some(violation) = ran.violation {
                        totals
                            .violations
                            .lock()
                            .expect("no thread panics here")
                            .push((first + idx, violation));
                    }
                }
            });
        }
    });
    totals
}

#[test]
fn p4_no_promise_is_broken_on_several_nodes_under_any_schedule_seeds() {
    if let Some(seed) = number_from("ENGAWA_TEST_SEED") {
        let ran = run(seed, None, usize::MAX);
        for event in &ran.schedule {
            print(event);
        }
        assert!(ran.violation.is_none(), "seed {seed}: {:?}", ran.violation);
        return;
    }
    let n_seeds = number_from("ENGAWA_TEST_SEEDS").unwrap_or(SEEDS);
    let first = number_from("ENGAWA_TEST_FIRST_SEED").unwrap_or(0);
    let totals = run_all(first, n_seeds);
    let mut violations = totals
        .violations
        .into_inner()
        .expect("no thread panics here");
    violations.sort_by_key(|(seed, _)| *seed);
    print(&format!(
        "show: simulation: {} seeds, {} steps, {} lines, {} violations",
        totals.n_seeds.into_inner(),
        totals.n_steps.into_inner(),
        totals.n_lines.into_inner(),
        violations.len()
    ));
    for (seed, violation) in &violations {
        print(&format!(
            "seed {seed}: {:?}: {}",
            violation.broken, violation.what
        ));
    }
    if let Some((seed, _)) = violations.first() {
        panic!("{}", report(*seed).unwrap_or_default());
    }
}

#[test]
fn a_seed_gives_the_same_schedule_again() {
    for seed in 0..20 {
        let (one, other) = (run(seed, None, 0), run(seed, None, 5));
        assert_eq!(
            (one.n_steps, one.n_lines, one.mark),
            (other.n_steps, other.n_lines, other.mark),
            "seed {seed}"
        );
    }
}

#[test]
fn every_planted_fault_is_found() {
    let mut missed = Vec::new();
    for plant in Plant::ALL {
        let found = (0..PLANT_SEEDS).find_map(|seed| {
            let violation = run(seed, Some(plant), 0).violation?;
            plant
                .seen_as()
                .contains(&violation.broken)
                .then_some((seed, violation))
        });
        match found {
            Some((seed, violation)) => print(&format!(
                "planted {plant:?}: found by seed {seed} as {:?}",
                violation.broken
            )),
            None => missed.push(plant),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
    print(&format!(
        "show: simulation: {} planted faults, each found within {PLANT_SEEDS} seeds",
        Plant::ALL.len()
    ));
}

#[test]
fn seeds_that_found_something_find_nothing_now() {
    for (seed, found) in cases::FOUND {
        if let Some(report) = report(*seed) {
            panic!("found before: {found}\n{report}");
        }
    }
}
