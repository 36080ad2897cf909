//! What must hold of any text.

use moderation::{Category, Context, Engine, Side, folded};
use proptest::prelude::*;
use std::sync::LazyLock;

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::built_in);

fn alone() -> Context<'static> {
    Context::new(Side::Tojisha)
}

/// Text as nobody types it, and pieces of text as people do.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => any::<char>().prop_map(String::from),
        4 => proptest::sample::select(vec![
            "し", "に", "た", "い", "死", "ね", "ー", "〜", "ぁ", "ゃ", "っ", "゛", "ﾞ", "ﾟ", "\u{3099}", "\u{200b}",
            "\u{20e3}", "\u{fe0f}", "◯", "〇", "□", "・", " ", "\n", "。", "！", "「", "」", "\"", "…", "@", ".", "-",
            "0", "9", "九", "れい", "L", "і", "ʟ", "力", "口", "二", "ﷺ", "㍿", "①", "🅰", "🇯🇵", "👨‍👩‍👧", "İ", "ß",
            "example.com", "https://", "090", "0123", "4567", "町", "丁目", "カ", "タ", "ヒ", "ｼ", "ﾆ",
        ]).prop_map(String::from),
        1 => "\\PC{0,12}",
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

const FAR: &str = "石が白くて丸くて、壁が四角くて、床が平らで、板が長くて、紐が細くて、箱が低くて、糸が赤くて、瓦が黒い";

/// Sentences with nothing in them.
fn harmless() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        proptest::sample::select(vec![
            "今日は雨が降っていました",
            "図書館で本を借りました",
            "猫が窓の外を見ています",
            "お茶をいれて飲みました",
            "新しい靴を買いました",
            "庭の花が咲いていました",
            "夕方に少し歩きました",
            "ラジオで古い曲が流れていました",
        ]),
        6..12,
    )
    // Far away is beyond what any guard looks at.
    .prop_map(|sentences| format!("{FAR}。{}。{FAR}", sentences.join("。")))
}

fn risk_lines() -> Vec<(String, Category)> {
    examples()
        .into_iter()
        .filter(|(_, category)| category.is_risk())
        .collect()
}

fn examples() -> Vec<(String, Category)> {
    ENGINE
        .rules()
        .iter()
        .filter(|rule| !rule.trial && !rule.hint && rule.side != Some(Side::Family))
        .flat_map(|rule| {
            rule.examples
                .must_match
                .iter()
                .map(|line| (line.clone(), rule.category))
        })
        .collect()
}

/// The highest risk that was found, whatever else was.
fn risk_of(line: &str) -> Category {
    ENGINE
        .assess(line, &alone())
        .findings
        .iter()
        .map(|finding| finding.category)
        .filter(|category| category.is_risk())
        .max()
        .unwrap_or(Category::Ok)
}

fn wide(line: &str) -> String {
    line.chars()
        .map(|c| match c {
            '!'..='~' => char::from_u32(c as u32 - 0x21 + 0xff01).unwrap_or(c),
            _ => c,
        })
        .collect()
}

fn katakana(line: &str) -> String {
    line.chars()
        .map(|c| match c {
            'ぁ'..='ゖ' => char::from_u32(c as u32 + 0x60).unwrap_or(c),
            _ => c,
        })
        .collect()
}

fn hiragana(line: &str) -> String {
    line.chars()
        .map(|c| match c {
            'ァ'..='ヶ' => char::from_u32(c as u32 - 0x60).unwrap_or(c),
            _ => c,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn spans_lie_on_characters_of_the_original(text in any_text(), recent in proptest::collection::vec(any_text(), 0..4)) {
        let recent: Vec<&str> = recent.iter().map(String::as_str).collect();
        let n = u32::try_from(text.chars().count()).expect("short");
        let assessment = ENGINE.assess(&text, &alone().after(&recent));
        for finding in assessment.findings.iter().chain(&assessment.trial) {
            for span in &finding.spans {
                prop_assert!(span.from < span.to && span.to <= n, "{finding:?} in {n}");
            }
        }
        prop_assert_eq!(assessment.action, assessment.category.action());
    }

    #[test]
    fn folding_twice_is_folding_once(text in any_text()) {
        let once = folded(&text);
        prop_assert_eq!(folded(&once), once);
    }

    #[test]
    fn the_same_line_gets_the_same_answer(text in any_text()) {
        prop_assert_eq!(ENGINE.assess(&text, &alone()), ENGINE.assess(&text, &alone()));
    }

    #[test]
    fn a_masked_line_passes(before in any_text(), after in any_text(), contact in proptest::sample::select(vec![
        "090-0123-4567", "example.com/abc", "komo.test@example.com", "〒950-0000 中央区さざなみ町4-5-6", "discord.gg/example0123",
    ])) {
        let line = format!("{before} {contact} {after}");
        let assessment = ENGINE.assess(&line, &alone());
        if let Some(masked) = ENGINE.masked(&line, &assessment, &alone()) {
            let again = ENGINE.assess(&masked, &alone());
            prop_assert!(matches!(again.action, moderation::Action::Pass | moderation::Action::Raise), "{masked}: {again:?}");
            prop_assert!(!masked.contains(contact), "{masked}");
        }
    }

    #[test]
    fn text_far_away_hides_no_risk(
        (line, category) in proptest::sample::select(risk_lines()),
        before in harmless(),
        after in harmless(),
    ) {
        // Judged against the line alone: an example may be outranked, but never lost.
        let alone = risk_of(&line);
        prop_assert!(risk_of(&format!("{before}。{line}")) >= alone, "{category:?}: {before}。{line}");
        prop_assert!(risk_of(&format!("{line}。{after}")) >= alone, "{line}。{after}");
        prop_assert!(risk_of(&format!("{before}\n{line}\n{after}")) >= alone, "{before}⏎{line}⏎{after}");
    }
}

/// Lines whose category another way of writing changes.
fn changed(by: impl Fn(&str) -> String) -> Vec<String> {
    examples()
        .into_iter()
        .filter_map(|(line, _)| {
            let other = by(&line);
            let (before, after) = (
                ENGINE.assess(&line, &alone()).category,
                ENGINE.assess(&other, &alone()).category,
            );
            (before != after).then(|| format!("{before:?} became {after:?}: {line} / {other}"))
        })
        .collect()
}

#[test]
fn width_and_case_do_not_change_the_category() {
    for by in [
        wide,
        |line: &str| line.to_uppercase(),
        |line: &str| line.to_lowercase(),
    ] {
        let changed = changed(by);
        assert!(changed.is_empty(), "{}", changed.join("\n"));
    }
}

#[test]
fn kana_do_not_change_the_category() {
    for by in [katakana, hiragana] {
        let changed = changed(by);
        assert!(changed.is_empty(), "{}", changed.join("\n"));
    }
}
