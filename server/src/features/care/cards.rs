//! A card: for what was felt in a line, whom its author can turn to now. It is laid before that person alone.

use jiff::civil::DateTime;

use super::lines::{HelpLines, OpenLine};
use crate::platform::calendar::Now;
use crate::protocol::CardKind;

/// More lines than this are a list, and nobody who is at the end of their strength reads a list.
const LINES_MAX: usize = 4;
/// Of these so many by text, so that a voice that answers at once is always on the card too.
const TEXT_MAX: usize = 2;

/// What a card lays before somebody; its words stand in the catalogue under its kind.
#[derive(Clone, Debug)]
pub struct Card<'a> {
    /// Which.
    pub kind: CardKind,
    /// Until when the centre is open; nothing where it is closed now.
    pub centre_until: Option<DateTime>,
    /// Lines that are open now: text before voice, free before charged, day and night before hours.
    pub lines: Vec<OpenLine<'a>>,
    /// 110 and 119, as far as they belong there.
    pub emergency: &'a [String],
}

/// The card of a kind at a moment of the city's own time (`Millis::jst`).
///
/// Which kind it is the caller knows: it has read the line, and this has not. A line that is closed is absent, and one
/// that is not sure is never there. One that nobody has looked at for long stays, since a card without lines helps
/// nobody; staff are told of it instead ([`HelpLines::to_check`]).
pub fn card(kind: CardKind, now: DateTime, lines: &HelpLines) -> Card<'_> {
    let (mut chosen, voices): (Vec<_>, Vec<_>) = lines
        .of_card(kind, now)
        .into_iter()
        .partition(|open| open.line.mode.is_text());
    chosen.truncate(TEXT_MAX);
    chosen.extend(voices);
    chosen.truncate(LINES_MAX);
    Card {
        kind,
        centre_until: match lines.centre_at(now) {
            Now::Open { until } => until,
            Now::Closed { .. } => None,
        },
        lines: chosen,
        emergency: &lines.plan(kind).emergency,
    }
}
