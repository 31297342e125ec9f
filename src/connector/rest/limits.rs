//! How much the remote takes: what the manifest declares, and what the headers of an answer tell.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::HeaderName;

use super::manifest;
use super::program::header_name;
use super::text::{Placed, Wrong};
use crate::config::seconds::EXPECTED;
use crate::config::{RateLimit, Seconds};
use crate::connector::http::Answer;

/// Calls under way at once, where the manifest says nothing: most APIs take these.
const IN_FLIGHT: usize = 4;
/// A number above this is a point in time: this is 2001 in seconds since 1970.
const FIRST_EPOCH_SECS: f64 = 1e9;
/// And above this, one in milliseconds.
const FIRST_EPOCH_MILLIS: f64 = 1e12;

/// How much the remote takes.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) rate: Option<RateLimit>,
    pub(super) in_flight: usize,
    /// The headers that tell how many requests are left, and when there are more.
    left: Option<(HeaderName, HeaderName)>,
    /// The header that asks for quiet.
    quiet: Option<HeaderName>,
}

impl Limits {
    /// Finds out what `limits` means.
    pub(super) fn compile(limits: &Placed<manifest::Limits>) -> Result<Self, Wrong> {
        let Placed { value, at } = limits;
        let requests = value.requests.map(NonZeroU32::new);
        let rate = match (requests, value.per_secs) {
            (None, None) => None,
            (Some(_), Some(per_secs)) if Seconds::parse(per_secs.into()).is_none() => {
                return Err(at.wrong(format!("`per_secs` is {EXPECTED}")));
            }
            (Some(Some(requests)), Some(per_secs @ 1..)) => Some(RateLimit { requests, per_secs }),
            _ => {
                let message = "`requests` and `per_secs` go together, and both are at least 1";
                return Err(at.wrong(message));
            }
        };
        let in_flight = value.in_flight.unwrap_or(IN_FLIGHT);
        if in_flight == 0 {
            return Err(at.wrong("`in_flight` is at least 1"));
        }
        let left = match (&value.remaining_header, &value.reset_header) {
            (None, None) => None,
            (Some(remaining), Some(reset)) => Some((header_name(remaining)?, header_name(reset)?)),
            _ => return Err(at.wrong("`remaining_header` and `reset_header` go together")),
        };
        let quiet = value.quiet_header.as_ref().map(header_name).transpose()?;
        Ok(Self { rate, in_flight, left, quiet })
    }

    /// How long nothing more is to be sent after `answer`. What cannot be read asks for nothing.
    pub(super) fn quiet(&self, answer: &Answer) -> Option<Duration> {
        let header = |name: &HeaderName| answer.header(name.as_str()).map(str::trim);
        let until_reset = self.left.as_ref().and_then(|(remaining, reset)| {
            let left: f64 = header(remaining)?.parse().ok()?;
            if left < 1.0 { time_until(header(reset)?) } else { None }
        });
        let asked = self.quiet.as_ref().and_then(|name| time_until(header(name)?));
        until_reset.max(asked).filter(|quiet| !quiet.is_zero())
    }
}

/// How long it is until the time in a header; zero for one that is over.
fn time_until(text: &str) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let until = match text.parse::<f64>() {
        Ok(secs) if secs < FIRST_EPOCH_SECS => return Duration::try_from_secs_f64(secs).ok(),
        Ok(secs) if secs < FIRST_EPOCH_MILLIS => Duration::try_from_secs_f64(secs).ok()?,
        Ok(millis) => Duration::try_from_secs_f64(millis / 1000.0).ok()?,
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?,
    };
    Some(until.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_all_their_spellings() {
        assert_eq!(time_until("7"), Some(Duration::from_secs(7)));
        assert_eq!(time_until("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(time_until("1000000001"), Some(Duration::ZERO));
        assert_eq!(time_until("Sat, 01 Jan 2000 00:00:00 GMT"), Some(Duration::ZERO));
        let soon = SystemTime::now() + Duration::from_secs(90);
        let secs = soon.duration_since(UNIX_EPOCH).unwrap().as_secs();
        for text in [secs.to_string(), format!("{secs}000"), httpdate::fmt_http_date(soon)] {
            let left = time_until(&text).unwrap();
            assert!((85..=90).contains(&left.as_secs()), "{text}: {left:?}");
        }
        for text in ["", "soon", "-1", "NaN"] {
            assert_eq!(time_until(text), None, "{text}");
        }
    }
}
