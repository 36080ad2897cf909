//! Our own accept loop: a deadline for the request head, upgrades, and a drain that waits.
//!
//! The stock loop of axum installs no timer, so that a request whose head never ends holds its place for ever, and
//! its graceful end does not wait for upgraded sockets. This one speaks HTTP/1.1 only; TLS is the proxy's.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tower::Service;

use crate::platform::clock::wait_ms;
use crate::platform::settings::Limits;

/// Header fields of one request; hyper answers 431 beyond.
const HEADERS_MAX: usize = 64;
/// Bytes that hyper holds for one connection, beside the head.
const BUFFER_BYTES_MAX: usize = 65_536;
/// Waits after a failed accept (too many open files): long enough for some to close, then longer.
const ACCEPT_WAIT_MIN: Duration = Duration::from_millis(50);
const ACCEPT_WAIT_MAX: Duration = Duration::from_secs(2);

/// The address at the other end of the connection: the client, or the proxy before it. An extension of every
/// request; `platform::limits::client_address` makes the client of it. Never logged, so it prints as `…`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The end of a server, shared by its listeners and its sockets. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    begun: CancellationToken,
    sockets: TaskTracker,
}

impl Drain {
    /// A server that is not ending.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the end: no new connections, requests in flight finish, sockets say `bye`.
    pub fn begin(&self) {
        self.begun.cancel();
    }

    /// Whether the end has begun; `/readyz` and new sockets then answer 503.
    pub fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Ends when the end begins: for the loop of a socket.
    pub fn begun(&self) -> WaitForCancellationFuture<'_> {
        self.begun.cancelled()
    }

    /// To be held by an upgraded socket for as long as it lives: the drain waits for it.
    pub fn hold(&self) -> TaskTrackerToken {
        self.sockets.token()
    }

    /// How many sockets are held.
    pub fn n_held(&self) -> usize {
        self.sockets.len()
    }
}

/// What a drain left behind at its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Requests that were cut off.
    pub n_requests: usize,
    /// Upgraded sockets that had not ended; they end with the process.
    pub n_sockets: usize,
}

/// Serves until [`Drain::begin`], then until all has ended, `deadline` at most.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: &Limits,
    drain: Drain,
    deadline: Duration,
) -> Drained {
    let http = builder(limits);
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();
    let mut accept_wait = ACCEPT_WAIT_MIN;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = drain.begun() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                accept_wait = ACCEPT_WAIT_MIN;
                let connection = Connection {
                    http: http.clone(),
                    router: router.clone(),
                    peer: Peer(peer),
                    drain: drain.clone(),
                    cut: cut.clone(),
                };
                connections.spawn(connection.run(stream));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(kind = %error.kind(), "cannot accept connections; trying again");
                tokio::select! {
                    () = tokio::time::sleep(accept_wait) => {}
                    () = drain.begun() => break,
                }
                accept_wait = (accept_wait * 2).min(ACCEPT_WAIT_MAX);
            }
        }
    }
    drop(listener);
    connections.close();
    drain.sockets.close();
    let ended = async {
        // Connections first: a request in flight may still become a socket.
        connections.wait().await;
        drain.sockets.wait().await;
    };
    let _ = tokio::time::timeout(deadline, ended).await;
    let drained = Drained {
        n_requests: connections.len(),
        n_sockets: drain.n_held(),
    };
    cut.cancel();
    connections.wait().await;
    drained
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(wait_ms(limits.head_ms))
        .max_headers(HEADERS_MAX)
        .max_header_size(limits.head_bytes_max)
        .max_buf_size(BUFFER_BYTES_MAX.max(limits.head_bytes_max));
    http
}

/// A client that was gone before it was accepted says nothing about the next one.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

struct Connection {
    http: http1::Builder,
    router: Router,
    peer: Peer,
    drain: Drain,
    cut: CancellationToken,
}

impl Connection {
    async fn run(self, stream: TcpStream) {
        // A line of a few bytes must not wait for more of them. A refusal costs only time.
        let _ = stream.set_nodelay(true);
        let (router, peer) = (self.router, self.peer);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            answer(router.clone(), peer, request.map(Body::new))
        });
        let connection = self
            .http
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            // How a connection ended is the client's business: nothing to log, nothing to do.
            _ = connection.as_mut() => return,
            () = self.drain.begun() => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            _ = connection.as_mut() => {}
            () = self.cut.cancelled() => {}
        }
    }
}

async fn answer(
    mut router: Router,
    peer: Peer,
    mut request: Request,
) -> Result<Response, Infallible> {
    request.extensions_mut().insert(peer);
    // A Router is always ready, so it needs no poll_ready.
    router.call(request).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Extension;
    use axum::http::{StatusCode, header};
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;
    use tokio::time::{Instant, timeout};

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    struct Server {
        address: SocketAddr,
        drain: Drain,
        task: JoinHandle<Drained>,
    }

    async fn start(router: Router, drain: Drain, deadline: Duration) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits {
            head_ms: 200,
            ..Limits::default()
        };
        let ours = drain.clone();
        let task =
            tokio::spawn(async move { serve(listener, router, &limits, ours, deadline).await });
        Server {
            address,
            drain,
            task,
        }
    }

    impl Server {
        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.address).await.unwrap()
        }

        async fn call(&self, request: &str) -> String {
            let mut stream = self.connect().await;
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            timeout(SOON, stream.read_to_string(&mut answer))
                .await
                .unwrap()
                .unwrap();
            answer
        }
    }

    /// `/upgrade` becomes a bare stream that lives until `let_go`.
    fn with_upgrade(drain: Drain, let_go: Arc<Notify>) -> Router {
        let upgrade = move |request: Request| async move {
            let held = drain.hold();
            tokio::spawn(async move {
                let upgraded = hyper::upgrade::on(request).await.unwrap();
                let mut stream = TokioIo::new(upgraded);
                stream.write_all(b"up").await.unwrap();
                let_go.notified().await;
                stream.write_all(b"bye").await.unwrap();
                drop(held);
            });
            let upgrade = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "probe")];
            (StatusCode::SWITCHING_PROTOCOLS, upgrade)
        };
        Router::new().route("/upgrade", get(upgrade))
    }

    async fn upgraded(server: &Server) -> TcpStream {
        let mut stream = server.connect().await;
        stream
            .write_all(b"GET /upgrade HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: probe\r\n\r\n")
            .await
            .unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\nup") {
            let mut byte = [0];
            timeout(SOON, stream.read_exact(&mut byte))
                .await
                .unwrap()
                .unwrap();
            seen.push(byte[0]);
        }
        stream
    }

    #[tokio::test]
    async fn a_request_is_answered_and_knows_its_peer() {
        let peer_is_loopback = |Extension(Peer(peer)): Extension<Peer>| async move {
            assert_eq!(format!("{:?}", Peer(peer)), "…");
            peer.ip().is_loopback().to_string()
        };
        let router = Router::new().route("/", get(peer_is_loopback));
        let server = start(router, Drain::new(), SOON).await;
        let answer = server
            .call("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("true"));
    }

    #[tokio::test]
    async fn a_head_that_never_ends_is_closed_at_its_deadline() {
        let server = start(Router::new(), Drain::new(), SOON).await;
        for half in ["", "GET / HTTP/1.1\r\nhost: x\r\n"] {
            let begun = Instant::now();
            let answer = server.call(half).await;
            assert!(!answer.contains(" 200"), "{answer}");
            assert!(begun.elapsed() >= Duration::from_millis(150));
        }
    }

    #[tokio::test]
    async fn too_much_head_is_refused() {
        let server = start(Router::new(), Drain::new(), SOON).await;
        let many = "a: b\r\n".repeat(HEADERS_MAX + 1);
        let answer = server.call(&format!("GET / HTTP/1.1\r\n{many}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
        let long = "x".repeat(Limits::default().head_bytes_max);
        let answer = server
            .call(&format!("GET / HTTP/1.1\r\na: {long}\r\n\r\n"))
            .await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }

    #[tokio::test]
    async fn a_drain_waits_for_an_upgraded_socket() {
        let (drain, let_go) = (Drain::new(), Arc::new(Notify::new()));
        let router = with_upgrade(drain.clone(), let_go.clone());
        let server = start(router, drain, SOON).await;
        let mut stream = upgraded(&server).await;
        assert_eq!(server.drain.n_held(), 1);
        server.drain.begin();
        let mut task = server.task;
        let early = timeout(Duration::from_millis(100), &mut task).await;
        assert!(early.is_err(), "the drain did not wait");
        assert!(TcpStream::connect(server.address).await.is_err());
        let_go.notify_one();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "bye");
        let drained = timeout(SOON, task).await.unwrap().unwrap();
        assert_eq!((drained.n_requests, drained.n_sockets), (0, 0));
    }

    #[tokio::test]
    async fn a_drain_ends_at_its_deadline_and_says_what_was_left() {
        let (drain, let_go) = (Drain::new(), Arc::new(Notify::new()));
        let reached = Arc::new(Notify::new());
        let r = reached.clone();
        let never = move || async move {
            r.notify_one();
            std::future::pending::<()>().await
        };
        let router = with_upgrade(drain.clone(), let_go).route("/never", get(never));
        let server = start(router, drain, Duration::from_millis(100)).await;
        let _stream = upgraded(&server).await;
        let mut waiting = server.connect().await;
        waiting
            .write_all(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        reached.notified().await;
        server.drain.begin();
        let drained = timeout(SOON, server.task).await.unwrap().unwrap();
        assert_eq!((drained.n_requests, drained.n_sockets), (1, 1));
    }

    #[tokio::test]
    async fn a_request_in_flight_finishes_during_a_drain() {
        let (reached, let_go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (r, l) = (reached.clone(), let_go.clone());
        let slow = move || async move {
            r.notify_one();
            l.notified().await;
            "done"
        };
        let server = start(Router::new().route("/", get(slow)), Drain::new(), SOON).await;
        let mut stream = server.connect().await;
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        reached.notified().await;
        server.drain.begin();
        let_go.notify_one();
        let mut answer = String::new();
        timeout(SOON, stream.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert!(answer.ends_with("done"), "{answer}");
        assert_eq!(server.task.await.unwrap().n_requests, 0);
    }
}
