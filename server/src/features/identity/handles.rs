//! Making, bringing back and removing handles.

use std::pin::Pin;
use std::sync::Arc;

use super::queries::{self, NewHandle, NewSession};
use super::session::{HandleFacts, Session};
use super::sessions::Owner;
use super::{Identity, Name, RecoveryCode, Refusal, SignedIn, name};
use crate::features::tally::{Event, Rung};
use crate::permit::Actor;
use crate::platform::clock::{Day, Millis};
use crate::platform::ids::{HandleId, Secret, SessionId};
use crate::platform::store::{StoreError, Stored, Tx};
use crate::protocol::{Device, Standing};

/// How often new words are drawn when they are somebody's already. With 88 bits this is never seen.
const DRAWS_MAX: usize = 3;

/// What somebody says who comes for the first time.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// 呼び名; nothing gets a suggested one.
    pub name: Option<String>,
    /// 自分のことで / 家族のことで.
    pub standing: Standing,
    /// 案内番号: it carries the side, whatever was said.
    pub slip: Option<String>,
    /// Whose device it is.
    pub device: Device,
}

/// What must happen elsewhere before a handle goes: its lines, stamps and drafts in rooms that still exist are taken
/// back. It must be idempotent; when it fails the handle stays and the person is asked to try again.
pub type Removal = Arc<
    dyn Fn(HandleId) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>> + Send + Sync,
>;

impl Identity {
    /// A handle in one step, logged in. Nothing slow is hashed here.
    ///
    /// # Errors
    /// `BadName`, `BadSlip` whatever is wrong with a slip, or the store's.
    pub async fn make_handle(&self, newcomer: Newcomer) -> Result<SignedIn, Refusal> {
        let slip = match &newcomer.slip {
            Some(typed) => Some(self.typed_slip(typed)?),
            None => None,
        };
        let name = match &newcomer.name {
            Some(typed) => Name::parse(typed)?,
            None => name::suggestion(&*self.chance),
        };
        let id = HandleId::new(&*self.chance);
        let (session, cookie) = self.new_session(Owner::Handle(id.clone()), newcomer.device);
        let handle = NewHandle {
            id: id.clone(),
            name: name.as_str().to_owned(),
            standing: newcomer.standing.as_str(),
            by_slip: slip.is_some(),
            day: self.clock.today(),
        };
        let by_slip = slip.is_some();
        let session_id = session.id.clone();
        let now = self.clock.now();
        let rows = Arc::new((handle, session, slip));
        let standing = self
            .db
            .write(move |tx| {
                let rows = Arc::clone(&rows);
                Box::pin(async move {
                    let (handle, session, slip) = &*rows;
                    let standing = match slip {
                        Some(hash) => match queries::use_slip(tx, hash, now).await? {
                            Some(standing) => standing,
                            // Wrong, used, ended or taken back: nothing was written.
                            None => return Ok(None),
                        },
                        None => handle.standing.to_owned(),
                    };
                    queries::insert_handle(tx, handle, &standing).await?;
                    queries::insert_session(tx, session).await?;
                    if let Some(hash) = slip {
                        queries::slip_became(tx, hash, &handle.id).await?;
                    }
                    Ok(Some(standing))
                })
            })
            .await?
            .ok_or(Refusal::BadSlip)?;
        let standing = Standing::from_wire(&standing).ok_or_else(|| StoreError::Inconsistent {
            table: "slip",
            column: "standing",
            id: "…".into(),
        })?;
        let audience = standing.as_str();
        self.tally
            .count(Event::HandleMade, "", audience, Rung::None);
        Ok(SignedIn {
            session: Session {
                id: session_id,
                actor: Actor::Handle { id, standing },
                name,
                device: newcomer.device,
                handle: Some(HandleFacts {
                    by_slip,
                    acted: false,
                    has_words: false,
                }),
            },
            cookie,
        })
    }

    /// New words to come back by; those before them die. They are seen this once.
    ///
    /// # Errors
    /// `NotForThis` for people with powers, `Busy`, `BadLogin` when the handle went meanwhile, or the store's.
    pub async fn make_recovery(&self, session: &Session) -> Result<RecoveryCode, Refusal> {
        let handle = session.handle_id().ok_or(Refusal::NotForThis)?;
        for _ in 0..DRAWS_MAX {
            let code = RecoveryCode::new(&*self.chance);
            let hash = self.hashed(code.clone()).await?;
            let id = handle.clone();
            let written = self.db.write(move |tx| {
                let (id, hash) = (id.clone(), hash.clone());
                Box::pin(async move { queries::set_recovery(tx, &id, &hash).await })
            });
            match written.await {
                Ok(true) => return Ok(code),
                Ok(false) => return Err(Refusal::BadLogin),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Busy)
    }

    /// Comes back by words: a new session; the others live on. Wrong and absent words cost the same and answer the
    /// same; a text that is no eight words of the list is told at once, as anybody with the list can tell it.
    ///
    /// # Errors
    /// `BadLogin`, `Busy`, or the store's.
    pub async fn recover(&self, typed: &str, device: Device) -> Result<SignedIn, Refusal> {
        let code = RecoveryCode::parse(typed).map_err(|_| Refusal::BadLogin)?;
        let hash = self.hashed(code).await?;
        let found = queries::handle_by_recovery(&self.db, &hash).await?;
        let id = found.ok_or(Refusal::BadLogin)?;
        let (session, cookie) = self.new_session(Owner::Handle(id.clone()), device);
        self.start(id, session, cookie).await
    }

    /// Changes the side until the first act in a room. All sessions end and a new one begins, so that no socket goes on
    /// under the other standing.
    ///
    /// # Errors
    /// `Settled` after the first act, `NotForThis` for people with powers, or the store's.
    pub async fn switch_standing(
        &self,
        session: &Session,
        standing: Standing,
    ) -> Result<SignedIn, Refusal> {
        let id = session.handle_id().ok_or(Refusal::NotForThis)?.clone();
        let (new, cookie) = self.new_session(Owner::Handle(id.clone()), session.device);
        let now = self.clock.now();
        let ended = {
            let id = id.clone();
            self.db
                .write(move |tx| {
                    let id = id.clone();
                    Box::pin(async move {
                        if !queries::set_standing(tx, &id, standing.as_str()).await? {
                            return Ok(None);
                        }
                        queries::end_handles(tx, &id, now).await.map(Some)
                    })
                })
                .await?
        };
        self.tell_ended(ended.ok_or(Refusal::Settled)?);
        self.start(id, new, cookie).await
    }

    /// Notes the first act in a room, in the act's transaction. `false` when the handle is gone or of the other side by
    /// now: then the act must not be. Needed once per handle, so callers keep [`HandleFacts::acted`] in mind.
    ///
    /// # Errors
    /// As the store's.
    pub async fn note_act(
        &self,
        tx: &mut Tx,
        handle: &HandleId,
        standing: Standing,
    ) -> Stored<bool> {
        queries::set_acted(tx, handle, standing.as_str()).await
    }

    /// Settles a handle's standing at its first act in a room. False where it was changed meanwhile, elsewhere, and for a
    /// session that is not a handle's.
    ///
    /// # Errors
    /// As the store's.
    pub async fn settle_standing(self: &Arc<Self>, session: &Session) -> Stored<bool> {
        let Actor::Handle { id, standing } = &session.actor else {
            return Ok(false);
        };
        let (identity, id, standing) = (Arc::clone(self), id.clone(), *standing);
        self.db
            .write(move |tx| {
                let (identity, id) = (Arc::clone(&identity), id.clone());
                Box::pin(async move { identity.note_act(tx, &id, standing).await })
            })
            .await
    }

    /// Handles that are logged in somewhere, for whoever has to find one by its id in a room.
    ///
    /// # Errors
    /// As the store's.
    pub async fn logged_in_handles(&self) -> Stored<Vec<HandleId>> {
        queries::logged_in_handles(&self.db, self.clock.now()).await
    }

    /// Takes a handle to the other side, in the transaction of whoever decides it. Its cookies stay good; the sessions are
    /// new ones, so that every socket of the old ones closes. Gives the old ones, for [`Identity::tell_sessions_ended`].
    ///
    /// # Errors
    /// As the store's.
    pub async fn move_side(
        &self,
        tx: &mut Tx,
        handle: &HandleId,
        now: Millis,
    ) -> Stored<Vec<SessionId>> {
        queries::move_side(tx, handle).await?;
        self.renew_sessions(tx, handle, now).await
    }

    /// Gives all sessions of a handle new ids: its cookies stay good, and every socket of the old ones closes.
    pub(super) async fn renew_sessions(
        &self,
        tx: &mut Tx,
        handle: &HandleId,
        now: Millis,
    ) -> Stored<Vec<SessionId>> {
        let old = queries::sessions_of(tx, handle).await?;
        for id in &old {
            queries::renew_session(tx, id, &SessionId::new(&*self.chance), now).await?;
        }
        Ok(old)
    }

    /// Closes the sockets of sessions that were ended in somebody else's transaction, on this node at once.
    pub fn tell_sessions_ended(&self, ended: Vec<SessionId>) {
        self.tell_ended(ended);
    }

    /// Sets what happens in other parts before a handle goes. Once, when the parts are wired.
    pub fn on_removal(&self, removal: Removal) {
        assert!(
            self.removal.set(removal).is_ok(),
            "the parts are wired once"
        );
    }

    /// Removes the handle, its sessions, and all that hangs on it.
    ///
    /// # Errors
    /// `NotForThis` for people with powers, or the store's; then nothing is lost and it can be tried again.
    pub async fn remove_handle(&self, session: &Session) -> Result<(), Refusal> {
        let id = session.handle_id().ok_or(Refusal::NotForThis)?.clone();
        self.remove(id).await.map_err(Refusal::from)
    }

    /// Handles whose last visit was before that day; at most 2,000.
    ///
    /// # Errors
    /// As the store's.
    pub async fn handles_before(&self, day: &Day) -> Stored<Vec<HandleId>> {
        queries::handles_before(&self.db, day).await
    }

    /// As [`Identity::remove_handle`], where nobody asks for it: its time is over.
    ///
    /// # Errors
    /// As the store's; nothing is lost then, and it can be tried again.
    pub async fn remove(&self, id: HandleId) -> Stored<()> {
        if let Some(removal) = self.removal.get() {
            removal(id.clone()).await?;
        }
        let now = self.clock.now();
        let ended = self
            .db
            .write(move |tx| {
                let id = id.clone();
                Box::pin(async move {
                    let ended = queries::end_handles(tx, &id, now).await?;
                    queries::delete_handle(tx, &id).await?;
                    Ok(ended)
                })
            })
            .await?;
        self.tell_ended(ended);
        Ok(())
    }

    async fn hashed(&self, code: RecoveryCode) -> Result<String, Refusal> {
        let keys = Arc::clone(&self.keys);
        let hash = self.hashing.run(move || keys.recovery_hash(&code)).await?;
        Ok(hash)
    }

    /// Writes a new session of a handle that exists and reads it back as a request would.
    async fn start(
        &self,
        id: HandleId,
        session: NewSession,
        cookie: Secret,
    ) -> Result<SignedIn, Refusal> {
        let today = self.clock.today();
        let session = Arc::new(session);
        let written = self.db.write(move |tx| {
            let (session, id, today) = (Arc::clone(&session), id.clone(), today.clone());
            Box::pin(async move {
                queries::set_last_day(tx, &id, &today).await?;
                queries::insert_session(tx, &session).await
            })
        });
        match written.await {
            Ok(()) => {}
            // The handle was removed in between.
            Err(StoreError::Conflict { .. }) => return Err(Refusal::BadLogin),
            Err(error) => return Err(error.into()),
        }
        let session = self.resolve(cookie.expose()).await?;
        Ok(SignedIn {
            session: session.ok_or(Refusal::BadLogin)?,
            cookie,
        })
    }
}
