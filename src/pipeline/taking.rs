//! What the intake thread hands over.

use std::sync::Arc;

use super::{Chunk, Job, StreamState};
use crate::dispatch::{Ended, Planned};
use crate::error::{Error, ExitCode};
use crate::outcome::{Fate, Outcome, Trouble};
use crate::record::Fingerprint;
use crate::resolve::gate::Key;
use crate::stream::{Item, Record, Stream};
use crate::summary::{Counts, PlannedCounts};

impl Job {
    pub(super) async fn take_chunk(&mut self, chunk: Option<Chunk>) -> Result<(), Error> {
        match chunk {
            Some(Chunk::Items(items)) => {
                let mut bad_lines = Vec::new();
                let taken = self.take_items(items, &mut bad_lines).await;
                self.settle_bad_lines(bad_lines).await?;
                match taken {
                    Err(error) if matches!(error.exit, ExitCode::Usage | ExitCode::Input) => {
                        self.end_reading(error);
                        Ok(())
                    }
                    taken => taken,
                }
            }
            Some(Chunk::End(counts, error)) => {
                self.input_ended = true;
                let input = &mut self.finished.input;
                input.lines = counts.lines;
                input.bytes = counts.bytes;
                input.states = counts.states;
                input.activate_versions = counts.activate_versions;
                input.unknown = counts.unknown;
                if let Some(error) = error {
                    self.end_reading(error);
                }
                Ok(())
            }
            None => {
                self.input_ended = true;
                Err(Error::ours("the thread that reads the input has panicked"))
            }
        }
    }

    async fn take_items(
        &mut self,
        items: Vec<Item>,
        bad_lines: &mut Vec<(u64, String)>,
    ) -> Result<(), Error> {
        let store = Arc::clone(&self.wiring.dispatcher.store);
        let mut held = None;
        for item in items {
            if let Item::Record(_) = item {
                held.get_or_insert_with(|| store.hold_reader());
            } else {
                // Ids that are known of a stream are brought in, which may take long.
                held = None;
            }
            self.take_item(item, bad_lines).await?;
        }
        Ok(())
    }

    async fn take_item(
        &mut self,
        item: Item,
        bad_lines: &mut Vec<(u64, String)>,
    ) -> Result<(), Error> {
        match item {
            Item::Stream(stream) => self.take_stream(stream).await?,
            Item::Record(record) => {
                self.read(record.stream.index, record.position);
                self.buffered += record.size();
                self.admit(record)?;
            }
            Item::Refused { record, trouble } => {
                self.read(record.stream.index, record.position);
                self.buffered += record.size();
                let remote_id = record.remote_id.clone();
                let planned = Planned::new(record, remote_id, false);
                self.end_locally(&planned, None, Ended::trouble(Fate::Rejected, trouble), false);
            }
            Item::BadLine { position, reason } => {
                self.position = position;
                bad_lines.push((position, reason));
            }
            Item::State(value) => self.watermark.state(self.position, value),
            Item::Beyond { position, stream } => {
                self.read(stream, position);
                self.totals.add(Fate::Skipped);
                self.streams[stream].counts.add(Fate::Skipped);
                self.watermark.freeze(position);
                self.has_beyond = true;
            }
        }
        Ok(())
    }

    /// Lets a record go its way; where the order of the input counts, not before those that came
    /// before it.
    fn admit(&mut self, record: Record) -> Result<(), Error> {
        let is_behind =
            record.stream.capabilities.in_order && self.turn.is_taken(&Key::of(&record));
        if self.drains || !self.held.is_empty() || is_behind {
            self.held.push_back(record);
            return Ok(());
        }
        match self.turn.enter(record) {
            Some(record) => self.plan(record),
            None => Ok(()),
        }
    }

    /// Lets those go on that had to wait for their turn.
    pub(super) fn admit_held(&mut self) -> Result<(), Error> {
        if self.drains && self.turn.taken() == self.orphans.len() {
            // Those that wait for whom they name may do so for long: they go on as records that share.
            self.share_orphans();
            self.drains = false;
        }
        while !self.drains
            && let Some(next) = self.held.front()
            && !self.turn.is_taken(&Key::of(next))
            && let Some(record) = self.held.pop_front()
        {
            if let Some(record) = self.turn.enter(record) {
                self.plan(record)?;
            }
        }
        Ok(())
    }

    pub(super) fn read(&mut self, stream: usize, position: u64) {
        self.position = position;
        self.streams[stream].counts.read += 1;
        self.totals.read += 1;
    }

    pub(super) async fn take_stream(&mut self, stream: Arc<Stream>) -> Result<(), Error> {
        let dispatcher = Arc::clone(&self.wiring.dispatcher);
        let store = &dispatcher.store;
        self.expect_parents(&stream).await?;
        let stored = if let Some(known) = self.streams.get_mut(stream.index) {
            known.stream = Arc::clone(&stream);
            known.stored
        } else {
            let (namespace, object) = (&self.wiring.namespace, &stream.capabilities.object);
            let stored = store
                .begin_stream(dispatcher.job, namespace, stream.name.as_str(), object.as_deref())
                .await?;
            (self.wiring.on_stream)(stored, stream.name.as_str())?;
            self.mind_sharing(object.as_ref());
            self.streams.push(StreamState {
                stream: Arc::clone(&stream),
                stored,
                counts: Counts::default(),
                planned: PlannedCounts::default(),
                calls: Arc::default(),
                has_told_missing: false,
            });
            stored
        };
        let line = stream.schema_line.to_string();
        Ok(store.keep_schema(dispatcher.job, stored.id, stream.version, line).await?)
    }

    /// Streams of one object have records in common. Those that are under way claim no more than in
    /// a stream of its own: the first that come then wait for them.
    fn mind_sharing(&mut self, object: Option<&Arc<str>>) {
        let is_of = |state: &StreamState| state.stream.capabilities.object.as_ref() == object;
        if let Some(object) = object
            && self.streams.iter().any(is_of)
            && self.shared.insert(Arc::clone(object))
        {
            self.drains = true;
        }
    }

    /// A line that is no message is a rejected record of the stream with the empty name.
    async fn settle_bad_lines(&mut self, bad_lines: Vec<(u64, String)>) -> Result<(), Error> {
        if bad_lines.is_empty() {
            return Ok(());
        }
        let dispatcher = Arc::clone(&self.wiring.dispatcher);
        let stored = match self.unreadable {
            Some(stored) => stored,
            None => dispatcher.store.stream(&self.wiring.namespace, "", None).await?,
        };
        self.unreadable = Some(stored);
        let outcome = |(position, reason): (u64, String)| Outcome {
            position,
            stream: stored.id,
            external_id: None,
            remote_id: None,
            action: None,
            fate: Fate::Rejected,
            attempts: 0,
            status: None,
            trouble: Some(Trouble::payload("bad_line", reason)),
            millis: 0,
            fingerprint: Fingerprint([0; 32]),
            parents: None,
            found_by: None,
            custom_data: None,
            batch_id: None,
            key: None,
            may_be_resent: false,
            content: None,
        };
        let outcomes: Arc<Vec<Outcome>> = Arc::new(bad_lines.into_iter().map(outcome).collect());
        dispatcher.store.record(dispatcher.job, Arc::clone(&outcomes), None).await?;
        (self.wiring.on_settled)(&outcomes);
        for outcome in outcomes.iter() {
            self.finished.input.bad_lines += 1;
            self.finished.errors.add(usize::MAX, "", outcome);
            self.watermark.end(outcome.position);
        }
        Ok(())
    }
}
