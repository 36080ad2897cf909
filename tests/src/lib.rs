//! The black-box harness: the real binary, real SQLite, PostgreSQL and Redis, and clients that know nothing but
//! the published wire contract. Frames are read as plain JSON, as an outside client would read them.
//!
//! What must stay true here: nobody waits for a span of time. A client waits for a frame, for a `pong` (which proves
//! that all before it arrived) or for the end of a socket, each with a deadline that says what was awaited.

pub mod history;
pub mod house;
pub mod http;
pub mod load;
pub mod node;
pub mod nodes;
pub mod person;
pub mod postgres;
pub mod redis;
pub mod shape;
pub mod socket;
pub mod talker;
pub mod view;

pub use house::{Db, House};
pub use http::{Answer, Client};
pub use node::{Login, Node, RoomInfo};
pub use nodes::Nodes;
pub use person::{Person, Standing};
pub use redis::Redis;
pub use socket::{Ended, Socket};

use std::future::Future;
use std::time::Duration;

/// How long anything may take before a test gives up on it.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Waits for `what` at most [`DEADLINE`]; the error says what was awaited.
pub async fn within<T>(what: &str, wait: impl Future<Output = T>) -> anyhow::Result<T> {
    tokio::time::timeout(DEADLINE, wait)
        .await
        .map_err(|_| anyhow::anyhow!("waited {DEADLINE:?} in vain for {what}"))
}

/// Says something in a test's output that a reader of the whole run looks for: figures that were promised.
#[expect(
    clippy::print_stdout,
    reason = "a figure is printed by the command that shows it"
)]
pub fn tell(line: &str) {
    println!("\n{line}");
}

/// Makes a test of each database from a function of one: `on_both!(a_sentence)` over `async fn a_sentence(db: Db) ->
/// anyhow::Result<()>` gives the tests `a_sentence::sqlite` and `a_sentence::postgres`.
#[macro_export]
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        $(
            mod $name {
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn sqlite() -> anyhow::Result<()> {
                    super::$name($crate::Db::Sqlite).await
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn postgres() -> anyhow::Result<()> {
                    super::$name($crate::Db::Postgres).await
                }
            }
        )+
    };
}
