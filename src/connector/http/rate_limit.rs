//! Lets so many requests leave in a time, over all tasks.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::config::RateLimit;

/// At most `requests` in any `per_secs` seconds.
pub struct Limiter(DefaultDirectRateLimiter);

impl Limiter {
    /// A tenth of the requests may leave at once; the rest is spread, so that no window of the
    /// remote's, wherever it begins, sees more than the limit. `None` when a number is 0.
    pub fn new(limit: RateLimit) -> Option<Self> {
        let burst = NonZeroU32::new(limit.requests.get() / 10).unwrap_or(NonZeroU32::MIN);
        let spread = (limit.requests.get() - burst.get()).saturating_add(1);
        let period = Duration::from_secs(limit.per_secs.into()).checked_div(spread)?;
        let quota = Quota::with_period(period)?.allow_burst(burst);
        Some(Self(RateLimiter::direct(quota)))
    }

    /// Waits for this request's turn.
    pub async fn turn(&self) {
        self.0.until_ready().await;
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Limiter")
    }
}
