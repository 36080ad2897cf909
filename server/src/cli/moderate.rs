//! `moderate`: lines on standard input, judged as the rooms judge them; and what writers of rules need beside it.

use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use moderation::{Assessment, Context, Engine, Problem, Report, Side, Source, Span};
use serde::{Deserialize, Serialize};

use super::FAILED;

#[derive(Args, Clone, Debug, Default)]
pub struct ModerateArgs {
    /// Lines of JSON in and out, instead of plain ones.
    #[arg(long, conflicts_with_all = ["explain", "evaluate", "check"])]
    jsonl: bool,
    /// Say for each line why: rules, words, what cancelled them, the scorer's reasons.
    #[arg(long)]
    explain: bool,
    /// The lexicon of this folder, instead of the one that is built in.
    #[arg(long, value_name = "DIR")]
    lexicon: Option<PathBuf>,
    /// Check the lexicon of this folder: whether it can be read, and whether its examples hold.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["explain", "evaluate", "lexicon"])]
    check: Option<PathBuf>,
    /// Judge labelled lines (id, text, expected, note; tabs between) and count.
    #[arg(long, value_name = "FILE", conflicts_with = "explain")]
    evaluate: Option<PathBuf>,
}

/// A line of `--jsonl`.
#[derive(Deserialize)]
struct Asked {
    id: serde_json::Value,
    text: String,
    #[serde(default)]
    recent: Vec<String>,
}

/// Its answer.
#[derive(Serialize)]
struct Judged<'a> {
    id: &'a serde_json::Value,
    category: &'static str,
    action: &'static str,
    spans: Vec<Span>,
    rules: Vec<&'a str>,
}

/// Runs the command.
pub fn run(args: &ModerateArgs) -> anyhow::Result<ExitCode> {
    let input = std::io::stdin().lock();
    let output = std::io::stdout().lock();
    match judge(args, input, output) {
        // Whoever reads us has read enough.
        Err(error) if is_closed(&error) => Ok(ExitCode::SUCCESS),
        other => other,
    }
}

fn is_closed(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

fn judge(args: &ModerateArgs, input: impl Read, output: impl Write) -> anyhow::Result<ExitCode> {
    let mut out = BufWriter::new(output);
    if let Some(folder) = &args.check {
        return check(folder, &mut out);
    }
    let engine = match &args.lexicon {
        None => Engine::built_in(),
        Some(folder) => match read_lexicon(folder)? {
            Ok(engine) => engine,
            Err(problems) => anyhow::bail!("{}", joined(&problems)),
        },
    };
    if let Some(file) = &args.evaluate {
        let table = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let cases = moderation::cases(&table)
            .map_err(|what| anyhow::anyhow!("{}: {what}", file.display()))?;
        out.write_all(Report::of(&engine, &cases).text(true).as_bytes())?;
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    let mut number = 0_u64;
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        number += 1;
        while line
            .last()
            .is_some_and(|byte| matches!(byte, b'\n' | b'\r'))
        {
            line.pop();
        }
        if args.jsonl {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            // What was judged before a broken line has been said already.
            let asked: Asked = match serde_json::from_slice(&line) {
                Ok(asked) => asked,
                Err(error) => {
                    out.flush()?;
                    anyhow::bail!("line {number}: {error}");
                }
            };
            answer(&engine, &asked, &mut out)?;
        } else {
            let text = String::from_utf8_lossy(&line);
            let context = Context::new(Side::Tojisha);
            let assessment = engine.assess(&text, &context);
            write!(
                out,
                "{}\t{}\t",
                assessment.category.as_str(),
                assessment.action.as_str()
            )?;
            out.write_all(&line)?;
            out.write_all(b"\n")?;
            if args.explain {
                out.write_all(engine.explain(&text, &context).as_bytes())?;
            }
        }
        // Whoever asks line by line waits for the answer; a file need not.
        if input.buffer().is_empty() {
            out.flush()?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn answer(engine: &Engine, asked: &Asked, out: &mut impl Write) -> anyhow::Result<()> {
    let recent: Vec<&str> = asked.recent.iter().map(String::as_str).collect();
    let context = Context::new(Side::Tojisha).after(&recent);
    let assessment: Assessment = engine.assess(&asked.text, &context);
    let judged = Judged {
        id: &asked.id,
        category: assessment.category.as_str(),
        action: assessment.action.as_str(),
        spans: assessment.spans(assessment.category),
        rules: assessment
            .findings
            .iter()
            .map(|finding| &*finding.rule)
            .collect(),
    };
    serde_json::to_writer(&mut *out, &judged)
        .map_err(|error| anyhow::Error::new(std::io::Error::from(error)))?;
    out.write_all(b"\n")?;
    Ok(())
}

fn check(folder: &Path, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let problems = match read_lexicon(folder)? {
        Ok(engine) => match engine.check() {
            Ok(()) => {
                writeln!(
                    out,
                    "{}: {} rules, {} words",
                    folder.display(),
                    engine.rules().len(),
                    engine.n_words()
                )?;
                out.flush()?;
                return Ok(ExitCode::SUCCESS);
            }
            Err(problems) => problems,
        },
        Err(problems) => problems,
    };
    for problem in &problems {
        super::complain(&problem.to_string());
    }
    Ok(ExitCode::from(FAILED))
}

fn read_lexicon(folder: &Path) -> anyhow::Result<Result<Engine, Vec<Problem>>> {
    let mut files = Vec::new();
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let text =
                std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            files.push((name, text));
        }
    }
    anyhow::ensure!(!files.is_empty(), "{}: no .toml file", folder.display());
    files.sort();
    let sources: Vec<Source<'_>> = files
        .iter()
        .map(|(name, text)| Source { name, text })
        .collect();
    Ok(Engine::new(&sources))
}

fn joined(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(args: &ModerateArgs, input: &str) -> anyhow::Result<String> {
        let mut out = Vec::new();
        judge(args, input.as_bytes(), &mut out)?;
        Ok(String::from_utf8(out)?)
    }

    #[test]
    fn plain_lines_are_answered_one_by_one() {
        let out = judged(
            &ModerateArgs::default(),
            "こんばんは\n090-0123-4567です\r\n終わりに改行がない",
        )
        .expect("it runs");
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(
            lines,
            [
                "ok\tpass\tこんばんは",
                "contact\task\t090-0123-4567です",
                "ok\tpass\t終わりに改行がない"
            ]
        );
    }

    #[test]
    fn json_lines_carry_what_was_said_before() {
        let args = ModerateArgs {
            jsonl: true,
            ..ModerateArgs::default()
        };
        let out = judged(&args, "{\"id\":1,\"text\":\"4567\",\"recent\":[\"090\",\"0123\"]}\n\n{\"id\":\"b\",\"text\":\"はい\"}\n")
            .expect("it runs");
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            lines[0],
            r#"{"id":1,"category":"contact","action":"ask","spans":[{"from":0,"to":4}],"rules":["detect.phone"]}"#
        );
        assert_eq!(
            lines[1],
            r#"{"id":"b","category":"ok","action":"pass","spans":[],"rules":[]}"#
        );
    }

    #[test]
    fn broken_json_is_one_clear_line() {
        let args = ModerateArgs {
            jsonl: true,
            ..ModerateArgs::default()
        };
        let error = judged(&args, "{\"id\":1}\n").expect_err("it has no text");
        assert!(error.to_string().starts_with("line 1: "), "{error}");
    }
}
