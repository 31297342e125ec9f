//! The connection that things are looked up with.
//!
//! A transaction of its own for each lookup takes longer than the lookup: it locks and unlocks the
//! file. While [`Held`] lives, lookups share one, which is begun anew once the writer has ended one
//! of its own. None is held for long: the WAL could not be begun again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

/// How many transactions the writer has ended, well or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Commits(Arc<AtomicU64>);

impl Commits {
    /// One more. Called before anybody is told of it, and before the overlay drops what was
    /// moved, so that who does not find something there finds it in a table.
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

#[derive(Debug)]
pub(crate) struct Reader {
    state: Mutex<State>,
    commits: Commits,
}

#[derive(Debug)]
struct State {
    connection: Connection,
    /// How many hold it.
    holds: usize,
    /// The commits that an open transaction shows at least.
    shows: u64,
}

impl Reader {
    pub(crate) fn new(connection: Connection, commits: Commits) -> Self {
        Self { state: Mutex::new(State { connection, holds: 0, shows: 0 }), commits }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is committed.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut state = self.lock();
        if state.holds > 0 {
            let commits = self.commits.count();
            if state.shows != commits {
                state.end()?;
            }
            if state.connection.is_autocommit() {
                state.connection.execute_batch("BEGIN")?;
                state.shows = commits;
            }
        }
        work(&state.connection)
    }

    pub(super) fn hold(&self) -> Held<'_> {
        self.lock().holds += 1;
        Held(self)
    }
}

impl State {
    fn end(&self) -> rusqlite::Result<()> {
        // SQLite ends it by itself after some errors.
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.connection.execute_batch("COMMIT")
    }
}

/// Lets lookups share a transaction while it lives.
#[derive(Debug)]
#[must_use]
pub struct Held<'a>(&'a Reader);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.holds -= 1;
        if state.holds == 0
            && let Err(error) = state.end()
        {
            tracing::warn!(%error, "A transaction of the store that only reads could not be ended.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        _folder: tempfile::TempDir,
        writer: Connection,
        reader: Reader,
        commits: Commits,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("numbers.db");
            let writer = Connection::open(&path).unwrap();
            writer.pragma_update(None, "journal_mode", "WAL").unwrap();
            writer.execute_batch("CREATE TABLE numbers (number INTEGER)").unwrap();
            let commits = Commits::default();
            let reader = Reader::new(Connection::open(&path).unwrap(), commits.clone());
            Self { _folder: folder, writer, reader, commits }
        }

        fn write(&self) {
            self.writer.execute_batch("INSERT INTO numbers VALUES (7)").unwrap();
        }

        fn count(&self) -> u64 {
            let count = "SELECT count(*) FROM numbers";
            self.reader
                .read(|connection| connection.query_row(count, [], |row| row.get(0)))
                .unwrap()
        }

        fn is_open(&self) -> bool {
            !self.reader.lock().connection.is_autocommit()
        }
    }

    #[test]
    fn a_held_reader_sees_each_commit_that_it_was_told_of() {
        let place = Place::new();
        let held = place.reader.hold();
        for written in 0..5 {
            assert_eq!(place.count(), written);
            place.write();
            assert_eq!(place.count(), written, "it looks again only when it was told to");
            place.commits.add();
        }
        assert_eq!(place.count(), 5);
        drop(held);
        place.write();
        assert_eq!(place.count(), 6);
    }

    #[test]
    fn a_transaction_is_open_only_while_somebody_holds_it() {
        let place = Place::new();
        place.count();
        assert!(!place.is_open());
        let (first, second) = (place.reader.hold(), place.reader.hold());
        place.count();
        drop(first);
        assert!(place.is_open());
        // As SQLite does after some errors.
        place.reader.lock().connection.execute_batch("ROLLBACK").unwrap();
        place.commits.add();
        assert_eq!(place.count(), 0);
        assert!(place.is_open());
        drop(second);
        assert!(!place.is_open());
    }
}
