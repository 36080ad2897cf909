//! What one socket was told of one room, and whether that agrees with the contract: for every `seq` exactly one first
//! word, `said` or `hidden`, in order, contiguous from the first to the last but for what `gap` names.

use std::collections::BTreeMap;

use serde_json::Value;

/// The first word of a `seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// `said`, with its body.
    Said(String),
    /// `hidden`.
    Hidden,
}

/// A room as a socket sees it since its last `entered`.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The epoch of the last `entered`.
    pub epoch: String,
    /// First words by `seq`.
    pub words: BTreeMap<u64, Word>,
    /// What `gap` named.
    pub gap: Option<(u64, u64)>,
    /// `last_seq` of the last `entered`.
    pub last_seq_at_entry: u64,
}

impl View {
    /// Starts anew from an `entered` frame. `after` is what the `enter` asked for, when it counts.
    pub fn entered(frame: &Value, after: Option<u64>) -> Result<Self, String> {
        let mut view = Self {
            epoch: frame["epoch"].as_str().unwrap_or_default().to_owned(),
            last_seq_at_entry: frame["last_seq"]
                .as_u64()
                .ok_or("entered without last_seq")?,
            ..Self::default()
        };
        if let (Some(from), Some(to)) = (frame["gap"]["from"].as_u64(), frame["gap"]["to"].as_u64())
        {
            view.gap = Some((from, to));
        }
        let messages = frame["messages"]
            .as_array()
            .ok_or("entered without messages")?;
        for message in messages {
            view.first_word(message)?;
        }
        let first = view.words.keys().next().copied();
        let start = match (view.gap, after) {
            (Some((_, to)), _) => Some(to + 1),
            (None, Some(after)) if after <= view.last_seq_at_entry => Some(after + 1),
            _ => None,
        };
        match (first, start) {
            (Some(first), Some(start)) if first != start => Err(format!(
                "messages begin at {first}, not at {start} (gap {:?})",
                view.gap
            )),
            (None, Some(start)) if start <= view.last_seq_at_entry => Err(format!(
                "no messages, though {start} to {} are missing",
                view.last_seq_at_entry
            )),
            (None, None) if view.last_seq_at_entry > 0 => Err(format!(
                "no messages of {} lines and no gap",
                view.last_seq_at_entry
            )),
            _ => Ok(view),
        }
    }

    /// Takes a `said` or `hidden` that came by itself; an error says how it breaks the order.
    pub fn word(&mut self, frame: &Value) -> Result<(), String> {
        let seq = frame["seq"].as_u64().unwrap_or(0);
        if frame["type"] == "hidden" && (seq <= self.last_seq() || self.is_before(seq)) {
            return Ok(()); // a later word about a line already given
        }
        self.first_word(frame)
    }

    /// Takes the first word of a number.
    fn first_word(&mut self, frame: &Value) -> Result<(), String> {
        let seq = frame["seq"]
            .as_u64()
            .filter(|seq| *seq > 0)
            .ok_or_else(|| format!("no seq from 1 in {frame}"))?;
        let last = self.words.keys().next_back().copied();
        let word = match frame["type"].as_str() {
            Some("said") => Word::Said(
                frame["body"]
                    .as_str()
                    .ok_or("said without body")?
                    .to_owned(),
            ),
            Some("hidden") => Word::Hidden,
            other => return Err(format!("{other:?} is no first word")),
        };
        match last {
            Some(last) if seq <= last => {
                return Err(format!("seq {seq} came again or late, after {last}"));
            }
            Some(last) if seq > last + 1 => {
                return Err(format!(
                    "seq {seq} came after {last}: a hole nobody reported"
                ));
            }
            _ => {}
        }
        self.words.insert(seq, word);
        Ok(())
    }

    /// A `hidden` of a line before all that this socket was given.
    fn is_before(&self, seq: u64) -> bool {
        self.words.is_empty() && seq <= self.last_seq_at_entry && self.last_seq_at_entry > 0
    }

    /// The last `seq` given, or the last at entry.
    pub fn last_seq(&self) -> u64 {
        self.words
            .keys()
            .next_back()
            .copied()
            .unwrap_or(self.last_seq_at_entry)
    }

    /// The bodies said, in order.
    pub fn bodies(&self) -> Vec<&str> {
        self.words
            .values()
            .filter_map(|word| {
                if let Word::Said(body) = word {
                    Some(body.as_str())
                } else {
                    None
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(seq: u64) -> Value {
        json!({"type": "said", "seq": seq, "body": format!("line {seq}")})
    }

    #[test]
    fn a_whole_resume_passes_and_a_partial_one_does_not() {
        let whole = json!({"epoch": "e", "last_seq": 5, "messages": [said(3), said(4), said(5)]});
        assert!(View::entered(&whole, Some(2)).is_ok());
        assert!(View::entered(&whole, Some(1)).is_err());
        let named = json!({"epoch": "e", "last_seq": 5, "messages": [said(3), said(4), said(5)], "gap": {"from": 2, "to": 2}});
        assert!(View::entered(&named, Some(1)).is_ok());
    }

    #[test]
    fn a_hole_a_repeat_and_a_late_line_are_seen() {
        let entered = json!({"epoch": "e", "last_seq": 2, "messages": [said(1), said(2)]});
        let mut view = View::entered(&entered, None).expect("a whole view");
        let hidden =
            json!({"epoch": "e", "last_seq": 1, "messages": [{"type": "hidden", "seq": 1}]});
        assert_eq!(
            View::entered(&hidden, None).map(|view| view.words.len()),
            Ok(1)
        );
        assert!(view.word(&said(4)).is_err());
        assert!(view.word(&said(2)).is_err());
        assert!(view.word(&json!({"type": "hidden", "seq": 1})).is_ok());
        assert!(view.word(&json!({"type": "hidden", "seq": 3})).is_ok());
        assert_eq!(view.words.get(&3), Some(&Word::Hidden));
    }
}
