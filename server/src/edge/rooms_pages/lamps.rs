//! Lamps lit by a form. A lamp burns for as long as its person is there; a page is there for a moment, so the visit that
//! lit it stays for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::visit::Visit;
use crate::edge::state::Edge;
use crate::features::rooms::ConnId;
use crate::platform::ids::{ParticipantId, RoomId, SessionId};

/// How long a lamp burns that a form has lit: about as long as somebody reads without loading the page again.
const BURNS: Duration = Duration::from_secs(15 * 60);

type Whose = (RoomId, ParticipantId);
type Lit = HashMap<Whose, (ConnId, AbortHandle)>;

/// The lamps of this node that forms have lit. Plain data under a plain lock.
#[derive(Clone, Default)]
pub(super) struct FormLamps(Arc<Mutex<Lit>>);

impl FormLamps {
    fn lock(&self) -> MutexGuard<'_, Lit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this person's lamp is lit.
    pub(super) fn is_lit(&self, visit: &Visit) -> bool {
        self.lock().contains_key(&whose(visit))
    }

    /// Puts this person's lamp out; it need not be lit.
    pub(super) fn put_out(&self, visit: &Visit) {
        if let Some((_, staying)) = self.lock().remove(&whose(visit)) {
            staying.abort();
        }
    }

    /// Keeps the visit that has lit a lamp, until its time, the room or the session is over.
    pub(super) fn keep(&self, edge: &Edge, session: SessionId, visit: Visit) {
        self.put_out(&visit);
        let mut ended = edge.identity.subscribe_ended();
        let (whose, conn) = (whose(&visit), visit.conn());
        let (lamps, mine) = (self.clone(), whose.clone());
        let until = Instant::now() + BURNS;
        // Held while it begins, so that it cannot end before it is known.
        let mut lit = self.lock();
        let staying = tokio::spawn(async move {
            tokio::select! {
                () = visit.stay() => {}
                () = sleep_until(until) => {}
                () = async {
                    loop {
                        match ended.recv().await {
                            Ok(other) if other != session => {}
                            // Where some were missed, this one may be among them.
                            Ok(_) | Err(RecvError::Lagged(_) | RecvError::Closed) => return,
                        }
                    }
                } => {}
            }
            let mut lit = lamps.lock();
            if lit.get(&mine).is_some_and(|(lit_by, _)| *lit_by == conn) {
                lit.remove(&mine);
            }
        });
        lit.insert(whose, (conn, staying.abort_handle()));
    }
}

fn whose(visit: &Visit) -> Whose {
    (
        visit.link.gathering().id.clone(),
        visit.who.participant.clone(),
    )
}
