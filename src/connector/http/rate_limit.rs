//! Lets so many requests leave in a time, over all tasks.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::config::RateLimit;

/// A limiter that is kept by those alone who use it.
#[derive(Clone, Debug)]
pub struct WeakLimiter(Weak<Mutex<State>>);

impl WeakLimiter {
    /// It, while somebody uses it.
    pub fn upgrade(&self) -> Option<Limiter> {
        self.0.upgrade().map(Limiter)
    }
}

/// At most `requests` in any `per_secs` seconds. A clone is the same one.
#[derive(Clone)]
pub struct Limiter(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    limit: RateLimit,
    limiter: Arc<DefaultDirectRateLimiter>,
}

impl Limiter {
    /// A tenth of the requests may leave at once; the rest is spread, so that no window of the
    /// remote's, wherever it begins, sees more than the limit. `None` when a number is 0.
    pub fn new(limit: RateLimit) -> Option<Self> {
        let limiter = Arc::new(direct(limit)?);
        Some(Self(Arc::new(Mutex::new(State { limit, limiter }))))
    }

    /// Keeps it no longer than others do.
    pub fn downgrade(&self) -> WeakLimiter {
        WeakLimiter(Arc::downgrade(&self.0))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The remote has told another limit; those who wait already are not asked to wait longer.
    pub fn change(&self, limit: RateLimit) {
        let mut state = self.lock();
        if state.limit != limit
            && let Some(limiter) = direct(limit)
        {
            *state = State { limit, limiter: Arc::new(limiter) };
        }
    }

    /// Changes it where this one lets less through.
    pub fn lower(&self, limit: RateLimit) {
        let each = |limit: RateLimit| {
            Duration::from_secs(limit.per_secs.into()).as_secs_f64()
                / f64::from(limit.requests.get())
        };
        if each(limit) > each(self.lock().limit) {
            self.change(limit);
        }
    }

    /// Waits for this request's turn.
    pub async fn turn(&self) {
        let limiter = Arc::clone(&self.lock().limiter);
        limiter.until_ready().await;
    }

    /// Whether it is the same one.
    #[cfg(test)]
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    #[cfg(test)]
    pub(crate) fn limit(&self) -> RateLimit {
        self.lock().limit
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
