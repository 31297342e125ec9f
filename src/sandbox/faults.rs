//! The faults file: what the sandbox is asked to do wrong, and how strict it is.
//!
//! Everything here is what a person writes. Which call meets which fault is decided in
//! [`strikes`](super::strikes); what the fault then does, in [`gate`](super::gate).

use std::path::Path;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::SandboxError;
use super::pattern::Pattern;

/// The greatest delay that a file may ask for, in milliseconds: one day.
const MAX_DELAY_MS: u64 = 86_400_000;

/// How the sandbox behaves. Without a file: quick, lenient and without faults.
///
/// The same seed and the same sequence of requests give the same faults, jitter and order of
/// answers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "The faults file of the sandbox")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the file, none excludes another"
)]
pub struct Faults {
    /// Where chance starts from. Any whole number.
    pub(super) seed: u64,
    /// Every request waits this long before it is applied, in milliseconds, 0 to 86400000.
    #[schemars(range(max = MAX_DELAY_MS))]
    pub(super) latency_ms: u64,
    /// A random part on top of `latency_ms`, from 0 to this, in milliseconds.
    #[schemars(range(max = MAX_DELAY_MS))]
    pub(super) latency_jitter_ms: u64,
    /// How long a new record stays invisible to search, in milliseconds. Reading it by its id
    /// shows it at once.
    #[schemars(range(max = MAX_DELAY_MS))]
    pub(super) search_lag_ms: u64,
    /// Whether an external id can be had by one record only: a second create is then refused with
    /// `EXISTS`. Without it, creating twice makes two records.
    pub(super) unique_ext_id: bool,
    /// Whether a create with an `Idempotency-Key` seen before answers the first answer again
    /// without applying anything.
    pub(super) idempotency: bool,
    /// Whether the verdicts of a bulk call come in any order instead of that of the inputs.
    pub(super) shuffle: bool,
    /// Whether one bad record refuses its whole bulk call with `INVALID_BATCH`, naming none.
    pub(super) all_or_nothing: bool,
    /// How long a token from `/oauth/token` is good, in seconds, at least 1.
    #[schemars(range(min = 1))]
    pub(super) token_secs: u64,
    /// For how many requests a token from `/oauth/token` is good. Without it, for any number.
    #[schemars(range(min = 1))]
    pub(super) token_calls: Option<u64>,
    /// Whether `sandbox-token` is taken without having been issued.
    pub(super) static_token: bool,
    /// Whether using a refresh token gives a new one and ends the old one.
    pub(super) rotate_refresh_token: bool,
    /// How many requests are let through. Without it, all.
    pub(super) rate_limit: Option<RateLimit>,
    /// What goes wrong. Of several that a request meets at once, the first in the file is done.
    pub(super) faults: Vec<Fault>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            seed: 0,
            latency_ms: 0,
            latency_jitter_ms: 0,
            search_lag_ms: 0,
            unique_ext_id: false,
            idempotency: false,
            // Real bulk APIs promise no order, so a client that counts on one should fail here.
            shuffle: true,
            all_or_nothing: false,
            // What most token endpoints give.
            token_secs: 3600,
            token_calls: None,
            static_token: true,
            rotate_refresh_token: false,
            rate_limit: None,
            faults: Vec::new(),
        }
    }
}

impl Faults {
    /// Reads a faults file: YAML, of which JSON is a part.
    ///
    /// # Errors
    /// [`SandboxError::Read`] when the file cannot be read, [`SandboxError::Faults`] with line and
    /// column when it says something unknown or impossible.
    pub fn read(path: &Path) -> Result<Self, SandboxError> {
        let text = std::fs::read_to_string(path).map_err(|source| SandboxError::Read {
            path: path.to_owned(),
            source,
        })?;
        text.parse().map_err(|error| match error {
            SandboxError::Faults { message, .. } => SandboxError::Faults {
                name: path.display().to_string(),
                message,
            },
            other => other,
        })
    }
}

impl FromStr for Faults {
    type Err = SandboxError;

    /// Takes the text of a faults file; an empty one asks for no faults.
    fn from_str(text: &str) -> Result<Self, SandboxError> {
        let wrong = |message| SandboxError::Faults {
            name: "faults".to_owned(),
            message,
        };
        let faults: Self =
            serde_saphyr::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let delays = [
            faults.latency_ms,
            faults.latency_jitter_ms,
            faults.search_lag_ms,
        ];
        if let Some(delay) = delays.iter().find(|delay| **delay > MAX_DELAY_MS) {
            return Err(wrong(format!(
                "a delay of {delay} ms is over the limit of {MAX_DELAY_MS} ms"
            )));
        }
        if faults.token_secs == 0 || faults.token_calls == Some(0) {
            return Err(wrong(
                "`token_secs` and `token_calls` are at least 1".to_owned(),
            ));
        }
        Ok(faults)
    }
}

/// A quota on requests: so many in a window that starts with the first of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "RateLimitText")]
#[schemars(into = "RateLimitText")]
pub struct RateLimit {
    pub(super) requests: u64,
    pub(super) per_secs: u64,
    pub(super) retry_after: RetryAfterForm,
}

/// A quota on requests: so many in a window that starts with the first of them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RateLimit")]
struct RateLimitText {
    /// Requests let through in one window, at least 1. Refused ones do not count.
    #[schemars(range(min = 1))]
    requests: u64,
    /// Length of the window in seconds, at least 1.
    #[schemars(range(min = 1))]
    per_secs: u64,
    /// How the answer 429 tells when to come back.
    #[serde(default)]
    retry_after: RetryAfterForm,
}

impl TryFrom<RateLimitText> for RateLimit {
    type Error = String;

    fn try_from(text: RateLimitText) -> Result<Self, String> {
        if text.requests == 0 || text.per_secs == 0 {
            return Err("`requests` and `per_secs` of a rate limit are at least 1".to_owned());
        }
        let RateLimitText {
            requests,
            per_secs,
            retry_after,
        } = text;
        Ok(Self {
            requests,
            per_secs,
            retry_after,
        })
    }
}

/// How a 429 of the rate limit tells when to come back.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfterForm {
    /// As a number of seconds.
    #[default]
    Seconds,
    /// As an HTTP date.
    Date,
    /// Not at all.
    None,
}

/// A `Retry-After` header.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// This number of seconds, as digits.
    Seconds(u64),
    /// An HTTP date that lies this number of seconds ahead.
    DateInSecs(u64),
}

/// One thing that goes wrong, and when.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "FaultText")]
#[schemars(into = "FaultText")]
pub struct Fault {
    pub(super) on: Pattern,
    pub(super) when: When,
    pub(super) times: Option<u64>,
    pub(super) act: Act,
}

/// Which of the matching calls a fault meets, counted from 1.
#[derive(Clone, Debug)]
pub(super) enum When {
    /// All of them.
    Always,
    /// These.
    Calls(Vec<u64>),
    /// Every n-th.
    Every(u64),
    /// By chance, with this probability from 0 to 1.
    Rate(f64),
}

/// What a fault does, with all that it needs to know.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Status(Refusal),
    StatusAfter(Refusal),
    Reset,
    ResetAfter,
    Hang { ms: u64 },
    HangAfter { ms: u64 },
    Slow { ms: u64 },
    DropResults { count: usize },
    ExtraResults { count: usize },
    Html,
    EmptyAfter { status: u16 },
    Huge { bytes: u64 },
    Redirect { to: String },
    TruncateAfter,
    ExpireToken,
}

/// An answer that is no success.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) retry_after: Option<RetryAfter>,
    pub(super) body: Option<String>,
}

/// What a fault does.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Refuses before anything is applied, with `status`, `retry_after` and `body`.
    Status,
    /// Applies, then answers `status` (500 unless told) all the same.
    StatusAfter,
    /// Closes the connection without an answer; nothing is applied.
    Reset,
    /// Applies, then closes the connection without an answer.
    ResetAfter,
    /// Gives no answer for `ms`, then closes the connection; nothing is applied.
    Hang,
    /// Applies at once, gives no answer for `ms`, then closes the connection.
    HangAfter,
    /// Waits `ms`, then does as usual, also when the client has gone by then.
    Slow,
    /// Leaves `count` verdicts of applied records out of a bulk answer.
    DropResults,
    /// Adds `count` verdicts that nobody asked for to a bulk answer.
    ExtraResults,
    /// Answers 200 with an HTML page; nothing is applied.
    Html,
    /// Applies, then answers `status` (200 unless told) with an empty body.
    EmptyAfter,
    /// Answers 200 with a body of up to `bytes`, 2 GiB unless told; nothing is applied.
    Huge,
    /// Answers 307 with `to` as the new place; nothing is applied.
    Redirect,
    /// Applies, then answers half of the body, with a `Content-Length` that fits the half.
    TruncateAfter,
    /// Answers 401 although the token is fine, and stays so; nothing is applied.
    ExpireToken,
}

impl Act {
    /// Whether the request is applied all the same, now or later.
    pub(super) fn applies(&self) -> bool {
        !matches!(
            self,
            Self::Status(_)
                | Self::Reset
                | Self::Hang { .. }
                | Self::Html
                | Self::Huge { .. }
                | Self::Redirect { .. }
                | Self::ExpireToken
        )
    }

    /// The name of the kind, as in the file.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::StatusAfter(_) => "status_after",
            Self::Reset => "reset",
            Self::ResetAfter => "reset_after",
            Self::Hang { .. } => "hang",
            Self::HangAfter { .. } => "hang_after",
            Self::Slow { .. } => "slow",
            Self::DropResults { .. } => "drop_results",
            Self::ExtraResults { .. } => "extra_results",
            Self::Html => "html",
            Self::EmptyAfter { .. } => "empty_after",
            Self::Huge { .. } => "huge",
            Self::Redirect { .. } => "redirect",
            Self::TruncateAfter => "truncate_after",
            Self::ExpireToken => "expire_token",
        }
    }
}

/// One thing that goes wrong, and when. At most one of `calls`, `every` and `rate` is given;
/// without any, every matching call meets the fault.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Fault")]
struct FaultText {
    /// Method and path, such as `POST /v1/{object}/batch`. A segment in braces stands for a
    /// segment that the remote names itself (so `{id}` is never `batch`), `*` for any one segment
    /// or any method, a `*` as the path for any path, a `*` alone for every request. Only requests
    /// with a good token and within the rate limit are counted.
    on: Pattern,
    /// The calls that meet the fault, among those that match, from 1.
    calls: Option<Vec<u64>>,
    /// Every n-th matching call meets it, at least 1.
    #[schemars(range(min = 1))]
    every: Option<u64>,
    /// A matching call meets it with this probability, from 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    rate: Option<f64>,
    /// How often it is done at most. Without it, any number of times.
    times: Option<u64>,
    /// What is done.
    #[serde(rename = "do")]
    kind: Kind,
    /// HTTP status: needed by `status` (200 to 599), 500 unless told in `status_after`, 200 or 204
    /// in `empty_after`.
    #[schemars(range(min = 200, max = 599))]
    status: Option<u16>,
    /// The `Retry-After` header of `status` and `status_after`.
    retry_after: Option<RetryAfter>,
    /// The body of `status` and `status_after`, instead of the remote's own. Told to be JSON.
    body: Option<String>,
    /// Milliseconds: needed by `hang`, `hang_after` and `slow`, 0 to 86400000.
    #[schemars(range(max = MAX_DELAY_MS))]
    ms: Option<u64>,
    /// Verdicts, for `drop_results` and `extra_results`: 1 unless told.
    count: Option<usize>,
    /// Length of the body of `huge`: 2147483648 unless told.
    bytes: Option<u64>,
    /// The address that `redirect` points to.
    to: Option<String>,
}

impl TryFrom<FaultText> for Fault {
    type Error = String;

    fn try_from(mut text: FaultText) -> Result<Self, String> {
        let when = match (text.calls.take(), text.every, text.rate) {
            (None, None, None) => When::Always,
            (Some(calls), None, None) if !calls.contains(&0) => When::Calls(calls),
            (None, Some(every), None) if every > 0 => When::Every(every),
            (None, None, Some(rate)) if (0.0..=1.0).contains(&rate) => When::Rate(rate),
            (Some(_), None, None) => return Err("`calls` count from 1".to_owned()),
            (None, Some(_), None) => return Err("`every` is at least 1".to_owned()),
            (None, None, Some(rate)) => {
                return Err(format!("`rate` is {rate}, not between 0 and 1"));
            }
            _ => return Err("only one of `calls`, `every` and `rate` can be given".to_owned()),
        };
        let act = text.act()?;
        let left = [
            ("status", text.status.is_some()),
            ("retry_after", text.retry_after.is_some()),
            ("body", text.body.is_some()),
            ("ms", text.ms.is_some()),
            ("count", text.count.is_some()),
            ("bytes", text.bytes.is_some()),
            ("to", text.to.is_some()),
        ];
        if let Some((name, _)) = left.iter().find(|(_, given)| *given) {
            return Err(format!("`{name}` means nothing to `do: {}`", act.name()));
        }
        Ok(Self {
            on: text.on,
            when,
            times: text.times,
            act,
        })
    }
}

impl FaultText {
    /// Takes what the kind needs out of the text; what is left then was not needed.
    fn act(&mut self) -> Result<Act, String> {
        Ok(match self.kind {
            Kind::Status => {
                let status = self.status.take().ok_or("`do: status` needs a `status`")?;
                Act::Status(self.refusal(status)?)
            }
            Kind::StatusAfter => {
                let status = self.status.take().unwrap_or(500);
                Act::StatusAfter(self.refusal(status)?)
            }
            Kind::Reset => Act::Reset,
            Kind::ResetAfter => Act::ResetAfter,
            Kind::Hang => Act::Hang { ms: self.delay()? },
            Kind::HangAfter => Act::HangAfter { ms: self.delay()? },
            Kind::Slow => Act::Slow { ms: self.delay()? },
            Kind::DropResults => Act::DropResults {
                count: self.count.take().unwrap_or(1),
            },
            Kind::ExtraResults => Act::ExtraResults {
                count: self.count.take().unwrap_or(1),
            },
            Kind::Html => Act::Html,
            Kind::EmptyAfter => match self.status.take().unwrap_or(200) {
                status @ (200 | 204) => Act::EmptyAfter { status },
                other => {
                    return Err(format!(
                        "`status` of `empty_after` is {other}, not 200 or 204"
                    ));
                }
            },
            Kind::Huge => Act::Huge {
                bytes: self.bytes.take().unwrap_or(1 << 31),
            },
            Kind::Redirect => {
                let to = self.to.take().ok_or("`do: redirect` needs a `to`")?;
                if hyper::header::HeaderValue::from_str(&to).is_err() {
                    return Err("`to` cannot stand in a header".to_owned());
                }
                Act::Redirect { to }
            }
            Kind::TruncateAfter => Act::TruncateAfter,
            Kind::ExpireToken => Act::ExpireToken,
        })
    }

    fn refusal(&mut self, status: u16) -> Result<Refusal, String> {
        if !(200..=599).contains(&status) {
            return Err(format!("`status` is {status}, not between 200 and 599"));
        }
        Ok(Refusal {
            status,
            retry_after: self.retry_after.take(),
            body: self.body.take(),
        })
    }

    fn delay(&mut self) -> Result<u64, String> {
        match self.ms.take() {
            None => Err("`ms` is missing".to_owned()),
            Some(ms) if ms > MAX_DELAY_MS => {
                Err(format!("`ms` is {ms}, over the limit of {MAX_DELAY_MS}"))
            }
            Some(ms) => Ok(ms),
        }
    }
}
