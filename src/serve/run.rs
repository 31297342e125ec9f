//! One job of the service, from its input to its summary.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::hints::{hint, over_http};
use super::lane::Lane;
use crate::error::Error;
use crate::job::Begun;
use crate::job::ending::{
    Files, FirstError, hopeless, settle_status, summarize, with_doubts, write_snapshot,
};
use crate::job::walk::{Input, walk};
use crate::pipeline::{Finished, Role};
use crate::store::jobs::Job;
use crate::summary::Summary;

/// Runs a job beside others of its lane. `on_begin` is told its run's id in the lane's store, then
/// `input` is asked for.
///
/// # Errors
/// What kept it from beginning; anything later is in the summary.
pub(super) async fn run<F: Future<Output = Result<(), Error>>>(
    lane: &Arc<Lane>,
    input: impl Future<Output = Result<Input, Error>>,
    retries: Option<&Job>,
    stop: CancellationToken,
    on_begin: impl FnOnce(String) -> F,
) -> Result<Summary, Error> {
    let (begun, ready) = lane.begin(Role::Beside, retries, stop.clone()).await?;
    on_begin(begun.uuid.clone()).await?;
    let finished = match ready {
        Ok(()) => match input.await {
            Ok(input) => walk(&begun, input, stop).await,
            Err(error) => Finished { error: Some(error), ..Finished::default() },
        },
        // Nothing was read: it goes on later.
        Err(_) if begun.dispatcher.retry.is_stopped() => {
            Finished { stopped: true, ..Finished::default() }
        }
        Err(error) => Finished { error: Some(error), ..Finished::default() },
    };
    Ok(conclude(&begun, finished).await)
}

/// Puts on disk how a job has ended.
pub(super) async fn conclude(begun: &Begun, mut finished: Finished) -> Summary {
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
    let ended =
        begun.store.finish_job(begun.job, summary.status, code, document, comes_again).await;
    first.note(ended.map_err(Error::from));
    settle_status(&mut summary, begun, stopped, first.0.as_ref());
    reword(&mut summary);
    summary
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
