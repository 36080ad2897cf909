//! Why a line was found to be what it was found to be.

use std::fmt::Write as _;

use crate::engine::{Engine, Scratch};
use crate::types::{Category, Context};

impl Engine {
    /// The whole way of a line in words: what it was folded to, which rules met which words, what cancelled them.
    pub fn explain(&self, line: &str, context: &Context<'_>) -> String {
        let assessment = self.assess(line, context);
        let mut out = String::new();
        self.with_scratch(|scratch| {
            scratch.line.fold(line);
            scratch
                .matches
                .look(&scratch.line, &self.lexicon, context.side);
            let text = |from: u32, to: u32| -> String {
                scratch.line.units[from as usize..to as usize]
                    .iter()
                    .map(|unit| unit.c)
                    .collect()
            };
            let _ = writeln!(
                out,
                "  {} -> {}",
                assessment.category.as_str(),
                assessment.action.as_str()
            );
            let _ = writeln!(out, "  folded: {}", scratch.line.text);
            if !scratch.line.loose.text.is_empty() {
                let _ = writeln!(out, "  loose:  {}", scratch.line.loose.text);
            }
            for found in &scratch.matches.found {
                let rule = &self.lexicon.rules[found.rule as usize];
                let kind = match (rule.trial, rule.hint) {
                    (true, _) => " (trial)",
                    (_, true) => " (hint)",
                    _ => "",
                };
                let _ = write!(
                    out,
                    "  {} {}{kind}: 「{}」",
                    rule.category.as_str(),
                    rule.id,
                    text(found.place.from, found.place.to)
                );
                if let (Some(guard), Some(place)) = (found.cancelled_by, found.guard) {
                    let _ = write!(
                        out,
                        " cancelled by {}: 「{}」",
                        rule.guards[guard as usize].name,
                        text(place.from, place.to)
                    );
                }
                out.push('\n');
            }
            if self.weigh(scratch) {
                self.explain_scores(scratch, &mut out);
            }
        });
        for finding in &assessment.findings {
            if !self.rules().iter().any(|rule| rule.id == finding.rule) {
                let _ = writeln!(
                    out,
                    "  {} {}: {:?}",
                    finding.category.as_str(),
                    finding.rule,
                    finding.spans
                );
            }
        }
        out
    }

    fn explain_scores(&self, scratch: &Scratch, out: &mut String) {
        let certainty = &scratch.scores.certainty;
        let best = Category::ALL
            .into_iter()
            .filter(|category| *category != Category::Ok)
            .max_by(|a, b| certainty[*a as usize].total_cmp(&certainty[*b as usize]));
        let (Some(scorer), Some(best)) = (&self.scorer, best) else {
            return;
        };
        let _ = write!(
            out,
            "  scorer: {} {:.2} (speaks from {:.2}):",
            best.as_str(),
            certainty[best as usize],
            self.lexicon.thresholds.alone[best as usize]
        );
        let reasons = scorer.reasons(
            &scratch.line,
            &self.evidence,
            &self.lexicon,
            &scratch.scores.features,
            best,
        );
        for (what, weight) in reasons {
            let _ = write!(out, " {what} {weight:+.2}");
        }
        out.push('\n');
    }
}
