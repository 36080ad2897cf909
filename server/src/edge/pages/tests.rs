//! What holds for all pages: keys, words, weight, contrast, and the markup that the policy asks for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn web(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../web")
        .join(path)
}

fn files(folder: &Path, ends: &str, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, ends, into);
        } else if path.to_string_lossy().ends_with(ends) {
            into.push(path);
        }
    }
}

/// Every page with its path, as samples.
pub(crate) fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("foyer", foyer::Foyer::sample().html()),
        ("sample", sample::Sample::invented().html()),
        ("enter", enter::Enter::sample().html()),
        ("back", enter::Back::sample().html()),
        ("room", room::Room::sample().html()),
        ("room-card", room::Room::sample_with_card().html()),
        ("room-asked", room::Room::sample_asked().html()),
        ("room-held", room::Room::sample_held().html()),
        ("room-duty", room::Room::sample_on_duty().html()),
        ("words", room::Words::sample().html()),
        ("waiting", room::Waiting::sample().html()),
        ("me", me::Me::sample().html()),
        ("remove", me::Remove::sample().html()),
        ("about", still::About::sample().html()),
        ("rules", still::Rules::sample().html()),
        ("kept", still::Kept::sample().html()),
        ("now", now::Now::sample().html()),
        ("look", still::LookPage::sample().html()),
        ("hidden", still::Hidden::sample().html()),
        ("erase", still::Erase::sample().html()),
        ("problem", problem::Problem::sample().html()),
        ("login", staff::Login::sample().html()),
        ("slips", slips::Slips::sample().html()),
        ("slip-sheet", slips::Sheet::sample().html()),
        ("enter-slip", enter::Enter::sample_slip().html()),
        ("days", days::Days::sample().html()),
        ("days-none", days::Days::sample_empty().html()),
        ("keep", keep::Keep::sample().html()),
        ("today", staff::Today::sample().html()),
        ("today-quiet", staff::Today::sample_quiet().html()),
        ("lines", help_lines::HelpLinesPage::sample().html()),
        ("first", staff::First::sample().html()),
        ("demo", demo::Demo::sample().html()),
        ("styleguide", demo::Styleguide::sample().html()),
    ]
}

/// A page without the addresses of links that say nothing of where one comes from.
fn without_chosen_links(html: &str) -> String {
    let mut rest = html;
    let mut bare = String::with_capacity(html.len());
    while let Some((before, after)) = rest.split_once("<a class=\"way\" href=\"https://") {
        bare.push_str(before);
        let (_, tail) = after.split_once('"').expect("an attribute ends");
        rest = tail
            .strip_prefix(" rel=\"noreferrer noopener\"")
            .unwrap_or("https://");
    }
    bare.push_str(rest);
    bare
}

#[test]
fn every_page_is_neutral_and_has_no_inline_style_or_script() {
    for (name, html) in pages() {
        assert!(html.contains("<title>メモ</title>"), "{name}");
        assert!(html.contains("<html lang=\"ja\""), "{name}");
        assert!(
            html.contains("<meta name=\"robots\" content=\"noindex\">"),
            "{name}"
        );
        assert!(
            html.contains("<meta name=\"referrer\" content=\"same-origin\">"),
            "{name}"
        );
        assert!(!html.contains(" style="), "{name}");
        assert!(!html.contains("<style"), "{name}");
        assert!(!html.contains("javascript:"), "{name}");
        // A help line elsewhere is a link that a person chooses, and it does not tell where they come from.
        let html = without_chosen_links(&html);
        assert!(
            !html.contains("http://") && !html.contains("https://"),
            "{name}"
        );
        assert!(!html.contains("data:"), "{name}");
        for (at, _) in html.match_indices("<script") {
            assert!(
                html[at..].starts_with("<script type=\"module\" src=\"/a/"),
                "{name}"
            );
        }
        for (at, _) in html.match_indices(" on") {
            let rest = &html[at + 1..];
            let attribute: String = rest
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            assert!(
                !rest[attribute.len()..].starts_with('='),
                "{name}: {attribute}"
            );
        }
    }
}

#[test]
fn every_page_but_the_harmless_one_has_help_hiding_and_the_foot() {
    for (name, html) in pages() {
        if name != "hidden" {
            assert!(html.contains("href=\"/now\""), "{name}");
            assert!(html.contains("action=\"/m\""), "{name}");
            assert!(html.contains("href=\"/x\""), "{name}");
            assert!(html.contains("class=\"skip\""), "{name}");
            assert_eq!(html.matches("<h1").count(), 1, "{name}");
            assert!(html.contains("id=\"main\""), "{name}");
        }
    }
}

#[test]
fn what_people_wrote_is_text() {
    let evil = "<img src=x onerror=alert(1)>\"'&";
    let mut room = room::Room::sample();
    room.title = evil.into();
    room.my_name = evil.into();
    room.draft = evil.into();
    if let Some(lines::Entry::Line(line)) = room.lines.get_mut(1) {
        line.body = evil.into();
        line.note = Some(evil.into());
    }
    let html = room.html();
    assert!(!html.contains("<img"), "{html}");
    assert!(!html.contains("\"'&"));
}

/// Strings in double or single quotes that look like keys of the catalogue.
fn keys_in(source: &str, parts: &BTreeSet<String>) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for quote in ['"', '\''] {
        for piece in source.split(quote) {
            let key = piece.len() < 60
                && piece
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '_')
                && piece
                    .split_once('.')
                    .is_some_and(|(part, rest)| parts.contains(part) && !rest.is_empty());
            let file = [".js", ".css", ".json", ".html", ".svg"]
                .iter()
                .any(|end| piece.ends_with(end));
            if key && !file && !piece.ends_with('.') {
                keys.insert(piece.to_owned());
            }
        }
    }
    keys
}

#[test]
fn every_key_that_is_used_has_a_text() {
    let parts: BTreeSet<String> = texts::all()
        .keys()
        .filter_map(|key| Some(key.split_once('.')?.0.to_owned()))
        .collect();
    let mut sources = Vec::new();
    files(&web("templates"), ".html", &mut sources);
    files(&web("js"), ".js", &mut sources);
    files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src/edge/pages"),
        ".rs",
        &mut sources,
    );
    let mut used = BTreeSet::new();
    for path in sources {
        let source = fs::read_to_string(&path).expect("a source is text");
        for key in keys_in(&source, &parts) {
            assert!(
                texts::has(&key),
                "{} uses {key}, which has no text",
                path.display()
            );
            used.insert(key);
        }
    }
    assert!(used.len() > 200, "the walk finds the keys: {}", used.len());
}

#[test]
fn every_value_of_the_wire_has_words() {
    for key in values::keys_of_the_wire() {
        assert!(texts::has(&key), "{key}");
    }
    for kind in Kind::ALL {
        for audience in Audience::ALL {
            assert!(texts::has(&kind_key(kind, audience)));
        }
    }
}

#[test]
fn every_refusal_and_problem_of_the_protocol_has_words() {
    for code in crate::protocol::RefusalCode::ALL {
        let code = code.as_str();
        assert!(texts::has(&format!("refused.{code}")), "{code}");
    }
    for code in [
        "bad_request",
        "no_session",
        "bad_login",
        "wrong_origin",
        "not_allowed",
        "not_found",
        "bad_name",
        "bad_slip",
        "too_fast",
        "not_yet",
        "busy",
    ] {
        for part in ["head.", "", "do."] {
            assert!(texts::has(&format!("problem.{part}{code}")), "{part}{code}");
        }
    }
}

#[test]
fn no_text_uses_a_word_that_hurts() {
    let never = [
        "見守り",
        "当番",
        "支援してあげる",
        "回復",
        "克服",
        "脱出",
        "社会復帰",
        "卒業",
        "一歩",
        "ご安心ください",
        "ましょう",
        "大丈夫",
        "違反",
        "不正",
        "禁止",
        "指導",
        "BAN",
        "！",
        "!",
        "必須",
        "エラー",
    ];
    for (key, text) in texts::all() {
        for word in never {
            assert!(!text.contains(word), "{key}: {word}");
        }
        for sentence in text.split(['。', '\n']) {
            assert!(
                sentence.chars().count() <= 48,
                "{key} has a long sentence: {sentence}"
            );
        }
    }
}

#[test]
fn places_are_filled_and_only_known_ones() {
    assert_eq!(texts::fill("enter.go", &[]), texts::t("enter.go"));
    assert_eq!(texts::fill("live.left", &[("n", "12")]), "あと12文字です。");
    for (key, text) in texts::all() {
        assert_eq!(
            text.matches('{').count(),
            text.matches('}').count(),
            "{key}"
        );
    }
}

/// What a file weighs over the wire.
fn packed(bytes: &[u8]) -> usize {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    gzip.write_all(bytes).expect("a Vec takes everything");
    gzip.finish().expect("a Vec takes everything").len()
}

#[test]
fn p11_a_first_visit_to_the_room_weighs_less_than_half_of_a_hundred_kilobytes() {
    let mut weight = packed(room::Room::sample().html().as_bytes());
    for asset in assets::all() {
        weight += packed(&asset.bytes);
    }
    assert!(weight <= 50 * 1024, "{weight} bytes");
}

#[test]
fn drawings_are_small_and_the_sheet_is_old_enough() {
    let mut drawings = Vec::new();
    files(&web("draw"), ".svg", &mut drawings);
    for path in drawings {
        assert!(
            fs::metadata(&path).expect("a file").len() < 2048,
            "{}",
            path.display()
        );
    }
    let css = fs::read_to_string(web("css/look.css")).expect("the sheet");
    for new in [
        ":has(",
        ":is(",
        ":where(",
        "inset:",
        "aspect-ratio",
        "@container",
        "@layer",
        " gap:",
        "dvh",
        "url(",
    ] {
        assert!(!css.contains(new), "{new}");
    }
}

mod contrast {
    use super::*;

    type Row = (&'static str, [[u32; 3]; 3]);

    /// The table of the look: contrast on bg, lit and wood, times ten, rounded down; light, dim, dark.
    const TABLE: [Row; 8] = [
        ("ink", [[129, 142, 107], [94, 80, 80], [117, 105, 101]]),
        ("ink2", [[62, 68, 51], [70, 59, 59], [72, 65, 62]]),
        ("name", [[74, 81, 61], [73, 61, 62], [84, 76, 73]]),
        ("link", [[81, 88, 67], [73, 62, 62], [86, 77, 74]]),
        ("red", [[68, 74, 56], [72, 61, 61], [83, 75, 72]]),
        ("edge", [[42, 46, 34], [48, 40, 40], [45, 40, 39]]),
        ("lamp", [[41, 45, 34], [65, 55, 55], [82, 74, 71]]),
        ("focus", [[81, 88, 67], [65, 55, 55], [82, 74, 71]]),
    ];
    const HEX: [(&str, [&str; 3]); 16] = [
        ("bg", ["#F0F1EC", "#343B41", "#13171A"]),
        ("lit", ["#FBFBF8", "#3E464C", "#1C2124"]),
        ("wood", ["#DFDCD2", "#4A443B", "#26231F"]),
        ("line", ["#CBCCC3", "#4B545A", "#2B3134"]),
        ("halo", ["#F2DCA6", "#8C642F", "#5E431D"]),
        ("mark", ["#F0DDAA", "#66531F", "#4A3C18"]),
        ("act", ["#2A3335", "#E8DFCA", "#CDC5B1"]),
        ("ink", ["#23292B", "#F0EADC", "#D5D0C3"]),
        ("ink2", ["#525A5B", "#CFCCC1", "#A5A599"]),
        ("name", ["#5E4A30", "#E3CDA3", "#C8AE83"]),
        ("link", ["#1D4C66", "#B4D5E7", "#92B9CF"]),
        ("red", ["#9E2419", "#FFBFB2", "#F29A8A"]),
        ("edge", ["#6E746F", "#A3AAA8", "#7A817C"]),
        ("lamp", ["#A8620C", "#F2BC62", "#DFA548"]),
        ("focus", ["#1D4C66", "#F2BC62", "#DFA548"]),
        ("act-ink", ["#FBFBF8", "#23292B", "#13171A"]),
    ];

    fn tokens(css: &str, selector: &str) -> Vec<(String, String)> {
        let at = css
            .find(selector)
            .unwrap_or_else(|| panic!("{selector} is in the sheet"));
        let block = css[at..]
            .split_once('{')
            .expect("a block")
            .1
            .split_once('}')
            .expect("its end")
            .0;
        block
            .split(';')
            .filter_map(|declaration| declaration.trim().strip_prefix("--")?.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn hex(tokens: &[(String, String)], name: &str) -> String {
        tokens
            .iter()
            .find(|(token, _)| token == name)
            .unwrap_or_else(|| panic!("--{name}"))
            .1
            .clone()
    }

    fn light(hex: &str) -> f64 {
        let part = |from: usize| {
            let value =
                f64::from(u8::from_str_radix(&hex[from..from + 2], 16).expect("two hex digits"))
                    / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    }

    fn ratio(one: &str, other: &str) -> f64 {
        let (one, other) = (light(one), light(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    fn tenths(one: &str, other: &str) -> u32 {
        (1..=210)
            .rev()
            .find(|tenths| f64::from(*tenths) <= ratio(one, other) * 10.0)
            .unwrap_or(0)
    }

    #[test]
    fn colours_are_those_of_the_table_and_have_its_contrast() {
        let css = fs::read_to_string(web("css/look.css")).expect("the sheet");
        let themes = [
            tokens(&css, ":root, [data-theme=\"light\"]"),
            tokens(&css, "[data-theme=\"dim\"]"),
            tokens(&css, "[data-theme=\"dark\"]"),
        ];
        assert_eq!(
            themes[1],
            tokens(&css, ":root:not([data-theme])"),
            "the device's dark is dim"
        );
        for (name, values) in HEX {
            for (theme, value) in themes.iter().zip(values) {
                assert_eq!(hex(theme, name), value, "{name}");
            }
        }
        for (name, figures) in TABLE {
            let least = if ["edge", "lamp", "focus"].contains(&name) {
                30
            } else {
                45
            };
            for (theme, figures) in themes.iter().zip(figures) {
                for (ground, figure) in ["bg", "lit", "wood"].iter().zip(figures) {
                    let found = tenths(&hex(theme, name), &hex(theme, ground));
                    assert_eq!(found, figure, "{name} on {ground}");
                    assert!(found >= least, "{name} on {ground}: {found}");
                }
            }
        }
        for (theme, figures) in themes.iter().zip([
            [110, 125, 114, 125, 94],
            [62, 111, 86, 72, 73],
            [70, 105, 105, 95, 91],
        ]) {
            let (ink, act) = (hex(theme, "ink"), hex(theme, "act"));
            let found = [
                ratio(&ink, &hex(theme, "mark")),
                ratio(&hex(theme, "act-ink"), &act),
                ratio(&act, &hex(theme, "bg")),
                ratio(&act, &hex(theme, "lit")),
                ratio(&act, &hex(theme, "wood")),
            ];
            // These columns of the look's table are rounded to the nearest tenth, not down.
            for (found, figure) in found.iter().zip(figures) {
                assert!(
                    (found * 10.0 - f64::from(figure)).abs() <= 0.5,
                    "{found}, not {figure}"
                );
                assert!(*found >= 4.5);
            }
        }
    }
}

/// Writes every sample page and asset into the folder `ENGAWA_PAGES_OUT`, for looking at them in a browser.
#[test]
fn samples_can_be_written_out() {
    let Ok(out) = std::env::var("ENGAWA_PAGES_OUT") else {
        return;
    };
    let out = PathBuf::from(out);
    for (name, html) in pages() {
        fs::create_dir_all(&out).expect("a folder");
        fs::write(out.join(format!("{name}.html")), html).expect("a page is written");
    }
    for asset in assets::all() {
        let path = out.join(assets::url(asset.file).trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, &asset.bytes).expect("an asset is written");
    }
}
