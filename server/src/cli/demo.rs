//! `engawa demo`: a sample centre that lives.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;

use super::samples::{self, Sample};
use super::{Common, DemoArgs, complain, overrides, say};
use crate::app::{Ground, Listeners, Node};
use crate::edge::pages::texts;
use crate::edge::state::DemoLogin;
use crate::features::gatherings::{self, Gathering, StoredState};
use crate::features::identity::{NewAccount, Refusal, TotpSecret};
use crate::features::rooms;
use crate::permit::Duty;
use crate::platform::clock::{Millis, Weekday};
use crate::platform::ids::{RoomId, Secret, StaffId};
use crate::platform::keys::Purpose;
use crate::platform::sealing::DataKey;
use crate::platform::settings::Settings;
use crate::platform::telemetry;
use crate::protocol::{Audience, EntryKind, GatheringKind, Role, RoleKind};

/// One room of the sample centre.
#[derive(Clone, Serialize)]
struct RoomOut {
    id: String,
    kind: &'static str,
    audience: &'static str,
    title: String,
}

#[derive(Serialize)]
struct LoginOut<'a> {
    role: &'static str,
    id: &'a str,
    password: &'a str,
    totp_secret: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<&'static str>,
}

#[derive(Serialize)]
struct Line<'a> {
    url: &'a str,
    rooms: &'a [RoomOut],
    logins: Vec<LoginOut<'a>>,
}

/// Logins of each role.
const LOGINS_EACH: usize = 3;

pub(super) async fn run(common: &Common, args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let throwaway = if args.data.is_none() && common.data_dir.is_none() {
        Some(
            tempfile::Builder::new()
                .prefix("engawa-demo-")
                .tempdir()
                .context("no temporary folder")?,
        )
    } else {
        None
    };
    let folder: PathBuf = match (&args.data, &common.data_dir, &throwaway) {
        (Some(folder), _, _) | (None, Some(folder), _) => folder.clone(),
        (None, None, Some(throwaway)) => throwaway.path().to_owned(),
        (None, None, None) => PathBuf::from("engawa-demo"),
    };
    let mut flags = overrides(common);
    flags.set("data_dir", folder.display().to_string());
    let settings = Settings::from_process(common.config.as_deref(), &flags)?;
    telemetry::start_log(&settings.log, settings.log_format)?;
    telemetry::hook_panics();
    anyhow::ensure!(
        is_loopback(settings.listen),
        "listen: the demo answers on the loopback address only"
    );
    let listeners = Listeners::bind(&settings).await?;
    let url = super::url_of(&settings, &listeners)?;
    let listening = listeners.public.local_addr()?;

    let ground = Ground::open(settings).await?;
    write_node_file(common.config.as_deref(), &ground.settings, &folder)?;
    let logins = accounts(&ground).await?;
    let rooms = open_rooms(&ground, args.rooms).await?;
    put_on_roster(&ground, &rooms, &logins).await?;
    let week = plan_week(&ground).await?;
    put_on_roster(&ground, &week, &logins).await?;
    let samples = Sample::prepare(
        &ground,
        &rooms
            .iter()
            .map(|room| room.gathering.clone())
            .collect::<Vec<_>>(),
    )
    .await?;

    let node = Node::build(
        ground,
        Some(logins.iter().map(|login| login.demo.clone()).collect()),
    )
    .await?;
    node.end_on_signal();
    let edge = Arc::clone(&node.edge);
    let serving = tokio::spawn(node.serve(listeners));
    samples::start(Arc::clone(&edge), listening, samples, !args.quiet_samples).await?;

    let out: Vec<RoomOut> = rooms.iter().map(|room| room.out.clone()).collect();
    if args.json {
        let logins = logins
            .iter()
            .map(|login| LoginOut {
                role: login.demo.role.role.as_str(),
                id: &login.demo.id,
                password: login.demo.password.expose(),
                totp_secret: login.demo.totp_secret.expose(),
                audience: login.demo.role.audience.map(Audience::as_str),
            })
            .collect();
        say(&serde_json::to_string(&Line {
            url: &url,
            rooms: &out,
            logins,
        })?);
    } else {
        complain(&format!(
            "A sample centre answers at {url}/demo (people and talk in it are made up)."
        ));
        complain(&format!("The page of a visitor: {url}/    Stop: Ctrl+C"));
    }
    serving.await.context("serving ended")?;
    drop(throwaway);
    Ok(ExitCode::SUCCESS)
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().is_loopback()
}

/// What a further node needs: the settings file that was given, with the places of this centre's data in it.
fn write_node_file(
    config: Option<&Path>,
    settings: &Settings,
    folder: &Path,
) -> anyhow::Result<()> {
    let mut table = match config {
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?
            .parse::<toml::Table>()
            .with_context(|| format!("{} is not TOML", file.display()))?,
        None => toml::Table::new(),
    };
    let absolute = |path: &Path| std::path::absolute(path).map(|path| path.display().to_string());
    let sqlite = |url: &Secret| -> std::io::Result<String> {
        match url.expose().strip_prefix("sqlite:") {
            Some(file) => Ok(format!(
                "sqlite:{}",
                absolute(Path::new(file.trim_start_matches("//")))?
            )),
            None => Ok(url.expose().to_owned()),
        }
    };
    let mut set =
        |name: &str, value: String| table.insert(name.to_owned(), toml::Value::String(value));
    set("listen", "127.0.0.1:0".to_owned());
    set("data_dir", absolute(folder)?);
    set("database_url", sqlite(&settings.database_url)?);
    set("keys_url", sqlite(&settings.keys_url)?);
    set("key_file", absolute(&settings.key_file)?);
    if let Some(redis_url) = &settings.redis_url {
        set("redis_url", redis_url.expose().to_owned());
        set("redis_prefix", settings.redis_prefix.clone());
    }
    table.remove("staff_listen");
    table.remove("metrics_listen");
    table.remove("node");
    let file = folder.join("engawa.toml");
    std::fs::write(&file, toml::to_string(&table)?)
        .with_context(|| format!("{} cannot be written", file.display()))?;
    // It can hold the database's password.
    std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    Ok(())
}

struct Login {
    demo: DemoLogin,
    staff: StaffId,
}

/// Makes the sample accounts, or finds them again. Their secrets follow from the key file, so that they stay the same.
async fn accounts(ground: &Ground) -> anyhow::Result<Vec<Login>> {
    let seed = ground
        .key_file
        .key_for(Purpose::StaffSecrets)
        .derive("demo logins");
    let sides = [
        Some(Audience::Tojisha),
        Some(Audience::Tojisha),
        Some(Audience::Family),
    ];
    let mut logins = Vec::new();
    for (role, word) in [
        (RoleKind::PeerSupporter, "supporter"),
        (RoleKind::Moderator, "moderator"),
        (RoleKind::Coordinator, "coordinator"),
        (RoleKind::Manager, "manager"),
    ] {
        for (idx, side) in sides.iter().enumerate().take(LOGINS_EACH) {
            let role = match role {
                RoleKind::PeerSupporter | RoleKind::Moderator => Role {
                    role,
                    audience: *side,
                    specialist: None,
                },
                RoleKind::Coordinator => Role {
                    role,
                    audience: None,
                    specialist: Some(idx == 0),
                },
                RoleKind::Manager => Role {
                    role,
                    audience: None,
                    specialist: None,
                },
            };
            let id = format!("{word}-{}", idx + 1);
            logins.push(account(ground, &seed, id, role).await?);
        }
    }
    Ok(logins)
}

async fn account(ground: &Ground, seed: &DataKey, id: String, role: Role) -> anyhow::Result<Login> {
    let tag = seed.tag(id.as_bytes());
    let totp = TotpSecret::from_bytes(&tag[..20]).context("a TOTP secret has 20 bytes")?;
    let password = data_encoding::BASE32_NOPAD
        .encode(&tag[20..])
        .to_lowercase();
    let totp_secret = totp.base32().to_string();
    let number = id.rsplit('-').next().unwrap_or("1");
    let name = texts::fill(
        &format!("demo.name.{}", role.role.as_str()),
        &[("n", number)],
    );
    let made = ground
        .identity
        .create_staff(
            NewAccount {
                id: id.clone(),
                name,
                password: password.clone(),
                totp,
                roles: vec![role],
            },
            None,
        )
        .await;
    let staff = match made {
        Ok(staff) => staff,
        // Taken: made at the first start of this data.
        Err(Refusal::BadId) => StaffId::parse(&id).context("a sample id is an id")?,
        Err(refusal) => anyhow::bail!("a sample account cannot be made: {refusal}"),
    };
    let demo = DemoLogin {
        id,
        role,
        password: Secret::new(password),
        totp_secret: Secret::new(totp_secret),
    };
    Ok(Login { demo, staff })
}

struct OpenRoom {
    gathering: Gathering,
    out: RoomOut,
}

/// Makes the sample rooms, or opens them again: 24 h from this start.
async fn open_rooms(ground: &Ground, further: u32) -> anyhow::Result<Vec<OpenRoom>> {
    let now = ground.clock.now();
    let ends = now.plus_ms(ground.settings.demo.open_ms);
    let forgets = ends.plus_ms(ground.settings.rooms.keep_ms);
    let mut plans = vec![
        (
            "demo-tojisha".to_owned(),
            Audience::Tojisha,
            texts::t("demo.room.tojisha").to_owned(),
        ),
        (
            "demo-family".to_owned(),
            Audience::Family,
            texts::t("demo.room.family").to_owned(),
        ),
    ];
    for n in 1..=further {
        let title = texts::fill("demo.room.further", &[("n", &n.to_string())]);
        plans.push((format!("demo-room-{n}"), Audience::Tojisha, title));
    }
    let mut open = Vec::new();
    for (id, audience, title) in plans {
        let id = RoomId::parse(&id).context("a sample id is an id")?;
        let gathering = Gathering {
            id: id.clone(),
            kind: GatheringKind::Ibasho,
            audience,
            entry: EntryKind::Open,
            title: title.clone(),
            starts: now,
            ends,
            forgets,
            details: Default::default(),
        };
        open_room(ground, gathering.clone(), forgets).await?;
        let out = RoomOut {
            id: id.as_str().to_owned(),
            kind: GatheringKind::Ibasho.as_str(),
            audience: audience.as_str(),
            title,
        };
        open.push(OpenRoom { gathering, out });
    }
    Ok(open)
}

async fn open_room(ground: &Ground, gathering: Gathering, forgets: Millis) -> anyhow::Result<()> {
    // The key's end first: it must not run out under a room that is open again.
    rooms::extend_key(&ground.keys, &gathering.id, forgets).await?;
    let known = gatherings::exists(&ground.db, &gathering.id).await?;
    ground
        .db
        .write(move |tx| {
            let gathering = gathering.clone();
            Box::pin(async move {
                if known {
                    gatherings::reopen(tx, &gathering).await
                } else {
                    gatherings::add(tx, &gathering, StoredState::Open).await
                }
            })
        })
        .await?;
    Ok(())
}

/// What the sample centre has planned beside its open rooms: 本人の会 in the evening, 家族会 on Saturday. Each is planned once, so a
/// second start goes on with it.
async fn plan_week(ground: &Ground) -> anyhow::Result<Vec<OpenRoom>> {
    let now = ground.clock.now();
    let evening = match ground.settings.demo.evening_in_ms {
        0 => now.next_jst(None, EVENING_HOUR),
        in_ms => Some(now.plus_ms(in_ms)),
    };
    let saturday = now.next_jst(Some(Weekday::Saturday), SATURDAY_HOUR);
    let plans = [
        (
            "evening",
            GatheringKind::TojishaKai,
            Audience::Tojisha,
            EntryKind::Open,
            evening,
        ),
        (
            "saturday",
            GatheringKind::KazokuKai,
            Audience::Family,
            EntryKind::Introduced,
            saturday,
        ),
    ];
    let afterglow_ms = ground.settings.rooms.afterglow_ms;
    let mut planned = Vec::new();
    for (name, kind, audience, entry, starts) in plans {
        let starts = starts.context("the sample week is within the calendar")?;
        let id = format!("demo-{name}-{}", starts.day().as_str());
        let id = RoomId::parse(&id).context("a sample id is an id")?;
        if gatherings::exists(&ground.db, &id).await? {
            continue;
        }
        let ends = starts.plus_ms(ground.settings.demo.planned_ms);
        let gathering = Gathering {
            id,
            kind,
            audience,
            entry,
            title: texts::t(&format!("demo.room.{name}")).to_owned(),
            starts,
            ends,
            forgets: ends.plus_ms(afterglow_ms + ground.settings.rooms.keep_ms),
            details: Default::default(),
        };
        let plan = gathering.clone();
        ground
            .db
            .write(move |tx| {
                let plan = plan.clone();
                Box::pin(async move { gatherings::add(tx, &plan, StoredState::Planned).await })
            })
            .await?;
        let out = RoomOut {
            id: gathering.id.as_str().to_owned(),
            kind: kind.as_str(),
            audience: audience.as_str(),
            title: gathering.title.clone(),
        };
        planned.push(OpenRoom { gathering, out });
    }
    Ok(planned)
}

/// When the sample evening begins, and the Saturday; hours in Japan.
const EVENING_HOUR: i8 = 19;
const SATURDAY_HOUR: i8 = 14;

/// Supporters and moderators are on the roster of the rooms of their side, the first coordinator is on call.
async fn put_on_roster(
    ground: &Ground,
    rooms: &[OpenRoom],
    logins: &[Login],
) -> anyhow::Result<()> {
    let mut places = Vec::new();
    for room in rooms {
        for login in logins {
            let duty = match login.demo.role.role {
                RoleKind::PeerSupporter => Duty::Supporter,
                RoleKind::Moderator => Duty::Host,
                RoleKind::Coordinator => Duty::OnCall,
                RoleKind::Manager => continue,
            };
            if login
                .demo
                .role
                .audience
                .is_none_or(|audience| audience == room.gathering.audience)
            {
                places.push((room.gathering.clone(), login.staff.clone(), duty));
            }
        }
    }
    samples::on_roster(ground, places).await
}
