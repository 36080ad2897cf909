//! One way to look at what people typed: width, case, kana, look-alikes, spacing made the same, once a line, with the
//! place in the original of every character that is left.
//!
//! Two views. The **plain** one keeps what carries meaning in ordinary Japanese (small kana where they belong, one ー).
//! The **loose** one also drops what people put between letters to be overlooked: ー, dots, circles, repeats. It is built
//! only where there is something to drop, and what is found in it must span such a place.

mod loose;
mod tables;

use tables::{is_mask, is_unseen, kana_like, large, look_alike, small_belongs, voiced};
use unicode_normalization::char::{decompose_compatible, is_combining_mark};

/// What stands between two characters of the plain view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Break {
    /// Nothing.
    #[default]
    None,
    /// A space, a comma, a sign.
    Weak,
    /// The end of a sentence or of a line.
    Sentence,
}

/// What a character is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// ひらがな
    Hiragana,
    /// カタカナ, in the original.
    Katakana,
    /// 漢字
    Kanji,
    /// A letter of another script.
    Letter,
    /// 0–9
    Digit,
    /// Everything else.
    Sign,
}

/// One character of the plain view.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    /// The folded character.
    pub c: char,
    /// Its place in the original, in scalar values.
    pub from: u32,
    /// One past it.
    pub to: u32,
    /// What it was.
    pub script: Script,
    /// What stands before it.
    pub before: Break,
    /// The number of its sentence.
    pub sentence: u16,
    /// Whether it stands inside 「」, 『』 or “”.
    pub quoted: bool,
    /// Whether it stands for three or more of its kind.
    repeats: bool,
}

/// A line, folded; a buffer that is used again.
#[derive(Debug, Default)]
pub struct Folded {
    /// The plain view as text, for the automaton.
    pub text: String,
    /// Its characters.
    pub units: Vec<Unit>,
    /// For each byte of `text`, the unit that begins there.
    pub at_byte: Vec<u32>,
    /// The loose view; empty where it would be the same.
    pub loose: loose::Loose,
    /// How many scalar values the original has.
    pub n_scalars: u32,
    /// What there was, so that detectors need not look.
    pub has: Has,
    pending: Break,
    spaced: bool,
    sentence: u16,
}

/// What a line contains.
#[derive(Clone, Copy, Debug, Default)]
pub struct Has {
    /// Digits or letters that may stand for them.
    pub digits: u32,
    /// Kana or kanji numerals.
    pub numerals: u32,
    /// Latin letters.
    pub latin: u32,
    /// `@`.
    pub at_sign: bool,
    /// Quotation marks.
    pub quotes: bool,
    /// Something that the loose view would drop.
    pub droppable: bool,
}

impl Folded {
    /// Folds a line.
    pub fn fold(&mut self, line: &str) {
        self.clear();
        let mut chars = line.chars();
        let mut at = 0_u32;
        let mut raw_before = ' ';
        while let Some(c) = chars.next() {
            let from = at;
            at += 1;
            match c {
                'ぁ'..='ゖ' => self.kana(c, from, Script::Hiragana),
                'ァ'..='ヶ' => self.kana(hiragana(c), from, Script::Katakana),
                '\u{4e00}'..='\u{9fff}' => {
                    match kana_like(c) {
                        Some(kana)
                            if looks_like_kana(
                                c,
                                raw_before,
                                chars.clone().next(),
                                chars.clone().nth(1),
                            ) =>
                        {
                            if kana == 'ー' {
                                self.long(from);
                            } else {
                                self.kana(kana, from, Script::Katakana);
                            }
                        }
                        _ => self.push(c, from, Script::Kanji),
                    }
                    if numeral(c).is_some() {
                        self.has.numerals += 1;
                    }
                }
                'a'..='z' => self.latin(c, from),
                'A'..='Z' => self.latin(c.to_ascii_lowercase(), from),
                '0'..='9' => self.digit(c, from),
                _ => self.other(c, from),
            }
            if !is_unseen(c) {
                raw_before = c;
            }
        }
        self.n_scalars = at;
        if self.has.quotes {
            self.mark_quotes();
        }
        self.index();
        self.build_loose();
    }

    fn clear(&mut self) {
        self.text.clear();
        self.units.clear();
        self.at_byte.clear();
        self.loose.clear();
        self.n_scalars = 0;
        self.has = Has::default();
        self.pending = Break::None;
        self.spaced = false;
        self.sentence = 0;
    }

    fn index(&mut self) {
        for (idx, unit) in self.units.iter().enumerate() {
            let before = self.text.len();
            self.text.push(unit.c);
            let n = self.text.len() - before;
            let idx = u32::try_from(idx).unwrap_or(u32::MAX);
            self.at_byte.push(idx);
            for _ in 1..n {
                self.at_byte.push(idx);
            }
        }
        self.at_byte
            .push(u32::try_from(self.units.len()).unwrap_or(u32::MAX));
    }

    fn latin(&mut self, c: char, from: u32) {
        self.has.latin += 1;
        self.push(c, from, Script::Letter);
    }

    fn digit(&mut self, c: char, from: u32) {
        self.has.digits += 1;
        self.push(c, from, Script::Digit);
    }

    fn kana(&mut self, c: char, from: u32, script: Script) {
        let c = match large(c) {
            Some(large) => {
                let before = self.last_kana();
                if matches!(before, Some(before) if small_belongs(before, c)) {
                    c
                } else {
                    large
                }
            }
            None => c,
        };
        self.push(c, from, script);
    }

    fn last_kana(&self) -> Option<char> {
        self.units
            .last()
            .filter(|unit| is_kana(unit.c))
            .map(|unit| unit.c)
    }

    /// ー and its likes: one after kana or kanji, else a sign.
    fn long(&mut self, from: u32) {
        match self.units.last_mut() {
            Some(last) if last.c == 'ー' => {
                last.to = from + 1;
                last.repeats = true;
            }
            Some(last) if is_kana(last.c) || is_kanji(last.c) || last.c.is_ascii_alphabetic() => {
                let script = last.script;
                self.has.droppable = true;
                self.push('ー', from, script);
            }
            _ => self.push('~', from, Script::Sign),
        }
    }

    fn other(&mut self, c: char, from: u32) {
        match c {
            '\n' | '\r' | '\u{2028}' | '\u{2029}' | '\u{b}' | '\u{c}' | '\u{85}' => {
                self.pending = Break::Sentence;
                return;
            }
            'ー' | 'ｰ' | '〜' | '～' | '~' | '〰' | '―' | '─' | '━' => {
                return self.long(from);
            }
            '…' | '‥' | '⋯' => return self.push('…', from, Script::Sign),
            '゛' => return self.voice(false, from),
            '゜' => return self.voice(true, from),
            ' ' | '\t' | '\u{3000}' => {
                self.pending = self.pending.max(Break::Weak);
                return;
            }
            '‐'..='—' | '−' | '－' => return self.push('-', from, Script::Sign),
            '、' | '，' | '､' => return self.push('、', from, Script::Sign),
            _ => {}
        }
        if c.is_ascii() {
            if is_unseen(c) {
                return;
            }
            return self.sign(c, from);
        }
        if is_unseen(c) {
            if let Some(last) = self.units.last_mut().filter(|last| last.to == from) {
                // A joiner belongs to the letter before it, so that masking takes it along.
                last.to = from + 1;
            }
            return;
        }
        if c.is_whitespace() {
            self.pending = self.pending.max(Break::Weak);
            return;
        }
        if is_combining_mark(c) && !matches!(c, '\u{3099}' | '\u{309a}') {
            if let Some(last) = self.units.last_mut().filter(|last| last.to == from) {
                last.to = from + 1;
            }
            return;
        }
        if is_mask(c) {
            return self.sign(c, from);
        }
        if let Some(plain) = look_alike(c) {
            return self.simple(plain, from);
        }
        let mut first = true;
        let mut keep = false;
        decompose_compatible(c, |part| {
            if first && part == ' ' {
                // Such as ´, which would become a space and a mark.
                keep = true;
            }
            first = false;
            if !keep {
                self.simple(part, from);
            }
        });
        if keep {
            self.push(c, from, Script::Sign);
        }
    }

    /// A character that needs no more decomposition.
    fn simple(&mut self, c: char, from: u32) {
        match c {
            'ぁ'..='ゖ' => self.kana(c, from, Script::Hiragana),
            'ァ'..='ヶ' => self.kana(hiragana(c), from, Script::Katakana),
            'ー' | '~' => self.long(from),
            '\u{3099}' => self.voice(false, from),
            '\u{309a}' => self.voice(true, from),
            '0'..='9' => self.digit(c, from),
            '‐'..='—' | '−' => self.push('-', from, Script::Sign),
            '―' | '〜' => self.long(from),
            ' ' => self.pending = self.pending.max(Break::Weak),
            _ if c.is_ascii_alphabetic() => self.latin(c.to_ascii_lowercase(), from),
            _ if c.is_ascii() => self.sign(c, from),
            _ if is_kanji(c) => self.push(c, from, Script::Kanji),
            _ if is_combining_mark(c) || is_unseen(c) => {}
            _ if look_alike(c).is_some() => {
                if let Some(plain) = look_alike(c) {
                    self.simple(plain, from);
                }
            }
            _ if c.is_alphabetic() => {
                for lower in c.to_lowercase() {
                    if is_combining_mark(lower) {
                        continue;
                    }
                    match look_alike(lower) {
                        Some(plain) => self.latin(plain, from),
                        None => self.push(lower, from, Script::Letter),
                    }
                }
            }
            _ => self.sign(c, from),
        }
    }

    fn voice(&mut self, semi: bool, from: u32) {
        if let Some(last) = self
            .units
            .last_mut()
            .filter(|_| self.pending == Break::None)
            && let Some(voiced) = voiced(last.c, semi)
            && !last.repeats
        {
            last.c = voiced;
            last.to = from + 1;
        }
    }

    fn sign(&mut self, c: char, from: u32) {
        if is_mask(c) {
            self.has.droppable = true;
            self.has.numerals += 1;
            return self.push('◯', from, Script::Sign);
        }
        match c {
            '「' | '」' | '『' | '』' | '“' | '”' | '"' | '〝' | '〟' => {
                self.has.quotes = true
            }
            '@' => self.has.at_sign = true,
            _ => {}
        }
        if !matches!(c, '。' | '!' | '?' | '「' | '」') {
            self.has.droppable = true;
        }
        self.push(c, from, Script::Sign);
    }

    fn push(&mut self, c: char, from: u32, script: Script) {
        let n = self.units.len();
        // Over breaks too: what is folded again has none.
        if n > 0 {
            let last = &self.units[n - 1];
            let same = last.c == c;
            if same && script == Script::Sign && c != '◯' {
                self.units[n - 1].to = from + 1;
                return;
            }
            if same
                && script != Script::Digit
                && numeral(c).is_none()
                && n > 1
                && self.units[n - 2].c == c
            {
                self.units[n - 1].to = from + 1;
                self.units[n - 1].repeats = true;
                self.has.droppable = true;
                return;
            }
        }
        if self.pending == Break::Sentence && n > 0 {
            self.sentence = self.sentence.saturating_add(1);
        }
        let before = std::mem::take(&mut self.pending);
        self.units.push(Unit {
            c,
            from,
            to: from + 1,
            script,
            before,
            sentence: self.sentence,
            quoted: false,
            repeats: false,
        });
        if matches!(c, '。' | '!' | '?' | '｡') {
            self.pending = Break::Sentence;
        } else if script == Script::Sign {
            self.pending = self.pending.max(Break::None);
        }
    }

    /// Marks what stands in closed quotation marks. One pass: an opening one waits on a stack for its closing.
    fn mark_quotes(&mut self) {
        let mut open: Vec<(char, usize)> = Vec::new();
        let mut covered = 0;
        for idx in 0..self.units.len() {
            let closing = match self.units[idx].c {
                '「' => {
                    open.push(('」', idx));
                    continue;
                }
                '『' => {
                    open.push(('』', idx));
                    continue;
                }
                '“' => {
                    open.push(('”', idx));
                    continue;
                }
                '〝' => {
                    open.push(('〟', idx));
                    continue;
                }
                '"' => {
                    if open.iter().any(|(closing, _)| *closing == '"') {
                        '"'
                    } else {
                        open.push(('"', idx));
                        continue;
                    }
                }
                c @ ('」' | '』' | '”' | '〟') => c,
                _ => continue,
            };
            if let Some(place) = open.iter().rposition(|(wanted, _)| *wanted == closing) {
                let from = open[place].1 + 1;
                open.truncate(place);
                // Nested ones were marked already: only what is new is walked, so that the whole is linear.
                for unit in
                    &mut self.units[from.max(if open.is_empty() { from } else { covered })..idx]
                {
                    unit.quoted = true;
                }
                covered = covered.max(idx);
            }
        }
    }

    /// The place in the original of units `from..to`.
    pub fn span(&self, from: usize, to: usize) -> crate::Span {
        let last = to.max(from + 1).min(self.units.len());
        match (self.units.get(from), self.units.get(last.wrapping_sub(1))) {
            (Some(first), Some(end)) => crate::Span {
                from: first.from,
                to: end.to,
            },
            _ => crate::Span { from: 0, to: 0 },
        }
    }

    /// How many characters stand between two units, without those that the loose view drops.
    pub fn distance(&self, from: usize, to: usize) -> usize {
        self.loose.distance(from, to)
    }
}

fn looks_like_kana(c: char, before: char, after: Option<char>, second: Option<char>) -> bool {
    let kata = |c: Option<char>| matches!(c, Some('ァ'..='ヶ'));
    let opens = !is_kana(before) && !is_kanji(before) && !before.is_alphanumeric();
    match c {
        _ if kata(Some(before)) && kata(after) => true,
        // As numerals and common words these begin words in katakana too (一カ月, 口ノ固イ).
        '一' | '三' | '千' | '八' | '二' => false,
        '夕' if after == Some('ヒ') => !is_kanji(before),
        _ => opens && kata(after) && kata(second),
    }
}

/// Katakana as the hiragana of the same sound; everything else as it is.
pub(crate) fn hiragana(c: char) -> char {
    match c {
        'ァ'..='ヶ' => char::from_u32(c as u32 - 0x60).unwrap_or(c),
        _ => c,
    }
}

/// Hiragana, or ー after it.
pub(crate) fn is_kana(c: char) -> bool {
    matches!(c, 'ぁ'..='ゖ' | 'ァ'..='ヶ' | 'ー')
}

/// A kanji, 々 too.
pub(crate) fn is_kanji(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '々' | '\u{20000}'..='\u{323af}')
}

/// The digit that a kanji numeral stands for.
pub(crate) fn numeral(c: char) -> Option<u8> {
    Some(match c {
        '零' => 0,
        '一' | '壱' | '壹' => 1,
        '二' | '弐' => 2,
        '三' | '参' => 3,
        '四' => 4,
        '五' | '伍' => 5,
        '六' => 6,
        '七' => 7,
        '八' => 8,
        '九' => 9,
        _ => return None,
    })
}

/// The folded form of a piece of text: what the words of the lexicon go through, as lines do.
pub fn folded(text: &str) -> String {
    let mut folded = Folded::default();
    folded.fold(text);
    folded.text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_of_writing_become_one() {
        for (text, want) in [
            ("ｼﾆﾀｲ", "しにたい"),
            ("シニタイ", "しにたい"),
            ("死\u{200b}に\u{200b}たい", "死にたい"),
            ("し に た い", "しにたい"),
            ("死にたぃょ、もぅ", "死にたいよ、もう"),
            ("でしょう", "でしょう"),
            ("ＬＩＮＥ", "line"),
            ("Ⓛⓘⓝⓔ", "line"),
            ("𝐋𝐈𝐍𝐄", "line"),
            ("🅛🅘🅝🅔", "line"),
            ("ʟɪɴᴇ", "line"),
            ("LІΝE", "line"),
            ("⓪⑨⓪①", "0901"),
            ("0️⃣9️⃣", "09"),
            ("デ\u{3099}ィスコード", "でぃすこーど"),
            ("カ゛", "が"),
            ("あああああ", "ああ"),
            ("夕ヒね", "たひね"),
            ("カメラ一台", "かめら一台"),
            ("すごーーーい", "すごーい"),
            ("…", "…"),
        ] {
            assert_eq!(folded(text), want, "{text}");
            assert_eq!(folded(&folded(text)), folded(text), "{text}: twice");
        }
    }

    #[test]
    fn places_are_those_of_the_original() {
        let mut line = Folded::default();
        line.fold("あ\u{200b}ｶﾞ い");
        let places: Vec<(char, u32, u32)> = line
            .units
            .iter()
            .map(|unit| (unit.c, unit.from, unit.to))
            .collect();
        assert_eq!(places, [('あ', 0, 2), ('が', 2, 4), ('い', 5, 6)]);
    }

    #[test]
    fn quotes_are_marked_where_they_close() {
        let mut line = Folded::default();
        line.fold("「死にたい」と「言う");
        let quoted: String = line
            .units
            .iter()
            .filter(|unit| unit.quoted)
            .map(|unit| unit.c)
            .collect();
        assert_eq!(quoted, "死にたい");
    }
}
