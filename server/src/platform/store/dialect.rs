//! Where the two engines differ. A new entry needs a reason.

/// Which engine a store is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// For which engines a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only {
    /// Both.
    Both,
    /// SQLite alone.
    Sqlite,
    /// PostgreSQL alone.
    Postgres,
}

/// A statement and its name, for the test that prepares them all.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    /// The constant's name.
    pub name: &'static str,
    /// The text.
    pub sql: &'static str,
    /// For which engines.
    pub only: Only,
}

impl Statement {
    /// Whether it is for that engine.
    pub fn is_for(&self, engine: Engine) -> bool {
        match (self.only, engine) {
            (Only::Both, _)
            | (Only::Sqlite, Engine::Sqlite)
            | (Only::Postgres, Engine::Postgres) => true,
            (Only::Sqlite, Engine::Postgres) | (Only::Postgres, Engine::Sqlite) => false,
        }
    }
}

/// The database's own time in Unix milliseconds, on PostgreSQL: leases of several nodes need one clock. On SQLite
/// there is one machine, so the node's clock is the database's.
pub const DATABASE_NOW_MS: &str =
    "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";

/// Which PostgreSQL cluster this is: two databases of one cluster have one log, and one backup.
pub const DATABASE_CLUSTER: &str =
    "SELECT CAST(system_identifier AS TEXT) FROM pg_control_system()";
