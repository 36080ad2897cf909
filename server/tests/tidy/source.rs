//! Source files, read just far enough: comments and test code taken out, strings told from code.

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file under a folder (from the root) with one of these endings, as paths from the root, sorted.
pub fn files(folder: &str, endings: &[&str]) -> Vec<String> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{} cannot be read: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("an entry of a folder").path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or("");
            if path.is_dir() {
                if name != "node_modules" && name != "target" {
                    folders.push(path);
                }
            } else if endings.is_empty() || endings.iter().any(|ending| name.ends_with(ending)) {
                let path = path.strip_prefix(&root).expect("it is under the root");
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    assert!(
        !found.is_empty(),
        "no file in {folder}: this rule would hold of nothing"
    );
    found
}

/// The text of a file, by its path from the root.
pub fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A Rust file without its test code.
pub struct Source {
    /// Its path from the root.
    pub path: String,
    /// Its code: comments, insides of strings and test code are blanks; lines stand where they stood.
    pub code: String,
    /// Its string literals: where they begin, and what is in them.
    pub strings: Vec<(usize, String)>,
}

impl Source {
    /// Reads a Rust file.
    pub fn read(path: &str) -> Self {
        Self::of(path, &text(path))
    }

    fn of(path: &str, text: &str) -> Self {
        let (mut code, mut strings) = lex(text);
        for (from, to) in test_code(&code) {
            let blank: String = code[from..to]
                .chars()
                .map(|c| if c == '\n' { '\n' } else { ' ' })
                .collect();
            code.replace_range(from..to, &blank);
            strings.retain(|(at, _)| !(from..to).contains(at));
        }
        Self {
            path: path.to_owned(),
            code,
            strings,
        }
    }

    /// The line of a place, from 1.
    pub fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    /// The modules it stands in, from the crate's root: `features/rooms/mod.rs` is `["features", "rooms"]`.
    pub fn module(&self) -> Vec<String> {
        let path = self
            .path
            .trim_start_matches("server/src/")
            .trim_end_matches(".rs");
        let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
        if matches!(
            module.last().map(String::as_str),
            Some("mod" | "lib" | "main")
        ) {
            module.pop();
        }
        module
    }

    /// Every path in the code that begins in this crate, from the crate's root, with its place.
    pub fn paths(&self) -> Vec<(usize, Vec<String>)> {
        let mut found = Vec::new();
        let word = regex::Regex::new(r"\b(crate|super|self)\s*::").expect("a pattern");
        let mut end_of_last = 0;
        for place in word.find_iter(&self.code) {
            // `super::super::x` is found once, from its first word.
            if place.start() < end_of_last {
                continue;
            }
            let module = self.module();
            let mut base = module.clone();
            let mut rest = &self.code[place.start()..];
            if let Some(after) = strip_word(rest, "crate") {
                base.clear();
                rest = after;
            } else {
                if let Some(after) = strip_word(rest, "self") {
                    rest = after;
                }
                while let Some(after) = strip_word(rest, "super") {
                    base.pop();
                    rest = after;
                }
            }
            end_of_last = self.code.len() - rest.len();
            let mut paths = Vec::new();
            tree(&mut rest, &mut base, &mut paths);
            found.extend(paths.into_iter().map(|path| (place.start(), path)));
        }
        found
    }
}

/// The shipped Rust files of a folder.
pub fn shipped(folder: &str) -> Vec<Source> {
    files(folder, &[".rs"])
        .iter()
        .filter(|path| !is_test_file(path))
        .map(|path| Source::read(path))
        .collect()
}

/// Files that are there for tests alone.
pub fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
        || path.ends_with("/testing.rs")
        || path.contains("/tests/")
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    Some(
        text.strip_prefix(word)?
            .trim_start()
            .strip_prefix("::")?
            .trim_start(),
    )
}

/// Reads the rest of a path, or of a tree in braces, and gives each leaf as a whole path.
fn tree(rest: &mut &str, base: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    let depth = base.len();
    loop {
        *rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('{') {
            *rest = after;
            loop {
                *rest = rest.trim_start();
                if let Some(after) = rest.strip_prefix('}') {
                    *rest = after;
                    break;
                }
                if rest.is_empty() {
                    break;
                }
                tree(rest, base, paths);
                *rest = rest.trim_start();
                if let Some(after) = rest.strip_prefix("as ") {
                    *rest = after.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
                    *rest = rest.trim_start();
                }
                if let Some(after) = rest.strip_prefix(',') {
                    *rest = after;
                } else if !rest.starts_with('}') {
                    break;
                }
            }
            break;
        }
        let n = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        if n == 0 {
            if let Some(after) = rest.strip_prefix('*') {
                *rest = after;
            }
            paths.push(base.clone());
            break;
        }
        base.push(rest[..n].to_owned());
        *rest = &rest[n..];
        match rest.trim_start().strip_prefix("::") {
            Some(after) => *rest = after,
            None => {
                paths.push(base.clone());
                break;
            }
        }
    }
    base.truncate(depth);
}

/// Blanks comments and the insides of strings; gives the strings.
fn lex(text: &str) -> (String, Vec<(usize, String)>) {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut strings = Vec::new();
    let mut at = 0;
    let blank = |code: &mut Vec<u8>, from: usize, to: usize| {
        for byte in &mut code[from..to] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    };
    while at < bytes.len() {
        let rest = &text[at..];
        let in_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        if rest.starts_with("//") {
            let end = rest.find('\n').map_or(bytes.len(), |n| at + n);
            blank(&mut code, at, end);
            at = end;
        } else if rest.starts_with("/*") {
            let mut depth = 0;
            let mut end = at;
            while end < bytes.len() {
                if bytes[end..].starts_with(b"/*") {
                    depth += 1;
                    end += 2;
                } else if bytes[end..].starts_with(b"*/") {
                    depth -= 1;
                    end += 2;
                    if depth == 0 {
                        break;
                    }
                } else {
                    end += 1;
                }
            }
            blank(&mut code, at, end.min(bytes.len()));
            at = end;
        } else if let Some(n) = (!in_word).then(|| raw_opening(rest)).flatten() {
            let hashes = rest[..n].matches('#').count();
            let closing = format!("\"{}", "#".repeat(hashes));
            let inside = at + n;
            let end = text[inside..]
                .find(&closing)
                .map_or(bytes.len(), |n| inside + n);
            strings.push((at, text[inside..end].to_owned()));
            blank(&mut code, inside, end);
            at = end + closing.len();
        } else if rest.starts_with('"') {
            let inside = at + 1;
            let mut end = inside;
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            let end = end.min(bytes.len());
            strings.push((at, text[inside..end].to_owned()));
            blank(&mut code, inside, end);
            at = end + 1;
        } else if rest.starts_with('\'') {
            let mut chars = rest.chars().skip(1);
            let literal = match (chars.next(), chars.next()) {
                (Some('\\'), _) => rest[3..].find('\'').map(|n| 3 + n + 1),
                (Some(c), Some('\'')) => Some(1 + c.len_utf8() + 1),
                _ => None,
            };
            match literal {
                Some(n) => {
                    blank(&mut code, at + 1, at + n - 1);
                    at += n;
                }
                None => at += 1,
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    (String::from_utf8(code).expect("blanks are text"), strings)
}

/// The length of `r"`, `r#"`, `br##"`, …, where the text begins with one.
fn raw_opening(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let after_hashes = after.trim_start_matches('#');
    after_hashes
        .starts_with('"')
        .then(|| text.len() - after_hashes.len() + 1)
}

/// Where items under `#[cfg(test)]` begin and end.
fn test_code(code: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(n) = code[from..].find("#[cfg(test)]") {
        let start = from + n;
        let end = end_of_item(code, start);
        found.push((start, end));
        from = end.max(start + 1);
    }
    found
}

/// Where the item that begins at a place ends: after its closing brace, semicolon or comma.
pub fn end_of_item(code: &str, start: usize) -> usize {
    let mut depth = 0_i32;
    for (offset, c) in code[start..].char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(c, '}' | ';' | ',') {
            return start + offset + c.len_utf8();
        }
    }
    code.len()
}

#[test]
fn comments_strings_and_tests_are_told_from_code() {
    let source = Source::of(
        "server/src/features/rooms/task.rs",
        "use crate::platform::{clock::{Clock, Millis as M}, ids};\n// use crate::edge;\nuse super::room::Room;\n\
         const A: &str = \"crate::edge \\\" x\"; const B: &str = r#\"say \"hi\"\"#; const C: char = '\"'; fn f<'a>(x: &'a str) {}\n\
         #[cfg(test)]\nmod tests { use crate::app; }\nfn g() { super::super::audit::append(); }\n",
    );
    let paths: Vec<String> = source
        .paths()
        .iter()
        .map(|(_, path)| path.join("::"))
        .collect();
    assert_eq!(
        paths,
        [
            "platform::clock::Clock",
            "platform::clock::Millis",
            "platform::ids",
            "features::rooms::room::Room",
            "features::audit::append",
        ]
    );
    let strings: Vec<&str> = source
        .strings
        .iter()
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(strings, ["crate::edge \\\" x", "say \"hi\""]);
    assert_eq!(
        source.line(source.code.find("fn g").expect("it is there")),
        7
    );
}
