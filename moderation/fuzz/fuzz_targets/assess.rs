//! Any bytes as a line after other lines: no panic, places in bounds, the masked version passes.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use moderation::{Action, Context, Engine, Side, folded};

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::built_in);

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut parts: Vec<&str> = text.split('\u{1}').collect();
    let line = parts.pop().unwrap_or("");
    let context = Context::new(Side::Family).after(&parts);
    let assessment = ENGINE.assess(line, &context);
    let n = u32::try_from(line.chars().count()).expect("a fuzzer's line is short");
    for span in assessment
        .findings
        .iter()
        .flat_map(|finding| &finding.spans)
    {
        assert!(span.from < span.to && span.to <= n, "{span:?} of {n}");
    }
    let once = folded(line);
    assert_eq!(folded(&once), once);
    if let Some(masked) = ENGINE.masked(line, &assessment, &context) {
        assert!(matches!(
            ENGINE.assess(&masked, &context).action,
            Action::Pass | Action::Raise
        ));
    }
});
