//! What holds for every frame and every answer, whatever the test is about: no `null`, times in one form, ids short,
//! and no type that the contract does not know (so that nobody can be announced by a frame nobody wrote down).

use serde_json::Value;

/// Every type that a server may send.
const SERVER_TYPES: [&str; 26] = [
    "welcome",
    "entered",
    "waiting",
    "admitted",
    "said",
    "acked",
    "held",
    "ask",
    "refused",
    "card",
    "stamped",
    "hidden",
    "shown",
    "folded",
    "done",
    "pong",
    "whispered",
    "measured",
    "room",
    "left",
    "bye",
    "hold",
    "hold_done",
    "reported",
    "called",
    "marked",
];

/// Codes that a refusal may have.
const CODES: [&str; 15] = [
    "bad_frame",
    "too_long",
    "too_fast",
    "not_entered",
    "not_allowed",
    "room_closed",
    "room_paused",
    "room_full",
    "resting",
    "removed",
    "rejected",
    "listening",
    "spam",
    "busy",
    "not_yet",
];

/// Says what is wrong with the form of a frame.
pub fn frame(frame: &Value) -> Result<(), String> {
    let kind = frame["type"].as_str().ok_or("a frame without a type")?;
    if !SERVER_TYPES.contains(&kind) {
        return Err(format!("the contract knows no frame {kind}"));
    }
    if kind == "refused" {
        let code = frame["code"].as_str().unwrap_or_default();
        if !CODES.contains(&code) {
            return Err(format!("the contract knows no refusal {code:?}"));
        }
        let text = frame["text"].as_str().unwrap_or_default();
        if text.is_empty() || text.is_ascii() {
            return Err("a refusal has a Japanese text".to_owned());
        }
    }
    value("", frame)
}

/// Says what is wrong with the form of any value of the wire.
pub fn value(name: &str, value: &Value) -> Result<(), String> {
    match value {
        Value::Null => Err(format!("{name} is null; what is not there is absent")),
        Value::Array(items) => items.iter().try_for_each(|item| self::value(name, item)),
        Value::Object(fields) => fields
            .iter()
            .try_for_each(|(name, item)| self::value(name, item)),
        Value::String(text) if is_time(name) => time(name, text),
        Value::String(text) if (name == "id" || name == "room") && text.len() > 64 => {
            Err(format!("{name} is longer than 64 characters"))
        }
        Value::Number(number) if name == "seq" && number.as_u64().is_none_or(|seq| seq == 0) => {
            Err(format!("seq is {number}, not an integer from 1"))
        }
        Value::Number(_) | Value::String(_) | Value::Bool(_) => Ok(()),
    }
}

fn is_time(name: &str) -> bool {
    matches!(
        name,
        "at" | "now" | "forgets_at" | "until" | "starts_at" | "ends_at" | "passes_at"
    )
}

/// RFC 3339 in UTC with milliseconds and `Z`: `2026-11-21T05:00:00.000Z`.
fn time(name: &str, text: &str) -> Result<(), String> {
    let form = "0000-00-00T00:00:00.000Z";
    let fits = text.len() == form.len()
        && text.chars().zip(form.chars()).all(|(have, want)| {
            if want == '0' {
                have.is_ascii_digit()
            } else {
                have == want
            }
        });
    if fits {
        Ok(())
    } else {
        Err(format!("{name} is {text}, not like {form}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nulls_odd_times_and_unknown_types_are_seen() {
        assert!(frame(&json!({"type": "pong", "n": 1})).is_ok());
        assert!(frame(&json!({"type": "said", "seq": 0})).is_err());
        assert!(frame(&json!({"type": "said", "seq": 1, "note": null})).is_err());
        assert!(frame(&json!({"type": "said", "seq": 1, "at": "2026-11-21T05:00:00Z"})).is_err());
        assert!(
            frame(&json!({"type": "said", "seq": 1, "at": "2026-11-21T05:00:00.001Z"})).is_ok()
        );
        assert!(frame(&json!({"type": "joined"})).is_err());
        assert!(frame(&json!({"type": "refused", "code": "no", "text": "だめです"})).is_err());
    }
}
