//! Errors of the HTTP calls: RFC 9457 problem documents with a stable code.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::pages::texts;
use crate::features::identity::Refusal;
use crate::platform::store::StoreError;

/// The stable codes (`protocol.md`, HTTP).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// 400.
    BadRequest,
    /// 401: no session, or it ended.
    NoSession,
    /// 401: one answer for every reason.
    BadLogin,
    /// 403.
    WrongOrigin,
    /// 403.
    NotAllowed,
    /// 404.
    NotFound,
    /// 422.
    BadName,
    /// 422: wrong, used, ended, revoked: one answer.
    BadSlip,
    /// 429.
    TooFast,
    /// 501.
    NotYet,
    /// 503.
    Busy,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 11] = [
        Self::BadRequest,
        Self::NoSession,
        Self::BadLogin,
        Self::WrongOrigin,
        Self::NotAllowed,
        Self::NotFound,
        Self::BadName,
        Self::BadSlip,
        Self::TooFast,
        Self::NotYet,
        Self::Busy,
    ];

    /// The spelling on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::NoSession => "no_session",
            Self::BadLogin => "bad_login",
            Self::WrongOrigin => "wrong_origin",
            Self::NotAllowed => "not_allowed",
            Self::NotFound => "not_found",
            Self::BadName => "bad_name",
            Self::BadSlip => "bad_slip",
            Self::TooFast => "too_fast",
            Self::NotYet => "not_yet",
            Self::Busy => "busy",
        }
    }

    /// The status.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::NoSession | Self::BadLogin => StatusCode::UNAUTHORIZED,
            Self::WrongOrigin | Self::NotAllowed => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::BadName | Self::BadSlip => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooFast => StatusCode::TOO_MANY_REQUESTS,
            Self::NotYet => StatusCode::NOT_IMPLEMENTED,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A problem document.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Document {
    /// Always `about:blank`: the code says what it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status.
    status: u16,
    /// For programs.
    code: &'static str,
    /// For people.
    detail: &'static str,
    /// Names that could be worn, with `bad_name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suggestions: Vec<String>,
}

/// What went wrong, for whoever called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    code: Code,
    retry_after_s: Option<u64>,
    suggestions: Vec<String>,
}

/// When to try again after `busy`, in seconds.
const BUSY_RETRY_S: u64 = 2;

impl Problem {
    /// A problem of that code.
    pub fn new(code: Code) -> Self {
        let retry_after_s = (code == Code::Busy).then_some(BUSY_RETRY_S);
        Self {
            code,
            retry_after_s,
            suggestions: Vec::new(),
        }
    }

    /// When to try again, in seconds; at least one.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds.max(1));
        self
    }

    /// Names that could be worn.
    #[must_use]
    pub fn suggestions(mut self, names: Vec<String>) -> Self {
        self.suggestions = names;
        self
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// When to try again, in seconds, for pages that tell the same problem.
    pub fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_s
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed");
        Self::new(Code::Busy)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::BadName(_) => Self::new(Code::BadName),
            Refusal::BadPassword(_) | Refusal::BadId | Refusal::BadRole => {
                Self::new(Code::BadRequest)
            }
            Refusal::BadLogin => Self::new(Code::BadLogin),
            Refusal::NotForThis | Refusal::Settled => Self::new(Code::NotAllowed),
            Refusal::BadSlip => Self::new(Code::BadSlip),
            Refusal::Busy => Self::new(Code::Busy),
            Refusal::Store(error) => error.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let document = Document {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code: self.code.as_str(),
            detail: texts::problem(self.code.as_str()),
            suggestions: self.suggestions,
        };
        let mut response = (status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
