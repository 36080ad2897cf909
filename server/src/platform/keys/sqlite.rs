//! The key store on SQLite: a file in a folder of its own, and a deletion that looks again.
//!
//! `secure_delete` zeroes what a deletion frees. Its promise is thinner where SQLite moves rows between pages
//! (`rebuildPage` zeroes no slack), and a promise to people is not left to that: after a deletion every file of the
//! store is searched for the destroyed bytes, and rewritten by `VACUUM` if they are found. In trials over
//! thousands of deletions they never were.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::store::KeyError;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS key_store_about (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS data_key (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        key BLOB NOT NULL,
        made_at_ms INTEGER NOT NULL,
        ends_at_ms INTEGER
    ) STRICT;
    CREATE INDEX IF NOT EXISTS data_key_end ON data_key (ends_at_ms);";
const DELETE_KEY: &str = "DELETE FROM data_key WHERE id = $1 RETURNING key";

/// How often a rewrite is tried before the operator must be told.
const REWRITES_MAX: usize = 4;
/// A run of this many bytes of a wrapped key counts as a remain of it.
const REMAIN_BYTES: usize = 12;
/// Several processes may use one file; each holds the lock for a flush only.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn open(file: Option<&Path>) -> Result<SqlitePool, KeyError> {
    let mut options = SqliteConnectOptions::new();
    options = match file {
        Some(path) => {
            make_private(path).map_err(|source| KeyError::Folder {
                path: path.to_owned(),
                source,
            })?;
            options
                .filename(path)
                // A write-ahead log would keep destroyed bytes until its next checkpoint.
                .journal_mode(SqliteJournalMode::Delete)
        }
        None => options.in_memory(true),
    };
    let options = options
        // EXTRA also flushes the folder after the journal is gone, so that a power cut brings no journal back.
        .synchronous(SqliteSynchronous::Extra)
        .pragma("secure_delete", "ON")
        .pragma("trusted_schema", "OFF")
        // VACUUM would otherwise write all keys to a file somewhere else.
        .pragma("temp_store", "MEMORY")
        .pragma("mmap_size", "0")
        .busy_timeout(BUSY_TIMEOUT);
    let pool = SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(BUSY_TIMEOUT)
        .connect_with(options)
        .await?;
    sqlx::raw_sql(SCHEMA).execute(&pool).await?;
    if file.is_some() {
        // A process that died between a deletion and its second look may have left slack behind.
        sqlx::raw_sql("VACUUM").execute(&pool).await?;
    }
    Ok(pool)
}

pub(super) async fn destroy(
    pool: &SqlitePool,
    file: Option<&Path>,
    ids: &[String],
) -> Result<(), KeyError> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let mut destroyed: Vec<Vec<u8>> = Vec::new();
    for id in ids {
        let gone: Option<Vec<u8>> = sqlx::query_scalar(DELETE_KEY)
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
        destroyed.extend(gone);
    }
    tx.commit().await?;
    let Some(file) = file.filter(|_| !destroyed.is_empty()) else {
        return Ok(());
    };
    // Held while the files are read: closing a file drops all locks of this process on it, so there must be
    // no transaction of ours on it just then.
    let mut connection = pool.acquire().await?;
    for _ in 0..REWRITES_MAX {
        let (path, wanted) = (file.to_owned(), destroyed.clone());
        let found = tokio::task::spawn_blocking(move || remains(&path, &wanted))
            .await
            .map_err(|_| KeyError::Unavailable(sqlx::Error::WorkerCrashed))?
            .map_err(|source| KeyError::Folder {
                path: file.to_owned(),
                source,
            })?;
        if !found {
            return Ok(());
        }

        sqlx::raw_sql("VACUUM").execute(&mut *connection).await?;
    }
    Err(KeyError::Remains)
}

/// Whether the store's file, or a journal beside it, holds a run of any of these keys.
fn remains(file: &Path, wrapped: &[Vec<u8>]) -> io::Result<bool> {
    // The first byte is the wrapping key's version; what follows is random and as good as unique.
    let runs: std::collections::HashSet<&[u8]> = wrapped
        .iter()
        .flat_map(|bytes| bytes[1..].chunks_exact(REMAIN_BYTES))
        .collect();
    for path in files_beside(file)? {
        let content = match fs::read(&path) {
            Ok(content) => content,
            // A journal that is gone again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if content.windows(REMAIN_BYTES).any(|run| runs.contains(run)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn files_beside(file: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name().and_then(|n| n.to_str()))
    else {
        return Ok(vec![file.to_owned()]);
    };
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry
            .file_name()
            .to_str()
            .is_some_and(|n| n.starts_with(name))
        {
            files.push(entry.path());
        }
    }
    Ok(files)
}

/// Makes the folder (0700) and the file (0600) before SQLite does: its journals inherit the file's mode.
fn make_private(file: &Path) -> io::Result<()> {
    if let Some(folder) = file.parent().filter(|f| !f.as_os_str().is_empty()) {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remain_is_found_wherever_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.db");
        let key: Vec<u8> = (0..61).collect();
        let other: Vec<u8> = (100..161).collect();
        for (content, found) in [
            (vec![0; 4096], false),
            ([vec![0; 77], key.clone(), vec![0; 9]].concat(), true),
            ([vec![0; 77], key[13..25].to_vec()].concat(), true),
            ([vec![0; 77], other.clone()].concat(), false),
        ] {
            fs::write(&file, content).unwrap();
            let wanted = std::slice::from_ref(&key);
            assert_eq!(remains(&file, wanted).unwrap(), found);
        }
        fs::write(folder.path().join("keys.db-journal"), &key).unwrap();
        assert!(remains(&file, &[key]).unwrap());
    }
}
