//! Gathers what shares a call: by records, bytes and age.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Room for so many records is made when a batch is begun; more are rarely sent at once.
const ROOM: usize = 100;

/// When a batch is full, or has waited enough.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Records, at least 1.
    pub records: usize,
    /// Bytes, at most; a single record over it goes alone.
    pub bytes: usize,
    /// Age of its oldest record, at most.
    pub age: Duration,
}

/// Open batches, one for each key.
#[derive(Debug)]
pub struct Batcher<K, T> {
    open: BTreeMap<K, Open<T>>,
}

#[derive(Debug)]
struct Open<T> {
    items: Vec<T>,
    bytes: usize,
    due: Instant,
}

impl<K: Ord + Copy, T> Default for Batcher<K, T> {
    fn default() -> Self {
        Self { open: BTreeMap::new() }
    }
}

impl<K: Ord + Copy, T> Batcher<K, T> {
    /// Adds one item of `bytes` bytes; gives out the batches that this made full, oldest first.
    pub fn push(
        &mut self,
        key: K,
        limits: Limits,
        bytes: usize,
        item: T,
        now: Instant,
    ) -> Vec<Vec<T>> {
        let mut full = Vec::new();
        if let Some(open) = self.open.get(&key)
            && open.bytes.saturating_add(bytes) > limits.bytes
            && let Some(open) = self.open.remove(&key)
        {
            full.push(open.items);
        }
        let open = self.open.entry(key).or_insert_with(|| Open {
            items: Vec::with_capacity(limits.records.min(ROOM)),
            bytes: 0,
            due: now + limits.age,
        });
        open.items.push(item);
        open.bytes = open.bytes.saturating_add(bytes);
        if (open.items.len() >= limits.records || open.bytes >= limits.bytes)
            && let Some(open) = self.open.remove(&key)
        {
            full.push(open.items);
        }
        full
    }

    /// When the next open batch has waited enough.
    pub fn next_due(&self) -> Option<Instant> {
        self.open.values().map(|open| open.due).min()
    }

    /// Takes what has waited until `now`.
    pub fn take_due(&mut self, now: Instant) -> Vec<(K, Vec<T>)> {
        let keys: Vec<K> =
            self.open.iter().filter(|(_, open)| open.due <= now).map(|(key, _)| *key).collect();
        keys.into_iter().filter_map(|key| Some((key, self.open.remove(&key)?.items))).collect()
    }

    /// Takes all.
    pub fn take_all(&mut self) -> Vec<(K, Vec<T>)> {
        std::mem::take(&mut self.open).into_iter().map(|(key, open)| (key, open.items)).collect()
    }

    /// Takes all but what waits under `key`.
    pub fn take_others(&mut self, key: K) -> Vec<(K, Vec<T>)> {
        let own = self.open.remove(&key);
        let others = self.take_all();
        self.open.extend(own.map(|own| (key, own)));
        others
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_counts_from_the_oldest() {
        let mut batcher: Batcher<u8, u8> = Batcher::default();
        let limits = Limits { records: 10, bytes: 100, age: Duration::from_secs(1) };
        let start = Instant::now();
        assert!(batcher.push(1, limits, 1, 1, start).is_empty());
        assert!(batcher.push(1, limits, 1, 2, start + Duration::from_millis(900)).is_empty());
        assert!(batcher.take_due(start + Duration::from_millis(999)).is_empty());
        assert_eq!(batcher.next_due(), Some(start + Duration::from_secs(1)));
        assert_eq!(batcher.take_due(start + Duration::from_secs(1)), [(1, vec![1, 2])]);
        assert!(batcher.is_empty());
    }
}
