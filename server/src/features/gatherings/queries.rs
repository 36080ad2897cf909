//! The gatherings' SQL.

use sqlx::{query, query_as, query_scalar};

use super::{Details, Gathering, RoomRow, StoredState, Watch, inconsistent};
use crate::permit::Duty;
use crate::platform::clock::Millis;
use crate::platform::ids::{RoomId, Seq, StaffId};
use crate::platform::store::{Db, Stored, Tx};
use crate::protocol::{Audience, EntryKind, GatheringKind, RoleKind};
use crate::{on_tx, read, statements};

/// The columns of a [`Row`].
macro_rules! room_row {
    () => {
        "g.id, g.kind, g.audience, g.entry, g.title, g.starts_ms, g.ends_ms, g.forgets_ms, g.watch, g.series_id, g.theme, g.words, \
         g.note, g.seats, g.guard_first, g.cancel_words, r.state, r.guard, r.slow_ms, r.last_seq, r.n_changes, r.n_holds, \
         r.since_ms, r.locked, r.topic_sealed, r.n_acts, r.n_admits"
    };
}

statements! {
    FIND = concat!("SELECT ", room_row!(), " FROM gathering g JOIN room r ON r.id = g.id WHERE g.id = $1");
    BETWEEN = concat!("SELECT ", room_row!(), " FROM gathering g JOIN room r ON r.id = g.id WHERE g.starts_ms < $2 AND g.ends_ms > $1 \
              AND r.state <> 'forgotten' ORDER BY g.starts_ms, g.id LIMIT 400");
    ON_ROSTER_OF = concat!("SELECT ", room_row!(), ", o.duty FROM roster o JOIN gathering g ON g.id = o.gathering_id JOIN room r ON r.id = g.id \
                 WHERE o.staff_id = $1 AND g.ends_ms > $2 AND r.state <> 'forgotten' ORDER BY g.starts_ms, g.id LIMIT 400");
    UNFORGOTTEN = "SELECT id FROM room WHERE state <> 'forgotten' ORDER BY id";
    DUE_TO_FORGET = "SELECT g.id FROM gathering g JOIN room r ON r.id = g.id \
                     WHERE g.forgets_ms <= $1 AND r.state <> 'forgotten' ORDER BY g.id";
    NEXT_FORGETTING = "SELECT MIN(g.forgets_ms) FROM gathering g JOIN room r ON r.id = g.id WHERE r.state <> 'forgotten'";
    INSERT = "INSERT INTO gathering (id, kind, audience, entry, title, starts_ms, ends_ms, forgets_ms, watch, series_id, theme, words, \
              note, seats, guard_first) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    INSERT_ROOM = "INSERT INTO room (id, state, guard, slow_ms, last_seq, n_changes) VALUES ($1, $2, $3, 0, 0, 0)";
    SET_HOURS = "UPDATE gathering SET title = $2, starts_ms = $3, ends_ms = $4, forgets_ms = $5 WHERE id = $1";
    REOPEN = "UPDATE room SET state = 'open', guard = 0, slow_ms = 0, locked = FALSE, since_ms = 0, topic_sealed = NULL WHERE id = $1";
    SET_STATE = "UPDATE room SET state = $2 WHERE id = $1";
    PUT_ON_ROSTER = "INSERT INTO roster (gathering_id, staff_id, duty) VALUES ($1, $2, $3) \
                     ON CONFLICT (gathering_id, staff_id) DO UPDATE SET duty = excluded.duty";
    ROSTER_DUTY = "SELECT duty FROM roster WHERE gathering_id = $1 AND staff_id = $2";
    MAY_TURN = concat!("SELECT ", room_row!(), " FROM gathering g JOIN room r ON r.id = g.id WHERE \
               (r.state = 'planned' AND g.starts_ms <= $2) OR (r.state = 'doors_open' AND g.starts_ms <= $1) \
               OR (r.state = 'open' AND g.ends_ms <= $3) OR (r.state = 'paused' AND g.ends_ms <= $1) OR r.state = 'last_call' \
               OR (r.state = 'afterglow' AND r.since_ms > 0) ORDER BY g.id LIMIT 400");
    OPEN_WITHOUT_ON_CALL = "SELECT r.id FROM room r WHERE r.state = 'open' AND NOT EXISTS (SELECT 1 FROM on_call o \
               LEFT JOIN staff_lease l ON l.staff_id = o.staff_id WHERE o.gathering_id = r.id \
               AND (o.phone_until_ms > $1 OR l.until_ms > $1)) ORDER BY r.id LIMIT 400";
    ON_CALL = "SELECT o.phone_until_ms, MAX(l.until_ms) FROM on_call o LEFT JOIN staff_lease l ON l.staff_id = o.staff_id \
               WHERE o.gathering_id = $1 GROUP BY o.staff_id, o.phone_until_ms";
    TAKE_OFF_CALL = "DELETE FROM on_call WHERE gathering_id = $1 AND staff_id = $2";
    LEAVE_CALLS = "DELETE FROM on_call WHERE staff_id = $1";
    LEAVE_ROSTERS = "DELETE FROM roster WHERE staff_id = $1";
    ON_CALL_OF = "SELECT COUNT(*) FROM on_call WHERE gathering_id = $1 AND staff_id = $2";
    STAFF_HERE = "INSERT INTO staff_lease (staff_id, conn, node, until_ms) VALUES ($1, $2, $3, $4) \
                  ON CONFLICT (staff_id, conn) DO UPDATE SET until_ms = excluded.until_ms";
    STAFF_GONE = "UPDATE staff_lease SET until_ms = $2 WHERE conn = $1 AND until_ms > $2";
    STAFF_OF_NODE_GONE = "UPDATE staff_lease SET until_ms = $2 WHERE node = $1 AND until_ms > $2";
    FORGET_STAFF_LEASES = "DELETE FROM staff_lease WHERE until_ms < $1";
    PUT_ON_CALL = "INSERT INTO on_call (gathering_id, staff_id, accepted_ms, phone_until_ms) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (gathering_id, staff_id) DO UPDATE SET phone_until_ms = excluded.phone_until_ms";
    ROSTER_ROLES = "SELECT s.role, o.duty FROM roster o JOIN staff_role s ON s.staff_id = o.staff_id WHERE o.gathering_id = $1";
}

#[derive(sqlx::FromRow)]
struct Row {
    id: RoomId,
    kind: String,
    audience: String,
    entry: String,
    title: String,
    starts_ms: Millis,
    ends_ms: Millis,
    forgets_ms: Millis,
    state: String,
    guard: i64,
    slow_ms: i64,
    last_seq: Seq,
    n_changes: i64,
    n_holds: i64,
    watch: String,
    series_id: Option<String>,
    theme: String,
    words: String,
    note: String,
    seats: i64,
    guard_first: i64,
    cancel_words: String,
    since_ms: Millis,
    locked: bool,
    topic_sealed: Option<Vec<u8>>,
    n_acts: i64,
    n_admits: i64,
}

impl Row {
    fn parse(self) -> Stored<RoomRow> {
        let id = self.id.clone();
        let no = |table, column| inconsistent(table, column, id.as_str());
        Ok(RoomRow {
            state: StoredState::from_stored(&self.state).ok_or_else(|| no("room", "state"))?,
            guard: u8::try_from(self.guard).map_err(|_| no("room", "guard"))?,
            slow_ms: u32::try_from(self.slow_ms).map_err(|_| no("room", "slow_ms"))?,
            last_seq: self.last_seq,
            n_changes: self.n_changes,
            n_holds: self.n_holds,
            since: self.since_ms,
            locked: self.locked,
            topic_sealed: self.topic_sealed,
            n_acts: self.n_acts,
            n_admits: self.n_admits,
            gathering: Gathering {
                kind: GatheringKind::from_wire(&self.kind)
                    .ok_or_else(|| no("gathering", "kind"))?,
                audience: Audience::from_wire(&self.audience)
                    .ok_or_else(|| no("gathering", "audience"))?,
                entry: EntryKind::from_wire(&self.entry).ok_or_else(|| no("gathering", "entry"))?,
                id: self.id,
                title: self.title,
                starts: self.starts_ms,
                ends: self.ends_ms,
                forgets: self.forgets_ms,
                details: Details {
                    watch: Watch::from_stored(&self.watch)
                        .ok_or_else(|| no("gathering", "watch"))?,
                    series: self.series_id,
                    theme: self.theme,
                    words: self.words,
                    note: self.note,
                    seats: u32::try_from(self.seats).ok().filter(|seats| *seats > 0),
                    guard_first: u8::try_from(self.guard_first).unwrap_or(4),
                    cancel_words: self.cancel_words,
                },
            },
        })
    }
}

#[derive(sqlx::FromRow)]
struct RosterRow {
    #[sqlx(flatten)]
    room: Row,
    duty: String,
}

pub(super) async fn find(db: &Db, id: &RoomId) -> Stored<Option<RoomRow>> {
    read!(db, p => query_as::<_, Row>(FIND).bind(id).fetch_optional(p).await)?
        .map(Row::parse)
        .transpose()
}

pub(super) async fn between(db: &Db, from: Millis, to: Millis) -> Stored<Vec<RoomRow>> {
    read!(db, p => query_as::<_, Row>(BETWEEN).bind(from).bind(to).fetch_all(p).await)?
        .into_iter()
        .map(Row::parse)
        .collect()
}

pub(super) async fn on_roster_of(
    db: &Db,
    staff: &StaffId,
    from: Millis,
) -> Stored<Vec<(RoomRow, Duty)>> {
    read!(db, p => query_as::<_, RosterRow>(ON_ROSTER_OF).bind(staff).bind(from).fetch_all(p).await)?
        .into_iter()
        .map(|row| {
            let duty = Duty::from_text(&row.duty)
                .ok_or_else(|| inconsistent("roster", "duty", row.room.id.as_str()))?;
            Ok((row.room.parse()?, duty))
        })
        .collect()
}

pub(super) async fn unforgotten(db: &Db) -> Stored<Vec<RoomId>> {
    read!(db, p => query_scalar::<_, RoomId>(UNFORGOTTEN).fetch_all(p).await)
}

pub(super) async fn due_to_forget(db: &Db, now: Millis) -> Stored<Vec<RoomId>> {
    read!(db, p => query_scalar::<_, RoomId>(DUE_TO_FORGET).bind(now).fetch_all(p).await)
}

pub(super) async fn next_forgetting(db: &Db) -> Stored<Option<Millis>> {
    read!(db, p => query_scalar::<_, Option<Millis>>(NEXT_FORGETTING).fetch_one(p).await)
}

pub(super) async fn insert(tx: &mut Tx, g: &Gathering) -> Stored<()> {
    on_tx!(tx, c => query(INSERT)
        .bind(&g.id).bind(g.kind.as_str()).bind(g.audience.as_str()).bind(g.entry.as_str()).bind(&g.title)
        .bind(g.starts).bind(g.ends).bind(g.forgets).bind(g.details.watch.as_str()).bind(&g.details.series)
        .bind(&g.details.theme).bind(&g.details.words).bind(&g.details.note)
        .bind(g.details.seats.map_or(0, i64::from)).bind(i64::from(g.details.guard_first))
        .execute(c).await.map(|_| ()))
}

pub(super) async fn insert_room(
    tx: &mut Tx,
    id: &RoomId,
    state: StoredState,
    guard: u8,
) -> Stored<()> {
    on_tx!(tx, c => query(INSERT_ROOM).bind(id).bind(state.as_str()).bind(i64::from(guard)).execute(c).await.map(|_| ()))
}

pub(super) async fn set_hours(tx: &mut Tx, g: &Gathering) -> Stored<()> {
    on_tx!(tx, c => query(SET_HOURS)
        .bind(&g.id).bind(&g.title).bind(g.starts).bind(g.ends).bind(g.forgets).execute(c).await.map(|_| ()))
}

/// Opens a room as if nobody had done anything to it.
pub(super) async fn reopen(tx: &mut Tx, id: &RoomId) -> Stored<()> {
    on_tx!(tx, c => query(REOPEN).bind(id).execute(c).await.map(|_| ()))
}

pub(super) async fn set_state(tx: &mut Tx, id: &RoomId, state: StoredState) -> Stored<()> {
    on_tx!(tx, c => query(SET_STATE).bind(id).bind(state.as_str()).execute(c).await.map(|_| ()))
}

pub(super) async fn put_on_roster(
    tx: &mut Tx,
    id: &RoomId,
    staff: &StaffId,
    duty: Duty,
) -> Stored<()> {
    on_tx!(tx, c => query(PUT_ON_ROSTER).bind(id).bind(staff).bind(duty.as_str()).execute(c).await.map(|_| ()))
}

pub(super) async fn roster_duty(db: &Db, id: &RoomId, staff: &StaffId) -> Stored<Option<Duty>> {
    read!(db, p => query_scalar::<_, String>(ROSTER_DUTY).bind(id).bind(staff).fetch_optional(p).await)?
        .map(|text| Duty::from_text(&text).ok_or_else(|| inconsistent("roster", "duty", id.as_str())))
        .transpose()
}

pub(super) async fn may_turn(
    db: &Db,
    now: Millis,
    doors_before: Millis,
    last_call_before: Millis,
) -> Stored<Vec<RoomRow>> {
    read!(db, p => query_as::<_, Row>(MAY_TURN)
        .bind(now).bind(doors_before).bind(last_call_before).fetch_all(p).await)?
    .into_iter()
    .map(Row::parse)
    .collect()
}

pub(super) async fn open_without_on_call(db: &Db, now: Millis) -> Stored<Vec<RoomId>> {
    read!(db, p => query_scalar::<_, RoomId>(OPEN_WITHOUT_ON_CALL).bind(now).fetch_all(p).await)
}

pub(super) async fn on_call(db: &Db, id: &RoomId) -> Stored<Vec<(Option<Millis>, Option<Millis>)>> {
    read!(db, p => query_as::<_, (Option<Millis>, Option<Millis>)>(ON_CALL).bind(id).fetch_all(p).await)
}

pub(super) async fn take_off_call(tx: &mut Tx, id: &RoomId, staff: &StaffId) -> Stored<()> {
    on_tx!(tx, c => query(TAKE_OFF_CALL).bind(id).bind(staff).execute(c).await.map(|_| ()))
}

pub(super) async fn is_on_call(db: &Db, id: &RoomId, staff: &StaffId) -> Stored<bool> {
    let n =
        read!(db, p => query_scalar::<_, i64>(ON_CALL_OF).bind(id).bind(staff).fetch_one(p).await)?;
    Ok(n > 0)
}

pub(super) async fn staff_here(
    tx: &mut Tx,
    staff: &StaffId,
    conn: &str,
    node: &str,
    until: Millis,
) -> Stored<()> {
    on_tx!(tx, c => query(STAFF_HERE).bind(staff).bind(conn).bind(node).bind(until).execute(c).await.map(|_| ()))
}

pub(super) async fn staff_gone(tx: &mut Tx, conn: &str, now: Millis) -> Stored<()> {
    on_tx!(tx, c => query(STAFF_GONE).bind(conn).bind(now).execute(c).await.map(|_| ()))
}

pub(super) async fn staff_of_node_gone(tx: &mut Tx, node: &str, now: Millis) -> Stored<()> {
    on_tx!(tx, c => query(STAFF_OF_NODE_GONE).bind(node).bind(now).execute(c).await.map(|_| ()))
}

pub(super) async fn forget_staff_leases(tx: &mut Tx, before: Millis) -> Stored<()> {
    on_tx!(tx, c => query(FORGET_STAFF_LEASES).bind(before).execute(c).await.map(|_| ()))
}

pub(super) async fn put_on_call(
    tx: &mut Tx,
    id: &RoomId,
    staff: &StaffId,
    now: Millis,
    phone_until: Option<Millis>,
) -> Stored<()> {
    on_tx!(tx, c => query(PUT_ON_CALL).bind(id).bind(staff).bind(now).bind(phone_until).execute(c).await.map(|_| ()))
}

pub(super) async fn roster_roles(db: &Db, id: &RoomId) -> Stored<Vec<(RoleKind, Duty)>> {
    read!(db, p => query_as::<_, (String, String)>(ROSTER_ROLES).bind(id).fetch_all(p).await)?
        .into_iter()
        .map(|(role, duty)| {
            let role = RoleKind::from_wire(&role)
                .ok_or_else(|| inconsistent("staff_role", "role", id.as_str()))?;
            let duty = Duty::from_text(&duty)
                .ok_or_else(|| inconsistent("roster", "duty", id.as_str()))?;
            Ok((role, duty))
        })
        .collect()
}

/// Takes somebody off every roster and off call everywhere.
pub(super) async fn leave(tx: &mut Tx, staff: &StaffId) -> Stored<()> {
    on_tx!(tx, c => query(LEAVE_CALLS).bind(staff).execute(c).await.map(|_| ()))?;
    on_tx!(tx, c => query(LEAVE_ROSTERS).bind(staff).execute(c).await.map(|_| ()))
}
