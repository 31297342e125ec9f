//! What every connector over HTTP needs and none should write again.
//!
//! - [`client`]: one request, sent once (or twice, after a 401), and its [`answer`] with a cap.
//! - [`mod@base_url`]: where a remote is.
//! - [`meaning`]: what a status says when the remote's own rules do not.
//! - [`meter`]: how many calls there are, for who wants to see.
//! - [`authorize`]: credentials, and tokens that are renewed under way.
//! - [`rate_limit`]: how many requests leave in a time.
//! - [`redact`]: the one place that knows which texts must not go outward.

pub mod answer;
pub mod authorize;
mod base_url;
pub mod client;
mod escapes;
pub mod meaning;
pub mod meter;
pub mod rate_limit;
pub mod redact;
#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use authorize::Authorizer;
pub use base_url::{base_url, host_and_port};
pub use client::{Client, Request};
pub use meaning::{Call, Meaning};
pub use meter::Meter;
pub use redact::Redactor;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// What is encoded of one segment of a path: all but the unreserved characters (RFC 3986 section
/// 2.3), for anything else could be taken for something else on the way.
pub const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
