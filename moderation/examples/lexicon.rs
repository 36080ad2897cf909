//! The bench of those who write rules: the same as `engawa moderate`, in a program that is built in seconds.
//!
//! `lexicon DIR check` · `lexicon DIR evaluate FILE.tsv [misses]` · `lexicon DIR rules FILE.tsv` · `lexicon DIR explain < lines`

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
        return Err(
            "usage: lexicon DIR check | evaluate FILE.tsv [misses] | rules FILE.tsv | explain"
                .into(),
        );
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
    // The weights that stand beside the folder, so that newly trained ones need no build.
    let weights = std::path::Path::new(folder).join("../weights/scorer.bin");
    let weights = std::fs::read(weights).unwrap_or_default();
    let engine = match Engine::with_weights(&sources, &weights) {
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
        // What each rule did on labelled lines: so its precision is known.
        "rules" => {
            let file = args.get(2).ok_or("rules needs a file")?;
            let mut did: std::collections::BTreeMap<String, [usize; 4]> = Default::default();
            for case in cases(&std::fs::read_to_string(file)?)? {
                let assessment = engine.assess(&case.text, &Context::new(Side::Tojisha));
                for finding in &assessment.findings {
                    let kind = match case.expected {
                        expected if expected == finding.category => 0,
                        expected if expected.is_risk() && finding.category.is_risk() => 1,
                        moderation::Category::Ok => 3,
                        _ => 2,
                    };
                    did.entry(finding.rule.to_string()).or_default()[kind] += 1;
                }
            }
            writeln!(
                out,
                "rule\tright\tanother grade of risk\tanother category\ton ok"
            )?;
            for (rule, [right, grade, other, ok]) in did {
                writeln!(out, "{rule}\t{right}\t{grade}\t{other}\t{ok}")?;
            }
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
