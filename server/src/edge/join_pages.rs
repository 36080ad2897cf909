//! The pages of one-time addresses: the first manager's, an invited person's, and that of a new second factor.

use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::pages::staff::First;
use super::pages::texts;
use super::problem::Code;
use super::staff_pages::{come_in, staff_page};
use super::state::{Edge, EdgeState};
use super::visitor::{Network, Visitor, fields, html};
use crate::features::identity::{FirstManager, Join, JoinKind, Refusal};
use crate::platform::store::Stored;

/// What stands under the QR code in the app, until an id is chosen.
const FIRST_ACCOUNT: &str = "manager";
const NEW_ACCOUNT: &str = "staff";
/// Where the tries at one-time addresses of one network are counted.
const TRIES: &str = "join";

/// The pages. What is packed by length or cached elsewhere is not here: see [`holds_secret`].
pub fn joining() -> Router<EdgeState> {
    Router::new()
        .route("/s/first/{token}", get(first_form).post(first))
        .route("/s/join/{token}", get(join_form).post(join))
}

/// Whether a page of that path shows a secret.
pub fn holds_secret(path: &str) -> bool {
    path.starts_with("/s/first/") || path.starts_with("/s/join/")
}

/// Which address it is.
#[derive(Clone, Copy)]
enum Way {
    First,
    Join,
}

impl Way {
    fn path(self, token: &str) -> String {
        match self {
            Self::First => format!("/s/first/{token}"),
            Self::Join => format!("/s/join/{token}"),
        }
    }

    async fn look(self, edge: &Edge, token: &str) -> Stored<Option<Join>> {
        match self {
            Self::First => {
                let totp = edge.identity.first_manager_totp(token).await?;
                Ok(totp.map(|totp| Join {
                    kind: JoinKind::First,
                    name: String::new(),
                    account: None,
                    totp,
                }))
            }
            Self::Join => edge.identity.join(token).await,
        }
    }
}

#[derive(Default, Deserialize)]
struct Fields {
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    totp: String,
}

async fn first_form(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    Path(token): Path<String>,
) -> Response {
    show(&edge, &visitor, Way::First, &token).await
}

async fn join_form(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    Path(token): Path<String>,
) -> Response {
    show(&edge, &visitor, Way::Join, &token).await
}

async fn first(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    network: Network,
    Path(token): Path<String>,
    form: Result<Form<Fields>, FormRejection>,
) -> Response {
    claim(&edge, &visitor, &network, Way::First, &token, fields(form)).await
}

async fn join(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    network: Network,
    Path(token): Path<String>,
    form: Result<Form<Fields>, FormRejection>,
) -> Response {
    claim(&edge, &visitor, &network, Way::Join, &token, fields(form)).await
}

async fn show(edge: &Edge, visitor: &Visitor, way: Way, token: &str) -> Response {
    match way.look(edge, token).await {
        Ok(Some(join)) => {
            let typed = Fields {
                name: join.name.clone(),
                ..Fields::default()
            };
            html(
                StatusCode::OK,
                &view(visitor, way.path(token), &join, &typed),
            )
        }
        // One answer for an address that was used, is old, or never was.
        Ok(None) => visitor.problem(&Code::NotFound.into(), "/s", None),
        Err(error) => visitor.problem(&error.into(), "/s", None),
    }
}

async fn claim(
    edge: &Edge,
    visitor: &Visitor,
    network: &Network,
    way: Way,
    token: &str,
    typed: Fields,
) -> Response {
    let join = match way.look(edge, token).await {
        Ok(Some(join)) => join,
        Ok(None) => return visitor.problem(&Code::NotFound.into(), "/s", None),
        Err(error) => return visitor.problem(&error.into(), "/s", None),
    };
    let path = way.path(token);
    let counted = join.account.as_deref().unwrap_or(TRIES);
    if let Err(problem) = network.limit_login(edge, counted).await {
        return visitor.problem(&problem, &path, None);
    }
    let sent = FirstManager {
        id: typed.id.clone(),
        name: typed.name.clone(),
        password: typed.password.clone(),
        totp: typed.totp.clone(),
    };
    let outcome = match way {
        Way::First => edge.identity.claim_first_manager(token, sent).await,
        Way::Join => edge.identity.claim_join(token, sent).await,
    };
    match outcome {
        Ok(signed_in) => come_in(edge, visitor, &signed_in).await,
        Err(Refusal::BadLogin | Refusal::BadPassword(_) | Refusal::BadName(_) | Refusal::BadId) => {
            let mut view = view(visitor, path, &join, &typed);
            let say = if view.asks_who {
                "first.bad"
            } else {
                "renew.bad"
            };
            view.refusal = Some(texts::t(say).to_owned());
            html(StatusCode::UNPROCESSABLE_ENTITY, &view)
        }
        Err(
            refusal @ (Refusal::NotForThis
            | Refusal::Settled
            | Refusal::BadRole
            | Refusal::BadSlip
            | Refusal::Busy
            | Refusal::Store(_)),
        ) => visitor.problem(&refusal.into(), &path, None),
    }
}

fn view(visitor: &Visitor, path: String, join: &Join, typed: &Fields) -> First {
    let shown_as = match join.kind {
        JoinKind::First => FIRST_ACCOUNT,
        JoinKind::Account => NEW_ACCOUNT,
        JoinKind::Factor | JoinKind::FactorAndPassword => {
            join.account.as_deref().unwrap_or(NEW_ACCOUNT)
        }
    };
    First {
        page: staff_page(visitor),
        path,
        is_first: join.kind == JoinKind::First,
        asks_who: matches!(join.kind, JoinKind::First | JoinKind::Account),
        new_password: join.kind != JoinKind::Factor,
        id: typed.id.clone(),
        name: typed.name.clone(),
        qr_svg: join.totp.qr_svg(shown_as).to_string(),
        totp_secret: join.totp.base32().to_string(),
        refusal: None,
    }
}
