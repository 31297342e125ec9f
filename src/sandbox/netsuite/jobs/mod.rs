//! Jobs: calls that ask for it with `Prefer: respond-async`, and all calls for many records. Each
//! record is a task of its own; they are done one after the other, in no order, and none undoes
//! another.
//!
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/chapter_161251386312.html>,
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/article_0127092747.html>
//!
//! - [`routes`]: what became of them, under `/services/rest/async/v1`.

mod routes;

use std::fmt;
use std::time::{Duration, Instant};

use chrono::{SecondsFormat, Utc};
use hyper::StatusCode;
use hyper::header::{HeaderName, LOCATION};

use super::problem::Problem;
use super::{base, writing};
use crate::sandbox::faults::Faults;
use crate::sandbox::remote::{Answer, Plan, Request};
use crate::sandbox::world::World;

pub(super) use self::routes::{job, result, task, tasks};

/// A call that is done later.
#[derive(Debug)]
pub(in super::super) struct Job {
    begin: Instant,
    due: Instant,
    tasks: Vec<Task>,
    /// The tasks that are still to be done, the next one last.
    left: Vec<usize>,
}

/// What a call does when its job has come to it.
pub(super) type Work = Box<dyn FnOnce(&mut World, Instant) -> Answer + Send>;

/// One record of a job, or the whole of a call that reads.
struct Task {
    /// Until it is done.
    work: Option<Work>,
    /// What the call would have been answered, and when.
    done: Option<(Answer, String)>,
    begun: String,
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("done", &self.done).finish_non_exhaustive()
    }
}

impl Job {
    fn is_completed(&self) -> bool {
        self.left.is_empty()
    }

    fn has_failed(&self) -> bool {
        let done = self.tasks.iter().filter_map(|task| task.done.as_ref());
        done.into_iter().any(|(answer, _)| !answer.status.is_success())
    }
}

/// Whether a call is to be done later.
pub(super) fn is_asked(request: &Request) -> bool {
    let prefer = request.header("prefer").unwrap_or_default();
    prefer.split([',', ';']).any(|part| part.trim().eq_ignore_ascii_case("respond-async"))
}

/// Takes a job on: 202, and where it is.
pub(super) fn submit(request: &Request, faults: &Faults, works: Vec<Work>) -> Result<Plan, Answer> {
    let key = match request.header("x-netsuite-idempotency-key") {
        Some(text) if uuid::Uuid::try_parse(text).is_err() => {
            let detail = "The idempotency key must be a UUID.";
            let problem = Problem::bad("INVALID_HEADER", detail);
            return Err(problem.header("X-NetSuite-Idempotency-Key").into());
        }
        key => key.map(str::to_ascii_lowercase),
    };
    let base = base(request);
    let while_ms = Duration::from_millis(faults.netsuite.job_ms);
    let seed = faults.seed;
    // What is written later is no write of this call.
    Ok(writing(Vec::new(), move |world, now| {
        let preference =
            (HeaderName::from_static("preference-applied"), "respond-async".to_owned());
        let address = |number: u64| format!("{base}/services/rest/async/v1/job/{number}");
        if let Some(number) = key.as_ref().and_then(|key| world.netsuite.keys.get(key)) {
            let detail = "A request with the same idempotency key is already submitted. See the \
                          \"Location\" header for a link to the previously submitted job";
            let problem = Problem::bad("IDEMPOTENCY_ERROR", detail);
            return Err(problem.with(LOCATION, address(*number)).with(preference.0, preference.1));
        }
        let number = world.netsuite.jobs.len() as u64 + 1;
        world.netsuite.keys.extend(key.map(|key| (key, number)));
        let mut left: Vec<usize> = (0..works.len()).collect();
        fastrand::Rng::with_seed(seed ^ number).shuffle(&mut left);
        let begun = timestamp();
        let tasks = works.into_iter().map(|work| Task {
            work: Some(work),
            done: None,
            begun: begun.clone(),
        });
        let job = Job { begin: now, due: now + while_ms, tasks: tasks.collect(), left };
        world.netsuite.jobs.insert(number, job);
        let mut answer = Answer::empty(StatusCode::ACCEPTED);
        answer.headers.extend([preference, (LOCATION, address(number))]);
        Ok(answer)
    }))
}

/// Goes on with the jobs that are under way.
pub(in crate::sandbox) fn settle(world: &mut World, now: Instant) {
    let open = world.netsuite.jobs.iter().filter(|(_, job)| !job.is_completed());
    let numbers: Vec<u64> = open.map(|(number, _)| *number).collect();
    for number in numbers {
        let Some(mut job) = world.netsuite.jobs.remove(&number) else { continue };
        let left_at_most = left_at(&job, now);
        while job.left.len() > left_at_most {
            let Some(task) = job.left.pop().and_then(|at| job.tasks.get_mut(at)) else { break };
            let Some(work) = task.work.take() else { continue };
            task.done = Some((work(world, now), timestamp()));
        }
        world.netsuite.jobs.insert(number, job);
    }
}

/// How many tasks of a job are still to be done at a time. Nothing is done in its first half.
fn left_at(job: &Job, now: Instant) -> usize {
    if now >= job.due {
        return 0;
    }
    let half = (job.due - job.begin) / 2;
    let passed = now.saturating_duration_since(job.begin).saturating_sub(half);
    let mut left = job.tasks.len();
    // The last one is done when the job is due.
    while left > 1 {
        let done = job.tasks.len() - left + 1;
        let share = u32::try_from(done).unwrap_or(u32::MAX);
        let of = u32::try_from(job.tasks.len()).unwrap_or(u32::MAX);
        if passed < half * share / of {
            break;
        }
        left -= 1;
    }
    left
}

fn timestamp() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}
