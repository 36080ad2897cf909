//! The real binary, from outside, on SQLite and on PostgreSQL.

mod flush;
mod http;
mod kept;
mod lost;
mod noscript;
mod wire;
