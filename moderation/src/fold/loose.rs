//! The loose view: the plain one without what stands between letters only to keep them apart.

use super::{Break, Folded, Script, is_kana, is_kanji};

/// A view with fewer characters, and the way back to the plain one.
#[derive(Debug, Default)]
pub struct Loose {
    /// Its text; empty where it would be the plain one.
    pub text: String,
    /// For each byte of the text, the unit of the plain view that it comes from.
    pub at_byte: Vec<u32>,
    /// For each unit, how many kept ones stand before it; empty where all are kept.
    kept_before: Vec<u32>,
}

impl Loose {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.at_byte.clear();
        self.kept_before.clear();
    }

    /// How many kept units stand in `from..to`.
    pub fn distance(&self, from: usize, to: usize) -> usize {
        if self.kept_before.is_empty() {
            return to.saturating_sub(from);
        }
        match (self.kept_before.get(from), self.kept_before.get(to)) {
            (Some(from), Some(to)) => to.saturating_sub(*from) as usize,
            _ => to.saturating_sub(from),
        }
    }
}

impl Folded {
    pub(super) fn build_loose(&mut self) {
        if !self.has.droppable {
            return;
        }
        let units = &self.units;
        let letter = |idx: usize| {
            units.get(idx).is_some_and(|unit| {
                is_kana(unit.c) || is_kanji(unit.c) || unit.script == Script::Letter
            })
        };
        // A letter alone: a sign or a break on both sides of it.
        let alone = |idx: usize| {
            letter(idx)
                && (idx == 0 || !letter(idx - 1) || units[idx].before != Break::None)
                && (!letter(idx + 1) || units[idx + 1].before != Break::None)
        };
        let mut n_dropped = 0_u32;
        for (idx, unit) in units.iter().enumerate() {
            let between = idx > 0 && letter(idx - 1) && letter(idx + 1);
            let drop = match unit.c {
                'ー' => idx > 0,
                '◯' => between,
                '。' | '、' | '!' | '?' | '…' => between && alone(idx - 1) && alone(idx + 1),
                '「' | '」' | '『' | '』' | '@' | '#' => false,
                _ if unit.script == Script::Sign => between && (alone(idx - 1) || alone(idx + 1)),
                _ => unit.repeats,
            };
            self.loose
                .kept_before
                .push(u32::try_from(idx).unwrap_or(u32::MAX) - n_dropped);
            if drop {
                n_dropped += 1;
                continue;
            }
            let before = self.loose.text.len();
            self.loose.text.push(unit.c);
            for _ in before..self.loose.text.len() {
                self.loose
                    .at_byte
                    .push(u32::try_from(idx).unwrap_or(u32::MAX));
            }
        }
        if n_dropped == 0 {
            self.loose.clear();
            return;
        }
        let n = u32::try_from(units.len()).unwrap_or(u32::MAX);
        self.loose.kept_before.push(n - n_dropped);
        self.loose.at_byte.push(n);
    }
}
