//! What the id map learned lately, in memory.
//!
//! Entries stand here first and go into the table in sorted runs: a table keyed by ids in random
//! order is slow to fill row by row. Nothing is lost with the overlay, for each entry comes from an
//! outcome that is on disk ([`recovery`](super::recovery)).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Transaction;

use super::change::Change;
use crate::crash::point;
use crate::record::ExternalId;

/// Entries that make the overlay large: about 10 MB.
const LARGE: usize = 32_768;

type Key = (i64, ExternalId);

/// Changes that are not in the table yet.
#[derive(Debug, Default)]
pub(super) struct Overlay(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    map: BTreeMap<Key, (u64, Change)>,
    /// Tells a newer entry of the same key from the one that was folded.
    stamp: u64,
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

    pub(super) fn get(&self, key: &Key) -> Option<Change> {
        self.lock().map.get(key).map(|(_, change)| change.clone())
    }

    pub(super) fn is_large(&self) -> bool {
        self.lock().map.len() >= LARGE
    }

    /// Writes all entries, in the order of the table's key; they stay until [`Overlay::forget`].
    pub(super) fn fold(&self, transaction: &Transaction<'_>) -> rusqlite::Result<Vec<(Key, u64)>> {
        let entries: Vec<_> =
            self.lock().map.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let mut folded = Vec::with_capacity(entries.len());
        for (key, (stamp, change)) in entries {
            change.apply(transaction, key.0, &key.1)?;
            folded.push((key, stamp));
            point("folding");
        }
        Ok(folded)
    }

    /// Drops what is in the table for sure.
    pub(super) fn forget(&self, folded: &[(Key, u64)]) {
        let mut all = self.lock();
        for (key, stamp) in folded {
            if all.map.get(key).is_some_and(|(newest, _)| newest == stamp) {
                all.map.remove(key);
            }
        }
    }
}
