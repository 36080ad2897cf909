//! Files that are made from the code and committed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A path from the repository's root.
pub fn from_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Fails when the committed file is not what the code gives; writes it where `ENGAWA_TEST_UPDATE=1` is set.
pub fn assert_same(path: &str, made: &str) {
    let file = from_root(path);
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    if there == made {
        return;
    }
    if std::env::var_os("ENGAWA_TEST_UPDATE").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(file.parent().expect("a committed file is in a folder"))
            .expect("the folder can be made");
        std::fs::write(&file, made).expect("the file can be written");
        return;
    }
    let line_idx = there
        .lines()
        .zip(made.lines())
        .position(|(was, is)| was != is)
        .unwrap_or(there.lines().count().min(made.lines().count()));
    panic!(
        "{path} is not what the code gives, from line {}:\n  committed: {}\n  the code:  {}\n\
         It is made from the code, because clients are written against it. \
         Make it anew with ENGAWA_TEST_UPDATE=1 cargo test -p engawa --test contract, read the difference, commit it.",
        line_idx + 1,
        there.lines().nth(line_idx).unwrap_or("(its end)"),
        made.lines().nth(line_idx).unwrap_or("(its end)"),
    );
}

/// JSON with its keys sorted, whatever serde_json's features are in this build, and a line break at its end.
pub fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(&sorted(value)).expect("a value is JSON");
    text.push('\n');
    text
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(object) => {
            let by_key: BTreeMap<_, _> = object.iter().collect();
            by_key
                .into_iter()
                .map(|(key, value)| (key.clone(), sorted(value)))
                .collect()
        }
        plain => plain.clone(),
    }
}

/// Fails when a `$ref` of a description leads nowhere in it.
pub fn assert_whole(document: &Value) {
    let mut lost = Vec::new();
    follow(document, document, &mut lost);
    assert!(
        lost.is_empty(),
        "a description names what is not in it: {lost:?}"
    );
}

fn follow(document: &Value, part: &Value, lost: &mut Vec<String>) {
    match part {
        Value::Array(items) => items.iter().for_each(|item| follow(document, item, lost)),
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                let pointer = reference.trim_start_matches('#');
                if document.pointer(pointer).is_none() {
                    lost.push(reference.clone());
                }
            }
            object
                .values()
                .for_each(|value| follow(document, value, lost));
        }
        _ => {}
    }
}
