//! The bench of those who write rules: the same as `engawa moderate`, in a program that is built in seconds.
//!
//! `lexicon DIR check` · `lexicon DIR evaluate FILE.tsv [misses]` · `lexicon DIR explain < lines`

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;

use moderation::{Context, Engine, Report, Side, Source, cases};

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (Some(folder), Some(what)) = (args.first(), args.get(1)) else {
        return Err("usage: lexicon DIR check | evaluate FILE.tsv [misses] | explain".into());
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            files.push((name, std::fs::read_to_string(&path)?));
        }
    }
    files.sort();
    let sources: Vec<Source<'_>> = files
        .iter()
        .map(|(name, text)| Source { name, text })
        .collect();
    let mut out = std::io::stdout().lock();
    let engine = match Engine::new(&sources) {
        Ok(engine) => engine,
        Err(problems) => {
            for problem in problems {
                writeln!(out, "{problem}")?;
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    match what.as_str() {
        "check" => {
            if let Err(problems) = engine.check() {
                for problem in problems {
                    writeln!(out, "{problem}")?;
                }
                return Ok(ExitCode::FAILURE);
            }
            writeln!(
                out,
                "{} rules, {} words: all examples are as they should be",
                engine.rules().len(),
                engine.n_words()
            )?;
        }
        "evaluate" => {
            let file = args.get(2).ok_or("evaluate needs a file")?;
            let cases = cases(&std::fs::read_to_string(file)?)?;
            let report = Report::of(&engine, &cases);
            out.write_all(
                report
                    .text(args.get(3).is_some_and(|arg| arg == "misses"))
                    .as_bytes(),
            )?;
        }
        _ => {
            for line in std::io::stdin().lock().lines() {
                let line = line?;
                writeln!(
                    out,
                    "{line}\n{}",
                    engine.explain(&line, &Context::new(Side::Tojisha))
                )?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
