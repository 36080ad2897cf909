//! The scenarios of bad days: ten thousand who come and sit, five thousand who are cut at once, readers who stop reading,
//! sockets that never finish a sentence.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::generator::{Generator, State};
use super::machine::{self, Stopwatch, Used};
use super::peers::{Measured, Peer};
use super::runs::{self, judge};
use super::scenarios::{Session, shape, verdict};
use super::slow::SlowSockets;
use super::table::{self, progress};

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * 1024.0;
const SETTLE: Duration = Duration::from_secs(20);
/// Lines a second over all rooms where others go on talking: 50,000 deliveries in 40 rooms of 50.
const LINES_PER_S: u64 = 1000;

/// What may wait for a reader, as a house has it that nobody measures: it is what bounds the memory.
const OUTBOX: &str = "limits.outbox_frames_max = 512\nlimits.outbox_bytes_max = 262144";

/// Ten thousand sockets that come in and sit: memory of each, and how fast they come.
pub fn idle(session: &Session) -> Result<()> {
    let (rooms, members) = (200, 50);
    let n = rooms * members;
    let mut house = Measured::start(session.cores, rooms, n)?;
    let mut rows = Vec::new();
    for round in 0..session.rounds.min(3) {
        // A process that made ten thousand handles has memory to spare, which would hide what sockets take.
        house.restart()?;
        let mut generator = Generator::new(&house.target, rooms, members)?;
        let before = house.used()?;
        let seconds = generator.join_all(256)?;
        let joined = house.used()?;
        generator.run(Duration::from_secs(3))?;
        judge(&house, &generator, true)?;
        let after = house.used()?;
        let bytes_each = after.rss_bytes.saturating_sub(before.rss_bytes) as f64 / n as f64;
        let joins_per_s = n as f64 / seconds;
        let cpu_us = (joined.cpu_us - before.cpu_us) as f64 / n as f64;
        progress(&format!(
            "idle, round {}: {:.1} KiB each, {joins_per_s:.0} joins/s, {cpu_us:.0} us each",
            round + 1,
            bytes_each / KIB
        ));
        rows.push(vec![
            (round + 1).to_string(),
            format!("{:.1}", bytes_each / KIB),
            "8".to_owned(),
            verdict(bytes_each / KIB <= 8.0, bytes_each / KIB <= 4.0).to_owned(),
            format!("{joins_per_s:.0}"),
            "10000".to_owned(),
            verdict(joins_per_s >= 10_000.0, false).to_owned(),
            format!("{cpu_us:.0}"),
            format!("{:.0}", before.rss_bytes as f64 / MIB),
            format!("{:.0}", after.rss_bytes as f64 / MIB),
        ]);
    }
    table::print(
        &format!(
            "{n} sockets come in ({rooms} x {members}) and sit, each a person of its own; a fresh process each round"
        ),
        &[
            "round",
            "KiB each",
            "aim",
            "",
            "joins/s",
            "aim",
            "",
            "us CPU each",
            "MiB before",
            "MiB after",
        ],
        &rows,
    )
}

/// Five thousand sockets are cut at once while others talk, and all come back.
pub fn cut(session: &Session) -> Result<()> {
    let (rooms, members, cut_each) = (100, 52, 50);
    let n_cut = rooms * cut_each;
    let house = Measured::start(session.cores, rooms, rooms * members)?;
    let mut rows = Vec::new();
    for round in 0..session.rounds {
        let mut generator = Generator::new(&house.target, rooms, members)?;
        generator.join_all(64)?;
        generator.open_schedule(LINES_PER_S);
        generator.run(Duration::from_secs(2))?;
        generator.cut(0..n_cut);
        generator.run(Duration::from_secs(2))?;
        let watch = Stopwatch::new();
        generator.begin_joining(0..n_cut, 1000);
        while generator.is_joining() && watch.seconds() < 60.0 {
            generator.turn(Duration::from_millis(10))?;
        }
        let seconds = watch.seconds();
        let n_back = generator.n_in(State::In);
        generator.run(Duration::from_secs(1))?;
        let settled = generator.settle(SETTLE)?;
        // What was said just before the cut may have lost its answer: nobody who was cut has to have got one.
        let tally = &generator.tally;
        progress(&format!(
            "cut, round {}: {n_back} of {} in after {seconds:.2} s, {} faults, {} gaps told, settled {settled}: {:?}",
            round + 1,
            rooms * members,
            tally.n_faults,
            tally.gaps,
            tally.remarks
        ));
        ensure!(
            n_back == rooms * members,
            "{n_back} sockets are in: {:?}",
            tally.remarks
        );
        rows.push(vec![
            (round + 1).to_string(),
            format!("{seconds:.2}"),
            "30".to_owned(),
            verdict(seconds <= 30.0, false).to_owned(),
            tally.n_faults.to_string(),
            "0".to_owned(),
            verdict(tally.n_faults == 0, false).to_owned(),
            tally.gaps.to_string(),
        ]);
    }
    table::print(
        &format!(
            "{n_cut} sockets ({rooms} x {cut_each}) are cut at once, miss 2 s of {LINES_PER_S} lines a second, and come \
             back to catch up while the talk goes on"
        ),
        &["round", "s", "aim", "", "holes", "aim", "", "gaps told"],
        &rows,
    )
}

/// One in twenty stops reading: what the others notice, and what it costs to keep their lines.
pub fn deaf(session: &Session) -> Result<()> {
    let shape = shape(40, 50);
    let house = Measured::start_with(
        session.cores,
        shape.rooms,
        shape.rooms * shape.members,
        OUTBOX,
    )?;
    let mut rows = Vec::new();
    for round in 0..session.rounds {
        let mut generator = Generator::new(&house.target, shape.rooms, shape.members)?;
        // The first two of each room, and the third of every other: 5 %.
        let n_deaf = shape.rooms * shape.members / 20;
        generator.n_narrow = n_deaf;
        generator.join_all(64)?;
        generator.open_schedule(LINES_PER_S);
        generator.run(Duration::from_secs(2))?;
        generator.record();
        generator.run(session.spans().counted)?;
        let before = runs::quantiles(&generator.tally);
        let rss_before = house.used()?.rss_bytes;
        let n_files = house.n_files()?;
        generator.deafen(0..n_deaf);
        generator.record();
        let disturbances = Disturbance::watch(&house)?;
        generator.run(session.spans().counted)?;
        let disturbed = disturbances.percent(&house)?;
        let during = runs::quantiles(&generator.tally);
        // Then until the kernel holds no more for them and the house has to.
        generator.hush();
        generator.long_lines = true;
        generator.open_window(8);
        let mut rss_most = house.used()?.rss_bytes;
        let said = generator.tally.said;
        let watch = Stopwatch::new();
        while generator.tally.said - said < 5000 * shape.rooms as u64 && watch.seconds() < 60.0 {
            generator.run(Duration::from_millis(200))?;
            rss_most = rss_most.max(house.used()?.rss_bytes);
        }
        let settled = generator.settle(SETTLE)?;
        let kib_said = (generator.tally.said - said) as f64 / shape.rooms as f64 * 1.7;
        judge(&house, &generator, settled)?;
        generator.run(Duration::from_secs(2))?;
        let let_go = n_files.saturating_sub(house.n_files()?);
        // What is still on its way to them is as whole as what others got.
        generator.read_again();
        generator.run(Duration::from_secs(2))?;
        ensure!(
            generator.tally.n_faults == 0,
            "{:?}",
            generator.tally.remarks
        );
        let grown = rss_most.saturating_sub(rss_before) as f64 / MIB;
        let ratio = during[1] as f64 / before[1].max(1) as f64;
        progress(&format!(
            "deaf, round {}: others' p99 {} -> {} us; {kib_said:.0} KiB waited for each, memory grew {grown:.0} MiB, {let_go} of {n_deaf} let go; others {disturbed}",
            round + 1,
            before[1],
            during[1]
        ));
        rows.push(vec![
            (round + 1).to_string(),
            runs::slashed(before),
            runs::slashed(during),
            format!("{ratio:.2}"),
            "1.5".to_owned(),
            verdict(ratio <= 1.5, false).to_owned(),
            format!("{kib_said:.0}"),
            format!("{grown:.0}"),
            format!("{let_go} of {n_deaf}"),
        ]);
    }
    table::print(
        &format!(
            "One in twenty stops reading ({shape}, {LINES_PER_S} lines a second): the others' p50 / p99 / p99.9 in us; then \
             long lines until nothing more fits"
        ),
        &[
            "round",
            "before",
            "while",
            "ratio",
            "aim",
            "",
            "KiB each",
            "MiB grown",
            "let go",
        ],
        &rows,
    )
}

/// What else the machine was busy with while something was measured.
struct Disturbance {
    since: Stopwatch,
    us: u64,
}

impl Disturbance {
    fn watch(peer: &dyn Peer) -> Result<Self> {
        Ok(Self {
            since: Stopwatch::new(),
            us: Self::us(peer)?,
        })
    }

    fn us(peer: &dyn Peer) -> Result<u64> {
        let ours = peer.used()?.cpu_us + Used::by_this()?.cpu_us;
        Ok(machine::busy_us(peer.cores())?.saturating_sub(ours))
    }

    fn percent(&self, peer: &dyn Peer) -> Result<String> {
        let us = Self::us(peer)?.saturating_sub(self.us) as f64;
        Ok(format!("{:.0} %", us / self.since.seconds() / 1e4))
    }
}

/// Five hundred sockets that never finish: what the others notice.
pub fn slow(session: &Session) -> Result<()> {
    let shape = shape(40, 50);
    let (n_slow, seconds) = (500, 60);
    let house = Measured::start(session.cores, shape.rooms, shape.rooms * shape.members)?;
    let mut generator = Generator::new(&house.target, shape.rooms, shape.members)?;
    generator.join_all(64)?;
    generator.open_schedule(LINES_PER_S);
    generator.run(Duration::from_secs(2))?;
    generator.record();
    generator.run(Duration::from_secs(15))?;
    let before = runs::quantiles(&generator.tally);
    let mut sockets = SlowSockets::new(&house.target.addresses[0], &house.target.cookies, n_slow);
    generator.record();
    let watch = Stopwatch::new();
    let disturbances = Disturbance::watch(&house)?;
    let mut longest = 0.0_f64;
    // Each has its turn about twice a second; few at a time, so that the generator is not kept from reading.
    while watch.seconds() < f64::from(seconds) {
        let turn = Stopwatch::new();
        sockets.turn(1)?;
        longest = longest.max(turn.seconds());
        generator.run(Duration::from_millis(1))?;
    }
    let disturbed = disturbances.percent(&house)?;
    let during = runs::quantiles(&generator.tally);
    let settled = generator.settle(SETTLE)?;
    judge(&house, &generator, settled)?;
    let ratio = during[1] as f64 / before[1].max(1) as f64;
    progress(&format!(
        "slow: others' p99 {} -> {} us, {} let go; the generator was kept for {:.1} ms at most, others {disturbed}",
        before[1],
        during[1],
        sockets.n_let_go,
        longest * 1e3
    ));
    table::print(
        &format!(
            "{n_slow} slow sockets (heads, bodies, frames, two bytes a second each) for {seconds} s; {shape}, {LINES_PER_S} \
             lines a second: the others' p50 / p99 / p99.9 in us"
        ),
        &["before", "while", "ratio", "aim", "", "let go, came again"],
        &[vec![
            runs::slashed(before),
            runs::slashed(during),
            format!("{ratio:.2}"),
            "2".to_owned(),
            verdict(ratio <= 2.0, false).to_owned(),
            sockets.n_let_go.to_string(),
        ]],
    )
}
