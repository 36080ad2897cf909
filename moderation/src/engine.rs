//! The engine: a lexicon, detectors, a scorer, and the one way through them.

use std::cell::RefCell;
use std::sync::Arc;

use crate::detect::{Detector, Detectors};
use crate::fold::Folded;
use crate::lexicon::{Lexicon, Problem, Rule, Source, built_in};
use crate::matcher::Matches;
use crate::scorer::{Evidence, Scorer, Scores};
use crate::types::{Assessment, Card, Category, Context, Finding, Place, Side, Span};

/// Lines of the same writer that are read together with the present one where numbers or single letters are concerned.
const RECENT_MAX: usize = 12;
/// A line of so few letters may be a part of a word that is sent letter by letter.
const PIECE_MAX: usize = 2;

/// Buffers that are used line after line.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub line: Folded,
    pub matches: Matches,
    pub detectors: Detectors,
    pub scores: Scores,
    joined: Folded,
    joined_text: String,
}

thread_local! {
    // One set of buffers a thread: the engine is shared, and a line should not allocate.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Reads lines. Made once, shared, and replaced as a whole when the lexicon changes.
pub struct Engine {
    pub(crate) lexicon: Lexicon,
    pub(crate) scorer: Option<Scorer>,
    pub(crate) evidence: Evidence,
    detector_ids: Vec<Arc<str>>,
    scorer_ids: Vec<Arc<str>>,
}

impl Engine {
    /// An engine on this lexicon, with the scorer that is compiled in.
    ///
    /// # Errors
    /// All that is wrong with the lexicon.
    pub fn new(sources: &[Source<'_>]) -> Result<Self, Vec<Problem>> {
        Self::with_weights(sources, Scorer::BUILT_IN)
    }

    /// An engine on this lexicon and these weights; no scorer where the weights are empty.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn with_weights(sources: &[Source<'_>], weights: &[u8]) -> Result<Self, Vec<Problem>> {
        let lexicon = Lexicon::read(sources)?;
        let scorer = Scorer::read(weights).map_err(|what| {
            vec![Problem {
                file: "weights".into(),
                item: None,
                what,
            }]
        })?;
        Ok(Self {
            evidence: Evidence::of(&lexicon),
            lexicon,
            scorer,
            detector_ids: Detector::ALL
                .iter()
                .map(|one| Arc::from(one.id()))
                .collect(),
            scorer_ids: Category::ALL
                .iter()
                .map(|one| Arc::from(format!("scorer.{}", one.as_str()).as_str()))
                .collect(),
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
        self.lexicon.words.len()
    }

    /// All words of all rules, folded: for measuring against a bare scan of the same.
    pub fn words(&self) -> Vec<String> {
        self.lexicon.literals()
    }

    /// Reads one line. Never panics, whatever the text.
    pub fn assess(&self, line: &str, context: &Context<'_>) -> Assessment {
        self.with_scratch(|scratch| self.read(scratch, line, context))
    }

    /// Reads one line, and tells which rules it fired and which were cancelled, by their index: what a caller counts.
    pub fn assess_counted(
        &self,
        line: &str,
        context: &Context<'_>,
        mut count: impl FnMut(usize, bool),
    ) -> Assessment {
        self.with_scratch(|scratch| {
            let assessment = self.read(scratch, line, context);
            for found in &scratch.matches.found {
                count(found.rule as usize, found.cancelled_by.is_none());
            }
            assessment
        })
    }

    pub(crate) fn with_scratch<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
            Ok(mut scratch) => work(&mut scratch),
            // Only if it is called from within itself, which it is not.
            Err(_) => work(&mut Scratch::default()),
        })
    }

    /// All that is looked at, without a decision.
    pub(crate) fn look(&self, scratch: &mut Scratch, line: &str, context: &Context<'_>) {
        scratch.line.fold(line);
        scratch
            .matches
            .look(&scratch.line, &self.lexicon, context.side);
        scratch
            .detectors
            .look(&scratch.line, line, context, &self.lexicon.public);
    }

    /// The scorer's part, after the look; false where there is no scorer.
    pub(crate) fn weigh(&self, scratch: &mut Scratch) -> bool {
        let Some(scorer) = &self.scorer else {
            return false;
        };
        let Scratch {
            line,
            matches,
            detectors,
            scores,
            ..
        } = scratch;
        // It has learned Japanese: of a line in Latin letters alone it knows nothing.
        if !line.units.iter().any(|unit| unit.c >= '\u{3040}') {
            scores.certainty = [0.0; 9];
            return false;
        }
        scores
            .features
            .read(line, matches, detectors, &self.evidence);
        scorer.score(line.units.len(), scores);
        true
    }

    /// The certainty of each category, by its number: for training.
    #[doc(hidden)]
    pub fn certainties(&self, line: &str, context: &Context<'_>) -> [f32; 9] {
        self.with_scratch(|scratch| {
            self.look(scratch, line, context);
            self.weigh(scratch);
            scratch.scores.certainty
        })
    }

    /// What the scorer looks at in a line, as hashes: runs of characters, sets of words and detectors, rules. For training.
    #[doc(hidden)]
    pub fn features(&self, line: &str, context: &Context<'_>) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
        self.with_scratch(|scratch| {
            self.look(scratch, line, context);
            let Scratch {
                line,
                matches,
                detectors,
                scores,
                ..
            } = scratch;
            scores
                .features
                .read(line, matches, detectors, &self.evidence);
            let keys = |all: &[(u32, u16)]| all.iter().map(|(key, _)| *key).collect::<Vec<_>>();
            let (rules, sets) = keys(&scores.features.seen)
                .into_iter()
                .partition(|key| self.evidence.is_rule(*key));
            (keys(&scores.features.runs), sets, rules)
        })
    }

    fn read(&self, scratch: &mut Scratch, line: &str, context: &Context<'_>) -> Assessment {
        let mut assessment = Assessment {
            category: Category::Ok,
            action: Category::Ok.action(),
            findings: Vec::new(),
            trial: Vec::new(),
        };
        self.look(scratch, line, context);
        self.take_rules(scratch, None, &mut assessment);
        self.take_detectors(scratch, None, &mut assessment);
        // A name is a word or two, and what was learned is of sentences: it would stop half of all names.
        if context.place != Place::Name && self.weigh(scratch) {
            if scratch.detectors.has_public_number() {
                // What was learned knows no public numbers: it only sees that there is one.
                scratch.scores.certainty[Category::Contact as usize] = 0.0;
            }
            self.take_scores(&scratch.scores, &mut assessment);
        }
        if !context.recent.is_empty() {
            self.read_across(scratch, line, context, &mut assessment);
        }
        advert_is_no_contact(&mut assessment.findings);
        assessment.category = assessment
            .findings
            .iter()
            .map(|finding| finding.category)
            .max()
            .unwrap_or(Category::Ok);
        assessment.action = assessment.category.action();
        assessment
    }

    fn take_rules(&self, scratch: &Scratch, own: Option<u32>, into: &mut Assessment) {
        for found in &scratch.matches.found {
            let rule = &self.lexicon.rules[found.rule as usize];
            if found.cancelled_by.is_some() || rule.hint {
                continue;
            }
            let line = if own.is_some() {
                &scratch.joined
            } else {
                &scratch.line
            };
            let span = line.span(found.place.from as usize, found.place.to as usize);
            let Some(span) = own_part(span, own) else {
                continue;
            };
            let list = if rule.trial {
                &mut into.trial
            } else {
                &mut into.findings
            };
            add(list, rule.category, &rule.id, rule.card, Some(span));
        }
    }

    fn take_detectors(&self, scratch: &Scratch, own: Option<u32>, into: &mut Assessment) {
        for found in &scratch.detectors.found {
            let line = if own.is_some() {
                &scratch.joined
            } else {
                &scratch.line
            };
            let span = (found.to > found.from)
                .then(|| line.span(found.from, found.to))
                .and_then(|span| own_part(span, own));
            let id = &self.detector_ids[found.by as usize];
            add(&mut into.findings, found.by.category(), id, None, span);
        }
    }

    fn take_scores(&self, scores: &Scores, into: &mut Assessment) {
        let highest = into
            .findings
            .iter()
            .map(|finding| finding.category)
            .max()
            .unwrap_or(Category::Ok);
        // It asks, holds or raises; it never lets pass what a rule has found, and never refuses.
        let best = Category::ALL
            .into_iter()
            .filter(|category| *category > Category::Spam)
            .max_by(|a, b| scores.certainty[*a as usize].total_cmp(&scores.certainty[*b as usize]));
        // An advert or a flood is told by its shape: only a danger comes before it.
        let stands = highest == Category::Spam;
        let Some(category) = best.filter(|best| *best > highest && (!stands || best.is_risk()))
        else {
            return;
        };
        if scores.certainty[category as usize] >= self.lexicon.thresholds.alone[category as usize] {
            let card = category.is_risk().then_some(Card::Life);
            add(
                &mut into.findings,
                category,
                &self.scorer_ids[category as usize],
                card,
                None,
            );
        }
    }

    /// Numbers sent group by group, words sent letter by letter: this line together with the last ones.
    fn read_across(
        &self,
        scratch: &mut Scratch,
        line: &str,
        context: &Context<'_>,
        into: &mut Assessment,
    ) {
        let from = context.recent.len().saturating_sub(RECENT_MAX);
        let recent = &context.recent[from..];
        let piece = scratch.line.units.len() <= PIECE_MAX
            && recent
                .last()
                .is_some_and(|last| last.chars().take(PIECE_MAX + 2).count() <= PIECE_MAX + 1);
        let digits = scratch.detectors.any_digits();
        if !piece && !digits {
            return;
        }
        let mut text = std::mem::take(&mut scratch.joined_text);
        text.clear();
        for before in recent {
            text.push_str(before);
            text.push('\n');
        }
        let own = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        text.push_str(line);
        scratch.joined.fold(&text);
        if digits {
            scratch
                .detectors
                .look_across(&scratch.joined, own, context, &self.lexicon.public);
            self.take_detectors(scratch, Some(own), into);
        }
        if piece {
            scratch
                .matches
                .look(&scratch.joined, &self.lexicon, context.side);
            self.take_rules(scratch, Some(own), into);
        }
        scratch.joined_text = text;
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

fn add(
    list: &mut Vec<Finding>,
    category: Category,
    id: &Arc<str>,
    card: Option<Card>,
    span: Option<Span>,
) {
    match list.iter_mut().find(|known| Arc::ptr_eq(&known.rule, id)) {
        Some(known) => known.spans.extend(span),
        None => list.push(Finding {
            category,
            spans: span.into_iter().collect(),
            rule: Arc::clone(id),
            card,
        }),
    }
}

/// The part of a place that lies in the line itself, where earlier lines stand before it.
fn own_part(span: Span, own: Option<u32>) -> Option<Span> {
    let own = own.unwrap_or(0);
    (span.to > own).then(|| Span {
        from: span.from.saturating_sub(own),
        to: span.to - own,
    })
}

/// An advert brings an address along: it is refused as an advert, not asked back as contact.
fn advert_is_no_contact(findings: &mut Vec<Finding>) {
    let advert = findings
        .iter()
        .any(|finding| finding.category == Category::Spam);
    if advert {
        findings.retain(|finding| &*finding.rule != Detector::Url.id());
    }
}
