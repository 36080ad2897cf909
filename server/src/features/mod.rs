//! What the service does, a folder each: rules, and `queries.rs` (its only SQL). HTTP and frames are the edge's.

pub mod alerts;
pub mod audit;
pub mod care;
pub mod drafts;
pub mod gatherings;
pub mod identity;
pub mod retention;
pub mod rooms;
pub mod tally;

#[cfg(test)]
mod tests;
