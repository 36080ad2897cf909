//! Every HTTP call of the wire contract that is built.

mod gatherings;
mod handles;
mod origin;
mod recovery;
mod staff;
