//! The shape of files: no unwrap in shipped code, no long files, no nameless TODO.

use regex::Regex;

use super::source::{Source, files, shipped, text};

/// Lines of a file in `server/src`, its tests too.
const LINES_MAX: usize = 700;

/// Longer files, with the reason. The list may only shrink.
const LONGER: &[(&str, usize, &str)] = &[];

#[test]
fn no_unwrap_in_shipped_code() {
    let unwrap = Regex::new(r"\.unwrap\(\)").expect("a pattern");
    let mut broken = Vec::new();
    for source in shipped("server/src")
        .into_iter()
        .chain(shipped("moderation/src"))
    {
        for found in unwrap.find_iter(&source.code) {
            broken.push(format!("{}:{}", source.path, source.line(found.start())));
        }
    }
    assert!(
        broken.is_empty(),
        "no unwrap in shipped code: an error is handled, and `expect(\"why this cannot happen\")` is for bugs:\n{}",
        broken.join("\n")
    );
}

#[test]
fn no_unsafe_anywhere() {
    let word =
        Regex::new(r"\bunsafe\s+(fn|impl|trait|extern|\{)|\bunsafe\s*\{").expect("a pattern");
    let broken: Vec<String> = shipped("server/src")
        .iter()
        .chain(&shipped("moderation/src"))
        .filter(|source| word.is_match(&source.code))
        .map(|source: &Source| source.path.clone())
        .collect();
    assert!(
        broken.is_empty(),
        "unsafe is forbidden:\n{}",
        broken.join("\n")
    );
}

#[test]
fn files_are_short_enough_to_read() {
    let mut broken = Vec::new();
    for path in files("server/src", &[".rs"]) {
        let n_lines = text(&path).lines().count();
        let (max, why) = LONGER
            .iter()
            .find(|(longer, _, _)| *longer == path)
            .map_or((LINES_MAX, ""), |(_, max, why)| (*max, *why));
        if n_lines > max {
            broken.push(format!("{path}: {n_lines} lines, {max} are allowed {why}"));
        }
        if max > LINES_MAX && n_lines <= LINES_MAX {
            broken.push(format!(
                "{path}: has {n_lines} lines now; take it from LONGER, which may only shrink"
            ));
        }
    }
    for (path, _, _) in LONGER {
        if !super::source::root().join(path).exists() {
            broken.push(format!("{path} stands in LONGER and is not there"));
        }
    }
    assert!(
        broken.is_empty(),
        "a file is split by noun before it is long:\n{}",
        broken.join("\n")
    );
}

#[test]
fn what_is_left_to_do_has_a_name_and_a_condition() {
    let nameless =
        Regex::new(r"\b(TODO|FIXME|XXX|HACK)\b(\([a-z][\w-]*\):\s+\S+)?").expect("a pattern");
    let endings = [
        ".rs", ".js", ".mjs", ".ts", ".css", ".html", ".sql", ".toml",
    ];
    let mut broken = Vec::new();
    for folder in ["server", "moderation", "tests", "web", "migrations", "ops"] {
        for path in files(folder, &[]) {
            // This file writes the words down.
            if path.ends_with("tidy/shape.rs")
                || !endings.iter().any(|ending| path.ends_with(ending))
            {
                continue;
            }
            for (idx, line) in text(&path).lines().enumerate() {
                if let Some(found) = nameless.captures(line)
                    && found.get(2).is_none()
                {
                    broken.push(format!("{path}:{}: {}", idx + 1, line.trim()));
                }
            }
        }
    }
    assert!(
        broken.is_empty(),
        "write TODO(name): the condition under which it is done; without them nobody ever does it:\n{}",
        broken.join("\n")
    );
}

#[test]
fn documents_name_what_is_there() {
    let link = Regex::new(r##"(?:\]\(|src=")([^)"#:\s]+)[)"]"##).expect("a pattern");
    let path = Regex::new(r"`((?:server|moderation|tests|web|migrations|ops|docs)/[\w./-]*)`")
        .expect("a pattern");
    let mut documents: Vec<String> = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"]
        .map(String::from)
        .into();
    documents.extend(files("docs", &[".md"]));
    let mut broken = Vec::new();
    for document in documents {
        let text = text(&document);
        let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
        let links = link
            .captures_iter(&text)
            .map(|found| format!("{folder}/{}", &found[1]));
        let paths = path.captures_iter(&text).map(|found| found[1].to_owned());
        for named in links.chain(paths) {
            if !super::source::root()
                .join(named.trim_start_matches('/'))
                .exists()
            {
                broken.push(format!("{document} names {named}"));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "a document that names what is gone is worse than none:\n{}",
        broken.join("\n")
    );
}
