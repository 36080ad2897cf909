//! Every close code and every reason of a `bye` or `left`, each caused for real.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use engawa_tests::socket::Came;
use engawa_tests::{Db, Ended, House, Node, Socket, on_both};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

use super::stage::{from_root, in_store, wire_values};

on_both!(every_close_code_is_really_given);

/// How a socket is brought to its end.
#[derive(Debug, Clone, Copy)]
enum Cause {
    /// The client closes.
    Goodbye,
    /// A frame of an opcode that is not defined.
    UndefinedOpcode,
    /// A binary message.
    Binary,
    /// A text that is not UTF-8.
    BadUtf8,
    /// The 20th bad frame in a minute.
    TwentyBadFrames,
    /// A frame over the limit.
    LongFrame,
    /// The session ends.
    SessionEnds,
    /// Reading nothing while others talk.
    ReadsNothing,
    /// The server is stopped.
    Stop,
}

/// A close: its code, its cause, and what `bye` says before it.
const CLOSES: [(u16, Cause, Option<&str>); 9] = [
    (1000, Cause::Goodbye, None),
    (1002, Cause::UndefinedOpcode, None),
    (1003, Cause::Binary, None),
    (1007, Cause::BadUtf8, None),
    (1008, Cause::TwentyBadFrames, None),
    (1009, Cause::LongFrame, None),
    (4001, Cause::SessionEnds, Some("session")),
    (4003, Cause::ReadsNothing, Some("slow")),
    // The last: nobody is there after it.
    (1001, Cause::Stop, Some("drain")),
];

/// The codes that the contract names, and RFC 6455's own: 1000 in answer to a client's close, 1002.
const PROMISED: [u16; 9] = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 4001, 4003];

/// Reasons that are given by `left` and not before a close, and those that nothing gives yet.
const LEFT: [(&str, Option<&str>); 3] = [
    ("you", None),
    ("closed", None),
    ("removed", Some("measure `not_today`")),
];

#[test]
fn the_table_has_every_close_code_and_reason_once() -> Result<()> {
    let listed: BTreeSet<u16> = CLOSES.iter().map(|(code, ..)| *code).collect();
    assert_eq!(listed.len(), CLOSES.len(), "a code stands there twice");
    assert_eq!(listed, BTreeSet::from(PROMISED));
    let whys: BTreeSet<String> = CLOSES
        .iter()
        .filter_map(|(_, _, why)| *why)
        .chain(LEFT.iter().map(|(why, _)| *why))
        .map(str::to_owned)
        .collect();
    assert_eq!(whys, wire_values("Why")?);
    // A code that the server can give and that stands in no table is one that nobody has looked at.
    let mut in_code = BTreeMap::new();
    let mut folders = vec![from_root("server/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                for line in std::fs::read_to_string(&path)?.lines() {
                    let constant = line
                        .split_once("const CLOSE_")
                        .and_then(|(_, rest)| rest.split_once(": u16 = "));
                    if let Some((name, code)) = constant {
                        let code: u16 = code.trim_end_matches(';').parse()?;
                        in_code.insert(code, name.to_owned());
                    }
                }
            }
        }
    }
    ensure!(
        in_code.len() >= 4,
        "few close codes found in the code: {in_code:?}"
    );
    for (code, name) in in_code {
        assert!(listed.contains(&code), "CLOSE_{name} ({code}) has no case");
    }
    Ok(())
}

async fn every_close_code_is_really_given(db: Db) -> Result<()> {
    let house = House::new(db).await?.with_rooms(1).with(
        "limits.outbox_frames_max = 64\nlimits.outbox_bytes_max = 16384\nrooms.watch_every_ms = 200",
    )?;
    let node = house.start().await?;
    let rooms = node.tojisha_rooms();
    let (room, other) = (rooms[0].clone(), rooms[1].clone());
    let mut bystander = node.tojisha("そばにいる").await?.enter(&room).await?;
    leaving_says_why(&house, &node, &room, &other).await?;
    for (code, cause, why) in CLOSES {
        let person = node.tojisha("さいごまで").await?;
        let mut socket = match cause {
            Cause::ReadsNothing => {
                Socket::connect_narrow(node.address(), &person.http.cookie_line()).await?
            }
            _ => person.connect().await?,
        };
        let mut ended = None;
        match cause {
            Cause::Goodbye => {
                let close = CloseFrame {
                    code: CloseCode::Normal,
                    reason: "".into(),
                };
                socket.send_message(Message::Close(Some(close))).await?;
            }
            Cause::UndefinedOpcode => {
                let frame = Frame::message(b"{}".to_vec(), OpCode::Data(Data::Reserved(3)), true);
                socket.send_message(Message::Frame(frame)).await?;
            }
            Cause::Binary => socket.send_message(Message::binary(vec![0; 8])).await?,
            Cause::BadUtf8 => {
                let bytes = b"{\"type\":\"ping\",\"n\":1,\"x\":\"\xc3\x28\"}".to_vec();
                let frame = Frame::message(bytes, OpCode::Data(Data::Text), true);
                socket.send_message(Message::Frame(frame)).await?;
            }
            Cause::TwentyBadFrames => {
                for _ in 0..20 {
                    socket.send_message(Message::text("{")).await?;
                }
            }
            Cause::LongFrame => socket.send_message(Message::text("x".repeat(8193))).await?,
            Cause::SessionEnds => {
                let mut http = person.http.clone();
                http.delete("/api/v1/sessions").await?;
            }
            Cause::ReadsNothing => {
                ended = Some(reads_too_late(&mut socket, &mut bystander, &room).await?);
            }
            Cause::Stop => node.terminate().await?,
        }
        let ended = match ended {
            Some(ended) => ended,
            None => socket
                .ends()
                .await
                .with_context(|| format!("the end by {cause:?}"))?,
        };
        ensure!(
            ended.code == Some(code),
            "{cause:?}: {code} was expected, {ended:?} came"
        );
        let bye = socket.frames.last().filter(|last| last["type"] == "bye");
        ensure!(
            bye.and_then(|bye| bye["why"].as_str()) == why,
            "{cause:?}: the last word before the close was {:?}",
            socket.frames.last()
        );
        ensure!(
            bye.is_none_or(|bye| bye["reconnect_after_ms"].is_u64()),
            "bye says when to come back: {bye:?}"
        );
        if !matches!(cause, Cause::Stop) {
            bystander
                .barrier()
                .await
                .with_context(|| format!("somebody else after {cause:?}"))?;
        }
    }
    // The one who did nothing goes with the others when the server stops, and not before.
    while let Came::Frame(_) = bystander.next_or_end("the end of all sockets").await? {}
    let n_byes = bystander
        .frames
        .iter()
        .filter(|frame| frame["type"] == "bye")
        .count();
    ensure!(n_byes == 1, "{n_byes} byes to somebody who did nothing");
    engawa_tests::tell(&format!(
        "show: close codes {}: {} of {} given; `removed` is not built yet",
        db.name(),
        CLOSES.len(),
        PROMISED.len()
    ));
    Ok(())
}

/// Reads nothing while somebody else talks, and then what came: more lines each time, until they are more than all
/// buffers take.
async fn reads_too_late(socket: &mut Socket, talker: &mut Socket, room: &str) -> Result<Ended> {
    const ON_THEIR_WAY: usize = 8;
    socket.enter(room).await?;
    let mut n_said = 0;
    for n_lines in [400, 800, 1600, 3200, 6400] {
        for _ in 0..n_lines / ON_THEIR_WAY {
            for n in n_said..n_said + ON_THEIR_WAY {
                talker
                    .say(room, &format!("many-{n}"), &"雨".repeat(500))
                    .await?;
            }
            n_said += ON_THEIR_WAY;
            for _ in 0..ON_THEIR_WAY {
                talker.of_type("acked").await?;
            }
        }
        let due = talker.view(room)?.last_seq();
        while socket.view(room)?.last_seq() < due {
            if let Came::End(ended) = socket.next_or_end("a line or the end").await? {
                return Ok(ended);
            }
        }
    }
    anyhow::bail!("somebody who read nothing for {n_said} lines was never too slow")
}

/// `left` by leaving, and `left` when the room closes.
async fn leaving_says_why(house: &House, node: &Node, room: &str, other: &str) -> Result<()> {
    let is_left = |frame: &Value, why: &str| frame["type"] == "left" && frame["why"] == why;
    let mut socket = node.tojisha("でていく").await?.enter(room).await?;
    socket.enter(other).await?;
    socket.send(&json!({"type": "leave", "room": room})).await?;
    socket
        .wait("left by leaving", |frame| is_left(frame, "you"))
        .await?;
    in_store(
        house,
        &format!("UPDATE room SET state = 'closed' WHERE id = '{other}'"),
    )
    .await?;
    socket
        .wait("left by the room's end", |frame| is_left(frame, "closed"))
        .await?;
    socket.barrier().await.context("the socket stays")?;
    Ok(())
}
