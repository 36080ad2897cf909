//! The socket, frame by frame, against the wire contract.

mod acts;
mod closing;
mod duty;
mod entering;
mod holds;
mod hours;
mod measures;
mod resuming;
mod saying;
mod upgrade;
