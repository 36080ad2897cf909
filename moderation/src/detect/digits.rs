//! Telephone numbers in any spelling: digits, 漢数字, readings in kana, letters that look like digits, covered digits; with
//! anything between them, in one line or over several, forwards or backwards.

use std::cell::Cell;

use super::{Detected, Detector};
use crate::fold::{Break, Folded, Script, is_kana, numeral};
use crate::lexicon::Public;

/// Words between two groups of one number: `090と書いて0123と書いて4567`.
const FILLER_MAX: usize = 12;
/// No number that is looked for is longer.
const DIGITS_MAX: usize = 16;
/// Stands for a digit that is covered.
const COVERED: u8 = 10;

/// Digits that stand side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    /// Its place in the plain view.
    pub from: usize,
    pub to: usize,
    /// Its digits in `values`.
    first: usize,
    pub n: usize,
    /// Written in figures, not in words.
    pub figures: bool,
}

/// The digit view of a line.
#[derive(Debug, Default)]
pub(crate) struct Digits {
    values: Vec<u8>,
    chunks: Vec<Chunk>,
    /// A number that is public was met, and passed.
    has_public: Cell<bool>,
}

impl Digits {
    /// Whether there is any.
    pub fn any(&self) -> bool {
        !self.values.is_empty()
    }

    /// The groups of digits.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The digits of a group.
    pub fn of(&self, chunk: &Chunk) -> &[u8] {
        &self.values[chunk.first..chunk.first + chunk.n]
    }

    /// Whether a number that is public was met, and passed.
    pub fn has_public(&self) -> bool {
        self.has_public.get()
    }

    /// Reads the digits of a line.
    pub fn read(&mut self, line: &Folded) {
        self.values.clear();
        self.chunks.clear();
        self.has_public.set(false);
        let units = &line.units;
        let mut at = 0;
        while at < units.len() {
            let Some((value, n)) = digit_at(line, at, self.after_digit(at)) else {
                at += 1;
                continue;
            };
            let figures = n == 1 && !is_kana(units[at].c);
            let joined = self.after_digit(at)
                && units[at].before == Break::None
                && self
                    .chunks
                    .last()
                    .is_some_and(|chunk| chunk.figures == figures);
            match self.chunks.last_mut().filter(|_| joined) {
                Some(chunk) => {
                    chunk.to = at + n;
                    chunk.n += 1;
                }
                None => self.chunks.push(Chunk {
                    from: at,
                    to: at + n,
                    first: self.values.len(),
                    n: 1,
                    figures,
                }),
            }
            self.values.push(value);
            at += n;
        }
    }

    fn after_digit(&self, at: usize) -> bool {
        self.chunks.last().is_some_and(|chunk| chunk.to == at)
    }

    /// Finds telephone numbers, and numbers of 案内カード.
    pub fn phones(&self, line: &Folded, public: &Public, more: &[&str], found: &mut Vec<Detected>) {
        if self.values.len() < 10 {
            return;
        }
        let mut idx = 0;
        while idx < self.chunks.len() {
            let step = self.phone_from(line, idx, public, more, found);
            idx += step.max(1);
        }
    }

    /// Looks for a number that begins with this group; tells how many groups it took.
    fn phone_from(
        &self,
        line: &Folded,
        first: usize,
        public: &Public,
        more: &[&str],
        found: &mut Vec<Detected>,
    ) -> usize {
        let taken = self.chain(line, first, false, public, more, found);
        // In figures, a syllable that could be read as a digit is mostly a syllable (おしまい has し).
        if taken == 0 && self.chunks[first].figures {
            return self.chain(line, first, true, public, more, found);
        }
        taken
    }

    fn chain(
        &self,
        line: &Folded,
        first: usize,
        figures_alone: bool,
        public: &Public,
        more: &[&str],
        found: &mut Vec<Detected>,
    ) -> usize {
        let start = self.chunks[first];
        let mut digits = [0_u8; DIGITS_MAX];
        let mut n_digits = 0;
        let mut groups = [start; DIGITS_MAX];
        let mut n_groups = 0;
        let mut filled = false;
        let skip = |chunk: &Chunk| figures_alone && !chunk.figures && chunk.n <= 2;
        for (n_chunks, chunk) in self.chunks[first..].iter().enumerate() {
            if skip(chunk) {
                continue;
            }
            if n_groups > 0 {
                match between(line, groups[n_groups - 1].to, chunk.from) {
                    Between::Signs => {}
                    Between::Words => filled = true,
                    Between::Apart => break,
                }
            }
            if n_digits + chunk.n > DIGITS_MAX || n_groups == DIGITS_MAX {
                break;
            }
            digits[n_digits..n_digits + chunk.n].copy_from_slice(self.of(chunk));
            n_digits += chunk.n;
            groups[n_groups] = *chunk;
            n_groups += 1;
            if n_digits < 10 {
                continue;
            }
            let digits = &digits[..n_digits];
            let next_is_near = self.chunks[first + n_chunks + 1..]
                .iter()
                .find(|chunk| !skip(chunk))
                .is_some_and(|next| {
                    matches!(between(line, chunk.to, next.from), Between::Signs)
                        && next.figures == chunk.figures
                });
            let groups = &groups[..n_groups];
            let kind = kind(line, digits, groups, filled, next_is_near)
                .or_else(|| backwards(line, digits, groups));
            let Some(kind) = kind else { continue };
            if kind == Detector::Phone && is_public(digits, public, more) {
                self.has_public.set(true);
            } else {
                found.push(Detected {
                    by: kind,
                    from: with_plus(line, start.from),
                    to: chunk.to,
                });
            }
            return n_chunks + 1;
        }
        0
    }
}

fn with_plus(line: &Folded, from: usize) -> usize {
    match from.checked_sub(1) {
        Some(before) if line.units[before].c == '+' => before,
        _ => from,
    }
}

/// The digit that begins at this unit, and how many units it takes.
fn digit_at(line: &Folded, at: usize, after_digit: bool) -> Option<(u8, usize)> {
    let units = &line.units;
    let c = units[at].c;
    if let Some(value) = c.to_digit(10) {
        return Some((u8::try_from(value).unwrap_or(0), 1));
    }
    if let Some(value) = numeral(c) {
        return Some((value, 1));
    }
    let next = |n: usize| units.get(at + n).map_or(' ', |unit| unit.c);
    let near_digit = |n: usize| {
        let next = next(n);
        next.is_ascii_digit()
            || numeral(next).is_some()
            || matches!(next, '-' | 'o' | 'l' | 'i' | '◯' | '|')
    };
    if units[at].script == Script::Letter
        && (at == 0 || units[at].before != Break::None)
        && let Some(found) = spelled(line, at)
    {
        return Some(found);
    }
    match c {
        // Covered, or a circle that is meant as a zero; the head of a number tells which.
        '◯' if after_digit || near_digit(1) => return Some((COVERED, 1)),
        'o' if after_digit || near_digit(1) => return Some((0, 1)),
        'l' | 'i' | '|' if after_digit || near_digit(1) => return Some((1, 1)),
        's' if after_digit && near_digit(1) => return Some((5, 1)),
        _ => {}
    }
    if units[at].script != Script::Hiragana && units[at].script != Script::Katakana {
        return None;
    }
    let long = |n: usize, vowel: char| usize::from(next(n) == 'ー' || next(n) == vowel);
    Some(match (c, next(1), next(2)) {
        ('ぜ', 'ろ', _) => (0, 2),
        ('ま', 'る', _) => (0, 2),
        ('れ', 'い' | 'ー', _) => (0, 2),
        ('お', 'ー', _) => (0, 2),
        ('い', 'ち', _) => (1, 2),
        // に, but not the に of にい in にいち: that one is 2 and 1.
        ('に', 'い', 'ち') => (2, 1),
        ('に', _, _) => (2, 1 + long(1, 'い')),
        ('さ', 'ん', _) => (3, 2),
        ('よ', 'ん', _) => (4, 2),
        ('し', 'ち', _) => (7, 2),
        ('し', _, _) => (4, 1 + usize::from(next(1) == 'ー')),
        ('ご', _, _) => (5, 1 + long(1, 'お').max(usize::from(next(1) == 'う'))),
        ('ろ', 'く', _) => (6, 2),
        ('な', 'な', _) => (7, 2),
        ('は', 'ち', _) => (8, 2),
        ('き', 'ゅ' | 'ゆ', 'う' | 'ー') => (9, 3),
        ('き', 'ゅ' | 'ゆ', _) => (9, 2),
        ('く', _, _) => (9, 1 + usize::from(next(1) == 'ー')),
        _ => return None,
    })
}

/// A digit in Latin letters, as a word of its own.
fn spelled(line: &Folded, at: usize) -> Option<(u8, usize)> {
    const WORDS: [(&str, u8); 25] = [
        ("zero", 0),
        ("rei", 0),
        ("maru", 0),
        ("oh", 0),
        ("ichi", 1),
        ("one", 1),
        ("ni", 2),
        ("two", 2),
        ("san", 3),
        ("three", 3),
        ("yon", 4),
        ("four", 4),
        ("go", 5),
        ("five", 5),
        ("roku", 6),
        ("six", 6),
        ("nana", 7),
        ("shichi", 7),
        ("seven", 7),
        ("hachi", 8),
        ("eight", 8),
        ("kyu", 9),
        ("kyuu", 9),
        ("nine", 9),
        ("ku", 9),
    ];
    let word = &line.units[at..];
    let n = 1 + word[1..]
        .iter()
        .take(6)
        .take_while(|unit| unit.c.is_ascii_alphabetic() && unit.before == Break::None)
        .count();
    WORDS
        .iter()
        .find(|(spelled, _)| {
            spelled.len() == n && spelled.chars().eq(word[..n].iter().map(|unit| unit.c))
        })
        .map(|(_, value)| (*value, n))
}

enum Between {
    /// Nothing but signs, spaces, の.
    Signs,
    /// A few words.
    Words,
    /// Too much.
    Apart,
}

fn between(line: &Folded, from: usize, to: usize) -> Between {
    if to <= from {
        return Between::Signs;
    }
    let units = &line.units[from..to];
    let sign = |c: char, script: Script| {
        script == Script::Sign || matches!(c, 'の' | 'ー' | 'x' | 'と' | 'で')
    };
    if units.len() <= 6 && units.iter().all(|unit| sign(unit.c, unit.script)) {
        Between::Signs
    } else if units.len() <= FILLER_MAX {
        Between::Words
    } else {
        Between::Apart
    }
}

fn same(digit: u8, wanted: u8) -> bool {
    digit == wanted || digit == COVERED
}

/// A head of mobile and other numbers without a place: 050, 060 … 090.
fn mobile(digits: &[u8]) -> bool {
    digits.len() == 11
        && same(digits[0], 0)
        && (matches!(digits[1], 5..=9) || (digits[1] == COVERED && digits[0] == 0))
        && same(digits[2], 0)
}

fn starts(digits: &[u8], head: &[u8]) -> bool {
    digits.len() >= head.len()
        && digits
            .iter()
            .zip(head)
            .all(|(digit, wanted)| same(*digit, *wanted))
}

fn kind(
    line: &Folded,
    digits: &[u8],
    groups: &[Chunk],
    filled: bool,
    more_follows: bool,
) -> Option<Detector> {
    let sizes: Vec<usize> = groups.iter().map(|group| group.n).collect();
    let by_one = sizes.iter().all(|n| *n == 1);
    // With words between, only the usual groups are believed.
    let usual = matches!(
        sizes.as_slice(),
        [3, 4, 4] | [3, 8] | [7, 4] | [2..=5, 1..=4, 4] | [11]
    );
    let in_words = groups.iter().any(|group| !group.figures);
    if filled && (!usual || (in_words && sizes.iter().any(|n| *n < 3))) {
        return None;
    }
    if mobile(digits) && (usual || !more_follows || by_one) {
        return Some(Detector::Phone);
    }
    if more_follows && !usual {
        return None;
    }
    let toll_free = (digits.len() == 10
        && (starts(digits, &[0, 1, 2, 0]) || starts(digits, &[0, 5, 7, 0])))
        || (digits.len() == 11 && starts(digits, &[0, 8, 0, 0]));
    if toll_free {
        return Some(Detector::Phone);
    }
    // +81 and 81, without the zero.
    if starts(digits, &[8, 1]) && matches!(digits.len(), 11 | 12) {
        let rest = &digits[2..];
        let area = (rest.len() == 10 && matches!(rest[0], 5..=9) && rest[1] == 0)
            || (rest.len() == 9 && rest[0] != 0);
        if area && groups.len() > 1 {
            return Some(Detector::Phone);
        }
    }
    // Numbers with a place: the groups must look like one, or there are none.
    if digits.len() == 10 && digits[0] == 0 && matches!(digits[1], 1..=9) && !filled {
        let grouped = matches!(sizes.as_slice(), [10] | [2..=5, 1..=4, 4] | [2..=6, 4..=8]);
        let pieces = sizes.len() >= 3 && sizes[0] >= 2 && sizes.last() == Some(&4);
        if grouped || pieces || by_one {
            return Some(Detector::Phone);
        }
    }
    let hyphened = groups.windows(2).all(|pair| {
        line.units[pair[0].to..pair[1].from]
            .iter()
            .all(|unit| matches!(unit.c, '-' | 'ー' | '~'))
    });
    if sizes.as_slice() == [4, 4, 4] && hyphened && !more_follows && !all_years(digits) {
        return Some(Detector::Slip);
    }
    None
}

fn all_years(digits: &[u8]) -> bool {
    digits
        .chunks(4)
        .all(|year| matches!(year, [1, 9, ..] | [2, 0, ..]))
}

fn backwards(line: &Folded, digits: &[u8], groups: &[Chunk]) -> Option<Detector> {
    if digits.len() != 11 {
        return None;
    }
    let mut turned: Vec<u8> = digits.to_vec();
    turned.reverse();
    let sizes: Vec<usize> = groups.iter().map(|group| group.n).collect();
    let shaped = sizes.as_slice() == [4, 4, 3];
    let said = line.text.contains('逆')
        || line.text.contains("うしろから")
        || line.text.contains("後ろから");
    (mobile(&turned) && (shaped || said)).then_some(Detector::Phone)
}

fn is_public(digits: &[u8], public: &Public, more: &[&str]) -> bool {
    if digits.contains(&COVERED) {
        return false;
    }
    let text: String = digits
        .iter()
        .map(|digit| char::from(b'0' + digit))
        .collect();
    public.numbers.binary_search(&text).is_ok()
        || more.iter().any(|number| {
            let own = number.chars().filter(char::is_ascii_digit);
            own.eq(text.chars())
        })
}
