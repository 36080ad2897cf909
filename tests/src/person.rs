//! Somebody at a device: a handle or a staff session, with its cookie, and the sockets it opens.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::http::Client;
use crate::node::{Login, Node};
use crate::socket::Socket;

/// Which rooms a handle may enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// 自分のことで.
    Tojisha,
    /// 家族のことで.
    Family,
}

impl Standing {
    /// As it stands on the wire.
    pub fn wire(self) -> &'static str {
        match self {
            Self::Tojisha => "tojisha",
            Self::Family => "family",
        }
    }
}

/// A person and the cookie of their device.
#[derive(Debug, Clone)]
pub struct Person {
    /// What `POST /api/v1/handles` or the staff login answered.
    pub me: Value,
    /// Their HTTP client.
    pub http: Client,
}

impl Person {
    /// Makes a handle and is logged in.
    pub async fn arrive(node: &Node, standing: Standing, name: Option<&str>) -> Result<Self> {
        let mut http = node.client();
        let answer = http
            .post(
                "/api/v1/handles",
                &json!({"name": name, "standing": standing.wire()}),
            )
            .await?
            .is(201)?;
        anyhow::ensure!(
            http.session().is_some(),
            "making a handle sets a session cookie"
        );
        Ok(Self {
            me: answer.json()?,
            http,
        })
    }

    /// Staff login with password and the code of this half minute.
    pub async fn log_in(node: &Node, login: &Login) -> Result<Self> {
        let mut http = node.client();
        let body = json!({"id": login.id, "password": login.password, "totp": totp(&login.totp_secret, 0)?});
        let answer = http.post("/api/v1/staff/login", &body).await?.is(200)?;
        Ok(Self {
            me: answer.json()?,
            http,
        })
    }

    /// The same person with the same cookie, at another node.
    pub fn at(&self, node: &Node) -> Self {
        let mut there = self.clone();
        there.http.goes_to(node.address());
        there
    }

    /// Opens a socket and takes `welcome`.
    pub async fn connect(&self) -> Result<Socket> {
        Socket::connect(self.http.address(), &self.http.cookie_line()).await
    }

    /// Opens a socket and comes into a room to talk.
    pub async fn enter(&self, room: &str) -> Result<Socket> {
        let mut socket = self.connect().await?;
        socket.enter(room).await?;
        Ok(socket)
    }

    /// Opens a socket and comes into a room on duty.
    pub async fn enter_on_duty(&self, room: &str) -> Result<Socket> {
        let mut socket = self.connect().await?;
        socket
            .enter_with(json!({"room": room, "mode": "duty"}))
            .await?;
        Ok(socket)
    }

    /// Their name.
    pub fn name(&self) -> &str {
        self.me["name"].as_str().unwrap_or_default()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an authenticator has a clock of its own"
)]
/// The code of a secret, `steps` half minutes from now.
pub fn totp(secret_base32: &str, steps: i64) -> Result<String> {
    let secret = Secret::try_from_base32(secret_base32)
        .map_err(|e| anyhow::anyhow!("totp_secret is not base32: {e:?}"))?;
    let totp = Builder::new()
        .with_secret(secret)
        .with_account_name("x")
        .build_noncompliant();
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let at = u64::try_from(now + 30 * steps).context("a time after 1970")?;
    Ok(totp.generate(at).to_string())
}
