//! How many records came to their end when, over the time of a job.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Parts that the time is cut into, at most; then two of them become one.
const PARTS: usize = 120;
/// The shortest part.
const STEP_MILLIS: u64 = 100;

/// Records that were settled in each part of a job's time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Throughput {
    /// Length of a part.
    pub(super) step_millis: u64,
    /// From the job's start on.
    pub(super) settled: Vec<u64>,
    /// When the last was settled, in milliseconds after the start.
    pub(super) last_millis: u64,
}

impl Default for Throughput {
    fn default() -> Self {
        Self { step_millis: STEP_MILLIS, settled: Vec::new(), last_millis: 0 }
    }
}

impl Throughput {
    /// Takes in that so many more are settled, so long after the start.
    pub(super) fn add(&mut self, after: Duration, records: u64) {
        let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        while millis / self.step_millis >= PARTS as u64 {
            self.settled = self.settled.chunks(2).map(|pair| pair.iter().sum()).collect();
            self.step_millis = self.step_millis.saturating_mul(2);
        }
        let part = usize::try_from(millis / self.step_millis).unwrap_or(PARTS - 1);
        if self.settled.len() <= part {
            self.settled.resize(part + 1, 0);
        }
        self.settled[part] += records;
        self.last_millis = self.last_millis.max(millis);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_long_a_job_runs_its_parts_stay_few_and_none_is_lost() {
        let mut throughput = Throughput::default();
        for second in 0..100_000_u64 {
            throughput.add(Duration::from_secs(second), 3);
        }
        assert!(throughput.settled.len() <= PARTS && throughput.settled.len() > PARTS / 2);
        assert_eq!(throughput.settled.iter().sum::<u64>(), 300_000);
        assert_eq!(throughput.last_millis, 99_999_000);
        // All parts but the last are alike, as the time was.
        let whole = &throughput.settled[1..throughput.settled.len() - 1];
        let (least, most) = (whole.iter().min(), whole.iter().max());
        assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 6), "{whole:?}");
        throughput.add(Duration::MAX, 1);
        assert_eq!(throughput.settled.iter().sum::<u64>(), 300_001);
    }

    #[test]
    fn what_waits_long_between_is_told_as_a_pause() {
        let mut throughput = Throughput::default();
        throughput.add(Duration::from_millis(50), 5);
        throughput.add(Duration::from_millis(950), 7);
        assert_eq!(throughput.settled, [5, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    }
}
