//! From file, environment and flags to values, with every problem kept until all are known.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::{Bound, RangeBounds};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use toml::Value;

/// Variables with our prefix that are no settings: the file's own name, and what tests tell each other.
const NO_SETTINGS: [&str; 1] = ["ENGAWA_CONFIG"];
const NO_SETTINGS_PREFIX: &str = "ENGAWA_TEST_";

/// Settings from flags. They go before everything else.
#[derive(Clone, Debug, Default)]
pub struct Overrides(Vec<(String, String)>);

impl Overrides {
    /// Sets one by its dotted name, such as `limits.say_burst`. The value is written as in the environment.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// As [`Overrides::set`], for a flag that may be absent.
    pub fn set_if(&mut self, name: &str, value: Option<impl ToString>) -> &mut Self {
        if let Some(value) = value {
            self.set(name, value.to_string());
        }
        self
    }
}

/// Everything that is wrong with the settings, in plain English, one line each. Values are not quoted: some
/// are secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings are wrong: ")?;
        f.write_str(&self.0.join("; "))
    }
}

/// What was given for each name, and what was wrong with it. A name that nobody takes is unknown.
#[derive(Default)]
pub(super) struct Given {
    values: BTreeMap<String, (Value, String)>,
    known: Vec<&'static str>,
    problems: Vec<String>,
}

impl Given {
    pub(super) fn add_file(&mut self, path: &Path) {
        let from = path.display().to_string();
        match std::fs::read_to_string(path) {
            Err(error) => self
                .problems
                .push(format!("{from} cannot be read ({})", error.kind())),
            Ok(text) => match text.parse::<toml::Table>() {
                // The parser's own text would quote the line, which may hold a password.
                Err(error) => {
                    let at = error.span().map_or(0, |span| span.start);
                    let line = text[..at.min(text.len())].matches('\n').count() + 1;
                    self.problems.push(format!(
                        "{from}, line {line}, is not TOML ({})",
                        error.message()
                    ));
                }
                Ok(table) => self.add_table("", table, &from),
            },
        }
    }

    fn add_table(&mut self, prefix: &str, table: toml::Table, from: &str) {
        for (key, value) in table {
            let name = format!("{prefix}{key}");
            match value {
                Value::Table(inner) => self.add_table(&format!("{name}."), inner, from),
                value => {
                    self.values.insert(name, (value, from.to_owned()));
                }
            }
        }
    }

    /// Takes the variables that begin with `ENGAWA_`, and answers with systemd's folder of credentials.
    pub(super) fn add_environment(
        &mut self,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Option<PathBuf> {
        let mut credentials_folder = None;
        for (variable, value) in environment {
            if variable == "CREDENTIALS_DIRECTORY" {
                credentials_folder = Some(value.into());
                continue;
            }
            let ours = variable.strip_prefix("ENGAWA_").filter(|_| {
                !NO_SETTINGS.contains(&variable.as_str())
                    && !variable.starts_with(NO_SETTINGS_PREFIX)
            });
            if let Some(name) = ours {
                let name = name.to_ascii_lowercase().replace("__", ".");
                let from = format!("the variable {variable}");
                self.values.insert(name, (Value::String(value), from));
            }
        }
        credentials_folder
    }

    pub(super) fn add_flags(&mut self, flags: &Overrides) {
        for (name, value) in &flags.0 {
            let value = Value::String(value.clone());
            self.values
                .insert(name.clone(), (value, "a flag".to_owned()));
        }
    }

    /// The value of this name; `None` when it was not given, or was wrong, which is then kept as a problem.
    pub(super) fn take<T: Read>(&mut self, name: &'static str) -> Option<T> {
        self.known.push(name);
        let (value, from) = self.values.remove(name)?;
        // An empty variable is an unset one.
        if value.as_str() == Some("") {
            return None;
        }
        match T::read(&value) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problems.push(format!("{name} ({from}) {problem}"));
                None
            }
        }
    }

    /// As [`Given::take`], with a default, and bounds that a given value must keep.
    pub(super) fn take_within<T: Read + PartialOrd + fmt::Display + Copy>(
        &mut self,
        name: &'static str,
        default: T,
        bounds: impl RangeBounds<T>,
    ) -> T {
        match self.take(name) {
            Some(value) if bounds.contains(&value) => value,
            Some(_) => {
                let limit = |bound| match bound {
                    Bound::Included(limit) | Bound::Excluded(limit) => Some(limit),
                    Bound::Unbounded => None::<&T>,
                };
                if let (Some(least), Some(most)) =
                    (limit(bounds.start_bound()), limit(bounds.end_bound()))
                {
                    self.refuse(name, &format!("must be between {least} and {most}"));
                }
                default
            }
            None => default,
        }
    }

    #[cfg(test)]
    pub(super) fn n_known(&self) -> usize {
        self.known.len()
    }

    pub(super) fn refuse(&mut self, name: &str, problem: &str) {
        self.problems.push(format!("{name} {problem}"));
    }

    /// All problems, those with names that nobody took among them.
    pub(super) fn finish(&mut self) -> Result<(), Problems> {
        for (name, (_, from)) in std::mem::take(&mut self.values) {
            let nearest = self.known.iter().min_by_key(|known| distance(known, &name));
            self.problems.push(match nearest {
                Some(nearest) => {
                    format!("{name} ({from}) is unknown; the nearest name is {nearest}")
                }
                None => format!("{name} ({from}) is unknown"),
            });
        }
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(Problems(std::mem::take(&mut self.problems)))
        }
    }
}

/// How many letters must be put in, taken out or changed to come from one to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (a_idx, a_char) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], a_idx + 1);
        for (b_idx, b_char) in b.iter().enumerate() {
            let change = diagonal + usize::from(a_char != *b_char);
            diagonal = row[b_idx + 1];
            row[b_idx + 1] = change.min(diagonal + 1).min(row[b_idx] + 1);
        }
    }
    row[b.len()]
}

/// What can stand as the value of a setting. The problem completes a sentence that begins with the name.
pub(super) trait Read: Sized {
    fn read(value: &Value) -> Result<Self, String>;
}

impl Read for String {
    fn read(value: &Value) -> Result<Self, String> {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| "must be text".to_owned())
    }
}

impl Read for PathBuf {
    fn read(value: &Value) -> Result<Self, String> {
        String::read(value).map(Self::from)
    }
}

impl Read for SocketAddr {
    fn read(value: &Value) -> Result<Self, String> {
        String::read(value)?
            .parse()
            .map_err(|_| "must be an address with a port, such as 127.0.0.1:8080".to_owned())
    }
}

impl Read for IpNet {
    fn read(value: &Value) -> Result<Self, String> {
        let text = String::read(value)?;
        text.parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(Self::from))
            .map_err(|_| "must name networks, such as 10.0.0.0/8 or ::1".to_owned())
    }
}

impl<T: Read> Read for Vec<T> {
    /// A list, or in the environment text with commas.
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Array(items) => items.iter().map(T::read).collect(),
            Value::String(text) => text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| T::read(&Value::String(item.to_owned())))
                .collect(),
            _ => Err("must be a list".to_owned()),
        }
    }
}

impl Read for i64 {
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Integer(number) => Some(*number),
            Value::String(text) => text.trim().replace('_', "").parse().ok(),
            _ => None,
        }
        .ok_or_else(|| "must be a whole number".to_owned())
    }
}

impl Read for bool {
    /// As TOML has it, or in the environment as text.
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Boolean(yes) => Some(*yes),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
        .ok_or_else(|| "must be true or false".to_owned())
    }
}

macro_rules! read_number {
    ($($type:ty),*) => {$(
        impl Read for $type {
            fn read(value: &Value) -> Result<Self, String> {
                Self::try_from(i64::read(value)?)
                    .map_err(|_| "must be a whole number from 0, and not that large".to_owned())
            }
        }
    )*};
}
read_number!(u32, usize);
