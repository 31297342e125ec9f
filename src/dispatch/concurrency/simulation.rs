//! Links of many kinds, simulated, and the limit's way on each of them: it must find what the link
//! can do, get out of the way when that becomes less, and come back.
//!
//! Time is simulated too, so that a minute takes a moment and each run is the same.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::{Kind, Limiter};

/// Calls at once, at most.
const MAX: usize = 64;

/// How a call ends, and after how many milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Answered(u64),
    Refused(u64),
}

/// What was seen in one second.
#[derive(Clone, Copy, Default)]
struct Second {
    answered: u32,
    refused: u32,
    /// The limit at its end.
    limit: usize,
    /// The lowest and highest limit in it.
    low: usize,
    high: usize,
}

impl std::fmt::Debug for Second {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { answered, refused, limit, low, high } = self;
        write!(f, "{answered}+{refused} {low}..{high}→{limit}")
    }
}

/// Sends as many calls as the limit allows for so many seconds. `link` says what it does to a call
/// that is sent at a second, as one of so many under way.
fn simulate(seconds: u64, mut link: impl FnMut(f64, usize) -> Fate) -> Vec<Second> {
    let limiter = Limiter::new(MAX);
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let mut under_way: BinaryHeap<Reverse<(Instant, Instant, Fate)>> = BinaryHeap::new();
    let mut trace = Vec::new();
    let mut now = start;
    while now < end {
        let limit = limiter.limit(now);
        while under_way.len() < limit {
            let fate = link((now - start).as_secs_f64(), under_way.len() + 1);
            let (Fate::Answered(millis) | Fate::Refused(millis)) = fate;
            under_way.push(Reverse((now + Duration::from_millis(millis), now, fate)));
        }
        limiter.set_under_way(under_way.len());
        let Some(Reverse((at, sent, fate))) = under_way.pop() else { break };
        now = at;
        let second = usize::try_from((now - start).as_secs()).unwrap();
        trace.resize(trace.len().max(second + 1), Second { low: MAX, ..Second::default() });
        match fate {
            Fate::Answered(_) => limiter.succeeded(Kind::Write, sent, now),
            Fate::Refused(_) => limiter.troubled(sent, now),
        }
        let seen: &mut Second = &mut trace[second];
        match fate {
            Fate::Answered(_) => seen.answered += 1,
            Fate::Refused(_) => seen.refused += 1,
        }
        seen.limit = limiter.limit(now);
        seen.low = seen.low.min(seen.limit);
        seen.high = seen.high.max(seen.limit);
    }
    trace
}

fn answered(trace: &[Second]) -> u32 {
    trace.iter().map(|second| second.answered).sum()
}

#[test]
fn on_a_link_without_bounds_it_climbs_to_the_top_at_once_and_stays() {
    let trace = simulate(10, |_, _| Fate::Answered(50));
    assert!(trace[0].high == MAX, "{trace:?}");
    assert!(trace[1..].iter().all(|second| second.low == MAX), "{trace:?}");
}

#[test]
fn times_that_vary_widely_are_no_slowness() {
    let mut chance = fastrand::Rng::with_seed(7);
    let trace = simulate(30, |_, _| Fate::Answered(chance.u64(20..400)));
    let after = &trace[5..];
    assert!(after.iter().all(|second| second.low >= MAX * 3 / 4), "{trace:?}");
}

#[test]
fn a_remote_that_works_on_eight_at_once_is_kept_busy() {
    // The others queue: the more are under way, the longer each takes.
    let trace = simulate(30, |_, n| {
        let queued = u64::try_from(n.max(8)).unwrap();
        Fate::Answered(50 * queued / 8)
    });
    // It could answer 160 a second.
    assert!(answered(&trace[1..]) >= 29 * 150, "{trace:?}");
    // Doubling ends when doubling does not help.
    assert!(trace[0].high <= 40, "{trace:?}");
}

#[test]
fn a_remote_that_slows_down_is_relieved_and_then_taken_as_it_is() {
    let trace = simulate(60, |at, _| Fate::Answered(if at < 10.0 { 50 } else { 500 }));
    assert_eq!(trace[9].limit, MAX);
    let low = trace[10..20].iter().map(|second| second.low).min().unwrap();
    assert!(low <= MAX * 7 / 10, "{trace:?}");
    assert_eq!(trace[59].limit, MAX, "{trace:?}");
}

#[test]
fn a_remote_that_suddenly_takes_four_at_once_is_found_out_and_used_again_later() {
    let trace = simulate(60, |at, n| match at {
        10.0..30.0 if n > 4 => Fate::Refused(10),
        _ => Fate::Answered(50),
    });
    assert_eq!(trace[9].limit, MAX);
    // It falls within a second, and tries one more now and then.
    assert!(trace[11..30].iter().all(|second| second.low <= 4 && second.high <= 5), "{trace:?}");
    // It could answer 80 a second.
    assert!(answered(&trace[11..30]) >= 19 * 50, "{trace:?}");
    let refused: u32 = trace[11..30].iter().map(|second| second.refused).sum();
    assert!(refused * 5 <= answered(&trace[11..30]), "{refused} refused: {trace:?}");
    assert!(trace[35..].iter().all(|second| second.low == MAX), "{trace:?}");
}

#[test]
fn on_a_link_that_loses_calls_it_goes_on_with_a_few_at_once() {
    let mut chance = fastrand::Rng::with_seed(7);
    let trace =
        simulate(
            60,
            |_, _| {
                if chance.f64() < 0.05 { Fate::Refused(2_000) } else { Fate::Answered(50) }
            },
        );
    let mean = trace[5..60].iter().map(|second| second.limit).sum::<usize>() / 55;
    assert!((8..=48).contains(&mean), "{mean}: {trace:?}");
    assert!(trace[..60].iter().all(|second| second.answered > 0), "{trace:?}");
}

#[test]
fn a_remote_that_is_down_is_asked_by_one_call_at_a_time_until_it_is_back() {
    let trace = simulate(60, |at, _| match at {
        10.0..30.0 => Fate::Refused(100),
        _ => Fate::Answered(50),
    });
    assert!(trace[13..30].iter().all(|second| second.high == 1), "{trace:?}");
    assert!(trace[40..].iter().all(|second| second.low == MAX), "{trace:?}");
}
