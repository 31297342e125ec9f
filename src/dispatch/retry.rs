//! How long to wait before a call is tried again, and when to stop trying.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::concurrency::Limiter;
use crate::config::RetryOptions;
use crate::connector::stop;
use crate::error::Error;

/// What can be done where a remote asks for more patience than the user has.
const SPENT: &str = "its quota is probably spent: run the same input again later, or allow a longer \
                     wait with `retry.max_wait_secs`";

/// Retries that a job may make whatever else happens: a short job is not cut off by one bad minute.
const FREE_RETRIES: u64 = 100;

/// The waits of one job.
#[derive(Debug)]
pub struct Retry {
    options: RetryOptions,
    lookups: Tally,
    writes: Tally,
    /// Calls that were tried again after they had failed.
    retries: AtomicU64,
    /// That no more may be made has been told.
    is_spent: AtomicBool,
    /// Since when every call that came back was throttled.
    throttled_since: Mutex<Option<Instant>>,
    /// Ended when the job is to end: nobody waits any longer.
    stop: CancellationToken,
    /// Ended when nothing more is to be sent either.
    over: CancellationToken,
}

/// Which calls are counted together: a remote that answers every lookup may fail every write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Those that ask.
    Lookup,
    /// Those that change something.
    Write,
}

/// Calls of one kind.
#[derive(Debug, Default)]
struct Tally {
    answered: AtomicU64,
    /// For good.
    failed: AtomicU64,
    failed_in_a_row: AtomicU32,
}

/// Why nothing more is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaveUp {
    /// As often as allowed.
    Attempts,
    /// The job is to end.
    Stopped,
}

/// Tries of one call.
#[derive(Debug, Default)]
pub struct Tries {
    failed: u32,
    /// In a row.
    throttled: u32,
}

impl Tries {
    /// Whether the call was not made before.
    pub fn is_first(&self) -> bool {
        self.failed + self.throttled == 0
    }

    /// Waits before the next try, after one that has failed.
    ///
    /// # Errors
    /// When nothing more is to be tried.
    pub async fn again(&mut self, retry: &Retry) -> Result<(), GaveUp> {
        self.failed += 1;
        self.throttled = 0;
        retry.again(self.failed).await
    }

    /// Waits before the next try as long as the remote has `asked` for, and all other calls with
    /// it.
    ///
    /// # Errors
    /// What ends the job, see [`Retry::throttled`]; within, that it is to end.
    pub async fn throttled(
        &mut self,
        retry: &Retry,
        limiter: &Limiter,
        asked: Option<Duration>,
    ) -> Result<Result<(), GaveUp>, Error> {
        self.throttled += 1;
        let wait = retry.throttled(asked, self.throttled)?;
        limiter.pause(Instant::now(), wait);
        Ok(retry.sleep(wait).await)
    }
}

impl Retry {
    /// As the configuration says; `stop` ends all waiting.
    pub fn new(options: RetryOptions, stop: CancellationToken) -> Self {
        Self {
            options,
            lookups: Tally::default(),
            writes: Tally::default(),
            retries: AtomicU64::new(0),
            is_spent: AtomicBool::new(false),
            throttled_since: Mutex::default(),
            stop,
            over: CancellationToken::new(),
        }
    }

    /// Waits before try number `attempt` + 1 of a call of which `attempt` tries have failed.
    ///
    /// # Errors
    /// When nothing more is to be tried.
    pub async fn again(&self, attempt: u32) -> Result<(), GaveUp> {
        if attempt >= self.options.attempts || !self.has_budget() {
            return Err(GaveUp::Attempts);
        }
        self.sleep(self.jitter(attempt)).await
    }

    /// Takes one retry out of the job's budget: where most calls fail, to try each of them again
    /// and again keeps a remote down that is down.
    fn has_budget(&self) -> bool {
        let answered: u64 = [&self.lookups, &self.writes]
            .map(|tally| tally.answered.load(Ordering::Relaxed))
            .iter()
            .sum();
        // Calls stay far below where a float loses precision; a negative budget is none.
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a bound"
        )]
        let budget = FREE_RETRIES + (answered as f64 * self.options.budget) as u64;
        let retries = self.retries.fetch_add(1, Ordering::Relaxed);
        if retries < budget {
            return true;
        }
        self.retries.fetch_sub(1, Ordering::Relaxed);
        if !self.is_spent.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "The budget of retries is spent ({retries} retries, {answered} calls answered): calls \
                 that fail are not tried again until more are answered."
            );
        }
        false
    }

    /// The remote throttles: all calls wait as long as it asks, else longer with each time.
    ///
    /// # Errors
    /// What ends the job: the remote asks for more than `max_wait_secs`, or has done nothing but
    /// throttle for longer than that.
    pub fn throttled(&self, asked: Option<Duration>, times: u32) -> Result<Duration, Error> {
        let max = self.options.max_wait_secs.duration();
        let since = *self.throttled_since().get_or_insert_with(Instant::now);
        if since.elapsed() > max {
            let secs = since.elapsed().as_secs();
            let message = format!("the remote has throttled every call for {secs} seconds");
            return Err(Error::remote(message).hint(SPENT));
        }
        // A remote that asks for no wait at all, or for one that is over, is not hammered.
        let floor = Duration::from_millis(self.options.base_millis / 2).min(max);
        if let Some(asked) = asked {
            self.sit_out(asked)?;
        }
        Ok(asked.unwrap_or_else(|| self.jitter(times)).max(floor))
    }

    /// Whether a quiet that is asked for is to be sat out.
    ///
    /// # Errors
    /// What ends the job: it is longer than `max_wait_secs`.
    pub fn sit_out(&self, quiet: Duration) -> Result<(), Error> {
        if quiet <= self.options.max_wait_secs.duration() {
            return Ok(());
        }
        let message = format!("the remote asks to wait for {} seconds", quiet.as_secs());
        Err(Error::remote(message).hint(SPENT))
    }

    /// Whether the job is to end.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Ends when the job is to.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Makes calls of the job, which end with [`end`](Self::end).
    pub(crate) async fn until_over<F: Future>(&self, calls: F) -> F::Output {
        stop::until(self.over.clone(), calls).await
    }

    /// Nothing more is to be sent.
    pub fn end(&self) {
        self.over.cancel();
    }

    /// Whether nothing more is to be sent.
    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Sleeps, unless the job is to end.
    ///
    /// # Errors
    /// [`GaveUp::Stopped`] as soon as it is.
    pub async fn sleep(&self, wait: Duration) -> Result<(), GaveUp> {
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            () = self.stop.cancelled() => Err(GaveUp::Stopped),
        }
    }

    /// Sleeps also when the job is to end, as long as what is under way has time left. Whether it
    /// still has.
    pub async fn sleep_in_grace(&self, wait: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = self.over.cancelled() => false,
        }
    }

    /// Sleeps until `deadline`.
    ///
    /// # Errors
    /// As [`Retry::sleep`].
    pub async fn sleep_until(&self, deadline: Instant) -> Result<(), GaveUp> {
        self.sleep(deadline.saturating_duration_since(Instant::now())).await
    }

    /// Sleeps a quarter of `lag`, at least a moment, and not beyond `deadline`: for asking again
    /// and again until a remote must show what it has.
    ///
    /// # Errors
    /// As [`Retry::sleep`].
    pub async fn poll(&self, lag: Duration, deadline: Instant) -> Result<(), GaveUp> {
        let pause = (lag / 4).max(Duration::from_millis(100));
        self.sleep_until((Instant::now() + pause).min(deadline)).await
    }

    /// A random wait below a bound that doubles with each try.
    fn jitter(&self, attempt: u32) -> Duration {
        let bound = self.options.base_millis.saturating_mul(1 << attempt.saturating_sub(1).min(20));
        let most = self.options.max_wait_secs.duration().as_millis();
        let bound = bound.min(u64::try_from(most).unwrap_or(u64::MAX)).max(1);
        Duration::from_millis(fastrand::u64(0..=bound))
    }

    fn throttled_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.throttled_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tally(&self, kind: Kind) -> &Tally {
        match kind {
            Kind::Lookup => &self.lookups,
            Kind::Write => &self.writes,
        }
    }

    /// A call was answered, whatever the answer says of its records.
    pub fn answered(&self, kind: Kind) {
        *self.throttled_since() = None;
        let tally = self.tally(kind);
        tally.failed_in_a_row.store(0, Ordering::Relaxed);
        tally.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// A call failed for good. The circuit breaker: too many in a row end the job.
    pub fn failed(&self, kind: Kind, why: &str) -> Option<Error> {
        let tally = self.tally(kind);
        tally.failed.fetch_add(1, Ordering::Relaxed);
        let in_a_row = tally.failed_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        (in_a_row >= self.options.give_up_after).then(|| {
            Error::remote(format!("{in_a_row} calls in a row failed, the last with: {why}")).hint(
                "see whether the remote is well, then run the same input again: what was written \
                 is known and is not written twice",
            )
        })
    }

    /// What was made, and failed each time: a kind of calls, or all calls where none was answered.
    pub fn hopeless(&self) -> Option<&'static str> {
        let is_silent = |tally: &Tally| tally.answered.load(Ordering::Relaxed) == 0;
        let (_, kind) = [(&self.lookups, "lookup"), (&self.writes, "write")]
            .into_iter()
            .find(|(tally, _)| tally.failed.load(Ordering::Relaxed) > 0 && is_silent(tally))?;
        Some(if is_silent(&self.lookups) && is_silent(&self.writes) { "call" } else { kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Seconds;

    fn retry(options: RetryOptions) -> Retry {
        Retry::new(options, CancellationToken::new())
    }

    #[test]
    fn what_the_remote_asks_for_is_obeyed_up_to_the_bound() {
        let retry =
            retry(RetryOptions { max_wait_secs: Seconds::of(10), ..RetryOptions::default() });
        let second = Duration::from_secs(1);
        assert_eq!(retry.throttled(Some(7 * second), 1).unwrap(), 7 * second);
        assert!(retry.throttled(Some(11 * second), 1).is_err());
        // Zero, or a date that is past, is no leave to hammer.
        assert!(retry.throttled(Some(Duration::ZERO), 1).unwrap() >= second / 4);
        assert!(retry.throttled(None, 99).unwrap() <= 10 * second);
        *retry.throttled_since() = Instant::now().checked_sub(11 * second);
        assert!(retry.throttled(None, 1).unwrap_err().to_string().contains("every call"));
        retry.answered(Kind::Lookup);
        // However long ago that answer was: a tap may have had nothing to say.
        assert_eq!(*retry.throttled_since(), None);
        retry.throttled(None, 1).unwrap();
        assert!(retry.throttled_since().is_some_and(|since| since.elapsed() < second));
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_counted_and_a_stop_ends_the_waiting() {
        let retry = retry(RetryOptions { attempts: 3, ..RetryOptions::default() });
        assert_eq!(retry.again(2).await, Ok(()));
        assert_eq!(retry.again(3).await, Err(GaveUp::Attempts));
        retry.stop.cancel();
        assert_eq!(retry.sleep(Duration::from_secs(9)).await, Err(GaveUp::Stopped));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_has_a_budget_of_retries() {
        let retry = retry(RetryOptions { budget: 0.5, ..RetryOptions::default() });
        for _ in 0..FREE_RETRIES {
            assert_eq!(retry.again(1).await, Ok(()));
        }
        assert_eq!(retry.again(1).await, Err(GaveUp::Attempts));
        // Two answers pay for one retry.
        retry.answered(Kind::Lookup);
        retry.answered(Kind::Write);
        assert_eq!(retry.again(1).await, Ok(()));
        assert_eq!(retry.again(1).await, Err(GaveUp::Attempts));
    }

    #[test]
    fn the_breaker_counts_in_a_row_and_each_kind_of_call_by_itself() {
        let retry = retry(RetryOptions { give_up_after: 3, ..RetryOptions::default() });
        let fails = || retry.failed(Kind::Write, "x").is_some();
        assert_eq!(retry.hopeless(), None);
        assert!(!fails() && !fails());
        assert_eq!(retry.hopeless(), Some("call"));
        retry.answered(Kind::Lookup);
        assert_eq!(retry.hopeless(), Some("write"));
        retry.answered(Kind::Write);
        assert!(!fails() && !fails());
        retry.answered(Kind::Lookup);
        assert!(fails() && retry.hopeless().is_none());
    }
}
