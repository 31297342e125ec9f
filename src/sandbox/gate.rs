//! The way of one request: read, counted, let in, delayed, applied, answered — and everything that
//! can go wrong on it.
//!
//! 1. The request is read to its end.
//! 2. Its route reads it; what it would do is a [`Plan`].
//! 3. It is counted; its token and the rate limit are looked at; it meets its fault, if any.
//! 4. It waits for as long as the latency, and a `slow`, ask for.
//! 5. Its plan is run, with the whole [`World`] locked, and the data file is written.
//! 6. The answer is spoilt, if so asked, and sent.
//!
//! Steps 3 to 5 run in a task of their own: a real remote goes on with a request whose client has
//! hung up, so a write can be applied after the client has given up on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, LOCATION};
use hyper::{Response, StatusCode};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admit::admit;
use super::fault::{Act, Refusal, RetryAfter};
use super::faults::Faults;
use super::remote::{Access, Answer, Content, JSON, Plan, Remote, Request};
use super::routes::{self, Found};
use super::spoil::{self, Body};
use super::strikes::Strike;
use super::world::World;

/// Bytes of a body that is too long that are still taken off the wire, so that its client is there
/// to read the refusal.
const MAX_DISCARDED_BYTES: usize = 64 << 20;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) remotes: &'static [Remote],
    pub(super) faults: Arc<Faults>,
    pub(super) world: Mutex<World>,
    /// Cancelled when the sandbox is stopped: every wait ends, every connection is closed.
    pub(super) stop: CancellationToken,
    /// Connections, and requests whose connection is gone.
    pub(super) tasks: TaskTracker,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits; `false` when the sandbox was stopped meanwhile.
    async fn sleep(&self, ms: u64) -> bool {
        ms == 0
            || self
                .stop
                .run_until_cancelled(tokio::time::sleep(Duration::from_millis(ms)))
                .await
                .is_some()
    }
}

/// Answers one request. `None`: the connection is to be closed without an answer.
pub(super) async fn answer(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> Option<Response<Body>> {
    let (parts, body) = request.into_parts();
    let found = routes::find(shared.remotes, &parts.method, parts.uri.path());
    let (access, template) = match &found {
        Found::Route(_, route, _) => (route.access, route.template),
        Found::Method(..) | Found::Nothing(_) => (Access::Token, "(no route)"),
    };
    let max_bytes = (found.remote().max_body_bytes)(template);
    let body = match read(body, max_bytes).await? {
        Some(body) => Ok(body),
        None => Err(max_bytes),
    };
    let call = Call {
        remote: found.remote(),
        access,
        template,
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        host: header(&parts.headers, "host").unwrap_or_default(),
        authorization: header(&parts.headers, "authorization"),
    };
    let plan = plan(&shared.faults, found, parts.headers, call.query.clone(), body);

    if access == Access::Admin {
        let answer = match plan {
            Ok(plan) => {
                let (mut world, now) = (shared.lock(), Instant::now());
                settle(&mut world, now);
                (plan.run)(&mut world, now)
            }
            Err(answer) => answer,
        };
        return Some(spoil::whole(answer));
    }
    let task = shared.tasks.spawn(serve(Arc::clone(&shared), call, plan));
    // A panic in the task is a connection without an answer, as at any remote that falls over.
    let (ending, flight) = task.await.ok()?;
    let answer = match ending {
        Ending::Answer(answer) => Some(answer),
        Ending::Close { after_ms } => {
            shared.sleep(after_ms).await;
            None
        }
    };
    drop(flight);
    answer
}

/// What is known of a request without its body.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) remote: &'static Remote,
    pub(super) access: Access,
    pub(super) template: &'static str,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) host: String,
    pub(super) authorization: Option<String>,
}

fn header(headers: &hyper::HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// How a request ends.
#[derive(Debug)]
enum Ending {
    Answer(Response<Body>),
    /// Without an answer, after a while.
    Close {
        after_ms: u64,
    },
}

/// A request that is being handled; counted until it is dropped.
#[derive(Debug)]
pub(super) struct Flight {
    shared: Arc<Shared>,
    pub(super) claims: Vec<u64>,
    /// The remote by whose limit of calls at once it was let in.
    pub(super) counted: Option<&'static Remote>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut world = self.shared.lock();
        world.calls.release(&self.claims);
        world.calls.end();
        if let Some(remote) = self.counted {
            *world.at_once.entry(remote.prefix).or_default() -= 1;
        }
    }
}

/// Reads a body of up to `max_bytes`. `None`: the client went away. `Some(None)`: it is too long.
async fn read(mut body: Incoming, max_bytes: usize) -> Option<Option<Bytes>> {
    let mut bytes = BytesMut::new();
    let mut length = 0;
    loop {
        let frame = std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await;
        let data = match frame {
            None => break,
            Some(Err(_)) => return None,
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        length += data.len();
        if length > max_bytes + MAX_DISCARDED_BYTES {
            return None;
        } else if length <= max_bytes {
            bytes.extend_from_slice(&data);
        }
    }
    Some((length <= max_bytes).then(|| bytes.freeze()))
}

/// Has the route read the request; `body` is its limit in bytes where it is over that.
fn plan(
    faults: &Faults,
    found: Found,
    headers: hyper::HeaderMap,
    query: String,
    body: Result<Bytes, usize>,
) -> Result<Plan, Answer> {
    let remote = found.remote();
    let refuse = |status, message: &str| Err(refused(remote, status, message));
    match (found, body) {
        (Found::Nothing(_), _) => refuse(StatusCode::NOT_FOUND, "there is nothing at this path"),
        (Found::Method(_, methods), _) => {
            let message = "this path does not take this method";
            let mut answer = refused(remote, StatusCode::METHOD_NOT_ALLOWED, message);
            answer.headers.push((ALLOW, methods.join(", ")));
            Err(answer)
        }
        (_, Err(max_bytes)) => {
            let message = format!("the body is over the limit of {max_bytes} bytes");
            refuse(StatusCode::PAYLOAD_TOO_LARGE, &message)
        }
        (Found::Route(_, route, places), Ok(body)) => {
            (route.plan)(&Request { headers, places, query, body }, faults)
        }
    }
}

/// Steps 3 to 6.
async fn serve(shared: Arc<Shared>, call: Call, plan: Result<Plan, Answer>) -> (Ending, Flight) {
    let mut flight = Flight { shared: Arc::clone(&shared), claims: Vec::new(), counted: None };
    let mut quota = Vec::new();
    let admitted = admit(&mut shared.lock(), &call, &plan, &mut flight, &mut quota);
    let ending = match admitted {
        Err(answer) => Ending::Answer(spoil::whole(answer)),
        Ok(strike) => apply(&shared, &call, plan, strike).await,
    };
    let ending = match ending {
        Ending::Answer(mut answer) => {
            spoil::add_headers(&mut answer, quota);
            Ending::Answer(answer)
        }
        close @ Ending::Close { .. } => close,
    };
    let status = match &ending {
        Ending::Answer(answer) => Some(answer.status().as_u16()),
        Ending::Close { .. } => None,
    };
    shared.lock().calls.answered(status);
    (ending, flight)
}

/// Does what the request asks for, and what its fault asks for.
async fn apply(
    shared: &Shared,
    call: &Call,
    plan: Result<Plan, Answer>,
    mut strike: Strike,
) -> Ending {
    if !shared.sleep(strike.latency_ms).await {
        return Ending::Close { after_ms: 0 };
    }
    let act = strike.act.take();
    if let Some(ending) = act.as_ref().and_then(|act| before(call, act)) {
        return ending;
    }
    if let Some(Act::Slow { ms }) = act
        && !shared.sleep(ms).await
    {
        return Ending::Close { after_ms: 0 };
    }
    let answer = match plan {
        Ok(plan) => run(&mut shared.lock(), call, plan),
        Err(answer) => answer,
    };
    if let Some(Act::StatusAfter(refusal)) = &act {
        return Ending::Answer(spoil::whole(refusal.answer(call.remote)));
    }
    match act {
        Some(Act::ResetAfter) => Ending::Close { after_ms: 0 },
        Some(Act::HangAfter { ms }) => Ending::Close { after_ms: ms },
        act => Ending::Answer(spoil::answer(
            answer,
            act.as_ref(),
            shared.faults.shuffle.then_some(&mut strike.chance),
        )),
    }
}

/// The faults that come before anything is applied.
fn before(call: &Call, act: &Act) -> Option<Ending> {
    let answer = match act {
        Act::Reset => return Some(Ending::Close { after_ms: 0 }),
        Act::Hang { ms } => return Some(Ending::Close { after_ms: *ms }),
        Act::Status(refusal) => spoil::whole(refusal.answer(call.remote)),
        Act::Html => spoil::html(),
        Act::Huge { bytes } => spoil::huge(*bytes),
        Act::Redirect { to } => {
            let mut answer = Answer::empty(StatusCode::TEMPORARY_REDIRECT);
            answer.headers.push((LOCATION, to.clone()));
            spoil::whole(answer)
        }
        Act::ExpireToken => {
            spoil::whole(refused(call.remote, StatusCode::UNAUTHORIZED, "the token has expired"))
        }
        _ => return None,
    };
    Some(Ending::Answer(answer))
}

/// Does what has come due since the last request, whoever asks first.
fn settle(world: &mut World, now: Instant) {
    world.settle(now);
    let (changed, written) = world.memory.commit();
    world.calls.applied(changed);
    if let Err(error) = written {
        tracing::warn!(%error, "The data file of the sandbox lacks what a job has written.");
    }
}

/// Runs a plan and writes the data file. A create whose idempotency key has been seen is not run.
fn run(world: &mut World, call: &Call, plan: Plan) -> Answer {
    let key = plan.idempotency.filter(|_| world.faults.idempotency);
    if let Some(answer) = key.as_ref().and_then(|key| world.answers.get(key)) {
        return answer.clone();
    }
    let now = Instant::now();
    settle(world, now);
    let answer = (plan.run)(world, now);
    let (changed, written) = world.memory.commit();
    world.calls.applied(changed);
    if let Err(error) = written {
        let message = format!("the data file cannot be written: {error}");
        return refused(call.remote, StatusCode::INTERNAL_SERVER_ERROR, &message);
    }
    if let Some(key) = key
        && changed.records() > 0
    {
        world.answers.insert(key, answer.clone());
    }
    answer
}

pub(super) fn refused(remote: &Remote, status: StatusCode, message: &str) -> Answer {
    let body = (remote.refusal)(status, message);
    if remote.refusal_type == JSON {
        return Answer::json(status, body);
    }
    let content = Content::Text(remote.refusal_type, body);
    Answer { status, headers: Vec::new(), content }
}

impl Refusal {
    fn answer(&self, remote: &Remote) -> Answer {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = match &self.body {
            Some(body) => Answer::json(status, body.clone()),
            None => refused(remote, status, "the remote was asked to fail"),
        };
        answer.headers.extend(self.retry_after.map(RetryAfter::header));
        answer
    }
}
