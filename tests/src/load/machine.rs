//! What is read off the machine and set on it: cores, processor time, memory, the number of open files, a clock.

use std::fs;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Microseconds since it was made.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts.
    #[expect(
        clippy::disallowed_methods,
        reason = "a load is measured in the machine's own time"
    )]
    #[expect(clippy::new_without_default, reason = "it is the start that counts")]
    pub fn new() -> Self {
        Self(Instant::now())
    }

    /// How long ago that was.
    #[inline]
    pub fn us(&self) -> u64 {
        self.0.elapsed().as_micros() as u64
    }

    /// The same in seconds.
    pub fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// Which cores are used, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cores {
    /// Whoever is measured.
    pub server: usize,
    /// The generator.
    pub generator: usize,
}

impl Cores {
    /// The first two cores that this process may use; the same twice where there is only one.
    pub fn of_this_machine() -> Result<Self> {
        let may = sched_getaffinity(None).context("the cores of this process")?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| may.is_set(*core));
        let server = cores.next().context("a process runs on some core")?;
        Ok(Self {
            server,
            generator: cores.next().unwrap_or(server),
        })
    }
}

/// Puts this thread, and every process that it starts from now on, on one core.
pub fn pin(core: usize) -> Result<()> {
    pin_to(&[core])
}

/// Lets this thread, and every process that it starts from now on, run on both cores.
pub fn pin_to_both(cores: Cores) -> Result<()> {
    pin_to(&[cores.server, cores.generator])
}

fn pin_to(cores: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core);
    }
    sched_setaffinity(None, &set).with_context(|| format!("pin to cores {cores:?}"))
}

/// Allows as many open files as this process may have, children included; gives the number.
pub fn raise_open_files() -> Result<u64> {
    let now = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: now.maximum,
            maximum: now.maximum,
        },
    )
    .context("raise the number of open files")?;
    Ok(now.maximum.unwrap_or(u64::MAX))
}

/// Lets a socket end at once when it is dropped, without a farewell: no port stays taken by a socket that is gone.
pub fn end_at_once(socket: impl AsFd) -> Result<()> {
    rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO)).context("set linger")
}

/// Gives a socket a receive buffer of few bytes: a reader that is soon too slow.
pub fn narrow(socket: impl AsFd, bytes: usize) -> Result<()> {
    rustix::net::sockopt::set_socket_recv_buffer_size(socket, bytes).context("set a buffer")
}

/// What a process has used.
#[derive(Debug, Clone, Copy, Default)]
pub struct Used {
    /// Processor time of all threads, in microseconds.
    pub cpu_us: u64,
    /// Resident memory, in bytes.
    pub rss_bytes: u64,
}

impl Used {
    /// Of a process.
    pub fn by(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("process {pid} is gone"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        Ok(Self {
            cpu_us: cpu_us(&stat).with_context(|| format!("no times in {stat}"))?,
            rss_bytes: rss_bytes(&status).context("no VmRSS in a process's status")?,
        })
    }

    /// Of this process.
    pub fn by_this() -> Result<Self> {
        Self::by(std::process::id())
    }
}

/// Linux counts a process's time in hundredths of a second for everybody who asks.
const TICK_US: u64 = 10_000;

fn cpu_us(stat: &str) -> Option<u64> {
    // The name in brackets may hold spaces; user and system time are the 12th and 13th field after it.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * TICK_US)
}

/// How long some cores were at work for anybody, in microseconds: what nobody who is measured used is a disturbance.
pub fn busy_us(cores: Cores) -> Result<u64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let both = [cores.server, cores.generator];
    let n = if cores.server == cores.generator {
        1
    } else {
        2
    };
    both[..n]
        .iter()
        .map(|core| core_busy_us(&stat, *core).with_context(|| format!("no times of core {core}")))
        .sum()
}

fn core_busy_us(stat: &str, core: usize) -> Option<u64> {
    let name = format!("cpu{core} ");
    let line = stat.lines().find_map(|line| line.strip_prefix(&name))?;
    let ticks: Vec<u64> = line
        .split_ascii_whitespace()
        .map(|ticks| ticks.parse().unwrap_or_default())
        .collect();
    // user nice system idle iowait irq softirq steal; the rest is counted in these.
    let idle = ticks.get(3)? + ticks.get(4)?;
    Some((ticks.iter().take(8).sum::<u64>() - idle) * TICK_US)
}

fn rss_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_memory_are_read() {
        let stat = "12 (a (b) c) S 1 1 1 0 -1 4 1 2 3 4 250 50 0 0 20 0 1 0 1 1 1";
        assert_eq!(cpu_us(stat), Some(3_000_000));
        assert_eq!(cpu_us("12 (a) S"), None);
        let stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 100 100 4 5 6 7 0\ncpu1 1";
        assert_eq!(core_busy_us(stat, 0), Some(210_000));
        assert_eq!(core_busy_us(stat, 1), None);
        assert_eq!(rss_bytes("Name:\ta\nVmRSS:\t  2048 kB\n"), Some(2_097_152));
        assert!(Used::by_this().is_ok_and(|used| used.rss_bytes > 0));
    }

    #[test]
    fn there_are_cores_and_files() {
        assert!(Cores::of_this_machine().is_ok());
        assert!(raise_open_files().is_ok_and(|n| n > 0));
    }
}
