//! How the page says things: numbers, times, outcomes, states.

use crate::outcome::Fate;
use crate::serve::queue::State;
use crate::store::jobs::at_millis;

/// A number of records, with commas.
pub(super) fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut told = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            told.push(',');
        }
        told.push(digit);
    }
    told
}

/// Of one, "1 record"; of others, "2 records".
pub(super) fn counted(count: u64, what: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{} {what}{end}", number(count))
}

/// A time in two units.
pub(super) fn took(millis: i64) -> String {
    let secs = millis.div_euclid(1000);
    match secs {
        ..0 => took(0),
        0..10 => format!("{}.{} s", secs, millis % 1000 / 100),
        10..60 => format!("{secs} s"),
        60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        3600..86_400 => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
        _ => format!("{} d {} h", secs / 86_400, secs % 86_400 / 3600),
    }
}

/// An instant.
#[derive(Clone, Debug)]
pub(super) struct At {
    /// RFC 3339.
    pub(super) exact: String,
    /// To the second.
    pub(super) short: String,
    /// To the millisecond.
    pub(super) fine: String,
}

impl At {
    pub(super) fn millis(millis: i64) -> Self {
        let exact = at_millis(millis);
        let plain = exact.replace('T', " ").replace('Z', "");
        let short = plain.split('.').next().unwrap_or_default().to_owned();
        Self { exact, short, fine: plain }
    }
}

/// A state or an outcome: what it is called, and its colour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Badge {
    pub(super) name: &'static str,
    pub(super) tone: &'static str,
}

/// How a job in this state stands now.
pub(super) fn standing(of: State, is_ending: bool) -> Badge {
    if is_ending { Badge { name: "ending", tone: "warn" } } else { state(of) }
}

/// A state of jobs.
pub(super) fn state(state: State) -> Badge {
    let (name, tone) = match state {
        State::Queued => ("queued", "calm"),
        State::Running => ("running", "busy"),
        State::Succeeded => ("succeeded", "good"),
        State::CompletedWithFailures => ("completed with failures", "warn"),
        State::Stopped => ("stopped", "warn"),
        State::Failed => ("failed", "bad"),
        State::Cancelled => ("cancelled", "calm"),
    };
    Badge { name, tone }
}

/// What became of a record.
pub(super) fn fate(fate: Fate) -> Badge {
    let (name, tone) = match fate {
        Fate::Created => ("created", "good"),
        Fate::Updated => ("updated", "changed"),
        Fate::Unchanged => ("unchanged", "calm"),
        Fate::Deleted => ("deleted", "calm"),
        Fate::Rejected => ("rejected", "bad"),
        Fate::Failed => ("failed", "bad"),
        Fate::Skipped => ("skipped", "calm"),
        Fate::InDoubt => ("in doubt", "warn"),
    };
    Badge { name, tone }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_told_for_people() {
        let told = [0, 999, 1000, 1_234_567].map(number);
        assert_eq!(told, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(counted(1, "record"), "1 record");
        assert_eq!(counted(2000, "record"), "2,000 records");
        let told = [-5, 950, 9_999, 10_000, 61_000, 3_600_000, 90_000_000].map(took);
        assert_eq!(told, ["0.0 s", "0.9 s", "9.9 s", "10 s", "1 min 1 s", "1 h 0 min", "1 d 1 h"]);
        let at = At::millis(1_764_500_000_123);
        assert_eq!(at.exact, "2025-11-30T10:53:20.123Z");
        assert_eq!((&*at.short, &*at.fine), ("2025-11-30 10:53:20", "2025-11-30 10:53:20.123"));
    }
}
