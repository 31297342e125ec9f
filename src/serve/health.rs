//! Whether the service is to be sent requests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::Service;
use super::problem::Problem;

/// How long the disk may take to keep something.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it is known whether it does: nobody can have the disk written to at will.
const FRESH: Duration = Duration::from_secs(2);
/// When to ask again.
const AGAIN_SECS: u64 = 2;
/// How long what a killed service has left keeps requests away: one remote that is down is not to.
const TAKING_UP: Duration = Duration::from_secs(30);

/// What is known of it.
#[derive(Debug)]
pub(super) struct Health {
    started: Instant,
    has_taken_up: AtomicBool,
    /// When the disk was tried last, and what is wrong with it.
    disk: Mutex<Option<(Instant, Option<&'static str>)>>,
}

impl Health {
    /// Of a service that starts now.
    pub(super) fn new() -> Self {
        let disk = Mutex::default();
        Self { started: Instant::now(), has_taken_up: AtomicBool::new(false), disk }
    }

    /// What a killed service has left is under way.
    pub(super) fn taken_up(&self) {
        self.has_taken_up.store(true, Ordering::Release);
    }
}

/// Whether requests are welcome.
///
/// # Errors
/// 503, with the reason.
pub(super) async fn check(service: &Service) -> Result<(), Problem> {
    let away = |detail: &str| Err(Problem::unavailable(detail, AGAIN_SECS));
    let health = &service.health;
    if service.stop.is_cancelled() {
        return away("the service is about to end");
    }
    if !health.has_taken_up.load(Ordering::Acquire) && health.started.elapsed() < TAKING_UP {
        return away("the service takes up what an earlier one has left");
    }
    let mut disk = health.disk.lock().await;
    let wrong = match *disk {
        Some((at, wrong)) if at.elapsed() < FRESH => wrong,
        _ => {
            let wrong = try_disk(service).await;
            *disk = Some((Instant::now(), wrong));
            wrong
        }
    };
    wrong.map_or(Ok(()), away)
}

/// What is wrong with the disk.
async fn try_disk(service: &Service) -> Option<&'static str> {
    match tokio::time::timeout(PATIENCE, service.queue.try_write()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            tracing::error!(%error, "The service's file cannot be written.");
            Some("the service's file cannot be written; see the log")
        }
        Err(_) => Some("the disk does not answer"),
    }
}
