//! Hints over Redis: one connection a node, its hints in pipelines, its subscriptions begun again by itself.
//!
//! Redis keeps nothing of it: `PUBLISH` alone. What is published while a connection is away is lost, and known to be:
//! - whenever a subscription begins, first or again, and when the connection ends, this node's rooms look into the store;
//! - rooms of which this node could not publish are told to the others once it can.
//!
//! So nothing has to be kept for later, and Redis may come back empty.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, PushInfo, PushKind, RedisError};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::hearing::{Hearing, Mouth, pair};
use super::wire::{self, Origin, Read};
use super::{Bus, Hint, News};
use crate::platform::backoff::Backoff;
use crate::platform::ids::{Chance, RoomId, Secret};
use crate::platform::redis::{self as server, AddressError};
use crate::platform::sealing::DataKey;
use crate::platform::telemetry::names;

/// How soon Redis is tried again. It is cheap to ask, and people wait meanwhile for up to five seconds.
const AGAIN: Backoff = Backoff {
    first: Duration::from_millis(50),
    longest: Duration::from_secs(1),
};
/// How often Redis is asked whether it is there: a machine that was cut off ends no connection.
const PING_EVERY: Duration = Duration::from_secs(1);
/// Hints and bytes that wait to be published; of what is more only the rooms are remembered.
const WAITING_HINTS: usize = 4_096;
const WAITING_BYTES: usize = 8 << 20;
/// Hints of one pipeline, and channels of one subscription.
const AT_ONCE: usize = 512;

/// What a [`RedisBus`] is made of.
pub struct RedisBusParts {
    /// Where Redis is.
    pub url: Secret,
    /// What its channels begin with.
    pub prefix: String,
    /// How long an answer may take.
    pub answer_within: Duration,
    /// The same on all nodes: hints travel sealed.
    pub key: DataKey,
    /// Chance.
    pub chance: Arc<dyn Chance>,
}

/// One node's end of the bus. Dropping it ends its connection.
pub struct RedisBus {
    shared: Arc<Shared>,
    stream: Mutex<Option<Hearing>>,
    running: AbortHandle,
}

struct Shared {
    state: Mutex<State>,
    /// There is something to send, or to subscribe to.
    wake: Notify,
    mouth: Mouth,
    origin: Origin,
    key: DataKey,
    prefix: String,
    chance: Arc<dyn Chance>,
}

/// Plain data, never held over a wait.
#[derive(Default)]
struct State {
    connected: bool,
    joined: HashSet<RoomId>,
    /// Rooms that were joined or left since the last look.
    turned: HashSet<RoomId>,
    waiting: VecDeque<Hint>,
    n_waiting_bytes: usize,
    /// Rooms of which something was not published: the others must look.
    unsent: HashSet<RoomId>,
}

/// What to do next, in this order.
#[derive(Default)]
struct Work {
    subscribe: Vec<RoomId>,
    unsubscribe: Vec<RoomId>,
    hints: Vec<Hint>,
}

impl RedisBus {
    /// Begins to connect, and goes on for as long as this lives. Redis need not be there yet.
    ///
    /// # Errors
    /// The address is none.
    pub fn start(parts: RedisBusParts) -> Result<Self, AddressError> {
        let client = server::client(&parts.url)?;
        let (mouth, stream) = pair();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            wake: Notify::new(),
            mouth,
            origin: Origin::new(&*parts.chance),
            key: parts.key,
            prefix: parts.prefix,
            chance: parts.chance,
        });
        metrics::gauge!(names::BUS_CONNECTED).set(0.0);
        let running = tokio::spawn(run(Arc::clone(&shared), client, parts.answer_within));
        Ok(Self {
            shared,
            stream: Mutex::new(Some(stream)),
            running: running.abort_handle(),
        })
    }
}

impl Drop for RedisBus {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Bus for RedisBus {
    fn publish(&self, hint: Hint) {
        if self.shared.state().put(hint) {
            self.shared.wake.notify_one();
        }
    }

    fn join(&self, room: &RoomId) {
        let mut state = self.shared.state();
        if state.joined.insert(room.clone()) {
            state.turned.insert(room.clone());
            self.shared.wake.notify_one();
        }
    }

    fn leave(&self, room: &RoomId) {
        let mut state = self.shared.state();
        if state.joined.remove(room) {
            state.turned.insert(room.clone());
            self.shared.wake.notify_one();
        }
    }

    fn stream(&self) -> Option<Hearing> {
        self.stream
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl State {
    /// Takes a hint to publish; answers whether somebody should send it now.
    fn put(&mut self, hint: Hint) -> bool {
        let n_bytes = hint.n_bytes();
        let fits = self.waiting.len() < WAITING_HINTS
            && self.n_waiting_bytes.saturating_add(n_bytes) <= WAITING_BYTES;
        if self.connected && fits {
            self.n_waiting_bytes += n_bytes;
            self.waiting.push_back(hint);
            return true;
        }
        self.unsent(hint.room);
        self.connected
    }

    fn unsent(&mut self, room: RoomId) {
        metrics::counter!(names::BUS_DROPPED, "way" => "out").increment(1);
        self.unsent.insert(room);
    }

    /// A connection began: all that was joined is to be subscribed to.
    fn connect(&mut self) {
        self.connected = true;
        self.turned.clear();
        self.turned.extend(self.joined.iter().cloned());
    }

    /// A connection ended: what waited is not sent, and all that was joined may have lost something.
    fn disconnect(&mut self) -> Vec<RoomId> {
        self.connected = false;
        self.n_waiting_bytes = 0;
        for hint in std::mem::take(&mut self.waiting) {
            self.unsent(hint.room);
        }
        self.joined.iter().cloned().collect()
    }

    fn take(&mut self) -> Work {
        let mut work = Work::default();
        let turned: Vec<RoomId> = self.turned.iter().take(AT_ONCE).cloned().collect();
        for room in turned {
            self.turned.remove(&room);
            if self.joined.contains(&room) {
                work.subscribe.push(room);
            } else {
                work.unsubscribe.push(room);
            }
        }
        let n_hints = self.waiting.len().min(AT_ONCE);
        work.hints.extend(self.waiting.drain(..n_hints));
        for hint in &work.hints {
            self.n_waiting_bytes = self.n_waiting_bytes.saturating_sub(hint.n_bytes());
        }
        let told: Vec<RoomId> = self.unsent.iter().take(AT_ONCE).cloned().collect();
        for room in told {
            self.unsent.remove(&room);
            work.hints.push(Hint {
                room,
                news: News::Lost,
            });
        }
        work
    }
}

impl Work {
    fn is_empty(&self) -> bool {
        self.subscribe.is_empty() && self.unsubscribe.is_empty() && self.hints.is_empty()
    }
}

impl Hint {
    fn n_bytes(&self) -> usize {
        match &self.news {
            News::Lines { frames } => frames.iter().map(String::len).sum(),
            News::Changed | News::Head | News::Lost => 0,
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn channel(&self, room: &RoomId) -> String {
        format!("{}:room:{room}", self.prefix)
    }

    fn room_of(&self, channel: &[u8]) -> Option<RoomId> {
        let channel = std::str::from_utf8(channel).ok()?;
        let id = channel.strip_prefix(&self.prefix)?.strip_prefix(":room:")?;
        RoomId::parse(id)
    }

    /// What Redis says by itself.
    fn hear(&self, push: PushInfo, ended: &CancellationToken) {
        match push.kind {
            PushKind::Message => {
                let Some([channel, payload]) = bytes_of(&push.data) else {
                    return;
                };
                let Some(room) = self.room_of(channel) else {
                    return;
                };
                if !self.state().joined.contains(&room) {
                    return;
                }
                match wire::read(payload, &room, self.origin, &self.key) {
                    Read::News(News::Lost) => self.mouth.tell_lost([room]),
                    Read::News(news) => self.mouth.tell(Hint { room, news }),
                    Read::Own => {}
                    Read::Foreign => {
                        metrics::counter!(names::BUS_FOREIGN).increment(1);
                    }
                }
            }
            // From here on nothing is missed; what was before is in the store.
            PushKind::Subscribe => {
                if let Some([channel]) = bytes_of(&push.data)
                    && let Some(room) = self.room_of(channel)
                {
                    self.mouth.tell_lost([room]);
                }
            }
            PushKind::Disconnection => ended.cancel(),
            _ => {}
        }
    }
}

/// The first values of a push, which are texts.
fn bytes_of<const N: usize>(data: &[redis::Value]) -> Option<[&[u8]; N]> {
    let mut found = [&[][..]; N];
    for (idx, found) in found.iter_mut().enumerate() {
        *found = match data.get(idx)? {
            redis::Value::BulkString(bytes) => bytes,
            redis::Value::SimpleString(text) => text.as_bytes(),
            _ => return None,
        };
    }
    Some(found)
}

/// Connects, serves, and begins again, for ever.
async fn run(shared: Arc<Shared>, client: redis::Client, answer_within: Duration) {
    let mut n_failures = 0;
    loop {
        let ended = CancellationToken::new();
        let (ear, ear_ended) = (Arc::downgrade(&shared), ended.clone());
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(answer_within))
            .set_response_timeout(Some(answer_within))
            .set_push_sender(move |push: PushInfo| {
                if let Some(shared) = ear.upgrade() {
                    shared.hear(push, &ear_ended);
                }
                Ok::<(), redis::aio::SendError>(())
            });
        let error = match client
            .get_multiplexed_async_connection_with_config(&config)
            .await
        {
            Ok(connection) => {
                tracing::info!("Redis answers: hints come from other nodes");
                metrics::gauge!(names::BUS_CONNECTED).set(1.0);
                metrics::counter!(names::BUS_CONNECTIONS).increment(1);
                shared.state().connect();
                let error = serve(&shared, connection, &ended).await;
                let joined = shared.state().disconnect();
                metrics::gauge!(names::BUS_CONNECTED).set(0.0);
                shared.mouth.tell_lost(joined);
                n_failures = 0;
                error
            }
            Err(error) => Some(error),
        };
        n_failures += 1;
        // Said once an outage. Of the error only its kind: its text names hosts.
        if n_failures == 1 {
            let kind = error.map(|error| error.category().to_owned());
            tracing::warn!(
                kind = kind.as_deref().unwrap_or("the connection ended"),
                "Redis is away: what other nodes keep is read from the store"
            );
        }
        tokio::time::sleep(AGAIN.after(n_failures, &*shared.chance)).await;
    }
}

/// Does what there is to do over one connection, until it fails.
async fn serve(
    shared: &Shared,
    mut connection: MultiplexedConnection,
    ended: &CancellationToken,
) -> Option<RedisError> {
    let mut ping = tokio::time::interval(PING_EVERY);
    ping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let work = shared.state().take();
        if !work.is_empty() {
            let rooms: Vec<RoomId> = work.hints.iter().map(|hint| hint.room.clone()).collect();
            if let Err(error) = perform(shared, &mut connection, work).await {
                // Sent or not, nobody knows.
                let mut state = shared.state();
                for room in rooms {
                    state.unsent(room);
                }
                return Some(error);
            }
            continue;
        }
        tokio::select! {
            () = ended.cancelled() => return None,
            () = shared.wake.notified() => {}
            _ = ping.tick() => {
                if let Err(error) = redis::cmd("PING").query_async::<()>(&mut connection).await {
                    return Some(error);
                }
            }
        }
    }
}

async fn perform(
    shared: &Shared,
    connection: &mut MultiplexedConnection,
    work: Work,
) -> Result<(), RedisError> {
    let channels = |rooms: &[RoomId]| -> Vec<String> {
        rooms.iter().map(|room| shared.channel(room)).collect()
    };
    if !work.subscribe.is_empty() {
        connection.subscribe(channels(&work.subscribe)).await?;
    }
    if !work.unsubscribe.is_empty() {
        connection.unsubscribe(channels(&work.unsubscribe)).await?;
    }
    if work.hints.is_empty() {
        return Ok(());
    }
    let mut pipeline = redis::Pipeline::with_capacity(work.hints.len());
    for hint in &work.hints {
        let bytes = wire::write(hint, shared.origin, &shared.key, &*shared.chance);
        pipeline
            .cmd("PUBLISH")
            .arg(shared.channel(&hint.room))
            .arg(bytes)
            .ignore();
    }
    pipeline.query_async::<()>(connection).await
}
