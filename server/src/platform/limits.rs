//! Rates a node allows, per key.
