//! What a request brings, as the input of a job: a Singer stream in a file.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use indexmap::{IndexMap, IndexSet};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::problem::Problem;
use crate::error::Error;
use crate::json::fields::Fields;

/// Records by stream. A name that comes twice is refused: which of its lists is meant, nobody knows.
#[derive(Debug, Default)]
pub(super) struct Records<'a>(IndexMap<String, Vec<&'a RawValue>>);

impl Records<'_> {
    /// Whether there is no stream.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Records<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Streams;

        impl<'de> Visitor<'de> for Streams {
            type Value = Records<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of streams, each with a list of records")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut streams = IndexMap::new();
                while let Some((name, records)) = map.next_entry::<String, Vec<&RawValue>>()? {
                    if streams.contains_key(&name) {
                        return Err(de::Error::custom(format!("stream `{name}` comes twice")));
                    }
                    streams.insert(name, records);
                }
                Ok(Records(streams))
            }
        }

        deserializer.deserialize_map(Streams)
    }
}

fn folder(data: &Path) -> PathBuf {
    data.join("inputs")
}

/// Different fields of the records that requests have brought to one job, over all of its streams, at most:
/// SCHEMAs name them all, and a job holds those.
pub(super) const MOST_FIELDS: usize = 10_000;
/// Characters of a name that a request gives to a job or a stream, at most: each list of jobs has them.
pub(super) const NAME_CHARS: usize = 200;

/// Where the input of a job is.
pub(super) fn path(data: &Path, job: &str) -> PathBuf {
    folder(data).join(format!("{job}.jsonl"))
}

/// Makes the folder of the inputs.
///
/// # Errors
/// See [`make_folder`](super::make_folder).
pub(super) fn make_folder(data: &Path) -> Result<(), Error> {
    super::make_folder(&folder(data))
}

/// Takes away the inputs of jobs other than these: a kill has left them beside the queue.
pub(super) fn sweep(data: &Path, jobs: &[String]) {
    let known: HashSet<PathBuf> = jobs.iter().map(|job| path(data, job)).collect();
    for file in std::fs::read_dir(folder(data)).into_iter().flatten().flatten() {
        if !known.contains(&file.path()) {
            drop(std::fs::remove_file(file.path()));
        }
    }
}

/// Takes away the input of a job, where there is one.
pub(super) fn remove(data: &Path, job: &str) {
    drop(std::fs::remove_file(path(data, job)));
}

/// Refuses what is no record; how many there are. `key`: what they are called in the request.
///
/// # Errors
/// 422, with its place.
pub(super) fn check(records: &Records<'_>, key: &str) -> Result<u64, Problem> {
    let (mut count, mut held) = (0, 0);
    let too_many = || {
        let detail = format!(
            "the streams in `{key}` have more than {MOST_FIELDS} different fields together, each \
             stream counted as one more"
        );
        Problem::unprocessable(detail).hint("write fewer records in one job")
    };
    for (stream, records) in &records.0 {
        let mut names = HashSet::new();
        check_name(&format!("the name of a stream in `{key}`"), stream)?;
        held += 1;
        if held > MOST_FIELDS {
            return Err(too_many());
        }
        for (place, record) in records.iter().enumerate() {
            let fields = Fields::of_text(record.get()).map_err(|error| {
                let detail = format!("`{key}.{stream}[{place}]` is no record: {error}");
                Problem::unprocessable(detail).hint("a record is a JSON object")
            })?;
            names.extend(fields.0.into_iter().map(|(name, _)| name));
            if held + names.len() > MOST_FIELDS {
                return Err(too_many());
            }
            count += 1;
        }
        held += names.len();
    }
    Ok(count)
}

/// Refuses a name that is none, or too long to be told again and again. `what`: whose it is.
///
/// # Errors
/// 422.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), Problem> {
    if name.is_empty() {
        return Err(Problem::unprocessable(format!("{what} is empty")));
    }
    if name.chars().count() > NAME_CHARS {
        let detail = format!("{what} has more than {NAME_CHARS} characters");
        return Err(Problem::unprocessable(detail));
    }
    Ok(())
}

/// Writes records as the input of a job. When this returns they are on disk.
pub(super) fn write(data: &Path, job: &str, records: &Records<'_>) -> io::Result<()> {
    let path = path(data, job);
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = BufWriter::new(options.open(&path)?);
    for (stream, records) in &records.0 {
        let mut names: IndexSet<String> = IndexSet::new();
        for record in records {
            let fields = Fields::of_text(record.get()).map_err(io::Error::other)?;
            names.extend(fields.0.into_iter().map(|(name, _)| name.into_owned()));
        }
        out.write_all(schema_line(stream, names.iter()).as_bytes())?;
        for record in records {
            out.write_all(&record_line(stream, record))?;
        }
    }
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    // Its name is on disk when its folder is.
    File::open(folder(data))?.sync_all()
}

/// Writes an input without the records at the places `settled`, which are in order.
pub(super) fn write_rest(out: &mut dyn Write, input: File, settled: &[u64]) -> io::Result<()> {
    let mut position = 0;
    for line in BufReader::new(input).split(b'\n') {
        let line = line?;
        if line.starts_with(RECORD.as_bytes()) {
            position += 1;
            if settled.binary_search(&position).is_ok() {
                continue;
            }
        }
        out.write_all(&line)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// What the line of a record begins with, in an input that was written here.
const RECORD: &str = r#"{"type":"RECORD","#;

/// The SCHEMA of records that a request has brought: what they have, and nothing of what it must be.
pub(super) fn schema_line<'a>(stream: &str, names: impl Iterator<Item = &'a String>) -> String {
    let properties: Map<String, Value> = names.map(|name| (name.clone(), json!({}))).collect();
    let line = json!({
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": properties},
        "key_properties": [],
    });
    format!("{line}\n")
}

/// A record as a line of a stream. It may have come over several lines, and a message may not; within
/// texts line breaks are escaped.
pub(super) fn record_line(stream: &str, record: &RawValue) -> Vec<u8> {
    let one = |byte: u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte };
    let stream = Value::from(stream);
    let mut line = format!("{RECORD}\"stream\":{stream},\"record\":").into_bytes();
    line.extend(record.get().bytes().map(one));
    line.extend(b"}\n");
    line
}
