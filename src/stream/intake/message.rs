//! What each kind of message does.

use std::collections::HashMap;

use super::{IntakeOptions, Tally};
use crate::config::StreamOptions;
use crate::connector::contract::Connector;
use crate::error::Error;
use crate::singer::message::Message;
use crate::stream::Item;
use crate::stream::batch_files::BatchFiles;
use crate::stream::prepare::Known;
use crate::text::cut;

/// Unknown types of messages that are told apart: the summary must not grow with the input.
const MAX_UNKNOWN: usize = 20;
/// Characters of each of them.
const MAX_CHARS: usize = 100;

/// The intake less its reader, so that a message may borrow the reader's line.
pub(super) struct Shared<'s> {
    pub(super) options: &'s IntakeOptions,
    pub(super) stream_options: &'s (dyn Fn(&str) -> StreamOptions + Send),
    pub(super) connector: &'s dyn Connector,
    pub(super) streams: &'s mut HashMap<String, Known>,
    pub(super) files: &'s mut Option<BatchFiles>,
    pub(super) position: &'s mut u64,
    pub(super) tally: &'s mut Tally,
}

impl Shared<'_> {
    pub(super) fn take(
        self,
        message: Message<'_>,
        line: &[u8],
        line_number: u64,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        match message {
            Message::Record(record) => {
                let Some(known) = self.streams.get_mut(&*record.stream) else {
                    return Err(record_before_schema(&record.stream, line_number));
                };
                *self.position += 1;
                items.push(known.prepare(record.record, *self.position, self.options));
            }
            Message::Schema(schema) => self.take_schema(&schema, line, line_number, items)?,
            Message::State(value) => {
                self.tally.states += 1;
                items.push(Item::State(value.to_owned()));
            }
            Message::ActivateVersion { stream } => {
                self.tally.activate_versions += 1;
                tracing::debug!(%stream, "ACTIVATE_VERSION was read; nothing is deleted.");
            }
            Message::Batch { stream, encoding, manifest } => {
                if !self.streams.contains_key(&*stream) {
                    return Err(record_before_schema(&stream, line_number));
                }
                *self.files = Some(BatchFiles::new(&stream, encoding, manifest, line_number)?);
            }
            Message::Unknown { kind } => {
                let kind = cut(&kind, MAX_CHARS);
                let unknown = &mut self.tally.unknown;
                let is_full = unknown.len() >= MAX_UNKNOWN && !unknown.contains_key(&kind);
                let kind = if is_full { "other".to_owned() } else { kind };
                let count = unknown.entry(kind).or_default();
                *count += 1;
                if *count == 1 {
                    tracing::warn!(
                        "line {line_number} of the input: a message of unknown type is passed over"
                    );
                }
            }
        }
        Ok(())
    }
}

fn record_before_schema(stream: &str, line: u64) -> Error {
    Error::input(format!(
        "line {line} of the input: a record of stream `{stream}` before its SCHEMA"
    ))
    .hint("a tap sends a stream's SCHEMA before its first RECORD; check how the input was made")
}
