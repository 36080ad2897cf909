//! The opening handshake (RFC 6455, 4.2).

use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// A well-formed request for an upgrade.
pub struct Handshake {
    accept: HeaderValue,
}

impl Handshake {
    /// Reads it; `None` where it is none (RFC 6455, 4.2.1).
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let version = headers.get(header::SEC_WEBSOCKET_VERSION)?.to_str().ok()?;
        let key = headers.get(header::SEC_WEBSOCKET_KEY)?.to_str().ok()?;
        let sound = lists(headers, &header::CONNECTION)
            .any(|part| part.eq_ignore_ascii_case("upgrade"))
            && lists(headers, &header::UPGRADE).any(|part| part.eq_ignore_ascii_case("websocket"))
            && version == "13"
            && data_encoding::BASE64
                .decode(key.as_bytes())
                .is_ok_and(|bytes| bytes.len() == 16);
        if !sound {
            return None;
        }
        let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()?;
        Some(Self { accept })
    }

    /// The answer that switches protocols, with the subprotocol that was chosen.
    pub fn accepted(self, subprotocol: Option<&'static str>) -> Response {
        let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept);
        if let Some(name) = subprotocol {
            headers.insert(
                header::SEC_WEBSOCKET_PROTOCOL,
                HeaderValue::from_static(name),
            );
        }
        response
    }
}

/// The parts of a header that is a list.
pub(super) fn lists<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'h str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}
