//! 案内番号: twelve digits with a check digit, and what becomes of a slip.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::platform::clock::Millis;
use crate::platform::ids::{Chance, below};
use crate::protocol::Standing;

/// Digits of a number; the last one checks the others.
const DIGITS: usize = 12;

/// Damm's table (H. M. Damm, "Total anti-symmetrische Quasigruppen", 2004): a quasigroup of order ten that finds every wrong
/// digit and every pair of neighbours that were swapped.
const DAMM: [[u8; 10]; 10] = [
    [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
    [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
    [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
    [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
    [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
    [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
    [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
    [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
    [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
    [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
];

/// Where the digits lead to in Damm's table; 0 for a whole number that holds.
fn damm(digits: impl Iterator<Item = u8>) -> u8 {
    digits.fold(0, |at, digit| DAMM[usize::from(at)][usize::from(digit)])
}

/// A number of the right form; it may still open nothing.
pub struct SlipNumber(Zeroizing<String>);

impl SlipNumber {
    /// A new one: 36 bits of chance, and its check digit.
    pub fn new(chance: &dyn Chance) -> Self {
        let mut digits: Vec<u8> = (1..DIGITS)
            .map(|_| u8::try_from(below(chance, 10)).unwrap_or(0))
            .collect();
        // In Damm's table the digit where one stands leads to 0.
        digits.push(damm(digits.iter().copied()));
        let text = digits.iter().map(|digit| char::from(b'0' + digit));
        Self(Zeroizing::new(text.collect()))
    }

    /// Reads what somebody typed: spaces, hyphens and wide digits are as good. `None` where it cannot be a number: too few
    /// digits, or the check digit does not hold.
    pub fn parse(typed: &str) -> Option<Self> {
        let mut text = Zeroizing::new(String::with_capacity(DIGITS));
        for letter in typed.nfkc() {
            match letter {
                '0'..='9' if text.len() < DIGITS => text.push(letter),
                ' ' | '-' | '‐' | '−' | 'ー' | '‑' | '–' => {}
                _ => return None,
            }
        }
        let holds = text.len() == DIGITS && damm(text.bytes().map(|digit| digit - b'0')) == 0;
        holds.then_some(Self(text))
    }

    /// The digits, for hashing.
    pub(super) fn digits(&self) -> &str {
        &self.0
    }

    /// As it stands on the sheet: three groups of four.
    pub fn grouped(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "{} {} {}",
            &self.0[0..4],
            &self.0[4..8],
            &self.0[8..12]
        ))
    }
}

impl fmt::Debug for SlipNumber {
    /// It opens a door.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SlipNumber(…)")
    }
}

/// A slip as staff see it: never whose it became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slip {
    /// The stub's number.
    pub stub: String,
    /// Which side it opens.
    pub standing: Standing,
    /// When it was made.
    pub made: Millis,
    /// When it ends, if nobody uses it.
    pub ends: Millis,
    /// Where it stands.
    pub state: SlipState,
    /// Somebody says that they did not use it.
    pub doubted: bool,
}

/// Where a slip stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlipState {
    /// It can be used.
    Open,
    /// Somebody came in with it.
    Used,
    /// It ran out.
    Ended,
    /// The centre took it back.
    Revoked,
}

impl SlipState {
    /// Its name in the catalogue.
    pub const fn as_str(self) -> &'static str {
        match self {
            SlipState::Open => "open",
            SlipState::Used => "used",
            SlipState::Ended => "ended",
            SlipState::Revoked => "revoked",
        }
    }

    /// From what the store has.
    pub(super) fn of(used: bool, revoked: bool, ends: Millis, now: Millis) -> Self {
        if revoked {
            SlipState::Revoked
        } else if used {
            SlipState::Used
        } else if now >= ends {
            SlipState::Ended
        } else {
            SlipState::Open
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::platform::ids::SeededChance;

    fn number(seed: u64) -> String {
        SlipNumber::new(&SeededChance::new(seed))
            .digits()
            .to_owned()
    }

    #[test]
    fn a_number_is_read_as_people_write_it() {
        let text = number(7);
        let (a, rest) = text.split_at(4);
        let (b, c) = rest.split_at(4);
        let wide: String = text
            .chars()
            .filter_map(|digit| char::from_u32(digit as u32 - '0' as u32 + '０' as u32))
            .collect();
        for typed in [
            text.clone(),
            format!("{a} {b} {c}"),
            format!("{a}-{b}-{c}"),
            format!("　{a}ー{b}ー{c} "),
            wide,
        ] {
            let read = SlipNumber::parse(&typed).expect("a number");
            assert_eq!(read.digits(), text, "{typed}");
        }
        assert_eq!(
            &*SlipNumber::parse(&text).expect("a number").grouped(),
            &format!("{a} {b} {c}")
        );
        for typed in ["", "1234", &format!("{text}0"), &format!("{text}a"), "あ"] {
            assert!(SlipNumber::parse(typed).is_none(), "{typed}");
        }
    }

    #[test]
    fn p5_a_number_does_not_print() {
        assert_eq!(
            format!("{:?}", SlipNumber::new(&SeededChance::new(1))),
            "SlipNumber(…)"
        );
    }

    proptest! {
        #[test]
        fn every_wrong_digit_and_every_swap_of_neighbours_is_found(seed: u64, at in 0usize..12, digit in 0u8..10) {
            let right = number(seed);
            prop_assert!(SlipNumber::parse(&right).is_some());
            let mut wrong = right.clone().into_bytes();
            wrong[at] = b'0' + digit;
            let wrong = String::from_utf8(wrong).expect("digits");
            prop_assert_eq!(SlipNumber::parse(&wrong).is_some(), wrong == right);
            let mut swapped = right.clone().into_bytes();
            swapped.swap(at, (at + 1).min(11));
            let swapped = String::from_utf8(swapped).expect("digits");
            prop_assert_eq!(SlipNumber::parse(&swapped).is_some(), swapped == right);
        }
    }
}
