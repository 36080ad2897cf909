//! A load generator, the machine's limit to compare with, and the scenarios that the house's speed is told by.

pub mod broadcaster;
pub mod generator;
pub mod machine;
pub mod mark;
pub mod peers;
pub mod runs;
pub mod scenarios;
pub mod schedule;
pub mod sessions;
pub mod slow;
pub mod storms;
pub mod table;
pub mod wire;
