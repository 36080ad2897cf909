//! もどるための言葉: eight words out of 2,048, 88 bits, that bring a handle back on another device.
//!
//! They are copied by hand, read aloud and typed on old phones, so reading them is forgiving: width, katakana,
//! spaces, signs, decomposed kana, small and voiced kana, ず for づ and long-vowel marks do not matter. What makes
//! this safe is a property of the list, held by a test: after that folding no word begins another one, so any
//! eight words run together can be cut in one way only.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use argon2::Argon2;
use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::fold::hiragana;
use crate::platform::ids::{Chance, below};

/// How many words a code has.
pub const CODE_WORDS: usize = 8;
/// How many words there are to choose from: 11 bits each.
pub const WORDS: usize = 2048;
/// Nothing longer is read, in bytes: many times eight words with any signs between them.
const TEXT_BYTES_MAX: usize = 2048;

/// The list. It never changes: a word that left would lock people out.
static LIST: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("words.txt").lines().collect());
static BY_FOLD: LazyLock<HashMap<String, u16>> = LazyLock::new(|| {
    LIST.iter()
        .zip(0..)
        .map(|(word, i)| (loosely(word).iter().collect(), i))
        .collect()
});

/// Eight words. Prints as `…`, is wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RecoveryCode([u16; CODE_WORDS]);

/// Why a text is no code; it says nothing about whether a code exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCode {
    /// There is something after this many words that is not in the list.
    #[error("no word of the list stands after {after_words} words")]
    UnknownWord {
        /// How many words could be read before it.
        after_words: usize,
    },
    /// All words are in the list, but they are not eight.
    #[error("there are {found} words instead of {CODE_WORDS}")]
    NotEight {
        /// How many were read.
        found: usize,
    },
    /// Longer than any way to write eight words.
    #[error("the text is too long to be a code")]
    TooLong,
}

impl RecoveryCode {
    /// New random words.
    pub fn new(chance: &dyn Chance) -> Self {
        let mut words = [0; CODE_WORDS];
        for word in &mut words {
            *word = u16::try_from(below(chance, WORDS as u32)).expect("2,048 fits");
        }
        Self(words)
    }

    /// Reads the words however they were written down.
    pub fn parse(text: &str) -> Result<Self, BadCode> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(BadCode::TooLong);
        }
        let kana = Zeroizing::new(loosely(text));
        let mut words = Zeroizing::new(Vec::new());
        let mut at = 0;
        while at < kana.len() {
            let Some((word, chars)) = word_at(&kana[at..]) else {
                return Err(BadCode::UnknownWord {
                    after_words: words.len(),
                });
            };
            words.push(word);
            at += chars;
        }
        let words: [u16; CODE_WORDS] = words[..]
            .try_into()
            .map_err(|_| BadCode::NotEight { found: words.len() })?;
        Ok(Self(words))
    }

    /// The words to show, once: hiragana, a space between two.
    pub fn text(&self) -> Zeroizing<String> {
        let words: Vec<&str> = self.0.iter().map(|i| LIST[usize::from(*i)]).collect();
        Zeroizing::new(words.join(" "))
    }

    /// Argon2id (19 MiB, 2 passes, 1 lane) over the words and the salt of this place. Slow on purpose: call it off
    /// the runtime. One salt for all is what makes a lookup by value possible, so a code needs no name beside it.
    pub fn slow_hash(&self, salt: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        let mut hash = Zeroizing::new([0; 32]);
        Argon2::default()
            .hash_password_into(self.text().as_bytes(), salt, &mut *hash)
            .expect("a salt and a result of 32 bytes are within the bounds of Argon2");
        hash
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The word at the beginning, and how many kana it took. At most one can, as no word begins another.
fn word_at(kana: &[char]) -> Option<(u16, usize)> {
    (3..=5.min(kana.len())).find_map(|n| {
        let candidate = Zeroizing::new(kana[..n].iter().collect::<String>());
        BY_FOLD.get(&*candidate).map(|word| (*word, n))
    })
}

/// Only the kana, as sounds that are hard to confuse: unvoiced, large, one of お/を/う, え/い, す/つ, し/ち, は/わ.
fn loosely(text: &str) -> Vec<char> {
    let mut kana = Vec::new();
    // The free-standing marks ゛ and ゜ become a space and a mark under NFKC; the space is dropped like any other.
    for c in text.nfkc().map(hiragana).nfd() {
        let c = match c {
            'ー' => match kana.last().copied() {
                Some(before) => vowel(before),
                None => continue,
            },
            'ゝ' => match kana.last().copied() {
                Some(before) => before,
                None => continue,
            },
            'ぁ' => 'あ',
            'ぃ' | 'え' | 'ぇ' | 'ゐ' | 'ゑ' => 'い',
            'ぅ' | 'お' | 'ぉ' | 'を' => 'う',
            'っ' | 'つ' => 'す',
            'ち' => 'し',
            'ゃ' => 'や',
            'ゅ' => 'ゆ',
            'ょ' => 'よ',
            'ゎ' | 'わ' => 'は',
            'ゕ' => 'か',
            'ゖ' => 'け',
            'あ'..='ん' => c,
            _ => continue,
        };
        kana.push(c);
    }
    kana
}

/// The vowel that a long-vowel mark draws out, as [`loosely`] writes it.
fn vowel(kana: char) -> char {
    match kana {
        'あ' | 'か' | 'さ' | 'た' | 'な' | 'は' | 'ま' | 'や' | 'ら' => 'あ',
        'い' | 'き' | 'し' | 'に' | 'ひ' | 'み' | 'り' => 'い',
        'け' | 'せ' | 'て' | 'ね' | 'へ' | 'め' | 'れ' => 'い',
        _ => 'う',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::ids::{SeededChance, SystemChance};
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};
    use std::collections::BTreeSet;

    fn code(seed: u64) -> RecoveryCode {
        RecoveryCode::new(&SeededChance::new(seed))
    }

    #[test]
    fn the_list_has_2048_short_hiragana_words_in_order() {
        assert_eq!(LIST.len(), WORDS);
        assert!(LIST.is_sorted());
        for word in LIST.iter() {
            assert!((3..=5).contains(&word.chars().count()), "{word}");
            assert!(word.chars().all(|c| matches!(c, 'ぁ'..='ん')), "{word}");
        }
    }

    #[test]
    fn no_word_is_or_begins_another_however_loosely_it_is_read() {
        assert_eq!(BY_FOLD.len(), WORDS);
        for (word, index) in BY_FOLD.iter() {
            for (end, _) in word.char_indices().skip(1) {
                let begun = BY_FOLD.get(&word[..end]).map(|i| LIST[usize::from(*i)]);
                assert_eq!(begun, None, "{}", LIST[usize::from(*index)]);
            }
        }
    }

    #[test]
    fn no_word_hurts() {
        for word in [
            "しぬ",
            "ころす",
            "なく",
            "いたい",
            "こわい",
            "くるしい",
            "びょう",
            "くすり",
            "ちをはく",
            "かみさま",
            "おてら",
            "がっこう",
            "かいしゃ",
            "おとうさん",
            "おかあさん",
            "ふみきり",
            "なわ",
            "やいば",
            "かんおけ",
        ] {
            assert!(!LIST.iter().any(|w| w.starts_with(word)), "{word}");
        }
    }

    #[test]
    fn the_list_never_changes() {
        // People hold words of it on paper. If this fails, put the list back.
        let sum = Sha256::digest(include_bytes!("words.txt"));
        assert_eq!(
            data_encoding::HEXLOWER.encode(&sum),
            "b81dcc91e79a580b4e699713cd0fa377815fd44e8c5e2d7127b01efc1b2e7e58"
        );
    }

    #[test]
    fn words_are_read_however_they_were_written_down() {
        let words = [
            "ゆうびん",
            "みかづき",
            "がようし",
            "こんにちは",
            "ぴったり",
            "ようこそ",
            "はあと",
            "ぽけっと",
        ];
        let list_words = [
            "ゆうびん",
            "みかづき",
            "がようし",
            "こんにちは",
            "ぴったり",
            "ようこそ",
            "ぱんだ",
            "ぽけっと",
        ];
        assert!(RecoveryCode::parse(&words.join(" ")).is_err());
        let plain = RecoveryCode::parse(&list_words.join(" ")).expect("all are in the list");
        assert_eq!(&*plain.text(), &list_words.join(" "));
        for written in [
            "ゆうびん　みかづき　がようし　こんにちは　ぴったり　ようこそ　ぱんだ　ぽけっと",
            "ゆうびんみかづきがようしこんにちはぴったりようこそぱんだぽけっと",
            "ゆうびん・みかづき、がようし。こんにちは\r\nぴったり\tようこそ/ぱんだ-ぽけっと\n",
            "1. ゆうびん 2. みかづき 3. がようし 4. こんにちは 5. ぴったり 6. ようこそ 7. ぱんだ 8. ぽけっと",
            "ユウビン ミカヅキ ガヨウシ コンニチハ ピッタリ ヨウコソ パンダ ポケット",
            "ﾕｳﾋﾞﾝ ﾐｶﾂﾞｷ ｶﾞﾖｳｼ ｺﾝﾆﾁﾊ ﾋﾟｯﾀﾘ ﾖｳｺｿ ﾊﾟﾝﾀﾞ ﾎﾟｹｯﾄ",
            "ゆうひ\u{3099}ん みかつ\u{3099}き か\u{3099}ようし こんにちは ひ\u{309a}ったり ようこそ は\u{309a}んた\u{3099} ほ\u{309a}けっと",
            "ゆうび゛ん みかつ゛き かようし こんにちわ ひ゜つたり よおこそ ばんた ぽけつと",
            "ゆーびん みかずき がよーし こんにちは ぴったり よーこそ ぱんだ ぽけっと",
            "ゆ う び ん み か づ き がようし こんにちは ぴったり ようこそ ぱ ん だ ぽけっと",
        ] {
            assert_eq!(RecoveryCode::parse(written), Ok(plain.clone()), "{written}");
        }
    }

    #[test]
    fn what_is_no_code_says_where_it_stopped() {
        assert_eq!(RecoveryCode::parse(""), Err(BadCode::NotEight { found: 0 }));
        assert_eq!(
            RecoveryCode::parse("ゆうびん みかづき"),
            Err(BadCode::NotEight { found: 2 })
        );
        assert_eq!(
            RecoveryCode::parse("ゆうびん ほげほげ"),
            Err(BadCode::UnknownWord { after_words: 1 })
        );
        let nine = format!("{} ゆうびん", &*code(1).text());
        assert_eq!(
            RecoveryCode::parse(&nine),
            Err(BadCode::NotEight { found: 9 })
        );
        assert_eq!(
            RecoveryCode::parse(&"あ".repeat(10_000)),
            Err(BadCode::TooLong)
        );
    }

    #[test]
    fn codes_differ_and_do_not_print() {
        let (one, two) = (
            RecoveryCode::new(&SystemChance),
            RecoveryCode::new(&SystemChance),
        );
        assert!(one != two);
        assert_eq!(format!("{one:?}"), "…");
    }

    #[test]
    fn every_word_can_be_drawn() {
        let chance = SeededChance::new(5);
        let drawn: BTreeSet<u16> = (0..5_000)
            .flat_map(|_| RecoveryCode::new(&chance).0)
            .collect();
        assert_eq!(drawn.len(), WORDS);
    }

    #[test]
    fn the_same_words_and_salt_give_the_same_hash() {
        let written = RecoveryCode::parse(&code(1).text().replace(' ', "")).expect("a code");
        let hash = code(1).slow_hash(&[7; 32]);
        assert_eq!(*hash, *written.slow_hash(&[7; 32]));
        assert_ne!(*hash, *code(1).slow_hash(&[8; 32]));
        assert_ne!(*hash, *code(2).slow_hash(&[7; 32]));
    }

    proptest! {
        #[test]
        fn any_code_is_read_back_with_and_without_spaces(seed: u64) {
            let code = code(seed);
            prop_assert_eq!(RecoveryCode::parse(&code.text()), Ok(code.clone()));
            prop_assert_eq!(RecoveryCode::parse(&code.text().replace(' ', "")), Ok(code));
        }

        #[test]
        fn reading_never_panics(text in "\\PC{0,60}") {
            let _ = RecoveryCode::parse(&text);
        }
    }
}
