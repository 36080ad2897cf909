//! The pages by which people with powers come in: login, and the day they see; one-time addresses are in `join_pages`.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::identity_pages::replace;
use super::join_pages;
use super::pages::help_lines::HelpLinesPage;
use super::pages::staff::{DutyRoom, Login, OnCallHere, Today};
use super::pages::{AlertRow, Desk, HoldRow, Page, texts};
use super::problem::{Code, Problem};
use super::session::cookie;
use super::shown;
use super::slip_pages;
use super::state::{Edge, EdgeState};
use super::visitor::{Network, Visitor, fields, html, refused, see_other, set_cookie};
use crate::features::alerts;
use crate::features::audit::Entry;
use crate::features::care;
use crate::features::gatherings::{self, RoomRow};
use crate::features::identity::{Session, SignedIn};
use crate::features::rooms::{self, duty};
use crate::permit::{self, Action, Actor, Duty};
use crate::platform::ids::{AlertId, RoomId, StaffId};
use crate::platform::store::Stored;
use crate::protocol::{HoldReason, Role, RoleKind, RoomState};

const LOGIN: &str = "/s";
/// Where a person with powers sees their day.
pub const TODAY: &str = "/s/today";
/// How far ahead staff see gatherings, in milliseconds.
const NEAR_MS: i64 = 24 * 60 * 60 * 1_000;

/// The pages; with an address of their own they stand nowhere else.
pub fn staff() -> Router<EdgeState> {
    Router::new()
        .route(LOGIN, get(login_form).post(login))
        .route(TODAY, get(today))
        .route("/s/lines", get(help_lines))
        .merge(slip_pages::staff())
        .route("/s/alerts/{id}", post(alert_seen).get(to_today))
        .route("/s/on-call/{id}", post(on_call).get(to_today))
        .merge(join_pages::joining())
}

/// What every page for people with powers knows.
pub fn staff_page(visitor: &Visitor) -> Page {
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

/// What a person with powers sees first: the rooms they are on the roster of, and for staff all that are near, those
/// that nobody keeps before the others.
async fn today(State(edge): State<EdgeState>, visitor: Visitor) -> Response {
    let page = staff_page(&visitor);
    let Some(session) = &visitor.session else {
        return see_other(LOGIN);
    };
    let Actor::Staff { id, roles } = &session.actor else {
        return visitor.problem(&Problem::new(Code::NotFound), "/", None);
    };
    match duty_rooms(&edge, id, roles).await {
        Ok(Day { rooms, holds, kept }) => {
            let mut page = page;
            page.alerts = match alerts(&edge).await {
                Ok(alerts) => alerts,
                Err(error) => return visitor.problem(&error.into(), "/", None),
            };
            page.desk = Some(Desk {
                waits: !holds.is_empty(),
                risk: holds.iter().any(|hold| hold.reason == HoldReason::Risk),
                elsewhere: holds.iter().any(|hold| !kept.contains(&hold.room)),
                rooms: kept,
            });
            let view = Today {
                page,
                name: session.name.as_str().to_owned(),
                roles: roles.iter().map(|role| role.role).collect(),
                holds,
                rooms,
                n_stale_lines: care::built_in().n_stale(edge.clock.now().jst().date()),
            };
            html(StatusCode::OK, &view)
        }
        Err(error) => visitor.problem(&error.into(), "/", None),
    }
}

/// The form of an act, opened as a page: somebody loaded anew after sending.
async fn to_today() -> Response {
    see_other(TODAY)
}

/// What staff must hear of, in words.
pub async fn alerts(edge: &Arc<Edge>) -> Stored<Vec<AlertRow>> {
    let db = &edge.rooms.deps().db;
    let mut rows = Vec::new();
    for alert in alerts::open(db).await? {
        let room = match &alert.gathering {
            Some(id) => gatherings::find(db, id)
                .await?
                .map(|row| row.gathering.title),
            None => None,
        };
        let key = format!("alert.{}", alert.kind.as_str());
        rows.push(AlertRow {
            id: alert.id.as_str().to_owned(),
            words: texts::fill(&key, &[("room", room.as_deref().unwrap_or_default())]),
        });
    }
    Ok(rows)
}

/// Somebody with powers has seen an alert; it goes from everybody's pages.
async fn alert_seen(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Response {
    let Some(session) = &visitor.session else {
        return see_other(LOGIN);
    };
    let Some(staff) = session.staff_id() else {
        return visitor.problem(&Problem::new(Code::NotFound), "/", None);
    };
    let Some(id) = AlertId::parse(&id) else {
        return see_other(TODAY);
    };
    let entry = Entry {
        actor: staff.as_str().to_owned(),
        roles: role_names(session),
        act: "alerts.seen",
        object: id.as_str().to_owned(),
        reason: String::new(),
    };
    match alerts::seen(&edge.rooms.deps().alerts, &id, entry).await {
        Ok(_) => see_other(TODAY),
        Err(error) => visitor.problem(&error.into(), TODAY, None),
    }
}

/// The roles of somebody with powers, for the record.
pub fn role_names(session: &Session) -> String {
    match &session.actor {
        Actor::Staff { roles, .. } => {
            let names: Vec<&str> = roles.iter().map(|role| role.role.as_str()).collect();
            names.join(",")
        }
        Actor::Handle { .. } => String::new(),
    }
}

#[derive(Default, Deserialize)]
struct OnCallFields {
    #[serde(default)]
    take: String,
}

/// Somebody accepts to be on call for a gathering, answering the telephone until its end; or does so no more.
async fn on_call(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    Path(id): Path<String>,
    form: Result<Form<OnCallFields>, FormRejection>,
) -> Response {
    let Some(session) = &visitor.session else {
        return see_other(LOGIN);
    };
    let takes = fields(form).take == "yes";
    match put_on_call(&edge, session, &id, takes).await {
        Ok(()) => see_other(TODAY),
        Err(problem) => visitor.problem(&problem, TODAY, None),
    }
}

async fn put_on_call(
    edge: &Arc<Edge>,
    session: &Session,
    id: &str,
    takes: bool,
) -> Result<(), Problem> {
    let deps = edge.rooms.deps();
    let (Some(staff), Some(id)) = (session.staff_id(), RoomId::parse(id)) else {
        return Err(Code::NotAllowed.into());
    };
    let row = gatherings::find(&deps.db, &id).await?;
    let row = row.ok_or(Code::NotAllowed)?;
    let audience = row.gathering.audience;
    let _permit = permit::permit(&session.actor, None, audience, Action::BeOnCall)
        .map_err(|_| Code::NotAllowed)?;
    let entry = Arc::new(Entry {
        actor: staff.as_str().to_owned(),
        roles: role_names(session),
        act: if takes {
            "rooms.on_call"
        } else {
            "rooms.off_call"
        },
        object: id.as_str().to_owned(),
        reason: String::new(),
    });
    let (staff, now, ends) = (staff.clone(), deps.clock.now(), row.gathering.ends);
    let (deps_in, of) = (Arc::clone(deps), id.clone());
    deps.db
        .write(move |tx| {
            let (deps, id) = (Arc::clone(&deps_in), of.clone());
            let (staff, entry) = (staff.clone(), Arc::clone(&entry));
            Box::pin(async move {
                if takes {
                    gatherings::put_on_roster(tx, &id, &staff, Duty::OnCall).await?;
                    gatherings::put_on_call(tx, &id, &staff, now, Some(ends)).await?;
                } else {
                    gatherings::take_off_call(tx, &id, &staff).await?;
                }
                deps.audit.append(tx, &entry).await
            })
        })
        .await?;
    if let Some(link) = edge.rooms.held(&id) {
        link.look_again().await;
    }
    Ok(())
}

/// Which help lines people are shown, and which somebody has to ask about.
async fn help_lines(State(edge): State<EdgeState>, visitor: Visitor) -> Response {
    let Some(session) = &visitor.session else {
        return see_other(LOGIN);
    };
    if session.staff_id().is_none() {
        return visitor.problem(&Problem::new(Code::NotFound), "/", None);
    }
    let today = edge.clock.now().jst().date();
    html(
        StatusCode::OK,
        &HelpLinesPage::new(staff_page(&visitor), today),
    )
}

/// What somebody with powers sees of a day.
struct Day {
    rooms: Vec<DutyRoom>,
    /// What waits in those where they may read it: staff in all, others where they are on duty.
    holds: Vec<HoldRow>,
    /// The rooms in which they are on duty.
    kept: Vec<String>,
}

async fn duty_rooms(edge: &Arc<Edge>, id: &StaffId, roles: &[Role]) -> Stored<Day> {
    let deps = edge.rooms.deps();
    let now = edge.clock.now();
    let everywhere = roles
        .iter()
        .any(|role| matches!(role.role, RoleKind::Coordinator | RoleKind::Manager));
    let rows: Vec<RoomRow> = if everywhere {
        gatherings::between(&deps.db, None, now, now.plus_ms(NEAR_MS)).await?
    } else {
        let places = gatherings::on_roster_of(&deps.db, id, now).await?;
        places.into_iter().map(|(row, _)| row).collect()
    };
    let mut duty_rooms = Vec::new();
    let mut holds = Vec::new();
    let mut kept = Vec::new();
    let duties = duty::rooms_of(deps, id).await?;
    let actor = Actor::Staff {
        id: id.clone(),
        roles: roles.to_vec(),
    };
    for row in rows {
        let state = rooms::state_now(deps, &row).await?;
        let on_duty = rooms::on_duty_now(deps, &row.gathering).await?;
        let on_call =
            if permit::permit(&actor, None, row.gathering.audience, Action::BeOnCall).is_err() {
                OnCallHere::Settled
            } else if gatherings::is_on_call(&deps.db, &row.gathering.id, id).await? {
                OnCallHere::Mine
            } else if gatherings::on_call_until(&deps.db, &row.gathering.id)
                .await?
                .is_none()
            {
                OnCallHere::Nobody
            } else {
                OnCallHere::Settled
            };
        let wants_somebody = matches!(
            state,
            RoomState::DoorsOpen | RoomState::Open | RoomState::Paused | RoomState::LastCall
        );
        let waiting = rooms::waiting(deps, &row.gathering.id).await?;
        let audience = row.gathering.audience;
        let own = duties.iter().find(|(room, _)| *room == row.gathering.id);
        let own = own.map(|(_, duty)| *duty);
        let reads =
            permit::permit(&actor, own.map(Into::into), audience, Action::LookAtHold).is_ok();
        if own.is_some() {
            kept.push(row.gathering.id.as_str().to_owned());
        }
        let waits = !waiting.is_empty() && !reads;
        if reads {
            let title = Some(row.gathering.title.clone());
            let now = shown::instant(now);
            let rows = waiting.into_iter();
            holds.extend(rows.filter_map(|frame| HoldRow::of(frame, title.clone(), now)));
        }
        duty_rooms.push(DutyRoom {
            id: row.gathering.id.as_str().to_owned(),
            title: row.gathering.title,
            kind: row.gathering.kind,
            audience: row.gathering.audience,
            state,
            needs_duty: wants_somebody && on_duty.is_empty(),
            on_call,
            on_duty: shown::on_duty(on_duty),
            waits,
        });
    }
    duty_rooms.sort_by_key(|room| !room.needs_duty);
    HoldRow::sort(&mut holds);
    Ok(Day {
        rooms: duty_rooms,
        holds,
        kept,
    })
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
    let outcome = match network.limit_login(&edge, &typed.id).await {
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

/// Sets the cookie of a session that was just made, in place of the one that was there.
pub async fn come_in(edge: &Edge, visitor: &Visitor, signed_in: &SignedIn) -> Response {
    if let Err(problem) = replace(edge, visitor.session.as_ref()).await {
        return visitor.problem(&problem, "/s", None);
    }
    let cookie = cookie(&edge.settings, signed_in);
    (set_cookie(&cookie), see_other(TODAY)).into_response()
}
