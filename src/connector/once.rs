//! What is told once, and not of each record again.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Things that are told: more would help nobody.
const MAX_TOLD: usize = 50;

/// What was told.
#[derive(Debug, Default)]
pub(super) struct Once(Mutex<BTreeSet<String>>);

impl Once {
    /// Whether it is still to be told, which it now counts as. No more than 50 things are.
    pub(super) fn is_new(&self, what: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.len() < MAX_TOLD && told.insert(what.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_told_once_and_not_too_many() {
        let once = Once::default();
        assert!(once.is_new("a") && once.is_new("b") && !once.is_new("a"));
        assert_eq!((0..100).filter(|thing| once.is_new(&thing.to_string())).count(), MAX_TOLD - 2);
    }
}
