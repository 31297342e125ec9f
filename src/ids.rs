//! Ids come in from elsewhere before a job writes (the state of an earlier job, the platform's
//! snapshots) and go out as snapshots after it.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, Transaction};

use crate::config::SnapshotFormat;
use crate::error::Error;
use crate::record::{ExternalId, RemoteId};
use crate::snapshot::{self, Row};
use crate::state::previous::{self, Standing};
use crate::store::id_map::{self, Entry, Mapped};
use crate::store::imports::{self, Destination, Doubts};
use crate::store::jobs::JobId;
use crate::store::streams::{self, StoredStream};
use crate::store::{Store, StoreError, doubts, unreadable};

/// Rows that are taken into the store in one transaction.
const PIECE: usize = 8192;

/// Takes in what a state tells as written, and of a record that it tells of twice the later. What
/// the store knows itself is newer and stays.
///
/// # Errors
/// Exit code 2 when the file is no state; exit code 5 when the store cannot be used.
pub fn import_state(store: &Store, job: JobId, namespace: &str, path: &Path) -> Result<(), Error> {
    let wrong = |cause: String| {
        Error::usage(format!("cannot read the state file `{}`", path.display()))
            .caused_by(cause)
            .hint("pass a state line that a job has printed, or leave `--state` out")
    };
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    store.write_blocking(|transaction| imports::begin_state(transaction))?;
    let mut trouble = None;
    let read = previous::read(BufReader::with_capacity(1 << 20, file), &mut |stream, entries| {
        take_state(store, job, namespace, stream, entries).map_err(|error| {
            let message = error.to_string();
            trouble = Some(error);
            message
        })
    });
    match (trouble, read) {
        (Some(error), _) => Err(error.into()),
        (None, Err(cause)) => Err(wrong(cause)),
        (None, Ok(())) => Ok(()),
    }
}

fn take_state(
    store: &Store,
    job: JobId,
    namespace: &str,
    stream: &str,
    entries: Vec<previous::Entry>,
) -> Result<(), StoreError> {
    let (base, namespace, stream) = (store.base(), namespace.to_owned(), stream.to_owned());
    store.write_blocking(move |transaction| {
        let into = Destination::stream(transaction, base, &namespace, &stream)?;
        entries.into_iter().try_for_each(|entry| take_entry(transaction, job, &into, entry))
    })
}

fn take_entry(
    transaction: &Transaction<'_>,
    job: JobId,
    into: &Destination,
    entry: previous::Entry,
) -> rusqlite::Result<()> {
    let stream = into.id();
    let previous::Entry { external_id, remote_id, fingerprint, standing } = entry;
    let Some(external_id) = external_id else {
        return match fingerprint {
            Some(fingerprint) if standing == Standing::Written => {
                doubts::import_written(transaction, job, stream, &fingerprint, remote_id.as_ref())
            }
            _ => Ok(()),
        };
    };
    let is_told = imports::is_told(transaction, stream, &external_id)?;
    match standing {
        Standing::Written => {
            let mapped = Mapped { remote_id, fingerprint, custom_data: None, parents: None };
            let entry = Entry { external_id, mapped };
            if is_told {
                imports::import_over(transaction, into, &entry)
            } else if imports::import_beside(transaction, into, &entry)? {
                imports::set_told(transaction, stream, &entry.external_id)
            } else {
                Ok(())
            }
        }
        Standing::Unsure if is_told => id_map::unsure(transaction, stream, &external_id),
        Standing::Deleted if is_told => id_map::remove(transaction, stream, &external_id).map(drop),
        // It says nothing of what the store knows, and makes nothing known.
        Standing::Unsure | Standing::Deleted => Ok(()),
    }
}

/// Takes in a stream's snapshot from `folder`, if there is one and it is not the one that was
/// taken in last. A snapshot is what its owner says: it wins over what the store knows.
///
/// # Errors
/// Exit code 2 when it is no snapshot; exit code 5 when the store cannot be used.
pub fn import_snapshot(
    store: &Store,
    stream: StoredStream,
    folder: &Path,
    name: &str,
    flow: Option<&str>,
) -> Result<(), Error> {
    let Some(path) = snapshot::find(folder, name, flow) else { return Ok(()) };
    let stamp = stamp(&path)?;
    if store.is_imported(&stream, &path, &stamp)? {
        return Ok(());
    }
    let rows = import_file(store, stream, &path, Doubts::Stay)?;
    tracing::info!(path = %path.display(), rows, "Ids were taken in from a snapshot.");
    let marked = path.clone();
    store.write_blocking(move |transaction| {
        imports::set_imported(transaction, stream.id, &marked, &stamp)
    })?;
    Ok(())
}

/// Takes all rows of a snapshot file into the id map. Returns how many.
///
/// # Errors
/// As [`import_snapshot`].
pub fn import_file(
    store: &Store,
    stream: StoredStream,
    path: &Path,
    doubts: Doubts,
) -> Result<u64, Error> {
    if doubts == Doubts::End {
        // What is wrong with it is told before any of it is taken in.
        snapshot::read(path, |_| Ok::<_, Error>(()))?;
    }
    let mut piece = Vec::new();
    let mut rows = 0;
    let mut flush = |piece: &mut Vec<Entry>| {
        rows += piece.len() as u64;
        store.import_blocking(stream, std::mem::take(piece), doubts)
    };
    snapshot::read(path, |row| {
        piece.push(Entry {
            external_id: ExternalId::new(row.input_id),
            mapped: Mapped {
                remote_id: Some(RemoteId::new(row.remote_id)),
                fingerprint: None,
                custom_data: row.custom_data.map(Arc::from),
                parents: None,
            },
        });
        if piece.len() < PIECE { Ok(()) } else { flush(&mut piece).map_err(Error::from) }
    })?;
    flush(&mut piece)?;
    Ok(rows)
}

/// Size and time of a file: while they stay, so does its content.
fn stamp(path: &Path) -> Result<String, Error> {
    let read = || -> std::io::Result<String> {
        let data = std::fs::metadata(path)?;
        let modified = data.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(format!("{} bytes at {} ns", data.len(), modified.as_nanos()))
    };
    read().map_err(|error| {
        Error::usage(format!("cannot read the snapshot `{}`", path.display())).caused_by(error)
    })
}

/// Writes all ids of a stream as its snapshot into `folder`. Returns the file's path. It counts as
/// taken in: what is mended by hand later is not undone by what was known before.
///
/// # Errors
/// Exit code 5: the file, or the store.
pub fn write_snapshot(
    store: &Store,
    namespace: &str,
    name: &str,
    folder: &Path,
    flow: Option<&str>,
    format: SnapshotFormat,
) -> Result<PathBuf, Error> {
    let Some(stream) =
        store.read(|connection| streams::find_stream(connection, namespace, name))?
    else {
        return snapshot::write(folder, name, flow, format, std::iter::empty());
    };
    let path = store.read(|connection| {
        id_map::entries(connection, stream, |entries| {
            snapshot::write(folder, name, flow, format, rows(entries))
        })
    })??;
    let (stamp, written) = (stamp(&path)?, path.clone());
    store.write_blocking(move |transaction| {
        imports::set_imported(transaction, stream, &written, &stamp)
    })?;
    Ok(path)
}

/// Writes all ids of a stream to a snapshot file.
///
/// # Errors
/// Exit code 5, naming the file.
pub fn export_file(
    connection: &Connection,
    stream: i64,
    path: &Path,
    format: SnapshotFormat,
) -> Result<(), Error> {
    id_map::entries(connection, stream, |entries| snapshot::write_file(path, format, rows(entries)))
        .map_err(unreadable)?
}

/// Entries as rows of a snapshot; those without a remote id are none.
fn rows(
    entries: &mut dyn Iterator<Item = rusqlite::Result<Entry>>,
) -> impl Iterator<Item = Result<Row, Error>> {
    entries.filter_map(|entry| match entry {
        Ok(entry) => Some(Ok(Row {
            input_id: entry.external_id.to_string(),
            remote_id: entry.mapped.remote_id?.to_string(),
            custom_data: entry.mapped.custom_data.map(|data| data.to_string()),
        })),
        Err(error) => Some(Err(unreadable(error))),
    })
}
