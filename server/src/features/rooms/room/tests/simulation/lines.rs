//! Connections: what the edge makes of frames, and what is written back, up to what an outbox holds.

use std::collections::VecDeque;
use std::rc::Rc;

use super::adapter::{Person, Told, WhichLine};
use super::nodes::Envelope;
use super::setup::{LEASE_MS, RENEW_MS};
use super::store::Lease;
use super::words::Word;
use super::world::{Event, Item, World};
use crate::features::rooms::hold::HoldAct;
use crate::features::rooms::line::Shows;

/// What a client sends.
#[derive(Clone, Debug)]
pub(super) enum Asks {
    Enter {
        after: Option<i64>,
    },
    Say {
        key: String,
        body: String,
    },
    Unsay(WhichLine),
    Stamp {
        seq: i64,
        on: bool,
    },
    Lamp {
        on: bool,
    },
    Measure {
        key: String,
        seq: i64,
        to: Shows,
    },
    MeasureHold {
        key: String,
        hold: String,
        act: HoldAct,
    },
    Leave,
}

/// A connection, both its ends.
pub(super) struct Conn {
    pub(super) node: usize,
    pub(super) life: u32,
    /// Nobody's, where a form was sent.
    pub(super) member: Option<usize>,
    pub(super) author: String,
    pub(super) client_open: bool,
    pub(super) server_open: bool,
    pub(super) uplink: VecDeque<Asks>,
    pub(super) outbox: VecDeque<Item>,
    pub(super) is_writing: bool,
    /// Entered, and whether on duty.
    pub(super) entered: Option<bool>,
    pub(super) is_renewing: bool,
    /// For a planted fault.
    pub(super) held_back: Option<Rc<Word>>,
}

impl World {
    /// Both ends at once.
    pub(super) fn cuts(&mut self, conn: u64) {
        self.ends_for_client(conn);
        self.noticed(conn);
    }

    /// The server closes its end, and tells the room by the way that overtakes.
    pub(super) fn noticed(&mut self, conn: u64) {
        let Some(state) = self.conns.get_mut(&conn) else {
            return;
        };
        if !state.server_open {
            return;
        }
        state.server_open = false;
        state.outbox.clear();
        state.uplink.clear();
        let (node, life) = (state.node, state.life);
        let after = self.takes(2);
        self.at(after, Event::Outcome(node, life, vec![Told::Gone { conn }]));
    }

    pub(super) fn renews(&mut self, conn: u64) {
        let Some(state) = self.conns.get_mut(&conn) else {
            return;
        };
        if !state.client_open || !state.server_open || state.entered != Some(true) {
            state.is_renewing = false;
            return;
        }
        if !self.nodes[state.node].is_cut {
            self.store.renew_lease(conn, self.now, self.now + LEASE_MS);
            self.stands();
        }
        self.at(RENEW_MS, Event::Renews(conn));
    }

    pub(super) fn edge_reads(&mut self, conn: u64) {
        let Some(state) = self.conns.get(&conn).filter(|conn| conn.server_open) else {
            return;
        };
        let (node, entered) = (state.node, state.entered);
        if state.uplink.is_empty() {
            return;
        }
        if self.nodes[node].room.is_none() {
            self.host(node);
            let after = 10 + self.takes(self.setup.store_ms);
            return self.at(after, Event::Uplink(conn));
        }
        let Some(state) = self.conns.get_mut(&conn) else {
            return;
        };
        let Some(asks) = state.uplink.pop_front() else {
            return;
        };
        let who = Person {
            id: state.author.clone(),
            on_duty: state.member.is_some_and(|idx| self.members[idx].on_duty),
        };
        let told = match asks {
            Asks::Enter { after } => {
                if who.on_duty && !self.takes_duty(conn, node, &who.id) {
                    return self.edge_refuses(node, conn, None, "busy");
                }
                let Some(state) = self.conns.get_mut(&conn) else {
                    return;
                };
                state.entered = Some(who.on_duty);
                Told::Enter { conn, who, after }
            }
            Asks::Say { key, body } => {
                if self.quiet_since.is_none() && self.dice.percent(1) {
                    return self.edge_refuses(node, conn, Some(key), "busy");
                }
                let by_form = false;
                Told::Say {
                    conn,
                    who,
                    key,
                    body,
                    by_form,
                }
            }
            Asks::Unsay(which) => Told::Unsay { conn, who, which },
            Asks::Stamp { .. } | Asks::Lamp { .. } if entered.is_none() => {
                return self.edge_refuses(node, conn, None, "not_entered");
            }
            Asks::Stamp { seq, on } => Told::Stamp { conn, who, seq, on },
            Asks::Lamp { on } => Told::Lamp { conn, on },
            Asks::Measure { key, .. } | Asks::MeasureHold { key, .. } if entered != Some(true) => {
                return self.edge_refuses(node, conn, Some(key), "not_allowed");
            }
            Asks::Measure { key, seq, to } => Told::Measure { conn, key, seq, to },
            Asks::MeasureHold { key, hold, act } => Told::MeasureHold {
                conn,
                key,
                hold,
                act,
            },
            Asks::Leave => {
                let Some(is_on_duty) = entered else {
                    return self.edge_refuses(node, conn, None, "not_entered");
                };
                if let Some(state) = self.conns.get_mut(&conn) {
                    state.entered = None;
                }
                if is_on_duty {
                    if !self.nodes[node].is_cut {
                        let now = self.now;
                        self.store.end_leases(now, |lease| lease.conn == conn);
                        self.stands();
                    }
                    self.looks_again(node);
                }
                Told::Leave { conn }
            }
        };
        self.posts(node, Envelope { conn, told });
    }

    fn takes_duty(&mut self, conn: u64, node: usize, name: &str) -> bool {
        if self.nodes[node].is_cut {
            return false;
        }
        self.store.take_lease(Lease {
            conn,
            node,
            name: name.to_owned(),
            until: self.now + LEASE_MS,
        });
        self.stands();
        self.looks_again(node);
        if let Some(state) = self.conns.get_mut(&conn)
            && !state.is_renewing
        {
            state.is_renewing = true;
            self.at(RENEW_MS, Event::Renews(conn));
        }
        true
    }

    fn edge_refuses(&mut self, node: usize, conn: u64, key: Option<String>, code: &str) {
        let code = code.to_owned();
        self.pushes(node, conn, Rc::new(Word::Refused { key, code }));
    }

    /// Puts something into an outbox; a full one ends its connection.
    pub(super) fn puts(&mut self, conn: u64, item: Item) {
        let frames_max = self.setup.outbox_frames;
        let Some(state) = self.conns.get_mut(&conn).filter(|conn| conn.server_open) else {
            return;
        };
        let n_frames = state
            .outbox
            .iter()
            .filter(|item| matches!(item, Item::Frame(_)))
            .count();
        if matches!(item, Item::Frame(_)) && n_frames > 0 && n_frames >= frames_max {
            self.note(73, || format!("connection {conn} is too slow"));
            return self.cuts(conn);
        }
        state.outbox.push_back(item);
        if !state.is_writing {
            state.is_writing = true;
            self.writes_later(conn);
        }
    }

    fn writes_later(&mut self, conn: u64) {
        let on_slow_line = self
            .conns
            .get(&conn)
            .and_then(|conn| conn.member)
            .is_some_and(|idx| self.members[idx].on_slow_line);
        let max_ms = if on_slow_line {
            20 * self.setup.wire_ms
        } else {
            self.setup.wire_ms
        };
        let after = self.takes(max_ms);
        self.at(after, Event::Downlink(conn));
    }

    pub(super) fn writes(&mut self, conn: u64) {
        let Some(state) = self.conns.get_mut(&conn).filter(|conn| conn.server_open) else {
            return;
        };
        state.is_writing = false;
        let n_most = state.outbox.len() as u32;
        let n = 1 + self.dice.below(n_most) as usize;
        self.delivers(conn, n);
        if let Some(state) = self.conns.get_mut(&conn)
            && state.server_open
            && !state.outbox.is_empty()
            && !state.is_writing
        {
            state.is_writing = true;
            self.writes_later(conn);
        }
    }

    /// So many items reach the other end, if there is one.
    pub(super) fn delivers(&mut self, conn: u64, n: usize) {
        for _ in 0..n {
            let Some(state) = self.conns.get_mut(&conn) else {
                return;
            };
            let (node, life) = (state.node, state.life);
            match state.outbox.pop_front() {
                Some(Item::Frame(word)) if state.client_open => self.hears(conn, &word),
                Some(Item::Frame(_)) => {}
                Some(Item::Mark) => {
                    let after = self.takes(2);
                    self.at(
                        after,
                        Event::Outcome(node, life, vec![Told::Flushed { conn }]),
                    );
                }
                None => return,
            }
        }
    }
}
