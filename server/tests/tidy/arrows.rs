//! Which part may name which. Arrows point downwards only, so that a part can be understood, tested and changed
//! without those above it.

use super::source::{Source, shipped};

/// Features in their order: one may call those before it, never those after it.
const FEATURES: &[&str] = &[
    "audit",
    "alerts",
    "tally",
    "drafts",
    "identity",
    "gatherings",
    "rooms",
    "care",
    "consultation",
    "network",
    "programme",
    "reports",
    "retention",
];

/// What the rest of a part may name of the platform.
const PROTOCOL_MAY_NAME: &[&str] = &["clock", "ids"];

/// Macros of `platform/store` that stand at the crate's root, as exported macros do.
const STORE_MACROS: &[&str] = &["read", "on_tx", "statements", "on_both_engines"];

/// Why this module may not name that path, if it may not.
fn refusal(from: &[String], to: &[String]) -> Option<String> {
    let first = to.first().map(String::as_str)?;
    let second = to.get(1).map(String::as_str);
    if STORE_MACROS.contains(&first) {
        return (from[0] == "protocol").then(|| "the wire knows no store".to_owned());
    }
    let below = |parts: &[&str], why: &str| (!parts.contains(&first)).then(|| why.to_owned());
    match from.first().map(String::as_str)? {
        "platform" => below(&["platform"], "the platform knows no feature, no wire and no edge: every part stands on it"),
        "protocol" => match (first, second) {
            ("protocol", _) => None,
            ("platform", Some(part)) if PROTOCOL_MAY_NAME.contains(&part) => None,
            _ => Some("the wire is its enums and nothing else: of the platform it names clock and ids alone".into()),
        },
        "permit" => below(
            &["permit", "protocol", "platform"],
            "who may do what is one pure function: it knows roles and duties, no feature",
        ),
        "features" => {
            let own = from.get(1)?;
            if first != "features" {
                return below(
                    &["protocol", "permit", "platform"],
                    "a feature knows no edge: what has to go up is an event that app.rs wires",
                );
            }
            let other = second?;
            if other == own {
                return None;
            }
            let place = |name: &str| FEATURES.iter().position(|feature| *feature == name);
            match (place(own), place(other)) {
                (None, _) => Some(format!("the feature {own} has no place in the order of features: put it into FEATURES")),
                (_, None) => Some(format!("there is no feature {other}")),
                (Some(mine), Some(theirs)) if theirs > mine => Some(format!(
                    "{own} stands before {other}: news that must go up is an event that the lower one defines and app.rs wires"
                )),
                _ if to.iter().any(|part| part == "queries") => {
                    Some("another feature's queries are its own: call its mod.rs".into())
                }
                _ => None,
            }
        }
        "edge" => {
            if matches!(first, "app" | "cli") {
                Some("the edge is handed what it needs: only app.rs knows every part".into())
            } else if to.iter().any(|part| part == "queries") {
                Some("the edge asks a feature, never its queries".into())
            } else {
                None
            }
        }
        "app" => (first == "cli").then(|| "the command line starts the app, not the reverse".to_owned()),
        // cli/ and the crate's root stand above everything.
        _ => None,
    }
}

fn broken(source: &Source) -> Vec<String> {
    let from = source.module();
    if from.is_empty() {
        return Vec::new();
    }
    source
        .paths()
        .iter()
        .filter_map(|(at, to)| {
            let why = refusal(&from, to)?;
            Some(format!(
                "{}:{} names {}: {why}",
                source.path,
                source.line(*at),
                to.join("::")
            ))
        })
        .collect()
}

#[test]
fn arrows_point_downwards_only() {
    let broken: Vec<String> = shipped("server/src").iter().flat_map(broken).collect();
    assert!(
        broken.is_empty(),
        "a part names one that it must not know (ARCHITECTURE.md, arrows):\n{}",
        broken.join("\n")
    );
}

#[test]
fn the_arrows_are_really_read() {
    let may = |from: &str, to: &str| {
        let split = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
        refusal(&split(from), &split(to)).is_none()
    };
    assert!(may("features::rooms::task", "features::audit::append"));
    assert!(may("protocol::values", "platform::clock::Millis"));
    assert!(may("edge::ws", "features::rooms::Rooms"));
    assert!(may("cli", "app"));
    assert!(!may("features::audit", "features::rooms"));
    assert!(!may("features::rooms", "features::audit::queries::page"));
    assert!(!may("features::rooms", "edge::ws"));
    assert!(!may("features::unheard_of", "features::audit"));
    assert!(!may("platform::store", "protocol"));
    assert!(!may("protocol", "platform::store"));
    assert!(!may("permit", "features::rooms"));
    assert!(!may("edge::ws", "app"));
}

/// Rule files: plain data in, plain data out. Tested alone, with no runtime, store, web or clock.
const RULES: &[&str] = &[
    "server/src/permit.rs",
    "server/src/platform/calendar/",
    "server/src/features/audit/chain.rs",
    "server/src/features/care/",
    "server/src/features/identity/fold.rs",
    "server/src/features/identity/name.rs",
    "server/src/features/identity/recovery.rs",
    "server/src/features/identity/session.rs",
    "server/src/features/identity/totp.rs",
    "server/src/features/rooms/body.rs",
    "server/src/features/rooms/life.rs",
    "server/src/features/rooms/line.rs",
    "server/src/features/rooms/policy.rs",
    "server/src/features/rooms/room/",
];

#[test]
fn rules_are_plain_functions_without_async_sql_web_or_clock() {
    let shipped = shipped("server/src");
    let mut broken = Vec::new();
    for rule in RULES {
        let mut n_files = 0;
        for source in shipped
            .iter()
            .filter(|source| source.path.starts_with(rule))
        {
            n_files += 1;
            let forbidden = [
                (r"\btokio(_util)?::", "the runtime"),
                (r"\basync\b|\.await\b", "async"),
                (r"\b(axum|hyper|tower)(_\w+)?::", "the web"),
                (
                    r"\b(Clock|SystemClock)\b",
                    "a clock: take the time as an argument",
                ),
                (r"\bsqlx::", "SQL (deriving is no SQL)"),
                (r"\bplatform::store::(Db|Tx)\b", "the store"),
            ];
            for (pattern, what) in forbidden {
                let pattern = regex::Regex::new(pattern).expect("a pattern");
                for found in pattern.find_iter(&source.code) {
                    let line = source.line(found.start());
                    let text = source.code.lines().nth(line - 1).unwrap_or("");
                    if text.trim_start().starts_with("#[") {
                        continue;
                    }
                    broken.push(format!(
                        "{}:{line} has {what}: {}",
                        source.path,
                        text.trim()
                    ));
                }
            }
        }
        assert!(
            n_files > 0,
            "{rule} is in the list of rule files and is not there"
        );
    }
    assert!(
        broken.is_empty(),
        "a rule is a plain function of its arguments, so that it can be tested alone with thousands of cases:\n{}",
        broken.join("\n")
    );
}

#[test]
fn every_call_is_described() {
    // `routes!` takes the description with the handler; a plain route would not be in docs/api/openapi.json.
    let mut broken = Vec::new();
    for source in shipped("server/src/edge") {
        for (at, _) in source
            .strings
            .iter()
            .filter(|(_, string)| string.starts_with("/api/v1/"))
        {
            if source.code[..*at].trim_end().ends_with(".route(") {
                broken.push(format!("{}:{}", source.path, source.line(*at)));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "a call is routed by utoipa's routes!, so that docs/api/openapi.json has it:\n{}",
        broken.join("\n")
    );
}
