//! `engawa doctor`: is all there that is needed, and what are the settings.

use std::process::ExitCode;

use super::{Common, DoctorArgs, FAILED, ground, say};
use crate::app::Ground;
use crate::permit::{Action, Actor, Duty, permit};
use crate::platform::clock::wait_ms;
use crate::platform::ids::{HandleId, StaffId};
use crate::platform::redis;
use crate::protocol::{Audience, Role, RoleKind};

pub(super) async fn run(common: &Common, args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    if args.permits {
        print_permits();
        return Ok(ExitCode::SUCCESS);
    }
    let ground = ground(common).await?;
    let mut well = true;
    let mut tell = |good: bool, what: &str| {
        well &= good;
        say(&format!("{}  {what}", if good { "ok  " } else { "FAIL" }));
    };
    tell(
        true,
        &format!("database: {:?}, at this version", ground.db.engine()),
    );
    tell(
        ground.keys.store().ping().await.is_ok(),
        "key store: answers",
    );
    for warning in ground.keys.store().warnings() {
        tell(false, &format!("key store: {warning}"));
    }
    if let Some(same) = same_cluster(&ground).await {
        tell(
            !same,
            if same {
                "key store: it stands in the database's own cluster, whose log and backup then hold the keys; give it a cluster of its own"
            } else {
                "key store: a cluster of its own"
            },
        );
    }
    match &ground.settings.redis_url {
        None => tell(true, "Redis: none; this node is alone"),
        Some(url) => {
            let within = wait_ms(ground.settings.redis.answer_ms);
            let warnings = redis::warnings(url, within).await;
            if warnings.is_empty() {
                tell(true, "Redis: answers, and writes nothing to disk");
            }
            for warning in warnings {
                tell(false, &format!("Redis: {warning}"));
            }
        }
    }
    let verdict = ground.audit.verify(&ground.db).await?;
    tell(
        verdict.broken.is_none(),
        &match &verdict.broken {
            None => format!("audit log: {} entries, one chain", verdict.n_entries),
            Some(broken) => format!("audit log: {broken}"),
        },
    );
    let key_file = if ground.key_file.created() {
        "key file: made just now; keep a copy of it apart"
    } else {
        "key file: there; keep a copy of it apart"
    };
    tell(true, key_file);
    say("");
    say("Settings (secrets left out):");
    say(&ground.settings.printed());
    say("");
    say("Who may do what in a room:");
    print_permits();
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}

/// Whether the keys stand beside what they seal; `None` where they cannot, or where nobody can say.
async fn same_cluster(ground: &Ground) -> Option<bool> {
    let keys = ground.keys.store().cluster_id().await.ok()??;
    let data = ground.db.cluster_id().await.ok()??;
    Some(keys == data)
}

/// Who may do what in a room of their side, as the code decides it: role, duty, and what they allow. Who is not in the
/// list, or is of the other side, may nothing.
fn print_permits() {
    let side = Audience::Tojisha;
    // The ids stand for anybody: the decision does not look at them.
    if let Some(id) = HandleId::parse("anybody") {
        let handle = Actor::Handle { id, standing: side };
        print_permit("handle", None, &handle, side);
    }
    for role in RoleKind::ALL.iter().copied() {
        let Some(id) = StaffId::parse("anybody") else {
            return;
        };
        let audience = match role {
            RoleKind::PeerSupporter | RoleKind::Moderator => Some(side),
            RoleKind::Coordinator | RoleKind::Manager => None,
        };
        let roles = vec![Role {
            role,
            audience,
            specialist: None,
        }];
        let staff = Actor::Staff { id, roles };
        for duty in std::iter::once(None).chain(Duty::ALL.map(Some)) {
            print_permit(role.as_str(), duty, &staff, side);
        }
    }
}

fn print_permit(who: &str, duty: Option<Duty>, actor: &Actor, side: Audience) {
    let allowed: Vec<&str> = Action::ALL
        .into_iter()
        .filter(|action| permit(actor, duty, side, *action).is_ok())
        .map(Action::as_str)
        .collect();
    if !allowed.is_empty() {
        let duty = duty.map_or("no duty", Duty::as_str);
        say(&format!("{who:<15} {duty:<10} {}", allowed.join(" ")));
    }
}
