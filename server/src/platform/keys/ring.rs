//! The keys a node has open: read once, kept in memory, wiped when forgotten.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::store::{KeyError, KeyStore};
use crate::platform::clock::Millis;
use crate::platform::sealing::DataKey;

/// The node's copies of keys. Cheap to clone; all clones are one ring.
///
/// A key handed out lives until its last holder lets go of it, so nobody keeps one across a wait: ask again, it
/// costs a look into a map.
#[derive(Clone)]
pub struct KeyRing {
    store: KeyStore,
    /// A plain mutex: it guards a map, and nothing waits while it is held.
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    keys: HashMap<String, Held>,
    /// Counts what was forgotten. A key that was read from the store while one was forgotten is handed out but
    /// not kept: it may be the very one.
    n_forgotten: u64,
}

struct Held {
    key: Arc<DataKey>,
    ends_at: Option<Millis>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing …")
    }
}

impl KeyRing {
    /// A ring that holds nothing yet.
    pub fn new(store: KeyStore) -> Self {
        Self {
            store,
            open: Arc::default(),
        }
    }

    /// The store behind.
    pub fn store(&self) -> &KeyStore {
        &self.store
    }

    /// The key if this node has it open already; never waits.
    pub fn held(&self, id: &str, now: Millis) -> Option<Arc<DataKey>> {
        let mut open = self.lock();
        let held = open.keys.get(id)?;
        if held.ends_at.is_some_and(|end| end <= now) {
            open.keys.remove(id);
            return None;
        }
        Some(held.key.clone())
    }

    /// The key, from memory or from the store; `None` when it is gone or has ended.
    pub async fn get(&self, id: &str) -> Result<Option<Arc<DataKey>>, KeyError> {
        if let Some(key) = self.held(id, self.store.now()) {
            return Ok(Some(key));
        }
        let n_forgotten = self.lock().n_forgotten;
        let found = self.store.get_with_end(id).await?;
        Ok(found.map(|(key, ends_at)| self.hold(id, key, ends_at, n_forgotten)))
    }

    /// The key, made now unless there is one. See [`KeyStore::create_if_absent`].
    pub async fn get_or_create(
        &self,
        id: &str,
        kind: &'static str,
        ends_at: Option<Millis>,
    ) -> Result<Arc<DataKey>, KeyError> {
        if let Some(key) = self.get(id).await? {
            return Ok(key);
        }
        self.store.create_if_absent(id, kind, ends_at).await?;
        // Read back with its end: another node may have made it, with another one.
        self.get(id).await?.ok_or(KeyError::Ended)
    }

    /// Says when a key ends, in the store and here. Other nodes learn it by their [`KeyRing::upkeep`].
    pub async fn set_end(&self, id: &str, ends_at: Millis) -> Result<(), KeyError> {
        self.store.set_end(id, ends_at).await?;
        if let Some(held) = self.lock().keys.get_mut(id) {
            held.ends_at = Some(ends_at);
        }
        Ok(())
    }

    /// Wipes this node's copy; the store keeps its own.
    pub fn forget(&self, id: &str) {
        let mut open = self.lock();
        open.n_forgotten += 1;
        open.keys.remove(id);
    }

    /// Wipes this node's copies and destroys the keys in the store. See [`KeyStore::destroy`].
    pub async fn destroy(&self, ids: &[String]) -> Result<(), KeyError> {
        for id in ids {
            self.forget(id);
        }
        let destroyed = self.store.destroy(ids).await;
        // Somebody may have read one while it was being destroyed.
        for id in ids {
            self.forget(id);
        }
        destroyed
    }

    /// Wipes every copy whose key has ended; cheap, for a timer of a second.
    pub fn forget_ended(&self, now: Millis) {
        self.lock()
            .keys
            .retain(|_, held| held.ends_at.is_none_or(|end| end > now));
    }

    /// Asks the store about every key held here: wipes those that are gone or have ended, learns new ends. For a
    /// timer of a minute. When the store is away the copies stay; their known ends still hold.
    pub async fn upkeep(&self) -> Result<(), KeyError> {
        self.forget_ended(self.store.now());
        let ids: Vec<String> = self.lock().keys.keys().cloned().collect();
        for id in ids {
            match self.store.get_with_end(&id).await? {
                None => self.forget(&id),
                Some((_, ends_at)) => {
                    if let Some(held) = self.lock().keys.get_mut(&id) {
                        held.ends_at = ends_at;
                    }
                }
            }
        }
        Ok(())
    }

    /// How many keys this node has open.
    pub fn n_held(&self) -> usize {
        self.lock().keys.len()
    }

    fn hold(
        &self,
        id: &str,
        key: DataKey,
        ends_at: Option<Millis>,
        n_forgotten: u64,
    ) -> Arc<DataKey> {
        let key = Arc::new(key);
        let mut open = self.lock();
        if open.n_forgotten == n_forgotten {
            let held = Held {
                key: key.clone(),
                ends_at,
            };
            open.keys.insert(id.to_owned(), held);
        }
        key
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
