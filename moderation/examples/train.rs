//! Trains the scorer from labelled lines: `train LEXICON_DIR TRIED.tsv FRESH.tsv OUT.bin [BUDGET]`. The same files give the
//! same weights.
//!
//! Rules were tried on the lines of TRIED, so which rules fire there says nothing of other lines: it is left out, and of the
//! sets of words half. FRESH no rule was tried on. Multinomial logistic regression by AdaGrad in a fixed order: first by
//! five folds, so that thresholds are set on fresh lines that the weights have not seen; then over all lines, for the file.

use std::collections::HashMap;
use std::io::Write as _;

use moderation::{
    Action, Case, Category, Context, Engine, N_CLASSES, Report, Scorer, Side, Source, cases,
    evidence_weight, softmax,
};

const FOLDS: u64 = 5;
const EPOCHS: usize = 24;
const RATE: f32 = 0.5;
/// How strongly weights are drawn to zero, for each line.
const DECAY: f32 = 1e-3;
/// A run that fewer lines have is chance.
const LINES_MIN: u32 = 2;
/// The share of harmless lines that rules and scorer may stop together.
const OK_STOPPED_MAX: f64 = 0.04;
/// The same for a card and a quiet mark: nothing is stopped by them, so more may be wrong.
const OK_RAISED_MAX: f64 = 0.05;
/// Beyond this a weight is cut when it is made a byte.
const REACH: f32 = 12.0;

type Weights = (Vec<(u32, [f32; N_CLASSES])>, [f32; N_CLASSES]);

struct Line {
    runs: Vec<u32>,
    sets: Vec<u32>,
    rules: Vec<u32>,
    is_fresh: bool,
    class: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (folder, tried, fresh, target, budget) = match args.as_slice() {
        [folder, tried, fresh, target] => (folder, tried, fresh, target, OK_STOPPED_MAX),
        [folder, tried, fresh, target, budget] => (folder, tried, fresh, target, budget.parse()?),
        _ => {
            return Err(
                "usage: train LEXICON_DIR TRIED.tsv FRESH.tsv OUT.bin [share of ok lines that may be stopped]"
                    .into(),
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
    let tried = cases(&std::fs::read_to_string(tried)?)?;
    let fresh = cases(&std::fs::read_to_string(fresh)?)?;
    let bare = engine(&[])?;
    let context = Context::new(Side::Tojisha);
    let read = |case: &Case, is_fresh: bool| {
        let (mut runs, sets, rules) = bare.features(&case.text, &context);
        runs.sort_unstable();
        Line {
            runs,
            sets,
            rules,
            is_fresh,
            class: case.expected as usize,
        }
    };
    let tried: Vec<Line> = tried.iter().map(|case| read(case, false)).collect();
    let lines: Vec<Line> = fresh.iter().map(|case| read(case, true)).collect();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "rules alone, on fresh lines:\n{}",
        Report::of(&bare, &fresh).text(false)
    )?;

    let mut certainty = vec![[0.0_f32; N_CLASSES]; fresh.len()];
    for fold in 0..FOLDS {
        let inside: Vec<&Line> = lines
            .iter()
            .zip(&fresh)
            .filter(|(_, case)| fold_of(case) % FOLDS != fold)
            .map(|(line, _)| line)
            .chain(&tried)
            .collect();
        let (weights, bias) = train(&inside);
        let trained = engine(&Scorer::write(weights, &bias, REACH))?;
        for (idx, case) in fresh
            .iter()
            .enumerate()
            .filter(|(_, case)| fold_of(case) % FOLDS == fold)
        {
            certainty[idx] = trained.certainties(&case.text, &context);
        }
    }
    let by_rules: Vec<Category> = fresh
        .iter()
        .map(|case| bare.assess(&case.text, &context).category)
        .collect();
    for budget in [0.02, 0.03, 0.04, 0.05, 0.06, 0.08] {
        let thresholds = tune(&fresh, &by_rules, &certainty, budget);
        let report = combined(&fresh, &by_rules, &certainty, &thresholds);
        writeln!(
            out,
            "{:.1} % of ok: stopped {:.1} %, raised {:.1} %, exact category of all but ok {:.1} %",
            100.0 * budget,
            100.0 * report.ok_stopped(),
            100.0 * report.share(Category::Ok, &[Category::RiskWatch]),
            100.0 * report.exact_of_bad()
        )?;
    }
    let thresholds = tune(&fresh, &by_rules, &certainty, budget);
    let report = combined(&fresh, &by_rules, &certainty, &thresholds);
    writeln!(
        out,
        "rules and scorer, each fresh line judged by weights that have not seen it:\n{}",
        report.text(false)
    )?;
    for category in Category::ALL.into_iter().skip(2) {
        writeln!(
            out,
            "[[scorer.category]]\ncategory = \"{}\"\nalone = {:.3}\n",
            category.as_str(),
            thresholds[category as usize]
        )?;
    }
    let all: Vec<&Line> = lines.iter().chain(&tried).collect();
    let (weights, bias) = train(&all);
    std::fs::write(target, Scorer::write(weights, &bias, REACH))?;
    Ok(())
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Lines that were written one after another are about the same things: they stay together, twenty at a time.
fn fold_of(case: &Case) -> u64 {
    let number: u64 = case
        .id
        .chars()
        .filter(char::is_ascii_digit)
        .collect::<String>()
        .parse()
        .unwrap_or(0);
    let voice = case.id.bytes().next().map_or(0, u64::from);
    next((number / 20) * 256 + voice) >> 33
}

/// The next number of a fixed row of chance.
fn next(state: u64) -> u64 {
    state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
}

fn train(lines: &[&Line]) -> Weights {
    // Runs that several lines have, and all evidence, are numbered in the order in which they are met.
    let mut n_lines: HashMap<u32, u32> = HashMap::new();
    for line in lines {
        let mut once = line.runs.clone();
        once.dedup();
        for run in once {
            *n_lines.entry(run).or_default() += 1;
        }
    }
    let mut places: HashMap<u32, usize> = HashMap::new();
    let mut keys = Vec::new();
    let mut number = |key: u32| {
        *places.entry(key).or_insert_with(|| {
            keys.push(key);
            keys.len() - 1
        })
    };
    let rows: Vec<(Vec<usize>, Vec<usize>, Vec<usize>)> = lines
        .iter()
        .map(|line| {
            let often = |run: &&u32| n_lines.get(run).is_some_and(|n| *n >= LINES_MIN);
            let runs = line
                .runs
                .iter()
                .filter(often)
                .map(|run| number(*run))
                .collect();
            let sets = line.sets.iter().map(|set| number(*set)).collect();
            let rules = line.rules.iter().map(|rule| number(*rule)).collect();
            (runs, sets, rules)
        })
        .collect();
    let mut weights = vec![[0.0_f32; N_CLASSES]; keys.len()];
    let mut squares = vec![[1e-6_f32; N_CLASSES]; keys.len()];
    let mut bias = [0.0_f32; N_CLASSES];
    let mut bias_squares = [1e-6_f32; N_CLASSES];
    let mut order: Vec<usize> = (0..lines.len()).collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut met: Vec<(usize, f32)> = Vec::new();
    for _ in 0..EPOCHS {
        for at in (1..order.len()).rev() {
            state = next(state);
            let other = usize::try_from((state >> 33) % (at as u64 + 1)).unwrap_or(0);
            order.swap(at, other);
        }
        for idx in &order {
            let (line, (runs, sets, rules)) = (lines[*idx], &rows[*idx]);
            met.clear();
            let long = 1.0 / (count(runs.len().max(1)) as f32).sqrt();
            met.extend(runs.iter().map(|row| (*row, long)));
            // Sets grew on the tried lines and will meet others: half of them is left out each time, so that the runs of
            // characters learn to speak where no set has the word.
            for set in sets {
                state = next(state);
                if line.is_fresh || (state >> 40) & 1 == 0 {
                    met.push((*set, evidence_weight()));
                }
            }
            if line.is_fresh {
                met.extend(rules.iter().map(|rule| (*rule, evidence_weight())));
            }
            let mut logits = bias;
            for (row, value) in &met {
                for (logit, weight) in logits.iter_mut().zip(&weights[*row]) {
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
                for (row, value) in &met {
                    let gradient = error * value + DECAY * weights[*row][class];
                    squares[*row][class] += gradient * gradient;
                    weights[*row][class] -= RATE * gradient / squares[*row][class].sqrt().max(1.0);
                }
            }
        }
    }
    (keys.into_iter().zip(weights).collect(), bias)
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

/// Steps of certainty: evenly first, then ever finer towards certain.
const STEPS: u32 = 52;

fn certain(step: u32) -> f32 {
    if step < 36 {
        step as f32 * 0.025
    } else {
        1.0 - 0.1 * 0.75_f32.powi(step as i32 - 35)
    }
}

/// The lowest thresholds that stop few harmless lines: one that all share, then each moved by itself while it helps.
fn tune(
    cases: &[Case],
    by_rules: &[Category],
    certainty: &[[f32; N_CLASSES]],
    budget: f64,
) -> [f32; N_CLASSES] {
    let raised_of = |report: &Report| report.share(Category::Ok, &[Category::RiskWatch]);
    let value = |thresholds: &[f32; N_CLASSES]| {
        let report = combined(cases, by_rules, certainty, thresholds);
        let fits = report.ok_stopped() <= budget && raised_of(&report) <= OK_RAISED_MAX;
        fits.then(|| report.exact_of_bad())
    };
    let mut thresholds = [2.0_f32; N_CLASSES];
    let mut best = value(&thresholds).unwrap_or(0.0);
    for step in (8..STEPS).rev() {
        let shared = [certain(step); N_CLASSES];
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
            for step in 8..STEPS {
                let mut moved = thresholds;
                moved[category as usize] = certain(step);
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
