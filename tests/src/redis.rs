//! A throwaway Redis of a test's own: started, paused, killed, emptied and started again, and a gate before it that lets
//! nothing through while it is shut.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::postgres::free_port;
use crate::{DEADLINE, within};

/// A `redis-server` on loopback that keeps nothing on disk.
#[derive(Debug)]
pub struct Redis {
    folder: TempDir,
    port: u16,
    running: Mutex<Option<Running>>,
}

/// The process, and one that ends it when the test binary is gone, however that ended.
#[derive(Debug)]
struct Running {
    server: Child,
    guardian: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        // The guardian first, or it might end a stranger who got the server's number.
        let _ = self.guardian.kill();
        let _ = self.guardian.wait();
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Redis {
    /// Starts one on a free port.
    pub async fn start() -> Result<Self> {
        let redis = Self {
            folder: tempfile::Builder::new().prefix("engawa-redis-").tempdir()?,
            port: free_port()?,
            running: Mutex::default(),
        };
        redis.start_again().await?;
        Ok(redis)
    }

    /// Its address, as a setting.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it after [`Redis::kill`], on the same port, with nothing in it.
    pub async fn start_again(&self) -> Result<()> {
        let log = std::fs::File::create(self.folder.path().join("log"))?;
        let server = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .context("redis-server is not here: apt-get install -y redis-server")?;
        let script = format!("cat >/dev/null; kill -KILL {}", server.id());
        let guardian = Command::new("sh")
            .args(["-c", &script])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        *self.running() = Some(Running { server, guardian });
        within("redis-server to answer", async {
            while self.ask("PING").await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .with_context(|| {
            std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
        })
    }

    /// SIGKILL; connections are refused until [`Redis::start_again`].
    pub fn kill(&self) {
        self.running().take();
    }

    /// SIGSTOP: connections stay and nothing answers.
    pub fn pause(&self) -> Result<()> {
        self.signal("-STOP")
    }

    /// SIGCONT.
    pub fn go_on(&self) -> Result<()> {
        self.signal("-CONT")
    }

    /// Forgets all keys.
    pub async fn flush(&self) -> Result<()> {
        let answer = self.ask("FLUSHALL").await?;
        ensure!(answer.starts_with("+OK"), "FLUSHALL was answered {answer}");
        Ok(())
    }

    /// Cuts every connection of every client.
    pub async fn cut_clients(&self) -> Result<()> {
        for kind in ["normal", "pubsub"] {
            self.ask(&format!("CLIENT KILL TYPE {kind}")).await?;
        }
        Ok(())
    }

    /// How many clients are connected.
    pub async fn n_clients(&self) -> Result<usize> {
        let list = self.ask("CLIENT LIST").await?;
        // One of them asks.
        Ok(list.matches(" addr=").count().saturating_sub(1))
    }

    /// The text of all that it holds: each key with its type.
    pub async fn keys(&self) -> Result<String> {
        self.ask("KEYS *").await
    }

    /// Sends one inline command and gives what came.
    async fn ask(&self, command: &str) -> Result<String> {
        within(&format!("Redis' answer to {command}"), async {
            let mut stream = TcpStream::connect(self.address()).await?;
            stream
                .write_all(format!("{command}\r\nQUIT\r\n").as_bytes())
                .await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            let answer = String::from_utf8_lossy(&answer).into_owned();
            if answer.is_empty() || answer.starts_with('-') {
                bail!("Redis answered {command} with {answer:?}");
            }
            Ok(answer)
        })
        .await?
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let pid = self
            .running()
            .as_ref()
            .context("Redis is not running")?
            .server
            .id();
        let status = Command::new("kill")
            .args([signal, &pid.to_string()])
            .status()?;
        ensure!(status.success(), "kill {signal} failed");
        Ok(())
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A way to Redis that can be shut: what a node sends waits, and is gone with the node.
#[derive(Debug)]
pub struct Gate {
    address: String,
    open: Arc<watch::Sender<bool>>,
    task: JoinHandle<()>,
}

impl Gate {
    /// An open gate to that address.
    pub async fn before(target: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let open = Arc::new(watch::channel(true).0);
        let (target, of_task) = (target.to_owned(), Arc::clone(&open));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (target, open) = (target.clone(), of_task.subscribe());
                tokio::spawn(async move {
                    // An end of either side is the end of both: that is what a client of Redis would see.
                    let _ = carry(client, &target, open).await;
                });
            }
        });
        Ok(Self {
            address,
            open,
            task,
        })
    }

    /// Its address, as a setting.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// From here on nothing that the node sends gets through. What Redis sends to the node still comes.
    pub fn shut(&self) {
        self.open.send_replace(false);
    }

    /// What waited goes on, if its node is still there.
    pub fn open(&self) {
        self.open.send_replace(true);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(client: TcpStream, target: &str, mut open: watch::Receiver<bool>) -> Result<()> {
    let server = tokio::time::timeout(DEADLINE, TcpStream::connect(target)).await??;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut bytes = vec![0; 65_536];
        let mut waiting = Vec::new();
        loop {
            // Read while it is shut, too: the end of a dead node must be seen, and what it sent must never arrive.
            tokio::select! {
                read = from_client.read(&mut bytes) => match read? {
                    0 => return anyhow::Ok(()),
                    n => waiting.extend_from_slice(&bytes[..n]),
                },
                changed = open.changed() => changed?,
            }
            if *open.borrow_and_update() {
                to_server.write_all(&waiting).await?;
                waiting.clear();
            }
        }
    };
    let down = async {
        tokio::io::copy(&mut from_server, &mut to_client).await?;
        anyhow::Ok(())
    };
    tokio::select! {
        ended = up => ended,
        ended = down => ended,
    }
}
