//! Every word that people see stands in one catalogue, web/texts.

use std::collections::BTreeMap;

use regex::Regex;

use super::source::{Source, end_of_item, files, shipped, text};

fn japanese() -> Regex {
    Regex::new(r"[\p{Hiragana}\p{Katakana}\p{Han}々]").expect("a pattern")
}

/// Rust files with Japanese in their strings: how many strings, and why. The list may only shrink.
const DATA: &[(&str, usize, &str)] = &[
    (
        "server/src/cli/mod.rs",
        1,
        "(the name of the project, in the help text)",
    ),
    (
        "server/src/features/identity/name.rs",
        50,
        "(words of staff that no name may hold: a list to compare with, never shown)",
    ),
];

/// Where the bodies of `fn sample()` begin and end: invented data that a test renders a page with, never sent.
fn samples(source: &Source) -> Vec<(usize, usize)> {
    source
        .code
        .match_indices("fn sample()")
        .map(|(at, _)| (at, end_of_item(&source.code, at)))
        .collect()
}

#[test]
fn words_for_people_stand_in_the_catalogue_alone() {
    let japanese = japanese();
    let mut broken = Vec::new();
    for source in shipped("server/src") {
        let samples = samples(&source);
        let found: Vec<usize> = source
            .strings
            .iter()
            .filter(|(_, string)| japanese.is_match(string))
            .filter(|(at, _)| !samples.iter().any(|(from, to)| (from..to).contains(&at)))
            .map(|(at, _)| source.line(*at))
            .collect();
        let (n_may, why) = DATA
            .iter()
            .find(|(path, _, _)| *path == source.path)
            .map_or((0, ""), |(_, n, why)| (*n, *why));
        if found.len() > n_may {
            broken.push(format!(
                "{}: {} strings with Japanese, {n_may} are allowed {why}; lines {found:?}",
                source.path,
                found.len()
            ));
        } else if found.len() < n_may {
            broken.push(format!(
                "{}: has {} strings with Japanese now; lower its number in DATA, which may only shrink",
                source.path,
                found.len()
            ));
        }
    }
    for (path, _, _) in DATA {
        if !super::source::root().join(path).exists() {
            broken.push(format!("{path} stands in DATA and is not there"));
        }
    }
    assert!(
        broken.is_empty(),
        "words for people stand in web/texts, so that they are read, corrected and translated in one place:\n{}",
        broken.join("\n")
    );
}

#[test]
fn templates_and_modules_hold_no_words_of_their_own() {
    let japanese = japanese();
    let comment =
        Regex::new(r"(?s)\{#.*?#\}|<!--.*?-->|/\*.*?\*/|(?m)^\s*//.*$").expect("a pattern");
    let mut paths = files("web/templates", &[".html"]);
    paths.extend(files("web/js", &[".js"]));
    let mut broken = Vec::new();
    for path in paths {
        let text = text(&path);
        let bare = comment.replace_all(&text, |found: &regex::Captures<'_>| {
            "\n".repeat(found[0].matches('\n').count())
        });
        for (idx, line) in bare.lines().enumerate() {
            // What stands behind the code on its line is a comment too.
            let code = line.split_once(" // ").map_or(line, |(code, _)| code);
            if japanese.is_match(code) {
                broken.push(format!("{path}:{}: {}", idx + 1, line.trim()));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "words for people stand in web/texts; a template names them by key:\n{}",
        broken.join("\n")
    );
}

/// Words that the interface never says (the project's words), because they judge, push or promise too much.
const NEVER: &[&str] = &[
    "見守",
    "当番",
    "支援してあげる",
    "回復",
    "克服",
    "社会復帰",
    "卒業",
    "一歩",
    "ご安心ください",
    "ましょう",
];

#[test]
fn the_catalogue_is_flat_and_says_none_of_the_words_we_never_say() {
    let key = Regex::new(r"^[a-z][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)+$").expect("a pattern");
    let mut broken = Vec::new();
    let mut keys_of_first: Option<Vec<String>> = None;
    for path in files("web/texts", &[".json"]) {
        let catalogue: BTreeMap<String, String> = serde_json::from_str(&text(&path))
            .unwrap_or_else(|error| panic!("{path} is not a flat list of words by key: {error}"));
        for (name, words) in &catalogue {
            if !key.is_match(name) {
                broken.push(format!("{path}: the key {name} is not `part.name`"));
            }
            if words.trim().is_empty() {
                broken.push(format!("{path}: {name} says nothing"));
            }
            for never in NEVER {
                if words.contains(never) {
                    broken.push(format!("{path}: {name} says {never}"));
                }
            }
        }
        let keys: Vec<String> = catalogue.into_keys().collect();
        match &keys_of_first {
            Some(first) if *first != keys => {
                broken.push(format!("{path} has not the same keys as the others"))
            }
            Some(_) => {}
            None => keys_of_first = Some(keys),
        }
    }
    assert!(broken.is_empty(), "the catalogue:\n{}", broken.join("\n"));
}
