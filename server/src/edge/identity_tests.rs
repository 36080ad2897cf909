//! Identity's calls and forms, as a browser or a program meets them.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::listen::Drain;
use super::state::{Edge, EdgeParts, EdgeState};
use super::{identity_api, identity_pages, staff_pages};
use crate::features::audit::{Audit, AuditKey};
use crate::features::identity::{Identity, NewAccount, Parts, SessionSettings, TotpSecret};
use crate::features::rooms::{DepsParts, RoomTexts, Rooms};
use crate::features::tally::Tally;
use crate::platform::bus::LocalNet;
use crate::platform::clock::{Clock, TestClock};
use crate::platform::ids::{Chance, NodeId, Secret, SystemChance};
use crate::platform::keys::{KeyFile, KeyRing, KeyStore, Purpose};
use crate::platform::limits::AddressKeys;
use crate::platform::settings::Settings;
use crate::platform::store::testing::{Fresh, sqlite};
use crate::protocol::{Role, RoleKind};

struct House {
    router: Router,
    edge: EdgeState,
    clock: TestClock,
    _fresh: Fresh,
}

/// What came back, with what a browser would keep of it.
struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: String,
}

async fn house() -> House {
    let fresh = sqlite().await;
    let db = fresh.db.clone();
    let time = TestClock::default();
    let clock: Arc<dyn Clock> = Arc::new(time.clone());
    let chance: Arc<dyn Chance> = Arc::new(SystemChance);
    let keys = Arc::new(KeyFile::throwaway(&SystemChance));
    let node = NodeId::new(&SystemChance);
    let audit_key = AuditKey::new(keys.key_for(Purpose::Audit));
    let audit = Audit::new(audit_key, Arc::clone(&clock), node.clone());
    let tally = Tally::new(db.clone(), Arc::clone(&clock));
    let parts = Parts {
        db: db.clone(),
        clock: Arc::clone(&clock),
        chance: Arc::clone(&chance),
        audit: audit.clone(),
        tally: tally.clone(),
        sessions: SessionSettings::default(),
    };
    let identity = Arc::new(Identity::new(parts, &keys));
    let memory = Secret::new("sqlite::memory:".to_owned());
    let store = KeyStore::open(&memory, keys, Arc::clone(&clock), Arc::clone(&chance));
    let mut settings = Settings::default();
    settings.limits.handles_burst = 4;
    settings.limits.logins_burst = 4;
    settings.limits.recover_burst = 4;
    let rooms = Rooms::start(DepsParts {
        db,
        keys: KeyRing::new(store.await.expect("a key store")),
        clock: Arc::clone(&clock),
        chance: Arc::clone(&chance),
        bus: Arc::new(LocalNet::default().node()),
        audit,
        tally,
        node,
        alert_command: None,
        identity: None,
        settings: settings.rooms.clone(),
        texts: Arc::new(RoomTexts::default()),
        outbox_frames_max: 512,
        outbox_bytes_max: 262_144,
    });
    let addresses = AddressKeys::new(Arc::clone(&clock), Arc::clone(&chance));
    let edge = Edge::new(EdgeParts {
        assessor: Arc::new(crate::edge::assess::Assessor::new(&settings).expect("a lexicon")),
        addresses: Arc::new(addresses),
        cluster: None,
        settings,
        identity,
        rooms: rooms.await.expect("rooms"),
        clock,
        chance,
        drain: Drain::new(),
        numbers: None,
        demo_logins: None,
    });
    let (api, _) = identity_api::people()
        .merge(identity_api::staff())
        .split_for_parts();
    let router = api
        .merge(identity_pages::people())
        .merge(staff_pages::staff())
        .with_state(Arc::clone(&edge));
    House {
        router,
        edge,
        clock: time,
        _fresh: fresh,
    }
}

impl House {
    async fn call(&self, method: &str, path: &str, cookie: &str, body: String) -> Answer {
        let kind = if path.starts_with("/api") {
            "application/json"
        } else {
            "application/x-www-form-urlencoded"
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, kind)
            .header(header::COOKIE, cookie)
            .body(Body::from(body))
            .expect("a request");
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("never fails");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(bytes.to_vec()).expect("text"),
        }
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        self.call("GET", path, cookie, String::new()).await
    }

    async fn form(&self, path: &str, cookie: &str, fields: &str) -> Answer {
        self.call("POST", path, cookie, fields.to_owned()).await
    }

    async fn json(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, "", body.to_string()).await
    }
}

impl Answer {
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    fn value(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    fn code(&self) -> String {
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            "application/problem+json"
        );
        self.value()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// `engawa=…` as a browser sends it back.
    fn cookie(&self) -> String {
        let line = self
            .headers
            .get_all(header::SET_COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .find(|line| line.starts_with("engawa="))
            .expect("a session cookie");
        line.split(';').next().unwrap_or_default().to_owned()
    }

    fn goes_to(&self, path: &str) {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        assert_eq!(self.headers[header::LOCATION], path);
    }
}

#[tokio::test]
async fn a_handle_is_made_named_recovered_and_removed() {
    let house = house().await;
    let made = house
        .json(
            "/api/v1/handles",
            json!({"name": "三毛", "standing": "tojisha", "device": "mine", "more": 1}),
        )
        .await
        .is(201);
    let cookie = made.cookie();
    let me = house.get("/api/v1/me", &cookie).await.is(200);
    assert_eq!(me.value(), made.value());
    assert_eq!(me.value()["by_slip"], false);
    let words = house
        .call("POST", "/api/v1/me/recovery", &cookie, String::new())
        .await
        .is(201)
        .value();
    let back = house
        .json(
            "/api/v1/handles/recover",
            json!({"recovery_code": words["recovery_code"]}),
        )
        .await
        .is(200);
    assert_eq!(back.value(), made.value());
    assert_ne!(back.cookie(), cookie);
    house
        .call("DELETE", "/api/v1/me", &cookie, String::new())
        .await
        .is(204);
    for cookie in [cookie, back.cookie(), "engawa=forged".into(), String::new()] {
        let nobody = house.get("/api/v1/me", &cookie).await.is(401);
        assert_eq!(nobody.code(), "no_session");
    }
    let gone = house
        .json(
            "/api/v1/handles/recover",
            json!({"recovery_code": words["recovery_code"]}),
        )
        .await
        .is(401);
    let never = house
        .json(
            "/api/v1/handles/recover",
            json!({"recovery_code": "あ い う"}),
        )
        .await
        .is(401);
    assert_eq!(gone.body, never.body);
}

#[tokio::test]
async fn broken_bodies_bad_names_and_haste_have_their_codes() {
    let house = house().await;
    for body in [
        json!([]),
        json!({}),
        json!({"name": 7, "standing": "family"}),
    ] {
        let answer = house.json("/api/v1/handles", body).await.is(400);
        assert_eq!(answer.code(), "bad_request");
    }
    let bad = house
        .json(
            "/api/v1/handles",
            json!({"name": "スタッフ", "standing": "family"}),
        )
        .await
        .is(422);
    assert_eq!(bad.code(), "bad_name");
    assert_eq!(bad.value()["suggestions"].as_array().map(Vec::len), Some(5));
    let slip = house
        .json(
            "/api/v1/handles",
            json!({"name": null, "standing": "family", "slip": "1"}),
        )
        .await
        .is(422);
    assert_eq!(slip.code(), "bad_slip");
    for _ in 0..2 {
        house
            .json(
                "/api/v1/handles",
                json!({"name": null, "standing": "family"}),
            )
            .await
            .is(201);
    }
    let hasty = house
        .json(
            "/api/v1/handles",
            json!({"name": null, "standing": "family"}),
        )
        .await
        .is(429);
    assert_eq!(hasty.code(), "too_fast");
    assert!(hasty.headers.contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn p11_entering_and_leaving_work_by_plain_forms() {
    let house = house().await;
    let form = house.get("/in?room=r1", "").await.is(200);
    assert!(form.body.contains("value=\"r1\""));
    assert_eq!(form.headers[header::CACHE_CONTROL], "no-store");
    let picked = house
        .form("/in", "", "standing=family&name=x&pick=%E4%B8%89%E6%AF%9B")
        .await
        .is(200);
    assert!(picked.body.contains("value=\"三毛\""));
    house.form("/in", "", "name=x&go=1").await.is(422);
    let bad = house
        .form(
            "/in",
            "",
            "standing=family&device=mine&name=%E8%81%B7%E5%93%A1&go=1",
        )
        .await
        .is(422);
    assert!(
        bad.body.contains("value=\"職員\""),
        "what was typed is kept"
    );
    let entered = house
        .form(
            "/in",
            "",
            "standing=family&device=shared&name=%E4%B8%89%E6%AF%9B&room=r1&go=1",
        )
        .await;
    // A room that is not there is answered as one of the other side: by the foyer.
    entered.goes_to("/");
    let cookie = entered.cookie();
    // A form that comes twice makes no second handle.
    house
        .form("/in", &cookie, "standing=family&device=shared&name=b&go=1")
        .await
        .goes_to("/");
    let me = house.get("/me", &cookie).await.is(200);
    assert!(me.body.contains("三毛"));
    let words = house.form("/me/words", &cookie, "").await.is(200);
    assert_eq!(words.body.matches("<li>").count(), 8);
    house.get("/me/remove", &cookie).await.is(200);
    let out = house.form("/me/out", &cookie, "").await;
    out.goes_to("/");
    assert_eq!(out.cookie(), "engawa=");
    house.get("/me", &cookie).await.is(401);
    let list: Vec<&str> = words
        .body
        .split("<li>")
        .skip(1)
        .filter_map(|part| part.split('<').next())
        .collect();
    let wrong = house
        .form("/back", "", "recovery_code=abc&device=mine")
        .await
        .is(401);
    assert!(wrong.body.contains("abc"), "what was typed is kept");
    let typed: String = list
        .concat()
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    let back = house
        .form("/back", "", &format!("recovery_code={typed}&device=mine"))
        .await;
    back.goes_to("/");
    let cookie = back.cookie();
    house.form("/me/remove", &cookie, "").await.goes_to("/");
    house.get("/me", &cookie).await.is(401);
}

#[tokio::test]
async fn p6_the_side_can_be_chosen_again_until_the_first_act_in_a_room() {
    let house = house().await;
    let body = json!({"name": "こもれび", "standing": "tojisha"});
    let first = house.json("/api/v1/handles", body).await.is(201).cookie();
    let switched = house
        .form("/me/standing", &first, "standing=family")
        .await
        .is(303);
    let cookie = switched.cookie();
    let me = house.get("/api/v1/me", &cookie).await.is(200).value();
    assert_eq!(me["standing"], "family");
    // What was open before knew another side, so it ended.
    house.get("/api/v1/me", &first).await.is(401);
    let session = house
        .edge
        .identity
        .resolve(cookie.split_once('=').expect("a cookie").1)
        .await
        .expect("the store answers")
        .expect("a session");
    let settled = house.edge.identity.settle_standing(&session).await;
    assert!(settled.expect("the store answers"));
    house
        .form("/me/standing", &cookie, "standing=tojisha")
        .await
        .is(403);
}

#[tokio::test]
async fn p11_hiding_and_erasing() {
    let house = house().await;
    let entered = house
        .form("/in", "", "standing=tojisha&device=mine&name=a&go=1")
        .await;
    let cookie = entered.cookie();
    house.form("/m", &cookie, "").await.goes_to("/m");
    house.get("/m", &cookie).await.is(200);
    house.clock.advance(std::time::Duration::from_secs(20 * 60));
    house.get("/m", &cookie).await.is(200);
    house.form("/m/add", &cookie, "item=tea").await.goes_to("/");
    house.get("/me", &cookie).await.is(200);
    house.clock.advance(std::time::Duration::from_secs(60 * 60));
    house.get("/x", &cookie).await.is(200);
    let erased = house.form("/x", &cookie, "").await;
    erased.goes_to("/");
    assert_eq!(
        erased.headers["clear-site-data"],
        "\"cache\", \"cookies\", \"storage\""
    );
    assert_eq!(erased.headers.get_all(header::SET_COOKIE).iter().count(), 2);
    house.get("/me", &cookie).await.is(401);
}

#[tokio::test]
async fn people_with_powers_log_in_by_call_and_by_form() {
    let house = house().await;
    let totp = TotpSecret::new(&SystemChance);
    let account = NewAccount {
        id: "minato".into(),
        name: "みなと".into(),
        password: "a long enough password".into(),
        totp: totp.clone(),
        roles: vec![Role {
            role: RoleKind::Coordinator,
            audience: None,
            specialist: Some(true),
        }],
    };
    house
        .edge
        .identity
        .create_staff(account, None)
        .await
        .expect("an account");
    let code = totp.code(house.clock.now());
    let login = json!({"id": "minato", "password": "a long enough password", "totp": code});
    let answer = house
        .json("/api/v1/staff/login", login.clone())
        .await
        .is(200);
    assert_eq!(
        answer.value(),
        json!({"id": "minato", "name": "みなと", "roles": ["coordinator"]})
    );
    let cookie = answer.cookie();
    assert_eq!(
        house.get("/api/v1/me", &cookie).await.is(200).value(),
        answer.value()
    );
    assert_eq!(
        house
            .json("/api/v1/staff/login", login)
            .await
            .is(401)
            .code(),
        "bad_login"
    );
    // A name, words and a removal are for handles.
    let words = house
        .call("POST", "/api/v1/me/recovery", &cookie, String::new())
        .await
        .is(403);
    assert_eq!(words.code(), "not_allowed");
    house
        .call("DELETE", "/api/v1/me", &cookie, String::new())
        .await
        .is(403);
    house.get("/me", &cookie).await.is(200);
    house.get("/s", &cookie).await.goes_to("/s/today");
    // Which help lines are to be asked about is for staff: a stranger logs in first, a handle finds nothing there.
    let lines = house.get("/s/lines", &cookie).await.is(200);
    assert!(lines.body.contains("025-288-4343"));
    house.get("/s/lines", "").await.goes_to("/s");
    let visitor = house
        .json(
            "/api/v1/handles",
            json!({"name": "三毛", "standing": "tojisha"}),
        )
        .await
        .is(201);
    house.get("/s/lines", &visitor.cookie()).await.is(404);
    house.clock.advance(std::time::Duration::from_secs(60));
    let bad = house
        .form("/s", "", "id=minato&password=wrong&totp=000000")
        .await
        .is(401);
    assert!(bad.body.contains("value=\"minato\"") && !bad.body.contains("wrong"));
    let code = totp.code(house.clock.now());
    let form = format!("id=minato&password=a+long+enough+password&totp={code}");
    let entered = house.form("/s", &cookie, &form).await;
    entered.goes_to("/s/today");
    // The session before ended, and haste is told.
    house.get("/api/v1/me", &cookie).await.is(401);
    house.form("/s", "", &form).await.is(429);
    house
        .call(
            "DELETE",
            "/api/v1/sessions",
            &entered.cookie(),
            String::new(),
        )
        .await
        .is(204);
    house.get("/api/v1/me", &entered.cookie()).await.is(401);
}

#[tokio::test]
async fn the_first_manager_comes_by_the_one_time_address() {
    let house = house().await;
    let token = house
        .edge
        .identity
        .first_manager_token()
        .await
        .expect("the store")
        .expect("an empty house");
    let path = format!("/s/first/{}", token.expose());
    house.get("/s/first/other", "").await.is(404);
    let page = house.get(&path, "").await.is(200);
    assert!(page.body.contains("<svg") && !page.body.contains("style="));
    let totp = house
        .edge
        .identity
        .first_manager_totp(token.expose())
        .await
        .expect("the store")
        .expect("good");
    assert!(page.body.contains(&*totp.base32()));
    let code = totp.code(house.clock.now());
    let weak = format!("id=kancho&name=k&password=short&totp={code}");
    assert!(
        house
            .form(&path, "", &weak)
            .await
            .is(422)
            .body
            .contains("value=\"kancho\"")
    );
    let good = format!("id=kancho&name=k&password=a+long+enough+password&totp={code}");
    let entered = house.form(&path, "", &good).await;
    entered.goes_to("/s/today");
    let me = house.get("/api/v1/me", &entered.cookie()).await.is(200);
    assert_eq!(me.value()["roles"], json!(["manager"]));
    house.get(&path, "").await.is(404);
    house.form(&path, "", &good).await.is(404);
}
