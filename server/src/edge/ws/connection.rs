//! One task per socket: it reads frames, asks for permits, and tells rooms. What goes out is the outbox's.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::Upgraded;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::socket::{
    CLOSE_AWAY, CLOSE_NORMAL, CLOSE_POLICY, CLOSE_UNSUPPORTED, Reader, close_code,
};
use crate::edge::pages::texts;
use crate::edge::reach::{self, reach};
use crate::edge::state::Edge;
use crate::features::identity::Session;
use crate::features::rooms::outbox::{Closing, Outbox};
use crate::features::rooms::ticket::Tickets;
use crate::features::rooms::{Asker, BUSY_RETRY_MS, ConnId, Input, Refusal, RoomLink, Who, duty};
use crate::permit::{Action, Actor};
use crate::platform::clock::wait_ms;
use crate::platform::ids::{ID_CHARS_MAX, RoomId, Seq, jitter};
use crate::platform::limits::{Bucket, RateKey};
use crate::platform::telemetry::names;
use crate::protocol::{
    ClientFrame, EnterMode, Frame, Limits, RefusalCode, ServerFrame, Time, Why, YouOut,
};

/// The window in which bad frames are counted.
const BAD_FRAMES_WINDOW: Duration = Duration::from_secs(60);
/// How long a closing word may take to leave.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// Messages of one socket in a row, before others have their turn.
const MESSAGES_IN_A_ROW: usize = 32;

/// A room this connection is in.
pub(super) struct Entered {
    pub(super) link: RoomLink,
    pub(super) who: Who,
    pub(super) mode: EnterMode,
}

/// What a connection knows while it lives.
pub(super) struct Connection<'e> {
    pub(super) edge: &'e Arc<Edge>,
    pub(super) conn: ConnId,
    /// The connection as the store's leases know it.
    pub(super) conn_name: String,
    pub(super) session: Session,
    pub(super) outbox: Outbox,
    pub(super) tickets: Tickets,
    /// Boxed, because a map holds room for some more.
    pub(super) entered: HashMap<RoomId, Box<Entered>>,
    pub(super) say_key: RateKey,
    frames_key: RateKey,
    bad_frames: Vec<Instant>,
    pub(super) acted: bool,
}

/// Runs one socket until it ends.
pub(super) async fn run(
    edge: &Arc<Edge>,
    conn: ConnId,
    session: Session,
    outbox: Outbox,
    stream: Upgraded,
) {
    let frame_bytes_max = edge.settings.limits.frame_bytes_max;
    let Ok(mut reader) = Reader::take_over(stream, &outbox, frame_bytes_max) else {
        tracing::error!("a socket is not a plain stream");
        return;
    };
    let node = edge.rooms.deps().node.as_str();
    let acted = session.handle.is_none_or(|handle| handle.acted);
    let person_key = reach::person_key(edge, &session);
    let mut connection = Connection {
        conn_name: format!("{node}:{}", conn.0),
        tickets: Tickets::new(outbox.clone()),
        frames_key: edge.rates.key(&conn.0.to_be_bytes()),
        say_key: person_key,
        edge,
        conn,
        session,
        outbox,
        entered: HashMap::new(),
        bad_frames: Vec::new(),
        acted,
    };
    connection.welcome();
    if connection.session.staff_id().is_some() {
        Box::pin(connection.say_reachable()).await;
    }
    connection.live(&mut reader).await;
    if connection.session.staff_id().is_some() {
        Box::pin(connection.say_unreachable()).await;
    }
    connection.end();
    let outbox = connection.outbox;
    let _ = timeout(CLOSE_WITHIN, outbox.ended()).await;
    outbox.end();
    // The other end may still have something to say, which nobody reads.
    Box::pin(reader.drain()).await;
}

/// Whether a socket goes on being read.
enum Then {
    Read,
    End,
}

/// What a socket's alarm is set for.
#[derive(Clone, Copy)]
enum Due {
    Ping,
    Pong,
}

impl Connection<'_> {
    fn welcome(&self) {
        let limits = &self.edge.settings.limits;
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (standing, roles) = match &self.session.actor {
            Actor::Handle { standing, .. } => (Some(*standing), Vec::new()),
            Actor::Staff { roles, .. } => (None, roles.iter().map(|role| role.role).collect()),
        };
        let id = match &self.session.actor {
            Actor::Handle { id, .. } => id.as_str().to_owned(),
            Actor::Staff { id, .. } => id.as_str().to_owned(),
        };
        self.send(&ServerFrame::Welcome {
            you: YouOut {
                id,
                name: self.session.name.as_str().to_owned(),
                standing,
                roles,
            },
            now: Time(self.edge.clock.now()),
            limits: Limits {
                body_chars_max: small(limits.body_chars_max),
                frame_bytes_max: small(limits.frame_bytes_max),
                say_burst: limits.say_burst,
                say_interval_ms: u32::try_from(limits.say_interval_ms).unwrap_or(u32::MAX),
                frames_per_10s: limits.frames_per_10s,
                sockets_max: limits.sockets_max,
            },
        });
    }

    /// Reads until the socket ends.
    async fn live(&mut self, reader: &mut Reader) {
        let rooms = &self.edge.settings.rooms;
        let ping_every = wait_ms(rooms.ping_ms);
        let pong_grace = wait_ms(rooms.pong_grace_ms);
        let mut next_ping = Instant::now() + ping_every;
        let mut pong_due: Option<Instant> = None;
        let mut due = Due::Ping;
        let edge = Arc::clone(self.edge);
        // One timer and one wait for the drain, for the socket's whole life: they are made for ten thousand idle ones.
        let mut alarm = std::pin::pin!(sleep_until(next_ping));
        let mut draining = std::pin::pin!(edge.drain.begun());
        let mut drained = false;
        loop {
            // What is left in the reader's buffer does not make the socket readable again.
            let mut may_be_more = true;
            for _ in 0..MESSAGES_IN_A_ROW {
                let Some(message) = reader.try_next() else {
                    may_be_more = false;
                    break;
                };
                if matches!(message, Ok(Message::Pong(_))) && pong_due.take().is_some() {
                    due = Due::Ping;
                    alarm.as_mut().reset(next_ping);
                }
                match self.message(message).await {
                    Then::Read => {}
                    Then::End => return,
                }
            }
            tokio::select! {
                () = tokio::task::yield_now(), if may_be_more => {}
                readable = reader.readable(), if !may_be_more => {
                    if readable.is_err() {
                        return;
                    }
                }
                () = self.outbox.ended() => return,
                () = draining.as_mut(), if !drained => {
                    drained = true;
                    self.drain();
                }
                () = alarm.as_mut() => match due {
                    Due::Ping => {
                        next_ping += ping_every;
                        let by = *pong_due.get_or_insert(Instant::now() + pong_grace);
                        due = if by < next_ping { Due::Pong } else { Due::Ping };
                        alarm.as_mut().reset(by.min(next_ping));
                        self.outbox.ping();
                        self.count_out();
                        Box::pin(self.keep_session()).await;
                    }
                    Due::Pong => return self.close(CLOSE_AWAY),
                },
            }
        }
    }

    async fn message(&mut self, message: Result<Message, Error>) -> Then {
        match message {
            Ok(Message::Text(text)) => self.frame(text.as_str()).await,
            Ok(Message::Pong(_)) if self.session.staff_id().is_some() => {
                Box::pin(self.renew_duty()).await;
            }
            Ok(Message::Pong(_)) => {}
            Ok(Message::Binary(_)) => {
                self.close(CLOSE_UNSUPPORTED);
                return Then::End;
            }
            // Pings are answered by the reader.
            Ok(Message::Ping(_) | Message::Frame(_)) => {}
            Ok(Message::Close(close)) => {
                // RFC 6455, 5.5.1: the code is said back.
                self.close(close.map_or(CLOSE_NORMAL, |close| u16::from(close.code)));
                return Then::End;
            }
            Err(error) => {
                self.close(close_code(&error));
                return Then::End;
            }
        }
        Then::Read
    }

    /// An open socket counts as activity: nobody is logged out for reading quietly.
    async fn keep_session(&self) {
        match self.edge.identity.touch(&self.session.id).await {
            Ok(true) => {}
            Ok(false) => self.edge.sockets.end_session(&self.session.id),
            Err(error) => tracing::warn!(%error, "a session could not be kept"),
        }
    }

    fn is_on_duty(&self) -> bool {
        self.entered
            .values()
            .any(|entered| entered.who.duty.is_some())
    }

    async fn renew_duty(&self) {
        if self.is_on_duty()
            && let Err(error) = duty::renew(self.edge.rooms.deps(), self.conn_name.clone()).await
        {
            tracing::error!(%error, "a duty could not be renewed");
        }
        self.say_reachable().await;
    }

    /// Whoever is on call is reached by an open socket.
    async fn say_reachable(&self) {
        let Some(staff) = self.session.staff_id() else {
            return;
        };
        let deps = self.edge.rooms.deps();
        let said = duty::can_be_reached(deps, staff.clone(), self.conn_name.clone()).await;
        if let Err(error) = said {
            tracing::error!(%error, "that somebody can be reached could not be written");
        }
    }

    async fn say_unreachable(&self) {
        let deps = self.edge.rooms.deps();
        if let Err(error) = duty::cannot_be_reached(deps, self.conn_name.clone()).await {
            tracing::warn!(%error, "that a socket closed could not be written; it runs out by itself");
        }
    }

    fn drain(&self) {
        // Spread out, so that not all come back in the same instant.
        let spread = jitter(&*self.edge.chance, DRAIN_SPREAD);
        let reconnect_after_ms =
            DRAIN_RECONNECT_MS + u64::try_from(spread.as_millis()).unwrap_or(0);
        self.outbox.close(Closing {
            code: CLOSE_AWAY,
            bye: Some((Why::Drain, reconnect_after_ms)),
        });
    }

    fn close(&self, code: u16) {
        self.outbox.close(Closing { code, bye: None });
    }

    /// Counted now and then: one lookup of a counter for each frame would be felt.
    fn count_out(&self) {
        metrics::counter!(names::FRAMES_OUT).increment(self.outbox.take_count());
    }

    fn end(&mut self) {
        self.count_out();
        // Closed before the rooms are told: an `enter` that is still in an inbox then comes in for nobody.
        self.close(CLOSE_AWAY);
        for (_, entered) in self.entered.drain() {
            entered.link.gone(self.conn);
        }
    }

    pub(super) fn send(&self, frame: &ServerFrame) {
        self.outbox.push(Frame::of(frame));
    }

    pub(super) fn refuse(
        &self,
        key: Option<&str>,
        room: Option<&str>,
        refusal: impl Into<Refusal>,
    ) {
        let refusal = refusal.into();
        metrics::counter!("engawa_refused_total", "code" => refusal.code.as_str()).increment(1);
        self.send(&ServerFrame::Refused {
            key: key
                .filter(|key| key.len() <= ID_CHARS_MAX)
                .map(str::to_owned),
            room: room
                .filter(|room| room.len() <= ID_CHARS_MAX)
                .map(str::to_owned),
            code: refusal.code,
            text: texts::refused(refusal.code.as_str()).to_owned(),
            retry_after_ms: refusal.retry_after_ms,
        });
    }

    pub(super) fn busy() -> Refusal {
        Refusal {
            code: RefusalCode::Busy,
            retry_after_ms: Some(BUSY_RETRY_MS),
        }
    }

    pub(super) fn asker(&self) -> Asker {
        Asker {
            conn: self.conn,
            ticket: self.tickets.take(),
        }
    }

    /// Tells a room; a full one answers `busy` here, and one that is forgotten as one that is not there.
    pub(super) fn post(&self, link: &RoomLink, input: Input, key: Option<&str>) {
        if link.post_with(input, self.asker(), &self.outbox).is_err() {
            let refusal = if link.is_over() {
                RefusalCode::NotAllowed.into()
            } else {
                Self::busy()
            };
            self.refuse(key, Some(link.gathering().id.as_str()), refusal);
        }
    }

    /// What is waited for is boxed, so that ten thousand idle sockets do not each hold room for it.
    async fn frame(&mut self, text: &str) {
        metrics::counter!("engawa_frames_in_total").increment(1);
        let frame = match serde_json::from_str::<ClientFrame>(text) {
            // serde reads a list of the fields, too; the contract says an object.
            Ok(frame) if text.trim_ascii_start().starts_with('{') => frame,
            Ok(_) | Err(_) => return self.bad_frame(text),
        };
        let too_fast = self.edge.rates.check(Bucket::Frames, self.frames_key).err();
        if let Some(wait) = too_fast {
            let refusal = Refusal {
                code: RefusalCode::TooFast,
                retry_after_ms: Some(wait.ms()),
            };
            if let ClientFrame::Say { room, key, .. } = &frame {
                // Every `say` is looked up by its key before any other check.
                return Box::pin(self.say_refused(room, key, refusal)).await;
            }
            let (key, room) = echo(text);
            return self.refuse(key.as_deref(), room.as_deref(), refusal);
        }
        match frame {
            ClientFrame::Enter {
                room,
                epoch,
                after,
                mode,
                name,
            } => {
                let mode = mode.unwrap_or(EnterMode::Talk);
                Box::pin(self.enter(&room, epoch.as_deref(), after, mode, name.as_deref())).await;
            }
            ClientFrame::Say {
                room,
                key,
                body,
                ready,
                note,
                no_reply,
                form,
            } => {
                let words = super::say::Words {
                    body,
                    ready,
                    note,
                    no_reply,
                    form,
                };
                // Boxed as well: it holds room for what an assessment finds, and costs a line less than it would see.
                Box::pin(self.say(&room, &key, words, text)).await;
            }
            ClientFrame::Unsay { room, seq, key } => {
                Box::pin(self.unsay(&room, seq, key.as_deref(), text)).await
            }
            ClientFrame::Stamp {
                room,
                seq,
                stamp,
                on,
            } => {
                let Some((link, who)) = self.here(&room) else {
                    return self.not_here(&room, None, Action::Stamp).await;
                };
                if !self.acts().await {
                    return self.refuse(None, Some(&room), RefusalCode::NotAllowed);
                }
                let on = on.unwrap_or(true);
                let (conn, participant) = (self.conn, who.participant);
                self.post(
                    &link,
                    Input::Stamp {
                        conn,
                        participant,
                        seq: Seq(seq),
                        stamp,
                        on,
                        by_form: false,
                    },
                    None,
                );
            }
            ClientFrame::Lamp { room, on } => {
                let Some((link, _)) = self.here(&room) else {
                    return self.not_here(&room, None, Action::Lamp).await;
                };
                if !self.acts().await {
                    return self.refuse(None, Some(&room), RefusalCode::NotAllowed);
                }
                self.post(
                    &link,
                    Input::Lamp {
                        conn: self.conn,
                        on,
                    },
                    None,
                );
            }
            ClientFrame::Measure {
                room,
                key,
                kind,
                target,
                reason,
                value,
                ..
            } => {
                let asked = super::measures::Asked {
                    kind,
                    target,
                    reason,
                    value,
                };
                Box::pin(self.measure(&room, &key, asked, text)).await;
            }
            ClientFrame::Leave { room } => Box::pin(self.leave(&room)).await,
            ClientFrame::Ping { n } => self.tickets.ping(n),
            ClientFrame::Whisper { room, key, .. } | ClientFrame::Report { room, key, .. } => {
                self.refuse(Some(&key), Some(&room), RefusalCode::NotYet);
            }
            ClientFrame::Call { room, key, .. } => {
                self.refuse(Some(&key), room.as_deref(), RefusalCode::NotYet);
            }
        }
    }

    pub(super) fn bad_frame(&mut self, text: &str) {
        let (key, room) = echo(text);
        self.refuse(key.as_deref(), room.as_deref(), RefusalCode::BadFrame);
        let now = Instant::now();
        self.bad_frames
            .retain(|at| now.duration_since(*at) < BAD_FRAMES_WINDOW);
        self.bad_frames.push(now);
        if self.bad_frames.len() >= self.edge.settings.limits.bad_frames_per_minute as usize {
            self.close(CLOSE_POLICY);
        }
    }

    /// The room, and who one is there, if one is in it.
    pub(super) fn here(&self, room: &str) -> Option<(RoomLink, Who)> {
        let entered = self.entered.get(&RoomId::parse(room)?)?;
        Some((entered.link.clone(), entered.who.clone()))
    }

    /// `not_entered` for a room one could enter; `not_allowed` for any other.
    pub(super) async fn not_here(&self, room: &str, key: Option<&str>, action: Action) {
        let reached = match RoomId::parse(room) {
            Some(id) => reach(self.edge, &self.session, &id, None, action).await,
            None => Ok(None),
        };
        match reached {
            Ok(Some(_)) => self.refuse(key, Some(room), RefusalCode::NotEntered),
            Ok(None) => self.refuse(key, Some(room), RefusalCode::NotAllowed),
            Err(_) => self.refuse(key, Some(room), Self::busy()),
        }
    }

    /// Settles the standing at the first act in a room. False where it was changed elsewhere meanwhile.
    pub(super) async fn acts(&mut self) -> bool {
        if self.acted {
            return true;
        }
        let settled = reach::settle(self.edge, &self.session).await;
        self.acted = settled == Some(true);
        settled.unwrap_or(true)
    }
}

/// When clients come back after a drain at the earliest, in milliseconds, and over how long they are spread.
const DRAIN_RECONNECT_MS: u64 = 300;
const DRAIN_SPREAD: Duration = Duration::from_millis(2_700);

/// The key and room of a frame that cannot be read, so that its sender knows which it was.
fn echo(text: &str) -> (Option<String>, Option<String>) {
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(text) else {
        return (None, None);
    };
    let field = |name: &str| {
        fields
            .get(name)
            .and_then(|value| value.as_str())
            .filter(|text| text.len() <= ID_CHARS_MAX)
    };
    (
        field("key").map(str::to_owned),
        field("room").map(str::to_owned),
    )
}
