//! What a killed service has accepted to be written at once, and has not written: another job writes it.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Service;
use super::lane::LaneName;
use super::live::Live;
use super::problem::Problem;
use crate::store::{open_for_reading, tasks, unreadable};

/// Accounts at once in which is looked for it.
const AT_ONCE: usize = 8;

/// Writes what a killed service has accepted and not written.
pub(super) async fn take_up(service: &Arc<Service>) {
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut all = JoinSet::new();
    for name in service.tenants.lanes() {
        let (service, at_once) = (Arc::clone(service), Arc::clone(&at_once));
        all.spawn(async move {
            let _turn = at_once.acquire_owned().await;
            if let Err(problem) = take_up_in(&service, &name).await {
                tracing::error!(
                    "{name}: records that were accepted are not written before the next request: {}",
                    problem.detail()
                );
            }
        });
    }
    all.join_all().await;
}

async fn take_up_in(service: &Arc<Service>, name: &LaneName) -> Result<(), Problem> {
    let store = name.store(&service.config.data);
    if !store.exists() {
        return Ok(());
    }
    let open = tokio::task::block_in_place(|| {
        tasks::open(&open_for_reading(&store)?).map_err(unreadable)
    })?;
    if !open.is_empty() {
        let lane = service.lanes.get(service, name).await?;
        Live::of(service, &lane).await?;
    }
    Ok(())
}
