//! The HTTP calls about rooms: the schedule, and drafts.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::{Code, Document, Problem};
use super::reach::{person, reach};
use super::session::Signed;
use super::state::{Edge, EdgeState};
use super::visitor::Body;
use crate::features::identity::Session;
use crate::features::rooms::RoomLink;
use crate::features::{drafts, gatherings, rooms};
use crate::permit::{Action, Actor};
use crate::platform::clock::Millis;
use crate::platform::ids::{ParticipantId, RoomId};
use crate::platform::sealing::DataKey;
use crate::protocol::{Audience, GatheringOut, RoleKind, Time};

/// How far ahead the schedule is told where nobody asks, in milliseconds: 31 days.
const AHEAD_MS: i64 = 31 * 24 * 60 * 60 * 1_000;

/// The calls.
pub fn routes() -> OpenApiRouter<EdgeState> {
    OpenApiRouter::new()
        .routes(routes!(gatherings_between))
        .routes(routes!(draft, keep_draft, remove_draft))
}

/// The side whose gatherings somebody may see; both where absent.
pub fn side_of(session: &Session) -> Option<Audience> {
    match &session.actor {
        Actor::Handle { standing, .. } => Some(*standing),
        Actor::Staff { roles, .. } => {
            let serves = |side: Audience| {
                roles.iter().any(|role| match role.role {
                    RoleKind::PeerSupporter | RoleKind::Moderator => role.audience == Some(side),
                    RoleKind::Coordinator | RoleKind::Manager => true,
                })
            };
            match (serves(Audience::Tojisha), serves(Audience::Family)) {
                (true, false) => Some(Audience::Tojisha),
                (false, true) => Some(Audience::Family),
                (true, true) | (false, false) => None,
            }
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Span {
    /// RFC 3339; now where absent.
    from: Option<String>,
    /// RFC 3339; 31 days after `from` where absent.
    to: Option<String>,
}

/// The gatherings this person may see.
#[utoipa::path(
    get, path = "/api/v1/gatherings", params(Span),
    responses(
        (status = 200, description = "by their beginning, at most 100", body = Vec<GatheringOut>),
        (status = 400, description = "bad_request", body = Document),
        (status = 401, description = "no_session", body = Document),
        (status = 503, description = "busy", body = Document),
    )
)]
async fn gatherings_between(
    State(edge): State<EdgeState>,
    Signed(session): Signed,
    span: Result<Query<Span>, QueryRejection>,
) -> Result<Json<Vec<GatheringOut>>, Problem> {
    let bad = || Problem::new(Code::BadRequest);
    let Query(Span { from, to }) = span.map_err(|_| bad())?;
    let instant = |text: &str| Millis::parse_rfc3339(text).ok_or_else(bad);
    let from = from
        .as_deref()
        .map(instant)
        .transpose()?
        .unwrap_or_else(|| edge.clock.now());
    let to = to
        .as_deref()
        .map(instant)
        .transpose()?
        .unwrap_or(from.plus_ms(AHEAD_MS));
    let deps = edge.rooms.deps();
    let mut told = Vec::new();
    for row in gatherings::between(&deps.db, side_of(&session), from, to).await? {
        let state = rooms::state_now(deps, &row).await?;
        let gathering = row.gathering;
        told.push(GatheringOut {
            id: gathering.id.as_str().to_owned(),
            kind: gathering.kind,
            audience: gathering.audience,
            title: gathering.title,
            starts_at: Time(gathering.starts),
            ends_at: Time(gathering.ends),
            state,
            entry: gathering.entry,
            // Only the rooms' tasks know, and asking each of them for a list would be the dearer part of it.
            about: None,
        });
    }
    Ok(Json(told))
}

/// A draft: what was written and not sent.
#[derive(Deserialize, Serialize, ToSchema)]
struct DraftBody {
    /// The text, as the page wrote it.
    body: String,
}

/// Where somebody's draft for a room lies.
pub(super) struct DraftPlace {
    key: Arc<DataKey>,
    owner: ParticipantId,
    room: RoomId,
}

/// The place of a draft, for whoever may be in the room; one answer for "not yours", "not there" and "gone".
async fn draft_place(
    edge: &Arc<Edge>,
    session: &Session,
    room: &str,
) -> Result<DraftPlace, Problem> {
    let none = || Problem::new(Code::NotFound);
    let room = RoomId::parse(room).ok_or_else(none)?;
    let action = match &session.actor {
        Actor::Handle { .. } => Action::ReadRoom,
        Actor::Staff { .. } => Action::EnterDuty,
    };
    let (link, _permit) = reach(edge, session, &room, None, action)
        .await?
        .ok_or_else(none)?;
    DraftPlace::of(&link, session).await?.ok_or_else(none)
}

impl DraftPlace {
    /// In a room that somebody has reached; `None` once its key is gone.
    pub(super) async fn of(link: &RoomLink, session: &Session) -> Result<Option<Self>, Problem> {
        let busy = |error| {
            tracing::error!(%error, "the key store failed");
            Problem::new(Code::Busy)
        };
        let key = link.key().await.map_err(busy)?;
        let owner = link.participant(&person(session)).await.map_err(busy)?;
        let room = link.gathering().id.clone();
        Ok(key.zip(owner).map(|(key, owner)| Self { key, owner, room }))
    }

    /// The draft, if there is one.
    pub(super) async fn get(&self, edge: &Edge) -> Result<Option<String>, Problem> {
        let db = &edge.rooms.deps().db;
        Ok(drafts::get(db, &self.key, &self.owner, &self.room, edge.clock.now()).await?)
    }

    /// Removes it; there need not be one.
    pub(super) async fn remove(&self, edge: &Edge) -> Result<(), Problem> {
        Ok(drafts::remove(&edge.rooms.deps().db, &self.owner, &self.room).await?)
    }
}

/// One's own draft for a room.
#[utoipa::path(
    get, path = "/api/v1/drafts/room/{id}", params(("id" = String, Path, description = "the room")),
    responses(
        (status = 200, description = "the draft", body = DraftBody),
        (status = 204, description = "none is kept"),
        (status = 401, description = "no_session", body = Document),
        (status = 404, description = "not_found: not yours, not there, gone", body = Document),
        (status = 503, description = "busy", body = Document),
    )
)]
async fn draft(
    State(edge): State<EdgeState>,
    Signed(session): Signed,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let place = draft_place(&edge, &session, &id).await?;
    Ok(match place.get(&edge).await? {
        Some(body) => Json(DraftBody { body }).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// Keeps a draft, in place of the one before; sealed, seven days at most.
#[utoipa::path(
    put, path = "/api/v1/drafts/room/{id}", params(("id" = String, Path, description = "the room")),
    request_body = DraftBody,
    responses(
        (status = 204, description = "kept"),
        (status = 400, description = "bad_request: longer than 16 KiB, or no such body", body = Document),
        (status = 401, description = "no_session", body = Document),
        (status = 404, description = "not_found: not yours, not there, gone", body = Document),
        (status = 503, description = "busy", body = Document),
    )
)]
async fn keep_draft(
    State(edge): State<EdgeState>,
    Signed(session): Signed,
    Path(id): Path<String>,
    Body(DraftBody { body }): Body<DraftBody>,
) -> Result<StatusCode, Problem> {
    if body.len() > drafts::BYTES_MAX {
        return Err(Problem::new(Code::BadRequest));
    }
    let DraftPlace { key, owner, room } = draft_place(&edge, &session, &id).await?;
    let (db, now) = (&edge.rooms.deps().db, edge.clock.now());
    drafts::put(db, &key, &owner, &room, &body, now, &*edge.chance).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a draft; there need not be one.
#[utoipa::path(
    delete, path = "/api/v1/drafts/room/{id}", params(("id" = String, Path, description = "the room")),
    responses(
        (status = 204, description = "none is kept any more"),
        (status = 401, description = "no_session", body = Document),
        (status = 404, description = "not_found: not yours, not there, gone", body = Document),
        (status = 503, description = "busy", body = Document),
    )
)]
async fn remove_draft(
    State(edge): State<EdgeState>,
    Signed(session): Signed,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    draft_place(&edge, &session, &id)
        .await?
        .remove(&edge)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
