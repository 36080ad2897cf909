//! Scheduled meetings, and who is on duty in them.

mod queries;

pub use queries::STATEMENTS;

use crate::permit::Duty;
use crate::platform::clock::Millis;
use crate::platform::ids::{NodeId, RoomId, Seq, StaffId};
use crate::platform::store::{Db, StoreError, Stored, Tx};
use crate::protocol::{Audience, EntryKind, GatheringKind, Reader, ReaderRole, RoleKind};

/// One scheduled meeting with a room; the room's id is the gathering's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// Its id.
    pub id: RoomId,
    /// What sort.
    pub kind: GatheringKind,
    /// Whose.
    pub audience: Audience,
    /// How one gets in.
    pub entry: EntryKind,
    /// Its title.
    pub title: String,
    /// When it begins.
    pub starts: Millis,
    /// When it ends.
    pub ends: Millis,
    /// When its text ends.
    pub forgets: Millis,
    /// What else was planned for it.
    pub details: Details,
}

/// What is planned for a gathering besides its hours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Who may read it.
    pub watch: Watch,
    /// The series it comes from.
    pub series: Option<String>,
    /// What it is about.
    pub theme: String,
    /// The host's words, as staff typed them.
    pub words: String,
    /// For whom of the audience it is, such as 女性; nothing for all of it.
    pub note: String,
    /// Writers at most; `None` for no bound. Readers are never bounded.
    pub seats: Option<u32>,
    /// 部屋の進め方 to begin with, 0–4.
    pub guard_first: u8,
    /// The line to those who come, where it does not take place.
    pub cancel_words: String,
}

/// Who may read a gathering.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    /// Handles of the audience.
    #[default]
    Handle,
    /// Anybody; the room's head says so.
    Public,
}

impl Watch {
    /// The spelling in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Watch::Handle => "handle",
            Watch::Public => "public",
        }
    }

    /// The value of that spelling.
    pub fn from_stored(text: &str) -> Option<Self> {
        match text {
            "handle" => Some(Watch::Handle),
            "public" => Some(Watch::Public),
            _ => None,
        }
    }
}

/// Where a gathering's room stands in the store. What people see follows from it, the time and the leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredState {
    /// Announced.
    Planned,
    /// The waiting room is open.
    DoorsOpen,
    /// People talk.
    Open,
    /// Paused by a human.
    Paused,
    /// The last ten minutes.
    LastCall,
    /// Reading and stamps.
    Afterglow,
    /// Over.
    Closed,
    /// It did not take place.
    Cancelled,
    /// Its key is destroyed.
    Forgotten,
}

impl StoredState {
    /// The spelling in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            StoredState::Planned => "planned",
            StoredState::DoorsOpen => "doors_open",
            StoredState::Open => "open",
            StoredState::Paused => "paused",
            StoredState::LastCall => "last_call",
            StoredState::Afterglow => "afterglow",
            StoredState::Closed => "closed",
            StoredState::Cancelled => "cancelled",
            StoredState::Forgotten => "forgotten",
        }
    }

    /// The state of that spelling.
    pub fn from_stored(text: &str) -> Option<Self> {
        Some(match text {
            "planned" => StoredState::Planned,
            "doors_open" => StoredState::DoorsOpen,
            "open" => StoredState::Open,
            "paused" => StoredState::Paused,
            "last_call" => StoredState::LastCall,
            "afterglow" => StoredState::Afterglow,
            "closed" => StoredState::Closed,
            "cancelled" => StoredState::Cancelled,
            "forgotten" => StoredState::Forgotten,
            _ => return None,
        })
    }
}

/// A gathering with its room's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRow {
    /// The gathering.
    pub gathering: Gathering,
    /// Its room's state.
    pub state: StoredState,
    /// 部屋の進め方, 0–4.
    pub guard: u8,
    /// The pace set for it, in milliseconds between two lines of one person.
    pub slow_ms: u32,
    /// The newest number.
    pub last_seq: Seq,
    /// How often something was hidden, shown or taken back.
    pub n_changes: i64,
    /// How often something happened to its holds.
    pub n_holds: i64,
    /// Since when it is in this state; 0 where that is not known.
    pub since: Millis,
    /// Whoever comes waits until they are let in.
    pub locked: bool,
    /// What it talks about now, sealed under its key.
    pub topic_sealed: Option<Vec<u8>>,
    /// How often a human did something to the room as a whole.
    pub n_acts: i64,
    /// How often all who waited were let in.
    pub n_admits: i64,
}

/// The gathering and its room, if there ever was one of that id that is not forgotten.
///
/// # Errors
/// As the store's.
pub async fn find(db: &Db, id: &RoomId) -> Stored<Option<RoomRow>> {
    Ok(queries::find(db, id)
        .await?
        .filter(|row| row.state != StoredState::Forgotten))
}

/// Whether there ever was a gathering of that id, forgotten or not.
///
/// # Errors
/// As the store's.
pub async fn exists(db: &Db, id: &RoomId) -> Stored<bool> {
    Ok(queries::find(db, id).await?.is_some())
}

/// Gatherings of one side that touch the time from `from` to `to`, by their beginning; at most 100.
///
/// # Errors
/// As the store's.
pub async fn between(
    db: &Db,
    audience: Option<Audience>,
    from: Millis,
    to: Millis,
) -> Stored<Vec<RoomRow>> {
    let mut rows = queries::between(db, from, to).await?;
    rows.retain(|row| audience.is_none_or(|audience| row.gathering.audience == audience));
    rows.truncate(LISTED_MAX);
    Ok(rows)
}

/// Gatherings listed at most (`protocol.md`).
pub const LISTED_MAX: usize = 100;

/// Rooms that are not forgotten yet, by id; for whatever has to touch each of them.
///
/// # Errors
/// As the store's.
pub async fn unforgotten(db: &Db) -> Stored<Vec<RoomId>> {
    queries::unforgotten(db).await
}

/// Rooms whose text ends at `now` or before.
///
/// # Errors
/// As the store's.
pub async fn due_to_forget(db: &Db, now: Millis) -> Stored<Vec<RoomId>> {
    queries::due_to_forget(db, now).await
}

/// When the next room's text ends.
///
/// # Errors
/// As the store's.
pub async fn next_forgetting(db: &Db) -> Stored<Option<Millis>> {
    queries::next_forgetting(db).await
}

/// Marks a room forgotten. Its lines are removed by the rooms feature in the same transaction.
///
/// # Errors
/// As the store's.
pub async fn mark_forgotten(tx: &mut Tx, id: &RoomId) -> Stored<()> {
    queries::set_state(tx, id, StoredState::Forgotten).await
}

/// Adds a gathering with its room.
///
/// # Errors
/// `Conflict` where the id is taken; else as the store's.
pub async fn add(tx: &mut Tx, gathering: &Gathering, state: StoredState) -> Stored<()> {
    queries::insert(tx, gathering).await?;
    queries::insert_room(tx, &gathering.id, state, gathering.details.guard_first).await
}

/// Moves a gathering's hours, and opens its room again.
///
/// # Errors
/// As the store's.
pub async fn reopen(tx: &mut Tx, gathering: &Gathering) -> Stored<()> {
    queries::set_hours(tx, gathering).await?;
    queries::reopen(tx, &gathering.id).await
}

/// Puts somebody on the roster, or changes what they are there as.
///
/// # Errors
/// As the store's.
pub async fn put_on_roster(tx: &mut Tx, id: &RoomId, staff: &StaffId, duty: Duty) -> Stored<()> {
    queries::put_on_roster(tx, id, staff, duty).await
}

/// What somebody is on the roster of a gathering as.
///
/// # Errors
/// As the store's.
pub async fn roster_duty(db: &Db, id: &RoomId, staff: &StaffId) -> Stored<Option<Duty>> {
    queries::roster_duty(db, id, staff).await
}

/// Gatherings whose state may be due to change: the times are now, and until when an hour or an end counts as near.
///
/// # Errors
/// As the store's.
pub async fn may_turn(
    db: &Db,
    now: Millis,
    doors_before: Millis,
    last_call_before: Millis,
) -> Stored<Vec<RoomRow>> {
    queries::may_turn(db, now, doors_before, last_call_before).await
}

/// Open rooms for which nobody on call can be reached, in the store's time.
///
/// # Errors
/// As the store's.
pub async fn open_without_on_call(db: &Db, now: Millis) -> Stored<Vec<RoomId>> {
    queries::open_without_on_call(db, now).await
}

/// Until when somebody on call for a gathering can be reached, in the store's time: by a telephone that they said they
/// answer, or by a socket that is open. `None` where nobody is on call.
///
/// # Errors
/// As the store's.
pub async fn on_call_until(db: &Db, id: &RoomId) -> Stored<Option<Millis>> {
    Ok(queries::on_call(db, id)
        .await?
        .into_iter()
        .flat_map(|(phone_until, socket_until)| [phone_until, socket_until])
        .flatten()
        .max())
}

/// Takes somebody off call.
///
/// # Errors
/// As the store's.
pub async fn take_off_call(tx: &mut Tx, id: &RoomId, staff: &StaffId) -> Stored<()> {
    queries::take_off_call(tx, id, staff).await
}

/// Somebody has left for good: they are on no roster and on call for nothing any more.
///
/// # Errors
/// As the store's.
pub async fn leave(db: &Db, staff: &StaffId) -> Stored<()> {
    let staff = staff.clone();
    db.write(move |tx| {
        let staff = staff.clone();
        Box::pin(async move { queries::leave(tx, &staff).await })
    })
    .await
}

/// Whether somebody accepted to be on call for a gathering.
///
/// # Errors
/// As the store's.
pub async fn is_on_call(db: &Db, id: &RoomId, staff: &StaffId) -> Stored<bool> {
    queries::is_on_call(db, id, staff).await
}

/// A socket of somebody with powers is open until then, unless it is said again.
///
/// # Errors
/// As the store's.
pub async fn staff_here(
    tx: &mut Tx,
    staff: &StaffId,
    conn: &str,
    node: &NodeId,
    until: Millis,
) -> Stored<()> {
    queries::staff_here(tx, staff, conn, node.as_str(), until).await
}

/// That socket is closed.
///
/// # Errors
/// As the store's.
pub async fn staff_gone(tx: &mut Tx, conn: &str, now: Millis) -> Stored<()> {
    queries::staff_gone(tx, conn, now).await
}

/// All sockets of a node are closed; and what ended long ago is forgotten.
///
/// # Errors
/// As the store's.
pub async fn staff_of_node_gone(
    tx: &mut Tx,
    node: &NodeId,
    now: Millis,
    forget_before: Millis,
) -> Stored<()> {
    queries::staff_of_node_gone(tx, node.as_str(), now).await?;
    queries::forget_staff_leases(tx, forget_before).await
}

/// Puts somebody on call for a gathering: they accepted, and answer the telephone until then if they said so.
///
/// # Errors
/// As the store's.
pub async fn put_on_call(
    tx: &mut Tx,
    id: &RoomId,
    staff: &StaffId,
    now: Millis,
    phone_until: Option<Millis>,
) -> Stored<()> {
    queries::put_on_call(tx, id, staff, now, phone_until).await
}

/// The gatherings whose roster names somebody, by their beginning.
///
/// # Errors
/// As the store's.
pub async fn on_roster_of(db: &Db, staff: &StaffId, from: Millis) -> Stored<Vec<(RoomRow, Duty)>> {
    queries::on_roster_of(db, staff, from).await
}

/// Who can read a room, by role: those in it, those on its roster, and whoever is on call.
///
/// # Errors
/// As the store's.
pub async fn readers(db: &Db, id: &RoomId) -> Stored<Vec<Reader>> {
    let mut roles = vec![ReaderRole::Participant];
    for (role, duty) in queries::roster_roles(db, id).await? {
        let reader = match (duty, role) {
            (Duty::OnCall, _) => ReaderRole::OnCall,
            (_, RoleKind::PeerSupporter) => ReaderRole::PeerSupporter,
            (_, RoleKind::Moderator) => ReaderRole::Moderator,
            (_, RoleKind::Coordinator) => ReaderRole::Coordinator,
            (_, RoleKind::Manager) => ReaderRole::Manager,
        };
        roles.push(reader);
    }
    // Coordinators and managers may come in on duty in any gathering, so they are named even off the roster.
    roles.extend([ReaderRole::Coordinator, ReaderRole::Manager]);
    roles.sort_unstable();
    roles.dedup();
    Ok(roles.into_iter().map(|role| Reader { role }).collect())
}

pub(crate) fn inconsistent(table: &'static str, column: &'static str, id: &str) -> StoreError {
    StoreError::Inconsistent {
        table,
        column,
        id: id.to_owned(),
    }
}
