//! The results, one row a record, and the rejects, a Singer stream to be mended and sent again.

use std::io::{self, Write};
use std::path::Path;

use rusqlite::Connection;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::Error;
use crate::file::{Access, replace};
use crate::outcome::Fate;
use crate::store::jobs::JobId;
use crate::store::report::{self, OutcomeRow, Reject, TellError};
use crate::store::results::{Query, Row, each};
use crate::store::unreadable;

/// What became of one record: a line of a `.jsonl` file, or a row of a `.csv` file with these
/// columns.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(title = "target-upsert result")]
pub struct ResultRow<'a> {
    /// The stream; empty for a line that is no message.
    pub stream: &'a str,
    /// Place among the records of the input, over all streams, from 1.
    pub position: u64,
    /// The user's id.
    #[serde(rename = "InputId")]
    pub input_id: Option<&'a str>,
    /// The remote's id.
    #[serde(rename = "RemoteId")]
    pub remote_id: Option<&'a str>,
    /// What was sent, or in a dry run would have been: `create`, `update`, `upsert`, `delete`.
    pub action: Option<&'a str>,
    /// How it ended.
    pub outcome: Fate,
    /// It stands at the remote as the input has it.
    pub success: bool,
    /// Calls that it was part of.
    pub attempts: u32,
    /// HTTP status of the last answer.
    pub http_status: Option<u16>,
    /// The remote's code of the error, or ours.
    pub error_code: Option<&'a str>,
    /// The platform's class of the error.
    pub error_class: Option<&'a str>,
    /// The error, for people.
    pub error_message: Option<&'a str>,
    /// Milliseconds from its first sending to its outcome.
    pub millis: u64,
}

impl<'a> From<OutcomeRow<'a>> for ResultRow<'a> {
    fn from(row: OutcomeRow<'a>) -> Self {
        Self {
            stream: row.stream,
            position: row.position,
            input_id: row.external_id,
            remote_id: row.remote_id,
            action: row.action,
            outcome: row.fate,
            success: row.fate.is_success(),
            attempts: row.attempts,
            http_status: row.status,
            error_code: row.code,
            error_class: row.class,
            error_message: row.error,
            millis: row.millis,
        }
    }
}

impl<'a> From<&'a Row> for ResultRow<'a> {
    fn from(row: &'a Row) -> Self {
        Self {
            stream: &row.stream,
            position: row.cursor.position,
            input_id: row.external_id.as_deref(),
            remote_id: row.remote_id.as_deref(),
            action: row.action.as_deref(),
            outcome: row.fate,
            success: row.fate.is_success(),
            attempts: row.attempts,
            http_status: row.status,
            error_code: row.code.as_deref(),
            error_class: row.class.as_deref(),
            error_message: row.error.as_deref(),
            millis: row.millis,
        }
    }
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated, with a header.
    Csv,
}

impl Format {
    /// By the file's ending.
    ///
    /// # Errors
    /// Exit code 2 for another ending.
    pub fn of(path: &Path) -> Result<Self, Error> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("jsonl") => Ok(Self::Jsonl),
            Some("csv") => Ok(Self::Csv),
            _ => Err(Error::usage(format!(
                "the results file `{}` ends neither in .jsonl nor in .csv",
                path.display()
            ))
            .hint("name it so that its ending says the format")),
        }
    }
}

/// Writes the results of a job that `query` asks for.
///
/// # Errors
/// See [`TellError`]. A cursor that is no row of the job is invalid input.
pub fn write_results(
    out: &mut dyn Write,
    connection: &Connection,
    job: JobId,
    format: Format,
    query: &Query,
) -> Result<(), TellError> {
    let mut rows = match format {
        Format::Jsonl => Rows::Jsonl(out),
        Format::Csv => {
            // The header is written here, since it is due also where no row follows.
            let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(out);
            csv.write_record(COLUMNS)?;
            Rows::Csv(Box::new(csv))
        }
    };
    each(connection, job, query, |_, row| rows.write(&ResultRow::from(row)))?
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    rows.flush()
}

/// The columns of a `.csv` file, in the order of [`ResultRow`]'s fields.
const COLUMNS: [&str; 13] = [
    "stream",
    "position",
    "InputId",
    "RemoteId",
    "action",
    "outcome",
    "success",
    "attempts",
    "http_status",
    "error_code",
    "error_class",
    "error_message",
    "millis",
];

enum Rows<'a> {
    Jsonl(&'a mut dyn Write),
    Csv(Box<csv::Writer<&'a mut dyn Write>>),
}

impl Rows<'_> {
    fn write(&mut self, row: &ResultRow<'_>) -> Result<(), TellError> {
        match self {
            Self::Jsonl(out) => {
                serde_json::to_writer(&mut **out, row).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
            }
            Self::Csv(csv) => csv.serialize(row)?,
        }
        Ok(())
    }

    fn flush(self) -> Result<(), TellError> {
        match self {
            Self::Jsonl(out) => out.flush()?,
            Self::Csv(mut csv) => csv.flush()?,
        }
        Ok(())
    }
}

/// Writes the rejects of a job: a Singer stream that this program reads. Returns how many records
/// are not in it because the store does not keep them.
///
/// # Errors
/// See [`TellError`].
pub fn write_rejects(
    out: &mut dyn Write,
    connection: &Connection,
    job: JobId,
) -> Result<u64, TellError> {
    report::rejects(connection, job, |reject| {
        match reject {
            Reject::Schema(line) => writeln!(out, "{line}")?,
            Reject::Record(stream, source) => {
                let stream = serde_json::Value::from(stream);
                writeln!(out, "{{\"type\":\"RECORD\",\"stream\":{stream},\"record\":{source}}}")?;
            }
        }
        Ok::<_, TellError>(())
    })
}

/// Replaces the file at `path` by what `write` writes; only its owner may read it, since it holds
/// records.
///
/// # Errors
/// Exit code 5, naming the file.
pub fn write_file<T>(
    path: &Path,
    what: &str,
    write: impl FnOnce(&mut dyn Write) -> Result<T, TellError>,
) -> Result<T, Error> {
    let mut result = None;
    let mut broken = None;
    let replaced = replace(path, Access::Owner, |out| match write(out) {
        Ok(written) => {
            result = Some(written);
            Ok(())
        }
        Err(TellError::Store(error)) => {
            broken = Some(error);
            Err(io::Error::other("the store cannot be read"))
        }
        Err(TellError::Output(error)) => Err(error),
    });
    if let Some(error) = broken {
        return Err(unreadable(error));
    }
    replaced.map_err(|error| {
        Error::ours(format!("cannot write the {what} to `{}`", path.display()))
            .caused_by(error)
            .hint("the job itself is done and kept in the store; see `target-upsert jobs --help`")
    })?;
    result.ok_or_else(|| Error::ours(format!("the {what} was not written")))
}
