//! The engine: a lexicon, a scorer, and the one way through them.

use std::cell::RefCell;
use std::sync::Arc;

use crate::fold::Folded;
use crate::lexicon::{Lexicon, Problem, Rule, Source, built_in};
use crate::matcher::Matches;
use crate::types::{Assessment, Category, Context, Finding, Side};

/// Buffers that are used line after line.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub line: Folded,
    pub matches: Matches,
}

thread_local! {
    // One set of buffers a thread: the engine is shared, and a line must not allocate.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Reads lines. Made once, shared, and replaced as a whole when the lexicon changes.
pub struct Engine {
    pub(crate) lexicon: Lexicon,
}

impl Engine {
    /// An engine on this lexicon.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn new(sources: &[Source<'_>]) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            lexicon: Lexicon::read(sources)?,
        })
    }

    /// The engine on the lexicon that is compiled in.
    ///
    /// # Panics
    /// When the lexicon in the repository is broken: a test reads it before anybody else does.
    pub fn built_in() -> Self {
        match Self::new(&built_in()) {
            Ok(engine) => engine,
            Err(problems) => {
                let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
                panic!(
                    "the lexicon that is compiled in is broken: {}",
                    all.join("; ")
                )
            }
        }
    }

    /// The rules, in the order of their index.
    pub fn rules(&self) -> &[Rule] {
        &self.lexicon.rules
    }

    /// How many words the rules are made of.
    pub fn n_words(&self) -> usize {
        self.lexicon.literals.len()
    }

    /// Reads one line. Never panics, whatever the text.
    pub fn assess(&self, line: &str, context: &Context<'_>) -> Assessment {
        self.with_scratch(|scratch| self.read(scratch, line, context))
    }

    pub(crate) fn with_scratch<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
            Ok(mut scratch) => work(&mut scratch),
            // Only if it is called from within itself, which it is not.
            Err(_) => work(&mut Scratch::default()),
        })
    }

    fn read(&self, scratch: &mut Scratch, line: &str, context: &Context<'_>) -> Assessment {
        scratch.line.fold(line);
        scratch
            .matches
            .look(&scratch.line, &self.lexicon, context.side);
        let mut findings: Vec<Finding> = Vec::new();
        let mut trial: Vec<Finding> = Vec::new();
        for found in &scratch.matches.found {
            if found.cancelled_by.is_some() {
                continue;
            }
            let rule = &self.lexicon.rules[found.rule as usize];
            if rule.hint {
                continue;
            }
            let span = scratch
                .line
                .span(found.place.from as usize, found.place.to as usize);
            let list = if rule.trial {
                &mut trial
            } else {
                &mut findings
            };
            match list.iter_mut().find(|known| known.rule == rule.id) {
                Some(known) => known.spans.push(span),
                None => list.push(Finding {
                    category: rule.category,
                    spans: vec![span],
                    rule: Arc::clone(&rule.id),
                    card: rule.card,
                }),
            }
        }
        let category = findings
            .iter()
            .map(|finding| finding.category)
            .max()
            .unwrap_or(Category::Ok);
        Assessment {
            category,
            action: category.action(),
            findings,
            trial,
        }
    }

    /// Runs the examples of every rule.
    ///
    /// # Errors
    /// Every example that is not as its writer says.
    pub fn check(&self) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        for (idx, rule) in self.lexicon.rules.iter().enumerate() {
            let side = rule.side.unwrap_or(Side::Tojisha);
            for (examples, wanted) in [
                (&rule.examples.must_match, true),
                (&rule.examples.must_not, false),
            ] {
                for example in examples {
                    let (fired, by) = self.fires(idx, example, side);
                    if fired == wanted {
                        continue;
                    }
                    problems.push(Problem {
                        file: rule.file.clone(),
                        item: Some(rule.id.to_string()),
                        what: match (wanted, by) {
                            (true, Some(guard)) => format!(
                                "match の例「{example}」が、打ち消し「{guard}」で消されました"
                            ),
                            (true, None) => format!("match の例「{example}」が見つかりません"),
                            (false, _) => {
                                format!("no_match の例「{example}」が見つかってしまいました")
                            }
                        },
                    });
                }
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }

    fn fires(&self, rule: usize, line: &str, side: Side) -> (bool, Option<Arc<str>>) {
        self.with_scratch(|scratch| {
            scratch.line.fold(line);
            scratch.matches.look(&scratch.line, &self.lexicon, side);
            let mut by = None;
            for found in scratch
                .matches
                .found
                .iter()
                .filter(|found| found.rule as usize == rule)
            {
                match found.cancelled_by {
                    None => return (true, None),
                    Some(guard) => {
                        by = Some(Arc::clone(
                            &self.lexicon.rules[rule].guards[guard as usize].name,
                        ));
                    }
                }
            }
            (false, by)
        })
    }
}
