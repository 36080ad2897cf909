//! A small HTTP/1.1 client with a cookie jar, one connection a call: what is sent is seen in full.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{HeaderMap, SET_COOKIE};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::within;

/// A client of one node.
#[derive(Debug, Clone)]
pub struct Client {
    address: String,
    cookies: BTreeMap<String, String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// All header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("JSON was expected, status {}: {}", self.status, self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header field, empty if absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Each `Set-Cookie` line.
    pub fn set_cookies(&self) -> Vec<String> {
        self.headers
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .map(str::to_owned)
            .collect()
    }

    /// Asserts that this is a problem document with this status and code.
    pub fn is_problem(&self, status: u16, code: &str) -> Result<Value> {
        anyhow::ensure!(
            self.status == status,
            "status {status} {code} was expected: {} {}",
            self.status,
            self.text()
        );
        let kind = self.header("content-type");
        anyhow::ensure!(
            kind.starts_with("application/problem+json"),
            "a problem document was expected, not {kind:?}"
        );
        let problem = self.json()?;
        anyhow::ensure!(
            problem["code"] == code,
            "code {code} was expected: {problem}"
        );
        Ok(problem)
    }

    /// Asserts the status.
    pub fn is(self, status: u16) -> Result<Self> {
        anyhow::ensure!(
            self.status == status,
            "status {status} was expected: {} {}",
            self.status,
            self.text()
        );
        Ok(self)
    }
}

impl Client {
    /// A client of `127.0.0.1:PORT` without a cookie.
    pub fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            cookies: BTreeMap::new(),
        }
    }

    /// The node's address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Goes to another node from here on; the cookies are good there, too.
    pub fn goes_to(&mut self, address: &str) {
        address.clone_into(&mut self.address);
    }

    /// The `Cookie` line, empty without cookies.
    pub fn cookie_line(&self) -> String {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    /// The value of the session cookie.
    pub fn session(&self) -> Option<&str> {
        self.cookies
            .get("engawa")
            .or_else(|| self.cookies.get("__Host-engawa"))
            .map(String::as_str)
    }

    /// A call with everything given; takes over cookies that are set.
    pub async fn call(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer> {
        let what = format!("{method} {path}");
        let mut request = Request::builder().method(method).uri(path);
        let has = |name: &str| {
            headers
                .iter()
                .any(|(given, _)| given.eq_ignore_ascii_case(name))
        };
        if !has("host") {
            request = request.header("host", &self.address);
        }
        if !has("cookie") && !self.cookies.is_empty() {
            request = request.header("cookie", self.cookie_line());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        let answer = within(&what, async {
            let stream = TcpStream::connect(&self.address).await?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            let connection = tokio::spawn(connection);
            let response = sender.send_request(request).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            connection.abort();
            anyhow::Ok(Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body,
            })
        })
        .await?
        .with_context(|| what.clone())?;
        for line in answer.set_cookies() {
            self.keep(&line);
        }
        Ok(answer)
    }

    fn keep(&mut self, line: &str) {
        let mut parts = line.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let ended = parts.any(|part| {
            part.eq_ignore_ascii_case("max-age=0")
                || part
                    .to_ascii_lowercase()
                    .starts_with("expires=thu, 01 jan 1970")
        });
        if ended || value.is_empty() {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    /// GET, following nothing. (A copy of the client: cookies that are set do not stay.)
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.clone().call(Method::GET, path, &[], Vec::new()).await
    }

    /// POST of JSON with no `Origin`, as a program sends it.
    pub async fn post(&mut self, path: &str, body: &Value) -> Result<Answer> {
        self.call(
            Method::POST,
            path,
            &[("content-type", "application/json")],
            body.to_string().into_bytes(),
        )
        .await
    }

    /// POST without a body.
    pub async fn post_empty(&mut self, path: &str) -> Result<Answer> {
        self.call(Method::POST, path, &[], Vec::new()).await
    }

    /// DELETE.
    pub async fn delete(&mut self, path: &str) -> Result<Answer> {
        self.call(Method::DELETE, path, &[], Vec::new()).await
    }

    /// POST of a form, as a browser without script sends it from the same origin.
    pub async fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        let origin = format!("http://{}", self.address);
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", origin.as_str()),
            ("sec-fetch-site", "same-origin"),
        ];
        self.call(
            Method::POST,
            path,
            &headers,
            form_encoded(fields).into_bytes(),
        )
        .await
    }
}

/// `a=b&c=d`, every byte but letters and digits escaped.
pub fn form_encoded(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect()
    };
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect();
    pairs.join("&")
}
