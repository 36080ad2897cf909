//! Where SQL, the clock, chance and the environment may stand.

use regex::Regex;

use super::source::{Source, files, is_test_file, shipped, text};

/// Files that may hold SQL: each feature's one, and the engine.
fn may_hold_sql(path: &str) -> bool {
    path.ends_with("/queries.rs")
        || path.starts_with("server/src/platform/store/")
        || path.starts_with("server/src/platform/keys/")
}

fn sql_text() -> Regex {
    Regex::new(
        r"^\s*(SELECT\s|INSERT\s+(OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|REPLACE\s+INTO\s|WITH\s+\w+\s+AS\s*\(|(CREATE|ALTER|DROP)\s+(TABLE|INDEX|TRIGGER|DATABASE)\s|PRAGMA\s|VACUUM\b|TRUNCATE\s)",
    )
    .expect("a pattern")
}

#[test]
fn sql_stands_in_queries_and_in_the_engine_alone() {
    let sql = sql_text();
    let call = Regex::new(
        r"\bsqlx::(query\w*|raw_sql|QueryBuilder)\b|\b(query_as|query_scalar)\s*(::<|\()",
    )
    .expect("a pattern");
    let mut broken = Vec::new();
    for source in shipped("server/src") {
        if may_hold_sql(&source.path) {
            continue;
        }
        for (at, string) in &source.strings {
            if sql.is_match(string) {
                broken.push(format!(
                    "{}:{} holds a statement",
                    source.path,
                    source.line(*at)
                ));
            }
        }
        for found in call.find_iter(&source.code) {
            broken.push(format!(
                "{}:{} runs a statement",
                source.path,
                source.line(found.start())
            ));
        }
    }
    assert!(
        broken.is_empty(),
        "SQL stands in a feature's queries.rs, platform/store and platform/keys alone, so that all of it is read as one \
         layer and prepared on both engines by a test:\n{}",
        broken.join("\n")
    );
}

/// Where a `statements! { … }` block begins and ends.
fn statement_blocks(source: &Source) -> Vec<(usize, usize)> {
    let opening = Regex::new(r"\bstatements!\s*\{").expect("a pattern");
    opening
        .find_iter(&source.code)
        .map(|found| {
            let mut depth = 0;
            let end = source.code[found.start()..]
                .char_indices()
                .find_map(|(offset, c)| {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    (c == '}' && depth == 0).then_some(found.start() + offset)
                })
                .unwrap_or(source.code.len());
            (found.start(), end)
        })
        .collect()
}

#[test]
fn every_statement_of_a_feature_is_named_in_statements() {
    let sql = sql_text();
    let mut broken = Vec::new();
    for path in files("server/src/features", &["queries.rs"]) {
        let source = Source::read(&path);
        let blocks = statement_blocks(&source);
        if blocks.is_empty() {
            broken.push(format!("{path} has no statements! block"));
        }
        for (at, string) in &source.strings {
            let named = blocks.iter().any(|(from, to)| (from..to).contains(&at));
            if sql.is_match(string) && !named {
                broken.push(format!(
                    "{path}:{} holds a statement outside statements!",
                    source.line(*at)
                ));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "a statement that is not in statements! is not prepared on both engines by the test in platform/store:\n{}",
        broken.join("\n")
    );
}

#[test]
fn each_migration_stands_twice_under_the_same_name() {
    let names = |engine: &str| -> Vec<String> {
        let folder = format!("migrations/{engine}");
        files(&folder, &[".sql"])
            .iter()
            .map(|path| path[folder.len() + 1..].to_owned())
            .collect()
    };
    assert_eq!(
        names("sqlite"),
        names("postgres"),
        "a migration is written for both engines under one number and name: no node is on one engine only"
    );
}

#[test]
fn the_wall_clock_is_read_in_clock_alone() {
    let reads = Regex::new(
        r"\b(SystemTime|Timestamp|Zoned|Utc|Local|OffsetDateTime)::now\b|\bUNIX_EPOCH\b|\bstd::time::Instant\b|\bstd::time::\{[^}]*\bInstant\b|\bstd::time::\{[^}]*\bSystemTime\b|\bstd::time::SystemTime\b",
    )
    .expect("a pattern");
    let mut broken = Vec::new();
    for source in shipped("server/src")
        .into_iter()
        .chain(shipped("moderation/src"))
    {
        if source.path == "server/src/platform/clock.rs" {
            continue;
        }
        for found in reads.find_iter(&source.code) {
            broken.push(format!(
                "{}:{} {}",
                source.path,
                source.line(found.start()),
                found.as_str()
            ));
        }
    }
    assert!(
        broken.is_empty(),
        "the clock is read in platform/clock.rs alone and handed down, so that tests own the time (waits take \
         tokio::time::Instant, which tests can pause):\n{}",
        broken.join("\n")
    );
}

#[test]
fn chance_comes_from_ids_alone() {
    let draws = Regex::new(
        r"\brand::|\bgetrandom\b|\bOsRng\b|\bSysRng\b|\bthread_rng\b|\bgenerate_(key|nonce)\b|::generate\(\s*\)|\bUuid::new_v|\bSecret::generate\w*\b",
    )
    .expect("a pattern");
    let mut broken = Vec::new();
    for source in shipped("server/src")
        .into_iter()
        .chain(shipped("moderation/src"))
    {
        if source.path == "server/src/platform/ids.rs" {
            continue;
        }
        for found in draws.find_iter(&source.code) {
            broken.push(format!(
                "{}:{} {}",
                source.path,
                source.line(found.start()),
                found.as_str()
            ));
        }
    }
    assert!(
        broken.is_empty(),
        "chance comes from platform/ids.rs alone and is handed down, so that tests own it and one place is reviewed:\n{}",
        broken.join("\n")
    );
}

#[test]
fn a_statement_never_holds_a_value() {
    // Values are bound ($1): a value in the text would stand in logs, plans and error messages.
    let made = Regex::new(r"(AssertSqlSafe|format!)\s*\(").expect("a pattern");
    let mut broken = Vec::new();
    for path in files("server/src/features", &["queries.rs"]) {
        if is_test_file(&path) || !text(&path).contains("statements!") {
            continue;
        }
        let source = Source::read(&path);
        for found in made.find_iter(&source.code) {
            broken.push(format!("{path}:{}", source.line(found.start())));
        }
    }
    assert!(
        broken.is_empty(),
        "statements are constants, values are bound:\n{}",
        broken.join("\n")
    );
}

#[test]
fn the_environment_is_read_in_settings_alone() {
    let reads = Regex::new(r"\benv::(var|vars|var_os|vars_os)\b").expect("a pattern");
    let mut broken = Vec::new();
    for source in shipped("server/src")
        .into_iter()
        .chain(shipped("moderation/src"))
    {
        if source.path.starts_with("server/src/platform/settings/") {
            continue;
        }
        for found in reads.find_iter(&source.code) {
            broken.push(format!("{}:{}", source.path, source.line(found.start())));
        }
    }
    assert!(
        broken.is_empty(),
        "the environment is read in platform/settings alone: what decides something is a setting, checked at the start \
         and printed by doctor:\n{}",
        broken.join("\n")
    );
}
