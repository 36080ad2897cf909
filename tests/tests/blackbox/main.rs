//! The real binary, from outside, on SQLite and on PostgreSQL.

mod wire;
