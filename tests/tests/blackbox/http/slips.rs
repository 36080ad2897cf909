//! 案内カード: made by staff, used once, taken back; and what nobody learns by trying.

use anyhow::Context;
use engawa_tests::{Db, House, Node, Person, on_both};
use serde_json::{Value, json};

on_both!(
    p6_a_slip_brings_its_side_once_and_opens_what_it_is_for,
    p6_whatever_is_wrong_with_a_slip_is_one_answer,
    p6_a_slip_that_is_taken_back_takes_back_what_it_gave,
    a_slip_that_somebody_did_not_use_is_marked_and_staff_are_told,
    p10_slips_are_kept_by_staff_alone,
);

async fn staff(node: &Node) -> anyhow::Result<Person> {
    node.staff(node.login("coordinator", 0)?).await
}

/// What stands between two texts, each time.
fn between(text: &str, before: &str, after: &str) -> Vec<String> {
    text.split(before)
        .skip(1)
        .filter_map(|rest| rest.split(after).next())
        .map(str::to_owned)
        .collect()
}

/// New slips: their numbers and stubs, off the sheet that is printed.
async fn make(
    staff: &mut Person,
    n: &str,
    audience: &str,
) -> anyhow::Result<Vec<(String, String)>> {
    let fields = [("n", n), ("audience", audience)];
    let sheet = staff.http.form("/s/slips", &fields).await?.is(201)?.text();
    let numbers = between(&sheet, "案内番号</span>", "</p>");
    let stubs = between(&sheet, "控え<br><b>", "</b>");
    anyhow::ensure!(
        numbers.len() == stubs.len() && !numbers.is_empty(),
        "{sheet}"
    );
    Ok(numbers.into_iter().zip(stubs).collect())
}

async fn come(
    node: &Node,
    slip: &str,
) -> anyhow::Result<(engawa_tests::Client, engawa_tests::Answer)> {
    let mut client = node.client();
    let body = json!({"name": null, "standing": "tojisha", "slip": slip});
    let answer = client.post("/api/v1/handles", &body).await?;
    Ok((client, answer))
}

async fn saturday(node: &Node, client: &engawa_tests::Client) -> anyhow::Result<String> {
    let _ = node;
    let list = client.get("/api/v1/gatherings").await?.is(200)?.json()?;
    let saturday = list
        .as_array()
        .into_iter()
        .flatten()
        .find(|gathering| gathering["kind"] == "kazoku_kai");
    let id = saturday.and_then(|gathering| gathering["id"].as_str());
    Ok(id
        .with_context(|| format!("no 家族会 in {list}"))?
        .to_owned())
}

async fn p6_a_slip_brings_its_side_once_and_opens_what_it_is_for(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?.with("limits.slips_burst = 50")?;
    let node = house.start().await?;
    let mut staff = staff(&node).await?;
    let slips = make(&mut staff, "2", "family").await?;
    assert_eq!(slips.len(), 2);
    // The side is the slip's, whatever is said.
    let (client, made) = come(&node, &slips[0].0).await?;
    let made = made.is(201)?.json()?;
    assert_eq!(
        (&made["standing"], &made["by_slip"]),
        (&json!("family"), &json!(true))
    );
    let me = client.get("/api/v1/me").await?.is(200)?.json()?;
    assert_eq!(me["by_slip"], true);
    // It is planned, so it is not open yet; for others it is not there.
    let room = saturday(&node, &client).await?;
    let mut socket = engawa_tests::Socket::connect(client.address(), &client.cookie_line()).await?;
    let answer = socket.try_enter(json!({"room": room})).await?;
    assert_eq!(answer["code"], "room_closed", "{answer}");
    // Once.
    let (_, again) = come(&node, &slips[0].0).await?;
    again.is_problem(422, "bad_slip")?;
    // As people write it.
    let wide: String = slips[1]
        .0
        .chars()
        .map(|digit| match digit {
            '0'..='9' => char::from_u32(digit as u32 + 0xFEE0).unwrap_or(digit),
            _ => 'ー',
        })
        .collect();
    come(&node, &wide).await?.1.is(201)?;
    Ok(())
}

async fn p6_whatever_is_wrong_with_a_slip_is_one_answer(db: Db) -> anyhow::Result<()> {
    let house = House::new(db)
        .await?
        .with("limits.slips_burst = 5\nlimits.slips_interval_ms = 3600000")?;
    let node = house.start().await?;
    let mut staff = staff(&node).await?;
    let slips = make(&mut staff, "2", "tojisha").await?;
    come(&node, &slips[0].0).await?.1.is(201)?;
    let stub = slips[1].1.as_str();
    staff
        .http
        .form("/s/slips/revoke", &[("stub", stub)])
        .await?
        .is(200)?;
    let mut answers = Vec::new();
    // Used, taken back, never made (its check digit holds), and no number at all.
    for typed in [
        slips[0].0.as_str(),
        slips[1].0.as_str(),
        "0000 0000 0000",
        "12ab",
    ] {
        answers.push(come(&node, typed).await?.1.is_problem(422, "bad_slip")?);
    }
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    // Numbers are not to be tried out.
    come(&node, "0000 0000 0000")
        .await?
        .1
        .is_problem(429, "too_fast")?;
    Ok(())
}

async fn p6_a_slip_that_is_taken_back_takes_back_what_it_gave(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut staff = staff(&node).await?;
    let slips = make(&mut staff, "1", "family").await?;
    let (client, made) = come(&node, &slips[0].0).await?;
    made.is(201)?;
    let room = saturday(&node, &client).await?;
    let stub = slips[0].1.to_lowercase();
    staff
        .http
        .form("/s/slips/revoke", &[("stub", &stub)])
        .await?
        .is(200)?;
    let me = client.get("/api/v1/me").await?.is(200)?.json()?;
    assert_eq!(
        (&me["by_slip"], &me["standing"]),
        (&json!(false), &json!("family"))
    );
    let mut socket = engawa_tests::Socket::connect(client.address(), &client.cookie_line()).await?;
    let answer = socket.try_enter(json!({"room": room})).await?;
    assert_eq!(answer["code"], "not_allowed");
    // The rooms that need no slip stay theirs.
    socket.enter(node.family_room()?).await?;
    Ok(())
}

async fn a_slip_that_somebody_did_not_use_is_marked_and_staff_are_told(
    db: Db,
) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut staff = staff(&node).await?;
    let slips = make(&mut staff, "2", "family").await?;
    come(&node, &slips[0].0).await?.1.is(201)?;
    let mut answers = Vec::new();
    // One that was used, one that was not, one that never was: whoever asks learns nothing.
    for (number, _) in slips
        .iter()
        .cloned()
        .chain([("0000 0000 0000".to_owned(), String::new())])
    {
        let mut client = node.client();
        let fields = [
            ("slip", number.as_str()),
            ("doubt", "1"),
            ("standing", "family"),
        ];
        let page = client.form("/in", &fields).await?.is(200)?.text();
        assert!(page.contains("センターに伝わるようにしました"));
        answers.push(page.replace(&number, ""));
    }
    let names = |page: &String| page.split("class=\"names\"").next().map(str::len);
    assert!(answers.iter().all(|page| names(page).is_some()));
    let list = staff.http.get("/s/slips").await?.is(200)?.text();
    assert_eq!(
        between(&list, "「使った覚えがない」という知らせがありました", "<").len(),
        1
    );
    let today = staff.http.get("/s/today").await?.is(200)?.text();
    let alert = between(&today, "action=\"/s/alerts/", "\"");
    assert_eq!(alert.len(), 1, "one alert stands on the day's page");
    staff
        .http
        .form(&format!("/s/alerts/{}", alert[0]), &[])
        .await?
        .is(303)?;
    let today = staff.http.get("/s/today").await?.is(200)?.text();
    assert!(!today.contains("/s/alerts/"));
    Ok(())
}

async fn p10_slips_are_kept_by_staff_alone(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut visitor = node.tojisha("ただのひと").await?;
    let mut supporter = node.supporter().await?;
    let mut moderator = node.staff(node.login_for("moderator", "tojisha")?).await?;
    let make = [("n", "1"), ("audience", "family")];
    for person in [&mut visitor, &mut supporter, &mut moderator] {
        person.http.get("/s/slips").await?.is(403)?;
        person.http.form("/s/slips", &make).await?.is(403)?;
        person
            .http
            .form("/s/slips/revoke", &[("stub", "ACDEFH")])
            .await?
            .is(403)?;
    }
    let mut manager = node.staff(node.login("manager", 0)?).await?;
    manager
        .http
        .form("/s/slips", &[("n", "25"), ("audience", "family")])
        .await?
        .is(422)?;
    let made: Value = json!(between(
        &manager.http.form("/s/slips", &make).await?.is(201)?.text(),
        "控え<br><b>",
        "</b>"
    ));
    assert_eq!(made.as_array().map(Vec::len), Some(1));
    Ok(())
}
