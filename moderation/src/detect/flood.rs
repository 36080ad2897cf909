//! Floods: the same again and again, and keys struck at random. People in distress repeat themselves too, so the bounds are
//! wide, and a wish to die among the repeats comes before. One letter again and again, however often, is a cry or a cat on
//! the keys: it harms nobody, and the rate bounds it.

use super::{Detected, Detector};
use crate::fold::{Folded, folded};

/// A line shorter than this is no flood.
const LENGTH_MIN: usize = 16;
/// The longest piece whose repeats are looked for.
const PERIOD_MAX: usize = 24;
/// How long a run of one sign must be.
const SIGN_RUN_MIN: usize = 18;
/// Applause (888) and drawn lines may be longer.
const APPLAUSE_MIN: usize = 60;
/// So many pictures are no sentence any more.
const PICTURES_MIN: usize = 16;
/// One letter on each of so many lines.
const COLUMN_MIN: usize = 9;
/// A run of Latin letters that long with so few vowels is no word.
const MASH_MIN: usize = 14;
/// How often the same line must have come before.
const SAME_MIN: usize = 3;

pub(super) fn look(line: &Folded, raw: &str, recent: &[&str], found: &mut Vec<Detected>) {
    if line.n_scalars as usize >= LENGTH_MIN {
        if repeats(raw) {
            found.push(Detected {
                by: Detector::Repeats,
                from: 0,
                to: 0,
            });
        }
        if mash(line, raw) {
            found.push(Detected {
                by: Detector::Mash,
                from: 0,
                to: 0,
            });
        }
    }
    if recent.len() >= SAME_MIN
        && line.units.len() >= 8
        && recent
            .iter()
            .rev()
            .take(8)
            .filter(|before| folded(before) == line.text)
            .count()
            >= SAME_MIN
    {
        found.push(Detected {
            by: Detector::SameAgain,
            from: 0,
            to: 0,
        });
    }
}

fn repeats(raw: &str) -> bool {
    // What repeats has few different characters: counted roughly, so that ordinary lines are done here.
    let mut kinds = 0_u64;
    let mut n_all = 0_usize;
    for c in raw.chars() {
        kinds |= 1 << ((c as u32).wrapping_mul(0x9e37_79b1) >> 26);
        n_all += 1;
    }
    if kinds.count_ones() as usize > n_all / 3 + 2 {
        return false;
    }
    let mut last = ['\0'; PERIOD_MAX];
    let mut same = [0_usize; PERIOD_MAX];
    let mut run = 0_usize;
    let mut longest: (usize, char) = (0, ' ');
    let mut n = 0_usize;
    let mut n_breaks = 0_usize;
    let mut n_pictures = 0_usize;
    for c in raw.chars() {
        if c == '\n' {
            n_breaks += 1;
        }
        if c.is_whitespace() {
            continue;
        }
        n_pictures += usize::from(c as u32 >= 0x1f000);
        for period in 1..=PERIOD_MAX.min(n) {
            if last[(n - period) % PERIOD_MAX] == c {
                same[period - 1] += 1;
            }
        }
        run = if n > 0 && last[(n - 1) % PERIOD_MAX] == c {
            run + 1
        } else {
            1
        };
        if run > longest.0 {
            longest = (run, c);
        }
        last[n % PERIOD_MAX] = c;
        n += 1;
    }
    let (run, c) = longest;
    let bound = match c {
        '8' | '８' | 'ー' | '…' | '.' | '。' | '〜' | '・' | '-' | '=' | '_' | '─' | '━' => {
            APPLAUSE_MIN
        }
        _ if c.is_alphanumeric() => usize::MAX,
        _ => SIGN_RUN_MIN,
    };
    if run >= bound || n_pictures >= PICTURES_MIN {
        return true;
    }
    if n >= COLUMN_MIN && n_breaks + 1 >= n && same[0] + 1 >= n {
        return true;
    }
    (2..=PERIOD_MAX).any(|period| {
        n >= LENGTH_MIN
            && n / period >= times_min(period)
            && same[period - 1] * 100 >= (n - period) * 90
            // One letter alone is judged above.
            && same[0] * 2 < n
    })
}

/// How often a piece must come: long ones less often, for nobody writes these twice by chance.
const fn times_min(period: usize) -> usize {
    match period {
        0..=6 => 6,
        7..=8 => 5,
        _ => 4,
    }
}

fn mash(line: &Folded, raw: &str) -> bool {
    // What UTF-8 becomes where it is read as Shift_JIS.
    if line
        .units
        .iter()
        .filter(|unit| matches!(unit.c, '縺' | '繧' | '繝'))
        .count()
        >= 4
    {
        return true;
    }
    // Who strikes keys at random holds no shift key and seldom meets a digit: these are keys and addresses of programs.
    let made = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    if (line.has.latin as usize) < MASH_MIN || raw.chars().any(made) {
        return false;
    }
    let mut n = 0_usize;
    let mut vowels = 0_usize;
    for unit in &line.units {
        if unit.c.is_ascii_lowercase() && (n == 0 || unit.before == crate::fold::Break::None) {
            n += 1;
            vowels += usize::from(matches!(unit.c, 'a' | 'i' | 'u' | 'e' | 'o'));
            if n >= MASH_MIN && vowels * 100 < n * 30 {
                return true;
            }
        } else if unit.c != ';' {
            n = 0;
            vowels = 0;
        }
    }
    false
}
