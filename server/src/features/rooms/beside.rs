//! What runs beside a room because it takes time, and comes back to it as an input: acts on the room, and on lines that wait.

use std::sync::Arc;
use std::time::Duration;

use super::act::RoomAct;
use super::acting::{self, ActCame};
use super::hold::{HoldAct, HoldCame, WhichHold};
use super::holding::{self, Doing};
use super::reading::see;
use super::room::{Asker, BUSY_RETRY_MS, HoldAsked, Input, Refusal};
use super::{Deps, Outcomes};
use crate::features::audit::Entry;
use crate::platform::bus::{Hint, News};
use crate::platform::ids::{ClientKey, ParticipantId, RoomId, SessionId};
use crate::protocol::RefusalCode;

/// How long somebody who is taken to the other side may read why, before their sockets close.
const TOLD_WITHIN: Duration = Duration::from_millis(800);

/// Does something to the room as a whole; other nodes are told to look.
pub(super) async fn act_on_room(
    deps: &Arc<Deps>,
    id: &RoomId,
    outcomes: &Outcomes,
    (asker, by): (Asker, (ParticipantId, ClientKey)),
    act: RoomAct,
    entry: Entry,
) {
    let outcome = match acting::act(deps, id, &act, entry).await {
        Ok((ActCame::Done, ended)) => {
            deps.bus.publish(Hint {
                room: id.clone(),
                news: News::Head,
            });
            // Known here before whoever asked for it is told that it is done.
            match see(deps, id).await {
                Ok(Some(seen)) => outcomes.tell(Input::Seen(Box::new(seen))),
                Ok(None) => deps.forgotten(id),
                Err(error) => tracing::error!(%error, "a room could not be watched"),
            }
            close_later(deps, ended);
            Ok(())
        }
        Ok((ActCame::Over, _)) => Err(RefusalCode::RoomClosed.into()),
        Ok((ActCame::Nobody, _)) => Err(RefusalCode::NotAllowed.into()),
        Err(error) => {
            tracing::error!(%error, "a room could not be changed");
            Err(Refusal {
                code: RefusalCode::Busy,
                retry_after_ms: Some(BUSY_RETRY_MS),
            })
        }
    };
    outcomes.tell(Input::Acted {
        asker,
        by,
        act,
        outcome,
    });
}

/// Closes the sockets of sessions that are no more, a moment after their people were told why.
fn close_later(deps: &Arc<Deps>, ended: Vec<SessionId>) {
    let Some(identity) = deps.identity.clone().filter(|_| !ended.is_empty()) else {
        return;
    };
    tokio::spawn(async move {
        tokio::time::sleep(TOLD_WITHIN).await;
        identity.tell_sessions_ended(ended);
    });
}

/// Does something to a hold, beside the room; other nodes are told to look.
pub(super) async fn act_on_hold(
    deps: &Arc<Deps>,
    id: &RoomId,
    outcomes: &Outcomes,
    (which, act): (WhichHold, HoldAct),
    asked: Option<HoldAsked>,
    entry: Option<Entry>,
) {
    let doing = Doing {
        which: which.clone(),
        act,
        entry,
    };
    let came = match holding::act(deps, id, doing).await {
        Ok(came) => came,
        Err(error) => {
            tracing::error!(%error, "a held line could not be changed");
            HoldCame::Failed
        }
    };
    if let HoldCame::Done { .. } = &came {
        deps.bus.publish(Hint {
            room: id.clone(),
            news: News::Head,
        });
    }
    outcomes.tell(Input::HoldCame {
        which,
        act,
        asked,
        came,
    });
}
