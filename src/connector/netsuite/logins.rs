//! A login that NetSuite refuses may be none that is wrong: where too many calls come at once, it says
//! so now and then of a credential that it has taken a moment before.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::connector::contract::RequestError;

/// Refusals in a row that are believed.
const MOST: u32 = 5;

/// How logins of this job went.
#[derive(Debug, Default)]
pub(super) struct Logins {
    has_worked: AtomicBool,
    refused: AtomicU32,
}

impl Logins {
    /// The credential was taken.
    pub(super) fn worked(&self) {
        self.has_worked.store(true, Ordering::Relaxed);
        self.refused.store(0, Ordering::Relaxed);
    }

    /// It was refused, with `status`: too much at once, where it has been taken before and not been
    /// refused too often since.
    pub(super) fn refused(&self, status: u16) -> Option<RequestError> {
        let before = self.refused.fetch_add(1, Ordering::Relaxed);
        let is_odd = self.has_worked.load(Ordering::Relaxed) && before < MOST;
        is_odd.then_some(RequestError::Throttled { status, retry_after: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_has_worked_is_not_wrong_at_once() {
        let logins = Logins::default();
        assert!(logins.refused(401).is_none());
        logins.worked();
        for _ in 0..MOST {
            assert!(matches!(
                logins.refused(401),
                Some(RequestError::Throttled { status: 401, .. })
            ));
        }
        assert!(logins.refused(401).is_none());
        logins.worked();
        assert!(logins.refused(401).is_some());
    }
}
