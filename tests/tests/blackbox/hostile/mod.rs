//! Rubbish on purpose: what the server says to it, that it says so to nobody else, and that it costs no memory.

mod closes;
mod problems;
mod refusals;
mod stage;
