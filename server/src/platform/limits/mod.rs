//! Rates a node allows, and with Redis all nodes together, per key.
//!
//! Keys are opaque: a handle, a socket or an address goes in as a hash and cannot be read back. An address is
//! hashed under a key that lives for one day, in the memory of the nodes only, so that no dump of a limiter says
//! who was here, and nothing joins up two days (promise 5). A limit slows; it never marks anybody (promise 7).

mod breaker;
mod cluster;

pub use cluster::{Cluster, ClusterParts, Quotas};

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as Ticks, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use ipnet::IpNet;

use super::clock::{Clock, Day, wait_ms};
use super::ids::Chance;
use super::sealing::DataKey;
use super::settings;

/// How often [`Rates::upkeep`] should run: keyed limiters only grow by themselves.
pub const UPKEEP_EVERY: Duration = Duration::from_secs(60);

/// What is counted, each with its own quota in the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// Lines, by handle.
    Say,
    /// Frames of any type, by socket.
    Frames,
    /// New handles, by address.
    Handles,
    /// Tries to log in, by account and by address.
    Logins,
    /// Tries to come back by words, by address.
    Recover,
    /// Tries of a slip's number, by address.
    Slips,
    /// New sockets, by address.
    Upgrades,
}

impl Bucket {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Say => "say",
            Self::Frames => "frames",
            Self::Handles => "handles",
            Self::Logins => "logins",
            Self::Recover => "recover",
            Self::Slips => "slips",
            Self::Upgrades => "upgrades",
        }
    }
}

/// How many at once, and after which time one more.
fn quota(limits: &settings::Limits, bucket: Bucket) -> (NonZeroU32, Duration) {
    let (burst, interval) = match bucket {
        Bucket::Say => (limits.say_burst, wait_ms(limits.say_interval_ms)),
        Bucket::Frames => (
            limits.frames_per_10s,
            Duration::from_secs(10) / limits.frames_per_10s.max(1),
        ),
        Bucket::Handles => (limits.handles_burst, wait_ms(limits.handles_interval_ms)),
        Bucket::Logins => (limits.logins_burst, wait_ms(limits.logins_interval_ms)),
        Bucket::Recover => (limits.recover_burst, wait_ms(limits.recover_interval_ms)),
        Bucket::Slips => (limits.slips_burst, wait_ms(limits.slips_interval_ms)),
        Bucket::Upgrades => (limits.upgrades_burst, wait_ms(limits.upgrades_interval_ms)),
    };
    (
        NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN),
        interval.max(Duration::from_nanos(1)),
    )
}

/// Whom a quota is for, as a hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateKey(u64);

impl fmt::Debug for RateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Too fast: nothing was counted, and after this wait one more is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too fast")]
pub struct RetryAfter(pub Duration);

impl RetryAfter {
    /// For `retry_after_ms` of a frame: rounded up, at least 1.
    pub fn ms(self) -> u64 {
        let ms = self.0.as_nanos().div_ceil(1_000_000).max(1);
        u64::try_from(ms).unwrap_or(u64::MAX)
    }

    /// For the `Retry-After` header: whole seconds, rounded up, at least 1.
    pub fn seconds(self) -> u64 {
        self.ms().div_ceil(1000)
    }
}

type Keyed<C> =
    RateLimiter<RateKey, DashMapStateStore<RateKey>, C, NoOpMiddleware<<C as Ticks>::Instant>>;

/// All rates of this node. Each check is an atomic step of some hundred nanoseconds; nothing waits.
pub struct Rates<C: Ticks = DefaultClock> {
    say: Keyed<C>,
    frames: Keyed<C>,
    handles: Keyed<C>,
    logins: Keyed<C>,
    recover: Keyed<C>,
    slips: Keyed<C>,
    upgrades: Keyed<C>,
    hasher: RandomState,
}

impl<C: Ticks> fmt::Debug for Rates<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rates …")
    }
}

impl Rates {
    /// Rates as the settings say.
    pub fn new(limits: &settings::Limits) -> Self {
        Self::on(limits, &DefaultClock::default())
    }
}

impl<C: Ticks + Clone> Rates<C> {
    /// As [`Rates::new`], on a clock that a test owns.
    pub fn on(limits: &settings::Limits, ticks: &C) -> Self {
        let keyed = |bucket| {
            let (burst, interval) = quota(limits, bucket);
            let quota = Quota::with_period(interval)
                .expect("the period is not zero")
                .allow_burst(burst);
            RateLimiter::new(quota, DashMapStateStore::default(), ticks.clone())
        };
        Self {
            say: keyed(Bucket::Say),
            frames: keyed(Bucket::Frames),
            handles: keyed(Bucket::Handles),
            logins: keyed(Bucket::Logins),
            recover: keyed(Bucket::Recover),
            slips: keyed(Bucket::Slips),
            upgrades: keyed(Bucket::Upgrades),
            hasher: RandomState::new(),
        }
    }

    /// The key of anything but an address: a handle's id, an account's, a socket's number.
    pub fn key(&self, whom: &[u8]) -> RateKey {
        RateKey(self.hasher.hash_one(whom))
    }

    /// Counts one, or says how long to wait; what is refused is not counted.
    pub fn check(&self, bucket: Bucket, key: RateKey) -> Result<(), RetryAfter> {
        let limiter = self.limiter(bucket);
        limiter
            .check_key(&key)
            .map_err(|until| RetryAfter(until.wait_time_from(limiter.clock().now())))
    }

    /// Drops every key that has its whole burst again. For a timer of [`UPKEEP_EVERY`].
    pub fn upkeep(&self) {
        for bucket in [
            Bucket::Say,
            Bucket::Frames,
            Bucket::Handles,
            Bucket::Logins,
            Bucket::Recover,
            Bucket::Slips,
            Bucket::Upgrades,
        ] {
            let limiter = self.limiter(bucket);
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    /// How many keys a bucket holds: a number for metrics.
    pub fn n_keys(&self, bucket: Bucket) -> usize {
        self.limiter(bucket).len()
    }

    fn limiter(&self, bucket: Bucket) -> &Keyed<C> {
        match bucket {
            Bucket::Say => &self.say,
            Bucket::Frames => &self.frames,
            Bucket::Handles => &self.handles,
            Bucket::Logins => &self.logins,
            Bucket::Recover => &self.recover,
            Bucket::Slips => &self.slips,
            Bucket::Upgrades => &self.upgrades,
        }
    }
}

/// Hashes addresses, and whom else all nodes count together, under a key of the day. The key is never stored, sent or
/// printed.
pub struct AddressKeys {
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    /// A plain mutex: it guards one key, and nothing waits while it is held.
    today: Mutex<(Day, DataKey)>,
}

impl fmt::Debug for AddressKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddressKeys …")
    }
}

impl AddressKeys {
    /// Begins with a fresh key.
    pub fn new(clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Self {
        let today = Mutex::new((clock.today(), DataKey::new(&*chance)));
        Self {
            clock,
            chance,
            today,
        }
    }

    /// The key of an address's network: IPv4 as it is, IPv6 to /56, as providers hand out whole networks.
    pub fn key(&self, address: IpAddr) -> RateKey {
        match address.to_canonical() {
            IpAddr::V4(v4) => self.tag(&v4.octets()),
            IpAddr::V6(v6) => self.tag(&v6.octets()[..7]),
        }
    }

    /// The key of somebody who is no address, at a network or anywhere.
    pub fn key_of(&self, at: Option<RateKey>, whom: &str) -> RateKey {
        let mut data = b"whom:".to_vec();
        data.extend_from_slice(&at.map_or(0, |at| at.0).to_le_bytes());
        data.extend_from_slice(whom.as_bytes());
        self.tag(&data)
    }

    /// Takes the day's key that all nodes have.
    fn share(&self, day: Day, key: DataKey) {
        *self.today.lock().unwrap_or_else(PoisonError::into_inner) = (day, key);
    }

    fn tag(&self, data: &[u8]) -> RateKey {
        let day = self.clock.today();
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if today.0 != day {
            *today = (day, DataKey::new(&*self.chance));
        }
        let tag = today.1.tag(data);
        let (head, _) = tag.split_first_chunk().expect("a tag has 32 bytes");
        RateKey(u64::from_le_bytes(*head))
    }
}

/// The address of the client: the peer itself, unless that is a proxy we trust. Then the nearest address in
/// `X-Forwarded-For` (all its headers, in their order) that is no trusted proxy; what stands further left
/// may be invented by the client. Something unreadable there counts as the proxy that let it through.
pub fn client_address<'a>(
    peer: IpAddr,
    forwarded_for: impl IntoIterator<Item = &'a str>,
    trusted: &[IpNet],
) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let mut nearest = peer.to_canonical();
    if !is_trusted(nearest) {
        return nearest;
    }
    let hops: Vec<&str> = forwarded_for
        .into_iter()
        .flat_map(|header| header.split(','))
        .collect();
    for hop in hops.into_iter().rev() {
        let Some(address) = parse_hop(hop.trim()) else {
            break;
        };
        nearest = address;
        if !is_trusted(address) {
            break;
        }
    }
    nearest
}

/// An address, with a port or without.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .and_then(|inner| inner.parse::<Ipv6Addr>().ok())
        .map(IpAddr::V6);
    bare.or_else(|| hop.parse().ok())
        .or_else(|| {
            hop.parse::<SocketAddr>()
                .ok()
                .map(|with_port| with_port.ip())
        })
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;
    use crate::platform::clock::TestClock;
    use crate::platform::ids::SystemChance;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_burst_passes_then_one_an_interval() {
        let ticks = FakeRelativeClock::default();
        let rates = Rates::on(&settings::Limits::default(), &ticks);
        let key = rates.key(b"handle");
        for _ in 0..5 {
            assert_eq!(rates.check(Bucket::Say, key), Ok(()));
        }
        let wait = rates.check(Bucket::Say, key).unwrap_err();
        assert_eq!(wait.0, Duration::from_secs(2));
        assert_eq!((wait.ms(), wait.seconds()), (2000, 2));
        assert_eq!(rates.check(Bucket::Say, rates.key(b"another")), Ok(()));
        assert_eq!(
            rates.check(Bucket::Logins, key),
            Ok(()),
            "buckets are apart"
        );
        ticks.advance(wait.0);
        assert_eq!(rates.check(Bucket::Say, key), Ok(()));
        assert!(rates.check(Bucket::Say, key).is_err());
    }

    #[test]
    fn a_hundred_frames_in_ten_seconds_pass_and_no_more() {
        let ticks = FakeRelativeClock::default();
        let rates = Rates::on(&settings::Limits::default(), &ticks);
        let key = rates.key(b"socket");
        let n_passed = (0..150)
            .filter(|_| rates.check(Bucket::Frames, key).is_ok())
            .count();
        assert_eq!(n_passed, 100);
        ticks.advance(Duration::from_secs(10));
        assert_eq!(rates.check(Bucket::Frames, key), Ok(()));
    }

    #[test]
    fn limits_for_measuring_stop_nobody() {
        let limits = settings::Limits {
            say_burst: 1_000_000,
            say_interval_ms: 1,
            frames_per_10s: 1_000_000_000,
            ..settings::Limits::default()
        };
        let rates = Rates::new(&limits);
        let key = rates.key(b"handle");
        for bucket in [Bucket::Say, Bucket::Frames] {
            assert!((0..10_000).all(|_| rates.check(bucket, key).is_ok()));
        }
    }

    #[test]
    fn keys_that_have_their_burst_again_are_dropped() {
        let ticks = FakeRelativeClock::default();
        let rates = Rates::on(&settings::Limits::default(), &ticks);
        for n in 0..100_u32 {
            let _ = rates.check(Bucket::Handles, rates.key(&n.to_le_bytes()));
        }
        assert_eq!(rates.n_keys(Bucket::Handles), 100);
        ticks.advance(Duration::from_secs(3600));
        rates.upkeep();
        assert_eq!(rates.n_keys(Bucket::Handles), 0);
    }

    #[test]
    fn p5_an_address_is_a_network_today_and_nobody_tomorrow() {
        let clock = TestClock::default();
        let keys = AddressKeys::new(Arc::new(clock.clone()), Arc::new(SystemChance));
        let key = |text| keys.key(address(text));
        let today = key("192.0.2.1");
        assert!(key("192.0.2.1") == today);
        assert!(key("192.0.2.2") != today);
        assert!(
            key("::ffff:192.0.2.1") == today,
            "one address, two spellings"
        );
        assert!(key("2001:db8:1:200::1") == key("2001:db8:1:2ff::9"));
        assert!(key("2001:db8:1:200::1") != key("2001:db8:1:300::1"));
        clock.advance(Duration::from_secs(86_400));
        assert!(key("192.0.2.1") != today);
        assert_eq!(format!("{today:?} {keys:?}"), "… AddressKeys …");
    }

    #[test]
    fn forwarded_addresses_count_only_behind_a_trusted_proxy() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        for (peer, headers, client) in [
            ("203.0.113.9", &["1.2.3.4"][..], "203.0.113.9"),
            ("10.0.0.1", &["1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", &["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", &["6.6.6.6", "1.2.3.4, 10.0.0.2"], "1.2.3.4"),
            ("10.0.0.1", &["1.2.3.4:5678"], "1.2.3.4"),
            ("::1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("::1", &["[2001:db8::1]"], "2001:db8::1"),
            ("::ffff:10.0.0.1", &["1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["1.2.3.4, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            let found = client_address(address(peer), headers.iter().copied(), &trusted);
            assert_eq!(found, address(client), "{peer} {headers:?}");
        }
    }
}
