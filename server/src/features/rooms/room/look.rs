//! Looking into the store for what other nodes did, and who waits for that.
//!
//! A hint may be late or lost. So somebody who comes in where other nodes may write is told what is the newest only
//! after a look that began when they had asked: what anybody was acknowledged before, anywhere, is in it.

use std::sync::Arc;

use super::{BUSY_RETRY_MS, ConnId, Effect, PAGE_LINES, Phase, Refusal, Room, Seen, not_encoded};
use crate::features::rooms::line::Line;
use crate::platform::clock::Millis;
use crate::platform::ids::Seq;
use crate::protocol::RefusalCode;

/// Somebody who comes in.
#[derive(Debug)]
pub(super) struct Arriving {
    conn: ConnId,
    /// The number of the first look that began after they asked.
    look: u64,
    /// How far the room must have come; known once that look is done.
    due: Option<Seq>,
}

impl Room {
    /// What the store says of the room.
    pub(super) fn see(&mut self, seen: Seen, out: &mut Vec<Effect>) {
        self.changes_due = self.changes_due.max(seen.n_changes);
        let n_holds = self.seen.n_holds.max(seen.n_holds);
        if seen.order < self.seen.order {
            // Begun before the one that is known: it may be older. Whoever changes something looks after it, so nothing is
            // missed by this; its counts are good in any case.
            self.seen.last_seq = self.seen.last_seq.max(seen.last_seq);
            self.seen.n_holds = n_holds;
            return self.look_for_all(out);
        }
        if seen.n_admits > self.seen.n_admits {
            self.admit_all_now();
        }
        self.seen = Seen {
            // What was read late may be older than what is known.
            last_seq: self.seen.last_seq.max(seen.last_seq),
            n_changes: self.seen.n_changes,
            n_holds,
            ..seen
        };
        self.look_for_all(out);
    }

    fn look_for_all(&mut self, out: &mut Vec<Effect>) {
        self.look_for_missing(out);
        self.look_for_changes(out);
        self.look_for_holds(out);
    }

    /// Reads the changes that the store has and this node does not.
    pub(super) fn look_for_changes(&mut self, out: &mut Vec<Effect>) {
        if self.changes_due > self.seen.n_changes && !self.loading_changes {
            self.loading_changes = true;
            out.push(Effect::LoadChanges {
                after: self.seen.n_changes,
            });
        }
    }

    /// Reads what the store has and this node does not, unless what it keeps itself is about to bring it.
    pub(super) fn look_for_missing(&mut self, out: &mut Vec<Effect>) {
        let last = match self.ahead.first_key_value() {
            Some((first_ahead, _)) => Seq(first_ahead.get() - 1),
            None => self.seen.last_seq,
        };
        self.missing = last > self.head;
        if self.missing && self.n_committing == 0 && self.holds.n_keeping == 0 {
            self.missing = false;
            self.load(Some(last), out);
        }
    }

    /// Reads on from the newest: to that line, or for those who arrive to the end, whatever that is.
    fn load(&mut self, to: Option<Seq>, out: &mut Vec<Effect>) {
        if self.loading {
            return;
        }
        self.loading = true;
        self.looking = to.is_none();
        self.n_looks += u64::from(self.looking);
        let page_end = self.head.plus(PAGE_LINES);
        out.push(Effect::Load {
            conn: None,
            from: self.head.next(),
            to: to.unwrap_or(page_end).min(page_end),
        });
    }

    /// The lines that a load found.
    pub(super) fn loaded(&mut self, mut lines: Vec<Arc<Line>>, out: &mut Vec<Effect>) {
        self.loading = false;
        let highest = lines.last().map_or(self.head, |line| line.seq);
        self.seen.last_seq = self.seen.last_seq.max(highest);
        if std::mem::take(&mut self.looking) {
            let may_be_more = i64::try_from(lines.len()).is_ok_and(|n| n >= PAGE_LINES);
            for arriving in &mut self.arriving {
                match arriving.due {
                    None if arriving.look > self.n_looks => {}
                    None if may_be_more => arriving.look = self.n_looks + 1,
                    None => arriving.due = Some(highest.max(self.head)),
                    Some(_) => {}
                }
            }
        }
        // A line of this node is in the store before its author was told `acked`, and `acked` comes before `said`: its
        // commit is about to bring it, and what follows it is read after that.
        let own = lines.iter().position(|line| {
            self.pending
                .contains_key(&(line.author.clone(), line.key.clone()))
        });
        if let Some(own) = own {
            lines.truncate(own);
        }
        self.arrived(not_encoded(lines), out);
        self.look_for_missing(out);
    }

    /// A load failed: who waited for it may try again.
    pub(super) fn not_looked(&mut self, out: &mut Vec<Effect>) {
        self.loading = false;
        if !std::mem::take(&mut self.looking) {
            return;
        }
        let n_looks = self.n_looks;
        let (failed, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.arriving)
            .into_iter()
            .partition(|arriving| arriving.due.is_none() && arriving.look <= n_looks);
        self.arriving = waiting;
        for Arriving { conn, .. } in failed {
            if self.arrives(conn) {
                self.members.remove(&conn);
                let refusal = Refusal {
                    code: RefusalCode::Busy,
                    retry_after_ms: Some(BUSY_RETRY_MS),
                };
                self.refuse(conn, None, refusal, out);
            }
        }
    }

    /// Somebody comes in; [`Room::let_in`] does the rest.
    pub(super) fn arrive(&mut self, conn: ConnId) {
        self.arriving.retain(|other| other.conn != conn);
        let due = (!self.facts.shared).then_some(self.head);
        let look = self.n_looks + 1;
        self.arriving.push(Arriving { conn, look, due });
    }

    /// Lets in those whose look is done, and looks for those who wait for one.
    pub(super) fn let_in(&mut self, now: Millis, out: &mut Vec<Effect>) {
        if self.arriving.is_empty() {
            return;
        }
        for arriving in std::mem::take(&mut self.arriving) {
            if !self.arrives(arriving.conn) {
                continue;
            }
            if arriving.due.is_some_and(|due| due <= self.head) {
                self.go_in(arriving.conn, now, out);
            } else {
                self.arriving.push(arriving);
            }
        }
        let looks = |arriving: &Arriving| arriving.due.is_none() && arriving.look > self.n_looks;
        if self.arriving.iter().any(looks) {
            self.load(None, out);
        }
    }

    fn arrives(&self, conn: ConnId) -> bool {
        let phase = self.members.get(&conn).map(|member| &member.phase);
        matches!(phase, Some(Phase::Arriving { .. }))
    }
}
