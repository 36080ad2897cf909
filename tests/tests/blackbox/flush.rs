//! An acknowledgement leaves the process only after its line was flushed: read off the system calls themselves.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use anyhow::{Context, Result};
use engawa_tests::{Db, House, tell, within};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const LINES: usize = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_an_ack_is_sent_only_after_the_flush_of_its_line() -> Result<()> {
    let house = House::new(Db::Sqlite).await?;
    let node = house.start().await?;
    let mut socket = node.tojisha("しるす").await?.enter(node.room()).await?;
    let trace = house.aside("strace.log");
    let root = std::fs::metadata("/proc/self")?.uid() == 0;
    let mut command = if root {
        Command::new("strace")
    } else {
        Command::new("sudo")
    };
    if !root {
        command.args(["-n", "strace"]);
    }
    command
        .args([
            "-f",
            "-y",
            "-s",
            "400",
            "-e",
            "trace=fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg",
            "-o",
        ])
        .arg(&trace);
    command.args(["-p", &node.pid()?.to_string()]);
    let mut strace = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("strace is not here: apt-get install -y strace")?;
    let mut said = BufReader::new(
        strace
            .stderr
            .take()
            .context("standard error was asked for")?,
    )
    .lines();
    within("strace to attach", async {
        while let Some(line) = said.next_line().await? {
            if line.contains("attached") {
                return anyhow::Ok(());
            }
        }
        anyhow::bail!(
            "strace did not attach (as an ordinary user: sysctl kernel.yama.ptrace_scope=0)"
        )
    })
    .await??;
    socket.barrier().await?;
    for n in 0..LINES {
        socket
            .say_kept(node.room(), &format!("flush-{n}"), &format!("{n}つめ"))
            .await?;
    }
    let stop = Command::new("kill")
        .args(["-INT", &strace.id().context("strace runs")?.to_string()])
        .status()
        .await?;
    anyhow::ensure!(stop.success());
    within("strace to write its log", strace.wait()).await??;
    let log = std::fs::read_to_string(&trace)?;
    let flushed = flushed_before_ack(&log);
    tell(&format!(
        "show: {} of {LINES} acks on sqlite were sent after a completed flush of the WAL that followed the write of their line",
        flushed.iter().filter(|ok| **ok).count()
    ));
    assert_eq!(
        flushed,
        vec![true; LINES],
        "the system calls are in {}",
        keep(&log)?
    );
    Ok(())
}

fn keep(log: &str) -> Result<String> {
    let path = std::env::temp_dir().join("engawa-strace.log");
    std::fs::write(&path, log)?;
    Ok(path.display().to_string())
}

/// For each ack in the log, whether since the ack before it the WAL was written and then flushed, with success.
fn flushed_before_ack(log: &str) -> Vec<bool> {
    let mut verdicts = Vec::new();
    let mut flushing: HashMap<&str, bool> = HashMap::new();
    let (mut written, mut flushed) = (false, false);
    for line in log.lines() {
        let thread = line.split_whitespace().next().unwrap_or_default();
        let is_wal = line.contains("-wal>");
        let flush = line.contains("fdatasync(") || line.contains("fsync(");
        if line.contains("pwrite64(") && is_wal {
            (written, flushed) = (true, false);
        } else if flush && line.contains("unfinished") {
            flushing.insert(thread, is_wal);
        } else if flush && is_wal
            || line.contains("sync resumed") && flushing.remove(thread) == Some(true)
        {
            flushed |= written && line.trim_end().ends_with("= 0");
        } else if line.contains("acked") && line.contains("flush-") && !line.contains(" resumed") {
            verdicts.push(flushed);
            (written, flushed) = (false, false);
        }
    }
    verdicts
}

#[test]
fn the_reader_of_system_calls_tells_right_from_wrong() {
    let write = "7 pwrite64(9</x/engawa.db-wal>, \"\", 4096, 0) = 4096\n";
    let flush = "7 fdatasync(9</x/engawa.db-wal>) = 0\n";
    let split = "7 fdatasync(9</x/engawa.db-wal> <unfinished ...>\n8 write(1, \"x\", 1) = 1\n7 <... fdatasync resumed>) = 0\n";
    let failed = "7 fdatasync(9</x/engawa.db-wal>) = -1 EIO (Input/output error)\n";
    let ack = "8 sendto(11<socket:[1]>, \"{\\\"type\\\":\\\"acked\\\",\\\"key\\\":\\\"flush-0\\\"}\", 40, 0, NULL, 0) = 40\n";
    let verdict = |parts: &[&str]| flushed_before_ack(&parts.concat());
    assert_eq!(verdict(&[write, flush, ack]), [true]);
    assert_eq!(verdict(&[write, split, ack]), [true]);
    assert_eq!(verdict(&[write, ack, flush]), [false]);
    assert_eq!(verdict(&[flush, write, ack]), [false]);
    assert_eq!(verdict(&[write, failed, ack]), [false]);
    assert_eq!(verdict(&[write, flush, ack, ack]), [true, false]);
}
