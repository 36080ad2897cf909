//! What may stand in a line.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Unicode scalar values of a content note.
pub const NOTE_CHARS_MAX: usize = 60;

/// The words of a line: NFC, trimmed, free of controls and of what turns the direction of writing.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(String);

/// Why a text is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoBody {
    /// Nothing is left of it.
    Empty,
    /// More than the limit.
    TooLong,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body(…)")
    }
}

impl Body {
    /// Cleans a text and counts it (`protocol.md`, Sending): controls but line breaks, NUL, bidi overrides and isolates
    /// are taken out, then NFC, then trimmed; `chars_max` is in Unicode scalar values.
    ///
    /// # Errors
    /// `Empty` or `TooLong`.
    pub fn parse(text: &str, chars_max: usize) -> Result<Self, NoBody> {
        let cleaned = clean(text);
        let trimmed = cleaned.trim();
        if trimmed.is_empty() {
            return Err(NoBody::Empty);
        }
        if trimmed.chars().count() > chars_max {
            return Err(NoBody::TooLong);
        }
        Ok(Self(trimmed.to_owned()))
    }

    /// A content note: one line, cut short by nobody; absent where nothing is left.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn parse_note(text: &str) -> Result<Option<Self>, NoBody> {
        match Self::parse(&text.replace(['\n', '\r'], " "), NOTE_CHARS_MAX) {
            Ok(note) => Ok(Some(note)),
            Err(NoBody::Empty) => Ok(None),
            Err(NoBody::TooLong) => Err(NoBody::TooLong),
        }
    }

    /// Text of our own, such as a ready line, or a body that was kept.
    pub fn known(text: String) -> Self {
        Self(text)
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Without what does not stay, in NFC. What people type nearly always is so already, and looking is a tenth of doing.
fn clean(text: &str) -> Cow<'_, str> {
    let stays_whole = text.chars().all(stays);
    if stays_whole && is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(text);
    }
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    Cow::Owned(lines.chars().filter(|c| stays(*c)).nfc().collect())
}

/// A carriage return does not: it is a control, and a line break by then.
fn stays(c: char) -> bool {
    c == '\n' || !(c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn controls_and_bidi_overrides_are_taken_out_before_counting() {
        let body =
            Body::parse("\u{202E}あ\u{0}い\u{7}\u{2066}う\u{2069}\n\tえ  ", 6).expect("a body");
        assert_eq!(body.as_str(), "あいう\nえ");
    }

    #[test]
    fn decomposed_kana_counts_as_composed() {
        assert_eq!(Body::parse("か\u{3099}", 1).expect("a body").as_str(), "が");
    }

    #[test]
    fn the_limit_is_in_scalar_values_and_holds_exactly() {
        assert!(Body::parse(&"あ".repeat(500), 500).is_ok());
        assert_eq!(Body::parse(&"あ".repeat(501), 500), Err(NoBody::TooLong));
        assert_eq!(Body::parse(" \n\u{0}", 500), Err(NoBody::Empty));
    }

    proptest! {
        #[test]
        fn parsing_what_was_parsed_changes_nothing(text in any::<String>()) {
            if let Ok(body) = Body::parse(&text, 500) {
                prop_assert_eq!(Body::parse(body.as_str(), 500), Ok(body.clone()));
            }
        }
    }
}
