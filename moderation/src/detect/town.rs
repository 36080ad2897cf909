//! Places finer than a ward: postal codes, 丁目, 番地, numbers behind the name of a town.

use super::{Detected, Detector, Digits};
use crate::fold::{Folded, Script, is_kanji};
use crate::lexicon::Public;

/// What a number of a house stands behind.
const BEFORE_NUMBER: &str = "町通台丘野東西南北本山川島浜木橋内田目原岡崎谷沢津条新宮松坂";
/// Words that make a bare postal code one.
const POSTAL_WORDS: [&str; 6] = ["〒", "郵便番号", "住所", "宛", "町", "市"];

pub(super) fn look(line: &Folded, digits: &Digits, public: &Public, found: &mut Vec<Detected>) {
    let chunks = digits.chunks();
    if chunks.is_empty() {
        return;
    }
    let units = &line.units;
    let c = |at: usize| units.get(at).map_or(' ', |unit| unit.c);
    let taken =
        |found: &[Detected], at: usize| found.iter().any(|one| one.from <= at && at < one.to);
    let is_public = |at: usize| {
        public.addresses.iter().any(|address| {
            line.text.match_indices(address.as_str()).any(|(byte, _)| {
                let from = line.at_byte[byte] as usize;
                let to = line.at_byte[byte + address.len()] as usize;
                from <= at && at < to
            })
        })
    };
    let mut idx = 0;
    while idx < chunks.len() {
        let chunk = &chunks[idx];
        idx += 1;
        if !chunk.figures || taken(found, chunk.from) {
            continue;
        }
        let next = chunks.get(idx);
        let hyphen = |next: &super::digits::Chunk, before: usize| {
            next.from == before + 1 && matches!(c(before), '-' | 'ー' | 'の' | '~')
        };
        let joined = next.filter(|next| hyphen(next, chunk.to));
        if chunk.n == 3
            && let Some(next) = joined
            && next.n == 4
            && !chunks
                .get(idx + 1)
                .is_some_and(|third| hyphen(third, next.to))
            && !(idx >= 2 && hyphen(chunk, chunks[idx - 2].to))
            && POSTAL_WORDS.iter().any(|word| line.text.contains(word))
        {
            let from = chunk.from - usize::from(chunk.from > 0 && c(chunk.from - 1) == '〒');
            found.push(Detected {
                by: Detector::Postal,
                from,
                to: next.to,
            });
            idx += 1;
            continue;
        }
        let after = (c(chunk.to), c(chunk.to + 1));
        let before = chunk.from.checked_sub(1).map_or(' ', c);
        let named = matches!(after, ('丁', '目') | ('番', '地'));
        // 町4-5-6, 三丁目2-1: a kanji of a place's name, then two or more numbers.
        let mut end = chunk.to;
        let mut n_numbers = 1;
        while let Some(more) = chunks.get(idx) {
            if !hyphen(more, end) || more.n > 4 {
                break;
            }
            end = more.to;
            n_numbers += 1;
            idx += 1;
        }
        let placed = is_kanji(before)
            && ((n_numbers == 2 && BEFORE_NUMBER.contains(before))
                || (n_numbers == 3 && !"年月日時分第約計".contains(before)))
            && chunk.n <= 4;
        if !(named || placed) || is_public(chunk.from) || title(line, chunk.from) {
            continue;
        }
        // The town's name belongs to it, so that the masked line does not keep it.
        let mut from = chunk.from;
        while from > 0
            && chunk.from - from < 8
            && units[from].before == crate::fold::Break::None
            && (is_kanji(c(from - 1)) || units[from - 1].script == Script::Katakana)
            && c(from - 1) != '区'
        {
            from -= 1;
        }
        let mut to = end.max(chunk.to + if named { 2 } else { 0 });
        while matches!(c(to), '番' | '号' | '地' | '丁' | '目' | '-') && to < units.len() {
            to += 1;
        }
        found.push(Detected {
            by: Detector::Town,
            from,
            to,
        });
    }
}

/// 三丁目の夕日 and the like are known to everybody.
fn title(line: &Folded, at: usize) -> bool {
    let byte = line
        .at_byte
        .iter()
        .position(|unit| *unit as usize == at)
        .unwrap_or(0);
    line.text
        .get(byte..)
        .is_some_and(|rest| rest.starts_with("三丁目の夕日") || rest.starts_with("3丁目の夕日"))
}
