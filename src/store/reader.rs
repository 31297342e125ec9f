//! The connection that things are looked up with.
//!
//! A transaction of its own for each lookup takes longer than the lookup: it locks and unlocks the
//! file. While [`Held`] lives, lookups share one, which is begun anew once something was committed.
//! None is held for long: the WAL could not be begun again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

/// How many transactions the writer has committed.
#[derive(Clone, Debug, Default)]
pub(super) struct Commits(Arc<AtomicU64>);

impl Commits {
    /// One more. Called before anybody is told of it, and before the overlay forgets what was
    /// folded, so that who does not find something there finds it in the table.
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

#[derive(Debug)]
pub(super) struct Reader {
    state: Mutex<State>,
    commits: Commits,
}

#[derive(Debug)]
struct State {
    connection: Connection,
    is_held: bool,
    /// The commits that the open transaction shows at least, if one is open.
    shows: Option<u64>,
}

impl Reader {
    pub(super) fn new(connection: Connection, commits: Commits) -> Self {
        Self { state: Mutex::new(State { connection, is_held: false, shows: None }), commits }
    }

    /// Reads what is committed.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_held {
            let commits = self.commits.count();
            if state.shows != Some(commits) {
                state.end()?;
                state.connection.execute_batch("BEGIN")?;
                state.shows = Some(commits);
            }
        }
        work(&state.connection)
    }

    pub(super) fn hold(&self) -> Held<'_> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_held = true;
        Held(self)
    }
}

impl State {
    fn end(&mut self) -> rusqlite::Result<()> {
        if self.shows.take().is_some() {
            self.connection.execute_batch("COMMIT")?;
        }
        Ok(())
    }
}

/// Lets lookups share a transaction while it lives.
#[derive(Debug)]
pub struct Held<'a>(&'a Reader);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_held = false;
        if let Err(error) = state.end() {
            tracing::warn!(%error, "A transaction of the store that only reads could not be ended.");
        }
    }
}
