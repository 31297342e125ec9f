//! The files of a BATCH message: records of one stream, one a line, beside the Singer stream.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use crate::error::Error;
use crate::singer::reader::{Line, LineReader};

/// The files of one BATCH message, read one after another.
pub(super) struct BatchFiles {
    /// Whose records they hold.
    pub(super) stream: Arc<str>,
    is_gzip: bool,
    open: Option<(PathBuf, LineReader<Box<dyn Read + Send>>)>,
    /// The open file has been read to its end.
    ended: bool,
    waiting: VecDeque<String>,
}

#[derive(Deserialize)]
struct Encoding {
    format: String,
    compression: Option<String>,
}

impl BatchFiles {
    /// Takes a BATCH message's `encoding` and `manifest`; nothing is opened yet.
    ///
    /// # Errors
    /// Exit code 4 for an encoding other than `jsonl`, plain or with gzip.
    pub(super) fn new(
        stream: &str,
        encoding: &RawValue,
        manifest: Vec<String>,
        line: u64,
    ) -> Result<Self, Error> {
        let encoding: Encoding = serde_json::from_str(encoding.get()).map_err(|error| {
            Error::input(format!("line {line} of the input: the BATCH message's `encoding`"))
                .caused_by(error)
        })?;
        let is_gzip = encoding.compression.as_deref() == Some("gzip");
        if encoding.format != "jsonl" || (encoding.compression.is_some() && !is_gzip) {
            return Err(Error::input(format!(
                "line {line} of the input: BATCH files of format `{}` with compression `{}` are not read",
                encoding.format,
                encoding.compression.as_deref().unwrap_or("none")
            ))
            .hint("let the tap write `jsonl` files, with `gzip` or no compression"));
        }
        Ok(Self {
            stream: stream.into(),
            is_gzip,
            open: None,
            ended: true,
            waiting: manifest.into(),
        })
    }

    /// Whether all has been read.
    pub(super) fn is_through(&self) -> bool {
        self.ended && self.waiting.is_empty()
    }

    /// The next record, or for people what is wrong with its line and where; `None` where one file
    /// ends and the next begins.
    ///
    /// # Errors
    /// Exit code 4 when a file cannot be opened or read.
    pub(super) fn next(
        &mut self,
        max_line_bytes: usize,
    ) -> Result<Option<Result<&RawValue, String>>, Error> {
        if self.ended {
            let Some(name) = self.waiting.pop_front() else { return Ok(None) };
            let path = path_of(&name);
            let input = open(&path, self.is_gzip)?;
            self.open = Some((path, LineReader::new(input, max_line_bytes)));
            self.ended = false;
        }
        let Some((path, reader)) = &mut self.open else { return Ok(None) };
        let line = reader.next_line().map_err(|error| unreadable(path, error))?;
        let Some((number, line)) = line else {
            self.ended = true;
            return Ok(None);
        };
        let record = match line {
            Line::TooLong { bytes } => Err(format!("it has {bytes} bytes, over `max_line_bytes`")),
            Line::Text { bytes, .. } => match serde_json::from_slice::<&RawValue>(bytes) {
                Ok(record) if record.get().starts_with('{') => Ok(record),
                Ok(_) => Err("it is no JSON object".to_owned()),
                Err(error) => Err(error.to_string()),
            },
        };
        Ok(Some(record.map_err(|why| format!("line {number} of `{}`: {why}", path.display()))))
    }
}

/// The manifest names files by path or by `file:` URL.
fn path_of(name: &str) -> PathBuf {
    let url = name.starts_with("file:").then(|| Url::parse(name).ok()).flatten();
    url.and_then(|url| url.to_file_path().ok()).unwrap_or_else(|| PathBuf::from(name))
}

fn open(path: &Path, is_gzip: bool) -> Result<Box<dyn Read + Send>, Error> {
    // Before it is opened: to open a pipe may take for ever, and a device has no end.
    let about = std::fs::metadata(path).map_err(|error| unreadable(path, error))?;
    if !about.is_file() {
        return Err(unreadable(path, std::io::Error::other("it is no regular file")));
    }
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    Ok(if is_gzip { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) })
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::input(format!("the BATCH file `{}` cannot be read", path.display())).caused_by(error)
}
