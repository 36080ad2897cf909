//! The files of the lexicon, as they are written. What each field means for a writer stands in `lexicon/README.md`.

use serde::Deserialize;

use crate::types::{Card, Side};

/// A file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub words: Vec<Words>,
    #[serde(default)]
    pub guard: Vec<Guard>,
    #[serde(default)]
    pub rule: Vec<Rule>,
    #[serde(default)]
    pub public: Option<Public>,
    #[serde(default)]
    pub scorer: Option<Thresholds>,
}

/// 語群: words that may stand for each other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    pub name: String,
    /// For its readers.
    #[serde(default, rename = "meaning")]
    pub _meaning: String,
    /// 伏字: found also with one letter covered.
    #[serde(default)]
    pub masked: bool,
    pub words: Vec<String>,
}

/// What cancels a rule, shared by many.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Guard {
    pub name: String,
    /// For its readers.
    #[serde(default, rename = "meaning")]
    pub _meaning: String,
    #[serde(default)]
    pub before: Vec<String>,
    #[serde(default)]
    pub after: Vec<String>,
    #[serde(default)]
    pub near: Vec<String>,
    #[serde(default)]
    pub over: Vec<String>,
    #[serde(default)]
    pub sentence: Vec<String>,
    #[serde(default)]
    pub line: Vec<String>,
    #[serde(default)]
    pub quoted: bool,
    pub within: Option<usize>,
}

/// A rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub id: String,
    pub category: String,
    pub meaning: String,
    pub patterns: Vec<String>,
    /// Each of these lists must be met too, near the match.
    #[serde(default)]
    pub also: Vec<String>,
    #[serde(default)]
    pub unless: Vec<String>,
    #[serde(default)]
    pub unless_before: Vec<String>,
    #[serde(default)]
    pub unless_after: Vec<String>,
    #[serde(default)]
    pub unless_near: Vec<String>,
    /// What stands near counts in another sentence, too; only rules of risk_urgent need to say so.
    #[serde(default)]
    pub near_reaches_over: bool,
    #[serde(default)]
    pub unless_over: Vec<String>,
    #[serde(default)]
    pub unless_sentence: Vec<String>,
    #[serde(default)]
    pub unless_line: Vec<String>,
    pub within: Option<usize>,
    #[serde(default)]
    pub trial: bool,
    #[serde(default)]
    pub hint: bool,
    pub side: Option<Side>,
    pub card: Option<Card>,
    #[serde(rename = "match", default)]
    pub must_match: Vec<String>,
    #[serde(rename = "no_match", default)]
    pub must_not: Vec<String>,
}

/// What may be written by anybody.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Public {
    #[serde(default)]
    pub numbers: Vec<String>,
    #[serde(default)]
    pub addresses: Vec<String>,
    #[serde(default)]
    pub domains: Vec<String>,
}

/// From which certainty on the scorer speaks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Thresholds {
    pub category: Vec<Threshold>,
}

/// For one category.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Threshold {
    pub category: String,
    pub alone: f32,
}
