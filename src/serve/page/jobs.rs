//! The list of jobs.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::told::{At, Badge, number, standing, state, took};
use super::{Asking, Choice, Frame, Refused, Viewer, address, shown};
use crate::serve::Service;
use crate::serve::api::jobs::{counts, is_ending};
use crate::serve::lane::LaneName;
use crate::serve::queue::{Filter, Job, State as JobState};
use crate::summary::Counts;

/// Jobs of a page.
const MOST: u32 = 50;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    environment: String,
    flow: String,
    tenant: String,
    connector: String,
    status: String,
    before: String,
}

#[derive(Template)]
#[template(path = "jobs.html", config = "src/serve/page/askama.toml")]
struct JobsPage {
    frame: Frame,
    rows: Vec<Line>,
    choices: Vec<Choice>,
    /// What a screen reader is told of it.
    status: String,
    here: String,
    older: Option<String>,
    newest: Option<String>,
    is_live: bool,
    is_filtered: bool,
}

/// A job of the list.
#[derive(Debug)]
struct Line {
    id: String,
    name: String,
    lane: LaneName,
    state: Badge,
    created: At,
    took: String,
    succeeded: String,
    failed: String,
    progress: Option<Done>,
}

/// How much of a job is done.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) total: u64,
    pub(super) told: u64,
    /// The same in words.
    pub(super) text: String,
}

/// The jobs that the viewer may see, newest first.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    viewer: Viewer,
    Asking(mut asked): Asking<Asked>,
) -> Result<Response, Refused> {
    let status = JobState::parse(&asked.status);
    if status.is_none() {
        // A wrong word asks for nothing, and is not shown as if it did.
        asked.status.clear();
    }
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut filter = Filter {
        environment: some(&asked.environment),
        flow: some(&asked.flow),
        tenant: some(&asked.tenant),
        connector: some(&asked.connector),
        states: status.into_iter().collect(),
        before: asked.before.parse().ok(),
        most: MOST,
        with_summaries: false,
    };
    if let Some((environment, tenant)) = viewer.caller.tenant() {
        filter.environment = Some(environment.to_owned());
        filter.tenant = Some(tenant.to_owned());
    }
    let jobs = service.queue.list(&filter)?;
    let pairs = [
        ("environment", &*asked.environment),
        ("flow", &asked.flow),
        ("tenant", &asked.tenant),
        ("connector", &asked.connector),
        ("status", &asked.status),
    ];
    let with = |more: (&'static str, &str)| {
        let mut pairs = pairs.to_vec();
        pairs.push(more);
        address("/ui/jobs", &pairs)
    };
    let is_full = jobs.len() >= MOST as usize;
    let last = jobs.last().map(|job| job.number.to_string());
    let at_work = jobs.iter().filter(|job| !job.state.is_end()).count();
    let page = JobsPage {
        frame: Frame { is_jobs: true, ..viewer.frame("Jobs") },
        choices: choices(&service, &viewer, &asked),
        status: match at_work {
            0 => "No job is at work".to_owned(),
            1 => "1 job is at work".to_owned(),
            _ => format!("{at_work} jobs are at work"),
        },
        here: with(("before", &asked.before)),
        older: last.filter(|_| is_full).map(|last| with(("before", &last))),
        newest: filter.before.map(|_| with(("before", ""))),
        is_live: at_work > 0,
        is_filtered: pairs.iter().any(|(_, value)| !value.is_empty()),
        rows: jobs.into_iter().map(|job| line(&service, job)).collect(),
    };
    Ok(shown(&page))
}

/// How much of a job is done, where it runs and that is known.
pub(super) fn done(job: &Job, counts: Option<&Counts>) -> Option<Done> {
    let (total, counts) = (job.records.filter(|total| *total > 0)?, counts?);
    if job.state != JobState::Running {
        return None;
    }
    let told = counts.told().min(total);
    let text = format!(
        "{} of {} records have an outcome ({} %)",
        number(told),
        number(total),
        told * 100 / total
    );
    Some(Done { total, told, text })
}

/// How long a job took, or has run.
pub(super) fn time_of(job: &Job) -> String {
    let Some(started) = job.started_millis else { return "–".to_owned() };
    let until =
        if job.state.is_end() { job.updated_millis } else { chrono::Utc::now().timestamp_millis() };
    took(until - started)
}

/// Records that stand as they are to, of these.
pub(super) fn succeeded(counts: &Counts) -> u64 {
    counts.created + counts.updated + counts.unchanged + counts.deleted
}

fn line(service: &Service, job: Job) -> Line {
    let counts = counts(service, &job);
    let told = |of: fn(&Counts) -> u64| {
        counts.as_ref().map_or_else(|| "–".to_owned(), |counts| number(of(counts)))
    };
    Line {
        state: standing(job.state, is_ending(service, &job)),
        created: At::millis(job.created_millis),
        took: time_of(&job),
        succeeded: told(succeeded),
        failed: told(Counts::trouble),
        progress: done(&job, counts.as_ref()),
        id: job.uuid,
        name: job.name,
        lane: job.lane,
    }
}

/// What can be chosen: what the viewer may see of the configuration.
fn choices(service: &Service, viewer: &Viewer, asked: &Asked) -> Vec<Choice> {
    let lanes = service.tenants.lanes().into_iter().filter(|lane| {
        viewer.caller.tenant().is_none_or(|(environment, tenant)| {
            lane.environment == environment && lane.tenant == tenant
        })
    });
    let lanes: Vec<LaneName> = lanes.collect();
    let choice = |name, label, of: fn(&LaneName) -> &String, chosen: &str| {
        let values: BTreeSet<&String> = lanes.iter().map(of).collect();
        let options = values.into_iter().map(|value| (value.clone(), value.clone()));
        Choice::of(name, label, options, chosen)
    };
    let mut choices = Vec::new();
    if viewer.caller.tenant().is_none() {
        choices.push(choice(
            "environment",
            "Environment",
            |lane| &lane.environment,
            &asked.environment,
        ));
        choices.push(choice("tenant", "Tenant", |lane| &lane.tenant, &asked.tenant));
    }
    choices.push(choice("flow", "Flow", |lane| &lane.flow, &asked.flow));
    choices.push(choice("connector", "Connector", |lane| &lane.connector, &asked.connector));
    let states = JobState::ALL.map(|one| (one.as_str().to_owned(), state(one).name.to_owned()));
    choices.push(Choice::of("status", "Status", states, &asked.status));
    choices
}
