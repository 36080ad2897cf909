//! Duty is a lease row in the store; nothing else says that a room is attended.

use std::sync::Arc;

use super::life::AttendedUntil;
use super::{Deps, queries};
use crate::features::audit::Entry;
use crate::features::gatherings::{self, Gathering, inconsistent};
use crate::platform::ids::{RoomId, StaffId};
use crate::platform::store::Stored;
use crate::protocol::{Duty, OnDuty};

/// How long an ended lease is kept: its end is since when nobody is there. Milliseconds.
const ENDED_KEPT_MS: i64 = 24 * 60 * 60 * 1_000;

/// How long after its end a duty may still be taken over by the next page. Milliseconds.
const MOMENT_MS: i64 = 60_000;

/// Who takes a duty.
#[derive(Clone, Debug)]
pub struct Taking {
    /// Where.
    pub room: RoomId,
    /// Who.
    pub staff: StaffId,
    /// The name shown.
    pub name: String,
    /// As what.
    pub duty: Duty,
    /// Their connection, as the store knows it.
    pub conn: String,
    /// What the audit log says.
    pub entry: Entry,
}

/// Takes a lease, and writes that it was taken.
///
/// # Errors
/// As the store's.
pub async fn take(deps: &Arc<Deps>, taking: Taking) -> Stored<()> {
    let now = queries::now(&deps.db, deps.clock.now()).await?;
    let until = now.plus_ms(deps.settings.lease_ms);
    let deps_in = Arc::clone(deps);
    let taking = Arc::new(taking);
    deps.db
        .write(move |tx| {
            let (deps, taking) = (Arc::clone(&deps_in), Arc::clone(&taking));
            Box::pin(async move {
                queries::forget_old_leases(tx, now.minus_ms(ENDED_KEPT_MS)).await?;
                let lease = queries::NewLease {
                    room: &taking.room,
                    staff: &taking.staff,
                    conn: &taking.conn,
                    node: &deps.node,
                    name: &taking.name,
                    duty: taking.duty.as_str(),
                    until,
                };
                queries::take_lease(tx, &lease).await?;
                deps.audit.append(tx, &taking.entry).await
            })
        })
        .await
}

/// Renews all leases of a connection; at every pong.
///
/// # Errors
/// As the store's.
pub async fn renew(deps: &Arc<Deps>, conn: String) -> Stored<()> {
    let now = queries::now(&deps.db, deps.clock.now()).await?;
    let until = now.plus_ms(deps.settings.lease_ms);
    deps.db
        .write(move |tx| {
            let conn = conn.clone();
            Box::pin(async move { queries::renew_leases(tx, &conn, now, until).await })
        })
        .await
}

/// Ends a lease at once.
///
/// # Errors
/// As the store's.
pub async fn end(deps: &Arc<Deps>, conn: String, room: RoomId) -> Stored<()> {
    let now = queries::now(&deps.db, deps.clock.now()).await?;
    deps.db
        .write(move |tx| {
            let (conn, room) = (conn.clone(), room.clone());
            Box::pin(async move { queries::end_lease(tx, &conn, &room, now).await })
        })
        .await
}

/// A socket of somebody with powers is open: whoever is on call is reached by it. At its start and at every pong.
///
/// # Errors
/// As the store's.
pub async fn can_be_reached(deps: &Arc<Deps>, staff: StaffId, conn: String) -> Stored<()> {
    let now = queries::now(&deps.db, deps.clock.now()).await?;
    let until = now.plus_ms(deps.settings.lease_ms);
    let node = deps.node.clone();
    deps.db
        .write(move |tx| {
            let (staff, conn, node) = (staff.clone(), conn.clone(), node.clone());
            Box::pin(async move { gatherings::staff_here(tx, &staff, &conn, &node, until).await })
        })
        .await
}

/// That socket is closed.
///
/// # Errors
/// As the store's.
pub async fn cannot_be_reached(deps: &Arc<Deps>, conn: String) -> Stored<()> {
    let now = queries::now(&deps.db, deps.clock.now()).await?;
    deps.db
        .write(move |tx| {
            let conn = conn.clone();
            Box::pin(async move { gatherings::staff_gone(tx, &conn, now).await })
        })
        .await
}

/// Ends all leases of this node: it goes away, or it is a new one of the same name and holds none.
///
/// # Errors
/// As the store's.
pub async fn end_all(deps: &Arc<Deps>) -> Stored<()> {
    let now = queries::now(&deps.db, deps.clock.now()).await?;
    let node = deps.node.clone();
    deps.db
        .write(move |tx| {
            let node = node.clone();
            Box::pin(async move {
                let forget_before = now.minus_ms(ENDED_KEPT_MS);
                gatherings::staff_of_node_gone(tx, &node, now, forget_before).await?;
                queries::end_leases_of_node(tx, &node, now).await
            })
        })
        .await
}

/// Until when a room is attended, in this node's time; how far that is ahead of the store's, in milliseconds; and by whom.
///
/// # Errors
/// As the store's.
pub(super) async fn read(
    deps: &Deps,
    gathering: &Gathering,
) -> Stored<(AttendedUntil, i64, Vec<OnDuty>)> {
    let node_now = deps.clock.now();
    let store_now = queries::now(&deps.db, node_now).await?;
    let ahead_ms = node_now.since_ms(store_now);
    // Before anybody came, nobody has been there since the hour.
    let mut attended = gathering.starts;
    let mut on_duty = Vec::new();
    for (name, duty, until) in queries::leases(&deps.db, &gathering.id).await? {
        let duty = Duty::from_wire(&duty)
            .ok_or_else(|| inconsistent("duty_lease", "duty", gathering.id.as_str()))?;
        attended = attended.max(until.plus_ms(ahead_ms));
        if until > store_now {
            on_duty.push(OnDuty { name, duty });
        }
    }
    on_duty.dedup();
    Ok((AttendedUntil(attended), ahead_ms, on_duty))
}

/// The rooms in which somebody is on duty, or was until a moment ago: leaving one page for another ends a duty that the
/// other page is about to take again.
///
/// # Errors
/// As the store's.
pub async fn rooms_of(deps: &Deps, staff: &StaffId) -> Stored<Vec<(RoomId, Duty)>> {
    let now = queries::now(&deps.db, deps.clock.now()).await?;
    queries::leases_of(&deps.db, staff, now.minus_ms(MOMENT_MS))
        .await?
        .into_iter()
        .map(|(room, duty)| {
            let duty = Duty::from_wire(&duty)
                .ok_or_else(|| inconsistent("duty_lease", "duty", room.as_str()))?;
            Ok((room, duty))
        })
        .collect()
}
