//! What the remote takes and what it refuses: every write is judged before any is applied.

use std::time::Instant;

use hyper::StatusCode;
use serde_json::json;

use super::EXT_ID;
use crate::sandbox::memory::{Memory, id};
use crate::sandbox::record::{Fields, id_text};
use crate::sandbox::remote::Answer;

/// Characters of a `name`, at most.
const MAX_NAME_CHARS: usize = 255;
/// Bytes of an external id, at most, as it is held.
const MAX_EXT_ID_BYTES: usize = 4096;

/// One write, as asked for.
#[derive(Debug)]
pub(super) enum Write {
    Create(Fields),
    /// By the external id in the fields.
    Upsert(Fields),
    /// By a remote id, as it was spelled.
    Update(String, Fields),
    Delete(String),
}

/// One write that can be applied.
#[derive(Debug)]
pub(super) enum Change {
    Create(Fields),
    Merge(u64, Fields),
    Remove(u64),
}

/// Why something is refused.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) field: Option<&'static str>,
    pub(super) existing_id: Option<u64>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self { status, code, message: message.to_owned(), field: None, existing_id: None }
    }

    /// A request that cannot be read.
    pub(super) fn invalid(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID", message)
    }

    /// A value that the remote does not take.
    pub(super) fn field(code: &'static str, field: &'static str, message: &str) -> Self {
        Self { field: Some(field), ..Self::new(StatusCode::BAD_REQUEST, code, message) }
    }

    pub(super) fn not_found(object: &str, id: &str) -> Self {
        let message = format!("`{object}` has no record with the id `{id}`");
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", &message)
    }

    /// As JSON: the body of an answer, or the `error` of a verdict.
    pub(super) fn to_json(&self) -> String {
        let mut json = json!({"code": self.code, "message": self.message});
        if let Some(field) = self.field {
            json["field"] = field.into();
        }
        if let Some(id) = self.existing_id {
            json["existing_id"] = id.to_string().into();
        }
        json.to_string()
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        Self::json(problem.status, problem.to_json())
    }
}

/// Says what a write comes to in the memory as it is, without touching it.
///
/// # Errors
/// Why the remote refuses it.
pub(super) fn judge(
    memory: &mut Memory,
    object: &str,
    unique: bool,
    write: Write,
) -> Result<Change, Problem> {
    match write {
        Write::Create(fields) => {
            check(&fields, None)?;
            if let Some(ext_id) = ext_id(&fields)?.filter(|_| unique)
                && let Some(existing) = memory.find(object, EXT_ID, &ext_id).first()
            {
                return Err(exists(*existing));
            }
            Ok(Change::Create(fields))
        }
        Write::Upsert(mut fields) => {
            let ext_id = ext_id(&fields)?
                .ok_or_else(|| Problem::field("REQUIRED", EXT_ID, "`ext_id` is missing"))?;
            match *memory.find(object, EXT_ID, &ext_id) {
                [] => {
                    check(&fields, None)?;
                    Ok(Change::Create(fields))
                }
                [id] => {
                    check(&fields, Some(id))?;
                    fields.take("id");
                    Ok(Change::Merge(id, fields))
                }
                ref many => {
                    let message = format!("{} records have this `ext_id`", many.len());
                    Err(Problem {
                        status: StatusCode::CONFLICT,
                        ..Problem::field("AMBIGUOUS", EXT_ID, &message)
                    })
                }
            }
        }
        Write::Update(spelled, mut fields) => {
            let held = id(&spelled).filter(|id| memory.get(object, *id).is_some());
            let id = held.ok_or_else(|| Problem::not_found(object, &spelled))?;
            check(&fields, Some(id))?;
            fields.take("id");
            if let Some(ext_id) = ext_id(&fields)?.filter(|_| unique) {
                let others = memory.find(object, EXT_ID, &ext_id);
                if let Some(existing) = others.iter().find(|other| **other != id) {
                    return Err(exists(*existing));
                }
            }
            Ok(Change::Merge(id, fields))
        }
        Write::Delete(spelled) => {
            let held = id(&spelled).filter(|id| memory.get(object, *id).is_some());
            held.map(Change::Remove).ok_or_else(|| Problem::not_found(object, &spelled))
        }
    }
}

/// Applies a change; returns the record's id and whether it is new.
pub(super) fn apply(
    memory: &mut Memory,
    object: &str,
    change: Change,
    now: Instant,
) -> (u64, bool) {
    match change {
        Change::Create(fields) => (memory.create(object, &fields, now), true),
        Change::Merge(id, fields) => {
            memory.merge(object, id, fields);
            (id, false)
        }
        Change::Remove(id) => {
            memory.remove(object, id);
            (id, false)
        }
    }
}

/// The external id of a record, if it has one: a string that is not empty, or a number.
fn ext_id(fields: &Fields) -> Result<Option<String>, Problem> {
    let Some(value) = fields.get(EXT_ID).filter(|value| !matches!(value.get(), "null" | "\"\""))
    else {
        return Ok(None);
    };
    match id_text(value) {
        None => Err(Problem::field("INVALID_TYPE", EXT_ID, "`ext_id` is not a string or a number")),
        Some(text) if text.len() > MAX_EXT_ID_BYTES => Err(Problem::field(
            "TOO_LONG",
            EXT_ID,
            &format!("{} bytes are over the limit of {MAX_EXT_ID_BYTES}", text.len()),
        )),
        Some(text) => Ok(Some(text)),
    }
}

/// The rules on single fields. `own`: the id of the record, if it has one already; a record may
/// bring that along, but no other.
fn check(fields: &Fields, own: Option<u64>) -> Result<(), Problem> {
    if fields.get("readonly").is_some() {
        return Err(Problem::field("READ_ONLY", "readonly", "`readonly` cannot be written"));
    }
    if fields.get("id").is_some()
        && (own.is_none() || fields.id_text("id").and_then(|text| id(&text)) != own)
    {
        return Err(Problem::field("READ_ONLY", "id", "`id` is given by the remote"));
    }
    let string = |name| {
        let json = fields.get(name)?.get();
        serde_json::from_str::<String>(json).ok()
    };
    if string("email").is_some_and(|email| !email.is_empty() && !email.contains('@')) {
        return Err(Problem::field("INVALID_EMAIL", "email", "`email` is not an address"));
    }
    let chars = string("name").map_or(0, |name| name.chars().count());
    if chars > MAX_NAME_CHARS {
        let message = format!("{chars} characters are over the limit of {MAX_NAME_CHARS}");
        return Err(Problem::field("TOO_LONG", "name", &message));
    }
    ext_id(fields).map(drop)
}

fn exists(id: u64) -> Problem {
    let message = format!("the record {id} has this `ext_id`");
    Problem {
        existing_id: Some(id),
        field: Some(EXT_ID),
        ..Problem::new(StatusCode::CONFLICT, "EXISTS", &message)
    }
}
