//! One way to look at text that people typed: width, case and kana made the same.

use unicode_normalization::UnicodeNormalization;

/// Katakana as the hiragana of the same sound; everything else as it is.
pub(super) fn hiragana(c: char) -> char {
    match c {
        'ァ'..='ヶ' | 'ヽ' | 'ヾ' => {
            char::from_u32(c as u32 - 0x60).expect("hiragana lie 0x60 below katakana")
        }
        _ => c,
    }
}

/// What takes no room on the page and is never meant: controls, direction marks, joiners, fillers, tags.
pub(super) fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c as u32,
            0x00AD | 0x034F | 0x061C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F
            | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164
            | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0x1BCA0..=0x1BCA3
            | 0x1D173..=0x1D17A | 0xE000..=0xF8FF | 0xE0000..=0xE0FFF | 0xF0000..=0x10FFFF)
}

/// NFKC, hiragana, lower case; what is not seen is gone.
pub(super) fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars()
        .filter(|c| !is_unseen(*c))
        .nfkc()
        .map(hiragana)
        .flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_case_and_kana_become_the_same() {
        let fold = |text| folded(text).collect::<String>();
        assert_eq!(fold("スタッフ"), "すたっふ");
        assert_eq!(fold("ｽﾀｯﾌ"), "すたっふ");
        assert_eq!(fold("Ｓｔａ\u{200b}ＦＦ"), "staff");
        assert_eq!(fold("が"), "が");
    }
}
