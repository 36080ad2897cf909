//! What must be true of holds, and of everything once all is quiet.

use super::checker::{Broken, Checker, Row, View};
use super::words::HeadWord;
use crate::features::rooms::line::Shows;
use crate::protocol::HoldEnd;

impl Checker {
    /// The store has ended a hold.
    pub(super) fn hold_ended(&mut self, author: &str, key: &str, hold: &str, how: HoldEnd) {
        let id = (author.to_owned(), key.to_owned());
        if let Some(attempts) = self.attempts.get_mut(&id) {
            attempts.held = true;
        }
        let how = how.as_str().to_owned();
        if let Some(before) = self.ends.insert(hold.to_owned(), how.clone()) {
            self.broken(
                Broken::Hold,
                format!("{hold} ({key} of {author}) ended as {before} and as {how}"),
            );
        }
    }

    /// Somebody's line waits: an answer, or a further word about it.
    pub(super) fn held(&mut self, view: &mut View, key: &str) -> Result<(), (Broken, String)> {
        let id = (view.author.clone(), key.to_owned());
        let Some(attempts) = self.attempts.get_mut(&id) else {
            return Err((Broken::Repeat, "held and never said".into()));
        };
        if let Some(idx) = view.says.iter().position(|say| say.key == key) {
            let say = view.says.remove(idx);
            attempts.n_open -= 1;
            if say.was_kept {
                return Err((Broken::Repeat, "held, and was kept before".into()));
            }
        }
        attempts.held = true;
        Ok(())
    }

    /// All is quiet: whoever is in the room sees what the store has.
    pub(super) fn at_rest(&mut self, conn: u64, member_is_in: bool, truth: Option<&HeadWord>) {
        let Some(view) = self.views.get(&conn) else {
            return;
        };
        let mut found = None;
        if let Some(say) = view.says.first() {
            found = Some((Broken::Unanswered, format!("{} has no answer", say.key)));
        }
        match (&view.place, truth) {
            // Told that something was refused, and did not ask to come in again.
            (Some(_), _) if view.is_doubtful && (truth.is_none() || !member_is_in) => {}
            (Some(place), Some(truth)) => {
                let n_lines = self.rows.len() as i64;
                if place.next != n_lines + 1 {
                    found = Some((
                        Broken::Apart,
                        format!("told up to {}, the store has {n_lines}", place.next - 1),
                    ));
                } else if place.head != *truth {
                    found = Some((
                        Broken::Apart,
                        format!("told {:?}, the store has {truth:?}", place.head),
                    ));
                } else {
                    let differs = place.told.iter().find(|(seq, told)| {
                        let shows = self.row(**seq).is_ok_and(|row| row.now() == Shows::Yes);
                        told.is_some() != shows
                    });
                    if let Some((seq, told)) = differs {
                        let now = self.row(*seq).map(Row::now);
                        found = Some((
                            Broken::Apart,
                            format!("{seq} stands as {told:?}, the store has {now:?}"),
                        ));
                    }
                }
            }
            (Some(_), None) => found = Some((Broken::Outside, "still in a closed room".into())),
            (None, Some(_)) if member_is_in => {
                found = Some((Broken::Unanswered, "did not come in".into()));
            }
            (None, _) => {}
        }
        if let Some((broken, what)) = found {
            self.broken(broken, format!("connection {conn} at rest: {what}"));
        }
    }

    /// Refused for good means not kept; acknowledged means kept once.
    pub(super) fn at_the_end(&mut self) {
        let mut found = None;
        for (id, attempts) in &self.attempts {
            let seqs = self.by_key.get(id);
            if let Some((seq, _)) = &attempts.acked
                && seqs.is_none_or(|seqs| *seqs != [*seq])
            {
                found = Some((Broken::Acked, format!("{} was acked, kept {seqs:?}", id.1)));
            }
            let refused = attempts.acked.is_none()
                && attempts.n_open == 0
                && !attempts.unsure
                && !attempts.held;
            if attempts.rejected && seqs.is_some() {
                found = Some((
                    Broken::Hold,
                    format!("{} was not let pass, kept {seqs:?}", id.1),
                ));
            }
            if refused && seqs.is_some() {
                found = Some((
                    Broken::Repeat,
                    format!("{} was refused, kept {seqs:?}", id.1),
                ));
            }
        }
        if let Some((broken, what)) = found {
            self.broken(broken, what);
        }
    }
}
