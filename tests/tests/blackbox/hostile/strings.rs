//! Hostile strings: what is said comes back as the contract normalises it, on every way there is to read it, and on a
//! page as text.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use engawa_tests::{Db, House, Node, Person, Socket, on_both, tell};
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use super::corpora::naughty_strings;
use super::stage::log_is_calm;

on_both!(a_hostile_string_comes_back_as_text_on_every_way_there_is_to_read_it);

/// A page shows the newest 50 lines; it is looked at before one of these is beyond it.
const LINES_A_PAGE: usize = 40;
/// Of a content note, in Unicode scalar values.
const NOTE_CHARS_MAX: usize = 60;

/// What the contract makes of a body (`protocol.md`, Sending); nothing where nothing is left. Written down here a second
/// time on purpose: it is the promise, not the code.
fn normalised(text: &str) -> Option<String> {
    let is_taken_out = |c: &char| {
        (c.is_control() && *c != '\n')
            || ('\u{202A}'..='\u{202E}').contains(c)
            || ('\u{2066}'..='\u{2069}').contains(c)
    };
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let text: String = text.chars().filter(|c| !is_taken_out(c)).nfc().collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// What HTML makes of a text, in the two spellings there are of it.
fn escaped(text: &str) -> [String; 2] {
    let with = |names: [&str; 5]| {
        let mut escaped = text.replace('&', names[0]);
        for (raw, name) in ['<', '>', '"', '\''].iter().zip(&names[1..]) {
            escaped = escaped.replace(*raw, name);
        }
        escaped
    };
    [
        with(["&#38;", "&#60;", "&#62;", "&#34;", "&#39;"]),
        with(["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"]),
    ]
}

/// What is shown of a line on a page.
fn shown(page: &str, seq: u64) -> Result<&str> {
    page.split_once(&format!(" id=\"s{seq}\""))
        .and_then(|(_, rest)| rest.split_once("<p class=\"said\">"))
        .and_then(|(_, rest)| rest.split_once("</p>"))
        .map(|(body, _)| body)
        .with_context(|| format!("line {seq} on the page"))
}

struct Kept {
    body: String,
    note: Option<String>,
}

async fn a_hostile_string_comes_back_as_text_on_every_way_there_is_to_read_it(
    db: Db,
) -> Result<()> {
    let strings = naughty_strings()?;
    let house = House::new(db)
        .await?
        .with("limits.bad_frames_per_minute = 100000")?;
    let node = house.start().await?;
    let room = node.room().to_owned();
    let mut writer = node.tojisha("かくひと").await?.enter(&room).await?;
    let reader = node.tojisha("よむひと").await?;
    let mut second = reader.enter(&room).await?;
    let mut kept: BTreeMap<u64, Kept> = BTreeMap::new();
    let n_scripts_before = on_the_page(&reader, &room, &kept).await?;
    let mut n_refused = 0;
    for (idx, text) in strings.iter().enumerate() {
        let told = || format!("string {idx}: {text:?}");
        let key = format!("s-{idx}");
        // Where it is short enough it is the content note, too.
        let note = (text.chars().count() <= NOTE_CHARS_MAX).then_some(text);
        let mut frame = json!({"type": "say", "room": room, "key": key, "body": text});
        if let Some(note) = note {
            frame["note"] = note.as_str().into();
        }
        writer.send(&frame).await?;
        match normalised(text) {
            Some(body) => {
                let acked = writer.answer(&key).await.with_context(told)?;
                ensure!(acked["type"] == "acked", "{}: {acked}", told());
                let seq = acked["seq"].as_u64().context("a seq")?;
                let note = note.and_then(|note| normalised(&note.replace(['\n', '\r'], " ")));
                let line = Kept { body, note };
                same(&writer.of_type("said").await?, &line).with_context(told)?;
                same(&second.of_type("said").await?, &line)
                    .with_context(|| format!("a second member, {}", told()))?;
                kept.insert(seq, line);
            }
            None => {
                let refused = writer.refused().await.with_context(told)?;
                ensure!(
                    refused["code"] == "bad_frame" && refused["key"] == key.as_str(),
                    "{}: {refused}",
                    told()
                );
                n_refused += 1;
            }
        }
        if (idx + 1) % LINES_A_PAGE == 0 || idx + 1 == strings.len() {
            let n_scripts_now = on_the_page(&reader, &room, &kept).await?;
            ensure!(
                n_scripts_now == n_scripts_before,
                "{n_scripts_now} scripts on the page, {n_scripts_before} before anybody spoke"
            );
        }
    }
    ensure!(
        kept.len() + n_refused == strings.len() && n_refused < 30,
        "{n_refused} of {} refused",
        strings.len()
    );
    after_coming_back(&reader, &room, &kept).await?;
    let n_by_form = by_form(&node, &room, &strings, &mut second).await?;
    let (n_worn, n_not_worn) = as_names(&node, &strings).await?;
    log_is_calm(&house)?;
    tell(&format!(
        "show: hostile strings {}: {} said and read back by socket, second member, history and page, {n_refused} refused bad_frame; {n_by_form} by form; as names {n_worn} worn, {n_not_worn} refused bad_name",
        db.name(),
        kept.len()
    ));
    Ok(())
}

fn same(frame: &Value, line: &Kept) -> Result<()> {
    ensure!(
        frame["body"] == line.body.as_str(),
        "the body is {:?}, not {:?}",
        frame["body"],
        line.body
    );
    ensure!(
        frame.get("note").and_then(Value::as_str) == line.note.as_deref(),
        "the note is {:?}, not {:?}",
        frame.get("note"),
        line.note
    );
    Ok(())
}

/// The page without script has the newest lines as text.
async fn on_the_page(reader: &Person, room: &str, kept: &BTreeMap<u64, Kept>) -> Result<usize> {
    let page = reader
        .http
        .get(&format!("/r/{room}"))
        .await?
        .is(200)?
        .text();
    for (seq, line) in kept.iter().rev().take(LINES_A_PAGE) {
        let shown = shown(&page, *seq)?;
        ensure!(
            escaped(&line.body).iter().any(|fit| fit == shown),
            "line {seq} stands there as {shown:?}, said was {:?}",
            line.body
        );
        if let Some(note) = &line.note {
            let before = page
                .split_once(&format!(" id=\"s{seq}\""))
                .and_then(|(_, rest)| rest.split_once("<p class=\"said\">"))
                .map_or("", |(before, _)| before);
            ensure!(
                escaped(note).iter().any(|fit| before.contains(fit)),
                "the note of line {seq} is not there: {note:?}"
            );
        }
    }
    Ok(n_scripts(&page))
}

/// Where a page could run something.
fn n_scripts(page: &str) -> usize {
    let page = page.to_lowercase();
    ["<script", "<iframe", "<object", "<embed", "<img"]
        .iter()
        .map(|mark| page.matches(mark).count())
        .sum()
}

/// A new socket that comes back from the beginning gets every line as it was.
async fn after_coming_back(reader: &Person, room: &str, kept: &BTreeMap<u64, Kept>) -> Result<()> {
    let mut socket = reader.connect().await?;
    let entered = socket.enter_with(json!({"room": room, "after": 0})).await?;
    let last = *kept.keys().last().context("lines were kept")?;
    let mut lines: BTreeMap<u64, Value> = BTreeMap::new();
    let mut take = |frame: &Value| {
        if let (Some("said"), Some(seq)) = (frame["type"].as_str(), frame["seq"].as_u64()) {
            lines.insert(seq, frame.clone());
        }
    };
    entered["messages"]
        .as_array()
        .context("messages")?
        .iter()
        .for_each(&mut take);
    while socket.view(room)?.last_seq() < last {
        take(&socket.next().await?);
    }
    for (seq, line) in kept {
        let came = lines
            .get(seq)
            .with_context(|| format!("line {seq} after coming back"))?;
        same(came, line).with_context(|| format!("line {seq} after coming back"))?;
    }
    Ok(())
}

/// Said by a form, each is heard as the same text, or the page keeps what was typed.
async fn by_form(
    node: &Node,
    room: &str,
    strings: &[String],
    reader: &mut Socket,
) -> Result<usize> {
    let mut person = node.tojisha("かたちから").await?;
    let say = format!("/r/{room}/say");
    let mut n_said = 0;
    for (idx, text) in strings.iter().enumerate() {
        let key = format!("f-{idx}");
        let answer = person
            .http
            .form(&say, &[("body", text), ("key", &key)])
            .await?;
        match normalised(text) {
            Some(body) => {
                ensure!(answer.status == 303, "string {idx}: {}", answer.status);
                let said = reader.of_type("said").await?;
                ensure!(said["body"] == body.as_str(), "string {idx}: {said}");
                n_said += 1;
            }
            None => ensure!(answer.status == 400, "string {idx}: {}", answer.status),
        }
        // A key that is none: the page comes back with the text, and as text.
        let refused = person
            .http
            .form(&say, &[("body", text), ("key", "no key")])
            .await?;
        ensure!(refused.status == 400, "string {idx}: {}", refused.status);
        let page = refused.text();
        let kept = page
            .split_once("<textarea")
            .and_then(|(_, rest)| rest.split_once('>'))
            .and_then(|(_, rest)| rest.split_once("</textarea>"))
            .map(|(kept, _)| kept)
            .context("a field with the text")?;
        ensure!(
            escaped(text)
                .iter()
                .any(|fit| fit == kept.trim_start_matches('\n'))
                || escaped(text).iter().any(|fit| fit == kept),
            "string {idx}: {text:?} is kept as {kept:?}"
        );
    }
    Ok(n_said)
}

/// As a name each is worn as it is told, or refused as one that cannot be worn.
async fn as_names(node: &Node, strings: &[String]) -> Result<(usize, usize)> {
    let (mut n_worn, mut n_not_worn) = (0, 0);
    for (idx, text) in strings.iter().enumerate() {
        let mut http = node.client();
        let answer = http
            .post(
                "/api/v1/handles",
                &json!({"name": text, "standing": "tojisha"}),
            )
            .await?;
        if answer.status == 422 {
            answer
                .is_problem(422, "bad_name")
                .with_context(|| format!("string {idx}: {text:?}"))?;
            n_not_worn += 1;
            continue;
        }
        let name = answer.is(201)?.json()?["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let n_chars = name.chars().count();
        ensure!((1..=16).contains(&n_chars), "string {idx}: {name:?}");
        let page = http.get("/me").await?.is(200)?.text();
        ensure!(
            escaped(&name).iter().any(|fit| page.contains(fit)),
            "string {idx}: {name:?} is not on the page of the one who wears it"
        );
        let raw_is_told = name.contains(['<', '>']) && page.contains(&name);
        ensure!(
            !raw_is_told,
            "string {idx}: {name:?} stands on a page as markup"
        );
        n_worn += 1;
    }
    Ok((n_worn, n_not_worn))
}
