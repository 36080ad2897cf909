//! The group commit: whatever arrived while the last one was in flight goes into the next, of all rooms of this node.
//!
//! One transaction locks its rooms in the order of their ids, looks which keys were kept before, takes the next numbers,
//! seals and inserts. Nothing is acknowledged before it returned, and it returns after the log is flushed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::kept_keys::Known;
use super::line::{Line, NewLine, Shows};
use super::room::{Input, Kept};
use super::vault;
use super::{Deps, Outcomes, queries};
use crate::platform::ids::{ClientKey, ParticipantId, RoomId, Seq};
use crate::platform::sealing::DataKey;
use crate::platform::store::{Engine, Stored, Tx};
use crate::platform::telemetry::names;
use crate::protocol::StampKind;

/// Lines and stamps of one transaction at most; more wait for the next.
const GROUP_MAX: usize = 2_000;
/// Jobs that may wait. A room hands over what it read in one go, so these are some for each room.
const INBOX: usize = 4_096;

/// How long a commit may wait for what is on its way to it.
const GATHER_AT_MOST: Duration = Duration::from_millis(2);

/// What a room wants kept.
pub(super) enum Job {
    /// Lines, in order. Those of one room that wait together are kept together; each line's outcome comes back once.
    Lines {
        /// Where.
        room: RoomId,
        /// What.
        lines: Vec<NewLine>,
        /// Who is told.
        outcomes: Outcomes,
    },
    /// A stamp's state. Stamps are hints: nobody waits for it.
    Stamp {
        /// Where.
        room: RoomId,
        /// Under which line.
        seq: Seq,
        /// Whose.
        author: ParticipantId,
        /// Which.
        stamp: StampKind,
        /// Present.
        on: bool,
    },
}

/// The way to this node's one committer.
#[derive(Clone)]
pub(super) struct Committer(mpsc::Sender<Job>);

impl Committer {
    /// Starts the committer; it ends when nobody can reach it any more.
    pub(super) fn start(deps: Arc<Deps>) -> Self {
        let (sender, inbox) = mpsc::channel(INBOX);
        tokio::spawn(run(deps, inbox));
        Self(sender)
    }

    /// Hands a job over without waiting. A full inbox gives the job back.
    pub(super) fn hand(&self, job: Job) -> Result<(), Job> {
        self.0.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(job) | mpsc::error::TrySendError::Closed(job) => job,
        })
    }
}

struct StampJob {
    seq: Seq,
    author: ParticipantId,
    stamp: StampKind,
    on: bool,
}

/// What one room has in a group.
struct Share {
    key: Arc<DataKey>,
    lines: Vec<NewLine>,
    stamps: Vec<StampJob>,
}

/// The rooms of a group, in the order in which they are locked.
type Group = BTreeMap<RoomId, Share>;
/// What came of it; nothing for a room that is forgotten.
type Came = HashMap<RoomId, Vec<Kept>>;

/// Lets whoever has something ready hand it over first: one flush, and one change of a page, for all of it. Where nobody
/// has, this is over at once; where everybody always has, after a moment.
async fn gather(inbox: &mpsc::Receiver<Job>) {
    let until = Instant::now() + GATHER_AT_MOST;
    loop {
        let n_waiting = inbox.len();
        tokio::task::yield_now().await;
        if inbox.len() == n_waiting || Instant::now() >= until {
            return;
        }
    }
}

async fn run(deps: Arc<Deps>, mut inbox: mpsc::Receiver<Job>) {
    while let Some(first) = inbox.recv().await {
        gather(&inbox).await;
        let mut jobs = vec![first];
        let mut n_lines = 0;
        while n_lines < GROUP_MAX {
            match inbox.try_recv() {
                Ok(job) => {
                    n_lines += match &job {
                        Job::Lines { lines, .. } => lines.len(),
                        Job::Stamp { .. } => 1,
                    };
                    jobs.push(job);
                }
                Err(mpsc::error::TryRecvError::Empty | mpsc::error::TryRecvError::Disconnected) => {
                    break;
                }
            }
        }
        commit(&deps, jobs).await;
    }
}

/// A room that waits for the outcome, and the lines it waits for.
type Waiting = HashMap<RoomId, (Vec<(ParticipantId, ClientKey)>, Outcomes)>;

async fn commit(deps: &Arc<Deps>, jobs: Vec<Job>) {
    let mut group = Group::new();
    let mut waiting = Waiting::new();
    for job in jobs {
        let room = match &job {
            Job::Lines { room, .. } | Job::Stamp { room, .. } => room.clone(),
        };
        if !group.contains_key(&room) {
            // No key, no room: it is forgotten, or the key store does not answer.
            match deps.keys.get(&vault::key_id(&room)).await {
                Ok(Some(key)) => {
                    group.insert(
                        room.clone(),
                        Share {
                            key,
                            lines: Vec::new(),
                            stamps: Vec::new(),
                        },
                    );
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "the key store does not answer"),
            }
        }
        match (job, group.get_mut(&room)) {
            (
                Job::Lines {
                    lines, outcomes, ..
                },
                share,
            ) => {
                let (ids, _) = waiting
                    .entry(room)
                    .or_insert_with(|| (Vec::new(), outcomes));
                ids.extend(
                    lines
                        .iter()
                        .map(|line| (line.author.clone(), line.key.clone())),
                );
                if let Some(share) = share {
                    share.lines.extend(lines);
                }
            }
            (
                Job::Stamp {
                    seq,
                    author,
                    stamp,
                    on,
                    ..
                },
                Some(share),
            ) => {
                share.stamps.push(StampJob {
                    seq,
                    author,
                    stamp,
                    on,
                });
            }
            (Job::Stamp { .. }, None) => {}
        }
    }
    let group = Arc::new(group);
    let n_lines: usize = group.values().map(|share| share.lines.len()).sum();
    let began = Instant::now();
    let came = keep(deps, &group).await;
    metrics::histogram!(names::COMMIT_SECONDS).record(began.elapsed().as_secs_f64());
    metrics::histogram!(names::COMMIT_LINES).record(n_lines as f64);
    let mut came = match came {
        Ok(came) => {
            for (room, kept) in &came {
                let lines = kept
                    .iter()
                    .map(|one| (&one.author, &one.key, (one.seq, one.at)));
                deps.kept_keys.add(room, lines);
            }
            came
        }
        Err(error) => {
            tracing::error!(%error, n_lines, "a commit failed");
            for room in group.keys() {
                deps.kept_keys.drop_room(room);
            }
            Came::new()
        }
    };
    for (room, (ids, outcomes)) in waiting {
        let input = match came.remove(&room) {
            Some(kept) => Input::Kept(kept),
            None => Input::NotKept(ids),
        };
        outcomes.tell(input);
    }
}

async fn keep(deps: &Arc<Deps>, group: &Arc<Group>) -> Stored<Came> {
    let deps_in = Arc::clone(deps);
    let group = Arc::clone(group);
    deps.db
        .write(move |tx| {
            let deps = Arc::clone(&deps_in);
            let group = Arc::clone(&group);
            Box::pin(async move { keep_group(&deps, tx, &group).await })
        })
        .await
}

/// One statement of each kind for all rooms, whatever their number.
async fn keep_group(deps: &Deps, tx: &mut Tx, group: &Group) -> Stored<Came> {
    let at = deps.clock.now();
    let rooms: Vec<&RoomId> = group.keys().collect();
    let lasts: HashMap<RoomId, Seq> = queries::lock_all(tx, &rooms).await?.into_iter().collect();
    let mut came: Came = lasts
        .keys()
        .map(|room| (room.clone(), Vec::new()))
        .collect();
    let shares: Vec<(&RoomId, &Share)> = group
        .iter()
        .filter(|(room, _)| lasts.contains_key(*room))
        .collect();
    for (room, share) in &shares {
        for stamp in &share.stamps {
            queries::set_stamp(
                tx,
                room,
                stamp.seq,
                &stamp.author,
                stamp.stamp.as_str(),
                stamp.on,
            )
            .await?;
        }
    }
    let ids: Vec<queries::LineId<'_>> = shares
        .iter()
        .flat_map(|(room, share)| {
            share
                .lines
                .iter()
                .map(|line| (*room, &line.author, &line.key))
        })
        .collect();
    if ids.is_empty() {
        return Ok(came);
    }
    let before = kept_before(deps, tx, &shares, &ids).await?;
    let repeats: HashSet<queries::LineId<'_>> = before
        .iter()
        .map(|row| (&row.room_id, &row.author, &row.client_key))
        .collect();
    let mut sealed = Vec::with_capacity(ids.len());
    let mut now_last = Vec::with_capacity(shares.len());
    for (room, share) in shares {
        let kept = came.entry(room.clone()).or_default();
        let before = lasts.get(room).copied().unwrap_or(Seq(0));
        let mut last = before;
        for line in &share.lines {
            if repeats.contains(&(room, &line.author, &line.key)) {
                continue;
            }
            let seq = last.next();
            last = seq;
            sealed.push(queries::SealedLine {
                room,
                seq,
                author: &line.author,
                key: &line.key,
                sealed: vault::seal_content(&share.key, room, seq, &line.content, &*deps.chance),
            });
            kept.push(Kept {
                author: line.author.clone(),
                key: line.key.clone(),
                seq,
                at,
                line: Some(Arc::new(Line {
                    seq,
                    author: line.author.clone(),
                    key: line.key.clone(),
                    at,
                    shows: Shows::Yes,
                    content: Some(line.content.clone()),
                    stamps: Default::default(),
                })),
            });
        }
        if last != before {
            now_last.push((room, last));
        }
    }
    if !sealed.is_empty() {
        queries::take_numbers(tx, &now_last).await?;
        queries::insert_lines(tx, at, vault::KEY_VERSION, sealed).await?;
    }
    for row in before {
        came.entry(row.room_id).or_default().push(Kept {
            author: row.author,
            key: row.client_key,
            seq: row.seq,
            at: row.at_ms,
            line: None,
        });
    }
    Ok(came)
}

/// Which of the group's lines were kept before: by the index that PostgreSQL has for all its nodes, or by what this node
/// knows as the only one.
async fn kept_before(
    deps: &Deps,
    tx: &mut Tx,
    shares: &[(&RoomId, &Share)],
    ids: &[queries::LineId<'_>],
) -> Stored<Vec<queries::KeptRow>> {
    if tx.engine() == Engine::Postgres {
        return queries::kept_before_all(tx, ids).await;
    }
    let with_lines = shares.iter().filter(|(_, share)| !share.lines.is_empty());
    deps.kept_keys
        .read(tx, with_lines.map(|(room, _)| *room))
        .await?;
    let known = ids.iter().filter_map(|(room, author, key)| {
        let Known::Read(Some((seq, at_ms))) = deps.kept_keys.find(room, author, key) else {
            return None;
        };
        Some(queries::KeptRow {
            room_id: (*room).clone(),
            author: (*author).clone(),
            client_key: (*key).clone(),
            seq,
            at_ms,
        })
    });
    Ok(known.collect())
}
