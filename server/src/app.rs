//! The only place that knows every part: it builds them and hands each the parts it needs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;

use crate::edge::assess::Assessor;
use crate::edge::listen::{self, Drain};
use crate::edge::pages::card::ShownCard;
use crate::edge::pages::texts;
use crate::edge::state::{DemoLogin, Edge, EdgeParts, EdgeState};
use crate::edge::{http, ws};
use crate::features::alerts::Command;
use crate::features::audit::{Audit, AuditKey};
use crate::features::identity::{self, Identity, SessionSettings};
use crate::features::retention;
use crate::features::rooms::{self, DepsParts, HoldStage, PersonId, RoomTexts, Rooms, WaitWhy};
use crate::features::tally::Tally;
use crate::platform::bus::{Bus, LocalNet, RedisBus, RedisBusParts};
use crate::platform::clock::{Clock, SystemClock, wait_ms};
use crate::platform::ids::{Chance, NodeId, SystemChance};
use crate::platform::keys::{KeyFile, KeyRing, KeyStore, Purpose};
use crate::platform::limits::{self, AddressKeys, Cluster, ClusterParts};
use crate::platform::settings::Settings;
use crate::platform::store::{Db, StoreSettings};
use crate::platform::telemetry::{self, Numbers};
use crate::protocol::{HoldReason, ReadyOut, RefusalCode, ReportReason};

/// How long the last commit may take before the stores are closed all the same.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);
/// How long a drain may take before what is left is cut off.
const DRAIN_WITHIN: Duration = Duration::from_secs(20);
/// How often counts are written, and ended sessions removed.
const TALLY_EVERY: Duration = Duration::from_secs(5);
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How often it is looked at whether a day has gone by since what is long over was removed.
const RETENTION_LOOK_EVERY: Duration = Duration::from_secs(600);
/// How often the files of the lexicon are looked at, and what writers said last is let go of.
const LEXICON_EVERY: Duration = Duration::from_secs(5);
const KEYS_LOOK_EVERY: Duration = Duration::from_secs(1);

/// The stores and keys of a node: what commands need that serve nobody.
pub struct Ground {
    /// All settings.
    pub settings: Settings,
    /// The store, migrated.
    pub db: Db,
    /// The key-encryption key.
    pub key_file: Arc<KeyFile>,
    /// The keys that no backup contains.
    pub keys: KeyRing,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
    /// This node.
    pub node: NodeId,
    /// The record of powers.
    pub audit: Audit,
    /// The ledger.
    pub tally: Tally,
    /// Who somebody is.
    pub identity: Arc<Identity>,
}

impl Ground {
    /// Opens the stores and brings the schema to this version; makes folders and keys where there are none.
    ///
    /// # Errors
    /// What stands in the way, for the operator.
    pub async fn open(settings: Settings) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let chance: Arc<dyn Chance> = Arc::new(SystemChance);
        private_folder(&settings.data_dir)?;
        if let Some(folder) = settings
            .key_file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            fs::create_dir_all(folder).context("the key file's folder cannot be made")?;
        }
        let key_file = Arc::new(KeyFile::open(
            &settings.key_file,
            settings.credentials_folder.as_deref(),
            &*chance,
        )?);
        let db = Db::open(&StoreSettings {
            url: settings.database_url.expose().to_owned(),
            readers: settings.store.readers,
            pg_connections: settings.store.pg_connections,
        })
        .await
        .context("the database cannot be opened")?;
        db.migrate()
            .await
            .context("the database cannot be migrated")?;
        same_as_before(&settings, &db, &Held::file(&key_file)).await?;
        if let Some(file) = settings.keys_url.expose().strip_prefix("sqlite:")
            && let Some(folder) = Path::new(file.trim_start_matches("//")).parent()
        {
            private_folder(folder)?;
        }
        let store = KeyStore::open(
            &settings.keys_url,
            Arc::clone(&key_file),
            Arc::clone(&clock),
            Arc::clone(&chance),
        )
        .await
        .context("the key store cannot be opened")?;
        same_as_before(&settings, &db, &Held::store(&store).await?).await?;
        let node = settings
            .node
            .clone()
            .unwrap_or_else(|| NodeId::new(&*chance));
        let audit = Audit::new(
            AuditKey::new(key_file.key_for(Purpose::Audit)),
            Arc::clone(&clock),
            node.clone(),
        );
        let tally = Tally::new(db.clone(), Arc::clone(&clock));
        let identity = Arc::new(Identity::new(
            identity::Parts {
                db: db.clone(),
                clock: Arc::clone(&clock),
                chance: Arc::clone(&chance),
                audit: audit.clone(),
                tally: tally.clone(),
                sessions: SessionSettings::from(&settings.sessions),
            },
            &key_file,
        ));
        Ok(Self {
            keys: KeyRing::new(store),
            settings,
            db,
            key_file,
            clock,
            chance,
            node,
            audit,
            tally,
            identity,
        })
    }
}

/// A node that is built and not serving yet.
pub struct Node {
    /// The edge over all parts.
    pub edge: EdgeState,
    ground: Ground,
}

impl Node {
    /// Builds every part over the ground, and starts what runs by itself.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn build(
        ground: Ground,
        demo_logins: Option<Vec<DemoLogin>>,
    ) -> anyhow::Result<Self> {
        // First of all, so that nothing that is counted once is counted before.
        let numbers = Numbers::start().ok();
        keys_count(&ground).await?;
        let bus = bus(&ground)?;
        let rooms = Rooms::start(DepsParts {
            db: ground.db.clone(),
            keys: ground.keys.clone(),
            clock: Arc::clone(&ground.clock),
            chance: Arc::clone(&ground.chance),
            bus,
            audit: ground.audit.clone(),
            tally: ground.tally.clone(),
            alert_command: Command::new(ground.settings.alert_command.clone()),
            node: ground.node.clone(),
            settings: ground.settings.rooms.clone(),
            texts: Arc::new(room_texts()),
            identity: Some(Arc::clone(&ground.identity)),
            outbox_frames_max: ground.settings.limits.outbox_frames_max,
            outbox_bytes_max: ground.settings.limits.outbox_bytes_max,
        })
        .await
        .context("the rooms cannot be started")?;
        let removal_rooms = rooms.clone();
        ground.identity.on_removal(Arc::new(move |handle| {
            let rooms = removal_rooms.clone();
            Box::pin(async move { rooms.remove_person(&PersonId::Handle(handle)).await })
        }));
        let addresses = Arc::new(AddressKeys::new(
            Arc::clone(&ground.clock),
            Arc::clone(&ground.chance),
        ));
        let assessor = Arc::new(Assessor::new(&ground.settings)?);
        let edge = Edge::new(EdgeParts {
            assessor,
            cluster: cluster(&ground, &addresses)?,
            addresses,
            settings: ground.settings.clone(),
            identity: Arc::clone(&ground.identity),
            rooms,
            clock: Arc::clone(&ground.clock),
            chance: Arc::clone(&ground.chance),
            drain: Drain::new(),
            numbers,
            demo_logins,
        });
        let node = Self { edge, ground };
        node.start_upkeep();
        Ok(node)
    }

    fn start_upkeep(&self) {
        tokio::spawn(ws::watch_sessions(Arc::clone(&self.edge)));
        let edge = Arc::clone(&self.edge);
        every(LEXICON_EVERY, move || {
            let edge = Arc::clone(&edge);
            async move {
                edge.assessor.upkeep(edge.clock.now());
                read_lexicon(&edge, false).await;
            }
        });
        self.read_lexicon_on_signal();
        let edge = Arc::clone(&self.edge);
        every(limits::UPKEEP_EVERY, move || {
            let edge = Arc::clone(&edge);
            async move { edge.rates.upkeep() }
        });
        let edge = Arc::clone(&self.edge);
        every(telemetry::UPKEEP_EVERY, move || {
            let edge = Arc::clone(&edge);
            async move {
                if let Some(numbers) = &edge.numbers {
                    numbers.upkeep();
                }
            }
        });
        let tally = self.ground.tally.clone();
        every(TALLY_EVERY, move || {
            let tally = tally.clone();
            async move { warn_of(tally.write().await, "counts could not be written") }
        });
        let identity = Arc::clone(&self.ground.identity);
        every(SWEEP_EVERY, move || {
            let identity = Arc::clone(&identity);
            async move {
                warn_of(
                    identity.sweep().await,
                    "ended sessions could not be removed",
                )
            }
        });
        let (keys, clock) = (self.ground.keys.clone(), Arc::clone(&self.ground.clock));
        every(KEYS_LOOK_EVERY, move || {
            let (keys, clock) = (keys.clone(), Arc::clone(&clock));
            async move { keys.forget_ended(clock.now()) }
        });
        let retention = Arc::new(retention::Parts {
            db: self.ground.db.clone(),
            clock: Arc::clone(&self.ground.clock),
            identity: Arc::clone(&self.ground.identity),
            alerts: self.edge.rooms.deps().alerts.clone(),
        });
        every(RETENTION_LOOK_EVERY, move || {
            let retention = Arc::clone(&retention);
            async move {
                let removed = retention::run_once(&retention).await.map(|_| ());
                warn_of(removed, "what is long over could not be removed");
            }
        });
        let keys = self.ground.keys.clone();
        every(SWEEP_EVERY, move || {
            let keys = keys.clone();
            async move { warn_of(keys.upkeep().await, "the keys could not be looked after") }
        });
    }

    /// Reads the lexicon anew when the process is told to: whoever has mended it need not wait, nor wonder.
    fn read_lexicon_on_signal(&self) {
        let edge = Arc::clone(&self.edge);
        let mut told = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())
        {
            Ok(told) => told,
            Err(error) => return tracing::error!(%error, "a hang-up cannot be heard"),
        };
        tokio::spawn(async move {
            while told.recv().await.is_some() {
                read_lexicon(&edge, true).await;
            }
        });
    }

    /// Serves on these listeners until the end begins, then drains.
    pub async fn serve(self, listeners: Listeners) {
        let Self { edge, ground } = self;
        let drain = edge.drain.clone();
        let settings = &ground.settings.limits;
        let mut serving = tokio::task::JoinSet::new();
        let mut spawn = |listener: TcpListener, router| {
            let (drain, limits) = (drain.clone(), settings.clone());
            serving.spawn(async move {
                listen::serve(listener, router, &limits, drain, DRAIN_WITHIN).await
            });
        };
        spawn(listeners.public, http::public(Arc::clone(&edge)));
        if let Some(staff) = listeners.staff {
            spawn(staff, http::staff(Arc::clone(&edge)));
        }
        if let Some(metrics) = listeners.metrics {
            spawn(metrics, http::metrics(Arc::clone(&edge)));
        }
        while let Some(drained) = serving.join_next().await {
            if let Ok(drained) = drained
                && drained.n_requests + drained.n_sockets > 0
            {
                tracing::warn!(
                    drained.n_requests,
                    drained.n_sockets,
                    "cut off at the end of the drain"
                );
            }
        }
        if tokio::time::timeout(SETTLE_WITHIN, edge.rooms.settled())
            .await
            .is_err()
        {
            tracing::warn!("lines were still being kept as the stores were closed");
        }
        warn_of(
            edge.rooms.end_duties().await,
            "duties could not be ended; they run out by themselves",
        );
        warn_of(
            ground.tally.write().await,
            "the last counts could not be written",
        );
        ground.keys.store().close().await;
        ground.db.close().await;
    }

    /// Begins the end when the process is told to end.
    pub fn end_on_signal(&self) {
        let drain = self.edge.drain.clone();
        // Heard from here on, and not only once the task below has its turn: who reads the address may end us at once.
        let mut terminate =
            match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
                Ok(terminate) => terminate,
                Err(error) => return tracing::error!(%error, "the end signal cannot be heard"),
            };
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            tracing::info!("draining");
            drain.begin();
        });
    }
}

/// The addresses of a node, bound.
pub struct Listeners {
    /// For everybody.
    pub public: TcpListener,
    /// For people with powers, if it is one of its own.
    pub staff: Option<TcpListener>,
    /// For numbers.
    pub metrics: Option<TcpListener>,
}

impl Listeners {
    /// Binds them.
    ///
    /// # Errors
    /// Which one cannot be bound.
    pub async fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let bind = async |address: std::net::SocketAddr| {
            TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address}"))
        };
        let public = bind(settings.listen).await?;
        let staff = match settings.staff_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let metrics = match settings.metrics_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        Ok(Self {
            public,
            staff,
            metrics,
        })
    }
}

/// Something that all nodes on one database must share.
struct Held {
    name: &'static str,
    this: String,
    what: &'static str,
    setting: &'static str,
}

impl Held {
    fn file(file: &KeyFile) -> Self {
        Self {
            name: "key_file",
            this: file.identity(),
            what: "key file",
            setting: "key_file",
        }
    }

    async fn store(store: &KeyStore) -> anyhow::Result<Self> {
        let this = store.identity().await;
        Ok(Self {
            name: "key_store",
            this: this.context("the key store cannot be asked")?,
            what: "key store",
            setting: "keys_url",
        })
    }
}

/// Makes sure that a further node has the same keys as the first: with others, each would seal what the other cannot
/// open. A node that is alone may go on with new ones, if the old ones were lost.
async fn same_as_before(settings: &Settings, db: &Db, held: &Held) -> anyhow::Result<()> {
    let (what, setting) = (held.what, held.setting);
    let first = rooms::first_used_with(db, held.name, &held.this)
        .await
        .context("the database cannot be asked")?;
    if first == held.this {
        return Ok(());
    }
    anyhow::ensure!(
        settings.redis_url.is_none(),
        "this {what} is not the one that the database is used with: all nodes must share it, so point `{setting}` to that \
         of the first node (a copy of the file does for the key file). Was it lost? Then start one node once without \
         `redis_url`"
    );
    tracing::warn!("this {what} is not the one that the database was used with before");
    Ok(())
}

/// A node that serves alone says which keys count from here on. A command that only looks does not.
async fn keys_count(ground: &Ground) -> anyhow::Result<()> {
    if ground.settings.redis_url.is_some() {
        return Ok(());
    }
    let store = Held::store(ground.keys.store()).await?;
    for held in [Held::file(&ground.key_file), store] {
        rooms::now_used_with(&ground.db, held.name, &held.this)
            .await
            .context("the database cannot be written")?;
    }
    Ok(())
}

/// The way to the other nodes: Redis where there is one.
fn bus(ground: &Ground) -> anyhow::Result<Arc<dyn Bus>> {
    let Some(url) = &ground.settings.redis_url else {
        return Ok(Arc::new(LocalNet::default().node()));
    };
    let bus = RedisBus::start(RedisBusParts {
        url: url.clone(),
        prefix: ground.settings.redis_prefix.clone(),
        answer_within: wait_ms(ground.settings.redis.answer_ms),
        key: ground.key_file.key_for(Purpose::Bus),
        chance: Arc::clone(&ground.chance),
    })?;
    Ok(Arc::new(bus))
}

/// The quotas of all nodes together, where there are several.
fn cluster(ground: &Ground, addresses: &Arc<AddressKeys>) -> anyhow::Result<Option<Cluster>> {
    let Some(url) = &ground.settings.redis_url else {
        return Ok(None);
    };
    let cluster = Cluster::start(ClusterParts {
        url: url.clone(),
        prefix: ground.settings.redis_prefix.clone(),
        answer_within: wait_ms(ground.settings.redis.answer_ms),
        check_within: wait_ms(ground.settings.redis.limits_ms),
        key: ground.key_file.key_for(Purpose::Limits),
        limits: ground.settings.limits.clone(),
        addresses: Arc::clone(addresses),
        clock: Arc::clone(&ground.clock),
        chance: Arc::clone(&ground.chance),
    })?;
    Ok(Some(cluster))
}

/// The words rooms say, from the one catalogue.
fn room_texts() -> RoomTexts {
    let refusals = RefusalCode::ALL
        .iter()
        .map(|code| (*code, texts::refused(code.as_str()).to_owned()))
        .collect();
    let ready = READY_LINES
        .iter()
        .map(|id| ReadyOut {
            id: (*id).to_owned(),
            text: texts::t(&format!("ready.{id}")).to_owned(),
        })
        .collect();
    let holds = HoldReason::ALL
        .iter()
        .flat_map(|reason| HoldStage::ALL.map(|stage| (*reason, stage)))
        .map(|(reason, stage)| {
            let text = texts::hold(reason.as_str(), stage.as_str());
            ((reason, stage), text.to_owned())
        })
        .collect();
    let asks = HoldReason::ALL
        .iter()
        .map(|reason| (*reason, texts::ask(reason.as_str()).to_owned()))
        .collect();
    RoomTexts {
        refusals,
        ready,
        waits: WaitWhy::ALL
            .iter()
            .map(|why| {
                let text = texts::t(&format!("waiting.{}", why.as_str()));
                (*why, text.to_owned())
            })
            .collect(),
        admitted: texts::t("waiting.admitted").to_owned(),
        moved: texts::t("measured.move_side").to_owned(),
        last_call: texts::t("time.last_call").to_owned(),
        afterglow: texts::t("time.afterglow").to_owned(),
        holds,
        rejected: ReportReason::ALL
            .iter()
            .map(|why| {
                let text = texts::t(&format!("rejected.{}", why.as_str()));
                (*why, text.to_owned())
            })
            .collect(),
        withdrawn: texts::t("hold.withdrawn").to_owned(),
        asks,
        card: Some(|kind, now| ShownCard::new(kind, now.jst(), "").frame()),
    }
}

/// The ids of the ready lines, in the order in which they are offered; their words are in the catalogue.
pub const READY_LINES: [&str; 8] = [
    "evening",
    "reading",
    "listening",
    "no_answer",
    "no_words",
    "rest",
    "same",
    "again",
];

fn every<F, Fut>(period: Duration, mut act: F)
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            act().await;
        }
    });
}

/// Beside what serves: a lexicon is some work to read.
async fn read_lexicon(edge: &EdgeState, at_any_rate: bool) {
    let edge = Arc::clone(edge);
    // It panics only where a bug is, and then the old lexicon stays.
    let _ = tokio::task::spawn_blocking(move || edge.assessor.reload(at_any_rate)).await;
}

fn warn_of<E: std::error::Error>(outcome: Result<(), E>, what: &'static str) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "{what}");
    }
}

/// A folder that only its owner can look into.
fn private_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.as_os_str().is_empty() || folder.exists() {
        return Ok(());
    }
    fs::create_dir_all(folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("the folder {} cannot be made private", folder.display()))
}

#[cfg(test)]
mod tests;
