//! The router: what answers where, and what holds for every answer.
//!
//! No other site acts for a person, no answer stays in a browser's store but the files of the pages, and whatever
//! breaks says so in the form its caller can read.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_extra::extract::CookieJar;
use futures_util::FutureExt;
use tokio::time::{Instant, timeout};
use tower_http::compression::CompressionLayer;

use super::pages::look::LOOK_COOKIE;
use super::pages::{self, Look, Page, View, assets};
use super::problem::{Code, Problem};
use super::state::{Edge, EdgeState};
use super::{
    identity_api, identity_pages, join_pages, rooms_api, rooms_pages, schedule, staff_pages,
    still_pages, ws,
};
use crate::features::gatherings;
use crate::platform::clock::wait_ms;
use crate::platform::settings::Settings;
use crate::platform::telemetry::names;

/// How long an answer may take: longer than any wait inside a handler, so that it is met by a fault alone.
const HANDLED_WITHIN: Duration = Duration::from_secs(30);
/// Two years, in seconds.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000");
/// What no page may ever ask a browser for.
const PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "accelerometer=(), autoplay=(), browsing-topics=(), camera=(), display-capture=(), encrypted-media=(), \
     fullscreen=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), \
     picture-in-picture=(), publickey-credentials-get=(), screen-wake-lock=(), sync-xhr=(), usb=(), \
     xr-spatial-tracking=()",
);

/// What answers where people come. The pages of those with powers are among it unless they have an address of their own.
pub fn public(edge: EdgeState) -> Router {
    let with_staff = edge.settings.staff_listen.is_none();
    site(edge, with_staff)
}

/// What answers on the address of those with powers: all of it, as they are in rooms, too.
pub fn staff(edge: EdgeState) -> Router {
    site(edge, true)
}

/// What answers on the private address.
pub fn metrics(edge: EdgeState) -> Router {
    Router::new()
        .route("/metrics", get(numbers))
        .with_state(edge)
}

fn site(edge: EdgeState, with_staff: bool) -> Router {
    let mut routes = Router::new()
        .route("/ws", get(ws::upgrade))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route(
            "/robots.txt",
            get(|| async { "User-agent: *\nDisallow: /\n" }),
        )
        .route("/favicon.ico", get(|| async { file(assets::icon()) }))
        .route("/a/{hash}/{file}", get(asset))
        .merge(Router::from(identity_api::people()))
        .merge(Router::from(rooms_api::routes()))
        .merge(identity_pages::people())
        .merge(rooms_pages::routes())
        .merge(schedule::routes())
        .merge(still_pages::routes(edge.demo));
    if with_staff {
        routes = routes
            .merge(Router::from(identity_api::staff()))
            .merge(staff_pages::staff());
    }
    routes
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(edge.clone(), around))
        .with_state(edge)
}

async fn numbers(State(edge): State<EdgeState>) -> Response {
    match &edge.numbers {
        Some(numbers) => numbers.render().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Able to serve: the database and the key store answer, and the end has not begun.
async fn ready(State(edge): State<EdgeState>) -> Response {
    let deps = edge.rooms.deps();
    let able = !edge.drain.has_begun()
        && gatherings::next_forgetting(&deps.db).await.is_ok()
        && deps.keys.store().ping().await.is_ok();
    if able {
        "ok\n".into_response()
    } else {
        Problem::new(Code::Busy).into_response()
    }
}

async fn asset(
    State(edge): State<EdgeState>,
    Path((hash, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    match assets::find(&hash, &name) {
        Some(asset) => file(asset),
        None => Asker::of("/a/", &headers).told(&edge, &Problem::new(Code::NotFound)),
    }
}

fn file(asset: &'static assets::Asset) -> Response {
    let headers = [
        (header::CONTENT_TYPE, asset.media_type),
        (header::CACHE_CONTROL, assets::CACHE_CONTROL),
    ];
    (headers, asset.bytes.as_ref()).into_response()
}

async fn not_found(State(edge): State<EdgeState>, request: Request) -> Response {
    Asker::of(request.uri().path(), request.headers()).told(&edge, &Problem::new(Code::NotFound))
}

/// Whether somebody reads a page or a program calls, and how they like their pages.
struct Asker {
    reads_pages: bool,
    look: Look,
}

impl Asker {
    fn of(path: &str, headers: &HeaderMap) -> Self {
        let accept = headers
            .get(header::ACCEPT)
            .map_or("*/*", |accept| accept.to_str().unwrap_or(""));
        let for_programs = path.starts_with("/api/") || path == "/ws";
        let look = CookieJar::from_headers(headers)
            .get(LOOK_COOKIE)
            .map_or_else(Look::default, |cookie| Look::parse(cookie.value()));
        Self {
            reads_pages: !for_programs && (accept.contains("text/html") || accept.contains("*/*")),
            look,
        }
    }

    fn told(&self, edge: &Edge, problem: &Problem) -> Response {
        let document = problem.clone().into_response();
        if !self.reads_pages {
            return document;
        }
        let view = pages::problem::Problem {
            page: Page {
                look: self.look,
                signed_in: false,
                staff: false,
                demo: edge.demo,
                desk: None,
                alerts: Vec::new(),
            },
            code: problem.code().as_str().to_owned(),
            back: "/".to_owned(),
            kept: None,
        };
        let (mut parts, _) = document.into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        Response::from_parts(parts, Body::from(view.html()))
    }
}

/// What holds for every request and every answer.
async fn around(State(edge): State<EdgeState>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = method_label(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let policy = content_policy(&edge.settings, request.headers());
    let asker = Asker::of(request.uri().path(), request.headers());
    let mut response = match admit(&edge, request).await {
        Ok(request) => match timeout(
            HANDLED_WITHIN,
            AssertUnwindSafe(next.run(request)).catch_unwind(),
        )
        .await
        {
            Ok(Ok(response)) => response,
            // The panic hook has said where; its words may quote what somebody wrote.
            Ok(Err(_)) | Err(_) => asker.told(&edge, &Problem::new(Code::Busy)),
        },
        Err(problem) => asker.told(&edge, &problem),
    };
    protect(&edge.settings, policy, response.headers_mut());
    let route = route
        .as_ref()
        .map_or("none", |route| route.as_str())
        .to_owned();
    let status = response.status().as_u16().to_string();
    metrics::counter!(names::REQUESTS, "method" => method, "route" => route.clone(), "status" => status).increment(1);
    metrics::histogram!(names::REQUEST_SECONDS, "method" => method, "route" => route)
        .record(began.elapsed().as_secs_f64());
    response
}

/// Methods by name, so that nobody can invent labels.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// Lets a request in: from our own pages or from no browser, with a body that is whole, in time and not too long.
async fn admit(edge: &Edge, request: Request) -> Result<Request, Problem> {
    let (mut parts, body) = request.into_parts();
    // The length of a packed answer tells of its content: what answers a form (the eight words, a refused line) and
    // the page with the first secret are sent as they are.
    if parts.method != Method::GET || join_pages::holds_secret(parts.uri.path()) {
        parts.headers.remove(header::ACCEPT_ENCODING);
    }
    if matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(Request::from_parts(parts, body));
    }
    if !origin_is_ours(&edge.settings, &parts.headers) {
        return Err(Problem::new(Code::WrongOrigin));
    }
    if parts.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Problem::new(Code::BadRequest));
    }
    let limits = &edge.settings.limits;
    let whole = timeout(
        wait_ms(limits.body_ms),
        to_bytes(body, limits.body_bytes_max),
    )
    .await;
    match whole {
        Ok(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Ok(Err(_)) | Err(_) => Err(Problem::new(Code::BadRequest)),
    }
}

/// A browser says where a call comes from; what says nothing is no browser.
fn origin_is_ours(settings: &Settings, headers: &HeaderMap) -> bool {
    let site_is_ours = headers
        .get_all("sec-fetch-site")
        .iter()
        .all(|site| site == "same-origin");
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("");
    // A browser sends one; where there are two, somebody else has put one in.
    site_is_ours
        && headers.get_all(header::ORIGIN).iter().count() <= 1
        && headers.get_all(header::ORIGIN).iter().all(|origin| {
            origin
                .to_str()
                .is_ok_and(|origin| settings.origin_allowed(origin, host))
        })
}

/// The content policy. Old Safari (14 to 15.3) does not count the socket as `'self'`, so it is named.
fn content_policy(settings: &Settings, headers: &HeaderMap) -> HeaderValue {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
        form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
        trusted-types 'none'; connect-src 'self'";
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .filter(|host| is_host(host));
    let scheme = if settings.secure_cookies() {
        "wss"
    } else {
        "ws"
    };
    host.and_then(|host| HeaderValue::try_from(format!("{POLICY} {scheme}://{host}")).ok())
        .unwrap_or(HeaderValue::from_static(POLICY))
}

/// Whether this can be a host and nothing else: it is put into a header.
fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= 255
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
}

/// What every answer carries.
fn protect(settings: &Settings, policy: HeaderValue, headers: &mut HeaderMap) {
    const ALWAYS: [(HeaderName, HeaderValue); 7] = [
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("same-origin"),
        ),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (
            HeaderName::from_static("x-robots-tag"),
            HeaderValue::from_static("noindex"),
        ),
    ];
    for (name, value) in ALWAYS {
        headers.insert(name, value);
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    if settings.secure_cookies() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn p5_only_our_own_pages_and_programs_may_change_something() {
        let settings = Settings::default();
        let ours =
            |pairs: &[(&'static str, &'static str)]| origin_is_ours(&settings, &headers(pairs));
        assert!(ours(&[("host", "a:1")]));
        assert!(ours(&[("host", "a:1"), ("origin", "http://a:1")]));
        assert!(ours(&[
            ("host", "a:1"),
            ("origin", "http://a:1"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(!ours(&[("host", "a:1"), ("origin", "null")]));
        assert!(!ours(&[("host", "a:1"), ("origin", "http://a")]));
        assert!(!ours(&[
            ("host", "a:1"),
            ("origin", "http://a:1"),
            ("origin", "http://b")
        ]));
        assert!(!ours(&[
            ("host", "a:1"),
            ("origin", "http://a:1"),
            ("origin", "http://a:1")
        ]));
        assert!(!ours(&[("host", "a:1"), ("sec-fetch-site", "same-site")]));
        assert!(!ours(&[("host", "a:1"), ("sec-fetch-site", "none")]));
        assert!(!ours(&[("origin", "http://a:1")]));
    }

    #[test]
    fn the_policy_names_the_socket_and_takes_no_words_from_a_host() {
        let settings = Settings::default();
        let policy = |host| content_policy(&settings, &headers(&[("host", host)]));
        assert!(
            policy("a:1")
                .to_str()
                .is_ok_and(|p| p.ends_with("connect-src 'self' ws://a:1"))
        );
        assert!(
            policy("a; script-src *")
                .to_str()
                .is_ok_and(|p| p.ends_with("connect-src 'self'"))
        );
    }
}
