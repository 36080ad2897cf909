//! Text in, assessment out: pure, no I/O, no clock, no server.
//!
//! A line is folded once (`fold`), looked up in the lexicon (`lexicon`, `matcher`), read by the detectors of what words
//! alone cannot tell (`detect`), weighed by a small learned scorer (`scorer`), and decided by the engine. The rules are
//! data, in `lexicon/`; its `README.md` is for those who write them.

mod detect;
mod engine;
mod evaluate;
mod explain;
mod fold;
mod lexicon;
mod mask;
mod matcher;
mod scorer;
mod types;

use std::sync::OnceLock;

pub use engine::Engine;
pub use evaluate::{Case, Report, cases, unescape};
pub use fold::folded;
pub use lexicon::{Examples, Lexicon, Problem, Rule, Source, built_in};
#[doc(hidden)]
pub use scorer::{N_CLASSES, Scorer, evidence_weight, softmax};
pub use types::{Action, Assessment, Card, Category, Context, Finding, Place, Side, Span};

/// Reads one line by the lexicon that is compiled in. Never panics, whatever the text. A server that reloads its lexicon
/// holds an [`Engine`] of its own.
pub fn assess(line: &str, context: &Context<'_>) -> Assessment {
    static BUILT_IN: OnceLock<Engine> = OnceLock::new();
    BUILT_IN.get_or_init(Engine::built_in).assess(line, context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_line_passes() {
        let assessment = assess("こんばんは", &Context::new(Side::Tojisha));
        assert_eq!(assessment.action, Action::Pass);
    }

    #[test]
    fn ordinary_names_can_be_worn_and_numbers_cannot() {
        let name = |text: &str| assess(text, &Context::new(Side::Tojisha).at(Place::Name)).category;
        for text in [
            "みなと",
            "しずく",
            "三毛",
            "うみべ",
            "ねこ",
            "いそぐ",
            "とりけす",
            "ふつう",
            "よむ",
            "でんわ",
            "みどり",
            "そら",
            "もういちど",
            "しらない",
            "なぎさ",
            "うしろに人",
            "Aoi",
            "名無し",
            "雨音",
            "夜更かし",
        ] {
            assert_eq!(name(text), Category::Ok, "{text}");
        }
        assert_eq!(name("09001234567"), Category::Contact);
    }

    #[test]
    fn the_lexicon_does_what_its_examples_say() {
        let engine = match Engine::new(&built_in()) {
            Ok(engine) => engine,
            Err(problems) => panic!("{problems:#?}"),
        };
        if let Err(problems) = engine.check() {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}", all.join("\n"));
        }
    }
}
