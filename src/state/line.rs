//! The state line: streamed from the store to stdout, as the hosted platform's readers expect it.
//!
//! It is printed as Python's `json.dumps` would: `", "` and `": "`, everything beyond ASCII
//! escaped, so that a program that compares bytes finds what it knows.

use std::io::{self, Write};

use rusqlite::Connection;
use serde_json::value::RawValue;

use crate::outcome::Fate;
use crate::python_json::{write_json, write_text};
use crate::store::report::{self, OutcomeRow};
use crate::summary::{Counts, Summary};

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

/// Why a state line could not be written.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The other end.
    #[error(transparent)]
    Output(#[from] io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] rusqlite::Error),
}

/// Writes the state of a job, without the line's end. `tap` is the tap's last STATE that is safe.
///
/// # Errors
/// See [`LineError`]; what was written until then is no JSON.
pub fn write(
    out: &mut dyn Write,
    connection: &Connection,
    job: i64,
    summary: &Summary,
    shape: Shape,
    tap: Option<&RawValue>,
) -> Result<(), LineError> {
    let streams = report::streams(connection, job)?;
    if streams.is_empty() && tap.is_none() && shape != Shape::Streaming {
        out.write_all(b"{}")?;
        return Ok(());
    }
    if shape == Shape::Streaming {
        out.write_all(b"{\"tap\": ")?;
        write_json(out, tap.map_or("{}", RawValue::get))?;
        out.write_all(b", \"target\": ")?;
    }
    out.write_all(b"{\"bookmarks\": ")?;
    write_streams(out, &streams, |out, stream| write_bookmarks(out, connection, job, stream))?;
    out.write_all(b", \"summary\": ")?;
    write_streams(out, &streams, |out, (_, name)| {
        let counts = summary.streams.get(name).map(|stream| stream.counts.clone());
        Ok(write_counts(out, &counts.unwrap_or_default())?)
    })?;
    if shape == Shape::Full {
        out.write_all(b", \"mappings\": ")?;
        write_streams(out, &streams, |out, (stream, _)| {
            write_mappings(out, connection, job, *stream)
        })?;
        if let Some(tap) = tap {
            out.write_all(b", \"tap\": ")?;
            write_json(out, tap.get())?;
        }
    }
    out.write_all(b"}")?;
    if shape == Shape::Streaming {
        out.write_all(b"}")?;
    }
    Ok(())
}

/// `{"stream": …, …}`; lines that could not be read belong to no stream and are left out.
fn write_streams(
    out: &mut dyn Write,
    streams: &[(i64, String)],
    mut write_one: impl FnMut(&mut dyn Write, &(i64, String)) -> Result<(), LineError>,
) -> Result<(), LineError> {
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

fn write_bookmarks(
    out: &mut dyn Write,
    connection: &Connection,
    job: i64,
    (stream, name): &(i64, String),
) -> Result<(), LineError> {
    out.write_all(b"[")?;
    let mut separator: &[u8] = b"";
    report::outcomes(connection, job, (*stream, name), |row| {
        if row.fate == Fate::Skipped {
            return Ok(());
        }
        out.write_all(separator)?;
        separator = b", ";
        write_bookmark(out, &row)?;
        Ok::<_, LineError>(())
    })?;
    out.write_all(b"]")?;
    Ok(())
}

fn write_bookmark(out: &mut dyn Write, row: &OutcomeRow) -> io::Result<()> {
    let is_success = row.fate.is_success();
    write!(out, "{{\"success\": {is_success}, \"hash\": \"{}\"", row.fingerprint)?;
    let mut text = |key: &str, value: Option<&str>| -> io::Result<()> {
        if let Some(value) = value {
            write!(out, ", \"{key}\": ")?;
            write_text(out, value)?;
        }
        Ok(())
    };
    text("id", row.remote_id.as_deref())?;
    text("externalId", row.external_id.as_deref())?;
    if !is_success {
        text("error", Some(row.error.as_deref().unwrap_or("no reason is known")))?;
        text("hg_error_class", row.class.as_deref())?;
    }
    if is_success && let Some(data) = &row.custom_data {
        out.write_all(b", \"customData\": ")?;
        write_json(out, data.get())?;
    }
    if let Some(body) = &row.body {
        out.write_all(b", \"mapped_record\": ")?;
        write_json(out, body.get())?;
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
    job: i64,
    stream: i64,
) -> Result<(), LineError> {
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
        write_json(out, custom_data.unwrap_or("{}"))?;
        out.write_all(b"}")?;
        Ok::<_, LineError>(())
    })?;
    out.write_all(b"]")?;
    Ok(())
}
