//! A small load against the real binary and against the bare broadcaster: counts and order are judged, never times.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use engawa_tests::load::generator::{Generator, State};
use engawa_tests::load::machine::Cores;
use engawa_tests::load::peers::{Measured, Other, Peer};

const ROOMS: usize = 3;
const MEMBERS: usize = 5;
const LONGEST: Duration = Duration::from_secs(30);

fn bare() -> Result<Other> {
    let program = Path::new(env!("CARGO_BIN_EXE_engawa-load"));
    Other::bare(Cores::of_this_machine()?, program, ROOMS)
}

/// Works until so many lines were said, at most [`LONGEST`].
fn until_said(generator: &mut Generator, lines: u64) -> Result<()> {
    let end_us = generator.now_us() + LONGEST.as_micros() as u64;
    while generator.tally.said < lines {
        ensure!(
            generator.now_us() < end_us,
            "in vain: {:?}",
            generator.tally
        );
        generator.turn(Duration::from_millis(10))?;
    }
    ensure!(
        generator.settle(LONGEST)?,
        "not all arrived: {:?}",
        generator.tally.remarks
    );
    Ok(())
}

fn every_line_reaches_every_member_once_in_order(peer: &dyn Peer) -> Result<()> {
    let mut generator = Generator::new(peer.target(), ROOMS, MEMBERS)?;
    generator.join_all(8)?;
    generator.open_window(4);
    until_said(&mut generator, 300)?;
    let at_once = generator.tally.said;
    generator.record();
    generator.open_schedule(2000);
    until_said(&mut generator, at_once + 300)?;
    let tally = &generator.tally;
    assert_eq!(tally.acked, tally.said);
    assert_eq!(tally.deliveries, tally.said * MEMBERS as u64);
    assert_eq!((tally.n_faults, tally.refused, tally.ended), (0, 0, 0));
    assert_eq!(tally.latency.len(), (tally.said - at_once) * MEMBERS as u64);
    Ok(())
}

#[test]
fn lines_at_the_house_arrive_once_in_order() -> Result<()> {
    let house = Measured::start(Cores::of_this_machine()?, ROOMS, ROOMS * MEMBERS)?;
    every_line_reaches_every_member_once_in_order(&house)
}

#[test]
fn lines_at_the_bare_broadcaster_arrive_once_in_order() -> Result<()> {
    every_line_reaches_every_member_once_in_order(&bare()?)
}

#[test]
fn sockets_that_are_cut_come_back_and_miss_nothing() -> Result<()> {
    let house = Measured::start(Cores::of_this_machine()?, ROOMS, ROOMS * MEMBERS)?;
    let mut generator = Generator::new(&house.target, ROOMS, MEMBERS)?;
    generator.join_all(8)?;
    generator.open_window(2);
    until_said(&mut generator, 60)?;
    let n_cut = ROOMS * (MEMBERS - 1);
    generator.cut(0..n_cut);
    generator.open_window(2);
    until_said(&mut generator, 160)?;
    generator.open_window(2);
    generator.begin_joining(0..n_cut, 4);
    while generator.is_joining() {
        generator.turn(Duration::from_millis(10))?;
    }
    until_said(&mut generator, 260)?;
    assert_eq!(generator.n_in(State::In), ROOMS * MEMBERS);
    let tally = &generator.tally;
    assert_eq!((tally.n_faults, tally.gaps, tally.refused), (0, 0, 0));
    Ok(())
}
