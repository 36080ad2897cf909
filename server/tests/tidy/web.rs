//! What browsers get: nothing inline, nothing from elsewhere, no text turned into markup, nothing kept on the device.

use regex::Regex;

use super::source::{files, text};

fn find(paths: &[String], pattern: &str, fine: impl Fn(&str) -> bool) -> Vec<String> {
    let pattern = Regex::new(pattern).expect("a pattern");
    let mut broken = Vec::new();
    for path in paths {
        for (idx, line) in text(path).lines().enumerate() {
            if pattern.find_iter(line).any(|found| !fine(found.as_str())) {
                let shown: String = line.trim().chars().take(120).collect();
                broken.push(format!("{path}:{}: {shown}", idx + 1));
            }
        }
    }
    broken
}

#[test]
fn templates_hold_no_inline_style_or_script() {
    let templates = files("web/templates", &[".html"]);
    let broken = find(
        &templates,
        r#"(?i)<style\b|\sstyle\s*=|\son[a-z]+\s*=\s*["'{]|javascript:|<script\b[^>]*>"#,
        |found| {
            // A module of our own, or data for one; neither is run inline.
            let script = found.to_lowercase();
            script.starts_with("<script")
                && (script.contains(" src=") || script.contains(r#"type="application/json""#))
        },
    );
    assert!(
        broken.is_empty(),
        "the policy forbids inline style and script, so that injected markup can never run:\n{}",
        broken.join("\n")
    );
}

/// Addresses that are names, not places: nothing is fetched from them.
const NAMES: &[&str] = &[
    "http://www.w3.org/2000/svg",
    "http://www.w3.org/1999/xlink",
    "http://www.w3.org/1999/xhtml",
];

#[test]
fn no_page_names_another_origin() {
    let mut paths = Vec::new();
    for folder in ["web/templates", "web/css", "web/js", "web/draw"] {
        paths.extend(files(folder, &[".html", ".css", ".js", ".svg"]));
    }
    let broken = find(
        &paths,
        r#"(?i)https?://[^\s"'<>)]*|["'(]//[a-z0-9.-]+\.[a-z]"#,
        |found| NAMES.contains(&found),
    );
    assert!(
        broken.is_empty(),
        "no request goes to another origin: whoever runs that origin would learn that somebody is here:\n{}",
        broken.join("\n")
    );
}

#[test]
fn text_is_never_turned_into_markup() {
    let modules = files("web/js", &[".js"]);
    let broken = find(
        &modules,
        r"\b(innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment|DOMParser|srcdoc)\b|document\.write|\beval\s*\(|\bnew Function\b|setTimeout\s*\(\s*['`]",
        |_| false,
    );
    assert!(
        broken.is_empty(),
        "what people write goes in by textContent alone: markup made of text is how a stranger's script gets in:\n{}",
        broken.join("\n")
    );
}

#[test]
fn nothing_is_kept_on_the_device_beyond_the_tab() {
    let modules = files("web/js", &[".js"]);
    let broken = find(
        &modules,
        r"\b(localStorage|indexedDB|caches\.open|serviceWorker|document\.cookie)\b",
        |_| false,
    );
    assert!(
        broken.is_empty(),
        "nothing goes into local storage: a family shares the tablet:\n{}",
        broken.join("\n")
    );
}

#[test]
fn names_of_files_are_plain() {
    let plain = Regex::new(r"^[a-z0-9][a-z0-9.-]*$").expect("a pattern");
    let broken: Vec<String> = files("web", &[])
        .into_iter()
        // A name with a dot before it is a tool's settings and goes to nobody.
        .filter(|path| !path.contains("/.") && !path.split('/').all(|part| plain.is_match(part)))
        .collect();
    assert!(
        broken.is_empty(),
        "names in web/ are small letters, digits, dots and hyphens: they become addresses:\n{}",
        broken.join("\n")
    );
}
