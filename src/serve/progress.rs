//! How far the jobs are that run: what their outcomes come to, kept in memory until they end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use indexmap::IndexMap;

use super::lane::Lane;
use super::lock;
use super::telemetry::LaneMeter;
use super::throughput::Throughput;
use crate::outcome::Outcome;
use crate::pipeline::{ProgressHook, SettledHook};
use crate::store::Store;
use crate::store::streams::name_of;
use crate::summary::{Counts, ErrorGroup, Errors};

/// The jobs that run.
#[derive(Debug, Default)]
pub(super) struct Progress {
    running: Mutex<HashMap<String, Watch>>,
}

/// What is seen of one.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    store: Arc<Store>,
    meter: LaneMeter,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug)]
struct Seen {
    began: Instant,
    counts: Counts,
    /// By number in the store.
    streams: IndexMap<i64, (String, Counts)>,
    errors: Errors,
    throughput: Throughput,
}

/// How far one is.
#[derive(Clone, Debug, Default)]
pub(super) struct SoFar {
    pub(super) streams: IndexMap<String, Counts>,
    pub(super) errors: Vec<ErrorGroup>,
    pub(super) throughput: Throughput,
}

impl Progress {
    /// A job of a lane begins.
    pub(super) fn begin(&self, job: &str, lane: &Lane) -> Watch {
        let seen = Seen {
            began: Instant::now(),
            counts: Counts::default(),
            streams: IndexMap::new(),
            errors: Errors::default(),
            throughput: Throughput::default(),
        };
        let (store, meter) = (Arc::clone(lane.store()), lane.meter.clone());
        let watch = Watch { store, meter, seen: Arc::new(Mutex::new(seen)) };
        lock(&self.running).insert(job.to_owned(), watch.clone());
        watch
    }

    /// A job has ended, and what it came to is kept elsewhere.
    pub(super) fn end(&self, job: &str) {
        lock(&self.running).remove(job);
    }

    /// Records of a job that have an outcome; `None` for one that does not run.
    pub(super) fn counts(&self, job: &str) -> Option<Counts> {
        let watch = lock(&self.running).get(job).cloned()?;
        let counts = lock(&watch.seen).counts.clone();
        Some(counts)
    }

    /// How far a job is; `None` for one that does not run.
    pub(super) fn so_far(&self, job: &str) -> Option<SoFar> {
        let watch = lock(&self.running).get(job).cloned()?;
        let seen = lock(&watch.seen);
        Some(SoFar {
            streams: seen.streams.values().cloned().collect(),
            errors: seen.errors.clone().finish(),
            throughput: seen.throughput.clone(),
        })
    }
}

impl Watch {
    /// What the job tells of its way.
    pub(super) fn on_progress(&self) -> ProgressHook {
        let watch = self.clone();
        Box::new(move |counts| lock(&watch.seen).counts = counts.clone())
    }

    /// Takes in outcomes that are on disk.
    pub(super) fn settle(&self, outcomes: &[Outcome]) {
        self.meter.settled(outcomes);
        let mut seen = lock(&self.seen);
        let after = seen.began.elapsed();
        seen.throughput.add(after, outcomes.len() as u64);
        for outcome in outcomes {
            let seen = &mut *seen;
            let place = seen.streams.entry(outcome.stream);
            let index = place.index();
            let (name, counts) = place.or_insert_with(|| {
                let name = self.store.read(|connection| name_of(connection, outcome.stream));
                (name.unwrap_or_default().unwrap_or_default(), Counts::default())
            });
            counts.read += 1;
            counts.add(outcome.fate);
            seen.errors.add(index, name, outcome);
        }
    }

    /// The same as a hook.
    pub(super) fn on_settled(&self) -> SettledHook {
        let watch = self.clone();
        Box::new(move |outcomes| watch.settle(outcomes))
    }
}
