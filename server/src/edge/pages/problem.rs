//! A page for what did not work: what is so, and what can be done.

use askama::Template;

use super::texts::has;
use super::{Page, Speak};

/// A problem. `code` is that of the protocol's HTTP problems (`not_found`, `not_allowed`, `too_fast`, `busy`, …).
#[derive(Clone, Template)]
#[template(path = "problem.html")]
pub struct Problem {
    /// What every page knows.
    pub page: Page,
    /// The stable code; one that is not known is shown as `bad_request`.
    pub code: String,
    /// Where もどる leads.
    pub back: String,
    /// What the person had written, so that it is not lost.
    pub kept: Option<String>,
}

impl Problem {
    fn known(&self) -> &str {
        if has(&format!("problem.{}", self.code)) && has(&format!("problem.do.{}", self.code)) {
            &self.code
        } else {
            "bad_request"
        }
    }

    fn head_key(&self) -> String {
        format!("problem.head.{}", self.known())
    }

    fn text_key(&self) -> String {
        format!("problem.{}", self.known())
    }

    fn do_key(&self) -> String {
        format!("problem.do.{}", self.known())
    }

    /// The store is away, and a line was being sent.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            page: Page::default(),
            code: "busy".into(),
            back: "/".into(),
            kept: Some("雨、少し弱くなりましたね。".into()),
        }
    }
}
