//! What the service does, a folder each: rules, `queries.rs` (its only SQL), `edge.rs` (its only HTTP and frames).

pub mod audit;
pub mod drafts;
pub mod gatherings;
pub mod identity;
pub mod rooms;
pub mod tally;

#[cfg(test)]
mod tests;
