//! What an answer says by HTTP's own rules, where the remote's are silent.

use serde_json::Value;

use super::answer::Answer;
use super::redact::Redactor;
use crate::connector::contract::{Action, RequestError};
use crate::json::exact;

/// Characters of a remote's message that are passed on.
const MAX_MESSAGE_CHARS: usize = 500;

/// What the request was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Changes nothing.
    Read,
    /// Changes something.
    Write {
        /// What.
        action: Action,
        /// Whether it is about exactly one record, so that a 404 or 409 is about that record.
        single: bool,
    },
}

/// What an answer says.
#[derive(Clone, Debug)]
pub enum Meaning {
    /// Its rows do: the status is one of success.
    Rows,
    /// The one record is not there.
    Missing,
    /// The one record is there already.
    Exists,
    /// The one record has not the version that was named.
    Changed,
    /// The call failed as a whole.
    Failed(RequestError),
}

/// What `answer` says by its status.
pub fn meaning(answer: &Answer, call: Call, redactor: &Redactor) -> Meaning {
    let status = answer.status;
    let writes = matches!(call, Call::Write { .. });
    let one = |wanted: &[Action]| matches!(call, Call::Write { action, single: true } if wanted.contains(&action));
    let lost = |text: String| {
        if writes { RequestError::in_doubt(text) } else { RequestError::Unreachable(text.into()) }
    };
    Meaning::Failed(match status {
        200..300 => return Meaning::Rows,
        404 if one(&[Action::Update, Action::Delete]) => return Meaning::Missing,
        // 412: what a request was conditional on does not hold (RFC 9110 section 15.5.13). Of a
        // create that is that nothing is there.
        409 | 412 if one(&[Action::Create]) => return Meaning::Exists,
        412 if one(&[Action::Update, Action::Delete]) => return Meaning::Changed,
        // The remote waited for the rest of a request, and does not say what it did with the part.
        408 if writes => RequestError::in_doubt(answer.describe(redactor)),
        408 | 425 | 429 => throttled(answer),
        503 if answer.retry_after().is_some() => match call {
            // A proxy says so too when what stands behind it has the request already. Sent twice,
            // this alone makes two records.
            Call::Write { action: Action::Create, .. } => RequestError::InDoubt {
                why: answer.describe(redactor).into(),
                retry_after: answer.retry_after(),
            },
            _ => throttled(answer),
        },
        401 => RequestError::Unauthorized(complaint(answer, redactor).message),
        403 => RequestError::Forbidden { status, message: complaint(answer, redactor).message },
        // "See Other" is what many say to a POST that they have applied (RFC 9110 section 15.4.4),
        // and 302 has been used for it ever since.
        302 | 303 if writes => {
            RequestError::in_doubt(format!("status {status}: {}", redirected(answer, redactor)))
        }
        300..400 => RequestError::Refused {
            status,
            code: None,
            message: redirected(answer, redactor).into(),
        },
        400..500 => refused(answer, redactor),
        _ => lost(answer.describe(redactor)),
    })
}

/// Too much at once, with what the remote asks to wait.
pub fn throttled(answer: &Answer) -> RequestError {
    RequestError::Throttled { status: answer.status, retry_after: answer.retry_after() }
}

/// The call as a whole is refused, with the remote's code and message.
pub fn refused(answer: &Answer, redactor: &Redactor) -> RequestError {
    let Complaint { code, message } = complaint(answer, redactor);
    RequestError::Refused { status: answer.status, code, message }
}

fn redirected(answer: &Answer, redactor: &Redactor) -> String {
    match answer.redirect_host(redactor) {
        Some(host) => format!("it redirects to the host `{host}`, and redirects are not followed"),
        None => "it redirects, and redirects are not followed".to_owned(),
    }
}

/// A remote's words about what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The remote's own code, if there is one.
    pub code: Option<Box<str>>,
    /// For people; without secrets. What came, if no message can be found in it.
    pub message: Box<str>,
}

/// Finds code and message in a body by the names that most APIs use.
pub fn complaint(answer: &Answer, redactor: &Redactor) -> Complaint {
    let body = exact::parse(&answer.body).unwrap_or_default();
    let first = |pointers: &[&str]| {
        let mut texts = pointers.iter().filter_map(|pointer| match body.pointer(pointer)? {
            Value::Bool(_) => None,
            value => exact::text(value),
        });
        texts.next().map(|text| redactor.excerpt(&text, MAX_MESSAGE_CHARS))
    };
    let code = first(&[
        "/code",
        "/error/code",
        "/errorCode",
        "/0/errorCode",
        "/errors/0/code",
        "/error/type",
        "/error",
        "/type",
    ]);
    let message = first(&[
        "/message",
        "/error/message",
        "/0/message",
        "/errors/0/message",
        "/errors/0/detail",
        "/error_description",
        "/detail",
        "/errors/0",
        "/title",
        "/error",
    ]);
    Complaint {
        code: code.map(Into::into),
        message: message.unwrap_or_else(|| answer.describe(redactor)).into(),
    }
}
