//! `engawa staff`: people with powers, from the operator's console. Each act stands in the record as done there.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Common, FAILED, complain, ground, say};
use crate::app::Ground;
use crate::edge::pages::texts;
use crate::features::gatherings;
use crate::features::identity::{By, Invite, OneTime, Term};
use crate::platform::clock::Day;
use crate::platform::ids::StaffId;
use crate::platform::settings::Settings;
use crate::protocol::{Role, RoleKind, Standing};

#[derive(Subcommand)]
pub(super) enum StaffCommand {
    /// Make a one-time address by which somebody makes their account.
    Invite(InviteArgs),
    /// Who has or had powers, and which addresses are not used yet.
    List(ListArgs),
    /// End an account and all its sessions at once, or withdraw an address.
    Revoke(RevokeArgs),
    /// Make a one-time address by which somebody sets a new second factor.
    Reset(ResetArgs),
}

#[derive(Args, Clone, Debug)]
pub(super) struct InviteArgs {
    /// `manager`, `coordinator`, `moderator/SIDE` or `peer_supporter/SIDE`, with `tojisha` or `family` as the side; may be repeated.
    #[arg(long, required = true, value_name = "ROLE", value_parser = role)]
    role: Vec<Role>,
    /// The name that is shown, until they choose another.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The coordinator is a 専門職.
    #[arg(long)]
    specialist: bool,
    /// The last day on which the roles hold, in Japan.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    until: Option<Day>,
    /// Print the address as one line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct ListArgs {
    /// As one line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct RevokeArgs {
    /// The id of an account.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// The id of an address that is not used yet, as `list` prints it.
    #[arg(long, value_name = "ID")]
    invitation: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(super) struct ResetArgs {
    /// The id of the account.
    #[arg(value_name = "ID")]
    id: String,
    /// A new password too; without it the one they have is asked for.
    #[arg(long)]
    password: bool,
    /// Print the address as one line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Address<'a> {
    url: &'a str,
    invitation: &'a str,
    ends: String,
}

#[derive(Serialize)]
struct RoleOut {
    #[serde(flatten)]
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends: Option<String>,
}

#[derive(Serialize)]
struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invitation: Option<String>,
    name: String,
    roles: Vec<RoleOut>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends: Option<String>,
}

pub(super) async fn run(common: &Common, command: &StaffCommand) -> anyhow::Result<ExitCode> {
    let ground = ground(common).await?;
    let outcome = match command {
        StaffCommand::Invite(args) => invite(&ground, args).await,
        StaffCommand::List(args) => list(&ground, args).await,
        StaffCommand::Revoke(args) => revoke(&ground, args).await,
        StaffCommand::Reset(args) => reset(&ground, args).await,
    };
    ground.keys.store().close().await;
    ground.db.close().await;
    outcome
}

async fn invite(ground: &Ground, args: &InviteArgs) -> anyhow::Result<ExitCode> {
    let ends = args.until.as_ref().map(Day::ends_at);
    let terms = args.role.iter().map(|role| Term {
        role: Role {
            specialist: (role.role == RoleKind::Coordinator).then_some(args.specialist),
            ..*role
        },
        ends,
    });
    let terms: Vec<Term> = terms.collect();
    if args.specialist
        && !terms
            .iter()
            .any(|term| term.role.role == RoleKind::Coordinator)
    {
        bail!("only a coordinator can be a specialist");
    }
    let invite = Invite {
        name: args
            .name
            .clone()
            .unwrap_or_else(|| texts::t("join.name").to_owned()),
        terms,
    };
    let made = ground.identity.invite(invite, &By::console()).await?;
    print_address(&ground.settings, &made, args.json)?;
    Ok(ExitCode::SUCCESS)
}

async fn list(ground: &Ground, args: &ListArgs) -> anyhow::Result<ExitCode> {
    let mut rows = Vec::new();
    for person in ground.identity.people().await? {
        rows.push(Row {
            id: Some(person.id),
            invitation: None,
            name: person.name,
            roles: person.terms.iter().map(role_out).collect(),
            state: person.state.as_str(),
            ends: None,
        });
    }
    for pending in ground.identity.pending().await? {
        rows.push(Row {
            state: if pending.account.is_some() {
                "reset"
            } else {
                "invited"
            },
            id: pending.account,
            invitation: Some(pending.id),
            name: pending.name,
            roles: pending.terms.iter().map(role_out).collect(),
            ends: Some(pending.ends.rfc3339()),
        });
    }
    if args.json {
        say(&serde_json::to_string(&rows)?);
        return Ok(ExitCode::SUCCESS);
    }
    for row in &rows {
        let roles: Vec<String> = row.roles.iter().map(role_text).collect();
        let id = row.id.as_deref().unwrap_or("-");
        let mut line = format!(
            "{id:<20} {:<8} {}  {}",
            row.state,
            row.name,
            roles.join(" ")
        );
        if let (Some(invitation), Some(ends)) = (&row.invitation, &row.ends) {
            line.push_str(&format!("  (invitation {invitation}, good until {ends})"));
        }
        say(&line);
    }
    Ok(ExitCode::SUCCESS)
}

async fn revoke(ground: &Ground, args: &RevokeArgs) -> anyhow::Result<ExitCode> {
    let by = By::console();
    if let Some(invitation) = &args.invitation {
        if ground.identity.withdraw_invite(invitation, &by).await? {
            say("The address opens nothing any more.");
            return Ok(ExitCode::SUCCESS);
        }
        complain("engawa: there is no such invitation, or it was used");
        return Ok(ExitCode::from(FAILED));
    }
    let id = args.id.as_deref().unwrap_or_default();
    if !ground.identity.revoke_staff(id, &by).await? {
        complain("engawa: there is no such account, or it has ended");
        return Ok(ExitCode::from(FAILED));
    }
    // Whoever has left answers no call.
    if let Some(staff) = StaffId::parse(id) {
        gatherings::leave(&ground.db, &staff).await?;
    }
    say("The account has ended, and every session of it.");
    Ok(ExitCode::SUCCESS)
}

async fn reset(ground: &Ground, args: &ResetArgs) -> anyhow::Result<ExitCode> {
    let made = ground
        .identity
        .reset_staff(&args.id, args.password, &By::console())
        .await?;
    let Some(made) = made else {
        complain("engawa: there is no such account, or it has ended");
        return Ok(ExitCode::from(FAILED));
    };
    print_address(&ground.settings, &made, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// The address goes to standard output, alone there; what it is, to standard error.
fn print_address(settings: &Settings, made: &OneTime, json: bool) -> anyhow::Result<()> {
    let url = format!("{}/s/join/{}", base(settings), made.token.expose());
    let ends = made.ends.rfc3339();
    if json {
        let address = Address {
            url: &url,
            invitation: &made.id,
            ends,
        };
        say(&serde_json::to_string(&address).context("the address cannot be written")?);
        return Ok(());
    }
    complain(&format!(
        "This address is good once, until {ends}. It is shown only now; hand it over in person or by telephone:"
    ));
    say(&url);
    Ok(())
}

/// Where people with powers come in. Without a public address it is a path, for whoever knows the host.
fn base(settings: &Settings) -> &str {
    match (&settings.staff_listen, &settings.public_url) {
        (None, Some(url)) => url.trim_end_matches('/'),
        (Some(_), _) | (None, None) => "",
    }
}

fn role_out(term: &Term) -> RoleOut {
    RoleOut {
        role: term.role,
        ends: term.ends.map(crate::platform::clock::Millis::rfc3339),
    }
}

fn role_text(role: &RoleOut) -> String {
    let mut text = role.role.role.as_str().to_owned();
    if let Some(side) = role.role.audience {
        text.push('/');
        text.push_str(side.as_str());
    }
    if let Some(ends) = &role.ends {
        text.push_str(" until ");
        text.push_str(ends);
    }
    text
}

fn role(text: &str) -> Result<Role, String> {
    let (kind, side) = match text.split_once('/') {
        Some((kind, side)) => (kind, Some(side)),
        None => (text, None),
    };
    let kind = RoleKind::from_wire(kind).ok_or("there is no such role")?;
    let audience = match side {
        Some(side) => Some(Standing::from_wire(side).ok_or("the side is tojisha or family")?),
        None => None,
    };
    let sided = matches!(kind, RoleKind::PeerSupporter | RoleKind::Moderator);
    match (sided, audience) {
        (true, None) => Err(format!(
            "{text} serves a side: {text}/tojisha or {text}/family"
        )),
        (false, Some(_)) => Err("managers and coordinators have no side".to_owned()),
        (true, Some(_)) | (false, None) => Ok(Role {
            role: kind,
            audience,
            specialist: None,
        }),
    }
}

fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| "a day is YYYY-MM-DD".to_owned())
}
