//! The state line: streamed from the store to stdout, as the hosted platform's readers expect it.
//!
//! It is printed as Python's `json.dumps` would: `", "` and `": "`, everything beyond ASCII
//! escaped, so that a program that compares bytes finds what it knows.

use std::io::{self, Write};

use indexmap::IndexMap;
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::ahead::Ahead;
use crate::crash::point;
use crate::json::python::{write_readable, write_text};
use crate::outcome::Fate;
use crate::store::jobs::JobId;
use crate::store::report::{self, OutcomeRow, TellError};
use crate::summary::Counts;

/// What stands around the bookmarks and the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `bookmarks`, `summary`, `mappings`, and `tap` where the tap sent a STATE.
    Full,
    /// `bookmarks` and `summary`.
    Platform,
    /// `{"tap": …, "target": {bookmarks, summary}}`.
    Streaming,
}

/// The state line in its `full` format. The types of this file describe what is printed, for the
/// schema; what is printed is streamed and never whole in memory.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(title = "target-upsert state")]
pub struct State {
    /// One entry for each record, by stream, in the order of the input. All three are missing in
    /// the state of a job that read no record.
    pub bookmarks: Option<IndexMap<String, Vec<Bookmark>>>,
    /// How many records came to which end, by stream.
    pub summary: Option<IndexMap<String, PlatformCounts>>,
    /// Which remote id belongs to which external id, by stream.
    pub mappings: Option<IndexMap<String, Vec<Mapping>>>,
    /// The tap's last STATE that is safe.
    pub tap: Option<serde_json::Value>,
}

/// The state line in its `platform` format.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(title = "target-upsert state, as the hosted platform's targets print it")]
#[serde(deny_unknown_fields)]
pub struct PlatformState {
    /// One entry for each record, by stream, in the order of the input.
    pub bookmarks: Option<IndexMap<String, Vec<Bookmark>>>,
    /// How many records came to which end, by stream.
    pub summary: Option<IndexMap<String, PlatformCounts>>,
}

/// What became of one record.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bookmark {
    /// It stands at the remote as the input has it.
    pub success: bool,
    /// It was deleted, and stands there no more.
    #[serde(default)]
    pub deleted: bool,
    /// SHA-256 of the prepared record, 64 hexadecimal digits.
    pub hash: String,
    /// The remote's id.
    pub id: Option<String>,
    /// The user's id.
    #[serde(rename = "externalId")]
    pub external_id: Option<String>,
    /// Why it is no success.
    pub error: Option<String>,
    /// `InvalidPayloadError` or `InvalidCredentialsError`, where it is one.
    pub hg_error_class: Option<String>,
    /// Name of the batch that it was sent with, with `inject_batch_ids`.
    #[serde(rename = "hgBatchId")]
    pub batch_id: Option<String>,
    /// Fields that the SCHEMA's `x-hotglue` asks for.
    #[serde(rename = "customData")]
    pub custom_data: Option<serde_json::Map<String, serde_json::Value>>,
    /// What was sent, with `OUTPUT_MAPPED_RECORD`.
    pub mapped_record: Option<serde_json::Map<String, serde_json::Value>>,
}

/// How many records came to which end, in the platform's four kinds.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlatformCounts {
    /// Created or deleted.
    pub success: u64,
    /// Rejected, failed or in doubt.
    pub fail: u64,
    /// Unchanged.
    pub existing: u64,
    /// Updated.
    pub updated: u64,
}

/// One pair of ids.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The user's id.
    #[serde(rename = "InputId")]
    pub input_id: String,
    /// The remote's id.
    #[serde(rename = "RemoteId")]
    pub remote_id: String,
    /// Fields that the SCHEMA's `x-hotglue` asks for.
    #[serde(rename = "CustomData")]
    pub custom_data: serde_json::Map<String, serde_json::Value>,
}

/// Writes the state of a job, without the line's end. `tap` is the tap's last STATE that is safe.
/// `second` opens the same store once more: with it the mappings, where there are any, are sorted on
/// a thread of their own while the bookmarks are written.
///
/// # Errors
/// See [`TellError`]; what was written until then is no JSON.
pub fn write(
    out: &mut dyn Write,
    connection: &Connection,
    second: impl FnOnce() -> Option<Connection>,
    job: JobId,
    shape: Shape,
    tap: Option<&RawValue>,
) -> Result<(), TellError> {
    let streams = report::streams(connection, job)?;
    if streams.is_empty() && tap.is_none() && shape != Shape::Streaming {
        out.write_all(b"{}")?;
        return Ok(());
    }
    if shape == Shape::Streaming {
        out.write_all(b"{\"tap\": ")?;
        write_readable(out, tap.map_or("{}", RawValue::get))?;
        out.write_all(b", \"target\": ")?;
    }
    std::thread::scope(|scope| {
        let streams = &streams;
        let mappings = move |out: &mut dyn Write, connection: &Connection| {
            write_streams(out, streams, |out, (stream, _)| {
                write_mappings(out, connection, job, *stream)
            })
        };
        if shape != Shape::Full {
            return write_bookmarks_and_summary(out, connection, job, streams);
        }
        let ahead =
            second().and_then(|second| Ahead::start(scope, move |out| mappings(out, &second)).ok());
        write_bookmarks_and_summary(out, connection, job, streams)?;
        out.write_all(b", \"mappings\": ")?;
        match ahead {
            Some(ahead) => ahead.write_to(out),
            None => mappings(out, connection),
        }
    })?;
    if shape == Shape::Full
        && let Some(tap) = tap
    {
        out.write_all(b", \"tap\": ")?;
        write_readable(out, tap.get())?;
    }
    out.write_all(b"}")?;
    if shape == Shape::Streaming {
        out.write_all(b"}")?;
    }
    Ok(())
}

/// `{"bookmarks": …, "summary": …`
fn write_bookmarks_and_summary(
    out: &mut dyn Write,
    connection: &Connection,
    job: JobId,
    streams: &[(i64, String)],
) -> Result<(), TellError> {
    out.write_all(b"{\"bookmarks\": ")?;
    let mut counts = Vec::with_capacity(streams.len());
    write_streams(out, streams, |out, stream| {
        counts.push(write_bookmarks(out, connection, job, stream)?);
        Ok(())
    })?;
    out.write_all(b", \"summary\": ")?;
    let mut counts = counts.into_iter();
    write_streams(out, streams, |out, _| Ok(write_counts(out, &counts.next().unwrap_or_default())?))
}

/// `{"bookmarks": …, "summary": …}` of a single record.
///
/// # Errors
/// What `out` says.
pub fn write_one(out: &mut dyn Write, row: &OutcomeRow<'_>) -> io::Result<()> {
    let mut counts = Counts::default();
    counts.add(row.fate);
    out.write_all(b"{\"bookmarks\": {")?;
    write_text(out, row.stream)?;
    out.write_all(b": [")?;
    write_bookmark(out, row)?;
    out.write_all(b"]}, \"summary\": {")?;
    write_text(out, row.stream)?;
    out.write_all(b": ")?;
    write_counts(out, &counts)?;
    out.write_all(b"}}")
}

/// `{"stream": …, …}`; lines that could not be read belong to no stream and are left out.
fn write_streams(
    out: &mut dyn Write,
    streams: &[(i64, String)],
    mut write_one: impl FnMut(&mut dyn Write, &(i64, String)) -> Result<(), TellError>,
) -> Result<(), TellError> {
    let mut separator: &[u8] = b"{";
    for stream in streams.iter().filter(|(_, name)| !name.is_empty()) {
        out.write_all(separator)?;
        separator = b", ";
        write_text(out, &stream.1)?;
        out.write_all(b": ")?;
        write_one(out, stream)?;
    }
    if separator == b"{" {
        out.write_all(b"{")?;
    }
    out.write_all(b"}")?;
    Ok(())
}

/// Returns the stream's counts.
fn write_bookmarks(
    out: &mut dyn Write,
    connection: &Connection,
    job: JobId,
    (stream, name): &(i64, String),
) -> Result<Counts, TellError> {
    out.write_all(b"[")?;
    let mut separator: &[u8] = b"";
    let mut counts = Counts::default();
    report::outcomes(connection, job, (*stream, name), |row| {
        counts.add(row.fate);
        if row.fate == Fate::Skipped {
            return Ok(());
        }
        out.write_all(separator)?;
        separator = b", ";
        write_bookmark(out, &row)?;
        point("telling");
        Ok::<_, TellError>(())
    })?;
    out.write_all(b"]")?;
    Ok(counts)
}

fn write_bookmark(out: &mut dyn Write, row: &OutcomeRow<'_>) -> io::Result<()> {
    let is_success = row.fate.is_success();
    write!(out, "{{\"success\": {is_success}, \"hash\": \"{}\"", row.fingerprint)?;
    if row.fate == Fate::Deleted {
        out.write_all(b", \"deleted\": true")?;
    }
    let mut text = |key: &str, value: Option<&str>| -> io::Result<()> {
        if let Some(value) = value {
            write!(out, ", \"{key}\": ")?;
            write_text(out, value)?;
        }
        Ok(())
    };
    text("id", row.remote_id)?;
    text("externalId", row.external_id)?;
    if !is_success {
        text("error", Some(row.error.unwrap_or("no reason is known")))?;
        text("hg_error_class", row.class)?;
    }
    text("hgBatchId", row.batch_id)?;
    if is_success && let Some(data) = row.custom_data {
        out.write_all(b", \"customData\": ")?;
        write_readable(out, data)?;
    }
    if let Some(body) = row.body {
        out.write_all(b", \"mapped_record\": ")?;
        write_readable(out, body)?;
    }
    out.write_all(b"}")
}

/// The platform counts four kinds. What is in doubt is no success, and what was skipped no
/// record.
fn write_counts(out: &mut dyn Write, counts: &Counts) -> io::Result<()> {
    write!(
        out,
        "{{\"success\": {}, \"fail\": {}, \"existing\": {}, \"updated\": {}}}",
        counts.created + counts.deleted,
        counts.rejected + counts.failed + counts.in_doubt,
        counts.unchanged,
        counts.updated,
    )
}

fn write_mappings(
    out: &mut dyn Write,
    connection: &Connection,
    job: JobId,
    stream: i64,
) -> Result<(), TellError> {
    out.write_all(b"[")?;
    let mut separator: &[u8] = b"";
    report::mappings(connection, job, stream, |external_id, remote_id, custom_data| {
        out.write_all(separator)?;
        separator = b", ";
        out.write_all(b"{\"InputId\": ")?;
        write_text(out, external_id)?;
        out.write_all(b", \"RemoteId\": ")?;
        write_text(out, remote_id)?;
        out.write_all(b", \"CustomData\": ")?;
        write_readable(out, custom_data.unwrap_or("{}"))?;
        out.write_all(b"}")?;
        Ok::<_, TellError>(())
    })?;
    out.write_all(b"]")?;
    Ok(())
}
