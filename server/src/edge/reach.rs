//! Getting to a room, with one answer for "not yours", "not there" and "gone".

use std::sync::Arc;

use super::state::Edge;
use crate::features::gatherings;
use crate::features::identity::Session;
use crate::features::rooms::{PersonId, RoomLink};
use crate::permit::{self, Action, Actor, Permit};
use crate::platform::ids::RoomId;
use crate::platform::store::Stored;
use crate::protocol::{Duty, EnterMode};

/// Who somebody is to a room's key.
pub fn person(session: &Session) -> PersonId {
    match &session.actor {
        Actor::Handle { id, .. } => PersonId::Handle(id.clone()),
        Actor::Staff { id, .. } => PersonId::Staff(id.clone()),
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
    let deps = edge.rooms.deps();
    if let Some(link) = edge.rooms.held(id)
        && let Some(permit) =
            asked(edge, session, id, link.gathering().audience, duty, action).await?
    {
        return Ok(Some((link, permit)));
    }
    let Some(row) = gatherings::find(&deps.db, id).await? else {
        return Ok(None);
    };
    let Some(permit) = asked(edge, session, id, row.gathering.audience, duty, action).await? else {
        return Ok(None);
    };
    Ok(edge.rooms.link(id).await?.map(|link| (link, permit)))
}

async fn asked(
    edge: &Arc<Edge>,
    session: &Session,
    id: &RoomId,
    audience: crate::protocol::Audience,
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
    Ok(permit::permit(&session.actor, duty, audience, action).ok())
}
