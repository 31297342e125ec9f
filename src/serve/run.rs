//! One job of the service, from its input to its summary.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Service;
use super::hints::{hint, over_http};
use super::lane::Lane;
use crate::error::Error;
use crate::job::Begun;
use crate::job::ending::{
    Files, FirstError, hopeless, settle_status, summarize, with_doubts, write_snapshot,
};
use crate::job::walk::{Input, walk};
use crate::pipeline::{Finished, Role};
use crate::store::jobs::{self, Job};
use crate::summary::Summary;

/// Runs a job beside others of its lane. `on_begin` is told its run's id in the lane's store, then
/// `input` is asked for.
///
/// # Errors
/// What kept it from beginning; anything later is in the summary.
pub(super) async fn run<F: Future<Output = Result<(), Error>>>(
    service: &Service,
    lane: &Arc<Lane>,
    input: impl Future<Output = Result<Input, Error>>,
    retries: Option<&Job>,
    stop: CancellationToken,
    on_begin: impl FnOnce(String) -> F,
) -> Result<Concluded, Error> {
    let (begun, ready) = lane.begin(Role::Beside, retries, stop.clone()).await?;
    let begins = async {
        on_begin(begun.uuid.clone()).await?;
        ready?;
        input.await
    };
    let finished = match begins.await {
        Ok(input) => walk(&begun, input, stop).await,
        // Nothing was read: it goes on later.
        Err(_) if begun.dispatcher.retry.is_stopped() => {
            Finished { stopped: true, ..Finished::default() }
        }
        Err(error) => Finished { error: Some(error), ..Finished::default() },
    };
    Ok(conclude(service, &begun, finished).await)
}

/// How a run of a job had ended that was through with its input, where a kill kept the queue from knowing:
/// what the job was given would be another input if it came again.
///
/// # Errors
/// Exit code 5: the store.
pub(super) fn ended_before(lane: &Lane, run: &str) -> Result<Option<Summary>, Error> {
    let found = lane.store().read(|connection| jobs::find(connection, run))?;
    let summary = found.filter(|run| !run.status.is_cut_off()).and_then(|run| run.summary);
    Ok(summary.and_then(|text| serde_json::from_str(&text).ok()))
}

/// How a job has ended.
pub(super) struct Concluded {
    pub(super) summary: Summary,
    /// It failed by the disk, and may not when that has room again.
    pub(super) by_disk: bool,
}

/// Puts on disk how a job has ended, as soon as it can be written: whoever comes next looks for what jobs
/// that have ended have left.
pub(super) async fn conclude(
    service: &Service,
    begun: &Begun,
    mut finished: Finished,
) -> Concluded {
    if finished.error.as_ref().is_some_and(Error::is_of_disk) {
        tracing::error!("The disk cannot be written: how the job has ended is kept when it can.");
        service.wait_for_disk().await;
    }
    let (tap, stopped) = (finished.tap_state.take(), finished.stopped);
    let comes_again = finished.comes_again;
    let mut first = FirstError(finished.error.take());
    let mut summary = summarize(begun, finished, first.0.as_ref());
    if let Some(tap) = &tap {
        let kept = begun.store.keep_tap_state(begun.job, tap.get().to_owned()).await;
        first.note(kept.map_err(Error::from));
    }
    let folded = begun.store.fold().await;
    let is_whole = folded.is_ok();
    first.note(folded.map_err(Error::from));
    first.0 = first.0.or_else(|| hopeless(begun));
    if summary.proof.counts.in_doubt > 0 {
        first.0 = first.0.map(with_doubts);
    }
    if begun.config.save_record_ids && is_whole {
        let mut files = Files::new();
        for stream in summary.streams.keys().filter(|name| !name.is_empty()) {
            first.note(write_snapshot(begun, stream, &mut files));
        }
        summary.files = files;
    }
    settle_status(&mut summary, begun, stopped, first.0.as_ref());
    if let Some(error) = &summary.error {
        tracing::error!("The job has failed: {}", error.message);
    }
    reword(&mut summary);
    let document = serde_json::to_string(&summary).unwrap_or_default();
    let code = summary.exit_code;
    let store = &begun.store;
    let ended = loop {
        let document = document.clone();
        match store.finish_job(begun.job, summary.status, code, document, comes_again).await {
            Err(error) if error.is_of_disk() && service.wait_for_disk().await => {}
            ended => break ended,
        }
    };
    first.note(ended.map_err(Error::from));
    settle_status(&mut summary, begun, stopped, first.0.as_ref());
    reword(&mut summary);
    Concluded { summary, by_disk: first.0.is_some_and(|error| error.is_of_disk()) }
}

/// What can be done is told for the command line, which nobody has here.
fn reword(summary: &mut Summary) {
    for group in &mut summary.errors {
        hint(&group.who, &group.code).clone_into(&mut group.hint);
    }
    if let Some(hint) = summary.error.as_mut().and_then(|error| error.hint.as_mut()) {
        *hint = over_http(hint);
    }
}
