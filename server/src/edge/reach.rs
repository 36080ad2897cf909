//! Getting to a room, with one answer for "not yours", "not there" and "gone".

use std::sync::Arc;

use super::state::Edge;
use crate::features::audit::Entry;
use crate::features::gatherings;
use crate::features::identity::Session;
use crate::features::rooms::{PersonId, RoomLink};
use crate::permit::{self, Action, Actor, Permit};
use crate::platform::ids::RoomId;
use crate::platform::limits::RateKey;
use crate::platform::store::Stored;
use crate::protocol::{Duty, EnterMode};

/// Who somebody is to a room's key.
pub fn person(session: &Session) -> PersonId {
    match &session.actor {
        Actor::Handle { id, .. } => PersonId::Handle(id.clone()),
        Actor::Staff { id, .. } => PersonId::Staff(id.clone()),
    }
}

/// The key of somebody's own quotas: one for all their sockets and forms.
pub fn person_key(edge: &Edge, session: &Session) -> RateKey {
    match &session.actor {
        Actor::Handle { id, .. } => edge.rates.key(id.as_str().as_bytes()),
        Actor::Staff { id, .. } => edge.rates.key(id.as_str().as_bytes()),
    }
}

/// Settles the standing at the first act in a room. False where it was changed elsewhere meanwhile; `None` where the
/// store could not be asked: the act itself needs it, too, and will say `busy`.
pub async fn settle(edge: &Edge, session: &Session) -> Option<bool> {
    if session.handle.is_none_or(|handle| handle.acted) {
        return Some(true);
    }
    match Box::pin(edge.identity.settle_standing(session)).await {
        Ok(settled) => Some(settled),
        Err(error) => {
            tracing::warn!(%error, "a standing could not be settled");
            None
        }
    }
}

/// Whether somebody says of themselves whose side they are on: they came without a slip.
pub fn is_declared(session: &Session) -> bool {
    session.handle.is_some_and(|handle| !handle.by_slip)
}

/// What the audit log says of an act on duty.
pub fn on_record(session: &Session, duty: Duty, act: &'static str, object: String) -> Entry {
    let (actor, roles) = match &session.actor {
        Actor::Staff { id, roles } => {
            let roles: Vec<&str> = roles.iter().map(|role| role.role.as_str()).collect();
            (id.as_str().to_owned(), roles.join(","))
        }
        Actor::Handle { .. } => (String::from("handle"), String::new()),
    };
    Entry {
        actor,
        roles: format!("{roles}/{}", duty.as_str()),
        act,
        object,
        reason: String::new(),
    }
}

/// What a mode asks for.
pub const fn action_of(mode: EnterMode) -> Action {
    match mode {
        EnterMode::Talk => Action::EnterTalk,
        EnterMode::Listen => Action::EnterListen,
        EnterMode::Duty => Action::EnterDuty,
    }
}

/// The room and the permit to do that there; `None` whatever the reason is that there is none.
///
/// A no costs one read of the store in each case, so that its time tells nothing.
///
/// # Errors
/// As the stores'.
pub async fn reach(
    edge: &Arc<Edge>,
    session: &Session,
    id: &RoomId,
    duty: Option<Duty>,
    action: Action,
) -> Stored<Option<(RoomLink, Permit)>> {
    // Boxed: an idle socket holds room for the largest thing it may ever wait for, and this is seldom waited for.
    Box::pin(ask(edge, session, id, duty, action)).await
}

async fn ask(
    edge: &Arc<Edge>,
    session: &Session,
    id: &RoomId,
    duty: Option<Duty>,
    action: Action,
) -> Stored<Option<(RoomLink, Permit)>> {
    let deps = edge.rooms.deps();
    if let Some(link) = edge.rooms.held(id)
        && let Some(permit) = asked(edge, session, id, link.gathering(), duty, action).await?
    {
        return Ok(Some((link, permit)));
    }
    let Some(row) = gatherings::find(&deps.db, id).await? else {
        return Ok(None);
    };
    let Some(permit) = asked(edge, session, id, &row.gathering, duty, action).await? else {
        return Ok(None);
    };
    Ok(edge.rooms.link(id).await?.map(|link| (link, permit)))
}

async fn asked(
    edge: &Arc<Edge>,
    session: &Session,
    id: &RoomId,
    gathering: &gatherings::Gathering,
    duty: Option<Duty>,
    action: Action,
) -> Stored<Option<Permit>> {
    let duty = match (duty, &session.actor) {
        (Some(duty), _) => Some(duty.into()),
        (None, Actor::Staff { id: staff, .. }) if action == Action::EnterDuty => {
            gatherings::roster_duty(&edge.rooms.deps().db, id, staff).await?
        }
        (None, Actor::Staff { .. } | Actor::Handle { .. }) => None,
    };
    if session
        .handle
        .is_some_and(|handle| !permit::may_come(gathering.entry, handle.by_slip))
    {
        return Ok(None);
    }
    Ok(permit::permit(&session.actor, duty, gathering.audience, action).ok())
}
