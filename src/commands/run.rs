//! Running as a target: from the command line to the state line.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::setup::{self, Setup};
use super::started::Started;
use super::{Called, about, ending, outputs, runtime, signals};
use crate::cli::{Progress, Run};
use crate::config::StateFormat;
use crate::config::environment::Environment;
use crate::connector::contract::{Capabilities, StreamSchema};
use crate::dispatch::concurrency::Limiter;
use crate::dispatch::retry::Retry;
use crate::dispatch::{Dispatcher, recover};
use crate::error::{Error, ExitCode};
use crate::ids;
use crate::json::fields::Fields;
use crate::pipeline::{self, Chunk, Finished, GRACE, Role, Wiring};
use crate::progress::ProgressLine;
use crate::record::StreamName;
use crate::results::Format;
use crate::singer::message::{self, Message};
use crate::singer::schema::STACK_BYTES;
use crate::store::jobs::{Job, NewJob};
use crate::store::recovery::Leftover;
use crate::store::{Base, Store};
use crate::stream::intake::{self, Intake, IntakeOptions};

/// Chunks that wait between the reading thread and the pipeline.
const CHUNKS: usize = 4;
/// Calls at once, where neither the configuration nor the connector says less.
const MAX_IN_FLIGHT: usize = 64;

/// Runs over an input of its own.
pub(super) fn run(options: &Run, called: &Called) -> Result<ExitCode, Error> {
    start(options, called, None)
}

/// Runs over what a job of the store did not write.
pub(super) fn retry(options: &Run, called: &Called, retried: &Job) -> Result<ExitCode, Error> {
    start(options, called, Some(retried))
}

fn start(options: &Run, called: &Called, retried: Option<&Job>) -> Result<ExitCode, Error> {
    if options.about {
        return about::run(options.format.unwrap_or_default(), called);
    }
    // What cannot be written at the end is told before anything is read.
    if let Some(path) = &options.results {
        Format::of(path)?;
    }
    let loaded = setup::load(&options.configured, called)?;
    if options.access_token {
        return super::access_token::run(loaded, called);
    }
    let environment = Environment::read();
    outputs::refuse_needed(options, &loaded, &environment)?;
    if options.input.is_none() && io::stdin().is_terminal() {
        tracing::info!("Reading from the terminal; pipe a tap in, or name a file with --input.");
    }
    let runtime = runtime()?;
    let code = runtime.block_on(async {
        let mut setup = setup::setup(loaded, called).await?;
        if let Err(error) = setup.ask_account().await {
            if setup.config.state.format != StateFormat::Tap {
                super::print(b"{}\n")?;
            }
            return Err(error);
        }
        job(setup, options, &environment, retried).await
    });
    // The thread that reads may still wait for input that nobody wants any more.
    runtime.shutdown_background();
    code
}

async fn job(
    setup: Setup,
    options: &Run,
    environment: &Environment,
    retried: Option<&Job>,
) -> Result<ExitCode, Error> {
    let Setup { config, connector, namespace, without_account, store: store_path, sandbox, .. } =
        setup;
    let input = intake::open_input(options.input.as_deref())?;
    let store = Arc::new(open_store(&store_path, options)?);
    if let Some(without) = &without_account {
        store.refuse_other_namespace(&namespace, without)?;
    }
    let stop = CancellationToken::new();
    signals::watch(stop.clone(), environment)?;
    let uuid = uuid::Uuid::now_v7().to_string();
    let name = connector.name().to_owned();
    let begins = NewJob {
        uuid: uuid.clone(),
        connector: name.clone(),
        namespace: namespace.clone(),
        retries: retried.map(|job| job.id),
        is_live: false,
    };
    let job = store.begin_job(begins).await?;
    let dispatcher = Arc::new(Dispatcher {
        connector: Arc::clone(&connector),
        store: Arc::clone(&store),
        job,
        uuid: uuid.clone(),
        keep: config.keep,
        keep_bodies: environment.output_mapped_record,
        limiter: Arc::new(Limiter::new(config.max_in_flight.unwrap_or(MAX_IN_FLIGHT))),
        retry: Retry::new(config.retry.clone(), stop.clone()),
        dry_run: options.dry_run,
    });
    let started = Started {
        config,
        environment: environment.clone(),
        connector: name,
        namespace,
        store,
        job,
        uuid,
        retried: retried.map(|job| job.uuid.clone()),
        since: crate::store::jobs::now(),
        clock: Instant::now(),
        dispatcher,
    };
    let is_late = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
        started.dispatcher.retry.end();
        started.dispatcher.connector.stop();
        std::future::pending().await
    };
    let prepared = tokio::select! {
        prepared = prepare(&started, options) => prepared,
        never = is_late => never,
    };
    let mut finished = match prepared {
        Ok(()) => walk(&started, options, input, stop).await,
        // Nothing was read: the next run begins where this one did.
        Err(error) if stop.is_cancelled() => {
            tracing::warn!("Stopping: {}", error.full_message());
            Finished { stopped: true, ..Finished::default() }
        }
        Err(error) => Finished { error: Some(error), ..Finished::default() },
    };
    if options.dry_run {
        // That it cannot be told now keeps nobody from the rest.
        finished.quota = connector.quota().await.unwrap_or_default();
    }
    let code = ending::end(started, options, finished).await;
    if let Some(running) = sandbox {
        running.stop().await;
    }
    code
}

/// The store of a job; a dry run has one of its own, and reads the other beside it.
fn open_store(path: &Path, options: &Run) -> Result<Store, Error> {
    if !options.dry_run {
        return Store::open(path);
    }
    if path.as_os_str() == ":memory:" {
        return Store::temporary(Base::default());
    }
    if path.exists() {
        // What a killed job has written is in the id map once its store was opened. A store in use
        // is read as it is.
        drop(Store::open(path));
    }
    Store::temporary(Base::open(path)?)
}

/// Takes in what earlier jobs know: the state passed in, the platform's, and what a killed job
/// left in doubt.
async fn prepare(started: &Started, options: &Run) -> Result<(), Error> {
    let incremental = started.environment.incremental_state().filter(|path| path.exists());
    for path in options.state.iter().cloned().chain(incremental) {
        let (store, namespace) = (Arc::clone(&started.store), started.namespace.clone());
        let job = started.job;
        let task =
            tokio::task::spawn_blocking(move || ids::import_state(&store, job, &namespace, &path));
        task.await.map_err(|error| Error::ours("reading the state failed").caused_by(error))??;
    }
    outwait_changes(started).await?;
    let leftovers = started.store.leftovers(&started.namespace)?;
    let records: usize = leftovers.iter().map(|leftover| leftover.writes.len()).sum();
    if records > 0 {
        tracing::info!(
            records,
            "A killed job had sent records and no answer is known; the remote is asked where it can be."
        );
    }
    for leftover in leftovers {
        let stream = StreamName::new(leftover.stream_name.as_str());
        let mut options = started.config.stream(stream.as_str());
        learn_of(started, &leftover).await?;
        let capabilities = started.dispatcher.connector.capabilities(&stream).unwrap_or_default();
        capabilities.settle(&mut options);
        if is_elsewhere(&leftover, &capabilities) {
            continue;
        }
        recover(&started.dispatcher, leftover, &capabilities, &options, started.clock).await?;
    }
    Ok(())
}

/// Has the connector learn of the stream of a leftover, as of one that comes in.
async fn learn_of(started: &Started, leftover: &Leftover) -> Result<(), Error> {
    let Some(line) = started.store.schema_of(leftover)? else { return Ok(()) };
    let Ok(Message::Schema(schema)) = message::parse(line.as_bytes()) else { return Ok(()) };
    let fields = Fields::parse(schema.schema).ok();
    let properties =
        fields.as_ref().and_then(|fields| Fields::parse(fields.get("properties")?).ok());
    let properties = properties.into_iter().flat_map(|properties| properties.0);
    let learned = StreamSchema {
        stream: &StreamName::new(leftover.stream_name.as_str()),
        properties: &properties.map(|(name, _)| name.into_owned()).collect::<Vec<_>>(),
        keys: &schema.key_properties,
    };
    setup::learn(&started.dispatcher.connector, &learned).await
}

/// A call that was to change records when a job was killed may be applied for as long as its remote
/// lags: what this job writes to them comes after it.
async fn outwait_changes(started: &Started) -> Result<(), Error> {
    let (store, namespace) = (&started.store, &started.namespace);
    let connector = &started.dispatcher.connector;
    let lag = |name: &String| {
        let capabilities = connector.capabilities(&StreamName::new(name.as_str())).ok()?;
        Some(capabilities.lag(&started.config.stream(name)))
    };
    let changing = store.changing(namespace)?;
    if let Some(lag) = changing.iter().filter_map(lag).max() {
        let waited = started.dispatcher.retry.sleep_until(started.clock + lag).await;
        if waited.is_err() {
            return Ok(());
        }
    }
    Ok(store.end_changes(namespace).await?)
}

/// Whether a stream is written to another object now than a killed job wrote it to: that one can
/// tell nothing of what the other has. The stream's next job ends before it writes anything.
fn is_elsewhere(leftover: &Leftover, capabilities: &Capabilities) -> bool {
    matches!((&leftover.object, &capabilities.object), (Some(then), Some(now)) if **then != **now)
}

/// Reads the input to its end and writes it.
async fn walk(
    started: &Started,
    options: &Run,
    input: Box<dyn io::Read + Send>,
    stop: CancellationToken,
) -> Finished {
    let config = &started.config;
    let connector = Arc::clone(&started.dispatcher.connector);
    let intake_options =
        IntakeOptions::new(config, started.environment.is_platform(), options.limit);
    let for_streams = config.clone();
    let intake =
        Intake::new(input, intake_options, move |name| for_streams.stream(name), connector);
    let runtime = tokio::runtime::Handle::current();
    let intake = intake.learning(move |connector, schema| {
        let (connector, stream) = (Arc::clone(connector), schema.stream.clone());
        let (properties, keys) = (schema.properties.to_vec(), schema.keys.to_vec());
        let (tell, told) = std::sync::mpsc::channel();
        // To wait for the runtime itself would be a panic where that ends.
        runtime.spawn(async move {
            let schema = StreamSchema { stream: &stream, properties: &properties, keys: &keys };
            tell.send(setup::learn(&connector, &schema).await)
        });
        told.recv().unwrap_or_else(|_| Err(Error::ours("the job ended before a stream was known")))
    });
    let (sender, chunks) = mpsc::channel(CHUNKS);
    let thread = std::thread::Builder::new().name("intake".to_owned()).stack_size(STACK_BYTES);
    let reading = thread.spawn(move || read(intake, &sender));
    if let Err(error) = reading {
        let error = Error::ours("cannot start the thread that reads").caused_by(error);
        return Finished { error: Some(error), ..Finished::default() };
    }
    let last_end = match started.store.since_last_end(started.job, &started.namespace) {
        Ok(since) => since.and_then(|since| Instant::now().checked_sub(since)),
        Err(error) => return Finished { error: Some(error.into()), ..Finished::default() },
    };
    let mut progress = progress(options.progress);
    pipeline::run(Wiring {
        dispatcher: Arc::clone(&started.dispatcher),
        turns: Arc::default(),
        role: Role::Alone,
        namespace: started.namespace.clone(),
        last_end,
        batch: config.batch.clone(),
        max_buffer_bytes: config.max_buffer_bytes.max(1),
        input: chunks,
        stop,
        on_state: state_sink(started, options),
        on_stream: stream_hook(started),
        on_progress: Box::new(move |counts| progress.show(counts)),
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

/// In the `tap` format the tap's STATEs go out as soon as they are safe.
fn state_sink(started: &Started, options: &Run) -> pipeline::StateSink {
    if started.config.state.format != StateFormat::Tap || options.dry_run {
        return Box::new(|_| Ok(()));
    }
    Box::new(|state: &RawValue| {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", state.get())
            .and_then(|()| stdout.flush())
            .map_err(ending::stdout_closed)
    })
}

/// Before a stream's first record its snapshot is taken in, and its limit on calls holds.
fn stream_hook(started: &Started) -> pipeline::StreamHook {
    let store = Arc::clone(&started.store);
    let connector = Arc::clone(&started.dispatcher.connector);
    let dispatcher = Arc::clone(&started.dispatcher);
    let folder = started.snapshot_folder();
    let flow = started.environment.flow.clone();
    let configured = started.config.max_in_flight;
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

fn progress(when: Progress) -> ProgressLine {
    match (when, io::stderr().is_terminal()) {
        (Progress::Auto | Progress::Always, true) => ProgressLine::on_terminal(),
        (Progress::Always, false) => ProgressLine::in_log(),
        (Progress::Never, _) | (Progress::Auto, false) => ProgressLine::hidden(),
    }
}
