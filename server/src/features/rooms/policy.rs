//! What becomes of a line: guard, newcomer and assessment in, verdict out.
//!
//! The lexicon's rules are not built yet, so every line passes; this is the one place where they will decide.

use super::line::Proposed;

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Pass,
}

/// The verdict on a line under that guard.
pub fn decide(_line: &Proposed, _guard: u8) -> Verdict {
    Verdict::Pass
}
