//! A remote that answers as a test says, and remembers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::text;

/// What a remote holds, and what it was asked.
#[derive(Default)]
pub struct World {
    pub rows: Vec<Value>,
    pub asked: Vec<String>,
    /// When a row was added or touched, by its `id`.
    pub touched: BTreeMap<u64, Instant>,
}

impl World {
    /// The row that has `value` under `key`.
    pub fn row(&mut self, key: &str, value: &str) -> Option<&mut Value> {
        self.rows.iter_mut().find(|row| text(&row[key]) == value)
    }

    /// Adds a row, and gives it an `id`.
    pub fn add(&mut self, mut row: Value) -> usize {
        let id = self.rows.len() + 1;
        row["id"] = json!(id);
        self.rows.push(row);
        self.touch(id);
        id
    }

    /// Has a row be new to searches that lag.
    pub fn touch(&mut self, id: usize) {
        self.touched.insert(id as u64, Instant::now());
    }

    /// How long ago a row was added or touched.
    pub fn age(&self, row: &Value) -> Duration {
        let id = row["id"].as_u64().unwrap();
        self.touched.get(&id).map_or(Duration::MAX, Instant::elapsed)
    }
}

/// A remote of one test.
pub struct Odd {
    _runtime: tokio::runtime::Runtime,
    pub server: MockServer,
    world: Arc<Mutex<World>>,
}

impl Odd {
    /// One that answers so. What it was asked, this request too, stands in its world by then.
    pub fn start(
        answer: impl Fn(&mut World, &Request) -> ResponseTemplate + Send + Sync + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let world: Arc<Mutex<World>> = Arc::default();
        let held = Arc::clone(&world);
        let server = runtime.block_on(async {
            let server = MockServer::start().await;
            let respond = move |request: &Request| {
                let mut world = held.lock().unwrap();
                let body = String::from_utf8_lossy(&request.body);
                let query = request.url.query().unwrap_or_default();
                let path = request.url.path();
                world.asked.push(format!("{} {path}?{query} {body}", request.method));
                answer(&mut world, request)
            };
            Mock::given(any()).respond_with(respond).mount(&server).await;
            server
        });
        Self { _runtime: runtime, server, world }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}
