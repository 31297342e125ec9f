//! How long calls of one kind take, and whether they take much longer than they did.
//!
//! The estimate is that of RFC 6298 section 2 (a smoothed time and its variation), fed with the
//! mean of a round instead of single answers: batches differ in size, and one that is slow says
//! nothing.

use std::time::{Duration, Instant};

/// Weight of the newest round in the smoothed time (RFC 6298: alpha).
const ALPHA: f64 = 1.0 / 8.0;
/// Weight of the newest round in the variation (RFC 6298: beta).
const BETA: f64 = 1.0 / 4.0;
/// Variations above the smoothed time from which on a round is slow (RFC 6298: K).
const DEVIATIONS: f64 = 4.0;
/// But never below so many times the smoothed time: on a steady link the variation is next to
/// nothing, and every hiccup would count.
const LEAST: f64 = 1.5;
/// The variation after the first round, as a part of its time. RFC 6298 takes a half; but a round
/// is a mean already, and a remote that is overrun in the beginning should be seen to be.
const FIRST_VARIATION: f64 = 1.0 / 8.0;
/// Answers that make a round, at least.
const ANSWERS: u32 = 4;

/// The pace of one kind of calls.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// In seconds; `None` before the first round.
    smoothed: Option<f64>,
    variation: f64,
    round: Option<Round>,
}

/// Answers that are looked at together: those that came while one call takes its time.
#[derive(Debug)]
struct Round {
    since: Instant,
    answers: u32,
    seconds: f64,
}

impl Pace {
    /// Takes in an answer at `now` to a call sent at `sent`. Whether it ends a round that was much
    /// slower than those before. What is slow for long becomes the new pace.
    pub(super) fn is_slower(&mut self, sent: Instant, now: Instant) -> bool {
        let round = self.round.get_or_insert(Round { since: now, answers: 0, seconds: 0.0 });
        round.answers += 1;
        round.seconds += now.saturating_duration_since(sent).as_secs_f64();
        let length = Duration::try_from_secs_f64(self.smoothed.unwrap_or_default());
        if round.answers < ANSWERS || now < round.since + length.unwrap_or_default() {
            return false;
        }
        let mean = round.seconds / f64::from(round.answers);
        self.round = None;
        let Some(smoothed) = self.smoothed else {
            self.smoothed = Some(mean);
            self.variation = mean * FIRST_VARIATION;
            return false;
        };
        let bound = (smoothed + DEVIATIONS * self.variation).max(smoothed * LEAST);
        let is_slower = mean > bound;
        if !is_slower {
            // What is slow is no variation of what was: or the next slow round would go unseen.
            self.variation += BETA * ((smoothed - mean).abs() - self.variation);
        }
        self.smoothed = Some(smoothed + ALPHA * (mean - smoothed));
        is_slower
    }
}
