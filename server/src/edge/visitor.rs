//! Whoever looks at a page, and what all handlers of pages and calls do alike.

use std::convert::Infallible;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, FromRequest, FromRequestParts, OptionalFromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::Cookie;
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::pages::look::LOOK_COOKIE;
use super::pages::{self, Look, Page, View};
use super::problem::{Code, Problem};
use super::session::{Signed, client_key_of};
use super::state::{Edge, EdgeState};
use crate::features::identity::Session;
use crate::platform::limits::{Bucket, RateKey, RetryAfter};

/// Whoever looks at a page, logged in or not. A store that cannot be asked is told as a page.
pub struct Visitor {
    /// Who, if anybody.
    pub session: Option<Session>,
    /// What they chose for their eyes and ears.
    pub look: Look,
    demo: bool,
}

impl Visitor {
    /// What every page knows.
    pub fn page(&self) -> Page {
        Page {
            look: self.look,
            signed_in: self.session.is_some(),
            staff: self
                .session
                .as_ref()
                .is_some_and(|session| session.staff_id().is_some()),
            demo: self.demo,
            desk: None,
            alerts: Vec::new(),
        }
    }

    /// A problem as a page, with what the person had written.
    pub fn problem(&self, problem: &Problem, back: &str, kept: Option<String>) -> Response {
        let view = pages::problem::Problem {
            page: self.page(),
            code: problem.code().as_str().to_owned(),
            back: back.to_owned(),
            kept,
        };
        refused(problem, &view)
    }
}

impl FromRequestParts<EdgeState> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, edge: &EdgeState) -> Result<Self, Response> {
        let look = CookieJar::from_headers(&parts.headers)
            .get(LOOK_COOKIE)
            .map_or_else(Look::default, |cookie| Look::parse(cookie.value()));
        let mut visitor = Self {
            session: None,
            look,
            demo: edge.demo,
        };
        match <Signed as OptionalFromRequestParts<EdgeState>>::from_request_parts(parts, edge).await
        {
            Ok(signed) => {
                visitor.session = signed.map(|Signed(session)| session);
                Ok(visitor)
            }
            Err(problem) => Err(visitor.problem(&problem, "/", None)),
        }
    }
}

/// The network a request comes from, as a key for quotas.
pub struct Network(RateKey);

impl FromRequestParts<EdgeState> for Network {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, edge: &EdgeState) -> Result<Self, Infallible> {
        Ok(Self(client_key_of(edge, parts)))
    }
}

impl Network {
    /// Counts one for this network, over all nodes.
    ///
    /// # Errors
    /// `too_fast`.
    pub async fn limit(&self, edge: &Edge, bucket: Bucket) -> Result<(), Problem> {
        edge.quotas.check(bucket, self.0).await.map_err(too_fast)
    }

    /// Counts one try for an account from this network, over all nodes: nobody elsewhere can use up the tries of
    /// somebody, and the people of one office do not use up each other's.
    ///
    /// # Errors
    /// `too_fast`.
    pub async fn limit_login(&self, edge: &Edge, id: &str) -> Result<(), Problem> {
        let key = edge.addresses.key_of(Some(self.0), id.trim());
        edge.quotas
            .check(Bucket::Logins, key)
            .await
            .map_err(too_fast)
    }
}

/// Counts one for whoever a session belongs to, on this node.
///
/// # Errors
/// `too_fast`.
pub fn limit_person(edge: &Edge, bucket: Bucket, session: &Session) -> Result<(), Problem> {
    let key = edge.rates.key(whom(session).as_bytes());
    edge.rates.check(bucket, key).map_err(too_fast)
}

/// As [`limit_person`], over all nodes.
///
/// # Errors
/// `too_fast`.
pub async fn limit_person_everywhere(
    edge: &Edge,
    bucket: Bucket,
    session: &Session,
) -> Result<(), Problem> {
    let key = edge.addresses.key_of(None, whom(session));
    edge.quotas.check(bucket, key).await.map_err(too_fast)
}

fn whom(session: &Session) -> &str {
    match session.handle_id() {
        Some(handle) => handle.as_str(),
        None => session.id.as_str(),
    }
}

fn too_fast(wait: RetryAfter) -> Problem {
    Problem::new(Code::TooFast).retry_after(wait.seconds())
}

/// A JSON body. Whatever is wrong with it is `bad_request`; the media type is not asked for, as the origin is.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<EdgeState> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, edge: &EdgeState) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, edge)
            .await
            .map_err(|_| Problem::new(Code::BadRequest))?;
        // Serde would take the fields from an array, too; the contract has objects alone.
        let first = bytes.iter().find(|byte| !b" \t\r\n".contains(byte));
        if first != Some(&b'{') {
            return Err(Problem::new(Code::BadRequest));
        }
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|_| Problem::new(Code::BadRequest))
    }
}

/// What a form sent; one that cannot be read is as if nothing had been typed.
pub fn fields<T: Default>(form: Result<Form<T>, FormRejection>) -> T {
    form.map(|Form(fields)| fields).unwrap_or_default()
}

/// A page, which no browser keeps.
pub fn html(status: StatusCode, view: &impl View) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, view.html()).into_response()
}

/// A page that tells of a problem, with its status and its wait.
pub fn refused(problem: &Problem, view: &impl View) -> Response {
    let mut response = html(problem.code().status(), view);
    if let Some(seconds) = problem.retry_after_s() {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// On to another page after a form.
pub fn see_other(path: &str) -> Response {
    let headers = [
        (header::LOCATION, path),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// The header that sets or removes a cookie, to stand before a response.
pub fn set_cookie(cookie: &Cookie<'static>) -> AppendHeaders<[(HeaderName, HeaderValue); 1]> {
    let mut line = HeaderValue::try_from(cookie.to_string())
        .expect("names, tokens and attributes of cookies are ASCII");
    line.set_sensitive(true);
    AppendHeaders([(header::SET_COOKIE, line)])
}
