//! Counts a client's calls: how many, how they were answered, how long that took, how many are under
//! way. Where nobody counts, each part of it does nothing.

use std::time::Instant;

use metrics::{Counter, Gauge, Histogram, Label};

/// What calls are counted by, in the order of the first digit of their status; first those without
/// an answer.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Calls by how they were answered.
pub const CALLS: &str = "target_upsert_remote_calls_total";
/// How long calls take, from the request to the last byte of the answer.
pub const CALL_SECONDS: &str = "target_upsert_remote_call_duration_seconds";
/// Calls under way.
pub const UNDER_WAY: &str = "target_upsert_remote_calls_under_way";

/// What counts the calls of one client.
#[derive(Clone, Debug)]
pub struct Meter {
    classes: [Counter; CLASSES.len()],
    seconds: Histogram,
    under_way: Gauge,
}

impl Default for Meter {
    /// One that counts nothing.
    fn default() -> Self {
        Self {
            classes: std::array::from_fn(|_| Counter::noop()),
            seconds: Histogram::noop(),
            under_way: Gauge::noop(),
        }
    }
}

impl Meter {
    /// One that counts under these labels, in the recorder that is installed.
    pub fn new(labels: &[Label]) -> Self {
        let class = |class: &'static str| {
            let mut labels = labels.to_vec();
            labels.push(Label::from_static_parts("status", class));
            metrics::counter!(CALLS, labels)
        };
        Self {
            classes: CLASSES.map(class),
            seconds: metrics::histogram!(CALL_SECONDS, labels.to_vec()),
            under_way: metrics::gauge!(UNDER_WAY, labels.to_vec()),
        }
    }

    /// A call goes out. It has no answer unless what is returned is told of one.
    pub(super) fn begin(&self) -> Metered<'_> {
        self.under_way.increment(1.0);
        Metered { meter: self, began: Instant::now(), class: 0 }
    }
}

/// A call that is under way until this is dropped.
#[derive(Debug)]
pub(super) struct Metered<'a> {
    meter: &'a Meter,
    began: Instant,
    class: usize,
}

impl Metered<'_> {
    /// It was answered with this status.
    pub(super) fn answered(&mut self, status: u16) {
        self.class = usize::from(status / 100);
    }
}

impl Drop for Metered<'_> {
    fn drop(&mut self) {
        self.meter.under_way.decrement(1.0);
        self.meter.seconds.record(self.began.elapsed());
        // HTTP has no other statuses; what has is counted as no answer.
        let class = if self.class < CLASSES.len() { self.class } else { 0 };
        self.meter.classes[class].increment(1);
    }
}
