//! Quotas that all nodes keep together, in Redis, by its clock: one round trip a check.
//!
//! Redis decides nothing by being away: [`Cluster::check`] then has no answer, and the node's own quota counts. Keys in
//! Redis are hashes under a key of the day that is made of the nodes' key file and a salt in Redis, which lives a day:
//! neither of the two alone can tell who was here, and tomorrow not even both.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisResult, Script};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::breaker::Breaker;
use super::{AddressKeys, Bucket, RateKey, Rates, RetryAfter, quota};
use crate::platform::backoff::Backoff;
use crate::platform::clock::{Clock, Day};
use crate::platform::ids::{Chance, Secret};
use crate::platform::redis::{self as server, AddressError};
use crate::platform::sealing::{DataKey, KEY_BYTES};
use crate::platform::settings;
use crate::platform::telemetry::names;

/// How soon Redis is connected to again.
const AGAIN: Backoff = Backoff {
    first: Duration::from_millis(50),
    longest: Duration::from_secs(2),
};
/// How long nobody asks a Redis that is too slow.
const SLOW: Backoff = Backoff {
    first: Duration::from_millis(500),
    longest: Duration::from_secs(10),
};
/// How often the salt is read again: Redis may have come back empty.
const SALT_EVERY: Duration = Duration::from_secs(1);
/// How long a day's salt lives: the day, and an hour for nodes whose clocks differ.
const SALT_LIVES_S: u32 = 25 * 60 * 60;

/// What a [`Cluster`] is made of.
pub struct ClusterParts {
    /// Where Redis is.
    pub url: Secret,
    /// What its keys begin with.
    pub prefix: String,
    /// How long a connection, or the salt, may take.
    pub answer_within: Duration,
    /// How long a check may take; somebody waits for it.
    pub check_within: Duration,
    /// The same on all nodes.
    pub key: DataKey,
    /// The quotas.
    pub limits: settings::Limits,
    /// What hashes whom; it gets the day's key that all nodes have.
    pub addresses: Arc<AddressKeys>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
}

/// The quotas in Redis. Dropping it ends its connection.
pub struct Cluster {
    shared: Arc<Shared>,
    running: AbortHandle,
}

struct Shared {
    parts: ClusterParts,
    /// There while Redis answers and the day's key is that of all nodes. A plain mutex, never held over a wait.
    connection: Mutex<Option<MultiplexedConnection>>,
    breaker: Mutex<Breaker>,
    script: Script,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cluster …")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Cluster {
    /// Begins to connect, and goes on for as long as this lives. Redis need not be there yet.
    ///
    /// # Errors
    /// The address is none.
    pub fn start(parts: ClusterParts) -> Result<Self, AddressError> {
        let client = server::client(&parts.url)?;
        let shared = Arc::new(Shared {
            parts,
            connection: Mutex::default(),
            breaker: Mutex::default(),
            script: Script::new(include_str!("gcra.lua")),
        });
        let running = tokio::spawn(keep(Arc::clone(&shared), client)).abort_handle();
        Ok(Self { shared, running })
    }

    /// Counts one, or says how long to wait; `None` where Redis does not answer in time: the node's own quota decides.
    pub async fn check(&self, bucket: Bucket, key: RateKey) -> Option<Result<(), RetryAfter>> {
        let answer = self.shared.ask(bucket, key).await;
        if answer.is_none() {
            metrics::counter!(names::LIMITS_FALLBACK).increment(1);
        }
        answer
    }
}

impl Shared {
    async fn ask(&self, bucket: Bucket, key: RateKey) -> Option<Result<(), RetryAfter>> {
        let mut connection = lock(&self.connection).clone()?;
        if !lock(&self.breaker).lets_through(Instant::now()) {
            return None;
        }
        let (burst, interval) = quota(&self.parts.limits, bucket);
        let mut call = self.script.prepare_invoke();
        call.key(format!(
            "{}:rate:{}:{:016x}",
            self.parts.prefix,
            bucket.as_str(),
            key.0
        ))
        .arg(u64::try_from(interval.as_micros()).unwrap_or(u64::MAX))
        .arg(burst.get());
        let asked = call.invoke_async::<u64>(&mut connection);
        match tokio::time::timeout(self.parts.check_within, asked).await {
            Ok(Ok(wait_us)) => {
                lock(&self.breaker).answered();
                Some(match wait_us {
                    0 => Ok(()),
                    wait_us => Err(RetryAfter(Duration::from_micros(wait_us))),
                })
            }
            Ok(Err(_)) | Err(_) => {
                let wait = |n_openings| SLOW.after(n_openings, &*self.parts.chance);
                lock(&self.breaker).failed(Instant::now(), wait);
                None
            }
        }
    }

    /// The day's salt, the same for all nodes: whoever comes first puts it there. A node that has it puts it back into a
    /// Redis that came back empty.
    async fn salt(
        &self,
        connection: &mut MultiplexedConnection,
        day: &Day,
        mine: &[u8],
    ) -> RedisResult<Vec<u8>> {
        let name = format!("{}:salt:{}", self.parts.prefix, day.as_str());
        let (_, salt): (Option<String>, Vec<u8>) = redis::pipe()
            .cmd("SET")
            .arg(&name)
            .arg(mine)
            .arg("NX")
            .arg("EX")
            .arg(SALT_LIVES_S)
            .cmd("GET")
            .arg(&name)
            .query_async(connection)
            .await?;
        Ok(salt)
    }

    /// Holds one connection and keeps the day's key, until Redis does not answer any more.
    async fn hold(
        &self,
        mut connection: MultiplexedConnection,
        known: &mut Option<(Day, Vec<u8>)>,
    ) -> RedisResult<()> {
        loop {
            let day = self.parts.clock.today();
            let mine = match known {
                Some((known_day, salt)) if *known_day == day => salt.clone(),
                _ => self.new_salt(),
            };
            let salt = self.salt(&mut connection, &day, &mine).await?;
            let seen = Some((day, salt));
            if *known != seen {
                known.clone_from(&seen);
                if let Some((day, salt)) = seen
                    && let Some(key) = DataKey::from_bytes(&self.parts.key.tag(&salt))
                {
                    self.parts.addresses.share(day, key);
                }
            }
            self.offer(&connection);
            tokio::time::sleep(SALT_EVERY).await;
        }
    }

    /// From here on checks go over this connection, if they have none.
    fn offer(&self, connection: &MultiplexedConnection) {
        let mut held = lock(&self.connection);
        if held.is_none() {
            *held = Some(connection.clone());
            *lock(&self.breaker) = Breaker::default();
        }
    }

    fn new_salt(&self) -> Vec<u8> {
        let mut salt = vec![0; KEY_BYTES];
        self.parts.chance.fill(&mut salt);
        salt
    }
}

async fn keep(shared: Arc<Shared>, client: redis::Client) {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(shared.parts.answer_within))
        .set_response_timeout(Some(shared.parts.answer_within));
    let mut known = None;
    let mut n_failures = 0;
    loop {
        if let Ok(connection) = client
            .get_multiplexed_async_connection_with_config(&config)
            .await
        {
            // It only ends with an error, of which the bus tells already.
            let _ = shared.hold(connection, &mut known).await;
            if lock(&shared.connection).take().is_some() {
                n_failures = 0;
            }
        }
        n_failures += 1;
        tokio::time::sleep(AGAIN.after(n_failures, &*shared.parts.chance)).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The quotas of this node and, with Redis, those of all nodes.
#[derive(Debug)]
pub struct Quotas {
    own: Arc<Rates>,
    cluster: Option<Cluster>,
}

impl Quotas {
    /// Both; without a cluster the node is alone.
    pub fn new(own: Arc<Rates>, cluster: Option<Cluster>) -> Self {
        Self { own, cluster }
    }

    /// Counts one for all nodes, or says how long to wait; for this node alone while Redis does not answer. No failure
    /// of Redis refuses anybody.
    ///
    /// # Errors
    /// [`RetryAfter`]; nothing was counted then.
    pub async fn check(&self, bucket: Bucket, key: RateKey) -> Result<(), RetryAfter> {
        let answer = match &self.cluster {
            Some(cluster) => cluster.check(bucket, key).await,
            None => None,
        };
        match answer {
            Some(Ok(())) => {
                // Counted here, too, so that nobody has a fresh burst when Redis goes.
                let _ = self.own.check(bucket, key);
                Ok(())
            }
            Some(Err(wait)) => Err(wait),
            None => self.own.check(bucket, key),
        }
    }
}

#[cfg(test)]
mod tests;
