//! Rooms by plain pages and forms: an old browser, or one without script. The same gate, limits and answers as on the
//! socket; loading the page counts as coming in, never as duty.

mod acts;
mod keep;
mod lamps;
mod say;
mod view;
mod visit;

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Deserialize;

use self::lamps::FormLamps;
use self::view::Besides;
use self::visit::{Arrival, Visit};
use super::pages::room::Waiting;
use super::problem::{Code, Problem};
use super::shown::{instant, on_duty};
use super::state::{Edge, EdgeState};
use super::visitor::{Visitor, html, limit_person, see_other};
use crate::features::identity::Session;
use crate::features::rooms;
use crate::permit::Actor;
use crate::platform::ids::RoomId;
use crate::platform::limits::Bucket;
use crate::protocol::{EnterMode, RefusalCode};

/// The pages and forms.
pub fn routes() -> Router<EdgeState> {
    Router::new()
        .route("/r/{id}", get(room))
        .route("/r/{id}/words", get(words))
        .route("/r/{id}/say", post(say::say).get(to_room))
        .route("/r/{id}/stamp", post(acts::stamp).get(to_room))
        .route("/r/{id}/unsay", post(acts::unsay).get(to_room))
        .route("/r/{id}/lamp", post(acts::lamp).get(to_room))
        .route("/r/{id}/hide", post(acts::hide).get(to_room))
        .route("/r/{id}/unhide", post(acts::unhide).get(to_room))
        .route("/r/{id}/look", post(acts::look).get(to_room))
        .route("/r/{id}/approve", post(acts::approve).get(to_room))
        .route("/r/{id}/keep", get(keep::page).post(keep::act))
        .route("/r/{id}/reject", post(acts::reject).get(to_room))
        .layer(Extension(FormLamps::default()))
}

/// The address of a room, if this can be one.
fn room_path(id: &str) -> String {
    RoomId::parse(id).map_or_else(|| "/".to_owned(), |id| format!("/r/{}", id.as_str()))
}

/// Whoever has no session goes to the door; it leads back here.
fn to_door(id: &str) -> Response {
    match RoomId::parse(id) {
        Some(id) => see_other(&format!("/in?room={}", id.as_str())),
        None => see_other("/in"),
    }
}

/// The address of a form, opened as a page: somebody loaded anew after sending.
async fn to_room(Path(id): Path<String>) -> Response {
    see_other(&room_path(&id))
}

/// How somebody comes in who does not say how: those with powers are nowhere else than on duty.
fn usual_mode(session: &Session) -> EnterMode {
    match &session.actor {
        Actor::Handle { .. } => EnterMode::Talk,
        Actor::Staff { .. } => EnterMode::Duty,
    }
}

#[derive(Default, Deserialize)]
struct RoomQuery {
    mode: Option<String>,
    line: Option<String>,
}

async fn room(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    Path(id): Path<String>,
    query: Result<Query<RoomQuery>, QueryRejection>,
) -> Response {
    let Some(session) = &visitor.session else {
        return to_door(&id);
    };
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let mode = query
        .mode
        .as_deref()
        .and_then(EnterMode::from_wire)
        .unwrap_or_else(|| usual_mode(session));
    let besides = Besides {
        open_line: query.line.and_then(|line| line.parse().ok()),
        ..Besides::default()
    };
    let shown = async {
        limit_person(&edge, Bucket::Frames, session)?;
        let (mut visit, _permit) = Visit::in_mode(&edge, session, &id, mode).await?;
        match visit.enter(mode).await? {
            Arrival::In(entered) => {
                let view = view::room(
                    &edge, &visitor, session, &mut visit, mode, *entered, besides,
                )
                .await?;
                Ok(html(StatusCode::OK, &view))
            }
            Arrival::Waits(text) => waiting(&edge, &visitor, &visit, mode, text).await,
            Arrival::Refused(code) => Err(no_entry(code)),
        }
    };
    shown
        .await
        .unwrap_or_else(|problem| visitor.problem(&problem, "/", None))
}

async fn words(
    State(edge): State<EdgeState>,
    Extension(lamps): Extension<FormLamps>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Response {
    let Some(session) = &visitor.session else {
        return to_door(&id);
    };
    let mode = usual_mode(session);
    let shown = async {
        limit_person(&edge, Bucket::Frames, session)?;
        let (mut visit, _permit) = Visit::in_mode(&edge, session, &id, mode).await?;
        match visit.enter(mode).await? {
            Arrival::In(entered) => {
                let besides = Besides {
                    my_lamp: lamps.is_lit(&visit),
                    ..Besides::default()
                };
                let view = view::words(&edge, &visitor, session, &visit, mode, *entered, besides);
                Ok(html(StatusCode::OK, &view.await?))
            }
            Arrival::Waits(_) => Ok(see_other(&room_path(&id))),
            Arrival::Refused(code) => Err(no_entry(code)),
        }
    };
    shown
        .await
        .unwrap_or_else(|problem| visitor.problem(&problem, &room_path(&id), None))
}

/// A room that does not let in: one answer for "closed", "not yours", "not there" and "gone".
fn no_entry(code: RefusalCode) -> Problem {
    match code {
        RefusalCode::Busy => Code::Busy.into(),
        RefusalCode::TooFast => Code::TooFast.into(),
        RefusalCode::NotYet => Code::NotYet.into(),
        RefusalCode::BadFrame
        | RefusalCode::TooLong
        | RefusalCode::NotEntered
        | RefusalCode::NotAllowed
        | RefusalCode::RoomClosed
        | RefusalCode::RoomPaused
        | RefusalCode::RoomFull
        | RefusalCode::Resting
        | RefusalCode::Removed
        | RefusalCode::Rejected
        | RefusalCode::Listening
        | RefusalCode::Spam => Code::NotAllowed.into(),
    }
}

async fn waiting(
    edge: &Arc<Edge>,
    visitor: &Visitor,
    visit: &Visit,
    mode: EnterMode,
    text: String,
) -> Result<Response, Problem> {
    let gathering = visit.link.gathering();
    let people = rooms::on_duty_now(edge.rooms.deps(), gathering).await?;
    let view = Waiting {
        page: visitor.page(),
        id: gathering.id.as_str().to_owned(),
        title: gathering.title.clone(),
        mode,
        opens_at: Some(instant(gathering.starts)),
        now: instant(edge.clock.now()),
        text: Some(text),
        on_duty: on_duty(people),
    };
    Ok(html(StatusCode::OK, &view))
}
