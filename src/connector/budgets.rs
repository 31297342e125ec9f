//! What a remote lets through is counted by credential: all that write with one share its limits.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::http::Authorizer;
use super::http::rate_limit::{Limiter, WeakLimiter};
use crate::config::RateLimit;
use crate::text::hash_of;

/// A credential, as far as it is to be told from another: a hash, which tells nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Credential([u8; 32]);

impl Credential {
    /// Of all that makes it what it is.
    pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self(hash_of(parts))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

/// All calls, as a kind of them.
pub(super) const CALLS: &str = "calls";

/// The limits of all credentials that connectors in this process were built with. A job that is alone
/// has its own, which is empty.
#[derive(Clone, Debug, Default)]
pub struct Budgets(Arc<Mutex<HashMap<(Credential, &'static str), WeakLimiter>>>);

impl Budgets {
    /// The limit on calls of the kind `what`, which the first connector of a credential sets, and a later
    /// one lowers. Where there is no credential it is nobody else's.
    pub fn rate(
        &self,
        authorizer: &Authorizer,
        what: &'static str,
        limit: RateLimit,
    ) -> Option<Limiter> {
        let Some(credential) = authorizer.credential() else { return Limiter::new(limit) };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, limiter| limiter.upgrade().is_some());
        if let Some(limiter) = known.get(&(credential, what)).and_then(WeakLimiter::upgrade) {
            limiter.lower(limit);
            return Some(limiter);
        }
        let limiter = Limiter::new(limit)?;
        known.insert((credential, what), limiter.downgrade());
        Some(limiter)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::connector::http::Redactor;

    #[tokio::test(start_paused = true)]
    async fn one_credential_has_one_limit() {
        let budgets = Budgets::default();
        let bearer = |token| Authorizer::bearer(token, &Redactor::default()).unwrap();
        let limit =
            |requests| RateLimit { requests: NonZeroU32::new(requests).unwrap(), per_secs: 10 };
        let rate =
            |token, what, requests| budgets.rate(&bearer(token), what, limit(requests)).unwrap();
        let (one, same) = (rate("a", "calls", 100), rate("a", "calls", 50));
        assert!(one.is(&same));
        assert_eq!(one.limit(), limit(50));
        assert!(rate("a", "calls", 80).is(&one));
        assert_eq!(one.limit(), limit(50));
        assert!(!one.is(&rate("b", "calls", 50)));
        assert!(!one.is(&rate("a", "searches", 50)));
        drop((one, same));
        assert_eq!(rate("a", "calls", 80).limit(), limit(80));
        let none = || budgets.rate(&Authorizer::None, "calls", limit(5)).unwrap();
        assert!(!none().is(&none()));
    }
}
