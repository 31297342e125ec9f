//! Why a call to a remote failed as a whole, and what that means for what was sent.

use std::time::Duration;

/// Why a whole call failed. Each variant is one decision of the pipeline.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Not applied, too much at once: wait, then send again.
    #[error("the remote throttles (status {status})")]
    Throttled {
        /// HTTP status.
        status: u16,
        /// How long the remote asks to wait, if it says so.
        retry_after: Option<Duration>,
    },
    /// Not applied, for the request never left or the remote is down: back off, send again.
    #[error("the remote cannot be reached: {0}")]
    Unreachable(Box<str>),
    /// Sent, and the answer is lost or says nothing (timeout, reset, 5xx to a write): look up
    /// before anything is sent again.
    #[error("no answer that says whether it was applied: {why}")]
    InDoubt {
        /// For people; holds no secret.
        why: Box<str>,
        /// How long the remote asks to wait, if it says so: also before the lookup.
        retry_after: Option<Duration>,
    },
    /// The credential is refused, also after a refresh: the job ends.
    #[error("the remote refuses the credential: {0}")]
    Unauthorized(Box<str>),
    /// Not sent: a new token cannot be kept for the next job, and the old one is used up with it.
    /// The job ends.
    #[error("{0}")]
    NotKept(Box<str>),
    /// Not sent: a quota is used up as far as it may be. The job ends.
    #[error("{0}")]
    Spent(Box<str>),
    /// Not applied: the credential may not do this to this object. The records are rejected.
    #[error("the credential lacks a permission (status {status}): {message}")]
    Forbidden {
        /// HTTP status.
        status: u16,
        /// For people; holds no secret.
        message: Box<str>,
    },
    /// Not applied: the call as a whole is refused, and no record is named. The batch is halved
    /// until the bad record stands alone.
    #[error("{}{message}", refused_by(*status))]
    Refused {
        /// HTTP status.
        status: u16,
        /// The remote's own code, if any.
        code: Option<Box<str>>,
        /// For people; holds no secret.
        message: Box<str>,
    },
    /// The answer is not what the connector can read: as [`RequestError::InDoubt`] for a write.
    #[error("the answer cannot be read: {0}")]
    Protocol(Box<str>),
    /// Not sent, for its job was to end before its turn came.
    #[error("not sent: the job ended before")]
    Stopped,
    /// Not sent, for its turn came after [`WriteBatch::not_after`](super::contract::WriteBatch::not_after).
    #[error("not sent: its turn came when the remote might have forgotten its idempotency key")]
    TooLate,
}

/// Who refuses a call: nobody was asked where there is no status.
fn refused_by(status: u16) -> String {
    if status == 0 {
        return String::new();
    }
    format!("the remote refuses the call (status {status}): ")
}

impl RequestError {
    /// In doubt, and nothing was asked for.
    pub fn in_doubt(why: impl Into<Box<str>>) -> Self {
        Self::InDoubt { why: why.into(), retry_after: None }
    }

    /// Refused by us: nothing has left, and status 0 says so.
    pub fn never_sent(message: &str) -> Self {
        Self::Refused { status: 0, code: None, message: message.into() }
    }
}
