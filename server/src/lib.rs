//! Engawa (縁側): anonymous online 居場所 for people in hikikomori and for their families.
//!
//! The parts and their arrows are in `ARCHITECTURE.md`. Dependencies point downwards only:
//! `app → edge → features → protocol, permit → platform`.

pub mod app;
pub mod cli;
pub mod edge;
pub mod features;
pub mod permit;
pub mod platform;
pub mod protocol;
