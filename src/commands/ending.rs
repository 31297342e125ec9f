//! The end of a job: files, state line, summary, exit code.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::cli::Run;
use crate::config::{Config, StateFormat};
use crate::crash::point;
use crate::error::{Error, ExitCode};
use crate::file::{Access, replace};
use crate::job::Begun;
use crate::job::ending::{
    Files, FirstError, hopeless, settle_status, summarize, with_doubts, write_snapshot,
};
use crate::pipeline::Finished;
use crate::results::{self, Format};
use crate::state::line::{self, Shape};
use crate::store::jobs::Status;
use crate::store::report::TellError;
use crate::store::results::Query;
use crate::store::unreadable;
use crate::summary::{PlannedCounts, Summary};

/// Tells what became of a job. Each thing that is due is tried, also when another failed.
///
/// # Errors
/// What ended the job early, or the first thing that could not be told.
pub(super) async fn end(
    begun: Begun,
    options: &Run,
    mut finished: Finished,
) -> Result<ExitCode, Error> {
    let (tap, stopped) = (finished.tap_state.take(), finished.stopped);
    let comes_again = finished.comes_again;
    let mut first = FirstError(finished.error.take());
    if first.0.is_none() && !stopped && begun.retried.is_none() {
        tell_absent(&begun.config, &finished);
    }
    let mut summary = summarize(&begun, finished, first.0.as_ref());
    let kept = match &tap {
        Some(tap) => begun.store.keep_tap_state(begun.job, tap.get().to_owned()).await,
        None => Ok(()),
    };
    // The state needs no id map.
    let store = Arc::clone(&begun.store);
    let folding = tokio::spawn(async move { store.fold().await });
    // First of all that is told: where a file is a pipe, its reader may be slow, or missing.
    let printed = print_state(&begun, options, tap.as_deref());
    point("told");
    // What is read from the id map below needs it whole.
    let folded = match folding.await {
        Ok(folded) => folded.map_err(Error::from),
        Err(error) => Err(Error::ours("the id map was not written").caused_by(error)),
    };
    let is_whole = folded.is_ok();
    first.note(folded);
    first.0 = first.0.or_else(|| hopeless(&begun));
    if summary.proof.counts.in_doubt > 0 {
        first.0 = first.0.map(with_doubts);
    }
    first.note(kept.map_err(Error::from));
    first.note(printed);
    let files = &mut summary.files;
    if let Some(path) = &options.results {
        first.note(write_results(&begun, path, files));
    }
    if let Some(path) = &options.rejects {
        first.note(write_rejects(&begun, path, files));
    }
    if begun.config.save_record_ids && !options.dry_run && is_whole {
        for stream in summary.streams.keys().filter(|name| !name.is_empty()) {
            first.note(write_snapshot(&begun, stream, files));
        }
    }
    settle_status(&mut summary, &begun, stopped, first.0.as_ref());
    if summary.status == Status::Stopped || summary.status == Status::Failed {
        first.note(write_incremental(&begun, tap.as_deref()));
    }
    let document = serde_json::to_string(&summary).unwrap_or_default();
    let code = summary.exit_code;
    first.note(
        begun
            .store
            .finish_job(begun.job, summary.status, code, document, comes_again)
            .await
            .map_err(Error::from),
    );
    settle_status(&mut summary, &begun, stopped, first.0.as_ref());
    if let Some(path) = &options.summary {
        first.note(write_summary(path, &summary));
    }
    tell(&summary);
    if summary.status.is_cut_off() && !options.dry_run {
        tell_unfinished_retry(&begun);
    }
    match first.0 {
        Some(error) => Err(error),
        None if summary.exit_code == ExitCode::TooManyRejected as u8 => {
            Ok(ExitCode::TooManyRejected)
        }
        None => Ok(ExitCode::Done),
    }
}

/// Options of a stream that the input does not have are most often under a name that is misspelt. A
/// parent alone may have come with an earlier job.
fn tell_absent(config: &Config, finished: &Finished) {
    let came: Vec<&str> = finished.streams.iter().map(|(name, _)| &**name).collect();
    let relations: Vec<_> = came.iter().flat_map(|name| config.stream(name).relations).collect();
    let is_absent = |name: &&String| {
        *name != "*"
            && !came.contains(&name.as_str())
            && !relations.iter().any(|relation| relation.stream == **name)
    };
    let absent: Vec<String> =
        config.streams.keys().filter(is_absent).map(|name| format!("`{name}`")).collect();
    if !absent.is_empty() {
        tracing::warn!(
            "The config has options of streams that no SCHEMA came of: {}. If they are in the input, it \
             is under other names.",
            absent.join(", ")
        );
    }
}

/// A retry that was cut off leaves some of its records to one job, and some to another.
fn tell_unfinished_retry(begun: &Begun) {
    let Some(retried) = &begun.retried else { return };
    tracing::warn!(
        "The retry did not come to its end: `target-upsert jobs retry {}` tries again what it had begun, \
         and `target-upsert jobs retry {retried}` what it had not.",
        begun.uuid
    );
}

fn write_results(begun: &Begun, path: &Path, files: &mut Files) -> Result<(), Error> {
    let format = Format::of(path)?;
    read(begun, |connection| {
        results::write_file(path, "results", |out| {
            results::write_results(out, connection, begun.job, format, &Query::default())
        })
    })?;
    files.insert("results".to_owned(), path.display().to_string());
    Ok(())
}

fn write_rejects(begun: &Begun, path: &Path, files: &mut Files) -> Result<(), Error> {
    let missing = read(begun, |connection| {
        results::write_file(path, "rejects", |out| {
            results::write_rejects(out, connection, begun.job)
        })
    })?;
    if missing > 0 {
        tracing::warn!(
            records = missing,
            "Records are missing from the rejects file, since the store does not keep their \
             content (lines that are no message, or `keep` is `none`); the results name them."
        );
    }
    files.insert("rejects".to_owned(), path.display().to_string());
    Ok(())
}

/// Reads the store for a report that has errors of its own.
fn read<T>(
    begun: &Begun,
    work: impl FnOnce(&rusqlite::Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    begun.store.read(|connection| Ok(work(connection)))?
}

fn print_state(begun: &Begun, options: &Run, tap: Option<&RawValue>) -> Result<(), Error> {
    if options.dry_run {
        return print_state_again(options.state.as_deref());
    }
    let shape = match begun.config.state.format {
        StateFormat::Tap => return Ok(()),
        _ if begun.environment.streaming_job => Shape::Streaming,
        StateFormat::Full => Shape::Full,
        StateFormat::Platform => Shape::Platform,
    };
    read(begun, |connection| {
        let mut stdout = io::BufWriter::with_capacity(64 << 10, io::stdout().lock());
        let second = || begun.store.open_reader().ok();
        line::write(&mut stdout, connection, second, begun.job, shape, tap)
            .and_then(|()| Ok(stdout.write_all(b"\n").and_then(|()| stdout.flush())?))
            .map_err(|error| match error {
                TellError::Output(error) => stdout_closed(error),
                TellError::Store(error) => unreadable(error),
            })
    })
}

/// A dry run changes nothing: the state that came in goes out.
fn print_state_again(path: Option<&Path>) -> Result<(), Error> {
    let state = match path {
        Some(path) => std::fs::read(path).map_err(|error| {
            Error::usage(format!("cannot read the state file `{}`", path.display()))
                .caused_by(error)
        })?,
        None => Vec::new(),
    };
    let state = state.trim_ascii();
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(if state.is_empty() { b"{}" } else { state })
        .and_then(|()| stdout.write_all(b"\n"))
        .and_then(|()| stdout.flush())
        .map_err(stdout_closed)
}

/// Nobody reads the state any more.
pub(super) fn stdout_closed(error: io::Error) -> Error {
    Error::ours("the state cannot be written to stdout").caused_by(error).hint(
        "the records are written and known; print the state with `target-upsert jobs state last`",
    )
}

/// What the platform gives to the same job when it is begun again.
fn write_incremental(begun: &Begun, tap: Option<&RawValue>) -> Result<(), Error> {
    let Some(path) = begun.environment.incremental_state() else { return Ok(()) };
    read(begun, |connection| {
        replace(&path, Access::Owner, |out| {
            line::write(out, connection, || None, begun.job, Shape::Platform, tap)
                .map_err(io::Error::other)
        })
        .map_err(|error| Error::ours(format!("cannot write `{}`", path.display())).caused_by(error))
    })
}

fn write_summary(path: &Path, summary: &Summary) -> Result<(), Error> {
    replace(path, Access::Everyone, |out| {
        serde_json::to_writer_pretty(&mut *out, summary)?;
        out.write_all(b"\n")
    })
    .map_err(|error| {
        Error::ours(format!("cannot write the summary to `{}`", path.display()))
            .caused_by(error)
            .hint("the job itself is done; see `target-upsert jobs show last`")
    })
}

fn calls(count: u64) -> String {
    format!("{count} call{}", if count == 1 { "" } else { "s" })
}

/// What a plan takes of the remote: to write, and to look for records first, which a dry run does too.
fn needed(planned: &PlannedCounts, lookups: u64) -> String {
    let writes = match planned.bulk_jobs {
        0 => calls(planned.calls),
        1 => format!("{} and 1 bulk job", calls(planned.calls)),
        jobs => format!("{} and {jobs} bulk jobs", calls(planned.calls)),
    };
    match lookups {
        0 => writes,
        lookups => format!("{writes}, after {} to look for them, as now", calls(lookups)),
    }
}

/// The summary in a few lines on stderr.
fn tell(summary: &Summary) {
    for group in summary.errors.iter().take(10) {
        let id =
            group.sample_id.as_deref().map(|id| format!(" (such as `{id}`)")).unwrap_or_default();
        let stream = if group.stream.is_empty() { "no stream" } else { &group.stream };
        tracing::warn!(
            "{} of {stream}: {}{id}: {}; {}",
            group.count,
            group.code,
            group.sample,
            group.hint
        );
    }
    for (name, stream) in summary.streams.iter().filter(|(_, stream)| stream.planned.is_some()) {
        if let Some(planned) = &stream.planned {
            tracing::info!(
                "{name}: would create {}, update {}, upsert {}, delete {}, leave {} as they are, in {}",
                planned.create,
                planned.update,
                planned.upsert,
                planned.delete,
                stream.counts.unchanged,
                needed(planned, stream.lookups)
            );
        }
    }
    if let Some(quota) = &summary.quota {
        let left = quota.max.saturating_sub(quota.used);
        tracing::info!("{left} of {} calls are left.", quota.max);
    }
    let status = summary.status.as_str().replace('_', " ");
    let requests: u64 = summary.streams.values().map(|stream| stream.requests).sum();
    tracing::info!(
        "{status} in {:.1} s with {}: {}",
        summary.seconds,
        calls(requests),
        summary.proof.line
    );
}
