//! The rooms' SQL.

use sqlx::{query, query_as, query_scalar};

use crate::platform::clock::Millis;
use crate::platform::ids::{ClientKey, NodeId, ParticipantId, RoomId, Seq, StaffId};
use crate::platform::store::{DATABASE_NOW_MS, Db, Stored, Tx};
use crate::{on_tx, read, statements};

statements! {
    // Takes the row's lock until the transaction ends; rooms are locked in the order of their ids.
    LOCK = "UPDATE room SET last_seq = last_seq WHERE id = $1 AND state <> 'forgotten' RETURNING last_seq";
    TAKE_NUMBERS = "UPDATE room SET last_seq = last_seq + $2 WHERE id = $1 RETURNING last_seq";
    KEPT_BEFORE = "SELECT seq, at_ms FROM message WHERE room_id = $1 AND author = $2 AND client_key = $3";
    [sqlite] INSERT_LINE = "INSERT INTO message (room_id, seq, author, client_key, at_ms, shows, change_n, key_version, sealed) \
                   VALUES ($1, $2, $3, $4, $5, 'yes', 0, $6, $7)";
    // One statement for the whole group: a round trip per line is what costs on PostgreSQL.
    [postgres] INSERT_LINES = "INSERT INTO message (room_id, seq, author, client_key, at_ms, shows, change_n, key_version, sealed) \
                    SELECT $1, n.seq, n.author, n.client_key, $2, 'yes', 0, $3, n.sealed \
                    FROM unnest($4::bigint[], $5::text[], $6::text[], $7::bytea[]) AS n (seq, author, client_key, sealed)";
    [postgres] KEPT_BEFORE_ALL = "SELECT m.author, m.client_key, m.seq, m.at_ms FROM message m \
                       JOIN unnest($2::text[], $3::text[]) AS n (author, client_key) \
                       ON m.author = n.author AND m.client_key = n.client_key WHERE m.room_id = $1";
    LINES = "SELECT seq, author, client_key, at_ms, shows, key_version, sealed FROM message \
             WHERE room_id = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq";
    STAMPS = "SELECT seq, author, stamp FROM stamp WHERE room_id = $1 AND seq BETWEEN $2 AND $3";
    LINE_STATE = "SELECT seq, author, shows FROM message WHERE room_id = $1 AND seq = $2";
    COUNT_CHANGE = "UPDATE room SET n_changes = n_changes + 1 WHERE id = $1 RETURNING n_changes";
    CHANGE_LINE = "UPDATE message SET shows = $3, change_n = $4 WHERE room_id = $1 AND seq = $2";
    TAKE_BACK_LINE = "UPDATE message SET shows = 'taken_back', change_n = $3, sealed = NULL WHERE room_id = $1 AND seq = $2";
    CHANGES = "SELECT seq, shows, change_n FROM message WHERE room_id = $1 AND change_n > $2 ORDER BY change_n LIMIT 1000";
    PUT_STAMP = "INSERT INTO stamp (room_id, seq, author, stamp) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    TAKE_STAMP = "DELETE FROM stamp WHERE room_id = $1 AND seq = $2 AND author = $3 AND stamp = $4";
    TAKE_LEASE = "INSERT INTO duty_lease (room_id, staff_id, conn, node, name, duty, until_ms) VALUES ($1, $2, $3, $4, $5, $6, $7) \
                  ON CONFLICT (room_id, staff_id, conn) DO UPDATE SET until_ms = excluded.until_ms, name = excluded.name, duty = excluded.duty";
    RENEW_LEASES = "UPDATE duty_lease SET until_ms = $3 WHERE conn = $1 AND until_ms > $2";
    END_LEASES_OF_CONN_IN_ROOM = "UPDATE duty_lease SET until_ms = $3 WHERE conn = $1 AND room_id = $2 AND until_ms > $3";
    END_LEASES_OF_NODE = "UPDATE duty_lease SET until_ms = $2 WHERE node = $1 AND until_ms > $2";
    FORGET_OLD_LEASES = "DELETE FROM duty_lease WHERE until_ms < $1";
    LEASES = "SELECT name, duty, until_ms FROM duty_lease WHERE room_id = $1 ORDER BY name, duty";
    FORGET_LINES = "DELETE FROM message WHERE room_id = $1";
    FORGET_STAMPS = "DELETE FROM stamp WHERE room_id = $1";
    FORGET_LEASES = "DELETE FROM duty_lease WHERE room_id = $1";
    LINES_OF = "SELECT seq FROM message WHERE room_id = $1 AND author = $2 AND shows <> 'taken_back' ORDER BY seq";
    FORGET_STAMPS_OF = "DELETE FROM stamp WHERE room_id = $1 AND author = $2";
    META = "SELECT value FROM meta WHERE name = $1";
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
pub(super) struct SealedLine {
    pub(super) seq: Seq,
    pub(super) author: ParticipantId,
    pub(super) key: ClientKey,
    pub(super) sealed: Vec<u8>,
}

/// The database's time where several nodes need one clock; the node's own where there is one machine.
pub(super) async fn now(db: &Db, node_now: Millis) -> Stored<Millis> {
    match db {
        Db::Sqlite { .. } => Ok(node_now),
        Db::Pg(p) => Ok(query_scalar::<_, Millis>(NOW).fetch_one(p).await?),
    }
}

pub(super) async fn lock(tx: &mut Tx, room: &RoomId) -> Stored<Option<Seq>> {
    on_tx!(tx, c => query_scalar::<_, Seq>(LOCK).bind(room).fetch_optional(c).await)
}

pub(super) async fn take_numbers(tx: &mut Tx, room: &RoomId, n: i64) -> Stored<Seq> {
    on_tx!(tx, c => query_scalar::<_, Seq>(TAKE_NUMBERS).bind(room).bind(n).fetch_one(c).await)
}

pub(super) async fn kept_before(
    db: &Db,
    room: &RoomId,
    author: &ParticipantId,
    key: &ClientKey,
) -> Stored<Option<(Seq, Millis)>> {
    read!(db, p => query_as::<_, (Seq, Millis)>(KEPT_BEFORE).bind(room).bind(author).bind(key).fetch_optional(p).await)
}

/// Which of these keys were kept before; in a transaction that holds the room's lock.
pub(super) async fn kept_before_all(
    tx: &mut Tx,
    room: &RoomId,
    keys: &[(&ParticipantId, &ClientKey)],
) -> Stored<Vec<(ParticipantId, ClientKey, Seq, Millis)>> {
    match tx {
        Tx::Sqlite(t) => {
            let mut found = Vec::new();
            for (author, key) in keys {
                let row = query_as::<_, (Seq, Millis)>(KEPT_BEFORE)
                    .bind(room)
                    .bind(*author)
                    .bind(*key)
                    .fetch_optional(&mut **t)
                    .await?;
                if let Some((seq, at)) = row {
                    found.push(((*author).clone(), (*key).clone(), seq, at));
                }
            }
            Ok(found)
        }
        Tx::Pg(t) => {
            let authors: Vec<&str> = keys.iter().map(|(author, _)| author.as_str()).collect();
            let client_keys: Vec<&str> = keys.iter().map(|(_, key)| key.as_str()).collect();
            Ok(
                query_as::<_, (ParticipantId, ClientKey, Seq, Millis)>(KEPT_BEFORE_ALL)
                    .bind(room)
                    .bind(authors)
                    .bind(client_keys)
                    .fetch_all(&mut **t)
                    .await?,
            )
        }
    }
}

pub(super) async fn insert_lines(
    tx: &mut Tx,
    room: &RoomId,
    at: Millis,
    key_version: i64,
    lines: &[SealedLine],
) -> Stored<()> {
    match tx {
        Tx::Sqlite(t) => {
            for line in lines {
                query(INSERT_LINE)
                    .bind(room)
                    .bind(line.seq)
                    .bind(&line.author)
                    .bind(&line.key)
                    .bind(at)
                    .bind(key_version)
                    .bind(&line.sealed)
                    .execute(&mut **t)
                    .await?;
            }
        }
        Tx::Pg(t) => {
            let seqs: Vec<i64> = lines.iter().map(|line| line.seq.get()).collect();
            let authors: Vec<&str> = lines.iter().map(|line| line.author.as_str()).collect();
            let keys: Vec<&str> = lines.iter().map(|line| line.key.as_str()).collect();
            let sealed: Vec<&[u8]> = lines.iter().map(|line| line.sealed.as_slice()).collect();
            query(INSERT_LINES)
                .bind(room)
                .bind(at)
                .bind(key_version)
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

pub(super) async fn seq_of_key(
    tx: &mut Tx,
    room: &RoomId,
    author: &ParticipantId,
    key: &ClientKey,
) -> Stored<Option<Seq>> {
    let row = on_tx!(tx, c => query_as::<_, (Seq, Millis)>(KEPT_BEFORE).bind(room).bind(author).bind(key).fetch_optional(c).await)?;
    Ok(row.map(|(seq, _)| seq))
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

pub(super) async fn put_meta(tx: &mut Tx, name: &str, value: &str) -> Stored<()> {
    on_tx!(tx, c => query(PUT_META).bind(name).bind(value).execute(c).await.map(|_| ()))
}
