//! The masked version of a line: its author can send it with one tap.

use crate::engine::Engine;
use crate::types::{Action, Assessment, Category, Context, Span};

/// What stands in the place of what was found. No rule knows it, and letters beside it do not join over it.
const MASK: &str = "〔…〕";
/// Taking something away can make something else visible; after so many rounds there is no masked version.
const ROUNDS_MAX: usize = 4;

impl Engine {
    /// The line with its contact findings replaced, if what is left then passes.
    pub fn masked(
        &self,
        line: &str,
        assessment: &Assessment,
        context: &Context<'_>,
    ) -> Option<String> {
        let mut text = line.to_owned();
        let mut spans = assessment.spans(Category::Contact);
        for _ in 0..ROUNDS_MAX {
            if spans.is_empty() {
                return None;
            }
            text = replaced(&text, &spans);
            let again = self.assess(&text, context);
            if matches!(again.action, Action::Pass | Action::Raise) {
                return Some(text);
            }
            spans = again.spans(Category::Contact);
        }
        None
    }
}

fn replaced(text: &str, spans: &[Span]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut spans = spans.iter().peekable();
    for (at, c) in text.chars().enumerate() {
        while spans.next_if(|span| span.to as usize <= at).is_some() {}
        match spans.peek() {
            Some(span) if span.from as usize == at => out.push_str(MASK),
            Some(span) if (span.from as usize) < at => {}
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_replaced_once_each() {
        let spans = [Span { from: 1, to: 3 }, Span { from: 4, to: 5 }];
        assert_eq!(replaced("あいうえおか", &spans), "あ〔…〕え〔…〕か");
    }
}
