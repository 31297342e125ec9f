//! A record that is written at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::body;
use crate::json::fields::Fields;
use crate::serve::Service;
use crate::serve::lane::{Lane, LaneName};
use crate::serve::live::{Live, NotSent};
use crate::serve::problem::Problem;
use crate::serve::queue::RequestKey;
use crate::state::line;
use crate::store::tasks::{self, Task};
use crate::store::{open_for_reading, report, unreadable};

/// How often the outcome of a request that came before is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// A record that is to be written at once.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct NewRecord<'a> {
    /// The record: a JSON object.
    #[serde(borrow)]
    #[schema(value_type = Object)]
    data: &'a RawValue,
    /// Answer before it is written; the outcome is asked for with the task's id.
    #[serde(default, rename = "async")]
    is_async: bool,
}

/// A record that somebody wants written.
struct Wanted<'a> {
    lane: LaneName,
    stream: &'a str,
    record: &'a RawValue,
    /// Nobody waits for the outcome.
    is_async: bool,
    key: Option<RequestKey>,
}

/// What is told of a task.
pub(super) struct Told {
    pub(super) task: String,
    /// The job that writes it, as the lane's store knows it.
    pub(super) job: String,
    /// Its bookmark and its counts, as JSON; `None` where it has not come to its end.
    pub(super) state: Option<Box<RawValue>>,
}

impl Told {
    /// The status of the answer to who has brought the record.
    pub(super) fn status(&self) -> StatusCode {
        if self.state.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED }
    }
}

/// Writes the record of a request.
pub(super) async fn write_in(
    service: &Arc<Service>,
    lane: LaneName,
    stream: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Told, Problem> {
    let config = &service.config;
    let bytes = body::read(body, config.max_record_bytes, config.request_secs.duration()).await?;
    let asked: NewRecord<'_> = body::parse(&bytes)?;
    let key = body::key(headers)?.map(|key| RequestKey {
        key,
        fingerprint: body::fingerprint(&[
            b"record",
            stream.as_bytes(),
            asked.data.get().as_bytes(),
        ]),
    });
    let wanted = Wanted { lane, stream, record: asked.data, is_async: asked.is_async, key };
    write(service, wanted).await
}

/// Writes a record, and waits for its outcome as long as the deadline allows.
///
/// # Errors
/// 409 for a key that was given to another request, 422 for what is no record, 502 where the job that
/// was to write it could not.
async fn write(service: &Arc<Service>, wanted: Wanted<'_>) -> Result<Told, Problem> {
    if let Err(error) = Fields::of_text(wanted.record.get()) {
        return Err(Problem::unprocessable(format!("`data` is no record: {error}"))
            .hint("a record is a JSON object"));
    }
    let lane = service.lanes.get(service, &wanted.lane).await?;
    let began = Instant::now();
    let mut is_sure = wanted.is_async || wanted.key.is_some();
    if let Some(key) = &wanted.key
        && let Some(task) = lane.store().task_of_key(&key.key)?
    {
        return again(service, &lane, &task, key).await;
    }
    let id = uuid::Uuid::now_v7().to_string();
    let (live, settled, task) = loop {
        let live = live(service, &lane).await?;
        let keep = |position| {
            let task = Task {
                id: id.clone(),
                key: wanted.key.as_ref().map(|key| key.key.clone()),
                fingerprint: wanted.key.as_ref().map_or([0; 32], |key| key.fingerprint),
                job: live.job,
                position,
                stream: wanted.stream.to_owned(),
                record: wanted.record.get().to_owned(),
            };
            // What is given to the store before the record leaves is on disk before any call for it.
            let kept = if is_sure { Some(lane.store().keep_task(task.clone())?) } else { None };
            Some((task, kept))
        };
        match live.send(wanted.stream, wanted.record, keep) {
            Ok((settled, (task, kept))) => {
                if let Some(kept) = kept {
                    kept.await?;
                }
                break (live, settled, task);
            }
            Err(NotSent::Closed) => {}
            Err(NotSent::NotKept) => return Err(busy()),
        }
    };
    if wanted.is_async {
        return Ok(Told { task: id, job: live.uuid.clone(), state: None });
    }
    let deadline = service.config.deadline_secs.duration();
    if tokio::time::timeout(deadline, settled).await.is_err() && !is_sure {
        // It goes on, and can be asked for, also after the service has ended.
        lane.store().keep_task(task.clone()).ok_or_else(busy)?.await?;
        is_sure = true;
    }
    let told = tell(&lane, &task, &live.uuid)?;
    lane.meter.answered(began.elapsed(), told.state.is_some());
    if told.state.is_none() && live.is_over() {
        return Err(lost(service, &live, is_sure));
    }
    Ok(told)
}

/// Too much waits to be written.
fn busy() -> Problem {
    let detail = "too many records wait to be written";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(1)
}

/// A request that came before: its outcome, or the wait for it.
async fn again(
    service: &Service,
    lane: &Lane,
    task: &Task,
    key: &RequestKey,
) -> Result<Told, Problem> {
    if task.fingerprint != key.fingerprint {
        let detail = "the `Idempotency-Key` was given to another request before";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let until = tokio::time::Instant::now() + service.config.deadline_secs.duration();
    loop {
        let told = told(lane, task)?;
        if told.state.is_some() || tokio::time::Instant::now() >= until {
            return Ok(told);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What is known of a task.
///
/// # Errors
/// What the store says.
pub(super) fn told(lane: &Lane, task: &Task) -> Result<Told, Problem> {
    let run = lane.store().read(|connection| crate::store::jobs::uuid(connection, task.job))?;
    tell(lane, task, &run.unwrap_or_default())
}

/// The task of this id, in whichever lane of the tenant's it is.
///
/// # Errors
/// 404 where there is none.
pub(super) async fn find(
    service: &Service,
    environment: &str,
    flow: &str,
    tenant: &str,
    id: &str,
) -> Result<Told, Problem> {
    let names = service.tenants.lanes_of(environment, tenant).into_iter();
    for name in names.filter(|name| name.flow == flow) {
        // One that nobody has opened yet may be of before the service was started.
        if service.lanes.find(&name).is_none() && !name.store(&service.config.data).exists() {
            continue;
        }
        let lane = service.lanes.get(service, &name).await?;
        if let Some(task) = lane.store().task(id)? {
            return told(&lane, &task);
        }
    }
    Err(Problem::not_found(format!("there is no task `{id}`")))
}

fn tell(lane: &Lane, task: &Task, job: &str) -> Result<Told, Problem> {
    let state = lane.store().read(|connection| {
        report::one(connection, task.job, &task.stream, task.position, |row| {
            let mut text = Vec::new();
            // Nothing fails that is written into memory.
            drop(line::write_one(&mut text, &row));
            String::from_utf8(text).ok().and_then(|text| RawValue::from_string(text).ok())
        })
    })?;
    Ok(Told { task: task.id.clone(), job: job.to_owned(), state: state.flatten() })
}

/// The job of a record has ended without an outcome for it.
fn lost(service: &Service, live: &Live, is_kept: bool) -> Problem {
    let job = service.queue.find(&live.uuid).ok().flatten();
    let why = job.and_then(|job| job.message).unwrap_or_else(|| "the job has ended".to_owned());
    let problem = Problem::new(StatusCode::BAD_GATEWAY, why).retry_after(5);
    if is_kept { problem.hint("it is tried again when the service starts") } else { problem }
}

/// Writes what a killed service has accepted and not written.
pub(in crate::serve) async fn take_up(service: &Arc<Service>) {
    for name in service.tenants.lanes() {
        if let Err(problem) = take_up_in(service, &name).await {
            tracing::error!(
                "{name}: records that were accepted are not written before the next request: {}",
                problem.detail()
            );
        }
    }
}

async fn take_up_in(service: &Arc<Service>, name: &LaneName) -> Result<(), Problem> {
    let store = name.store(&service.config.data);
    if !store.exists() {
        return Ok(());
    }
    let open = tasks::open(&open_for_reading(&store)?).map_err(unreadable)?;
    if !open.is_empty() {
        let lane = service.lanes.get(service, name).await?;
        live(service, &lane).await?;
    }
    Ok(())
}

/// How long a request is known by its key.
pub(in crate::serve) const KEY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// The lane's job that is open for records; another one where there is none, which writes first what
/// the one before it was given and has not written.
async fn live(service: &Arc<Service>, lane: &Arc<Lane>) -> Result<Arc<Live>, Problem> {
    let mut open = lane.live.lock().await;
    if let Some(live) = open.as_ref().filter(|live| live.is_open()) {
        return Ok(Arc::clone(live));
    }
    if service.stop.is_cancelled() {
        let detail = "the service is about to end";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(5));
    }
    if let Some(before) = open.take() {
        // What it has written last is known when it has ended.
        before.over().await;
    }
    lane.store().forget_tasks(KEY_MILLIS).await?;
    let live = Live::start(service, lane).await?;
    for task in lane.store().read(tasks::open)? {
        let Ok(record) = RawValue::from_string(task.record.clone()) else { continue };
        let keep = |position| {
            let task = Task { job: live.job, position, ..task.clone() };
            lane.store().keep_task(task)
        };
        match live.send(&task.stream, &record, keep) {
            Ok((_, kept)) => kept.await?,
            Err(_) => break,
        }
    }
    *open = Some(Arc::clone(&live));
    Ok(live)
}
