//! The rate limit: a fixed window that begins with the first request in it.

use std::time::{Duration, Instant, SystemTime};

use hyper::header::{HeaderName, RETRY_AFTER};

use super::fault::RetryAfter;
use super::faults::{RateLimit, RetryAfterForm};

/// How much of the quota is used.
#[derive(Debug, Default)]
pub(super) struct Window {
    start: Option<Instant>,
    used: u64,
}

impl Window {
    /// Counts one request. `Ok`: how many more are let through in this window.
    ///
    /// # Errors
    /// How long the window still lasts; the request is not counted.
    pub(super) fn take(&mut self, limit: &RateLimit, now: Instant) -> Result<u64, Duration> {
        let length = Duration::from_secs(limit.per_secs);
        let start = match self.start {
            Some(start) if now.duration_since(start) < length => start,
            _ => {
                self.used = 0;
                *self.start.insert(now)
            }
        };
        if self.used >= limit.requests {
            return Err(length.saturating_sub(now.duration_since(start)));
        }
        self.used += 1;
        Ok(limit.requests - self.used)
    }
}

impl Window {
    /// Seconds until there are more again, rounded up.
    pub(super) fn reset_secs(&self, limit: &RateLimit, now: Instant) -> u64 {
        let used = self.start.map_or(Duration::ZERO, |start| now.duration_since(start));
        let left = Duration::from_secs(limit.per_secs).saturating_sub(used);
        left.as_secs() + u64::from(left.subsec_nanos() > 0)
    }
}

impl RateLimit {
    /// The header that tells to come back when the window has passed, if it is told.
    pub(super) fn retry_after(&self, left: Duration) -> Option<(HeaderName, String)> {
        // Rounded up: who comes back as told must be let through.
        let secs = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        match self.retry_after {
            RetryAfterForm::Seconds => Some(RetryAfter::Seconds(secs).header()),
            // A date has whole seconds only, so the second that is being cut off is added.
            RetryAfterForm::Date => Some(RetryAfter::DateInSecs(secs + 1).header()),
            RetryAfterForm::None => None,
        }
    }
}

impl RetryAfter {
    /// The header as it is sent now.
    pub(super) fn header(self) -> (HeaderName, String) {
        let value = match self {
            Self::Seconds(secs) => secs.to_string(),
            Self::DateInSecs(secs) => {
                // An HTTP date has four digits for the year; a century ahead is far enough.
                let ahead = Duration::from_secs(secs.min(3_155_760_000));
                httpdate::fmt_http_date(SystemTime::now() + ahead)
            }
        };
        (RETRY_AFTER, value)
    }
}
