//! The remote of the benchmark: it answers as soon as it is asked to, and remembers how often each
//! record was written, no more. It is served from the benchmark's own process, with one thread.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};

use super::input::ID_PREFIX;

/// A remote on loopback.
pub struct Remote {
    pub url: String,
    state: Arc<State>,
    /// Serves as long as it lives.
    _runtime: tokio::runtime::Runtime,
}

#[derive(Default)]
struct State {
    delay: Mutex<Duration>,
    /// By the number of the external id: how often it was created, how often written in all.
    held: Mutex<Vec<(u8, u8)>>,
    calls: AtomicU64,
    span: Mutex<Option<(Instant, Instant)>>,
}

/// What a remote has seen since it was asked last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub calls: u64,
    /// When the first call came, and when the last was answered.
    pub span: Option<(Instant, Instant)>,
}

#[derive(Deserialize)]
struct Inputs<'a> {
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
}

#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow)]
    ext_id: &'a str,
}

#[derive(Deserialize)]
struct Ids<'a> {
    #[serde(borrow)]
    ids: Vec<&'a str>,
}

#[derive(Serialize)]
struct Row<'a> {
    ext_id: &'a str,
    id: String,
    new: bool,
}

#[derive(Serialize)]
struct Rows<'a> {
    results: Vec<Row<'a>>,
}

impl Remote {
    /// Starts on a free port.
    pub fn start() -> Self {
        let runtime = runtime();
        let state = Arc::new(State::default());
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::clone(&state);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { url, state, _runtime: runtime }
    }

    /// Forgets all that it holds and has seen; answers come at once from now on.
    pub fn reset(&self) {
        self.slow_down(Duration::ZERO);
        self.state.held.lock().expect("no panic").clear();
        self.take();
    }

    /// Answers come after `delay` from now on.
    pub fn slow_down(&self, delay: Duration) {
        *self.state.delay.lock().expect("no panic") = delay;
    }

    /// What came in since this was asked last.
    pub fn take(&self) -> Seen {
        let span = self.state.span.lock().expect("no panic").take();
        Seen { calls: self.state.calls.swap(0, Ordering::Relaxed), span }
    }

    /// Panics unless it has made so many records, each once, and written each so often.
    pub fn must_hold(&self, records: u64, times: u8) {
        let held = self.state.held.lock().expect("no panic");
        let right = held.iter().filter(|one| **one == (1, times)).count() as u64;
        let made = held.iter().filter(|(created, _)| *created > 0).count() as u64;
        assert_eq!((made, right), (records, records), "records made, and as they are to be");
    }
}

/// A runtime of one thread, beside the one that waits for it.
pub fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime")
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    drop(stream.set_nodelay(true));
    let service = service_fn(|request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(answer(&state, request).await) }
    });
    // A connection that ends early is the client's business.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

async fn answer(state: &State, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let came = Instant::now();
    let path = request.uri().path().to_owned();
    let Ok(body) = request.into_body().collect().await else { return respond(400, Vec::new()) };
    let body = body.to_bytes();
    let (status, text) = state.apply(&path, &body).unwrap_or((400, b"{}".to_vec()));
    let delay = *state.delay.lock().expect("no panic");
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    state.calls.fetch_add(1, Ordering::Relaxed);
    let mut span = state.span.lock().expect("no panic");
    let first = span.map_or(came, |(first, _)| first);
    *span = Some((first, Instant::now()));
    respond(status, text)
}

fn respond(status: u16, body: Vec<u8>) -> Response<Full<Bytes>> {
    let answer = Response::builder().status(status).header("content-type", "application/json");
    answer.body(Full::new(body.into())).expect("a whole answer")
}

impl State {
    /// Does what a call asks for; `None` for one that is not understood.
    fn apply(&self, path: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let mut held = self.held.lock().expect("no panic");
        match path {
            "/bulk" => {
                let call: Inputs<'_> = serde_json::from_slice(body).ok()?;
                let rows = call.inputs.iter().map(|input| write(&mut held, input.ext_id, None));
                let results = rows.collect::<Option<_>>()?;
                Some((200, serde_json::to_vec(&Rows { results }).ok()?))
            }
            "/search" => {
                let call: Ids<'_> = serde_json::from_slice(body).ok()?;
                let mut results = Vec::new();
                for ext_id in call.ids {
                    let at = number(ext_id)?;
                    if held.get(at).is_some_and(|(created, _)| *created > 0) {
                        results.push(Row { ext_id, id: remote_id(at), new: false });
                    }
                }
                Some((200, serde_json::to_vec(&Rows { results }).ok()?))
            }
            _ => {
                let input: Input<'_> = serde_json::from_slice(body).ok()?;
                let is_new = path == "/one";
                let row = write(&mut held, input.ext_id, Some(is_new))?;
                Some((if is_new { 201 } else { 200 }, serde_json::to_vec(&row).ok()?))
            }
        }
    }
}

/// Writes a record. `is_new`: what the call says of it; unless it does, the remote sees by itself.
fn write<'a>(held: &mut Vec<(u8, u8)>, id: &'a str, is_new: Option<bool>) -> Option<Row<'a>> {
    let at = number(id)?;
    if held.len() <= at {
        held.resize(at + 1, (0, 0));
    }
    let (created, written) = &mut held[at];
    let new = is_new.unwrap_or(*created == 0);
    *created = created.saturating_add(u8::from(new));
    *written = written.saturating_add(1);
    Some(Row { ext_id: id, id: remote_id(at), new })
}

fn number(id: &str) -> Option<usize> {
    id.strip_prefix(ID_PREFIX)?.parse().ok()
}

fn remote_id(number: usize) -> String {
    (number + 1_000_000_000).to_string()
}
