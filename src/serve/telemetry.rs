//! What `/metrics` tells, in the text form that Prometheus reads.
//!
//! Labels are bounded by the configuration and by this program: environments, flows, connectors, routes
//! as they are written there, outcomes. Never tenants, jobs or streams, which grow without end.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{
    Counter, Histogram, Label, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::Service;
use super::lane::LaneName;
use super::queue::State;
use crate::connector::http::meter::{CALL_SECONDS, CALLS, UNDER_WAY};
use crate::error::Error;
use crate::outcome::{Fate, Outcome};
use crate::store::StoreError;

const QUEUED: &str = "target_upsert_jobs_queued";
const RUNNING: &str = "target_upsert_jobs_running";
const OLDEST: &str = "target_upsert_jobs_oldest_queued_age_seconds";
const ENDED: &str = "target_upsert_jobs_ended_total";
const JOB_SECONDS: &str = "target_upsert_job_duration_seconds";
const RECORDS: &str = "target_upsert_records_total";
const LIVE_SECONDS: &str = "target_upsert_live_record_duration_seconds";
const REQUESTS: &str = "target_upsert_http_requests_total";
const REQUEST_SECONDS: &str = "target_upsert_http_request_duration_seconds";
const THROTTLED: &str = "target_upsert_remote_throttled_seconds_total";
const HOOK_ATTEMPTS: &str = "target_upsert_webhook_attempts_total";
const HOOK_EVENTS: &str = "target_upsert_webhook_events_total";
const HOOK_WAITING: &str = "target_upsert_webhook_events_waiting";
const BUILD: &str = "target_upsert_build_info";

/// Bounds of histograms of what answers somebody who waits.
const ANSWER_BOUNDS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// The same of jobs.
const JOB_BOUNDS: [f64; 11] =
    [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0];

/// The one recorder of this process.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Has what happens from here on counted.
///
/// # Errors
/// Exit code 5: something else counts in this process.
pub(super) fn start() -> Result<(), Error> {
    let failed = |why: String| Error::ours(format!("nothing can be counted: {why}"));
    if RECORDER.get().is_some() {
        return Ok(());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &ANSWER_BOUNDS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Full(JOB_SECONDS.to_owned()), &JOB_BOUNDS)
        })
        .map_err(|error| failed(error.to_string()))?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| failed(error.to_string()))?;
    RECORDER.get_or_init(|| handle);
    describe();
    Ok(())
}

fn describe() {
    describe_gauge!(QUEUED, "Jobs that wait for their turn.");
    describe_gauge!(RUNNING, "Jobs under way, those of records at once included.");
    describe_gauge!(
        OLDEST,
        Unit::Seconds,
        "How long the oldest job has waited; 0 where none does."
    );
    describe_counter!(ENDED, "Jobs that came to their end, by how.");
    describe_histogram!(JOB_SECONDS, Unit::Seconds, "From a job's beginning to its end.");
    describe_counter!(RECORDS, "Records that came to their end, by outcome.");
    describe_histogram!(
        LIVE_SECONDS,
        Unit::Seconds,
        "From a record that is to be written at once to the answer: settled, or not in time."
    );
    describe_counter!(REQUESTS, "HTTP requests that were answered.");
    describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "From a request to the head of its answer."
    );
    describe_counter!(CALLS, "Calls to remotes, by the class of their answer; none: it was lost.");
    describe_histogram!(CALL_SECONDS, Unit::Seconds, "From a call to the end of its answer.");
    describe_gauge!(UNDER_WAY, "Calls to remotes that are under way.");
    describe_counter!(THROTTLED, Unit::Seconds, "How long remotes have asked for quiet.");
    describe_counter!(HOOK_ATTEMPTS, "Messages that were posted to webhooks, each try counted.");
    describe_counter!(HOOK_EVENTS, "Events that webhooks have taken, or that were given up.");
    describe_gauge!(HOOK_WAITING, "Events that wait to be taken by webhooks.");
    describe_gauge!(BUILD, "1, with the version of this program.");
    describe_gauge!("process_resident_memory_bytes", Unit::Bytes, "Resident memory size in bytes.");
    describe_gauge!("process_open_fds", "Number of open file descriptors.");
    describe_gauge!("process_start_time_seconds", Unit::Seconds, "Start time, in Unix time.");
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    gauge!("process_start_time_seconds").set(now.as_secs_f64().round());
}

/// Takes in what was counted since, which is kept one by one until then.
pub(super) fn upkeep() {
    if let Some(recorder) = RECORDER.get() {
        recorder.run_upkeep();
    }
}

/// What counts a lane's records and jobs; lanes of one connector of a flow share it.
#[derive(Clone, Debug)]
pub(super) struct LaneMeter {
    labels: Vec<Label>,
    records: [Counter; Fate::ALL.len()],
    settled: Histogram,
    not_in_time: Histogram,
}

impl LaneMeter {
    pub(super) fn new(lane: &LaneName) -> Self {
        let labels = labels_of(lane);
        let with = |name, value| {
            let mut labels = labels.clone();
            labels.push(Label::from_static_parts(name, value));
            labels
        };
        Self {
            records: Fate::ALL.map(|fate| counter!(RECORDS, with("outcome", fate.as_str()))),
            settled: histogram!(LIVE_SECONDS, with("outcome", "settled")),
            not_in_time: histogram!(LIVE_SECONDS, with("outcome", "not_in_time")),
            labels,
        }
    }

    /// What they are counted under.
    pub(super) fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// Records have come to their ends.
    pub(super) fn settled(&self, outcomes: &[Outcome]) {
        for (fate, counter) in Fate::ALL.iter().zip(&self.records) {
            let count = outcomes.iter().filter(|outcome| outcome.fate == *fate).count();
            counter.increment(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }

    /// Who has brought a record was answered after so long.
    pub(super) fn answered(&self, took: Duration, is_settled: bool) {
        if is_settled { &self.settled } else { &self.not_in_time }.record(took);
    }
}

fn labels_of(lane: &LaneName) -> Vec<Label> {
    let LaneName { environment, flow, connector, .. } = lane;
    vec![
        Label::new("environment", environment.clone()),
        Label::new("flow", flow.clone()),
        Label::new("connector", connector.clone()),
    ]
}

/// What counts how long the remotes of a connector ask for quiet. What writes with one credential shares
/// it, whatever its flow.
pub(super) fn throttled(lane: &LaneName) -> Counter {
    let (environment, connector) = (lane.environment.clone(), lane.connector.clone());
    counter!(THROTTLED, "environment" => environment, "connector" => connector)
}

/// A job has ended.
pub(super) fn job_ended(lane: &LaneName, state: State, took: Duration) {
    let mut labels = labels_of(lane);
    histogram!(JOB_SECONDS, labels.clone()).record(took);
    labels.push(Label::from_static_parts("status", state.as_str()));
    counter!(ENDED, labels).increment(1);
}

/// A request was answered.
pub(super) fn request_answered(method: &str, route: &str, status: u16, took: Duration) {
    // What a client makes up is not a label.
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let method = known.into_iter().find(|known| *known == method).unwrap_or("other");
    let route = route.to_owned();
    let class = match status / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    histogram!(REQUEST_SECONDS, "method" => method, "route" => route.clone()).record(took);
    counter!(REQUESTS, "method" => method, "route" => route, "status" => class).increment(1);
}

/// A message was posted to a webhook.
pub(super) fn hook_tried(environment: &str, is_taken: bool) {
    let outcome = if is_taken { "taken" } else { "failed" };
    counter!(HOOK_ATTEMPTS, "environment" => environment.to_owned(), "outcome" => outcome)
        .increment(1);
    if is_taken {
        hook_ended(environment, "delivered", 1);
    }
}

/// A webhook's counts are there before anything is counted: what is not there does not grow.
pub(super) fn hook_known(environment: &str) {
    for outcome in ["delivered", "failed"] {
        hook_ended(environment, outcome, 0);
    }
}

/// Events were given up.
pub(super) fn hook_gave_up(environment: &str, events: usize) {
    hook_ended(environment, "failed", events);
}

fn hook_ended(environment: &str, outcome: &'static str, events: usize) {
    let events = u64::try_from(events).unwrap_or(u64::MAX);
    counter!(HOOK_EVENTS, "environment" => environment.to_owned(), "outcome" => outcome)
        .increment(events);
}

/// All of it, as it is now.
///
/// # Errors
/// The queue cannot be read.
pub(super) fn render(service: &Service) -> Result<String, StoreError> {
    queue(service)?;
    process();
    Ok(RECORDER.get().map(PrometheusHandle::render).unwrap_or_default())
}

/// What the queue's file knows.
#[expect(clippy::cast_precision_loss, reason = "counts and ages are far below where that shows")]
fn queue(service: &Service) -> Result<(), StoreError> {
    let now = chrono::Utc::now().timestamp_millis();
    let open = service.queue.open_jobs()?;
    let waiting: HashMap<_, _> = service.queue.waiting_deliveries()?.into_iter().collect();
    for environment in service.config.environments.keys() {
        let of = |state| {
            open.iter().find(|open| open.environment == *environment && open.state == state)
        };
        let count = |state| of(state).map_or(0.0, |open| open.count as f64);
        let name = || environment.clone();
        gauge!(QUEUED, "environment" => name()).set(count(State::Queued));
        gauge!(RUNNING, "environment" => name()).set(count(State::Running));
        let age =
            of(State::Queued).map_or(0.0, |open| (now - open.oldest_millis).max(0) as f64 / 1000.0);
        gauge!(OLDEST, "environment" => name()).set(age);
        let waits = waiting.get(environment).copied().unwrap_or_default();
        gauge!(HOOK_WAITING, "environment" => name()).set(waits as f64);
    }
    Ok(())
}

/// What Linux tells of this process; nothing elsewhere.
fn process() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib =
        resident.and_then(|text| text.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    if let Some(kib) = kib {
        gauge!("process_resident_memory_bytes").set(kib * 1024.0);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // The one that they are listed with is not counted.
        let open = u32::try_from(open.count()).unwrap_or(u32::MAX).saturating_sub(1);
        gauge!("process_open_fds").set(open);
    }
}
