//! How many calls may be under way: starts small, climbs while all is well and more would go out,
//! falls back when the remote throttles, breaks down or slows (additive increase, multiplicative
//! decrease). Jobs that write with one credential at the same time share it.
//!
//! What it does on links of many kinds is seen in its tests (`simulation`).

mod pace;
#[cfg(test)]
mod simulation;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::Counter;
use tokio::sync::watch;

use super::retry::Kind;
use crate::config::seconds;
use pace::Pace;

/// Calls at once in the beginning: enough to see whether more help.
const START: f64 = 2.0;
/// What is left of the limit after trouble.
const TROUBLED: f64 = 0.6;
/// What is left of the limit when answers take much longer than they did.
const SLOWED: f64 = 0.8;

/// The limit, shared by all calls on one credential.
#[derive(Debug)]
pub struct Limiter {
    state: Mutex<State>,
    /// Told when there may be room again.
    freed: watch::Sender<()>,
}

/// Whose calls go first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rank {
    /// Somebody waits for each of them.
    First,
    /// Those of a job that has time.
    #[default]
    Later,
}

#[derive(Debug)]
struct State {
    limit: f64,
    max: f64,
    /// Calls under way.
    under_way: usize,
    /// Jobs of the first rank; while there are any, one place is theirs.
    firsts: usize,
    /// Calls of the first rank wait for a place.
    first_waits: bool,
    /// Until the first trouble the limit doubles with each round of calls.
    is_starting: bool,
    /// As many calls are under way as may be: whether more would do is worth a try.
    is_used: bool,
    /// Calls that were sent before tell of the same trouble.
    decreased: Option<Instant>,
    lookups: Pace,
    writes: Pace,
    paused_until: Option<Instant>,
    /// All pauses together, those that overlap counted once.
    paused: Duration,
    /// Whole seconds of them are counted there.
    counter: Counter,
}

impl Limiter {
    /// A limit between 1 and `max`.
    pub fn new(max: usize) -> Self {
        Self::counted(max, Counter::noop())
    }

    /// The same, whose pauses are counted, in seconds.
    pub fn counted(max: usize, counter: Counter) -> Self {
        let max = to_float(max);
        let state = State {
            limit: START.min(max),
            max,
            under_way: 0,
            firsts: 0,
            first_waits: false,
            is_starting: true,
            is_used: false,
            decreased: None,
            lookups: Pace::default(),
            writes: Pace::default(),
            paused_until: None,
            paused: Duration::ZERO,
            counter,
        };
        Self { state: Mutex::new(state), freed: watch::Sender::new(()) }
    }

    /// A job of this rank makes calls until what is returned is dropped.
    pub fn join(self: &Arc<Self>, rank: Rank) -> Share {
        if rank == Rank::First {
            self.lock().firsts += 1;
        }
        let freed = self.freed.subscribe();
        Share { limiter: Arc::clone(self), rank, freed, under_way: 0 }
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

    /// So many calls are under way.
    #[cfg(test)]
    fn set_under_way(&self, calls: usize) {
        let mut state = self.lock();
        state.under_way = calls;
        state.mark_use();
    }

    /// When the quiet that the remote asked for ends, if it has not.
    pub fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.lock().paused_until.filter(|until| now < *until)
    }

    /// A call that was sent at `sent` was answered well.
    pub fn succeeded(&self, kind: Kind, sent: Instant, now: Instant) {
        let mut state = self.lock();
        let pace = match kind {
            Kind::Lookup => &mut state.lookups,
            Kind::Write => &mut state.writes,
        };
        if pace.is_slower(sent, now) {
            state.decrease(SLOWED, sent, now);
        } else if state.is_used {
            let step = if state.is_starting { 1.0 } else { 1.0 / state.limit };
            state.limit = (state.limit + step).min(state.max);
        }
    }

    /// The remote throttled a call that was sent at `sent`, broke down, or did not answer in time.
    pub fn troubled(&self, sent: Instant, now: Instant) {
        self.lock().decrease(TROUBLED, sent, now);
    }

    /// No new call for `wait` from now, or for 31 days: a remote may ask for more than a clock has.
    pub fn pause(&self, now: Instant, wait: Duration) {
        let mut state = self.lock();
        let until = now + wait.min(seconds::MAX);
        let from = state.paused_until.map_or(now, |paused| paused.max(now));
        if from < until {
            let before = state.paused.as_secs();
            state.paused += until - from;
            state.counter.increment(state.paused.as_secs() - before);
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

/// One job's share of the limit. Its calls count as ended when it is dropped.
#[derive(Debug)]
pub struct Share {
    limiter: Arc<Limiter>,
    rank: Rank,
    freed: watch::Receiver<()>,
    under_way: usize,
}

impl Share {
    /// Takes a place for one more call, if there is one.
    pub fn start(&mut self, now: Instant) -> bool {
        let limit = self.limiter.limit(now);
        let mut state = self.limiter.lock();
        let most = match self.rank {
            Rank::Later if state.first_waits => 0,
            Rank::Later if state.firsts > 0 => limit.saturating_sub(1).max(limit.min(1)),
            Rank::First | Rank::Later => limit,
        };
        let is_free = state.under_way < most;
        if is_free {
            state.under_way += 1;
            self.under_way += 1;
        }
        is_free
    }

    /// Gives back a place that was taken just now.
    pub fn withdraw(&mut self) {
        self.under_way -= 1;
        self.limiter.lock().under_way -= 1;
    }

    /// Whether a call could start.
    pub fn has_room(&self, now: Instant) -> bool {
        let limit = self.limiter.limit(now);
        self.limiter.lock().under_way < limit
    }

    /// All calls that could start have; `waits`: more would.
    pub fn settle(&mut self, waits: bool) {
        self.freed.mark_unchanged();
        let mut state = self.limiter.lock();
        state.mark_use();
        if self.rank == Rank::First && state.first_waits != waits {
            state.first_waits = waits;
            drop(state);
            self.limiter.freed.send_replace(());
            self.freed.mark_unchanged();
        }
    }

    /// One of this job's calls has ended.
    pub fn end(&mut self) {
        self.withdraw();
        self.limiter.freed.send_replace(());
    }

    /// This job's calls that are under way.
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// Ends when another job may have made room.
    pub async fn freed(&mut self) {
        // The limiter, which tells, lives as long as this.
        drop(self.freed.changed().await);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut state = self.limiter.lock();
        state.under_way -= self.under_way;
        if self.rank == Rank::First {
            state.firsts -= 1;
            state.first_waits = false;
        }
        drop(state);
        self.limiter.freed.send_replace(());
    }
}

impl State {
    /// Whether as many are under way as may be.
    fn mark_use(&mut self) {
        self.is_used = to_float(self.under_way) >= self.limit.floor();
    }

    /// Once for all calls that were under way together: they meet the same trouble.
    fn decrease(&mut self, factor: f64, sent: Instant, now: Instant) {
        if self.decreased.is_some_and(|at| sent < at) {
            return;
        }
        self.is_starting = false;
        self.decreased = Some(now);
        self.limit = (self.limit * factor).max(1.0);
    }
}

fn to_float(count: usize) -> f64 {
    f64::from(u32::try_from(count.max(1)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_an_answer_goes_first_and_has_a_place() {
        let limiter = Arc::new(Limiter::new(3));
        let now = Instant::now();
        limiter.set_under_way(3);
        (0..9).for_each(|_| limiter.succeeded(Kind::Write, now, now));
        limiter.set_under_way(0);
        let mut queued = limiter.join(Rank::Later);
        assert_eq!((0..9).filter(|_| queued.start(now)).count(), 3, "alone it has all places");
        (0..3).for_each(|_| queued.end());
        let mut live = limiter.join(Rank::First);
        assert_eq!((0..9).filter(|_| queued.start(now)).count(), 2);
        assert!(live.start(now));
        assert!(!live.start(now));
        live.settle(true);
        queued.end();
        assert!(!queued.start(now), "the place is for who has waited");
        assert!(live.start(now));
        live.settle(false);
        drop(live);
        assert!(queued.start(now), "what it had is free again");
    }

    #[test]
    fn a_single_place_is_shared() {
        let limiter = Arc::new(Limiter::new(1));
        let now = Instant::now();
        let (mut live, mut queued) = (limiter.join(Rank::First), limiter.join(Rank::Later));
        assert!(queued.start(now));
        assert!(!live.start(now));
        queued.end();
        assert!(live.start(now));
        limiter.pause(now, Duration::from_secs(1));
        live.end();
        assert!(!queued.start(now), "the remote asked for quiet");
    }

    #[test]
    fn it_climbs_only_while_it_is_used() {
        let limiter = Limiter::new(16);
        let now = Instant::now();
        assert_eq!(limiter.limit(now), 2);
        limiter.set_under_way(1);
        (0..100).for_each(|_| limiter.succeeded(Kind::Write, now, now));
        assert_eq!(limiter.limit(now), 2);
        limiter.set_under_way(2);
        (0..100).for_each(|_| limiter.succeeded(Kind::Write, now, now));
        assert_eq!(limiter.limit(now), 16);
    }

    #[test]
    fn calls_that_were_under_way_together_meet_one_trouble() {
        let limiter = Limiter::new(16);
        let start = Instant::now();
        limiter.set_under_way(16);
        (0..100).for_each(|_| limiter.succeeded(Kind::Write, start, start));
        let later = start + Duration::from_secs(1);
        (0..16).for_each(|_| limiter.troubled(start, later));
        assert_eq!(limiter.limit(later), 9);
        (1..100).for_each(|n| {
            let sent = later + Duration::from_secs(n);
            limiter.troubled(sent, sent);
        });
        assert_eq!(limiter.limit(later), 1);
    }

    #[test]
    fn a_pause_ends_by_itself_and_the_longer_counts() {
        let limiter = Limiter::new(4);
        let start = Instant::now();
        limiter.pause(start, Duration::from_secs(5));
        limiter.pause(start, Duration::from_secs(1));
        assert_eq!(limiter.limit(start + Duration::from_secs(4)), 0);
        assert_eq!(limiter.limit(start + Duration::from_secs(5)), 2);
        limiter.pause(start, Duration::MAX);
        assert_eq!(limiter.paused_until(start), Some(start + seconds::MAX));
    }
}
