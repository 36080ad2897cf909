//! File, then environment, then flags; checked whole at start.
//!
//! Every number that decides something has a name, a unit and a reason here. A start with any wrong setting
//! lists all of them and does not begin: a typing error in a limit must not be found out on a bad evening.

mod reading;
mod topics;

use std::fmt::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use reading::{Given, Read};
pub use reading::{Overrides, Problems};
pub use topics::{
    Decide, Demo, Limits, LogFormat, Moderation, Redis, Rooms, Sessions, Slips, Store,
};

use super::ids::{NodeId, Secret};

/// The settings file that is read when none is named and this one exists.
pub const DEFAULT_FILE: &str = "engawa.toml";

/// Everything an operator can set. [`Settings::load`] makes it; tests begin with [`Settings::default`].
#[derive(Clone)]
pub struct Settings {
    /// Where the pages and the socket answer. Port 0 lets the system choose. Loopback by default: a proxy with TLS
    /// stands in front.
    pub listen: SocketAddr,
    /// Where the pages of people with powers answer instead, if they are to have an address of their own.
    pub staff_listen: Option<SocketAddr>,
    /// Where `/metrics` answers; a private address. Unset: nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// The address people type, without a trailing slash. When it is https, cookies are `Secure`.
    pub public_url: Option<String>,
    /// The folder for everything that is a file.
    pub data_dir: PathBuf,
    /// `sqlite:FILE` or `postgres://…`. Default: `engawa.db` in the data folder.
    pub database_url: Secret,
    /// The key store: never in the database's folder or cluster, never in a backup. Default: `keys/keys.db` in the data folder.
    pub keys_url: Secret,
    /// The key-encryption key. Default: `engawa.key` in the data folder; keep a copy apart.
    pub key_file: PathBuf,
    /// `redis://…` for several nodes. Unset: the in-process bus.
    pub redis_url: Option<Secret>,
    /// What the names of all channels and keys in Redis begin with; of several centres on one Redis each needs its own.
    pub redis_prefix: String,
    /// Further origins whose pages may open the socket, such as `https://example.jp`.
    pub origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// A program and its arguments, run for each alert with its kind as the last argument: a message to the duty telephone.
    pub alert_command: Vec<String>,
    /// This node's name among several. Unset: a random one.
    pub node: Option<NodeId>,
    /// What is logged, in the form of `RUST_LOG`. Default: `info`.
    pub log: String,
    /// How it is logged: `text` for people, `json` for programs.
    pub log_format: LogFormat,
    /// What one person, address or connection may do.
    pub limits: Limits,
    /// The clocks of rooms and sockets.
    pub rooms: Rooms,
    /// How long people stay logged in.
    pub sessions: Sessions,
    /// What the assessment of a line does.
    pub moderation: Moderation,
    /// 案内カード.
    pub slips: Slips,
    /// The folder of the lexicon, instead of the one that is compiled in. Read anew when its files change.
    pub lexicon_dir: Option<PathBuf>,
    /// The sample centre.
    pub demo: Demo,
    /// Connections to the database.
    pub store: Store,
    /// What holds between nodes.
    pub redis: Redis,
    /// systemd's folder of credentials (`CREDENTIALS_DIRECTORY`), where the key-encryption key may lie.
    pub credentials_folder: Option<PathBuf>,
    /// The settings file that was read, if any.
    pub file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self::take(&mut Given::default()).expect("the defaults are right; a test reads them")
    }
}

impl Settings {
    /// Reads the file (`engawa.toml` in the working folder when none is named and there is one), the
    /// environment of the process, and the flags. The only place that reads the environment.
    pub fn from_process(file: Option<&Path>, flags: &Overrides) -> Result<Self, Problems> {
        let default = Path::new(DEFAULT_FILE);
        let file = file.or_else(|| default.exists().then_some(default));
        // A variable that is no Unicode cannot be one of ours.
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self::load(file, environment, flags)
    }

    /// As [`Settings::from_process`], with everything handed in.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &Overrides,
    ) -> Result<Self, Problems> {
        let mut given = Given::default();
        if let Some(path) = file {
            given.add_file(path);
        }
        let credentials_folder = given.add_environment(environment);
        given.add_flags(flags);
        let mut settings = Self::take(&mut given)?;
        settings.file = file.map(Path::to_owned);
        settings.credentials_folder = credentials_folder;
        Ok(settings)
    }

    fn take(given: &mut Given) -> Result<Self, Problems> {
        let data_dir: PathBuf = given
            .take("data_dir")
            .unwrap_or_else(|| "./engawa-data".into());
        let within = |name: &str| data_dir.join(name);
        let sqlite = |name: &str| Secret::new(format!("sqlite:{}", within(name).display()));
        let loopback = SocketAddr::from(([127, 0, 0, 1], 8080));
        let settings = Self {
            listen: given.take("listen").unwrap_or(loopback),
            staff_listen: given.take("staff_listen"),
            metrics_listen: given.take("metrics_listen"),
            public_url: given.take("public_url").map(|PublicUrl(url)| url),
            database_url: given
                .take("database_url")
                .map_or_else(|| sqlite("engawa.db"), |DatabaseUrl(url)| url),
            keys_url: given
                .take("keys_url")
                .map_or_else(|| sqlite("keys/keys.db"), |DatabaseUrl(url)| url),
            key_file: given
                .take("key_file")
                .unwrap_or_else(|| within("engawa.key")),
            redis_url: given.take("redis_url").map(|RedisUrl(url)| url),
            redis_prefix: given
                .take("redis_prefix")
                .map_or_else(|| "engawa".to_owned(), |RedisPrefix(prefix)| prefix),
            origins: given
                .take::<Vec<PublicUrl>>("origins")
                .map_or_else(Vec::new, |urls| {
                    urls.into_iter().map(|PublicUrl(url)| url).collect()
                }),
            trusted_proxies: given.take("trusted_proxies").unwrap_or_default(),
            alert_command: given.take("alert_command").unwrap_or_default(),
            node: given.take("node"),
            log: given.take("log").unwrap_or_else(|| "info".to_owned()),
            log_format: given.take("log_format").unwrap_or_default(),
            limits: Limits::take(given),
            rooms: Rooms::take(given),
            sessions: Sessions::take(given),
            moderation: Moderation::take(given),
            slips: Slips::take(given),
            lexicon_dir: given.take("moderation.lexicon_dir"),
            demo: Demo::take(given),
            store: Store::take(given),
            redis: Redis::take(given),
            credentials_folder: None,
            file: None,
            data_dir,
        };
        settings.check_together(given);
        given.finish()?;
        Ok(settings)
    }

    /// What no setting shows alone.
    fn check_together(&self, given: &mut Given) {
        let others = [
            ("staff_listen", self.staff_listen),
            ("metrics_listen", self.metrics_listen),
        ];
        for (name, address) in others {
            if address == Some(self.listen) && self.listen.port() != 0 {
                given.refuse(name, "must differ from `listen`");
            }
        }
        if self.staff_listen.is_some_and(|a| a.port() != 0)
            && self.staff_listen == self.metrics_listen
        {
            given.refuse("metrics_listen", "must differ from `staff_listen`");
        }
        if self.database_url == self.keys_url {
            given.refuse(
                "keys_url",
                "must differ from `database_url`: a backup must not contain the keys",
            );
        }
        // Six bytes is the longest form of one character in JSON; the rest of a frame is names and numbers.
        if self.limits.frame_bytes_max < self.limits.body_chars_max * 6 + 512 {
            given.refuse(
                "limits.frame_bytes_max",
                "is too small for a line of `limits.body_chars_max` characters (6 bytes each and 512 more)",
            );
        }
        if self.rooms.lease_ms <= self.rooms.ping_ms {
            given.refuse(
                "rooms.lease_ms",
                "must be longer than `rooms.ping_ms`: every pong renews the duty",
            );
        }
        if self.rooms.pause_after_ms < self.rooms.slow_after_ms {
            given.refuse(
                "rooms.pause_after_ms",
                "must not be shorter than `rooms.slow_after_ms`",
            );
        }
    }

    /// Whether cookies are `Secure` and carry the `__Host-` prefix.
    pub fn secure_cookies(&self) -> bool {
        self.public_url
            .as_deref()
            .is_some_and(|url| url.starts_with("https://"))
    }

    /// Whether a page of this origin may open the socket on the host that was called (the request's `Host`). The
    /// scheme called is that of the public address, plain http without one.
    pub fn origin_allowed(&self, origin: &str, host: &str) -> bool {
        let Some((scheme, rest)) = origin.split_once("://") else {
            return false;
        };
        let called = if self.secure_cookies() {
            "https"
        } else {
            "http"
        };
        (scheme.eq_ignore_ascii_case(called) && !host.is_empty() && rest.eq_ignore_ascii_case(host))
            || self
                .origins
                .iter()
                .any(|known| known.eq_ignore_ascii_case(origin))
    }

    /// All settings, one `name = value` a line, secrets out: for `doctor`.
    pub fn printed(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, value: &dyn fmt::Display| {
            let _ = writeln!(out, "{name} = {value}");
        };
        let unset = "(unset)".to_owned();
        let or_unset = |value: Option<String>| value.unwrap_or_else(|| unset.clone());
        line("listen", &self.listen);
        line(
            "staff_listen",
            &or_unset(self.staff_listen.map(|a| a.to_string())),
        );
        line(
            "metrics_listen",
            &or_unset(self.metrics_listen.map(|a| a.to_string())),
        );
        line("public_url", &or_unset(self.public_url.clone()));
        line("data_dir", &self.data_dir.display());
        line("database_url", &without_secrets(&self.database_url));
        line("keys_url", &without_secrets(&self.keys_url));
        line("key_file", &self.key_file.display());
        line(
            "redis_url",
            &or_unset(self.redis_url.as_ref().map(without_secrets)),
        );
        line("redis_prefix", &self.redis_prefix);
        line("origins", &format_args!("{:?}", self.origins));
        line(
            "alert_command",
            // What it is may hold a secret; that it is set does not.
            &if self.alert_command.is_empty() {
                "unset"
            } else {
                "set"
            },
        );
        line(
            "trusted_proxies",
            &format_args!("{:?}", self.trusted_proxies),
        );
        line(
            "node",
            &or_unset(self.node.as_ref().map(ToString::to_string)),
        );
        line("log", &self.log);
        line("log_format", &self.log_format);
        self.limits.print(&mut line);
        self.rooms.print(&mut line);
        self.sessions.print(&mut line);
        self.moderation.print(&mut line);
        self.slips.print(&mut line);
        line(
            "moderation.lexicon_dir",
            &or_unset(
                self.lexicon_dir
                    .as_ref()
                    .map(|folder| folder.display().to_string()),
            ),
        );
        self.demo.print(&mut line);
        self.store.print(&mut line);
        self.redis.print(&mut line);
        out
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.printed())
    }
}

/// The engine and, of SQLite, the file; of the others nothing, as they hold passwords and hosts.
fn without_secrets(url: &Secret) -> String {
    match url.expose().split_once(':') {
        Some(("sqlite", _)) => url.expose().to_owned(),
        Some((scheme, _)) => format!("{scheme}:…"),
        None => "…".to_owned(),
    }
}

/// `http(s)://host[:port]`, with nothing after it.
struct PublicUrl(String);

impl Read for PublicUrl {
    fn read(value: &toml::Value) -> Result<Self, String> {
        let url = String::read(value)?;
        let url = url.trim_end_matches('/');
        let host = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"));
        match host {
            Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => {
                Ok(Self(url.to_ascii_lowercase()))
            }
            _ => Err(
                "must be https://host or http://host, with a port if needed and no path".to_owned(),
            ),
        }
    }
}

struct DatabaseUrl(Secret);

impl Read for DatabaseUrl {
    fn read(value: &toml::Value) -> Result<Self, String> {
        let url = String::read(value)?;
        let known = ["sqlite:", "postgres:", "postgresql:"];
        if known.iter().any(|scheme| url.starts_with(scheme)) {
            Ok(Self(Secret::new(url)))
        } else {
            Err("must begin with sqlite: or postgres:".to_owned())
        }
    }
}

struct RedisUrl(Secret);

impl Read for RedisUrl {
    fn read(value: &toml::Value) -> Result<Self, String> {
        let url = String::read(value)?;
        if url.starts_with("redis://") || url.starts_with("rediss://") {
            Ok(Self(Secret::new(url)))
        } else {
            Err("must begin with redis:// or rediss://".to_owned())
        }
    }
}

struct RedisPrefix(String);

impl Read for RedisPrefix {
    fn read(value: &toml::Value) -> Result<Self, String> {
        let prefix = String::read(value)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
        if (1..=64).contains(&prefix.len()) && prefix.chars().all(allowed) {
            Ok(Self(prefix))
        } else {
            Err("must be 1 to 64 letters, digits, _ - . or :".to_owned())
        }
    }
}

impl Read for NodeId {
    fn read(value: &toml::Value) -> Result<Self, String> {
        Self::parse(&String::read(value)?)
            .ok_or_else(|| "must be 1 to 64 letters, digits, _ or -".to_owned())
    }
}

#[cfg(test)]
mod tests;
