//! The ledger that reports are counted from: day, event, kind, audience, rung, outcome; there is no person in it.
//!
//! Counts are gathered in memory and written every few seconds, because one write for each arrival would cost more than
//! the arrival; what a killed node had gathered since then is lost, and only that.

mod queries;

pub use queries::STATEMENTS;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::platform::clock::{Clock, Day};
use crate::platform::store::{Db, Stored};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// Somebody was here, on that rung of the ladder.
    Came,
    /// A handle was made.
    HandleMade,
}

/// The ladder that only the person moves on (`design.md`, invariant 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// No rung: the event is not about being in a room.
    None,
    /// Being here.
    Here,
    /// The lamp.
    Lamp,
    /// A stamp.
    Stamp,
    /// A ready line.
    Ready,
    /// Writing.
    Wrote,
    /// Offering a topic.
    Topic,
}

impl Event {
    const fn as_str(self) -> &'static str {
        match self {
            Event::Came => "came",
            Event::HandleMade => "handle_made",
        }
    }
}

impl Rung {
    const fn as_str(self) -> &'static str {
        match self {
            Rung::None => "",
            Rung::Here => "here",
            Rung::Lamp => "lamp",
            Rung::Stamp => "stamp",
            Rung::Ready => "ready",
            Rung::Wrote => "wrote",
            Rung::Topic => "topic",
        }
    }
}

/// One line of the ledger, without its number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    day: Day,
    event: &'static str,
    kind: &'static str,
    audience: &'static str,
    rung: &'static str,
    outcome: &'static str,
}

/// Counts, and writes what it counted.
#[derive(Clone)]
pub struct Tally {
    db: Db,
    clock: Arc<dyn Clock>,
    waiting: Arc<Mutex<BTreeMap<Cell, i64>>>,
}

impl Tally {
    /// A ledger in that store.
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self {
            db,
            clock,
            waiting: Arc::default(),
        }
    }

    /// Counts one; written at the next [`Tally::write`].
    pub fn count(&self, event: Event, kind: &'static str, audience: &'static str, rung: Rung) {
        let cell = Cell {
            day: self.clock.today(),
            event: event.as_str(),
            kind,
            audience,
            rung: rung.as_str(),
            outcome: "",
        };
        *self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(cell)
            .or_insert(0) += 1;
    }

    /// Writes what waits; on failure it goes on waiting.
    ///
    /// # Errors
    /// As the store's.
    pub async fn write(&self) -> Stored<()> {
        let cells =
            std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if cells.is_empty() {
            return Ok(());
        }
        let cells = Arc::new(cells);
        let work = Arc::clone(&cells);
        let outcome = self
            .db
            .write(move |tx| {
                let cells = Arc::clone(&work);
                Box::pin(async move {
                    for (cell, n) in cells.iter() {
                        queries::add(tx, cell, *n).await?;
                    }
                    Ok(())
                })
            })
            .await;
        if outcome.is_err() {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            for (cell, n) in cells.iter() {
                *waiting.entry(cell.clone()).or_insert(0) += n;
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_both_engines;
    use crate::platform::clock::{Millis, TestClock};

    on_both_engines!(counts_of_one_cell_add_up_over_several_writes, db => {
        let tally = Tally::new(db.clone(), Arc::new(TestClock::at(Millis(1_763_769_600_000))));
        for _ in 0..2 {
            tally.count(Event::Came, "ibasho", "tojisha", Rung::Here);
            tally.count(Event::Came, "ibasho", "tojisha", Rung::Here);
            tally.count(Event::Came, "ibasho", "tojisha", Rung::Stamp);
            tally.write().await.expect("the store answers");
        }
        let rows = queries::all(&db).await.expect("the store answers");
        let counts: Vec<(&str, i64)> = rows.iter().map(|(rung, n)| (rung.as_str(), *n)).collect();
        assert_eq!(counts, [("here", 4), ("stamp", 2)]);
    });
}
