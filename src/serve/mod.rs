//! The service: the same pipeline behind HTTP, for products that write when something happens.
//!
//! [`api`] takes requests and answers them. A job goes into the [`queue`], from which [`runner`] takes
//! it, fair to all tenants; its records came with the request, or [`taps`] bring them. A record that is
//! to be written at once goes to the [`live`] job of its [`lane`]. What became of every record stands in
//! the lane's store, where all look it up. [`page`] shows it to people, and [`webhooks`] are told of each
//! step of a job.

mod access;
mod account;
mod api;
mod auth;
mod config;
mod ending;
mod feed;
mod health;
mod hints;
mod input;
mod keyed;
mod lane;
mod lanes;
mod listen;
mod live;
mod origin;
mod page;
mod problem;
mod progress;
mod queue;
mod reading;
mod retry;
mod run;
mod runner;
mod secret;
mod taking_up;
mod taps;
mod telemetry;
mod tenants;
mod throughput;
mod trial;
mod webhooks;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::middleware::{from_fn, from_fn_with_state};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

pub use api::openapi;
pub use config::ServeConfig;

use crate::error::Error;
use crate::file::make_private_folder;
use crate::store::tasks::{self, KEY_MILLIS};
use api::{Downloads, Room};
use auth::Keys;
use health::Health;
use lanes::Lanes;
use live::Live;
use page::Sessions;
use problem::Problem;
use progress::Progress;
use queue::Queue;
use reading::Reading;
use runner::Runner;
use tenants::Tenants;
use webhooks::Hooks;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Service {
    config: Arc<ServeConfig>,
    keys: Keys,
    tenants: Tenants,
    queue: Queue,
    lanes: Lanes,
    runner: Runner,
    reading: Reading,
    downloads: Downloads,
    progress: Progress,
    sessions: Sessions,
    health: Health,
    room: Room,
    /// Checks of accounts at once.
    checks: Arc<Semaphore>,
    /// Ended when nothing more is begun.
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// What a mutex holds, also after a thread that held it has panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a folder of the service's data, for its owner alone.
///
/// # Errors
/// Exit code 2: the disk says no.
fn make_folder(folder: &Path) -> Result<(), Error> {
    make_private_folder(folder).map_err(|error| {
        Error::usage(format!("cannot make the folder `{}`", folder.display()))
            .caused_by(error)
            .hint("name another place with `data` in the configuration")
    })
}

/// A service that listens.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    service: Arc<Service>,
    serving: tokio::task::JoinHandle<()>,
    /// Ended when no connection is taken any more.
    close: CancellationToken,
}

/// Checks of accounts at once: each may wait for its remote.
const CHECKS: usize = 32;
/// How often lanes that nobody uses are looked for.
const REST: Duration = Duration::from_secs(30);
/// How often jobs and requests are that are old.
const FORGET: Duration = Duration::from_secs(3600);
/// In which those that are not in use are looked at once.
const ROUNDS_A_DAY: u64 = 24;

/// Starts the service: what a killed one had begun is taken up, and it listens.
///
/// # Errors
/// Exit code 2: the configuration, or the address. Exit code 5: the disk.
pub async fn start(config: ServeConfig) -> Result<Running, Error> {
    config.check_listen()?;
    telemetry::start()?;
    let config = Arc::new(config);
    let queue = Queue::open(&config.data, Hooks::read(&config)?)?;
    let tenants = Tenants::read(Arc::clone(&config), &queue)?;
    let keys = Keys::read(&config, &queue, &tenants)?;
    queue.take_up().await?;
    queue.give_up_unknown().await?;
    input::make_folder(&config.data)?;
    let waiting = queue.waiting()?;
    input::sweep(&config.data, &queue.with_inputs()?);
    taps::make_folder(&config.data)?;
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        Error::usage(format!("cannot listen on {}", config.listen))
            .caused_by(error)
            .hint("name another address with `listen` in the configuration, or with `--listen`")
    })?;
    let address = listener.local_addr().map_err(|error| {
        Error::ours("cannot tell the address that is listened on").caused_by(error)
    })?;
    let runner = Runner::new(config.max_jobs);
    let reading = Reading::new(config.search_secs);
    let room = Room::new(config.max_body_bytes);
    let downloads = Downloads::new(config.request_secs.duration());
    let service = Arc::new(Service {
        config,
        keys,
        tenants,
        queue,
        lanes: Lanes::default(),
        runner,
        reading,
        downloads,
        progress: Progress::default(),
        sessions: Sessions::default(),
        health: Health::new(),
        room,
        checks: Arc::new(Semaphore::new(CHECKS)),
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
    });
    service.runner.fill(waiting);
    service.tasks.spawn(runner::run(Arc::clone(&service)));
    service.tasks.spawn(Arc::clone(&service).rest());
    service.tasks.spawn(taps::timer::run(Arc::clone(&service)));
    for hook in service.queue.hooks().all() {
        service.tasks.spawn(webhooks::run(Arc::clone(&service), Arc::clone(hook)));
    }
    let looking = Arc::clone(&service);
    tokio::task::spawn_blocking(move || trial::of_all(&looking));
    let taking_up = Arc::clone(&service);
    service.tasks.spawn(async move {
        taking_up::take_up(&taking_up).await;
        taking_up.health.taken_up();
    });
    let app = api::router(Arc::clone(&service)).merge(page::router(Arc::clone(&service)));
    let app = app
        .layer(from_fn_with_state(Arc::clone(&service), origin::guard))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(from_fn(access::around));
    let close = CancellationToken::new();
    let closed = close.clone();
    let limits = listen::Limits {
        connections: service.config.max_connections,
        patience: service.config.request_secs.duration(),
    };
    let serving = tokio::spawn(listen::serve(listener, app, limits, closed));
    Ok(Running { address, service, serving, close })
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it in good order: what is under way is finished or left for the next start. Until then it
    /// answers, and says that it is about to end.
    pub async fn stop(self) {
        self.service.stop.cancel();
        self.service.runner.stop_all();
        for live in self.service.lanes.all().iter().filter_map(|lane| lane.live()) {
            // One whose records are through ends well by itself.
            self.service.tasks.spawn(live.end(live::LAST_RECORDS));
        }
        self.service.tasks.close();
        self.service.tasks.wait().await;
        self.close.cancel();
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "The service could not end its connections in good order.");
        }
    }
}

impl Service {
    /// Carries out what must not be left half done: also when the client that has asked for it goes, which
    /// drops whatever waits for it.
    async fn whole<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        let done = self.tasks.spawn(work.in_current_span()).await;
        done.unwrap_or_else(|error| Err(Error::ours("it was not done").caused_by(error).into()))
    }

    /// Ends what nobody uses.
    async fn rest(self: Arc<Self>) {
        // A service that has nothing to do writes nothing but this.
        let mut forget = tokio::time::interval(FORGET);
        let mut rounds: u64 = 0;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(REST) => {}
                _ = forget.tick() => {
                    let before = self.config.kept_since_millis();
                    let forgotten = async {
                        self.queue.forget_requests(KEY_MILLIS).await?;
                        let forget_input = |job: &str| input::remove(&self.config.data, job);
                        self.queue.forget_jobs(before, forget_input).await
                    };
                    if let Err(error) = forgotten.await {
                        tracing::warn!(%error, "Old jobs and requests are not forgotten.");
                    }
                    for lane in self.lanes.all() {
                        lane.forget(&self.queue, before).await;
                    }
                    if rounds.is_multiple_of(ROUNDS_A_DAY) {
                        self.lanes.forget_closed(&self.config.data, &self.queue, before).await;
                    }
                    rounds += 1;
                    if let Err(error) = self.queue.forget_deliveries().await {
                        tracing::warn!(%error, "Old messages to webhooks could not be forgotten.");
                    }
                }
            }
            telemetry::upkeep();
            let now = Instant::now();
            if let Some(before) = now.checked_sub(live::IDLE) {
                tokio::task::block_in_place(|| self.lanes.close_idle(before));
            }
            for lane in self.lanes.all() {
                let Some(live) = lane.live() else { continue };
                live.close_if_idle(now);
                // What a job that failed was given is not to wait for somebody's next record.
                if !live.is_open() && lane.store().read(tasks::is_any_open).unwrap_or(false) {
                    let own = Arc::clone(&self);
                    self.tasks.spawn(async move {
                        if let Err(problem) = Live::of(&own, &lane).await {
                            tracing::warn!(lane = %lane.name, "Records that were accepted are not written yet: {}", problem.detail());
                        }
                    });
                }
            }
        }
    }
}
