//! Members and their lines: what they do, what the edge makes of it, what they hear and do then.

use std::collections::{BTreeMap, VecDeque};

use super::adapter::{Person, Told, WhichLine};
use super::checker::Broken;
use super::lines::{Asks, Conn};
use super::nodes::Envelope;
use super::setup::SKEW_MS;
use super::words::Word;
use super::world::{Event, World};
use crate::features::rooms::hold::HoldAct;
use crate::features::rooms::line::Shows;
use crate::protocol::HoldEnd;

pub(super) struct Saying {
    body: String,
    is_sent: bool,
}

/// Somebody with a page open.
pub(super) struct Member {
    pub(super) person: String,
    pub(super) on_duty: bool,
    pub(super) on_slow_line: bool,
    pub(super) conn: Option<u64>,
    pub(super) is_in: bool,
    pub(super) n_entering: u32,
    pub(super) wants_in: bool,
    pub(super) away_until: i64,
    pub(super) epoch: Option<String>,
    pub(super) last: Option<i64>,
    pub(super) unanswered: BTreeMap<String, Saying>,
    pub(super) keys: Vec<String>,
    pub(super) own: Vec<i64>,
    /// What waits, as somebody on duty was told.
    pub(super) holds: Vec<String>,
}

impl Member {
    pub(super) fn new(person: String, on_duty: bool, on_slow_line: bool) -> Self {
        Self {
            person,
            on_duty,
            on_slow_line,
            conn: None,
            is_in: false,
            n_entering: 0,
            wants_in: true,
            away_until: 0,
            epoch: None,
            last: None,
            unanswered: BTreeMap::new(),
            keys: Vec::new(),
            own: Vec::new(),
            holds: Vec::new(),
        }
    }

    fn who(&self) -> Person {
        Person {
            id: self.person.clone(),
            on_duty: self.on_duty,
        }
    }
}

impl World {
    pub(super) fn acts(&mut self, member: usize) {
        if self.quiet_since.is_some() {
            self.comes_to_rest(member);
            let after = 300 + self.dice.upto(300);
            return self.at(after, Event::Acts(member));
        }
        let wait = self.members[member].away_until - self.now;
        if wait > 0 {
            // An act that is put off is an act: or a world of people who are away would go on for ever.
            self.n_acts_left = self.n_acts_left.saturating_sub(1);
            return self.at(wait, Event::Acts(member));
        }
        self.n_acts_left = self.n_acts_left.saturating_sub(1);
        if self.setup.is_restored {
            self.restores();
        }
        self.fails_somewhere();
        self.does(member);
        let after = self.dice.upto(2 * self.setup.think_ms);
        self.at(after, Event::Acts(member));
    }

    fn comes_to_rest(&mut self, member: usize) {
        let state = &self.members[member];
        if !state.wants_in {
            return;
        }
        match state.conn {
            None => self.connects(member),
            Some(_) if !state.is_in && state.n_entering == 0 => self.enters(member),
            Some(_) => {}
        }
    }

    fn fails_somewhere(&mut self) {
        let drawn = self.dice.below(1_000);
        let node = self.dice.below(self.nodes.len() as u32) as usize;
        if drawn < self.setup.crashes {
            if self.dice.percent(50) {
                self.dies(node);
            } else {
                self.nodes[node].dies_midway = true;
            }
            return;
        }
        if drawn >= self.setup.crashes + self.setup.other_faults {
            return;
        }
        let for_ms = self.dice.upto(4_000);
        match self.dice.below(5) {
            0 => {
                self.note(50, || format!("the bus is down for {for_ms}"));
                self.bus_is_down = true;
                self.at(for_ms, Event::BusHeals);
            }
            1 => {
                self.note(51, || format!("node {node} has no store for {for_ms}"));
                self.nodes[node].is_cut = true;
                self.at(for_ms, Event::StoreHeals(node));
            }
            2 => {
                let skew_ms = self.dice.upto(2 * SKEW_MS) - SKEW_MS;
                self.note(52, || {
                    format!("the clock of node {node} is off by {skew_ms}")
                });
                self.nodes[node].skew_ms = skew_ms;
            }
            3 => {
                // Those on duty are gone for a while, and nobody has much to say.
                let away_ms = 10_000 + self.dice.upto(50_000);
                let lull_ms = self.dice.upto(away_ms);
                self.note(53, || format!("nobody on duty for {away_ms}"));
                for idx in 0..self.members.len() {
                    if self.members[idx].on_duty {
                        self.drops(idx);
                        self.members[idx].away_until = self.now + away_ms;
                    } else {
                        self.members[idx].away_until = self.now + lull_ms;
                    }
                }
            }
            _ => {
                let lull_ms = self.dice.upto(20_000);
                self.note(54, || format!("silence for {lull_ms}"));
                for member in &mut self.members {
                    member.away_until = self.now + lull_ms;
                }
            }
        }
    }

    /// Halfway the store is copied; later all nodes stop and the copy is put back.
    fn restores(&mut self) {
        let n_acts = self.setup.n_acts;
        if self.n_acts_left == n_acts / 2 {
            self.old_store = Some(self.store.clone());
        }
        if self.n_acts_left > n_acts / 3 {
            return;
        }
        let Some(mut old) = self.old_store.take() else {
            return;
        };
        self.note(60, || "an old copy of the store is put back".into());
        for node in 0..self.nodes.len() {
            self.dies(node);
        }
        old.epoch = self.store.epoch + 1;
        old.state = self.store.state;
        let now = self.now;
        old.end_leases(now, |_| true);
        let shows: Vec<Shows> = old.lines.iter().map(|line| line.shows).collect();
        self.checker
            .restored(old.lines.len(), old.epoch, &shows, now);
        self.store = old;
        self.stands();
    }

    fn does(&mut self, member: usize) {
        let state = &self.members[member];
        let Some(conn) = state.conn else {
            if state.wants_in || self.dice.percent(30) {
                self.members[member].wants_in = true;
                self.connects(member);
            }
            return;
        };
        if !state.is_in {
            if state.wants_in && state.n_entering == 0 {
                self.enters(member);
            } else if !state.wants_in && self.dice.percent(20) {
                self.members[member].wants_in = true;
                self.enters(member);
            } else if self.dice.percent(10) {
                // Words of somebody who is not in the room.
                self.says_new(member);
            }
            return;
        }
        let last = state.last.unwrap_or(1).max(1);
        let near = (last - self.dice.upto(last.min(12) - 1)).max(1);
        let on = self.dice.percent(60);
        match self.dice.below(100) {
            0..=39 => self.says_new(member),
            40..=47 => self.says_old(member),
            48..=54 => {
                let own = state.own.clone();
                let key = state.keys.last().cloned();
                let which = match (self.dice.below(4), own.is_empty(), key) {
                    (0, _, Some(key)) => WhichLine::Key(key),
                    (1 | 2, false, _) => {
                        WhichLine::Seq(own[self.dice.below(own.len() as u32) as usize])
                    }
                    _ => WhichLine::Seq(near),
                };
                self.sends(conn, Asks::Unsay(which));
            }
            55..=59 => self.sends(conn, Asks::Stamp { seq: near, on }),
            60..=62 => self.sends(conn, Asks::Lamp { on }),
            63..=77 if state.on_duty && on && !state.holds.is_empty() => {
                let n = self.dice.below(state.holds.len() as u32) as usize;
                let hold = self.members[member].holds[n].clone();
                self.n_keys += 1;
                let key = format!("m{}", self.n_keys);
                let act = self.dice.pick(&[
                    HoldAct::Look,
                    HoldAct::End(HoldEnd::Approved),
                    HoldAct::End(HoldEnd::Approved),
                    HoldAct::End(HoldEnd::Rejected),
                ]);
                self.sends(conn, Asks::MeasureHold { key, hold, act });
            }
            63..=77 if state.on_duty => {
                self.n_keys += 1;
                let key = format!("m{}", self.n_keys);
                let to = if on { Shows::Hidden } else { Shows::Yes };
                let seq = near;
                self.sends(conn, Asks::Measure { key, seq, to });
            }
            63..=68 => self.says_by_form(member),
            78..=81 => {
                self.members[member].wants_in = false;
                self.members[member].is_in = false;
                self.members[member].n_entering = 0;
                self.checker.sends_leave(conn);
                self.sends(conn, Asks::Leave);
            }
            82..=87 => self.drops(member),
            88..=92 => self.enters(member),
            _ => {}
        }
    }

    fn connects(&mut self, member: usize) {
        let up: Vec<usize> = (0..self.nodes.len())
            .filter(|idx| self.nodes[*idx].is_up)
            .collect();
        if up.is_empty() {
            return;
        }
        let node = self.dice.pick(&up);
        let person = self.members[member].person.clone();
        let conn = self.opens(node, Some(member), person);
        let state = &mut self.members[member];
        state.conn = Some(conn);
        state.is_in = false;
        self.enters(member);
    }

    fn opens(&mut self, node: usize, member: Option<usize>, author: String) -> u64 {
        self.n_conns += 1;
        let id = self.n_conns;
        self.note(70, || {
            format!("{author} opens connection {id} to node {node}")
        });
        self.checker.opened(id, &author);
        self.conns.insert(
            id,
            Conn {
                node,
                life: self.nodes[node].life,
                member,
                author,
                client_open: true,
                server_open: true,
                uplink: VecDeque::new(),
                outbox: VecDeque::new(),
                is_writing: false,
                entered: None,
                is_renewing: false,
                held_back: None,
            },
        );
        id
    }

    fn enters(&mut self, member: usize) {
        let state = &self.members[member];
        let Some(conn) = state.conn else { return };
        let after = match (self.dice.below(10), state.last) {
            (0, _) => None,
            // A page comes back some lines early; a broken one names what never was.
            (1 | 2, Some(last)) => Some((last - self.dice.upto(8)).max(0)),
            (3, _) => Some(self.dice.upto(300)),
            (_, last) => last,
        };
        let epoch_now = format!("e{}", self.store.epoch);
        let after = after.filter(|_| {
            self.members[member]
                .epoch
                .as_ref()
                .is_none_or(|epoch| *epoch == epoch_now)
        });
        self.members[member].n_entering += 1;
        self.checker.sends_enter(conn, after);
        self.sends(conn, Asks::Enter { after });
    }

    fn says_new(&mut self, member: usize) {
        self.n_keys += 1;
        let key = format!("k{}", self.n_keys);
        let waits = self.dice.percent(self.setup.n_held);
        let sort = if waits { "held" } else { "line" };
        let body = format!("{sort} {key}");
        let state = &mut self.members[member];
        state.keys.push(key.clone());
        let saying = Saying {
            body,
            is_sent: false,
        };
        state.unanswered.insert(key.clone(), saying);
        self.says_again(member, &key);
    }

    /// A repeat: of what has no answer, or of what has one; with the same words or with others.
    fn says_old(&mut self, member: usize) {
        let state = &self.members[member];
        let (Some(conn), false) = (state.conn, state.keys.is_empty()) else {
            return;
        };
        let key = state.keys[self.dice.below(state.keys.len() as u32) as usize].clone();
        let body = if self.dice.percent(30) {
            format!("other {key}")
        } else {
            format!("line {key}")
        };
        self.checker.sends_say(conn, &key, &body);
        self.sends(conn, Asks::Say { key, body });
    }

    pub(super) fn says_again(&mut self, member: usize, key: &str) {
        let state = &mut self.members[member];
        let Some(conn) = state.conn else { return };
        let Some(saying) = state.unanswered.get_mut(key).filter(|say| !say.is_sent) else {
            return;
        };
        saying.is_sent = true;
        let body = saying.body.clone();
        self.checker.sends_say(conn, key, &body);
        let key = key.to_owned();
        self.sends(conn, Asks::Say { key, body });
    }

    /// A page without a script: a connection that lives for one question.
    fn says_by_form(&mut self, member: usize) {
        let up: Vec<usize> = (0..self.nodes.len())
            .filter(|idx| self.nodes[*idx].is_up && self.nodes[*idx].room.is_some())
            .collect();
        if up.is_empty() {
            return;
        }
        let node = self.dice.pick(&up);
        let who = Person {
            on_duty: false,
            ..self.members[member].who()
        };
        let conn = self.opens(node, None, who.id.clone());
        let old = self.members[member].keys.last().cloned();
        let key = old.filter(|_| self.dice.percent(30)).unwrap_or_else(|| {
            self.n_keys += 1;
            format!("k{}", self.n_keys)
        });
        let body = format!("line {key}");
        self.checker.sends_say(conn, &key, &body);
        let told = Told::Say {
            conn,
            who,
            key,
            body,
            by_form: true,
        };
        self.posts(node, Envelope { conn, told });
    }

    fn sends(&mut self, conn: u64, asks: Asks) {
        self.note(71, || format!("connection {conn} sends {asks:?}"));
        if let Some(state) = self.conns.get_mut(&conn) {
            state.uplink.push_back(asks);
        }
        let after = self.takes(self.setup.wire_ms);
        self.at(after, Event::Uplink(conn));
    }

    /// The line is gone: what was sent may have arrived, what was answered does not.
    fn drops(&mut self, member: usize) {
        let Some(conn) = self.members[member].conn else {
            return;
        };
        self.note(72, || format!("connection {conn} is gone"));
        if let Some(state) = self.conns.get_mut(&conn) {
            let n_arrive = self.dice.below(state.uplink.len() as u32 + 1) as usize;
            state.uplink.truncate(n_arrive);
        }
        self.ends_for_client(conn);
        let after = self.takes(3_000);
        self.at(after, Event::Noticed(conn));
    }

    pub(super) fn ends_for_client(&mut self, conn: u64) {
        let Some(state) = self.conns.get_mut(&conn) else {
            return;
        };
        if !state.client_open {
            return;
        }
        state.client_open = false;
        self.checker.closed(conn);
        let Some(idx) = state.member else { return };
        let member = &mut self.members[idx];
        if member.conn == Some(conn) {
            member.conn = None;
            member.is_in = false;
            member.n_entering = 0;
            for saying in member.unanswered.values_mut() {
                saying.is_sent = false;
            }
        }
    }

    pub(super) fn hears(&mut self, conn: u64, word: &Word) {
        self.note(80, || format!("connection {conn} hears {}", word.brief()));
        self.checker.hears(conn, word);
        let Some(state) = self.conns.get(&conn) else {
            return;
        };
        let Some(idx) = state.member else {
            // A form has its answer.
            if matches!(
                word,
                Word::Acked { .. } | Word::Ask { .. } | Word::Held { .. } | Word::Refused { .. }
            ) {
                self.cuts(conn);
            }
            return;
        };
        let member = &mut self.members[idx];
        match word {
            Word::Entered(entered) => {
                member.is_in = true;
                member.n_entering = member.n_entering.saturating_sub(1);
                member.epoch = Some(entered.epoch.clone());
                member.last = Some(0);
                for message in &entered.messages {
                    follows(member, message);
                }
                if entered.messages.is_empty() {
                    member.last = Some(entered.last_seq);
                }
                let keys: Vec<String> = member.unanswered.keys().cloned().collect();
                for key in keys {
                    self.says_again(idx, &key);
                }
            }
            Word::Waiting => member.n_entering = 0,
            Word::Said(_) | Word::Hidden { .. } => follows(member, word),
            Word::Hold { hold } => {
                if !member.on_duty {
                    let what = format!("{hold} is told to somebody who is not on duty");
                    self.checker.broken(Broken::Leak, what);
                } else if !member.holds.contains(hold) {
                    member.holds.push(hold.clone());
                }
            }
            Word::HoldDone { hold, .. } => member.holds.retain(|open| open != hold),
            Word::Acked { key, .. } | Word::Ask { key } | Word::Held { key } => {
                member.unanswered.remove(key);
            }
            Word::Refused { key: None, code } => {
                // Whichever it answers, somebody who waits to come in comes in again.
                // One that is busy may be an `enter` whose place another refusal was taken for.
                if member.n_entering > 0 || !member.is_in || code == "busy" {
                    member.is_in = false;
                    member.n_entering = 0;
                    if code == "room_closed" {
                        member.wants_in = false;
                    }
                }
            }
            Word::Refused {
                key: Some(key),
                code,
            } => match code.as_str() {
                "busy" => {
                    if let Some(saying) = member.unanswered.get_mut(key) {
                        saying.is_sent = false;
                        let again = Event::Again(idx, key.clone());
                        self.at(1_000, again);
                    }
                }
                _ => {
                    member.unanswered.remove(key);
                }
            },
            Word::Left { why } => {
                member.is_in = false;
                if why == "closed" {
                    member.n_entering = 0;
                    member.wants_in = false;
                }
            }
            Word::Shown { .. }
            | Word::Stamped { .. }
            | Word::Done
            | Word::Room(_)
            | Word::Unknown(_) => {}
        }
    }

    /// Nobody who is in the room has words without an answer once all is quiet.
    pub(super) fn judge_words(&mut self) {
        let waiting = self
            .members
            .iter()
            .filter(|member| member.is_in)
            .find_map(|member| member.unanswered.keys().next().cloned());
        if let Some(key) = waiting {
            let what = format!("{key} still has no answer that counts");
            self.checker.broken(Broken::Unanswered, what);
        }
    }
}

fn follows(member: &mut Member, word: &Word) {
    let seq = match word {
        Word::Said(line) => {
            if line.from == member.person {
                member.own.push(line.seq);
            }
            line.seq
        }
        Word::Hidden { seq } => *seq,
        _ => return,
    };
    member.last = Some(member.last.unwrap_or(0).max(seq));
}
