//! How well the engine does on labelled lines: per category precision and recall, and what it missed.

use crate::engine::Engine;
use crate::types::{Action, Category, Context, Side};

/// A labelled line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its id.
    pub id: String,
    /// The line, without escapes.
    pub text: String,
    /// What it should be found to be.
    pub expected: Category,
    /// What kind of case it is.
    pub note: String,
}

/// Reads labelled lines: `id<TAB>text<TAB>expected<TAB>note`, with or without a line of titles; in the text `\n` is a
/// line break and `\uXXXX` a code point.
///
/// # Errors
/// The number of the first line that is not of this form, and why.
pub fn cases(tsv: &str) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    for (idx, row) in tsv.lines().enumerate() {
        if row.trim().is_empty() || (idx == 0 && row.starts_with("id\t")) {
            continue;
        }
        let mut columns = row.split('\t');
        let (Some(id), Some(text), Some(expected)) =
            (columns.next(), columns.next(), columns.next())
        else {
            return Err(format!("line {}: less than three columns", idx + 1));
        };
        let expected = Category::parse(expected)
            .ok_or_else(|| format!("line {}: no category {expected}", idx + 1))?;
        cases.push(Case {
            id: id.to_owned(),
            text: unescape(text),
            expected,
            note: columns.next().unwrap_or("").to_owned(),
        });
    }
    Ok(cases)
}

/// Takes `\n` and `\uXXXX` for what they stand for.
pub fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let code = rest
            .strip_prefix("\\u")
            .and_then(|after| after.get(..4))
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .and_then(char::from_u32);
        if let Some(c) = code {
            plain.push(c);
            rest = &rest[6..];
        } else if let Some(after) = rest.strip_prefix("\\n") {
            plain.push('\n');
            rest = after;
        } else {
            plain.push('\\');
            rest = &rest[1..];
        }
    }
    plain.push_str(rest);
    plain
}

/// Counts over labelled lines.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How often a line of the first was found to be the second, by number of category.
    pub confusion: [[usize; 9]; 9],
    /// Lines that were not found as expected, with what they were found to be.
    pub misses: Vec<(Case, Category, Vec<String>)>,
}

impl Report {
    /// Judges each case alone, as a first line in a room for 本人.
    pub fn of(engine: &Engine, cases: &[Case]) -> Self {
        Self::by(cases, |case| {
            let assessment = engine.assess(&case.text, &Context::new(Side::Tojisha));
            let rules = assessment
                .findings
                .iter()
                .map(|finding| finding.rule.to_string())
                .collect();
            (assessment.category, rules)
        })
    }

    /// Counts what somebody else judged.
    pub fn by(cases: &[Case], mut judge: impl FnMut(&Case) -> (Category, Vec<String>)) -> Self {
        let mut report = Self::default();
        for case in cases {
            let (found, rules) = judge(case);
            report.confusion[case.expected as usize][found as usize] += 1;
            if found != case.expected {
                report.misses.push((case.clone(), found, rules));
            }
        }
        report
    }

    fn expected(&self, category: Category) -> usize {
        self.confusion[category as usize].iter().sum()
    }

    /// The share of lines of a category that were found to be one of these.
    pub fn share(&self, expected: Category, found: &[Category]) -> f64 {
        let n: usize = found
            .iter()
            .map(|found| self.confusion[expected as usize][*found as usize])
            .sum();
        ratio(n, self.expected(expected))
    }

    /// The share of harmless lines that were asked back, held or refused.
    pub fn ok_stopped(&self) -> f64 {
        let stopped: Vec<Category> = Category::ALL
            .into_iter()
            .filter(|category| !matches!(category.action(), Action::Pass | Action::Raise))
            .collect();
        self.share(Category::Ok, &stopped)
    }

    /// The share of all other lines whose category is exactly as expected.
    pub fn exact_of_bad(&self) -> f64 {
        let bad = Category::ALL
            .into_iter()
            .filter(|category| *category != Category::Ok);
        let (mut n, mut right) = (0, 0);
        for category in bad {
            n += self.expected(category);
            right += self.confusion[category as usize][category as usize];
        }
        ratio(right, n)
    }

    /// The whole as text; the misses only where wanted.
    pub fn text(&self, with_misses: bool) -> String {
        let mut out = String::new();
        let mut line = |text: String| {
            out.push_str(&text);
            out.push('\n');
        };
        line("category      lines  precision  recall".into());
        for category in Category::ALL {
            let n = self.expected(category);
            let found: usize = self
                .confusion
                .iter()
                .map(|row| row[category as usize])
                .sum();
            let right = self.confusion[category as usize][category as usize];
            if n + found == 0 {
                continue;
            }
            line(format!(
                "{:<13}{n:>6}  {:>8.1}%  {:>5.1}%",
                category.as_str(),
                100.0 * ratio(right, found),
                100.0 * ratio(right, n)
            ));
        }
        let risk = [Category::RiskWatch, Category::RiskUrgent];
        line(String::new());
        line(format!(
            "ok stopped (asked back, held, refused)  {:>5.1}%",
            100.0 * self.ok_stopped()
        ));
        line(format!(
            "ok raised                               {:>5.1}%",
            100.0 * self.share(Category::Ok, &[Category::RiskWatch])
        ));
        line(format!(
            "risk_urgent found as any risk           {:>5.1}%",
            100.0 * self.share(Category::RiskUrgent, &risk)
        ));
        line(format!(
            "risk_watch found as any risk            {:>5.1}%",
            100.0 * self.share(Category::RiskWatch, &risk)
        ));
        line(format!(
            "exact category of all but ok            {:>5.1}%",
            100.0 * self.exact_of_bad()
        ));
        if with_misses {
            let mut misses: Vec<_> = self.misses.iter().collect();
            misses.sort_by_key(|(case, found, _)| (case.expected, *found));
            line(String::new());
            for (case, found, rules) in misses {
                line(format!(
                    "{}: {} found as {}: {}  [{}] {}",
                    case.id,
                    case.expected.as_str(),
                    found.as_str(),
                    case.text.replace('\n', "⏎"),
                    case.note,
                    rules.join(" ")
                ));
            }
        }
        out
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of lines are far below 2^52"
)]
fn ratio(n: usize, of: usize) -> f64 {
    if of == 0 { 1.0 } else { n as f64 / of as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read() {
        assert_eq!(unescape(r"a\nb\u200bc\x"), "a\nb\u{200b}c\\x");
        let cases = cases("id\ttext\texpected\tnote\n1\tあ\tok\t挨拶\n").expect("a table");
        assert_eq!(cases[0].expected, Category::Ok);
        assert!(super::cases("1\tあ\tnothing\t").is_err());
    }
}
