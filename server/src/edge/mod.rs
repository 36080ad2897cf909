//! HTTP and WebSocket: parse, limit, render. It decides nothing that a feature could decide.

pub mod assess;
pub mod http;
pub mod identity_api;
pub mod identity_pages;
#[cfg(test)]
mod identity_tests;
mod join_pages;
pub mod listen;
pub mod measures;
pub mod pages;
pub mod problem;
pub mod reach;
pub mod rooms_api;
pub mod rooms_pages;
pub mod schedule;
pub mod session;
pub mod shown;
pub mod slip_pages;
pub mod staff_pages;
pub mod state;
pub mod still_pages;
pub mod visitor;
pub mod words;
pub mod ws;
