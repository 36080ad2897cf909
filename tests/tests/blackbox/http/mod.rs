//! Every HTTP call of the wire contract that is built.

mod gatherings;
mod handles;
mod keep;
mod origin;
mod recovery;
mod slips;
mod staff;
