//! The JSON corpus, as bodies of calls and as frames of a socket: what is JSON is read, what is not has its code, and
//! nothing of it stays.

use anyhow::{Context, Result, ensure};
use engawa_tests::socket::Came;
use engawa_tests::{Db, House, Node, Person, Socket, tell};
use hyper::Method;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::corpora::{NOT_UTF8, Verdict, json_cases};
use super::stage::{log_is_calm, resident_kib};

/// Memory is measured between the end of the first round and the end of the last.
const ROUNDS: usize = 4;
/// What an allocator may keep after thousands of requests.
const GROWTH_KIB_MAX: u64 = 8 * 1024;
/// The frame that closes a socket (`protocol.md`, Limits and closing).
const BAD_FRAMES_MAX: usize = 20;
/// The longest frame.
const FRAME_BYTES_MAX: usize = 8192;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_no_json_is_a_bad_request_and_one_that_is_is_read() -> Result<()> {
    let cases = json_cases()?;
    let house = House::new(Db::Sqlite).await?;
    let node = house.start().await?;
    let mut person = node.tojisha("したがき").await?;
    let draft = format!("/api/v1/drafts/room/{}", node.room());
    let (mut n_read, mut n_refused, mut n_either) = (0, 0, 0);
    let mut first_kib = 0;
    for round in 0..ROUNDS {
        for case in &cases {
            // A field that nobody knows is ignored, but it has to be JSON.
            let body = format!(r#"{{"body": "したがき", "unknown": {}}}"#, case.input);
            let answer = put(&mut person, &draft, body.into_bytes())
                .await
                .with_context(|| case.name.clone())?;
            match (case.verdict(), answer.status) {
                (Verdict::Accept, 204) => n_read += 1,
                (Verdict::Reject, 400) => n_refused += 1,
                (Verdict::Either, 204 | 400) => n_either += 1,
                (verdict, status) => anyhow::bail!("{}: {verdict:?}, but {status}", case.name),
            }
            if answer.status == 400 {
                answer
                    .is_problem(400, "bad_request")
                    .with_context(|| case.name.clone())?;
            }
        }
        if round == 0 {
            first_kib = resident_kib(&node)?;
        }
    }
    let last_kib = resident_kib(&node)?;
    for bytes in NOT_UTF8 {
        let body = [br#"{"body": ""#, bytes, br#""}"#].concat();
        put(&mut person, &draft, body)
            .await?
            .is_problem(400, "bad_request")
            .with_context(|| format!("{bytes:x?}"))?;
    }
    // As the whole body nothing of it is what any call asks for.
    for path in [
        "/api/v1/handles",
        "/api/v1/handles/recover",
        "/api/v1/staff/login",
    ] {
        for case in &cases {
            let headers = [("content-type", "application/json")];
            let body = case.input.clone().into_bytes();
            let answer = node
                .client()
                .call(Method::POST, path, &headers, body)
                .await
                .with_context(|| case.name.clone())?;
            answer
                .is_problem(400, "bad_request")
                .with_context(|| format!("{path} {}", case.name))?;
        }
    }
    still_serves(&node).await?;
    log_is_calm(&house)?;
    flat("JSON corpus over HTTP", first_kib, last_kib)?;
    tell(&format!(
        "show: JSON corpus over HTTP: {} texts, {} rounds: {} read, {} refused bad_request, {} either; memory {} KiB after the first round, {} after the last",
        cases.len(),
        ROUNDS,
        n_read / ROUNDS,
        n_refused / ROUNDS,
        n_either / ROUNDS,
        first_kib,
        last_kib
    ));
    Ok(())
}

async fn put(person: &mut Person, path: &str, body: Vec<u8>) -> Result<engawa_tests::Answer> {
    let headers = [("content-type", "application/json")];
    person.http.call(Method::PUT, path, &headers, body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_is_no_json_is_a_bad_frame_and_one_that_is_is_read() -> Result<()> {
    let cases = json_cases()?;
    let house = House::new(Db::Sqlite).await?;
    let node = house.start().await?;
    let mut bystander = node.tojisha("そばにいる").await?.enter(node.room()).await?;
    let person = node.tojisha("はぎれ").await?;
    let mut talker = Talker {
        socket: person.connect().await?,
        person,
        n_bad: 0,
        n_closed: 0,
    };
    let (mut n_read, mut n_refused, mut n_either, mut n_long) = (0, 0, 0, 0);
    let mut first_kib = 0;
    for round in 0..ROUNDS {
        for case in &cases {
            let named = || format!("{} in round {round}", case.name);
            let frame = format!(
                r#"{{"type": "ping", "n": {round}, "unknown": {}}}"#,
                case.input
            );
            let came = talker.told(frame).await.with_context(named)?;
            match (case.verdict(), came) {
                (Verdict::Accept, Told::Pong) => n_read += 1,
                (Verdict::Reject, Told::BadFrame) => n_refused += 1,
                (Verdict::Reject, Told::TooLong) => n_long += 1,
                (Verdict::Either, Told::Pong | Told::BadFrame) => n_either += 1,
                (verdict, came) => anyhow::bail!("{}: {verdict:?}, but {came:?}", named()),
            }
            // By itself it is no frame, whether it is JSON or not.
            match talker.told(case.input.clone()).await.with_context(named)? {
                Told::BadFrame | Told::TooLong => {}
                Told::Pong => anyhow::bail!("{} was taken for a ping", named()),
            }
        }
        if round == 0 {
            first_kib = resident_kib(&node)?;
        }
    }
    let last_kib = resident_kib(&node)?;
    for bytes in NOT_UTF8 {
        let text = [br#"{"type": "ping", "n": 1, "x": ""#, bytes, br#""}"#].concat();
        let mut socket = talker.person.connect().await?;
        let frame = Frame::message(text, OpCode::Data(Data::Text), true);
        socket.send_message(Message::Frame(frame)).await?;
        let ended = socket.ends().await?;
        ensure!(ended.code == Some(1007), "{bytes:x?}: {ended:?}");
    }
    bystander.barrier().await.context("somebody else goes on")?;
    still_serves(&node).await?;
    log_is_calm(&house)?;
    flat("JSON corpus over the socket", first_kib, last_kib)?;
    tell(&format!(
        "show: JSON corpus over the socket: {} texts, {} rounds: {} read, {} refused bad_frame, {} either, {} over 8 KiB closed 1009; {} sockets closed 1008; memory {} KiB after the first round, {} after the last",
        cases.len(),
        ROUNDS,
        n_read / ROUNDS,
        n_refused / ROUNDS,
        n_either / ROUNDS,
        n_long / ROUNDS,
        talker.n_closed,
        first_kib,
        last_kib
    ));
    Ok(())
}

/// What came of a text.
#[derive(Debug, Clone, Copy)]
enum Told {
    Pong,
    BadFrame,
    TooLong,
}

/// Somebody who sends rubbish, and opens another socket when one was closed for it.
struct Talker {
    person: Person,
    socket: Socket,
    n_bad: usize,
    n_closed: usize,
}

impl Talker {
    async fn told(&mut self, text: String) -> Result<Told> {
        let too_long = text.len() > FRAME_BYTES_MAX;
        // A server that has seen enough may close before all of it has left.
        let sent = self.socket.send_message(Message::text(text)).await;
        if too_long {
            let ended = self.socket.ends().await?;
            ensure!(
                ended.code == Some(1009),
                "a frame over 8 KiB was answered {ended:?}"
            );
            self.anew().await?;
            return Ok(Told::TooLong);
        }
        sent?;
        let frame = self.socket.next().await?;
        if frame["type"] == "pong" {
            return Ok(Told::Pong);
        }
        ensure!(
            frame["type"] == "refused" && frame["code"] == "bad_frame",
            "{frame}"
        );
        self.n_bad += 1;
        if self.n_bad == BAD_FRAMES_MAX {
            let ended = self.socket.ends().await?;
            ensure!(
                ended.code == Some(1008),
                "after {} bad frames: {ended:?}",
                self.n_bad
            );
            self.n_closed += 1;
            self.anew().await?;
        }
        Ok(Told::BadFrame)
    }

    async fn anew(&mut self) -> Result<()> {
        self.socket = self.person.connect().await?;
        self.n_bad = 0;
        Ok(())
    }
}

async fn still_serves(node: &Node) -> Result<()> {
    node.get("/readyz").await?.is(200)?;
    let mut socket = node.tojisha("あとから").await?.enter(node.room()).await?;
    socket
        .say_kept(node.room(), "after", "まだ話せます")
        .await?;
    socket
        .send(&json!({"type": "leave", "room": node.room()}))
        .await?;
    while let Came::Frame(frame) = socket.next_or_end("left").await? {
        if frame["type"] == "left" {
            break;
        }
    }
    Ok(())
}

fn flat(what: &str, first_kib: u64, last_kib: u64) -> Result<()> {
    ensure!(
        last_kib <= first_kib + GROWTH_KIB_MAX,
        "{what}: memory grew from {first_kib} to {last_kib} KiB"
    );
    Ok(())
}
