//! The batcher beside a list of all that waits, with the time at which each came: when a batch is
//! full is said by what it holds, not by how it was filled.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use target_upsert::stream::batch::{Batcher, Limits};

type Key = u8;
/// What waits: its key, its number, its bytes, and when it came.
type Item = (Key, usize, usize, Instant);

#[derive(Clone, Debug)]
enum Step {
    Push(Key, usize),
    Wait(u64),
    TakeDue,
    TakeOthers(Key),
    TakeAll,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u8..4, 0usize..70).prop_map(|(key, bytes)| Step::Push(key, bytes)),
        3 => (0u64..400).prop_map(Step::Wait),
        2 => Just(Step::TakeDue),
        1 => (0u8..4).prop_map(Step::TakeOthers),
        1 => Just(Step::TakeAll),
    ]
}

/// Each key has limits of its own, as each stream and action has.
fn limits(key: Key) -> Limits {
    let key = usize::from(key);
    let age = Duration::from_millis([1000, 300, 700, 0][key]);
    Limits { records: [1, 3, 5, 8][key], bytes: [100, 60, 90, 1][key], age }
}

/// All that waits, in the order in which it came.
#[derive(Default)]
struct Model(Vec<Item>);

impl Model {
    fn of(&self, key: Key) -> Vec<Item> {
        self.0.iter().filter(|item| item.0 == key).copied().collect()
    }

    /// Takes what waits under the keys that `wanted` says yes to.
    fn take(&mut self, wanted: impl Fn(&Self, Key) -> bool) -> Vec<(Key, Vec<Item>)> {
        let keys: Vec<Key> =
            (0..4).filter(|key| !self.of(*key).is_empty() && wanted(self, *key)).collect();
        let taken = keys.iter().map(|key| (*key, self.of(*key))).collect();
        self.0.retain(|item| !keys.contains(&item.0));
        taken
    }

    fn due(&self, key: Key) -> Option<Instant> {
        self.of(key).first().map(|item| item.3 + limits(key).age)
    }

    /// An item came, and for it `full` went out: what came first, each batch full as it is, or for
    /// what came next.
    fn push(&mut self, item: Item, full: &[Vec<Item>]) -> Result<(), TestCaseError> {
        let key = item.0;
        self.0.push(item);
        for batch in full {
            let waiting = self.of(key);
            prop_assert!(waiting.starts_with(batch));
            let has_no_room = |next: &Item| bytes(batch) + next.2 > limits(key).bytes;
            let is_next_too_large = waiting.get(batch.len()).is_some_and(has_no_room);
            prop_assert!(is_full(key, batch) || is_next_too_large, "{:?}", batch);
            self.0.retain(|item| !batch.contains(item));
        }
        prop_assert!(!is_full(key, &self.of(key)));
        Ok(())
    }
}

fn bytes(items: &[Item]) -> usize {
    items.iter().map(|item| item.2).sum()
}

/// Whether a batch of `key` is full as it is.
fn is_full(key: Key, items: &[Item]) -> bool {
    let limits = limits(key);
    items.len() >= limits.records || bytes(items) >= limits.bytes
}

proptest! {
    #![proptest_config(crate::cases(256))]

    #[test]
    fn batches_are_full_and_within_their_limits_and_hold_what_came_once_and_in_order(
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let (mut batcher, mut model) = (Batcher::default(), Model::default());
        let mut now = Instant::now();
        let mut out: Vec<(Key, Vec<Item>)> = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            let (taken, expected) = match step {
                Step::Push(key, size) => {
                    let item = (*key, number, *size, now);
                    let full = batcher.push(*key, limits(*key), *size, item, now);
                    model.push(item, &full)?;
                    let full: Vec<_> = full.into_iter().map(|full| (*key, full)).collect();
                    (full.clone(), full)
                }
                Step::Wait(millis) => {
                    now += Duration::from_millis(*millis);
                    (Vec::new(), Vec::new())
                }
                Step::TakeDue => {
                    let is_due = |model: &Model, key| model.due(key).is_some_and(|due| due <= now);
                    (batcher.take_due(now), model.take(is_due))
                }
                Step::TakeOthers(key) => (batcher.take_others(*key), model.take(|_, of| of != *key)),
                Step::TakeAll => (batcher.take_all(), model.take(|_, _| true)),
            };
            prop_assert_eq!(&taken, &expected);
            prop_assert_eq!(batcher.is_empty(), model.0.is_empty());
            prop_assert_eq!(batcher.next_due(), (0..4).filter_map(|key| model.due(key)).min());
            out.extend(taken);
        }
        out.extend(batcher.take_all());
        for (key, batch) in &out {
            let limits = limits(*key);
            prop_assert!(!batch.is_empty() && batch.len() <= limits.records);
            prop_assert!(bytes(batch) <= limits.bytes || batch.len() == 1, "{:?}", batch);
        }
        for key in 0..4 {
            let came = steps.iter().enumerate().filter_map(|(number, step)| {
                matches!(step, Step::Push(of, _) if *of == key).then_some(number)
            });
            let went = out.iter().filter(|(of, _)| *of == key).flat_map(|(_, batch)| batch);
            prop_assert_eq!(went.map(|item| item.1).collect::<Vec<_>>(), came.collect::<Vec<_>>());
        }
    }
}
