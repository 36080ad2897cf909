//! The pages of identity as forms: entering, coming back, who am I, leaving in a hurry. They work without script.

use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::pages::enter::{Back, Enter};
use super::pages::look::LOOK_COOKIE;
use super::pages::me::{Me, Remove};
use super::pages::still::{Erase, Hidden};
use super::pages::{self, texts};
use super::problem::{Code, Problem};
use super::session::{Signed, cookie, no_cookie};
use super::state::{Edge, EdgeState};
use super::visitor::{
    Network, Visitor, fields, html, limit_person_everywhere, refused, see_other, set_cookie,
};
use crate::features::alerts::{self, AlertKind};
use crate::features::gatherings;
use crate::features::identity::{Newcomer, Session};
use crate::permit::Actor;
use crate::platform::ids::RoomId;
use crate::platform::limits::Bucket;
use crate::protocol::{Device, Standing};

/// Names to choose from on the form.
const SUGGESTIONS: usize = 3;
/// Everything that a browser can hold of this place.
const EVERYTHING: &str = "\"cache\", \"cookies\", \"storage\"";

/// The pages for everybody.
pub fn people() -> Router<EdgeState> {
    Router::new()
        .route("/in", get(enter_form).post(enter))
        .route("/back", get(back_form).post(back))
        .route("/me", get(me))
        .route("/me/words", post(make_words))
        .route("/me/standing", post(switch_standing))
        .route("/me/out", post(log_out))
        .route("/me/out-all", post(log_out_everywhere))
        .route("/me/remove", get(remove_form).post(remove))
        .route("/m", get(harmless).post(hide))
        .route("/m/add", post(unhide))
        .route("/x", get(erase_form).post(erase))
}

#[derive(Deserialize)]
struct EnterQuery {
    room: Option<String>,
}

async fn enter_form(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    Query(query): Query<EnterQuery>,
) -> Response {
    let room = query.room.as_deref().and_then(RoomId::parse);
    if visitor.session.is_some() {
        return see_other(&room_path(room.as_ref()));
    }
    let typed = EnterFields {
        name: names(&edge, 1).concat(),
        ..EnterFields::default()
    };
    html(StatusCode::OK, &enter_view(&edge, &visitor, room, typed))
}

#[derive(Default, Deserialize)]
struct EnterFields {
    #[serde(default)]
    standing: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    device: String,
    #[serde(default)]
    room: String,
    pick: Option<String>,
    #[serde(default)]
    slip: String,
    doubt: Option<String>,
}

async fn enter(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    network: Network,
    form: Result<Form<EnterFields>, FormRejection>,
) -> Response {
    let mut typed = fields(form);
    let room = RoomId::parse(&typed.room);
    if visitor.session.is_some() {
        return see_other(&room_path(room.as_ref()));
    }
    if let Some(pick) = typed.pick.take() {
        typed.name = if pick.is_empty() {
            names(&edge, 1).concat()
        } else {
            pick
        };
        return html(StatusCode::OK, &enter_view(&edge, &visitor, room, typed));
    }
    if typed.doubt.is_some() {
        return doubt(&edge, &visitor, &network, room, typed).await;
    }
    let (Some(standing), Some(device)) = (
        Standing::from_wire(&typed.standing),
        Device::from_wire(&typed.device),
    ) else {
        let mut view = enter_view(&edge, &visitor, room, typed);
        view.standing_missing = view.standing.is_none();
        view.device_missing = view.device.is_none();
        return html(StatusCode::UNPROCESSABLE_ENTITY, &view);
    };
    let has_slip = !typed.slip.trim().is_empty();
    let counted = match network.limit(&edge, Bucket::Handles).await {
        // Numbers are not to be tried out.
        Ok(()) if has_slip => network.limit(&edge, Bucket::Slips).await,
        counted => counted,
    };
    let made = match counted {
        Err(problem) => Err(problem),
        Ok(()) if !edge.assessor.takes_name(&typed.name) => Err(Code::BadName.into()),
        Ok(()) => {
            let newcomer = Newcomer {
                // An emptied field asks for a suggested name, as a null name does in the API.
                name: (!typed.name.trim().is_empty()).then(|| typed.name.clone()),
                standing,
                slip: has_slip.then(|| typed.slip.clone()),
                device,
            };
            edge.identity
                .make_handle(newcomer)
                .await
                .map_err(Problem::from)
        }
    };
    match made {
        Ok(signed_in) => {
            let cookie = cookie(&edge.settings, &signed_in);
            // A slip brings its side, whatever was chosen.
            let side = match &signed_in.session.actor {
                Actor::Handle { standing, .. } => *standing,
                Actor::Staff { .. } => standing,
            };
            let path = match room {
                Some(room) if is_of(&edge, &room, side).await => room_path(Some(&room)),
                // They chose the other side than the door they came by: the foyer shows the rooms that are theirs.
                Some(_) | None => room_path(None),
            };
            (set_cookie(&cookie), see_other(&path)).into_response()
        }
        Err(problem) => {
            let words = Some(texts::problem(problem.code().as_str()).to_owned());
            let mut view = enter_view(&edge, &visitor, room, typed);
            if problem.code() == Code::BadName {
                view.name_say = words;
            } else if problem.code() == Code::BadSlip {
                view.slip_say = words.map(|words| (words, true));
            } else {
                view.refusal = words;
            }
            refused(&problem, &view)
        }
    }
}

/// Somebody says that they did not use a slip that is used. They are told the same whatever that number is.
async fn doubt(
    edge: &EdgeState,
    visitor: &Visitor,
    network: &Network,
    room: Option<RoomId>,
    typed: EnterFields,
) -> Response {
    let told = async {
        network.limit(edge, Bucket::Slips).await?;
        if let Some(stub) = edge.identity.doubt_slip(&typed.slip).await? {
            let alerts = &edge.rooms.deps().alerts;
            alerts::raise(alerts, AlertKind::SlipDoubted, &stub, None).await?;
        }
        Ok::<(), Problem>(())
    };
    let words = match told.await {
        Ok(()) => texts::t("enter.slip_doubted").to_owned(),
        Err(problem) => texts::problem(problem.code().as_str()).to_owned(),
    };
    let mut view = enter_view(edge, visitor, room, typed);
    view.slip_say = Some((words, false));
    html(StatusCode::OK, &view)
}

fn enter_view(edge: &Edge, visitor: &Visitor, room: Option<RoomId>, typed: EnterFields) -> Enter {
    Enter {
        page: visitor.page(),
        room: room.map(|room| room.as_str().to_owned()),
        standing: pages::Audience::from_wire(&typed.standing),
        name: typed.name,
        suggestions: names(edge, SUGGESTIONS),
        device: pages::Device::from_wire(&typed.device),
        name_say: None,
        standing_missing: false,
        device_missing: false,
        refusal: None,
        slip: typed.slip,
        slip_say: None,
    }
}

async fn back_form(visitor: Visitor) -> Response {
    let view = Back {
        page: visitor.page(),
        typed: String::new(),
        refusal: None,
    };
    html(StatusCode::OK, &view)
}

#[derive(Default, Deserialize)]
struct BackFields {
    #[serde(default)]
    recovery_code: String,
    #[serde(default)]
    device: String,
}

async fn back(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    network: Network,
    form: Result<Form<BackFields>, FormRejection>,
) -> Response {
    let typed = fields(form);
    // Whoever says nothing about the device is believed to share it.
    let device = Device::from_wire(&typed.device).unwrap_or(Device::Shared);
    let found = match network.limit(&edge, Bucket::Recover).await {
        Err(problem) => Err(problem),
        Ok(()) => edge
            .identity
            .recover(&typed.recovery_code, device)
            .await
            .map_err(Problem::from),
    };
    match found {
        Ok(signed_in) => {
            if let Err(problem) = replace(&edge, visitor.session.as_ref()).await {
                return visitor.problem(&problem, "/back", None);
            }
            let cookie = cookie(&edge.settings, &signed_in);
            (set_cookie(&cookie), see_other("/")).into_response()
        }
        Err(problem) => {
            let words = match problem.code() {
                Code::BadLogin => texts::t("back.bad"),
                other => texts::problem(other.as_str()),
            };
            let view = Back {
                page: visitor.page(),
                typed: typed.recovery_code,
                refusal: Some(words.to_owned()),
            };
            refused(&problem, &view)
        }
    }
}

async fn me(visitor: Visitor) -> Response {
    match &visitor.session {
        Some(session) => html(StatusCode::OK, &me_view(&visitor, session, None)),
        None => visitor.problem(&Code::NoSession.into(), "/", None),
    }
}

#[derive(Default, Deserialize)]
struct StandingFields {
    #[serde(default)]
    standing: String,
}

/// Chooses the other side, while nothing was done in a room yet.
async fn switch_standing(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    form: Result<Form<StandingFields>, FormRejection>,
) -> Response {
    let Some(session) = &visitor.session else {
        return visitor.problem(&Code::NoSession.into(), "/", None);
    };
    let Some(standing) = Standing::from_wire(&fields(form).standing) else {
        return visitor.problem(&Code::BadRequest.into(), "/me", None);
    };
    match edge.identity.switch_standing(session, standing).await {
        Ok(signed_in) => {
            let cookie = cookie(&edge.settings, &signed_in);
            (set_cookie(&cookie), see_other("/me")).into_response()
        }
        Err(refusal) => visitor.problem(&Problem::from(refusal), "/me", None),
    }
}

async fn make_words(State(edge): State<EdgeState>, visitor: Visitor) -> Response {
    let Some(session) = &visitor.session else {
        return visitor.problem(&Code::NoSession.into(), "/", None);
    };
    let made = match limit_person_everywhere(&edge, Bucket::Recover, session).await {
        Err(problem) => Err(problem),
        Ok(()) => edge
            .identity
            .make_recovery(session)
            .await
            .map_err(Problem::from),
    };
    match made {
        Ok(code) => {
            let words = code.text().split(' ').map(str::to_owned).collect();
            html(StatusCode::OK, &me_view(&visitor, session, Some(words)))
        }
        Err(problem) => visitor.problem(&problem, "/me", None),
    }
}

fn me_view(visitor: &Visitor, session: &Session, words: Option<Vec<String>>) -> Me {
    Me {
        page: visitor.page(),
        name: session.name.as_str().to_owned(),
        standing: session
            .standing()
            .and_then(|standing| pages::Audience::from_wire(standing.as_str())),
        other_side: match (session.standing(), session.handle) {
            (Some(standing), Some(handle)) if !handle.acted => Some(match standing {
                Standing::Tojisha => Standing::Family,
                Standing::Family => Standing::Tojisha,
            }),
            (Some(_) | None, Some(_) | None) => None,
        },
        device: match session.device {
            Device::Mine => pages::Device::Mine,
            Device::Shared => pages::Device::Shared,
        },
        has_words: words.is_some() || session.handle.is_some_and(|handle| handle.has_words),
        words,
    }
}

async fn log_out(State(edge): State<EdgeState>, visitor: Visitor) -> Response {
    match replace(&edge, visitor.session.as_ref()).await {
        Ok(()) => gone(&edge),
        Err(problem) => visitor.problem(&problem, "/me", None),
    }
}

async fn log_out_everywhere(State(edge): State<EdgeState>, visitor: Visitor) -> Response {
    let Some(session) = &visitor.session else {
        return gone(&edge);
    };
    match edge.identity.log_out_everywhere(session).await {
        Ok(()) => gone(&edge),
        Err(error) => visitor.problem(&error.into(), "/me", None),
    }
}

async fn remove_form(visitor: Visitor) -> Response {
    match &visitor.session {
        Some(session) if session.handle.is_some() => {
            let view = Remove {
                page: visitor.page(),
                name: session.name.as_str().to_owned(),
            };
            html(StatusCode::OK, &view)
        }
        Some(_) => visitor.problem(&Code::NotAllowed.into(), "/me", None),
        None => visitor.problem(&Code::NoSession.into(), "/", None),
    }
}

async fn remove(State(edge): State<EdgeState>, visitor: Visitor) -> Response {
    let Some(session) = &visitor.session else {
        return visitor.problem(&Code::NoSession.into(), "/", None);
    };
    match edge.identity.remove_handle(session).await {
        Ok(()) => gone(&edge),
        Err(refusal) => visitor.problem(&refusal.into(), "/me", None),
    }
}

/// The harmless page looks at no cookie: looking would count as coming back.
async fn harmless() -> Response {
    html(StatusCode::OK, &Hidden {})
}

/// かくす. The page comes whatever happens; a session that could not be marked ends by itself later.
async fn hide(State(edge): State<EdgeState>, signed: Result<Option<Signed>, Problem>) -> Response {
    // A store that cannot be asked was told of where it failed; nothing may stand in the way here.
    if let Ok(Some(Signed(session))) = signed
        && let Err(error) = edge.identity.hide(&session.id).await
    {
        tracing::warn!(%error, "a session could not be hidden");
    }
    see_other("/m")
}

/// The way back from the harmless page; the page that follows uses the session again.
async fn unhide() -> Response {
    see_other("/")
}

async fn erase_form(visitor: Visitor) -> Response {
    let view = Erase {
        page: visitor.page(),
    };
    html(StatusCode::OK, &view)
}

/// この端末から消す: the session ends, and the browser is asked to forget all it holds.
async fn erase(State(edge): State<EdgeState>, visitor: Visitor) -> Response {
    if let Err(problem) = replace(&edge, visitor.session.as_ref()).await {
        // The browser's side can be cleared all the same, and without the cookie nobody here opens the session.
        tracing::warn!(
            code = problem.code().as_str(),
            "a session could not be ended"
        );
    }
    let look = HeaderValue::try_from(format!("{LOOK_COOKIE}=; Path=/; SameSite=Lax; Max-Age=0"))
        .expect("the name of the cookie is plain");
    let headers = AppendHeaders([
        (
            header::HeaderName::from_static("clear-site-data"),
            HeaderValue::from_static(EVERYTHING),
        ),
        (header::SET_COOKIE, look),
    ]);
    (headers, gone(&edge)).into_response()
}

/// Ends the session that this browser had before.
pub(super) async fn replace(edge: &Edge, before: Option<&Session>) -> Result<(), Problem> {
    match before {
        Some(session) => Ok(edge.identity.log_out(session).await?),
        None => Ok(()),
    }
}

/// Names to choose from.
pub(super) fn names(edge: &Edge, n: usize) -> Vec<String> {
    let names = edge.identity.suggestions(n);
    names.iter().map(|name| name.as_str().to_owned()).collect()
}

/// Out: the cookie is taken back.
fn gone(edge: &Edge) -> Response {
    (set_cookie(&no_cookie(&edge.settings)), see_other("/")).into_response()
}

/// Whether a room is of that side, as far as can be told now.
async fn is_of(edge: &Edge, room: &RoomId, side: Standing) -> bool {
    let found = gatherings::find(&edge.rooms.deps().db, room).await;
    matches!(found, Ok(Some(row)) if row.gathering.audience == side)
}

fn room_path(room: Option<&RoomId>) -> String {
    match room {
        Some(room) => format!("/r/{}", room.as_str()),
        None => "/".to_owned(),
    }
}
