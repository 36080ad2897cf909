//! What waits for a human: for those on duty a row with its three acts, for its author the line that was asked back.

use jiff::Timestamp;

use super::texts::{fill, t};
use super::values::{Duty, HoldReason, RejectReason, Worded};
use crate::protocol::{ServerFrame, SpanOut};

/// A line that waits, as those on duty see it. By forms: `POST /r/{room}/look`, `/approve`, `/reject`, each with `hold`,
/// `/reject` with `reason` (a [`RejectReason`]), and with `to=today` where the answer is 303 to the day and not the room.
#[derive(Debug, Clone)]
pub struct HoldRow {
    /// Where it waits.
    pub room: String,
    /// The room's title, where rows of several rooms stand together.
    pub title: Option<String>,
    /// Its id.
    pub hold: String,
    /// The name worn by its author.
    pub name: String,
    /// What they are there as, if on duty.
    pub duty: Option<Duty>,
    /// The words.
    pub body: String,
    /// What was seen in them.
    pub spans: Vec<SpanOut>,
    /// Why it waits.
    pub reason: HoldReason,
    /// Since when.
    pub at: Timestamp,
    /// Whether it passes by itself when nobody does anything.
    pub passes: bool,
    /// The present time.
    pub now: Timestamp,
}

impl HoldRow {
    /// The row of a `hold` frame; nothing for another frame.
    pub fn of(frame: ServerFrame, title: Option<String>, now: Timestamp) -> Option<Self> {
        let ServerFrame::Hold {
            room,
            hold,
            from,
            body,
            spans,
            reason,
            at,
            passes_at,
        } = frame
        else {
            return None;
        };
        Some(Self {
            room,
            title,
            hold,
            name: from.name,
            duty: from.duty,
            body,
            spans,
            reason,
            at: Timestamp::from_millisecond(at.0.get()).unwrap_or(now),
            passes: passes_at.is_some(),
            now,
        })
    }

    /// Lives first, then as they came.
    pub fn sort(rows: &mut [Self]) {
        rows.sort_by_key(|row| (!row.is_risk(), row.at));
    }

    /// Whether a life may depend on it.
    pub(super) fn is_risk(&self) -> bool {
        self.reason == HoldReason::Risk
    }

    /// Since when, in words; nothing counts down.
    pub(super) fn since(&self) -> String {
        since((self.now.as_millisecond() - self.at.as_millisecond()).max(0) / 60_000)
    }

    /// What else is so: that its author has a card, or that it passes by itself.
    pub(super) fn besides(&self) -> Option<&'static str> {
        if self.is_risk() {
            Some(t("desk.risk_what"))
        } else if self.passes {
            Some(t("desk.newcomer_what"))
        } else {
            None
        }
    }

    pub(super) fn why(&self) -> &'static str {
        t(&self.reason.key())
    }

    pub(super) fn rejects(&self) -> &'static [RejectReason] {
        RejectReason::ALL
    }

    pub(super) fn pieces(&self) -> Vec<Piece> {
        pieces(&self.body, &self.spans)
    }
}

fn since(minutes: i64) -> String {
    match minutes {
        0 => t("desk.since_now").into(),
        1..=59 => fill("desk.since", &[("n", &minutes.to_string())]),
        _ => t("desk.since_long").into(),
    }
}

/// What every page of staff knows of what waits, for the bar at its top.
#[derive(Debug, Clone, Default)]
pub struct Desk {
    /// Whether anything waits that this person may read.
    pub waits: bool,
    /// Whether a life may depend on one of them.
    pub risk: bool,
    /// Whether one of them waits in none of [`Self::rooms`]; the bar then stays, whatever the page hears.
    pub elsewhere: bool,
    /// The rooms in which this person is on duty, or was until a moment ago on the page that this one takes the place of.
    /// The page enters them for duty, so that it hears what comes.
    pub rooms: Vec<String>,
}

impl Desk {
    pub(crate) fn rooms(&self) -> String {
        self.rooms.join(" ")
    }
}

/// A line that was asked back: what was seen in it, why, and the form in which it may be sent.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Why, in words.
    pub text: String,
    /// What was written, as it stands in the field too.
    pub body: String,
    /// What was seen in it.
    pub spans: Vec<SpanOut>,
    /// The body with these places replaced, and a fresh key to send it with.
    pub masked: Option<(String, String)>,
}

impl Asked {
    pub(super) fn pieces(&self) -> Vec<Piece> {
        pieces(&self.body, &self.spans)
    }
}

/// A piece of a body: words, and whether they are marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The words.
    pub text: String,
    /// Whether something was seen here.
    pub marked: bool,
}

/// A body in pieces. Spans count scalar values; what does not lie in the body, or lies before another, is left out.
fn pieces(body: &str, spans: &[SpanOut]) -> Vec<Piece> {
    let letters: Vec<char> = body.chars().collect();
    let mut spans: Vec<(usize, usize)> = spans
        .iter()
        .filter_map(|span| {
            let from = usize::try_from(span.from).ok()?;
            let to = usize::try_from(span.to).ok()?.min(letters.len());
            (from < to).then_some((from, to))
        })
        .collect();
    spans.sort_unstable();
    let mut pieces = Vec::with_capacity(spans.len() * 2 + 1);
    let mut push = |part: &[char], marked| {
        if !part.is_empty() {
            pieces.push(Piece {
                text: part.iter().collect(),
                marked,
            });
        }
    };
    let mut at = 0;
    for (from, to) in spans {
        let from = from.max(at);
        if from >= to {
            continue;
        }
        push(&letters[at..from], false);
        push(&letters[from..to], true);
        at = to;
    }
    push(&letters[at..], false);
    pieces
}

/// A text in its first sentence and the rest; the first words of a state are set apart.
pub(super) fn first_words(text: &str) -> (&str, &str) {
    match text.find('。') {
        Some(at) => text.split_at(at + '。'.len_utf8()),
        None => (text, ""),
    }
}

#[cfg(test)]
pub(super) mod samples {
    use super::*;

    /// What may wait in a room at once.
    pub(in crate::edge::pages) fn waiting(title: Option<&str>) -> Vec<HoldRow> {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().expect("a time");
        let row = |hold: &str, key: &str, reason, seconds: i64, body: &str, spans| HoldRow {
            room: "r1".into(),
            title: title.map(str::to_owned),
            hold: hold.into(),
            name: t(key).into(),
            duty: None,
            body: body.into(),
            spans,
            reason,
            at: Timestamp::from_second(now.as_second() - seconds).expect("a time"),
            passes: reason == HoldReason::Newcomer,
            now,
        };
        let mut rows = vec![
            row(
                "o1",
                "sample.2.who",
                HoldReason::Contact,
                190,
                "その猫の話、もっと聞きたいです。060-0000-0000に写真を送ってもらえたら",
                vec![SpanOut { from: 16, to: 29 }],
            ),
            row(
                "o2",
                "sample.4.who",
                HoldReason::Newcomer,
                4,
                "はじめまして。読んでいるだけですが、いいですか。",
                Vec::new(),
            ),
            row(
                "o3",
                "sample.5.who",
                HoldReason::Risk,
                70,
                "今夜で終わりにします。今まで、ありがとう。",
                vec![SpanOut { from: 0, to: 10 }],
            ),
        ];
        HoldRow::sort(&mut rows);
        rows
    }

    /// A line that was asked back for what looks like a telephone number.
    pub(in crate::edge::pages) fn asked() -> Asked {
        Asked {
            text: t("sample.asked").into(),
            body: "その猫の話、もっと聞きたいです。060-0000-0000に写真を送ってもらえたら".into(),
            spans: vec![SpanOut { from: 16, to: 29 }],
            masked: Some((
                "その猫の話、もっと聞きたいです。〇〇〇に写真を送ってもらえたら".into(),
                "k2".into(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: u32, to: u32) -> SpanOut {
        SpanOut { from, to }
    }

    #[test]
    fn places_are_marked_by_letters_and_nothing_of_the_line_is_lost() {
        let body = "猫🌧0601に電話";
        for spans in [
            vec![],
            vec![span(2, 6)],
            vec![span(0, 1), span(2, 6)],
            vec![span(2, 6), span(0, 1)],
            vec![span(1, 4), span(2, 6)],
            vec![span(2, 900), span(50, 60), span(3, 3)],
        ] {
            let pieces = pieces(body, &spans);
            let whole: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
            assert_eq!(whole, body, "{spans:?}");
        }
        assert_eq!(pieces(body, &[span(2, 6)])[1].text, "0601");
        assert!(pieces(body, &[span(2, 6)])[1].marked);
    }

    #[test]
    fn lives_stand_first_and_then_what_came_first() {
        let rows = samples::waiting(None);
        let holds: Vec<&str> = rows.iter().map(|row| row.hold.as_str()).collect();
        assert_eq!(holds, ["o3", "o1", "o2"]);
    }

    #[test]
    fn since_when_is_said_in_words() {
        assert_eq!(since(0), t("desk.since_now"));
        assert_eq!(since(3), "3分前");
        assert_eq!(since(60), t("desk.since_long"));
    }

    #[test]
    fn the_first_words_of_a_state_are_its_first_sentence() {
        assert_eq!(first_words("あ。い。う。"), ("あ。", "い。う。"));
        assert_eq!(first_words("あ"), ("あ", ""));
    }
}
