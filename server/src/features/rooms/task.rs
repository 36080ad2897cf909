//! The task that owns a room: reads its inbox, applies, performs effects without awaiting.
//!
//! What takes time (a commit, a read) runs beside it, and its outcome comes back as an input. A full inbox is answered
//! by the link (`busy`); outcomes have a way of their own that is never full, or a room could wait for itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::commit::{Committer, Job};
use super::line::{Line, NewLine, Shows};
use super::outbox::Outbox;
use super::reading::{ChangeError, change_line, read_changes, read_lines, see};
use super::room::{Asker, ConnId, Effect, Facts, Input, Refusal, Room, Seen, Which};
use super::ticket::Ticket;
use super::{Deps, Outcomes};
use crate::features::audit::Entry;
use crate::features::gatherings::Gathering;
use crate::features::tally::Event;
use crate::platform::bus::{Hint, News};
use crate::platform::ids::{ClientKey, ParticipantId, RoomId, Seq};

use crate::platform::telemetry::names;
use crate::protocol::{Batch, Frame, RefusalCode};

/// An input, and the outbox of the connection it is from.
pub(super) struct Envelope {
    pub(super) input: Input,
    pub(super) from: (ConnId, Outbox),
    /// Let go of once the effects are performed.
    pub(super) ticket: Option<Ticket>,
}

/// What the task is made of.
pub(super) struct Parts {
    pub(super) deps: Arc<Deps>,
    pub(super) committer: Committer,
    pub(super) facts: Facts,
    pub(super) gathering: Gathering,
    pub(super) seen: Seen,
    pub(super) lines: Vec<Arc<Line>>,
    pub(super) inbox: mpsc::Receiver<Envelope>,
    pub(super) outcomes: Outcomes,
    pub(super) outcomes_in: mpsc::UnboundedReceiver<Input>,
}

struct Attached {
    outbox: Outbox,
    live: bool,
    /// Something was put into its outbox and not written yet.
    put: bool,
}

struct Task {
    deps: Arc<Deps>,
    committer: Committer,
    id: RoomId,
    gathering: Gathering,
    outcomes: Outcomes,
    attached: HashMap<ConnId, Attached>,
    /// Goes to all who are live, in one write each; not written yet.
    to_all: Vec<Frame>,
    /// Connections whose outbox has something that was put and not written.
    put: Vec<ConnId>,
    /// Goes to the committer in one piece.
    to_keep: Vec<NewLine>,
    /// Let go of once everything is written.
    answered: Vec<Ticket>,
}

/// What woke a room.
enum First {
    Outcome(Input),
    Envelope(Envelope),
    Tick,
}

/// Inputs that are applied before their effects are written: what came while the last were written goes out together.
const INPUTS_IN_A_ROW: usize = 64;

/// How long a forgotten room still answers what it was asked before.
const LAST_ANSWERS_WITHIN: Duration = Duration::from_secs(8);

/// Runs a room until it is forgotten or the node ends.
pub(super) async fn run(parts: Parts) {
    let Parts {
        deps,
        committer,
        facts,
        gathering,
        seen,
        lines,
        mut inbox,
        outcomes,
        mut outcomes_in,
    } = parts;
    let id = facts.room.clone();
    let watch_every = Duration::from_millis(deps.settings.watch_every_ms.unsigned_abs());
    let mut room = Room::new(facts, seen, lines, deps.clock.now());
    let mut task = Task {
        deps,
        committer,
        id,
        gathering,
        outcomes,
        attached: HashMap::new(),
        to_all: Vec::new(),
        put: Vec::new(),
        to_keep: Vec::new(),
        answered: Vec::new(),
    };
    let mut watch = tokio::time::interval(watch_every);
    watch.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let first = tokio::select! {
            biased;
            Some(input) = outcomes_in.recv() => First::Outcome(input),
            envelope = inbox.recv() => match envelope {
                Some(envelope) => First::Envelope(envelope),
                None => break,
            },
            _ = watch.tick() => First::Tick,
        };
        // Whoever else has something ready says it first: one commit and one write for all of it, at no wait.
        tokio::task::yield_now().await;
        match first {
            First::Outcome(input) => task.apply(&mut room, input),
            First::Envelope(envelope) => task.open(&mut room, envelope),
            First::Tick => {
                task.watch();
                task.let_go();
                task.apply(&mut room, Input::Tick);
            }
        }
        for _ in 1..INPUTS_IN_A_ROW {
            if let Ok(input) = outcomes_in.try_recv() {
                task.apply(&mut room, input);
            } else if let Ok(envelope) = inbox.try_recv() {
                task.open(&mut room, envelope);
            } else {
                break;
            }
        }
        task.write();
        if task.deps.is_forgotten(&task.id) {
            break;
        }
    }
    // Nothing more is taken; what was taken waits for an answer that may still come from the store.
    inbox.close();
    let last_answers = async {
        while let Ok(envelope) = inbox.try_recv() {
            task.open(&mut room, envelope);
        }
        task.write();
        while let Some(input) = outcomes_in.recv().await {
            task.apply(&mut room, input);
            task.write();
        }
    };
    let _ = tokio::time::timeout(LAST_ANSWERS_WITHIN, last_answers).await;
}

impl Task {
    fn open(&mut self, room: &mut Room, envelope: Envelope) {
        let Envelope {
            input,
            from: (conn, outbox),
            ticket,
        } = envelope;
        // News of a connection's end overtakes what it sent before: nobody comes in after they have gone.
        if outbox.is_closing() {
            if matches!(input, Input::Enter { .. }) {
                return;
            }
        } else {
            self.attached.entry(conn).or_insert(Attached {
                outbox,
                live: false,
                put: false,
            });
        }
        self.apply(room, input);
        self.answered.extend(ticket);
    }

    fn apply(&mut self, room: &mut Room, input: Input) {
        let gone = match &input {
            Input::Gone { conn } => Some(*conn),
            _ => None,
        };
        for effect in room.apply(input, self.deps.clock.now()) {
            self.perform(effect);
        }
        if let Some(conn) = gone {
            self.attached.remove(&conn);
        }
    }

    /// Hands over what is to be kept. What comes before the commit begins joins it there.
    fn keep(&mut self) {
        if self.to_keep.is_empty() {
            return;
        }
        let job = Job::Lines {
            room: self.id.clone(),
            lines: std::mem::take(&mut self.to_keep),
            outcomes: self.outcomes.clone(),
        };
        if let Err(Job::Lines { lines, .. }) = self.committer.hand(job) {
            let ids = lines
                .into_iter()
                .map(|line| (line.author, line.key))
                .collect();
            self.outcomes.tell(Input::NotKept(ids));
        }
    }

    /// Writes what was put: a batch for all who are live, then what is left for single ones.
    fn write(&mut self) {
        self.keep();
        self.distribute();
        for conn in self.put.drain(..) {
            if let Some(attached) = self.attached.get_mut(&conn) {
                attached.put = false;
                attached.outbox.flush();
            }
        }
        self.answered.clear();
    }

    /// Lets go of connections that ended. One that left the room stays until then: what it asked for before may still be
    /// under way, and is answered.
    fn let_go(&mut self) {
        self.attached
            .retain(|_, attached| !attached.outbox.is_closing());
    }

    /// Gives what goes to all to those who are live now. Before anything that must come after it, and at the end.
    fn distribute(&mut self) {
        let n_frames = self.to_all.len() as u64;
        let Some(batch) = Batch::of(std::mem::take(&mut self.to_all)) else {
            return;
        };
        let mut n_members = 0;
        for attached in self.attached.values().filter(|attached| attached.live) {
            attached.outbox.push_batch(&batch);
            n_members += 1;
        }
        metrics::counter!(names::DELIVERIES).increment(n_members * n_frames);
    }

    /// Puts something into one outbox, after what went to all before.
    fn put(&mut self, conn: ConnId, put: impl FnOnce(&Outbox)) {
        if self
            .attached
            .get(&conn)
            .is_some_and(|attached| attached.live)
        {
            self.distribute();
        }
        if let Some(attached) = self.attached.get_mut(&conn) {
            put(&attached.outbox);
            if !attached.put {
                attached.put = true;
                self.put.push(conn);
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send { conn, frame } => self.put(conn, |outbox| {
                outbox.put(frame);
            }),
            Effect::SendEntered { conn, frame } => self.put(conn, |outbox| {
                outbox.put_entered(frame);
            }),
            Effect::All(frame) => self.to_all.push(frame),
            Effect::Live(conn) => self.set_live(conn, true),
            Effect::NotLive(conn) => self.set_live(conn, false),
            Effect::Mark(conn) => {
                let outcomes = self.outcomes.clone();
                self.put(conn, |outbox| outbox.mark(outcomes, conn));
            }
            Effect::Commit(lines) => self.to_keep.extend(lines),
            Effect::KeepStamp {
                seq,
                author,
                stamp,
                on,
            } => {
                // A hint: one that is lost costs nobody a word.
                let job = Job::Stamp {
                    room: self.id.clone(),
                    seq,
                    author,
                    stamp,
                    on,
                };
                if self.committer.hand(job).is_err() {
                    tracing::warn!(
                        room = self.id.as_str(),
                        "a stamp was not kept: too much waits"
                    );
                }
            }
            Effect::Look {
                asker,
                author,
                key,
                refusal,
            } => self.look(asker, author, key, refusal),
            Effect::Release(tickets) => self.answered.extend(tickets),
            Effect::Load { conn, from, to } => self.load(conn, from, to),
            Effect::Change {
                asker,
                key,
                which,
                author,
                to,
                entry,
            } => {
                self.change(asker, key, which, author, to, entry);
            }
            Effect::LoadChanges { after } => self.load_changes(after),
            Effect::Publish(frames) => self.publish(&frames),
            Effect::Came(rung) => {
                self.deps.tally.count(
                    Event::Came,
                    self.gathering.kind.as_str(),
                    self.gathering.audience.as_str(),
                    rung,
                );
            }
        }
    }

    fn set_live(&mut self, conn: ConnId, live: bool) {
        self.distribute();
        if let Some(attached) = self.attached.get_mut(&conn) {
            attached.live = live;
        }
    }

    fn publish(&self, frames: &[Frame]) {
        let frames = frames
            .iter()
            .map(|frame| frame.as_str().to_owned())
            .collect();
        self.deps.bus.publish(Hint {
            room: self.id.clone(),
            news: News::Lines { frames },
        });
    }

    fn look(&self, asker: Asker, author: ParticipantId, key: ClientKey, refusal: Refusal) {
        let (deps, id, outcomes) = (
            Arc::clone(&self.deps),
            self.id.clone(),
            self.outcomes.clone(),
        );
        tokio::spawn(async move {
            let input = match deps.kept_before(&id, &author, &key).await {
                Ok(found) => Input::Looked {
                    asker,
                    key,
                    found,
                    refusal,
                },
                Err(error) => {
                    tracing::error!(%error, "a key could not be looked up");
                    let refusal = Refusal {
                        code: RefusalCode::Busy,
                        retry_after_ms: Some(super::room::BUSY_RETRY_MS),
                    };
                    Input::Looked {
                        asker,
                        key,
                        found: None,
                        refusal,
                    }
                }
            };
            outcomes.tell(input);
        });
    }

    fn load(&self, conn: Option<ConnId>, from: Seq, to: Seq) {
        let (deps, id, outcomes) = (
            Arc::clone(&self.deps),
            self.id.clone(),
            self.outcomes.clone(),
        );
        tokio::spawn(async move {
            let input = match read_lines(&deps, &id, from, to).await {
                Ok(lines) => Input::Loaded { conn, from, lines },
                Err(error) => {
                    tracing::error!(%error, "lines could not be read");
                    Input::NotLoaded { conn }
                }
            };
            outcomes.tell(input);
        });
    }

    fn change(
        &self,
        asker: Asker,
        key: Option<ClientKey>,
        which: Which,
        author: Option<ParticipantId>,
        to: Shows,
        entry: Option<Entry>,
    ) {
        let (deps, id, outcomes) = (
            Arc::clone(&self.deps),
            self.id.clone(),
            self.outcomes.clone(),
        );
        tokio::spawn(async move {
            let outcome = match change_line(&deps, &id, which, author, to, entry).await {
                Ok(Some(changed)) => {
                    deps.bus.publish(Hint {
                        room: id.clone(),
                        news: News::Changed,
                    });
                    let lines = if to == Shows::Yes {
                        read_lines(&deps, &id, changed.seq, changed.seq)
                            .await
                            .unwrap_or_default()
                    } else {
                        Vec::new()
                    };
                    outcomes.tell(Input::Changed {
                        changes: vec![changed],
                        complete_to: None,
                        lines,
                    });
                    Ok(())
                }
                Ok(None) => Ok(()),
                Err(ChangeError::NotYours) => Err(RefusalCode::NotAllowed.into()),
                Err(ChangeError::Store(error)) => {
                    tracing::error!(%error, "a line could not be changed");
                    Err(Refusal {
                        code: RefusalCode::Busy,
                        retry_after_ms: Some(super::room::BUSY_RETRY_MS),
                    })
                }
            };
            outcomes.tell(Input::ChangeDone {
                asker,
                key,
                outcome,
            });
        });
    }

    fn load_changes(&self, after: i64) {
        let (deps, id, outcomes) = (
            Arc::clone(&self.deps),
            self.id.clone(),
            self.outcomes.clone(),
        );
        tokio::spawn(async move {
            let input = match read_changes(&deps, &id, after).await {
                Ok((changes, n_changes, lines)) => Input::Changed {
                    changes,
                    complete_to: Some(n_changes),
                    lines,
                },
                Err(error) => {
                    tracing::error!(%error, "changes could not be read");
                    Input::Changed {
                        changes: Vec::new(),
                        complete_to: Some(after),
                        lines: Vec::new(),
                    }
                }
            };
            outcomes.tell(input);
        });
    }

    /// Reads what the store says of the room; at every few seconds, and when somebody came or went on duty.
    fn watch(&self) {
        let (deps, id, outcomes) = (
            Arc::clone(&self.deps),
            self.id.clone(),
            self.outcomes.clone(),
        );
        tokio::spawn(async move {
            match see(&deps, &id).await {
                Ok(Some(seen)) => outcomes.tell(Input::Seen(Box::new(seen))),
                Ok(None) => deps.forgotten(&id),
                Err(error) => tracing::error!(%error, "a room could not be watched"),
            }
        });
    }
}
