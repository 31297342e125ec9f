//! Which STATE may be passed on: one before which every record has a durable outcome, and none has
//! to come again.

use std::collections::{BTreeMap, VecDeque};

use serde_json::value::RawValue;

/// Bytes of STATEs that wait, at most; past that the newest takes the place of the one before it,
/// which loses nothing, since a later STATE covers an earlier one.
const MAX_WAITING_BYTES: usize = 4 << 20;

/// Records come to their end in any order; this knows up to which one all have.
#[derive(Debug)]
pub struct Watermark {
    /// All positions below have come to their end.
    next: u64,
    /// Those above `next` that have, too: runs without a gap, each from its first position to
    /// behind its last. Their number depends on what is open, not on how long it is.
    ended: BTreeMap<u64, u64>,
    /// STATEs that wait, each with the last position before it.
    waiting: VecDeque<(u64, Box<RawValue>)>,
    waiting_bytes: usize,
    /// No STATE behind this position is ever safe.
    frozen: Option<u64>,
}

impl Default for Watermark {
    fn default() -> Self {
        Self {
            next: 1,
            ended: BTreeMap::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            frozen: None,
        }
    }
}

impl Watermark {
    /// The record at `position` has a durable outcome.
    pub fn end(&mut self, position: u64) {
        if self.frozen.is_some_and(|frozen| position >= frozen) {
            return;
        }
        // The run behind it, if one begins there.
        let behind = self.ended.remove(&(position + 1)).unwrap_or(position + 1);
        if position == self.next {
            self.next = behind;
        } else if let Some((_, end)) = self.ended.range_mut(..position).next_back()
            && *end == position
        {
            *end = behind;
        } else {
            self.ended.insert(position, behind);
        }
    }

    /// The record at `position` will not be written by this job, and must come again: no STATE
    /// behind it is ever safe.
    pub fn freeze(&mut self, position: u64) {
        if self.frozen.is_none_or(|frozen| position < frozen) {
            self.frozen = Some(position);
            self.ended.split_off(&position);
            if let Some(mut last) = self.ended.last_entry()
                && *last.get() > position
            {
                last.insert(position);
            }
            self.waiting.retain(|(after, _)| *after < position);
            self.waiting_bytes = self.waiting.iter().map(|(_, value)| value.get().len()).sum();
        }
    }

    /// Whether a record must come again.
    pub fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// A STATE came, after the record at `after` (0 before the first).
    pub fn state(&mut self, after: u64, value: Box<RawValue>) {
        if self.frozen.is_some_and(|frozen| after >= frozen) {
            return;
        }
        self.waiting_bytes += value.get().len();
        if self.waiting_bytes > MAX_WAITING_BYTES
            && let Some((_, dropped)) = self.waiting.pop_back()
        {
            self.waiting_bytes -= dropped.get().len();
        }
        self.waiting.push_back((after, value));
    }

    /// Takes the newest STATE that has become safe. Those that became safe with it are dropped, for
    /// it covers them: whoever reads the line keeps one state, and writes it to a database of its
    /// own each time.
    pub fn take_safe(&mut self) -> Option<Box<RawValue>> {
        let mut newest = None;
        while let Some((after, _)) = self.waiting.front()
            && *after < self.next
            && let Some((_, value)) = self.waiting.pop_front()
        {
            self.waiting_bytes -= value.get().len();
            newest = Some(value);
        }
        newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(n: u64) -> Box<RawValue> {
        RawValue::from_string(n.to_string()).unwrap()
    }

    fn safe(watermark: &mut Watermark) -> Option<u64> {
        watermark.take_safe().map(|value| value.get().parse().unwrap())
    }

    #[test]
    fn a_state_waits_for_all_before_it() {
        let mut watermark = Watermark::default();
        watermark.state(0, value(0));
        watermark.state(2, value(2));
        watermark.end(2);
        assert_eq!(safe(&mut watermark), Some(0));
        watermark.end(1);
        assert_eq!(safe(&mut watermark), Some(2));
        assert_eq!(safe(&mut watermark), None);
    }

    #[test]
    fn of_those_that_become_safe_at_once_the_last_is_told() {
        let mut watermark = Watermark::default();
        (1..=4).for_each(|after| watermark.state(after, value(after)));
        watermark.end(2);
        watermark.end(3);
        assert_eq!(safe(&mut watermark), None);
        watermark.end(1);
        assert_eq!(safe(&mut watermark), Some(3));
        watermark.end(4);
        assert_eq!(safe(&mut watermark), Some(4));
    }

    #[test]
    fn nothing_behind_a_record_that_must_come_again_is_safe() {
        let mut watermark = Watermark::default();
        watermark.state(1, value(1));
        watermark.state(3, value(3));
        watermark.freeze(3);
        for position in [1, 2, 3, 4] {
            watermark.end(position);
        }
        watermark.state(4, value(4));
        assert_eq!(safe(&mut watermark), Some(1));
    }

    #[test]
    fn what_has_ended_behind_an_open_record_takes_no_room() {
        let mut watermark = Watermark::default();
        for position in (2..100_000).step_by(2).chain((3..100_000).step_by(2)) {
            watermark.end(position);
        }
        assert_eq!(watermark.ended.len(), 1);
        watermark.freeze(50_000);
        watermark.state(49_999, value(1));
        watermark.end(1);
        assert_eq!((safe(&mut watermark), watermark.next), (Some(1), 50_000));
    }

    #[test]
    fn waiting_states_are_bounded_and_the_newest_stays() {
        let mut watermark = Watermark::default();
        let big = format!("\"{}\"", "x".repeat(1 << 20));
        for after in 1..=50 {
            watermark.state(after, RawValue::from_string(big.clone()).unwrap());
        }
        watermark.state(51, value(51));
        assert!(watermark.waiting_bytes <= MAX_WAITING_BYTES + big.len());
        (1..=51).for_each(|position| watermark.end(position));
        assert_eq!(watermark.take_safe().unwrap().get(), "51");
    }
}
