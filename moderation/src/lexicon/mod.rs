//! The lexicon: words, guards and rules as data, read once into tables that a line is looked up in.
//!
//! It knows no file system: whoever loads it hands over names and texts. It says all that is wrong, not only the first.

mod compile;
mod pattern;
mod raw;

use std::fmt;
use std::sync::Arc;

use daachorse::CharwiseDoubleArrayAhoCorasick;

use crate::types::{Card, Category, Side};

include!(concat!(env!("OUT_DIR"), "/lexicon.rs"));

/// A file of the lexicon.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its name, for messages.
    pub name: &'a str,
    /// What is in it.
    pub text: &'a str,
}

/// The files that are compiled in.
pub fn built_in() -> Vec<Source<'static>> {
    FILES
        .iter()
        .map(|(name, text)| Source { name, text })
        .collect()
}

/// What is wrong with a lexicon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The rule, guard or set of words.
    pub item: Option<String>,
    /// What, in words for its writer.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.item {
            Some(item) => write!(f, "{}: {item}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

/// What is known of a rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its id.
    pub id: Arc<str>,
    /// What it finds.
    pub category: Category,
    /// What it means, in Japanese.
    pub meaning: String,
    /// It is watched, and changes nothing.
    pub trial: bool,
    /// It decides nothing by itself: it is evidence for the scorer.
    pub hint: bool,
    /// Guards near the match count only in the same sentence: what makes one sentence harmless says nothing of a life in the
    /// next.
    pub near_in_sentence: bool,
    /// Only in rooms of this side.
    pub side: Option<Side>,
    /// The card it asks for.
    pub card: Option<Card>,
    /// The file it stands in.
    pub file: String,
    /// Lines it must find, and lines it must not.
    pub examples: Examples,
    pub(crate) guards: Vec<GuardUse>,
    pub(crate) also: Vec<u32>,
    pub(crate) within: usize,
}

/// The examples of a rule.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    /// It must find these.
    pub must_match: Vec<String>,
    /// It must not find these.
    pub must_not: Vec<String>,
}

/// Where a guard must stand to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    Before,
    After,
    Near,
    Over,
    Sentence,
    Line,
    Quoted,
}

/// A list of patterns that cancels a rule.
#[derive(Clone, Debug)]
pub(crate) struct GuardUse {
    /// Its name, for explanations.
    pub name: Arc<str>,
    pub scope: Scope,
    /// The list; of [`Scope::Quoted`] without meaning.
    pub list: u32,
    pub within: usize,
}

/// A piece of a pattern, as it is looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub term: u32,
    pub gap_max: u32,
    pub far: bool,
    pub start: bool,
    pub edge: bool,
    pub end: bool,
    pub edge_after: bool,
}

/// One way through a pattern: what belongs to it, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub steps: Box<[Step]>,
    pub owner: Owner,
}

/// Whose a way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Rule(u32),
    List,
}

/// A word of all rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    /// Its length in characters.
    pub n_chars: u8,
    /// It begins, it ends with a Latin letter or digit: there must be an edge there.
    pub latin_first: bool,
    pub latin_last: bool,
    /// Where its terms stand.
    pub terms: (u32, u32),
}

/// A run of digits.
pub(crate) const TERM_NUMBER: u32 = 0;
/// A run of letters and digits.
pub(crate) const TERM_ID: u32 = 1;

/// Certainties from which on the scorer speaks, for each category by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thresholds {
    pub alone: [f32; 9],
}

/// What may be written by anybody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Public {
    /// Telephone numbers, digits alone.
    pub numbers: Vec<String>,
    /// Folded pieces of addresses.
    pub addresses: Vec<String>,
    /// Domains.
    pub domains: Vec<String>,
}

/// A lexicon that is ready for use.
pub struct Lexicon {
    pub(crate) automaton: CharwiseDoubleArrayAhoCorasick<u32>,
    pub(crate) words: Vec<Word>,
    pub(crate) word_terms: Vec<u32>,
    pub(crate) n_terms: usize,
    /// Whether rules are looked up by a term, or it is a named set.
    pub(crate) term_wanted: Vec<bool>,
    /// The named sets of words, as evidence for the scorer: term, name.
    pub(crate) named: Vec<(u32, String)>,
    pub(crate) ways: Vec<Way>,
    /// For each term, the ways of rules that are looked at when it is there: from, to in `by_term`.
    pub(crate) term_ways: Vec<(u32, u32)>,
    pub(crate) by_term: Vec<u32>,
    /// Lists of patterns (of guards, of `also`): their ways.
    pub(crate) lists: Vec<Vec<u32>>,
    /// The rules.
    pub rules: Vec<Rule>,
    pub(crate) public: Public,
    pub(crate) thresholds: Thresholds,
}

impl Lexicon {
    /// Reads a lexicon.
    ///
    /// # Errors
    /// All that is wrong with it. Examples are not run here: [`crate::Engine::check`] does.
    pub fn read(sources: &[Source<'_>]) -> Result<Self, Vec<Problem>> {
        compile::compile(sources)
    }

    /// All words of all rules, folded: for measuring against a bare scan of the same. Taken out of the automaton, which is
    /// slow, and costs no memory where nobody asks.
    pub fn literals(&self) -> Vec<String> {
        self.automaton.iter().map(|(word, _)| word).collect()
    }
}
