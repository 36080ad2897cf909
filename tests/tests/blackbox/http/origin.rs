//! No other site acts for a person.

use engawa_tests::{Db, House, on_both};
use hyper::Method;
use serde_json::json;

on_both!(
    p5_a_call_that_another_site_made_is_refused_and_changes_nothing,
    every_page_carries_a_policy_that_allows_nothing_from_elsewhere,
);

async fn p5_a_call_that_another_site_made_is_refused_and_changes_nothing(
    db: Db,
) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut person = node.tojisha("だれかのいたずら").await?;
    let login = node.login("manager", 0)?;
    let own = node.url.clone();
    let login_body =
        json!({"id": login.id, "password": login.password, "totp": "000000"}).to_string();
    let handle_body = json!({"name": null, "standing": "tojisha"}).to_string();
    let calls = [
        (Method::POST, "/api/v1/handles", handle_body.as_str()),
        (
            Method::POST,
            "/api/v1/handles/recover",
            r#"{"recovery_code":"あ"}"#,
        ),
        (Method::POST, "/api/v1/staff/login", login_body.as_str()),
        (Method::POST, "/api/v1/me/recovery", ""),
        (Method::DELETE, "/api/v1/sessions", ""),
        (Method::DELETE, "/api/v1/me", ""),
    ];
    let forged: [&[(&str, &str)]; 6] = [
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "http://127.0.0.1")],
        &[("origin", &own), ("sec-fetch-site", "cross-site")],
    ];
    for (method, path, body) in &calls {
        for headers in forged {
            let mut headers = headers.to_vec();
            headers.push(("content-type", "application/json"));
            let answer = person
                .http
                .call(method.clone(), path, &headers, body.as_bytes().to_vec())
                .await?;
            answer
                .is_problem(403, "wrong_origin")
                .map_err(|error| error.context(format!("{method} {path} {headers:?}")))?;
        }
    }
    person.http.get("/api/v1/me").await?.is(200)?;
    // The forms of pages stand behind the same gate.
    let say = format!("/r/{}/say", node.room());
    for path in [
        say.as_str(),
        "/in",
        "/back",
        "/me/out",
        "/me/out-all",
        "/me/remove",
        "/me/words",
        "/look",
        "/m",
        "/x",
        "/s",
    ] {
        let headers = [
            ("origin", "https://evil.example"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let answer = person
            .http
            .call(Method::POST, path, &headers, b"body=x&key=y".to_vec())
            .await?;
        assert_eq!(answer.status, 403, "POST {path}");
    }
    person.http.get("/api/v1/me").await?.is(200)?;

    // From the same origin, or from no browser, it passes.
    let same = [("origin", own.as_str()), ("sec-fetch-site", "same-origin")];
    person
        .http
        .call(Method::POST, "/api/v1/me/recovery", &same, Vec::new())
        .await?
        .is(201)?;
    person
        .http
        .call(Method::DELETE, "/api/v1/sessions", &[], Vec::new())
        .await?;
    person
        .http
        .get("/api/v1/me")
        .await?
        .is_problem(401, "no_session")?;
    Ok(())
}

async fn every_page_carries_a_policy_that_allows_nothing_from_elsewhere(
    db: Db,
) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let person = node.tojisha("ページ").await?;
    let room = format!("/r/{}", node.room());
    for path in [
        "/",
        "/in",
        "/back",
        "/sample",
        "/about",
        "/rules",
        "/kept",
        "/now",
        "/look",
        "/me",
        "/s",
        room.as_str(),
    ] {
        let visitor = match path {
            "/in" | "/back" | "/s" => node.client(),
            _ => person.http.clone(),
        };
        let page = visitor.get(path).await?;
        assert_eq!(page.status, 200, "{path}");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{path}: {policy:?}");
        assert!(
            !policy.contains("unsafe")
                && !policy.contains('*')
                && !policy.contains("http:")
                && !policy.contains("https:"),
            "{path}: {policy:?}"
        );
        for directive in [
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(
                policy.contains(directive),
                "{path}: {directive} in {policy:?}"
            );
        }
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert!(!page.header("referrer-policy").is_empty(), "{path}");
        assert!(
            page.header("cache-control").contains("no-store"),
            "{path}: {:?}",
            page.header("cache-control")
        );
        let html = page.text();
        for inline in [
            " style=\"",
            "<style",
            " onclick=",
            "javascript:",
            "src=\"http",
            "<link rel=\"stylesheet\" href=\"http",
        ] {
            assert!(!html.contains(inline), "{path}: {inline} in the page");
        }
    }
    Ok(())
}
