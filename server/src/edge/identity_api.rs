//! The HTTP calls of identity, as `protocol.md` has them.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::identity_pages::names;
use super::problem::{Code, Document, Problem};
use super::session::{Signed, cookie, no_cookie};
use super::state::{Edge, EdgeState};
use super::visitor::{Body, Network, limit_person_everywhere, set_cookie};
use crate::features::identity::{Newcomer, Refusal, SignedIn};
use crate::platform::limits::Bucket;
use crate::protocol::{
    Device, HandleOut, MakeHandle, MeOut, Recover, RecoveryOut, StaffLogin, StaffOut,
};

/// Names beside one that cannot be worn.
const SUGGESTIONS: usize = 5;

/// The calls for everybody who is, or will be, logged in.
pub fn people() -> OpenApiRouter<EdgeState> {
    OpenApiRouter::new()
        .routes(routes!(make_handle))
        .routes(routes!(make_recovery))
        .routes(routes!(recover))
        .routes(routes!(me, remove_me))
        .routes(routes!(log_out_everywhere))
}

/// The call for people with powers; it follows the staff pages to an address of their own.
pub fn staff() -> OpenApiRouter<EdgeState> {
    OpenApiRouter::new().routes(routes!(staff_login))
}

/// Makes a handle and logs it in.
#[utoipa::path(
    post, path = "/api/v1/handles", request_body = MakeHandle,
    responses(
        (status = 201, description = "made and logged in", body = HandleOut),
        (status = 400, description = "bad_request", body = Document),
        (status = 422, description = "bad_name with suggestions, bad_slip", body = Document),
        (status = 429, description = "too_fast", body = Document),
        (status = 503, description = "busy", body = Document),
    )
)]
async fn make_handle(
    State(edge): State<EdgeState>,
    network: Network,
    Body(body): Body<MakeHandle>,
) -> Result<Response, Problem> {
    network.limit(&edge, Bucket::Handles).await?;
    let newcomer = Newcomer {
        name: body.name,
        standing: body.standing,
        slip: body.slip,
        device: body.device.unwrap_or(Device::Shared),
    };
    let name_passes = newcomer
        .name
        .as_deref()
        .is_none_or(|name| edge.assessor.takes_name(name));
    if newcomer.slip.is_some() {
        // Numbers are not to be tried out.
        network.limit(&edge, Bucket::Slips).await?;
    }
    if !name_passes {
        return Err(Problem::new(Code::BadName).suggestions(names(&edge, SUGGESTIONS)));
    }
    match edge.identity.make_handle(newcomer).await {
        Ok(signed_in) => Ok(welcome(&edge, StatusCode::CREATED, &signed_in)),
        Err(refusal @ Refusal::BadName(_)) => {
            Err(Problem::from(refusal).suggestions(names(&edge, SUGGESTIONS)))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// New words to come back by; the old ones die.
#[utoipa::path(
    post, path = "/api/v1/me/recovery",
    responses(
        (status = 201, description = "shown this once", body = RecoveryOut),
        (status = 401, description = "no_session", body = Document),
        (status = 403, description = "not_allowed, for accounts with powers", body = Document),
        (status = 429, description = "too_fast", body = Document),
        (status = 503, description = "busy", body = Document),
    )
)]
async fn make_recovery(
    State(edge): State<EdgeState>,
    Signed(session): Signed,
) -> Result<Response, Problem> {
    limit_person_everywhere(&edge, Bucket::Recover, &session).await?;
    let code = edge.identity.make_recovery(&session).await?;
    let out = RecoveryOut {
        recovery_code: code.text().to_string(),
    };
    Ok(json(StatusCode::CREATED, &out))
}

/// Comes back by words, on this device.
#[utoipa::path(
    post, path = "/api/v1/handles/recover", request_body = Recover,
    responses(
        (status = 200, description = "logged in; other sessions live on", body = HandleOut),
        (status = 400, description = "bad_request", body = Document),
        (status = 401, description = "bad_login, whatever the reason", body = Document),
        (status = 429, description = "too_fast", body = Document),
        (status = 503, description = "busy", body = Document),
    )
)]
async fn recover(
    State(edge): State<EdgeState>,
    network: Network,
    Body(body): Body<Recover>,
) -> Result<Response, Problem> {
    network.limit(&edge, Bucket::Recover).await?;
    let device = body.device.unwrap_or(Device::Shared);
    let signed_in = edge.identity.recover(&body.recovery_code, device).await?;
    Ok(welcome(&edge, StatusCode::OK, &signed_in))
}

/// Logs somebody with powers in.
#[utoipa::path(
    post, path = "/api/v1/staff/login", request_body = StaffLogin,
    responses(
        (status = 200, description = "logged in", body = StaffOut),
        (status = 400, description = "bad_request", body = Document),
        (status = 401, description = "bad_login, whatever the reason", body = Document),
        (status = 429, description = "too_fast", body = Document),
        (status = 503, description = "busy", body = Document),
    )
)]
async fn staff_login(
    State(edge): State<EdgeState>,
    network: Network,
    Body(body): Body<StaffLogin>,
) -> Result<Response, Problem> {
    network.limit_login(&edge, &body.id).await?;
    let signed_in = edge
        .identity
        .login_staff(&body.id, &body.password, &body.totp)
        .await?;
    Ok(welcome(&edge, StatusCode::OK, &signed_in))
}

/// Who am I.
#[utoipa::path(
    get, path = "/api/v1/me",
    responses(
        (status = 200, description = "as making a handle or staff login answered", body = MeOut),
        (status = 401, description = "no_session", body = Document),
        (status = 503, description = "busy", body = Document),
    )
)]
async fn me(Signed(session): Signed) -> Response {
    json(StatusCode::OK, &session.me())
}

/// Removes the handle and all that hangs on it.
#[utoipa::path(
    delete, path = "/api/v1/me",
    responses(
        (status = 204, description = "removed"),
        (status = 401, description = "no_session", body = Document),
        (status = 403, description = "not_allowed, for accounts with powers", body = Document),
        (status = 503, description = "busy; nothing is lost", body = Document),
    )
)]
async fn remove_me(
    State(edge): State<EdgeState>,
    Signed(session): Signed,
) -> Result<Response, Problem> {
    edge.identity.remove_handle(&session).await?;
    Ok(farewell(&edge))
}

/// Logs out everywhere, here too.
#[utoipa::path(
    delete, path = "/api/v1/sessions",
    responses(
        (status = 204, description = "all sessions ended"),
        (status = 401, description = "no_session", body = Document),
        (status = 503, description = "busy", body = Document),
    )
)]
async fn log_out_everywhere(
    State(edge): State<EdgeState>,
    Signed(session): Signed,
) -> Result<Response, Problem> {
    edge.identity.log_out_everywhere(&session).await?;
    Ok(farewell(&edge))
}

fn welcome(edge: &Edge, status: StatusCode, signed_in: &SignedIn) -> Response {
    let cookie = cookie(&edge.settings, signed_in);
    (set_cookie(&cookie), json(status, &signed_in.session.me())).into_response()
}

fn farewell(edge: &Edge) -> Response {
    let cookie = no_cookie(&edge.settings);
    (StatusCode::NO_CONTENT, set_cookie(&cookie)).into_response()
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
