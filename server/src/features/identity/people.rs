//! People with powers as a whole: invited by a one-time address, with roles that may end, a second factor that can be set
//! anew, and a leaving that ends every session at once. Whoever calls this has asked for a permit, or sits at the console.

use std::sync::Arc;

use super::accounts::{BY_CONSOLE, role_row, roles_text, taken};
use super::password::Password;
use super::queries::{self, InviteRow, NewInvite, RoleRow};
use super::sessions::role;
use super::{FirstManager, Identity, Name, NewAccount, Refusal, Session, SignedIn, TotpSecret};
use crate::features::audit::Entry;
use crate::permit::Actor;
use crate::platform::clock::Millis;
use crate::platform::ids::{Secret, StaffId, new_id, token};
use crate::platform::store::Stored;
use crate::protocol::{Role, RoleKind};

/// A role, and from when on it counts as none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// What they may do.
    pub role: Role,
    /// Its end, if it has one.
    pub ends: Option<Millis>,
}

/// Somebody who shall have powers.
#[derive(Clone, Debug)]
pub struct Invite {
    /// The name that is shown, until they choose another.
    pub name: String,
    /// At least one.
    pub terms: Vec<Term>,
}

/// Who does it, for the record.
#[derive(Clone, Debug)]
pub struct By {
    actor: String,
    roles: String,
}

/// A one-time address that was just made: the only time its token is seen.
#[derive(Debug)]
pub struct OneTime {
    /// Its last part.
    pub token: Secret,
    /// The id of its row, by which it is withdrawn. It opens nothing.
    pub id: String,
    /// Until when it is good.
    pub ends: Millis,
}

/// What a one-time address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// The first manager's account.
    First,
    /// An account.
    Account,
    /// A new second factor; the password they have is asked for.
    Factor,
    /// A new second factor and a new password.
    FactorAndPassword,
}

/// What the page of a one-time address shows.
#[derive(Clone, Debug)]
pub struct Join {
    /// What for.
    pub kind: JoinKind,
    /// The name as the inviting person wrote it, or as it is.
    pub name: String,
    /// What stands under the picture in the app: the id, where there is one.
    pub account: Option<String>,
    /// The second factor. It hangs on the token, so that loading the page again shows the same one.
    pub totp: TotpSecret,
}

/// How an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They can come in.
    Active,
    /// Every role has ended, so nothing opens.
    NoRole,
    /// The account has ended.
    Ended,
}

impl State {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::NoRole => "no_role",
            Self::Ended => "ended",
        }
    }
}

/// Somebody with powers, without secrets.
#[derive(Clone, Debug)]
pub struct Person {
    /// What they log in with.
    pub id: String,
    /// The name that is shown.
    pub name: String,
    /// All roles, ended ones too.
    pub terms: Vec<Term>,
    /// How the account stands.
    pub state: State,
}

/// A one-time address that nobody has used yet.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The id of its row.
    pub id: String,
    /// The account it is for; nothing when it shall make one.
    pub account: Option<String>,
    /// The name in it.
    pub name: String,
    /// The roles it gives.
    pub terms: Vec<Term>,
    /// Until when it is good.
    pub ends: Millis,
}

impl By {
    /// Whoever sits at the operator's console.
    pub fn console() -> Self {
        Self {
            actor: BY_CONSOLE.to_owned(),
            roles: String::new(),
        }
    }

    /// Somebody with powers; nothing for a handle.
    pub fn session(session: &Session) -> Option<Self> {
        match &session.actor {
            Actor::Staff { id, roles } => Some(Self {
                actor: id.as_str().to_owned(),
                roles: roles_text(roles),
            }),
            Actor::Handle { .. } => None,
        }
    }

    fn entry(&self, act: &'static str, object: &str, reason: String) -> Entry {
        Entry {
            actor: self.actor.clone(),
            roles: self.roles.clone(),
            act,
            object: object.to_owned(),
            reason,
        }
    }
}

/// Whether terms hold together: there is one, no two are of one kind and side, supporters and moderators have a side and
/// nobody else has, a 専門職 is a coordinator, and no end is past.
pub fn holds_together(terms: &[Term], now: Millis) -> bool {
    let sound = |term: &Term| {
        let sided = matches!(
            term.role.role,
            RoleKind::PeerSupporter | RoleKind::Moderator
        );
        let special = term.role.specialist == Some(true);
        sided == term.role.audience.is_some()
            && (!special || term.role.role == RoleKind::Coordinator)
            && term.ends.is_none_or(|ends| ends > now)
    };
    let twice = |at: usize, term: &Term| {
        terms[..at].iter().any(|other| {
            (other.role.role, other.role.audience) == (term.role.role, term.role.audience)
        })
    };
    !terms.is_empty()
        && terms
            .iter()
            .enumerate()
            .all(|(at, term)| sound(term) && !twice(at, term))
}

fn state(ended: Option<Millis>, terms: &[Term], now: Millis) -> State {
    if ended.is_some() {
        State::Ended
    } else if terms
        .iter()
        .any(|term| term.ends.is_none_or(|ends| ends > now))
    {
        State::Active
    } else {
        State::NoRole
    }
}

fn term(row: &RoleRow) -> Stored<Term> {
    Ok(Term {
        role: role(row)?,
        ends: row.ends_ms,
    })
}

fn term_row(term: &Term) -> RoleRow {
    RoleRow {
        ends_ms: term.ends,
        ..role_row(&term.role)
    }
}

fn roles_of(terms: &[Term]) -> Vec<Role> {
    terms.iter().map(|term| term.role).collect()
}

impl Identity {
    /// A one-time address by which somebody makes their account.
    ///
    /// # Errors
    /// `BadName`, `BadRole`, or the store's.
    pub async fn invite(&self, invite: Invite, by: &By) -> Result<OneTime, Refusal> {
        let name = Name::of_staff(&invite.name)?;
        if !holds_together(&invite.terms, self.clock.now()) {
            return Err(Refusal::BadRole);
        }
        let reason = roles_text(&roles_of(&invite.terms));
        let (row, one_time) = self.one_time(None, name.as_str(), true, &invite.terms);
        let entry = by.entry("staff.invite", &row.id, reason);
        self.write_invite(row, entry).await?;
        Ok(one_time)
    }

    /// A one-time address by which somebody sets a new second factor, and a new password too if `new_password`. One that
    /// was made for them before dies. Until it is used, what they have stays good. Nothing where there is no such account.
    ///
    /// # Errors
    /// As the store's.
    pub async fn reset_staff(
        &self,
        id: &str,
        new_password: bool,
        by: &By,
    ) -> Stored<Option<OneTime>> {
        let Some(id) = StaffId::parse(id) else {
            return Ok(None);
        };
        let Some(person) = queries::staff(&self.db, &id).await? else {
            return Ok(None);
        };
        let (row, one_time) = self.one_time(Some(&id), &person.name, new_password, &[]);
        let reason = if new_password { "password" } else { "" };
        let entry = by.entry("staff.reset", id.as_str(), reason.to_owned());
        self.write_invite(row, entry).await?;
        Ok(Some(one_time))
    }

    /// Ends an account: every session ends at once, on every node, and every address that was made for them dies. Says
    /// whether there was one to end.
    ///
    /// # Errors
    /// As the store's.
    pub async fn revoke_staff(&self, id: &str, by: &By) -> Stored<bool> {
        let Some(id) = StaffId::parse(id) else {
            return Ok(false);
        };
        let now = self.clock.now();
        let entry = by.entry("staff.revoke", id.as_str(), String::new());
        let (audit, act) = (self.audit.clone(), Arc::new((id, entry)));
        let ended = self
            .db
            .write(move |tx| {
                let (audit, act) = (audit.clone(), Arc::clone(&act));
                Box::pin(async move {
                    let (id, entry) = &*act;
                    if !queries::end_staff(tx, id, now).await? {
                        return Ok(None);
                    }
                    queries::delete_invites_of(tx, id).await?;
                    let ended = queries::end_staffs(tx, id, now).await?;
                    audit.append(tx, entry).await?;
                    Ok(Some(ended))
                })
            })
            .await?;
        let was_there = ended.is_some();
        self.tell_ended(ended.unwrap_or_default());
        Ok(was_there)
    }

    /// Withdraws a one-time address by the id of its row. Says whether there was one.
    ///
    /// # Errors
    /// As the store's.
    pub async fn withdraw_invite(&self, id: &str, by: &By) -> Stored<bool> {
        let act = Arc::new((id.to_owned(), by.entry("staff.withdraw", id, String::new())));
        let audit = self.audit.clone();
        self.db
            .write(move |tx| {
                let (audit, act) = (audit.clone(), Arc::clone(&act));
                Box::pin(async move {
                    let (id, entry) = &*act;
                    let was_there = queries::delete_invite(tx, id).await?;
                    if was_there {
                        audit.append(tx, entry).await?;
                    }
                    Ok(was_there)
                })
            })
            .await
    }

    /// Everybody who has or had powers, in the order in which they came.
    ///
    /// # Errors
    /// As the store's.
    pub async fn people(&self) -> Stored<Vec<Person>> {
        let now = self.clock.now();
        let roles = queries::all_roles(&self.db).await?;
        let mut people = Vec::new();
        for row in queries::all_staff(&self.db).await? {
            let own = roles.iter().filter(|role| role.owner == row.id);
            let terms = own.map(|own| term(&own.role)).collect::<Stored<Vec<_>>>()?;
            people.push(Person {
                id: row.id.as_str().to_owned(),
                name: row.name,
                state: state(row.ended_ms, &terms, now),
                terms,
            });
        }
        Ok(people)
    }

    /// One-time addresses that are still good.
    ///
    /// # Errors
    /// As the store's.
    pub async fn pending(&self) -> Stored<Vec<Pending>> {
        let mut pending = Vec::new();
        for row in queries::invites(&self.db, self.clock.now()).await? {
            pending.push(Pending {
                terms: self.terms_of(&row.id).await?,
                account: row.staff_id.map(|id| id.as_str().to_owned()),
                id: row.id,
                name: row.name,
                ends: row.ends_ms,
            });
        }
        Ok(pending)
    }

    /// What the page of a one-time address shows; nothing when it is not, or no more, good.
    ///
    /// # Errors
    /// As the store's.
    pub async fn join(&self, token: &str) -> Stored<Option<Join>> {
        let row = self.invite_of(token).await?;
        Ok(row.map(|row| Join {
            kind: match (&row.staff_id, row.new_password) {
                (None, _) => JoinKind::Account,
                (Some(_), false) => JoinKind::Factor,
                (Some(_), true) => JoinKind::FactorAndPassword,
            },
            account: row.staff_id.map(|id| id.as_str().to_owned()),
            name: row.name,
            totp: self.totp_of_token(token),
        }))
    }

    /// Does what a one-time address is for and logs them in; the address dies with it. For somebody who has an account,
    /// `id` and `name` are not read, and every session they had ends.
    ///
    /// # Errors
    /// `BadLogin` for an address that is not good, a code that does not fit or a password that is not theirs; `BadId`,
    /// `BadName`, `BadPassword`, `Busy`, or the store's.
    pub async fn claim_join(&self, token: &str, typed: FirstManager) -> Result<SignedIn, Refusal> {
        let row = self.invite_of(token).await?.ok_or(Refusal::BadLogin)?;
        let totp = self.totp_of_token(token);
        let step = totp
            .check(&typed.totp, self.clock.now())
            .ok_or(Refusal::BadLogin)?;
        let hash = self.keys.token_hash(token);
        let (id, name) = match row.staff_id.clone() {
            None => self.make_invited(row, hash, typed, totp).await?,
            Some(id) => {
                self.renew(&id, row.new_password, hash, &typed.password, &totp)
                    .await?;
                (id, row.name)
            }
        };
        self.start_staff(id, Name::from_store(name), Some(step))
            .await
    }

    async fn make_invited(
        &self,
        row: InviteRow,
        hash: String,
        typed: FirstManager,
        totp: TotpSecret,
    ) -> Result<(StaffId, String), Refusal> {
        let terms = self.terms_of(&row.id).await?;
        let now = self.clock.now();
        let account = NewAccount {
            id: typed.id,
            name: typed.name,
            password: typed.password,
            totp,
            roles: roles_of(&terms),
        };
        let mut made = self.made(account).await?;
        made.row.roles = terms.iter().map(term_row).collect();
        made.entry.act = "staff.join";
        made.entry.actor = made.entry.object.clone();
        let (id, name) = (made.row.id.clone(), made.row.name.clone());
        let (audit, made) = (self.audit.clone(), Arc::new((made, hash)));
        let written = self.db.write(move |tx| {
            let (audit, act) = (audit.clone(), Arc::clone(&made));
            Box::pin(async move {
                let (made, hash) = &*act;
                if !queries::take_invite(tx, hash, now).await? {
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
        Ok((id, name))
    }

    /// The second factor anew, and the password where the address says so; otherwise the password must be theirs.
    async fn renew(
        &self,
        id: &StaffId,
        new_password: bool,
        hash: String,
        password: &str,
        totp: &TotpSecret,
    ) -> Result<(), Refusal> {
        let password = if new_password {
            Some(self.password_hash(Password::parse(password)?).await?)
        } else {
            if !self.password_fits(id, password).await? {
                return Err(Refusal::BadLogin);
            }
            None
        };
        let now = self.clock.now();
        let entry = Entry {
            actor: id.as_str().to_owned(),
            roles: roles_text(&self.roles(id).await?),
            act: "staff.renew",
            object: id.as_str().to_owned(),
            reason: if new_password { "password" } else { "" }.to_owned(),
        };
        let sealed = self.seal_totp(id, totp);
        let audit = self.audit.clone();
        let act = Arc::new((id.clone(), hash, sealed, password, entry));
        let ended = self
            .db
            .write(move |tx| {
                let (audit, act) = (audit.clone(), Arc::clone(&act));
                Box::pin(async move {
                    let (id, hash, sealed, password, entry) = &*act;
                    if !queries::take_invite(tx, hash, now).await?
                        || !queries::set_factor(tx, id, sealed, password.as_deref()).await?
                    {
                        return Ok(None);
                    }
                    let ended = queries::end_staffs(tx, id, now).await?;
                    audit.append(tx, entry).await?;
                    Ok(Some(ended))
                })
            })
            .await?;
        self.tell_ended(ended.ok_or(Refusal::BadLogin)?);
        Ok(())
    }

    fn one_time(
        &self,
        staff: Option<&StaffId>,
        name: &str,
        new_password: bool,
        terms: &[Term],
    ) -> (NewInvite, OneTime) {
        let token = token(&*self.chance);
        let now = self.clock.now();
        let row = NewInvite {
            id: new_id(&*self.chance),
            hash: self.keys.token_hash(token.expose()),
            staff_id: staff.cloned(),
            name: name.to_owned(),
            new_password,
            made: now,
            ends: now.plus_ms(self.settings.invite_ms),
            roles: terms.iter().map(term_row).collect(),
        };
        let one_time = OneTime {
            token,
            id: row.id.clone(),
            ends: row.ends,
        };
        (row, one_time)
    }

    async fn write_invite(&self, row: NewInvite, entry: Entry) -> Stored<()> {
        let (audit, act) = (self.audit.clone(), Arc::new((row, entry)));
        self.db
            .write(move |tx| {
                let (audit, act) = (audit.clone(), Arc::clone(&act));
                Box::pin(async move {
                    let (row, entry) = &*act;
                    if let Some(id) = &row.staff_id {
                        queries::delete_invites_of(tx, id).await?;
                    }
                    queries::insert_invite(tx, row).await?;
                    audit.append(tx, entry).await
                })
            })
            .await
    }

    async fn invite_of(&self, token: &str) -> Stored<Option<InviteRow>> {
        let hash = self.keys.token_hash(token);
        queries::invite(&self.db, &hash, self.clock.now()).await
    }

    async fn terms_of(&self, invite: &str) -> Stored<Vec<Term>> {
        let rows = queries::invite_roles(&self.db, invite).await?;
        rows.iter().map(term).collect()
    }
}
