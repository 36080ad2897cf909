//! `engawa-load`: prints the scenarios as tables, each figure beside its aim. `ops/load/README.md` says how.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use engawa_tests::load::machine::{self, Cores};
use engawa_tests::load::scenarios::{self, Session};
use engawa_tests::load::{broadcaster, storms, table};

const USAGE: &str = "usage: engawa-load [--rounds N] [--seconds S] [SCENARIO[=ONLY]…]
       engawa-load broadcaster [ADDRESS]
scenarios: saturation[=MEMBERS] assessed[=MEMBERS] latency[=DELIVERIES] idle cut deaf slow socketio nodes";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            table::progress(&format!("engawa-load: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    machine::raise_open_files()?;
    if arguments
        .first()
        .is_some_and(|first| first == "broadcaster")
    {
        let address = arguments.get(1).map_or("127.0.0.1:0", String::as_str);
        return broadcaster::serve(address, |bound| {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{bound}")?;
            Ok(out.flush()?)
        });
    }
    let mut session = Session {
        cores: Cores::of_this_machine()?,
        program: std::env::current_exe()?,
        rounds: 3,
        seconds: 6,
    };
    let mut wanted = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut number = || {
            let value = rest.next().context("a number is missing")?;
            value.parse::<u64>().context("a number is wanted")
        };
        match argument.as_str() {
            "--rounds" => session.rounds = usize::try_from(number()?)?.max(1),
            "--seconds" => session.seconds = number()?.max(1),
            name if !name.starts_with('-') => wanted.push(name),
            _ => bail!("{USAGE}"),
        }
    }
    if wanted.is_empty() {
        wanted = vec!["saturation", "latency", "idle", "cut", "deaf", "slow"];
    }
    if session.cores.server == session.cores.generator {
        table::progress(
            "there is one core only: server and generator share it, figures are lower bounds",
        );
    }
    for scenario in wanted {
        let (name, only) = match scenario.split_once('=') {
            Some((name, only)) => (name, Some(only.parse().context(USAGE)?)),
            None => (scenario, None),
        };
        match name {
            "saturation" => scenarios::saturation(&session, only)?,
            "assessed" => scenarios::assessed(&session, only)?,
            "latency" => scenarios::latency(&session, only)?,
            "idle" => storms::idle(&session)?,
            "cut" => storms::cut(&session)?,
            "deaf" => storms::deaf(&session)?,
            "slow" => storms::slow(&session)?,
            "socketio" => scenarios::socket_io(&session)?,
            "nodes" => scenarios::nodes(&session)?,
            _ => bail!("no scenario {name}\n{USAGE}"),
        }
    }
    Ok(())
}
