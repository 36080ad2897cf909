//! Judges what members were told against what the store had and when. It knows the wire and the promises, nothing of the
//! room's code.

use std::collections::{BTreeMap, BTreeSet};

use super::words::{EnteredWord, HeadWord, SaidWord, Word};
use crate::features::gatherings::StoredState;
use crate::features::rooms::line::Shows;

/// Lines told in `entered` at most, and to somebody without a number.
const MESSAGES_MAX: usize = 200;
const NEWEST: i64 = 50;

/// Which promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Broken {
    /// An acknowledged line is not in the store, or is there twice, or under another number.
    Acked,
    /// A repeat got another answer, or a refusal although the line was there.
    Repeat,
    /// A number was told twice, out of order, or before it was there.
    Order,
    /// A number was passed over and no gap names it.
    Hole,
    /// A gap names what is there.
    Gap,
    /// Other words than the store's, or another's.
    Words,
    /// Words were shown after it was told that they are hidden.
    Leak,
    /// Something was told to somebody who is not in the room.
    Outside,
    /// A line was kept that was said while the room was closed or unattended.
    Unattended,
    /// `said` came before `acked` to the socket that said it.
    AckLate,
    /// When all is quiet, somebody present does not see what the store has.
    Apart,
    /// When all is quiet, something has not been answered.
    Unanswered,
    /// A hold ended twice, or otherwise than it was told.
    Hold,
    /// The room did what no client understands, or panicked.
    Wild,
}

/// A broken promise, in words.
#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub(super) broken: Broken,
    pub(super) what: String,
}

pub(super) struct Row {
    pub(super) author: String,
    pub(super) key: String,
    pub(super) body: String,
    /// How it was shown, from when on.
    pub(super) shows: Vec<(i64, Shows)>,
}

impl Row {
    pub(super) fn now(&self) -> Shows {
        self.shows.last().map_or(Shows::Gone, |(_, shows)| *shows)
    }

    /// Whether it was so at any time since.
    fn was_since(&self, since: i64, wanted: impl Fn(Shows) -> bool) -> bool {
        self.shows.iter().enumerate().any(|(idx, (_, shows))| {
            let until = self.shows.get(idx + 1).map_or(i64::MAX, |(at, _)| *at);
            until >= since && wanted(*shows)
        })
    }
}

#[derive(Default)]
pub(super) struct Attempts {
    pub(super) bodies: BTreeSet<String>,
    /// How many were sent, and how many of these are not answered.
    pub(super) n: u32,
    pub(super) n_open: u32,
    /// An answer that leaves open whether it was kept was given, or was lost with its connection.
    pub(super) unsure: bool,
    pub(super) acked: Option<(i64, String)>,
    /// It waits, or waited: its end may come at any time.
    pub(super) held: bool,
    /// Its author was told that it is not said.
    pub(super) rejected: bool,
    /// When rooms took it, and since when each of them could have known better.
    pub(super) taken: Vec<Taken>,
}

/// A `say` that came to a room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    at: i64,
    /// When the newest that this room knew of its state was read.
    known_at: i64,
}

pub(super) struct Sent {
    pub(super) key: String,
    /// The line was in the store when it was sent.
    pub(super) was_kept: bool,
}

#[derive(Default)]
pub(super) struct View {
    pub(super) author: String,
    pub(super) place: Option<Place>,
    /// What each `enter` that has no answer named, and what the store had then.
    pub(super) enters: Vec<(Option<i64>, i64)>,
    pub(super) says: Vec<Sent>,
    pub(super) n_leaves: u32,
    /// They cannot know whether they are still in.
    pub(super) is_doubtful: bool,
}

/// What somebody in the room has been told since `entered`.
pub(super) struct Place {
    pub(super) first: i64,
    pub(super) next: i64,
    /// The words that stand under each number, if any do.
    pub(super) told: BTreeMap<i64, Option<String>>,
    pub(super) head: HeadWord,
}

/// One moment of what the room is, by the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) at: i64,
    pub(super) state: StoredState,
    pub(super) attended: i64,
    pub(super) ends: i64,
}

/// What the checker is told before anything happens.
pub(super) struct Bounds {
    pub(super) pause_after_ms: i64,
    /// How far clocks of nodes may be apart from the store's.
    pub(super) skew_ms: i64,
    /// How long a node may not know what another node changed.
    pub(super) stale_ms: i64,
}

/// The judge.
pub(super) struct Checker {
    pub(super) bounds: Bounds,
    pub(super) epoch: String,
    pub(super) rows: Vec<Row>,
    pub(super) by_key: BTreeMap<(String, String), Vec<i64>>,
    pub(super) attempts: BTreeMap<(String, String), Attempts>,
    pub(super) standings: Vec<Standing>,
    pub(super) views: BTreeMap<u64, View>,
    /// When a node, or any node, first told that a line is hidden.
    pub(super) node_hid: BTreeMap<(usize, u32, i64), i64>,
    pub(super) first_hid: BTreeMap<i64, i64>,
    /// How each hold ended, by its id.
    pub(super) ends: BTreeMap<String, String>,
    pub(super) n_kept: usize,
    pub(super) violation: Option<Violation>,
}

impl Checker {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            epoch: "e1".into(),
            rows: Vec::new(),
            by_key: BTreeMap::new(),
            attempts: BTreeMap::new(),
            standings: Vec::new(),
            views: BTreeMap::new(),
            node_hid: BTreeMap::new(),
            first_hid: BTreeMap::new(),
            ends: BTreeMap::new(),
            n_kept: 0,
            violation: None,
        }
    }

    /// Only the first counts: what follows may follow from it.
    pub(super) fn broken(&mut self, broken: Broken, what: impl Into<String>) {
        if self.violation.is_none() {
            self.violation = Some(Violation {
                broken,
                what: what.into(),
            });
        }
    }

    /// The store has this line now.
    pub(super) fn kept(&mut self, seq: i64, author: &str, key: &str, body: &str, now: i64) {
        let id = (author.to_owned(), key.to_owned());
        if seq != self.rows.len() as i64 + 1 {
            self.broken(
                Broken::Acked,
                format!("{seq} was kept after {}", self.rows.len()),
            );
        }
        if let Some(attempts) = self.attempts.get(&id) {
            let is_theirs = attempts.bodies.contains(body);
            let could_talk = attempts.taken.iter().any(|taken| self.could_talk(taken));
            let taken = format!("{:?}", attempts.taken);
            self.n_kept += 1;
            if !is_theirs {
                self.broken(
                    Broken::Words,
                    format!("{seq} is kept with words nobody said"),
                );
            }
            if !could_talk {
                let standings: Vec<&Standing> = self.standings.iter().rev().take(6).collect();
                let what = format!("{seq} ({key}) was kept; said {taken}, {standings:?}");
                self.broken(Broken::Unattended, what);
            }
        }
        let seqs = self.by_key.entry(id).or_default();
        seqs.push(seq);
        if seqs.len() > 1 {
            let what = format!("{key} of {author} is kept as {seqs:?}");
            self.broken(Broken::Acked, what);
        }
        self.rows.push(Row {
            author: author.to_owned(),
            key: key.to_owned(),
            body: body.to_owned(),
            shows: vec![(now, Shows::Yes)],
        });
    }

    /// A line is shown otherwise from now on.
    pub(super) fn changed(&mut self, seq: i64, shows: Shows, now: i64) {
        if let Some(row) = usize::try_from(seq - 1)
            .ok()
            .and_then(|idx| self.rows.get_mut(idx))
        {
            row.shows.push((now, shows));
        }
    }

    /// The room is otherwise from now on.
    pub(super) fn stands(&mut self, standing: Standing) {
        self.standings.push(standing);
    }

    /// Stored history was replaced by an older copy of itself.
    pub(super) fn restored(&mut self, n_lines: usize, epoch: u32, shows: &[Shows], now: i64) {
        self.epoch = format!("e{epoch}");
        self.rows.truncate(n_lines);
        for (row, shows) in self.rows.iter_mut().zip(shows) {
            row.shows = vec![(now, *shows)];
        }
        let n_lines = n_lines as i64;
        self.by_key.retain(|_, seqs| {
            seqs.retain(|seq| *seq <= n_lines);
            !seqs.is_empty()
        });
        for ((author, key), attempts) in &mut self.attempts {
            let kept = self
                .rows
                .iter()
                .any(|row| row.author == *author && row.key == *key);
            if !kept {
                attempts.acked = None;
                attempts.unsure = true;
            }
        }
        self.node_hid.clear();
        self.first_hid.clear();
        self.ends.clear();
        for attempts in self.attempts.values_mut() {
            attempts.rejected = false;
        }
    }

    pub(super) fn opened(&mut self, conn: u64, author: &str) {
        self.views.insert(
            conn,
            View {
                author: author.to_owned(),
                ..View::default()
            },
        );
    }

    /// Answers that were under way are lost.
    pub(super) fn closed(&mut self, conn: u64) {
        if let Some(view) = self.views.remove(&conn) {
            for say in view.says {
                if let Some(attempts) = self.attempts.get_mut(&(view.author.clone(), say.key)) {
                    attempts.n_open -= 1;
                    attempts.unsure = true;
                }
            }
        }
    }

    pub(super) fn sends_enter(&mut self, conn: u64, after: Option<i64>) {
        if let Some(view) = self.views.get_mut(&conn) {
            view.enters.push((after, self.rows.len() as i64));
        }
    }

    pub(super) fn sends_leave(&mut self, conn: u64) {
        if let Some(view) = self.views.get_mut(&conn) {
            view.n_leaves += 1;
        }
    }

    pub(super) fn sends_say(&mut self, conn: u64, key: &str, body: &str) {
        let Some(view) = self.views.get_mut(&conn) else {
            return;
        };
        let id = (view.author.clone(), key.to_owned());
        view.says.push(Sent {
            key: key.to_owned(),
            was_kept: self.by_key.contains_key(&id),
        });
        let attempts = self.attempts.entry(id).or_default();
        attempts.bodies.insert(body.to_owned());
        attempts.n += 1;
        attempts.n_open += 1;
    }

    /// A room took a `say` into its hands; what it knew of its own state was read at `known_at`.
    pub(super) fn say_taken(&mut self, author: &str, key: &str, at: i64, known_at: i64) {
        let id = (author.to_owned(), key.to_owned());
        if let Some(attempts) = self.attempts.get_mut(&id) {
            attempts.taken.push(Taken { at, known_at });
        }
    }

    /// Whether the room was open and attended at some time between what its node knew and the `say`.
    fn could_talk(&self, taken: &Taken) -> bool {
        let slack = self.bounds.skew_ms;
        self.standings.iter().enumerate().any(|(idx, standing)| {
            let until = self.standings.get(idx + 1).map_or(i64::MAX, |next| next.at);
            until >= taken.known_at
                && standing.at <= taken.at
                && matches!(standing.state, StoredState::Open | StoredState::LastCall)
                && taken.at < standing.ends + slack
                && taken.at - standing.attended <= self.bounds.pause_after_ms + slack
        })
    }

    /// A node hands a frame to a connection.
    pub(super) fn told_by(&mut self, node: usize, life: u32, word: &Word, now: i64) {
        match word {
            Word::Entered(entered) => {
                for message in &entered.messages {
                    self.told_by(node, life, message, now);
                }
            }
            Word::Hidden { seq } => {
                self.first_hid.entry(*seq).or_insert(now);
            }
            Word::Said(line) => self.no_leak(node, life, line, now),
            Word::Shown {
                line: Some(line), ..
            } => self.no_leak(node, life, line, now),
            _ => {}
        }
    }

    /// A node tells all: it knows it itself, and has not only read it for one.
    pub(super) fn told_to_all(&mut self, node: usize, life: u32, word: &Word, now: i64) {
        if let Word::Hidden { seq } = word {
            self.node_hid.insert((node, life, *seq), now);
        }
    }

    /// What a node has told to be hidden it shows only if that was undone; another node knows it within seconds.
    fn no_leak(&mut self, node: usize, life: u32, line: &SaidWord, now: i64) {
        let by_node = self.node_hid.get(&(node, life, line.seq)).copied();
        let by_any = self
            .first_hid
            .get(&line.seq)
            .map(|at| (*at).max(now - self.bounds.stale_ms))
            .filter(|_| self.first_hid[&line.seq] + self.bounds.stale_ms < now);
        for (since, who) in [(by_node, "this node"), (by_any, "a node long ago")] {
            let Some(since) = since else { continue };
            let shown = usize::try_from(line.seq - 1)
                .ok()
                .and_then(|idx| self.rows.get(idx))
                .is_some_and(|row| row.was_since(since, |shows| shows == Shows::Yes));
            if !shown {
                self.broken(
                    Broken::Leak,
                    format!(
                        "{} is shown by node {node}; {who} told that it is hidden",
                        line.seq
                    ),
                );
            }
        }
    }

    /// A connection receives a frame.
    pub(super) fn hears(&mut self, conn: u64, word: &Word) {
        let Some(mut view) = self.views.remove(&conn) else {
            return self.broken(
                Broken::Outside,
                format!("connection {conn} is told {} after its end", word.brief()),
            );
        };
        let judged = self.judge(&mut view, word);
        self.views.insert(conn, view);
        if let Err((broken, what)) = judged {
            self.broken(
                broken,
                format!("connection {conn}: {what} ({})", word.brief()),
            );
        }
    }

    fn judge(&mut self, view: &mut View, word: &Word) -> Result<(), (Broken, String)> {
        match word {
            Word::Entered(entered) => self.entered(view, entered),
            Word::Waiting => Ok(()),
            Word::Said(line) => {
                self.not_before_acked(view, line.seq)?;
                self.said(view.place.as_mut(), line)
            }
            Word::Hidden { seq } => {
                if !self.row(*seq)?.was_since(0, |shows| shows != Shows::Yes) {
                    return Err((Broken::Words, "it was never hidden".into()));
                }
                let place = view.place.as_mut().ok_or_else(outside)?;
                if *seq >= place.next {
                    first_word(place, *seq, None)?;
                }
                if *seq >= place.first {
                    place.told.insert(*seq, None);
                }
                Ok(())
            }
            Word::Shown { seq, line } => {
                let place = view.place.as_mut().ok_or_else(outside)?;
                if *seq >= place.next {
                    return Err((Broken::Order, "shown before it was given".into()));
                }
                let line = line
                    .as_ref()
                    .filter(|line| line.seq == *seq)
                    .ok_or_else(|| (Broken::Words, "`shown` without its line".to_owned()))?;
                self.same_words(line)?;
                if *seq >= place.first {
                    place.told.insert(*seq, Some(line.body.clone()));
                }
                Ok(())
            }
            // A hint, which may overtake its line to somebody who is coming in.
            Word::Stamped { seq } => {
                self.row(*seq)?;
                view.place.as_ref().map(|_| ()).ok_or_else(outside)
            }
            Word::Room(head) => {
                view.place.as_mut().ok_or_else(outside)?.head = head.clone();
                Ok(())
            }
            Word::Acked { key, seq, at } => self.acked(view, key, *seq, at),
            Word::Refused { key, code } => self.refused(view, key.as_deref(), code),
            Word::Done => Ok(()),
            Word::Ask { key } => self.refused(view, Some(key), "ask"),
            Word::Held { key } => self.held(view, key),
            Word::Hold { .. } => view.place.as_ref().map(|_| ()).ok_or_else(outside),
            Word::HoldDone { hold, how } => match self.ends.get(hold) {
                Some(ended) if ended == how => Ok(()),
                ended => Err((Broken::Hold, format!("the store has {ended:?}"))),
            },
            Word::Left { why } => {
                let was_in = view.place.take().is_some();
                // Somebody may leave before they are in; they asked for it.
                if why == "you" && view.n_leaves > 0 {
                    view.n_leaves -= 1;
                } else if why == "you" || !was_in {
                    return Err((Broken::Outside, "told to have left, and was not in".into()));
                }
                Ok(())
            }
            Word::Unknown(_) => Err((Broken::Wild, "not a frame of a room".into())),
        }
    }

    pub(super) fn row(&self, seq: i64) -> Result<&Row, (Broken, String)> {
        usize::try_from(seq - 1)
            .ok()
            .and_then(|idx| self.rows.get(idx))
            .ok_or_else(|| (Broken::Words, format!("the store has no {seq}")))
    }

    fn same_words(&self, line: &SaidWord) -> Result<(), (Broken, String)> {
        let row = self.row(line.seq)?;
        if row.body != line.body || row.author != line.from {
            let what = format!("the store has {} of {}", row.body, row.author);
            return Err((Broken::Words, what));
        }
        Ok(())
    }

    fn said(&self, place: Option<&mut Place>, line: &SaidWord) -> Result<(), (Broken, String)> {
        let place = place.ok_or_else(outside)?;
        first_word(place, line.seq, Some(line.body.clone()))?;
        self.same_words(line)
    }

    /// A first sending: `acked` before `said`, on the socket that sent it.
    fn not_before_acked(&self, view: &View, seq: i64) -> Result<(), (Broken, String)> {
        let row = self.row(seq)?;
        if row.author != view.author || !view.says.iter().any(|say| say.key == row.key) {
            return Ok(());
        }
        let only_once = self
            .attempts
            .get(&(row.author.clone(), row.key.clone()))
            .is_some_and(|attempts| attempts.n == 1);
        if only_once {
            return Err((Broken::AckLate, format!("{} has no answer yet", row.key)));
        }
        Ok(())
    }

    fn entered(&mut self, view: &mut View, entered: &EnteredWord) -> Result<(), (Broken, String)> {
        let epoch_now = entered.epoch == self.epoch;
        if !epoch_now {
            return Err((Broken::Wild, format!("epoch {}", entered.epoch)));
        }
        let first_message = entered.messages.first().map(|word| match word {
            Word::Said(line) => line.seq,
            Word::Hidden { seq } => *seq,
            _ => i64::MIN,
        });
        let after_gap = entered.gap.map(|(_, to)| to + 1);
        let first = first_message.or(after_gap).unwrap_or(entered.last_seq + 1);
        let from = entered.gap.map_or(first, |(from, _)| from);
        if view.enters.is_empty() {
            return Err((Broken::Outside, "entered unasked".into()));
        }
        // One of the enters that wait is answered; a later one may have taken the place of those before it.
        let answered = view.enters.iter().position(|(after, n_kept)| {
            entered.last_seq >= *n_kept
                && match after {
                    Some(after) if *after <= entered.last_seq => from <= after + 1,
                    Some(_) | None => from <= (entered.last_seq - NEWEST + 1).max(1),
                }
        });
        let Some(answered) = answered else {
            let what = format!("begins at {from}, asked {:?}", view.enters);
            return Err((Broken::Hole, what));
        };
        view.enters.drain(..=answered);
        if let Some((gap_from, gap_to)) = entered.gap {
            if gap_to + 1 != first || gap_from > gap_to {
                return Err((Broken::Hole, "the gap does not reach the first line".into()));
            }
            for seq in gap_from..=gap_to {
                if self.row(seq)?.now() != Shows::Gone {
                    return Err((Broken::Gap, format!("{seq} is there")));
                }
            }
        }
        if entered.messages.len() > MESSAGES_MAX {
            return Err((Broken::Order, "more than a page".into()));
        }
        let mut place = Place {
            first,
            next: first,
            told: BTreeMap::new(),
            head: entered.head.clone(),
        };
        for message in &entered.messages {
            match message {
                Word::Said(line) => self.said(Some(&mut place), line)?,
                Word::Hidden { seq } => {
                    self.row(*seq)?;
                    first_word(&mut place, *seq, None)?;
                }
                _ => return Err((Broken::Wild, "neither said nor hidden".into())),
            }
        }
        for key in &entered.waiting {
            let id = (view.author.clone(), key.clone());
            if let Some(attempts) = self.attempts.get_mut(&id) {
                attempts.held = true;
            }
        }
        view.place = Some(place);
        view.is_doubtful = false;
        Ok(())
    }

    fn acked(
        &mut self,
        view: &mut View,
        key: &str,
        seq: i64,
        at: &str,
    ) -> Result<(), (Broken, String)> {
        let id = (view.author.clone(), key.to_owned());
        let waited = self.attempts.get(&id).is_some_and(|attempts| attempts.held);
        let asked = view.says.iter().position(|say| say.key == key);
        match asked {
            Some(idx) => {
                view.says.remove(idx);
            }
            None if waited => {}
            None => return Err((Broken::Repeat, "acked without being asked".into())),
        }
        if self.by_key.get(&id).is_none_or(|seqs| *seqs != [seq]) {
            return Err((
                Broken::Acked,
                format!("the store has it as {:?}", self.by_key.get(&id)),
            ));
        }
        let Some(attempts) = self.attempts.get_mut(&id) else {
            return Err((Broken::Repeat, "acked and never said".into()));
        };
        attempts.n_open -= u32::from(asked.is_some());
        let answer = (seq, at.to_owned());
        match &attempts.acked {
            Some(first) if *first != answer => {
                Err((Broken::Repeat, format!("the first answer was {first:?}")))
            }
            Some(_) => Ok(()),
            None => {
                attempts.acked = Some(answer);
                Ok(())
            }
        }
    }

    fn refused(
        &mut self,
        view: &mut View,
        key: Option<&str>,
        code: &str,
    ) -> Result<(), (Broken, String)> {
        let Some(key) = key else {
            // It may answer an `enter` or something else.
            view.is_doubtful |= !view.enters.is_empty();
            return Ok(());
        };
        let own = (view.author.clone(), key.to_owned());
        if code == "rejected"
            && let Some(attempts) = self.attempts.get_mut(&own)
        {
            attempts.rejected = true;
        }
        // A measure has a key, too.
        let Some(idx) = view.says.iter().position(|say| say.key == key) else {
            return Ok(());
        };
        let say = view.says.remove(idx);
        let id = (view.author.clone(), key.to_owned());
        let Some(attempts) = self.attempts.get_mut(&id) else {
            return Ok(());
        };
        attempts.n_open -= 1;
        if code == "busy" {
            attempts.unsure = true;
            return Ok(());
        }
        if say.was_kept {
            return Err((
                Broken::Repeat,
                "it was kept before it was said again".into(),
            ));
        }
        if attempts.n == 1 && self.by_key.contains_key(&id) {
            return Err((Broken::Repeat, "refused and kept".into()));
        }
        Ok(())
    }
}

fn outside() -> (Broken, String) {
    (Broken::Outside, "not in the room".into())
}

fn first_word(place: &mut Place, seq: i64, words: Option<String>) -> Result<(), (Broken, String)> {
    if seq < place.next {
        return Err((Broken::Order, format!("{} was to be told", place.next)));
    }
    if seq > place.next {
        return Err((Broken::Hole, format!("{} was to be told", place.next)));
    }
    place.next = seq + 1;
    place.told.insert(seq, words);
    Ok(())
}
