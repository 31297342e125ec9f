//! The hosted platform's id snapshots: which remote id belongs to which id of the user.
//!
//! A snapshot is `{stream}_{flow}.snapshot.csv`, else `{stream}_{flow}.snapshot.parquet`, with the
//! columns `InputId` and `RemoteId`, and `CustomData` where there is some. The platform makes one
//! of the state lines after each job, and its targets read it before the next. While it rewrites
//! one, `{name}.hg.partial_written.lock` stands in the folder.

mod csv;
#[cfg(feature = "parquet")]
mod parquet;

use std::io;
use std::path::{Path, PathBuf};

pub use crate::config::SnapshotFormat as Format;
use crate::error::Error;
use crate::file::{self, Access};
use crate::text::cut;

/// Of a file's name: what common file systems take.
const MAX_NAME_BYTES: usize = 255;
/// Characters of a name that are told.
const MAX_CHARS: usize = 100;

const INPUT_ID: &str = "InputId";
const REMOTE_ID: &str = "RemoteId";
const CUSTOM_DATA: &str = "CustomData";

/// One pair of ids, as exact texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The user's id. Never empty when it was read.
    pub input_id: String,
    /// The remote's id. Never empty when it was read.
    pub remote_id: String,
    /// What the platform keeps beside them. An empty text and none are the same in a file, and are
    /// read as none.
    pub custom_data: Option<String>,
}

/// Why a snapshot cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A stream's or flow's name would lead out of the folder.
    #[error("`{0}` cannot be part of a snapshot's file name: it holds a path separator")]
    Name(String),
    /// A stream's name is longer than a file's may be.
    #[error("`{0}` cannot be part of a snapshot's file name: it is too long")]
    TooLong(String),
    /// The file cannot be opened or read.
    #[error("cannot read the snapshot `{path}`")]
    Read {
        /// Of the file.
        path: String,
        /// What the file system says.
        source: io::Error,
    },
    /// The file is no snapshot.
    #[error("the snapshot `{path}` has no column `{missing}`; it has {found}")]
    Column {
        /// Of the file.
        path: String,
        /// The name of the column that is not there.
        missing: &'static str,
        /// The names of those that are, for people.
        found: String,
    },
    /// The file is damaged, or holds what cannot be an id.
    #[error("the snapshot `{path}`, {place}: {problem}")]
    Content {
        /// Of the file.
        path: String,
        /// Line or row, from 1, as in `line 3`.
        place: String,
        /// What is wrong there.
        problem: String,
    },
    /// This build cannot read or write Parquet.
    #[error("cannot use the snapshot `{0}`: this build has no Parquet")]
    NoParquet(String),
    /// The file cannot be written.
    #[error("cannot write the snapshot `{path}`")]
    Write {
        /// Of the file.
        path: String,
        /// What the file system says.
        source: io::Error,
    },
}

impl From<SnapshotError> for Error {
    fn from(mut error: SnapshotError) -> Self {
        let message = error.to_string();
        match &mut error {
            SnapshotError::Read { source, .. } => Self::usage(message)
                .caused_by(std::mem::replace(source, io::ErrorKind::Other.into())),
            SnapshotError::Write { source, .. } => Self::ours(message)
                .caused_by(std::mem::replace(source, io::ErrorKind::Other.into())),
            _ => Self::usage(message),
        }
    }
}

impl SnapshotError {
    fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.display().to_string(), source }
    }

    fn content(path: &Path, place: String, problem: impl Into<String>) -> Self {
        Self::Content { path: path.display().to_string(), place, problem: problem.into() }
    }
}

/// Where the snapshot of a stream stands, or would stand; without a flow its name says `None`, as
/// the platform's do.
///
/// # Errors
/// [`SnapshotError::Name`] when the file would be in another folder, [`SnapshotError::TooLong`] when
/// no file can have its name.
pub fn path(
    folder: &Path,
    stream: &str,
    flow: Option<&str>,
    format: Format,
) -> Result<PathBuf, SnapshotError> {
    let flow = flow.unwrap_or("None");
    for part in [stream, flow] {
        // With a prefix or suffix to it `..` is a name like any other.
        if part.contains(['/', '\\', '\0']) {
            return Err(SnapshotError::Name(cut(part, MAX_CHARS)));
        }
    }
    let extension = match format {
        Format::Csv => "csv",
        Format::Parquet => "parquet",
    };
    let name = format!("{stream}_{flow}.snapshot.{extension}");
    if name.len() > MAX_NAME_BYTES {
        return Err(SnapshotError::TooLong(cut(stream, MAX_CHARS)));
    }
    Ok(folder.join(name))
}

/// The snapshot of a stream, if there is one: CSV before Parquet.
///
/// A file that somebody is in the middle of writing is passed over with a warning.
pub fn find(folder: &Path, stream: &str, flow: Option<&str>) -> Option<PathBuf> {
    [Format::Csv, Format::Parquet].into_iter().find_map(|format| {
        let path = path(folder, stream, flow, format).ok()?;
        let lock = file::beside(&path, ".hg.partial_written.lock");
        if lock.exists() {
            tracing::warn!(
                lock = %lock.display(),
                "The snapshot is not used: it is being written, or its writer has died."
            );
            return None;
        }
        path.is_file().then_some(path)
    })
}

/// Hands each row of a snapshot to `each`, in the order of the file, and returns how many. A name
/// that ends in `.parquet` means Parquet, any other CSV.
///
/// Memory is constant. Rows without one of the ids say nothing; they are counted in a warning.
///
/// # Errors
/// See [`SnapshotError`]; and what `each` says, which ends the reading.
pub fn read<E: From<SnapshotError>>(
    path: &Path,
    mut each: impl FnMut(Row) -> Result<(), E>,
) -> Result<u64, E> {
    let (mut rows, mut incomplete) = (0, 0_u64);
    let each = |row: Row| {
        if row.input_id.is_empty() || row.remote_id.is_empty() {
            incomplete += 1;
            return Ok(());
        }
        rows += 1;
        each(row)
    };
    match path.extension() {
        #[cfg(feature = "parquet")]
        Some(ending) if ending.eq_ignore_ascii_case("parquet") => parquet::read(path, each)?,
        #[cfg(not(feature = "parquet"))]
        Some(ending) if ending.eq_ignore_ascii_case("parquet") => {
            return Err(SnapshotError::NoParquet(path.display().to_string()).into());
        }
        _ => csv::read(path, each)?,
    }
    if incomplete > 0 {
        tracing::warn!(
            path = %path.display(),
            rows = incomplete,
            "Rows of the snapshot are passed over: they lack an id."
        );
    }
    Ok(rows)
}

/// Replaces the snapshot of a stream. Returns its path.
///
/// # Errors
/// See [`write_file`], and [`path`].
pub fn write<E: From<SnapshotError>>(
    folder: &Path,
    stream: &str,
    flow: Option<&str>,
    format: Format,
    rows: impl Iterator<Item = Result<Row, E>>,
) -> Result<PathBuf, E> {
    let path = path(folder, stream, flow, format)?;
    write_file(&path, format, rows)?;
    if format == Format::Parquet && find(folder, stream, flow).is_some_and(|found| found != path) {
        tracing::warn!(
            path = %path.display(),
            "A CSV snapshot stands beside the Parquet one that was written, and is read before it."
        );
    }
    Ok(path)
}

/// Replaces the file at `path` by a snapshot with these rows, as a whole: a reader finds the old
/// file or the new one. Memory is constant.
///
/// # Errors
/// [`SnapshotError::Write`]; and what `rows` says. The old file is left as it was.
pub fn write_file<E: From<SnapshotError>>(
    path: &Path,
    format: Format,
    rows: impl Iterator<Item = Result<Row, E>>,
) -> Result<(), E> {
    #[cfg(not(feature = "parquet"))]
    if format == Format::Parquet {
        return Err(SnapshotError::NoParquet(path.display().to_string()).into());
    }
    let mut refused = None;
    let written = file::replace(path, Access::Owner, |out| {
        // Ends at the first row that cannot be had; then the file is not kept.
        let mut rows = rows.map_while(|row| row.map_err(|error| refused = Some(error)).ok());
        match format {
            Format::Csv => csv::write(out, &mut rows)?,
            #[cfg(feature = "parquet")]
            Format::Parquet => parquet::write(out, &mut rows)?,
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => return Err(io::ErrorKind::Unsupported.into()),
        }
        drop(rows);
        if refused.is_some() { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
    });
    match (refused, written) {
        (Some(refused), _) => Err(refused),
        (None, Ok(())) => Ok(()),
        (None, Err(source)) => {
            Err(SnapshotError::Write { path: path.display().to_string(), source }.into())
        }
    }
}

/// The places of `InputId`, `RemoteId` and `CustomData` among a file's columns.
fn columns(
    path: &Path,
    names: &[impl AsRef<str>],
) -> Result<(usize, usize, Option<usize>), SnapshotError> {
    let place = |wanted: &str| names.iter().position(|name| name.as_ref() == wanted);
    let needed = |missing: &'static str| {
        place(missing).ok_or_else(|| SnapshotError::Column {
            path: path.display().to_string(),
            missing,
            found: if names.is_empty() {
                "none".to_owned()
            } else {
                names
                    .iter()
                    .map(|name| format!("`{}`", name.as_ref()))
                    .collect::<Vec<_>>()
                    .join(", ")
            },
        })
    };
    Ok((needed(INPUT_ID)?, needed(REMOTE_ID)?, place(CUSTOM_DATA)))
}

#[cfg(test)]
mod tests;
