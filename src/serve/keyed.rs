//! Requests that clients call by one key, one after another: the second finds what the first has left.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::OwnedMutexGuard;

use super::lock;

/// Keys that are known at once, before those that nobody holds are looked for.
const MANY: usize = 1000;

/// The keys of requests that are under way.
#[derive(Debug, Default)]
pub(super) struct Keyed(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

impl Keyed {
    /// Waits until no other request has this key; it is held until what is returned is dropped.
    pub(super) async fn turn(&self, key: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut known = lock(&self.0);
            if known.len() >= MANY {
                known.retain(|_, turn| turn.strong_count() > 0);
            }
            let found = known.get(key).and_then(Weak::upgrade);
            found.unwrap_or_else(|| {
                let turn = Arc::default();
                known.insert(key.to_owned(), Arc::downgrade(&turn));
                turn
            })
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_key_has_one_turn_and_what_is_held_by_nobody_is_forgotten() {
        let keyed = Keyed::default();
        let held = keyed.turn("a").await;
        let is_held = async || {
            let waits = keyed.turn("a");
            tokio::time::timeout(std::time::Duration::ZERO, waits).await.is_err()
        };
        assert!(is_held().await);
        for n in 0..MANY * 2 {
            drop(keyed.turn(&n.to_string()).await);
        }
        assert!(keyed.0.lock().unwrap().len() <= MANY + 1);
        assert!(is_held().await);
        drop(held);
        assert!(!is_held().await);
    }
}
