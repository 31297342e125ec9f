//! A receiver of webhooks: holds what came, and answers as it is told to.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use tokio::sync::watch;

/// A message that came.
#[derive(Clone, Debug)]
pub struct Came {
    pub at: Instant,
    pub uri: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Came {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn status(&self) -> String {
        self.json()["status"].as_str().unwrap().to_owned()
    }

    pub fn job(&self) -> String {
        self.json()["job_id"].as_str().unwrap().to_owned()
    }
}

/// A status and headers to answer with.
pub type Says = (u16, Vec<(&'static str, String)>);

#[derive(Clone)]
struct Kept {
    came: Arc<Mutex<Vec<Came>>>,
    /// What the next ones are answered with; past that, 200.
    says: Arc<Mutex<VecDeque<Says>>>,
    is_open: watch::Receiver<bool>,
}

pub struct Receiver {
    runtime: Option<tokio::runtime::Runtime>,
    kept: Kept,
    open: watch::Sender<bool>,
    pub address: SocketAddr,
}

impl Receiver {
    /// One that answers the first messages so, and the others with 200.
    pub fn saying(says: impl IntoIterator<Item = Says>) -> Self {
        let (open, is_open) = watch::channel(true);
        let says = Arc::new(Mutex::new(says.into_iter().collect()));
        let kept = Kept { came: Arc::default(), says, is_open };
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut receiver = Self { runtime: None, kept, open, address };
        receiver.begin();
        receiver
    }

    pub fn start() -> Self {
        Self::saying([])
    }

    /// Listens, at the same port as before.
    pub fn begin(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(self.address)).unwrap();
        self.address = listener.local_addr().unwrap();
        let app = Router::new().fallback(take).with_state(self.kept.clone());
        runtime.spawn(serve(listener, app));
        self.runtime = Some(runtime);
    }

    /// Takes no connection any more.
    pub fn end(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
        // The port is free once nobody can connect.
        let began = Instant::now();
        while std::net::TcpStream::connect(self.address).is_ok() {
            assert!(began.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Keeps all answers back, or lets them go.
    pub fn hold(&self, holds: bool) {
        self.open.send_replace(!holds);
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub fn came(&self) -> Vec<Came> {
        self.kept.came.lock().unwrap().clone()
    }

    /// Waits until that holds of what came.
    #[track_caller]
    pub fn until(&self, holds: impl Fn(&[Came]) -> bool) -> Vec<Came> {
        let began = Instant::now();
        loop {
            let came = self.came();
            if holds(&came) {
                return came;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{came:#?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for so many messages.
    #[track_caller]
    pub fn wait(&self, count: usize) -> Vec<Came> {
        self.until(|came| came.len() >= count)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(listener: tokio::net::TcpListener, app: Router) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(app.clone());
        // A client that goes away is no failure.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn take(State(mut kept): State<Kept>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let came = Came { at: Instant::now(), uri: uri.to_string(), headers, body };
    kept.came.lock().unwrap().push(came);
    kept.is_open.wait_for(|is_open| *is_open).await.unwrap();
    let (status, headers) = kept.says.lock().unwrap().pop_front().unwrap_or((200, Vec::new()));
    let mut answer = (StatusCode::from_u16(status).unwrap(), "what it says").into_response();
    for (name, value) in headers {
        answer.headers_mut().insert(HeaderName::from_static(name), value.parse().unwrap());
    }
    answer
}
