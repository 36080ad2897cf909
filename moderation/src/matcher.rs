//! Looks a folded line up in the lexicon: which words stand where, which sequences of them make a rule, what cancels it.
//!
//! One pass of the automaton over each view, then joins by position over what was found. A way is tried only when the
//! word that it is looked up by is there, so a plain line costs little more than the scan.

use crate::fold::{Break, Folded, Script, numeral};
use crate::lexicon::{GuardUse, Lexicon, Owner, Scope, TERM_ID, TERM_NUMBER};
use crate::types::{Category, Side};

/// A guard that looks at the sentence still looks only so far: text far away hides nothing.
const SENTENCE_WITHIN: usize = 40;
/// So many places of one rule are kept; more would only make the same masked version longer.
const PLACES_MAX: usize = 32;

/// A place in the plain view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub from: u32,
    pub to: u32,
}

/// A word, or a run of digits or letters, that stands somewhere.
#[derive(Clone, Copy, Debug)]
struct Hit {
    place: Place,
    what: u32,
}

/// A rule that was found, or was cancelled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub rule: u32,
    pub place: Place,
    /// Which of the rule's guards cancelled it.
    pub cancelled_by: Option<u32>,
    /// Where that guard stood.
    pub guard: Option<Place>,
}

/// Buffers of the matcher; used again line after line.
#[derive(Debug, Default)]
pub(crate) struct Matches {
    /// What stands where, as words: a short word belongs to dozens of terms, so terms are only marked, and their places
    /// gathered when a way asks for them.
    hits: Vec<Hit>,
    runs: Vec<Hit>,
    /// For each word, for each term: the line it was last seen in.
    word_seen: Vec<u32>,
    term_seen: Vec<u32>,
    /// Terms that are seen and that rules are looked up by, or that are named sets.
    touched: Vec<(u32, Place)>,
    /// For each term, where its gathered places stand in `term_places`, and for which line that holds.
    term_range: Vec<(u32, u32, u32)>,
    term_places: Vec<Place>,
    /// For each list of guards, where its matches stand in `list_places`, and for which line that holds.
    list_range: Vec<(u32, u32, u32)>,
    list_places: Vec<Place>,
    epoch: u32,
    loose: bool,
    states: Vec<Place>,
    next_states: Vec<Place>,
    /// What was found.
    pub found: Vec<Found>,
}

impl Matches {
    /// Looks the line up.
    pub fn look(&mut self, line: &Folded, lexicon: &Lexicon, side: Side) {
        self.reset(lexicon);
        self.scan(line, lexicon);
        self.read_runs(line, lexicon);
        let mut idx = 0;
        while let Some((term, _)) = self.touched.get(idx).copied() {
            idx += 1;
            let (from, to) = lexicon.term_ways[term as usize];
            for at in from..to {
                self.try_way(line, lexicon, side, lexicon.by_term[at as usize]);
            }
        }
    }

    /// The terms that were seen, with the first place of each.
    pub fn first_hits(&self) -> impl Iterator<Item = (u32, Place)> + '_ {
        self.touched.iter().copied()
    }

    fn reset(&mut self, lexicon: &Lexicon) {
        if self.term_seen.len() != lexicon.n_terms
            || self.list_range.len() != lexicon.lists.len()
            || self.word_seen.len() != lexicon.words.len()
        {
            self.word_seen = vec![0; lexicon.words.len()];
            self.term_seen = vec![0; lexicon.n_terms];
            self.term_range = vec![(0, 0, 0); lexicon.n_terms];
            self.list_range = vec![(0, 0, 0); lexicon.lists.len()];
            self.epoch = 0;
        }
        self.touched.clear();
        self.hits.clear();
        self.runs.clear();
        self.term_places.clear();
        self.list_places.clear();
        self.found.clear();
        self.loose = false;
        if self.epoch == u32::MAX {
            // Marks of lines long gone must not be taken for this one's.
            self.word_seen.fill(0);
            self.term_seen.fill(0);
            self.term_range.fill((0, 0, 0));
            self.list_range.fill((0, 0, 0));
            self.epoch = 0;
        }
        self.epoch += 1;
    }

    fn scan(&mut self, line: &Folded, lexicon: &Lexicon) {
        for found in lexicon.automaton.find_overlapping_iter(&line.text) {
            let place = Place {
                from: line.at_byte[found.start()],
                to: line.at_byte[found.end()],
            };
            self.take(line, lexicon, found.value(), place);
        }
        if line.loose.text.is_empty() {
            return;
        }
        let n_plain = self.hits.len();
        for found in lexicon.automaton.find_overlapping_iter(&line.loose.text) {
            let place = Place {
                from: line.loose.at_byte[found.start()],
                to: line.loose.at_byte[found.end() - 1] + 1,
            };
            let word = lexicon.words[found.value() as usize];
            let n_units = place.to - place.from;
            // What spans nothing that was dropped was found before.
            if n_units <= u32::from(word.n_chars) {
                continue;
            }
            // A short word that appears only when ー is dropped is mostly chance (データ has でた): it must stand alone.
            if word.n_chars < 3 && !stands_alone(line, place) {
                continue;
            }
            self.take(line, lexicon, found.value(), place);
        }
        self.loose = self.hits.len() > n_plain;
    }

    fn take(&mut self, line: &Folded, lexicon: &Lexicon, what: u32, place: Place) {
        let word = lexicon.words[what as usize];
        let (from, to) = (place.from as usize, place.to as usize);
        let units = &line.units;
        if word.latin_first
            && from > 0
            && units[from].before == Break::None
            && units[from - 1].c.is_ascii_alphabetic()
        {
            return;
        }
        if word.latin_last
            && units
                .get(to)
                .is_some_and(|next| next.before == Break::None && next.c.is_ascii_alphabetic())
        {
            return;
        }
        // A word does not run over the end of a sentence, but where each letter has a line of its own.
        if units[from].sentence != units[to - 1].sentence
            && units[from + 1..to]
                .iter()
                .any(|unit| unit.before == Break::None)
        {
            return;
        }
        self.hits.push(Hit { place, what });
        if self.word_seen[what as usize] == self.epoch {
            return;
        }
        self.word_seen[what as usize] = self.epoch;
        for at in word.terms.0..word.terms.1 {
            self.mark(lexicon, lexicon.word_terms[at as usize], place);
        }
    }

    fn mark(&mut self, lexicon: &Lexicon, term: u32, place: Place) {
        let seen = &mut self.term_seen[term as usize];
        if *seen == self.epoch {
            return;
        }
        *seen = self.epoch;
        if lexicon.term_wanted[term as usize] {
            self.touched.push((term, place));
        }
    }

    /// Where a term stands, by the end of the place: gathered once a line.
    fn places(&mut self, lexicon: &Lexicon, term: u32) -> std::ops::Range<usize> {
        let (from, to, epoch) = self.term_range[term as usize];
        if epoch == self.epoch {
            return from as usize..to as usize;
        }
        let from = self.term_places.len();
        if term <= TERM_ID {
            let runs = self.runs.iter().filter(|run| run.what == term);
            self.term_places.extend(runs.map(|run| run.place));
        } else {
            for hit in &self.hits {
                let (first, last) = lexicon.words[hit.what as usize].terms;
                let terms = &lexicon.word_terms[first as usize..last as usize];
                if terms.binary_search(&term).is_ok() {
                    self.term_places.push(hit.place);
                }
            }
            // Hits come by their ends in each view; with both views they must be sorted.
            if self.loose {
                self.term_places[from..].sort_unstable_by_key(|place| (place.to, place.from));
            }
        }
        let to = self.term_places.len();
        self.term_range[term as usize] = (num(from), num(to), self.epoch);
        from..to
    }

    /// Runs of digits and of letters, as words of their own kind.
    fn read_runs(&mut self, line: &Folded, lexicon: &Lexicon) {
        if line.has.digits + line.has.numerals + line.has.latin == 0 {
            return;
        }
        let number = |c: char| {
            c.is_ascii_digit()
                || numeral(c).is_some()
                || matches!(c, '十' | '百' | '千' | '万' | '何' | '数')
        };
        let id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        for (is_in, term, min) in [
            (&number as &dyn Fn(char) -> bool, TERM_NUMBER, 1),
            (&id, TERM_ID, 4),
        ] {
            let mut from = None;
            for idx in 0..=line.units.len() {
                let inside = line.units.get(idx).is_some_and(|unit| {
                    is_in(unit.c) && (from.is_none() || unit.before == Break::None)
                });
                match (from, inside) {
                    (None, true) => from = Some(idx),
                    (Some(start), false) => {
                        let run = &line.units[start..idx];
                        if run.len() >= min && run.iter().any(|unit| unit.c.is_alphanumeric()) {
                            let place = Place {
                                from: num(start),
                                to: num(idx),
                            };
                            self.runs.push(Hit { place, what: term });
                            self.mark(lexicon, term, place);
                        }
                        from = line
                            .units
                            .get(idx)
                            .is_some_and(|unit| is_in(unit.c))
                            .then_some(idx);
                    }
                    _ => {}
                }
            }
        }
    }

    fn try_way(&mut self, line: &Folded, lexicon: &Lexicon, side: Side, way: u32) {
        let Owner::Rule(rule_idx) = lexicon.ways[way as usize].owner else {
            return;
        };
        let rule = &lexicon.rules[rule_idx as usize];
        if rule.side.is_some_and(|wanted| wanted != side) {
            return;
        }
        let n_before = self
            .found
            .iter()
            .filter(|found| found.rule == rule_idx && found.cancelled_by.is_none())
            .count();
        // Only what is masked needs every place.
        let all = rule.category == Category::Contact;
        if n_before >= if all { PLACES_MAX } else { 1 } {
            return;
        }
        if !self.join(line, lexicon, way) {
            return;
        }
        let places = std::mem::take(&mut self.states);
        let mut n_kept = n_before;
        for place in &places {
            if !rule
                .also
                .iter()
                .all(|list| self.is_near(line, lexicon, *list, *place, rule.within))
            {
                continue;
            }
            let in_sentence = rule.near_in_sentence;
            let cancelled = self.cancelled(line, lexicon, &rule.guards, *place, in_sentence);
            self.found.push(Found {
                rule: rule_idx,
                place: *place,
                cancelled_by: cancelled.map(|(guard, _)| guard),
                guard: cancelled.map(|(_, place)| place),
            });
            if cancelled.is_none() {
                n_kept += 1;
                if !all || n_kept >= PLACES_MAX {
                    break;
                }
            }
        }
        self.states = places;
    }

    /// Where a way is met, by the end of the match; in `states`.
    fn join(&mut self, line: &Folded, lexicon: &Lexicon, way: u32) -> bool {
        self.states.clear();
        let steps = &lexicon.ways[way as usize].steps;
        if steps
            .iter()
            .any(|step| self.term_seen[step.term as usize] != self.epoch)
        {
            return false;
        }
        for (n, step) in steps.iter().enumerate() {
            self.next_states.clear();
            for at in self.places(lexicon, step.term) {
                let place = self.term_places[at];
                let (from, to) = (place.from as usize, place.to as usize);
                if (step.start && !begins_sentence(line, from))
                    || (step.edge && !is_edge(line, from))
                    || (step.end && !ends_sentence(line, to))
                    || (step.edge_after && !is_edge(line, to))
                {
                    continue;
                }
                if n == 0 {
                    self.next_states.push(place);
                    continue;
                }
                // The nearest that ends before: if this one is too far away, all others are.
                let before = self.states.partition_point(|state| state.to <= place.from);
                let Some(state) = before.checked_sub(1).and_then(|idx| self.states.get(idx)) else {
                    continue;
                };
                let near = line.distance(state.to as usize, from) <= step.gap_max as usize;
                let joined = step.far
                    || line.units[state.to as usize - 1].sentence == line.units[from].sentence;
                if near && joined {
                    self.next_states.push(Place {
                        from: state.from,
                        to: place.to,
                    });
                }
            }
            std::mem::swap(&mut self.states, &mut self.next_states);
            if self.states.is_empty() {
                return false;
            }
        }
        true
    }

    /// Where a list of patterns is met, by the end of the match: looked up once a line.
    fn list(&mut self, line: &Folded, lexicon: &Lexicon, list: u32) -> (usize, usize) {
        let (from, to, epoch) = self.list_range[list as usize];
        if epoch == self.epoch {
            return (from as usize, to as usize);
        }
        let from = self.list_places.len();
        let kept = std::mem::take(&mut self.states);
        for way in &lexicon.lists[list as usize] {
            if self.join(line, lexicon, *way) {
                self.list_places.extend_from_slice(&self.states);
            }
        }
        self.states = kept;
        self.list_places[from..].sort_unstable_by_key(|place| (place.to, place.from));
        let to = self.list_places.len();
        self.list_range[list as usize] = (num(from), num(to), self.epoch);
        (from, to)
    }

    fn is_near(
        &mut self,
        line: &Folded,
        lexicon: &Lexicon,
        list: u32,
        place: Place,
        within: usize,
    ) -> bool {
        self.guard_place(line, lexicon, list, Scope::Near, place, within)
            .is_some()
    }

    /// The first guard that cancels this place, and where it stands.
    fn cancelled(
        &mut self,
        line: &Folded,
        lexicon: &Lexicon,
        guards: &[GuardUse],
        place: Place,
        in_sentence: bool,
    ) -> Option<(u32, Place)> {
        for (idx, guard) in guards.iter().enumerate() {
            let at = if guard.scope == Scope::Quoted {
                is_quoted(line, place).then_some(place)
            } else {
                let (scope, reach) = match guard.scope {
                    Scope::Line => (Scope::Line, usize::MAX),
                    Scope::Sentence => (Scope::Sentence, SENTENCE_WITHIN),
                    Scope::Near if in_sentence => (Scope::Sentence, guard.within),
                    scope => (scope, guard.within),
                };
                self.guard_place(line, lexicon, guard.list, scope, place, reach)
            };
            if let Some(at) = at {
                return Some((num(idx), at));
            }
        }
        None
    }

    fn guard_place(
        &mut self,
        line: &Folded,
        lexicon: &Lexicon,
        list: u32,
        scope: Scope,
        place: Place,
        reach: usize,
    ) -> Option<Place> {
        let (from, to) = self.list(line, lexicon, list);
        let places = &self.list_places[from..to];
        if places.is_empty() {
            return None;
        }
        let sentence = |at: u32| line.units[at as usize].sentence;
        let gap = |left: u32, right: u32| line.distance(left as usize, right as usize);
        // Guards are short: those that end too far before are jumped over, and the walk ends soon behind the place.
        let first = match scope {
            Scope::Line => 0,
            _ => places.partition_point(|guard| {
                guard.to < place.from && gap(guard.to, place.from) > reach
            }),
        };
        let mut n_behind = 0;
        for guard in &places[first..] {
            let overlaps = guard.from < place.to && guard.to > place.from;
            let ok = match scope {
                Scope::Over => overlaps,
                Scope::Line => true,
                Scope::Near => {
                    overlaps
                        || (guard.to <= place.from && gap(guard.to, place.from) <= reach)
                        || (guard.from >= place.to && gap(place.to, guard.from) <= reach)
                }
                Scope::Sentence => {
                    (sentence(guard.from) == sentence(place.from)
                        || sentence(guard.from) == sentence(place.to - 1))
                        && (overlaps
                            || (guard.to <= place.from && gap(guard.to, place.from) <= reach)
                            || (guard.from >= place.to && gap(place.to, guard.from) <= reach))
                }
                // A guard may share letters with the match: 死にたい + たいわけじゃない.
                Scope::Before => {
                    guard.from < place.from
                        && guard.to < place.to
                        && (overlaps || gap(guard.to, place.from) <= reach)
                        && sentence(guard.to - 1) == sentence(place.from)
                }
                Scope::After => {
                    guard.from > place.from
                        && guard.to > place.to
                        && (overlaps || gap(place.to, guard.from) <= reach)
                        && sentence(guard.from) == sentence(place.to - 1)
                }
                Scope::Quoted => false,
            };
            if ok {
                return Some(*guard);
            }
            if scope != Scope::Line && guard.from >= place.to && gap(place.to, guard.from) > reach {
                n_behind += 1;
                if n_behind > 4 {
                    break;
                }
            }
        }
        None
    }
}

fn num(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn is_letter(line: &Folded, at: usize) -> bool {
    line.units
        .get(at)
        .is_some_and(|unit| unit.script != Script::Sign)
}

fn stands_alone(line: &Folded, place: Place) -> bool {
    let (from, to) = (place.from as usize, place.to as usize);
    let open = from == 0 || line.units[from].before != Break::None || !is_letter(line, from - 1);
    let closed = line
        .units
        .get(to)
        .is_none_or(|unit| unit.before != Break::None)
        || !is_letter(line, to);
    open && closed
}

fn begins_sentence(line: &Folded, at: usize) -> bool {
    let sentence = line.units[at].sentence;
    line.units[..at]
        .iter()
        .rev()
        .take_while(|unit| unit.sentence == sentence)
        .all(|unit| unit.script == Script::Sign)
}

fn ends_sentence(line: &Folded, at: usize) -> bool {
    let Some(sentence) = at
        .checked_sub(1)
        .and_then(|last| line.units.get(last))
        .map(|unit| unit.sentence)
    else {
        return true;
    };
    let mut rest = line.units[at..]
        .iter()
        .take_while(|unit| unit.sentence == sentence)
        .skip_while(|unit| {
            unit.script == Script::Sign || matches!(unit.c, 'ー' | 'っ' | 'w' | '笑' | '草')
        });
    rest.next().is_none_or(|unit| unit.script == Script::Sign)
}

fn is_edge(line: &Folded, at: usize) -> bool {
    if at == 0 {
        return true;
    }
    match line.units.get(at) {
        None => true,
        Some(unit) => unit.before != Break::None || unit.script != line.units[at - 1].script,
    }
}

/// Inside quotation marks, with something said outside of them: a line that is all quotation is the writer's own.
fn is_quoted(line: &Folded, place: Place) -> bool {
    line.units[place.from as usize..place.to as usize]
        .iter()
        .all(|unit| unit.quoted)
        && line
            .units
            .iter()
            .any(|unit| !unit.quoted && unit.script != Script::Sign)
}
