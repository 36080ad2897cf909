//! `/s/slips`: making 案内カード, the sheet that is printed, and taking one back by its stub.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;

use super::pages::slips::{NewSlip, Sheet, SlipRow, Slips};
use super::pages::{Page, texts};
use super::problem::{Code, Problem};
use super::shown::instant;
use super::staff_pages::{alerts, role_names};
use super::state::{Edge, EdgeState};
use super::visitor::{Visitor, fields, html, see_other};
use crate::features::audit::Entry;
use crate::features::identity::{Session, SlipState, qr_svg};
use crate::permit::{Action, permit};
use crate::protocol::Audience;

/// Slips made at once: more than fit on some sheets nobody hands out on one day.
const MADE_MAX: usize = 24;
const SLIPS: &str = "/s/slips";
const DAY_MS: i64 = 86_400_000;

/// The pages; they stand where staff come in.
pub fn staff() -> Router<EdgeState> {
    Router::new()
        .route(SLIPS, get(list).post(make))
        .route("/s/slips/revoke", post(revoke).get(to_list))
}

async fn to_list() -> Response {
    see_other(SLIPS)
}

/// Whether they may keep slips for that side.
fn may(session: &Session, audience: Audience) -> Result<(), Problem> {
    permit(&session.actor, None, audience, Action::KeepSlips)
        .map(|_permit| ())
        .map_err(|_| Code::NotAllowed.into())
}

fn entry(session: &Session, act: &'static str, object: String) -> Entry {
    let actor = session.staff_id();
    Entry {
        actor: actor.map_or_else(String::new, |id| id.as_str().to_owned()),
        roles: role_names(session),
        act,
        object,
        reason: String::new(),
    }
}

async fn list(State(edge): State<EdgeState>, visitor: Visitor) -> Response {
    let Some(session) = &visitor.session else {
        return see_other("/s");
    };
    let shown = async {
        may(session, Audience::Family)?;
        view(&edge, &visitor, None).await
    };
    match shown.await {
        Ok(view) => html(StatusCode::OK, &view),
        Err(problem) => visitor.problem(&problem, "/s/today", None),
    }
}

async fn view(edge: &Arc<Edge>, visitor: &Visitor, says: Option<String>) -> Result<Slips, Problem> {
    let rows = edge.identity.slips().await?;
    let rows = rows.into_iter().map(|slip| SlipRow {
        stub: slip.stub,
        audience: slip.standing,
        state: slip.state.as_str(),
        ends_at: instant(slip.ends),
        may_revoke: match slip.state {
            SlipState::Open | SlipState::Used => true,
            SlipState::Ended | SlipState::Revoked => false,
        },
        doubted: slip.doubted,
    });
    Ok(Slips {
        page: page(edge, visitor).await?,
        rows: rows.collect(),
        good_days: edge.settings.slips.good_days,
        says,
    })
}

async fn page(edge: &Arc<Edge>, visitor: &Visitor) -> Result<Page, Problem> {
    Ok(Page {
        staff: true,
        alerts: alerts(edge).await?,
        ..visitor.page()
    })
}

#[derive(Default, Deserialize)]
struct MakeFields {
    #[serde(default)]
    n: String,
    #[serde(default)]
    audience: String,
}

async fn make(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    headers: HeaderMap,
    form: Result<Form<MakeFields>, FormRejection>,
) -> Response {
    let Some(session) = &visitor.session else {
        return see_other("/s");
    };
    let asked = fields(form);
    let made = async {
        let audience = Audience::from_wire(&asked.audience).ok_or(Code::BadRequest)?;
        may(session, audience)?;
        let Some(n) = number(&asked.n) else {
            let says = Some(texts::t("slips.bad_n").to_owned());
            let view = view(&edge, &visitor, says).await?;
            return Ok(html(StatusCode::UNPROCESSABLE_ENTITY, &view));
        };
        let now = edge.clock.now();
        let ends = now.plus_ms(edge.settings.slips.good_days * DAY_MS);
        let entry = entry(session, "slips.make", format!("{}:{n}", audience.as_str()));
        let made = edge.identity.make_slips(audience, n, ends, entry).await?;
        let address = address(&edge, &headers);
        let sheet = Sheet {
            page: page(&edge, &visitor).await?,
            audience,
            slips: made
                .into_iter()
                .map(|(number, stub)| NewSlip {
                    number: number.grouped().to_string(),
                    stub,
                })
                .collect(),
            qr_svg: qr_svg(&address).to_string(),
            // Nobody types what comes before it.
            address: address
                .split_once("://")
                .map_or(address.as_str(), |(_, rest)| rest)
                .to_owned(),
            ends_at: instant(ends),
        };
        Ok::<Response, Problem>(html(StatusCode::CREATED, &sheet))
    };
    made.await
        .unwrap_or_else(|problem| visitor.problem(&problem, SLIPS, None))
}

fn number(typed: &str) -> Option<usize> {
    let n = typed.trim().parse().ok()?;
    (1..=MADE_MAX).contains(&n).then_some(n)
}

/// Where a number is typed in. The number is not in it: addresses are logged on the way.
fn address(edge: &Edge, headers: &HeaderMap) -> String {
    match &edge.settings.public_url {
        Some(url) => format!("{}/in", url.trim_end_matches('/')),
        None => {
            let host = headers
                .get(header::HOST)
                .and_then(|host| host.to_str().ok());
            format!("http://{}/in", host.unwrap_or("localhost"))
        }
    }
}

#[derive(Default, Deserialize)]
struct RevokeFields {
    #[serde(default)]
    stub: String,
}

async fn revoke(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    form: Result<Form<RevokeFields>, FormRejection>,
) -> Response {
    let Some(session) = &visitor.session else {
        return see_other("/s");
    };
    let asked = fields(form);
    let done = async {
        may(session, Audience::Family)?;
        let stub = asked.stub.trim().to_owned();
        let entry = entry(session, "slips.revoke", stub.clone());
        let says = if edge.identity.revoke_slip(&stub, entry).await? {
            "slips.revoked"
        } else {
            "slips.not_there"
        };
        view(&edge, &visitor, Some(texts::t(says).to_owned())).await
    };
    match done.await {
        Ok(view) => html(StatusCode::OK, &view),
        Err(problem) => visitor.problem(&problem, SLIPS, None),
    }
}
