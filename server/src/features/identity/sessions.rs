//! Making, finding, hiding and ending sessions.

use tokio::sync::broadcast;

use super::queries::{self, NewSession, RoleRow, SessionRow};
use super::session::{HandleFacts, Lasting, Session, Times};
use super::{Identity, Name};
use crate::permit::Actor;
use crate::platform::clock::Millis;
use crate::platform::ids::{HandleId, Secret, SessionId, StaffId, token};
use crate::platform::store::{StoreError, Stored};
use crate::protocol::{Device, Role, RoleKind, Standing};

/// How long ends stay in the store, so that a node that slept learns of them too.
const ENDED_KEPT_MS: i64 = 24 * 60 * 60 * 1000;

impl Identity {
    /// Whose cookie this is. Counts as a use: a session that was hidden is back.
    ///
    /// # Errors
    /// As the store's. A use that cannot be written down is let go, so that reading goes on with a full disk.
    pub async fn resolve(&self, cookie: &str) -> Stored<Option<Session>> {
        let now = self.clock.now();
        let token_hash = self.keys.token_hash(cookie);
        let Some(row) = queries::session(&self.db, &token_hash, now).await? else {
            return Ok(None);
        };
        let lasting = lasting(&row)?;
        let hidden = row.hidden_ms.is_some();
        if let Some(times) = times(&row).after_use(lasting, hidden, now, &self.settings)
            && let Err(error) = self.write_use(&row, times, false).await
        {
            tracing::warn!(%error, "a session's use was not written");
        }
        self.session(row).await
    }

    /// An open socket counts as activity: nobody is logged out for reading quietly. Call it every few minutes; `false`
    /// when the session is no more. A hidden session stays hidden.
    ///
    /// # Errors
    /// As the store's.
    pub async fn touch(&self, id: &SessionId) -> Stored<bool> {
        let now = self.clock.now();
        let Some(row) = queries::session_by_id(&self.db, id, now).await? else {
            return Ok(false);
        };
        if row.hidden_ms.is_none()
            && let Some(times) = times(&row).after_use(lasting(&row)?, false, now, &self.settings)
        {
            self.write_use(&row, times, true).await?;
        }
        Ok(row.name.is_some())
    }

    /// かくす: the session ends in half an hour unless it is used again.
    ///
    /// # Errors
    /// As the store's.
    pub async fn hide(&self, id: &SessionId) -> Stored<()> {
        let now = self.clock.now();
        let Some(row) = queries::session_by_id(&self.db, id, now).await? else {
            return Ok(());
        };
        let times = times(&row).after_hiding(now, &self.settings);
        let id = id.clone();
        self.db
            .write(move |tx| {
                let id = id.clone();
                Box::pin(async move { queries::hide(tx, &id, times, now).await })
            })
            .await
    }

    /// Logs out here.
    ///
    /// # Errors
    /// As the store's.
    pub async fn log_out(&self, session: &Session) -> Stored<()> {
        let (id, now) = (session.id.clone(), self.clock.now());
        let ended = self
            .db
            .write(move |tx| {
                let id = id.clone();
                Box::pin(async move { queries::end_session(tx, &id, now).await })
            })
            .await?;
        self.tell_ended(ended);
        Ok(())
    }

    /// Logs out everywhere, here too.
    ///
    /// # Errors
    /// As the store's.
    pub async fn log_out_everywhere(&self, session: &Session) -> Stored<()> {
        let (actor, now) = (session.actor.clone(), self.clock.now());
        let ended = self
            .db
            .write(move |tx| {
                let actor = actor.clone();
                Box::pin(async move {
                    match &actor {
                        Actor::Handle { id, .. } => queries::end_handles(tx, id, now).await,
                        Actor::Staff { id, .. } => queries::end_staffs(tx, id, now).await,
                    }
                })
            })
            .await?;
        self.tell_ended(ended);
        Ok(())
    }

    /// Ends what has run out, and sessions whose owner's role has ended since they were made, and forgets old ends. Idempotent; call it every minute.
    ///
    /// # Errors
    /// As the store's.
    pub async fn sweep(&self) -> Stored<()> {
        let now = self.clock.now();
        let ended = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    queries::forget_ended(tx, now.minus_ms(ENDED_KEPT_MS)).await?;
                    queries::delete_old_invites(tx, now).await?;
                    let mut ended = queries::end_expired(tx, now).await?;
                    ended.extend(queries::end_by_role(tx, now).await?);
                    Ok(ended)
                })
            })
            .await?;
        self.tell_ended(ended);
        Ok(())
    }

    /// Sessions as they end on this node, at once. Whoever lags reads [`ended_since`](Self::ended_since) instead.
    pub fn subscribe_ended(&self) -> broadcast::Receiver<SessionId> {
        self.ended.subscribe()
    }

    /// Sessions that ended since then on any node; asked every few seconds, with some overlap, as nodes' clocks differ.
    ///
    /// # Errors
    /// As the store's.
    pub async fn ended_since(&self, since: Millis) -> Stored<Vec<SessionId>> {
        queries::ended_since(&self.db, since).await
    }

    pub(super) fn tell_ended(&self, ended: Vec<SessionId>) {
        for id in ended {
            // Nobody listening is no fault: there are no sockets then.
            let _ = self.ended.send(id);
        }
    }

    /// A session's row and the cookie for it; `owner` decides which way it lasts.
    pub(super) fn new_session(&self, owner: Owner, device: Device) -> (NewSession, Secret) {
        let cookie = token(&*self.chance);
        let lasting = match (&owner, device) {
            (Owner::Staff(_), Device::Mine | Device::Shared) => Lasting::Staff,
            (Owner::Handle(_), Device::Mine) => Lasting::Mine,
            (Owner::Handle(_), Device::Shared) => Lasting::Shared,
        };
        let (handle_id, staff_id) = match owner {
            Owner::Handle(id) => (Some(id), None),
            Owner::Staff(id) => (None, Some(id)),
        };
        let session = NewSession {
            id: SessionId::new(&*self.chance),
            token_hash: self.keys.token_hash(cookie.expose()),
            handle_id,
            staff_id,
            device: device.as_str(),
            times: Times::at_start(lasting, self.clock.now(), &self.settings),
        };
        (session, cookie)
    }

    async fn write_use(&self, row: &SessionRow, times: Times, quietly: bool) -> Stored<()> {
        let (id, handle_id) = (row.id.clone(), row.handle_id.clone());
        let today = self.clock.today();
        let day_changed = row.used_ms.day() != today;
        self.db
            .write(move |tx| {
                let (id, handle_id, today) = (id.clone(), handle_id.clone(), today.clone());
                Box::pin(async move {
                    queries::touch(tx, &id, times, quietly).await?;
                    match handle_id {
                        Some(handle) if day_changed => {
                            queries::set_last_day(tx, &handle, &today).await
                        }
                        Some(_) | None => Ok(()),
                    }
                })
            })
            .await
    }

    async fn session(&self, row: SessionRow) -> Stored<Option<Session>> {
        // An account that ended has no name in the row.
        let Some(name) = row.name.clone() else {
            return Ok(None);
        };
        let device = Device::from_wire(&row.device).ok_or_else(|| inconsistent("device"))?;
        let (actor, handle) = match (row.handle_id, row.staff_id) {
            (Some(id), None) => {
                let standing = row.standing.as_deref().and_then(Standing::from_wire);
                let standing = standing.ok_or_else(|| inconsistent("handle_id"))?;
                let facts = HandleFacts {
                    by_slip: row.by_slip.unwrap_or(false),
                    acted: row.acted.unwrap_or(false),
                    has_words: row.has_words,
                };
                (Actor::Handle { id, standing }, Some(facts))
            }
            (None, Some(id)) => {
                let roles = self.roles(&id).await?;
                // Whoever has no role any more is nobody here.
                if roles.is_empty() {
                    return Ok(None);
                }
                (Actor::Staff { id, roles }, None)
            }
            (Some(_), Some(_)) | (None, None) => return Err(inconsistent("handle_id")),
        };
        Ok(Some(Session {
            id: row.id,
            actor,
            name: Name::from_store(name),
            device,
            handle,
        }))
    }

    /// The roles that have not ended.
    pub(super) async fn roles(&self, id: &StaffId) -> Stored<Vec<Role>> {
        let rows = queries::roles(&self.db, id, self.clock.now()).await?;
        rows.iter().map(role).collect()
    }
}

/// Whose session.
pub(super) enum Owner {
    Handle(HandleId),
    Staff(StaffId),
}

fn lasting(row: &SessionRow) -> Stored<Lasting> {
    Ok(match (&row.staff_id, Device::from_wire(&row.device)) {
        (Some(_), Some(_)) => Lasting::Staff,
        (None, Some(Device::Mine)) => Lasting::Mine,
        (None, Some(Device::Shared)) => Lasting::Shared,
        (Some(_) | None, None) => return Err(inconsistent("device")),
    })
}

fn times(row: &SessionRow) -> Times {
    Times {
        made: row.made_ms,
        used: row.used_ms,
        ends: row.ends_ms,
    }
}

pub(super) fn role(row: &RoleRow) -> Stored<Role> {
    let bad = |column| StoreError::Inconsistent {
        table: "staff_role",
        column,
        id: "…".into(),
    };
    let role = RoleKind::from_wire(&row.role).ok_or_else(|| bad("role"))?;
    let audience = match row.audience.as_str() {
        "" => None,
        side => Some(Standing::from_wire(side).ok_or_else(|| bad("audience"))?),
    };
    Ok(Role {
        role,
        audience,
        specialist: (role == RoleKind::Coordinator).then_some(row.specialist),
    })
}

/// A session's id would join up a person's visits in a log, so it is not named.
fn inconsistent(column: &'static str) -> StoreError {
    StoreError::Inconsistent {
        table: "session",
        column,
        id: "…".into(),
    }
}
