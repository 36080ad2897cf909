//! A small learned scorer: linear over the runs of 1 to 4 characters of the folded line that it has met before, and over
//! the sets of words and the rules that are in it. It only asks, holds or raises. Its weights stand in `weights/`, made by
//! `examples/train.rs` from labelled lines.

use crate::detect::Detectors;
use crate::fold::{Folded, Script};
use crate::lexicon::Lexicon;
use crate::matcher::Matches;
use crate::types::Category;

/// Places of the table of runs; a power of two.
const N_PLACES: usize = 1 << 17;
/// So many runs and pieces of evidence have weights at most, so that a look ends soon.
pub const N_KEPT_MAX: usize = 96_000;
/// Categories.
pub const N_CLASSES: usize = Category::ALL.len();
/// Bytes of a hash and its weights in the file.
const ROW_BYTES: usize = 4 + N_CLASSES;
/// What a file of weights begins with.
const HEAD: &[u8; 8] = b"engawa2\n";
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
    /// What stands at each place of the table: the hash of a run or of a piece of evidence; 0 where nothing does.
    keys: Vec<u32>,
    /// Its weights.
    rows: Vec<[i8; N_CLASSES]>,
    scale: f32,
    bias: [f32; N_CLASSES],
}

/// Hashes of what the lexicon may see.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// For each term that is a named set of words.
    terms: Vec<u32>,
    rules: Vec<u32>,
    detectors: Vec<u32>,
}

/// No hash is this.
const NO_KEY: u32 = 0;

/// Buffers and the answer.
#[derive(Debug, Default)]
pub(crate) struct Scores {
    /// The certainty of each category, by its number.
    pub certainty: [f32; N_CLASSES],
    pub features: Features,
}

/// What the scorer looks at: hashes, with the sentence that each belongs to.
#[derive(Debug, Default)]
pub(crate) struct Features {
    /// Runs of characters.
    pub runs: Vec<(u32, u16)>,
    /// What the lexicon saw.
    pub seen: Vec<(u32, u16)>,
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
        let mut terms = vec![NO_KEY; lexicon.n_terms];
        for (term, name) in &lexicon.named {
            terms[*term as usize] = row(0, name);
        }
        Self {
            terms,
            rules: lexicon.rules.iter().map(|rule| row(1, &rule.id)).collect(),
            detectors: crate::detect::Detector::ALL
                .iter()
                .map(|one| row(3, one.id()))
                .collect(),
        }
    }
}

impl Evidence {
    /// What a hash stands for, by trying all: explanations alone need it.
    fn name(&self, key: u32, lexicon: &Lexicon) -> String {
        let set = lexicon
            .named
            .iter()
            .find(|(term, _)| self.terms[*term as usize] == key);
        if let Some((_, name)) = set {
            return format!("<{name}>");
        }
        let rule = self.rules.iter().position(|one| *one == key);
        rule.and_then(|idx| lexicon.rules.get(idx))
            .map_or_else(|| "a detector".into(), |rule| rule.id.to_string())
    }

    /// Whether a hash stands for a rule: the trainer leaves rules out where they were tried on the line.
    pub(crate) fn is_rule(&self, key: u32) -> bool {
        self.rules.contains(&key)
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
            let key = evidence.terms[term as usize];
            if key != NO_KEY {
                self.seen.push((key, sentence(place.from)));
            }
        }
        for found in matches
            .found
            .iter()
            .filter(|found| found.cancelled_by.is_none())
        {
            self.seen.push((
                evidence.rules[found.rule as usize],
                sentence(found.place.from),
            ));
        }
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

fn fold_hash(hash: u32) -> u32 {
    (hash ^ (hash >> 15)).max(1)
}

/// Where a look for a hash begins.
fn place_of(key: u32) -> usize {
    (key.wrapping_mul(0x9e37_79b1) >> 15) as usize % N_PLACES
}

impl Scorer {
    /// The weights that are compiled in.
    pub const BUILT_IN: &'static [u8] = include_bytes!("../weights/scorer.bin");

    /// Reads weights; none where there are none.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, String> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let head = HEAD.len() + 4 + 4 * N_CLASSES;
        let n_kept = bytes.len().saturating_sub(head) / ROW_BYTES;
        if bytes.len() != head + n_kept * ROW_BYTES
            || n_kept > N_KEPT_MAX
            || !bytes.starts_with(HEAD)
        {
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
        let mut scorer = Self {
            keys: vec![NO_KEY; N_PLACES],
            rows: vec![[0; N_CLASSES]; N_PLACES],
            scale,
            bias,
        };
        for row in rest.chunks_exact(ROW_BYTES) {
            let (key, weights) = row.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
            let key = u32::from_le_bytes(*key);
            let mut place = place_of(key);
            while scorer.keys[place] != NO_KEY {
                place = (place + 1) % N_PLACES;
            }
            scorer.keys[place] = key;
            scorer.rows[place] = std::array::from_fn(|class| i8::from_le_bytes([weights[class]]));
        }
        Ok(Some(scorer))
    }

    fn weights(&self, key: u32) -> Option<&[i8; N_CLASSES]> {
        let mut place = place_of(key);
        loop {
            match self.keys[place] {
                NO_KEY => return None,
                there if there == key => return Some(&self.rows[place]),
                _ => place = (place + 1) % N_PLACES,
            }
        }
    }

    /// Writes weights, of the `N_KEPT_MAX` hashes that weigh most. Beyond `reach` a weight is cut.
    pub fn write(
        mut weights: Vec<(u32, [f32; N_CLASSES])>,
        bias: &[f32; N_CLASSES],
        reach: f32,
    ) -> Vec<u8> {
        let heaviest =
            |row: &[f32; N_CLASSES]| row.iter().fold(0.0_f32, |most, w| most.max(w.abs()));
        weights.sort_by(|a, b| {
            heaviest(&b.1)
                .total_cmp(&heaviest(&a.1))
                .then(a.0.cmp(&b.0))
        });
        weights.truncate(N_KEPT_MAX);
        weights.sort_by_key(|(key, _)| *key);
        let scale = reach / 127.0;
        let mut bytes = HEAD.to_vec();
        bytes.extend(scale.to_le_bytes());
        bias.iter()
            .for_each(|bias| bytes.extend(bias.to_le_bytes()));
        for (key, row) in weights {
            bytes.extend(key.to_le_bytes());
            for weight in row {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "it lies between -127 and 127"
                )]
                let small = (weight / scale).round().clamp(-127.0, 127.0) as i8;
                bytes.extend(small.to_le_bytes());
            }
        }
        bytes
    }

    /// Weighs what is in `scores.features`.
    pub(crate) fn score(&self, n_units: usize, scores: &mut Scores) {
        scores.certainty = [0.0; N_CLASSES];
        scores.certainty[0] = 1.0;
        // Sentence by sentence and by pairs, so that text far away takes nothing from a sentence; a short line as a whole too.
        let features = &scores.features;
        let short = features.n_sentences <= 2 || n_units <= WHOLE_MAX;
        let windows = if short { Category::Threat as usize } else { 0 };
        let mut before = Sum::default();
        let mut whole = Sum::default();
        let (mut run, mut seen) = (0, 0);
        let places = &features.seen;
        for sentence in 0..features.n_sentences {
            let sentence = u16::try_from(sentence).unwrap_or(u16::MAX);
            let mut sum = Sum::default();
            while let Some((row, _)) = features.runs.get(run).filter(|(_, of)| *of == sentence) {
                sum.run(self.weights(*row));
                run += 1;
            }
            while let Some((row, _)) = places.get(seen).filter(|(_, of)| *of == sentence) {
                if let Some(weights) = self.weights(*row) {
                    sum.see(weights);
                }
                seen += 1;
            }
            if features.n_sentences > 1 {
                self.take(&sum, windows, &mut scores.certainty);
                let pair = before.and(&sum);
                self.take(&pair, windows, &mut scores.certainty);
            }
            whole = whole.and(&sum);
            before = sum;
        }
        if short {
            self.take(&whole, 0, &mut scores.certainty);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "weights are small")]
    fn take(&self, sum: &Sum, from: usize, certainty: &mut [f32; N_CLASSES]) {
        let long = 1.0 / (sum.n_runs.max(1) as f32).sqrt();
        let logits: [f32; N_CLASSES] = std::array::from_fn(|class| {
            (sum.runs[class] as f32 * long + sum.seen[class] as f32 * EVIDENCE) * self.scale
                + self.bias[class]
        });
        let p = softmax(&logits);
        let best = (2..N_CLASSES).max_by(|a, b| p[*a].total_cmp(&p[*b]));
        for class in 2..N_CLASSES {
            // That it is one of them counts for the likeliest: two grades of risk may share what is certain.
            let sure = if best == Some(class) {
                1.0 - p[0] - p[1]
            } else {
                p[class]
            };
            if class >= from || class == Category::RiskWatch as usize {
                certainty[class] = certainty[class].max(sure);
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
        let weight = |key: u32| {
            self.weights(key).map_or(0.0, |weights| {
                f32::from(weights[class as usize]) * self.scale
            })
        };
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
    fn run(&mut self, weights: Option<&[i8; N_CLASSES]>) {
        let Some(weights) = weights else { return };
        for (sum, weight) in self.runs.iter_mut().zip(weights) {
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
