//! A job that has begun: what its walk and its end need to know of its beginning.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::config::environment::Environment;
use crate::connector::contract::Connector;
use crate::dispatch::concurrency::Limiter;
use crate::dispatch::retry::Retry;
use crate::dispatch::{Dispatcher, Heard};
use crate::error::Error;
use crate::pipeline::Role;
use crate::resolve::turns::Turns;
use crate::store::Store;
use crate::store::jobs::{Job, JobId, NewJob, now};

/// Calls at once, where neither the configuration nor the connector says less.
pub(crate) const MAX_IN_FLIGHT: usize = 64;

/// What a job begins with.
pub(crate) struct Begins<'a> {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) namespace: String,
    pub(crate) environment: Environment,
    /// The job whose rejects are its input.
    pub(crate) retries: Option<&'a Job>,
    pub(crate) dry_run: bool,
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) turns: Arc<Turns>,
    pub(crate) role: Role,
}

impl Begins<'_> {
    /// Begins it: from here on the store knows it. `stop` ends it.
    pub(crate) async fn begin(
        self,
        config: Config,
        store: Arc<Store>,
        stop: CancellationToken,
    ) -> Result<Begun, Error> {
        let Self { connector, namespace, environment, retries, dry_run, limiter, turns, role } =
            self;
        let uuid = uuid::Uuid::now_v7().to_string();
        let name = connector.name().to_owned();
        let new = NewJob {
            uuid: uuid.clone(),
            connector: name.clone(),
            namespace: namespace.clone(),
            retries: retries.map(|job| job.id),
            is_live: role == Role::Live,
        };
        let throttled_before = limiter.throttled_secs(Instant::now());
        let job = store.begin_job(new).await?;
        let since = store.since_last_end(job, &namespace)?;
        let dispatcher = Arc::new(Dispatcher {
            connector,
            store: Arc::clone(&store),
            job,
            uuid: uuid.clone(),
            keep: config.keep,
            keep_bodies: environment.output_mapped_record,
            // Whoever is alone has nobody to show it to.
            heard: (role != Role::Alone).then(Heard::default),
            limiter,
            retry: Retry::new(config.retry.clone(), stop),
            dry_run,
        });
        Ok(Begun {
            config,
            environment,
            connector: name,
            namespace,
            store,
            job,
            uuid,
            retried: retries.map(|job| job.uuid.clone()),
            since: now(),
            clock: Instant::now(),
            throttled_before,
            dispatcher,
            turns,
            role,
            last_end: since.and_then(|since| Instant::now().checked_sub(since)),
        })
    }
}

/// A job that has begun.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) config: Config,
    pub(crate) environment: Environment,
    pub(crate) connector: String,
    pub(crate) namespace: String,
    pub(crate) store: Arc<Store>,
    pub(crate) job: JobId,
    pub(crate) uuid: String,
    /// Where it is a retry: the id of the job that it tries again.
    pub(crate) retried: Option<String>,
    pub(crate) since: String,
    pub(crate) clock: Instant,
    /// Seconds of quiet that the remote had asked of its account before.
    pub(crate) throttled_before: f64,
    pub(crate) dispatcher: Arc<Dispatcher>,
    /// Whose turn it is, among the jobs that write to the same account.
    pub(crate) turns: Arc<Turns>,
    pub(crate) role: Role,
    /// When the job before it had ended, as far as is known.
    pub(crate) last_end: Option<Instant>,
}

impl Begun {
    /// Where the platform's id snapshots are, if anywhere.
    pub(crate) fn snapshot_folder(&self) -> Option<PathBuf> {
        let configured = self.config.snapshot_dir.clone();
        let folder = configured.or_else(|| self.environment.snapshot_dir.clone());
        let platform = || {
            let job_id = self.environment.job_id.as_ref()?;
            Some(Path::new("/home/hotglue").join(job_id).join("snapshots"))
        };
        folder.or_else(platform)
    }

    /// Seconds of quiet that the remote has asked for since it began, of whichever job.
    pub(crate) fn throttled_secs(&self) -> f64 {
        self.dispatcher.limiter.throttled_secs(Instant::now()) - self.throttled_before
    }
}
