//! What a node asks of the store: done at one moment, told at a later one, or never.

use std::sync::Arc;

use super::adapter::{Asked, Change, Hosted, Look, Told, WhichLine, client_key};
use super::plants::Plant;
use super::store::{ChangeCame, ChangeRow, Snapshot};
use super::world::{Event, World};
use crate::features::rooms::hold::Found;
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
                    .then(|| self.store.kept_before(&look.author, &look.key))
                    .flatten()
                    .map(|(seq, at)| Found::Line(seq, at));
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
        let seq = match which {
            WhichLine::Seq(seq) => Some(Seq(seq)),
            WhichLine::Key(key) => author
                .as_ref()
                .and_then(|author| self.store.kept_before(author, &client_key(&key)))
                .map(|(seq, _)| seq),
        };
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
