//! The socket: the upgrade, and the sockets of this node.
//!
//! The handshake is HTTP; after it the stream is ours (`hyper::upgrade`): read by tungstenite, written by the outbox,
//! because a frame is encoded once and shared by all who get it.

mod connection;
pub mod handshake;
mod measures;
mod room_frames;
mod say;
pub mod socket;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use self::handshake::Handshake;
use super::problem::{Code, Problem};
use super::session::{Signed, client_key};
use super::state::{Edge, EdgeState};
use crate::features::rooms::outbox::{Closing, Outbox};
use crate::features::rooms::{ConnId, PersonId};
use crate::platform::ids::SessionId;
use crate::platform::limits::Bucket;
use crate::protocol::{SUBPROTOCOL, Why};

/// The close code of a session that ended (`protocol.md`).
const CLOSE_SESSION: u16 = 4001;
/// How far back before its last look a node looks for sessions that ended elsewhere, in milliseconds: a commit may be late,
/// and clocks differ.
const ENDED_LOOK_BACK_MS: i64 = 30_000;
/// How often it looks.
const ENDED_LOOK_EVERY: Duration = Duration::from_secs(5);

/// One socket of this node.
#[derive(Clone)]
struct Socket {
    session: SessionId,
    person: PersonId,
    outbox: Outbox,
}

/// The sockets of this node, so that they can be counted and closed. Plain data under a plain lock.
#[derive(Default)]
pub struct Sockets(Mutex<Book>);

#[derive(Default)]
struct Book {
    sockets: HashMap<ConnId, Socket>,
    of_person: HashMap<PersonId, u32>,
}

impl Sockets {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one, unless the node or the person has enough.
    fn add(
        &self,
        conn: ConnId,
        socket: Socket,
        per_person: u32,
        per_node: u32,
    ) -> Result<(), TooMany> {
        let mut book = self.lock();
        if book.sockets.len() >= per_node as usize {
            return Err(TooMany::OfNode);
        }
        let of_person = book.of_person.entry(socket.person.clone()).or_default();
        if *of_person >= per_person {
            return Err(TooMany::OfPerson);
        }
        *of_person += 1;
        book.sockets.insert(conn, socket);
        metrics::gauge!("engawa_sockets").set(book.sockets.len() as f64);
        Ok(())
    }

    fn remove(&self, conn: ConnId) {
        let mut book = self.lock();
        if let Some(socket) = book.sockets.remove(&conn)
            && let Some(of_person) = book.of_person.get_mut(&socket.person)
        {
            *of_person -= 1;
            if *of_person == 0 {
                book.of_person.remove(&socket.person);
            }
        }
        metrics::gauge!("engawa_sockets").set(book.sockets.len() as f64);
    }

    fn end_session(&self, session: &SessionId) {
        for socket in self
            .lock()
            .sockets
            .values()
            .filter(|socket| socket.session == *session)
        {
            socket.outbox.close(Closing {
                code: CLOSE_SESSION,
                bye: Some((Why::Session, 0)),
            });
        }
    }
}

enum TooMany {
    OfNode,
    OfPerson,
}

/// `GET /ws`.
pub async fn upgrade(
    State(edge): State<EdgeState>,
    signed: Option<Signed>,
    mut request: Request<Body>,
) -> Response {
    match accept(&edge, signed, &mut request) {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

fn accept(
    edge: &EdgeState,
    signed: Option<Signed>,
    request: &mut Request<Body>,
) -> Result<Response, Problem> {
    let headers = request.headers();
    if !origin_is_ours(edge, headers) {
        return Err(Problem::new(Code::WrongOrigin));
    }
    let Some(Signed(session)) = signed else {
        return Err(Problem::new(Code::NoSession));
    };
    let handshake = Handshake::read(headers).ok_or_else(|| Problem::new(Code::BadRequest))?;
    if !asks_for_subprotocol(headers) {
        return Err(Problem::new(Code::BadRequest));
    }
    if edge.drain.has_begun() {
        return Err(Problem::new(Code::Busy));
    }
    edge.rates
        .check(Bucket::Upgrades, client_key(edge, request))
        .map_err(|wait| Problem::new(Code::TooFast).retry_after(wait.seconds()))?;
    let limits = &edge.settings.limits;
    let conn = edge.next_conn();
    let outbox = Outbox::new(limits.outbox_frames_max, limits.outbox_bytes_max);
    let socket = Socket {
        session: session.id.clone(),
        person: super::reach::person(&session),
        outbox: outbox.clone(),
    };
    edge.sockets
        .add(
            conn,
            socket,
            limits.sockets_max,
            limits.sockets_per_node_max,
        )
        .map_err(|many| match many {
            TooMany::OfPerson => Problem::new(Code::TooFast).retry_after(SOCKETS_RETRY_S),
            TooMany::OfNode => Problem::new(Code::Busy).retry_after(SOCKETS_RETRY_S),
        })?;
    let upgraded = hyper::upgrade::on(request);
    // Held for the socket's whole life: a drain waits for it.
    let held = edge.drain.hold();
    let edge = Arc::clone(edge);
    tokio::spawn(async move {
        if let Ok(Ok(stream)) = tokio::time::timeout(UPGRADE_WITHIN, upgraded).await {
            connection::run(&edge, conn, session, outbox, stream).await;
        }
        edge.sockets.remove(conn);
        drop(held);
    });
    Ok(handshake.accepted(Some(SUBPROTOCOL)))
}

/// When somebody with too many sockets may try again, in seconds.
const SOCKETS_RETRY_S: u64 = 10;
/// How long the switch of protocols may take.
const UPGRADE_WITHIN: Duration = Duration::from_secs(10);

/// The socket needs its own look at the origin: a browser asks no leave for it and sends the cookie along.
fn origin_is_ours(edge: &Edge, headers: &HeaderMap) -> bool {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    // Each of them, should there be several: none may say otherwise.
    let same_site = headers
        .get_all("sec-fetch-site")
        .iter()
        .all(|site| site == "same-origin");
    let only_one = headers.get_all(header::ORIGIN).iter().count() == 1;
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => {
            only_one && same_site && edge.settings.origin_allowed(origin, host)
        }
        (None, _) | (_, None) => false,
    }
}

fn asks_for_subprotocol(headers: &HeaderMap) -> bool {
    handshake::lists(headers, &header::SEC_WEBSOCKET_PROTOCOL).any(|name| name == SUBPROTOCOL)
}

/// Closes the sockets of sessions that end, on this node at once and on others within seconds; for ever.
pub async fn watch_sessions(edge: EdgeState) {
    let mut ended = edge.identity.subscribe_ended();
    let mut look = tokio::time::interval(ENDED_LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut looked = edge.clock.now();
    loop {
        tokio::select! {
            told = ended.recv() => match told {
                Ok(session) => edge.sockets.end_session(&session),
                // Some were missed: the store has them.
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => look.reset_immediately(),
                Err(tokio::sync::broadcast::error::RecvError::Closed) => break,
            },
            _ = look.tick() => {
                let now = edge.clock.now();
                // From the last look that was answered: a node that stood still, or had no store, must miss no end.
                let since = looked.min(now).minus_ms(ENDED_LOOK_BACK_MS);
                match edge.identity.ended_since(since).await {
                    Ok(sessions) => {
                        looked = now;
                        sessions.iter().for_each(|session| edge.sockets.end_session(session));
                    }
                    Err(error) => tracing::warn!(%error, "ended sessions could not be read"),
                }
            }
        }
    }
}
