//! Figures as a table that is read in a terminal and copied into a page.

use std::io::Write;

use anyhow::Result;

/// Prints rows under a heading, columns as wide as their longest cell.
pub fn print(title: &str, head: &[&str], rows: &[Vec<String>]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{title}\n\n{}", text(head, rows))?;
    Ok(out.flush()?)
}

fn text(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let width = |column: usize| {
        rows.iter()
            .chain([&head])
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| format!("{cell:<width$}", width = width(column)))
            .collect();
        format!("| {} |", cells.join(" | "))
    };
    let rule: Vec<String> = (0..head.len())
        .map(|column| "-".repeat(width(column)))
        .collect();
    let mut lines = vec![line(&head), line(&rule)];
    lines.extend(rows.iter().map(line));
    lines.join("\n")
}

/// One line of progress, on standard error.
pub fn progress(line: &str) {
    // A closed pipe is no reason to end a measurement.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The best of several, and how far the others lie: `1204 (1150-1204)`.
pub fn spread(values: &[f64], best: f64, digits: usize) -> String {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{best:.digits$} ({low:.digits$}-{high:.digits$})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = vec![
            vec!["a".to_owned(), "10".to_owned()],
            vec!["long".to_owned(), "5".to_owned()],
        ];
        assert_eq!(
            text(&["who", "n"], &rows),
            "| who  | n  |\n| ---- | -- |\n| a    | 10 |\n| long | 5  |"
        );
        assert_eq!(spread(&[2.0, 1.5], 2.0, 1), "2.0 (1.5-2.0)");
    }
}
