//! Trains the scorer from labelled lines: `train LEXICON_DIR TRAIN.tsv OUT.bin [BUDGET]`. The same files give the same weights.
//!
//! Multinomial logistic regression over the rows that a line meets, by AdaGrad in a fixed order. First by five folds, so
//! that thresholds are set on lines the weights have not seen; then over all lines, for the file.

use std::io::Write as _;

use moderation::{
    Action, Case, Category, Context, Engine, N_CLASSES, N_ROWS, Report, Scorer, Side, Source,
    cases, evidence_weight, softmax,
};

const FOLDS: u64 = 5;
const EPOCHS: usize = 30;
const RATE: f32 = 0.5;
/// How strongly weights are drawn to zero, for each line.
const DECAY: f32 = 1e-3;
/// The share of harmless lines that the scorer may stop by itself.
const OK_STOPPED_MAX: f64 = 0.008;
/// The same for a quiet mark.
const OK_RAISED_MAX: f64 = 0.01;

type Weights = (Vec<[f32; N_CLASSES]>, [f32; N_CLASSES]);

struct Line {
    /// Rows and values; those from `n_runs` on are evidence of the lexicon.
    rows: Vec<(u16, f32)>,
    n_runs: usize,
    class: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (folder, table, target, budget) = match args.as_slice() {
        [folder, table, target] => (folder, table, target, OK_STOPPED_MAX),
        [folder, table, target, budget] => (folder, table, target, budget.parse()?),
        _ => {
            return Err(
                "usage: train LEXICON_DIR TRAIN.tsv OUT.bin [share of ok lines it may stop]".into(),
            );
        }
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            files.push((path.display().to_string(), std::fs::read_to_string(&path)?));
        }
    }
    files.sort();
    let sources: Vec<Source<'_>> = files
        .iter()
        .map(|(name, text)| Source { name, text })
        .collect();
    let engine = |weights: &[u8]| {
        Engine::with_weights(&sources, weights).map_err(|problems| {
            problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        })
    };
    let cases = cases(&std::fs::read_to_string(table)?)?;
    let bare = engine(&[])?;
    let context = Context::new(Side::Tojisha);
    let lines: Vec<Line> = cases
        .iter()
        .map(|case| {
            let (runs, seen) = bare.features(&case.text, &context);
            let long = 1.0 / (count(runs.len().max(1)) as f32).sqrt();
            let mut rows: Vec<(u16, f32)> = runs.into_iter().map(|row| (row, long)).collect();
            let n_runs = rows.len();
            rows.extend(seen.into_iter().map(|row| (row, evidence_weight())));
            Line {
                rows,
                n_runs,
                class: case.expected as usize,
            }
        })
        .collect();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "rules alone:\n{}",
        Report::of(&bare, &cases).text(false)
    )?;

    let mut certainty = vec![[0.0_f32; N_CLASSES]; cases.len()];
    for fold in 0..FOLDS {
        let inside: Vec<&Line> = lines
            .iter()
            .zip(&cases)
            .filter(|(_, case)| fold_of(case) != fold)
            .map(|(line, _)| line)
            .collect();
        let (weights, bias) = train(&inside);
        let trained = engine(&Scorer::write(&weights, &bias))?;
        for (idx, case) in cases
            .iter()
            .enumerate()
            .filter(|(_, case)| fold_of(case) == fold)
        {
            certainty[idx] = trained.certainties(&case.text, &context);
        }
    }
    let by_rules: Vec<Category> = cases
        .iter()
        .map(|case| bare.assess(&case.text, &context).category)
        .collect();
    // Rules were tried on these lines, and find nearly all: thresholds are set as if there were none.
    let silent = vec![Category::Ok; cases.len()];
    for budget in [0.002, 0.004, 0.008, 0.012, 0.016] {
        let thresholds = tune(&cases, &silent, &certainty, budget);
        let report = combined(&cases, &silent, &certainty, &thresholds);
        writeln!(
            out,
            "scorer alone, {:.1} %: ok stopped {:.1} %, exact category of all but ok {:.1} %",
            100.0 * budget,
            100.0 * report.ok_stopped(),
            100.0 * report.exact_of_bad()
        )?;
    }
    let thresholds = tune(&cases, &silent, &certainty, budget);
    let report = combined(&cases, &by_rules, &certainty, &thresholds);
    writeln!(
        out,
        "rules and scorer, each line judged by weights that have not seen it:\n{}",
        report.text(false)
    )?;
    for category in Category::ALL.into_iter().skip(2) {
        writeln!(
            out,
            "[[scorer.category]]\ncategory = \"{}\"\nalone = {:.2}\n",
            category.as_str(),
            thresholds[category as usize]
        )?;
    }
    let all: Vec<&Line> = lines.iter().collect();
    let (weights, bias) = train(&all);
    std::fs::write(target, Scorer::write(&weights, &bias))?;
    Ok(())
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn fold_of(case: &Case) -> u64 {
    let hash = case
        .id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    (hash >> 20) % FOLDS
}

/// The next number of a fixed row of chance.
fn next(state: u64) -> u64 {
    state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
}

fn train(lines: &[&Line]) -> Weights {
    let mut weights = vec![[0.0_f32; N_CLASSES]; N_ROWS];
    let mut squares = vec![[1e-6_f32; N_CLASSES]; N_ROWS];
    let mut bias = [0.0_f32; N_CLASSES];
    let mut bias_squares = [1e-6_f32; N_CLASSES];
    let mut order: Vec<usize> = (0..lines.len()).collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..EPOCHS {
        for at in (1..order.len()).rev() {
            state = next(state);
            let other = usize::try_from((state >> 33) % (at as u64 + 1)).unwrap_or(0);
            order.swap(at, other);
        }
        for idx in &order {
            let line = lines[*idx];
            // Sets of words grew on these lines and will meet others: half of the evidence is left out each time, so that
            // the runs of characters learn to speak where no set has the word.
            let rows: Vec<(u16, f32)> = line
                .rows
                .iter()
                .enumerate()
                .filter(|(at, _)| {
                    *at < line.n_runs || {
                        state = next(state);
                        (state >> 40) & 1 == 0
                    }
                })
                .map(|(_, row)| *row)
                .collect();
            let mut logits = bias;
            for (row, value) in &rows {
                for (logit, weight) in logits.iter_mut().zip(&weights[usize::from(*row)]) {
                    *logit += weight * value;
                }
            }
            let p = softmax(&logits);
            for class in 0..N_CLASSES {
                let error = p[class] - if class == line.class { 1.0 } else { 0.0 };
                bias_squares[class] += error * error;
                bias[class] -= RATE * 0.1 * error / bias_squares[class].sqrt();
                if error.abs() < 1e-4 {
                    continue;
                }
                for (row, value) in &rows {
                    let row = usize::from(*row);
                    let gradient = error * value + DECAY * weights[row][class];
                    squares[row][class] += gradient * gradient;
                    weights[row][class] -= RATE * gradient / squares[row][class].sqrt().max(1.0);
                }
            }
        }
    }
    (weights, bias)
}

fn judge(
    by_rules: Category,
    certainty: &[f32; N_CLASSES],
    thresholds: &[f32; N_CLASSES],
) -> Category {
    let best = Category::ALL
        .into_iter()
        .filter(|category| *category > Category::Spam)
        .max_by(|a, b| certainty[*a as usize].total_cmp(&certainty[*b as usize]));
    match best {
        Some(best)
            if best > by_rules
                && (by_rules != Category::Spam || best.is_risk())
                && certainty[best as usize] >= thresholds[best as usize] =>
        {
            best
        }
        _ => by_rules,
    }
}

fn combined(
    cases: &[Case],
    by_rules: &[Category],
    certainty: &[[f32; N_CLASSES]],
    thresholds: &[f32; N_CLASSES],
) -> Report {
    let mut idx = 0;
    Report::by(cases, |_| {
        idx += 1;
        (
            judge(by_rules[idx - 1], &certainty[idx - 1], thresholds),
            Vec::new(),
        )
    })
}

/// The lowest thresholds that stop few harmless lines: one that all share, then each moved by itself while it helps.
fn tune(
    cases: &[Case],
    by_rules: &[Category],
    certainty: &[[f32; N_CLASSES]],
    budget: f64,
) -> [f32; N_CLASSES] {
    let base = combined(cases, by_rules, certainty, &[2.0; N_CLASSES]);
    let raised_of = |report: &Report| report.share(Category::Ok, &[Category::RiskWatch]);
    let value = |thresholds: &[f32; N_CLASSES]| {
        let report = combined(cases, by_rules, certainty, thresholds);
        let fits = report.ok_stopped() <= base.ok_stopped() + budget
            && raised_of(&report) <= raised_of(&base) + OK_RAISED_MAX;
        fits.then(|| report.exact_of_bad())
    };
    let mut thresholds = [2.0_f32; N_CLASSES];
    let mut best = value(&thresholds).unwrap_or(0.0);
    for step in (8..40).rev() {
        let shared = [step as f32 * 0.025; N_CLASSES];
        if let Some(exact) = value(&shared)
            && exact > best
        {
            (best, thresholds) = (exact, shared);
        }
    }
    for _ in 0..4 {
        for category in Category::ALL
            .into_iter()
            .filter(|category| *category > Category::Spam && category.action() != Action::Refuse)
        {
            for step in 8..40 {
                let mut moved = thresholds;
                moved[category as usize] = step as f32 * 0.025;
                if let Some(exact) = value(&moved)
                    && exact > best
                {
                    (best, thresholds) = (exact, moved);
                }
            }
        }
    }
    thresholds
}
