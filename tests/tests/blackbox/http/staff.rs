//! Login with powers.

use engawa_tests::{Db, person::totp};
use engawa_tests::{House, on_both};
use serde_json::{Value, json};

on_both!(
    each_role_logs_in_with_password_and_code,
    p10_a_code_is_good_once_and_every_wrong_login_has_one_answer,
    a_code_stays_used_after_a_restart,
    logins_have_a_rate,
    log_out_everywhere_works_for_staff_too,
);

async fn each_role_logs_in_with_password_and_code(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    for role in ["peer_supporter", "moderator", "coordinator", "manager"] {
        let logins: Vec<_> = node
            .logins
            .iter()
            .filter(|login| login.role == role)
            .collect();
        assert_eq!(logins.len(), 3, "three logins for {role}");
        let sides: Vec<_> = logins
            .iter()
            .filter_map(|login| login.audience.as_deref())
            .collect();
        if role == "peer_supporter" || role == "moderator" {
            assert_eq!(
                sides.iter().filter(|side| **side == "tojisha").count(),
                2,
                "{sides:?}"
            );
            assert_eq!(
                sides.iter().filter(|side| **side == "family").count(),
                1,
                "{sides:?}"
            );
        }
        let person = node.staff(logins[0]).await?;
        assert_eq!(person.me["roles"], json!([role]), "{}", person.me);
        assert!(person.me["id"].is_string() && person.me["name"].is_string());
        assert_eq!(
            person.http.get("/api/v1/me").await?.is(200)?.json()?,
            person.me
        );
    }
    Ok(())
}

async fn p10_a_code_is_good_once_and_every_wrong_login_has_one_answer(
    db: Db,
) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let login = node.login("manager", 0)?.clone();
    let code = totp(&login.totp_secret, 0)?;
    let body = |id: &str, password: &str, code: &str| json!({"id": id, "password": password, "totp": code});
    let wrong_code = if code == "000000" { "000001" } else { "000000" };
    let mut answers: Vec<Value> = Vec::new();
    for tried in [
        body(&login.id, "wrong password", &code),
        body(&login.id, &login.password, wrong_code),
        body("nobody", &login.password, &code),
        body(&login.id, &login.password, ""),
        body(&login.id, "", ""),
    ] {
        answers.push(
            node.client()
                .post("/api/v1/staff/login", &tried)
                .await?
                .is_problem(401, "bad_login")?,
        );
    }
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "one answer for every reason: {answers:#?}"
    );
    // A try with a wrong password has not used the code up.
    let code = totp(&login.totp_secret, 0)?;
    node.client()
        .post(
            "/api/v1/staff/login",
            &body(&login.id, &login.password, &code),
        )
        .await?
        .is(200)?;
    let again = node
        .client()
        .post(
            "/api/v1/staff/login",
            &body(&login.id, &login.password, &code),
        )
        .await?;
    assert_eq!(again.is_problem(401, "bad_login")?, answers[0]);
    // The code of the next half minute is another one.
    let next = totp(&login.totp_secret, 1)?;
    node.client()
        .post(
            "/api/v1/staff/login",
            &body(&login.id, &login.password, &next),
        )
        .await?
        .is(200)?;
    // One of a half minute before an accepted one is dead too.
    node.client()
        .post(
            "/api/v1/staff/login",
            &body(&login.id, &login.password, &code),
        )
        .await?
        .is_problem(401, "bad_login")?;
    node.client()
        .post("/api/v1/staff/login", &json!({"id": login.id}))
        .await?
        .is_problem(400, "bad_request")?;
    Ok(())
}

async fn a_code_stays_used_after_a_restart(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let login = node.login("coordinator", 0)?.clone();
    let body =
        json!({"id": login.id, "password": login.password, "totp": totp(&login.totp_secret, 0)?});
    let mut http = node.client();
    http.post("/api/v1/staff/login", &body).await?.is(200)?;
    node.kill().await?;
    let node = house.start().await?;
    node.client()
        .post("/api/v1/staff/login", &body)
        .await?
        .is_problem(401, "bad_login")?;
    http.get("/api/v1/me").await?.is(200)?;
    Ok(())
}

async fn logins_have_a_rate(db: Db) -> anyhow::Result<()> {
    let house = House::new(db)
        .await?
        .with("limits.logins_burst = 3\nlimits.logins_interval_ms = 600000")?;
    let node = house.start().await?;
    let login = node.login("manager", 0)?;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let body = json!({"id": login.id, "password": "wrong", "totp": "000000"});
        statuses.push(
            node.client()
                .post("/api/v1/staff/login", &body)
                .await?
                .status,
        );
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429, 429]);
    Ok(())
}

async fn log_out_everywhere_works_for_staff_too(db: Db) -> anyhow::Result<()> {
    let house = House::new(db).await?;
    let node = house.start().await?;
    let mut person = node.supporter().await?;
    let mut socket = person.connect().await?;
    let cookie = person.http.cookie_line();
    person.http.delete("/api/v1/sessions").await?;
    assert_eq!(socket.ends().await?.code, Some(4001));
    node.client()
        .call(
            hyper::Method::GET,
            "/api/v1/me",
            &[("cookie", &cookie)],
            Vec::new(),
        )
        .await?
        .is_problem(401, "no_session")?;
    Ok(())
}
