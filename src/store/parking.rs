//! Records that wait for another one, on disk: as many as the input has may do so.
//!
//! They are needed as long as the job runs, for the next one reads the input again. So they stand
//! in a file of SQLite's own that nobody else sees and that is gone with the process.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;

/// Page cache, in KiB: what bounds the memory.
const CACHE_KIB: i64 = 4 << 10;

/// What a record waits for, or is: the number of a stream in the store, and the key of a record in
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Number of the stream in the store.
    pub stream: i64,
    /// Of the record.
    pub key: String,
}

/// A record that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Place among the records of the input.
    pub position: u64,
    /// What others may wait for.
    pub own: Place,
    /// What it waits for.
    pub awaited: Place,
    /// All else of the record.
    pub content: String,
}

/// Why a record that others may wait for was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotWritten {
    /// Its outcome, as it is told.
    pub outcome: String,
    /// It may be written when the tap brings it again.
    pub comes_again: bool,
    /// For people.
    pub why: String,
}

/// The records that wait.
#[derive(Debug)]
pub struct Parking {
    connection: Connection,
    count: u64,
}

impl Parking {
    /// With nobody in it.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn new() -> Result<Self, StoreError> {
        // No name: a private file in the folder for temporary files.
        let open = || {
            let connection = Connection::open("")?;
            connection.pragma_update(None, "journal_mode", "OFF")?;
            connection.pragma_update(None, "synchronous", "OFF")?;
            connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
            connection.execute_batch(
                "CREATE TABLE parked (
                    position INTEGER PRIMARY KEY,
                    own_stream INTEGER NOT NULL, own_key TEXT NOT NULL,
                    awaited_stream INTEGER NOT NULL, awaited_key TEXT NOT NULL,
                    content TEXT NOT NULL);
                 CREATE INDEX by_own ON parked (own_stream, own_key, position);
                 CREATE INDEX by_awaited ON parked (awaited_stream, awaited_key, position);
                 CREATE TABLE troubles (
                    stream INTEGER NOT NULL, key TEXT NOT NULL,
                    outcome TEXT NOT NULL, comes_again INTEGER NOT NULL, why TEXT NOT NULL,
                    PRIMARY KEY (stream, key)) WITHOUT ROWID;
                 BEGIN",
            )?;
            Ok(connection)
        };
        Ok(Self { connection: open().map_err(failed)?, count: 0 })
    }

    /// How many wait.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Takes a record in.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn park(&mut self, parked: &Parked) -> Result<(), StoreError> {
        let Parked { position, own, awaited, content } = parked;
        let insert = |connection: &Connection| {
            connection.prepare_cached("INSERT INTO parked VALUES (?, ?, ?, ?, ?, ?)")?.execute(
                params![position, own.stream, own.key, awaited.stream, awaited.key, content],
            )
        };
        insert(&self.connection).map_err(failed)?;
        self.count += 1;
        Ok(())
    }

    /// The first record of this place that waits.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn first_of(&self, own: &Place) -> Result<Option<u64>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT min(position) FROM parked WHERE own_stream = ? AND own_key = ?",
                )?
                .query_row(params![own.stream, own.key], |row| row.get(0))
        })
    }

    /// The first records that wait for `awaited`, at most `limit`, in the order of the input.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn waiting_for(&self, awaited: &Place, limit: usize) -> Result<Vec<Parked>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT * FROM parked WHERE awaited_stream = ? AND awaited_key = ?
                 ORDER BY position LIMIT ?",
            )?;
            let rows = statement.query_map(params![awaited.stream, awaited.key, limit], read)?;
            rows.collect()
        })
    }

    /// The first records after `position`, at most `limit`, in the order of the input.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn after(&self, position: u64, limit: usize) -> Result<Vec<Parked>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT * FROM parked WHERE position > ? ORDER BY position LIMIT ?",
            )?;
            let rows = statement.query_map(params![position, limit], read)?;
            rows.collect()
        })
    }

    /// What the record at `position` is, and what it waits for.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn places(&self, position: u64) -> Result<Option<(Place, Place)>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT * FROM parked WHERE position = ?")?
                .query_row([position], |row| read(row).map(|parked| (parked.own, parked.awaited)))
                .optional()
        })
    }

    /// Takes a record out; `None` when it is not there.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn take(&mut self, position: u64) -> Result<Option<Parked>, StoreError> {
        let taken = self.read(|connection| {
            connection
                .prepare_cached("DELETE FROM parked WHERE position = ? RETURNING *")?
                .query_row([position], read)
                .optional()
        })?;
        self.count -= u64::from(taken.is_some());
        Ok(taken)
    }

    /// Remembers why a record that others may wait for was not written; the last word counts.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn set_trouble(&self, own: &Place, trouble: &NotWritten) -> Result<(), StoreError> {
        let NotWritten { outcome, comes_again, why } = trouble;
        self.read(|connection| {
            connection
                .prepare_cached("INSERT OR REPLACE INTO troubles VALUES (?, ?, ?, ?, ?)")?
                .execute(params![own.stream, own.key, outcome, comes_again, why])
        })?;
        Ok(())
    }

    /// Why a record was not written.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn trouble(&self, own: &Place) -> Result<Option<NotWritten>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT outcome, comes_again, why FROM troubles WHERE stream = ? AND key = ?",
                )?
                .query_row(params![own.stream, own.key], |row| {
                    Ok(NotWritten {
                        outcome: row.get(0)?,
                        comes_again: row.get(1)?,
                        why: row.get(2)?,
                    })
                })
                .optional()
        })
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        work(&self.connection).map_err(failed)
    }
}

fn failed(error: rusqlite::Error) -> StoreError {
    let path = Path::new("of records that wait").into();
    StoreError::Sqlite { path, source: Arc::new(error) }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Parked> {
    Ok(Parked {
        position: row.get(0)?,
        own: Place { stream: row.get(1)?, key: row.get(2)? },
        awaited: Place { stream: row.get(3)?, key: row.get(4)? },
        content: row.get(5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_found_by_what_it_is_and_by_what_it_waits_for() {
        let mut parking = Parking::new().unwrap();
        let place = |stream, key: &str| Place { stream, key: key.to_owned() };
        for (position, own, awaited) in [(5, "b", "a"), (3, "b", "z"), (9, "c", "a")] {
            let (own, awaited) = (place(1, own), place(2, awaited));
            parking.park(&Parked { position, own, awaited, content: "x".into() }).unwrap();
        }
        let positions = |rows: Vec<Parked>| rows.iter().map(|row| row.position).collect::<Vec<_>>();
        assert_eq!(positions(parking.waiting_for(&place(2, "a"), 10).unwrap()), [5, 9]);
        assert!(parking.waiting_for(&place(1, "a"), 10).unwrap().is_empty());
        assert_eq!(parking.first_of(&place(1, "b")).unwrap(), Some(3));
        assert_eq!(parking.first_of(&place(1, "none")).unwrap(), None);
        assert_eq!(positions(parking.after(3, 1).unwrap()), [5]);
        assert_eq!(parking.take(3).unwrap().unwrap().own, place(1, "b"));
        assert_eq!(parking.take(3).unwrap(), None);
        assert_eq!((parking.first_of(&place(1, "b")).unwrap(), parking.count()), (Some(5), 2));
    }
}
