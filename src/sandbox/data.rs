//! The data file: one line for each applied write, appended before the answer leaves.
//!
//! What has been written to the file outlives the process, however it ends, since the system holds
//! it; nothing is synced, for the machine's own death is not what the sandbox is there to survive.
//! Only the last line can be half, and then its answer never left.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

use serde::Deserialize;

use super::SandboxError;
use super::record::{Fields, quote};

/// The first line; a file that begins with anything else is not ours and is left alone.
const HEADER: &str = "{\"sandbox\":1}\n";

/// An open data file, locked for this process.
#[derive(Debug)]
pub(super) struct Data {
    file: File,
    /// Whole lines that have reached the file, in bytes.
    length: u64,
    /// Lines that have not.
    pending: String,
}

/// One write: the whole record as it was afterwards, or none when it was removed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) object: String,
    pub(super) id: u64,
    pub(super) record: Option<Fields>,
}

impl Data {
    /// Opens or makes the file (mode 0600), tells `recall` every write in it, and cuts half of a
    /// line off its end.
    pub(super) fn open(path: &Path, recall: impl FnMut(Entry)) -> Result<Self, SandboxError> {
        let failed = |source| SandboxError::Data { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let file = options.open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(SandboxError::InUse { path: path.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let length = replay(&file, recall).map_err(|error| match error {
            Replay::Read(source) => failed(source),
            Replay::Line(line, message) => {
                SandboxError::Line { path: path.to_owned(), line, message }
            }
        })?;
        let mut data = Self { file, length, pending: String::new() };
        if length == 0 {
            data.clear().map_err(failed)?;
        } else {
            data.cut().map_err(failed)?;
        }
        Ok(data)
    }

    /// Adds a write to those that [`Data::write`] will write; `record` is a JSON object.
    pub(super) fn note(&mut self, object: &str, id: u64, record: Option<&str>) {
        let out = &mut self.pending;
        out.push_str("{\"object\":");
        quote(object, out);
        out.push_str(",\"id\":");
        out.push_str(&id.to_string());
        if let Some(json) = record {
            out.push_str(",\"record\":");
            // A line end stands between tokens only, never within a string: any blank will do.
            if memchr::memchr2(b'\n', b'\r', json.as_bytes()).is_some() {
                out.push_str(&json.replace(['\n', '\r'], " "));
            } else {
                out.push_str(json);
            }
        }
        out.push_str("}\n");
    }

    /// How much is noted and not written, in bytes.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Forgets what was noted since [`Data::pending`] was this.
    pub(super) fn forget(&mut self, pending: usize) {
        self.pending.truncate(pending);
    }

    /// Writes what was noted. After an error the file holds what it held before.
    pub(super) fn write(&mut self) -> io::Result<()> {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return Ok(());
        }
        let length = self.length + pending.len() as u64;
        if let Err(error) = self.file.write_all(pending.as_bytes()) {
            self.cut()?;
            return Err(error);
        }
        self.length = length;
        Ok(())
    }

    /// Drops every write.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.pending.clear();
        self.length = 0;
        self.cut()?;
        self.pending.push_str(HEADER);
        self.write()
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length)).map(drop)
    }
}

enum Replay {
    Read(io::Error),
    Line(u64, String),
}

/// Reads the file from its start; returns the length of its whole lines in bytes.
fn replay(file: &File, mut recall: impl FnMut(Entry)) -> Result<u64, Replay> {
    let mut lines = BufReader::new(file);
    let mut line = Vec::new();
    let mut length = 0;
    for number in 1.. {
        line.clear();
        let read = lines.read_until(b'\n', &mut line).map_err(Replay::Read)?;
        let whole = line.ends_with(b"\n");
        if number == 1 {
            if line != HEADER.as_bytes() && (whole || !HEADER.as_bytes().starts_with(&line)) {
                return Err(Replay::Line(1, "not a data file of the sandbox".to_owned()));
            }
        } else if whole {
            let entry = serde_json::from_slice(&line);
            recall(entry.map_err(|error| Replay::Line(number, error.to_string()))?);
        }
        if !whole {
            break;
        }
        length += read as u64;
    }
    Ok(length)
}
