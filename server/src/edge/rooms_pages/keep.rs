//! `/r/{id}/keep`: what hosts and staff do to a room as a whole, by forms. One tap each; where one can err, the way back stands
//! beside it.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::acts::{By, on_duty};
use super::say::{status, why};
use super::visit::{Arrival, Visit};
use super::{no_entry, room_path, to_door};
use crate::edge::measures::{self, Act, OfRoom};
use crate::edge::pages::keep::Keep;
use crate::edge::pages::texts;
use crate::edge::problem::{Code, Problem};
use crate::edge::reach::person_key;
use crate::edge::staff_pages::alerts;
use crate::edge::state::{Edge, EdgeState};
use crate::edge::visitor::{Visitor, fields, html, limit_person, see_other};
use crate::edge::words::NotByStaff;
use crate::features::gatherings;
use crate::features::identity::Session;
use crate::features::rooms::Input;
use crate::permit::{Action, permit};
use crate::platform::ids::RoomId;
use crate::platform::limits::Bucket;
use crate::protocol::{EnterMode, Entered, MeasureKind, RefusalCode};

#[derive(Default, Deserialize)]
pub(super) struct KeepFields {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    answers: String,
    #[serde(default)]
    clear: String,
}

impl KeepFields {
    /// The value as a frame would have it.
    fn value(&self, kind: MeasureKind) -> Value {
        match kind {
            MeasureKind::Slow | MeasureKind::Guard => self
                .value
                .parse::<u32>()
                .map_or(json!(self.value), Value::from),
            MeasureKind::Topic if !self.clear.is_empty() => Value::Null,
            MeasureKind::Topic => {
                let answers: Vec<&str> = self
                    .answers
                    .lines()
                    .map(str::trim)
                    .filter(|answer| !answer.is_empty())
                    .collect();
                if answers.is_empty() {
                    json!(self.value)
                } else {
                    json!({"text": self.value, "ready": answers})
                }
            }
            MeasureKind::Close if self.value.is_empty() => Value::Null,
            _ if self.value.is_empty() => Value::Null,
            _ => json!(self.value),
        }
    }
}

/// The page, for those who may decide at least the guard here.
pub(super) async fn page(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Response {
    let Some(session) = &visitor.session else {
        return to_door(&id);
    };
    match shown(&edge, &visitor, session, &id, None, String::new()).await {
        Ok(view) => html(StatusCode::OK, &view),
        Err(problem) => visitor.problem(&problem, &room_path(&id), None),
    }
}

/// Does it, and shows the page as it is then.
pub(super) async fn act(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    Path(id): Path<String>,
    form: Result<Form<KeepFields>, FormRejection>,
) -> Response {
    let Some(session) = &visitor.session else {
        return to_door(&id);
    };
    let asked = fields(form);
    let (says, code, typed) = match done(&edge, session, &id, &asked).await {
        Ok(None) if asked.kind == MeasureKind::Close.as_str() && asked.value.is_empty() => {
            // There is no room to go back to.
            return see_other("/s/today");
        }
        Ok(None) => (
            texts::t("keep.done").to_owned(),
            StatusCode::OK,
            String::new(),
        ),
        Ok(Some(code)) => (why(code), status(code), asked.value),
        Err(problem) if problem.code() == Code::BadRequest => (
            texts::t("keep.bad").to_owned(),
            StatusCode::UNPROCESSABLE_ENTITY,
            asked.value,
        ),
        Err(problem) => return visitor.problem(&problem, &room_path(&id), None),
    };
    match shown(&edge, &visitor, session, &id, Some(says), typed).await {
        Ok(view) => html(code, &view),
        Err(problem) => visitor.problem(&problem, &room_path(&id), None),
    }
}

async fn done(
    edge: &Arc<Edge>,
    session: &Session,
    id: &str,
    asked: &KeepFields,
) -> Result<Option<RefusalCode>, Problem> {
    let kind = MeasureKind::from_wire(&asked.kind).ok_or(Code::BadRequest)?;
    let (action, act, of) = measures::read(kind, None, Some(asked.value(kind)))
        .map_err(|_| Problem::new(Code::BadRequest))?;
    let Act::Room(of) = of else {
        return Err(Code::BadRequest.into());
    };
    let words = match read(edge, session, id, of).await? {
        Ok(act) => act,
        Err(NotByStaff::Malformed) => return Err(Code::BadRequest.into()),
        Err(NotByStaff::Refused(refusal)) => return Ok(Some(refusal.code)),
    };
    let by = By {
        action,
        act,
        reason: String::new(),
    };
    let input = |asker, key, entry| Input::Act {
        asker,
        key,
        act: words,
        entry,
    };
    let (refused, _visit) = on_duty(edge, session, id, by, input).await?;
    Ok(refused)
}

/// The words of it, read as lines of those on duty are.
async fn read(
    edge: &Arc<Edge>,
    session: &Session,
    id: &str,
    of: OfRoom,
) -> Result<Result<crate::features::rooms::RoomAct, NotByStaff>, Problem> {
    let (visit, _permit) = Visit::in_mode(edge, session, id, EnterMode::Duty).await?;
    let whose = person_key(edge, session);
    Ok(of.read_words(edge, visit.link.gathering(), whose))
}

/// The room as it is now.
async fn shown(
    edge: &Arc<Edge>,
    visitor: &Visitor,
    session: &Session,
    id: &str,
    says: Option<String>,
    typed: String,
) -> Result<Keep, Problem> {
    limit_person(edge, Bucket::Frames, session)?;
    let (mut visit, _permit) = Visit::in_mode(edge, session, id, EnterMode::Duty).await?;
    let duty = visit.who.duty.ok_or(Code::NotAllowed)?;
    let audience = visit.link.gathering().audience;
    let _permit = permit(
        &session.actor,
        Some(duty.into()),
        audience,
        Action::SetGuard,
    )
    .map_err(|_| Code::NotAllowed)?;
    let Entered {
        room, title, head, ..
    } = match visit.enter(EnterMode::Duty).await? {
        Arrival::In(entered) => *entered,
        Arrival::Waits(_) => return Err(Code::NotAllowed.into()),
        Arrival::Refused(code) => return Err(no_entry(code)),
    };
    let locked = match RoomId::parse(&room) {
        Some(id) => gatherings::find(&edge.rooms.deps().db, &id)
            .await?
            .is_some_and(|row| row.locked),
        None => false,
    };
    let mut page = visitor.page();
    page.staff = true;
    page.alerts = alerts(edge).await?;
    Ok(Keep {
        page,
        id: room,
        title,
        state: head.state,
        guard: head.guard,
        slow_ms: head.slow_ms,
        locked,
        topic: head.topic.unwrap_or_default(),
        says,
        typed,
    })
}
