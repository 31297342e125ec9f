//! What the id map learned lately, in memory.
//!
//! Entries stand here first, go from here into [`runs`] where they become many, and into the map when
//! the runs do, or the job ends. Nothing is lost with the overlay, for each entry comes from an outcome
//! that is on disk ([`recovery`](super::recovery)).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fastbloom::BloomFilter;
use rusqlite::{Connection, Transaction};

use super::change::Change;
use super::reader::Commits;
use super::runs;
use crate::crash::point;
use crate::record::ExternalId;

/// Entries that make the overlay large: about 10 MB. A debug build, which the tests use, meets runs
/// early.
const LARGE: usize = if cfg!(debug_assertions) { 10 } else { 32_768 };
/// Runs that are folded together: 1,000,000 entries.
const RUNS: u64 = if cfg!(debug_assertions) { 3 } else { 32 };
/// Bits of the filter for each entry of the runs: one in a hundred that is not there is looked for in
/// vain.
const FILTER_BITS: usize = 10;

type Key = (i64, ExternalId);

/// Changes that are not in a table yet.
#[derive(Debug, Default)]
pub(super) struct Overlay(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    map: BTreeMap<Key, (u64, Change)>,
    /// Of the newest entry: they are numbered as they come, and what is newer than what was moved
    /// stays.
    stamp: u64,
    /// Numbers of the runs that may be there.
    runs: Range<u64>,
    /// Of their keys, while there are any.
    filter: Option<BloomFilter>,
}

/// What the overlay knows of an id.
#[derive(Debug)]
pub(super) enum Lately {
    /// It has changed, so.
    Changed(Change),
    /// It may have, in one of these runs.
    InRuns(Range<u64>),
    /// It has not: what the map says holds.
    Unchanged,
}

/// What has gone from the overlay into a table.
#[derive(Debug)]
#[must_use]
pub(super) struct Moved {
    /// Of the newest entry that has.
    stamp: u64,
    /// The number that the run has, or would have.
    run: u64,
    into_map: bool,
}

impl Overlay {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(&self, changes: impl Iterator<Item = (Key, Change)>) {
        let mut all = self.lock();
        for (key, change) in changes {
            all.stamp += 1;
            let stamp = all.stamp;
            all.map.insert(key, (stamp, change));
        }
    }

    pub(super) fn get(&self, key: &Key) -> Lately {
        let all = self.lock();
        match (all.map.get(key), &all.filter) {
            (Some((_, change)), _) => Lately::Changed(change.clone()),
            (None, Some(filter)) if filter.contains(key) => Lately::InRuns(all.runs.clone()),
            (None, _) => Lately::Unchanged,
        }
    }

    pub(super) fn is_large(&self) -> bool {
        self.lock().map.len() >= LARGE
    }

    /// Writes all entries into a run, or, where there are many runs, all of it into the map. They
    /// stay until [`Overlay::drop_moved`].
    pub(super) fn make_room(&self, transaction: &Transaction<'_>) -> rusqlite::Result<Moved> {
        let is_full = {
            let all = self.lock();
            all.runs.end - all.runs.start >= RUNS
        };
        if is_full { self.fold(transaction) } else { self.add_run(transaction) }
    }

    /// Writes all entries and all runs into the map, in the order of its key.
    pub(super) fn fold(&self, transaction: &Transaction<'_>) -> rusqlite::Result<Moved> {
        let Range { start, end } = self.lock().runs.clone();
        let moved = if start < end {
            let moved = self.add_run(transaction)?;
            runs::fold(transaction, start..moved.run + 1)?;
            moved
        } else {
            self.move_all(|_, (stream, external_id), change| {
                change.apply(transaction, *stream, external_id)?;
                point("folding");
                Ok(())
            })?
        };
        Ok(Moved { into_map: true, ..moved })
    }

    fn add_run(&self, transaction: &Transaction<'_>) -> rusqlite::Result<Moved> {
        self.move_all(|run, (stream, external_id), change| {
            runs::put(transaction, run, (*stream, external_id), change)
        })
    }

    fn move_all(
        &self,
        mut each: impl FnMut(u64, &Key, &Change) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<Moved> {
        let (moved, entries) = {
            let mut all = self.lock();
            // No two have one number, also when the first is not committed.
            let moved = Moved { stamp: all.stamp, run: all.runs.end, into_map: false };
            all.runs.end += 1;
            let copy = |(key, (_, change)): (&Key, &(u64, Change))| (key.clone(), change.clone());
            (moved, all.map.iter().map(copy).collect::<Vec<_>>())
        };
        for (key, change) in &entries {
            each(moved.run, key, change)?;
        }
        Ok(moved)
    }

    /// Drops what is in a table for sure.
    pub(super) fn drop_moved(&self, moved: &Moved) {
        let mut all = self.lock();
        let Entries { map, runs, filter, .. } = &mut *all;
        if moved.into_map {
            runs.start = runs.start.max(moved.run + 1);
            if runs.is_empty() {
                *filter = None;
            }
            map.retain(|_, (stamp, _)| *stamp > moved.stamp);
            return;
        }
        let filter = filter.get_or_insert_with(new_filter);
        map.retain(|key, (stamp, _)| {
            let is_newer = *stamp > moved.stamp;
            if !is_newer {
                filter.insert(key);
            }
            is_newer
        });
    }
}

fn new_filter() -> BloomFilter {
    // A run holds what comes while the one before it is written, too.
    let entries = LARGE * usize::try_from(RUNS + 1).unwrap_or(usize::MAX);
    BloomFilter::with_num_bits(entries * FILTER_BITS).expected_items(entries)
}

/// Moves the overlay, where it is large, and the runs when there are many, into a table between two
/// groups of work.
pub(super) fn make_room_in(connection: &mut Connection, overlay: &Overlay, commits: &Commits) {
    if !overlay.is_large() {
        return;
    }
    let moved = connection.transaction().and_then(|transaction| {
        let moved = overlay.make_room(&transaction)?;
        transaction.commit()?;
        commits.add();
        Ok(moved)
    });
    match moved {
        Ok(moved) => {
            point("moved");
            overlay.drop_moved(&moved);
        }
        // The ids stay in memory, and the outcomes that they come from are on disk.
        Err(error) => tracing::warn!(%error, "The id map could not be written; it is tried again."),
    }
}
