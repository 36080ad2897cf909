//! Pages that say what is so, the foyer, and the door of the sample centre.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum_extra::extract::cookie::{Cookie, SameSite};
use serde::Deserialize;
use time::Duration;

use super::pages::demo::{Demo, DemoLogin as Login, Styleguide};
use super::pages::foyer::{Door, Foyer};
use super::pages::look::{LOOK_COOKIE, LOOK_COOKIE_MAX_AGE_S};
use super::pages::now::Now;
use super::pages::sample::Sample;
use super::pages::still::{About, Kept, KeptKind, KeptRow, LookPage, Rules};
use super::pages::{Look, Page};
use super::problem::{Code, Problem};
use super::rooms_api::side_of;
use super::session::cookie;
use super::shown::instant;
use super::state::{DemoLogin, Edge, EdgeState};
use super::visitor::{Visitor, fields, html, see_other, set_cookie};
use crate::features::identity::{Newcomer, Refusal, SignedIn, TotpSecret};
use crate::features::{drafts, gatherings, retention, rooms};
use crate::permit::may_come;
use crate::platform::ids::RoomId;
use crate::protocol::{Audience, Device, RoomState, Standing};

const HOUR_MS: i64 = 60 * 60 * 1_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// How far ahead the foyer looks for rooms whose doors are open, in milliseconds.
const AHEAD_MS: i64 = DAY_MS;
/// What else is kept (`design.md`, What is kept), in years.
const HANDLES_KEPT_YEARS: u32 = retention::HANDLE_YEARS as u32;
const AUDIT_KEPT_YEARS: u32 = retention::AUDIT_YEARS as u32;
/// A TOTP step, in milliseconds.
const STEP_MS: i64 = 30_000;

/// The pages; those of the sample centre are told apart by the router alone.
pub fn routes(demo: bool) -> Router<EdgeState> {
    let routes = Router::new()
        .route("/", get(foyer))
        .route("/sample", get(sample))
        .route("/about", get(about))
        .route("/rules", get(rules))
        .route("/kept", get(kept))
        .route("/now", get(now))
        .route("/look", get(look_form).post(look));
    if !demo {
        return routes;
    }
    routes
        .route("/demo", get(demo_page))
        .route("/demo/enter", post(demo_enter))
        .route("/styleguide", get(styleguide))
}

async fn foyer(State(edge): State<EdgeState>, visitor: Visitor) -> Response {
    let side = visitor.session.as_ref().and_then(side_of);
    let by_slip = visitor
        .session
        .as_ref()
        .and_then(|session| session.handle)
        .map(|handle| handle.by_slip);
    let rooms = match doors(&edge, side, by_slip).await {
        Ok(rooms) => rooms,
        Err(problem) => return visitor.problem(&problem, "/", None),
    };
    let view = Foyer {
        page: Page {
            staff: false,
            ..visitor.page()
        },
        name: visitor
            .session
            .as_ref()
            .map(|session| session.name.as_str().to_owned()),
        rooms,
        now: instant(edge.clock.now()),
    };
    html(StatusCode::OK, &view)
}

/// Rooms that one can come into or wait for, those that are open first.
async fn doors(
    edge: &Arc<Edge>,
    side: Option<Audience>,
    by_slip: Option<bool>,
) -> Result<Vec<Door>, Problem> {
    let deps = edge.rooms.deps();
    let now = edge.clock.now();
    let mut doors = Vec::new();
    for row in gatherings::between(&deps.db, side, now, now.plus_ms(AHEAD_MS)).await? {
        // A door that would not open for them is none.
        if by_slip.is_some_and(|by_slip| !may_come(row.gathering.entry, by_slip)) {
            continue;
        }
        let state = rooms::state_now(deps, &row).await?;
        match state {
            RoomState::DoorsOpen
            | RoomState::Open
            | RoomState::Paused
            | RoomState::LastCall
            | RoomState::Afterglow => {}
            RoomState::Planned | RoomState::Closed | RoomState::Cancelled => continue,
        }
        let gathering = row.gathering;
        doors.push(Door {
            id: gathering.id.as_str().to_owned(),
            title: gathering.title,
            kind: gathering.kind,
            audience: gathering.audience,
            state,
            starts_at: instant(gathering.starts),
            ends_at: instant(gathering.ends),
        });
    }
    // Stable: among those of one state and side the order is that of their beginning.
    doors.sort_by_key(|door| (nearness(door.state), door.audience));
    Ok(doors)
}

/// What can be entered and written in stands nearest.
fn nearness(state: RoomState) -> u8 {
    match state {
        RoomState::Open => 0,
        RoomState::LastCall => 1,
        RoomState::DoorsOpen => 2,
        RoomState::Paused => 3,
        RoomState::Afterglow => 4,
        RoomState::Planned | RoomState::Closed | RoomState::Cancelled => 5,
    }
}

async fn sample(visitor: Visitor) -> Response {
    html(StatusCode::OK, &Sample::new(visitor.page()))
}

async fn about(visitor: Visitor) -> Response {
    html(StatusCode::OK, &About::new(visitor.page()))
}

async fn rules(visitor: Visitor) -> Response {
    let page = visitor.page();
    html(StatusCode::OK, &Rules { page })
}

async fn kept(State(edge): State<EdgeState>, visitor: Visitor) -> Response {
    let settings = &edge.settings;
    let whole = |ms: i64, unit_ms: i64| u32::try_from((ms / unit_ms).max(1)).unwrap_or(u32::MAX);
    let row = |kind, n| KeptRow { kind, n };
    let view = Kept {
        page: visitor.page(),
        rows: vec![
            row(KeptKind::Room, whole(settings.rooms.keep_ms, HOUR_MS)),
            row(KeptKind::Drafts, whole(drafts::KEPT_MS, DAY_MS)),
            row(KeptKind::Handle, HANDLES_KEPT_YEARS),
            row(
                KeptKind::Session,
                u32::try_from(settings.sessions.mine_days).unwrap_or(u32::MAX),
            ),
            row(KeptKind::Audit, AUDIT_KEPT_YEARS),
            row(KeptKind::Tally, 0),
        ],
    };
    html(StatusCode::OK, &view)
}

async fn now(State(edge): State<EdgeState>, visitor: Visitor, headers: HeaderMap) -> Response {
    let back = room_before(&headers).unwrap_or_else(|| "/".to_owned());
    html(
        StatusCode::OK,
        &Now::new(visitor.page(), instant(edge.clock.now()), back),
    )
}

/// The room that somebody came from, so that they can go back there. Only our own pages say so.
fn room_before(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (_, rest) = text(header::REFERER)?.split_once("://")?;
    let path = rest
        .strip_prefix(text(header::HOST)?)?
        .strip_prefix("/r/")?;
    let id = path.split(['/', '?', '#']).next()?;
    RoomId::parse(id).map(|id| format!("/r/{}", id.as_str()))
}

#[derive(Default, Deserialize)]
struct LookQuery {
    saved: Option<String>,
}

async fn look_form(visitor: Visitor, query: Result<Query<LookQuery>, QueryRejection>) -> Response {
    let view = LookPage {
        page: visitor.page(),
        saved: query.is_ok_and(|Query(query)| query.saved.is_some()),
    };
    html(StatusCode::OK, &view)
}

#[derive(Default, Deserialize)]
struct LookFields {
    #[serde(default)]
    theme: String,
    #[serde(default)]
    letters: String,
    #[serde(default)]
    announce: String,
}

async fn look(
    State(edge): State<EdgeState>,
    form: Result<Form<LookFields>, FormRejection>,
) -> Response {
    let chosen = fields(form);
    let look = Look::from_form(&chosen.theme, &chosen.letters, &chosen.announce);
    // No secret: the pages' own script reads nothing of it either.
    let cookie = Cookie::build((LOOK_COOKIE, look.cookie()))
        .path("/")
        .same_site(SameSite::Lax)
        .secure(edge.settings.secure_cookies())
        .http_only(true)
        .max_age(Duration::seconds(i64::from(LOOK_COOKIE_MAX_AGE_S)))
        .build();
    (set_cookie(&cookie), see_other("/look?saved=1")).into_response()
}

async fn styleguide(visitor: Visitor) -> Response {
    html(StatusCode::OK, &Styleguide::new(visitor.page()))
}

async fn demo_page(State(edge): State<EdgeState>, visitor: Visitor) -> Response {
    let login = |login: &DemoLogin| Login {
        id: login.id.clone(),
        role: login.role.role,
        audience: login.role.audience,
    };
    let view = Demo {
        page: Page {
            staff: false,
            ..visitor.page()
        },
        logins: edge.demo_logins.iter().map(login).collect(),
    };
    html(StatusCode::OK, &view)
}

#[derive(Default, Deserialize)]
struct DemoFields {
    #[serde(default, rename = "as")]
    whom: String,
}

/// Comes in as whoever was chosen. What another button began in this browser goes on without its cookie.
async fn demo_enter(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    form: Result<Form<DemoFields>, FormRejection>,
) -> Response {
    let whom = fields(form).whom;
    let entered = match Standing::from_wire(&whom) {
        Some(standing) => visitor_of(&edge, standing).await,
        None => staff_of(&edge, &whom).await,
    };
    match entered {
        Ok((signed_in, path)) => {
            let cookie = cookie(&edge.settings, &signed_in);
            (set_cookie(&cookie), see_other(&path)).into_response()
        }
        Err(problem) => visitor.problem(&problem, "/demo", None),
    }
}

async fn visitor_of(edge: &Arc<Edge>, standing: Standing) -> Result<(SignedIn, String), Problem> {
    let newcomer = Newcomer {
        name: None,
        standing,
        slip: None,
        device: Device::Mine,
    };
    let signed_in = edge.identity.make_handle(newcomer).await?;
    let doors = doors(edge, Some(standing), Some(false)).await?;
    let path = doors
        .first()
        .map_or_else(|| "/".to_owned(), |door| format!("/r/{}", door.id));
    Ok((signed_in, path))
}

async fn staff_of(edge: &Arc<Edge>, id: &str) -> Result<(SignedIn, String), Problem> {
    let login = edge
        .demo_logins
        .iter()
        .find(|login| login.id == id)
        .ok_or(Code::NotFound)?;
    let totp = TotpSecret::from_base32(login.totp_secret.expose())
        .expect("the sample centre made this secret");
    // A code is good once, and those of the step before and the step after count, too: with the earliest first, the
    // same button works three times in half a minute.
    let now = edge.clock.now();
    for at in [now.minus_ms(STEP_MS), now, now.plus_ms(STEP_MS)] {
        let code = totp.code(at);
        match edge
            .identity
            .login_staff(id, login.password.expose(), &code)
            .await
        {
            Ok(signed_in) => return Ok((signed_in, "/s/today".to_owned())),
            Err(Refusal::BadLogin) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    let wait_s = u64::try_from(STEP_MS / 1_000).unwrap_or(1);
    Err(Problem::new(Code::TooFast).retry_after(wait_s))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_way_back_leads_to_a_room_of_this_place_or_nowhere() {
        let back = |referer: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("a.example:8080"));
            headers.insert(header::REFERER, HeaderValue::from_static(referer));
            room_before(&headers)
        };
        let room = Some("/r/abc-1".to_owned());
        assert_eq!(back("http://a.example:8080/r/abc-1?line=3#s3"), room);
        assert_eq!(back("https://a.example:8080/r/abc-1/words"), room);
        assert_eq!(back("http://b.example/r/abc-1"), None);
        assert_eq!(back("http://a.example:8080.b.example/r/abc-1"), None);
        assert_eq!(back("http://a.example:8080/me"), None);
        assert_eq!(back("http://a.example:8080/r/\"><b>"), None);
    }
}
