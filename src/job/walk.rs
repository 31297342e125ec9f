//! A job walks: its input is read on a thread of its own, and written by the pipeline.

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use super::begun::Begun;
use super::setup;
use crate::connector::contract::StreamSchema;
use crate::error::Error;
use crate::ids;
use crate::pipeline::{self, Chunk, Finished, ProgressHook, SettledHook, StateSink, Wiring};
use crate::record::StreamName;
use crate::singer::schema::STACK_BYTES;
use crate::stream::intake::{Intake, IntakeOptions};

/// Chunks that wait between the reading thread and the pipeline.
const CHUNKS: usize = 4;

/// What a job reads, and whom it tells of its way.
pub(crate) struct Input {
    /// A Singer stream.
    pub(crate) from: Box<dyn io::Read + Send>,
    /// Records of each stream, at most.
    pub(crate) limit: Option<u64>,
    pub(crate) on_state: StateSink,
    pub(crate) on_progress: ProgressHook,
    pub(crate) on_settled: SettledHook,
}

impl Input {
    /// One that tells nobody.
    pub(crate) fn new(from: Box<dyn io::Read + Send>) -> Self {
        Self {
            from,
            limit: None,
            on_state: Box::new(|_| Ok(())),
            on_progress: Box::new(|_| ()),
            on_settled: Box::new(|_| ()),
        }
    }
}

/// Reads the input to its end and writes it.
///
/// Each step of it is told to one of the hooks in `input`.
pub(crate) async fn walk(begun: &Begun, input: Input, stop: CancellationToken) -> Finished {
    let config = &begun.config;
    let connector = Arc::clone(&begun.dispatcher.connector);
    let intake_options = IntakeOptions::new(config, begun.environment.is_platform(), input.limit);
    let for_streams = config.clone();
    let intake =
        Intake::new(input.from, intake_options, move |name| for_streams.stream(name), connector);
    let (runtime, dispatcher) = (tokio::runtime::Handle::current(), Arc::clone(&begun.dispatcher));
    let intake = intake.learning(move |connector, schema| {
        let (connector, stream) = (Arc::clone(connector), schema.stream.clone());
        let dispatcher = Arc::clone(&dispatcher);
        let (properties, keys) = (schema.properties.to_vec(), schema.keys.to_vec());
        let (tell, told) = std::sync::mpsc::channel();
        // To wait for the runtime itself would be a panic where that ends.
        let learning = async move {
            let schema = StreamSchema { stream: &stream, properties: &properties, keys: &keys };
            let learned = dispatcher.retry.until_over(setup::learn(&connector, &schema)).await;
            tell.send(learned)
        };
        runtime.spawn(learning.in_current_span());
        told.recv().unwrap_or_else(|_| Err(Error::ours("the job ended before a stream was known")))
    });
    let (sender, chunks) = mpsc::channel(CHUNKS);
    let thread = std::thread::Builder::new().name("intake".to_owned()).stack_size(STACK_BYTES);
    let span = Span::current();
    let reading = thread.spawn(move || span.in_scope(|| read(intake, &sender)));
    if let Err(error) = reading {
        let error = Error::ours("cannot start the thread that reads").caused_by(error);
        return Finished { error: Some(error), ..Finished::default() };
    }
    pipeline::run(Wiring {
        dispatcher: Arc::clone(&begun.dispatcher),
        turns: Arc::clone(&begun.turns),
        role: begun.role,
        namespace: begun.namespace.clone(),
        last_end: begun.last_end,
        batch: config.batch.clone(),
        max_buffer_bytes: config.max_buffer_bytes.max(1),
        input: chunks,
        stop,
        on_state: input.on_state,
        on_stream: stream_hook(begun),
        on_progress: input.on_progress,
        on_settled: input.on_settled,
    })
    .await
}

/// The reading thread. Ends when nobody listens any more.
fn read<R: io::Read>(mut intake: Intake<R>, sender: &mpsc::Sender<Chunk>) {
    loop {
        let mut items = Vec::new();
        let more = intake.fill(&mut items);
        if !items.is_empty() && sender.blocking_send(Chunk::Items(items)).is_err() {
            return;
        }
        let error = match more {
            Ok(true) => continue,
            Ok(false) => None,
            Err(error) => Some(error),
        };
        // The last word; if the job has ended before, nobody wants it.
        drop(sender.blocking_send(Chunk::End(intake.into_counts(), error)));
        return;
    }
}

/// Before a stream's first record its snapshot is taken in, and its limit on calls holds.
fn stream_hook(begun: &Begun) -> pipeline::StreamHook {
    let store = Arc::clone(&begun.store);
    let connector = Arc::clone(&begun.dispatcher.connector);
    let dispatcher = Arc::clone(&begun.dispatcher);
    let folder = begun.snapshot_folder();
    let flow = begun.environment.flow.clone();
    let configured = begun.config.max_in_flight;
    Box::new(move |stored, name| {
        if let Ok(capabilities) = connector.capabilities(&StreamName::new(name)) {
            // Whoever says more than the connector knows what the account takes.
            let most = configured.unwrap_or(capabilities.max_in_flight);
            dispatcher.limiter.cap(if capabilities.in_order { 1 } else { most });
        }
        match &folder {
            Some(folder) => tokio::task::block_in_place(|| {
                ids::import_snapshot(&store, stored, folder, name, flow.as_deref())
            }),
            None => Ok(()),
        }
    })
}
