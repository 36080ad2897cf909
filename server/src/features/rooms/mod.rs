//! The live side of a gathering: who is in a room, what is said, in which order, and until when it is remembered.

mod act;
mod acting;
mod beside;
mod body;
mod commit;
mod driver;
pub mod duty;
mod forget;
mod hold;
mod holding;
mod kept_keys;
mod life;
mod line;
mod looks;
pub mod outbox;
mod policy;
mod queries;
mod reading;
mod room;
mod task;
#[cfg(test)]
mod tests;
mod texts;
pub mod ticket;
mod vault;

pub use act::{
    Ending, NOTICE_CHARS_MAX, RoomAct, SLOWEST_MS, TOPIC_ANSWERS, TOPIC_CHARS_MAX, Topic,
};
pub use acting::STATEMENTS as ACT_STATEMENTS;
pub use body::{Body, NoBody};
pub use hold::{HoldAct, WhichHold};
pub use holding::STATEMENTS as HOLD_STATEMENTS;
pub use line::{Proposed, Shows};
pub use policy::Assessed;
pub use queries::STATEMENTS;
pub use room::{Asker, BUSY_RETRY_MS, ConnId, Input, Refusal, Which, Who};
pub use texts::{HoldStage, RoomTexts, WaitWhy};
pub use vault::PersonId;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use self::commit::Committer;
use self::hold::Found;
use self::kept_keys::{KeptKeys, Known};
use self::life::Grace;
use self::looks::Looks;
use self::outbox::Outbox;
use self::room::{Facts, HoldTimes};
use self::task::{Envelope, Parts};
use self::ticket::Ticket;
use crate::features::alerts::{Alerts, Command};
use crate::features::audit::Audit;
use crate::features::gatherings::{self, Gathering};
use crate::features::identity::Identity;
use crate::features::tally::Tally;
use crate::platform::bus::{Bus, Hearing, Hint, News};
use crate::platform::clock::{Clock, Millis};
use crate::platform::ids::{Chance, ClientKey, EpochId, NodeId, ParticipantId, RoomId, Seq};
use crate::platform::keys::{KeyError, KeyRing};
use crate::platform::sealing::DataKey;
use crate::platform::settings::Rooms as RoomSettings;
use crate::platform::store::{Db, Engine, StoreError, Stored};
use crate::protocol::{RoomState, ServerFrame};

/// What rooms stand on; `app.rs` builds it.
pub struct Deps {
    /// The store.
    pub db: Db,
    /// The keys that no backup contains.
    pub keys: KeyRing,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
    /// The other nodes.
    pub bus: Arc<dyn Bus>,
    /// The record of powers.
    pub audit: Audit,
    /// The ledger.
    pub tally: Tally,
    /// What staff must hear of.
    pub alerts: Alerts,
    /// This node.
    pub node: NodeId,
    /// The epoch of the store.
    pub epoch: EpochId,
    /// Times and bounds.
    pub settings: RoomSettings,
    /// Words.
    pub texts: Arc<RoomTexts>,
    /// Who people are, for those who are taken to the other side.
    pub identity: Option<Arc<Identity>>,
    /// What a connection's outbox holds, so that nobody is told more at once.
    pub outbox_frames_max: usize,
    /// See `outbox_frames_max`.
    pub outbox_bytes_max: usize,
    /// The looks at rooms that began on this node.
    looks: AtomicU64,
    /// Rooms this node has forgotten; their tasks end. Plain data, never held over a wait.
    forgotten: Mutex<HashSet<RoomId>>,
    /// The keys of rooms whose lines this node alone keeps.
    kept_keys: KeptKeys,
}

/// The parts of [`Deps`] that come from outside.
pub struct DepsParts {
    /// The store.
    pub db: Db,
    /// The keys that no backup contains.
    pub keys: KeyRing,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
    /// The other nodes.
    pub bus: Arc<dyn Bus>,
    /// The record of powers.
    pub audit: Audit,
    /// The ledger.
    pub tally: Tally,
    /// Runs for each alert, if the operator set one.
    pub alert_command: Option<Command>,
    /// This node.
    pub node: NodeId,
    /// Times and bounds.
    pub settings: RoomSettings,
    /// Words.
    pub texts: Arc<RoomTexts>,
    /// Who people are, for those who are taken to the other side.
    pub identity: Option<Arc<Identity>>,
    /// What a connection's outbox holds, in frames.
    pub outbox_frames_max: usize,
    /// In bytes.
    pub outbox_bytes_max: usize,
}

impl Deps {
    /// The number of a look that begins now.
    fn next_look(&self) -> u64 {
        self.looks.fetch_add(1, Ordering::Relaxed)
    }

    fn is_forgotten(&self, room: &RoomId) -> bool {
        lock(&self.forgotten).contains(room)
    }

    fn forgotten(&self, room: &RoomId) {
        lock(&self.forgotten).insert(room.clone());
        self.kept_keys.drop_room(room);
    }

    /// What stands under a key: a line that was kept before, or one that waits or was not let pass. A room whose lines this
    /// node alone keeps knows its holds by itself.
    async fn kept_before(
        &self,
        room: &RoomId,
        author: &ParticipantId,
        key: &ClientKey,
    ) -> Stored<Option<Found>> {
        let line = match self.kept_keys.find(room, author, key) {
            Known::Read(found) => found,
            Known::NotRead => queries::kept_before(&self.db, room, author, key).await?,
        };
        if let Some((seq, at)) = line {
            return Ok(Some(Found::Line(seq, at)));
        }
        if self.db.engine() == Engine::Sqlite {
            return Ok(None);
        }
        let held = holding::find(self, room, author, key).await?;
        Ok(held.map(|held| Found::Hold(Box::new(held))))
    }

    fn grace(&self) -> Grace {
        Grace {
            slow_after_ms: self.settings.slow_after_ms,
            slow_ms: u32::try_from(self.settings.slow_ms).unwrap_or(u32::MAX),
            pause_after_ms: self.settings.pause_after_ms,
            risk_ms: self.settings.risk_pause_ms,
            doors_ms: self.settings.doors_ms,
            cancel_after_ms: self.settings.cancel_after_ms,
            last_call_ms: self.settings.last_call_ms,
            afterglow_ms: self.settings.afterglow_ms,
            needs_on_call: self.settings.needs_on_call,
            on_call_wait_ms: self.settings.on_call_wait_ms,
            on_call_end_ms: self.settings.on_call_end_ms,
        }
    }
}

/// The way back into a room for what runs beside it. Never full: each outcome was asked for by the room itself.
#[derive(Clone, Debug)]
pub struct Outcomes(mpsc::UnboundedSender<Input>);

impl Outcomes {
    fn tell(&self, input: Input) {
        // A room that ended has nobody left to tell.
        let _ = self.0.send(input);
    }
}

/// Inputs that may wait for a room; a fuller one answers `busy`.
const INBOX: usize = 1_024;

/// The front of a room's task.
#[derive(Clone)]
pub struct RoomLink {
    inbox: mpsc::Sender<Envelope>,
    outcomes: Outcomes,
    deps: Arc<Deps>,
    gathering: Arc<Gathering>,
}

/// The room's inbox is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomBusy;

impl RoomLink {
    /// The gathering as it was when the room came to this node; its hours may have moved since.
    pub fn gathering(&self) -> &Gathering {
        &self.gathering
    }

    /// Tells the room something; answers go to that outbox.
    ///
    /// # Errors
    /// [`RoomBusy`] where too much waits; nothing was done then.
    pub fn post(&self, input: Input, conn: ConnId, outbox: &Outbox) -> Result<(), RoomBusy> {
        self.hand(input, conn, outbox, None)
    }

    /// As [`RoomLink::post`]; the ticket is let go of once the room has said what it has to say at once.
    ///
    /// # Errors
    /// [`RoomBusy`] where too much waits; nothing was done then.
    pub fn post_with(&self, input: Input, asker: Asker, outbox: &Outbox) -> Result<(), RoomBusy> {
        self.hand(input, asker.conn, outbox, Some(asker.ticket))
    }

    fn hand(
        &self,
        input: Input,
        conn: ConnId,
        outbox: &Outbox,
        ticket: Option<Ticket>,
    ) -> Result<(), RoomBusy> {
        let envelope = Envelope {
            input,
            from: (conn, outbox.clone()),
            ticket,
        };
        self.inbox.try_send(envelope).map_err(|_| RoomBusy)
    }

    /// Whether the room is forgotten and takes nothing any more.
    pub fn is_over(&self) -> bool {
        self.inbox.is_closed()
    }

    /// Tells the room that a connection is no more. This always arrives.
    pub fn gone(&self, conn: ConnId) {
        self.outcomes.tell(Input::Gone { conn });
    }

    /// Looks at once at what the store says: somebody came or went on duty. Other nodes are told to look, too.
    pub async fn look_again(&self) {
        self.deps.bus.publish(Hint {
            room: self.gathering.id.clone(),
            news: News::Head,
        });
        self.look().await;
    }

    async fn look(&self) {
        match reading::see(&self.deps, &self.gathering.id).await {
            Ok(Some(seen)) => self.outcomes.tell(Input::Seen(Box::new(seen))),
            Ok(None) => self.deps.forgotten(&self.gathering.id),
            Err(error) => tracing::error!(%error, "a room could not be watched"),
        }
    }

    /// The room's key, if it still has one.
    ///
    /// # Errors
    /// As the key store's.
    pub async fn key(&self) -> Result<Option<Arc<DataKey>>, KeyError> {
        self.deps.keys.get(&vault::key_id(&self.gathering.id)).await
    }

    /// Somebody's id in this room; `None` once it is forgotten.
    ///
    /// # Errors
    /// As the key store's.
    pub async fn participant(&self, person: &PersonId) -> Result<Option<ParticipantId>, KeyError> {
        Ok(self
            .key()
            .await?
            .map(|key| vault::participant(&key, person)))
    }
}

/// The rooms of this node.
#[derive(Clone)]
pub struct Rooms(Arc<Inner>);

struct Inner {
    deps: Arc<Deps>,
    committer: Committer,
    links: Mutex<HashMap<RoomId, RoomLink>>,
}

impl Rooms {
    /// The rooms of a node: reads the epoch, ends leases that a node of this name left, hears what others publish, and
    /// forgets what is due.
    ///
    /// # Errors
    /// As the store's.
    pub async fn start(parts: DepsParts) -> Stored<Self> {
        let epoch = epoch(&parts.db, &*parts.chance).await?;
        let alerts = Alerts {
            db: parts.db.clone(),
            clock: Arc::clone(&parts.clock),
            chance: Arc::clone(&parts.chance),
            audit: parts.audit.clone(),
            command: parts.alert_command,
        };
        let deps = Arc::new(Deps {
            alerts,
            db: parts.db,
            keys: parts.keys,
            clock: parts.clock,
            chance: parts.chance,
            bus: parts.bus,
            audit: parts.audit,
            tally: parts.tally,
            node: parts.node,
            epoch,
            settings: parts.settings,
            texts: parts.texts,
            identity: parts.identity,
            looks: AtomicU64::new(1),
            outbox_frames_max: parts.outbox_frames_max,
            outbox_bytes_max: parts.outbox_bytes_max,
            forgotten: Mutex::default(),
            kept_keys: KeptKeys::default(),
        });
        let rooms = Self(Arc::new(Inner {
            committer: Committer::start(Arc::clone(&deps)),
            links: Mutex::default(),
            deps,
        }));
        if let Some(stream) = rooms.0.deps.bus.stream() {
            tokio::spawn(hear(Arc::downgrade(&rooms.0), stream));
        }
        tokio::spawn(forget::run(rooms.clone()));
        tokio::spawn(driver::run(rooms.clone()));
        Ok(rooms)
    }

    /// What the rooms stand on.
    pub fn deps(&self) -> &Arc<Deps> {
        &self.0.deps
    }

    /// The room of that id, on this node. `None` where there is none, or it is forgotten.
    ///
    /// # Errors
    /// As the stores'.
    pub async fn link(&self, id: &RoomId) -> Stored<Option<RoomLink>> {
        if self.0.deps.is_forgotten(id) {
            return Ok(None);
        }
        if let Some(link) = self.held(id) {
            return Ok(Some(link));
        }
        self.load(id).await
    }

    /// The room of that id if this node has it already.
    pub fn held(&self, id: &RoomId) -> Option<RoomLink> {
        lock(&self.0.links).get(id).cloned()
    }

    async fn load(&self, id: &RoomId) -> Stored<Option<RoomLink>> {
        let deps = &self.0.deps;
        // Heard before it is read, so that what comes in between is not missed.
        deps.bus.join(id);
        let Some(seen) = reading::see(deps, id).await? else {
            deps.bus.leave(id);
            return Ok(None);
        };
        match vault::make_key(&deps.keys, id, seen.gathering.forgets).await {
            Ok(_) => {}
            Err(KeyError::Ended) => return Ok(None),
            Err(error) => {
                return Err(StoreError::Unavailable {
                    what: format!("the key store: {error}"),
                });
            }
        }
        let ring_lines = deps.settings.ring_lines;
        let n_lines = i64::try_from(ring_lines).unwrap_or(i64::MAX);
        let from = Seq((seen.last_seq.get() - n_lines + 1).max(1));
        let lines = reading::read_lines(deps, id, from, seen.last_seq).await?;
        let holds = holding::after(deps, id, 0).await?;
        let facts = Facts {
            room: id.clone(),
            epoch: deps.epoch.clone(),
            readers: gatherings::readers(&deps.db, id).await?,
            // A SQLite file has one node.
            shared: deps.db.engine() == Engine::Postgres,
            texts: Arc::clone(&deps.texts),
            grace: deps.grace(),
            holds: HoldTimes {
                newcomer_lines: deps.settings.newcomer_lines as usize,
                newcomer_ms: deps.settings.newcomer_ms,
                risk_told_ms: deps.settings.risk_told_ms,
                told_ms: deps.settings.told_ms,
            },
            capacity: deps.settings.capacity,
            about_every_ms: deps.settings.about_every_ms,
            ring_lines,
            page_frames: deps.outbox_frames_max / 2,
            page_bytes: deps.outbox_bytes_max / 2,
        };
        let (sender, inbox) = mpsc::channel(INBOX);
        let (outcomes, outcomes_in) = mpsc::unbounded_channel();
        let outcomes = Outcomes(outcomes);
        let link = RoomLink {
            inbox: sender,
            outcomes: outcomes.clone(),
            deps: Arc::clone(deps),
            gathering: Arc::new(seen.gathering.clone()),
        };
        {
            let mut links = lock(&self.0.links);
            if let Some(first) = links.get(id) {
                // Somebody else was loading it, too, and was first.
                return Ok(Some(first.clone()));
            }
            links.insert(id.clone(), link.clone());
        }
        tokio::spawn(task::run(Parts {
            deps: Arc::clone(deps),
            committer: self.0.committer.clone(),
            facts,
            gathering: seen.gathering.clone(),
            seen,
            lines,
            holds,
            inbox,
            outcomes,
            outcomes_in,
        }));
        Ok(Some(link))
    }

    /// Lets go of rooms that another node forgot first.
    fn drop_forgotten(&self) {
        let gone: Vec<RoomId> = lock(&self.0.links)
            .keys()
            .filter(|id| self.0.deps.is_forgotten(id))
            .cloned()
            .collect();
        for id in gone {
            self.drop_link(&id);
        }
    }

    fn drop_link(&self, id: &RoomId) {
        lock(&self.0.links).remove(id);
        self.0.deps.bus.leave(id);
    }

    /// Takes back all lines of a person in all rooms that are not forgotten, with their stamps and drafts: they are
    /// being removed. Rooms hear of it by themselves.
    ///
    /// # Errors
    /// As the stores'; some rooms may be done then, and doing it again does the rest.
    pub async fn remove_person(&self, person: &PersonId) -> Stored<()> {
        forget::remove_person(self, person).await
    }

    /// Waits until what was said has been kept, or was not; before the stores are closed.
    pub async fn settled(&self) {
        self.0.committer.settled().await;
    }

    /// Ends all duties this node holds; before it goes away.
    ///
    /// # Errors
    /// As the store's.
    pub async fn end_duties(&self) -> Stored<()> {
        duty::end_all(&self.0.deps).await
    }
}

/// Moves the end of a room's key, when its hours are moved; before any node has the room. A room without a key gets one
/// when it comes to a node.
///
/// # Errors
/// As the key store's.
pub async fn extend_key(keys: &KeyRing, id: &RoomId, forgets: Millis) -> Result<(), KeyError> {
    keys.set_end(&vault::key_id(id), forgets).await
}

/// The state a room has at this moment, for lists and pages.
///
/// # Errors
/// As the store's.
pub async fn state_now(deps: &Deps, row: &gatherings::RoomRow) -> Stored<RoomState> {
    let (course, _) = reading::course(deps, row).await?;
    Ok(life::standing_at(&course, &deps.grace(), deps.clock.now())
        .map_or(RoomState::Closed, |standing| standing.state))
}

/// Who is on duty in a room now.
///
/// # Errors
/// As the store's.
pub async fn on_duty_now(
    deps: &Deps,
    gathering: &Gathering,
) -> Stored<Vec<crate::protocol::OnDuty>> {
    Ok(duty::read(deps, gathering).await?.2)
}

/// What waits in a room for a human, as those on duty are told of it. Nothing where the room is forgotten.
///
/// # Errors
/// As the stores'.
pub async fn waiting(deps: &Deps, room: &RoomId) -> Stored<Vec<ServerFrame>> {
    let held = holding::after(deps, room, 0).await?;
    Ok(held
        .iter()
        .filter(|held| held.ended.is_none())
        .filter_map(|held| held.frame(room))
        .collect())
}

/// The store's epoch, made at its first start.
async fn epoch(db: &Db, chance: &dyn Chance) -> Stored<EpochId> {
    const NAME: &str = "epoch";
    if queries::meta(db, NAME).await?.is_none() {
        let made = EpochId::new(chance);
        db.write(move |tx| {
            let made = made.clone();
            Box::pin(async move { queries::put_meta(tx, NAME, made.as_str()).await })
        })
        .await?;
    }
    let text = queries::meta(db, NAME).await?.unwrap_or_default();
    EpochId::parse(&text).ok_or_else(|| gatherings::inconsistent("meta", "value", NAME))
}

/// What this database was first used with under that name, such as its key store: this, unless it was another.
///
/// # Errors
/// As the store's.
pub async fn first_used_with(db: &Db, name: &'static str, this: &str) -> Stored<String> {
    let value = this.to_owned();
    db.write(move |tx| {
        let value = value.clone();
        Box::pin(async move { queries::put_meta(tx, name, &value).await })
    })
    .await?;
    Ok(queries::meta(db, name).await?.unwrap_or_default())
}

/// Remembers that this database is used with something else from here on.
///
/// # Errors
/// As the store's.
pub async fn now_used_with(db: &Db, name: &'static str, this: &str) -> Stored<()> {
    let value = this.to_owned();
    db.write(move |tx| {
        let value = value.clone();
        Box::pin(async move { queries::set_meta(tx, name, &value).await })
    })
    .await
}

/// Hands what other nodes publish to the rooms it is of.
async fn hear(rooms: std::sync::Weak<Inner>, mut stream: Hearing) {
    let looks = Looks::default();
    while let Some(Hint { room, news }) = stream.recv().await {
        let Some(inner) = rooms.upgrade() else { break };
        let Some(link) = lock(&inner.links).get(&room).cloned() else {
            continue;
        };
        match news {
            News::Lines { frames } => {
                link.outcomes.tell(reading::elsewhere(&frames));
            }
            News::Changed | News::Head | News::Lost => looks.ask(link),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
