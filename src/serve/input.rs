//! What a request brings, as the input of a job: a Singer stream in a file.

use std::fs::{DirBuilder, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::live::schema_line;
use super::problem::Problem;
use crate::error::Error;
use crate::json::fields::Fields;

/// Records by stream.
pub(super) type Records<'a> = IndexMap<String, Vec<&'a RawValue>>;

fn folder(data: &Path) -> PathBuf {
    data.join("inputs")
}

/// Where the input of a job is.
pub(super) fn path(data: &Path, job: &str) -> PathBuf {
    folder(data).join(format!("{job}.jsonl"))
}

/// Makes the folder of the inputs, for its owner alone.
///
/// # Errors
/// Exit code 2: the disk says no.
pub(super) fn make_folder(data: &Path) -> Result<(), Error> {
    let folder = folder(data);
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&folder).map_err(|error| {
        Error::usage(format!("cannot make the folder `{}`", folder.display()))
            .caused_by(error)
            .hint("name another place with `data` in the configuration")
    })
}

/// Refuses what is no record.
///
/// # Errors
/// 422, with its place.
pub(super) fn check(records: &Records<'_>) -> Result<u64, Problem> {
    let mut count = 0;
    for (stream, records) in records {
        if stream.is_empty() {
            return Err(Problem::unprocessable("`state`: a stream has no name"));
        }
        for (place, record) in records.iter().enumerate() {
            if let Err(error) = Fields::of_text(record.get()) {
                let detail = format!("`state.{stream}[{place}]` is no record: {error}");
                return Err(Problem::unprocessable(detail).hint("a record is a JSON object"));
            }
            count += 1;
        }
    }
    Ok(count)
}

/// Writes records as the input of a job. When this returns they are on disk.
pub(super) fn write(data: &Path, job: &str, records: &Records<'_>) -> io::Result<()> {
    let path = path(data, job);
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = BufWriter::new(options.open(&path)?);
    for (stream, records) in records {
        let mut names: Vec<String> = Vec::new();
        let mut known = std::collections::HashSet::new();
        for record in records {
            let fields = Fields::of_text(record.get()).map_err(io::Error::other)?;
            for (name, _) in fields.0 {
                if known.insert(name.to_string()) {
                    names.push(name.into_owned());
                }
            }
        }
        out.write_all(schema_line(stream, names.iter()).as_bytes())?;
        let stream = serde_json::Value::from(stream.as_str());
        for record in records {
            write!(out, "{{\"type\":\"RECORD\",\"stream\":{stream},\"record\":")?;
            out.write_all(&on_one_line(record.get()))?;
            out.write_all(b"}\n")?;
        }
    }
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    // Its name is on disk when its folder is.
    File::open(folder(data))?.sync_all()
}

/// A record may be written over several lines, and a message may not. Within texts line breaks are
/// escaped.
pub(super) fn on_one_line(record: &str) -> Vec<u8> {
    let one = |byte: u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte };
    record.bytes().map(one).collect()
}
