//! `web/types/wire.ts`: the browser's types, all in one file.

use std::collections::BTreeMap;

use engawa::protocol as wire;
use regex::Regex;
use ts_rs::{Config, TS, TypeVisitor};

use super::committed;

struct Collected {
    config: Config,
    by_name: BTreeMap<String, String>,
}

impl TypeVisitor for Collected {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // Primitives have no file of their own; what has one is a type of ours.
        if T::output_path().is_none() {
            return;
        }
        let name = T::ident(&self.config);
        if self.by_name.contains_key(&name) {
            return;
        }
        let docs = T::docs().unwrap_or_default();
        let text = format!("{docs}export {}\n", T::decl(&self.config));
        self.by_name.insert(name, text);
        T::visit_dependencies(self);
    }
}

/// Short comments on one line, one choice of a union a line: the file is read by people too.
fn tidy(text: &str) -> String {
    let comment = Regex::new(r"\n?/\*\*\n \* ?([^\n]*)\n \*/\n").expect("a pattern");
    let text = comment.replace_all(text, "\n  /** $1 */\n  ");
    let text = text
        .replace(", } | {", " }\n  | {")
        .replace(" } | {", " }\n  | {")
        .replace(", }", " }")
        .replace(", \n", ",\n");
    let after_ref = Regex::new(r#"(\} & \w+) \| \{"#).expect("a pattern");
    let mut text = text;
    // Twice: the matches of neighbours overlap.
    for _ in 0..2 {
        text = after_ref.replace_all(&text, "$1\n  | {").into_owned();
    }
    let spaces = Regex::new(r"[ \t]+\n").expect("a pattern");
    let text = spaces.replace_all(&text, "\n");
    let first = Regex::new(r"^\n?  (/\*\* [^\n]* \*/)\n  export").expect("a pattern");
    first.replace(&text, "$1\nexport").into_owned()
}

#[test]
fn the_types_of_the_browser_are_those_of_the_code() {
    let mut all = Collected {
        config: Config::new().with_large_int("number"),
        by_name: BTreeMap::new(),
    };
    all.visit::<wire::ClientFrame>();
    all.visit::<wire::ServerFrame>();
    all.visit::<wire::MakeHandle>();
    all.visit::<wire::MeOut>();
    all.visit::<wire::Recover>();
    all.visit::<wire::RecoveryOut>();
    all.visit::<wire::StaffLogin>();
    all.visit::<wire::GatheringOut>();
    let mut made = String::from(
        "// The wire's types, made from server/src/protocol by server/tests/contract. Do not edit: change the Rust, then\n\
         // run ENGAWA_TEST_UPDATE=1 cargo test -p engawa --test contract.\n",
    );
    for text in all.by_name.values() {
        made.push('\n');
        made.push_str(&tidy(text));
    }
    committed::assert_same("web/types/wire.ts", &made);
}
