//! The pages by which people with powers come in: login, and the one-time address of the first manager.

use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::identity_pages::replace;
use super::pages::staff::{First, Login};
use super::pages::{Page, texts};
use super::problem::{Code, Problem};
use super::session::cookie;
use super::state::{Edge, EdgeState};
use super::visitor::{Network, Visitor, fields, html, refused, see_other, set_cookie};
use crate::features::identity::{FirstManager, Refusal, SignedIn, TotpSecret};

/// What stands under the QR code in the app, until an id is chosen.
const FIRST_ACCOUNT: &str = "manager";
const TODAY: &str = "/s/today";

/// The pages; with an address of their own they stand nowhere else.
pub fn staff() -> Router<EdgeState> {
    Router::new()
        .route("/s", get(login_form).post(login))
        .route("/s/first/{token}", get(first_form).post(first))
}

fn staff_page(visitor: &Visitor) -> Page {
    Page {
        staff: true,
        ..visitor.page()
    }
}

async fn login_form(visitor: Visitor) -> Response {
    let is_staff = visitor
        .session
        .as_ref()
        .is_some_and(|session| session.staff_id().is_some());
    if is_staff {
        return see_other(TODAY);
    }
    let view = Login {
        page: staff_page(&visitor),
        id: String::new(),
        refusal: None,
    };
    html(StatusCode::OK, &view)
}

#[derive(Default, Deserialize)]
struct LoginFields {
    #[serde(default)]
    id: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    totp: String,
}

async fn login(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    network: Network,
    form: Result<Form<LoginFields>, FormRejection>,
) -> Response {
    let typed = fields(form);
    let outcome = match network.limit_login(&edge, &typed.id) {
        Err(problem) => Err(problem),
        Ok(()) => edge
            .identity
            .login_staff(&typed.id, &typed.password, &typed.totp)
            .await
            .map_err(Problem::from),
    };
    match outcome {
        Ok(signed_in) => come_in(&edge, &visitor, &signed_in).await,
        Err(problem) => {
            let view = Login {
                page: staff_page(&visitor),
                id: typed.id,
                refusal: Some(texts::problem(problem.code().as_str()).to_owned()),
            };
            refused(&problem, &view)
        }
    }
}

async fn first_form(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    Path(token): Path<String>,
) -> Response {
    match edge.identity.first_manager_totp(&token).await {
        Ok(Some(totp)) => {
            let view = first_view(&visitor, token, &totp, &FirstFields::default());
            html(StatusCode::OK, &view)
        }
        // One answer for an address that was used, is old, or never was.
        Ok(None) => visitor.problem(&Code::NotFound.into(), "/s", None),
        Err(error) => visitor.problem(&error.into(), "/s", None),
    }
}

#[derive(Default, Deserialize)]
struct FirstFields {
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    totp: String,
}

async fn first(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    network: Network,
    Path(token): Path<String>,
    form: Result<Form<FirstFields>, FormRejection>,
) -> Response {
    let typed = fields(form);
    let totp = match edge.identity.first_manager_totp(&token).await {
        Ok(Some(totp)) => totp,
        Ok(None) => return visitor.problem(&Code::NotFound.into(), "/s", None),
        Err(error) => return visitor.problem(&error.into(), "/s", None),
    };
    if let Err(problem) = network.limit_login(&edge, FIRST_ACCOUNT) {
        return visitor.problem(&problem, &format!("/s/first/{token}"), None);
    }
    let manager = FirstManager {
        id: typed.id.clone(),
        name: typed.name.clone(),
        password: typed.password.clone(),
        totp: typed.totp.clone(),
    };
    match edge.identity.claim_first_manager(&token, manager).await {
        Ok(signed_in) => come_in(&edge, &visitor, &signed_in).await,
        Err(Refusal::BadLogin | Refusal::BadPassword(_) | Refusal::BadName(_) | Refusal::BadId) => {
            let mut view = first_view(&visitor, token, &totp, &typed);
            view.refusal = Some(texts::t("first.bad").to_owned());
            html(StatusCode::UNPROCESSABLE_ENTITY, &view)
        }
        Err(
            refusal @ (Refusal::NotForThis
            | Refusal::Settled
            | Refusal::NotYet
            | Refusal::Busy
            | Refusal::Store(_)),
        ) => visitor.problem(&refusal.into(), &format!("/s/first/{token}"), None),
    }
}

fn first_view(visitor: &Visitor, token: String, totp: &TotpSecret, typed: &FirstFields) -> First {
    First {
        page: staff_page(visitor),
        token,
        id: typed.id.clone(),
        name: typed.name.clone(),
        qr_svg: totp.qr_svg(FIRST_ACCOUNT).to_string(),
        totp_secret: totp.base32().to_string(),
        refusal: None,
    }
}

async fn come_in(edge: &Edge, visitor: &Visitor, signed_in: &SignedIn) -> Response {
    if let Err(problem) = replace(edge, visitor.session.as_ref()).await {
        return visitor.problem(&problem, "/s", None);
    }
    let cookie = cookie(&edge.settings, signed_in);
    (set_cookie(&cookie), see_other(TODAY)).into_response()
}
