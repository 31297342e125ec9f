//! What became of jobs: how far each has come, its tasks, and what each task was answered.
//!
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/subsect_161278579295.html>,
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/subsect_161252896355.html>

use hyper::StatusCode;
use serde_json::{Value, json};

use super::super::problem::Problem;
use super::super::{base, held, reading};
use super::{Job, Task};
use crate::sandbox::faults::Faults;
use crate::sandbox::remote::{Answer, Plan, Request};
use crate::sandbox::world::World;

/// `GET /async/v1/job/{job}`
pub(in super::super) fn job(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (number, base) = (number(request, 0)?, base(request));
    Ok(reading(move |world, _| {
        let job = find(world, number)?;
        let own = format!("{base}/services/rest/async/v1/job/{number}");
        let progress = match (job.is_completed(), job.has_failed()) {
            (true, false) => "succeeded",
            (true, true) => "failed",
            (false, _) if job.left.len() < job.tasks.len() => "processing",
            (false, _) => "pending",
        };
        let mut told = json!({
            "links": links("self", &own),
            "completed": job.is_completed(),
            "id": number.to_string(),
            "progress": progress,
            "task": {"links": links("self", &format!("{own}/task"))},
        });
        if let Some(task) = job.tasks.first().filter(|_| progress != "pending") {
            told["startTime"] = task.begun.clone().into();
        }
        let ends = job.tasks.iter().filter_map(|task| Some(&task.done.as_ref()?.1));
        if let Some(end) = ends.max().filter(|_| job.is_completed()) {
            told["endTime"] = end.clone().into();
        }
        Ok(Answer::json(StatusCode::OK, told.to_string()))
    }))
}

/// `GET /async/v1/job/{job}/task`
pub(in super::super) fn tasks(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (number, base) = (number(request, 0)?, base(request));
    Ok(reading(move |world, _| {
        let job = find(world, number)?;
        let own = format!("{base}/services/rest/async/v1/job/{number}/task");
        let items: Vec<Value> = (1..=job.tasks.len())
            .map(|task| {
                json!({"links": links("self", &format!("{own}/{task}")), "id": task.to_string()})
            })
            .collect();
        let count = items.len();
        let told = json!({"links": links("self", &own), "items": items, "totalResults": count});
        Ok(Answer::json(StatusCode::OK, told.to_string()))
    }))
}

/// `GET /async/v1/job/{job}/task/{task}`
pub(in super::super) fn task(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (job, task, base) = (number(request, 0)?, number(request, 1)?, base(request));
    Ok(reading(move |world, _| {
        let Task { done, begun, .. } = find_task(world, job, task)?;
        let own = format!("{base}/services/rest/async/v1/job/{job}/task/{task}");
        let mut told = json!({
            "links": links("self", &own),
            "completed": done.is_some(),
            "id": task.to_string(),
            "progress": "pending",
        });
        if let Some((answer, end)) = done {
            let related = json!({"rel": "related", "href": format!("{own}/result")});
            told["links"] = json!([related, told["links"][0]]);
            let has_succeeded = answer.status.is_success();
            told["progress"] = if has_succeeded { "succeeded" } else { "failed" }.into();
            told["startTime"] = begun.clone().into();
            told["endTime"] = end.clone().into();
        }
        Ok(Answer::json(StatusCode::OK, told.to_string()))
    }))
}

/// `GET /async/v1/job/{job}/task/{task}/result`: what the call would have been answered.
pub(in super::super) fn result(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (job, task) = (number(request, 0)?, number(request, 1)?);
    Ok(reading(move |world, _| {
        let done = find_task(world, job, task)?.done.as_ref();
        done.map(|(answer, _)| answer.clone()).ok_or_else(|| {
            let detail = "The task is not completed. Its result does not exist.";
            Problem::new(StatusCode::NOT_FOUND, "NONEXISTENT_ID", detail)
        })
    }))
}

fn links(rel: &str, address: &str) -> Value {
    json!([{"rel": rel, "href": address}])
}

fn number(request: &Request, place: usize) -> Result<u64, Problem> {
    request.place(place).ok().and_then(held::id).ok_or_else(Problem::no_record)
}

fn find(world: &World, number: u64) -> Result<&Job, Problem> {
    world.netsuite.jobs.get(&number).ok_or_else(Problem::no_record)
}

fn find_task(world: &World, job: u64, task: u64) -> Result<&Task, Problem> {
    let at = usize::try_from(task).ok().and_then(|task| task.checked_sub(1));
    at.and_then(|at| find(world, job).ok()?.tasks.get(at)).ok_or_else(Problem::no_record)
}
