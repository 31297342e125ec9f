//! What each kind of message does.

use std::collections::HashMap;
use std::sync::Arc;

use super::{InputCounts, IntakeOptions};
use crate::config::{OnBadLine, StreamOptions};
use crate::connector::contract::{Connector, StreamSchema};
use crate::error::Error;
use crate::singer::message::Message;
use crate::stream::Item;
use crate::stream::batch_files::BatchFiles;
use crate::stream::prepare::Preparer;
use crate::text::cut;

/// Unknown types of messages that are told apart: the summary must not grow with the input.
const MAX_UNKNOWN: usize = 20;
/// Characters of each of them.
const MAX_CHARS: usize = 100;

/// Has the connector learn of a stream.
pub(super) type Learn = dyn Fn(&Arc<dyn Connector>, &StreamSchema<'_>) -> Result<(), Error> + Send;

/// Does what the messages say. The reader is apart from it, so that a message may borrow its line.
pub(super) struct Interpreter {
    pub(super) options: IntakeOptions,
    pub(super) stream_options: Box<dyn Fn(&str) -> StreamOptions + Send>,
    pub(super) connector: Arc<dyn Connector>,
    pub(super) learn: Box<Learn>,
    pub(super) streams: HashMap<String, Preparer>,
    /// Of a BATCH message, as long as they have records.
    pub(super) files: Option<BatchFiles>,
    /// Records so far, over all streams.
    pub(super) position: u64,
    pub(super) counts: InputCounts,
}

impl Interpreter {
    pub(super) fn take(
        &mut self,
        message: Message<'_>,
        line: &[u8],
        line_number: u64,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        match message {
            Message::Record(record) => {
                let Some(preparer) = self.streams.get_mut(&*record.stream) else {
                    return Err(record_before_schema(&record.stream, line_number));
                };
                self.position += 1;
                items.push(preparer.prepare(record.record, self.position, &self.options));
            }
            Message::Schema(schema) => self.take_schema(&schema, line, line_number, items)?,
            Message::State(value) => {
                self.counts.states += 1;
                items.push(Item::State(value.to_owned()));
            }
            Message::ActivateVersion { stream } => {
                self.counts.activate_versions += 1;
                tracing::debug!(%stream, "ACTIVATE_VERSION was read; nothing is deleted.");
            }
            Message::Batch { stream, encoding, manifest } => {
                if !self.streams.contains_key(&*stream) {
                    return Err(record_before_schema(&stream, line_number));
                }
                self.files = Some(BatchFiles::new(&stream, encoding, manifest, line_number)?);
            }
            Message::Unknown { kind } => {
                let kind = cut(&kind, MAX_CHARS);
                let unknown = &mut self.counts.unknown;
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

    /// A record for each stream that had none, where the remote wants to be told. Only at the
    /// input's end: one that broke off may have had some.
    pub(super) fn stand_in(&mut self, items: &mut Vec<Item>) {
        let mut empty: Vec<&mut Preparer> = self
            .streams
            .values_mut()
            .filter(|preparer| preparer.stream.capabilities.wants_empty && preparer.read == 0)
            .filter(|_| self.options.limit != Some(0))
            .collect();
        empty.sort_by_key(|preparer| preparer.stream.index);
        for preparer in empty {
            self.position += 1;
            items.push(Item::Record(preparer.stand_in(self.position)));
        }
    }

    /// What is wrong with a line that is no message, or no record of a file; `place` says where.
    pub(super) fn refuse_line(
        &mut self,
        place: String,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
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

    /// The next record of a BATCH message's files. Returns its bytes.
    pub(super) fn take_from(
        &mut self,
        mut files: BatchFiles,
        items: &mut Vec<Item>,
    ) -> Result<usize, Error> {
        let stream = files.stream.clone();
        let count = match (files.next(self.options.max_line_bytes)?, self.streams.get_mut(&*stream))
        {
            (Some(Ok(record)), Some(preparer)) => {
                self.position += 1;
                items.push(preparer.prepare(record, self.position, &self.options));
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
        Ok(count)
    }
}

fn record_before_schema(stream: &str, line: u64) -> Error {
    Error::input(format!(
        "line {line} of the input: a record of stream `{stream}` before its SCHEMA"
    ))
    .hint("a tap sends a stream's SCHEMA before its first RECORD; check how the input was made")
}
