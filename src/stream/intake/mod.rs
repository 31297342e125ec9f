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

use self::message::Interpreter;
use super::Item;
use crate::config::{Config, Identity, OnBadLine, StreamOptions, Validation};
use crate::connector::contract::{Connector, StreamSchema};
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
pub struct InputCounts {
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
    interpreter: Interpreter,
}

impl<R> std::fmt::Debug for Intake<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake")
            .field("position", &self.interpreter.position)
            .finish_non_exhaustive()
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
            interpreter: Interpreter {
                options,
                stream_options: Box::new(stream_options),
                connector,
                learn: Box::new(|_, _| Ok(())),
                streams: HashMap::new(),
                files: None,
                position: 0,
                counts: InputCounts::default(),
            },
        }
    }

    /// With something that is done for each new SCHEMA: [`Connector::learn`], where there is a remote
    /// to be asked.
    #[must_use]
    pub fn learning(
        mut self,
        learn: impl Fn(&Arc<dyn Connector>, &StreamSchema<'_>) -> Result<(), Error> + Send + 'static,
    ) -> Self {
        self.interpreter.learn = Box::new(learn);
        self
    }

    /// What was counted, when no more is to be read.
    pub fn into_counts(self) -> InputCounts {
        self.interpreter.counts
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
            let waits = self.interpreter.files.is_none() && !self.reader.has_line();
            if items.len() >= CHUNK_ITEMS || bytes >= CHUNK_BYTES || waits {
                return Ok(true);
            }
        }
    }

    fn step(&mut self, items: &mut Vec<Item>) -> Result<Step, Error> {
        let interpreter = &mut self.interpreter;
        if let Some(files) = interpreter.files.take() {
            return interpreter.take_from(files, items).map(Step::Took);
        }
        let line = self
            .reader
            .next_line()
            .map_err(|error| Error::input("cannot read the input").caused_by(error))?;
        let Some((number, line)) = line else {
            interpreter.stand_in(items);
            return Ok(Step::End);
        };
        interpreter.counts.lines += 1;
        let problem = match line {
            Line::TooLong { bytes } => {
                interpreter.counts.bytes += bytes;
                format!(
                    "the line has {bytes} bytes, over the limit of {} (`max_line_bytes`)",
                    interpreter.options.max_line_bytes
                )
            }
            Line::Text { bytes, complete } => {
                interpreter.counts.bytes += bytes.len() as u64;
                match singer::message::parse(bytes) {
                    Ok(message) => {
                        interpreter.take(message, bytes, number, items)?;
                        return Ok(Step::Took(bytes.len()));
                    }
                    Err(problem) if complete => problem,
                    Err(problem) => format!("{problem}; the input ends in the middle of a line"),
                }
            }
        };
        interpreter.refuse_line(format!("line {number} of the input: {problem}"), items)?;
        Ok(Step::Took(0))
    }
}

enum Step {
    /// So many bytes.
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
