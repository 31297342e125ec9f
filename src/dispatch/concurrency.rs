//! How many calls may be under way: starts small, climbs while all is well, falls back when the
//! remote throttles or breaks down (additive increase, multiplicative decrease).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Calls at once in the beginning: enough to see whether more help.
const START: f64 = 2.0;
/// What is left of the limit after trouble.
const DECREASE: f64 = 0.6;
/// Trouble within this time of the last decrease has the same cause, and counts once.
const SAME_TROUBLE: Duration = Duration::from_millis(250);

/// The limit, shared by all calls on one credential.
#[derive(Debug)]
pub struct Limiter {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: f64,
    max: f64,
    /// Until the first trouble the limit doubles with each round of calls.
    is_starting: bool,
    decreased: Option<Instant>,
    paused_until: Option<Instant>,
    /// All pauses together, those that overlap counted once.
    paused: Duration,
}

impl Limiter {
    /// A limit between 1 and `max`.
    pub fn new(max: usize) -> Self {
        let max = to_float(max);
        let limit = START.min(max);
        let state = State {
            limit,
            max,
            is_starting: true,
            decreased: None,
            paused_until: None,
            paused: Duration::ZERO,
        };
        Self { state: Mutex::new(state) }
    }

    /// Lowers the most that the limit may be.
    pub fn cap(&self, max: usize) {
        let mut state = self.lock();
        state.max = state.max.min(to_float(max));
        state.limit = state.limit.min(state.max);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls that may be under way now; 0 while the remote asked for quiet.
    pub fn limit(&self, now: Instant) -> usize {
        let state = self.lock();
        if state.paused_until.is_some_and(|until| now < until) {
            return 0;
        }
        // At least 1 and at most `max`, so the cast keeps the value.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to max")]
        let limit = state.limit as usize;
        limit
    }

    /// When the quiet that the remote asked for ends, if it has not.
    pub fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.lock().paused_until.filter(|until| now < *until)
    }

    /// A call was answered well.
    pub fn succeeded(&self) {
        let mut state = self.lock();
        let step = if state.is_starting { 1.0 } else { 1.0 / state.limit };
        state.limit = (state.limit + step).min(state.max);
    }

    /// The remote throttled, broke down, or did not answer in time.
    pub fn troubled(&self, now: Instant) {
        let mut state = self.lock();
        if state.decreased.is_some_and(|at| now.duration_since(at) < SAME_TROUBLE) {
            return;
        }
        state.is_starting = false;
        state.decreased = Some(now);
        state.limit = (state.limit * DECREASE).max(1.0);
    }

    /// No new call for `wait` from now.
    pub fn pause(&self, now: Instant, wait: Duration) {
        let mut state = self.lock();
        let until = now + wait;
        let from = state.paused_until.map_or(now, |paused| paused.max(now));
        if from < until {
            state.paused += until - from;
            state.paused_until = Some(until);
        }
    }

    /// Seconds of quiet until `now`, because the remote throttled.
    pub fn throttled_secs(&self, now: Instant) -> f64 {
        let state = self.lock();
        let ahead =
            state.paused_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        state.paused.saturating_sub(ahead).as_secs_f64()
    }
}

fn to_float(count: usize) -> f64 {
    f64::from(u32::try_from(count.max(1)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_climbs_falls_back_and_climbs_slower() {
        let limiter = Limiter::new(16);
        let start = Instant::now();
        assert_eq!(limiter.limit(start), 2);
        for _ in 0..100 {
            limiter.succeeded();
        }
        assert_eq!(limiter.limit(start), 16);
        for _ in 0..16 {
            // One storm, not sixteen.
            limiter.troubled(start);
        }
        assert_eq!(limiter.limit(start), 9);
        for _ in 0..9 {
            limiter.succeeded();
        }
        assert_eq!(limiter.limit(start), 10);
        for seconds in 1..100 {
            limiter.troubled(start + Duration::from_secs(seconds));
        }
        assert_eq!(limiter.limit(start), 1);
    }

    #[test]
    fn a_pause_ends_by_itself_and_the_longer_counts() {
        let limiter = Limiter::new(4);
        let start = Instant::now();
        limiter.pause(start, Duration::from_secs(5));
        limiter.pause(start, Duration::from_secs(1));
        assert_eq!(limiter.limit(start + Duration::from_secs(4)), 0);
        assert_eq!(limiter.limit(start + Duration::from_secs(5)), 2);
    }
}
