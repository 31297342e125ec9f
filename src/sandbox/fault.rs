//! One fault: the calls that meet it, and what it does to them.
//!
//! The file is flat, so that it is short to write: a kind beside all that any kind may need. Read
//! in, each kind has its own and nothing else.

use hyper::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;

use super::faults::MAX_DELAY_MS;
use super::pattern::Pattern;

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

/// A `Retry-After` header.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// This number of seconds, as digits.
    Seconds(u64),
    /// An HTTP date that lies this number of seconds ahead.
    DateInSecs(u64),
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
        Ok(Self { on: text.on, when, times: text.times, act })
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
            Kind::DropResults => Act::DropResults { count: self.count.take().unwrap_or(1) },
            Kind::ExtraResults => Act::ExtraResults { count: self.count.take().unwrap_or(1) },
            Kind::Html => Act::Html,
            Kind::EmptyAfter => match self.status.take().unwrap_or(200) {
                status @ (200 | 204) => Act::EmptyAfter { status },
                other => {
                    return Err(format!("`status` of `empty_after` is {other}, not 200 or 204"));
                }
            },
            Kind::Huge => Act::Huge { bytes: self.bytes.take().unwrap_or(1 << 31) },
            Kind::Redirect => {
                let to = self.to.take().ok_or("`do: redirect` needs a `to`")?;
                if HeaderValue::from_str(&to).is_err() {
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
        Ok(Refusal { status, retry_after: self.retry_after.take(), body: self.body.take() })
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
