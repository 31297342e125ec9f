//! A record that is written at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::body;
use crate::json::fields::Fields;
use crate::serve::input::{MOST_FIELDS, check_name};
use crate::serve::lane::{Lane, LaneName};
use crate::serve::live::{Live, NotSent};
use crate::serve::problem::Problem;
use crate::serve::queue::RequestKey;
use crate::serve::{Service, lock};
use crate::state::line;
use crate::store::tasks::{self, Task};
use crate::store::{open_for_reading, report, unreadable};
use crate::text::hash_of;

/// How often the outcome of a request that came before is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// A record that is to be written at once.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRecord<'a> {
    /// The record: a JSON object.
    #[serde(borrow)]
    #[schema(value_type = Object)]
    data: &'a RawValue,
    /// Answer before it is written; the outcome is asked for with the task's id.
    #[serde(default, rename = "async")]
    is_async: bool,
}

/// The same as the platform has it: whatever else its clients send is passed over.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct PlatformRecord<'a> {
    /// The record: a JSON object.
    #[serde(borrow)]
    #[schema(value_type = Object)]
    data: &'a RawValue,
    /// Answer before it is written; the outcome is asked for with the task's id.
    #[serde(default, rename = "async")]
    is_async: bool,
}

impl<'a> From<PlatformRecord<'a>> for NewRecord<'a> {
    fn from(PlatformRecord { data, is_async }: PlatformRecord<'a>) -> Self {
        Self { data, is_async }
    }
}

/// A record that somebody wants written.
struct Wanted {
    lane: LaneName,
    stream: String,
    /// Nobody waits for the outcome.
    is_async: bool,
    key: Option<RequestKey>,
}

/// A record that was sent, or was before.
enum Sent {
    /// By another request with the same key.
    Before(Arc<Lane>, Task),
    New {
        lane: Arc<Lane>,
        live: Arc<Live>,
        task: Task,
        settled: oneshot::Receiver<()>,
    },
}

/// A record that may be sent as long as whoever waits for that has not given up: then it is gone.
struct Chance {
    record: Mutex<Option<Box<RawValue>>>,
    given_up: CancellationToken,
    /// Others wait for what is opened on the way.
    opens: AtomicBool,
}

impl Chance {
    fn new(record: Box<RawValue>) -> Self {
        let record = Mutex::new(Some(record));
        Self { record, given_up: CancellationToken::new(), opens: AtomicBool::default() }
    }

    /// It is sent. `None`: it must not be any more.
    fn take(&self) -> Option<Box<RawValue>> {
        lock(&self.record).take()
    }

    /// It is not to be sent any more. `false`: it was.
    fn give_up(&self) -> bool {
        let had_one = lock(&self.record).take().is_some();
        if had_one {
            self.given_up.cancel();
        }
        had_one
    }

    /// Waits, until it is given up: what others wait for is opened all the same.
    async fn unless_given_up<W: Future>(&self, wait: W) -> Result<W::Output, Problem> {
        let given_up = async {
            self.given_up.cancelled().await;
            if self.opens.load(Ordering::Acquire) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            done = wait => Ok(done),
            () = given_up => Err(late()),
        }
    }
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

/// Writes the record of a request, as `parse` finds it there.
pub(super) async fn write_in(
    service: &Arc<Service>,
    lane: LaneName,
    stream: &str,
    headers: &HeaderMap,
    body: Body,
    parse: impl FnOnce(&[u8]) -> Result<NewRecord<'_>, Problem>,
) -> Result<Told, Problem> {
    let config = &service.config;
    let bytes = body::read(service, body, config.max_record_bytes).await?;
    let asked = parse(&bytes)?;
    let key = body::key(headers)?.map(|key| RequestKey {
        key,
        fingerprint: hash_of([&b"record"[..], stream.as_bytes(), asked.data.get().as_bytes()]),
    });
    let (stream, record, is_async) = (stream.to_owned(), asked.data.to_owned(), asked.is_async);
    // Its room is for others.
    drop(bytes);
    write(service, Wanted { lane, stream, is_async, key }, record).await
}

/// Writes a record, and waits for its outcome as long as the deadline allows.
///
/// # Errors
/// 409 for a key that was given to another request, 422 for what is no record, 502 where the job that
/// was to write it could not, 503 where none could be begun in time.
async fn write(
    service: &Arc<Service>,
    wanted: Wanted,
    record: Box<RawValue>,
) -> Result<Told, Problem> {
    let fields = Fields::of_text(record.get()).map_err(|error| {
        let problem = Problem::unprocessable(format!("`data` is no record: {error}"));
        problem.hint("a record is a JSON object")
    })?;
    check_name("the stream's name", &wanted.stream)?;
    if fields.0.len() > MOST_FIELDS {
        let detail = format!("`data` has more than {MOST_FIELDS} fields");
        return Err(Problem::unprocessable(detail));
    }
    drop(fields);
    let began = Instant::now();
    let until = tokio::time::Instant::from_std(began) + service.config.deadline_secs.duration();
    let (is_async, mut is_kept) = (wanted.is_async, wanted.key.is_some());
    let chance = Arc::new(Chance::new(record));
    let sending = service.whole(send(Arc::clone(service), wanted, Arc::clone(&chance)));
    tokio::pin!(sending);
    let sent = match tokio::time::timeout_at(until, &mut sending).await {
        Ok(sent) => sent?,
        // The account is not open yet, or its last job not over.
        Err(_) if chance.give_up() => return Err(late()),
        Err(_) => sending.await?,
    };
    let (lane, live, task, settled) = match sent {
        Sent::New { lane, live, task, settled } => (lane, live, task, settled),
        Sent::Before(lane, task) => return again(&lane, &task, until).await,
    };
    if is_async {
        return Ok(Told { task: task.id, job: live.uuid.clone(), state: None });
    }
    if tokio::time::timeout_at(until, settled).await.is_err() && !is_kept {
        // It goes on, and can be asked for, also after the service has ended.
        lane.store().keep_task(task.clone()).ok_or_else(busy)?.await?;
        is_kept = true;
    }
    let told = lane.store().read(|connection| tell(connection, &task, is_kept))?;
    lane.meter.answered(began.elapsed(), told.state.is_some());
    if told.state.is_none() && live.is_over() {
        return Err(lost(service, &live, is_kept));
    }
    Ok(told)
}

/// Gives a record to the lane's job that is open for records. Not to be dropped on its way: see
/// [`Service::whole`].
async fn send(service: Arc<Service>, wanted: Wanted, chance: Arc<Chance>) -> Result<Sent, Problem> {
    let getting = service.lanes.get_noting(&service, &wanted.lane, &chance.opens);
    let lane = chance.unless_given_up(getting).await??;
    let _turn = match &wanted.key {
        Some(key) => Some(chance.unless_given_up(lane.keyed.turn(&key.key)).await?),
        None => None,
    };
    if let Some(key) = &wanted.key
        && let Some(task) = lane.store().task_of_key(&key.key)?
    {
        if task.fingerprint != key.fingerprint {
            let detail = "the `Idempotency-Key` was given to another request before";
            return Err(Problem::conflict(detail));
        }
        return Ok(Sent::Before(lane, task));
    }
    let (id, mut taken) = (uuid::Uuid::now_v7().to_string(), None);
    loop {
        if chance.given_up.is_cancelled() {
            return Err(late());
        }
        let beginning = Live::of_noting(&service, &lane, &chance.opens);
        let live = chance.unless_given_up(beginning).await??;
        chance.opens.store(false, Ordering::Release);
        taken = taken.or_else(|| chance.take());
        let Some(record) = &taken else { return Err(late()) };
        let keep = |position| {
            let task = Task {
                id: id.clone(),
                key: wanted.key.as_ref().map(|key| key.key.clone()),
                fingerprint: wanted.key.as_ref().map_or([0; 32], |key| key.fingerprint),
                job: live.job,
                position,
                stream: wanted.stream.clone(),
                record: record.get().to_owned(),
            };
            // What is given to the store before the record leaves is on disk before any call for it.
            // Without room for it there, it does not leave.
            let kept = if wanted.is_async || wanted.key.is_some() {
                Some(lane.store().keep_task(task.clone())?)
            } else {
                None
            };
            Some((task, kept))
        };
        match live.send(&wanted.stream, record, keep) {
            Ok((settled, (task, kept))) => {
                if let Some(kept) = kept {
                    kept.await.map_err(|error| {
                        // It has left before, so that nobody waits for the disk.
                        Problem::from(error).hint(
                            "it is not known by a task, and may be written all the same: see what the \
                             account has before it is sent again, where it has no id of its own",
                        )
                    })?;
                }
                return Ok(Sent::New { lane, live, task, settled });
            }
            Err(NotSent::Closed) => {}
            Err(NotSent::NotKept | NotSent::Full) => return Err(busy()),
            Err(NotSent::TooLong(most)) => {
                let detail = format!("`data` has more bytes than a record may: {most}");
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
                    .hint("see `max_line_bytes` of the connector's config"));
            }
        }
    }
}

/// It could not be sent before the deadline.
fn late() -> Problem {
    let detail = "the account is not ready yet: the record was not written, and is not going to be";
    Problem::unavailable(detail, 5)
}

/// Too much waits to be written.
fn busy() -> Problem {
    Problem::unavailable("too many records wait to be written", 1)
}

/// A request that came before: its outcome, or the wait for it.
async fn again(lane: &Lane, task: &Task, until: tokio::time::Instant) -> Result<Told, Problem> {
    loop {
        let told = lane.store().read(|connection| tell(connection, task, true))?;
        if told.state.is_some() || tokio::time::Instant::now() >= until {
            return Ok(told);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The task of this id, in whichever lane of the tenant's it is. No lane is opened for it: its remote need
/// not be there.
///
/// # Errors
/// 404 where there is none.
pub(super) fn find(
    service: &Service,
    environment: &str,
    flow: &str,
    tenant: &str,
    id: &str,
) -> Result<Told, Problem> {
    let names = service.tenants.lanes_of(environment, tenant).into_iter();
    for name in names.filter(|name| name.flow == flow) {
        let look = |connection: &Connection| {
            let task = tasks::by_id(connection, id)?;
            task.map(|task| tell(connection, &task, true)).transpose()
        };
        let found = if let Some(lane) = service.lanes.find(&name) {
            lane.store().read(look)?
        } else {
            let store = name.store(&service.config.data);
            // One that nobody has opened yet may be of before the service was started.
            if !store.exists() {
                continue;
            }
            tokio::task::block_in_place(|| look(&open_for_reading(&store)?).map_err(unreadable))?
        };
        if let Some(told) = found {
            return Ok(told);
        }
    }
    Err(Problem::not_found(format!("there is no task `{id}`")))
}

/// What is known of a task. `goes_on`: what its job had to leave unsent is written by another one.
fn tell(connection: &Connection, task: &Task, goes_on: bool) -> rusqlite::Result<Told> {
    let job = crate::store::jobs::uuid(connection, task.job)?.unwrap_or_default();
    let state = report::one(connection, task.job, &task.stream, task.position, |row| {
        if goes_on && tasks::is_left(&row) {
            return None;
        }
        let mut text = Vec::new();
        // Nothing fails that is written into memory.
        drop(line::write_one(&mut text, &row));
        String::from_utf8(text).ok().and_then(|text| RawValue::from_string(text).ok())
    })?;
    Ok(Told { task: task.id.clone(), job, state: state.flatten() })
}

/// The job of a record has ended without an outcome for it.
fn lost(service: &Service, live: &Live, is_kept: bool) -> Problem {
    let job = service.queue.find(&live.uuid).ok().flatten();
    let why = job.and_then(|job| job.message).unwrap_or_else(|| "the job has ended".to_owned());
    let problem = Problem::new(StatusCode::BAD_GATEWAY, why).retry_after(5);
    if is_kept { problem.hint("it is kept, and tried again") } else { problem }
}
