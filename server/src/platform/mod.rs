//! What every feature stands on; it knows no feature.

pub mod backoff;
pub mod bus;
pub mod calendar;
pub mod clock;
pub mod ids;
pub mod keys;
pub mod limits;
pub mod redis;
pub mod sealing;
pub mod settings;
pub mod store;
pub mod telemetry;
