//! The SQL of handles, sessions and accounts.

use sqlx::{FromRow, query, query_as, query_scalar};

use super::session::Times;
use crate::platform::clock::{Day, Millis};
use crate::platform::ids::{HandleId, SessionId, StaffId};
use crate::platform::store::{Db, Stored, Tx};
use crate::{on_tx, read, statements};

statements! {
    INSERT_HANDLE = "INSERT INTO handle (id, name, standing, by_slip, acted, recovery, made_day, last_day) \
                     VALUES ($1, $2, $3, $4, FALSE, NULL, $5, $5)";
    HANDLE_BY_RECOVERY = "SELECT id FROM handle WHERE recovery = $1";
    SET_RECOVERY = "UPDATE handle SET recovery = $2 WHERE id = $1";
    SET_LAST_DAY = "UPDATE handle SET last_day = $2 WHERE id = $1 AND last_day < $2";
    SET_STANDING = "UPDATE handle SET standing = $2, by_slip = FALSE WHERE id = $1 AND acted = FALSE";
    SET_ACTED = "UPDATE handle SET acted = TRUE WHERE id = $1 AND standing = $2";
    MOVE_SIDE = "UPDATE handle SET standing = CASE standing WHEN 'family' THEN 'tojisha' ELSE 'family' END, by_slip = FALSE WHERE id = $1";
    HANDLES_BEFORE = "SELECT id FROM handle WHERE last_day < $1 ORDER BY last_day, id LIMIT 2000";
    LOGGED_IN_HANDLES = "SELECT DISTINCT handle_id FROM session WHERE handle_id IS NOT NULL AND ends_ms > $1";
    SESSIONS_OF = "SELECT id FROM session WHERE handle_id = $1";
    RENEW_SESSION = "UPDATE session SET id = $2 WHERE id = $1";
    INSERT_SLIP = "INSERT INTO slip (id, hash, standing, made_ms, ends_ms) VALUES ($1, $2, $3, $4, $5)";
    USE_SLIP = "UPDATE slip SET used_ms = $2 WHERE hash = $1 AND used_ms IS NULL AND revoked_ms IS NULL AND ends_ms > $2 \
                RETURNING standing";
    SLIP_BECAME = "UPDATE slip SET handle_id = $2 WHERE hash = $1";
    SLIPS = "SELECT id, standing, made_ms, ends_ms, used_ms, revoked_ms, doubted_ms FROM slip ORDER BY made_ms DESC, id LIMIT 500";
    REVOKE_SLIP = "UPDATE slip SET revoked_ms = $2 WHERE id = $1 AND revoked_ms IS NULL";
    END_INTRODUCTION = "UPDATE handle SET by_slip = FALSE WHERE id = (SELECT handle_id FROM slip WHERE id = $1) RETURNING id";
    DOUBT_SLIP = "UPDATE slip SET doubted_ms = $2 WHERE hash = $1 AND used_ms IS NOT NULL AND doubted_ms IS NULL RETURNING id";
    DELETE_HANDLE = "DELETE FROM handle WHERE id = $1";

    INSERT_SESSION = "INSERT INTO session (id, token_hash, handle_id, staff_id, device, made_ms, used_ms, ends_ms, hidden_ms) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL)";
    // An account that ended has no name here, and its session then counts as none.
    SESSION = "SELECT s.id, s.device, s.made_ms, s.used_ms, s.ends_ms, s.hidden_ms, s.handle_id, s.staff_id, \
               COALESCE(h.name, t.name) AS name, h.standing, h.by_slip, h.acted, h.recovery IS NOT NULL AS has_words \
               FROM session s LEFT JOIN handle h ON h.id = s.handle_id \
               LEFT JOIN staff t ON t.id = s.staff_id AND t.ended_ms IS NULL \
               WHERE s.token_hash = $1 AND s.ends_ms > $2";
    SESSION_BY_ID = "SELECT s.id, s.device, s.made_ms, s.used_ms, s.ends_ms, s.hidden_ms, s.handle_id, s.staff_id, \
               COALESCE(h.name, t.name) AS name, h.standing, h.by_slip, h.acted, h.recovery IS NOT NULL AS has_words \
               FROM session s LEFT JOIN handle h ON h.id = s.handle_id \
               LEFT JOIN staff t ON t.id = s.staff_id AND t.ended_ms IS NULL \
               WHERE s.id = $1 AND s.ends_ms > $2";
    TOUCH = "UPDATE session SET used_ms = $2, ends_ms = $3, hidden_ms = NULL WHERE id = $1";
    TOUCH_QUIETLY = "UPDATE session SET used_ms = $2, ends_ms = $3 WHERE id = $1 AND hidden_ms IS NULL";
    HIDE = "UPDATE session SET ends_ms = $2, hidden_ms = $3 WHERE id = $1";
    END_ONE = "INSERT INTO session_ended (id, at_ms) SELECT id, CAST($2 AS BIGINT) FROM session WHERE id = $1 \
               ON CONFLICT (id) DO NOTHING";
    END_HANDLES = "INSERT INTO session_ended (id, at_ms) SELECT id, CAST($2 AS BIGINT) FROM session WHERE handle_id = $1 \
                   ON CONFLICT (id) DO NOTHING";
    END_STAFFS = "INSERT INTO session_ended (id, at_ms) SELECT id, CAST($2 AS BIGINT) FROM session WHERE staff_id = $1 \
                  ON CONFLICT (id) DO NOTHING";
    END_EXPIRED = "INSERT INTO session_ended (id, at_ms) SELECT id, CAST($1 AS BIGINT) FROM session WHERE ends_ms <= $1 \
                   ON CONFLICT (id) DO NOTHING";
    // A session that was made before a role of its owner ended; one made afterwards knows the roles that are left.
    END_BY_ROLE = "INSERT INTO session_ended (id, at_ms) SELECT s.id, CAST($1 AS BIGINT) FROM session s WHERE EXISTS \
                   (SELECT 1 FROM staff_role r WHERE r.staff_id = s.staff_id AND r.ends_ms <= $1 AND r.ends_ms > s.made_ms) \
                   ON CONFLICT (id) DO NOTHING";
    DELETE_BY_ROLE = "DELETE FROM session WHERE EXISTS (SELECT 1 FROM staff_role r WHERE r.staff_id = session.staff_id \
                      AND r.ends_ms <= $1 AND r.ends_ms > session.made_ms) RETURNING id";
    DELETE_SESSION = "DELETE FROM session WHERE id = $1 RETURNING id";
    DELETE_HANDLES_SESSIONS = "DELETE FROM session WHERE handle_id = $1 RETURNING id";
    DELETE_STAFFS_SESSIONS = "DELETE FROM session WHERE staff_id = $1 RETURNING id";
    DELETE_EXPIRED = "DELETE FROM session WHERE ends_ms <= $1 RETURNING id";
    ENDED_SINCE = "SELECT id FROM session_ended WHERE at_ms >= $1";
    FORGET_ENDED = "DELETE FROM session_ended WHERE at_ms < $1";

    N_STAFF = "SELECT COUNT(*) FROM staff";
    INSERT_STAFF = "INSERT INTO staff (id, name, password, totp_sealed, totp_step, made_ms, ended_ms) \
                    VALUES ($1, $2, $3, $4, 0, $5, NULL)";
    INSERT_ROLE = "INSERT INTO staff_role (staff_id, role, audience, specialist, ends_ms) VALUES ($1, $2, $3, $4, $5)";
    STAFF = "SELECT name, password, totp_sealed FROM staff WHERE id = $1 AND ended_ms IS NULL";
    ROLES = "SELECT role, audience, specialist, ends_ms FROM staff_role WHERE staff_id = $1 AND (ends_ms IS NULL OR ends_ms > $2) \
             ORDER BY role, audience";
    // Only a later step is taken, so a code is good once, on whichever node.
    TAKE_STEP = "UPDATE staff SET totp_step = $2 WHERE id = $1 AND totp_step < $2 AND ended_ms IS NULL";

    ALL_STAFF = "SELECT id, name, ended_ms FROM staff ORDER BY made_ms, id";
    ALL_ROLES = "SELECT staff_id AS owner, role, audience, specialist, ends_ms FROM staff_role ORDER BY role, audience";
    END_STAFF = "UPDATE staff SET ended_ms = $2 WHERE id = $1 AND ended_ms IS NULL";
    SET_FACTOR = "UPDATE staff SET totp_sealed = $2, totp_step = 0, password = COALESCE($3, password) \
                  WHERE id = $1 AND ended_ms IS NULL";
    INSERT_INVITE = "INSERT INTO staff_invite (id, hash, staff_id, name, new_password, made_ms, ends_ms) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7)";
    INSERT_INVITE_ROLE = "INSERT INTO staff_invite_role (invite_id, role, audience, specialist, ends_ms) VALUES ($1, $2, $3, $4, $5)";
    INVITE = "SELECT id, staff_id, name, new_password, ends_ms FROM staff_invite WHERE hash = $1 AND ends_ms > $2";
    INVITES = "SELECT id, staff_id, name, new_password, ends_ms FROM staff_invite WHERE ends_ms > $1 ORDER BY made_ms, id";
    INVITE_ROLES = "SELECT role, audience, specialist, ends_ms FROM staff_invite_role WHERE invite_id = $1 ORDER BY role, audience";
    TAKE_INVITE = "DELETE FROM staff_invite WHERE hash = $1 AND ends_ms > $2";
    DELETE_INVITE = "DELETE FROM staff_invite WHERE id = $1";
    DELETE_INVITES_OF = "DELETE FROM staff_invite WHERE staff_id = $1";
    DELETE_OLD_INVITES = "DELETE FROM staff_invite WHERE ends_ms <= $1";

    META = "SELECT value FROM meta WHERE name = $1";
    SET_META = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    TAKE_META = "DELETE FROM meta WHERE name = $1 AND value = $2";
    DELETE_META = "DELETE FROM meta WHERE name = $1";
}

/// A handle that shall be.
pub(super) struct NewHandle {
    pub(super) id: HandleId,
    pub(super) name: String,
    pub(super) standing: &'static str,
    pub(super) by_slip: bool,
    pub(super) day: Day,
}

/// A session that shall be. Exactly one of the owners is there.
pub(super) struct NewSession {
    pub(super) id: SessionId,
    pub(super) token_hash: String,
    pub(super) handle_id: Option<HandleId>,
    pub(super) staff_id: Option<StaffId>,
    pub(super) device: &'static str,
    pub(super) times: Times,
}

#[derive(FromRow)]
pub(super) struct SessionRow {
    pub(super) id: SessionId,
    pub(super) device: String,
    pub(super) made_ms: Millis,
    pub(super) used_ms: Millis,
    pub(super) ends_ms: Millis,
    pub(super) hidden_ms: Option<Millis>,
    pub(super) handle_id: Option<HandleId>,
    pub(super) staff_id: Option<StaffId>,
    pub(super) name: Option<String>,
    pub(super) standing: Option<String>,
    pub(super) by_slip: Option<bool>,
    pub(super) acted: Option<bool>,
    pub(super) has_words: bool,
}

pub(super) struct NewStaff {
    pub(super) id: StaffId,
    pub(super) name: String,
    pub(super) password: String,
    pub(super) totp_sealed: Vec<u8>,
    pub(super) made: Millis,
    pub(super) roles: Vec<RoleRow>,
}

#[derive(FromRow)]
pub(super) struct StaffRow {
    pub(super) name: String,
    pub(super) password: String,
    pub(super) totp_sealed: Vec<u8>,
}

#[derive(FromRow)]
pub(super) struct RoleRow {
    pub(super) role: String,
    pub(super) audience: String,
    pub(super) specialist: bool,
    pub(super) ends_ms: Option<Millis>,
}

pub(super) async fn insert_handle(tx: &mut Tx, handle: &NewHandle, standing: &str) -> Stored<()> {
    on_tx!(tx, c => query(INSERT_HANDLE)
        .bind(&handle.id).bind(&handle.name).bind(standing).bind(handle.by_slip).bind(&handle.day)
        .execute(c).await.map(|_| ()))
}

pub(super) async fn handle_by_recovery(db: &Db, recovery: &str) -> Stored<Option<HandleId>> {
    read!(db, p => query_scalar::<_, HandleId>(HANDLE_BY_RECOVERY).bind(recovery).fetch_optional(p).await)
}

/// Whether the handle was still there.
pub(super) async fn set_recovery(tx: &mut Tx, id: &HandleId, recovery: &str) -> Stored<bool> {
    on_tx!(tx, c => query(SET_RECOVERY).bind(id).bind(recovery).execute(c).await.map(|r| r.rows_affected() == 1))
}

pub(super) async fn set_last_day(tx: &mut Tx, id: &HandleId, day: &Day) -> Stored<()> {
    on_tx!(tx, c => query(SET_LAST_DAY).bind(id).bind(day).execute(c).await.map(|_| ()))
}

/// Whether it had not acted yet.
pub(super) async fn set_standing(tx: &mut Tx, id: &HandleId, standing: &str) -> Stored<bool> {
    on_tx!(tx, c => query(SET_STANDING).bind(id).bind(standing).execute(c).await.map(|r| r.rows_affected() == 1))
}

/// Whether it still has this standing.
pub(super) async fn set_acted(tx: &mut Tx, id: &HandleId, standing: &str) -> Stored<bool> {
    on_tx!(tx, c => query(SET_ACTED).bind(id).bind(standing).execute(c).await.map(|r| r.rows_affected() == 1))
}

pub(super) async fn delete_handle(tx: &mut Tx, id: &HandleId) -> Stored<()> {
    on_tx!(tx, c => query(DELETE_HANDLE).bind(id).execute(c).await.map(|_| ()))
}

pub(super) async fn insert_session(tx: &mut Tx, session: &NewSession) -> Stored<()> {
    on_tx!(tx, c => query(INSERT_SESSION)
        .bind(&session.id).bind(&session.token_hash).bind(&session.handle_id).bind(&session.staff_id)
        .bind(session.device).bind(session.times.made).bind(session.times.used).bind(session.times.ends)
        .execute(c).await.map(|_| ()))
}

pub(super) async fn session(db: &Db, token_hash: &str, now: Millis) -> Stored<Option<SessionRow>> {
    read!(db, p => query_as::<_, SessionRow>(SESSION).bind(token_hash).bind(now).fetch_optional(p).await)
}

pub(super) async fn session_by_id(
    db: &Db,
    id: &SessionId,
    now: Millis,
) -> Stored<Option<SessionRow>> {
    read!(db, p => query_as::<_, SessionRow>(SESSION_BY_ID).bind(id).bind(now).fetch_optional(p).await)
}

pub(super) async fn touch(tx: &mut Tx, id: &SessionId, times: Times, quietly: bool) -> Stored<()> {
    let statement = if quietly { TOUCH_QUIETLY } else { TOUCH };
    on_tx!(tx, c => query(statement).bind(id).bind(times.used).bind(times.ends).execute(c).await.map(|_| ()))
}

pub(super) async fn hide(tx: &mut Tx, id: &SessionId, times: Times, at: Millis) -> Stored<()> {
    on_tx!(tx, c => query(HIDE).bind(id).bind(times.ends).bind(at).execute(c).await.map(|_| ()))
}

pub(super) async fn end_session(tx: &mut Tx, id: &SessionId, at: Millis) -> Stored<Vec<SessionId>> {
    on_tx!(tx, c => query(END_ONE).bind(id).bind(at).execute(c).await.map(|_| ()))?;
    on_tx!(tx, c => query_scalar::<_, SessionId>(DELETE_SESSION).bind(id).fetch_all(c).await)
}

#[derive(FromRow)]
pub(super) struct SlipRow {
    pub(super) id: String,
    pub(super) standing: String,
    pub(super) made_ms: Millis,
    pub(super) ends_ms: Millis,
    pub(super) used_ms: Option<Millis>,
    pub(super) revoked_ms: Option<Millis>,
    pub(super) doubted_ms: Option<Millis>,
}

pub(super) async fn insert_slip(
    tx: &mut Tx,
    id: &str,
    hash: &str,
    standing: &str,
    now: Millis,
    ends: Millis,
) -> Stored<()> {
    on_tx!(tx, c => query(INSERT_SLIP)
        .bind(id).bind(hash).bind(standing).bind(now).bind(ends).execute(c).await.map(|_| ()))
}

/// Uses a slip, once; gives its side.
pub(super) async fn use_slip(tx: &mut Tx, hash: &str, now: Millis) -> Stored<Option<String>> {
    on_tx!(tx, c => query_scalar::<_, String>(USE_SLIP).bind(hash).bind(now).fetch_optional(c).await)
}

pub(super) async fn slip_became(tx: &mut Tx, hash: &str, handle: &HandleId) -> Stored<()> {
    on_tx!(tx, c => query(SLIP_BECAME).bind(hash).bind(handle).execute(c).await.map(|_| ()))
}

pub(super) async fn slips(db: &Db) -> Stored<Vec<SlipRow>> {
    read!(db, p => query_as::<_, SlipRow>(SLIPS).fetch_all(p).await)
}

pub(super) async fn revoke_slip(tx: &mut Tx, id: &str, now: Millis) -> Stored<bool> {
    let n_rows = on_tx!(tx, c => query(REVOKE_SLIP).bind(id).bind(now).execute(c).await.map(|done| done.rows_affected()))?;
    Ok(n_rows == 1)
}

/// Whoever came in with it is of their own word from here on; gives who that is.
pub(super) async fn end_introduction(tx: &mut Tx, id: &str) -> Stored<Option<HandleId>> {
    on_tx!(tx, c => query_scalar::<_, HandleId>(END_INTRODUCTION).bind(id).fetch_optional(c).await)
}

pub(super) async fn doubt_slip(tx: &mut Tx, hash: &str, now: Millis) -> Stored<Option<String>> {
    on_tx!(tx, c => query_scalar::<_, String>(DOUBT_SLIP).bind(hash).bind(now).fetch_optional(c).await)
}

pub(super) async fn handles_before(db: &Db, day: &Day) -> Stored<Vec<HandleId>> {
    read!(db, p => query_scalar::<_, HandleId>(HANDLES_BEFORE).bind(day).fetch_all(p).await)
}

pub(super) async fn logged_in_handles(db: &Db, now: Millis) -> Stored<Vec<HandleId>> {
    read!(db, p => query_scalar::<_, HandleId>(LOGGED_IN_HANDLES).bind(now).fetch_all(p).await)
}

pub(super) async fn move_side(tx: &mut Tx, id: &HandleId) -> Stored<()> {
    on_tx!(tx, c => query(MOVE_SIDE).bind(id).execute(c).await.map(|_| ()))
}

pub(super) async fn sessions_of(tx: &mut Tx, id: &HandleId) -> Stored<Vec<SessionId>> {
    on_tx!(tx, c => query_scalar::<_, SessionId>(SESSIONS_OF).bind(id).fetch_all(c).await)
}

/// Gives a session another id: its cookie stays good, and the sockets of the old one close.
pub(super) async fn renew_session(
    tx: &mut Tx,
    old: &SessionId,
    new: &SessionId,
    now: Millis,
) -> Stored<()> {
    on_tx!(tx, c => query(END_ONE).bind(old).bind(now).execute(c).await.map(|_| ()))?;
    on_tx!(tx, c => query(RENEW_SESSION).bind(old).bind(new).execute(c).await.map(|_| ()))
}

pub(super) async fn end_handles(tx: &mut Tx, id: &HandleId, at: Millis) -> Stored<Vec<SessionId>> {
    on_tx!(tx, c => query(END_HANDLES).bind(id).bind(at).execute(c).await.map(|_| ()))?;
    on_tx!(tx, c => query_scalar::<_, SessionId>(DELETE_HANDLES_SESSIONS).bind(id).fetch_all(c).await)
}

pub(super) async fn end_staffs(tx: &mut Tx, id: &StaffId, at: Millis) -> Stored<Vec<SessionId>> {
    on_tx!(tx, c => query(END_STAFFS).bind(id).bind(at).execute(c).await.map(|_| ()))?;
    on_tx!(tx, c => query_scalar::<_, SessionId>(DELETE_STAFFS_SESSIONS).bind(id).fetch_all(c).await)
}

pub(super) async fn end_expired(tx: &mut Tx, now: Millis) -> Stored<Vec<SessionId>> {
    on_tx!(tx, c => query(END_EXPIRED).bind(now).execute(c).await.map(|_| ()))?;
    on_tx!(tx, c => query_scalar::<_, SessionId>(DELETE_EXPIRED).bind(now).fetch_all(c).await)
}

pub(super) async fn end_by_role(tx: &mut Tx, now: Millis) -> Stored<Vec<SessionId>> {
    on_tx!(tx, c => query(END_BY_ROLE).bind(now).execute(c).await.map(|_| ()))?;
    on_tx!(tx, c => query_scalar::<_, SessionId>(DELETE_BY_ROLE).bind(now).fetch_all(c).await)
}

pub(super) async fn ended_since(db: &Db, since: Millis) -> Stored<Vec<SessionId>> {
    read!(db, p => query_scalar::<_, SessionId>(ENDED_SINCE).bind(since).fetch_all(p).await)
}

pub(super) async fn forget_ended(tx: &mut Tx, before: Millis) -> Stored<()> {
    on_tx!(tx, c => query(FORGET_ENDED).bind(before).execute(c).await.map(|_| ()))
}

pub(super) async fn n_staff(db: &Db) -> Stored<i64> {
    read!(db, p => query_scalar::<_, i64>(N_STAFF).fetch_one(p).await)
}

pub(super) async fn n_staff_in(tx: &mut Tx) -> Stored<i64> {
    on_tx!(tx, c => query_scalar::<_, i64>(N_STAFF).fetch_one(c).await)
}

pub(super) async fn insert_staff(tx: &mut Tx, staff: &NewStaff) -> Stored<()> {
    on_tx!(tx, c => query(INSERT_STAFF)
        .bind(&staff.id).bind(&staff.name).bind(&staff.password).bind(&staff.totp_sealed).bind(staff.made)
        .execute(c).await.map(|_| ()))?;
    for role in &staff.roles {
        on_tx!(tx, c => query(INSERT_ROLE)
            .bind(&staff.id).bind(&role.role).bind(&role.audience).bind(role.specialist).bind(role.ends_ms)
            .execute(c).await.map(|_| ()))?;
    }
    Ok(())
}

pub(super) async fn staff(db: &Db, id: &StaffId) -> Stored<Option<StaffRow>> {
    read!(db, p => query_as::<_, StaffRow>(STAFF).bind(id).fetch_optional(p).await)
}

/// Those that have not ended.
pub(super) async fn roles(db: &Db, id: &StaffId, now: Millis) -> Stored<Vec<RoleRow>> {
    read!(db, p => query_as::<_, RoleRow>(ROLES).bind(id).bind(now).fetch_all(p).await)
}

/// Whether the step was later than the last one.
pub(super) async fn take_step(tx: &mut Tx, id: &StaffId, step: i64) -> Stored<bool> {
    on_tx!(tx, c => query(TAKE_STEP).bind(id).bind(step).execute(c).await.map(|r| r.rows_affected() == 1))
}

pub(super) async fn meta(db: &Db, name: &str) -> Stored<Option<String>> {
    read!(db, p => query_scalar::<_, String>(META).bind(name).fetch_optional(p).await)
}

pub(super) async fn set_meta(tx: &mut Tx, name: &str, value: &str) -> Stored<()> {
    on_tx!(tx, c => query(SET_META).bind(name).bind(value).execute(c).await.map(|_| ()))
}

/// Whether it was there with that value; it is gone then.
pub(super) async fn take_meta(tx: &mut Tx, name: &str, value: &str) -> Stored<bool> {
    on_tx!(tx, c => query(TAKE_META).bind(name).bind(value).execute(c).await.map(|r| r.rows_affected() == 1))
}

pub(super) async fn delete_meta(tx: &mut Tx, name: &str) -> Stored<()> {
    on_tx!(tx, c => query(DELETE_META).bind(name).execute(c).await.map(|_| ()))
}

#[derive(FromRow)]
pub(super) struct PersonRow {
    pub(super) id: StaffId,
    pub(super) name: String,
    pub(super) ended_ms: Option<Millis>,
}

#[derive(FromRow)]
pub(super) struct OwnedRole {
    pub(super) owner: StaffId,
    #[sqlx(flatten)]
    pub(super) role: RoleRow,
}

/// A one-time address that shall be; with `staff_id` it is for somebody who has an account.
pub(super) struct NewInvite {
    pub(super) id: String,
    pub(super) hash: String,
    pub(super) staff_id: Option<StaffId>,
    pub(super) name: String,
    pub(super) new_password: bool,
    pub(super) made: Millis,
    pub(super) ends: Millis,
    pub(super) roles: Vec<RoleRow>,
}

#[derive(FromRow)]
pub(super) struct InviteRow {
    pub(super) id: String,
    pub(super) staff_id: Option<StaffId>,
    pub(super) name: String,
    pub(super) new_password: bool,
    pub(super) ends_ms: Millis,
}

pub(super) async fn all_staff(db: &Db) -> Stored<Vec<PersonRow>> {
    read!(db, p => query_as::<_, PersonRow>(ALL_STAFF).fetch_all(p).await)
}

pub(super) async fn all_roles(db: &Db) -> Stored<Vec<OwnedRole>> {
    read!(db, p => query_as::<_, OwnedRole>(ALL_ROLES).fetch_all(p).await)
}

/// Whether the account was there and had not ended.
pub(super) async fn end_staff(tx: &mut Tx, id: &StaffId, now: Millis) -> Stored<bool> {
    on_tx!(tx, c => query(END_STAFF).bind(id).bind(now).execute(c).await.map(|r| r.rows_affected() == 1))
}

/// Sets the second factor, and the password where one is given.
pub(super) async fn set_factor(
    tx: &mut Tx,
    id: &StaffId,
    totp_sealed: &[u8],
    password: Option<&str>,
) -> Stored<bool> {
    on_tx!(tx, c => query(SET_FACTOR).bind(id).bind(totp_sealed).bind(password)
        .execute(c).await.map(|r| r.rows_affected() == 1))
}

pub(super) async fn insert_invite(tx: &mut Tx, invite: &NewInvite) -> Stored<()> {
    on_tx!(tx, c => query(INSERT_INVITE)
        .bind(&invite.id).bind(&invite.hash).bind(&invite.staff_id).bind(&invite.name).bind(invite.new_password)
        .bind(invite.made).bind(invite.ends).execute(c).await.map(|_| ()))?;
    for role in &invite.roles {
        on_tx!(tx, c => query(INSERT_INVITE_ROLE)
            .bind(&invite.id).bind(&role.role).bind(&role.audience).bind(role.specialist).bind(role.ends_ms)
            .execute(c).await.map(|_| ()))?;
    }
    Ok(())
}

pub(super) async fn invite(db: &Db, hash: &str, now: Millis) -> Stored<Option<InviteRow>> {
    read!(db, p => query_as::<_, InviteRow>(INVITE).bind(hash).bind(now).fetch_optional(p).await)
}

pub(super) async fn invites(db: &Db, now: Millis) -> Stored<Vec<InviteRow>> {
    read!(db, p => query_as::<_, InviteRow>(INVITES).bind(now).fetch_all(p).await)
}

pub(super) async fn invite_roles(db: &Db, id: &str) -> Stored<Vec<RoleRow>> {
    read!(db, p => query_as::<_, RoleRow>(INVITE_ROLES).bind(id).fetch_all(p).await)
}

/// Whether it was still good; it is gone then.
pub(super) async fn take_invite(tx: &mut Tx, hash: &str, now: Millis) -> Stored<bool> {
    on_tx!(tx, c => query(TAKE_INVITE).bind(hash).bind(now).execute(c).await.map(|r| r.rows_affected() == 1))
}

pub(super) async fn delete_invite(tx: &mut Tx, id: &str) -> Stored<bool> {
    on_tx!(tx, c => query(DELETE_INVITE).bind(id).execute(c).await.map(|r| r.rows_affected() == 1))
}

pub(super) async fn delete_invites_of(tx: &mut Tx, id: &StaffId) -> Stored<()> {
    on_tx!(tx, c => query(DELETE_INVITES_OF).bind(id).execute(c).await.map(|_| ()))
}

pub(super) async fn delete_old_invites(tx: &mut Tx, now: Millis) -> Stored<()> {
    on_tx!(tx, c => query(DELETE_OLD_INVITES).bind(now).execute(c).await.map(|_| ()))
}
