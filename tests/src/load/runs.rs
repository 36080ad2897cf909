//! One run of one load against one server: what it gave, what it cost, whether every promise was kept.

use std::time::Duration;

use anyhow::{Result, bail};

use super::generator::{Generator, Tally};
use super::machine::{self, Stopwatch, Used};
use super::peers::Peer;

/// Sockets that come in at once when a run begins.
const JOINING_AT_ONCE: usize = 64;
/// How long the last lines of a run may take to arrive.
const SETTLE: Duration = Duration::from_secs(20);

/// So many rooms of so many members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// How many rooms.
    pub rooms: usize,
    /// How many sockets in each.
    pub members: usize,
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} x {}", self.rooms, self.members)
    }
}

/// How long a run warms up, and how long it counts.
#[derive(Debug, Clone, Copy)]
pub struct Spans {
    /// Before anything counts.
    pub warm: Duration,
    /// What counts.
    pub counted: Duration,
}

/// What a run gave.
#[derive(Debug, Clone)]
pub struct Given {
    /// Lines that arrived at a member, in a second.
    pub deliveries_per_s: f64,
    /// Processor time of the server for each of them.
    pub cpu_us: f64,
    /// How busy the server's core was, of 1.
    pub server_busy: f64,
    /// How busy the generator's core was; near 1 the figure is a lower bound.
    pub generator_busy: f64,
    /// How busy both cores were with anything else, of 1: what disturbed the run.
    pub disturbed: f64,
    /// Lines in a read: how much the server has gathered.
    pub per_read: f64,
    /// p50, p99 and p99.9 in microseconds, from the intended moment.
    pub latency_us: [u64; 3],
}

struct Snapshot {
    at: Stopwatch,
    server: Used,
    own: Used,
    busy_us: u64,
    deliveries: u64,
    reads: u64,
}

impl Snapshot {
    fn take(peer: &dyn Peer, tally: &Tally) -> Result<Self> {
        Ok(Self {
            server: peer.used()?,
            own: Used::by_this()?,
            busy_us: machine::busy_us(peer.cores())?,
            deliveries: tally.deliveries,
            reads: tally.reads,
            at: Stopwatch::new(),
        })
    }

    fn given(&self, peer: &dyn Peer, tally: &Tally) -> Result<Given> {
        let seconds = self.at.seconds();
        let deliveries = (tally.deliveries - self.deliveries) as f64;
        let server_us = (peer.used()?.cpu_us - self.server.cpu_us) as f64;
        let own_us = (Used::by_this()?.cpu_us - self.own.cpu_us) as f64;
        let busy_us = (machine::busy_us(peer.cores())? - self.busy_us) as f64;
        Ok(Given {
            deliveries_per_s: deliveries / seconds,
            cpu_us: server_us / deliveries.max(1.0),
            server_busy: server_us / seconds / 1e6,
            generator_busy: own_us / seconds / 1e6,
            disturbed: ((busy_us - server_us - own_us) / seconds / 1e6).max(0.0),
            per_read: deliveries / (tally.reads - self.reads).max(1) as f64,
            latency_us: [0; 3],
        })
    }
}

/// As much as the server can: in each room so many lines are under way at any time.
pub fn saturate(peer: &dyn Peer, shape: Shape, window: usize, spans: Spans) -> Result<Given> {
    load(peer, shape, spans, |generator| {
        generator.open_window(window)
    })
}

/// Lines at a fixed rate over all rooms, whatever becomes of them.
pub fn at_rate(peer: &dyn Peer, shape: Shape, lines_per_s: u64, spans: Spans) -> Result<Given> {
    load(peer, shape, spans, |generator| {
        generator.open_schedule(lines_per_s);
    })
}

fn load(
    peer: &dyn Peer,
    shape: Shape,
    spans: Spans,
    begin: impl FnOnce(&mut Generator),
) -> Result<Given> {
    let mut generator = Generator::new(peer.target(), shape.rooms, shape.members)?;
    generator.join_all(JOINING_AT_ONCE)?;
    begin(&mut generator);
    generator.run(spans.warm)?;
    generator.record();
    let before = Snapshot::take(peer, &generator.tally)?;
    generator.run(spans.counted)?;
    let mut given = before.given(peer, &generator.tally)?;
    let settled = generator.settle(SETTLE)?;
    given.latency_us = quantiles(&generator.tally);
    judge(peer, &generator, settled)?;
    Ok(given)
}

/// p50, p99, p99.9.
pub fn quantiles(tally: &Tally) -> [u64; 3] {
    [0.5, 0.99, 0.999].map(|q| tally.latency.value_at_quantile(q))
}

/// Three quantiles in a cell.
pub fn slashed(latency_us: [u64; 3]) -> String {
    latency_us.map(|us| us.to_string()).join(" / ")
}

/// A figure of a run that broke a promise is none.
pub fn judge(peer: &dyn Peer, generator: &Generator, settled: bool) -> Result<()> {
    let tally = &generator.tally;
    if settled && tally.n_faults + tally.refused + tally.ended == 0 {
        return Ok(());
    }
    bail!(
        "{}: of {} lines {} were acked and {} refused; {} faults, {} sockets ended{}: {:#?}",
        peer.name(),
        tally.said,
        tally.acked,
        tally.refused,
        tally.n_faults,
        tally.ended,
        if settled { "" } else { "; not all arrived" },
        tally.remarks
    );
}
