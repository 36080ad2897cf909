//! The way to Redis, for the bus and for limits. What they do with it is theirs.

#[cfg(test)]
pub mod testing;

use std::collections::HashMap;
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, IntoConnectionInfo, ProtocolVersion};

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

/// What is wrong with the Redis at this address, in plain English; empty when all is well. For `doctor`.
pub async fn warnings(url: &Secret, answer_within: Duration) -> Vec<String> {
    let Ok(client) = client(url) else {
        return vec![AddressError.to_string()];
    };
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(answer_within))
        .set_response_timeout(Some(answer_within));
    // Of an error only its kind: its text names hosts.
    let mut connection = match client
        .get_multiplexed_async_connection_with_config(&config)
        .await
    {
        Ok(connection) => connection,
        Err(error) => {
            return vec![format!(
                "it does not answer, or speaks no RESP3 as Redis does from 6 on ({})",
                error.category()
            )];
        }
    };
    let mut found = HashMap::new();
    for name in ["save", "appendonly"] {
        let asked: redis::RedisResult<HashMap<String, String>> = redis::cmd("CONFIG")
            .arg("GET")
            .arg(name)
            .query_async(&mut connection)
            .await;
        match asked {
            Ok(values) => found.extend(values),
            Err(error) => {
                return vec![format!(
                    "it does not say whether it writes to disk ({}); it must not",
                    error.category()
                )];
            }
        }
    }
    warnings_of(&found)
}

/// Text never gets there, but the day's salt and the hashes under it do, and must not outlive the day.
fn warnings_of(config: &HashMap<String, String>) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.get("save").is_none_or(|save| !save.is_empty()) {
        warnings.push(
            "set save \"\": it writes what it holds to disk, where the day's hashes would stay"
                .into(),
        );
    }
    if config.get("appendonly").is_none_or(|value| value != "no") {
        warnings.push("set appendonly no: it writes what it is told to disk, where the day's hashes would stay".into());
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_redis_that_answers_and_keeps_nothing_is_well() {
        let url = Secret::new(testing::redis_url());
        assert_eq!(warnings(&url, WITHIN).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn p5_a_redis_that_is_away_is_told_without_its_address() {
        for url in [
            "redis://:geheim@127.0.0.1:1",
            "redis://:geheim@[",
            "nothing",
        ] {
            let told = warnings(&Secret::new(url.to_owned()), WITHIN).await;
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(!told[0].contains("geheim") && !told[0].contains("127.0.0.1"));
        }
    }

    #[test]
    fn p5_a_redis_that_writes_to_disk_is_told() {
        let config = |save: &str, appendonly: &str| {
            HashMap::from([
                ("save".to_owned(), save.to_owned()),
                ("appendonly".to_owned(), appendonly.to_owned()),
            ])
        };
        assert_eq!(warnings_of(&config("", "no")).len(), 0);
        assert_eq!(warnings_of(&config("3600 1", "no")).len(), 1);
        assert_eq!(warnings_of(&config("3600 1", "yes")).len(), 2);
        assert_eq!(warnings_of(&HashMap::new()).len(), 2);
    }
}
