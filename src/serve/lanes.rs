//! The lanes that are open, and the stores of those that are not.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use percent_encoding::percent_decode_str;
use tokio::sync::OnceCell;

use super::account::Limits;
use super::lane::{Lane, LaneName, forget};
use super::problem::Problem;
use super::queue::Queue;
use super::{Service, lock};
use crate::store::Store;

/// The lanes that have a store.
fn kept(data: &Path) -> Vec<LaneName> {
    let folders = |path: &Path| {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.filter_map(|entry| {
            let name = entry.file_name();
            let name = percent_decode_str(name.to_str()?).decode_utf8().ok()?.into_owned();
            Some((name, entry.path()))
        })
    };
    let mut all = Vec::new();
    for (environment, path) in folders(&data.join("lanes")) {
        for (tenant, path) in folders(&path) {
            for (flow, path) in folders(&path) {
                for (connector, path) in folders(&path) {
                    if path.join("store.db").exists() {
                        let (environment, flow, tenant) =
                            (environment.clone(), flow.clone(), tenant.clone());
                        all.push(LaneName { environment, flow, tenant, connector });
                    }
                }
            }
        }
    }
    all
}

/// The lanes that are open.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    open: Mutex<HashMap<LaneName, Arc<OnceCell<Arc<Lane>>>>>,
    pub(super) limits: Limits,
}

impl Lanes {
    /// Opens a lane, or finds it open.
    ///
    /// # Errors
    /// 404 where there is no such lane; and what is wrong with its configuration.
    pub(super) async fn get(
        &self,
        service: &Arc<Service>,
        name: &LaneName,
    ) -> Result<Arc<Lane>, Problem> {
        self.get_noting(service, name, &AtomicBool::default()).await
    }

    /// The same. `opens` is set while others wait for this: then it is not to be dropped.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(super) async fn get_noting(
        &self,
        service: &Arc<Service>,
        name: &LaneName,
        opens: &AtomicBool,
    ) -> Result<Arc<Lane>, Problem> {
        let cell = Arc::clone(lock(&self.open).entry(name.clone()).or_default());
        let opening = cell.get_or_try_init(|| async {
            opens.store(true, Ordering::Release);
            let lane = Arc::new(Lane::open(service, name.clone()).await?);
            let (opened, own) = (Arc::clone(&lane), Arc::clone(service));
            let before = service.config.kept_since_millis();
            service.tasks.spawn(async move { opened.forget(&own.queue, before).await });
            Ok(lane)
        });
        // Its remote may be asked whose account it is, and not answer.
        let opened = tokio::select! {
            opened = opening => opened,
            () = service.stop.cancelled() => Err(Problem::ending()),
        };
        let lane = match opened {
            Ok(lane) => Arc::clone(lane),
            Err(problem) => {
                // A name that is none takes no room.
                let mut open = lock(&self.open);
                let is_used = |cell: &Arc<_>| Arc::strong_count(cell) > 2;
                if open.get(name).is_some_and(|cell| cell.get().is_none() && !is_used(cell)) {
                    open.remove(name);
                }
                return Err(problem);
            }
        };
        lane.touch();
        tokio::select! {
            heeded = lane.heed(service, opens) => heeded?,
            () = service.stop.cancelled() => return Err(Problem::ending()),
        }
        opens.store(false, Ordering::Release);
        lane.renew_if_old(service);
        Ok(lane)
    }

    /// One that is open.
    pub(super) fn find(&self, name: &LaneName) -> Option<Arc<Lane>> {
        lock(&self.open).get(name)?.get().cloned()
    }

    /// All that are open.
    pub(super) fn all(&self) -> Vec<Arc<Lane>> {
        lock(&self.open).values().filter_map(|cell| cell.get().cloned()).collect()
    }

    /// Forgets old jobs in the stores of lanes that are not open, whoever they were of.
    pub(super) async fn forget_closed(&self, data: &Path, queue: &Queue, before_millis: i64) {
        for name in tokio::task::block_in_place(|| kept(data)) {
            let cell = Arc::clone(lock(&self.open).entry(name.clone()).or_default());
            // Whoever opens it meanwhile waits for this, and opens it then.
            let looked = cell.get_or_try_init(|| async {
                let path = name.store(data);
                let opened = tokio::task::spawn_blocking(move || Store::open(&path)).await;
                if let Ok(Ok(store)) = opened {
                    forget(&name, &store, queue, before_millis).await;
                }
                Err(())
            });
            looked.await.map(drop).unwrap_or_default();
            drop(cell);
            let mut open = lock(&self.open);
            let is_unused =
                |cell: &Arc<OnceCell<_>>| cell.get().is_none() && Arc::strong_count(cell) == 1;
            if open.get(&name).is_some_and(is_unused) {
                open.remove(&name);
            }
        }
    }

    /// Closes those that nobody has used since `before`: the next who does opens them again.
    pub(super) fn close_idle(&self, before: Instant) {
        lock(&self.open).retain(|_, cell| {
            let is_free = |lane: &Arc<Lane>| {
                // No job has it, and nobody is about to begin one.
                let is_held = Arc::strong_count(cell) > 1 || Arc::strong_count(lane) > 1;
                !is_held && lane.is_unused_since(before)
            };
            !cell.get().is_some_and(is_free)
        });
    }
}
