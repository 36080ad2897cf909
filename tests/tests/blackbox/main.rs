//! The real binary, from outside, on SQLite and on PostgreSQL.

mod cli;
mod duty_lost;
mod flush;
mod hostile;
mod http;
mod kept;
mod lost;
mod nodes;
mod noscript;
mod people;
mod wire;
