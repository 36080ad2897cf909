//! Holds in the store. Each happens once, on whichever node: under the room's lock the first finds the hold open, and
//! whoever comes later finds how it ended.

mod queries;

pub use queries::STATEMENTS;

use std::sync::Arc;

use super::hold::{
    Found, Held, HeldWords, HoldAct, HoldCame, HoldClock, HoldKept, NewHold, WhichHold,
};
use super::line::{Line, Shows};
use super::{Deps, queries as lines, vault};
use crate::features::audit::Entry;
use crate::features::gatherings::inconsistent;
use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, HoldId, ParticipantId, RoomId};
use crate::platform::sealing::{DataKey, Place, open, seal};
use crate::platform::store::{StoreError, Stored, Tx};
use crate::protocol::{HoldEnd, HoldReason};

/// Keeps holds, in one transaction. `None` where the room is forgotten.
pub(super) async fn keep(
    deps: &Arc<Deps>,
    room: &RoomId,
    new: Vec<NewHold>,
) -> Stored<Option<Vec<HoldKept>>> {
    let Some(key) = room_key(deps, room).await? else {
        return Ok(None);
    };
    let deps_in = Arc::clone(deps);
    let asked = Arc::new((room.clone(), new, key));
    deps.db
        .write(move |tx| {
            let (deps, asked) = (Arc::clone(&deps_in), Arc::clone(&asked));
            Box::pin(async move {
                let (room, new, key) = &*asked;
                if lines::lock(tx, room).await?.is_none() {
                    return Ok(None);
                }
                let mut kept = Vec::with_capacity(new.len());
                for one in new {
                    kept.push(keep_one(&deps, tx, room, key, one).await?);
                }
                Ok(Some(kept))
            })
        })
        .await
}

async fn keep_one(
    deps: &Deps,
    tx: &mut Tx,
    room: &RoomId,
    key: &DataKey,
    new: &NewHold,
) -> Stored<HoldKept> {
    let kept = |found, is_new| HoldKept {
        author: new.author.clone(),
        key: new.key.clone(),
        found,
        is_new,
    };
    if let Some((seq, at)) = lines::line_of_key(tx, room, &new.author, &new.key).await? {
        return Ok(kept(Found::Line(seq, at), false));
    }
    if let Some(row) = queries::by_key(tx, room, &new.author, &new.key).await? {
        let held = opened(key, room, row)?;
        return Ok(kept(Found::Hold(Box::new(held)), false));
    }
    let id = HoldId::new(&*deps.chance);
    let row = queries::Row {
        n: queries::last_n(tx, room).await? + 1,
        author: new.author.clone(),
        client_key: new.key.clone(),
        reason: new.reason.as_str().to_owned(),
        at_ms: deps.clock.now(),
        due_ms: Some(new.due),
        left_ms: None,
        looked: false,
        told: false,
        ended: None,
        ended_ms: None,
        seq: None,
        change_n: queries::count(tx, room).await?,
        key_version: vault::KEY_VERSION,
        sealed: Some(sealed(deps, key, room, &id, &new.words)),
        id,
    };
    queries::insert(tx, room, &row).await?;
    let held = opened(key, room, row)?;
    Ok(kept(Found::Hold(Box::new(held)), true))
}

/// What is done to a hold: by whose word, and what the audit log will say.
#[derive(Clone, Debug)]
pub(super) struct Doing {
    pub(super) which: WhichHold,
    pub(super) act: HoldAct,
    pub(super) entry: Option<Entry>,
}

/// Does something to a hold, if it is still open and not so already; with its line and its audit entry in one transaction.
pub(super) async fn act(deps: &Arc<Deps>, room: &RoomId, doing: Doing) -> Stored<HoldCame> {
    let Some(key) = room_key(deps, room).await? else {
        return Ok(HoldCame::Not(None));
    };
    let deps_in = Arc::clone(deps);
    let asked = Arc::new((room.clone(), doing, key));
    let outcome = deps
        .db
        .write(move |tx| {
            let (deps, asked) = (Arc::clone(&deps_in), Arc::clone(&asked));
            Box::pin(async move {
                let (room, doing, key) = &*asked;
                act_in(&deps, tx, room, key, doing).await
            })
        })
        .await;
    match &outcome {
        Ok(HoldCame::Done {
            line: Some(line), ..
        }) => {
            let one = [(&line.author, &line.key, (line.seq, line.at))];
            deps.kept_keys.add(room, one.into_iter());
        }
        // It may be on disk: what this node knows of the room's keys is read anew.
        Err(_) => deps.kept_keys.drop_room(room),
        Ok(_) => {}
    }
    outcome
}

async fn act_in(
    deps: &Deps,
    tx: &mut Tx,
    room: &RoomId,
    key: &DataKey,
    doing: &Doing,
) -> Stored<HoldCame> {
    let Some(last) = lines::lock(tx, room).await? else {
        return Ok(HoldCame::Not(None));
    };
    let row = match &doing.which {
        WhichHold::Id(id) => queries::by_id(tx, room, id).await?,
        WhichHold::Of(author, key) => queries::by_key(tx, room, author, key).await?,
    };
    let Some(mut row) = row else {
        return Ok(HoldCame::Not(None));
    };
    if row.ended.is_some() || is_so(&row, doing.act) {
        return Ok(HoldCame::Not(Some(Box::new(opened(key, room, row)?))));
    }
    let passes = matches!(doing.act, HoldAct::End(HoldEnd::Approved | HoldEnd::Passed));
    let mut line = None;
    if passes {
        let held = opened(key, room, row)?;
        let Some(words) = held.words.clone() else {
            // Words that nobody can open are no line: the hold stays, and is closed with its room.
            return Ok(HoldCame::Not(Some(Box::new(held))));
        };
        let passed = Line {
            seq: last.next(),
            author: held.author.clone(),
            key: held.key.clone(),
            at: deps.clock.now(),
            shows: Shows::Yes,
            content: Some(words.content),
            stamps: Default::default(),
        };
        insert_line(deps, tx, room, key, &passed).await?;
        line = Some(Arc::new(passed));
        row = unopened(held);
    }
    row.change_n = queries::count(tx, room).await?;
    match doing.act {
        HoldAct::Look => {
            (row.due_ms, row.left_ms, row.looked) = (None, None, true);
            queries::set_clock(tx, room, &row).await?;
        }
        HoldAct::Tell => {
            (row.due_ms, row.left_ms, row.told) = (None, None, true);
            queries::set_clock(tx, room, &row).await?;
        }
        HoldAct::Stand(left_ms) => {
            (row.due_ms, row.left_ms) = (None, Some(left_ms));
            queries::set_clock(tx, room, &row).await?;
        }
        HoldAct::Run(due) => {
            (row.due_ms, row.left_ms) = (Some(due), None);
            queries::set_clock(tx, room, &row).await?;
        }
        HoldAct::End(how) => {
            let now = line
                .as_ref()
                .map_or_else(|| deps.clock.now(), |line| line.at);
            let seq = line.as_ref().map(|line| line.seq);
            queries::end(tx, room, row.n, how.as_str(), now, seq, row.change_n).await?;
            row.ended = Some(how.as_str().to_owned());
            row.ended_ms = Some(now);
            row.seq = seq;
            (row.due_ms, row.left_ms, row.sealed) = (None, None, None);
        }
    }
    if let Some(entry) = &doing.entry {
        let object = format!("{}/{}", room.as_str(), row.id.as_str());
        let entry = Entry {
            object,
            ..entry.clone()
        };
        deps.audit.append(tx, &entry).await?;
    }
    let hold = Box::new(opened(key, room, row)?);
    Ok(HoldCame::Done { hold, line })
}

/// Whether that was done to it already, by another node or in another moment.
fn is_so(row: &queries::Row, act: HoldAct) -> bool {
    match act {
        HoldAct::End(_) => false,
        HoldAct::Look => row.looked,
        HoldAct::Tell => row.told || row.due_ms.is_none(),
        HoldAct::Stand(_) => row.due_ms.is_none(),
        HoldAct::Run(_) => row.left_ms.is_none(),
    }
}

async fn insert_line(
    deps: &Deps,
    tx: &mut Tx,
    room: &RoomId,
    key: &DataKey,
    line: &Line,
) -> Stored<()> {
    let content = line.content.as_ref().expect("a line that passes has words");
    let sealed = lines::SealedLine {
        room,
        seq: line.seq,
        author: &line.author,
        key: &line.key,
        sealed: vault::seal_content(key, room, line.seq, content, &*deps.chance),
    };
    lines::take_numbers(tx, &[(room, line.seq)]).await?;
    lines::insert_lines(tx, line.at, vault::KEY_VERSION, vec![sealed]).await
}

/// The holds of a room of which something happened after that count, in the order in which it did.
pub(super) async fn after(deps: &Deps, room: &RoomId, after: i64) -> Stored<Vec<Held>> {
    let rows = queries::after(&deps.db, room, after).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let Some(key) = room_key(deps, room).await? else {
        return Ok(Vec::new());
    };
    rows.into_iter()
        .map(|row| opened(&key, room, row))
        .collect()
}

/// The hold of that key.
pub(super) async fn find(
    deps: &Deps,
    room: &RoomId,
    author: &ParticipantId,
    key: &ClientKey,
) -> Stored<Option<Held>> {
    let Some(row) = queries::read_by_key(&deps.db, room, author, key).await? else {
        return Ok(None);
    };
    let room_key = room_key(deps, room).await?;
    room_key
        .map(|room_key| opened(&room_key, room, row))
        .transpose()
}

/// Takes back all open holds of somebody who is being removed; in a transaction that holds the room's lock.
pub(super) async fn remove_of(
    tx: &mut Tx,
    room: &RoomId,
    author: &ParticipantId,
    now: Millis,
) -> Stored<()> {
    for n in queries::open_of(tx, room, author).await? {
        let change_n = queries::count(tx, room).await?;
        let how = HoldEnd::Withdrawn.as_str();
        queries::end(tx, room, n, how, now, None, change_n).await?;
    }
    Ok(())
}

/// Removes a room's holds.
pub(super) async fn forget(tx: &mut Tx, room: &RoomId) -> Stored<()> {
    queries::forget(tx, room).await
}

async fn room_key(deps: &Deps, room: &RoomId) -> Stored<Option<Arc<DataKey>>> {
    let key = deps.keys.get(&vault::key_id(room)).await;
    key.map_err(|error| StoreError::Unavailable {
        what: format!("the key store: {error}"),
    })
}

fn place_row(room: &RoomId, id: &HoldId) -> String {
    format!("{}:{}", room.as_str(), id.as_str())
}

fn sealed(deps: &Deps, key: &DataKey, room: &RoomId, id: &HoldId, words: &HeldWords) -> Vec<u8> {
    let plain = serde_json::to_vec(words).expect("held words are JSON");
    let row = place_row(room, id);
    let place = Place {
        table: "hold",
        row: &row,
        column: "sealed",
        key_version: vault::KEY_VERSION,
    };
    seal(key, &place, &plain, &*deps.chance)
}

fn opened(key: &DataKey, room: &RoomId, row: queries::Row) -> Stored<Held> {
    let no = |column| inconsistent("hold", column, room.as_str());
    let words = row.sealed.as_deref().and_then(|sealed| {
        let place_row = place_row(room, &row.id);
        let place = Place {
            table: "hold",
            row: &place_row,
            column: "sealed",
            key_version: row.key_version,
        };
        let plain = open(key, &place, sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    });
    let ended = match (&row.ended, row.ended_ms) {
        (None, _) => None,
        (Some(how), Some(at)) => Some((HoldEnd::from_wire(how).ok_or_else(|| no("ended"))?, at)),
        (Some(_), None) => return Err(no("ended_ms")),
    };
    if words.is_none() && ended.is_none() {
        tracing::error!(room = room.as_str(), "a held line cannot be opened");
    }
    Ok(Held {
        n: row.n,
        author: row.author,
        key: row.client_key,
        reason: HoldReason::from_wire(&row.reason).ok_or_else(|| no("reason"))?,
        at: row.at_ms,
        clock: match (row.due_ms, row.left_ms) {
            (Some(due), _) => HoldClock::Runs(due),
            (None, Some(left_ms)) => HoldClock::Stands(left_ms),
            (None, None) => HoldClock::Off,
        },
        looked: row.looked,
        told: row.told,
        ended,
        seq: row.seq,
        change_n: row.change_n,
        words,
        id: row.id,
    })
}

/// What is left to write of a hold whose words are in its line now.
fn unopened(held: Held) -> queries::Row {
    queries::Row {
        n: held.n,
        id: held.id,
        author: held.author,
        client_key: held.key,
        reason: held.reason.as_str().to_owned(),
        at_ms: held.at,
        due_ms: None,
        left_ms: None,
        looked: held.looked,
        told: held.told,
        ended: None,
        ended_ms: None,
        seq: None,
        change_n: held.change_n,
        key_version: vault::KEY_VERSION,
        sealed: None,
    }
}
