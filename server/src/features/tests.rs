//! Every statement of every feature is prepared on both engines: one that an engine does not understand, or that
//! names a column which is not there, fails here and not in somebody's evening.

use std::collections::BTreeMap;

use sqlx::{Column, Executor, SqlSafeStr, Statement as _};

use crate::platform::store::testing::{postgres, sqlite};
use crate::platform::store::{Db, Statement};

const ALL: &[(&str, &[Statement])] = &[
    ("audit", super::audit::STATEMENTS),
    ("alerts", super::alerts::STATEMENTS),
    ("tally", super::tally::STATEMENTS),
    ("drafts", super::drafts::STATEMENTS),
    ("identity", super::identity::STATEMENTS),
    ("gatherings", super::gatherings::STATEMENTS),
    ("rooms", super::rooms::STATEMENTS),
    ("retention", super::retention::STATEMENTS),
    ("rooms: acts", super::rooms::ACT_STATEMENTS),
    ("rooms: holds", super::rooms::HOLD_STATEMENTS),
];

/// What a statement answers: its columns and how many values it takes; or what the engine said.
type Answer = Result<(Vec<String>, usize), String>;

async fn prepare(db: &Db, statement: &Statement) -> Answer {
    // The engine's own words are wanted here, so not by way of StoreError.
    let sql = statement.sql.into_sql_str();
    match db {
        Db::Sqlite { w, .. } => {
            let mut connection = w.acquire().await.map_err(|error| error.to_string())?;
            let prepared = connection
                .prepare(sql)
                .await
                .map_err(|error| error.to_string())?;
            let names = prepared
                .columns()
                .iter()
                .map(|column| column.name().to_owned());
            Ok((names.collect(), n_values(statement.sql)))
        }
        Db::Pg(pool) => {
            let mut connection = pool.acquire().await.map_err(|error| error.to_string())?;
            let prepared = connection
                .prepare(sql)
                .await
                .map_err(|error| error.to_string())?;
            let names = prepared
                .columns()
                .iter()
                .map(|column| column.name().to_owned());
            let n_values = match prepared.parameters() {
                Some(sqlx::Either::Left(types)) => types.len(),
                Some(sqlx::Either::Right(n)) => n,
                None => 0,
            };
            Ok((names.collect(), n_values))
        }
    }
}

/// The highest `$n` of a statement.
fn n_values(sql: &str) -> usize {
    sql.split('$')
        .skip(1)
        .filter_map(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        })
        .max()
        .unwrap_or(0)
}

async fn prepare_all(db: &Db) -> BTreeMap<String, Answer> {
    let mut answers = BTreeMap::new();
    for (feature, statements) in ALL {
        for statement in statements
            .iter()
            .filter(|statement| statement.is_for(db.engine()))
        {
            let name = format!("{feature}::{}", statement.name);
            let answer = prepare(db, statement).await;
            assert!(
                answers.insert(name.clone(), answer).is_none(),
                "two statements are called {name}"
            );
        }
    }
    answers
}

fn refused(answers: &BTreeMap<String, Answer>) -> Vec<String> {
    answers
        .iter()
        .filter_map(|(name, answer)| Some(format!("{name}: {}", answer.as_ref().err()?)))
        .collect()
}

#[tokio::test]
async fn every_statement_prepares_on_sqlite() {
    let fresh = sqlite().await;
    let answers = prepare_all(&fresh.db).await;
    assert!(
        answers.len() > 50,
        "only {} statements were prepared",
        answers.len()
    );
    let refused = refused(&answers);
    assert!(
        refused.is_empty(),
        "SQLite refuses:\n{}",
        refused.join("\n")
    );
}

#[tokio::test]
async fn every_statement_prepares_on_postgres() {
    let fresh = postgres().await;
    let answers = prepare_all(&fresh.db).await;
    assert!(
        answers.len() > 50,
        "only {} statements were prepared",
        answers.len()
    );
    let refused = refused(&answers);
    assert!(
        refused.is_empty(),
        "PostgreSQL refuses:\n{}",
        refused.join("\n")
    );
}

#[tokio::test]
async fn both_engines_answer_with_the_same_columns_and_take_the_same_values() {
    let (on_sqlite, on_postgres) = (sqlite().await, postgres().await);
    let (on_sqlite, on_postgres) = (
        prepare_all(&on_sqlite.db).await,
        prepare_all(&on_postgres.db).await,
    );
    let mut differ = Vec::new();
    for (name, there) in &on_sqlite {
        let Some(here) = on_postgres.get(name) else {
            continue;
        };
        // A column without a name of its own is called otherwise on each engine; rows are then read by place.
        let (Ok((sqlite_columns, sqlite_values)), Ok((pg_columns, pg_values))) = (there, here)
        else {
            continue;
        };
        let named = |columns: &[String]| {
            columns
                .iter()
                .all(|name| !name.contains('(') && name != "?column?")
        };
        if sqlite_columns.len() != pg_columns.len()
            || (named(sqlite_columns) && named(pg_columns) && !plain(sqlite_columns, pg_columns))
        {
            differ.push(format!(
                "{name}: {sqlite_columns:?} on SQLite, {pg_columns:?} on PostgreSQL"
            ));
        }
        if sqlite_values != pg_values {
            differ.push(format!(
                "{name}: {sqlite_values} values on SQLite, {pg_values} on PostgreSQL"
            ));
        }
    }
    assert!(
        differ.is_empty(),
        "one statement, two meanings:\n{}",
        differ.join("\n")
    );
}

/// Whether the names are the same, but for those of functions, which PostgreSQL names after the function.
fn plain(sqlite: &[String], postgres: &[String]) -> bool {
    const FUNCTIONS: &[&str] = &[
        "max", "min", "count", "sum", "coalesce", "exists", "int8", "bool",
    ];
    sqlite
        .iter()
        .zip(postgres)
        .all(|(there, here)| there == here || FUNCTIONS.contains(&here.as_str()))
}

#[test]
fn every_feature_with_queries_is_in_the_list() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/features");
    let mut there: Vec<String> = std::fs::read_dir(folder)
        .expect("the features are there")
        .map(|entry| entry.expect("an entry of a folder").path())
        .filter(|path| path.join("queries.rs").exists())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    there.sort();
    let mut listed: Vec<&str> = ALL
        .iter()
        .map(|(name, _)| name.split(':').next().unwrap_or(name))
        .collect();
    listed.sort_unstable();
    listed.dedup();
    assert_eq!(
        there, listed,
        "a feature's statements are not prepared by these tests"
    );
}
