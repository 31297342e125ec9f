//! Running as a target: from the command line to the state line.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::{Called, about, ending, outputs, runtime, setup, signals};
use crate::cli::{Progress, Run};
use crate::config::StateFormat;
use crate::config::environment::Environment;
use crate::dispatch::concurrency::Limiter;
use crate::error::{Error, ExitCode};
use crate::job::setup::Setup;
use crate::job::walk::{self, Input};
use crate::job::{self, Begins, Begun, MAX_IN_FLIGHT, beginning};
use crate::pipeline::{Finished, Role, StateSink};
use crate::progress::ProgressLine;
use crate::results::Format;
use crate::store::jobs::Job;
use crate::store::{Base, Store};
use crate::stream::intake;

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
        let mut setup =
            job::setup::setup(loaded, called.connector(), job::setup::Beside::default()).await?;
        if let Err(error) = setup.ask_account().await {
            if setup.config.state.format != StateFormat::Tap {
                super::print(b"{}\n")?;
            }
            return Err(error);
        }
        run_job(setup, options, &environment, retried).await
    });
    // The thread that reads may still wait for input that nobody wants any more.
    runtime.shutdown_background();
    code
}

async fn run_job(
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
    let begins = Begins {
        connector: Arc::clone(&connector),
        namespace,
        environment: environment.clone(),
        retries: retried,
        dry_run: options.dry_run,
        limiter: Arc::new(Limiter::new(config.max_in_flight.unwrap_or(MAX_IN_FLIGHT))),
        turns: Arc::default(),
        role: Role::Alone,
    };
    let begun = begins.begin(config, store, stop.clone()).await?;
    let incremental = environment.incremental_state().filter(|path| path.exists());
    let states: Vec<_> = options.state.iter().cloned().chain(incremental).collect();
    let mut finished = match beginning::prepare(&begun, &states).await {
        Ok(()) => {
            let mut progress = progress(options.progress);
            let input = Input {
                limit: options.limit,
                on_state: state_sink(&begun, options),
                on_progress: Box::new(move |counts| progress.show(counts)),
                ..Input::new(input)
            };
            walk::walk(&begun, input, stop).await
        }
        // Nothing was read: the next run begins where this one did.
        Err(error) if stop.is_cancelled() => {
            tracing::warn!("Stopping: {}", error.full_message());
            Finished { stopped: true, ..Finished::default() }
        }
        Err(error) => Finished { error: Some(error), ..Finished::default() },
    };
    if options.dry_run {
        // That it cannot be told now keeps nobody from the rest.
        let quota = begun.dispatcher.retry.until_over(connector.quota()).await;
        finished.quota = quota.unwrap_or_default();
    }
    let code = ending::end(begun, options, finished).await;
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

/// In the `tap` format the tap's STATEs go out as soon as they are safe.
fn state_sink(begun: &Begun, options: &Run) -> StateSink {
    if begun.config.state.format != StateFormat::Tap || options.dry_run {
        return Box::new(|_| Ok(()));
    }
    Box::new(|state: &RawValue| {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", state.get())
            .and_then(|()| stdout.flush())
            .map_err(ending::stdout_closed)
    })
}

fn progress(when: Progress) -> ProgressLine {
    match (when, io::stderr().is_terminal()) {
        (Progress::Auto | Progress::Always, true) => ProgressLine::on_terminal(),
        (Progress::Always, false) => ProgressLine::in_log(),
        (Progress::Never, _) | (Progress::Auto, false) => ProgressLine::hidden(),
    }
}
