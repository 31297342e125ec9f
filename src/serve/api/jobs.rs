//! Jobs: queued, listed, ended, tried again.

use std::sync::Arc;

use axum::http::StatusCode;

use crate::serve::Service;
use crate::serve::auth::Caller;
use crate::serve::input::{self, NAME_CHARS, Records};
use crate::serve::lane::LaneName;
use crate::serve::live::{LAST_RECORDS, Live};
use crate::serve::problem::Problem;
use crate::serve::queue::{Job, NewJob, Queued, RequestKey, Source, State};
use crate::serve::retry::has_any;
use crate::serve::taps::tap_of;
use crate::serve::taps::timer::job_name;
use crate::summary::Counts;

/// What the name of a retry begins with.
const RETRY_OF: &str = "retry of ";
/// Seconds after which a full queue may have room.
const FULL_SECS: u64 = 30;

/// Queues a job for records, which the request has under this name. When this returns, it will run.
///
/// # Errors
/// 404 for a lane that is not, 409 for a key that was given to another request, 422 for what is no
/// record, 429 when the queue is full.
pub(super) async fn queue(
    service: &Arc<Service>,
    lane: LaneName,
    name: Option<String>,
    (named, records): (&str, &Records<'_>),
    key: Option<RequestKey>,
) -> Result<Job, Problem> {
    service.tenants.check(&lane)?;
    let count = input::check(records, named)?;
    let name = named_or(name, || default_name(&lane))?;
    let job = NewJob::new(lane, Source::Api, name);
    // In place, so that the runtime's other work goes on.
    let written =
        tokio::task::block_in_place(|| input::write(&service.config.data, &job.uuid, records));
    if let Err(error) = written {
        input::remove(&service.config.data, &job.uuid);
        tracing::error!(%error, "The records of a request could not be kept.");
        let detail = "the records could not be kept; nothing was accepted";
        return Err(Problem::unavailable(detail, FULL_SECS));
    }
    let job = NewJob { records: Some(count), ..job };
    service.whole(push(Arc::clone(service), job, key)).await
}

/// Queues a job for what a tap brings.
///
/// # Errors
/// 404 for a lane or a tap that is not, 422 for a tap of another connector; those of [`queue`].
pub(super) async fn queue_tap(
    service: &Arc<Service>,
    lane: LaneName,
    name: Option<String>,
    tap: String,
    key: Option<RequestKey>,
) -> Result<Job, Problem> {
    service.tenants.check(&lane)?;
    tap_of(&service.config, &lane, &tap)?;
    let name = named_or(name, || job_name(&lane, &tap, chrono::Utc::now()))?;
    let job = NewJob { tap: Some(tap), ..NewJob::new(lane, Source::Tap, name) };
    service.whole(push(Arc::clone(service), job, key)).await
}

/// The name that a job was given, or its own.
fn named_or(name: Option<String>, own: impl FnOnce() -> String) -> Result<String, Problem> {
    match name.filter(|name| !name.is_empty()) {
        Some(name) => input::check_name("the job's name", &name).map(|()| name),
        None => Ok(own()),
    }
}

fn default_name(lane: &LaneName) -> String {
    let now = chrono::Utc::now().format("%Y%m%d-%H%M%S");
    format!("{}-{}-{now}", lane.flow, lane.connector)
}

/// Puts a job into the queue and has it run. Not to be dropped on its way: see [`Service::whole`].
async fn push(service: Arc<Service>, job: NewJob, key: Option<RequestKey>) -> Result<Job, Problem> {
    let uuid = job.uuid.clone();
    let queued = service.queue.push(job, key, service.config.max_queued_jobs).await;
    if !matches!(queued, Ok(Queued::New)) {
        input::remove(&service.config.data, &uuid);
    }
    match queued? {
        Queued::New => {
            let job = found(&service, &uuid)?;
            service.runner.fill([job.clone()]);
            Ok(job)
        }
        Queued::Before(uuid) => found(&service, &uuid),
        Queued::OtherRequest => {
            Err(Problem::conflict("the `Idempotency-Key` was given to another request before"))
        }
        Queued::Full => {
            let most = service.config.max_queued_jobs;
            let detail = format!("{most} jobs wait, and no more may");
            Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(FULL_SECS))
        }
    }
}

fn found(service: &Service, uuid: &str) -> Result<Job, Problem> {
    let job = service.queue.find(uuid)?;
    job.ok_or_else(|| Problem::not_found(format!("there is no job `{uuid}`")))
}

/// A job that the caller may see.
///
/// # Errors
/// 404: another one's job is none.
pub(in crate::serve) fn visible(
    service: &Service,
    caller: &Caller,
    uuid: &str,
) -> Result<Job, Problem> {
    let job = found(service, uuid)?;
    let is_own = caller.tenant().is_none_or(|(environment, tenant)| {
        job.lane.environment == environment && job.lane.tenant == tenant
    });
    if is_own { Ok(job) } else { Err(Problem::not_found(format!("there is no job `{uuid}`"))) }
}

/// Ends a job: one that waits at once, one that runs after what is on its way.
///
/// # Errors
/// 409 for one that has ended, 503 for the moment between two of its steps.
pub(in crate::serve) async fn cancel(service: &Arc<Service>, job: &Job) -> Result<Job, Problem> {
    if let Some(live) = live(service, job) {
        service.tasks.spawn(live.end(LAST_RECORDS));
        return found(service, &job.uuid);
    }
    if let Some(waiting) = service.runner.remove(&job.uuid) {
        let own = Arc::clone(service);
        let cancelling = async move {
            let cancelled = own.queue.cancel(&waiting.uuid).await;
            if cancelled.is_err() {
                own.runner.fill([waiting]);
            }
            Ok(cancelled?)
        };
        service.whole(cancelling).await?;
        return found(service, &job.uuid);
    }
    // It is on disk first: a kill does not bring the job back.
    service.queue.cancel_running(&job.uuid).await?;
    let is_stopped = service.runner.stop(&job.uuid);
    let now = found(service, &job.uuid)?;
    match now.state {
        _ if is_stopped => Ok(now),
        State::Queued | State::Running => {
            Err(Problem::unavailable("the job is about to be queued, or to end", 1))
        }
        state => Err(Problem::conflict(format!("the job has ended: it is `{}`", state.as_str()))),
    }
}

/// The records of a job by what became of them: at its end, or as far as it is.
pub(in crate::serve) fn counts(service: &Service, job: &Job) -> Option<Counts> {
    let brief = job.brief.as_ref().map(|brief| brief.proof.clone());
    brief.or_else(|| service.progress.counts(&job.uuid))
}

/// Whether a job that has begun is about to end, as it was asked to.
pub(in crate::serve) fn is_ending(service: &Service, job: &Job) -> bool {
    let is_closed = || live(service, job).is_some_and(|live| !live.is_open());
    !job.state.is_end() && (service.runner.is_ending(&job.uuid) || is_closed())
}

/// The job as it takes records, where it is one that does and has not ended.
fn live(service: &Service, job: &Job) -> Option<Arc<Live>> {
    let lane = service.lanes.find(&job.lane).filter(|_| job.source == Source::Live)?;
    lane.live().filter(|live| live.uuid == job.uuid && !live.is_over())
}

/// Queues a job for what another one did not write; one that does so already is that job.
///
/// # Errors
/// 409 for one that has not ended; those of [`queue`].
pub(in crate::serve) async fn retry(service: &Arc<Service>, job: &Job) -> Result<Job, Problem> {
    if !job.state.is_end() {
        let detail = format!("the job has not ended: it is `{}`", job.state.as_str());
        return Err(Problem::conflict(detail).hint("cancel it, or wait for its end"));
    }
    if let Some(open) = service.queue.open_retry(&job.uuid)? {
        return Ok(open);
    }
    if !has_any(&service.config.data, job) {
        let detail = format!("the job has nothing to retry: it is `{}`", job.state.as_str());
        return Err(Problem::conflict(detail).hint(match job.source {
            Source::Tap => "what its tap has not brought comes with the tap's next job",
            _ => "what it left is written, or another retry has it; what was mended is a new job, or request",
        }));
    }
    // One of a retry has the name of what was tried first.
    let first = job.name.trim_start_matches(RETRY_OF);
    let name: String = format!("{RETRY_OF}{first}").chars().take(NAME_CHARS).collect();
    let again = NewJob {
        retries: Some(job.uuid.clone()),
        ..NewJob::new(job.lane.clone(), Source::Retry, name)
    };
    service.whole(push(Arc::clone(service), again, None)).await
}

/// Rows of one answer.
pub(super) fn most(asked: Option<u32>) -> Result<u32, Problem> {
    match asked.unwrap_or(100) {
        count @ 1..=1000 => Ok(count),
        count => Err(Problem::bad(format!("{count} rows cannot be had at once: it is 1 to 1000"))),
    }
}
