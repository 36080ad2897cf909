//! The key store on PostgreSQL: what is destroyed stands in no file of its cluster.
//!
//! Starts a cluster of its own, as the user `postgres` when run by root (PostgreSQL refuses root).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there")]

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use engawa::platform::clock::TestClock;
use engawa::platform::ids::{Secret, SystemChance};
use engawa::platform::keys::{KeyFile, KeyStore};
use sqlx::PgPool;

const BIN: &str = "/usr/lib/postgresql/15/bin";
const PAGE: usize = 8192;
const RUN: usize = 12;
const ZEROS: [u8; PAGE + RUN] = [0; PAGE + RUN];

/// A cluster in a throwaway folder, reached by a socket in it; stopped when dropped.
struct Cluster {
    folder: tempfile::TempDir,
}

impl Cluster {
    fn start(settings: &[&str]) -> Self {
        assert!(
            Path::new(BIN).is_dir(),
            "this test needs PostgreSQL 15: apt-get install -y postgresql-15"
        );
        let folder = tempfile::tempdir().unwrap();
        if fs::metadata("/proc/self").unwrap().uid() == 0 {
            let (user, group) = (id_of("-u"), id_of("-g"));
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let cluster = Self { folder };
        cluster.run(
            "initdb",
            &[
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ],
        );
        let socket = cluster.folder.path().display().to_string();
        let mut options = format!(
            "-c listen_addresses= -c unix_socket_directories={socket} -c fsync=off -c shared_buffers=16MB"
        );
        for setting in settings {
            options.push_str(&format!(" -c {setting}"));
        }
        let log = cluster.folder.path().join("log").display().to_string();
        cluster.run("pg_ctl", &["--wait", "-l", &log, "-o", &options, "start"]);
        cluster
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn url(&self) -> String {
        let socket = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{socket}/postgres")
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = format!("{BIN}/{program}");
        let mut command = if fs::metadata("/proc/self").unwrap().uid() == 0 {
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                &program,
            ]);
            command
        } else {
            Command::new(program)
        };
        let status = command
            .args(arguments)
            .env("PGDATA", self.data())
            .current_dir("/")
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{command:?}");
    }

    async fn store(&self) -> KeyStore {
        KeyStore::open(
            &Secret::new(self.url()),
            Arc::new(KeyFile::throwaway(&SystemChance)),
            Arc::new(TestClock::default()),
            Arc::new(SystemChance),
        )
        .await
        .unwrap()
    }

    /// The files that hold a run of these bytes.
    fn files_with(&self, secrets: &[Vec<u8>]) -> Vec<PathBuf> {
        let runs: HashSet<&[u8]> = secrets
            .iter()
            .flat_map(|s| s[1..].chunks_exact(RUN))
            .collect();
        let mut starts = vec![false; 1 << 16];
        for run in &runs {
            starts[usize::from(u16::from_le_bytes([run[0], run[1]]))] = true;
        }
        let holds = |content: &[u8]| {
            (0..content.len()).step_by(PAGE).any(|at| {
                let page = &content[at..content.len().min(at + PAGE + RUN - 1)];
                // Most of a cluster is empty pages.
                page != &ZEROS[..page.len()]
                    && page.windows(RUN).any(|run| {
                        starts[usize::from(u16::from_le_bytes([run[0], run[1]]))]
                            && runs.contains(run)
                    })
            })
        };
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() && holds(&fs::read(entry.path()).unwrap_or_default()) {
                    found.push(entry.path());
                }
            }
        }
        found
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.run("pg_ctl", &["--wait", "-m", "immediate", "stop"]);
    }
}

fn id_of(flag: &str) -> u32 {
    let output = Command::new("id")
        .args([flag, "postgres"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

const AS_IT_SHOULD_BE: [&str; 2] = ["wal_recycle=off", "log_parameter_max_length=0"];

#[tokio::test]
async fn p5_a_destroyed_key_stands_in_no_file_of_the_cluster() {
    let cluster = Cluster::start(&AS_IT_SHOULD_BE);
    let store = cluster.store().await;
    assert_eq!(store.warnings(), [] as [String; 0]);
    let ids: Vec<String> = (0..60).map(|n| format!("room-{n}")).collect();
    for id in &ids {
        store.create_if_absent(id, "room", None).await.unwrap();
    }
    let peek = PgPool::connect(&cluster.url()).await.unwrap();
    let wrapped: Vec<(String, Vec<u8>)> =
        sqlx::query_as("SELECT id, key FROM data_key ORDER BY made_at_ms, id")
            .fetch_all(&peek)
            .await
            .unwrap();
    sqlx::raw_sql("ANALYZE").execute(&peek).await.unwrap();
    sqlx::raw_sql("CHECKPOINT").execute(&peek).await.unwrap();
    let of = |some: &[String]| -> Vec<Vec<u8>> {
        let chosen = wrapped.iter().filter(|(id, _)| some.contains(id));
        chosen.map(|(_, key)| key.clone()).collect()
    };
    assert!(
        cluster.files_with(&of(&ids)).len() >= 2,
        "in the table and in the log"
    );

    // A reader that began before the deletion must not carry the rows over.
    let mut reader = peek.begin().await.unwrap();
    sqlx::raw_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        .execute(&mut *reader)
        .await
        .unwrap();
    let n: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM key_store_about")
        .fetch_one(&mut *reader)
        .await
        .unwrap();
    assert!(n > 0);
    let end_of_reading = async {
        // The destroyer is stuck behind the reader by then, or has not begun: both must end well.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        reader.commit().await.unwrap();
    };
    let (destroyed, ()) = tokio::join!(store.destroy(&ids[..40]), end_of_reading);
    destroyed.unwrap();
    assert_eq!(cluster.files_with(&of(&ids[..40])), [] as [PathBuf; 0]);
    assert!(!cluster.files_with(&of(&ids[40..])).is_empty());
    assert!(store.get(&ids[0]).await.unwrap().is_none());
    assert!(store.get(&ids[50]).await.unwrap().is_some());

    store.destroy(&ids[40..59]).await.unwrap();
    assert_eq!(cluster.files_with(&of(&ids[..59])), [] as [PathBuf; 0]);
    assert!(store.get(&ids[59]).await.unwrap().is_some());
    peek.close().await;
    store.close().await;
}

#[tokio::test]
async fn a_cluster_that_keeps_its_log_is_named_to_the_operator() {
    let cluster = Cluster::start(&[
        "archive_mode=on",
        "archive_command=false",
        "wal_keep_size=64",
    ]);
    let store = cluster.store().await;
    let warnings = store.warnings().join("\n");
    for word in ["wal_recycle", "archive_mode", "wal_keep_size"] {
        assert!(warnings.contains(word), "{word} is missing in: {warnings}");
    }
    assert!(!warnings.contains("pg_checkpoint"), "{warnings}");
}
