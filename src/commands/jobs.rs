//! `jobs`: past jobs, what became of their records, and another try for what failed.

use std::path::{Path, PathBuf};

use comfy_table::{Table, presets};
use rusqlite::Connection;

use super::{Called, print, setup, tell};
use crate::cli::{Jobs, ResultsFormat, Run};
use crate::config::{DEFAULT_STORE, StateFormat};
use crate::error::{Error, ExitCode};
use crate::outcome::Fate;
use crate::results::{self, Format};
use crate::state::line::{self, Shape};
use crate::store::jobs::{self, Job, Status};
use crate::store::lock::StoreLock;
use crate::store::results::Query;
use crate::store::{open_for_reading, report, unreadable};
use crate::summary::Summary;

pub(super) fn run(
    command: Option<Jobs>,
    store: Option<&Path>,
    called: &Called,
) -> Result<ExitCode, Error> {
    let path = store.unwrap_or(Path::new(DEFAULT_STORE));
    setup::refuse_no_file(path)?;
    match command.unwrap_or(Jobs::List { most: 20 }) {
        Jobs::Retry { job, run } => retry(&job, *run, store, called),
        Jobs::List { most } => list(path, most),
        Jobs::Show { job } => {
            let (_, job) = find(path, &job)?;
            match job.summary {
                Some(summary) => print(pretty(&summary).as_bytes()),
                None => Err(Error::usage(format!(
                    "the job {} has no summary: it is {}",
                    job.uuid,
                    status(path, &job).as_str()
                ))
                .hint("a job that was killed is told by `jobs results` and `jobs state`")),
            }
        }
        Jobs::Results { job, format, outcome } => {
            let fates = outcome.as_deref().and_then(Fate::parse).into_iter().collect();
            let query = Query { fates, ..Query::default() };
            let (connection, job) = find(path, &job)?;
            let format = match format {
                ResultsFormat::Jsonl => Format::Jsonl,
                ResultsFormat::Csv => Format::Csv,
            };
            tell(|out| results::write_results(out, &connection, job.id, format, &query))
        }
        Jobs::Rejects { job } => {
            let (connection, job) = find(path, &job)?;
            tell(|out| results::write_rejects(out, &connection, job.id).map(drop))
        }
        Jobs::State { job } => state(path, &job),
    }
}

fn list(path: &Path, most: u32) -> Result<ExitCode, Error> {
    let connection = open_for_reading(path)?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "job",
        "started",
        "connector",
        "status",
        "records",
    ]);
    for job in jobs::list(&connection, most).map_err(unreadable)? {
        let counts =
            job.summary.as_deref().and_then(|text| serde_json::from_str::<Summary>(text).ok());
        let counts = counts.map(|summary| summary.proof.line).unwrap_or_default();
        let status = status(path, &job).as_str().replace('_', " ");
        table.add_row([job.uuid, job.started, job.connector, status, counts]);
    }
    print(format!("{table}\n").as_bytes())
}

/// How a job stands. The next one marks a job that was killed; until then nobody has told.
fn status(path: &Path, job: &Job) -> Status {
    match job.status {
        Status::Running if !StoreLock::is_taken(path) => Status::Interrupted,
        status => status,
    }
}

fn find(path: &Path, name: &str) -> Result<(Connection, Job), Error> {
    let connection = open_for_reading(path)?;
    let job = jobs::find(&connection, name).map_err(unreadable)?.ok_or_else(|| {
        Error::usage(format!("no single job has an id that begins with `{name}`"))
            .hint("see `target-upsert jobs`; `last` is the newest")
    })?;
    Ok((connection, job))
}

fn pretty(summary: &str) -> String {
    let value: Result<serde_json::Value, _> = serde_json::from_str(summary);
    let text = value.ok().and_then(|value| serde_json::to_string_pretty(&value).ok());
    text.unwrap_or_else(|| summary.to_owned()) + "\n"
}

/// The state line again, from what the store knows.
fn state(path: &Path, name: &str) -> Result<ExitCode, Error> {
    let (connection, job) = find(path, name)?;
    let tap = report::tap_state(&connection, job.id).map_err(unreadable)?;
    let tap = tap.and_then(|text| serde_json::value::RawValue::from_string(text).ok());
    let second = || open_for_reading(path).ok();
    tell(|out| {
        line::write(out, &connection, second, job.id, Shape::Full, tap.as_deref())?;
        Ok(out.write_all(b"\n")?)
    })
}

/// Runs what was rejected or failed again, as a job of its own.
fn retry(
    name: &str,
    mut options: Run,
    store: Option<&Path>,
    called: &Called,
) -> Result<ExitCode, Error> {
    options.configured.store = options.configured.store.or_else(|| store.map(Path::to_owned));
    let config = setup::read(&options.configured, called)?.config;
    let path = &*config.store;
    let (connection, job) = find(path, name)?;
    if job.status == Status::Running {
        let hint = match &job.retried {
            _ if StoreLock::is_taken(path) => "wait for its end".to_owned(),
            Some(retried) => format!(
                "it was killed: run `target-upsert jobs retry {retried}` for what it had not begun, and then \
                 `target-upsert jobs retry {}` for what it had",
                job.uuid
            ),
            None => "it was killed: run the same input again".to_owned(),
        };
        return Err(Error::usage(format!("the job {} has not ended", job.uuid)).hint(hint));
    }
    if let Some(later) = jobs::cut_off_after(&connection, job.id).map_err(unreadable)?
        && !StoreLock::is_taken(path)
    {
        return Err(Error::usage(format!(
            "the job {later} was killed while calls were under way, and may have written newer content"
        ))
        .hint("run its input again, then this retry: what was written since is left out of it"));
    }
    let folder = tempfile::Builder::new()
        .prefix("target-upsert-")
        .tempdir()
        .map_err(|error| Error::ours("cannot make a temporary folder").caused_by(error))?;
    let input: PathBuf = folder.path().join("rejects.jsonl");
    let missing = results::write_file(&input, "rejects", |out| {
        results::write_rejects(out, &connection, job.id)
    })?;
    drop(connection);
    if missing > 0 {
        tracing::warn!(
            records = missing,
            "Records are not tried again, since the store does not keep their content; give the \
             input again for them."
        );
    }
    if std::fs::metadata(&input).is_ok_and(|file| file.len() == 0) {
        tracing::info!(
            job = job.uuid,
            "Nothing to retry: of this job, nothing is to be tried again. `target-upsert jobs` lists the \
             others."
        );
        return match config.state.format {
            StateFormat::Tap => Ok(ExitCode::Done),
            StateFormat::Full | StateFormat::Platform => print(b"{}\n"),
        };
    }
    options.input = Some(input);
    super::run::retry(&options, called, &job)
}
