//! The sample centre's people: supporters who keep its rooms by a real session and a real socket, and sample visitors
//! who say something now and then, so that a newcomer sees a room that lives. All are marked as samples.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};

use crate::app::Ground;
use crate::edge::pages::texts;
use crate::edge::session::cookie_name;
use crate::edge::state::EdgeState;
use crate::features::gatherings::{self, Gathering};
use crate::features::identity::{Identity, NewAccount, Newcomer, Refusal, TotpSecret};
use crate::permit::Duty;
use crate::platform::ids::{ClientKey, RoomId, Secret, StaffId, below, token};
use crate::protocol::{
    Audience, ClientFrame, Device, EnterMode, RefusalCode, Role, RoleKind, SUBPROTOCOL, ServerFrame,
};

/// How long the rooms may take until duty is taken in all of them.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long somebody waits before they come again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Sample visitors of each side.
const VISITORS_EACH: u32 = 2;
/// Lines that sample visitors and supporters can say, in the catalogue.
const TALK_LINES: u32 = 12;
const WORD_LINES: u32 = 4;
/// Somebody says something every so many seconds, spread over as many again.
const TALK_EVERY_S: u32 = 25;
const WORD_EVERY_S: u32 = 90;

/// A supporter of one side, and the rooms they keep.
pub(super) struct Sample {
    side: Audience,
    supporter: StaffId,
    rooms: Vec<RoomId>,
}

impl Sample {
    /// Makes the supporters of both sides and a coordinator on call, or finds them again, and puts them on the roster.
    pub(super) async fn prepare(
        ground: &Ground,
        gatherings: &[Gathering],
    ) -> anyhow::Result<Vec<Self>> {
        let role = |role, audience| Role {
            role,
            audience,
            specialist: None,
        };
        let coordinator = account(
            ground,
            "sample-coordinator",
            role(RoleKind::Coordinator, None),
        )
        .await?;
        let mut samples = Vec::new();
        let mut places = Vec::new();
        for side in [Audience::Tojisha, Audience::Family] {
            let id = format!("sample-supporter-{}", side.as_str());
            let supporter = account(ground, &id, role(RoleKind::PeerSupporter, Some(side))).await?;
            let rooms = gatherings
                .iter()
                .filter(|gathering| gathering.audience == side);
            for gathering in rooms.clone() {
                places.push((gathering.clone(), supporter.clone(), Duty::Supporter));
                places.push((gathering.clone(), coordinator.clone(), Duty::OnCall));
            }
            let rooms = rooms.map(|gathering| gathering.id.clone()).collect();
            samples.push(Self {
                side,
                supporter,
                rooms,
            });
        }
        on_roster(ground, places).await?;
        Ok(samples)
    }
}

/// Writes roster places, all in one transaction.
pub(super) async fn on_roster(
    ground: &Ground,
    places: Vec<(Gathering, StaffId, Duty)>,
) -> anyhow::Result<()> {
    let places = Arc::new(places);
    let now = ground.clock.now();
    ground
        .db
        .write(move |tx| {
            let places = Arc::clone(&places);
            Box::pin(async move {
                for (gathering, staff, duty) in places.iter() {
                    gatherings::put_on_roster(tx, &gathering.id, staff, *duty).await?;
                    if *duty == Duty::OnCall {
                        // A sample answers the telephone until the end.
                        let until = Some(gathering.ends);
                        gatherings::put_on_call(tx, &gathering.id, staff, now, until).await?;
                    }
                }
                Ok(())
            })
        })
        .await?;
    Ok(())
}

async fn account(ground: &Ground, id: &str, role: Role) -> anyhow::Result<StaffId> {
    let staff = StaffId::parse(id).context("a sample id is an id")?;
    // Nobody logs in as them: the password is thrown away.
    let account = NewAccount {
        id: id.to_owned(),
        name: texts::t(&format!("demo.name.sample_{}", role.role.as_str())).to_owned(),
        password: token(&*ground.chance).expose().to_owned(),
        totp: TotpSecret::new(&*ground.chance),
        roles: vec![role],
    };
    match ground.identity.create_staff(account, None).await {
        Ok(_) | Err(Refusal::BadId) => Ok(staff),
        Err(refusal) => anyhow::bail!("a sample account cannot be made: {refusal}"),
    }
}

/// Lets the samples come in, and returns when duty is taken in all rooms.
pub(super) async fn start(
    edge: EdgeState,
    address: SocketAddr,
    samples: Vec<Sample>,
    talk: bool,
) -> anyhow::Result<()> {
    let mut ready = Vec::new();
    let mut stages = BTreeMap::new();
    for sample in samples {
        let (tell, told) = oneshot::channel();
        ready.push(told);
        if let Some(room) = sample.rooms.first() {
            stages.insert(sample.side, room.clone());
        }
        let person = Person {
            edge: Arc::clone(&edge),
            address,
        };
        tokio::spawn(person.keep_rooms(sample, talk, tell));
    }
    for told in ready {
        tokio::time::timeout(READY_WITHIN, told)
            .await
            .context("the sample supporters did not get into the rooms in time")?
            .context("a sample supporter went away")?;
    }
    if talk {
        for (side, room) in stages {
            for n in 0..VISITORS_EACH {
                let person = Person {
                    edge: Arc::clone(&edge),
                    address,
                };
                tokio::spawn(person.visit(side, room.clone(), n));
            }
        }
    }
    Ok(())
}

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

struct Person {
    edge: EdgeState,
    address: SocketAddr,
}

impl Person {
    fn identity(&self) -> &Arc<Identity> {
        &self.edge.identity
    }

    async fn connect(&self, cookie: &Secret) -> anyhow::Result<Socket> {
        let mut request = format!("ws://{}/ws", self.address).into_client_request()?;
        let name = cookie_name(&self.edge.settings);
        let headers = request.headers_mut();
        headers.insert(
            header::COOKIE,
            HeaderValue::from_str(&format!("{name}={}", cookie.expose()))?,
        );
        headers.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(SUBPROTOCOL),
        );
        headers.insert(header::ORIGIN, HeaderValue::from_str(&self.origin())?);
        Ok(tokio_tungstenite::connect_async(request).await?.0)
    }

    /// The socket wants its own origin: scheme and address as called.
    fn origin(&self) -> String {
        let scheme = if self.edge.settings.secure_cookies() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.address)
    }

    /// Keeps rooms for ever: a broken line is taken up again, an ended session made anew.
    async fn keep_rooms(self, sample: Sample, talk: bool, tell: oneshot::Sender<()>) {
        let mut tell = Some(tell);
        while !self.edge.drain.has_begun() {
            if let Err(error) = self.keep_rooms_once(&sample, talk, &mut tell).await {
                tracing::warn!(%error, "a sample supporter lost the line");
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    async fn keep_rooms_once(
        &self,
        sample: &Sample,
        talk: bool,
        tell: &mut Option<oneshot::Sender<()>>,
    ) -> anyhow::Result<()> {
        let signed_in = self.identity().sample_login(&sample.supporter).await?;
        let mut socket = self.connect(&signed_in.cookie).await?;
        for room in &sample.rooms {
            self.enter(&mut socket, room, EnterMode::Duty).await?;
        }
        if let Some(tell) = tell.take() {
            let _ = tell.send(());
        }
        let stage = sample.rooms.first().filter(|_| talk);
        self.stay(&mut socket, stage, "demo.word.", WORD_LINES, WORD_EVERY_S)
            .await
    }

    async fn visit(self, side: Audience, room: RoomId, n: u32) {
        // Not all at once.
        tokio::time::sleep(Duration::from_secs(u64::from(3 + 8 * n))).await;
        while !self.edge.drain.has_begun() {
            if let Err(error) = self.visit_once(side, &room, n).await {
                tracing::warn!(%error, "a sample visitor lost the line");
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    async fn visit_once(&self, side: Audience, room: &RoomId, n: u32) -> anyhow::Result<()> {
        let name = texts::t(&format!("demo.visitor.{}.{}", side.as_str(), n + 1)).to_owned();
        let newcomer = Newcomer {
            name: Some(name),
            standing: side,
            slip: None,
            device: Device::Shared,
        };
        let signed_in = self.identity().make_handle(newcomer).await?;
        let mut socket = self.connect(&signed_in.cookie).await?;
        self.enter(&mut socket, room, EnterMode::Talk).await?;
        let key = format!("demo.talk.{}.", side.as_str());
        self.stay(&mut socket, Some(room), &key, TALK_LINES, TALK_EVERY_S)
            .await
    }

    /// Enters, waiting as told where the rate is reached.
    async fn enter(
        &self,
        socket: &mut Socket,
        room: &RoomId,
        mode: EnterMode,
    ) -> anyhow::Result<()> {
        loop {
            let frame = ClientFrame::Enter {
                room: room.as_str().to_owned(),
                epoch: None,
                after: None,
                mode: Some(mode),
                name: None,
            };
            socket
                .send(Message::text(serde_json::to_string(&frame)?))
                .await?;
            match answer_to_enter(socket, room).await? {
                None => return Ok(()),
                Some((RefusalCode::TooFast | RefusalCode::Busy, wait_ms)) => {
                    tokio::time::sleep(Duration::from_millis(wait_ms.unwrap_or(1_000))).await;
                }
                Some((code, _)) => anyhow::bail!("a sample room said {}", code.as_str()),
            }
        }
    }

    /// Reads, and says a line of the catalogue now and then, each once before any comes again.
    async fn stay(
        &self,
        socket: &mut Socket,
        room: Option<&RoomId>,
        keys: &str,
        n_lines: u32,
        every_s: u32,
    ) -> anyhow::Result<()> {
        let chance = &*self.edge.chance;
        let mut said = BTreeSet::new();
        let wait = || Duration::from_secs(u64::from(every_s + below(chance, every_s)));
        let mut speaks_at = Instant::now() + wait();
        loop {
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error.into()),
                    None => anyhow::bail!("the socket closed"),
                },
                () = tokio::time::sleep_until(speaks_at), if room.is_some() => {
                    speaks_at = Instant::now() + wait();
                    let Some(room) = room else { continue };
                    if said.len() >= n_lines as usize {
                        said.clear();
                    }
                    let mut n = below(chance, n_lines) + 1;
                    while !said.insert(n) {
                        n = n % n_lines + 1;
                    }
                    let frame = ClientFrame::Say {
                        room: room.as_str().to_owned(),
                        key: ClientKey::new(chance).as_str().to_owned(),
                        body: Some(texts::t(&format!("{keys}{n}")).to_owned()),
                        ready: None,
                        note: None,
                        no_reply: None,
                        form: None,
                    };
                    socket.send(Message::text(serde_json::to_string(&frame)?)).await?;
                }
            }
        }
    }
}

/// Nothing for `entered`, else the refusal and how long to wait.
async fn answer_to_enter(
    socket: &mut Socket,
    room: &RoomId,
) -> anyhow::Result<Option<(RefusalCode, Option<u64>)>> {
    loop {
        let message = socket.next().await.context("the socket closed")??;
        let Message::Text(text) = message else {
            continue;
        };
        match serde_json::from_str::<ServerFrame>(text.as_str())? {
            ServerFrame::Entered(entered) if entered.room == room.as_str() => return Ok(None),
            ServerFrame::Refused {
                room: Some(of),
                code,
                retry_after_ms,
                ..
            } if of == room.as_str() => {
                return Ok(Some((code, retry_after_ms)));
            }
            _ => {}
        }
    }
}
