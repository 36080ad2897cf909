//! Rooms over real stores: a line is kept, a room is forgotten, a person is removed.

use std::sync::Arc;
use std::time::Duration;

use super::line::{Content, Shows};
use super::outbox::{Item, Next, Outbox};
use super::ticket::Tickets;
use super::*;
use crate::features::audit::AuditKey;
use crate::features::gatherings::StoredState;
use crate::on_both_engines;
use crate::platform::bus::LocalNet;
use crate::platform::clock::{Millis, TestClock};
use crate::platform::ids::{ClientKey, HandleId, Secret, SeededChance};
use crate::platform::keys::{KeyFile, KeyStore, Purpose};
use crate::platform::sealing::DataKey;
use crate::protocol::{Audience, EnterMode, EntryKind, GatheringKind, ServerFrame};

const BODY: &str = "窓の外が、明るくなってきました。";
const NOW: Millis = Millis(1_763_769_600_000);
const HOUR_MS: i64 = 3_600_000;

struct House {
    rooms: Rooms,
    clock: TestClock,
    kek: Arc<KeyFile>,
}

async fn house(db: &Db) -> House {
    let chance: Arc<dyn Chance> = Arc::new(SeededChance::new(11));
    let clock = TestClock::at(NOW);
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let kek = Arc::new(KeyFile::throwaway(&*chance));
    let memory = Secret::new("sqlite::memory:".to_owned());
    let store = KeyStore::open(
        &memory,
        Arc::clone(&kek),
        Arc::clone(&shared),
        Arc::clone(&chance),
    );
    let node = NodeId::new(&*chance);
    let rooms = Rooms::start(DepsParts {
        db: db.clone(),
        keys: KeyRing::new(store.await.expect("a key store")),
        clock: Arc::clone(&shared),
        chance,
        bus: Arc::new(LocalNet::default().node()),
        audit: Audit::new(
            AuditKey::new(kek.key_for(Purpose::Audit)),
            Arc::clone(&shared),
            node.clone(),
        ),
        tally: Tally::new(db.clone(), shared),
        alert_command: None,
        identity: None,
        node,
        settings: RoomSettings::default(),
        texts: Arc::default(),
        outbox_frames_max: 512,
        outbox_bytes_max: 262_144,
    });
    House {
        rooms: rooms.await.expect("rooms start"),
        clock,
        kek,
    }
}

async fn add_room(db: &Db, name: &str) -> RoomId {
    let id = RoomId::parse(name).expect("an id");
    let gathering = Gathering {
        id: id.clone(),
        kind: GatheringKind::Ibasho,
        audience: Audience::Tojisha,
        entry: EntryKind::Open,
        title: "t".into(),
        starts: NOW,
        ends: NOW.plus_ms(HOUR_MS),
        forgets: NOW.plus_ms(2 * HOUR_MS),
        details: Default::default(),
    };
    db.write(move |tx| {
        let gathering = gathering.clone();
        Box::pin(async move { gatherings::add(tx, &gathering, StoredState::Open).await })
    })
    .await
    .expect("a gathering is added");
    id
}

fn person() -> PersonId {
    PersonId::Handle(HandleId::parse("somebody").expect("an id"))
}

/// Somebody who came in.
struct Visit {
    link: RoomLink,
    who: Who,
    outbox: Outbox,
    tickets: Tickets,
}

impl Visit {
    fn asker(&self) -> Asker {
        Asker {
            conn: ConnId(1),
            ticket: self.tickets.take(),
        }
    }

    fn post(&self, input: Input) -> Result<(), RoomBusy> {
        self.link.post(input, ConnId(1), &self.outbox)
    }

    fn say(&self, key: &str) -> Result<(), RoomBusy> {
        self.post(Input::Say {
            asker: self.asker(),
            who: self.who.clone(),
            key: ClientKey::parse(key).expect("a key"),
            line: Ok(Proposed {
                found: Default::default(),
                body: Body::known(BODY.into()),
                note: None,
                no_reply: false,
                form: None,
                answer: None,
            }),
            by_form: false,
        })
    }
}

/// Comes in and says a line; returns once it is acknowledged.
async fn say(house: &House, room: &RoomId) -> Visit {
    let link = house
        .rooms
        .link(room)
        .await
        .expect("the store answers")
        .expect("the room is there");
    let participant = link
        .participant(&person())
        .await
        .expect("the key store answers")
        .expect("the room has a key");
    let outbox = Outbox::new(64, 100_000);
    let visit = Visit {
        link,
        who: Who {
            participant,
            name: "三毛".into(),
            duty: None,
            declared: false,
        },
        tickets: Tickets::new(outbox.clone()),
        outbox,
    };
    let enter = Input::Enter {
        asker: visit.asker(),
        who: visit.who.clone(),
        mode: EnterMode::Talk,
        after: None,
    };
    visit.post(enter).expect("the room takes it");
    visit.say("k1").expect("the room takes it");
    until(
        &visit.outbox,
        |frame| matches!(frame, ServerFrame::Said(line) if line.body == BODY),
    )
    .await;
    visit
}

async fn until(outbox: &Outbox, wanted: impl Fn(&ServerFrame) -> bool) {
    let found = async {
        loop {
            let Next::Items(items) = outbox.next().await else {
                panic!("the connection closed")
            };
            for item in items {
                if let Item::Frame(frame) = item {
                    let frame =
                        serde_json::from_str(frame.as_str()).expect("a frame of the contract");
                    if wanted(&frame) {
                        return;
                    }
                }
            }
        }
    };
    // A disk that is still writing what a build left makes every flush wait.
    tokio::time::timeout(Duration::from_secs(40), found)
        .await
        .expect("the frame comes");
}

/// What a backup taken now would hold of a room's lines.
async fn rows(db: &Db, room: &RoomId) -> Vec<queries::LineRow> {
    queries::lines(db, room, Seq(1), Seq(100))
        .await
        .expect("the store answers")
}

fn opens(key: &DataKey, room: &RoomId, row: &queries::LineRow) -> bool {
    let copy = queries::LineRow {
        seq: row.seq,
        author: row.author.clone(),
        client_key: row.client_key.clone(),
        at_ms: row.at_ms,
        shows: row.shows.clone(),
        key_version: row.key_version,
        sealed: row.sealed.clone(),
    };
    let line = vault::open_line(key, room, copy);
    line.shows == Shows::Yes
        && line
            .content
            .as_ref()
            .map(|content: &Content| content.body.as_str())
            == Some(BODY)
}

on_both_engines!(p5_a_forgotten_room_opens_from_no_backup_with_all_keys_that_are_still_held, db => {
    let house = house(&db).await;
    let (forgotten, other) = (add_room(&db, "a").await, add_room(&db, "b").await);
    say(&house, &forgotten).await;
    say(&house, &other).await;
    let backup = rows(&db, &forgotten).await;
    let deps = house.rooms.deps();
    let before = deps.keys.get(&vault::key_id(&forgotten)).await.expect("the key store answers").expect("a key");
    assert!(opens(&before, &forgotten, &backup[0]), "with its key the backup opens, so the search below means something");
    drop(before);

    house.clock.advance_ms(2 * HOUR_MS);
    let key_id = vault::key_id(&forgotten);
    let gone = async {
        while deps.keys.store().counts().await.expect("the key store answers").iter().any(|(_, n, _)| *n > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), gone).await.expect("the keys are destroyed when they are due");
    assert!(deps.keys.get(&key_id).await.expect("the key store answers").is_none());
    assert!(rows(&db, &forgotten).await.is_empty() || house.rooms.link(&forgotten).await.expect("the store answers").is_none());

    let mut held = Vec::new();
    for purpose in [Purpose::Sessions, Purpose::Pepper, Purpose::StaffSecrets, Purpose::Audit] {
        held.push(house.kek.key_for(purpose));
    }
    for (id, key) in held.iter().enumerate() {
        assert!(!opens(key, &forgotten, &backup[0]), "held key {id} opens a forgotten line");
        assert!(!opens(&key.derive(&key_id), &forgotten, &backup[0]), "a key derived of held key {id} opens a forgotten line");
    }
});

on_both_engines!(p5_a_removed_person_leaves_no_words_in_a_room_that_still_lives, db => {
    let house = house(&db).await;
    let room = add_room(&db, "a").await;
    let outbox = say(&house, &room).await.outbox;
    house.rooms.remove_person(&person()).await.expect("removed");
    until(&outbox, |frame| matches!(frame, ServerFrame::Hidden { seq: 1, .. })).await;
    let left = rows(&db, &room).await;
    assert_eq!(left.len(), 1, "the number stays");
    assert_eq!(left[0].shows, "taken_back");
    assert!(left[0].sealed.is_none(), "the words do not");
});

/// Waits until a statement of this database waits for a lock.
async fn something_waits(pool: &sqlx::PgPool) {
    let waits = async {
        loop {
            let n: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(pool)
            .await
            .expect("the store answers");
            if n > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waits)
        .await
        .expect("the look waits for the commit that is under way");
}

#[tokio::test]
async fn p4_a_key_is_looked_up_after_the_commit_of_another_node_that_is_under_way() {
    let fresh = crate::platform::store::testing::postgres().await;
    let db = &fresh.db;
    let Db::Pg(pool) = db else {
        panic!("the store is on PostgreSQL");
    };
    let room = add_room(db, "under-way").await;
    let author = ParticipantId::parse("somebody").expect("an id");
    let key = ClientKey::parse("k1").expect("a key");
    // What a node does that dies before it hears of its commit.
    let mut elsewhere = db.begin().await.expect("a transaction");
    queries::lock(&mut elsewhere, &room)
        .await
        .expect("the room's lock");
    let line = queries::SealedLine {
        room: &room,
        seq: Seq(1),
        author: &author,
        key: &key,
        sealed: vec![0; 8],
    };
    queries::insert_lines(&mut elsewhere, NOW, 1, vec![line])
        .await
        .expect("the line is written");
    let look = queries::kept_before(db, &room, &author, &key);
    let then_commit = async {
        something_waits(pool).await;
        elsewhere.commit().await.expect("the commit");
    };
    let (found, ()) = tokio::join!(look, then_commit);
    assert_eq!(
        found.expect("the store answers").map(|(seq, _)| seq),
        Some(Seq(1)),
        "else it would be refused, and stored"
    );
}

on_both_engines!(what_is_said_as_a_room_is_forgotten_is_answered, db => {
    let house = house(&db).await;
    let room = add_room(&db, "answers").await;
    let visit = say(&house, &room).await;
    house.clock.advance_ms(3 * HOUR_MS);
    house.rooms.deps().forgotten(&room);
    visit.say("k2").expect("the room has not noticed yet");
    until(
        &visit.outbox,
        |frame| matches!(frame, ServerFrame::Refused { key: Some(key), .. } if key == "k2"),
    )
    .await;
    assert!(visit.say("k3").is_err(), "it takes nothing any more");
    assert!(visit.link.is_over());
});
