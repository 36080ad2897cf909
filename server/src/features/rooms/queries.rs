//! The rooms' SQL.

use sqlx::{query, query_as, query_scalar};

use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, NodeId, ParticipantId, RoomId, Seq, StaffId};
use crate::platform::store::{DATABASE_NOW_MS, Db, Stored, Tx};
use crate::{on_tx, read, statements};

macro_rules! row {
    () => {
        "(?, ?, ?, ?, ?, ?, ?, 'yes', 0)"
    };
}
macro_rules! four_rows {
    () => {
        concat!(row!(), ", ", row!(), ", ", row!(), ", ", row!())
    };
}

macro_rules! sixteen_rows {
    () => {
        concat!(
            four_rows!(),
            ", ",
            four_rows!(),
            ", ",
            four_rows!(),
            ", ",
            four_rows!()
        )
    };
}

statements! {
    // Takes the row's lock until the transaction ends; rooms are locked in the order of their ids.
    LOCK = "UPDATE room SET last_seq = last_seq WHERE id = $1 AND state <> 'forgotten' RETURNING last_seq";
    // A group commit asks one statement for all of its rooms: a statement is a trip to another thread on SQLite, and to
    // another machine on PostgreSQL. SQLite has one writer, so there is nothing else to lock there.
    // One row on SQLite, because each row of an answer is a message between two threads.
    [sqlite] HOLD_ALL = "SELECT json_group_array(json_array(id, last_seq)) FROM room \
                WHERE id IN (SELECT value FROM json_each($1)) AND state <> 'forgotten'";
    [postgres] LOCK_ALL = "SELECT id, last_seq FROM room WHERE id = ANY($1) AND state <> 'forgotten' ORDER BY id FOR UPDATE";
    [sqlite] NUMBER_ALL = "UPDATE room SET last_seq = n.last_seq \
                  FROM (SELECT value ->> 0 AS room_id, value ->> 1 AS last_seq FROM json_each($1)) AS n \
                  WHERE room.id = n.room_id";
    [postgres] TAKE_NUMBERS_ALL = "UPDATE room SET last_seq = n.last_seq \
                  FROM unnest($1::text[], $2::bigint[]) AS n (room_id, last_seq) WHERE room.id = n.room_id";
    [postgres] AFTER_OTHERS = "SELECT id FROM room WHERE id = $1 FOR SHARE";
    KEPT_BEFORE = "SELECT seq, at_ms FROM message WHERE room_id = $1 AND author = $2 AND client_key = $3";
    // OR FAIL: the transaction is given up whole, so SQLite need not keep what one statement alone would take back.
    [sqlite] INSERT_LINE = concat!("INSERT OR FAIL INTO message (room_id, seq, author, client_key, at_ms, key_version, sealed, shows, change_n) VALUES ", row!());
    [sqlite] INSERT_4_LINES = concat!("INSERT OR FAIL INTO message (room_id, seq, author, client_key, at_ms, key_version, sealed, shows, change_n) VALUES ", four_rows!());
    [sqlite] INSERT_16_LINES = concat!("INSERT OR FAIL INTO message (room_id, seq, author, client_key, at_ms, key_version, sealed, shows, change_n) VALUES ", sixteen_rows!());
    [sqlite] INSERT_64_LINES = concat!("INSERT OR FAIL INTO message (room_id, seq, author, client_key, at_ms, key_version, sealed, shows, change_n) VALUES ", sixteen_rows!(), ", ", sixteen_rows!(), ", ", sixteen_rows!(), ", ", sixteen_rows!());
    [postgres] INSERT_LINES = "INSERT INTO message (room_id, seq, author, client_key, at_ms, shows, change_n, key_version, sealed) \
                    SELECT n.room_id, n.seq, n.author, n.client_key, $1, 'yes', 0, $2, n.sealed \
                    FROM unnest($3::text[], $4::bigint[], $5::text[], $6::text[], $7::bytea[]) \
                    AS n (room_id, seq, author, client_key, sealed)";
    [sqlite] KEYS = "SELECT seq, author, client_key, at_ms FROM message WHERE room_id = $1";
    // A key whose line waits, or was not let pass, has number 0.
    [postgres] KEPT_BEFORE_ALL = "SELECT m.room_id, m.author, m.client_key, m.seq, m.at_ms FROM message m \
                       JOIN unnest($1::text[], $2::text[], $3::text[]) AS n (room_id, author, client_key) \
                       ON m.room_id = n.room_id AND m.author = n.author AND m.client_key = n.client_key \
                       UNION ALL SELECT h.room_id, h.author, h.client_key, 0::bigint, h.at_ms FROM hold h \
                       JOIN unnest($1::text[], $2::text[], $3::text[]) AS n (room_id, author, client_key) \
                       ON h.room_id = n.room_id AND h.author = n.author AND h.client_key = n.client_key WHERE h.seq IS NULL";
    LINES = "SELECT seq, author, client_key, at_ms, shows, key_version, sealed FROM message \
             WHERE room_id = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq";
    STAMPS = "SELECT seq, author, stamp FROM stamp WHERE room_id = $1 AND seq BETWEEN $2 AND $3";
    LINE_STATE = "SELECT seq, author, shows FROM message WHERE room_id = $1 AND seq = $2";
    COUNT_CHANGE = "UPDATE room SET n_changes = n_changes + 1 WHERE id = $1 RETURNING n_changes";
    CHANGE_LINE = "UPDATE message SET shows = $3, change_n = $4 WHERE room_id = $1 AND seq = $2";
    TAKE_BACK_LINE = "UPDATE message SET shows = 'taken_back', change_n = $3, sealed = NULL WHERE room_id = $1 AND seq = $2";
    CHANGES = "SELECT seq, shows, change_n FROM message WHERE room_id = $1 AND change_n > 0 AND change_n > $2 ORDER BY change_n LIMIT 1000";
    PUT_STAMP = "INSERT INTO stamp (room_id, seq, author, stamp) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    TAKE_STAMP = "DELETE FROM stamp WHERE room_id = $1 AND seq = $2 AND author = $3 AND stamp = $4";
    TAKE_LEASE = "INSERT INTO duty_lease (room_id, staff_id, conn, node, name, duty, until_ms) VALUES ($1, $2, $3, $4, $5, $6, $7) \
                  ON CONFLICT (room_id, staff_id, conn) DO UPDATE SET until_ms = excluded.until_ms, name = excluded.name, duty = excluded.duty";
    RENEW_LEASES = "UPDATE duty_lease SET until_ms = $3 WHERE conn = $1 AND until_ms > $2";
    END_LEASES_OF_CONN_IN_ROOM = "UPDATE duty_lease SET until_ms = $3 WHERE conn = $1 AND room_id = $2 AND until_ms > $3";
    END_LEASES_OF_NODE = "UPDATE duty_lease SET until_ms = $2 WHERE node = $1 AND until_ms > $2";
    FORGET_OLD_LEASES = "DELETE FROM duty_lease WHERE until_ms < $1";
    LEASES = "SELECT name, duty, until_ms FROM duty_lease WHERE room_id = $1 ORDER BY name, duty";
    UNATTENDED = "SELECT r.id, MAX(l.until_ms) FROM room r JOIN gathering g ON g.id = r.id LEFT JOIN duty_lease l ON l.room_id = r.id \
                  WHERE r.state IN ('open', 'last_call') AND g.starts_ms < $1 GROUP BY r.id \
                  HAVING COALESCE(MAX(l.until_ms), 0) < $1 ORDER BY r.id";
    NEWEST_RISK = "SELECT MAX(at_ms) FROM hold WHERE room_id = $1 AND reason = 'risk'";
    LEASES_OF_STAFF = "SELECT DISTINCT room_id, duty FROM duty_lease WHERE staff_id = $1 AND until_ms > $2 ORDER BY room_id";
    FORGET_LINES = "DELETE FROM message WHERE room_id = $1";
    FORGET_STAMPS = "DELETE FROM stamp WHERE room_id = $1";
    FORGET_LEASES = "DELETE FROM duty_lease WHERE room_id = $1";
    LINES_OF = "SELECT seq FROM message WHERE room_id = $1 AND author = $2 AND shows <> 'taken_back' ORDER BY seq";
    FORGET_STAMPS_OF = "DELETE FROM stamp WHERE room_id = $1 AND author = $2";
    META = "SELECT value FROM meta WHERE name = $1";
    SET_META = "UPDATE meta SET value = $2 WHERE name = $1";
    PUT_META = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    [postgres] NOW = DATABASE_NOW_MS;
}

/// A line as it stands in the store.
#[derive(sqlx::FromRow)]
pub(super) struct LineRow {
    pub(super) seq: Seq,
    pub(super) author: ParticipantId,
    pub(super) client_key: ClientKey,
    pub(super) at_ms: Millis,
    pub(super) shows: String,
    pub(super) key_version: i64,
    pub(super) sealed: Option<Vec<u8>>,
}

/// A line that is about to be kept.
pub(super) struct SealedLine<'a> {
    pub(super) room: &'a RoomId,
    pub(super) seq: Seq,
    pub(super) author: &'a ParticipantId,
    pub(super) key: &'a ClientKey,
    pub(super) sealed: Vec<u8>,
}

/// A line by its room, its author and their key for it.
pub(super) type LineId<'a> = (&'a RoomId, &'a ParticipantId, &'a ClientKey);

/// A line that was kept before.
#[derive(sqlx::FromRow)]
pub(super) struct KeptRow {
    pub(super) room_id: RoomId,
    pub(super) author: ParticipantId,
    pub(super) client_key: ClientKey,
    pub(super) seq: Seq,
    pub(super) at_ms: Millis,
}

/// A line's key.
#[derive(sqlx::FromRow)]
pub(super) struct KeyRow {
    pub(super) seq: Seq,
    pub(super) author: ParticipantId,
    pub(super) client_key: ClientKey,
    pub(super) at_ms: Millis,
}

/// The database's time where several nodes need one clock; the node's own where there is one machine.
pub(super) async fn now(db: &Db, node_now: Millis) -> Stored<Millis> {
    match db {
        Db::Sqlite { .. } => Ok(node_now),
        Db::Pg(p) => Ok(query_scalar::<_, Millis>(NOW).fetch_one(p).await?),
    }
}

/// Rooms people talk in that nobody keeps since before then, with until when somebody did.
pub(super) async fn unattended(db: &Db, before: Millis) -> Stored<Vec<(RoomId, Option<Millis>)>> {
    read!(db, p => query_as::<_, (RoomId, Option<Millis>)>(UNATTENDED).bind(before).fetch_all(p).await)
}

/// When somebody last wrote of danger to life there.
pub(super) async fn newest_risk(db: &Db, room: &RoomId) -> Stored<Option<Millis>> {
    read!(db, p => query_scalar::<_, Option<Millis>>(NEWEST_RISK).bind(room).fetch_one(p).await)
}

pub(super) async fn lock(tx: &mut Tx, room: &RoomId) -> Stored<Option<Seq>> {
    on_tx!(tx, c => query_scalar::<_, Seq>(LOCK).bind(room).fetch_optional(c).await)
}

/// Locks those rooms in the order of their ids until the transaction ends; gives those that are not forgotten, with the
/// last number that was taken in each.
pub(super) async fn lock_all(tx: &mut Tx, rooms: &[&RoomId]) -> Stored<Vec<(RoomId, Seq)>> {
    let ids: Vec<&str> = rooms.iter().map(|room| room.as_str()).collect();
    match tx {
        Tx::Sqlite(t) => {
            let held: String = query_scalar(HOLD_ALL)
                .bind(json(&ids))
                .fetch_one(&mut **t)
                .await?;
            serde_json::from_str(&held)
                .map_err(|_| crate::features::gatherings::inconsistent("room", "last_seq", "all"))
        }
        Tx::Pg(t) => Ok(query_as::<_, (RoomId, Seq)>(LOCK_ALL)
            .bind(ids)
            .fetch_all(&mut **t)
            .await?),
    }
}

/// Writes down the last number that was taken in each room; in a transaction that holds their locks.
pub(super) async fn take_numbers(tx: &mut Tx, lasts: &[(&RoomId, Seq)]) -> Stored<()> {
    match tx {
        Tx::Sqlite(t) => {
            let lasts: Vec<(&str, i64)> = lasts
                .iter()
                .map(|(room, last)| (room.as_str(), last.get()))
                .collect();
            query(NUMBER_ALL)
                .bind(json(&lasts))
                .execute(&mut **t)
                .await?;
        }
        Tx::Pg(t) => {
            let rooms: Vec<&str> = lasts.iter().map(|(room, _)| room.as_str()).collect();
            let lasts: Vec<i64> = lasts.iter().map(|(_, last)| last.get()).collect();
            query(TAKE_NUMBERS_ALL)
                .bind(rooms)
                .bind(lasts)
                .execute(&mut **t)
                .await?;
        }
    }
    Ok(())
}

/// A list as SQLite takes it.
fn json(list: &impl serde::Serialize) -> String {
    serde_json::to_string(list).expect("texts and numbers are JSON")
}

/// The number of a key that was kept before. A commit of another node that is under way is waited for, also one whose node
/// has died meanwhile: what is refused now must not be kept after.
pub(super) async fn kept_before(
    db: &Db,
    room: &RoomId,
    author: &ParticipantId,
    key: &ClientKey,
) -> Stored<Option<(Seq, Millis)>> {
    if let Db::Sqlite { .. } = db {
        return read!(db, p => query_as::<_, (Seq, Millis)>(KEPT_BEFORE).bind(room).bind(author).bind(key).fetch_optional(p).await);
    }
    let mut tx = db.begin().await?;
    on_tx!(&mut tx, c => query(AFTER_OTHERS).bind(room).execute(c).await.map(|_| ()))?;
    // A statement of its own, which sees what those before it committed. Nothing is written, so nothing is flushed.
    on_tx!(&mut tx, c => query_as::<_, (Seq, Millis)>(KEPT_BEFORE).bind(room).bind(author).bind(key).fetch_optional(c).await)
}

/// Which of these were kept before, by the index that PostgreSQL has; in a transaction that holds their rooms' locks. SQLite
/// has none: see [`keys`].
pub(super) async fn kept_before_all(tx: &mut Tx, ids: &[LineId<'_>]) -> Stored<Vec<KeptRow>> {
    match tx {
        Tx::Sqlite(_) => Ok(Vec::new()),
        Tx::Pg(t) => {
            let rooms: Vec<&str> = ids.iter().map(|(room, _, _)| room.as_str()).collect();
            let authors: Vec<&str> = ids.iter().map(|(_, author, _)| author.as_str()).collect();
            let keys: Vec<&str> = ids.iter().map(|(_, _, key)| key.as_str()).collect();
            Ok(query_as::<_, KeptRow>(KEPT_BEFORE_ALL)
                .bind(rooms)
                .bind(authors)
                .bind(keys)
                .fetch_all(&mut **t)
                .await?)
        }
    }
}

/// All keys of a room, on SQLite; none on PostgreSQL, where the index finds single ones.
pub(super) async fn keys(tx: &mut Tx, room: &RoomId) -> Stored<Vec<KeyRow>> {
    match tx {
        Tx::Sqlite(t) => Ok(query_as::<_, KeyRow>(KEYS)
            .bind(room)
            .fetch_all(&mut **t)
            .await?),
        Tx::Pg(_) => Ok(Vec::new()),
    }
}

pub(super) async fn insert_lines(
    tx: &mut Tx,
    at: Millis,
    key_version: i64,
    lines: Vec<SealedLine<'_>>,
) -> Stored<()> {
    match tx {
        Tx::Sqlite(t) => {
            let mut lines = lines.into_iter();
            while lines.len() > 0 {
                let (sql, n) = match lines.len() {
                    64.. => (INSERT_64_LINES, 64),
                    16.. => (INSERT_16_LINES, 16),
                    4.. => (INSERT_4_LINES, 4),
                    _ => (INSERT_LINE, 1),
                };
                let mut insert = query(sql);
                for line in lines.by_ref().take(n) {
                    insert = insert
                        .bind(line.room)
                        .bind(line.seq)
                        .bind(line.author)
                        .bind(line.key)
                        .bind(at)
                        .bind(key_version)
                        .bind(line.sealed);
                }
                insert.execute(&mut **t).await?;
            }
        }
        Tx::Pg(t) => {
            let rooms: Vec<&str> = lines.iter().map(|line| line.room.as_str()).collect();
            let seqs: Vec<i64> = lines.iter().map(|line| line.seq.get()).collect();
            let authors: Vec<&str> = lines.iter().map(|line| line.author.as_str()).collect();
            let keys: Vec<&str> = lines.iter().map(|line| line.key.as_str()).collect();
            let sealed: Vec<&[u8]> = lines.iter().map(|line| line.sealed.as_slice()).collect();
            query(INSERT_LINES)
                .bind(at)
                .bind(key_version)
                .bind(rooms)
                .bind(seqs)
                .bind(authors)
                .bind(keys)
                .bind(sealed)
                .execute(&mut **t)
                .await?;
        }
    }
    Ok(())
}

pub(super) async fn lines(db: &Db, room: &RoomId, from: Seq, to: Seq) -> Stored<Vec<LineRow>> {
    read!(db, p => query_as::<_, LineRow>(LINES).bind(room).bind(from).bind(to).fetch_all(p).await)
}

pub(super) async fn stamps(
    db: &Db,
    room: &RoomId,
    from: Seq,
    to: Seq,
) -> Stored<Vec<(Seq, ParticipantId, String)>> {
    read!(db, p => query_as::<_, (Seq, ParticipantId, String)>(STAMPS).bind(room).bind(from).bind(to).fetch_all(p).await)
}

pub(super) async fn line_state(
    tx: &mut Tx,
    room: &RoomId,
    seq: Seq,
) -> Stored<Option<(ParticipantId, String)>> {
    let row = on_tx!(tx, c => query_as::<_, (Seq, ParticipantId, String)>(LINE_STATE).bind(room).bind(seq).fetch_optional(c).await)?;
    Ok(row.map(|(_, author, shows)| (author, shows)))
}

pub(super) async fn line_of_key(
    tx: &mut Tx,
    room: &RoomId,
    author: &ParticipantId,
    key: &ClientKey,
) -> Stored<Option<(Seq, Millis)>> {
    on_tx!(tx, c => query_as::<_, (Seq, Millis)>(KEPT_BEFORE).bind(room).bind(author).bind(key).fetch_optional(c).await)
}

pub(super) async fn count_change(tx: &mut Tx, room: &RoomId) -> Stored<i64> {
    on_tx!(tx, c => query_scalar::<_, i64>(COUNT_CHANGE).bind(room).fetch_one(c).await)
}

pub(super) async fn change_line(
    tx: &mut Tx,
    room: &RoomId,
    seq: Seq,
    shows: &str,
    change_n: i64,
) -> Stored<()> {
    on_tx!(tx, c => query(CHANGE_LINE).bind(room).bind(seq).bind(shows).bind(change_n).execute(c).await.map(|_| ()))
}

pub(super) async fn take_back_line(
    tx: &mut Tx,
    room: &RoomId,
    seq: Seq,
    change_n: i64,
) -> Stored<()> {
    on_tx!(tx, c => query(TAKE_BACK_LINE).bind(room).bind(seq).bind(change_n).execute(c).await.map(|_| ()))
}

pub(super) async fn changes(db: &Db, room: &RoomId, after: i64) -> Stored<Vec<(Seq, String, i64)>> {
    read!(db, p => query_as::<_, (Seq, String, i64)>(CHANGES).bind(room).bind(after).fetch_all(p).await)
}

pub(super) async fn set_stamp(
    tx: &mut Tx,
    room: &RoomId,
    seq: Seq,
    author: &ParticipantId,
    stamp: &str,
    on: bool,
) -> Stored<()> {
    let sql = if on { PUT_STAMP } else { TAKE_STAMP };
    on_tx!(tx, c => query(sql).bind(room).bind(seq).bind(author).bind(stamp).execute(c).await.map(|_| ()))
}

/// A lease to be taken.
pub(super) struct NewLease<'a> {
    pub(super) room: &'a RoomId,
    pub(super) staff: &'a StaffId,
    pub(super) conn: &'a str,
    pub(super) node: &'a NodeId,
    pub(super) name: &'a str,
    pub(super) duty: &'a str,
    pub(super) until: Millis,
}

pub(super) async fn take_lease(tx: &mut Tx, lease: &NewLease<'_>) -> Stored<()> {
    on_tx!(tx, c => query(TAKE_LEASE)
        .bind(lease.room).bind(lease.staff).bind(lease.conn).bind(lease.node).bind(lease.name).bind(lease.duty).bind(lease.until)
        .execute(c).await.map(|_| ()))
}

pub(super) async fn renew_leases(
    tx: &mut Tx,
    conn: &str,
    now: Millis,
    until: Millis,
) -> Stored<()> {
    on_tx!(tx, c => query(RENEW_LEASES).bind(conn).bind(now).bind(until).execute(c).await.map(|_| ()))
}

pub(super) async fn end_lease(tx: &mut Tx, conn: &str, room: &RoomId, now: Millis) -> Stored<()> {
    on_tx!(tx, c => query(END_LEASES_OF_CONN_IN_ROOM).bind(conn).bind(room).bind(now).execute(c).await.map(|_| ()))
}

pub(super) async fn end_leases_of_node(tx: &mut Tx, node: &NodeId, now: Millis) -> Stored<()> {
    on_tx!(tx, c => query(END_LEASES_OF_NODE).bind(node).bind(now).execute(c).await.map(|_| ()))
}

pub(super) async fn forget_old_leases(tx: &mut Tx, before: Millis) -> Stored<()> {
    on_tx!(tx, c => query(FORGET_OLD_LEASES).bind(before).execute(c).await.map(|_| ()))
}

pub(super) async fn leases(db: &Db, room: &RoomId) -> Stored<Vec<(String, String, Millis)>> {
    read!(db, p => query_as::<_, (String, String, Millis)>(LEASES).bind(room).fetch_all(p).await)
}

pub(super) async fn leases_of(
    db: &Db,
    staff: &StaffId,
    after: Millis,
) -> Stored<Vec<(RoomId, String)>> {
    read!(db, p => query_as::<_, (RoomId, String)>(LEASES_OF_STAFF).bind(staff).bind(after).fetch_all(p).await)
}

pub(super) async fn forget(tx: &mut Tx, room: &RoomId) -> Stored<()> {
    for sql in [FORGET_LINES, FORGET_STAMPS, FORGET_LEASES] {
        on_tx!(&mut *tx, c => query(sql).bind(room).execute(c).await.map(|_| ()))?;
    }
    Ok(())
}

pub(super) async fn lines_of(
    tx: &mut Tx,
    room: &RoomId,
    author: &ParticipantId,
) -> Stored<Vec<Seq>> {
    on_tx!(tx, c => query_scalar::<_, Seq>(LINES_OF).bind(room).bind(author).fetch_all(c).await)
}

pub(super) async fn forget_stamps_of(
    tx: &mut Tx,
    room: &RoomId,
    author: &ParticipantId,
) -> Stored<()> {
    on_tx!(tx, c => query(FORGET_STAMPS_OF).bind(room).bind(author).execute(c).await.map(|_| ()))
}

pub(super) async fn meta(db: &Db, name: &str) -> Stored<Option<String>> {
    read!(db, p => query_scalar::<_, String>(META).bind(name).fetch_optional(p).await)
}

pub(super) async fn set_meta(tx: &mut Tx, name: &str, value: &str) -> Stored<()> {
    on_tx!(tx, c => query(SET_META).bind(name).bind(value).execute(c).await.map(|_| ()))
}

pub(super) async fn put_meta(tx: &mut Tx, name: &str, value: &str) -> Stored<()> {
    on_tx!(tx, c => query(PUT_META).bind(name).bind(value).execute(c).await.map(|_| ()))
}
