//! The end of a job: how it was is on disk before anybody is told. A disk that is full for a while does
//! not lose it.

use std::time::Duration;

use super::Service;
use super::lane::LaneName;
use super::queue::Ended;
use super::telemetry;

/// How long nothing is tried after the disk has failed.
pub(super) const DISK_PAUSE: Duration = Duration::from_secs(5);

impl Service {
    /// Keeps how a job has ended, as soon as the disk takes it. `false`: the service ends before, and the
    /// next start takes the job up.
    pub(super) async fn end_job(
        &self,
        lane: &LaneName,
        job: &str,
        took: Duration,
        ended: Ended,
    ) -> bool {
        while let Err(error) = self.queue.end(job, ended.clone()).await {
            tracing::error!(%error, "That a job has ended cannot be kept yet.");
            if !self.pause().await {
                return false;
            }
        }
        self.keep_throughput(job).await;
        self.progress.end(job);
        telemetry::job_ended(lane, ended.state, took);
        tracing::info!(status = ended.state.as_str(), "A job has ended.");
        true
    }

    /// Whether the disk cannot be written, so that what has failed may have failed by that.
    pub(super) async fn is_disk_bad(&self) -> bool {
        self.queue.try_write().await.is_err()
    }

    /// Waits a while, and until the disk can be written. `false`: the service ends before.
    pub(super) async fn wait_for_disk(&self) -> bool {
        while self.pause().await {
            if !self.is_disk_bad().await {
                return true;
            }
        }
        false
    }

    /// `false`: the service ends.
    async fn pause(&self) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(DISK_PAUSE) => true,
        }
    }

    /// Keeps how fast a job was that ends.
    async fn keep_throughput(&self, job: &str) {
        let Some(so_far) = self.progress.so_far(job) else { return };
        if let Err(error) = self.queue.keep_throughput(job, &so_far.throughput).await {
            // It is for people, and the job has done what it was to.
            tracing::warn!(job, %error, "How fast a job was could not be kept.");
        }
    }
}
