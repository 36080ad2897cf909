//! Logs and numbers, without any body, handle, address or cookie.
//!
//! Logs go to standard error. Numbers are read at `/metrics` on a private address. A room's id is the finest
//! thing a log line may name, and no label names a room or a person at all: a series for one room would
//! tell the hours of one person.

use std::io;
use std::panic::PanicHookInfo;
use std::time::Duration;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use tracing::Level;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::settings::LogFormat;

/// How often [`Numbers::upkeep`] should run.
pub const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The names of all numbers. Each is described at start, so that `/metrics` explains itself.
pub mod names {
    /// Counter, by `status` (its hundreds) and `route` (the template): requests answered.
    pub const REQUESTS: &str = "engawa_requests_total";
    /// Histogram, seconds: from head to answer.
    pub const REQUEST_SECONDS: &str = "engawa_request_seconds";
    /// Gauge: sockets open on this node.
    pub const SOCKETS: &str = "engawa_sockets";
    /// Counter, by `code`: sockets closed by this node.
    pub const SOCKETS_CLOSED: &str = "engawa_sockets_closed_total";
    /// Counter: frames read.
    pub const FRAMES_IN: &str = "engawa_frames_in_total";
    /// Counter: frames written.
    pub const FRAMES_OUT: &str = "engawa_frames_out_total";
    /// Counter: frames that went to all of a room, times those who got them.
    pub const DELIVERIES: &str = "engawa_deliveries_total";
    /// Gauge: rooms live on this node.
    pub const ROOMS: &str = "engawa_rooms";
    /// Counter: lines acknowledged.
    pub const LINES: &str = "engawa_lines_total";
    /// Counter, by `code`: frames refused.
    pub const REFUSED: &str = "engawa_refused_total";
    /// Histogram, seconds: from a line's frame to its acknowledgement.
    pub const ACK_SECONDS: &str = "engawa_ack_seconds";
    /// Histogram, lines: how many lines one commit carried.
    pub const COMMIT_LINES: &str = "engawa_commit_lines";
    /// Histogram, seconds: one group commit.
    pub const COMMIT_SECONDS: &str = "engawa_commit_seconds";
    /// Counter: transactions tried again because another was first (a deadlock, or rows that changed meanwhile).
    pub const STORE_RETRIES: &str = "engawa_store_retries_total";
    /// Histogram, seconds: the assessment of one line.
    pub const ASSESS_SECONDS: &str = "engawa_assess_seconds";
    /// Counter, by `rule` and `did` (`found`, `cancelled`, `trial`): what the rules of the lexicon did.
    pub const RULES: &str = "engawa_rules_total";
    /// Counter: lines read from the store because the bus had lost them.
    pub const GAPS_FILLED: &str = "engawa_gaps_filled_total";
    /// Gauge, with Redis: 1 while this node hears of the others, else 0.
    pub const BUS_CONNECTED: &str = "engawa_bus_connected";
    /// Counter, with Redis: connections begun; every one after the first subscribes to everything again.
    pub const BUS_CONNECTIONS: &str = "engawa_bus_connections_total";
    /// Counter, by `way` (`in`, `out`): hints dropped; the rooms read the store instead.
    pub const BUS_DROPPED: &str = "engawa_bus_dropped_total";
    /// Counter: hints that no node with this key file sealed. Anything but 0 is a wrong key file, or somebody at Redis.
    pub const BUS_FOREIGN: &str = "engawa_bus_foreign_total";
    /// Counter, with Redis: quotas that a node decided alone because Redis did not answer in time.
    pub const LIMITS_FALLBACK: &str = "engawa_limits_fallback_total";
    /// Counter, by `part`: failures that a person may have felt.
    pub const FAILURES: &str = "engawa_failures_total";
    /// Gauge: data keys open in this node's memory.
    pub const KEYS_HELD: &str = "engawa_keys_held";
    /// Counter: panics. Anything but 0 is a bug.
    pub const PANICS: &str = "engawa_panics_total";
}

/// Bounds of the histograms in seconds: from what nobody notices to what everybody does.
const SECONDS: [f64; 14] = [
    0.000_1, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];
const LINES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Why telemetry did not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log` is no filter.
    #[error("the setting log is no filter such as \"info\" or \"engawa=debug,info\"")]
    Filter,
    /// The process has a subscriber or a recorder already.
    #[error("telemetry was started twice")]
    Twice,
}

/// Begins to log to standard error. Once a process.
///
/// Whatever the filter says, libraries are never heard below `info`: at `trace` some of them print the bytes that pass
/// through them, and those are what people write.
pub fn start_log(filter: &str, format: LogFormat) -> Result<(), TelemetryError> {
    let asked = EnvFilter::try_new(filter).map_err(|_| TelemetryError::Filter)?;
    let filter = asked.and(filter_fn(|event| {
        *event.level() <= Level::INFO || event.target().starts_with(OWN_TARGET)
    }));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false);
    let registry = tracing_subscriber::registry();
    match format {
        LogFormat::Text => registry.with(lines.with_filter(filter)).try_init(),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true);
            registry.with(lines.with_filter(filter)).try_init()
        }
    }
    .map_err(|_| TelemetryError::Twice)
}

/// The target of what this program itself logs.
const OWN_TARGET: &str = "engawa";

/// Logs where a panic happened and not what it said: a panic's text may quote what somebody wrote.
pub fn hook_panics() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let place = panic
            .location()
            .map_or_else(|| "somewhere".to_owned(), ToString::to_string);
        metrics::counter!(names::PANICS).increment(1);
        tracing::error!(place, "a bug: a task panicked");
    }));
}

/// The numbers of this process. Cheap to clone.
#[derive(Clone)]
pub struct Numbers(PrometheusHandle);

impl std::fmt::Debug for Numbers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Numbers …")
    }
}

impl Numbers {
    /// Begins to count. Once a process.
    pub fn start() -> Result<Self, TelemetryError> {
        let recorder = recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|_| TelemetryError::Twice)?;
        describe();
        Ok(Self(handle))
    }

    /// The text of `/metrics`.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds what histograms gathered; without it they grow. For a timer of [`UPKEEP_EVERY`].
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Full(names::COMMIT_LINES.to_owned()), &LINES)
        })
        .expect("the bounds are not empty")
        .build_recorder()
}

fn describe() {
    use names::*;
    describe_counter!(REQUESTS, "Requests answered");
    describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "From a request's head to its answer"
    );
    describe_gauge!(SOCKETS, "Sockets open on this node");
    describe_counter!(SOCKETS_CLOSED, "Sockets closed by this node, by close code");
    describe_counter!(FRAMES_IN, "Frames read");
    describe_counter!(FRAMES_OUT, "Frames written");
    describe_counter!(
        DELIVERIES,
        "Frames to all of a room, times those who got them"
    );
    describe_gauge!(ROOMS, "Rooms live on this node");
    describe_counter!(LINES, "Lines acknowledged");
    describe_counter!(REFUSED, "Frames refused, by code");
    describe_histogram!(
        ACK_SECONDS,
        Unit::Seconds,
        "From a line's frame to its acknowledgement"
    );
    describe_histogram!(COMMIT_LINES, "Lines in one commit");
    describe_histogram!(COMMIT_SECONDS, Unit::Seconds, "One group commit");
    describe_counter!(
        STORE_RETRIES,
        "Transactions tried again because another was first"
    );
    describe_histogram!(ASSESS_SECONDS, Unit::Seconds, "The assessment of one line");
    describe_counter!(
        RULES,
        "What the rules of the lexicon did, by rule and by what"
    );
    describe_counter!(
        GAPS_FILLED,
        "Lines read from the store because the bus had lost them"
    );
    describe_gauge!(
        BUS_CONNECTED,
        "1 while this node hears of the others over Redis, else 0"
    );
    describe_counter!(
        BUS_CONNECTIONS,
        "Connections to Redis begun; every one after the first subscribes to everything again"
    );
    describe_counter!(
        BUS_DROPPED,
        "Hints dropped, by way; the rooms read the store instead"
    );
    describe_counter!(
        BUS_FOREIGN,
        "Hints that no node with this key file sealed; anything but 0 is a wrong key file, or somebody at Redis"
    );
    describe_counter!(
        LIMITS_FALLBACK,
        "Quotas that this node decided alone because Redis did not answer in time"
    );
    describe_counter!(FAILURES, "Failures that a person may have felt, by part");
    describe_gauge!(KEYS_HELD, "Data keys open in this node's memory");
    describe_counter!(PANICS, "Panics; anything but 0 is a bug");
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn numbers_come_out_as_text_with_their_meaning() {
        let recorder = recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            describe();
            metrics::counter!(names::LINES).increment(3);
            metrics::gauge!(names::SOCKETS).set(2.0);
            metrics::histogram!(names::ACK_SECONDS).record(0.003);
            metrics::histogram!(names::COMMIT_LINES).record(5.0);
        });
        handle.run_upkeep();
        let text = handle.render();
        for line in [
            "# HELP engawa_lines_total Lines acknowledged",
            "engawa_lines_total 3",
            "engawa_sockets 2",
            "engawa_ack_seconds_bucket{le=\"0.005\"} 1",
            "engawa_commit_lines_bucket{le=\"4\"} 0",
            "engawa_commit_lines_bucket{le=\"8\"} 1",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn a_wrong_filter_is_told_not_ignored() {
        let refused = start_log("engawa=loud=very", LogFormat::Text);
        assert!(matches!(refused, Err(TelemetryError::Filter)));
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn p5_a_panic_is_logged_with_its_place_and_without_its_words() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .finish();
        let before = std::panic::take_hook();
        tracing::subscriber::with_default(subscriber, || {
            hook_panics();
            let _ = std::panic::catch_unwind(|| panic!("つらいです"));
        });
        std::panic::set_hook(before);
        let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(logged.contains("telemetry.rs"), "{logged}");
        assert!(!logged.contains("つらい"), "{logged}");
    }
}
