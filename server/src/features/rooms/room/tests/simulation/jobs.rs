//! What a node asks of the store: done at one moment, told at a later one, or never.

use std::sync::Arc;

use super::adapter::{Asked, Change, Doing, Hosted, Look, Told, WhichLine, client_key};
use super::plants::Plant;
use super::store::{ChangeCame, ChangeRow, Snapshot};
use super::world::{Event, World};
use crate::features::rooms::hold::{HoldCame, NewHold};
use crate::features::rooms::line::{Line, Shows};
use crate::platform::bus::News;
use crate::platform::ids::{ClientKey, Seq};
use crate::protocol::RefusalCode;

/// What a node asks of the store; done at one moment, told at a later one.
pub(super) enum Job {
    See,
    Look(Look),
    Load {
        conn: Option<u64>,
        from: Seq,
        to: Seq,
    },
    Change(Change),
    /// After a line was opened again, its words are read.
    WordsOf {
        asked: Asked,
        key: Option<ClientKey>,
        row: ChangeRow,
    },
    Changes {
        after: i64,
    },
    KeepHold(NewHold),
    Hold(Doing),
    Holds {
        after: i64,
    },
    /// The words of lines that are shown again are read after the changes themselves.
    WordsOfAll {
        rows: Vec<ChangeRow>,
        complete_to: i64,
    },
    /// A room comes to this node: its row first, its lines after.
    Host,
    HostLines(Snapshot, i64),
}

impl World {
    /// The store does or reads something for a node, which may not live to hear of it.
    pub(super) fn runs(&mut self, node: usize, life: u32, job: Job) {
        let lives = self.lives(node, life);
        let fails = !lives || self.nodes[node].is_cut || self.dice.percent(self.setup.reads_fail);
        match job {
            Job::Host | Job::HostLines(..) => {
                if lives {
                    self.hosts(node, job, fails);
                }
            }
            Job::See => {
                if !fails {
                    let told = self.sees(node);
                    self.tells(node, life, vec![told]);
                }
            }
            Job::Look(look) => {
                let found = (!fails)
                    .then(|| self.store.found(&look.author, &look.key))
                    .flatten();
                let works = !fails;
                self.tells(node, life, vec![Told::Looked { look, found, works }]);
            }
            Job::Load { conn, from, to } => {
                let told = if fails {
                    Told::NotLoaded { conn }
                } else {
                    let lines = self.reads(from, to);
                    Told::Loaded { conn, from, lines }
                };
                self.tells(node, life, vec![told]);
            }
            Job::Change(change) => {
                // A node that died may have been heard before.
                let fails = if lives { fails } else { self.dice.percent(50) };
                self.changes(node, life, fails, change);
            }
            Job::KeepHold(new) => {
                let fails = if lives { fails } else { self.dice.percent(50) };
                let id = (new.author.clone(), new.key.clone());
                if fails {
                    return self.tells(node, life, vec![Told::HoldsNotKept(vec![id])]);
                }
                let at = self.node_now(node);
                let kept = self.store.keep_holds(&[new], at);
                self.note(41, || format!("{} waits", id.1.as_str()));
                if lives {
                    self.publishes(node, News::Head);
                }
                let is_lost = self.dice.percent(self.setup.outcomes_lost);
                let told = if is_lost {
                    Told::HoldsNotKept(vec![id])
                } else {
                    Told::HoldsKept(kept)
                };
                self.tells(node, life, vec![told]);
            }
            Job::Hold(doing) => {
                let fails = if lives { fails } else { self.dice.percent(50) };
                self.acts_on_hold(node, life, fails, doing);
            }
            Job::Holds { after } => {
                let rows = (!fails).then(|| self.store.holds_after(after));
                let newest = rows.iter().flatten().map(|held| held.change_n).max();
                let complete_to = newest.unwrap_or(after);
                self.tells(node, life, vec![Told::Holds { rows, complete_to }]);
            }
            Job::WordsOf { asked, key, row } => {
                let lines = if fails {
                    Vec::new()
                } else {
                    self.reads(row.seq, row.seq)
                };
                let told = done(asked, key, row, lines);
                self.tells(node, life, told);
            }
            Job::Changes { after } => {
                let is_blind = self.plant == Some(Plant::ChangesNotRead);
                if fails || is_blind {
                    self.tells(node, life, vec![nothing_changed(after)]);
                } else {
                    let rows = self.store.changes_after(after);
                    let complete_to = rows.iter().map(|row| row.n).max().unwrap_or(after);
                    self.asks(node, Job::WordsOfAll { rows, complete_to });
                }
            }
            Job::WordsOfAll { rows, complete_to } => {
                let shown: Vec<Seq> = rows
                    .iter()
                    .filter(|row| row.shows == Shows::Yes)
                    .map(|row| row.seq)
                    .collect();
                let told = if fails && !shown.is_empty() {
                    nothing_changed(rows.first().map_or(complete_to, |row| row.n - 1))
                } else {
                    let mut lines = Vec::new();
                    for seq in shown {
                        lines.extend(self.reads(seq, seq));
                    }
                    Told::Changed {
                        rows,
                        complete_to: Some(complete_to),
                        lines,
                    }
                };
                self.tells(node, life, vec![told]);
            }
        }
    }

    fn reads(&mut self, from: Seq, to: Seq) -> Vec<Arc<Line>> {
        let lines = self.store.range(from, to);
        if self.plant != Some(Plant::ReadsIgnoreHides) {
            return lines;
        }
        lines
            .into_iter()
            .map(|line| {
                let mut line = Line::clone(&line);
                if matches!(line.shows, Shows::Hidden | Shows::TakenBack) {
                    line.shows = Shows::Yes;
                    let body = format!("line {}", line.key.as_str());
                    line.content
                        .get_or_insert_with(|| super::world::content(&body, "x"));
                }
                Arc::new(line)
            })
            .collect()
    }

    fn hosts(&mut self, node: usize, job: Job, fails: bool) {
        if fails {
            self.nodes[node].is_hosting = false;
            return;
        }
        match job {
            Job::Host => {
                let Told::Seen { snapshot, ahead_ms } = self.sees(node) else {
                    return;
                };
                self.asks(node, Job::HostLines(snapshot, ahead_ms));
            }
            Job::HostLines(snapshot, ahead_ms) => {
                let n_lines = self.setup.sizes.ring_lines as i64;
                let from = Seq((snapshot.last_seq - n_lines + 1).max(1));
                let lines = self.reads(from, Seq(snapshot.last_seq));
                self.note(2, || {
                    format!("node {node} has the room up to {}", snapshot.last_seq)
                });
                let now = self.node_now(node);
                let room = Hosted::new(
                    &self.setup.sizes,
                    self.store.epoch,
                    &snapshot,
                    ahead_ms,
                    lines,
                    self.store.holds_after(0),
                    now,
                );
                self.nodes[node].known_at = snapshot.read_at;
                self.nodes[node].room = Some(room);
                self.nodes[node].is_hosting = false;
                let life = self.nodes[node].life;
                self.at(0, Event::Watch(node, life));
            }
            _ => {}
        }
    }

    fn acts_on_hold(&mut self, node: usize, life: u32, fails: bool, doing: Doing) {
        let came = if fails {
            HoldCame::Failed
        } else {
            let at = self.node_now(node);
            self.store.act_on_hold(&doing.which, doing.act, at)
        };
        if let HoldCame::Done { hold, line } = &came {
            let (id, key) = (hold.id.as_str().to_owned(), hold.key.as_str().to_owned());
            let act = doing.act;
            self.note(42, || format!("{id} ({key}): {act:?}"));
            if let Some((how, _)) = hold.ended {
                let author = hold.author.as_str();
                self.checker.hold_ended(author, &key, &id, how);
            }
            if let Some(line) = line {
                let body = line.content.as_ref().map_or("", |content| &content.body);
                let (author, now) = (line.author.as_str(), self.now);
                self.checker.kept(line.seq.get(), author, &key, body, now);
            }
            if self.lives(node, life) {
                self.publishes(node, News::Head);
            }
        }
        self.tells(node, life, vec![Told::HoldCame { doing, came }]);
    }

    fn changes(&mut self, node: usize, life: u32, fails: bool, change: Change) {
        let Change {
            asked,
            key,
            which,
            author,
            to,
        } = change;
        if fails {
            let came = Err(RefusalCode::Busy);
            return self.tells(node, life, vec![Told::ChangeDone { asked, key, came }]);
        }
        let by_key = match &which {
            WhichLine::Key(key) => Some(key.clone()),
            WhichLine::Seq(_) => None,
        };
        let seq = match which {
            WhichLine::Seq(seq) => Some(Seq(seq)),
            WhichLine::Key(key) => author
                .as_ref()
                .and_then(|author| self.store.kept_before(author, &client_key(&key)))
                .map(|(seq, _)| seq),
        };
        if let (None, Some(key), Some(author)) = (seq, by_key, &author)
            && self.store.hold_of(author, &client_key(&key)).is_some()
        {
            let doing = Doing::taken_back(asked, author.clone(), &key);
            return self.acts_on_hold(node, life, false, doing);
        }
        let came = seq.map_or(ChangeCame::NotYours, |seq| {
            self.store.change(seq, author.as_ref(), to)
        });
        match came {
            ChangeCame::Done { seq, shows, n } => {
                self.note(40, || format!("{} is {shows:?} now, change {n}", seq.get()));
                self.checker.changed(seq.get(), shows, self.now);
                if self.lives(node, life) {
                    self.publishes(node, News::Changed);
                }
                let row = ChangeRow { seq, shows, n };
                if shows == Shows::Yes {
                    self.asks(node, Job::WordsOf { asked, key, row });
                } else {
                    self.tells(node, life, done(asked, key, row, Vec::new()));
                }
            }
            ChangeCame::Already | ChangeCame::NotYours => {
                let came = match came {
                    ChangeCame::NotYours => Err(RefusalCode::NotAllowed),
                    _ => Ok(()),
                };
                self.tells(node, life, vec![Told::ChangeDone { asked, key, came }]);
            }
        }
    }
}

fn done(asked: Asked, key: Option<ClientKey>, row: ChangeRow, lines: Vec<Arc<Line>>) -> Vec<Told> {
    vec![
        Told::Changed {
            rows: vec![row],
            complete_to: None,
            lines,
        },
        Told::ChangeDone {
            asked,
            key,
            came: Ok(()),
        },
    ]
}

fn nothing_changed(after: i64) -> Told {
    Told::Changed {
        rows: Vec::new(),
        complete_to: Some(after),
        lines: Vec::new(),
    }
}
