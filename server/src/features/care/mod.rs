//! Whom somebody can turn to at this hour: help lines as data, and the cards that lay them before one person.
//!
//! Plain functions of the data and of the city's own time. It knows no room, no person and no words: what a card says
//! stands in the catalogue, and the edge puts both together.

pub mod cards;
pub mod lines;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

pub use cards::{Card, card};
pub use lines::{Certainty, Cost, HelpLine, HelpLines, Mode, OpenLine, ToCheck};

/// The data inside the binary; a test reads them, so that a slip of a hand never ships.
static BUILT_IN: LazyLock<HelpLines> = LazyLock::new(|| {
    HelpLines::read(
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../web/data/lines.json"
        )),
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../web/data/cards.json"
        )),
    )
    .expect("the data are checked by a test")
});

/// The help lines and cards of this release.
pub fn built_in() -> &'static HelpLines {
    &BUILT_IN
}
