//! Addresses of the net: mail, pages, names of accounts; also spelled out, or with brackets and spaces in them.

use super::{Detected, Detector};
use crate::fold::{Folded, Script};
use crate::lexicon::Public;

/// Endings that make a name with a dot an address. Few, so that names of files and versions pass.
const ENDINGS: [&str; 36] = [
    "com", "net", "org", "jp", "co", "io", "gg", "me", "app", "dev", "info", "xyz", "tv", "link",
    "site", "ly", "to", "page", "blog", "cc", "club", "online", "shop", "biz", "ne", "be", "us",
    "uk", "cn", "kr", "tw", "ru", "de", "fr", "example", "chat",
];
/// How a dot is said.
const DOTS: [&str; 10] = [
    "◯",
    "[.]",
    "(.)",
    "[dot]",
    "(dot)",
    "{dot}",
    "どっと",
    "dot",
    "(どっと)",
    ".",
];
/// How @ is said.
const ATS: [&str; 11] = [
    "◯",
    "@",
    "[at]",
    "(at)",
    "{at}",
    "<at>",
    "あっとまーく",
    "(あっと)",
    "[あっと]",
    "あっと",
    "at",
];

pub(super) fn look(line: &Folded, public: &Public, more: &[&str], found: &mut Vec<Detected>) {
    if line.has.latin == 0 {
        return;
    }
    let units = &line.units;
    let mut at = 0;
    while at < units.len() {
        let Some(n) = token(line, at, &ATS) else {
            at += 1;
            continue;
        };
        let spelled = units[at].c != '@';
        let from = back_over_name(line, at);
        let has_name = at - from >= 2;
        let after = at + n;
        match domain(line, skip_signs(line, after, 6)) {
            Some(to) if has_name || (n >= 6 && spelled) => {
                found.push(Detected {
                    by: Detector::Mail,
                    from,
                    to,
                });
                at = to;
            }
            _ if !spelled => {
                let to = name_end(line, after);
                if !has_name && is_account(line, after, to) {
                    found.push(Detected {
                        by: Detector::Handle,
                        from: at,
                        to,
                    });
                }
                at = to.max(after);
            }
            _ => at = after,
        }
    }
    pages(line, public, more, found);
    tags(line, found);
}

fn pages(line: &Folded, public: &Public, more: &[&str], found: &mut Vec<Detected>) {
    let units = &line.units;
    let mut at = 0;
    while at < units.len() {
        if !units[at].c.is_ascii_alphanumeric()
            || (at > 0 && is_name(units[at - 1].c) && units[at].before == crate::fold::Break::None)
        {
            at += 1;
            continue;
        }
        if found
            .iter()
            .any(|one| one.by == Detector::Mail && one.from <= at && at < one.to)
        {
            at += 1;
            continue;
        }
        let scheme = ["https:/", "http:/", "hxxps:/", "hxxp:/", "ttps:/", "ttp:/"]
            .iter()
            .find(|scheme| matches_at(line, at, scheme))
            .map(|scheme| scheme.chars().count());
        let start = scheme.map_or(at, |n| skip_signs(line, at + n, 2));
        let end = domain(line, start);
        match (end, scheme) {
            (Some(end), _) => {
                let to = path_end(line, end);
                if !is_public(line, start, end, public, more) {
                    found.push(Detected {
                        by: Detector::Url,
                        from: at,
                        to,
                    });
                }
                at = to;
            }
            (None, Some(n)) => {
                let to = path_end(line, at + n);
                found.push(Detected {
                    by: Detector::Url,
                    from: at,
                    to,
                });
                at = to;
            }
            (None, None) => at = name_end(line, at).max(at + 1),
        }
    }
}

/// name#1234
fn tags(line: &Folded, found: &mut Vec<Detected>) {
    for (at, unit) in line.units.iter().enumerate() {
        if unit.c != '#' {
            continue;
        }
        let from = back_over_name(line, at);
        let n_digits = line.units[at + 1..]
            .iter()
            .take_while(|unit| unit.c.is_ascii_digit())
            .count();
        if at - from >= 2
            && n_digits == 4
            && line.units[from..at]
                .iter()
                .any(|unit| unit.c.is_ascii_alphabetic())
        {
            found.push(Detected {
                by: Detector::Handle,
                from,
                to: at + 5,
            });
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+')
}

fn name_end(line: &Folded, from: usize) -> usize {
    let mut at = from;
    while line.units.get(at).is_some_and(|unit| is_name(unit.c)) {
        let spaced = at > from
            && line.units[at].before != crate::fold::Break::None
            && line.units[at - 1].before == crate::fold::Break::None;
        if spaced {
            break;
        }
        at += 1;
    }
    at
}

fn back_over_name(line: &Folded, at: usize) -> usize {
    let mut from = at;
    while from > 0 && at - from < 64 && is_name(line.units[from - 1].c) {
        from -= 1;
        if begins_word(line, from, at) {
            break;
        }
    }
    from
}

/// A space stands before this unit, and the units are not all spaced.
fn begins_word(line: &Folded, at: usize, end: usize) -> bool {
    line.units[at].before != crate::fold::Break::None
        && (at + 1 >= end || line.units[at + 1].before == crate::fold::Break::None)
}

fn is_account(line: &Folded, from: usize, to: usize) -> bool {
    let name = &line.units[from.min(to)..to];
    let letters = name
        .iter()
        .filter(|unit| unit.c.is_ascii_alphabetic())
        .count();
    let marks = name
        .iter()
        .any(|unit| unit.c.is_ascii_digit() || matches!(unit.c, '_' | '.'));
    letters >= 2 && ((marks && name.len() >= 4) || letters >= 6)
}

fn matches_at(line: &Folded, at: usize, word: &str) -> bool {
    let mut units = line.units[at.min(line.units.len())..].iter();
    word.chars()
        .all(|c| units.next().is_some_and(|unit| unit.c == c))
}

fn token(line: &Folded, at: usize, tokens: &[&str]) -> Option<usize> {
    let c = line.units.get(at)?.c;
    tokens
        .iter()
        .filter(|token| token.starts_with(c) && matches_at(line, at, token))
        .map(|token| token.chars().count())
        .max()
        // A bare at or dot is one only as a word of its own.
        .filter(|n| {
            let word = c.is_ascii_alphabetic();
            !word
                || (line.units[at].before != crate::fold::Break::None
                    && line
                        .units
                        .get(at + n)
                        .is_some_and(|next| next.before != crate::fold::Break::None))
        })
}

fn skip_signs(line: &Folded, from: usize, max: usize) -> usize {
    let n = line.units[from.min(line.units.len())..]
        .iter()
        .take(max)
        .take_while(|unit| {
            unit.script != Script::Letter && unit.script != Script::Digit && unit.c != '@'
        })
        .count();
    from + n
}

/// Where a domain that begins here ends: names with dots between, however these are said, and a known ending.
fn domain(line: &Folded, from: usize) -> Option<usize> {
    let mut at = from;
    let mut end = None;
    for n_labels in 0..6 {
        let label_from = at;
        while let Some(unit) = line.units.get(at) {
            let inside = unit.c.is_ascii_alphanumeric() || unit.c == '-';
            let spaced = at > label_from
                && unit.before != crate::fold::Break::None
                && line.units[at - 1].before == crate::fold::Break::None;
            let said = at > label_from && token(line, at, &["dot"]).is_some();
            if !inside || spaced || said || at - label_from >= 63 {
                break;
            }
            at += 1;
        }
        if at == label_from {
            break;
        }
        if n_labels > 0 {
            let label: String = line.units[label_from..at]
                .iter()
                .map(|unit| unit.c)
                .collect();
            let bare = label.trim_end_matches('-');
            if ENDINGS.contains(&bare) {
                end = Some(at - (label.len() - bare.len()));
            }
        } else if !line.units[label_from..at]
            .iter()
            .any(|unit| unit.c.is_ascii_alphabetic())
        {
            return None;
        }
        match token(line, at, &DOTS) {
            Some(n) => at += n,
            None => break,
        }
    }
    end
}

fn path_end(line: &Folded, from: usize) -> usize {
    let n = line.units[from.min(line.units.len())..]
        .iter()
        .enumerate()
        .take_while(|(n, unit)| {
            unit.c.is_ascii()
                && !matches!(unit.c, '"' | '<' | '>' | '(' | ')')
                && (*n == 0 && matches!(unit.c, '/' | '?' | '#' | ':') || *n > 0)
                && (unit.before == crate::fold::Break::None || *n < 2)
        })
        .count();
    from + n
}

fn is_public(line: &Folded, from: usize, to: usize, public: &Public, more: &[&str]) -> bool {
    let host: String = line.units[from..to].iter().map(|unit| unit.c).collect();
    let within = |domain: &str| {
        host == domain
            || host
                .strip_suffix(domain)
                .is_some_and(|rest| rest.ends_with('.'))
    };
    public.domains.iter().any(|domain| within(domain)) || more.iter().any(|domain| within(domain))
}
