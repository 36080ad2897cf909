//! Making a handle, being somebody, and being nobody again.

use engawa_tests::{Db, House, Person, Standing, on_both};
use serde_json::{Value, json};

on_both!(
    a_handle_is_made_in_one_step,
    the_cookie_is_closed_to_scripts_and_other_sites,
    behind_https_the_cookie_is_bound_to_the_host,
    a_name_has_its_form_and_a_refusal_suggests_others,
    a_broken_request_is_told_so,
    without_a_session_nothing_is_told,
    handles_are_made_at_a_bounded_rate,
    log_out_everywhere_ends_every_session_of_this_person_alone,
    p5_a_removed_handle_is_gone_with_all_that_hangs_on_it,
    alive_and_ready_are_told_to_anybody_and_metrics_are_not,
);

async fn a_handle_is_made_in_one_step(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut http = node.client();
    let made = http
        .post(
            "/api/v1/handles",
            &json!({"name": "あさがお", "standing": "tojisha", "device": "mine"}),
        )
        .await?
        .is(201)?;
    let me = made.json()?;
    assert_eq!(
        (&me["name"], &me["standing"], &me["by_slip"]),
        (&json!("あさがお"), &json!("tojisha"), &json!(false))
    );
    assert!(
        me["id"]
            .as_str()
            .is_some_and(|id| !id.is_empty() && id.len() <= 64)
    );
    assert_eq!(
        http.get("/api/v1/me").await?.is(200)?.json()?,
        me,
        "me answers as making a handle did"
    );

    let suggested = node
        .client()
        .post(
            "/api/v1/handles",
            &json!({"name": null, "standing": "family"}),
        )
        .await?
        .is(201)?
        .json()?;
    let name = suggested["name"].as_str().unwrap_or_default();
    assert!(
        (1..=16).contains(&name.chars().count()),
        "a null name gets a suggested one: {name:?}"
    );
    assert_eq!(suggested["standing"], "family");
    let absent = node
        .client()
        .post("/api/v1/handles", &json!({"standing": "tojisha"}))
        .await?;
    assert!(
        absent.status == 201 || absent.status == 400,
        "{}",
        absent.text()
    );
    // Two people may wear the same name.
    let twin = node
        .client()
        .post(
            "/api/v1/handles",
            &json!({"name": "あさがお", "standing": "tojisha"}),
        )
        .await?
        .is(201)?
        .json()?;
    assert_ne!(twin["id"], me["id"]);
    Ok(())
}

async fn the_cookie_is_closed_to_scripts_and_other_sites(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    for device in [None, Some("mine"), Some("shared")] {
        let mut body = json!({"name": null, "standing": "tojisha"});
        if let Some(device) = device {
            body["device"] = device.into();
        }
        let made = node
            .client()
            .post("/api/v1/handles", &body)
            .await?
            .is(201)?;
        let cookies = made.set_cookies();
        let session: Vec<&String> = cookies
            .iter()
            .filter(|line| line.starts_with("engawa="))
            .collect();
        assert_eq!(session.len(), 1, "{cookies:?}");
        let parts: Vec<String> = session[0]
            .split(';')
            .map(|part| part.trim().to_ascii_lowercase())
            .collect();
        for part in ["httponly", "path=/", "samesite=lax"] {
            assert!(parts.iter().any(|have| have == part), "{part} in {parts:?}");
        }
        assert!(
            !parts
                .iter()
                .any(|have| have == "secure" || have.starts_with("domain")),
            "{parts:?}"
        );
        let lasts = parts
            .iter()
            .any(|have| have.starts_with("max-age") || have.starts_with("expires"));
        if device == Some("mine") {
            assert!(lasts, "an own device stays logged in: {parts:?}");
        } else {
            assert!(
                !lasts,
                "what may be shared forgets when the browser closes: {parts:?}"
            );
        }
        let value = session[0].split(['=', ';']).nth(1).unwrap_or_default();
        assert!(value.len() >= 32, "an opaque value of at least 128 bits");
    }
    Ok(())
}

async fn behind_https_the_cookie_is_bound_to_the_host(db: Db) -> anyhow::Result<()> {
    let house = House::new(db)
        .await?
        .with_a_port()?
        .with("public_url = \"https://engawa.example\"")?;
    let node = house.start().await?;
    let made = node
        .client()
        .post(
            "/api/v1/handles",
            &json!({"name": null, "standing": "tojisha"}),
        )
        .await?
        .is(201)?;
    let cookies = made.set_cookies();
    let line = cookies
        .iter()
        .find(|line| line.starts_with("__Host-engawa="))
        .cloned()
        .unwrap_or_default()
        .to_ascii_lowercase();
    for part in ["; secure", "; httponly", "; path=/", "; samesite=lax"] {
        assert!(line.contains(part), "{part} in {line:?} of {cookies:?}");
    }
    Ok(())
}

async fn a_name_has_its_form_and_a_refusal_suggests_others(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let bad = [
        "",
        "   ",
        "あいうえおかきくけこさしすせそたち",
        "みなと123456",
        "職員",
        "スタッフ",
        "相談員",
        "新潟市",
        "モデレーター",
        "ＳＴＡＦＦ",
        "す\u{200b}たっふ",
        "スタッフみなと",
    ];
    for name in bad {
        let problem = node
            .client()
            .post(
                "/api/v1/handles",
                &json!({"name": name, "standing": "tojisha"}),
            )
            .await?
            .is_problem(422, "bad_name")?;
        let suggestions: Vec<&Value> = problem["suggestions"]
            .as_array()
            .into_iter()
            .flatten()
            .collect();
        assert!(!suggestions.is_empty(), "{name:?}: {problem}");
        let first = suggestions[0].clone();
        node.client()
            .post(
                "/api/v1/handles",
                &json!({"name": first, "standing": "tojisha"}),
            )
            .await?
            .is(201)?;
    }
    for name in [
        "あ",
        "あいうえおかきくけこさしすせそた",
        "みなと12345",
        "Minato",
        "海",
    ] {
        let made = node
            .client()
            .post(
                "/api/v1/handles",
                &json!({"name": name, "standing": "tojisha"}),
            )
            .await?
            .is(201)?;
        assert_eq!(made.json()?["name"], name);
    }
    Ok(())
}

async fn a_broken_request_is_told_so(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut http = node.client();
    for body in [
        json!({}),
        json!({"name": "a"}),
        json!({"name": 7, "standing": "tojisha"}),
        json!({"name": null, "standing": "other"}),
        json!([]),
    ] {
        http.post("/api/v1/handles", &body)
            .await?
            .is_problem(400, "bad_request")?;
    }
    let headers = [("content-type", "application/json")];
    let raw = http
        .call(
            hyper::Method::POST,
            "/api/v1/handles",
            &headers,
            b"{".to_vec(),
        )
        .await?;
    raw.is_problem(400, "bad_request")?;
    node.get("/api/v1/nothing")
        .await?
        .is_problem(404, "not_found")?;
    Ok(())
}

async fn without_a_session_nothing_is_told(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut http = node.client();
    http.get("/api/v1/me")
        .await?
        .is_problem(401, "no_session")?;
    http.get("/api/v1/gatherings")
        .await?
        .is_problem(401, "no_session")?;
    http.delete("/api/v1/me")
        .await?
        .is_problem(401, "no_session")?;
    http.delete("/api/v1/sessions")
        .await?
        .is_problem(401, "no_session")?;
    http.post_empty("/api/v1/me/recovery")
        .await?
        .is_problem(401, "no_session")?;
    let forged = [("cookie", "engawa=forged")];
    http.call(hyper::Method::GET, "/api/v1/me", &forged, Vec::new())
        .await?
        .is_problem(401, "no_session")?;
    Ok(())
}

async fn handles_are_made_at_a_bounded_rate(db: Db) -> anyhow::Result<()> {
    let house = House::new(db)
        .await?
        .with("limits.handles_burst = 3\nlimits.handles_interval_ms = 600000")?;
    let node = house.start().await?;
    for _ in 0..3 {
        node.person(Standing::Tojisha).await?;
    }
    let refused = node
        .client()
        .post(
            "/api/v1/handles",
            &json!({"name": null, "standing": "tojisha"}),
        )
        .await?;
    refused.is_problem(429, "too_fast")?;
    assert!(
        refused
            .header("retry-after")
            .parse::<u64>()
            .is_ok_and(|seconds| seconds > 0),
        "Retry-After in seconds"
    );
    // A forwarded address counts only behind a proxy that settings name.
    let headers = [
        ("content-type", "application/json"),
        ("x-forwarded-for", "203.0.113.9"),
    ];
    let body = json!({"name": null, "standing": "tojisha"})
        .to_string()
        .into_bytes();
    let forged = node
        .client()
        .call(hyper::Method::POST, "/api/v1/handles", &headers, body)
        .await?;
    forged.is_problem(429, "too_fast")?;
    Ok(())
}

async fn log_out_everywhere_ends_every_session_of_this_person_alone(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut here = node.tojisha("でかける").await?;
    let other = node.tojisha("のこるひと").await?;
    let code = here
        .http
        .post_empty("/api/v1/me/recovery")
        .await?
        .is(201)?
        .json()?["recovery_code"]
        .clone();
    let mut there = node.client();
    there
        .post("/api/v1/handles/recover", &json!({"recovery_code": code}))
        .await?
        .is(200)?;
    there.get("/api/v1/me").await?.is(200)?;
    let answer = here.http.delete("/api/v1/sessions").await?;
    assert!(
        (200..300).contains(&answer.status),
        "{} {}",
        answer.status,
        answer.text()
    );
    let stale = [(
        "cookie",
        format!("engawa={}", there.session().unwrap_or_default()),
    )];
    let stale: Vec<(&str, &str)> = stale
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    node.client()
        .call(hyper::Method::GET, "/api/v1/me", &stale, Vec::new())
        .await?
        .is_problem(401, "no_session")?;
    other.http.get("/api/v1/me").await?.is(200)?;
    // The words bring the handle back all the same.
    node.client()
        .post("/api/v1/handles/recover", &json!({"recovery_code": code}))
        .await?
        .is(200)?;
    Ok(())
}

async fn p5_a_removed_handle_is_gone_with_all_that_hangs_on_it(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut person = node.tojisha("けすひと").await?;
    let code = person
        .http
        .post_empty("/api/v1/me/recovery")
        .await?
        .is(201)?
        .json()?["recovery_code"]
        .clone();
    let cookie = person.http.cookie_line();
    let answer = person.http.delete("/api/v1/me").await?;
    assert!(
        (200..300).contains(&answer.status),
        "{} {}",
        answer.status,
        answer.text()
    );
    node.client()
        .call(
            hyper::Method::GET,
            "/api/v1/me",
            &[("cookie", &cookie)],
            Vec::new(),
        )
        .await?
        .is_problem(401, "no_session")?;
    let gone = node
        .client()
        .post("/api/v1/handles/recover", &json!({"recovery_code": code}))
        .await?;
    let gone = gone.is_problem(401, "bad_login")?;
    let never = node
        .client()
        .post(
            "/api/v1/handles/recover",
            &json!({"recovery_code": "あ い う え お か き く"}),
        )
        .await?;
    assert_eq!(
        gone,
        never.is_problem(401, "bad_login")?,
        "one answer for gone and never there"
    );
    Ok(())
}

async fn alive_and_ready_are_told_to_anybody_and_metrics_are_not(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    node.get("/healthz").await?.is(200)?;
    node.get("/readyz").await?.is(200)?;
    node.get("/metrics").await?.is(404)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_listen_on_an_address_of_their_own_and_name_nobody() -> anyhow::Result<()> {
    let port = engawa_tests::postgres::free_port()?;
    let house = House::new(engawa_tests::Db::Sqlite)
        .await?
        .with(&format!("metrics_listen = \"127.0.0.1:{port}\""))?;
    let node = house.start().await?;
    let person: Person = node.tojisha("かぞえない").await?;
    person
        .enter(node.room())
        .await?
        .say_kept(node.room(), "k", "数字だけ")
        .await?;
    let metrics = engawa_tests::Client::new(&format!("127.0.0.1:{port}"))
        .get("/metrics")
        .await?
        .is(200)?
        .text();
    assert!(metrics.contains("# TYPE"), "{metrics}");
    for word in [
        "かぞえない",
        node.room(),
        person.me["id"].as_str().unwrap_or("-"),
        "127.0.0.1",
    ] {
        assert!(!metrics.contains(word), "{word} in the metrics");
    }
    Ok(())
}
