//! HTTP and WebSocket: parse, limit, render. It decides nothing that a feature could decide.

pub mod listen;
pub mod pages;
