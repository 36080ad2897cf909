//! The way to Redis, for the bus and for limits. What they do with it is theirs.

#[cfg(test)]
pub mod testing;

use redis::io::tcp::TcpSettings;
use redis::{IntoConnectionInfo, ProtocolVersion};

use super::ids::Secret;

/// The setting is no address of a Redis. It is not quoted: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("redis_url is no address such as redis://:password@host:6379/0")]
pub struct AddressError;

/// A client that has not connected yet. It speaks RESP3, in which subscriptions and commands share a connection.
///
/// # Errors
/// The address is none.
pub fn client(url: &Secret) -> Result<redis::Client, AddressError> {
    let info = url
        .expose()
        .into_connection_info()
        .map_err(|_| AddressError)?;
    let settings = info
        .redis_settings()
        .clone()
        .set_protocol(ProtocolVersion::RESP3);
    let info = info
        .set_redis_settings(settings)
        .set_tcp_settings(TcpSettings::default().set_nodelay(true));
    redis::Client::open(info).map_err(|_| AddressError)
}
