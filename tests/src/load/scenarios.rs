//! The scenarios, each a table: what was measured, beside what it ought to be.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::machine::Cores;
use super::peers::{Measured, Other, Peer};
use super::runs::{self, Given, Shape, Spans};
use super::table::{self, progress, spread};

/// How a whole session is run.
#[derive(Debug, Clone)]
pub struct Session {
    /// Who runs where.
    pub cores: Cores,
    /// This program, to be started anew as the broadcaster.
    pub program: PathBuf,
    /// How often each run is taken, alternating.
    pub rounds: usize,
    /// Seconds of a run that count.
    pub seconds: u64,
}

impl Session {
    pub(super) fn spans(&self) -> Spans {
        Spans {
            warm: Duration::from_millis(1500),
            counted: Duration::from_secs(self.seconds),
        }
    }
}

/// Lines under way in each room at saturation.
pub const WINDOW: usize = 4;

/// Rooms, members, the ratio that is wanted and the one that is hoped for.
const SATURATION: [(Shape, f64, f64); 4] = [
    (shape(200, 10), 0.35, 0.50),
    (shape(40, 50), 0.60, 0.75),
    (shape(10, 200), 0.65, 0.75),
    (shape(2, 1000), 0.65, 0.75),
];

pub(super) const fn shape(rooms: usize, members: usize) -> Shape {
    Shape { rooms, members }
}

/// How many deliveries a second a core gives, beside the machine's limit.
pub fn saturation(session: &Session, only: Option<usize>) -> Result<()> {
    saturate(session, only, Measured::start(session.cores, 200, 2000)?)
}

/// As [`saturation`], every line assessed as in use, and none stopped.
pub fn assessed(session: &Session, only: Option<usize>) -> Result<()> {
    saturate(
        session,
        only,
        Measured::start_with(session.cores, 200, 2000, "")?,
    )
}

fn saturate(session: &Session, only: Option<usize>, house: Measured) -> Result<()> {
    let bare = Other::bare(session.cores, &session.program, 200)?;
    let mut rows = Vec::new();
    for (shape, aim, stretch) in SATURATION {
        if only.is_some_and(|members| members != shape.members) {
            continue;
        }
        let [limit, ours] = alternate(session, [&bare, &house], &|peer| {
            let given = runs::saturate(peer, shape, WINDOW, session.spans())?;
            tell_saturation(shape, peer, &given);
            Ok(given)
        })?;
        let ratio = best(&ours).deliveries_per_s / best(&limit).deliveries_per_s;
        let verdict = verdict(ratio >= aim, ratio >= stretch);
        rows.push(vec![
            shape.to_string(),
            thousands(&limit),
            format!("{:.2}", best(&limit).cpu_us),
            thousands(&ours),
            format!("{:.2}", best(&ours).cpu_us),
            format!("{:.1}", best(&ours).per_read),
            format!("{:.0} %", best(&ours).generator_busy * 100.0),
            format!("{:.1}", best(&ours).latency_us[1] as f64 / 1e3),
            format!("{ratio:.2}"),
            format!("{aim:.2} ({stretch:.2})"),
            verdict.to_owned(),
        ]);
    }
    table::print(
        &format!(
            "Fan-out at saturation: rooms x members, {WINDOW} lines under way in each room; thousands of deliveries a \
             second of one core, best of {} (all); everything durable",
            session.rounds
        ),
        &[
            "rooms",
            "limit k/s",
            "us",
            "engawa k/s",
            "us",
            "a read",
            "gen.",
            "p99 ms",
            "ratio",
            "aim (stretch)",
            "",
        ],
        &rows,
    )
}

/// Deliveries a second, and the p99 in milliseconds that is wanted.
const RATES: [(u64, f64); 3] = [(5_000, 2.0), (50_000, 1.5), (150_000, 5.0)];

/// How long a line takes at a fixed rate in 40 rooms of 50, counted from when it was meant to be sent.
pub fn latency(session: &Session, only: Option<usize>) -> Result<()> {
    let shape = shape(40, 50);
    let house = Measured::start(session.cores, shape.rooms, shape.rooms * shape.members)?;
    let bare = Other::bare(session.cores, &session.program, shape.rooms)?;
    let mut rows = Vec::new();
    for (rate, aim_ms) in RATES {
        if only.is_some_and(|wanted| wanted as u64 != rate) {
            continue;
        }
        let lines_per_s = rate / shape.members as u64;
        let [limit, ours] = alternate(session, [&bare, &house], &|peer| {
            let given = runs::at_rate(peer, shape, lines_per_s, session.spans())?;
            tell_latency(rate, peer, &given);
            Ok(given)
        })?;
        let p99_ms = |run: &Given| run.latency_us[1] as f64 / 1e3;
        let all: Vec<f64> = ours.iter().map(p99_ms).collect();
        let best = calmest(&ours);
        rows.push(vec![
            format!("{} k/s", rate / 1000),
            micros(calmest(&limit)),
            micros(best),
            format!("{:.2}", best.cpu_us),
            spread(&all, p99_ms(best), 2),
            format!("{aim_ms}"),
            verdict(p99_ms(best) <= aim_ms, false).to_owned(),
        ]);
    }
    table::print(
        &format!(
            "Latency at a fixed rate, {shape}: p50 / p99 / p99.9 in us over all members, from the intended moment, the \
             calmest of {}",
            session.rounds
        ),
        &[
            "deliveries",
            "limit",
            "engawa",
            "us each",
            "p99 ms (all)",
            "aim",
            "",
        ],
        &rows,
    )
}

/// The same load on socket.io, once, in the same session: saturation and one rate in 40 rooms of 50.
pub fn socket_io(session: &Session) -> Result<()> {
    let shape = shape(40, 50);
    let house = Measured::start(session.cores, shape.rooms, shape.rooms * shape.members)?;
    let bare = Other::bare(session.cores, &session.program, shape.rooms)?;
    let peer = Other::socket_io(session.cores, shape.rooms)?;
    let all: [&dyn Peer; 3] = [&bare, &house, &peer];
    let most = alternate(session, all, &|peer| {
        let given = runs::saturate(peer, shape, WINDOW, session.spans())?;
        tell_saturation(shape, peer, &given);
        Ok(given)
    })?;
    let (rate, lines_per_s) = (50_000, 50_000 / shape.members as u64);
    let at_rate = alternate(session, all, &|peer| {
        let given = runs::at_rate(peer, shape, lines_per_s, session.spans())?;
        tell_latency(rate, peer, &given);
        Ok(given)
    })?;
    let ours = best(&most[1]).deliveries_per_s;
    let rows: Vec<Vec<String>> = all
        .iter()
        .zip(most.iter().zip(&at_rate))
        .map(|(peer, (most, at_rate))| {
            let fastest = best(most);
            vec![
                peer.name().to_owned(),
                thousands(most),
                format!("{:.2}", fastest.cpu_us),
                format!("{:.1}", fastest.per_read),
                format!("{:.1}", ours / fastest.deliveries_per_s),
                micros(calmest(at_rate)),
                format!("{:.2}", calmest(at_rate).cpu_us),
            ]
        })
        .collect();
    table::print(
        &format!(
            "Against socket.io, {shape}, the same lines: saturation ({WINDOW} under way in each room), and p50 / p99 / p99.9 at \
             50,000 deliveries a second; best of {}. socket.io stores nothing",
            session.rounds
        ),
        &[
            "server",
            "k/s (all)",
            "us each",
            "a read",
            "engawa is x times",
            "latency us",
            "us each",
        ],
        &rows,
    )
}

/// One node and two on PostgreSQL and Redis, members spread over both: what the way over the other node costs.
pub fn nodes(session: &Session) -> Result<()> {
    let shape = shape(40, 50);
    let n_people = shape.rooms * shape.members;
    let one = Measured::start_nodes(session.cores, shape.rooms, n_people, 1)?;
    let two = Measured::start_nodes(session.cores, shape.rooms, n_people, 2)?;
    let bare = Other::bare(session.cores, &session.program, shape.rooms)?;
    let all: [&dyn Peer; 3] = [&bare, &one, &two];
    let most = alternate(session, all, &|peer| {
        let given = runs::saturate(peer, shape, WINDOW, session.spans())?;
        tell_saturation(shape, peer, &given);
        Ok(given)
    })?;
    let rates = [5_000, 50_000];
    let mut at_rates = Vec::new();
    for rate in rates {
        at_rates.push(alternate(session, all, &|peer| {
            let given = runs::at_rate(peer, shape, rate / shape.members as u64, session.spans())?;
            tell_latency(rate, peer, &given);
            Ok(given)
        })?);
    }
    let limit = best(&most[0]).deliveries_per_s;
    let rows: Vec<Vec<String>> = (0..all.len())
        .map(|idx| {
            let fastest = best(&most[idx]);
            vec![
                all[idx].name().to_owned(),
                thousands(&most[idx]),
                format!("{:.2}", fastest.cpu_us),
                format!("{:.2}", fastest.deliveries_per_s / limit),
                micros(calmest(&at_rates[0][idx])),
                micros(calmest(&at_rates[1][idx])),
            ]
        })
        .collect();
    table::print(
        &format!(
            "Nodes on PostgreSQL and Redis, all on this machine's two cores, {shape}, members on each node in turn; best of {}",
            session.rounds
        ),
        &[
            "who",
            "k/s (all)",
            "us each",
            "ratio",
            "5 k/s: us",
            "50 k/s: us",
        ],
        &rows,
    )
}

fn tell_saturation(shape: Shape, peer: &dyn Peer, given: &Given) {
    progress(&format!(
        "saturation {shape} {}: {:.0} k/s, {:.2} us each, {:.1} a read, server {:.0} %, generator {:.0} %, others {:.0} %",
        peer.name(),
        given.deliveries_per_s / 1e3,
        given.cpu_us,
        given.per_read,
        given.server_busy * 100.0,
        given.generator_busy * 100.0,
        given.disturbed * 100.0
    ));
}

fn tell_latency(rate: u64, peer: &dyn Peer, given: &Given) {
    progress(&format!(
        "latency {rate}/s {}: p50 / p99 / p99.9 {} us, {:.0}/s, {:.2} us each, server {:.0} %, others {:.0} %",
        peer.name(),
        micros(given),
        given.deliveries_per_s,
        given.cpu_us,
        given.server_busy * 100.0,
        given.disturbed * 100.0
    ));
}

fn thousands(runs: &[Given]) -> String {
    let all: Vec<f64> = runs.iter().map(|run| run.deliveries_per_s / 1e3).collect();
    spread(&all, best(runs).deliveries_per_s / 1e3, 0)
}

fn calmest(runs: &[Given]) -> &Given {
    runs.iter()
        .min_by_key(|run| run.latency_us[1])
        .expect("there is a run")
}

fn micros(given: &Given) -> String {
    runs::slashed(given.latency_us)
}

/// Takes a run of each in turn, so many rounds.
fn alternate<const N: usize>(
    session: &Session,
    peers: [&dyn Peer; N],
    run: &dyn Fn(&dyn Peer) -> Result<Given>,
) -> Result<[Vec<Given>; N]> {
    let mut all = [const { Vec::new() }; N];
    for _ in 0..session.rounds {
        for (runs, peer) in all.iter_mut().zip(peers) {
            runs.push(run(peer)?);
        }
    }
    Ok(all)
}

fn best(runs: &[Given]) -> &Given {
    runs.iter()
        .max_by(|a, b| a.deliveries_per_s.total_cmp(&b.deliveries_per_s))
        .expect("there is a run")
}

pub(super) fn verdict(met: bool, stretched: bool) -> &'static str {
    match (met, stretched) {
        (_, true) => "stretch",
        (true, false) => "met",
        (false, false) => "MISSED",
    }
}
