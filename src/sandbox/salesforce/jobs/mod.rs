//! Bulk jobs: `…/jobs/ingest`. A job is made, its rows are uploaded once, the upload is closed, and
//! what became of the rows is had when the job is complete.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/bulk_api_2_0_ingest.htm>
//!
//! - [`job`]: a job; [`multipart`]: one that comes with its rows; [`table`]: rows as they are read and
//!   told; [`work`]: as they are written; [`results`]: what became of them.

mod job;
mod multipart;
pub(super) mod results;
mod table;
mod work;

use std::time::{Duration, Instant};

use chrono::Utc;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use self::job::{Delimiter, LineEnding, Operation, PREFIX, State};
use self::work::Done;
use super::catalog::{Field, Object};
use super::options::Ending;
use super::problem::Problem;
use super::{body, draft, ids, place, plain, reading, version, writing};
use crate::sandbox::faults::Faults;
use crate::sandbox::remote::{Answer, Plan, Request};
use crate::sandbox::world::World;

pub(super) use self::job::Job;

/// Jobs in one page of a list.
const MAX_LISTED: usize = 1000;
/// How often a batch is tried before its job has failed.
const MAX_RETRIES: u64 = 20;

/// Goes on with the jobs that are under way.
pub(in crate::sandbox) fn settle(world: &mut World, now: Instant) {
    let is_closed = |job: &Job| matches!(job.state, State::Closed { .. });
    let jobs = world.salesforce.jobs.iter().filter(|(_, job)| is_closed(job));
    let numbers: Vec<u64> = jobs.map(|(number, _)| *number).collect();
    for number in numbers {
        let Some(mut job) = world.salesforce.jobs.remove(&number) else { continue };
        go_on(world, &mut job, now);
        world.salesforce.jobs.insert(number, job);
    }
}

/// Writes as many rows as are to be written by now.
fn go_on(world: &mut World, job: &mut Job, now: Instant) {
    let State::Closed { begin, due } = job.state else { return };
    let (half, passed) = ((due - begin) / 2, now.saturating_duration_since(begin));
    let share = if now >= due {
        1.0
    } else {
        passed.saturating_sub(half).as_secs_f64() / half.as_secs_f64().max(f64::MIN_POSITIVE)
    };
    if share <= 0.0 {
        return;
    }
    let work = match job.work.take() {
        Some(work) => Ok(work),
        None => work::begin(world, job, now),
    };
    let Ok(mut work) = work else {
        end(job, State::Failed);
        return;
    };
    let stop = world.faults.salesforce.job_stop.filter(|_| world.salesforce.stops_left > 0);
    let written = job.done.successful.len() + job.done.failed.len();
    let rows = stop.map_or(usize::MAX, |stop| stop.after_rows.saturating_sub(written));
    work.go_on(world, job, share, rows, now);
    let written = job.done.successful.len() + job.done.failed.len();
    if work.is_done() && now >= due {
        end(job, State::Complete);
    } else if work.is_done() {
        job.work = Some(work);
    } else if let Some(stop) = stop.filter(|stop| written >= stop.after_rows) {
        world.salesforce.stops_left -= 1;
        job.done.unprocessed = work.rest();
        match stop.ending {
            Ending::Aborted => end(job, State::Aborted),
            Ending::Failed => {
                job.retries = MAX_RETRIES;
                let error = "InternalServerError : The batch was not processed in time.";
                job.done.error = Some(error.to_owned());
                end(job, State::Failed);
            }
        }
    } else {
        job.work = Some(work);
    }
}

fn end(job: &mut Job, state: State) {
    job.state = state;
    job.data = None;
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToCreate {
    object: String,
    operation: Operation,
    external_id_field_name: Option<String>,
    content_type: Option<String>,
    #[serde(default)]
    line_ending: LineEnding,
    #[serde(default)]
    column_delimiter: Delimiter,
}

/// `POST …/jobs/ingest`: alone, or with its rows, and then it is closed as well.
pub(super) fn create(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    let version = version(request)?;
    let (to_create, data) = read(request)?;
    if to_create.content_type.is_some_and(|kind| kind != "CSV") {
        return Err(Problem::bad("INVALIDJOB", "Unsupported content type").into());
    }
    let object = Object::find(&to_create.object).ok_or_else(|| {
        let message = format!("Entity '{}' is not supported by the Bulk API.", to_create.object);
        Problem::bad("INVALIDENTITY", message)
    })?;
    let allows_duplicates = super::allows_duplicates(request);
    let while_ms = Duration::from_millis(faults.salesforce.job_ms);
    Ok(reading(move |world, now| {
        let object = world.salesforce.org.now(object);
        let state = match data {
            Some(_) => State::Closed { begin: now, due: now + while_ms },
            None => State::Open,
        };
        let job = Job {
            object,
            operation: to_create.operation,
            key: key(object, to_create.operation, to_create.external_id_field_name.as_deref())?,
            line_ending: to_create.line_ending,
            delimiter: to_create.column_delimiter,
            allows_duplicates,
            version,
            created: draft::shown(Utc::now()),
            state,
            uploads: u64::from(data.is_some()),
            data,
            retries: 0,
            work: None,
            done: Done::default(),
        };
        let number = world.salesforce.number();
        let told = job.told(number, now);
        world.salesforce.jobs.insert(number, job);
        Ok(Answer::json(StatusCode::OK, told.to_string()))
    }))
}

/// What a job is to be, and its rows if they come with it.
fn read(request: &Request) -> Result<(ToCreate, Option<String>), Problem> {
    let kind = request.header("content-type").unwrap_or_default();
    let Some(boundary) = multipart::boundary(kind) else { return Ok((body(request)?, None)) };
    let bytes = plain(request)?;
    let Some(parts) = multipart::read(&bytes, boundary) else {
        return Err(Problem::bad("INVALIDJOB", "The parts `job` and `content` are needed"));
    };
    let job =
        serde_json::from_slice(parts.job).map_err(|error| Problem::json(error.to_string()))?;
    let content = String::from_utf8_lossy(parts.content).into_owned();
    if content.chars().count() > multipart::MAX_CHARACTERS {
        let message = format!("The content has more than {} characters", multipart::MAX_CHARACTERS);
        return Err(Problem::bad("INVALIDJOB", message));
    }
    Ok((job, Some(content)))
}

/// By what an upsert knows its records.
fn key(
    object: &'static Object,
    operation: Operation,
    name: Option<&str>,
) -> Result<Option<&'static Field>, Problem> {
    if operation != Operation::Upsert {
        return Ok(None);
    }
    let Some(name) = name else {
        let message = "InvalidJob : External ID was not found for upsert operation";
        return Err(Problem::bad("INVALIDJOB", message));
    };
    let key = object.field(name).filter(|field| field.is_key());
    let not_found = || Problem::bad("INVALIDJOB", format!("Field name not found : {name}"));
    key.map(Some).ok_or_else(not_found)
}

/// `PUT …/jobs/ingest/{job}/batches`: 201. A second upload is taken as well, but the job cannot be
/// closed any more.
/// <https://salesforce.stackexchange.com/questions/231917/providing-multiple-batches-to-the-bulk-api-2-0>
pub(super) fn upload(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    let number = number(request)?;
    let kind = request.header("content-type").unwrap_or_default().to_ascii_lowercase();
    if !kind.starts_with("text/csv") {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let message = format!("Content type {kind} not supported.");
        return Err(Problem::new(status, "UNSUPPORTED_MEDIA_TYPE", message).into());
    }
    let bytes = plain(request)?;
    let most = faults.salesforce.job_bytes;
    if bytes.len() > most {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        let message = format!("the upload of {} bytes is over the limit of {most}", bytes.len());
        return Err(Problem::new(status, "REQUEST_ENTITY_TOO_LARGE", message).into());
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(writing(Vec::new(), move |world, now| {
        let job = world.salesforce.jobs.get_mut(&number).ok_or_else(Problem::no_resource)?;
        if job.state != State::Open {
            let message = format!("A job in the state {} takes no data", job.state(now));
            return Err(Problem::bad("INVALIDJOBSTATE", message).into());
        }
        job.uploads += 1;
        job.data.get_or_insert(text);
        Ok(Answer::empty(StatusCode::CREATED))
    }))
}

#[derive(Deserialize)]
struct ToChange {
    state: String,
}

/// `PATCH …/jobs/ingest/{job}`: closes an upload, or aborts a job; what is written stays so.
pub(super) fn change(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    let number = number(request)?;
    let ToChange { state } = body(request)?;
    let while_ms = Duration::from_millis(faults.salesforce.job_ms);
    Ok(reading(move |world, now| {
        let job = world.salesforce.jobs.get_mut(&number).ok_or_else(Problem::no_resource)?;
        match (state.as_str(), job.state) {
            ("UploadComplete", State::Open) if job.uploads > 1 => {
                let id = ids::long(PREFIX, number);
                let message = format!(
                    "Found multipe contents for job: <{id}>, please 'Close' / 'Abort' / 'Delete' the \
                     current Job then create a new Job and make sure you only do 'PUT' once on a \
                     given Job."
                );
                return Err(Problem::bad("INVALIDJOB", message).into());
            }
            ("UploadComplete", State::Open) => {
                job.state = State::Closed { begin: now, due: now + while_ms };
            }
            ("Aborted", State::Open | State::Closed { .. }) => {
                if let Some(work) = job.work.take() {
                    job.done.unprocessed = work.rest();
                } else {
                    let table = table::read(job);
                    job.done.columns = table.columns;
                    job.done.unprocessed = table.rows;
                }
                end(job, State::Aborted);
            }
            ("UploadComplete", _) => {
                let message = "Closing already Completed Job not allowed";
                return Err(Problem::bad("INVALIDJOBSTATE", message).into());
            }
            ("Aborted", _) => {
                let message = "Aborting already Completed Job not allowed";
                return Err(Problem::bad("INVALIDJOBSTATE", message).into());
            }
            _ => {
                let message = format!("A job cannot be put into the state {state}");
                return Err(Problem::bad("INVALIDJOBSTATE", message).into());
            }
        }
        Ok(Answer::json(StatusCode::OK, job.told(number, now).to_string()))
    }))
}

/// `GET …/jobs/ingest/{job}`
pub(super) fn get(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let number = number(request)?;
    Ok(reading(move |world, now| {
        let job = world.salesforce.jobs.get(&number).ok_or_else(Problem::no_resource)?;
        Ok(Answer::json(StatusCode::OK, job.told_whole(number, now).to_string()))
    }))
}

/// `GET …/jobs/ingest?jobType=&isPkChunkingEnabled=&queryLocator=`
pub(super) fn list(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    let version = version(request)?;
    let is_own = request.parameter("jobType").is_none_or(|kind| kind == "V2Ingest")
        && request.parameter("isPkChunkingEnabled").is_none_or(|text| text != "true");
    let locator = request.parameter("queryLocator");
    let from = locator.map(|locator| ids::number(PREFIX, &locator));
    let most = faults.salesforce.page_rows.clamp(1, MAX_LISTED);
    Ok(reading(move |world, now| {
        let no_locator = || Problem::bad("INVALID_QUERY_LOCATOR", "invalid query locator");
        let from = from.map(|from| from.ok_or_else(no_locator)).transpose()?.unwrap_or(0);
        let mut jobs = world.salesforce.jobs.range(from..).filter(|_| is_own);
        let page = jobs.by_ref().take(most);
        let records: Vec<Value> = page.map(|(number, job)| job.told(*number, now)).collect();
        let next = jobs.next().map(|(number, _)| {
            let locator = ids::long(PREFIX, *number);
            format!("/services/data/v{version}/jobs/ingest?queryLocator={locator}")
        });
        let told = json!({"done": next.is_none(), "records": records, "nextRecordsUrl": next});
        Ok(Answer::json(StatusCode::OK, told.to_string()))
    }))
}

/// `DELETE …/jobs/ingest/{job}`: 204, unless it is open or under way.
/// <https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/delete_job.htm>
pub(super) fn delete(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let number = number(request)?;
    Ok(reading(move |world, now| {
        let job = world.salesforce.jobs.get(&number).ok_or_else(Problem::no_resource)?;
        if matches!(job.state(now), "Open" | "InProgress") {
            let message = format!("A job in the state {} cannot be deleted", job.state(now));
            return Err(Problem::bad("INVALIDJOBSTATE", message).into());
        }
        world.salesforce.jobs.remove(&number);
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }))
}

/// The number of the job of a path.
fn number(request: &Request) -> Result<u64, Problem> {
    ids::number(PREFIX, &place(request, 1)?).ok_or_else(Problem::no_resource)
}
