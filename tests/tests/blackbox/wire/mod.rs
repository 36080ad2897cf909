//! The socket, frame by frame, against the wire contract.

mod acts;
mod closing;
mod duty;
mod entering;
mod holds;
mod resuming;
mod saying;
mod upgrade;
