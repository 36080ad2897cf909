//! The ledger's SQL.

use sqlx::query;

use super::Cell;
use crate::platform::store::{Stored, Tx};
use crate::{on_tx, statements};

statements! {
    ADD = "INSERT INTO tally (day, event, kind, audience, rung, outcome, n) VALUES ($1, $2, $3, $4, $5, $6, $7) \
           ON CONFLICT (day, event, kind, audience, rung, outcome) DO UPDATE SET n = tally.n + excluded.n";
    ALL = "SELECT rung, n FROM tally ORDER BY rung";
}

pub(super) async fn add(tx: &mut Tx, cell: &Cell, n: i64) -> Stored<()> {
    on_tx!(tx, c => query(ADD)
        .bind(cell.day.as_str()).bind(cell.event).bind(cell.kind).bind(cell.audience).bind(cell.rung).bind(cell.outcome).bind(n)
        .execute(c).await.map(|_| ()))
}

#[cfg(test)]
pub(super) async fn all(db: &crate::platform::store::Db) -> Stored<Vec<(String, i64)>> {
    crate::read!(db, p => sqlx::query_as::<_, (String, i64)>(ALL).fetch_all(p).await)
}
