//! Lets so many requests leave in a time, over all tasks.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::config::RateLimit;

/// At most `requests` in any `per_secs` seconds.
pub struct Limiter(Mutex<Arc<DefaultDirectRateLimiter>>);

impl Limiter {
    /// A tenth of the requests may leave at once; the rest is spread, so that no window of the
    /// remote's, wherever it begins, sees more than the limit. `None` when a number is 0.
    pub fn new(limit: RateLimit) -> Option<Self> {
        Some(Self(Mutex::new(Arc::new(direct(limit)?))))
    }

    /// The remote has told another limit; those who wait already are not asked to wait longer.
    pub fn change(&self, limit: RateLimit) {
        if let Some(limiter) = direct(limit) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(limiter);
        }
    }

    /// Waits for this request's turn.
    pub async fn turn(&self) {
        let limiter = Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner));
        limiter.until_ready().await;
    }
}

fn direct(limit: RateLimit) -> Option<DefaultDirectRateLimiter> {
    let burst = NonZeroU32::new(limit.requests.get() / 10).unwrap_or(NonZeroU32::MIN);
    let spread = (limit.requests.get() - burst.get()).saturating_add(1);
    let period = Duration::from_secs(limit.per_secs.into()).checked_div(spread)?;
    Some(RateLimiter::direct(Quota::with_period(period)?.allow_burst(burst)))
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Limiter")
    }
}
