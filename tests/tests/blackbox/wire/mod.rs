//! The socket, frame by frame, against the wire contract.

mod acts;
mod closing;
mod duty;
mod entering;
mod resuming;
mod saying;
mod upgrade;
