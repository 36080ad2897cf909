//! HTTP and WebSocket: parse, limit, render. It decides nothing that a feature could decide.

pub mod http;
pub mod listen;
pub mod pages;
pub mod problem;
pub mod reach;
pub mod session;
pub mod state;
pub mod words;
pub mod ws;
