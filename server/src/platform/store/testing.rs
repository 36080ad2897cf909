//! A fresh store for a test, on SQLite or on PostgreSQL.
//!
//! PostgreSQL is taken from `ENGAWA_TEST_PG_URL` (`ops/test` starts a cluster and sets it); each test makes a database
//! of its own there. A test that needs it fails without it and says how to get it.

use super::{Db, StoreSettings};

/// A migrated store that is removed with the test's folder.
pub struct Fresh {
    /// The store.
    pub db: Db,
    _folder: tempfile::TempDir,
}

/// SQLite in a folder of its own.
pub async fn sqlite() -> Fresh {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite:{}", folder.path().join("engawa.db").display());
    let db = Db::open(&StoreSettings {
        url,
        readers: 2,
        pg_connections: 2,
    })
    .await
    .expect("SQLite opens");
    db.migrate().await.expect("the schema migrates on SQLite");
    Fresh {
        db,
        _folder: folder,
    }
}

/// A database of its own in the test cluster.
pub async fn postgres() -> Fresh {
    let admin_url = std::env::var("ENGAWA_TEST_PG_URL").expect(
        "this test needs PostgreSQL: run it by `ops/test`, or set ENGAWA_TEST_PG_URL (Debian: apt-get install postgresql-15)",
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let name = format!(
        "t_{}",
        folder
            .path()
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("x")
            .replace(|c: char| !c.is_ascii_alphanumeric(), "")
            .to_lowercase()
    );
    let admin = sqlx::PgPool::connect(&admin_url)
        .await
        .expect("the test cluster answers");
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&admin)
        .await
        .expect("a database is made");
    admin.close().await;
    let (base, _) = admin_url
        .rsplit_once('/')
        .expect("an address with a database");
    let db = Db::open(&StoreSettings {
        url: format!("{base}/{name}"),
        readers: 2,
        pg_connections: 4,
    })
    .await
    .expect("PostgreSQL opens");
    db.migrate()
        .await
        .expect("the schema migrates on PostgreSQL");
    Fresh {
        db,
        _folder: folder,
    }
}

/// Makes the same test twice, so that a failure says which engine it was.
#[macro_export]
macro_rules! on_both_engines {
    ($name:ident, $db:ident => $body:block) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            async fn body($db: $crate::platform::store::Db) $body
            #[tokio::test]
            async fn sqlite() {
                let fresh = $crate::platform::store::testing::sqlite().await;
                body(fresh.db.clone()).await;
            }
            #[tokio::test]
            async fn postgres() {
                let fresh = $crate::platform::store::testing::postgres().await;
                body(fresh.db.clone()).await;
            }
        }
    };
}
