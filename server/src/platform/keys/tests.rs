//! The key store on SQLite and the ring over it. PostgreSQL's part stands in `server/tests/key_store_postgres.rs`.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::platform::clock::{Clock, TestClock};
use crate::platform::ids::{Secret, SeededChance, SystemChance, below, new_id};

struct House {
    folder: tempfile::TempDir,
    kek: Arc<KeyFile>,
    clock: TestClock,
}

impl House {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            kek: Arc::new(KeyFile::throwaway(&SystemChance)),
            clock: TestClock::default(),
        }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("keys/keys.db")
    }

    async fn open_with(&self, kek: Arc<KeyFile>) -> Result<KeyStore, KeyError> {
        let url = Secret::new(format!("sqlite:{}", self.file().display()));
        let clock = Arc::new(self.clock.clone());
        KeyStore::open(&url, kek, clock, Arc::new(SystemChance)).await
    }

    async fn open(&self) -> KeyStore {
        self.open_with(self.kek.clone()).await.unwrap()
    }

    /// A way into the table past the store.
    async fn peek(&self) -> sqlx::SqlitePool {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.file());
        sqlx::SqlitePool::connect_with(options).await.unwrap()
    }

    async fn read_wrapped(peek: &sqlx::SqlitePool, id: &str) -> Option<Vec<u8>> {
        sqlx::query_scalar("SELECT key FROM data_key WHERE id = $1")
            .bind(id)
            .fetch_optional(peek)
            .await
            .unwrap()
    }

    fn assert_nowhere(&self, secrets: &[&[u8]]) {
        for entry in fs::read_dir(self.file().parent().unwrap()).unwrap() {
            let path = entry.unwrap().path();
            assert!(!holds(&path, secrets), "found in {}", path.display());
        }
    }
}

/// Whether any run of 12 bytes of these stands in the file.
fn holds(path: &Path, secrets: &[&[u8]]) -> bool {
    let content = fs::read(path).unwrap();
    let runs: HashSet<&[u8]> = secrets.iter().flat_map(|s| s.chunks_exact(12)).collect();
    content.windows(12).any(|run| runs.contains(run))
}

#[tokio::test]
async fn a_key_comes_back_after_a_restart_and_its_raw_bytes_stand_nowhere() {
    let house = House::new();
    let store = house.open().await;
    let key = store
        .create_if_absent("room-1", "room", None)
        .await
        .unwrap();
    let peek = house.peek().await;
    let wrapped = House::read_wrapped(&peek, "room-1").await.unwrap();
    peek.close().await;
    assert!(holds(&house.file(), &[&wrapped[1..]]));
    house.assert_nowhere(&[key.expose()]);
    store.close().await;
    let again = house.open().await.get("room-1").await.unwrap().unwrap();
    assert_eq!(again.expose(), key.expose());
    assert!(house.open().await.get("room-2").await.unwrap().is_none());
}

#[tokio::test]
async fn nodes_that_ask_at_once_get_one_key() {
    let house = House::new();
    let stores = [house.open().await, house.open().await, house.open().await];
    for n in 0..5 {
        let id = format!("room-{n}");
        let (a, b, c) = tokio::join!(
            stores[0].create_if_absent(&id, "room", None),
            stores[1].create_if_absent(&id, "room", None),
            stores[2].create_if_absent(&id, "room", None),
        );
        let (a, b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
        assert_eq!(a.expose(), b.expose());
        assert_eq!(a.expose(), c.expose());
    }
}

#[tokio::test]
async fn p5_a_destroyed_key_stands_in_no_file_of_the_store() {
    let house = House::new();
    let store = house.open().await;
    let chance = SeededChance::new(5);
    // Enough for several pages, in an order that makes SQLite move rows about.
    let mut living = Vec::new();
    for _ in 0..120 {
        let id = new_id(&chance);
        let key = store.create_if_absent(&id, "room", None).await.unwrap();
        living.push((id, key, Vec::new()));
    }
    let peek = house.peek().await;
    for (id, _, wrapped) in &mut living {
        *wrapped = House::read_wrapped(&peek, id).await.unwrap();
    }
    peek.close().await;
    let mut destroyed = Vec::new();
    while living.len() > 20 {
        let batch: Vec<_> = (0..20)
            .map(|_| {
                let idx = below(&chance, u32::try_from(living.len()).unwrap());
                living.swap_remove(idx as usize)
            })
            .collect();
        let ids: Vec<String> = batch.iter().map(|(id, ..)| id.clone()).collect();
        store.destroy(&ids).await.unwrap();
        destroyed.extend(batch);
        let secrets: Vec<&[u8]> = destroyed
            .iter()
            .flat_map(|(_, key, wrapped)| [&wrapped[1..], &key.expose()[..]])
            .collect();
        house.assert_nowhere(&secrets);
    }
    for (id, ..) in &destroyed {
        assert!(store.get(id).await.unwrap().is_none());
    }
    for (id, key, _) in &living {
        assert_eq!(store.get(id).await.unwrap().unwrap().expose(), key.expose());
    }
    store.destroy(&[destroyed[0].0.clone()]).await.unwrap();
}

#[tokio::test]
async fn p5_a_key_past_its_end_is_gone_though_nobody_destroyed_it_yet() {
    let house = House::new();
    let store = house.open().await;
    let end = house.clock.now().plus_ms(1000);
    store
        .create_if_absent("room", "room", Some(end))
        .await
        .unwrap();
    assert!(store.ended().await.unwrap().is_empty());
    house.clock.set(end);
    assert!(store.get("room").await.unwrap().is_none());
    let late = store.create_if_absent("room", "room", None).await;
    assert!(matches!(late, Err(KeyError::Ended)));
    assert_eq!(store.ended().await.unwrap(), ["room"]);
    store.destroy(&store.ended().await.unwrap()).await.unwrap();
    assert!(store.counts().await.unwrap().is_empty());
}

#[tokio::test]
async fn another_key_file_is_refused_at_the_start() {
    let house = House::new();
    house.open().await.close().await;
    let other = Arc::new(KeyFile::throwaway(&SystemChance));
    let refused = house.open_with(other).await;
    assert!(matches!(refused, Err(KeyError::WrongKeyFile)));
}

#[tokio::test]
async fn a_wrapped_key_moved_to_another_id_does_not_open() {
    let house = House::new();
    let store = house.open().await;
    store.create_if_absent("mine", "room", None).await.unwrap();
    store.close().await;
    let pool = house.peek().await;
    sqlx::query("UPDATE data_key SET id = 'yours'")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let moved = house.open().await.get("yours").await;
    assert!(matches!(moved, Err(KeyError::Changed)));
}

#[tokio::test]
async fn the_folder_is_the_owners_alone_and_has_no_write_ahead_log() {
    let house = House::new();
    let store = house.open().await;
    store.create_if_absent("room", "room", None).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(house.file().parent().unwrap()), 0o700);
    assert_eq!(mode(&house.file()), 0o600);
    let names: Vec<_> = fs::read_dir(house.file().parent().unwrap())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["keys.db"]);
}

#[tokio::test]
async fn an_address_of_neither_engine_is_refused_and_not_quoted() {
    let house = House::new();
    let url = Secret::new("mysql://me:pw@host/db".to_owned());
    let clock = Arc::new(house.clock.clone());
    let refused = KeyStore::open(&url, house.kek.clone(), clock, Arc::new(SystemChance)).await;
    assert!(!refused.unwrap_err().to_string().contains("pw"));
}

#[tokio::test]
async fn the_ring_forgets_at_the_end_by_itself_and_when_another_node_destroyed() {
    let house = House::new();
    let ring = KeyRing::new(house.open().await);
    let end = house.clock.now().plus_ms(1000);
    let key = ring.get_or_create("a", "room", Some(end)).await.unwrap();
    ring.get_or_create("b", "room", None).await.unwrap();
    assert_eq!(ring.n_held(), 2);
    assert_eq!(ring.get("a").await.unwrap().unwrap().expose(), key.expose());
    house.clock.set(end);
    assert!(ring.held("a", end).is_none());
    assert!(ring.get("a").await.unwrap().is_none());
    house.open().await.destroy(&["b".to_owned()]).await.unwrap();
    ring.upkeep().await.unwrap();
    assert_eq!(ring.n_held(), 0);
    assert_eq!(format!("{ring:?}"), "KeyRing …");
}

#[tokio::test]
async fn a_key_is_wiped_when_the_ring_lets_go_of_it() {
    let house = House::new();
    let ring = KeyRing::new(house.open().await);
    let key = ring.get_or_create("a", "room", None).await.unwrap();
    assert_eq!(Arc::strong_count(&key), 2);
    ring.destroy(&["a".to_owned()]).await.unwrap();
    assert_eq!(Arc::strong_count(&key), 1, "ours is the last copy");
    assert!(ring.get("a").await.unwrap().is_none());
}

#[tokio::test]
async fn an_end_that_is_set_later_holds_here_and_on_other_nodes() {
    let house = House::new();
    let (here, there) = (
        KeyRing::new(house.open().await),
        KeyRing::new(house.open().await),
    );
    here.get_or_create("a", "room", None).await.unwrap();
    there.get("a").await.unwrap().unwrap();
    let end = house.clock.now().plus_ms(5);
    here.set_end("a", end).await.unwrap();
    there.upkeep().await.unwrap();
    house.clock.set(end);
    for ring in [here, there] {
        ring.forget_ended(end);
        assert_eq!(ring.n_held(), 0);
    }
}
