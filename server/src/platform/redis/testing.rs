//! The test Redis, and a wire to it that a test can cut or stall.
//!
//! Redis is taken from `ENGAWA_TEST_REDIS_URL` (`ops/test` and `ops/with-redis` start one and set it). A test that needs it
//! fails without it and says how to get it.

use redis::IntoConnectionInfo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// Where the test Redis is.
pub fn redis_url() -> String {
    std::env::var("ENGAWA_TEST_REDIS_URL").expect(
        "this test needs Redis: run it by `ops/test` or `ops/with-redis`, or set ENGAWA_TEST_REDIS_URL (Debian: apt-get install redis-server)",
    )
}

/// A connection of the test's own.
pub async fn connection() -> redis::aio::MultiplexedConnection {
    redis::Client::open(redis_url())
        .expect("an address")
        .get_multiplexed_async_connection()
        .await
        .expect("Redis answers")
}

/// A wire to Redis that can be cut, stay cut, and be whole again; or be there and carry nothing.
pub struct Wire {
    port: u16,
    running: Option<AbortHandle>,
    stalled: watch::Sender<bool>,
}

impl Wire {
    /// A whole one.
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mut wire = Self {
            port,
            running: None,
            stalled: watch::Sender::new(false),
        };
        wire.run(listener);
        wire
    }

    /// The address of its near end.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends all connections, and takes none.
    pub fn cut(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }

    /// Takes connections again.
    pub async fn mend(&mut self) {
        let listener = loop {
            match TcpListener::bind(("127.0.0.1", self.port)).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
        };
        self.run(listener);
    }

    /// Carries nothing, or carries again what waited.
    pub fn stall(&mut self, stalled: bool) {
        self.stalled.send_replace(stalled);
    }

    fn run(&mut self, listener: TcpListener) {
        let info = redis_url().into_connection_info().expect("an address");
        let redis = info.addr().to_string();
        let stalled = self.stalled.subscribe();
        let running = tokio::spawn(async move {
            // With the task go all its connections.
            let mut open = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&redis).await.expect("Redis listens");
                let (from_near, to_near) = near.into_split();
                let (from_far, to_far) = far.into_split();
                open.spawn(carry(from_near, to_far, stalled.clone()));
                open.spawn(carry(from_far, to_near, stalled.clone()));
            }
        });
        self.running = Some(running.abort_handle());
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut stalled: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 4096];
    loop {
        let Ok(n_bytes) = from.read(&mut bytes).await else {
            return;
        };
        if stalled.wait_for(|stalled| !stalled).await.is_err()
            || n_bytes == 0
            || to.write_all(&bytes[..n_bytes]).await.is_err()
        {
            return;
        }
    }
}
