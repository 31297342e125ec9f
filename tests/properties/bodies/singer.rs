//! A Singer stream: its lines, its messages, and the records that the intake makes of them.

use std::io::Read;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::value::RawValue;
use target_upsert::config::{Identity, OnBadLine, StreamOptions, Validation};
use target_upsert::connector::Connector;
use target_upsert::connector::contract::{
    CallLimits, Capabilities, CheckLine, Found, Question, RequestError, WriteAnswer, WriteBatch,
};
use target_upsert::error::Error;
use target_upsert::json::fields::Fields;
use target_upsert::record::StreamName;
use target_upsert::singer::message::{self, Message};
use target_upsert::singer::reader::{Line, LineReader};
use target_upsert::stream::intake::{InputCounts, Intake, IntakeOptions};
use target_upsert::stream::{Item, Record};

use super::drip::Drip;

const MARK: &[u8] = b"\xef\xbb\xbf";
/// Far above what the inputs have, and the shortest limit that cuts some of them.
const LONGEST: usize = 8 << 20;
const SHORT: usize = 40;
/// Fields that are ids, where `identity` is `platform`.
const IDS: [&str; 3] = ["externalId", "externalid", "id"];

/// A line, its number, and whether a line feed ended it; or the bytes of one that is too long.
type Read1<'a> = (u64, Result<(&'a [u8], bool), u64>);

/// - The reader finds the lines that splitting finds, however slowly they come.
/// - Each line has exactly one item, or is counted, or ends the job.
/// - What goes out of a record stands in it to the letter, and nothing but ids is left out.
/// - The ends of lines, a byte order mark and blank lines change nothing.
pub fn singer_lines(data: &[u8]) {
    for max in [LONGEST, SHORT] {
        let expected = split(data, max);
        for step in [1, 7, usize::MAX] {
            assert_eq!(
                read(Drip::new(data, step), max),
                owned(&expected),
                "{step} bytes at a time"
            );
        }
    }
    // Files are another input, and those that a fuzzer names are no business of it.
    let data = without_batches(data);
    let taken = take(&data, usize::MAX);
    taken.check(&data);
    assert_eq!(taken.told(), take(&data, 1).told());
    if !data.contains(&b'\r') {
        let crlf: Vec<u8> =
            data.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
        assert_eq!(taken.told(), take(&crlf, usize::MAX).told(), "CRLF");
    }
    if !data.starts_with(MARK) {
        let marked = [MARK, &data].concat();
        assert_eq!(taken.told(), take(&marked, usize::MAX).told(), "a byte order mark");
    }
    if data.ends_with(b"\n") {
        let blank = [&data, &b"\n \t\r\n  "[..]].concat();
        assert_eq!(taken.told(), take(&blank, usize::MAX).told(), "blank lines");
    }
}

/// The lines as splitting finds them.
fn split(data: &[u8], max: usize) -> Vec<Read1<'_>> {
    let count = data.split(|byte| *byte == b'\n').count();
    let lines = data.split(|byte| *byte == b'\n').enumerate().filter_map(|(at, line)| {
        let complete = at + 1 < count;
        let number = at as u64 + 1;
        if line.len() > max {
            return Some((number, Err(line.len() as u64)));
        }
        let line = if at == 0 { line.strip_prefix(MARK).unwrap_or(line) } else { line };
        let is_blank = line.trim_ascii().is_empty();
        (!is_blank).then(|| (number, Ok((line.strip_suffix(b"\r").unwrap_or(line), complete))))
    });
    lines.collect()
}

type Owned = Vec<(u64, Result<(Vec<u8>, bool), u64>)>;

fn owned(lines: &[Read1<'_>]) -> Owned {
    let own = |(bytes, complete): (&[u8], bool)| (bytes.to_vec(), complete);
    lines.iter().map(|(number, line)| (*number, line.map(own))).collect()
}

fn read(input: impl Read, max: usize) -> Owned {
    let mut reader = LineReader::new(input, max);
    let mut lines = Vec::new();
    while let Some((number, line)) = reader.next_line().unwrap() {
        lines.push(match line {
            Line::Text { bytes, complete } => (number, Ok((bytes.to_vec(), complete))),
            Line::TooLong { bytes } => (number, Err(bytes)),
        });
    }
    lines
}

fn without_batches(data: &[u8]) -> Vec<u8> {
    let is_batch = |line: &&[u8]| {
        let line = line.strip_prefix(MARK).unwrap_or(line);
        matches!(message::parse(line), Ok(Message::Batch { .. }))
    };
    let kept: Vec<_> = data.split(|byte| *byte == b'\n').filter(|line| !is_batch(line)).collect();
    kept.join(&b'\n')
}

/// What the intake made of an input.
pub struct Taken {
    pub items: Vec<Item>,
    pub error: Option<Error>,
    pub counts: InputCounts,
}

/// Takes a whole input that comes in pieces of `step` bytes.
pub fn take(data: &[u8], step: usize) -> Taken {
    let options = IntakeOptions {
        identity: Some(Identity::Platform),
        is_platform: false,
        validation: Validation::Reject,
        on_bad_line: OnBadLine::Reject,
        max_line_bytes: LONGEST,
        keep_metadata: false,
        limit: None,
    };
    let stream_options = |_: &str| StreamOptions::default();
    let mut intake = Intake::new(Drip::new(data, step), options, stream_options, Arc::new(Nowhere));
    let mut items = Vec::new();
    let error = loop {
        match intake.fill(&mut items) {
            Ok(true) => {}
            Ok(false) => break None,
            Err(error) => break Some(error),
        }
    };
    Taken { items, error, counts: intake.into_counts() }
}

/// The records among `items` that may be written.
pub fn records(items: &[Item]) -> impl Iterator<Item = &Record> {
    items.iter().filter_map(|item| match item {
        Item::Record(record) => Some(record),
        _ => None,
    })
}

impl Taken {
    /// All of it as one text, to be compared.
    pub fn told(&self) -> String {
        format!("{:?} {:?} {:?}", self.items, self.error, self.counts)
    }

    fn check(&self, data: &[u8]) {
        let lines = split(data, LONGEST);
        let reached = usize::try_from(self.counts.lines).unwrap();
        assert!(reached == lines.len() || self.error.is_some(), "{reached} of {}", lines.len());
        // The line that ends the job has no item.
        let done = &lines[..reached - usize::from(self.error.is_some())];
        let messages: Vec<_> = done
            .iter()
            .map(|(_, line)| {
                line.map_err(|_| String::new()).and_then(|(line, _)| message::parse(line))
            })
            .collect();
        let mut states = messages.iter().filter_map(|message| match message {
            Ok(Message::State(value)) => Some(value.get()),
            _ => None,
        });
        // Those that have an outcome each.
        let mut counted = messages.iter().filter_map(|message| match message {
            Ok(Message::Record(record)) => Some(Some(record.record.get())),
            Err(_) => Some(None),
            Ok(_) => None,
        });
        let mut keys = Vec::new();
        let mut count = 0;
        for item in &self.items {
            let (position, source) = match item {
                Item::State(value) => {
                    assert_eq!(states.next(), Some(value.get()));
                    continue;
                }
                Item::Stream(stream) => {
                    let line = message::parse(stream.schema_line.as_bytes()).unwrap();
                    let Message::Schema(schema) = line else { panic!("{line:?} is no SCHEMA") };
                    keys.extend(schema.key_properties);
                    continue;
                }
                Item::Record(record) => {
                    check_digits(record, &keys);
                    (record.position, Some(&*record.source))
                }
                Item::Refused { record, .. } => (record.position, Some(&*record.source)),
                Item::BadLine { position, .. } => (*position, None),
                Item::Beyond { position, .. } => panic!("{position} is beyond no limit"),
            };
            count += 1;
            assert_eq!((position, counted.next()), (count, Some(source)));
        }
        assert_eq!((states.next(), counted.next()), (None, None), "a line without an item");
        let schemas = messages.iter().filter(|line| matches!(line, Ok(Message::Schema(_)))).count();
        let InputCounts { states, activate_versions, unknown, .. } = &self.counts;
        let others = states + activate_versions + unknown.values().sum::<u64>();
        assert_eq!(count + others + schemas as u64, done.len() as u64);
    }
}

fn check_digits(record: &Record, keys: &[String]) {
    let source = Fields::of_text(&record.source).unwrap();
    let body = Fields::of_text(&record.body).unwrap();
    for (name, value) in &body.0 {
        assert_eq!(source.get(name).map(RawValue::get), Some(value.get()), "{name}");
    }
    for (name, _) in &source.0 {
        let is_left_out = name.starts_with("_sdc_")
            || IDS.contains(&&**name)
            || keys.iter().any(|key| key == name);
        assert!(is_left_out || body.get(name).is_some(), "{name} is lost");
    }
}

/// A remote that could take everything, and is never asked.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl Connector for Nowhere {
    fn name(&self) -> &'static str {
        "nowhere"
    }

    fn capabilities(&self, _: &StreamName) -> Result<Capabilities, RequestError> {
        let limits = CallLimits {
            max_records: 10,
            max_bytes: 1000,
            envelope_bytes: 0,
            reads_first: false,
            reads_after: false,
        };
        Ok(Capabilities { upsert: Some(limits), max_in_flight: 1, ..Capabilities::default() })
    }

    async fn check(&self, _: &[StreamName], _: bool) -> Vec<CheckLine> {
        Vec::new()
    }

    async fn lookup(&self, _: &Question) -> Result<Found, RequestError> {
        Err(RequestError::never_sent("nobody is there"))
    }

    async fn write(&self, _: &WriteBatch) -> Result<WriteAnswer, RequestError> {
        Err(RequestError::never_sent("nobody is there"))
    }
}
