//! 呼び名: what a person wears here. Many may wear the same one, so a name finds nobody.
//!
//! A name must not pass for one of the people with powers. Who is on duty is shown by a field of its own
//! and never read from the name; the check here only spares people the doubt.

use std::fmt;
use std::sync::LazyLock;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::fold::{folded, is_unseen};
use crate::platform::ids::{Chance, below};

/// The longest name, in Unicode scalar values.
pub const NAME_CHARS_MAX: usize = 16;
/// The most digits in a name: fewer than any telephone number has.
pub const NAME_DIGITS_MAX: usize = 5;
/// Marks that may stand on one letter. Japanese needs one, other scripts two; more is a tower over other lines.
const MARKS_IN_A_ROW_MAX: usize = 2;

/// Calm things of the house, the garden, the sky and the table; none of them is a person's name.
static SUGGESTED: LazyLock<Vec<&str>> = LazyLock::new(|| {
    include_str!("names.txt")
        .lines()
        .filter(|line| !line.is_empty())
        .collect()
});

/// Words of those who work here, after [`folded`]: anybody who wore one would be believed.
#[rustfmt::skip]
const STAFF_WORDS: &[&str] = &[
    "職員", "しょくいん", "すたっふ", "相談員", "そうだんいん", "相談役", "相談窓口", "支援員", "しえんいん", "運営", "うんえい",
    "管理人", "かんりにん", "管理者", "管理職", "かんりしゃ", "進行役", "しんこうやく", "司会", "担当者", "責任者", "せきにんしゃ",
    "さぽーたー", "こーでぃねーた", "もでれーた", "もでれいた", "せんたー", "事務局", "じむきょく", "新潟市", "にいがたし", "市役所",
    "区役所", "しやくしょ", "くやくしょ", "公式", "こうしき", "警察", "けいさつ", "保健師", "看護師", "心理士", "心理師", "福祉士",
    "医師", "かうんせら", "あどみん", "しすてむ", "縁側", "えんがわ", "admin", "staff", "moderator", "system", "engawa", "official",
    "supporter", "coordinator", "manager",
];

/// A name as a person chose it: 1–16 characters, at most 5 digits, no staff words. Prints as `…`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Name(String);

/// Why a name cannot be worn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing that can be seen is left of it.
    #[error("the name is empty")]
    Empty,
    /// More than [`NAME_CHARS_MAX`] characters.
    #[error("the name has more than {NAME_CHARS_MAX} characters")]
    TooLong,
    /// More than [`NAME_DIGITS_MAX`] digits of any script: it could be a number to call.
    #[error("the name has more than {NAME_DIGITS_MAX} digits")]
    TooManyDigits,
    /// It could pass for somebody who works here.
    #[error("the name holds a word of those who work here")]
    StaffWord,
    /// Marks piled up until the neighbouring lines cannot be read.
    #[error("the name has too many marks on one letter")]
    Unreadable,
}

impl Name {
    /// Takes out what cannot be seen, composes (NFC), trims, and then judges.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let seen: String = text.chars().filter(|c| !is_unseen(*c)).nfc().collect();
        let name = seen.trim();
        if !name
            .chars()
            .any(|c| !c.is_whitespace() && !is_combining_mark(c))
        {
            return Err(BadName::Empty);
        }
        if name.chars().count() > NAME_CHARS_MAX {
            return Err(BadName::TooLong);
        }
        if longest_run_of_marks(name) > MARKS_IN_A_ROW_MAX {
            return Err(BadName::Unreadable);
        }
        if name.chars().map(digits_in).sum::<usize>() > NAME_DIGITS_MAX {
            return Err(BadName::TooManyDigits);
        }
        if has_staff_word(name) {
            return Err(BadName::StaffWord);
        }
        Ok(Self(name.to_owned()))
    }

    /// A name of somebody who works here: they may say so in it.
    pub fn of_staff(text: &str) -> Result<Self, BadName> {
        match Self::parse(text) {
            Err(BadName::StaffWord) => {
                let seen: String = text.chars().filter(|c| !is_unseen(*c)).nfc().collect();
                Ok(Self(seen.trim().to_owned()))
            }
            outcome => outcome,
        }
    }

    /// What stands in the store was parsed when it came in; a rule that grew later takes no name from anybody.
    pub(super) fn from_store(text: String) -> Self {
        Self(text)
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// `n` different names to choose from, or as many as there are.
pub fn suggestions(chance: &dyn Chance, n: usize) -> Vec<Name> {
    let mut left: Vec<&str> = SUGGESTED.clone();
    let mut chosen = Vec::with_capacity(n.min(left.len()));
    while chosen.len() < n && !left.is_empty() {
        let n_left = u32::try_from(left.len()).expect("the list is short");
        let name = left.swap_remove(below(chance, n_left) as usize);
        chosen.push(Name(name.to_owned()));
    }
    chosen
}

/// One suggested name, for those who gave none.
pub fn suggestion(chance: &dyn Chance) -> Name {
    suggestions(chance, 1)
        .pop()
        .expect("the list of names is not empty")
}

/// Digits of any script, circled and raised ones too. 〇 and the other kanji numerals are words: 三毛, 七草.
fn digits_in(c: char) -> usize {
    usize::from(c.is_numeric() && c != '〇')
}

fn longest_run_of_marks(text: &str) -> usize {
    let (mut run, mut longest) = (0, 0);
    for c in text.chars() {
        run = if is_combining_mark(c) { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// Looks at the name with and without long-vowel marks, so that neither サポータ- nor ス・タ・ッ・フ passes.
fn has_staff_word(name: &str) -> bool {
    let skeleton = skeleton(name);
    let short: String = skeleton.chars().filter(|c| *c != 'ー').collect();
    STAFF_WORDS
        .iter()
        .any(|word| skeleton.contains(word) || short.contains(word))
}

/// Folded, look-alikes replaced, spaces and separators dropped.
fn skeleton(name: &str) -> String {
    let mut out = String::new();
    for c in folded(name).map(plain) {
        let after_kana = out.chars().last().is_some_and(|l| matches!(l, 'ぁ'..='ゖ'));
        match c {
            '-' | '‐' | '‑' | '–' | '—' | '―' | '−' | '─' | '一' | '~' | '〜' if after_kana =>
            {
                out.push('ー');
            }
            _ if c.is_alphanumeric() || c == 'ー' => out.push(c),
            _ => {}
        }
    }
    out
}

/// The letter that this one is taken for: kanji for kana, Cyrillic, Greek and signs for Latin.
fn plain(c: char) -> char {
    match c {
        '夕' => 'た',
        '卜' => 'と',
        '工' => 'え',
        '二' => 'に',
        '口' | '囗' => 'ろ',
        '八' => 'は',
        '力' => 'か',
        '千' => 'ち',
        'а' | 'α' | '@' | '4' => 'a',
        'е' | 'ε' | '3' => 'e',
        'о' | 'ο' | '0' => 'o',
        'р' | 'ρ' => 'p',
        'с' => 'c',
        'у' | 'υ' => 'y',
        'ѕ' | '$' | '5' => 's',
        'т' | 'τ' | '7' => 't',
        'і' | 'ι' | '1' | '|' | '!' | 'ı' => 'i',
        'м' => 'm',
        'ո' => 'n',
        'ԁ' => 'd',
        'ɡ' => 'g',
        'ѡ' | 'ω' => 'w',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::ids::SeededChance;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn parsed(text: &str) -> Result<String, BadName> {
        Name::parse(text).map(|name| name.0)
    }

    #[test]
    fn ordinary_names_are_worn_as_they_were_typed() {
        for name in [
            "こもれび",
            "三毛",
            "夜ふかし",
            "A",
            "ねこ2匹",
            "ｶﾅ",
            "🐈",
            "Anna-Mari",
            "零〇三四五六七八",
            "せんたく",
            "ゴースト",
            "夕立",
            "12345",
            "千代紙",
        ] {
            assert_eq!(parsed(name), Ok(name.to_owned()));
        }
        assert_eq!(parsed("\u{3000}三毛 \n"), Ok("三毛".to_owned()));
        assert_eq!(parsed("か\u{3099}"), Ok("が".to_owned()));
        assert_eq!(parsed("三\u{202e}毛\u{200b}\0"), Ok("三毛".to_owned()));
    }

    #[test]
    fn length_counts_characters_after_composing() {
        assert!(parsed(&"あ".repeat(16)).is_ok());
        assert!(parsed(&"か\u{3099}".repeat(16)).is_ok());
        assert_eq!(parsed(&"あ".repeat(17)), Err(BadName::TooLong));
        for empty in [
            "", " ", "\u{3000}", "\u{200b}", "\u{3164}", "\u{2800}", "\u{301}",
        ] {
            assert_eq!(parsed(empty), Err(BadName::Empty), "{empty:?}");
        }
    }

    #[test]
    fn six_digits_of_any_script_are_too_many() {
        for digits in ["090123", "０９０１２３", "٠٩٠١٢٣", "①②③④⑤⑥", "a1b2c3d4e5f6"]
        {
            assert_eq!(parsed(digits), Err(BadName::TooManyDigits), "{digits}");
        }
    }

    #[test]
    fn nobody_can_wear_a_staff_word() {
        for name in [
            "職員",
            "スタッフ",
            "ｽﾀｯﾌ",
            "す た っ ふ",
            "ス・タ・ッ・フ",
            "ス夕ッフ",
            "スターッフ",
            "スタッフ2",
            "新潟市です",
            "相談員A",
            "運営",
            "管理人",
            "管理者",
            "進行役",
            "サポーター",
            "サポ-ター",
            "サポータ一",
            "コーディネーター",
            "事業責任者",
            "センター",
            "センタ―",
            "モデレーター",
            "Admin",
            "ＡＤＭＩＮ",
            "st@ff",
            "ѕtaff",
            "5taff",
            "Mod_erator",
            "System",
            "en\u{200b}gawa",
            "縁側",
            "エンガワ",
            "か\u{3099}縁 側",
        ] {
            assert_eq!(parsed(name), Err(BadName::StaffWord), "{name}");
        }
    }

    #[test]
    fn those_who_work_here_may_say_so() {
        let worn = |text| Name::of_staff(text).map(|name| name.0);
        assert_eq!(worn(" 相談員 みなと"), Ok("相談員 みなと".to_owned()));
        assert_eq!(worn(""), Err(BadName::Empty));
        assert_eq!(worn(&"職員".repeat(9)), Err(BadName::TooLong));
    }

    #[test]
    fn towers_of_marks_are_not_worn() {
        assert_eq!(parsed("q\u{302}\u{303}\u{304}"), Err(BadName::Unreadable));
    }

    #[test]
    fn suggested_names_are_short_different_and_can_be_worn() {
        assert!(SUGGESTED.len() >= 300);
        assert_eq!(
            SUGGESTED.iter().collect::<BTreeSet<_>>().len(),
            SUGGESTED.len()
        );
        for name in SUGGESTED.iter() {
            assert_eq!(parsed(name), Ok((*name).to_owned()));
            assert!((2..=5).contains(&name.chars().count()), "{name}");
        }
        let chance = SeededChance::new(1);
        let some = suggestions(&chance, 6);
        let different: BTreeSet<_> = some.iter().map(Name::as_str).collect();
        assert_eq!((some.len(), different.len()), (6, 6));
        assert_eq!(suggestions(&chance, 10_000).len(), SUGGESTED.len());
    }

    #[test]
    fn p5_a_name_does_not_print() {
        assert_eq!(format!("{:?}", suggestion(&SeededChance::new(1))), "…");
    }

    proptest! {
        #[test]
        fn what_parsed_parses_again_to_itself(text in "\\PC{0,20}") {
            if let Ok(name) = Name::parse(&text) {
                prop_assert!((1..=NAME_CHARS_MAX).contains(&name.as_str().chars().count()));
                prop_assert_eq!(Name::parse(name.as_str()), Ok(name));
            }
        }
    }
}
