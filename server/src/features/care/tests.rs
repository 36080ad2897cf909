use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use proptest::prelude::*;

use super::*;
use crate::protocol::CardKind;

const LINES: &str = include_str!("../../../../web/data/lines.json");
const CARDS: &str = include_str!("../../../../web/data/cards.json");

/// Friday, three in the afternoon and three in the night; Sunday noon; New Year's night.
const AFTERNOON: &str = "2026-11-20T15:00";
const NIGHT: &str = "2026-11-21T03:00";
const SUNDAY: &str = "2026-11-22T12:30";
const NEW_YEAR: &str = "2027-01-01T00:00";

fn at(text: &str) -> DateTime {
    text.parse().expect("a date with a time")
}

fn date(text: &str) -> Date {
    text.parse().expect("a date")
}

fn ids(kind: CardKind, now: &str) -> Vec<&'static str> {
    card(kind, at(now), built_in())
        .lines
        .iter()
        .map(|open| open.line.id.as_str())
        .collect()
}

#[test]
fn the_data_are_read() {
    if let Err(wrong) = HelpLines::read(LINES, CARDS) {
        panic!("web/data:\n{}", wrong.join("\n"));
    }
    assert!(built_in().centre().is_shown());
}

#[test]
fn each_kind_has_its_lines_at_each_hour() {
    use CardKind::{Care, Child, HurtAtHome, IMayHurt, Life, Money, Sexual, TakenAway};
    #[rustfmt::skip]
    let cases: &[(CardKind, &str, &[&str])] = &[
        (Life, AFTERNOON, &["anata", "inochi_sos", "yorisoi", "niigata_kokoro"]),
        (Life, "2026-11-20T20:59", &["anata", "inochi_sos", "yorisoi", "inochi_no_denwa"]),
        (Life, "2026-11-11T07:59", &["anata", "inochi_sos", "yorisoi", "inochi_no_denwa"]),
        (Life, NIGHT, &["anata", "inochi_sos", "yorisoi", "niigata_kokoro"]),
        (HurtAtHome, AFTERNOON, &["anata", "dv_chat", "yorisoi", "dv_plus"]),
        (HurtAtHome, NIGHT, &["anata", "dv_mail", "yorisoi", "dv_plus"]),
        (IMayHurt, AFTERNOON, &["anata", "yorisoi", "niigata_kokoro", "police_9110"]),
        (IMayHurt, SUNDAY, &["anata", "yorisoi", "niigata_kokoro"]),
        (Child, NIGHT, &["anata", "child_189", "child_sos"]),
        (Child, AFTERNOON, &["anata", "child_189", "child_sos", "rescue"]),
        (Child, "2026-11-20T17:00", &["anata", "child_189", "child_sos", "childline"]),
        (Care, AFTERNOON, &["anata", "yorisoi", "niigata_kokoro", "niigata_pref"]),
        (Care, NEW_YEAR, &["anata", "yorisoi", "niigata_kokoro"]),
        (Money, AFTERNOON, &["anata", "yorisoi", "consumer_188"]),
        (Money, NIGHT, &["anata", "yorisoi"]),
        (TakenAway, AFTERNOON, &["anata", "yorisoi", "consumer_188", "police_9110"]),
        (TakenAway, SUNDAY, &["anata", "yorisoi", "consumer_188"]),
        (Sexual, NIGHT, &["anata", "sexual_8103", "yorisoi"]),
    ];
    for (kind, now, lines) in cases {
        assert_eq!(ids(*kind, now), *lines, "{} at {now}", kind.as_str());
    }
}

#[test]
fn the_centre_is_on_a_card_in_its_hours_alone() {
    let until = |now: &str| card(CardKind::Care, at(now), built_in()).centre_until;
    assert_eq!(until(AFTERNOON), Some(at("2026-11-20T18:00")));
    for closed in [NIGHT, SUNDAY, NEW_YEAR, "2026-11-23T10:00"] {
        assert_eq!(until(closed), None, "{closed}");
    }
}

#[test]
fn a_mother_with_bruises_is_not_shown_a_line_for_those_who_want_to_die() {
    for kind in CardKind::ALL {
        for id in &built_in().plan(*kind).lines {
            let all = built_in().to_check(date("2026-11-21"));
            let line = all.iter().find(|check| check.line.id == *id);
            let suicide = line.is_some_and(|check| check.line.suicide);
            assert!(
                !suicide || *kind == CardKind::Life,
                "{} has {id}",
                kind.as_str()
            );
        }
    }
    assert!(ids(CardKind::Life, NIGHT).contains(&"inochi_sos"));
}

#[test]
fn what_is_not_sure_is_on_no_card_and_on_no_page_but_staff_are_asked() {
    let today = date("2026-11-22");
    let asked = built_in().to_check(today);
    let unsure: Vec<&str> = asked
        .iter()
        .filter(|check| check.unsure)
        .map(|check| check.line.id.as_str())
        .collect();
    for id in [
        "inochi_navi",
        "niigata_inochi",
        "kokoro_unified",
        "city_kokoro",
        "city_hotline",
        "dv_navi",
        "city_dv",
        "pref_dv",
        "sexual_8891",
        "personal_support",
        "ambulance_7119",
        "cure_chat",
        "cure_mail",
    ] {
        assert!(unsure.contains(&id), "{id}");
    }
    assert!(
        asked
            .iter()
            .all(|check| check.unsure || check.line.is_shown())
    );
    let first_sure = asked.iter().position(|check| !check.unsure);
    assert_eq!(first_sure, Some(unsure.len()), "what is asked stands first");
    for hour in 0..24 * 7 {
        let now = at("2026-11-16T00:30") + hour.hours();
        for open in built_in().open_at(now) {
            assert!(!unsure.contains(&open.line.id.as_str()), "{}", open.line.id);
            assert_ne!(open.line.id, "centre");
        }
    }
}

#[test]
fn after_ninety_days_staff_are_told_and_the_line_stays() {
    let told = |today: &str| {
        built_in()
            .to_check(date(today))
            .iter()
            .filter(|check| check.stale)
            .count()
    };
    assert_eq!(told("2027-02-19"), 0, "the ninetieth day");
    assert_eq!(
        told("2027-02-20"),
        built_in().to_check(date("2027-02-20")).len()
    );
    assert_eq!(
        told("2026-11-01"),
        0,
        "a clock that went back flags nothing"
    );
    assert!(
        !card(CardKind::Life, at("2028-01-10T12:00"), built_in())
            .lines
            .is_empty()
    );
}

#[test]
fn a_link_dials_what_people_read() {
    let href = |id: &str| {
        let all = built_in().to_check(date("2026-11-21"));
        let found = all.iter().find(|check| check.line.id == id);
        found.map(|check| check.line.href())
    };
    assert_eq!(href("child_sos").as_deref(), Some("tel:0120078310"));
    assert_eq!(href("police_9110").as_deref(), Some("tel:%239110"));
    assert_eq!(href("anata").as_deref(), Some("https://talkme.jp/"));
    assert!(built_in().numbers().any(|number| number == "0120-279-338"));
}

#[test]
fn a_slip_of_the_hand_is_named() {
    let wrong = |lines: &str, cards: &str| match HelpLines::read(lines, cards) {
        Ok(_) => String::new(),
        Err(wrong) => wrong.join("\n"),
    };
    let cases = [
        (LINES.replace("0120-279-338", "0120・279・338"), "yorisoi"),
        (
            LINES.replace("https://talkme.jp/", "http://talkme.jp/"),
            "anata",
        ),
        (
            LINES.replace("\"child_talk\"", "\"child_sos\""),
            "child_sos",
        ),
        (
            LINES.replace("\"id\": \"centre\"", "\"id\": \"center\""),
            "centre",
        ),
        (
            LINES.replace("\"certainty\": \"C\"", "\"certainty\": \"D\""),
            "lines:",
        ),
        (
            LINES.replace("\"cost\": \"free\"", "\"costs\": \"free\""),
            "lines:",
        ),
    ];
    for (lines, named) in cases {
        assert_ne!(lines, LINES);
        let said = wrong(&lines, CARDS);
        assert!(said.contains(named), "{named}: {said}");
    }
    let mut cards: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(CARDS).expect("a map");
    cards.remove("money");
    cards.insert(
        "moneys".into(),
        serde_json::json!({"lines": ["nobody"], "emergency": []}),
    );
    cards.insert(
        "care".into(),
        serde_json::json!({"lines": ["nobody"], "emergency": ["188"]}),
    );
    let said = wrong(
        LINES,
        &serde_json::to_string(&cards).expect("a map is JSON"),
    );
    for named in [
        "no card money",
        "moneys is no card",
        "care: no line nobody",
        "care: 188",
    ] {
        assert!(said.contains(named), "{named}: {said}");
    }
}

/// What holds for every card: somebody is there, text first, then free and day and night first, and never a list.
fn holds(kind: CardKind, now: DateTime) -> Result<(), String> {
    let card = card(kind, now, built_in());
    let texts = card.lines.iter().filter(|open| open.line.mode.is_text());
    let voices = card.lines.iter().filter(|open| !open.line.mode.is_text());
    if texts.count() == 0 || voices.count() == 0 {
        return Err("somebody is there by text and by voice".into());
    }
    if card.lines.len() > 4 {
        return Err("a card is no list".into());
    }
    let rank = |open: &OpenLine<'_>| (open.line.mode, open.line.cost, open.until.is_some());
    if !card
        .lines
        .windows(2)
        .all(|pair| rank(&pair[0]) <= rank(&pair[1]))
    {
        return Err("text before voice, free before charged, day and night before hours".into());
    }
    for open in &card.lines {
        let hours = open.line.hours.as_ref().ok_or("hours are known")?;
        if !hours.is_open(now, built_in().calendar()) || !open.line.certainty.is_sure() {
            return Err(format!("{} is closed or not sure", open.line.id));
        }
        if open.until.is_some_and(|until| until <= now) {
            return Err(format!("{} has ended", open.line.id));
        }
    }
    Ok(())
}

#[test]
fn in_any_minute_of_a_week_any_card_has_somebody_who_is_there() {
    for minute in 0..7 * 24 * 60 {
        let now = at("2026-11-16T00:00") + minute.minutes();
        for kind in CardKind::ALL {
            if let Err(why) = holds(*kind, now) {
                panic!("{} at {now}: {why}", kind.as_str());
            }
        }
    }
}

proptest! {
    #[test]
    fn at_any_minute_of_five_years_any_card_has_somebody_who_is_there(
        minutes in 0i64..5 * 366 * 24 * 60,
        kind in 0..CardKind::ALL.len(),
    ) {
        let now = at("2026-01-01T00:00") + minutes.minutes();
        prop_assert_eq!(holds(CardKind::ALL[kind], now), Ok(()));
    }
}
