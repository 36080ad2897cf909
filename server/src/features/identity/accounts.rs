//! Accounts of people with powers: made by a manager, by `demo`, or by the one-time address of an empty house.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::password::{Password, PasswordHash};
use super::queries::{self, NewStaff, RoleRow, StaffRow};
use super::session::Session;
use super::sessions::Owner;
use super::totp::{TotpSecret, TotpStep};
use super::{Identity, Name, Refusal, SignedIn};
use crate::features::audit::Entry;
use crate::permit::Actor;
use crate::platform::ids::{Secret, StaffId, token};
use crate::platform::sealing::{self, Place};
use crate::platform::store::{StoreError, Stored};
use crate::protocol::{Device, Role, RoleKind};

/// Where the hash of the one-time address stands.
const FIRST_MANAGER: &str = "first_manager";
/// Who made an account that nobody with powers made.
const BY_SYSTEM: &str = "system";
/// Who did what was done on the operator's command line.
pub(super) const BY_CONSOLE: &str = "console";

/// An account that shall be.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// What they log in with: 1–64 of `A–Z a–z 0–9 _ -`.
    pub id: String,
    /// The name that is shown.
    pub name: String,
    /// At least 12 characters.
    pub password: String,
    /// The second factor.
    pub totp: TotpSecret,
    /// What they may ever do.
    pub roles: Vec<Role>,
}

/// What the page of the one-time address sends.
#[derive(Clone, Debug)]
pub struct FirstManager {
    /// The id they choose.
    pub id: String,
    /// The name that is shown.
    pub name: String,
    /// At least 12 characters.
    pub password: String,
    /// A code of the secret that the page showed: proof that the app has it.
    pub totp: String,
}

/// An account's row before it is written, checked and hashed.
pub(super) struct Made {
    pub(super) row: NewStaff,
    pub(super) entry: Entry,
}

impl Identity {
    /// Makes an account; `by` is who did it, nothing for the system itself. For `demo`, and later for managers.
    ///
    /// # Errors
    /// `BadId` (also when it is taken), `BadName`, `BadPassword`, `Busy`, or the store's.
    pub async fn create_staff(
        &self,
        account: NewAccount,
        by: Option<&Session>,
    ) -> Result<StaffId, Refusal> {
        let mut made = self.made(account).await?;
        if let Some(session) = by {
            let Actor::Staff { id, roles } = &session.actor else {
                return Err(Refusal::NotForThis);
            };
            made.entry.actor = id.as_str().to_owned();
            made.entry.roles = roles_text(roles);
        }
        let id = made.row.id.clone();
        let (audit, made) = (self.audit.clone(), Arc::new(made));
        let written = self.db.write(move |tx| {
            let (audit, made) = (audit.clone(), Arc::clone(&made));
            Box::pin(async move {
                queries::insert_staff(tx, &made.row).await?;
                audit.append(tx, &made.entry).await
            })
        });
        written.await.map_err(taken)?;
        Ok(id)
    }

    /// Logs somebody with powers in. One answer for every reason; an id that is not there costs the same hash; a code is
    /// good once, as its step is taken in the transaction that makes the session.
    ///
    /// # Errors
    /// `BadLogin`, `Busy`, or the store's.
    pub async fn login_staff(
        &self,
        id: &str,
        password: &str,
        totp: &str,
    ) -> Result<SignedIn, Refusal> {
        let id = StaffId::parse(id.trim());
        let row = match &id {
            Some(id) => queries::staff(&self.db, id).await?,
            None => None,
        };
        let fits = self.fits(row.as_ref(), password).await?;
        let (Some(id), Some(row)) = (id, row) else {
            return Err(Refusal::BadLogin);
        };
        let secret = self.unseal_totp(&id, &row.totp_sealed)?;
        let step = secret.check(totp, self.clock.now());
        let (true, Some(step)) = (fits, step) else {
            return Err(Refusal::BadLogin);
        };
        let name = Name::from_store(row.name);
        self.start_staff(id, name, Some(step)).await
    }

    /// The token of the one-time address for the first manager, when there is no account at all. A new one each time;
    /// the one before dies. Whoever calls this prints it once, on the operator's terminal.
    ///
    /// # Errors
    /// As the store's.
    pub async fn first_manager_token(&self) -> Stored<Option<Secret>> {
        if queries::n_staff(&self.db).await? > 0 {
            return Ok(None);
        }
        let token = token(&*self.chance);
        let hash = self.keys.token_hash(token.expose());
        self.db
            .write(move |tx| {
                let hash = hash.clone();
                Box::pin(async move { queries::set_meta(tx, FIRST_MANAGER, &hash).await })
            })
            .await?;
        Ok(Some(token))
    }

    /// The second factor that the page of the one-time address shows; nothing when the address is not, or no more, good.
    /// It hangs on the token, so that loading the page again shows the same one.
    ///
    /// # Errors
    /// As the store's.
    pub async fn first_manager_totp(&self, token: &str) -> Stored<Option<TotpSecret>> {
        let kept = queries::meta(&self.db, FIRST_MANAGER).await?;
        let tried = Secret::new(self.keys.token_hash(token));
        let good = kept.map(Secret::new).is_some_and(|kept| kept == tried);
        Ok(good.then(|| self.totp_of_token(token)))
    }

    /// Makes the first manager and logs them in; the address dies with it.
    ///
    /// # Errors
    /// `BadLogin` for an address that is not good or a code that does not fit, `BadId`, `BadName`, `BadPassword`,
    /// `Busy`, or the store's.
    pub async fn claim_first_manager(
        &self,
        token: &str,
        first: FirstManager,
    ) -> Result<SignedIn, Refusal> {
        let totp = self
            .first_manager_totp(token)
            .await?
            .ok_or(Refusal::BadLogin)?;
        let step = totp
            .check(&first.totp, self.clock.now())
            .ok_or(Refusal::BadLogin)?;
        let account = NewAccount {
            id: first.id,
            name: first.name,
            password: first.password,
            totp,
            roles: vec![Role {
                role: RoleKind::Manager,
                audience: None,
                specialist: None,
            }],
        };
        let mut made = self.made(account).await?;
        made.entry.act = "staff.first_manager";
        let (id, name) = (made.row.id.clone(), made.row.name.clone());
        let hash = self.keys.token_hash(token);
        let (audit, made) = (self.audit.clone(), Arc::new(made));
        let written = self.db.write(move |tx| {
            let (audit, made, hash) = (audit.clone(), Arc::clone(&made), hash.clone());
            Box::pin(async move {
                if queries::n_staff_in(tx).await? > 0 {
                    queries::delete_meta(tx, FIRST_MANAGER).await?;
                    return Ok(false);
                }
                if !queries::take_meta(tx, FIRST_MANAGER, &hash).await? {
                    return Ok(false);
                }
                queries::insert_staff(tx, &made.row).await?;
                audit.append(tx, &made.entry).await?;
                Ok(true)
            })
        });
        if !written.await.map_err(taken)? {
            return Err(Refusal::BadLogin);
        }
        self.start_staff(id, Name::from_store(name), Some(step))
            .await
    }

    /// A session for one of the sample centre's own people, who keep its rooms without anybody at a keyboard. The demo
    /// alone calls this, in its own process; the audit log says `staff.sample_login`.
    ///
    /// # Errors
    /// `BadLogin` where there is no such account, or the store's.
    pub async fn sample_login(&self, id: &StaffId) -> Result<SignedIn, Refusal> {
        let row = queries::staff(&self.db, id)
            .await?
            .ok_or(Refusal::BadLogin)?;
        self.start_staff(id.clone(), Name::from_store(row.name), None)
            .await
    }

    /// Takes the step, if there is one, makes the session and writes the entry, all or nothing.
    pub(super) async fn start_staff(
        &self,
        id: StaffId,
        name: Name,
        step: Option<TotpStep>,
    ) -> Result<SignedIn, Refusal> {
        let roles = self.roles(&id).await?;
        if roles.is_empty() {
            return Err(Refusal::BadLogin);
        }
        let (session, cookie) = self.new_session(Owner::Staff(id.clone()), Device::Shared);
        let session_id = session.id.clone();
        let entry = Entry {
            actor: id.as_str().to_owned(),
            roles: roles_text(&roles),
            act: if step.is_some() {
                "staff.login"
            } else {
                "staff.sample_login"
            },
            object: id.as_str().to_owned(),
            reason: String::new(),
        };
        let (audit, act) = (self.audit.clone(), Arc::new((id.clone(), session, entry)));
        let taken = self
            .db
            .write(move |tx| {
                let (audit, act) = (audit.clone(), Arc::clone(&act));
                Box::pin(async move {
                    let (id, session, entry) = &*act;
                    if let Some(step) = step
                        && !queries::take_step(tx, id, step.0).await?
                    {
                        return Ok(false);
                    }
                    queries::insert_session(tx, session).await?;
                    audit.append(tx, entry).await?;
                    Ok(true)
                })
            })
            .await?;
        if !taken {
            return Err(Refusal::BadLogin);
        }
        Ok(SignedIn {
            session: Session {
                id: session_id,
                actor: Actor::Staff { id, roles },
                name,
                device: Device::Shared,
                handle: None,
            },
            cookie,
        })
    }

    pub(super) async fn made(&self, account: NewAccount) -> Result<Made, Refusal> {
        let id = StaffId::parse(account.id.trim()).ok_or(Refusal::BadId)?;
        // The record would take them for these.
        if [BY_SYSTEM, BY_CONSOLE].contains(&id.as_str()) {
            return Err(Refusal::BadId);
        }
        let name = Name::of_staff(&account.name)?;
        let password = self
            .password_hash(Password::parse(&account.password)?)
            .await?;
        let entry = Entry {
            actor: BY_SYSTEM.to_owned(),
            roles: String::new(),
            act: "staff.create",
            object: id.as_str().to_owned(),
            reason: roles_text(&account.roles),
        };
        let row = NewStaff {
            name: name.as_str().to_owned(),
            password,
            totp_sealed: self.seal_totp(&id, &account.totp),
            made: self.clock.now(),
            roles: account.roles.iter().map(role_row).collect(),
            id,
        };
        Ok(Made { row, entry })
    }

    /// What the store keeps of a password.
    pub(super) async fn password_hash(&self, password: Password) -> Result<String, Refusal> {
        let pepper = self.keys.password_pepper();
        let chance = Arc::clone(&self.chance);
        let hash = self
            .staff_hashing
            .run(move || password.slow_hash(&pepper, &*chance))
            .await?;
        Ok(hash.as_phc().to_owned())
    }

    /// Whether a password is that of an account that has not ended.
    pub(super) async fn password_fits(
        &self,
        id: &StaffId,
        password: &str,
    ) -> Result<bool, Refusal> {
        let row = queries::staff(&self.db, id).await?;
        self.fits(row.as_ref(), password).await
    }

    /// The same work whether there is an account or not.
    async fn fits(&self, row: Option<&StaffRow>, password: &str) -> Result<bool, Refusal> {
        let hash = row.map(|row| PasswordHash::new(row.password.clone()));
        let tried = Password::tried(password);
        let pepper = self.keys.password_pepper();
        let fits = self
            .staff_hashing
            .run(move || tried.slow_verify(hash.as_ref(), &pepper))
            .await?;
        Ok(fits)
    }

    pub(super) fn seal_totp(&self, id: &StaffId, totp: &TotpSecret) -> Vec<u8> {
        let place = Place::of("staff", id.as_str(), "totp_sealed");
        sealing::seal(&self.keys.staff, &place, totp.as_bytes(), &*self.chance)
    }

    fn unseal_totp(&self, id: &StaffId, sealed: &[u8]) -> Stored<TotpSecret> {
        let place = Place::of("staff", id.as_str(), "totp_sealed");
        let bytes = sealing::open(&self.keys.staff, &place, sealed).map(Zeroizing::new);
        bytes
            .ok()
            .and_then(|bytes| TotpSecret::from_bytes(&bytes))
            .ok_or_else(|| StoreError::Inconsistent {
                table: "staff",
                column: "totp_sealed",
                id: "…".into(),
            })
    }

    pub(super) fn totp_of_token(&self, token: &str) -> TotpSecret {
        let tag = Zeroizing::new(self.keys.staff.tag(token.as_bytes()));
        TotpSecret::from_bytes(&tag[..20]).expect("20 bytes are 20 bytes")
    }
}

/// An id that is there already; everything else stays what it is.
pub(super) fn taken(error: StoreError) -> Refusal {
    match error {
        StoreError::Conflict { .. } => Refusal::BadId,
        error => Refusal::Store(error),
    }
}

pub(super) fn role_row(role: &Role) -> RoleRow {
    RoleRow {
        role: role.role.as_str().to_owned(),
        audience: role.audience.map_or("", |side| side.as_str()).to_owned(),
        specialist: role.specialist.unwrap_or(false),
        ends_ms: None,
    }
}

/// Roles as the audit log has them: `moderator/family coordinator`.
pub(super) fn roles_text(roles: &[Role]) -> String {
    let words: Vec<String> = roles
        .iter()
        .map(|role| match role.audience {
            Some(side) => format!("{}/{}", role.role.as_str(), side.as_str()),
            None => role.role.as_str().to_owned(),
        })
        .collect();
    words.join(" ")
}
