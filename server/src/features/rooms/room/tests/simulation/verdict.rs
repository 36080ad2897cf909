//! What must hold once all is quiet.

use super::checker::{Broken, Checker, Row};
use super::words::HeadWord;
use crate::features::rooms::line::Shows;

impl Checker {
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
            let refused = attempts.acked.is_none() && attempts.n_open == 0 && !attempts.unsure;
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
