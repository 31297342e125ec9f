//! Running as a target: from the command line to the state line.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::setup::{self, Setup};
use super::{Called, about, ending, runtime};
use crate::cli::{Progress, Run};
use crate::config::environment::Environment;
use crate::config::{Config, StateFormat};
use crate::connector::contract::Capabilities;
use crate::dispatch::concurrency::Limiter;
use crate::dispatch::retry::Retry;
use crate::dispatch::{Dispatcher, recover};
use crate::error::{Error, ExitCode};
use crate::ids;
use crate::pipeline::{self, Chunk, Finished, Wiring};
use crate::progress::ProgressLine;
use crate::record::StreamName;
use crate::results::Format;
use crate::singer::schema::STACK_BYTES;
use crate::store::Store;
use crate::store::jobs::Job;
use crate::store::recovery::Leftover;
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
    if options.input.is_none() && io::stdin().is_terminal() {
        tracing::info!("Reading from the terminal; pipe a tap in, or name a file with --input.");
    }
    let runtime = runtime()?;
    let code = runtime.block_on(async {
        let setup = setup::setup(loaded, called).await?;
        job(setup, options, &environment, retried).await
    });
    // The thread that reads may still wait for input that nobody wants any more.
    runtime.shutdown_background();
    code
}

/// What the end of a job needs to know of its beginning.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) config: Config,
    pub(super) environment: Environment,
    pub(super) connector: String,
    pub(super) namespace: String,
    pub(super) store: Arc<Store>,
    pub(super) job: i64,
    pub(super) uuid: String,
    /// Where it is a retry: the id of the job that it tries again.
    pub(super) retried: Option<String>,
    pub(super) since: String,
    pub(super) clock: Instant,
    pub(super) dispatcher: Arc<Dispatcher>,
}

async fn job(
    setup: Setup,
    options: &Run,
    environment: &Environment,
    retried: Option<&Job>,
) -> Result<ExitCode, Error> {
    let Setup { config, connector, namespace, store: store_path, sandbox } = setup;
    let input = intake::open_input(options.input.as_deref())?;
    outlive_file_limit()?;
    let store = Arc::new(if options.dry_run {
        if store_path.exists() {
            // What a killed job has written is in the id map once its store was opened. A store in
            // use is read as it is.
            drop(Store::open(&store_path));
        }
        Store::temporary(
            Some(&store_path).filter(|path| path.as_os_str() != ":memory:").map(|v| &**v),
        )?
    } else {
        Store::open(&store_path)?
    });
    let stop = CancellationToken::new();
    watch_signals(stop.clone(), environment)?;
    let uuid = uuid::Uuid::now_v7().to_string();
    let name = connector.name().to_owned();
    let before = retried.map(|job| job.id);
    let job = store.begin_job(uuid.clone(), name.clone(), namespace.clone(), before).await?;
    let dispatcher = Arc::new(Dispatcher {
        connector: Arc::clone(&connector),
        store: Arc::clone(&store),
        job,
        uuid: uuid.clone(),
        keep: config.keep,
        keep_bodies: environment.output_mapped_record,
        limiter: Limiter::new(config.max_in_flight.unwrap_or(MAX_IN_FLIGHT)),
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
    let finished = match prepare(&started, options).await {
        Ok(()) => walk(&started, options, input, stop).await,
        Err(error) => Finished { error: Some(error), ..Finished::default() },
    };
    let code = ending::end(started, options, finished).await;
    if let Some(running) = sandbox {
        running.stop().await;
    }
    code
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
    let leftovers = started.store.leftovers(&started.namespace, started.job)?;
    let records: usize = leftovers.iter().map(|leftover| leftover.writes.len()).sum();
    if records > 0 {
        tracing::info!(
            records,
            "A killed job had sent records and no answer is known; the remote is asked where it can be."
        );
    }
    for leftover in leftovers {
        let stream = StreamName::new(leftover.stream_name.as_str());
        let options = started.config.stream(stream.as_str());
        let capabilities = started.dispatcher.connector.capabilities(&stream).unwrap_or_default();
        if is_elsewhere(&leftover, &capabilities) {
            continue;
        }
        recover(&started.dispatcher, leftover, &capabilities, &options, started.clock).await?;
    }
    Ok(())
}

/// Whether a stream is written to another object now than a killed job wrote it to: that one can tell
/// nothing of what the other has. The stream's next job ends before it writes anything.
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
    let (sender, chunks) = mpsc::channel(CHUNKS);
    let thread = std::thread::Builder::new().name("intake".to_owned()).stack_size(STACK_BYTES);
    let reading = thread.spawn(move || read(intake, &sender));
    if let Err(error) = reading {
        let error = Error::ours("cannot start the thread that reads").caused_by(error);
        return Finished { error: Some(error), ..Finished::default() };
    }
    let last_end = match started.store.since_last_end(started.job, &started.namespace) {
        Ok(since) => since.and_then(|since| started.clock.checked_sub(since)),
        Err(error) => return Finished { error: Some(error.into()), ..Finished::default() },
    };
    let mut progress = progress(options.progress);
    pipeline::run(Wiring {
        dispatcher: Arc::clone(&started.dispatcher),
        namespace: started.namespace.clone(),
        last_end,
        batch: config.batch.clone(),
        max_buffer_bytes: config.max_buffer_bytes.max(1),
        input: chunks,
        stop,
        on_state: state_sink(config.state.format, options.dry_run),
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
        drop(sender.blocking_send(Chunk::End(intake.tally, error)));
        return;
    }
}

/// In the `tap` format the tap's STATEs go out as soon as they are safe.
fn state_sink(format: StateFormat, dry_run: bool) -> pipeline::StateSink {
    if format != StateFormat::Tap || dry_run {
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
    let folder = snapshot_folder(started);
    let flow = started.environment.flow.clone();
    Box::new(move |stored, name| {
        if let Ok(capabilities) = connector.capabilities(&StreamName::new(name)) {
            let most = if capabilities.in_order { 1 } else { capabilities.max_in_flight };
            dispatcher.limiter.cap(most);
        }
        match &folder {
            Some(folder) => tokio::task::block_in_place(|| {
                ids::import_snapshot(&store, stored.id, folder, name, flow.as_deref())
            }),
            None => Ok(()),
        }
    })
}

/// Where the platform's id snapshots are, if anywhere.
pub(super) fn snapshot_folder(started: &Started) -> Option<PathBuf> {
    let configured = started.config.snapshot_dir.clone();
    let folder = configured.or_else(|| started.environment.snapshot_dir.clone());
    let platform = || {
        let job_id = started.environment.job_id.as_ref()?;
        Some(Path::new("/home/hotglue").join(job_id).join("snapshots"))
    };
    folder.or_else(platform)
}

fn progress(when: Progress) -> ProgressLine {
    let is_terminal = io::stderr().is_terminal();
    match when {
        Progress::Never => ProgressLine::new(false, false),
        Progress::Auto => ProgressLine::new(is_terminal, false),
        Progress::Always => ProgressLine::new(is_terminal, !is_terminal),
    }
}

/// Where the process may write no larger file, a signal would end it in the midst of its work: once
/// somebody listens, the write fails instead, as on a full disk.
fn outlive_file_limit() -> Result<(), Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let kind = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    // Whoever has listened once keeps the signal's own way from the process for good.
    signal(kind).map(drop).map_err(cannot_listen)
}

fn cannot_listen(error: io::Error) -> Error {
    Error::ours("cannot listen for signals").caused_by(error)
}

/// The first signal ends the reading, the second the process.
fn watch_signals(stop: CancellationToken, environment: &Environment) -> Result<(), Error> {
    let mut signals = signals()?;
    if environment.job_id.is_some() {
        announce_listener();
    }
    tokio::spawn(async move {
        signals.recv().await;
        tracing::info!(
            "A signal was received: what is in flight is finished, then the state is told."
        );
        stop.cancel();
        signals.recv().await;
        // What is not on disk yet is found out by the next run.
        #[expect(clippy::exit, reason = "asked for twice")]
        std::process::exit(130);
    });
    Ok(())
}

/// The signals that end a job in good order.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    user: tokio::signal::unix::Signal,
}

impl Signals {
    pub(super) async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.user.recv() => {}
        }
    }
}

/// Listens for SIGTERM, SIGINT and SIGUSR1.
pub(super) fn signals() -> Result<Signals, Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = || -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            user: signal(SignalKind::user_defined1())?,
        })
    };
    listen().map_err(cannot_listen)
}

/// The platform reads the process's id from this file before it sends SIGUSR1.
fn announce_listener() {
    let now = chrono::Utc::now().timestamp_micros();
    let path = Path::new("/tmp/user_signal.listener");
    // Anybody may put a link there.
    let written = crate::file::replace_itself(path, crate::file::Access::Everyone, |out| {
        let (seconds, micros) = (now / 1_000_000, now % 1_000_000);
        writeln!(out, "Signal listener started at {seconds}.{micros:06}")?;
        writeln!(out, "Thread ID: {0}\nProcess ID: {0}", std::process::id())
    });
    if let Err(error) = written {
        tracing::warn!(%error, path = %path.display(), "The signal listener file could not be written.");
    }
}
