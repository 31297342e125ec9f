//! Turns the lines of the input into prepared records: parsed, validated, mapped, fingerprinted.
//!
//! It runs on a thread of its own, for reading blocks and this is where most of the computing is.
//!
//! [`message`] holds what each kind of message does, [`schema`] what a SCHEMA makes of its stream.

mod message;
mod schema;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use self::message::Shared;
use super::Item;
use super::batch_files::BatchFiles;
use super::prepare::Known;
use crate::config::{Config, Identity, OnBadLine, StreamOptions, Validation};
use crate::connector::contract::Connector;
use crate::error::Error;
use crate::singer;
use crate::singer::reader::{Line, LineReader};

/// Items handed on at once, at most: enough to make the hand-over cheap, few enough to bound the
/// memory that waits in between.
const CHUNK_ITEMS: usize = 256;
/// Bytes handed on at once, about.
const CHUNK_BYTES: usize = 256 << 10;

/// What the intake needs to know of the configuration.
#[derive(Clone, Debug)]
pub struct IntakeOptions {
    /// What ids mean, if said.
    pub identity: Option<Identity>,
    /// The hosted platform runs us.
    pub is_platform: bool,
    /// What to do with records that the SCHEMA does not allow.
    pub validation: Validation,
    /// What to do at a line that is no message.
    pub on_bad_line: OnBadLine,
    /// Longest line.
    pub max_line_bytes: usize,
    /// `_sdc_*` fields stay.
    pub keep_metadata: bool,
    /// Records of each stream, at most.
    pub limit: Option<u64>,
}

impl IntakeOptions {
    /// As the configuration says.
    pub fn new(config: &Config, is_platform: bool, limit: Option<u64>) -> Self {
        Self {
            identity: config.identity,
            is_platform,
            validation: config.validation,
            on_bad_line: config.on_bad_line,
            max_line_bytes: config.max_line_bytes,
            keep_metadata: config.add_record_metadata,
            limit,
        }
    }
}

/// What was counted beside the records.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Lines of the input, blank ones not counted.
    pub lines: u64,
    /// Bytes of the lines.
    pub bytes: u64,
    /// STATE messages.
    pub states: u64,
    /// `ACTIVATE_VERSION` messages.
    pub activate_versions: u64,
    /// Messages of types that nobody knows, by type.
    pub unknown: BTreeMap<String, u64>,
}

/// Reads a Singer stream.
pub struct Intake<R> {
    reader: LineReader<R>,
    options: IntakeOptions,
    stream_options: Box<dyn Fn(&str) -> StreamOptions + Send>,
    connector: Arc<dyn Connector>,
    streams: HashMap<String, Known>,
    files: Option<BatchFiles>,
    /// Records so far, over all streams.
    position: u64,
    /// What was counted.
    pub tally: Tally,
}

impl<R> std::fmt::Debug for Intake<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").field("position", &self.position).finish_non_exhaustive()
    }
}

impl<R: Read> Intake<R> {
    /// Reads from `input`. `stream_options` gives a stream's options by its name.
    pub fn new(
        input: R,
        options: IntakeOptions,
        stream_options: impl Fn(&str) -> StreamOptions + Send + 'static,
        connector: Arc<dyn Connector>,
    ) -> Self {
        Self {
            reader: LineReader::new(input, options.max_line_bytes),
            options,
            stream_options: Box::new(stream_options),
            connector,
            streams: HashMap::new(),
            files: None,
            position: 0,
            tally: Tally::default(),
        }
    }

    /// Appends the next items to `items`: a chunk of them, or as many as are at hand without
    /// waiting. Returns whether more may come.
    ///
    /// # Errors
    /// What ends the job. What was appended before stands in the input before it, and is to be
    /// written all the same.
    pub fn fill(&mut self, items: &mut Vec<Item>) -> Result<bool, Error> {
        let mut bytes = 0;
        loop {
            match self.step(items)? {
                Step::End => return Ok(false),
                Step::Took(count) => bytes += count,
            }
            let waits = self.files.is_none() && !self.reader.has_line();
            if items.len() >= CHUNK_ITEMS || bytes >= CHUNK_BYTES || waits {
                return Ok(true);
            }
        }
    }

    fn step(&mut self, items: &mut Vec<Item>) -> Result<Step, Error> {
        if let Some(files) = self.files.take() {
            return self.step_file(files, items);
        }
        let line = self
            .reader
            .next_line()
            .map_err(|error| Error::input("cannot read the input").caused_by(error))?;
        let Some((number, line)) = line else {
            self.stand_in(items);
            return Ok(Step::End);
        };
        self.tally.lines += 1;
        let problem = match line {
            Line::TooLong { bytes } => {
                self.tally.bytes += bytes;
                format!(
                    "the line has {bytes} bytes, over the limit of {} (`max_line_bytes`)",
                    self.options.max_line_bytes
                )
            }
            Line::Text { bytes, complete } => {
                self.tally.bytes += bytes.len() as u64;
                match singer::message::parse(bytes) {
                    Ok(message) => {
                        let state = Shared {
                            options: &self.options,
                            stream_options: &*self.stream_options,
                            connector: &*self.connector,
                            streams: &mut self.streams,
                            files: &mut self.files,
                            position: &mut self.position,
                            tally: &mut self.tally,
                        };
                        state.take(message, bytes, number, items)?;
                        return Ok(Step::Took(bytes.len()));
                    }
                    Err(problem) if complete => problem,
                    Err(problem) => format!("{problem}; the input ends in the middle of a line"),
                }
            }
        };
        self.bad_line(number, &problem, items)?;
        Ok(Step::Took(0))
    }

    /// A record for each stream that had none, where the remote wants to be told. Only at the
    /// input's end: one that broke off may have had some.
    fn stand_in(&mut self, items: &mut Vec<Item>) {
        let mut empty: Vec<&mut Known> = self
            .streams
            .values_mut()
            .filter(|known| known.stream.capabilities.wants_empty && known.read == 0)
            .filter(|_| self.options.limit != Some(0))
            .collect();
        empty.sort_by_key(|known| known.stream.index);
        for known in empty {
            self.position += 1;
            items.push(Item::Record(known.stand_in(self.position)));
        }
    }

    fn bad_line(&mut self, number: u64, problem: &str, items: &mut Vec<Item>) -> Result<(), Error> {
        self.refuse_line(format!("line {number} of the input: {problem}"), items)
    }

    fn refuse_line(&mut self, place: String, items: &mut Vec<Item>) -> Result<(), Error> {
        match self.options.on_bad_line {
            OnBadLine::Fail => Err(Error::input(place).hint(
                "what stands before it is written and told; \
                 set `on_bad_line` to `reject` to go on past such lines",
            )),
            OnBadLine::Reject => {
                tracing::warn!("{place}");
                self.position += 1;
                items.push(Item::BadLine { position: self.position, reason: place });
                Ok(())
            }
        }
    }

    /// The next record of a BATCH message's files.
    fn step_file(&mut self, mut files: BatchFiles, items: &mut Vec<Item>) -> Result<Step, Error> {
        let stream = files.stream.clone();
        let count = match (files.next(self.options.max_line_bytes)?, self.streams.get_mut(&*stream))
        {
            (Some(Ok(record)), Some(known)) => {
                self.position += 1;
                items.push(known.prepare(record, self.position, &self.options));
                record.get().len()
            }
            (Some(Err(place)), _) => {
                self.refuse_line(place, items)?;
                0
            }
            (None, _) | (_, None) => 0,
        };
        if !files.is_through() {
            self.files = Some(files);
        }
        Ok(Step::Took(count))
    }
}

enum Step {
    Took(usize),
    End,
}

/// Reads a file, or stdin for none.
///
/// # Errors
/// Exit code 2 when the file cannot be opened.
pub fn open_input(path: Option<&Path>) -> Result<Box<dyn Read + Send>, Error> {
    match path {
        None => Ok(Box::new(io::stdin())),
        Some(path) => {
            let file = File::open(path).map_err(|error| {
                Error::usage(format!("cannot open the input file `{}`", path.display()))
                    .caused_by(error)
            })?;
            Ok(Box::new(file))
        }
    }
}
