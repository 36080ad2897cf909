//! The store of keys: one small table, in a database that no backup contains.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::{PgPool, SqlitePool};

use super::file::KeyFile;
use super::{postgres, sqlite};
use crate::platform::clock::{Clock, Millis};
use crate::platform::ids::{Chance, Secret, new_id};
use crate::platform::sealing::DataKey;

const INSERT_KEY: &str = "INSERT INTO data_key (id, kind, key, made_at_ms, ends_at_ms)
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
const SELECT_KEY: &str = "SELECT key, ends_at_ms FROM data_key WHERE id = $1";
const SELECT_ENDED: &str =
    "SELECT id FROM data_key WHERE ends_at_ms <= $1 ORDER BY ends_at_ms LIMIT 500";
const SELECT_COUNTS: &str =
    "SELECT kind, COUNT(*), MIN(made_at_ms) FROM data_key GROUP BY kind ORDER BY kind";
const UPDATE_END: &str = "UPDATE data_key SET ends_at_ms = $2 WHERE id = $1";
const INSERT_ABOUT: &str =
    "INSERT INTO key_store_about (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
const SELECT_ABOUT: &str = "SELECT value FROM key_store_about WHERE name = $1";

const SCHEMA_VERSION: &[u8] = b"1";
/// Sealed under the key-encryption key at the first start; a later start with another key is told at once.
const CHECK_ID: &str = "check";
const IDENTITY: &str = "identity";

/// One statement over whichever engine the keys live on.
macro_rules! on {
    ($store:expr, $pool:ident => $body:expr) => {
        match &$store.0.engine {
            Engine::Sqlite { pool: $pool, .. } => $body,
            Engine::Postgres($pool) => $body,
        }
    };
}

/// Why a key could not be had, made or destroyed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The address names neither engine.
    #[error("the address of the key store must begin with sqlite: or postgres:")]
    Address,
    /// The folder or file of the key store cannot be made or read.
    #[error("the key store's folder {} cannot be used", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// The database is away, full or busy; trying again may help.
    #[error("the key store cannot be reached")]
    Unavailable(#[from] sqlx::Error),
    /// Another release's tables.
    #[error("the key store was made by another release of engawa")]
    Schema,
    /// The store was filled under another key-encryption key.
    #[error("the key file is not the one this key store was filled under")]
    WrongKeyFile,
    /// One key does not unwrap: it was changed in the store.
    #[error("a key of the key store was changed from outside")]
    Changed,
    /// The key has ended; what it sealed is gone.
    #[error("the key has ended")]
    Ended,
    /// Destroyed bytes were still found in the store's files, after every remedy.
    #[error("bytes of a destroyed key still stand in the key store's files")]
    Remains,
    /// Another transaction on the key store's cluster has been open for so long that old rows must stay.
    #[error("a long transaction in the key store's cluster keeps destroyed rows alive")]
    HeldBack,
}

/// The keys of rooms, drafts and notes. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct KeyStore(Arc<Inner>);

struct Inner {
    engine: Engine,
    kek: Arc<KeyFile>,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    warnings: Vec<String>,
}

enum Engine {
    Sqlite {
        pool: SqlitePool,
        /// `None` for a store in memory, which leaves no file to look through.
        file: Option<PathBuf>,
    },
    Postgres(PgPool),
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyStore …")
    }
}

impl KeyStore {
    /// Opens `sqlite:FILE`, `sqlite::memory:` (tests) or `postgres://…`, makes its table at the first start,
    /// and refuses a key file it was not filled under.
    ///
    /// Of one SQLite file a process opens one store: a destruction reads the file, and closing it then drops the
    /// locks that another store of the same process might hold. Several processes are fine.
    pub async fn open(
        url: &Secret,
        kek: Arc<KeyFile>,
        clock: Arc<dyn Clock>,
        chance: Arc<dyn Chance>,
    ) -> Result<Self, KeyError> {
        let address = url.expose();
        let (engine, warnings) = if let Some(rest) = address.strip_prefix("sqlite:") {
            let file =
                (rest != ":memory:").then(|| Path::new(rest.trim_start_matches("//")).into());
            let pool = sqlite::open(file.as_deref()).await?;
            (Engine::Sqlite { pool, file }, Vec::new())
        } else if address.starts_with("postgres:") || address.starts_with("postgresql:") {
            let pool = postgres::open(address).await?;
            let warnings = postgres::warnings(&pool).await?;
            (Engine::Postgres(pool), warnings)
        } else {
            return Err(KeyError::Address);
        };
        let store = Self(Arc::new(Inner {
            engine,
            kek,
            clock,
            chance,
            warnings,
        }));
        store.check().await?;
        Ok(store)
    }

    /// What keeps this store from forgetting for certain, in plain English; empty when all is well. `doctor`
    /// prints these, and a start logs them.
    pub fn warnings(&self) -> &[String] {
        &self.0.warnings
    }

    /// The key of this id, made now unless there is one. However many nodes ask at once, all get the same.
    /// [`KeyError::Ended`] when it has ended. A destroyed id would get a new key: callers ask only for what lives.
    pub async fn create_if_absent(
        &self,
        id: &str,
        kind: &'static str,
        ends_at: Option<Millis>,
    ) -> Result<DataKey, KeyError> {
        if let Some((key, ends_at)) = self.find(id).await? {
            return self.unless_ended(key, ends_at).ok_or(KeyError::Ended);
        }
        let key = DataKey::new(&*self.0.chance);
        let wrapped = self.0.kek.wrap(id, &key, &*self.0.chance);
        let made_at = self.0.clock.now();
        on!(self, pool => {
            sqlx::query(INSERT_KEY)
                .bind(id)
                .bind(kind)
                .bind(&wrapped)
                .bind(made_at)
                .bind(ends_at)
                .execute(pool)
                .await?;
        });
        self.get(id).await?.ok_or(KeyError::Ended)
    }

    /// The key of this id; `None` when there is none, or when it has ended: a late destroyer gives nobody more time.
    pub async fn get(&self, id: &str) -> Result<Option<DataKey>, KeyError> {
        Ok(self.get_with_end(id).await?.map(|(key, _)| key))
    }

    /// As [`KeyStore::get`], with the instant at which the key ends, if that is known yet.
    pub async fn get_with_end(
        &self,
        id: &str,
    ) -> Result<Option<(DataKey, Option<Millis>)>, KeyError> {
        Ok(self
            .find(id)
            .await?
            .and_then(|(key, ends_at)| Some((self.unless_ended(key, ends_at)?, ends_at))))
    }

    /// Says when a key ends.
    pub async fn set_end(&self, id: &str, ends_at: Millis) -> Result<(), KeyError> {
        on!(self, pool => {
            sqlx::query(UPDATE_END).bind(id).bind(ends_at).execute(pool).await?;
        });
        Ok(())
    }

    /// Up to 500 ids whose keys have ended, the oldest first: what the caller should destroy now.
    pub async fn ended(&self) -> Result<Vec<String>, KeyError> {
        let now = self.0.clock.now();
        Ok(on!(self, pool => {
            sqlx::query_scalar(SELECT_ENDED).bind(now).fetch_all(pool).await?
        }))
    }

    /// How many keys of each kind there are, and when the oldest of them was made: for `inventory`.
    pub async fn counts(&self) -> Result<Vec<(String, i64, Millis)>, KeyError> {
        Ok(on!(self, pool => sqlx::query_as(SELECT_COUNTS).fetch_all(pool).await?))
    }

    /// Destroys keys, those that are already gone too. When this has answered, no file of the store holds
    /// their bytes, wrapped or not; the caller forgets its own copies first ([`super::KeyRing::destroy`]).
    /// It costs some flushes, on PostgreSQL a checkpoint: give it many ids at once. It cannot be cut off halfway.
    pub async fn destroy(&self, ids: &[String]) -> Result<(), KeyError> {
        let (store, ids) = (self.clone(), ids.to_vec());
        let work = async move {
            match &store.0.engine {
                Engine::Sqlite { pool, file } => sqlite::destroy(pool, file.as_deref(), &ids).await,
                Engine::Postgres(pool) => postgres::destroy(pool, &ids).await,
            }
        };
        match tokio::spawn(work).await {
            Ok(done) => done,
            Err(_) => Err(KeyError::Unavailable(sqlx::Error::WorkerCrashed)),
        }
    }

    /// The id of the PostgreSQL cluster; `None` on SQLite.
    pub async fn cluster_id(&self) -> Result<Option<String>, KeyError> {
        match &self.0.engine {
            Engine::Sqlite { .. } => Ok(None),
            Engine::Postgres(pool) => Ok(Some(postgres::cluster_id(pool).await?)),
        }
    }

    /// What tells this store from another one: a random id, made at its first use.
    pub async fn identity(&self) -> Result<String, KeyError> {
        let made = new_id(&*self.0.chance);
        self.set_about(IDENTITY, made.as_bytes()).await?;
        let stored = self.about(IDENTITY).await?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&stored).into_owned())
    }

    /// The store's clock.
    pub(super) fn now(&self) -> Millis {
        self.0.clock.now()
    }

    /// Whether the store answers.
    pub async fn ping(&self) -> Result<(), KeyError> {
        self.about("schema").await.map(drop)
    }

    /// Ends all connections. SQLite's file is then closed.
    pub async fn close(&self) {
        on!(self, pool => pool.close().await);
    }

    async fn find(&self, id: &str) -> Result<Option<(DataKey, Option<Millis>)>, KeyError> {
        let row: Option<(Vec<u8>, Option<Millis>)> = on!(self, pool => {
            sqlx::query_as(SELECT_KEY).bind(id).fetch_optional(pool).await?
        });
        let Some((wrapped, ends_at)) = row else {
            return Ok(None);
        };
        let key = self
            .0
            .kek
            .unwrap_key(id, &wrapped)
            .map_err(|_| KeyError::Changed)?;
        Ok(Some((key, ends_at)))
    }

    fn unless_ended(&self, key: DataKey, ends_at: Option<Millis>) -> Option<DataKey> {
        match ends_at {
            Some(end) if end <= self.0.clock.now() => None,
            _ => Some(key),
        }
    }

    async fn check(&self) -> Result<(), KeyError> {
        self.set_about("schema", SCHEMA_VERSION).await?;
        if self.about("schema").await?.as_deref() != Some(SCHEMA_VERSION) {
            return Err(KeyError::Schema);
        }
        let check = DataKey::new(&*self.0.chance);
        let wrapped = self.0.kek.wrap(CHECK_ID, &check, &*self.0.chance);
        self.set_about(CHECK_ID, &wrapped).await?;
        let stored = self.about(CHECK_ID).await?.unwrap_or_default();
        match self.0.kek.unwrap_key(CHECK_ID, &stored) {
            Ok(_) => Ok(()),
            Err(_) => Err(KeyError::WrongKeyFile),
        }
    }

    async fn set_about(&self, name: &str, value: &[u8]) -> Result<(), KeyError> {
        on!(self, pool => {
            sqlx::query(INSERT_ABOUT).bind(name).bind(value).execute(pool).await?;
        });
        Ok(())
    }

    async fn about(&self, name: &str) -> Result<Option<Vec<u8>>, KeyError> {
        Ok(on!(self, pool => {
            sqlx::query_scalar(SELECT_ABOUT).bind(name).fetch_optional(pool).await?
        }))
    }
}
