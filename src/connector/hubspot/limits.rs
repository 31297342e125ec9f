//! How much HubSpot lets through: so many calls in ten seconds, by account and kind of app, told with
//! each answer but the search's.
//!
//! <https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines>: from 100 to 250
//! calls in ten seconds for private apps, 110 for an app with OAuth.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::config::RateLimit;
use crate::connector::http::Answer;
use crate::connector::http::rate_limit::Limiter;

/// What the smallest account may do, until an answer has told what this one may.
pub(super) const FIRST: RateLimit = RateLimit { requests: number(100), per_secs: 10 };
/// Calls that ask the search.
pub(super) const SEARCHES: RateLimit = RateLimit { requests: number(5), per_secs: 1 };
/// A limit that nothing comes to, for a remote that tells none.
const NONE: RateLimit = RateLimit { requests: number(1_000_000), per_secs: 1 };

const fn number(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

const MAX: &str = "x-hubspot-ratelimit-max";
const REMAINING: &str = "x-hubspot-ratelimit-remaining";
const INTERVAL: &str = "x-hubspot-ratelimit-interval-milliseconds";

/// The limit that was told last.
#[derive(Debug, Default)]
pub(super) struct Limits {
    told: Mutex<Option<RateLimit>>,
    /// The user has set one, and it stays.
    is_fixed: bool,
    /// It was used up when an answer told of it last.
    is_spent: AtomicBool,
}

impl Limits {
    pub(super) fn new(is_fixed: bool) -> Self {
        Self { is_fixed, ..Self::default() }
    }

    /// Takes what an answer tells of the limit.
    pub(super) fn heed(&self, answer: &Answer, limiter: Option<&Limiter>) {
        let number = |name: &str| answer.header(name)?.trim().parse::<u32>().ok();
        self.is_spent.store(number(REMAINING) == Some(0), Ordering::Relaxed);
        let said = number(MAX).and_then(NonZeroU32::new).map(|requests| {
            let secs = number(INTERVAL).unwrap_or(10_000).div_ceil(1000).clamp(1, 60);
            RateLimit { requests, per_secs: secs }
        });
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // One answer without it, of a proxy, is no other limit.
        let limit = said.or(*told).unwrap_or(NONE);
        if self.is_fixed || *told == Some(limit) {
            return;
        }
        *told = Some(limit);
        if limit.requests.get() < limit.per_secs {
            tracing::warn!(
                requests = limit.requests,
                seconds = limit.per_secs,
                "HubSpot lets less than one call a second through: the job takes long."
            );
        }
        if let Some(limiter) = limiter {
            limiter.change(limit);
        }
    }

    /// For how long all calls are to rest: others of the account have used up the limit.
    pub(super) fn quiet(&self) -> Option<Duration> {
        self.is_spent.load(Ordering::Relaxed).then_some(Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
    use url::Url;

    use super::*;

    fn answer(headers: &[(&'static str, &'static str)]) -> Answer {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        Answer::new(200, headers, "", Url::parse("http://h").unwrap())
    }

    fn told(limits: &Limits) -> Option<(u32, u32)> {
        limits.told.lock().unwrap().map(|limit| (limit.requests.get(), limit.per_secs))
    }

    #[test]
    fn the_limit_is_what_the_last_answer_told() {
        let limits = Limits::default();
        limits.heed(&answer(&[(MAX, "190"), (INTERVAL, "10000")]), None);
        assert_eq!((told(&limits), limits.quiet()), (Some((190, 10)), None));
        limits.heed(&answer(&[]), None);
        assert_eq!(told(&limits), Some((190, 10)));
        limits.heed(&answer(&[(MAX, "110"), (REMAINING, "0")]), None);
        assert_eq!(
            (told(&limits), limits.quiet()),
            (Some((110, 10)), Some(Duration::from_secs(1)))
        );
        let fixed = Limits::new(true);
        fixed.heed(&answer(&[(MAX, "190")]), None);
        assert_eq!(told(&fixed), None);
        let untold = Limits::default();
        untold.heed(&answer(&[(MAX, "0")]), None);
        assert_eq!(told(&untold), Some((1_000_000, 1)));
    }
}
