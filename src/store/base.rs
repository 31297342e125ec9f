//! The store that a dry run reads beside its own: it plans with what is known there, and writes
//! nothing into it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::open_if_used;
use crate::error::Error;

/// That store, if there is one. It stays as it is, but for [its version](super::open_for_reading).
#[derive(Clone, Debug, Default)]
pub struct Base(Option<Arc<Mutex<Connection>>>);

impl Base {
    /// The store at `path`, also while another process has it: less the ids that a running job has
    /// not put into the map yet.
    ///
    /// # Errors
    /// Exit code 2, see [`open_for_reading`](super::open_for_reading); but one that holds no job yet
    /// is as good as none.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let connection = if path.exists() { open_if_used(path)? } else { None };
        Ok(Self(connection.map(|connection| Arc::new(Mutex::new(connection)))))
    }

    /// Looks for something there.
    pub(super) fn read<T>(
        &self,
        find: impl FnOnce(&Connection) -> rusqlite::Result<Option<T>>,
    ) -> rusqlite::Result<Option<T>> {
        let Some(connection) = &self.0 else { return Ok(None) };
        find(&connection.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
