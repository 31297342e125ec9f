//! Runs what waits in the queue: some jobs at once, each tenant in turn, and the jobs of a lane one
//! after another.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::Service;
use super::input;
use super::lane::{LaneName, job_span};
use super::problem::Problem;
use super::queue::{Ended, Job, Source, State};
use super::run::{self, Concluded};
use super::{lock, retry, taps};
use crate::error::Error;
use crate::job::walk::Input;
use crate::store::jobs::Status;

/// Jobs that wait and jobs that run.
#[derive(Debug)]
pub(super) struct Runner {
    state: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug)]
struct Waiting {
    /// By tenant, in the order in which their turns come.
    tenants: VecDeque<((String, String), VecDeque<Job>)>,
    running: HashMap<String, CancellationToken>,
    busy: HashSet<LaneName>,
    most: usize,
}

impl Runner {
    /// Runs `most` jobs at once.
    pub(super) fn new(most: usize) -> Self {
        let state = Waiting {
            tenants: VecDeque::new(),
            running: HashMap::new(),
            busy: HashSet::new(),
            most,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.state)
    }

    /// Takes in jobs, in the order in which they came.
    pub(super) fn fill(&self, jobs: impl IntoIterator<Item = Job>) {
        let mut state = self.lock();
        for job in jobs {
            let tenant = (job.lane.environment.clone(), job.lane.tenant.clone());
            match state.tenants.iter_mut().find(|(of, _)| *of == tenant) {
                Some((_, jobs)) => {
                    // One that was taken out may come back.
                    let place = jobs.partition_point(|other| other.number <= job.number);
                    jobs.insert(place, job);
                }
                None => state.tenants.push_back((tenant, VecDeque::from([job]))),
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Takes a job out that has not begun, if there is one.
    pub(super) fn remove(&self, uuid: &str) -> Option<Job> {
        let mut state = self.lock();
        state.tenants.iter_mut().find_map(|(_, jobs)| {
            let place = jobs.iter().position(|job| job.uuid == uuid)?;
            jobs.remove(place)
        })
    }

    /// Ends a job that runs. Whether there is one.
    pub(super) fn stop(&self, uuid: &str) -> bool {
        let state = self.lock();
        let stop = state.running.get(uuid);
        if let Some(stop) = stop {
            stop.cancel();
        }
        stop.is_some()
    }

    /// Whether a job runs that is to end.
    pub(super) fn is_ending(&self, uuid: &str) -> bool {
        self.lock().running.get(uuid).is_some_and(CancellationToken::is_cancelled)
    }

    /// Ends all jobs that run.
    pub(super) fn stop_all(&self) {
        for stop in self.lock().running.values() {
            stop.cancel();
        }
    }

    /// The next job, with what ends it: of the tenant that has waited longest, the oldest whose lane is
    /// free.
    fn next(&self) -> Option<(Job, CancellationToken)> {
        let mut state = self.lock();
        if state.running.len() >= state.most {
            return None;
        }
        for _ in 0..state.tenants.len() {
            let (tenant, mut jobs) = state.tenants.pop_front()?;
            // Of a lane that is busy, later jobs wait behind the first.
            let place = jobs.iter().position(|job| !state.busy.contains(&job.lane));
            let job = place.and_then(|place| jobs.remove(place));
            if !jobs.is_empty() {
                state.tenants.push_back((tenant, jobs));
            }
            if let Some(job) = job {
                let stop = CancellationToken::new();
                state.running.insert(job.uuid.clone(), stop.clone());
                state.busy.insert(job.lane.clone());
                return Some((job, stop));
            }
        }
        None
    }

    fn ended(&self, job: &Job) {
        let mut state = self.lock();
        state.running.remove(&job.uuid);
        state.busy.remove(&job.lane);
        drop(state);
        self.changed.notify_one();
    }
}

/// Runs jobs until the service is to end.
pub(super) async fn run(service: Arc<Service>) {
    loop {
        while !service.stop.is_cancelled()
            && let Some((job, stop)) = service.runner.next()
        {
            let own = Arc::clone(&service);
            let span = job_span(&job.lane, Some(&job.uuid));
            let running = async move {
                run_one(&own, &job, stop).await;
                own.runner.ended(&job);
            };
            service.tasks.spawn(running.instrument(span));
        }
        tokio::select! {
            () = service.stop.cancelled() => return,
            () = service.runner.changed.notified() => {}
        }
    }
}

async fn run_one(service: &Arc<Service>, job: &Job, stop: CancellationToken) {
    let began = Instant::now();
    let mut is_again = false;
    let ended = loop {
        tracing::info!("A job begins.");
        // It goes on when the service starts again.
        let Some((ended, by_disk)) = end_of(service, job, &stop, is_again).await else { return };
        if ended.state != State::Failed || !by_disk && !service.is_disk_bad().await {
            break ended;
        }
        // It was accepted, and the disk may be full for a moment only: it finds what it has written.
        tracing::error!("The disk cannot be written: the job begins again when it can.");
        if !service.wait_for_disk().await {
            return;
        }
        is_again = true;
    };
    let keeps_input = retry::keeps_input(ended.state, job.source);
    let is_kept = service.end_job(&job.lane, &job.uuid, began.elapsed(), ended).await;
    if is_kept && !keeps_input {
        // What was not written is kept in the lane's store.
        input::remove(&service.config.data, &job.uuid);
    }
}

/// Runs a job; how it has ended, and whether the disk is what failed it. `None`: the service is to end, and
/// the job not to. `is_again`: it began before.
async fn end_of(
    service: &Arc<Service>,
    job: &Job,
    stop: &CancellationToken,
    is_again: bool,
) -> Option<(Ended, bool)> {
    match attempt(service, job, stop.clone()).await {
        Ok(Concluded { summary, .. })
            if summary.status == Status::Stopped && service.stop.is_cancelled() =>
        {
            None
        }
        Ok(Concluded { mut summary, by_disk }) => {
            // What the lane's store knows it by is told as its run.
            summary.job_id.clone_from(&job.uuid);
            let mut ended = Ended::from(&summary);
            let unread = job.records.unwrap_or_default().saturating_sub(summary.proof.counts.read);
            if unread > 0 && retry::keeps_input(ended.state, job.source) {
                let left = format!("{unread} records were not read: a retry writes them");
                ended.message = match ended.state {
                    State::Failed => format!("{}; {left}", ended.message),
                    _ => left,
                };
            }
            Some((ended, by_disk))
        }
        Err(_) if stop.is_cancelled() && service.stop.is_cancelled() => None,
        Err(_) if stop.is_cancelled() => {
            let (state, message) = if is_again {
                (State::Stopped, "it was cancelled")
            } else {
                (State::Cancelled, "it was cancelled before its account was open")
            };
            Some((Ended { state, message: message.to_owned(), summary: None }, false))
        }
        Err(error) => {
            error.tell_beside();
            let message = error.full_message();
            Some((Ended { state: State::Failed, message, summary: None }, error.is_of_disk()))
        }
    }
}

async fn attempt(
    service: &Arc<Service>,
    job: &Job,
    stop: CancellationToken,
) -> Result<Concluded, Error> {
    let lane = tokio::select! {
        opened = service.lanes.get(service, &job.lane) => opened?,
        () = stop.cancelled() => return Err(Problem::conflict("the job was ended").into()),
    };
    let before = job.run.as_deref().map(|run| run::ended_before(&lane, run)).transpose()?;
    if let Some(summary) = before.flatten() {
        return Ok(Concluded { summary, by_disk: false });
    }
    if job.source == Source::Tap {
        return taps::run(service, &lane, job, stop).await;
    }
    let retried = match job.source {
        Source::Retry => tokio::task::block_in_place(|| retry::prepare(service, &lane, job))?,
        _ => None,
    };
    let path = input::path(&service.config.data, &job.uuid);
    let file = File::open(&path).map_err(|error| {
        Error::ours(format!("the input of job `{}` cannot be read", job.uuid)).caused_by(error)
    })?;
    let watch = service.progress.begin(&job.uuid, &lane);
    let input = Input {
        on_progress: watch.on_progress(),
        on_settled: watch.on_settled(),
        ..Input::new(Box::new(file))
    };
    let input = std::future::ready(Ok(input));
    let queue = &service.queue;
    run::run(service, &lane, input, retried.as_ref(), stop, |run| async move {
        queue.begin(&job.uuid, &run).await.map_err(Error::from)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(uuid: &str, tenant: &str, connector: &str) -> Job {
        let own = str::to_owned;
        let lane = LaneName {
            environment: own("dev"),
            flow: own("crm"),
            tenant: own(tenant),
            connector: own(connector),
        };
        Job {
            number: uuid.trim_start_matches(char::is_alphabetic).parse().unwrap(),
            uuid: own(uuid),
            lane,
            source: Source::Api,
            name: String::new(),
            state: State::Queued,
            created_millis: 0,
            started_millis: None,
            updated_millis: 0,
            records: None,
            retries: None,
            run: None,
            message: None,
            summary: None,
            tap: None,
            brief: None,
        }
    }

    fn next(runner: &Runner) -> Option<String> {
        runner.next().map(|(job, _)| job.uuid)
    }

    #[test]
    fn each_tenant_has_its_turn_and_the_jobs_of_a_lane_their_order() {
        let runner = Runner::new(10);
        let many = ["a1", "a2", "a3"].map(|uuid| job(uuid, "a", "hubspot"));
        runner.fill(many);
        runner.fill([
            job("a4", "a", "netsuite"),
            job("b1", "b", "hubspot"),
            job("c1", "c", "hubspot"),
        ]);
        let begun: Vec<_> = std::iter::from_fn(|| next(&runner)).collect();
        assert_eq!(begun, ["a1", "b1", "c1", "a4"]);
        runner.ended(&job("a1", "a", "hubspot"));
        assert!(runner.remove("a1").is_none());
        let [a2, a3] = ["a2", "a3"].map(|uuid| runner.remove(uuid).unwrap());
        // One that comes back has the place that it had.
        runner.fill([a3, a2]);
        assert_eq!(next(&runner).as_deref(), Some("a2"));
        assert_eq!(next(&runner), None);
        assert!(runner.remove("a3").is_some());
        runner.ended(&job("a2", "a", "hubspot"));
        assert_eq!(next(&runner), None);
    }

    #[test]
    fn no_more_run_at_once_than_may() {
        let runner = Runner::new(1);
        runner.fill([job("a1", "a", "hubspot"), job("b1", "b", "hubspot")]);
        assert_eq!(next(&runner).as_deref(), Some("a1"));
        assert_eq!(next(&runner), None);
        assert!(!runner.is_ending("a1"));
        assert!(runner.stop("a1") && !runner.stop("b1"));
        assert!(runner.is_ending("a1") && !runner.is_ending("b1"));
        runner.ended(&job("a1", "a", "hubspot"));
        assert_eq!(next(&runner).as_deref(), Some("b1"));
    }
}
