//! Who sent a request: the cookie, and the quota key of the address.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{FromRequestParts, OptionalFromRequestParts, Request};
use axum::http::request::Parts;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use time::Duration;

use super::listen::Peer;
use super::problem::{Code, Problem};
use super::state::{Edge, EdgeState};
use crate::features::identity::{Session, SignedIn};
use crate::platform::limits::{RateKey, client_address};
use crate::platform::settings::Settings;
use crate::protocol::Device;

/// The cookie's name where the public address is https.
const COOKIE_SECURE: &str = "__Host-engawa";
/// Its name elsewhere.
const COOKIE_PLAIN: &str = "engawa";

/// The session a request came with. As an `Option` it is nothing where there is none; alone it is 401 `no_session`.
pub struct Signed(pub Session);

/// The cookie's name under these settings (`protocol.md`).
pub fn cookie_name(settings: &Settings) -> &'static str {
    if settings.secure_cookies() {
        COOKIE_SECURE
    } else {
        COOKIE_PLAIN
    }
}

/// The cookie outlives the session on purpose: the store alone decides when one ends, and each visit moves that end,
/// which a cookie set once would not follow. 400 days is what browsers cut it to.
const COOKIE_DAYS: i64 = 400;

/// The cookie of a new session. On a shared device it ends with the browser.
pub fn cookie(settings: &Settings, signed_in: &SignedIn) -> Cookie<'static> {
    let mut cookie = bare(settings, signed_in.cookie.expose().to_owned());
    if signed_in.session.device == Device::Mine {
        cookie.set_max_age(Duration::days(COOKIE_DAYS));
    }
    cookie
}

/// The cookie that removes the session's.
pub fn no_cookie(settings: &Settings) -> Cookie<'static> {
    let mut cookie = bare(settings, String::new());
    cookie.make_removal();
    cookie
}

fn bare(settings: &Settings, value: String) -> Cookie<'static> {
    Cookie::build((cookie_name(settings), value))
        .http_only(true)
        .secure(settings.secure_cookies())
        .same_site(SameSite::Lax)
        .path("/")
        .build()
}

/// The quota key of whoever sent this.
pub fn client_key(edge: &Edge, request: &Request) -> RateKey {
    key_of(
        edge,
        request.extensions().get::<Peer>().copied(),
        request.headers(),
    )
}

/// As [`client_key`], of the parts of a request.
pub fn client_key_of(edge: &Edge, parts: &Parts) -> RateKey {
    key_of(
        edge,
        parts.extensions.get::<Peer>().copied(),
        &parts.headers,
    )
}

fn key_of(edge: &Edge, peer: Option<Peer>, headers: &axum::http::HeaderMap) -> RateKey {
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let forwarded = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok());
    edge.addresses.key(client_address(
        peer,
        forwarded,
        &edge.settings.trusted_proxies,
    ))
}

impl OptionalFromRequestParts<EdgeState> for Signed {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        edge: &EdgeState,
    ) -> Result<Option<Self>, Problem> {
        let jar = CookieJar::from_headers(&parts.headers);
        let Some(cookie) = jar.get(cookie_name(&edge.settings)) else {
            return Ok(None);
        };
        Ok(edge.identity.resolve(cookie.value()).await?.map(Signed))
    }
}

impl FromRequestParts<EdgeState> for Signed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, edge: &EdgeState) -> Result<Self, Problem> {
        <Self as OptionalFromRequestParts<EdgeState>>::from_request_parts(parts, edge)
            .await?
            .ok_or_else(|| Problem::new(Code::NoSession))
    }
}
