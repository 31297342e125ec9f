//! Whether a create whose fate nothing can tell may be sent again: the one rule for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::OnDoubt;
use crate::store::doubts::Doubt;
use crate::stream::Record;

/// Under which a remote knows a create again that it was sent before.
#[derive(Clone, Debug)]
pub struct CreateKey {
    /// As it goes out.
    pub text: Arc<str>,
    /// How long the remote remembers it for sure.
    pub until: Instant,
}

impl CreateKey {
    /// A new one, for a remote that remembers keys for `life`.
    pub fn new(text: Arc<str>, now: Instant, life: Duration) -> Self {
        Self { text, until: now + life }
    }

    /// The key of a create in doubt, while the remote remembers it. It stands for the content that
    /// was sent: other content under it would be taken for that.
    pub fn of(record: &Record, doubt: &Doubt, now: Instant) -> Option<Self> {
        let text = doubt.key.as_ref().filter(|_| doubt.fingerprint == Some(record.fingerprint))?;
        let left =
            record.stream.capabilities.idempotent_create?.checked_sub(doubt.since_first())?;
        (!left.is_zero()).then(|| Self::new(Arc::clone(text), now, left))
    }
}

/// Whether a create of `record` that is in doubt may be sent again, under `key`: the remote makes
/// no second record of it, or the user wants it so.
pub fn may_be_resent(record: &Record, key: Option<&CreateKey>, now: Instant) -> bool {
    key.is_some_and(|key| now < key.until) || record.stream.options.on_doubt == OnDoubt::Resend
}
