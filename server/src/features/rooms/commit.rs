//! The group commit: whatever arrived while the last one was in flight goes into the next, of all rooms of this node.
//!
//! One transaction locks its rooms in the order of their ids, looks which keys were kept before, takes the next numbers,
//! seals and inserts. Nothing is acknowledged before it returned, and it returns after the log is flushed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::line::{Line, NewLine, Shows};
use super::room::{Input, Kept};
use super::vault;
use super::{Deps, Outcomes, queries};
use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, ParticipantId, RoomId, Seq};
use crate::platform::sealing::DataKey;
use crate::platform::store::{Stored, Tx};
use crate::protocol::StampKind;

/// Lines and stamps of one transaction at most; more wait for the next.
const GROUP_MAX: usize = 2_000;
/// Jobs that may wait; a room has one commit in flight, so this is about rooms.
const INBOX: usize = 4_096;

/// What a room wants kept.
pub(super) enum Job {
    /// Lines, in order; the outcome comes back as one input. A room has one such job out at a time.
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
/// What came of it; `None` for a room that is forgotten.
type Came = HashMap<RoomId, Option<Vec<Kept>>>;

async fn run(deps: Arc<Deps>, mut inbox: mpsc::Receiver<Job>) {
    while let Some(first) = inbox.recv().await {
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
type Waiting = (RoomId, Vec<(ParticipantId, ClientKey)>, Outcomes);

async fn commit(deps: &Arc<Deps>, jobs: Vec<Job>) {
    let mut group = Group::new();
    let mut waiting: Vec<Waiting> = Vec::new();
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
                let ids = lines
                    .iter()
                    .map(|line| (line.author.clone(), line.key.clone()))
                    .collect();
                waiting.push((room, ids, outcomes));
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
    let began = tokio::time::Instant::now();
    let came = keep(deps, &group).await;
    metrics::histogram!("engawa_commit_seconds").record(began.elapsed().as_secs_f64());
    metrics::histogram!("engawa_commit_lines").record(n_lines as f64);
    if let Err(error) = &came {
        tracing::error!(%error, n_lines, "a commit failed");
    }
    for (room, ids, outcomes) in waiting {
        let kept = came
            .as_ref()
            .ok()
            .and_then(|came| came.get(&room))
            .and_then(Option::as_ref);
        let input = match kept {
            Some(kept) => Input::Kept(kept.clone()),
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
            Box::pin(async move {
                let at = deps.clock.now();
                let mut came = Came::new();
                for (room, share) in group.iter() {
                    came.insert(room.clone(), keep_share(&deps, tx, room, share, at).await?);
                }
                Ok(came)
            })
        })
        .await
}

async fn keep_share(
    deps: &Deps,
    tx: &mut Tx,
    room: &RoomId,
    share: &Share,
    at: Millis,
) -> Stored<Option<Vec<Kept>>> {
    if queries::lock(tx, room).await?.is_none() {
        return Ok(None);
    }
    for StampJob {
        seq,
        author,
        stamp,
        on,
    } in &share.stamps
    {
        queries::set_stamp(tx, room, *seq, author, stamp.as_str(), *on).await?;
    }
    if share.lines.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let keys: Vec<(&ParticipantId, &ClientKey)> = share
        .lines
        .iter()
        .map(|line| (&line.author, &line.key))
        .collect();
    let before = queries::kept_before_all(tx, room, &keys).await?;
    let mut kept: Vec<Kept> = before
        .into_iter()
        .map(|(author, key, seq, at)| Kept {
            author,
            key,
            seq,
            at,
            line: None,
        })
        .collect();
    let new: Vec<&NewLine> = share
        .lines
        .iter()
        .filter(|line| {
            !kept
                .iter()
                .any(|one| one.author == line.author && one.key == line.key)
        })
        .collect();
    if new.is_empty() {
        return Ok(Some(kept));
    }
    let n_new = i64::try_from(new.len()).expect("a group is small");
    let last = queries::take_numbers(tx, room, n_new).await?;
    let mut sealed = Vec::with_capacity(new.len());
    for (line, idx) in new.into_iter().zip(1..) {
        let seq = Seq(last.get() - n_new + idx);
        sealed.push(queries::SealedLine {
            seq,
            author: line.author.clone(),
            key: line.key.clone(),
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
    queries::insert_lines(tx, room, at, vault::KEY_VERSION, &sealed).await?;
    Ok(Some(kept))
}
