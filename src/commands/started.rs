//! A job that has begun: what its walk and its end need to know of its beginning.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::config::Config;
use crate::config::environment::Environment;
use crate::dispatch::Dispatcher;
use crate::store::Store;
use crate::store::jobs::JobId;

/// A job that has begun.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) config: Config,
    pub(super) environment: Environment,
    pub(super) connector: String,
    pub(super) namespace: String,
    pub(super) store: Arc<Store>,
    pub(super) job: JobId,
    pub(super) uuid: String,
    /// Where it is a retry: the id of the job that it tries again.
    pub(super) retried: Option<String>,
    pub(super) since: String,
    pub(super) clock: Instant,
    pub(super) dispatcher: Arc<Dispatcher>,
}

impl Started {
    /// Where the platform's id snapshots are, if anywhere.
    pub(super) fn snapshot_folder(&self) -> Option<PathBuf> {
        let configured = self.config.snapshot_dir.clone();
        let folder = configured.or_else(|| self.environment.snapshot_dir.clone());
        let platform = || {
            let job_id = self.environment.job_id.as_ref()?;
            Some(Path::new("/home/hotglue").join(job_id).join("snapshots"))
        };
        folder.or_else(platform)
    }
}
