//! Characters that look like others. A small table of our own, of those of UTS #39 that people use in Japanese chat.

/// The Latin letter or digit that this one looks like.
pub(super) fn look_alike(c: char) -> Option<char> {
    const CYRILLIC: &str =
        "аaеeоoрpсcуyхxіiјjѕsһhԁdԛqԝwАaВbЕeКkМmНhОoРpСcТtУyХxІiЈjЅsкkмmнhтtгrпnүy";
    const GREEK: &str = "αaοoιiνvρpτtυuχxκkεeηnβbγyΑaΒbΕeΖzΗhΙiΚkΜmΝnΟoΡpΤtΥyΧx";
    const CHEROKEE: &str = "ᎠdᎡrᎢtᎥiᎪgᎫjᎬeᎳwᎷmᎻhᏀgᏂhᏃzᏎ4ᏏbᏒrᏔwᏕsᏙvᏚsᏞlᏟcᏢpᏦkᏧdᏴb";
    const SMALL: &str = "ᴀaʙbᴄcᴅdᴇeꜰfɢgʜhɪiᴊjᴋkʟlᴍmɴnᴏoᴘpʀrꜱsᴛtᴜuᴠvᴡwʏyᴢzıiłløođdɑaɡgℓl";
    let table = match c as u32 {
        0x0100..=0x02ff | 0x1d00..=0x1d7f | 0xa730..=0xa731 | 0x2113 | 0xf8 => SMALL,
        0x0370..=0x03ff => GREEK,
        0x0400..=0x052f => CYRILLIC,
        0x13a0..=0x13f5 => CHEROKEE,
        0x2776..=0x277f => return digit_of(c, 0x2775),
        0x2780..=0x2789 => return digit_of(c, 0x277f),
        0x278a..=0x2793 => return digit_of(c, 0x2789),
        0x24f5..=0x24fd => return digit_of(c, 0x24f4),
        0x24ff | 0x1f10b | 0x1f10c => return Some('0'),
        // Negative circled, negative squared, and flags' letters.
        0x1f150..=0x1f169 => return letter_of(c, 0x1f150),
        0x1f170..=0x1f189 => return letter_of(c, 0x1f170),
        0x1f1e6..=0x1f1ff => return letter_of(c, 0x1f1e6),
        _ => return None,
    };
    let mut pairs = table.chars();
    while let (Some(from), Some(to)) = (pairs.next(), pairs.next()) {
        if from == c {
            return Some(to);
        }
    }
    None
}

fn digit_of(c: char, before_one: u32) -> Option<char> {
    // The tenth of such a row is 10: it is read as a zero, as somebody who spells a number would use it.
    char::from_digit((c as u32 - before_one) % 10, 10)
}

fn letter_of(c: char, first: u32) -> Option<char> {
    char::from_u32(c as u32 - first + u32::from(b'a'))
}

/// What takes no room on the page and is never meant: controls, direction marks, joiners, fillers, tags.
pub(super) fn is_unseen(c: char) -> bool {
    matches!(c as u32,
        0x0000..=0x0008 | 0x000e..=0x001f | 0x007f..=0x009f
        | 0x00AD | 0x034F | 0x061C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F
        | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0x20E3 | 0x2800 | 0x3164
        | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0x1BCA0..=0x1BCA3
        | 0x1D173..=0x1D17A | 0xE000..=0xF8FF | 0xE0000..=0xE0FFF | 0xF0000..=0x10FFFF)
}

/// The kana that this kanji looks like.
pub(super) fn kana_like(c: char) -> Option<char> {
    Some(match c {
        '力' => 'か',
        '口' => 'ろ',
        '二' => 'に',
        '一' => 'ー',
        '工' => 'え',
        '夕' => 'た',
        '卜' => 'と',
        '八' => 'は',
        '才' => 'お',
        '千' => 'ち',
        '三' => 'み',
        _ => return None,
    })
}

/// A circle, square, star or cross that somebody puts in the place of a letter.
pub(super) fn is_mask(c: char) -> bool {
    matches!(
        c,
        '◯' | '○'
            | '〇'
            | '●'
            | '⚪'
            | '⚫'
            | '⭕'
            | '□'
            | '■'
            | '◻'
            | '◼'
            | '×'
            | '✕'
            | '✖'
            | '❌'
            | '☓'
            | '*'
            | '＊'
            | '∗'
            | '☆'
            | '★'
    )
}

/// Whether a small kana stands where it belongs, as in しょ or てぃ; elsewhere it is only a way of writing.
pub(super) fn small_belongs(before: char, small: char) -> bool {
    let rows = match small {
        'ゃ' => "きしちにひみりぎじぢびぴ",
        'ゅ' => "きしちにひみりぎじぢびぴふてでゔ",
        'ょ' => "きしちにひみりぎじぢびぴ",
        'ぁ' => "ふつゔ",
        'ぃ' => "ふてでうゔつ",
        'ぅ' => "とど",
        'ぇ' => "ふしちじうゔつ",
        'ぉ' => "ふうゔつ",
        'っ' => return true,
        _ => "",
    };
    rows.contains(before)
}

/// The large form of a small kana.
pub(super) fn large(small: char) -> Option<char> {
    Some(match small {
        'ぁ' => 'あ',
        'ぃ' => 'い',
        'ぅ' => 'う',
        'ぇ' => 'え',
        'ぉ' => 'お',
        'ゃ' => 'や',
        'ゅ' => 'ゆ',
        'ょ' => 'よ',
        'ゎ' => 'わ',
        'ゕ' | 'ゖ' => 'か',
        _ => return None,
    })
}

/// Kana and voicing mark as one.
pub(super) fn voiced(base: char, semi: bool) -> Option<char> {
    let add = |n: u32| char::from_u32(base as u32 + n);
    match (base, semi) {
        (
            'か' | 'き' | 'く' | 'け' | 'こ' | 'さ' | 'し' | 'す' | 'せ' | 'そ' | 'た' | 'ち'
            | 'つ' | 'て' | 'と',
            false,
        ) => add(1),
        ('は' | 'ひ' | 'ふ' | 'へ' | 'ほ', false) => add(1),
        ('は' | 'ひ' | 'ふ' | 'へ' | 'ほ', true) => add(2),
        ('う', false) => Some('ゔ'),
        _ => None,
    }
}
