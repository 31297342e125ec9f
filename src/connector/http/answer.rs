//! An answer that has been read to its end, and no further than its cap.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use serde_json::Value;
use url::Url;

use super::redact::Redactor;
use crate::json::exact;

/// Bytes of a body, at most, after decompression. The greatest answers to what we ask are pages
/// of a few hundred rows.
pub const MAX_BODY_BYTES: usize = 16 << 20;
/// Characters of a body that an error text may hold.
const MAX_EXCERPT_CHARS: usize = 200;

/// Seconds that nobody waits: some hundred years.
const FOR_EVER_SECS: f64 = 4e9;

/// An answer that has been read to its end.
#[derive(Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// As they came.
    pub headers: HeaderMap,
    /// Decompressed. Empty for a status of 300 and above whose body could not be read: there the
    /// status alone says enough.
    pub body: Bytes,
    /// Where the request went, to resolve a redirect's relative address.
    pub(in crate::connector) asked: Url,
    /// Of the token that the request carried.
    pub(super) generation: u64,
}

impl fmt::Debug for Answer {
    /// Without the headers and the body, which may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Reads the body of `response` up to `cap` bytes.
///
/// # Errors
/// What went wrong, in words, without the URL.
pub(super) async fn read_capped(
    response: &mut reqwest::Response,
    cap: usize,
) -> Result<Bytes, String> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(told)? {
        if body.len() + chunk.len() > cap {
            return Err(format!("the answer is over the limit of {cap} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    let body = body.freeze();
    // A byte order mark is no JSON, and some servers begin every text with it.
    Ok(if body.starts_with(b"\xef\xbb\xbf") { body.slice(3..) } else { body })
}

/// A transport error with its causes, without the URL.
pub(crate) fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    if text.contains("UnknownIssuer") {
        text.push_str(
            "; an authority that the system does not know is named in the environment, as \
             `SSL_CERT_FILE`",
        );
    }
    text
}

impl Answer {
    /// One that has not come from anywhere, to the address `asked`: how answers are read can be
    /// tried without a remote.
    pub fn new(status: u16, headers: HeaderMap, body: impl Into<Bytes>, asked: Url) -> Self {
        Self { status, headers, body: body.into(), asked, generation: 0 }
    }

    /// Whether the status is 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON, each number with its digits; see [`exact::parse`].
    ///
    /// # Errors
    /// What came instead, for people, without secrets.
    pub fn json(&self, redactor: &Redactor) -> Result<Value, String> {
        exact::parse(&self.body).map_err(|_| self.describe(redactor))
    }

    /// A header's value as text, if it is one.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How long the remote asks to wait: `Retry-After` in seconds or as a date, which is not
    /// longer ago than now. `None` when there is none that can be read.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<f64>() {
            // More than can be counted is for ever; less than nothing is a mistake.
            let seconds = if seconds > FOR_EVER_SECS { FOR_EVER_SECS } else { seconds };
            return Duration::try_from_secs_f64(seconds).ok();
        }
        let date = httpdate::parse_http_date(text).ok()?;
        Some(date.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// The host that a redirect points to, without secrets. Never its path or query: these may hold
    /// a token that nobody knows yet.
    pub fn redirect_host(&self, redactor: &Redactor) -> Option<String> {
        let to = self.headers.get(LOCATION)?.to_str().ok()?;
        let to = self.asked.join(to).ok()?;
        Some(redactor.clean(to.host_str()?))
    }

    /// What came, and how it begins: `an HTML page (status 502): Bad Gateway`. At most 200
    /// characters of the body, without secrets.
    pub fn describe(&self, redactor: &Redactor) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let text = text.trim_start();
        let kind = self.header("content-type").unwrap_or_default();
        let Some(first) = text.chars().next() else {
            return format!("an empty body (status {})", self.status);
        };
        let what = match first {
            '<' if kind.contains("html")
                || text.to_ascii_lowercase().starts_with("<!doctype html") =>
            {
                "an HTML page"
            }
            '<' => "XML",
            '{' | '[' if exact::parse(&self.body).is_ok() => "JSON",
            '{' | '[' => "broken JSON",
            _ => "a text",
        };
        let excerpt = redactor.excerpt(text, MAX_EXCERPT_CHARS);
        format!("{what} (status {}): {excerpt}", self.status)
    }
}
