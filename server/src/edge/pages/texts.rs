//! The catalogue of all words that people read, from `web/texts/ja.json`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

const JA: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../web/texts/ja.json"));

static CATALOGUE: LazyLock<BTreeMap<String, String>> =
    LazyLock::new(|| serde_json::from_str(JA).expect("the catalogue is checked by a test"));

/// What the browser's modules need of the catalogue: these parts of it.
const LIVE: [&str; 15] = [
    "live.", "stamp.", "duty.", "reader.", "kind.", "room.", "seat.", "refused.", "words.",
    "time.", "way.", "desk.", "why.", "reject.", "mark.",
];

/// The text of a key. A missing key is a fault that a test finds; a page shows nothing in its place.
pub fn t(key: &str) -> &'static str {
    match CATALOGUE.get(key) {
        Some(text) => text.as_str(),
        None => {
            debug_assert!(false, "no text for the key {key}");
            ""
        }
    }
}

/// Whether the catalogue has a key.
pub fn has(key: &str) -> bool {
    CATALOGUE.contains_key(key)
}

/// The text of a key with its `{places}` filled in.
pub fn fill(key: &str, places: &[(&str, &str)]) -> String {
    let mut rest = t(key);
    let mut filled = String::with_capacity(rest.len() + 16);
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((place, tail)) = after.split_once('}') else {
            rest = after;
            break;
        };
        if let Some((_, value)) = places.iter().find(|(name, _)| *name == place) {
            filled.push_str(value);
        }
        rest = tail;
    }
    filled.push_str(rest);
    filled
}

/// The kind words for a refusal of the protocol, by its code (`refused.<code>`).
pub fn refused(code: &str) -> &'static str {
    let key = format!("refused.{code}");
    if has(&key) {
        t(&key)
    } else {
        t("refused.not_allowed")
    }
}

/// What the author of a held line hears at that stage (`hold.<stage>.<reason>`, or `hold.<stage>` for all others).
pub fn hold(reason: &str, stage: &str) -> &'static str {
    let key = format!("hold.{stage}.{reason}");
    if has(&key) {
        t(&key)
    } else {
        t(&format!("hold.{stage}"))
    }
}

/// What somebody is asked (`ask.<reason>`, or `ask.other`).
pub fn ask(reason: &str) -> &'static str {
    let key = format!("ask.{reason}");
    if has(&key) { t(&key) } else { t("ask.other") }
}

/// The words for a problem of HTTP, by its code (`problem.<code>`).
pub fn problem(code: &str) -> &'static str {
    let key = format!("problem.{code}");
    if has(&key) {
        t(&key)
    } else {
        t("problem.bad_request")
    }
}

/// The part of the catalogue that the browser's modules read, as JSON.
pub(crate) fn live_json() -> String {
    let live: BTreeMap<&str, &str> = CATALOGUE
        .iter()
        .filter(|(key, _)| LIVE.iter().any(|part| key.starts_with(part)))
        .map(|(key, text)| (key.as_str(), text.as_str()))
        .collect();
    serde_json::to_string(&live).expect("a map of strings is JSON")
}

/// All keys and texts, for tests that walk them.
#[cfg(test)]
pub(crate) fn all() -> &'static BTreeMap<String, String> {
    &CATALOGUE
}
