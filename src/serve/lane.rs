//! A lane: one tenant's account at one connector, in one flow. It has a store of its own, an
//! [`Account`], and what the jobs in it share: whose turn it is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tokio_util::sync::CancellationToken;
use tracing::Span;
use tracing::field::Empty;

use super::Service;
use super::account::{Account, TokenFolder, With, print};
use super::keyed::Keyed;
use super::live::Live;
use super::lock;
use super::problem::Problem;
use super::queue::Queue;
use super::telemetry::LaneMeter;
use crate::config::environment::Environment;
use crate::connector::contract::CheckLine;
use crate::connector::http::Meter;
use crate::connector::stop;
use crate::error::Error;
use crate::job::{Begins, Begun, beginning};
use crate::pipeline::Role;
use crate::record::StreamName;
use crate::resolve::turns::Turns;
use crate::store::Store;
use crate::store::jobs::{Job, at_millis};
use crate::store::tasks::KEY_MILLIS;

/// Which lane.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct LaneName {
    pub(super) environment: String,
    pub(super) flow: String,
    pub(super) tenant: String,
    pub(super) connector: String,
}

impl fmt::Display for LaneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { environment, flow, tenant, connector } = self;
        write!(f, "{environment}/{flow}/{tenant}/{connector}")
    }
}

/// What is no part of a folder's name as it stands.
const UNSAFE: &AsciiSet = &CONTROLS
    .add(b'/')
    .add(b'\\')
    .add(b'%')
    .add(b'.')
    .add(b':')
    .add(b'*')
    .add(b'?')
    .add(b'"')
    .add(b'|');

/// The name of a folder that something of this id is kept in.
pub(super) fn folder_of(id: &str) -> String {
    utf8_percent_encode(id, UNSAFE).to_string()
}

impl LaneName {
    /// Its store, which may not be there yet.
    pub(super) fn store(&self, data: &Path) -> PathBuf {
        let Self { environment, flow, tenant, connector } = self;
        let parts = [environment, tenant, flow, connector];
        let mut folder = data.join("lanes");
        folder.extend(parts.map(|part| folder_of(part)));
        folder.join("store.db")
    }
}

/// A lane that is open.
pub(super) struct Lane {
    pub(super) name: LaneName,
    pub(super) meter: LaneMeter,
    account: RwLock<Arc<Account>>,
    /// The tenants' changes that the account heeds, and who makes another one.
    heeded: AtomicU64,
    renewing: tokio::sync::Mutex<()>,
    /// When one was opened last, or tried to be.
    renewed: Mutex<Instant>,
    store: Arc<Store>,
    turns: Arc<Turns>,
    pub(super) keyed: Keyed,
    /// Who finds out what earlier jobs have left: another one that begins waits for that.
    preparing: tokio::sync::Mutex<()>,
    /// The job that is open for records, or was last; and who begins another one.
    live: Mutex<Option<Arc<Live>>>,
    pub(super) beginning: tokio::sync::Mutex<()>,
    used: Mutex<Instant>,
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lane").field(&self.name.to_string()).finish()
    }
}

impl Lane {
    pub(super) async fn open(service: &Service, name: LaneName) -> Result<Self, Problem> {
        let heeded = service.tenants.changes();
        service.tenants.check(&name)?;
        let path = name.store(&service.config.data);
        let meter = LaneMeter::new(&name);
        // Its thread writes for all jobs of the lane.
        let span = tracing::error_span!(parent: None, "lane", lane = %name);
        let opening = tokio::task::spawn_blocking(move || span.in_scope(|| Store::open(&path)));
        let store = opening
            .await
            .map_err(|error| Error::ours("cannot open a store").caused_by(error))??;
        let account = opened(service, &name, &store, &meter).await?;
        Ok(Self {
            name,
            meter,
            account: RwLock::new(Arc::new(account)),
            heeded: AtomicU64::new(heeded),
            renewing: tokio::sync::Mutex::new(()),
            renewed: Mutex::new(Instant::now()),
            store: Arc::new(store),
            turns: Arc::default(),
            keyed: Keyed::default(),
            preparing: tokio::sync::Mutex::default(),
            live: Mutex::default(),
            beginning: tokio::sync::Mutex::default(),
            used: Mutex::new(Instant::now()),
        })
    }

    /// The store.
    pub(super) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The job that is open for records, or was last.
    pub(super) fn live(&self) -> Option<Arc<Live>> {
        lock(&self.live).clone()
    }

    /// Another one, which is open or was.
    pub(super) fn set_live(&self, live: Arc<Live>) {
        *lock(&self.live) = Some(live);
    }

    /// Somebody has taken it, to write.
    pub(super) fn touch(&self) {
        *lock(&self.used) = Instant::now();
    }

    /// Whether nobody has since `before`, and nothing is under way.
    pub(super) fn is_unused_since(&self, before: Instant) -> bool {
        *lock(&self.used) < before && self.live().is_none_or(|live| live.is_over())
    }

    /// The account that is written to.
    pub(super) fn account(&self) -> Arc<Account> {
        Arc::clone(&self.account.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets what became of jobs that ended before a time, and tasks that nobody asks for any more.
    pub(super) async fn forget(&self, queue: &Queue, before_millis: i64) {
        forget(&self.name, &self.store, queue, before_millis).await;
    }

    /// Heeds what was changed of its tenant since. What is under way goes on with what it began with.
    pub(super) async fn heed(&self, service: &Service, opens: &AtomicBool) -> Result<(), Problem> {
        if self.heeded.load(Ordering::Acquire) == service.tenants.changes() {
            return Ok(());
        }
        let is_own = |values: &_| self.account().of == print(values);
        let changes = service.tenants.changes();
        if is_own(&service.tenants.values(&self.name)?) {
            // Something was changed elsewhere.
            self.heeded.store(changes, Ordering::Release);
            return Ok(());
        }
        let _renewing = self.renewing.lock().await;
        opens.store(true, Ordering::Release);
        let changes = service.tenants.changes();
        if !is_own(&service.tenants.values(&self.name)?) {
            self.open_anew(service).await?;
            if let Some(live) = self.live() {
                live.end_soon();
            }
        }
        self.heeded.store(changes, Ordering::Release);
        Ok(())
    }

    /// What is under way goes on with the account that it began with.
    async fn open_anew(&self, service: &Service) -> Result<(), Problem> {
        *lock(&self.renewed) = Instant::now();
        let account = opened(service, &self.name, &self.store, &self.meter).await?;
        *self.account.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(account);
        Ok(())
    }

    /// Opens the account anew after a while, beside what is under way: what its connector has learnt of
    /// the remote may be otherwise by now. Where that cannot be done, the one that there is is used on.
    pub(super) fn renew_if_old(self: &Arc<Self>, service: &Arc<Service>) {
        let most = service.config.renew_secs.duration();
        let is_old = move |lane: &Self| !most.is_zero() && lock(&lane.renewed).elapsed() >= most;
        // A sandbox would begin with nothing again.
        if !is_old(self) || self.account().setup.sandbox.is_some() {
            return;
        }
        let (lane, own) = (Arc::clone(self), Arc::clone(service));
        let renewing = async move {
            let Ok(_renewing) = lane.renewing.try_lock() else { return };
            if !is_old(&lane) {
                return;
            }
            // Whatever becomes of it, it is not tried at each request.
            *lock(&lane.renewed) = Instant::now();
            let opening = lane.open_anew(&own);
            // Whoever heeds a change waits for its end.
            let most = own.config.deadline_secs.duration();
            let opened = tokio::select! {
                opened = tokio::time::timeout(most, opening) => opened.unwrap_or_else(|_| Err(unanswered())),
                () = own.stop.cancelled() => return,
            };
            match (opened, lane.live()) {
                (Ok(()), Some(live)) => live.retire(),
                (Ok(()), None) => {}
                (Err(problem), _) => {
                    let error = problem.detail();
                    tracing::warn!(lane = %lane.name, error, "An account was not opened anew.");
                }
            }
        };
        service.tasks.spawn(renewing);
    }

    /// Begins a job, in its [`job_span`]. It finds out first what those before it have left: killed ones,
    /// and ones that had to end before their answers.
    pub(super) async fn begin(
        &self,
        role: Role,
        retries: Option<&Job>,
        stop: CancellationToken,
    ) -> Result<(Begun, Result<(), Error>), Error> {
        let account = self.account();
        let Account { setup, limiter, .. } = &*account;
        let begins = Begins {
            connector: Arc::clone(&setup.connector),
            namespace: setup.namespace.clone(),
            environment: Environment {
                flow: Some(self.name.flow.clone()),
                ..Environment::default()
            },
            retries,
            dry_run: false,
            limiter: Arc::clone(limiter),
            turns: Arc::clone(&self.turns),
            role,
        };
        let begun = begins.begin(setup.config.clone(), Arc::clone(&self.store), stop).await?;
        let span = Span::current();
        span.record("run", &begun.uuid);
        if role == Role::Live {
            span.record("job", &begun.uuid);
        }
        let ready = tokio::select! {
            _preparing = self.preparing.lock() => beginning::prepare(&begun, &[]).await,
            () = begun.dispatcher.retry.stopped() => Err(Error::remote("the job ended before its turn")),
        };
        Ok((begun, ready))
    }
}

/// Asks the remote whether a lane's account can be written with, also where it could not be opened. With
/// `create`, it is opened anew after that: the next record is written with what was made.
///
/// # Errors
/// As of [`Lanes::get`](super::lanes::Lanes::get); not what the remote says.
pub(super) async fn check(
    service: &Arc<Service>,
    name: &LaneName,
    streams: &[StreamName],
    create: bool,
) -> Result<Vec<CheckLine>, Problem> {
    let values = service.tenants.values(name)?;
    if values.contains_key("sandbox") {
        // There is one, which the lane has.
        let lane = service.lanes.get(service, name).await?;
        return Ok(lane.account().setup.check(streams, create).await);
    }
    let with = shared(service, &LaneMeter::new(name));
    let store = name.store(&service.config.data);
    let setup = Account::unasked(name, values, &store, &with).await?;
    let found = stop::until(service.stop.clone(), setup.check(streams, create)).await;
    if create && let Some(lane) = service.lanes.find(name) {
        let _renewing = lane.renewing.lock().await;
        // What the remote says of it, was found.
        if lane.open_anew(service).await.is_ok()
            && let Some(live) = lane.live()
        {
            live.close();
        }
    }
    Ok(found)
}

/// Opens an account with what is said of it: should that change on the way, with what is said then.
async fn opened(
    service: &Service,
    name: &LaneName,
    store: &Store,
    meter: &LaneMeter,
) -> Result<Account, Problem> {
    let mut changes = service.tenants.watch();
    let with = shared(service, meter);
    loop {
        changes.mark_unchanged();
        let values = service.tenants.values(name)?;
        let of = print(&values);
        let otherwise = async {
            let is_own = || service.tenants.values(name).is_ok_and(|now| print(&now) == of);
            while changes.changed().await.is_ok() && is_own() {}
        };
        tokio::select! {
            account = Account::open(name, values, store, &with) => return Ok(account?),
            () = otherwise => tracing::info!(lane = %name, "The account was changed while it was opened."),
        }
    }
}

fn unanswered() -> Problem {
    Problem::unavailable("the remote has not answered in time", 5)
}

fn shared<'a>(service: &'a Service, meter: &LaneMeter) -> With<'a> {
    With {
        tokens: TokenFolder {
            data: &service.config.data,
            vault: service.tenants.vault(),
            making: &service.lanes.limits.making,
        },
        limits: &service.lanes.limits,
        meter: Meter::new(meter.labels()),
    }
}

/// What the log lines of a job have: its id, its lane, and its run as the lane's store knows it. Of the
/// highest level, so that all have it.
pub(super) fn job_span(lane: &LaneName, job: Option<&str>) -> Span {
    tracing::error_span!(parent: None, "job", job, lane = %lane, run = Empty)
}

/// Forgets what [`Lane::forget`] does, in a store.
pub(super) async fn forget(lane: &LaneName, store: &Store, queue: &Queue, before_millis: i64) {
    let before = at_millis(before_millis);
    let forgotten = async {
        store.forget_tasks(KEY_MILLIS).await?;
        store.forget_jobs(&before, &queue.runs_to_retry(lane)?).await
    };
    match forgotten.await {
        Ok(0) => {}
        Ok(jobs) => tracing::info!(%lane, jobs, "Old jobs are forgotten."),
        Err(error) => tracing::warn!(%lane, %error, "Old jobs are not forgotten."),
    }
}
