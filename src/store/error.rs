//! What can go wrong with a store, and what can be done about it.

use std::path::Path;
use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::error::Error;

/// An error of the store.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite says no: a full disk, a broken file, a failed sync.
    #[error("the store `{path}`: {source}")]
    Sqlite {
        /// The store's file.
        path: Arc<Path>,
        /// What SQLite says.
        source: Arc<rusqlite::Error>,
    },
    /// The thread that writes is gone, after a panic that it told of.
    #[error("the store `{path}` is closed")]
    Closed {
        /// The store's file.
        path: Arc<Path>,
    },
}

impl StoreError {
    /// Whether the disk is full, or does not do what it is to: it may later.
    pub fn is_of_disk(&self) -> bool {
        match self {
            Self::Sqlite { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure)
            ),
            Self::Closed { .. } => false,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Sqlite { source, .. } => source.sqlite_error_code(),
            StoreError::Closed { .. } => None,
        };
        let hint = way_out(code);
        Self::ours("the store cannot be used").caused_by(error).hint(hint)
    }
}

/// What can be done about an error of SQLite's.
fn way_out(code: Option<ErrorCode>) -> &'static str {
    match code {
        Some(ErrorCode::DiskFull) => {
            "free some space on that disk and run the same input again: what was written so far is \
             known, and nothing is written twice"
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            "the file is damaged: put a backup of it in its place, or move it and the files beside \
             it (`-wal`, `-shm`) away and run again with a new one. A remote that can be looked \
             into is asked for the ids; for any other take them in with `target-upsert ids import` \
             from a snapshot first, or its records are created again"
        }
        _ => "what was told as written is safe; mend the cause and run the same input again",
    }
}

/// What was to be told from the store cannot be read there.
pub fn unreadable(error: rusqlite::Error) -> Error {
    let hint = way_out(error.sqlite_error_code());
    Error::ours("cannot read the store").caused_by(error).hint(hint)
}
