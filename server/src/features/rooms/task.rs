//! The task that owns a room: reads its inbox, applies, performs effects without awaiting.
//!
//! What takes time (a commit, a read) runs beside it, and its outcome comes back as an input. A full inbox is answered
//! by the link (`busy`); outcomes have a way of their own that is never full, or a room could wait for itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::act::RoomAct;
use super::beside;
use super::commit::{Committer, Job};
use super::hold::{Held, HoldAct, NewHold, WhichHold};
use super::holding;
use super::line::{Line, NewLine, Shows};
use super::outbox::Outbox;
use super::reading::{ChangeError, change_line, read_changes, read_lines, see};
use super::room::{
    Asker, ConnId, Effect, Facts, HoldAsked, Input, Otherwise, Refusal, Room, Seen, Which,
};
use super::ticket::Ticket;
use super::{Deps, Outcomes};
use crate::features::audit::Entry;
use crate::features::gatherings::Gathering;
use crate::features::tally::Event;
use crate::platform::bus::{Hint, News};
use crate::platform::clock::wait_ms;
use crate::platform::ids::{ClientKey, ParticipantId, RoomId, Seq};

use crate::platform::store::Engine;
use crate::platform::telemetry::names;
use crate::protocol::{Batch, Frame, HoldEnd, RefusalCode};

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
    pub(super) holds: Vec<Held>,
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
    /// Is kept in one piece, to wait for a human.
    to_hold: Vec<NewHold>,
    /// Let go of once everything is written.
    answered: Vec<Ticket>,
}

/// What woke a room.
enum First {
    Outcome(Input),
    Envelope(Envelope),
    Tick,
    /// A clock of a line that waits.
    Clock,
}

/// Inputs that are applied before their effects are written: what came while the last were written goes out together.
const INPUTS_IN_A_ROW: usize = 64;

/// The longest that a room sleeps for the clock of a line that waits; then it looks again. Milliseconds.
const FAR_MS: i64 = 60_000;

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
        holds,
        mut inbox,
        outcomes,
        mut outcomes_in,
    } = parts;
    let id = facts.room.clone();
    let watch_every = Duration::from_millis(deps.settings.watch_every_ms.unsigned_abs());
    let mut room = Room::new(facts, seen, lines, holds, deps.clock.now());
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
        to_hold: Vec::new(),
        answered: Vec::new(),
    };
    let mut watch = tokio::time::interval(watch_every);
    watch.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let now = task.deps.clock.now();
        let strikes = room.wakes_at(now);
        let clock_ms = strikes.map_or(FAR_MS, |at| at.since_ms(now).clamp(1, FAR_MS));
        let first = tokio::select! {
            biased;
            Some(input) = outcomes_in.recv() => First::Outcome(input),
            envelope = inbox.recv() => match envelope {
                Some(envelope) => First::Envelope(envelope),
                None => break,
            },
            _ = watch.tick() => First::Tick,
            () = tokio::time::sleep(wait_ms(clock_ms)), if strikes.is_some() => First::Clock,
        };
        // Whoever else has something ready says it first: one commit and one write for all of it, at no wait.
        tokio::task::yield_now().await;
        match first {
            First::Outcome(input) => task.apply(&mut room, input),
            First::Envelope(envelope) => task.open(&mut room, envelope),
            First::Clock => task.apply(&mut room, Input::Tick),
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
        self.keep_holds();
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
                otherwise,
            } => self.look(asker, author, key, otherwise),
            Effect::KeepHold(hold) => self.to_hold.push(hold),
            Effect::Hold {
                which,
                act,
                asked,
                entry,
            } => self.act_on_hold(which, act, asked, entry),
            Effect::LoadHolds { after } => self.load_holds(after),
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
            Effect::Act {
                asker,
                key,
                by,
                act,
                entry,
            } => self.act(asker, (by, key), act, entry),
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

    fn look(&self, asker: Asker, author: ParticipantId, key: ClientKey, otherwise: Otherwise) {
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
                    otherwise,
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
                        otherwise: refusal.into(),
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
        let held = match (&which, &author) {
            // A line that waits on another node is known here late.
            (Which::Key(key), Some(author)) if deps.db.engine() == Engine::Postgres => {
                Some(WhichHold::Of(author.clone(), key.clone()))
            }
            _ => None,
        };
        tokio::spawn(async move {
            let changed = change_line(&deps, &id, which, author, to, entry).await;
            if let (Err(ChangeError::NotYours), Some(which)) = (&changed, held) {
                let act = HoldAct::End(HoldEnd::Withdrawn);
                let asked = Some(HoldAsked { asker, key });
                return beside::act_on_hold(&deps, &id, &outcomes, (which, act), asked, None).await;
            }
            let outcome = match changed {
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

    /// Keeps lines that wait, in one transaction beside the room.
    fn keep_holds(&mut self) {
        if self.to_hold.is_empty() {
            return;
        }
        let holds = std::mem::take(&mut self.to_hold);
        let ids = holds
            .iter()
            .map(|hold| (hold.author.clone(), hold.key.clone()))
            .collect();
        let (deps, id, outcomes) = (
            Arc::clone(&self.deps),
            self.id.clone(),
            self.outcomes.clone(),
        );
        tokio::spawn(async move {
            match holding::keep(&deps, &id, holds).await {
                Ok(Some(kept)) => {
                    deps.bus.publish(Hint {
                        room: id,
                        news: News::Head,
                    });
                    outcomes.tell(Input::HoldsKept(kept));
                }
                Ok(None) => outcomes.tell(Input::HoldsNotKept(ids)),
                Err(error) => {
                    tracing::error!(%error, "held lines could not be kept");
                    outcomes.tell(Input::HoldsNotKept(ids));
                }
            }
        });
    }

    fn act_on_hold(
        &self,
        which: WhichHold,
        act: HoldAct,
        asked: Option<HoldAsked>,
        entry: Option<Entry>,
    ) {
        let (deps, id, outcomes) = (
            Arc::clone(&self.deps),
            self.id.clone(),
            self.outcomes.clone(),
        );
        tokio::spawn(async move {
            beside::act_on_hold(&deps, &id, &outcomes, (which, act), asked, entry).await;
        });
    }

    fn act(&self, asker: Asker, by: (ParticipantId, ClientKey), act: RoomAct, entry: Entry) {
        let (deps, id, outcomes) = (
            Arc::clone(&self.deps),
            self.id.clone(),
            self.outcomes.clone(),
        );
        tokio::spawn(async move {
            beside::act_on_room(&deps, &id, &outcomes, (asker, by), act, entry).await;
        });
    }

    fn load_holds(&self, after: i64) {
        let (deps, id, outcomes) = (
            Arc::clone(&self.deps),
            self.id.clone(),
            self.outcomes.clone(),
        );
        tokio::spawn(async move {
            let rows = match holding::after(&deps, &id, after).await {
                Ok(rows) => Some(rows),
                Err(error) => {
                    tracing::error!(%error, "held lines could not be read");
                    None
                }
            };
            let newest = rows.iter().flatten().map(|held| held.change_n).max();
            outcomes.tell(Input::Holds {
                rows,
                complete_to: newest.unwrap_or(after),
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
