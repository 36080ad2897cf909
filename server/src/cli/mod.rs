//! The command line: parse, run, one clear line on standard error when it cannot.

mod audit;
mod demo;
mod doctor;
mod inventory;
mod moderate;
mod samples;
mod serve;
mod staff;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::app::Ground;
use crate::platform::settings::{Overrides, Settings};
use crate::platform::telemetry;

/// Exit status for a command that could not do what it was asked.
const FAILED: u8 = 1;

#[derive(Parser)]
#[command(
    name = "engawa",
    version,
    about = "Engawa (縁側): an online 居場所, run by one binary"
)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command takes.
#[derive(Args, Clone, Debug, Default)]
struct Common {
    /// The settings file (default: engawa.toml where there is one).
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder of the data.
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The address to listen on.
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (the default).
    Serve(ServeArgs),
    /// A sample centre on throwaway data.
    Demo(DemoArgs),
    /// Bring the database to this version.
    Migrate,
    /// The audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Look whether all that is needed is there, and print the settings.
    Doctor(DoctorArgs),
    /// Accounts of people with powers.
    #[command(subcommand)]
    Staff(staff::StaffCommand),
    /// Judge lines from standard input; check and measure the rules.
    Moderate(moderate::ModerateArgs),
    /// What is kept, how much of it, since when, and when it ends.
    Inventory(InventoryArgs),
    /// Keys (not built yet).
    Key(NotYet),
    /// A backup (not built yet).
    Backup(NotYet),
    /// A restore (not built yet).
    Restore(NotYet),
}

#[derive(Args, Clone, Debug, Default)]
struct ServeArgs {
    /// Print the address as one line of JSON on standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug, Default)]
struct DemoArgs {
    /// Print address, rooms and logins as one line of JSON on standard output.
    #[arg(long)]
    json: bool,
    /// The sample people say nothing.
    #[arg(long)]
    quiet_samples: bool,
    /// So many further rooms for 自分のことで.
    #[arg(long, default_value_t = 0, value_name = "N")]
    rooms: u32,
    /// Keep the data in this folder.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Check every link of the log.
    Verify,
}

#[derive(Args, Clone, Debug, Default)]
struct DoctorArgs {
    /// Print who may do what.
    #[arg(long)]
    permits: bool,
}

#[derive(Args, Clone, Debug, Default)]
struct InventoryArgs {
    /// As one line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug, Default)]
struct NotYet {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _rest: Vec<String>,
}

/// Runs the program. Status 0; 2 for wrong usage; 1 with one clear line on standard error.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return fail(&anyhow::Error::new(error).context("the runtime cannot be started"));
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { common, command } = cli;
    match command.unwrap_or(Command::Serve(ServeArgs::default())) {
        Command::Serve(args) => serve::run(&common, &args).await,
        Command::Demo(args) => demo::run(&common, &args).await,
        Command::Migrate => {
            let ground = ground(&common).await?;
            say("The database is at this version.");
            ground.db.close().await;
            Ok(ExitCode::SUCCESS)
        }
        Command::Audit(AuditCommand::Verify) => audit::verify(&common).await,
        Command::Doctor(args) => doctor::run(&common, &args).await,
        Command::Moderate(args) => moderate::run(&args),
        Command::Inventory(args) => inventory::run(&common, &args).await,
        Command::Staff(command) => staff::run(&common, &command).await,
        Command::Key(_) | Command::Backup(_) | Command::Restore(_) => {
            anyhow::bail!("this command is not built yet")
        }
    }
}

fn settings(common: &Common) -> anyhow::Result<Settings> {
    Ok(Settings::from_process(
        common.config.as_deref(),
        &overrides(common),
    )?)
}

fn overrides(common: &Common) -> Overrides {
    let mut overrides = Overrides::default();
    overrides.set_if(
        "data_dir",
        common
            .data_dir
            .as_ref()
            .map(|folder| folder.display().to_string()),
    );
    overrides.set_if("listen", common.listen.as_ref());
    overrides
}

/// The stores, for a command that serves nobody.
async fn ground(common: &Common) -> anyhow::Result<Ground> {
    let settings = settings(common)?;
    telemetry::start_log(&settings.log, settings.log_format)?;
    Ground::open(settings).await
}

/// The address people call: the public one, or where we listen.
fn url_of(settings: &Settings, listeners: &crate::app::Listeners) -> anyhow::Result<String> {
    match &settings.public_url {
        Some(url) => Ok(url.trim_end_matches('/').to_owned()),
        None => Ok(format!("http://{}", listeners.public.local_addr()?)),
    }
}

/// One clear line on standard error, with its causes behind it.
fn fail(error: &anyhow::Error) -> ExitCode {
    let line = format!("{error:#}").replace('\n', "; ");
    complain(&format!("engawa: {line}"));
    ExitCode::from(FAILED)
}

/// Says a line on standard output. Whoever stopped listening (`| head`) has heard enough.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Says a line on standard error.
fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
