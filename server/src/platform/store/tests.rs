//! The schema stands twice; these tests compare the two after all migrations. And what becomes of transactions that lose
//! against another, or whose caller hangs up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use regex::Regex;
use sqlx::{PgPool, SqlitePool};
use tokio::sync::{Barrier, Semaphore};

use super::Db;
use super::testing::{postgres, sqlite};
use crate::on_tx;

/// What a column holds, whatever the engine calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Bytes,
    Number,
    Bool,
}

/// A table, as both engines can tell it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Table {
    /// Name → what it holds and whether it must be there.
    columns: BTreeMap<String, (Kind, bool)>,
    primary_key: Vec<String>,
    /// Unique beside the primary key.
    unique: BTreeSet<Vec<String>>,
    indexes: BTreeSet<Vec<String>>,
    /// Columns, table, its columns, what happens on delete.
    foreign: BTreeSet<(Vec<String>, String, Vec<String>, String)>,
    /// Column → the only texts it may hold.
    values: BTreeMap<String, BTreeSet<String>>,
}

/// Table, its columns, the other table, its columns, what happens on delete.
type ForeignRow = (String, Vec<String>, String, Vec<String>, String);

type Schema = BTreeMap<String, Table>;

fn quoted(text: &str) -> BTreeSet<String> {
    Regex::new("'([^']*)'")
        .expect("a pattern")
        .captures_iter(text)
        .map(|found| found[1].to_owned())
        .collect()
}

async fn of_sqlite(pool: &SqlitePool) -> Result<Schema, sqlx::Error> {
    let tables: Vec<(String, String)> = sqlx::query_as(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_sqlx%' ESCAPE '\\'",
    )
    .fetch_all(pool)
    .await?;
    let one_of = Regex::new(r"(?s)CHECK\s*\(\s*(\w+)\s+IN\s*\(([^)]*)\)").expect("a pattern");
    let mut schema = Schema::new();
    for (name, sql) in tables {
        let mut table = Table::default();
        let mut bools = BTreeSet::new();
        for found in one_of.captures_iter(&sql) {
            if found[2].contains('\'') {
                table.values.insert(found[1].to_owned(), quoted(&found[2]));
            } else {
                bools.insert(found[1].to_owned());
            }
        }
        let columns: Vec<(String, String, i64, i64)> =
            sqlx::query_as("SELECT name, type, \"notnull\", pk FROM pragma_table_info($1)")
                .bind(&name)
                .fetch_all(pool)
                .await?;
        let mut primary_key = BTreeMap::new();
        for (column, kind, not_null, pk) in columns {
            let kind = match kind.as_str() {
                "TEXT" => Kind::Text,
                "BLOB" => Kind::Bytes,
                "INTEGER" if bools.contains(&column) => Kind::Bool,
                "INTEGER" => Kind::Number,
                other => {
                    panic!("{name}.{column} is {other}: TEXT, BLOB and INTEGER alone are used")
                }
            };
            if pk > 0 {
                primary_key.insert(pk, column.clone());
            }
            table.columns.insert(column, (kind, not_null == 1));
        }
        table.primary_key = primary_key.into_values().collect();
        let indexes: Vec<(String, i64, String)> =
            sqlx::query_as("SELECT name, \"unique\", origin FROM pragma_index_list($1)")
                .bind(&name)
                .fetch_all(pool)
                .await?;
        for (index, unique, origin) in indexes {
            let columns: Vec<(String,)> =
                sqlx::query_as("SELECT name FROM pragma_index_info($1) ORDER BY seqno")
                    .bind(&index)
                    .fetch_all(pool)
                    .await?;
            let columns = columns.into_iter().map(|(column,)| column).collect();
            match (origin.as_str(), unique) {
                ("pk", _) => {}
                (_, 1) => {
                    table.unique.insert(columns);
                }
                _ => {
                    table.indexes.insert(columns);
                }
            }
        }
        let foreign: Vec<(i64, String, String, Option<String>, String)> = sqlx::query_as(
            "SELECT id, \"table\", \"from\", \"to\", on_delete FROM pragma_foreign_key_list($1) ORDER BY id, seq",
        )
        .bind(&name)
        .fetch_all(pool)
        .await?;
        let mut by_id: BTreeMap<i64, (Vec<String>, String, Vec<String>, String)> = BTreeMap::new();
        for (id, to_table, from, to, on_delete) in foreign {
            let key = by_id
                .entry(id)
                .or_insert_with(|| (Vec::new(), to_table, Vec::new(), on_delete));
            key.0.push(from);
            key.2.extend(to);
        }
        table.foreign = by_id.into_values().collect();
        schema.insert(name, table);
    }
    Ok(schema)
}

async fn of_postgres(pool: &PgPool) -> Result<Schema, sqlx::Error> {
    let mut schema = Schema::new();
    let columns: Vec<(String, String, String, bool)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'NO' FROM information_schema.columns \
         WHERE table_schema = 'public' AND left(table_name, 1) <> '_'",
    )
    .fetch_all(pool)
    .await?;
    for (name, column, kind, not_null) in columns {
        let kind = match kind.as_str() {
            "text" => Kind::Text,
            "bytea" => Kind::Bytes,
            "bigint" => Kind::Number,
            "boolean" => Kind::Bool,
            other => {
                panic!("{name}.{column} is {other}: TEXT, BYTEA, BIGINT and BOOLEAN alone are used")
            }
        };
        let table = schema.entry(name).or_default();
        table.columns.insert(column, (kind, not_null));
    }
    let indexes: Vec<(String, bool, bool, Vec<String>)> = sqlx::query_as(
        "SELECT t.relname::text, i.indisprimary, i.indisunique, \
         (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, n) \
          JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum) \
         FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace s ON s.oid = t.relnamespace \
         WHERE s.nspname = 'public' AND left(t.relname, 1) <> '_'",
    )
    .fetch_all(pool)
    .await?;
    for (name, primary, unique, columns) in indexes {
        let table = schema.entry(name).or_default();
        match (primary, unique) {
            (true, _) => table.primary_key = columns,
            (false, true) => {
                table.unique.insert(columns);
            }
            (false, false) => {
                table.indexes.insert(columns);
            }
        }
    }
    let foreign: Vec<ForeignRow> = sqlx::query_as(
        "SELECT t.relname::text, \
         (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY AS k (attnum, n) \
          JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum), \
         f.relname::text, \
         (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.confkey) WITH ORDINALITY AS k (attnum, n) \
          JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum), \
         CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'a' THEN 'NO ACTION' WHEN 'r' THEN 'RESTRICT' \
          WHEN 'n' THEN 'SET NULL' ELSE 'SET DEFAULT' END \
         FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class f ON f.oid = c.confrelid \
         WHERE c.contype = 'f'",
    )
    .fetch_all(pool)
    .await?;
    for (name, columns, to_table, to_columns, on_delete) in foreign {
        let table = schema.entry(name).or_default();
        table
            .foreign
            .insert((columns, to_table, to_columns, on_delete));
    }
    let checks: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT t.relname::text, a.attname::text, pg_get_constraintdef(c.oid) FROM pg_constraint c \
         JOIN pg_class t ON t.oid = c.conrelid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1] \
         WHERE c.contype = 'c'",
    )
    .fetch_all(pool)
    .await?;
    for (name, column, definition) in checks {
        let values = quoted(&definition);
        if !values.is_empty() {
            schema
                .entry(name)
                .or_default()
                .values
                .insert(column, values);
        }
    }
    Ok(schema)
}

/// What is unique where several nodes write, and costs too much where one does (docs/decisions/0016).
const ONLY_ON_POSTGRES: &[(&str, &[&str])] = &[("message", &["room_id", "author", "client_key"])];

#[tokio::test]
async fn the_two_schemas_are_one() {
    let (on_sqlite, on_postgres) = (sqlite().await, postgres().await);
    let (Db::Sqlite { w, .. }, Db::Pg(pool)) = (&on_sqlite.db, &on_postgres.db) else {
        panic!("each store is on its engine");
    };
    let mut of_sqlite = of_sqlite(w).await.expect("SQLite tells its schema");
    let of_postgres = of_postgres(pool)
        .await
        .expect("PostgreSQL tells its schema");
    for (table, columns) in ONLY_ON_POSTGRES {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        let added = of_sqlite
            .entry((*table).to_owned())
            .or_default()
            .unique
            .insert(columns);
        assert!(
            added,
            "{table} is unique on both engines: it is no exception any more"
        );
    }
    let names = |schema: &Schema| schema.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&of_sqlite), names(&of_postgres), "the tables");
    assert!(
        of_sqlite.len() > 10,
        "only {} tables were read",
        of_sqlite.len()
    );
    for (name, table) in &of_sqlite {
        assert_eq!(
            table, &of_postgres[name],
            "the table {name} differs between migrations/sqlite (left) and migrations/postgres (right)"
        );
        assert!(
            !table.primary_key.is_empty(),
            "the table {name} has no primary key"
        );
    }
    // What is compared is there at all.
    assert!(of_sqlite.values().any(|table| !table.foreign.is_empty()));
    assert!(of_sqlite.values().any(|table| !table.unique.is_empty()));
    assert!(of_sqlite.values().any(|table| !table.indexes.is_empty()));
    assert!(of_sqlite.values().any(|table| !table.values.is_empty()));
}

#[tokio::test]
async fn a_second_migration_changes_nothing() {
    for fresh in [sqlite().await, postgres().await] {
        fresh.db.migrate().await.expect("a migrated store stays");
    }
}

/// Two transactions that lock the same two rows crosswise, at the same time, the first time each is tried: one deadlock.
///
/// PostgreSQL ends one of the two, never both: a backend that finds the circle leaves it before another can look. The one
/// that goes on is only woken then, and takes the row it waited for when the machine lets it run. Whoever tries again
/// before that takes the row first, waits for the other's, and both are in a circle anew. So the second try begins after
/// the other transaction is done.
async fn cross(db: &Db) -> [super::Stored<()>; 2] {
    for name in ["left", "right"] {
        db.write(move |tx| Box::pin(async move { put(tx, name).await }))
            .await
            .expect("a row is made");
    }
    let both_hold_one = Arc::new(Barrier::new(2));
    let one_is_done = Arc::new(Semaphore::new(0));
    let crossing = async |order: [&'static str; 2]| {
        let (both_hold_one, other_is_done) = (Arc::clone(&both_hold_one), Arc::clone(&one_is_done));
        let first_time = Arc::new(AtomicBool::new(true));
        let outcome = db
            .write(move |tx| {
                let both_hold_one = Arc::clone(&both_hold_one);
                let other_is_done = Arc::clone(&other_is_done);
                let first_time = Arc::clone(&first_time);
                Box::pin(async move {
                    let is_first_time = first_time.swap(false, Ordering::SeqCst);
                    if !is_first_time {
                        other_is_done
                            .acquire()
                            .await
                            .expect("never closed")
                            .forget();
                    }
                    append(tx, order[0]).await?;
                    if is_first_time {
                        both_hold_one.wait().await;
                    }
                    append(tx, order[1]).await
                })
            })
            .await;
        one_is_done.add_permits(1);
        outcome
    };
    let both = async { tokio::join!(crossing(["left", "right"]), crossing(["right", "left"])) };
    let (one, other) = tokio::time::timeout(Duration::from_secs(20), both)
        .await
        .expect("one of the two goes on, and the other after it");
    [one, other]
}

async fn put(tx: &mut super::Tx, name: &str) -> super::Stored<()> {
    on_tx!(tx, c => sqlx::query("INSERT INTO meta (name, value) VALUES ($1, '')").bind(name).execute(c).await.map(|_| ()))
}

async fn append(tx: &mut super::Tx, name: &str) -> super::Stored<()> {
    on_tx!(tx, c => sqlx::query("UPDATE meta SET value = value || 'x' WHERE name = $1").bind(name).execute(c).await.map(|_| ()))
}

#[test]
fn p4_a_deadlock_is_tried_again_whole_counted_and_told_to_nobody() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let numbers = recorder.handle();
    // One thread, so that what the store counts in its own tasks is counted here.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let values = metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let fresh = postgres().await;
            for outcome in cross(&fresh.db).await {
                outcome.expect("both are done in the end");
            }
            let Db::Pg(pool) = &fresh.db else {
                panic!("the store is on PostgreSQL");
            };
            sqlx::query_scalar::<_, String>(
                "SELECT value FROM meta WHERE name IN ('left', 'right')",
            )
            .fetch_all(pool)
            .await
            .expect("the rows are read")
        })
    });
    assert_eq!(values, ["xx", "xx"], "each was done once");
    let text = numbers.render();
    let n_retries: u32 = text
        .lines()
        .find_map(|line| line.strip_prefix("engawa_store_retries_total "))
        .and_then(|n| n.parse().ok())
        .expect("the number is told");
    assert_eq!(n_retries, 1, "one of the two was tried again, once");
}

#[tokio::test]
async fn p4_a_caller_that_hangs_up_leaves_no_transaction_open_and_its_write_is_whole_or_not_there()
{
    let fresh = postgres().await;
    for n in 0..200u64 {
        let name = format!("n{n}");
        let write = fresh.db.write(move |tx| {
            let name = name.clone();
            Box::pin(async move {
                put(tx, &name).await?;
                append(tx, &name).await?;
                append(tx, &name).await
            })
        });
        let begin = fresh.db.begin();
        // Dropped at some point of its way; never at the same one.
        let _ = tokio::time::timeout(Duration::from_micros(n * 20), write).await;
        let _ = tokio::time::timeout(Duration::from_micros(n * 7), begin).await;
    }
    let Db::Pg(pool) = &fresh.db else {
        panic!("the store is on PostgreSQL");
    };
    let half: i64 =
        sqlx::query_scalar("SELECT count(*) FROM meta WHERE name LIKE 'n%' AND value <> 'xx'")
            .fetch_one(pool)
            .await
            .expect("the rows are counted");
    assert_eq!(half, 0);
    // All connections can be had, and none of them is within a transaction.
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(pool.acquire().await.expect("a connection is free"));
    }
    let open: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
    )
    .fetch_one(&mut *held[0])
    .await
    .expect("the connection answers");
    assert_eq!(open, 0, "a transaction was left open");
}

#[tokio::test]
async fn a_cluster_has_an_id_and_a_file_has_none() {
    let (lite, pg) = (sqlite().await, postgres().await);
    assert_eq!(lite.db.cluster_id().await.unwrap(), None);
    let id = pg.db.cluster_id().await.unwrap().unwrap();
    let same = postgres().await.db.cluster_id().await.unwrap();
    assert_eq!(same.as_deref(), Some(id.as_str()));
}
