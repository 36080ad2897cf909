//! もどるための言葉.

use engawa_tests::{Db, House, Node, on_both};
use serde_json::{Value, json};

async fn try_words(node: &Node, words: &str) -> anyhow::Result<engawa_tests::Answer> {
    node.client()
        .post("/api/v1/handles/recover", &json!({"recovery_code": words}))
        .await
}

/// ひらがな to カタカナ.
fn katakana(text: &str) -> String {
    text.chars()
        .map(|c| {
            if ('ぁ'..='ゖ').contains(&c) {
                char::from_u32(c as u32 + 0x60).unwrap_or(c)
            } else {
                c
            }
        })
        .collect()
}

/// Voiced kana as base and combining mark, as some phones paste them.
fn decomposed(text: &str) -> String {
    let dakuten = "がぎぐげござじずぜぞだぢづでどばびぶべぼ";
    let handakuten = "ぱぴぷぺぽ";
    let mut out = String::new();
    for c in text.chars() {
        let code = c as u32;
        if dakuten.contains(c) {
            out.push(char::from_u32(code - 1).unwrap_or(c));
            out.push('\u{3099}');
        } else if handakuten.contains(c) {
            out.push(char::from_u32(code - 2).unwrap_or(c));
            out.push('\u{309a}');
        } else {
            out.push(c);
        }
    }
    out
}

/// Half-width katakana: their code points stand in one row, from ヲ on.
fn half_width(text: &str) -> String {
    let row = "ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン\u{3099}\u{309a}";
    let half = |c: char| {
        row.chars()
            .zip('\u{ff66}'..)
            .find(|(full, _)| *full == c)
            .map_or(c, |(_, half)| half)
    };
    katakana(&decomposed(text)).chars().map(half).collect()
}

on_both!(
    p11_eight_kana_words_bring_a_handle_back_however_they_are_typed,
    new_words_end_the_old_ones,
    p3_wrong_words_and_unknown_words_are_answered_alike,
    tries_to_come_back_have_a_rate,
);

async fn p11_eight_kana_words_bring_a_handle_back_however_they_are_typed(
    db: Db,
) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut person = node.tojisha("もどるひと").await?;
    let made = person
        .http
        .post_empty("/api/v1/me/recovery")
        .await?
        .is(201)?
        .json()?;
    let code = made["recovery_code"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let words: Vec<&str> = code.split_whitespace().collect();
    assert_eq!(words.len(), 8, "{} words", words.len());
    assert!(
        words.iter().all(|word| word
            .chars()
            .all(|c| ('ぁ'..='ゖ').contains(&c) || c == 'ー')),
        "kana only"
    );
    let forms = [
        code.clone(),
        katakana(&code),
        words.join("\u{3000}"),
        words.join("  \n "),
        format!("  {code}\t"),
        words.concat(),
        decomposed(&code),
        half_width(&code),
        katakana(&decomposed(&words.join("\u{3000}"))),
    ];
    for form in forms {
        let mut http = node.client();
        let back = http
            .post("/api/v1/handles/recover", &json!({"recovery_code": form}))
            .await?;
        anyhow::ensure!(
            back.status == 200,
            "a form of the words is not understood: {}",
            back.text()
        );
        assert_eq!(back.json()?, person.me, "200 as for making a handle");
        assert_ne!(http.session(), person.http.session(), "a new cookie");
        assert_eq!(http.get("/api/v1/me").await?.json()?["id"], person.me["id"]);
    }
    person.http.get("/api/v1/me").await?.is(200)?;
    Ok(())
}

async fn new_words_end_the_old_ones(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut person = node.tojisha("あたらしく").await?;
    let old = person
        .http
        .post_empty("/api/v1/me/recovery")
        .await?
        .is(201)?
        .json()?["recovery_code"]
        .clone();
    let new = person
        .http
        .post_empty("/api/v1/me/recovery")
        .await?
        .is(201)?
        .json()?["recovery_code"]
        .clone();
    assert_ne!(old, new);
    try_words(&node, old.as_str().unwrap_or_default())
        .await?
        .is_problem(401, "bad_login")?;
    try_words(&node, new.as_str().unwrap_or_default())
        .await?
        .is(200)?;
    Ok(())
}

async fn p3_wrong_words_and_unknown_words_are_answered_alike(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut person = node.tojisha("ためす").await?;
    let code = person
        .http
        .post_empty("/api/v1/me/recovery")
        .await?
        .is(201)?
        .json()?["recovery_code"]
        .clone();
    let mut words: Vec<&str> = code
        .as_str()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    words.swap(0, 1);
    let mut answers: Vec<Value> = Vec::new();
    for tried in [
        words.join(" "),
        "そんなことば".to_owned(),
        "abc".to_owned(),
        words[..7].join(" "),
    ] {
        answers.push(
            try_words(&node, &tried)
                .await?
                .is_problem(401, "bad_login")?,
        );
    }
    if words[0] != words[1] {
        assert!(
            answers.windows(2).all(|pair| pair[0] == pair[1]),
            "{answers:?}"
        );
    }
    node.client()
        .post("/api/v1/handles/recover", &json!({}))
        .await?
        .is_problem(400, "bad_request")?;
    Ok(())
}

async fn tries_to_come_back_have_a_rate(db: Db) -> anyhow::Result<()> {
    let house = House::new(db)
        .await?
        .with("limits.recover_burst = 3\nlimits.recover_interval_ms = 600000")?;
    let node = house.start().await?;
    for _ in 0..3 {
        try_words(&node, "あ い う え お か き く")
            .await?
            .is_problem(401, "bad_login")?;
    }
    let refused = try_words(&node, "あ い う え お か き く").await?;
    refused.is_problem(429, "too_fast")?;
    assert!(refused.header("retry-after").parse::<u64>().is_ok());
    Ok(())
}
