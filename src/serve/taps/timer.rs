//! Begins runs of taps at the times of their schedules.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::schedule::Schedule;
use crate::serve::Service;
use crate::serve::config::ServeConfig;
use crate::serve::lane::LaneName;
use crate::serve::queue::{NewJob, Planned, Source};
use crate::store::StoreError;

/// The clock is looked at so often, at least: it may be set, or the machine may have slept.
const LONGEST: Duration = Duration::from_secs(30);
/// And at most, where something is due that cannot be begun.
const SHORTEST: Duration = Duration::from_millis(100);

/// A tap that runs by itself, for one account.
struct Plan {
    lane: LaneName,
    tap: String,
    schedule: Schedule,
    /// Up to when it was followed.
    last: DateTime<Utc>,
}

/// The name of a job of a tap.
pub(in crate::serve) fn job_name(lane: &LaneName, tap: &str, at: DateTime<Utc>) -> String {
    format!("{}-{tap}-{}", lane.flow, at.format("%Y%m%d-%H%M%S"))
}

/// Follows all schedules until the service is to end.
pub(in crate::serve) async fn run(service: Arc<Service>) {
    let (mut plans, mut heeded) = (Vec::new(), None);
    loop {
        // Tenants come and go while the service runs.
        let changes = service.tenants.changes();
        if heeded != Some(changes) {
            match self::plans(&service).await {
                Ok(found) => (plans, heeded) = (found, Some(changes)),
                Err(error) => {
                    tracing::error!(%error, "What taps are planned cannot be read; it is tried again.");
                }
            }
        }
        let now = Utc::now();
        for plan in &mut plans {
            if let Some(at) = plan.schedule.due(plan.last, now) {
                match begin(&service, plan, at).await {
                    Ok(()) => plan.last = at,
                    Err(error) => {
                        tracing::error!(tap = plan.tap, lane = %plan.lane, %error, "A planned run could not be begun.");
                    }
                }
            }
        }
        let next = plans.iter().filter_map(|plan| plan.schedule.next(now)).min();
        let pause = next.map_or(LONGEST, |at| (at - Utc::now()).to_std().unwrap_or_default());
        tokio::select! {
            () = service.stop.cancelled() => return,
            () = tokio::time::sleep(pause.clamp(SHORTEST, LONGEST)) => {}
        }
    }
}

/// All that run by themselves, and up to when each was followed.
async fn plans(service: &Service) -> Result<Vec<Plan>, StoreError> {
    let now = Utc::now();
    let mut plans: Vec<Plan> = service
        .tenants
        .lanes()
        .into_iter()
        .flat_map(|lane| scheduled(&service.config, &lane))
        .map(|(lane, tap, schedule)| Plan { lane, tap, schedule, last: now })
        .collect();
    let named = plans.iter().map(|plan| {
        let Plan { lane, tap, schedule, .. } = plan;
        (lane.clone(), tap.clone(), schedule.to_string())
    });
    let last = service.queue.plan(named.collect(), now.timestamp_millis()).await?;
    for (plan, last) in plans.iter_mut().zip(last) {
        plan.last = DateTime::from_timestamp_millis(last).unwrap_or(now);
        let next = plan.schedule.next(now).map(|at| at.to_rfc3339()).unwrap_or_default();
        tracing::info!(tap = plan.tap, lane = %plan.lane, next, "A tap runs by itself.");
    }
    Ok(plans)
}

/// The taps of a lane's flow that run by themselves, and write with its connector.
fn scheduled(config: &ServeConfig, lane: &LaneName) -> Vec<(LaneName, String, Schedule)> {
    let place = config.environments.get(&lane.environment);
    let flow = place.and_then(|place| place.flows.get(&lane.flow));
    let taps = flow.into_iter().flat_map(|flow| &flow.taps);
    taps.filter(|(_, tap)| tap.is_for(&lane.connector))
        // Those that are wrong were refused when the configuration was read.
        .filter_map(|(name, tap)| Some((lane.clone(), name.clone(), tap.schedule().ok()??)))
        .collect()
}

async fn begin(service: &Arc<Service>, plan: &Plan, at: DateTime<Utc>) -> Result<(), StoreError> {
    let Plan { lane, tap, .. } = plan;
    let name = job_name(lane, tap, at);
    let job = NewJob { tap: Some(tap.clone()), ..NewJob::new(lane.clone(), Source::Tap, name) };
    let uuid = job.uuid.clone();
    let time = at.to_rfc3339();
    match service.queue.push_planned(job, at.timestamp_millis()).await? {
        Planned::New => {
            tracing::info!(job = uuid, tap, %lane, time, "A planned run of a tap is queued.");
            service.runner.fill(service.queue.find(&uuid)?);
        }
        Planned::PassedOver => {
            tracing::warn!(tap, %lane, time, "A planned run of a tap is passed over: the one before it is not through.");
        }
        Planned::Before => {}
    }
    Ok(())
}
