//! A job whose records a tap brings. How far the tap is through is kept while it runs, and given to the
//! next job of the same tap and account.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::child::{Output, Patience, Running};
use super::config::{TapConfig, Variable};
use super::lines::Lines;
use super::tap_of;
use crate::connector::http::Redactor;
use crate::connector::rest::{hide_all, hide_named};
use crate::error::Error;
use crate::file::{Access, replace};
use crate::job::walk::Input;
use crate::serve::Service;
use crate::serve::config::ServeConfig;
use crate::serve::lane::{Lane, LaneName};
use crate::serve::queue::Job;
use crate::serve::run::{self, Concluded};
use crate::serve::secret::resolved;

/// Variables of the service's environment that a tap finds in its own. All others may hold secrets.
const PASSED_ON: [&str; 22] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "AWS_CA_BUNDLE",
];

fn folder(data: &Path) -> PathBuf {
    data.join("taps")
}

/// Makes the folder of what running taps are given, without what a killed service has left.
///
/// # Errors
/// See [`make_folder`](crate::serve::make_folder).
pub(in crate::serve) fn make_folder(data: &Path) -> Result<(), Error> {
    let folder = folder(data);
    drop(std::fs::remove_dir_all(&folder));
    crate::serve::make_folder(&folder)
}

/// Runs a tap and writes what it brings. When this returns the tap is gone.
///
/// # Errors
/// What kept the job from beginning; anything later is in the summary.
pub(in crate::serve) async fn run(
    service: &Arc<Service>,
    lane: &Arc<Lane>,
    job: &Job,
    stop: CancellationToken,
) -> Result<Concluded, Error> {
    let tap = job.tap.as_deref().unwrap_or_default();
    let (newest, keeping) = keep_states(service, &job.lane, tap);
    let watch = service.progress.begin(&job.uuid, lane);
    let mut running = None;
    let (started, stopping) = (&mut running, stop.clone());
    let input = async move {
        let state = service.queue.tap_state(&job.lane, tap)?.map(|(value, _)| value);
        let (tap, output) = start(&service.config, job, tap, state, &stopping)?;
        *started = Some(tap);
        Ok(Input {
            on_state: Box::new(move |value| {
                newest.send_replace(Some(value.get().to_owned()));
                Ok(())
            }),
            on_progress: watch.on_progress(),
            on_settled: watch.on_settled(),
            ..Input::new(Box::new(output))
        })
    };
    let begin = |run: String| async move {
        service.queue.begin(&job.uuid, &run).await.map_err(Error::from)
    };
    let concluded = run::run(service, lane, input, None, stop, begin).await;
    if let Some((tap, files)) = running {
        tap.end().await;
        drop(files);
    }
    if let Err(error) = keeping.await {
        tracing::error!(tap, %error, "The tap's state was lost.");
    }
    concluded
}

/// Keeps the newest STATE that is told, one after another. Ends when nobody can tell one any more.
fn keep_states(
    service: &Arc<Service>,
    lane: &LaneName,
    tap: &str,
) -> (watch::Sender<Option<String>>, JoinHandle<()>) {
    let (newest, mut told) = watch::channel(None);
    let (service, lane, tap) = (Arc::clone(service), lane.clone(), tap.to_owned());
    let keeping = async move {
        while told.changed().await.is_ok() {
            let value = told.borrow_and_update().clone();
            let Some(value) = value else { continue };
            if let Err(error) = service.queue.keep_tap_state(&lane, &tap, value).await {
                // One that says too little brings records again, which are not written twice.
                tracing::error!(tap, %error, "The tap's state could not be kept.");
            }
        }
    };
    (newest, tokio::spawn(keeping.in_current_span()))
}

/// Starts the tap of a job, with the files that it is given.
fn start(
    config: &ServeConfig,
    job: &Job,
    tap: &str,
    state: Option<String>,
    stop: &CancellationToken,
) -> Result<((Running, TempDir), Output), Error> {
    let found = tap_of(config, &job.lane, tap)?;
    let redactor = Redactor::default();
    let values = values_of(config, found, &job.lane, tap, &redactor)?;
    let failed = |error: std::io::Error| {
        Error::ours(format!("the files of the tap `{tap}` cannot be written")).caused_by(error)
    };
    let (mut command, program) = command_of(found, tap, &redactor)?;
    let files = private_folder(&folder(&config.data), &job.uuid).map_err(failed)?;
    let mut give = |option: &str, content: &[u8]| {
        let path = files.path().join(format!("{}.json", option.trim_start_matches('-')));
        // In place, so that the runtime's other work goes on.
        tokio::task::block_in_place(|| {
            replace(&path, Access::Owner, |out| out.write_all(content)).map_err(failed)
        })?;
        command.arg(option).arg(path);
        Ok::<(), Error>(())
    };
    give("--config", Value::from(values).to_string().as_bytes())?;
    if let Some(state) = state {
        give("--state", state.as_bytes())?;
    }
    if let Some(catalog) = &found.catalog {
        command.arg("--catalog").arg(absolute(catalog)?);
    }
    let lines = Lines::new(tap, redactor);
    let patience = Patience { run: found.timeout_secs.duration(), end: found.kill_secs.duration() };
    let (running, output) = Running::start(command, lines, patience, stop).map_err(|error| {
        let hint = format!("see `command` of the tap `{tap}` in the configuration");
        Error::usage(format!("cannot start `{program}` for the tap `{tap}`"))
            .caused_by(error)
            .hint(hint)
    })?;
    Ok(((running, files), output))
}

/// The config of a tap: the tenant's over the flow's. `redactor` is told of what is secret in it.
fn values_of(
    config: &ServeConfig,
    found: &TapConfig,
    lane: &LaneName,
    tap: &str,
    redactor: &Redactor,
) -> Result<Map<String, Value>, Error> {
    let tenants = config.environments.get(&lane.environment).map(|place| &place.tenants);
    let of_tenant = tenants.and_then(|tenants| tenants.get(&lane.tenant)?.taps.get(tap));
    let mut written = found.config.clone();
    written.extend(of_tenant.cloned().unwrap_or_default());
    let values = resolved(&written)?;
    for (key, value) in &values {
        hide_named(key, value, redactor);
        // What is read elsewhere is not to be seen.
        if written.get(key) != Some(value) {
            hide_all(value, redactor);
        }
    }
    Ok(values)
}

/// The command of a tap without what it is given, in its environment; and its program's name.
fn command_of(
    found: &TapConfig,
    tap: &str,
    redactor: &Redactor,
) -> Result<(Command, String), Error> {
    let name = found.command.first().map(String::as_str).unwrap_or_default();
    // Beside a working folder it would be unclear where a relative path begins.
    let program = if name.contains('/') { absolute(Path::new(name))? } else { name.into() };
    let mut command = Command::new(program);
    command.args(found.command.iter().skip(1)).env_clear();
    for name in PASSED_ON {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    for (name, value) in &found.environment {
        match value {
            Variable::Text(text) => {
                hide_named(name, &text.as_str().into(), redactor);
                command.env(name, text);
            }
            Variable::Secret(source) => {
                let secret = source.read()?;
                let secret = secrecy::ExposeSecret::expose_secret(&secret);
                redactor.add(secret);
                command.env(name, secret);
            }
        }
    }
    if let Some(folder) = &found.working_dir {
        if !folder.is_dir() {
            let folder = folder.display();
            return Err(Error::usage(format!("there is no folder `{folder}` for the tap `{tap}`"))
                .hint("see `working_dir` of the tap in the configuration"));
        }
        command.current_dir(folder);
    }
    Ok((command, name.to_owned()))
}

/// A folder for a job, for its owner alone, that goes when it is dropped.
fn private_folder(within: &Path, job: &str) -> std::io::Result<TempDir> {
    let within = std::path::absolute(within)?;
    let owner = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    tempfile::Builder::new().prefix(&format!("{job}-")).permissions(owner).tempdir_in(within)
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path)
        .map_err(|error| Error::usage(format!("`{}` is no path", path.display())).caused_by(error))
}
