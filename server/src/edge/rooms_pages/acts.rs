//! What else can be done in a room by a form: stamp, take back, lamp; and by those on duty, hide and show.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Extension, Form, Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::lamps::FormLamps;
use super::say::{status, why};
use super::view::{self, Besides};
use super::visit::{Arrival, Visit};
use super::{no_entry, room_path, to_door, usual_mode};
use crate::edge::problem::{Code, Problem};
use crate::edge::reach::{on_record, settle};
use crate::edge::staff_pages::TODAY;
use crate::edge::state::{Edge, EdgeState};
use crate::edge::visitor::{Visitor, fields, html, limit_person, see_other};
use crate::features::audit::Entry;
use crate::features::identity::Session;
use crate::features::rooms::{Asker, HoldAct, Input, Shows, Which, WhichHold};
use crate::permit::{Action, permit};
use crate::platform::ids::{ClientKey, HoldId, Seq};
use crate::platform::limits::Bucket;
use crate::protocol::{EnterMode, HoldEnd, RefusalCode, ReportReason, ServerFrame, StampKind};

#[derive(Default, Deserialize)]
pub(super) struct ActFields {
    #[serde(default)]
    seq: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    stamp: String,
    #[serde(default)]
    on: String,
}

impl ActFields {
    fn seq(&self) -> Result<Seq, Problem> {
        let number = self.seq.parse().ok().filter(|number| *number >= 1);
        number.map(Seq).ok_or_else(|| Code::BadRequest.into())
    }

    /// The state after it; `true` where absent, as on the socket.
    fn on(&self) -> bool {
        self.on != "false"
    }
}

/// What came of an act.
enum Done {
    /// It was done; there it can be seen.
    See(String),
    /// The room said no.
    Refused(RefusalCode, Visit),
}

impl Done {
    /// By what the room said.
    fn by(refused: Option<RefusalCode>, visit: Visit, see: String) -> Self {
        match refused {
            None => Self::See(see),
            Some(code) => Self::Refused(code, visit),
        }
    }
}

type ActForm = Result<Form<ActFields>, FormRejection>;

pub(super) async fn stamp(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    Path(id): Path<String>,
    form: ActForm,
) -> Response {
    let Some(session) = &visitor.session else {
        return to_door(&id);
    };
    let done = async {
        let asked = fields(form);
        let seq = asked.seq()?;
        let stamp = StampKind::from_wire(&asked.stamp).ok_or_else(bad_request)?;
        let mut visit = act(&edge, session, &id, Action::Stamp).await?;
        visit.post(Input::Stamp {
            conn: visit.conn(),
            participant: visit.who.participant.clone(),
            seq,
            stamp,
            on: asked.on(),
            by_form: true,
        })?;
        let refused = visit.all_answered().await?;
        Ok(Done::by(refused, visit, line_path(&id, seq)))
    };
    told(&edge, &visitor, session, &id, done.await).await
}

pub(super) async fn unsay(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    Path(id): Path<String>,
    form: ActForm,
) -> Response {
    let Some(session) = &visitor.session else {
        return to_door(&id);
    };
    let done = async {
        let asked = fields(form);
        let which = if asked.seq.is_empty() {
            Which::Key(ClientKey::parse(&asked.key).ok_or_else(bad_request)?)
        } else {
            Which::Seq(asked.seq()?)
        };
        limit_person(&edge, Bucket::Frames, session)?;
        // One's own words can always be taken back, before any first act, too: there are none then.
        let (mut visit, _permit) = Visit::to(&edge, session, &id, Action::Unsay).await?;
        visit.post(Input::Unsay {
            asker: visit.asker(),
            participant: visit.who.participant.clone(),
            which,
        })?;
        let refused = visit.all_answered().await?;
        Ok(Done::by(refused, visit, now_path(&id)))
    };
    told(&edge, &visitor, session, &id, done.await).await
}

pub(super) async fn lamp(
    State(edge): State<EdgeState>,
    Extension(lamps): Extension<FormLamps>,
    visitor: Visitor,
    Path(id): Path<String>,
    form: ActForm,
) -> Response {
    let Some(session) = &visitor.session else {
        return to_door(&id);
    };
    let done = async {
        let on = fields(form).on();
        let mut visit = act(&edge, session, &id, Action::Lamp).await?;
        if on {
            // As a reader: a lamp takes nobody's seat.
            match visit.enter(EnterMode::Listen).await? {
                Arrival::In(_) => {}
                Arrival::Waits(_) => return Ok(Done::See(room_path(&id))),
                Arrival::Refused(code) => return Err(no_entry(code)),
            }
            visit.post(Input::Lamp {
                conn: visit.conn(),
                on,
            })?;
            lamps.keep(&edge, session.id.clone(), visit);
        } else {
            lamps.put_out(&visit);
        }
        Ok(Done::See(format!("{}/words", room_path(&id))))
    };
    told(&edge, &visitor, session, &id, done.await).await
}

pub(super) async fn hide(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    Path(id): Path<String>,
    form: ActForm,
) -> Response {
    measure(&edge, &visitor, &id, form, Shows::Hidden).await
}

pub(super) async fn unhide(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    Path(id): Path<String>,
    form: ActForm,
) -> Response {
    measure(&edge, &visitor, &id, form, Shows::Yes).await
}

/// Closes a line or opens it again, for somebody whose place on the roster or role lets them be on duty here.
async fn measure(
    edge: &Arc<Edge>,
    visitor: &Visitor,
    id: &str,
    form: ActForm,
    to: Shows,
) -> Response {
    let Some(session) = &visitor.session else {
        return to_door(id);
    };
    let (action, name) = match to {
        Shows::Yes => (Action::Unhide, "rooms.unhide"),
        Shows::Hidden | Shows::TakenBack | Shows::Gone => (Action::Hide, "rooms.hide"),
    };
    let done = async {
        let seq = fields(form).seq()?;
        let by = By {
            action,
            act: name,
            reason: String::new(),
        };
        let input = |asker, key, entry| Input::Measure {
            asker,
            key,
            seq,
            to,
            entry,
        };
        let (refused, visit) = on_duty(edge, session, id, by, input).await?;
        Ok(Done::by(refused, visit, line_path(id, seq)))
    };
    told(edge, visitor, session, id, done.await).await
}

#[derive(Default, Deserialize)]
pub(super) struct HoldFields {
    #[serde(default)]
    hold: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    to: String,
}

type HoldForm = Result<Form<HoldFields>, FormRejection>;

pub(super) async fn look(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    Path(id): Path<String>,
    form: HoldForm,
) -> Response {
    let by = (Action::LookAtHold, "rooms.look", HoldAct::Look);
    measure_hold(&edge, &visitor, &id, form, by).await
}

pub(super) async fn approve(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    Path(id): Path<String>,
    form: HoldForm,
) -> Response {
    let act = HoldAct::End(HoldEnd::Approved);
    let by = (Action::ApproveHold, "rooms.approve", act);
    measure_hold(&edge, &visitor, &id, form, by).await
}

pub(super) async fn reject(
    State(edge): State<EdgeState>,
    visitor: Visitor,
    Path(id): Path<String>,
    form: HoldForm,
) -> Response {
    let act = HoldAct::End(HoldEnd::Rejected);
    let by = (Action::RejectHold, "rooms.reject", act);
    measure_hold(&edge, &visitor, &id, form, by).await
}

/// Looks at a line that waits, lets it pass or keeps it back; the answer is the room, or the day where it came from there.
async fn measure_hold(
    edge: &Arc<Edge>,
    visitor: &Visitor,
    id: &str,
    form: HoldForm,
    (action, act, does): (Action, &'static str, HoldAct),
) -> Response {
    let Some(session) = &visitor.session else {
        return to_door(id);
    };
    let asked = fields(form);
    let done = async {
        let which = WhichHold::Id(HoldId::parse(&asked.hold).ok_or_else(bad_request)?);
        let reason = ReportReason::from_wire(&asked.reason)
            .map_or_else(String::new, |reason| reason.as_str().to_owned());
        let by = By {
            action,
            act,
            reason,
        };
        let input = |asker, key, entry| Input::MeasureHold {
            asker,
            key,
            which,
            act: does,
            entry,
        };
        let (refused, visit) = on_duty(edge, session, id, by, input).await?;
        let see = match asked.to.as_str() {
            "today" => TODAY.to_owned(),
            _ => now_path(id),
        };
        Ok(Done::by(refused, visit, see))
    };
    told(edge, visitor, session, id, done.await).await
}

/// What somebody on duty does by a form, and what the audit log says of it.
pub(super) struct By {
    pub(super) action: Action,
    pub(super) act: &'static str,
    pub(super) reason: String,
}

/// Does it, for somebody whose place on the roster or role lets them be on duty here; gives what the room refused.
pub(super) async fn on_duty(
    edge: &Arc<Edge>,
    session: &Session,
    id: &str,
    by: By,
    input: impl FnOnce(Asker, ClientKey, Entry) -> Input,
) -> Result<(Option<RefusalCode>, Visit), Problem> {
    limit_person(edge, Bucket::Frames, session)?;
    let (mut visit, _permit) = Visit::in_mode(edge, session, id, EnterMode::Duty).await?;
    let duty = visit.who.duty.ok_or(Code::NotAllowed)?;
    let audience = visit.link.gathering().audience;
    let _permit = permit(&session.actor, Some(duty.into()), audience, by.action)
        .map_err(|_| Code::NotAllowed)?;
    match visit.enter(EnterMode::Duty).await? {
        Arrival::In(_) => {}
        Arrival::Waits(_) => return Err(Code::NotAllowed.into()),
        Arrival::Refused(code) => return Err(no_entry(code)),
    }
    let key = ClientKey::new(&*edge.chance);
    let entry = Entry {
        reason: by.reason,
        ..on_record(session, duty, by.act, id.to_owned())
    };
    visit.post(input(visit.asker(), key.clone(), entry))?;
    let refused = visit
        .answer(|frame| match frame {
            ServerFrame::Done { key: of } if of == key.as_str() => Some(None),
            ServerFrame::Refused {
                key: Some(of),
                code,
                ..
            } if of == key.as_str() => Some(Some(code)),
            _ => None,
        })
        .await?;
    Ok((refused, visit))
}

fn bad_request() -> Problem {
    Code::BadRequest.into()
}

fn line_path(id: &str, seq: Seq) -> String {
    format!("{}#s{seq}", room_path(id))
}

fn now_path(id: &str) -> String {
    format!("{}#now", room_path(id))
}

/// A visit for an act, counted, and the standing settled by it.
async fn act(
    edge: &Arc<Edge>,
    session: &Session,
    id: &str,
    action: Action,
) -> Result<Visit, Problem> {
    limit_person(edge, Bucket::Frames, session)?;
    let (visit, _permit) = Visit::to(edge, session, id, action).await?;
    if settle(edge, session).await == Some(false) {
        return Err(Code::NotAllowed.into());
    }
    Ok(visit)
}

/// Back to where it can be seen; or the room again, with the words why not.
async fn told(
    edge: &Arc<Edge>,
    visitor: &Visitor,
    session: &Session,
    id: &str,
    done: Result<Done, Problem>,
) -> Response {
    let (code, mut visit) = match done {
        Ok(Done::See(path)) => return see_other(&path),
        Ok(Done::Refused(code, visit)) => (code, visit),
        Err(problem) => return visitor.problem(&problem, &room_path(id), None),
    };
    let mode = if visit.who.duty.is_some() {
        EnterMode::Duty
    } else {
        usual_mode(session)
    };
    let again = async {
        let entered = match visit.enter(mode).await? {
            Arrival::In(entered) => *entered,
            Arrival::Waits(_) => return Ok(see_other(&room_path(id))),
            Arrival::Refused(code) => return Err(no_entry(code)),
        };
        let besides = Besides {
            notice: Some(why(code)),
            ..Besides::default()
        };
        let view = view::room(edge, visitor, session, &mut visit, mode, entered, besides).await?;
        Ok::<Response, Problem>(html(status(code), &view))
    };
    again
        .await
        .unwrap_or_else(|problem| visitor.problem(&problem, &room_path(id), None))
}
