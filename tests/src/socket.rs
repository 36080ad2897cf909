//! A socket as an outside client speaks it: JSON text frames, a view of each room that checks the order, and waiting
//! for frames only.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::shape;
use crate::view::View;
use crate::within;

/// How a socket ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The close code, if the server gave one.
    pub code: Option<u16>,
}

/// How often a socket has asked to come into a room, as far as that may have no answer yet.
#[derive(Debug, Default)]
struct Asked {
    /// What each `enter` named: its epoch and the last number.
    after: VecDeque<(Option<String>, Option<u64>)>,
    /// Refusals without a key since: each may be the answer of one of them, or of something else.
    n_refused: usize,
}

/// An open socket.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// The first frame.
    pub welcome: Value,
    /// Every frame since then, in order.
    pub frames: Vec<Value>,
    /// Each room's view.
    pub views: BTreeMap<String, View>,
    /// Whether a broken order fails the test at once; off where a history is written and judged later.
    pub checks_order: bool,
    asked: BTreeMap<String, Asked>,
    n_pings: u64,
}

/// Something that came from the server.
#[derive(Debug)]
pub enum Came {
    /// A frame.
    Frame(Value),
    /// The end.
    End(Ended),
}

impl Socket {
    /// Opens a socket as a page of the same origin does, and takes `welcome`.
    pub async fn connect(address: &str, cookie: &str) -> Result<Self> {
        let origin = format!("http://{address}");
        let headers = [
            ("cookie", cookie),
            ("origin", origin.as_str()),
            ("sec-websocket-protocol", "engawa.v1"),
        ];
        match Self::upgrade(address, &headers, None).await? {
            Ok(socket) => Ok(socket),
            Err(status) => bail!("the upgrade was answered {status}"),
        }
    }

    /// As [`Socket::connect`], with a receive buffer of few bytes: a reader who can be made too slow.
    pub async fn connect_narrow(address: &str, cookie: &str) -> Result<Self> {
        let origin = format!("http://{address}");
        let headers = [
            ("cookie", cookie),
            ("origin", origin.as_str()),
            ("sec-websocket-protocol", "engawa.v1"),
        ];
        Self::upgrade(address, &headers, Some(4096))
            .await?
            .map_err(|status| anyhow!("the upgrade was answered {status}"))
    }

    /// An upgrade with exactly these header fields; `Err` holds the status of a refusal.
    pub async fn upgrade(
        address: &str,
        headers: &[(&str, &str)],
        buffer_bytes: Option<u32>,
    ) -> Result<Result<Self, u16>> {
        let mut request = format!("ws://{address}/ws").into_client_request()?;
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(HeaderName::try_from(*name)?, HeaderValue::from_str(value)?);
        }
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = within("a connection", socket.connect(address.parse()?)).await??;
        stream.set_nodelay(true)?;
        let stream = match within(
            "the answer to an upgrade",
            tokio_tungstenite::client_async(request, stream),
        )
        .await?
        {
            Ok((stream, _)) => stream,
            Err(Error::Http(response)) => return Ok(Err(response.status().as_u16())),
            Err(error) => return Err(error).context("upgrade"),
        };
        let mut socket = Self {
            stream,
            welcome: Value::Null,
            frames: Vec::new(),
            views: BTreeMap::new(),
            checks_order: true,
            asked: BTreeMap::new(),
            n_pings: 0,
        };
        let welcome = socket.next().await.context("welcome")?;
        anyhow::ensure!(
            welcome["type"] == "welcome",
            "the first frame is welcome: {welcome}"
        );
        socket.welcome = welcome;
        Ok(Ok(socket))
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: &Value) -> Result<()> {
        if frame["type"] == "enter"
            && let Some(room) = frame["room"].as_str()
        {
            let epoch = frame["epoch"].as_str().map(str::to_owned);
            self.asked
                .entry(room.to_owned())
                .or_default()
                .after
                .push_back((epoch, frame["after"].as_u64()));
        }
        self.send_message(Message::text(frame.to_string())).await
    }

    /// Sends a message as it is.
    pub async fn send_message(&mut self, message: Message) -> Result<()> {
        within("room to send", self.stream.send(message))
            .await?
            .context("send")
    }

    /// What comes next, a frame or the end; keeps the views, and fails when the order is broken.
    pub async fn next_or_end(&mut self, what: &str) -> Result<Came> {
        loop {
            let message = match within(what, self.stream.next()).await? {
                Some(Ok(message)) => message,
                Some(Err(_)) | None => return Ok(Came::End(Ended { code: None })),
            };
            match message {
                Message::Text(text) => {
                    let frame: Value = serde_json::from_str(&text)
                        .with_context(|| format!("a frame is JSON: {text}"))?;
                    self.take(&frame)
                        .map_err(|fault| anyhow!("{fault}; the frame: {frame}"))?;
                    self.frames.push(frame.clone());
                    return Ok(Came::Frame(frame));
                }
                Message::Close(frame) => {
                    return Ok(Came::End(Ended {
                        code: frame.map(|frame| frame.code.into()),
                    }));
                }
                Message::Binary(_) => bail!("a binary message came"),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    fn take(&mut self, frame: &Value) -> Result<(), String> {
        shape::frame(frame)?;
        if !self.checks_order {
            return Ok(());
        }
        let room = frame["room"].as_str().unwrap_or_default();
        match frame["type"].as_str() {
            Some("entered") => {
                let view = self.answered(room, frame)?;
                self.views.insert(room.to_owned(), view);
            }
            Some("said" | "hidden") => match self.views.get_mut(room) {
                Some(view) => view.word(frame)?,
                None if frame["type"] == "said" => {
                    return Err(format!(
                        "a line of {room}, which this socket has not entered"
                    ));
                }
                None => {}
            },
            // Whoever waits has their answer, and `entered` comes once for all of them.
            Some("waiting") => {
                let asked = self.asked.entry(room.to_owned()).or_default();
                if asked.after.len() > 1 {
                    asked.after.pop_front();
                }
            }
            Some("refused") if frame.get("key").is_none() => {
                let asked = self.asked.entry(room.to_owned()).or_default();
                asked.n_refused = (asked.n_refused + 1).min(asked.after.len());
            }
            Some(_) => {}
            None => return Err("a frame without a type".to_owned()),
        }
        Ok(())
    }

    /// The view that begins with an `entered`. Each `enter` is answered in its order; a refusal without a key may have
    /// been the answer of one before.
    fn answered(&mut self, room: &str, frame: &Value) -> Result<View, String> {
        let asked = self.asked.entry(room.to_owned()).or_default();
        let epoch = frame["epoch"].as_str();
        let last = asked.n_refused.min(asked.after.len().saturating_sub(1));
        let mut fault = None;
        for idx in (0..=last).rev() {
            let after = match asked.after.get(idx) {
                Some((Some(named), after)) if Some(named.as_str()) == epoch => *after,
                Some((None, after)) => *after,
                _ => None,
            };
            match View::entered(frame, after) {
                Ok(view) => {
                    asked.after.drain(..asked.after.len().min(idx + 1));
                    asked.n_refused = (asked.n_refused - idx).min(asked.after.len());
                    return Ok(view);
                }
                Err(found) => fault = fault.or(Some(found)),
            }
        }
        Err(fault.unwrap_or_default())
    }

    /// The next frame.
    pub async fn next(&mut self) -> Result<Value> {
        self.next_for("a frame").await
    }

    async fn next_for(&mut self, what: &str) -> Result<Value> {
        match self.next_or_end(what).await? {
            Came::Frame(frame) => Ok(frame),
            Came::End(ended) => bail!("the socket ended ({ended:?}) while waiting for {what}"),
        }
    }

    /// The next frame that fits, within the deadline for all; others are passed over (and kept in `frames`).
    pub async fn wait(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        let from = self.frames.len();
        let found = within(what, async {
            loop {
                let frame = self.next_for(what).await?;
                if fits(&frame) {
                    return anyhow::Ok(frame);
                }
            }
        })
        .await
        .and_then(|found| found);
        found.with_context(|| {
            let came = &self.frames[from.max(self.frames.len().saturating_sub(4))..];
            format!("what came meanwhile ended with {came:#?}")
        })
    }

    /// The next frame of a type.
    pub async fn of_type(&mut self, kind: &str) -> Result<Value> {
        self.wait(&format!("a frame {kind}"), |frame| frame["type"] == kind)
            .await
    }

    /// The next answer to a key: `acked`, `held`, `ask`, `done` or `refused`.
    pub async fn answer(&mut self, key: &str) -> Result<Value> {
        let kinds = ["acked", "held", "ask", "done", "refused"];
        self.wait(&format!("the answer to {key}"), |frame| {
            frame["key"] == key && kinds.iter().any(|kind| frame["type"] == *kind)
        })
        .await
    }

    /// The next `refused`.
    pub async fn refused(&mut self) -> Result<Value> {
        let refused = self.of_type("refused").await?;
        let text = refused["text"].as_str().unwrap_or_default();
        anyhow::ensure!(!text.is_ascii(), "a refusal has a Japanese text: {refused}");
        Ok(refused)
    }

    /// Sends `ping` and gives all frames up to its `pong`: proof that everything before it has arrived.
    pub async fn barrier(&mut self) -> Result<Vec<Value>> {
        self.n_pings += 1;
        let n = self.n_pings;
        let from = self.frames.len();
        self.send(&json!({"type": "ping", "n": n})).await?;
        self.wait("pong", |frame| frame["type"] == "pong" && frame["n"] == n)
            .await?;
        Ok(self.frames[from..self.frames.len() - 1].to_vec())
    }

    /// Comes in to talk; gives `entered`.
    pub async fn enter(&mut self, room: &str) -> Result<Value> {
        self.enter_with(json!({"room": room})).await
    }

    /// Comes in with further fields; gives `entered`.
    pub async fn enter_with(&mut self, fields: Value) -> Result<Value> {
        let answer = self.try_enter(fields).await?;
        anyhow::ensure!(
            answer["type"] == "entered",
            "entered was expected: {answer}"
        );
        Ok(answer)
    }

    /// Sends `enter`; gives `entered`, `waiting` or `refused`.
    pub async fn try_enter(&mut self, mut fields: Value) -> Result<Value> {
        fields["type"] = "enter".into();
        let room = fields["room"].clone();
        self.send(&fields).await?;
        self.wait("the answer to enter", |frame| {
            frame["room"] == room
                && (frame["type"] == "entered"
                    || frame["type"] == "waiting"
                    || frame["type"] == "refused")
        })
        .await
    }

    /// Says a line without waiting.
    pub async fn say(&mut self, room: &str, key: &str, body: &str) -> Result<()> {
        self.send(&json!({"type": "say", "room": room, "key": key, "body": body}))
            .await
    }

    /// Says a line and waits for its answer.
    pub async fn say_answered(&mut self, room: &str, key: &str, body: &str) -> Result<Value> {
        self.say(room, key, body).await?;
        self.answer(key).await
    }

    /// Says a line that must be kept; gives its `seq`.
    pub async fn say_kept(&mut self, room: &str, key: &str, body: &str) -> Result<u64> {
        let answer = self.say_answered(room, key, body).await?;
        anyhow::ensure!(answer["type"] == "acked", "acked was expected: {answer}");
        answer["seq"]
            .as_u64()
            .with_context(|| format!("acked has a seq: {answer}"))
    }

    /// Waits for the `said` of a body.
    pub async fn hears(&mut self, body: &str) -> Result<Value> {
        self.wait(&format!("said {body:?}"), |frame| {
            frame["type"] == "said" && frame["body"] == body
        })
        .await
    }

    /// Reads to the end of the socket.
    pub async fn ends(&mut self) -> Result<Ended> {
        loop {
            if let Came::End(ended) = self.next_or_end("the end of the socket").await? {
                return Ok(ended);
            }
        }
    }

    /// Reads whatever comes for this long, answering pings as a client does: only for tests of a span of time.
    pub async fn quiet_for(&mut self, span: Duration) -> Result<()> {
        let reading = async {
            loop {
                if let Came::End(ended) = self.next_or_end("nothing but pings").await? {
                    bail!("the socket ended ({ended:?})");
                }
            }
        };
        tokio::time::timeout(span, reading).await.unwrap_or(Ok(()))
    }

    /// Cuts the line without a word.
    pub fn cut(self) {
        drop(self);
    }

    /// The view of a room.
    pub fn view(&self, room: &str) -> Result<&View> {
        self.views
            .get(room)
            .with_context(|| format!("{room} was entered"))
    }
}
