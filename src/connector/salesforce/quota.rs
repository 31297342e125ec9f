//! The day's quota of calls, which all apps of an org share: Salesforce tells with each answer how much
//! of it is used (`Sforce-Limit-Info: api-usage=18/5000`), and never how long to wait.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm>

use std::sync::{Mutex, PoisonError};

use crate::connector::contract::RequestError;
use crate::connector::http::Answer;

const HEADER: &str = "sforce-limit-info";

/// What was told last.
#[derive(Debug)]
pub(super) struct Quota {
    /// More than this of it ends the job.
    percent: f64,
    told: Mutex<Option<Used>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) calls: u64,
    pub(super) most: u64,
}

impl Quota {
    pub(super) fn new(percent: f64) -> Self {
        Self { percent, told: Mutex::default() }
    }

    /// Takes what an answer tells.
    pub(super) fn heed(&self, answer: &Answer) {
        if let Some(used) = answer.header(HEADER).and_then(Used::read) {
            *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(used);
        }
    }

    pub(super) fn told(&self) -> Option<Used> {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets no call out once too much of it is used: what was sent has its answer by then.
    ///
    /// # Errors
    /// [`RequestError::Spent`].
    pub(super) fn refuse_spent(&self) -> Result<(), RequestError> {
        let Some(used) = self.told().filter(|used| used.percent() > self.percent) else {
            return Ok(());
        };
        // In the platform's words, which its users look for.
        Err(RequestError::Spent(
            format!(
                "Salesforce has reported {}/{} ({:.2}%) total REST quota used across all Salesforce \
                 Applications: the job ends, since `quota_percent_total` is {}",
                used.calls,
                used.most,
                used.percent(),
                self.percent
            )
            .into(),
        ))
    }
}

impl Used {
    /// `api-usage=18/5000; per-app-api-usage=17/250(appName=sample)`
    fn read(text: &str) -> Option<Self> {
        let usage =
            text.split([';', ',']).find_map(|part| part.trim().strip_prefix("api-usage="))?;
        let (calls, most) = usage.split_once('/')?;
        let most = most.trim().parse().ok().filter(|most| *most > 0)?;
        Some(Self { calls: calls.trim().parse().ok()?, most })
    }

    #[expect(clippy::cast_precision_loss, reason = "a part in a hundred, of some millions")]
    fn percent(self) -> f64 {
        self.calls as f64 * 100.0 / self.most as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_read_out_of_the_header() {
        let used = |calls, most| Some(Used { calls, most });
        for (text, told) in [
            ("api-usage=18/5000", used(18, 5000)),
            ("per-app-api-usage=17/250(appName=x); api-usage=4999/5000", used(4999, 5000)),
            ("api-usage=1/0", None),
            ("api-usage=x/5", None),
            ("", None),
        ] {
            assert_eq!(Used::read(text), told, "{text}");
        }
        let quota = Quota::new(80.0);
        quota.refuse_spent().unwrap();
        for (calls, is_spent) in [(4000, false), (4001, true)] {
            *quota.told.lock().unwrap() = used(calls, 5000);
            assert_eq!(quota.refuse_spent().is_err(), is_spent);
        }
    }
}
