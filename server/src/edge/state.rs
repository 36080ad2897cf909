//! What the handlers are handed: the parts, and what the edge itself keeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::assess::Assessor;
use super::listen::Drain;
use super::ws::Sockets;
use crate::features::identity::Identity;
use crate::features::rooms::{ConnId, Rooms};
use crate::platform::clock::Clock;
use crate::platform::ids::Chance;
use crate::platform::limits::{AddressKeys, Cluster, Quotas, Rates};
use crate::platform::settings::Settings;
use crate::platform::telemetry::Numbers;

/// A login that the demo's page offers as a button.
#[derive(Clone)]
pub struct DemoLogin {
    /// The account's id.
    pub id: String,
    /// Its role.
    pub role: crate::protocol::Role,
    /// Its password.
    pub password: crate::platform::ids::Secret,
    /// Its TOTP secret, base32.
    pub totp_secret: crate::platform::ids::Secret,
}

/// The parts, for the edge.
pub struct Edge {
    /// All settings.
    pub settings: Settings,
    /// Who somebody is.
    pub identity: Arc<Identity>,
    /// The rooms of this node.
    pub rooms: Rooms,
    /// What reads the lines.
    pub assessor: Arc<Assessor>,
    /// Quotas of this node alone: of what comes often, and of what costs this node.
    pub rates: Arc<Rates>,
    /// Quotas of all nodes together: of what somebody could try at each of them.
    pub quotas: Quotas,
    /// Hashes of addresses, for quotas alone.
    pub addresses: Arc<AddressKeys>,
    /// The sockets of this node.
    pub sockets: Sockets,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
    /// The end of the server.
    pub drain: Drain,
    /// Numbers for the private address.
    pub numbers: Option<Numbers>,
    /// The sample centre's logins; empty outside the demo.
    pub demo_logins: Vec<DemoLogin>,
    /// Whether this is the demo.
    pub demo: bool,
    conns: AtomicU64,
}

/// What [`Edge`] is made of.
pub struct EdgeParts {
    /// All settings.
    pub settings: Settings,
    /// Who somebody is.
    pub identity: Arc<Identity>,
    /// The rooms of this node.
    pub rooms: Rooms,
    /// What reads the lines.
    pub assessor: Arc<Assessor>,
    /// Hashes of addresses, for quotas alone.
    pub addresses: Arc<AddressKeys>,
    /// The quotas of all nodes, if there are several.
    pub cluster: Option<Cluster>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
    /// The end of the server.
    pub drain: Drain,
    /// Numbers for the private address.
    pub numbers: Option<Numbers>,
    /// The sample centre's logins; none outside the demo.
    pub demo_logins: Option<Vec<DemoLogin>>,
}

/// The edge, as handlers get it.
pub type EdgeState = Arc<Edge>;

impl Edge {
    /// The edge of a node.
    pub fn new(parts: EdgeParts) -> EdgeState {
        let rates = Arc::new(Rates::new(&parts.settings.limits));
        Arc::new(Self {
            quotas: Quotas::new(Arc::clone(&rates), parts.cluster),
            rates,
            addresses: parts.addresses,
            sockets: Sockets::default(),
            settings: parts.settings,
            identity: parts.identity,
            rooms: parts.rooms,
            assessor: parts.assessor,
            clock: parts.clock,
            chance: parts.chance,
            drain: parts.drain,
            numbers: parts.numbers,
            demo: parts.demo_logins.is_some(),
            demo_logins: parts.demo_logins.unwrap_or_default(),
            conns: AtomicU64::new(1),
        })
    }

    /// A number for a new connection, or for a form that asks a room something.
    pub fn next_conn(&self) -> ConnId {
        ConnId(self.conns.fetch_add(1, Ordering::Relaxed))
    }
}
