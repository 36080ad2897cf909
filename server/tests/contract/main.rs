//! The wire as it is committed: golden frames, the browser's types, the descriptions of the socket and of the calls.
//!
//! Everything here is made from the enums in `server/src/protocol` and the annotations beside the handlers. A test
//! fails when a committed file differs from what the code gives; `ENGAWA_TEST_UPDATE=1 cargo test -p engawa --test
//! contract` writes them anew, and the difference is then read and committed like any other.

mod calls;
mod committed;
mod golden;
mod schemas;
mod socket;
mod types;
