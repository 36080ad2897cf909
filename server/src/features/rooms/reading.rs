//! What a room's task asks the store, beside the room: lines, changes, how the room stands.

use std::sync::Arc;

use super::act::Topic;
use super::acting::{self, People};
use super::life::{Course, OnCallUntil};
use super::line::{Line, ROOM_ITSELF, Shows};
use super::room::{Changed, Input, Seen, Which};
use super::{Deps, duty, queries, vault};
use crate::features::audit::Entry;
use crate::features::gatherings::{self, RoomRow};
use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, ParticipantId, RoomId, Seq};
use crate::platform::sealing::DataKey;
use crate::platform::store::{StoreError, Stored};
use crate::protocol::{LineOut, OnDuty, ServerFrame, Speaker, StampKind};

/// What the store says of a room; `None` once it is forgotten.
pub(super) async fn see(deps: &Deps, id: &RoomId) -> Stored<Option<Seen>> {
    let order = deps.next_look();
    let Some(row) = gatherings::find(&deps.db, id).await? else {
        return Ok(None);
    };
    let (course, on_duty) = course(deps, &row).await?;
    let topic = match &row.topic_sealed {
        Some(sealed) => topic(deps, id, sealed).await?,
        None => None,
    };
    let people = if row.n_acts > 0 {
        acting::people(deps, id).await?
    } else {
        People::default()
    };
    Ok(Some(Seen {
        order,
        gathering: row.gathering,
        state: row.state,
        guard: row.guard,
        slow_ms: row.slow_ms,
        last_seq: row.last_seq,
        n_changes: row.n_changes,
        n_holds: row.n_holds,
        attended: course.attended,
        on_duty,
        since: row.since,
        on_call: course.on_call,
        risk_at: course.risk_at,
        locked: row.locked,
        topic,
        n_acts: row.n_acts,
        n_admits: row.n_admits,
        people,
    }))
}

/// What a room's course follows from, in this node's time, and who is on duty in it.
///
/// # Errors
/// As the store's.
pub(super) async fn course(deps: &Deps, row: &RoomRow) -> Stored<(Course, Vec<OnDuty>)> {
    let (attended, ahead_ms, on_duty) = duty::read(deps, &row.gathering).await?;
    let on_call = gatherings::on_call_until(&deps.db, &row.gathering.id).await?;
    let course = Course {
        state: row.state,
        since: row.since,
        starts: row.gathering.starts,
        ends: row.gathering.ends,
        attended,
        on_call: OnCallUntil(on_call.map_or(Millis(0), |until| until.plus_ms(ahead_ms))),
        risk_at: queries::newest_risk(&deps.db, &row.gathering.id).await?,
        slow_ms: row.slow_ms,
    };
    Ok((course, on_duty))
}

async fn key_of(deps: &Deps, id: &RoomId) -> Stored<Option<Arc<DataKey>>> {
    deps.keys
        .get(&vault::key_id(id))
        .await
        .map_err(|error| StoreError::Unavailable {
            what: format!("the key store: {error}"),
        })
}

/// A room's topic, opened; nothing where its key is gone.
async fn topic(deps: &Deps, id: &RoomId, sealed: &[u8]) -> Stored<Option<Topic>> {
    let key = key_of(deps, id).await?;
    Ok(key.and_then(|key| vault::open_topic(&key, id, sealed)))
}

/// Lines from the store with their stamps, opened.
pub(super) async fn read_lines(
    deps: &Deps,
    id: &RoomId,
    from: Seq,
    to: Seq,
) -> Stored<Vec<Arc<Line>>> {
    if from > to {
        return Ok(Vec::new());
    }
    let key = key_of(deps, id).await?;
    let rows = queries::lines(&deps.db, id, from, to).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let stamps = queries::stamps(&deps.db, id, from, to).await?;
    let mut lines: Vec<Line> = rows
        .into_iter()
        .map(|row| match &key {
            Some(key) => vault::open_line(key, id, row),
            None => Line {
                seq: row.seq,
                author: row.author,
                key: row.client_key,
                at: row.at_ms,
                shows: Shows::Gone,
                content: None,
                stamps: Default::default(),
            },
        })
        .collect();
    for (seq, author, stamp) in stamps {
        let stamp = StampKind::from_wire(&stamp)
            .ok_or_else(|| gatherings::inconsistent("stamp", "stamp", id.as_str()))?;
        if let Ok(idx) = lines.binary_search_by_key(&seq, |line| line.seq) {
            lines[idx].stamps.insert((stamp, author));
        }
    }
    Ok(lines.into_iter().map(Arc::new).collect())
}

pub(super) async fn read_changes(
    deps: &Deps,
    id: &RoomId,
    after: i64,
) -> Stored<(Vec<Changed>, i64, Vec<Arc<Line>>)> {
    let mut changes = Vec::new();
    let mut shown = Vec::new();
    let mut n_changes = after;
    for (seq, shows, n) in queries::changes(&deps.db, id, after).await? {
        let shows = Shows::from_stored(&shows)
            .ok_or_else(|| gatherings::inconsistent("message", "shows", id.as_str()))?;
        if shows == Shows::Yes {
            shown.extend(read_lines(deps, id, seq, seq).await?);
        }
        changes.push(Changed { seq, shows, n });
        n_changes = n_changes.max(n);
    }
    Ok((changes, n_changes, shown))
}

/// Why a line was not changed.
pub(super) enum ChangeError {
    /// Not there, not theirs, or not to be opened again: one answer.
    NotYours,
    Store(StoreError),
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        ChangeError::Store(error)
    }
}

/// Changes a line in one transaction with what the audit log says of it. `None` where it was so already.
pub(super) async fn change_line(
    deps: &Arc<Deps>,
    id: &RoomId,
    which: Which,
    author: Option<ParticipantId>,
    to: Shows,
    entry: Option<Entry>,
) -> Result<Option<Changed>, ChangeError> {
    let deps_in = Arc::clone(deps);
    let asked = Arc::new((id.clone(), which, author, entry));
    let outcome = deps
        .db
        .write(move |tx| {
            let (deps, asked) = (Arc::clone(&deps_in), Arc::clone(&asked));
            Box::pin(async move {
                let (id, which, author, entry) = &*asked;
                // The room's lock first, as everywhere, so that two writers cannot lock crosswise.
                if queries::lock(tx, id).await?.is_none() {
                    return Ok(None);
                }
                let seq = match (which, author) {
                    (Which::Seq(seq), _) => Some(*seq),
                    (Which::Key(key), Some(author)) => queries::line_of_key(tx, id, author, key)
                        .await?
                        .map(|(seq, _)| seq),
                    (Which::Key(_), None) => None,
                };
                let Some(seq) = seq else { return Ok(None) };
                let Some((whose, shows)) = queries::line_state(tx, id, seq).await? else {
                    return Ok(None);
                };
                if author.as_ref().is_some_and(|author| *author != whose) {
                    return Ok(None);
                }
                let shows = Shows::from_stored(&shows)
                    .ok_or_else(|| gatherings::inconsistent("message", "shows", id.as_str()))?;
                if shows == to || (shows == Shows::TakenBack && to == Shows::Hidden) {
                    return Ok(Some(None));
                }
                if shows == Shows::TakenBack {
                    return Ok(None);
                }
                let n_changes = queries::count_change(tx, id).await?;
                if to == Shows::TakenBack {
                    queries::take_back_line(tx, id, seq, n_changes).await?;
                } else {
                    queries::change_line(tx, id, seq, to.as_str(), n_changes).await?;
                }
                if let Some(entry) = entry {
                    let object = format!("{}/{}", id.as_str(), seq.get());
                    deps.audit
                        .append(
                            tx,
                            &Entry {
                                object,
                                ..entry.clone()
                            },
                        )
                        .await?;
                }
                Ok(Some(Some(Changed {
                    seq,
                    shows: to,
                    n: n_changes,
                })))
            })
        })
        .await?;
    outcome.ok_or(ChangeError::NotYours)
}

/// What another node published: lines, and what those on duty are told of them.
pub(super) fn elsewhere(frames: &[String]) -> Input {
    let mut lines = Vec::new();
    let mut marks = Vec::new();
    for frame in frames {
        match serde_json::from_str(frame) {
            Ok(ServerFrame::Said(line)) => lines.extend(line_of(line).map(Arc::new)),
            Ok(mark @ ServerFrame::Marked { .. }) => marks.push(mark),
            Ok(_) | Err(_) => {}
        }
    }
    Input::Elsewhere { lines, marks }
}

/// A line that another node kept, as its frame says it. Stamps and the author's key are for the store to tell.
fn line_of(line: LineOut) -> Option<Line> {
    let LineOut {
        seq,
        from,
        body,
        at,
        note,
        no_reply,
        form,
        ..
    } = line;
    // What the room itself says is under no id that anybody is told.
    let by_room = from.is_none();
    let from = from.unwrap_or_else(|| Speaker {
        id: ROOM_ITSELF.to_owned(),
        name: String::new(),
        duty: None,
    });
    Some(Line {
        seq: Seq(seq),
        author: ParticipantId::parse(&from.id)?,
        key: ClientKey::of_no_client(Seq(seq)),
        at: at.0,
        shows: Shows::Yes,
        content: Some(super::line::Content {
            body,
            name: from.name,
            duty: from.duty,
            note,
            no_reply: no_reply == Some(true),
            form,
            by_room,
        }),
        stamps: Default::default(),
    })
}
