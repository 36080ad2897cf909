//! A small learned scorer: linear over hashed runs of 1 to 4 characters of the folded line, and over the sets of
//! words that are in it. It only asks, holds or raises. Its weights stand in `weights/`, made by `examples/train.rs` from labelled lines.

use crate::detect::Detectors;
use crate::fold::{Folded, Script};
use crate::lexicon::Lexicon;
use crate::matcher::Matches;
use crate::types::Category;

/// Rows of the table.
pub const N_ROWS: usize = 1 << 15;
/// Categories.
pub const N_CLASSES: usize = Category::ALL.len();
/// What a file of weights begins with.
const HEAD: &[u8; 8] = b"engawa1\n";
/// A rule or a set of words that was seen weighs as much as so many runs of characters.
const EVIDENCE: f32 = 0.5;
/// Where a hash begins.
const FIRST: u32 = 0x811c_9dc5;
/// So many reasons are told.
const REASONS_MAX: usize = 8;
/// A line up to this length is also read as a whole, beside sentence by sentence.
const WHOLE_MAX: usize = 160;

/// Weights, and how they are looked up.
pub struct Scorer {
    /// `N_ROWS` rows of `N_CLASSES` weights.
    rows: Vec<[i8; N_CLASSES]>,
    scale: f32,
    bias: [f32; N_CLASSES],
}

/// Rows of what the lexicon may see.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// For each term that is a named set of words.
    terms: Vec<u16>,
    detectors: Vec<u16>,
}

const NO_ROW: u16 = u16::MAX;

/// Buffers and the answer.
#[derive(Debug, Default)]
pub(crate) struct Scores {
    /// The certainty of each category, by its number.
    pub certainty: [f32; N_CLASSES],
    pub features: Features,
}

/// What the scorer looks at: rows, with the sentence that each belongs to.
#[derive(Debug, Default)]
pub(crate) struct Features {
    /// Runs of characters.
    pub runs: Vec<(u16, u16)>,
    /// What the lexicon saw.
    pub seen: Vec<(u16, u16)>,
    pub n_sentences: usize,
}

impl Evidence {
    pub(crate) fn of(lexicon: &Lexicon) -> Self {
        let row = |kind: u8, name: &str| {
            let mut hash = mix(0x9e37_79b9, u32::from(kind) + 0x11_0000);
            for c in name.chars() {
                hash = mix(hash, c as u32);
            }
            fold_hash(hash)
        };
        let mut terms = vec![NO_ROW; lexicon.n_terms];
        for (term, name) in &lexicon.named {
            terms[*term as usize] = row(0, name);
        }
        Self {
            terms,
            detectors: crate::detect::Detector::ALL
                .iter()
                .map(|one| row(3, one.id()))
                .collect(),
        }
    }
}

impl Evidence {
    /// What a row stands for, by trying all: explanations alone need it.
    fn name(&self, row: u16, lexicon: &Lexicon) -> String {
        lexicon
            .named
            .iter()
            .find(|(term, _)| self.terms[*term as usize] == row)
            .map_or_else(|| "a detector".into(), |(_, name)| format!("<{name}>"))
    }
}

impl Features {
    pub(crate) fn read(
        &mut self,
        line: &Folded,
        matches: &Matches,
        detectors: &Detectors,
        evidence: &Evidence,
    ) {
        self.runs.clear();
        self.seen.clear();
        let units = &line.units;
        let letter = |at: usize| -> u32 {
            match units.get(at) {
                None => 3,
                Some(unit) if unit.script == Script::Digit => u32::from('0'),
                Some(unit) => unit.c as u32,
            }
        };
        for at in 0..units.len() {
            let sentence = units[at].sentence;
            let begins = at == 0 || units[at - 1].sentence != sentence;
            let mut hash = FIRST;
            if begins {
                // The beginning of a sentence is a letter of its own.
                let mut hash = mix(hash, 2);
                for n in 0..3 {
                    hash = mix(hash, letter(at + n));
                    self.runs.push((fold_hash(hash), sentence));
                    if units.get(at + n).is_none() {
                        break;
                    }
                }
            }
            for n in 0..4 {
                hash = mix(hash, letter(at + n));
                self.runs.push((fold_hash(hash), sentence));
                if units
                    .get(at + n)
                    .is_none_or(|unit| unit.sentence != sentence)
                {
                    break;
                }
            }
        }
        self.n_sentences = units
            .last()
            .map_or(0, |unit| usize::from(unit.sentence) + 1);
        let sentence = |at: u32| units.get(at as usize).map_or(0, |unit| unit.sentence);
        for (term, place) in matches.first_hits() {
            let row = evidence.terms[term as usize];
            if row != NO_ROW {
                self.seen.push((row, sentence(place.from)));
            }
        }
        // Not which rules fired: rules were tried on the lines that weights are learned from, and would be believed too much.
        for found in &detectors.found {
            let at = u32::try_from(found.from).unwrap_or(u32::MAX);
            self.seen
                .push((evidence.detectors[found.by as usize], sentence(at)));
        }
        self.seen
            .sort_unstable_by_key(|(row, sentence)| (*sentence, *row));
        self.seen.dedup();
    }
}

fn mix(hash: u32, c: u32) -> u32 {
    (hash ^ c)
        .wrapping_mul(0x0100_0193)
        .rotate_left(13)
        .wrapping_mul(0x85eb_ca6b)
}

fn fold_hash(hash: u32) -> u16 {
    let hash = hash ^ (hash >> 15);
    u16::try_from(hash as usize % N_ROWS).unwrap_or(0)
}

impl Scorer {
    /// The weights that are compiled in.
    pub const BUILT_IN: &'static [u8] = include_bytes!("../weights/scorer.bin");

    /// Reads weights; none where there are none.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, String> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let wanted = HEAD.len() + 4 + 4 * N_CLASSES + N_ROWS * N_CLASSES;
        if bytes.len() != wanted || !bytes.starts_with(HEAD) {
            return Err(format!(
                "the file of weights is not of this version ({} bytes)",
                bytes.len()
            ));
        }
        let mut rest = &bytes[HEAD.len()..];
        let mut number = || {
            let (number, after) = rest.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
            rest = after;
            f32::from_le_bytes(*number)
        };
        let scale = number();
        let bias = std::array::from_fn(|_| number());
        let rows = rest
            .chunks_exact(N_CLASSES)
            .map(|row| std::array::from_fn(|class| i8::from_le_bytes([row[class]])))
            .collect();
        Ok(Some(Self { rows, scale, bias }))
    }

    /// Writes weights: the largest becomes 127.
    pub fn write(weights: &[[f32; N_CLASSES]], bias: &[f32; N_CLASSES]) -> Vec<u8> {
        let largest = weights
            .iter()
            .flatten()
            .fold(0.01_f32, |largest, weight| largest.max(weight.abs()));
        let scale = largest / 127.0;
        let mut bytes = HEAD.to_vec();
        bytes.extend(scale.to_le_bytes());
        bias.iter()
            .for_each(|bias| bytes.extend(bias.to_le_bytes()));
        for weight in weights.iter().flatten() {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "it lies between -127 and 127"
            )]
            let small = (weight / scale).round() as i8;
            bytes.extend(small.to_le_bytes());
        }
        bytes
    }

    /// Weighs what is in `scores.features`.
    pub(crate) fn score(&self, n_units: usize, scores: &mut Scores) {
        scores.certainty = [0.0; N_CLASSES];
        scores.certainty[0] = 1.0;
        // Sentence by sentence and by pairs, so that text far away takes nothing from a sentence; a short line as a whole too.
        let features = &scores.features;
        let mut before = Sum::default();
        let mut whole = Sum::default();
        let (mut run, mut seen) = (0, 0);
        let places = &features.seen;
        for sentence in 0..features.n_sentences {
            let sentence = u16::try_from(sentence).unwrap_or(u16::MAX);
            let mut sum = Sum::default();
            while let Some((row, _)) = features.runs.get(run).filter(|(_, of)| *of == sentence) {
                sum.run(&self.rows[*row as usize]);
                run += 1;
            }
            while let Some((row, _)) = places.get(seen).filter(|(_, of)| *of == sentence) {
                sum.see(&self.rows[*row as usize]);
                seen += 1;
            }
            if features.n_sentences > 1 {
                self.take(&sum, &mut scores.certainty);
                let pair = before.and(&sum);
                self.take(&pair, &mut scores.certainty);
            }
            whole = whole.and(&sum);
            before = sum;
        }
        if features.n_sentences <= 2 || n_units <= WHOLE_MAX {
            self.take(&whole, &mut scores.certainty);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "weights are small")]
    fn take(&self, sum: &Sum, certainty: &mut [f32; N_CLASSES]) {
        let long = 1.0 / (sum.n_runs.max(1) as f32).sqrt();
        let logits: [f32; N_CLASSES] = std::array::from_fn(|class| {
            (sum.runs[class] as f32 * long + sum.seen[class] as f32 * EVIDENCE) * self.scale
                + self.bias[class]
        });
        for (class, p) in softmax(&logits).into_iter().enumerate() {
            if class > 0 {
                certainty[class] = certainty[class].max(p);
            }
        }
    }

    /// What spoke most for a category, with its weight: for explanations.
    pub(crate) fn reasons(
        &self,
        line: &Folded,
        evidence: &Evidence,
        lexicon: &Lexicon,
        features: &Features,
        class: Category,
    ) -> Vec<(String, f32)> {
        let weight = |row: u16| f32::from(self.rows[row as usize][class as usize]) * self.scale;
        #[expect(clippy::cast_precision_loss, reason = "a line is short")]
        let long = 1.0 / (features.runs.len().max(1) as f32).sqrt();
        let mut all: Vec<(String, f32)> = features
            .seen
            .iter()
            .map(|(row, _)| (evidence.name(*row, lexicon), weight(*row) * EVIDENCE))
            .collect();
        for at in 0..line.units.len() {
            let mut hash = FIRST;
            let mut text = String::new();
            for unit in line.units[at..].iter().take(4) {
                let c = if unit.script == Script::Digit {
                    '0'
                } else {
                    unit.c
                };
                hash = mix(hash, c as u32);
                text.push(c);
                all.push((format!("「{text}」"), weight(fold_hash(hash)) * long));
            }
        }
        all.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then_with(|| a.0.cmp(&b.0)));
        all.dedup_by(|a, b| a.0 == b.0);
        all.truncate(REASONS_MAX);
        all
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    runs: [i32; N_CLASSES],
    n_runs: u32,
    seen: [i32; N_CLASSES],
}

impl Sum {
    fn run(&mut self, row: &[i8; N_CLASSES]) {
        for (sum, weight) in self.runs.iter_mut().zip(row) {
            *sum += i32::from(*weight);
        }
        self.n_runs += 1;
    }

    fn see(&mut self, row: &[i8; N_CLASSES]) {
        for (sum, weight) in self.seen.iter_mut().zip(row) {
            *sum += i32::from(*weight);
        }
    }

    fn and(&self, other: &Self) -> Self {
        Self {
            runs: std::array::from_fn(|class| self.runs[class] + other.runs[class]),
            n_runs: self.n_runs + other.n_runs,
            seen: std::array::from_fn(|class| self.seen[class] + other.seen[class]),
        }
    }
}

/// Certainties from logits.
pub fn softmax(logits: &[f32; N_CLASSES]) -> [f32; N_CLASSES] {
    let top = logits.iter().copied().fold(f32::MIN, f32::max);
    let raised: [f32; N_CLASSES] = std::array::from_fn(|class| (logits[class] - top).exp());
    let sum: f32 = raised.iter().sum();
    std::array::from_fn(|class| raised[class] / sum)
}

/// How much a piece of evidence weighs beside a run of characters; the trainer needs it too.
pub const fn evidence_weight() -> f32 {
    EVIDENCE
}
