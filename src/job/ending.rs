//! A job ends: what it has come to, in one document.

use std::collections::BTreeMap;

use super::begun::Begun;
use crate::error::{Error, ExitCode};
use crate::ids;
use crate::pipeline::Finished;
use crate::snapshot;
use crate::store::jobs::Status;
use crate::summary::{JobError, Proof, StreamSummary, Summary};

/// What is to be done about records that may stand at the remote.
const IN_DOUBT: &str = "what stays in doubt then is listed by `target-upsert ids doubts`, and the README \
                        says how it ends, under \"When an answer is lost\"";

/// Files written, by what they are.
pub(crate) type Files = BTreeMap<String, String>;

/// The summary as far as the walk has made it. `error`: what ended the walk.
pub(crate) fn summarize(begun: &Begun, finished: Finished, error: Option<&Error>) -> Summary {
    let Finished { streams, input, errors, quota, .. } = finished;
    let seconds = begun.clock.elapsed().as_secs_f64();
    let proof = Proof::of(streams.iter().map(|(_, stream)| &stream.counts));
    let proof = if error.is_some_and(Error::is_of_store) { proof.cut_off() } else { proof };
    let with_rate = |(name, mut stream): (String, StreamSummary)| {
        // Counts stay far below where a float loses precision.
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let read = stream.counts.read as f64;
        stream.records_per_sec = (read / seconds.max(0.001)).round();
        (name, stream)
    };
    Summary {
        job_id: begun.uuid.clone(),
        connector: begun.connector.clone(),
        namespace: begun.namespace.clone(),
        started: begun.since.clone(),
        finished: crate::store::jobs::now(),
        seconds,
        status: Status::Running,
        exit_code: 0,
        error: None,
        dry_run: begun.dispatcher.dry_run,
        quota,
        input,
        streams: streams.into_iter().map(with_rate).collect(),
        errors: errors.finish(),
        proof,
        throttled_secs: begun.throttled_secs(),
        files: Files::new(),
    }
}

/// The error that counts; later ones are logged.
pub(crate) struct FirstError(pub(crate) Option<Error>);

impl FirstError {
    pub(crate) fn note<T>(&mut self, result: Result<T, Error>) {
        let Err(error) = result else { return };
        if self.0.is_some() {
            error.tell_beside();
        } else {
            self.0 = Some(error);
        }
    }
}

/// How it ended, as far as is known by now.
pub(crate) fn settle_status(
    summary: &mut Summary,
    begun: &Begun,
    stopped: bool,
    error: Option<&Error>,
) {
    let trouble = summary.proof.counts.trouble();
    summary.status = match error {
        Some(_) => Status::Failed,
        None if stopped => Status::Stopped,
        None if trouble > 0 => Status::CompletedWithFailures,
        None => Status::Succeeded,
    };
    let is_over = begun.config.max_rejected.is_some_and(|max| trouble > max);
    summary.exit_code = match error {
        Some(error) => error.exit as u8,
        None if is_over => ExitCode::TooManyRejected as u8,
        None => ExitCode::Done as u8,
    };
    summary.error = error.map(|error| JobError {
        message: error.full_message(),
        hint: error.hint_text().map(str::to_owned),
    });
}

/// What ended a job whose lookups, or writes, have all failed.
pub(crate) fn hopeless(begun: &Begun) -> Option<Error> {
    let what = begun.dispatcher.retry.hopeless()?;
    Some(Error::remote(format!("every {what} to the remote failed")).hint(
        "see the errors in the summary, and `target-upsert check`; then run the same input again",
    ))
}

/// The same error, of a job that leaves records in doubt.
pub(crate) fn with_doubts(error: Error) -> Error {
    let hint = error.hint_text().map_or_else(String::new, |hint| format!("{hint}; "));
    error.hint(hint + IN_DOUBT)
}

/// Writes the ids of a stream where the platform looks for them.
pub(crate) fn write_snapshot(begun: &Begun, stream: &str, files: &mut Files) -> Result<(), Error> {
    let Some(folder) = begun.snapshot_folder() else { return Ok(()) };
    let flow = begun.environment.flow.as_deref();
    let format = begun.config.snapshot_format;
    if let Err(error) = snapshot::path(&folder, stream, flow, format) {
        // The records are written, and the store has their ids.
        tracing::warn!("The ids of a stream are in no snapshot: {error}.");
        return Ok(());
    }
    let (store, namespace) = (&begun.store, &begun.namespace);
    let path = tokio::task::block_in_place(|| {
        ids::write_snapshot(store, namespace, stream, &folder, flow, format)
    })?;
    files.insert(format!("snapshot {stream}"), path.display().to_string());
    Ok(())
}
