//! Rubbish on purpose: what the server says to it, that it says so to nobody else, and that it costs no memory.

mod closes;
mod corpora;
mod floods;
mod fuzz;
mod json_corpus;
mod origins;
mod problems;
mod refusals;
mod silent;
mod slow;
mod stage;
mod strings;
mod wire;
