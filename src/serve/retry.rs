//! The input of a retry: what another job has read and not written, and where that job had to end before
//! it had read all, the rest of what it was given.

use std::fs::File;
use std::path::Path;

use rusqlite::Connection;

use super::Service;
use super::input;
use super::lane::Lane;
use super::queue::{Job, Source, State};
use crate::error::Error;
use crate::results;
use crate::store::jobs::{self, Job as Run};
use crate::store::{report, unreadable};

/// Whether a job that has ended may have left something to write.
pub(super) fn has_any(data: &Path, job: &Job) -> bool {
    let has_trouble = job.brief.as_ref().is_none_or(|brief| brief.proof.trouble() > 0);
    job.run.is_some() && has_trouble
        || keeps_input(job.state, job.source) && input::path(data, &job.uuid).exists()
}

/// Whether what a job was given is kept after its end: where it had to end, it may not have read all.
pub(super) fn keeps_input(state: State, source: Source) -> bool {
    matches!(state, State::Failed | State::Stopped | State::Cancelled)
        && matches!(source, Source::Api | Source::Retry)
}

/// Makes the input of `job`, which retries another one, and finds that one's run, if there was any.
///
/// # Errors
/// Exit code 2: the other one is forgotten. Exit code 5: the store, or the disk.
pub(super) fn prepare(service: &Service, lane: &Lane, job: &Job) -> Result<Option<Run>, Error> {
    let connection = lane.store().open_reader()?;
    let before = job.retries.as_deref().map(|before| service.queue.find(before)).transpose()?;
    let before = before.flatten();
    let run = before.as_ref().and_then(|before| before.run.as_deref());
    let found = run.map(|run| jobs::find(&connection, run)).transpose().map_err(unreadable)?;
    let found = found.flatten();
    let data = &service.config.data;
    let is_forgotten = before.is_none() || run.is_some() && found.is_none();
    if is_forgotten && !input::path(data, &job.uuid).exists() {
        let forgotten = Error::usage("what the retried job had left is forgotten (`keep_days`)");
        return Err(forgotten.hint("write the records again"));
    }
    make_input(data, &connection, job, found.as_ref())?;
    Ok(found)
}

/// Makes the input of `job`, which retries what `run` has left, if there was one; once, also where a
/// service was killed that had made it.
fn make_input(
    data: &Path,
    connection: &Connection,
    job: &Job,
    run: Option<&Run>,
) -> Result<(), Error> {
    let own = input::path(data, &job.uuid);
    let left = job.retries.as_deref().map(|before| input::path(data, before));
    let left = left.filter(|path| path.exists());
    if !own.exists() {
        results::write_file(&own, "input of a retry", |out| {
            let mut settled = Vec::new();
            if let Some(run) = run {
                results::write_rejects(out, connection, run.id)?;
                settled = report::settled(connection, run.id)?;
            }
            if let Some(left) = &left {
                input::write_rest(out, File::open(left)?, &settled)?;
            }
            Ok(out.flush()?)
        })?;
    }
    // From here on it is this job's to write.
    left.map_or(Ok(()), std::fs::remove_file).map_err(|error| {
        Error::ours(format!("the input of job `{}` cannot be taken over", job.uuid))
            .caused_by(error)
    })
}
