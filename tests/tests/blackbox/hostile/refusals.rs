//! Every refusal of the socket, each caused for real, and by the form where a form can cause it.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use engawa_tests::{Db, House, Node, Person, Socket, on_both};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::stage::{in_store, text_of, wire_values};

on_both!(every_refusal_is_really_given);

/// How a refusal is caused.
#[derive(Debug, Clone, Copy)]
enum Cause {
    /// A line of which nothing is left.
    EmptyLine,
    /// A line of 501 characters.
    LongLine,
    /// One line more than the rate allows.
    LineTooMany,
    /// A line to a room that was not entered.
    FromOutside,
    /// A room of the other side.
    OtherSide,
    /// A room that is over.
    RoomThatIsOver,
    /// A room that is paused.
    PausedRoom,
    /// A room where all listen.
    ListeningRoom,
    /// A store that fails.
    BrokenStore,
    /// A frame whose part is not built.
    FrameToCome,
    /// Given in another test; where.
    Elsewhere(&'static str),
    /// Nothing that is built gives it; what will.
    NotBuilt(&'static str),
}

/// A refusal: its code, its cause on the socket, and the status of the page where the same is sent by a form.
struct Refusal {
    code: &'static str,
    cause: Cause,
    form_status: Option<u16>,
}

const fn refusal(code: &'static str, cause: Cause, form_status: Option<u16>) -> Refusal {
    Refusal {
        code,
        cause,
        form_status,
    }
}

const REFUSALS: [Refusal; 15] = [
    refusal("bad_frame", Cause::EmptyLine, Some(400)),
    refusal("too_long", Cause::LongLine, Some(400)),
    refusal("too_fast", Cause::LineTooMany, Some(429)),
    // A form enters by being sent.
    refusal("not_entered", Cause::FromOutside, None),
    refusal("not_allowed", Cause::OtherSide, Some(403)),
    refusal("room_closed", Cause::RoomThatIsOver, Some(403)),
    refusal("room_paused", Cause::PausedRoom, Some(409)),
    refusal("listening", Cause::ListeningRoom, Some(409)),
    refusal("busy", Cause::BrokenStore, Some(503)),
    refusal("not_yet", Cause::FrameToCome, None),
    refusal("room_full", Cause::Elsewhere("wire::measures"), None),
    refusal("resting", Cause::NotBuilt("measure `rest`"), None),
    refusal("removed", Cause::NotBuilt("measure `not_today`"), None),
    refusal("rejected", Cause::Elsewhere("wire::holds"), None),
    refusal("spam", Cause::Elsewhere("wire::holds"), None),
];

/// The lines that one person may say at once here.
const BURST: usize = 2;

#[test]
fn the_table_has_every_refusal_of_the_wire_once() -> Result<()> {
    let listed: BTreeSet<String> = REFUSALS.iter().map(|one| one.code.to_owned()).collect();
    assert_eq!(listed.len(), REFUSALS.len(), "a code stands there twice");
    assert_eq!(listed, wire_values("RefusalCode")?);
    let golden: Value = serde_json::from_str(&text_of("tests/golden/frames.json")?)?;
    for example in golden["server"].as_array().context("golden frames")? {
        let frame = &example["frame"];
        if frame["type"] == "refused" {
            let code = frame["code"].as_str().unwrap_or_default();
            assert!(listed.contains(code), "the golden frame {frame}");
        }
    }
    Ok(())
}

async fn every_refusal_is_really_given(db: Db) -> Result<()> {
    let house = House::new(db).await?.with_rooms(3).with(&format!(
        "limits.say_burst = {BURST}\nlimits.say_interval_ms = 3600000\nrooms.watch_every_ms = 200"
    ))?;
    let node = house.start().await?;
    let rooms = node.tojisha_rooms();
    let [open, over, paused, listening] = rooms.as_slice() else {
        anyhow::bail!("four rooms were asked for: {rooms:?}");
    };
    let mut bystander = node.tojisha("そばにいる").await?.enter(open).await?;
    let host = node.staff(node.login_for("moderator", "tojisha")?).await?;
    for (room, kind, value, shows) in [
        (over, "close", json!(null), json!({"state": "closed"})),
        (paused, "pause", json!(null), json!({"state": "paused"})),
        (listening, "guard", json!(3), json!({"guard": 3})),
    ] {
        let mut watcher = node.tojisha("ようすをみる").await?.enter(room).await?;
        let mut on_duty = host.enter_on_duty(room).await?;
        let measure =
            json!({"type": "measure", "room": room, "key": "m", "kind": kind, "value": value});
        on_duty.send(&measure).await?;
        watcher
            .wait(&format!("{room} after {kind}"), |frame| {
                let room_says = frame["type"] == "room"
                    && shows
                        .as_object()
                        .is_some_and(|shows| shows.iter().all(|(name, is)| frame[name] == *is));
                room_says || (frame["type"] == "left" && frame["why"] == "closed")
            })
            .await?;
    }
    let stage = Stage {
        house: &house,
        node: &node,
        open,
        over,
        paused,
        listening,
    };
    let mut n_given = 0;
    for one in &REFUSALS {
        if matches!(one.cause, Cause::NotBuilt(_) | Cause::Elsewhere(_)) {
            continue;
        }
        stage
            .refused_as(one)
            .await
            .with_context(|| format!("{} by {:?}", one.code, one.cause))?;
        n_given += 1;
    }
    // All of that concerned those who did it, and nobody else.
    bystander.say_kept(open, "still", "まだ話せます").await?;
    for frame in &bystander.frames {
        ensure!(
            frame["type"] != "refused" && frame["type"] != "bye",
            "somebody who did nothing was told {frame}"
        );
    }
    let to_come: Vec<String> = REFUSALS
        .iter()
        .filter_map(|one| match one.cause {
            Cause::NotBuilt(what) => Some(format!("{} ({what})", one.code)),
            Cause::Elsewhere(place) => Some(format!("{} (built; given in {place})", one.code)),
            _ => None,
        })
        .collect();
    engawa_tests::tell(&format!(
        "show: refusals {}: {n_given} of {} given here; not built yet, or given elsewhere: {}",
        db.name(),
        REFUSALS.len(),
        to_come.join(", ")
    ));
    Ok(())
}

struct Stage<'a> {
    house: &'a House,
    node: &'a Node,
    open: &'a str,
    over: &'a str,
    paused: &'a str,
    listening: &'a str,
}

impl Stage<'_> {
    async fn refused_as(&self, one: &Refusal) -> Result<()> {
        let Some(said) = self.causing(one.cause)? else {
            return Ok(());
        };
        let person = self.node.tojisha("ことわられる").await?;
        let mut socket = person.connect().await?;
        if !matches!(one.cause, Cause::FromOutside) {
            // Where one cannot come in, that is the refusal; it is then told for the line, too.
            socket.try_enter(json!({"room": said.room})).await?;
        }
        let refused = match one.cause {
            Cause::LineTooMany => {
                for n in 0..BURST {
                    socket
                        .say_kept(said.room, &format!("free-{n}"), "ひとこと")
                        .await?;
                }
                self.refused(&mut socket, &said.frame).await?
            }
            Cause::BrokenStore => {
                self.without_messages(async {
                    // A room that was read already goes on from memory: only keeping a line fails.
                    self.refused(&mut socket, &said.frame).await
                })
                .await?
            }
            _ => self.refused(&mut socket, &said.frame).await?,
        };
        ensure!(refused["code"] == one.code, "it was {refused}");
        ensure!(
            refused["key"] == said.frame["key"],
            "the key it was sent with: {refused}"
        );
        let waits = refused["retry_after_ms"].as_u64();
        match one.code {
            "too_fast" | "busy" => ensure!(waits.is_some_and(|ms| ms > 0), "when again: {refused}"),
            _ => ensure!(waits.is_none(), "there is nothing to wait for: {refused}"),
        }
        socket.barrier().await.context("the socket goes on")?;

        if let Some(status) = one.form_status {
            let answer = match one.cause {
                Cause::LineTooMany => self.by_form(person, &said).await?,
                Cause::BrokenStore => {
                    let person = self.node.tojisha("かたちで").await?;
                    self.without_messages(self.by_form(person, &said)).await?
                }
                _ => {
                    let person = self.node.tojisha("かたちで").await?;
                    self.by_form(person, &said).await?
                }
            };
            ensure!(
                answer.status == status,
                "the form was answered {}, not {status}",
                answer.status
            );
            ensure!(
                answer.header("content-type").starts_with("text/html"),
                "a page answers a form"
            );
            if let Some(body) = said.frame["body"].as_str() {
                ensure!(answer.text().contains(body), "the text is kept");
            }
        }
        Ok(())
    }

    /// What causes it, as the socket sends it, and the room it is for.
    fn causing(&self, cause: Cause) -> Result<Option<Said<'_>>> {
        let say = |room, body: &str| {
            let frame = json!({"type": "say", "room": room, "key": "refused-1", "body": body});
            Ok(Some(Said { room, frame }))
        };
        match cause {
            Cause::EmptyLine => {
                let frame = json!({"type": "say", "room": self.open, "key": "refused-1", "body": " \u{0} "});
                Ok(Some(Said {
                    room: self.open,
                    frame,
                }))
            }
            Cause::LongLine => say(self.open, &"な".repeat(501)),
            Cause::LineTooMany | Cause::FromOutside | Cause::BrokenStore => {
                say(self.open, "ことわられる行")
            }
            Cause::OtherSide => say(self.node.family_room()?, "よその部屋へ"),
            Cause::RoomThatIsOver => say(self.over, "もう終わった部屋へ"),
            Cause::PausedRoom => say(self.paused, "休んでいる部屋へ"),
            Cause::ListeningRoom => say(self.listening, "聞いている部屋へ"),
            Cause::FrameToCome => {
                let frame = json!({"type": "whisper", "room": self.open, "key": "refused-1", "body": "進行役に"});
                Ok(Some(Said {
                    room: self.open,
                    frame,
                }))
            }
            Cause::NotBuilt(_) | Cause::Elsewhere(_) => Ok(None),
        }
    }

    async fn refused(&self, socket: &mut Socket, frame: &Value) -> Result<Value> {
        socket
            .send_message(Message::text(frame.to_string()))
            .await?;
        socket.refused().await
    }

    async fn by_form(&self, mut person: Person, said: &Said<'_>) -> Result<engawa_tests::Answer> {
        let body = said.frame["body"].as_str().unwrap_or_default();
        person
            .http
            .form(
                &format!("/r/{}/say", said.room),
                &[("body", body), ("key", "refused-2")],
            )
            .await
    }

    /// Does something while no line can be kept or looked up.
    async fn without_messages<T>(&self, act: impl Future<Output = Result<T>>) -> Result<T> {
        in_store(self.house, "ALTER TABLE message RENAME TO message_away").await?;
        let done = act.await;
        in_store(self.house, "ALTER TABLE message_away RENAME TO message").await?;
        done
    }
}

struct Said<'a> {
    room: &'a str,
    frame: Value,
}
