//! The walk of a job: wires the rooms with bounded channels, starts them, drains them, stops them.
//! The one file that knows all of them.
//!
//! ```text
//! intake thread ─chunks→ [ this loop: gate → plan → batch → ready ] ─batches→ dispatcher tasks
//!                                   ↑ settled, found, again ──────────────────────┘
//! ```
//! All decisions are made here, one after another, by one task that owns all of a job's moving
//! parts: no locks, no races. The dispatcher's tasks only carry batches and tell what happened.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::BatchOptions;
use crate::connector::contract::{Action, ErrorClass};
use crate::dispatch::{Again, Batch, Calls, Dispatcher, Ended, Event, Planned, Settled, Task};
use crate::error::Error;
use crate::outcome::{Fate, Outcome, Trouble};
use crate::record::Fingerprint;
use crate::resolve::gate::{Gate, Key};
use crate::resolve::{self, Known, Plan};
use crate::state::watermark::Watermark;
use crate::store::id_map::StoredStream;
use crate::stream::batch::{Batcher, Limits};
use crate::stream::intake::Tally;
use crate::stream::{Item, Record, Stream};
use crate::summary::{Counts, Errors, Input, Planned as PlannedCounts, StreamSummary};

/// New plans that one record may need before it is given up: more means that the remote
/// contradicts itself.
const MAX_PLANS: u32 = 4;

/// What the intake thread sends.
#[derive(Debug)]
pub enum Chunk {
    /// Items in the order of the input.
    Items(Vec<Item>),
    /// The end of the input, or what ended the reading early.
    End(Tally, Option<Error>),
}

/// Takes each safe STATE of the tap.
pub type StateSink = Box<dyn FnMut(&RawValue) -> Result<(), Error> + Send>;
/// Looks at a stream when it first comes up: its number in the store, its name.
pub type StreamHook = Box<dyn FnMut(StoredStream, &str) -> Result<(), Error> + Send>;

/// How a job is wired.
pub struct Wiring {
    /// Sends batches and settles them.
    pub dispatcher: Arc<Dispatcher>,
    /// Connector and account.
    pub namespace: String,
    /// How records are gathered.
    pub batch: BatchOptions,
    /// Bytes of records in memory, at most, about.
    pub max_buffer_bytes: usize,
    /// From the intake thread.
    pub input: mpsc::Receiver<Chunk>,
    /// Ends the reading.
    pub stop: CancellationToken,
    /// Takes the tap's STATEs as they become safe.
    pub on_state: StateSink,
    /// Called for each stream before its first record: brings in what is known of its ids.
    pub on_stream: StreamHook,
    /// Told of each group of outcomes, for the progress line.
    pub on_progress: Box<dyn FnMut(&Counts) + Send>,
}

/// What a job has come to.
#[derive(Debug)]
pub struct Finished {
    /// By stream, in the order of their first SCHEMA.
    pub streams: Vec<(String, StreamSummary)>,
    /// What was read beside records.
    pub input: Input,
    /// Errors of records.
    pub errors: Errors,
    /// The tap's last STATE that is safe.
    pub tap_state: Option<Box<RawValue>>,
    /// A signal ended the reading before the input's end.
    pub stopped: bool,
    /// What ended the job early.
    pub error: Option<Error>,
}

/// One stream of the job.
struct StreamState {
    stream: Arc<Stream>,
    stored: StoredStream,
    counts: Counts,
    planned: PlannedCounts,
    calls: Arc<Calls>,
}

struct Job {
    wiring: Wiring,
    events: mpsc::UnboundedSender<Event>,
    streams: Vec<StreamState>,
    gate: Gate,
    batcher: Batcher<(usize, Task), Planned>,
    ready: VecDeque<Batch>,
    /// Batches that are being delivered.
    under_way: usize,
    /// Bytes of records that were read and are not settled.
    buffered: usize,
    /// Outcomes that need no call, to be put on disk together.
    local: Vec<(usize, Key, usize, Outcome)>,
    watermark: Watermark,
    /// Position of the last record that was taken from the intake.
    position: u64,
    totals: Counts,
    finished: Finished,
    input_ended: bool,
    /// The store's stream for lines that are no message.
    unreadable: Option<StoredStream>,
}

/// Runs a job to its end. Whatever ends it, what was read has an outcome, and what has an outcome
/// is on disk.
pub async fn run(wiring: Wiring) -> Finished {
    let (events, mut told) = mpsc::unbounded_channel();
    let mut job = Job {
        wiring,
        events,
        streams: Vec::new(),
        gate: Gate::default(),
        batcher: Batcher::default(),
        ready: VecDeque::new(),
        under_way: 0,
        buffered: 0,
        local: Vec::new(),
        watermark: Watermark::default(),
        position: 0,
        totals: Counts::default(),
        finished: Finished {
            streams: Vec::new(),
            input: Input::default(),
            errors: Errors::default(),
            tap_state: None,
            stopped: false,
            error: None,
        },
        input_ended: false,
        unreadable: None,
    };
    while !job.is_through() {
        if let Err(error) = job.step(&mut told).await {
            job.fail(error);
        }
        if job.is_broken() {
            break;
        }
    }
    job.finish()
}

impl Job {
    /// Waits for the next thing to happen, and does what follows from it.
    async fn step(&mut self, told: &mut mpsc::UnboundedReceiver<Event>) -> Result<(), Error> {
        let now = Instant::now();
        let has_room = self.buffered < self.wiring.max_buffer_bytes;
        let can_read = !self.input_ended && has_room;
        if self.input_ended || !has_room {
            // Nothing more comes in before something goes out: company is not waited for.
            for ((stream, task), records) in self.batcher.take_all() {
                self.queue(stream, task, records);
            }
        }
        self.start_ready(now);
        let wake = self.wake(now);
        tokio::select! {
            biased;
            event = told.recv() => {
                if let Some(event) = event {
                    self.take_event(event)?;
                }
                while let Ok(event) = told.try_recv() {
                    self.take_event(event)?;
                }
            }
            () = self.wiring.stop.cancelled(), if !self.input_ended => {
                tracing::info!("Stopping: no more is read, what was read is written.");
                self.finished.stopped = true;
                self.input_ended = true;
            }
            chunk = self.wiring.input.recv(), if can_read => self.take_chunk(chunk).await?,
            () = tokio::time::sleep_until(wake.into()) => {
                for ((stream, task), records) in self.batcher.take_due(Instant::now()) {
                    self.queue(stream, task, records);
                }
            }
        }
        self.settle_local();
        self.release_states()
    }

    fn wake(&self, now: Instant) -> Instant {
        let paused = self.wiring.dispatcher.limiter.paused_until(now);
        let paused = paused.filter(|_| !self.ready.is_empty());
        let due = [self.batcher.next_due(), paused].into_iter().flatten().min();
        due.unwrap_or(now + Duration::from_secs(3600))
    }

    fn is_through(&self) -> bool {
        self.input_ended
            && self.under_way == 0
            && self.ready.is_empty()
            && self.batcher.is_empty()
            && self.gate.waiting() == 0
            && self.local.is_empty()
    }

    /// Nothing can be settled any more: the store is gone.
    fn is_broken(&self) -> bool {
        self.under_way == 0
            && self.finished.error.as_ref().is_some_and(|error| error.exit == crate::error::ExitCode::Ours)
    }

    /// The job cannot go on: nothing new is read or sent, what is under way comes to its end.
    fn fail(&mut self, error: Error) {
        self.input_ended = true;
        let unsent: Vec<Planned> = self
            .ready
            .drain(..)
            .flat_map(|batch| batch.records)
            .chain(self.batcher.take_all().into_iter().flat_map(|(_, records)| records))
            .collect();
        if self.finished.error.is_none() {
            self.finished.error = Some(error);
        }
        for planned in unsent {
            self.leave_unsent(planned);
        }
    }

    async fn take_chunk(&mut self, chunk: Option<Chunk>) -> Result<(), Error> {
        match chunk {
            Some(Chunk::Items(items)) => {
                for item in items {
                    self.take_item(item).await?;
                }
                Ok(())
            }
            Some(Chunk::End(tally, error)) => {
                self.input_ended = true;
                let input = &mut self.finished.input;
                input.lines = tally.lines;
                input.bytes = tally.bytes;
                input.states = tally.states;
                input.activate_versions = tally.activate_versions;
                input.unknown = tally.unknown;
                // What was read before goes on; the error is told at the end.
                self.finished.error = self.finished.error.take().or(error);
                Ok(())
            }
            None => {
                self.input_ended = true;
                Err(Error::ours("the thread that reads the input has panicked"))
            }
        }
    }

    async fn take_item(&mut self, item: Item) -> Result<(), Error> {
        match item {
            Item::Stream(stream) => self.take_stream(stream).await?,
            Item::Record(record) => {
                self.read(record.stream.index, record.position);
                self.buffered += record.size();
                if let Some(record) = self.gate.enter(record) {
                    self.plan(record, None)?;
                }
            }
            Item::Refused { record, reason } => {
                self.read(record.stream.index, record.position);
                let trouble = Trouble::payload("schema", reason);
                self.end_locally(Planned::new(record, None, false), None, Ended::trouble(Fate::Rejected, trouble), false);
            }
            Item::BadLine { position, reason } => self.take_bad_line(position, reason).await?,
            Item::State(value) => self.watermark.state(self.position, value),
            Item::Beyond { position, stream } => {
                self.read(stream, position);
                self.totals.add(Fate::Skipped);
                self.streams[stream].counts.add(Fate::Skipped);
                self.watermark.freeze(position);
            }
        }
        Ok(())
    }

    fn read(&mut self, stream: usize, position: u64) {
        self.position = position;
        self.streams[stream].counts.read += 1;
        self.totals.read += 1;
    }

    async fn take_stream(&mut self, stream: Arc<Stream>) -> Result<(), Error> {
        let dispatcher = Arc::clone(&self.wiring.dispatcher);
        let store = &dispatcher.store;
        let stored = match self.streams.get_mut(stream.index) {
            Some(known) => {
                known.stream = Arc::clone(&stream);
                known.stored
            }
            None => {
                let stored =
                    store.stream(&self.wiring.namespace, stream.name.as_str()).await?;
                (self.wiring.on_stream)(stored, stream.name.as_str())?;
                self.streams.push(StreamState {
                    stream: Arc::clone(&stream),
                    stored,
                    counts: Counts::default(),
                    planned: PlannedCounts::default(),
                    calls: Arc::default(),
                });
                stored
            }
        };
        let line = stream.schema_line.to_string();
        Ok(store.keep_schema(dispatcher.job, stored.id, stream.version, line).await?)
    }

    /// A line that is no message is a rejected record of the stream with the empty name.
    async fn take_bad_line(&mut self, position: u64, reason: String) -> Result<(), Error> {
        self.position = position;
        let dispatcher = Arc::clone(&self.wiring.dispatcher);
        let stored = match self.unreadable {
            Some(stored) => stored,
            None => dispatcher.store.stream(&self.wiring.namespace, "").await?,
        };
        self.unreadable = Some(stored);
        let outcome = Outcome {
            position,
            stream: stored.id,
            external_id: None,
            remote_id: None,
            action: None,
            fate: Fate::Rejected,
            attempts: 0,
            status: None,
            trouble: Some(Trouble {
                class: ErrorClass::Payload,
                code: "bad_line".into(),
                message: reason.into(),
            }),
            millis: 0,
            fingerprint: Fingerprint([0; 32]),
            custom_data: None,
            content: None,
        };
        self.finished.input.bad_lines += 1;
        self.finished.errors.add(usize::MAX, "", &outcome);
        dispatcher.store.record(dispatcher.job, Arc::new(vec![outcome]), None).await?;
        self.watermark.end(position);
        Ok(())
    }

    /// Plans a record that has its key; `found` is what a lookup says of it.
    fn plan(&mut self, record: Record, found: Option<Again>) -> Result<(), Error> {
        debug_assert!(found.is_none(), "only records that come in are planned here");
        let dispatcher = Arc::clone(&self.wiring.dispatcher);
        let stored = self.streams[record.stream.index].stored;
        let known = match &record.external_id {
            Some(id) => {
                let mapped = dispatcher.store.find(&stored, id)?;
                let capabilities = &record.stream.capabilities;
                let is_blind = capabilities.upsert.is_none() && capabilities.lookup.is_none();
                let in_doubt = is_blind && dispatcher.store.is_in_doubt(stored.id, id)?;
                Known { mapped, written: None, in_doubt }
            }
            None if record.remote_id.is_none() => Known {
                written: dispatcher.store.find_written(dispatcher.job, stored.id, &record.fingerprint)?,
                ..Known::default()
            },
            None => Known::default(),
        };
        let mut plan = resolve::plan(&record, &known);
        if dispatcher.dry_run
            && plan == Plan::Write(Action::Upsert, None)
            && record.stream.capabilities.lookup.is_some()
        {
            // A dry run tells what the remote would make of it.
            plan = Plan::Lookup;
        }
        let was_mapped = known.mapped.is_some();
        self.follow(Planned::new(record, None, was_mapped), plan);
        Ok(())
    }

    /// Does what a plan says.
    fn follow(&mut self, mut planned: Planned, plan: Plan) {
        planned.plans += 1;
        let plan = if planned.plans > MAX_PLANS {
            let why = "the remote contradicts itself: what it has it cannot change, and what it has not it cannot create";
            Plan::Refuse(Trouble::other("contradiction", why))
        } else {
            plan
        };
        match plan {
            Plan::Unchanged(remote_id) => {
                self.end_locally(planned, None, Ended::under(Fate::Unchanged, remote_id), true);
            }
            Plan::Refuse(trouble) => {
                self.end_locally(planned, None, Ended::trouble(Fate::Rejected, trouble), true);
            }
            Plan::InDoubt => {
                let why = "sent by an earlier job, and nothing tells whether it was applied";
                let trouble = Trouble::other("in_doubt", why);
                let action = Some(Action::Create);
                self.end_locally(planned, action, Ended::trouble(Fate::InDoubt, trouble), true);
            }
            Plan::Lookup => self.gather(Task::Lookup, planned),
            Plan::Write(action, remote_id) => {
                planned.remote_id = remote_id;
                self.gather(Task::Write(action), planned);
            }
        }
    }

    /// Puts a record into its batch.
    fn gather(&mut self, task: Task, planned: Planned) {
        if self.finished.error.is_some() && self.input_ended && self.finished_early() {
            return self.leave_unsent(planned);
        }
        let stream = planned.record.stream.index;
        let limits = self.limits(&planned.record.stream, task);
        let bytes = planned.record.body.len()
            + planned.record.external_id.as_ref().map_or(0, |id| id.as_str().len())
            + 64;
        for full in self.batcher.push((stream, task), limits, bytes, planned, Instant::now()) {
            self.queue(stream, task, full);
        }
    }

    /// Whether the job ends because of the remote or of us, and not of the input.
    fn finished_early(&self) -> bool {
        use crate::error::ExitCode::{Ours, Remote};
        self.finished.error.as_ref().is_some_and(|error| matches!(error.exit, Remote | Ours))
    }

    fn limits(&self, stream: &Stream, task: Task) -> Limits {
        let capabilities = &stream.capabilities;
        let (most_records, most_bytes) = match task {
            Task::Lookup => (capabilities.lookup.map_or(1, |lookup| lookup.max_ids), usize::MAX),
            Task::Write(action) => {
                let limits = match action {
                    Action::Create => capabilities.create,
                    Action::Update => capabilities.update,
                    Action::Upsert => capabilities.upsert,
                    Action::Delete => capabilities.delete,
                };
                limits.map_or((1, usize::MAX), |limits| (limits.max_records, limits.max_bytes))
            }
        };
        let (options, batch) = (&stream.options, &self.wiring.batch);
        let records = options.batch_records.or(batch.records).unwrap_or(most_records);
        let bytes = options.batch_bytes.or(batch.bytes).unwrap_or(most_bytes);
        let secs = options.batch_secs.unwrap_or(batch.secs);
        Limits {
            records: records.min(most_records).max(1),
            bytes: bytes.min(most_bytes),
            age: Duration::try_from_secs_f64(secs).unwrap_or(Duration::from_secs(1)),
        }
    }

    fn queue(&mut self, stream: usize, task: Task, records: Vec<Planned>) {
        let state = &mut self.streams[stream];
        if let Task::Write(action) = task
            && self.wiring.dispatcher.dry_run
        {
            let count = records.len() as u64;
            let planned = &mut state.planned;
            planned.calls += 1;
            match action {
                Action::Create => planned.create += count,
                Action::Update | Action::Delete => planned.update += count,
                Action::Upsert => planned.upsert += count,
            }
        }
        let (stream, stored) = (Arc::clone(&state.stream), state.stored.id);
        self.ready.push_back(Batch { stream, stored, task, records });
    }

    /// Starts as many batches as may be under way.
    fn start_ready(&mut self, now: Instant) {
        let limit = self.wiring.dispatcher.limiter.limit(now);
        while self.under_way < limit
            && let Some(batch) = self.ready.pop_front()
        {
            self.under_way += 1;
            let dispatcher = Arc::clone(&self.wiring.dispatcher);
            let calls = Arc::clone(&self.streams[batch.stream.index].calls);
            let events = self.events.clone();
            tokio::spawn(async move { dispatcher.deliver(batch, &calls, &events).await });
        }
    }

    fn take_event(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Delivered => self.under_way -= 1,
            Event::Settled(settled) => self.take_settled(settled)?,
            Event::Found(found) => {
                for (planned, ids) in found {
                    let plan = resolve::plan_found(&planned.record, &ids);
                    self.follow(planned, plan);
                }
            }
            Event::Again(again) => {
                for (planned, why) in again {
                    let plan = match why {
                        Again::Exists(id) => resolve::plan_exists(&planned.record, id),
                        Again::Missing => match planned.remote_id.clone() {
                            Some(id) => resolve::plan_missing(&planned.record, &id),
                            None => Plan::Refuse(Trouble::other("missing", "the remote misses it")),
                        },
                    };
                    self.follow(planned, plan);
                }
            }
            Event::Fatal(error) => self.fail(error),
        }
        Ok(())
    }

    fn take_settled(&mut self, settled: Settled) -> Result<(), Error> {
        self.buffered = self.buffered.saturating_sub(settled.bytes);
        for outcome in settled.outcomes.iter() {
            let state = &mut self.streams[settled.stream];
            state.counts.add(outcome.fate);
            self.totals.add(outcome.fate);
            self.finished.errors.add(settled.stream, state.stream.name.as_str(), outcome);
            let was_not_sent = outcome
                .trouble
                .as_ref()
                .is_some_and(|trouble| &*trouble.code == crate::dispatch::NOT_SENT);
            if was_not_sent {
                self.watermark.freeze(outcome.position);
            } else {
                self.watermark.end(outcome.position);
            }
        }
        (self.wiring.on_progress)(&self.totals);
        for key in &settled.keys {
            if let Some(next) = self.gate.leave(key) {
                self.plan(next, None)?;
            }
        }
        Ok(())
    }

    /// A record that is not sent because the job has failed. It has an outcome all the same.
    fn leave_unsent(&mut self, planned: Planned) {
        let (planned, action, ended) = crate::dispatch::not_sent(planned);
        self.end_locally(planned, action, ended, true);
    }

    /// Ends a record without a call. `has_key` says whether it went through the gate.
    fn end_locally(&mut self, planned: Planned, action: Option<Action>, ended: Ended, has_key: bool) {
        let stream = planned.record.stream.index;
        let stored = self.streams[stream].stored.id;
        let key = Key::of(&planned.record);
        let bytes = if has_key { planned.record.size() } else { 0 };
        let key = if has_key { key } else { Key::Content(usize::MAX, planned.record.fingerprint) };
        let outcome = self.wiring.dispatcher.outcome(stored, &planned, action, ended);
        self.local.push((stream, key, bytes, outcome));
    }

    /// Puts outcomes that needed no call on disk, a group for each stream.
    fn settle_local(&mut self) {
        let mut local = std::mem::take(&mut self.local);
        local.sort_by_key(|(stream, ..)| *stream);
        let mut local = local.into_iter().peekable();
        while let Some((stream, key, bytes, outcome)) = local.next() {
            let mut settled = Settled { stream, outcomes: Arc::default(), keys: vec![key], bytes };
            let mut outcomes = vec![outcome];
            while let Some((_, key, bytes, outcome)) = local.next_if(|next| next.0 == stream) {
                settled.keys.push(key);
                settled.bytes += bytes;
                outcomes.push(outcome);
            }
            settled.outcomes = Arc::new(outcomes);
            self.under_way += 1;
            let dispatcher = Arc::clone(&self.wiring.dispatcher);
            let events = self.events.clone();
            tokio::spawn(async move {
                let outcomes = Arc::clone(&settled.outcomes);
                let event = match dispatcher.store.record(dispatcher.job, outcomes, None).await {
                    Ok(()) => Event::Settled(settled),
                    Err(error) => Event::Fatal(error.into()),
                };
                // The job listens until nothing is under way.
                drop(events.send(event));
                drop(events.send(Event::Delivered));
            });
        }
    }

    fn release_states(&mut self) -> Result<(), Error> {
        for state in self.watermark.take_safe() {
            (self.wiring.on_state)(&state)?;
            self.finished.tap_state = Some(state);
        }
        Ok(())
    }

    fn finish(mut self) -> Finished {
        use std::sync::atomic::Ordering::Relaxed;
        let dry_run = self.wiring.dispatcher.dry_run;
        if self.finished.input.bad_lines > 0 {
            let bad = self.finished.input.bad_lines;
            let counts = Counts { read: bad, rejected: bad, ..Counts::default() };
            let summary = StreamSummary { counts, ..StreamSummary::default() };
            self.finished.streams.push((String::new(), summary));
        }
        for state in self.streams {
            let (lookups, writes) = (state.calls.lookups.load(Relaxed), state.calls.writes.load(Relaxed));
            let writes = if dry_run { 0 } else { writes };
            let summary = StreamSummary {
                counts: state.counts,
                planned: dry_run.then_some(state.planned),
                lookups,
                requests: lookups + writes,
                retries: state.calls.retries.load(Relaxed),
                bytes: state.calls.bytes.load(Relaxed),
                records_per_sec: 0.0,
            };
            self.finished.streams.push((state.stream.name.to_string(), summary));
        }
        self.finished
    }
}
