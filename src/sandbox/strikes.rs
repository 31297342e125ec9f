//! Which call meets which fault: counted and seeded, so that the same requests meet the same.

use super::fault::{Act, When};
use super::faults::Faults;

/// What has been counted so far, one entry for each fault of the file.
#[derive(Debug, Default)]
pub(super) struct Strikes {
    counts: Vec<Count>,
    requests: u64,
}

#[derive(Clone, Debug, Default)]
struct Count {
    matched: u64,
    done: u64,
}

/// What one request meets.
#[derive(Debug)]
pub(super) struct Strike {
    /// The fault, if any.
    pub(super) act: Option<Act>,
    /// How long the request waits before it is applied, in milliseconds.
    pub(super) latency_ms: u64,
    /// Chance of this request's own, for the order of the verdicts.
    pub(super) chance: fastrand::Rng,
}

impl Strikes {
    /// Counts one request and says what it meets. Every matching fault counts it, also those that
    /// are not done since another comes first.
    pub(super) fn next(
        &mut self,
        faults: &Faults,
        method: &str,
        template: &str,
        path: &str,
    ) -> Strike {
        self.requests += 1;
        let mut chance = chance(faults.seed, 0, self.requests);
        let jitter = match faults.latency_jitter_ms {
            0 => 0,
            most => chance.u64(0..=most),
        };
        let mut met = None;
        self.counts.resize(faults.faults.len(), Count::default());
        for ((count, fault), own) in self.counts.iter_mut().zip(&faults.faults).zip(1..) {
            if !fault.on.matches(method, template, path) {
                continue;
            }
            count.matched += 1;
            let struck = match &fault.when {
                When::Always => true,
                When::Calls(calls) => calls.contains(&count.matched),
                When::Every(every) => count.matched.is_multiple_of(*every),
                When::Rate(rate) => self::chance(faults.seed, own, count.matched).f64() < *rate,
            };
            if struck && met.is_none() && fault.times.is_none_or(|times| count.done < times) {
                count.done += 1;
                met = Some(fault.act.clone());
            }
        }
        Strike { act: met, latency_ms: faults.latency_ms + jitter, chance }
    }
}

/// Chance that depends on nothing but these three numbers: not on time, not on other faults.
fn chance(seed: u64, fault: u64, call: u64) -> fastrand::Rng {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut rng = fastrand::Rng::with_seed(rng.u64(..) ^ fault);
    fastrand::Rng::with_seed(rng.u64(..) ^ call)
}
