//! The rules that a history is held against.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Event;

/// What a history shows. Each list says in words what was found.
#[derive(Debug, Default, Clone)]
pub struct Verdict {
    /// Lines acknowledged.
    pub n_acked: usize,
    /// Acknowledged lines that the room does not hold, or not at their number.
    pub lost: Vec<String>,
    /// One line under two numbers, or two answers with different numbers for one key.
    pub doubled: Vec<String>,
    /// Words out of order on a visit, or a line that was acknowledged before another was sent and stands after it.
    pub reordered: Vec<String>,
    /// Two texts at one number.
    pub divergent: Vec<String>,
    /// Numbers missing on a visit that no `gap` names, or missing in the room itself.
    pub unreported_holes: Vec<String>,
    /// An `entered` that did not know a line that had been acknowledged before.
    pub stale: Vec<String>,
    /// Lines nobody sent, and lines that were refused and stored all the same.
    pub unexpected: Vec<String>,
}

impl Verdict {
    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.findings().is_empty()
    }

    /// Everything found, with its kind.
    pub fn findings(&self) -> Vec<String> {
        let kinds = [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("reordered", &self.reordered),
            ("divergent", &self.divergent),
            ("unreported hole", &self.unreported_holes),
            ("stale", &self.stale),
            ("unexpected", &self.unexpected),
        ];
        kinds
            .iter()
            .flat_map(|(kind, found)| found.iter().map(move |text| format!("{kind}: {text}")))
            .collect()
    }

    /// One line for people.
    pub fn summary(&self) -> String {
        format!(
            "{} acked, {} lost, {} doubled, {} reordered, {} unreported holes, {} divergent, {} stale, {} unexpected",
            self.n_acked,
            self.lost.len(),
            self.doubled.len(),
            self.reordered.len(),
            self.unreported_holes.len(),
            self.divergent.len(),
            self.stale.len(),
            self.unexpected.len()
        )
    }
}

/// A line by who sent it, where, under which key.
type LineId = (usize, String, String);

#[derive(Default)]
struct Visit {
    room: String,
    after: Option<u64>,
    /// The highest number acknowledged to anybody when the `enter` was sent.
    acked_before: u64,
    entered: Option<(u64, Option<(u64, u64)>)>,
    first: Option<u64>,
    last: Option<u64>,
}

/// Holds a history against the contract.
pub fn check(events: &[Event]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut texts: HashMap<&str, LineId> = HashMap::new();
    let mut held: BTreeMap<&str, BTreeMap<u64, Option<&str>>> = BTreeMap::new();
    for event in events {
        match event {
            Event::Send {
                client,
                room,
                key,
                body,
            } => {
                texts.insert(body, (*client, room.clone(), key.clone()));
            }
            Event::Holds { room, seq, body } => {
                let lines = held.entry(room).or_default();
                let twice = lines.insert(*seq, body.as_deref()).is_some();
                if twice {
                    let text = format!("{room} holds two lines at {seq}");
                    verdict.divergent.push(text);
                }
            }
            _ => {}
        }
    }
    rooms(&held, &texts, &mut verdict);
    answers(events, &held, &mut verdict);
    visits(events, &held, &mut verdict);
    verdict
}

/// What the rooms hold in the end: contiguous, each line once, none that nobody sent.
fn rooms(
    held: &BTreeMap<&str, BTreeMap<u64, Option<&str>>>,
    texts: &HashMap<&str, LineId>,
    verdict: &mut Verdict,
) {
    for (room, lines) in held {
        let mut due = 1;
        let mut places: HashMap<&str, u64> = HashMap::new();
        for (seq, body) in lines {
            if *seq > due {
                verdict
                    .unreported_holes
                    .push(format!("{room} holds {seq} but not {due}"));
            }
            due = seq + 1;
            let Some(body) = body else { continue };
            if let Some(before) = places.insert(body, *seq) {
                verdict
                    .doubled
                    .push(format!("{room}: {body:?} at {before} and at {seq}"));
            }
            match texts.get(body) {
                Some((_, sent_to, _)) if sent_to == room => {}
                Some((_, sent_to, _)) => verdict
                    .unexpected
                    .push(format!("{room} {seq}: {body:?} was sent to {sent_to}")),
                None => verdict
                    .unexpected
                    .push(format!("{room} {seq}: {body:?} was sent by nobody")),
            }
        }
    }
}

/// What the senders were told.
fn answers(
    events: &[Event],
    held: &BTreeMap<&str, BTreeMap<u64, Option<&str>>>,
    verdict: &mut Verdict,
) {
    let mut bodies: HashMap<(usize, &str, &str), &str> = HashMap::new();
    let mut acked: HashMap<(usize, &str, &str), u64> = HashMap::new();
    let mut refused: BTreeSet<(usize, &str, &str)> = BTreeSet::new();
    let mut at_seq: HashMap<(&str, u64), (usize, &str)> = HashMap::new();
    // For each line, the highest number acknowledged in its room before it was first sent.
    let mut acked_before_send: HashMap<(usize, &str, &str), u64> = HashMap::new();
    let mut highest_acked: HashMap<&str, u64> = HashMap::new();
    for event in events {
        match event {
            Event::Send {
                client,
                room,
                key,
                body,
            } => {
                let line = (*client, room.as_str(), key.as_str());
                bodies.entry(line).or_insert(body);
                acked_before_send
                    .entry(line)
                    .or_insert_with(|| highest_acked.get(room.as_str()).copied().unwrap_or(0));
            }
            Event::Refused { client, room, key } => {
                refused.insert((*client, room, key));
            }
            Event::Acked {
                client,
                room,
                key,
                seq,
            } => {
                let line = (*client, room.as_str(), key.as_str());
                match acked.insert(line, *seq) {
                    None => verdict.n_acked += 1,
                    Some(before) if before != *seq => {
                        verdict.doubled.push(format!(
                            "{room}: {key} of client {client} was acked as {before} and as {seq}"
                        ));
                    }
                    Some(_) => {}
                }
                let other = at_seq.insert((room, *seq), (*client, key));
                if let Some(other) = other.filter(|other| *other != (*client, key.as_str())) {
                    let own = (client, key);
                    let text = format!("{room} {seq} was acked for {other:?} and for {own:?}");
                    verdict.divergent.push(text);
                }
                if acked_before_send
                    .get(&line)
                    .is_some_and(|before| before >= seq)
                {
                    verdict.reordered.push(format!("{room}: {key} of client {client} got {seq}, though {} was acked before it was sent", acked_before_send[&line]));
                }
                let highest = highest_acked.entry(room).or_default();
                *highest = (*highest).max(*seq);
            }
            _ => {}
        }
    }
    for ((client, room, key), seq) in &acked {
        let body = bodies.get(&(*client, *room, *key)).copied();
        match held.get(room).and_then(|lines| lines.get(seq)) {
            None => verdict.lost.push(format!(
                "{room} {seq}: {key} of client {client} was acked and is not there"
            )),
            Some(Some(there)) if Some(*there) != body => {
                let elsewhere = held[room].iter().any(|(_, other)| *other == body);
                let list = if elsewhere {
                    &mut verdict.divergent
                } else {
                    &mut verdict.lost
                };
                list.push(format!(
                    "{room} {seq}: {key} of client {client} was acked, but {there:?} stands there"
                ));
            }
            Some(_) => {}
        }
    }
    for line in &refused {
        let Some(body) = bodies.get(line) else {
            continue;
        };
        if !acked.contains_key(line)
            && held
                .get(line.1)
                .is_some_and(|lines| lines.values().any(|there| there.as_ref() == Some(body)))
        {
            verdict.unexpected.push(format!(
                "{}: {} of client {} was refused and stored",
                line.1, line.2, line.0
            ));
        }
    }
}

/// What was heard on each visit.
fn visits(
    events: &[Event],
    held: &BTreeMap<&str, BTreeMap<u64, Option<&str>>>,
    verdict: &mut Verdict,
) {
    let mut visits: HashMap<usize, Visit> = HashMap::new();
    let mut highest_acked: HashMap<&str, u64> = HashMap::new();
    for event in events {
        match event {
            Event::Acked { room, seq, .. } => {
                let highest = highest_acked.entry(room).or_default();
                *highest = (*highest).max(*seq);
            }
            Event::Enter { visit, room, after } => {
                let acked_before = highest_acked.get(room.as_str()).copied().unwrap_or(0);
                visits.insert(
                    *visit,
                    Visit {
                        room: room.clone(),
                        after: *after,
                        acked_before,
                        ..Visit::default()
                    },
                );
            }
            Event::Entered {
                visit,
                last_seq,
                gap,
            } => {
                let Some(visit) = visits.get_mut(visit) else {
                    continue;
                };
                visit.entered = Some((*last_seq, *gap));
                if *last_seq < visit.acked_before {
                    verdict.stale.push(format!(
                        "{}: entered says {last_seq}, though {} had been acked",
                        visit.room, visit.acked_before
                    ));
                }
            }
            Event::Heard {
                visit: number,
                seq,
                body,
            } => {
                let Some(visit) = visits.get_mut(number) else {
                    continue;
                };
                heard(*number, visit, *seq, verdict);
                if let Some(body) = body
                    && let Some(Some(there)) = held
                        .get(visit.room.as_str())
                        .and_then(|lines| lines.get(seq))
                    && there != body
                {
                    verdict.divergent.push(format!(
                        "{} {seq}: visit {number} heard {body:?}, the room holds {there:?}",
                        visit.room
                    ));
                }
                if held
                    .get(visit.room.as_str())
                    .is_none_or(|lines| !lines.contains_key(seq))
                {
                    verdict.lost.push(format!(
                        "{} {seq} was heard on visit {number} and is not there",
                        visit.room
                    ));
                }
            }
            Event::Settled {
                visit: number,
                at_least,
            } => {
                let Some(visit) = visits.get(number) else {
                    continue;
                };
                let Some((last_seq, _)) = visit.entered else {
                    continue;
                };
                let due = last_seq.max(*at_least);
                let last =
                    visit
                        .last
                        .unwrap_or(if visit.after == Some(last_seq) || last_seq == 0 {
                            last_seq
                        } else {
                            0
                        });
                if last < due {
                    verdict.unreported_holes.push(format!(
                        "{}: visit {number} was settled with {last}, though {due} lines were due",
                        visit.room
                    ));
                }
            }
            Event::Send { .. } | Event::Refused { .. } | Event::Holds { .. } => {}
        }
    }
}

fn heard(number: usize, visit: &mut Visit, seq: u64, verdict: &mut Verdict) {
    match visit.last {
        Some(last) if seq <= last => verdict.reordered.push(format!(
            "{}: visit {number} heard {seq} after {last}",
            visit.room
        )),
        Some(last) if seq > last + 1 => verdict.unreported_holes.push(format!(
            "{}: visit {number} heard {seq} after {last}",
            visit.room
        )),
        Some(_) => {}
        None => {
            let (last_seq, gap) = visit.entered.unwrap_or_default();
            let due = match (gap, visit.after) {
                (Some((_, to)), _) => Some(to + 1),
                (None, Some(after)) if after <= last_seq => Some(after + 1),
                // Without `after` the newest come; with nothing there yet, the first.
                (None, _) if last_seq == 0 => Some(1),
                _ => None,
            };
            if due.is_some_and(|due| seq != due) {
                verdict.unreported_holes.push(format!(
                    "{}: visit {number} began at {seq}, not at {}",
                    visit.room,
                    due.unwrap_or_default()
                ));
            }
            visit.first = Some(seq);
        }
    }
    visit.last = Some(visit.last.unwrap_or(0).max(seq));
}
