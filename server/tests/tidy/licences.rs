//! What the binary is made of: licences, crates that must not come in, and crates that must be there once.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::source::{root, text};

/// Licences that may be shipped.
const ALLOWED: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "BSL-1.0",
    "Unlicense",
    "CC0-1.0",
    "Unicode-3.0",
    "MPL-2.0",
    "CDLA-Permissive-2.0",
];

/// Crates that must not be in the lock file, with the reason.
const BANNED: &[(&str, &str)] = &[
    (
        "openssl",
        "TLS is rustls with ring; OpenSSL needs a system library",
    ),
    (
        "openssl-sys",
        "TLS is rustls with ring; OpenSSL needs a system library",
    ),
    ("native-tls", "TLS is rustls with ring"),
    (
        "aws-lc-rs",
        "ring alone: aws-lc needs cmake and minutes to build",
    ),
    (
        "aws-lc-sys",
        "ring alone: aws-lc needs cmake and minutes to build",
    ),
    (
        "tower-sessions-sqlx-store",
        "it is on an older sqlx and pulls SQLite back to a version with the WAL-reset bug",
    ),
    (
        "rusqlite",
        "an older SQLite beside sqlx's own: the WAL-reset bug",
    ),
    (
        "tower_governor",
        "limits are our own over governor: keys must not be addresses",
    ),
    ("web-push", "it needs OpenSSL"),
    ("utoipa-swagger-ui", "it downloads at build time"),
    ("utoipa-scalar", "it loads a script from elsewhere"),
    ("utoipa-redoc", "it loads a script from elsewhere"),
    ("utoipa-rapidoc", "it loads a script from elsewhere"),
    ("jpholiday", "it needs a newer Rust than the one we promise"),
    ("testcontainers", "it needs Docker"),
    ("postgresql_embedded", "it downloads a database"),
];

/// Crates that are not for our own code, though others may pull them in.
const NOT_OURS: &[(&str, &str)] = &[
    ("chrono", "all time and dates are jiff's"),
    ("rrule", "the recurrences that we offer are few and our own"),
    ("config", "settings read TOML themselves (docs/decisions)"),
    (
        "secrecy",
        "secret types are our own, with zeroize (docs/decisions)",
    ),
    ("once_cell", "there are no globals"),
    ("lazy_static", "there are no globals"),
];

/// Crates of which two versions would be two types, or two of a thing that must be one.
const ONCE: &[&str] = &[
    "tungstenite",
    "tokio-tungstenite",
    "sqlx",
    "sqlx-core",
    "rustls",
    "libsqlite3-sys",
    "tokio",
    "hyper",
    "axum",
    "ring",
];

fn metadata() -> Value {
    let rustc = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into()))
        .arg("-vV")
        .output()
        .expect("rustc tells its version");
    let rustc = String::from_utf8_lossy(&rustc.stdout).into_owned();
    let host = rustc
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("rustc tells its host");
    // For this platform alone: crates of others are not downloaded, and not shipped.
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            "--locked",
            "--filter-platform",
            host,
        ])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata gives JSON")
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("")
}

/// Whether a licence expression can be met by the allowed ones: OR, AND, WITH, brackets, and the old form with a slash.
fn allowed(expression: &str) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = any_of(&words, &mut at);
    met && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize) -> bool {
    let mut met = all_of(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all_of(words, at);
    }
    met
}

fn all_of(words: &[&str], at: &mut usize) -> bool {
    let mut met = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at);
    }
    met
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(first) = words.get(*at) else {
        // Past the end, so that the whole is seen to be broken.
        *at += 1;
        return false;
    };
    *at += 1;
    if *first == "(" {
        let met = any_of(words, at);
        *at += 1;
        return met;
    }
    if words.get(*at) == Some(&"WITH") {
        let licence = format!("{first} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
        return ALLOWED.contains(&licence.as_str());
    }
    ALLOWED.contains(first)
}

#[test]
fn licence_expressions_are_understood() {
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "(MIT OR GPL-3.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
    ] {
        assert!(allowed(good), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR ISC) AND SSPL-1.0",
        "MIT OR",
    ] {
        assert!(!allowed(bad), "{bad}");
    }
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let metadata = metadata();
    let packages = list(&metadata, "packages");
    assert!(
        packages.len() > 100,
        "only {} packages were read",
        packages.len()
    );
    let broken: Vec<String> = packages
        .iter()
        .filter(|package| !allowed(word(package, "license")))
        .map(|package| {
            format!(
                "{} {}: {}",
                word(package, "name"),
                word(package, "version"),
                package["license"]
            )
        })
        .collect();
    assert!(
        broken.is_empty(),
        "a licence is not among those that may be shipped in an Apache-2.0 binary (ALLOWED in this file):\n{}",
        broken.join("\n")
    );
}

/// Names and versions of the lock file, for all platforms.
fn locked() -> BTreeMap<String, BTreeSet<String>> {
    let mut by_name: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let lock = text("Cargo.lock");
    let mut name = "";
    for line in lock.lines() {
        let value = |key: &str| line.strip_prefix(key).map(|value| value.trim_matches('"'));
        if let Some(value) = value("name = ") {
            name = value;
        } else if let Some(value) = value("version = ")
            && !name.is_empty()
        {
            by_name
                .entry(name.to_owned())
                .or_default()
                .insert(value.to_owned());
            name = "";
        }
    }
    assert!(
        by_name.len() > 100,
        "only {} packages were read of Cargo.lock",
        by_name.len()
    );
    by_name
}

#[test]
fn banned_crates_are_absent() {
    let locked = locked();
    let mut broken: Vec<String> = BANNED
        .iter()
        .filter(|(name, _)| locked.contains_key(*name))
        .map(|(name, why)| format!("{name}: {why}"))
        .collect();
    broken.extend(
        locked
            .keys()
            .filter(|name| name.starts_with("lindera"))
            .map(|name| format!("{name}: its dictionaries are downloaded at build time")),
    );
    let metadata = metadata();
    let members: BTreeSet<&str> = list(&metadata, "workspace_members")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for package in list(&metadata, "packages") {
        if !members.contains(word(package, "id")) {
            continue;
        }
        for dependency in list(package, "dependencies") {
            if let Some((name, why)) = NOT_OURS
                .iter()
                .find(|(name, _)| *name == word(dependency, "name"))
            {
                broken.push(format!(
                    "{} depends on {name}: {why}",
                    word(package, "name")
                ));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "a crate came in that must not:\n{}",
        broken.join("\n")
    );
}

#[test]
fn crates_whose_types_meet_are_there_once() {
    let locked = locked();
    let broken: Vec<String> = ONCE
        .iter()
        .filter_map(|name| locked.get(*name).map(|versions| (name, versions)))
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, versions)| format!("{name}: {versions:?}"))
        .collect();
    assert!(
        broken.is_empty(),
        "two versions are two types, or two SQLites in one process:\n{}",
        broken.join("\n")
    );
    assert!(
        locked.contains_key("tungstenite")
            && locked.contains_key("sqlx")
            && locked.contains_key("rustls")
    );
}

#[test]
fn moderation_is_pure() {
    let metadata = metadata();
    let package = list(&metadata, "packages")
        .iter()
        .find(|package| word(package, "name") == "moderation")
        .expect("the crate moderation is there");
    let may = [
        "serde",
        "serde_json",
        "unicode-normalization",
        "daachorse",
        "regex",
        "toml",
        "proptest",
        "insta",
        "criterion",
        // Of tests alone: it counts allocations.
        "allocation-counter",
    ];
    let broken: Vec<&str> = list(package, "dependencies")
        .iter()
        .map(|dependency| word(dependency, "name"))
        .filter(|name| !may.contains(name))
        .collect();
    assert!(
        broken.is_empty(),
        "moderation is text in, assessment out: no runtime, store, web or server in it, so that it can be run over \
         millions of lines and moved anywhere; it depends on {broken:?}"
    );
}
