//! A job: how it stands, what its records came to, what went wrong and how fast it was.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use indexmap::IndexMap;

use super::chart::{Chart, chart};
use super::jobs::{Done, done, succeeded, time_of};
use super::told::{At, Badge, counted, number, standing};
use super::{Frame, Refused, Viewer, address, capital, shown};
use crate::serve::Service;
use crate::serve::api::body::InPath;
use crate::serve::api::jobs;
use crate::serve::hints::hint;
use crate::serve::lane::LaneName;
use crate::serve::queue::{Job, Source, State as JobState};
use crate::serve::retry;
use crate::summary::{Counts, ErrorGroup, Summary};

/// What is told of a job that was asked to end: see [`GRACE`](crate::pipeline::GRACE).
const ENDING: &str = "It was asked to end. What was read is written for ten seconds more, and calls that \
                      hang are given up five seconds later.";

/// What stands over the pages of a job.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) lane: LaneName,
    pub(super) state: Badge,
    pub(super) created: At,
    pub(super) took: String,
    pub(super) retries: Option<String>,
    pub(super) tap: Option<String>,
    pub(super) is_end: bool,
    pub(super) can_cancel: bool,
    pub(super) can_retry: bool,
    /// What ending it is called.
    pub(super) cancel: &'static str,
}

impl Head {
    pub(super) fn of(service: &Service, job: &Job) -> Self {
        let (is_end, is_ending) = (job.state.is_end(), jobs::is_ending(service, job));
        Self {
            id: job.uuid.clone(),
            name: job.name.clone(),
            lane: job.lane.clone(),
            state: standing(job.state, is_ending),
            created: At::millis(job.created_millis),
            took: time_of(job),
            retries: job.retries.clone(),
            tap: job.tap.clone(),
            is_end,
            can_cancel: !is_end && !is_ending,
            can_retry: is_end && retry::has_any(&service.config.data, job),
            cancel: match (job.state, job.source) {
                (JobState::Queued, _) => "Cancel",
                (_, Source::Live) => "Close",
                _ => "Stop",
            },
        }
    }

    /// Whether it was asked to end, and has not.
    fn is_ending(&self) -> bool {
        !self.is_end && !self.can_cancel
    }
}

#[derive(Template)]
#[template(path = "job.html", config = "src/serve/page/askama.toml")]
struct JobPage {
    frame: Frame,
    head: Head,
    tab: &'static str,
    is_live: bool,
    status: String,
    message: Option<String>,
    hint: Option<String>,
    progress: Option<Done>,
    tiles: Vec<Tile>,
    split: Vec<Part>,
    errors: Vec<ErrorLine>,
    errors_told: String,
    chart: Option<Chart>,
    streams: Vec<StreamLine>,
    has_calls: bool,
}

/// A figure with its name.
#[derive(Debug)]
struct Tile {
    name: &'static str,
    figure: String,
    tone: &'static str,
    href: Option<String>,
}

/// A part of a bar of 1000.
#[derive(Debug)]
struct Part {
    tone: &'static str,
    start: u64,
    length: u64,
}

/// Errors of one kind.
#[derive(Debug)]
struct ErrorLine {
    code: String,
    stream: Option<String>,
    who: &'static str,
    tone: &'static str,
    count: String,
    hint: &'static str,
    sample: String,
    sample_id: Option<String>,
    sample_href: String,
    href: String,
}

#[derive(Debug)]
struct StreamLine {
    name: String,
    read: String,
    succeeded: String,
    failed: String,
    calls: String,
    href: String,
}

/// A job.
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    viewer: Viewer,
    InPath(id): InPath<String>,
) -> Result<Response, Refused> {
    let job = jobs::visible(&service, &viewer.caller, &id)?;
    let so_far = service.progress.so_far(&job.uuid).unwrap_or_default();
    let summary =
        job.summary.as_deref().and_then(|text| serde_json::from_str::<Summary>(text).ok());
    let counts = jobs::counts(&service, &job);
    let records = format!("/ui/jobs/{}/records", job.uuid);
    let throughput = match service.queue.throughput(&job.uuid)? {
        Some(kept) if job.state.is_end() => kept,
        _ => so_far.throughput,
    };
    let mut streams: IndexMap<String, (Counts, Option<u64>)> =
        so_far.streams.into_iter().map(|(name, counts)| (name, (counts, None))).collect();
    let (mut errors, mut hint) = (so_far.errors, None);
    if let Some(summary) = summary {
        let of = |(name, stream): (String, crate::summary::StreamSummary)| {
            (name, (stream.counts, Some(stream.requests)))
        };
        streams = summary.streams.into_iter().map(of).collect();
        errors = summary.errors;
        hint = summary.error.and_then(|error| error.hint).map(|hint| capital(&hint));
    }
    let progress = done(&job, counts.as_ref());
    let head = Head::of(&service, &job);
    let page = JobPage {
        frame: viewer.frame(&job.name),
        status: status(head.state.name, progress.as_ref()),
        tab: "overview",
        is_live: !job.state.is_end(),
        message: message(&job, head.is_ending()),
        hint,
        progress,
        split: counts.as_ref().map(split).unwrap_or_default(),
        tiles: tiles(&job, &counts.unwrap_or_default(), &records),
        errors_told: counted(errors.iter().map(|group| group.count).sum(), "record"),
        errors: errors.into_iter().map(|group| error_line(group, &records)).collect(),
        chart: chart(&throughput),
        has_calls: streams.values().any(|(_, calls)| calls.is_some()),
        streams: streams
            .into_iter()
            .map(|(name, (counts, calls))| stream_line(name, &counts, calls, &records))
            .collect(),
        head,
    };
    Ok(shown(&page))
}

/// What a screen reader is told; while it runs in steps, or it would never be silent.
fn status(name: &str, progress: Option<&Done>) -> String {
    match progress {
        Some(Done { total, told, .. }) => format!("{name}, {} percent", told * 10 / total * 10),
        None => format!("Job {name}"),
    }
}

/// How it ended or is to end, where its state does not say it.
fn message(job: &Job, is_ending: bool) -> Option<String> {
    if is_ending {
        return Some(ENDING.to_owned());
    }
    let is_plain = matches!(job.state, JobState::Succeeded | JobState::CompletedWithFailures);
    let message = job.message.as_deref().filter(|_| !is_plain)?;
    // How many of what came of it stands below in figures.
    (!message.starts_with("read ")).then(|| capital(message))
}

fn tiles(job: &Job, counts: &Counts, records: &str) -> Vec<Tile> {
    let tile = |name, count, tone, outcome: &str| Tile {
        name,
        figure: number(count),
        tone: if count == 0 { "zero" } else { tone },
        href: (count > 0).then(|| address(records, &[("outcome", outcome)])),
    };
    let told = match job.state {
        JobState::Queued => job.records.unwrap_or_default(),
        _ => counts.told(),
    };
    vec![
        tile("Records", told, "", ""),
        tile("Succeeded", succeeded(counts), "good-text", "created,updated,unchanged,deleted"),
        tile("Failed", counts.trouble(), "bad-text", "rejected,failed,in_doubt"),
        tile("Created", counts.created, "", "created"),
        tile("Updated", counts.updated, "", "updated"),
        tile("Unchanged", counts.unchanged, "", "unchanged"),
        tile("Deleted", counts.deleted, "", "deleted"),
        tile("Skipped", counts.skipped, "", "skipped"),
        tile("In doubt", counts.in_doubt, "warn-text", "in_doubt"),
    ]
}

/// What the records came to, as parts of a whole.
fn split(counts: &Counts) -> Vec<Part> {
    let all = [
        ("good", counts.created),
        ("busy", counts.updated),
        ("calm", counts.unchanged + counts.deleted + counts.skipped),
        ("warn", counts.in_doubt),
        ("bad", counts.rejected + counts.failed),
    ];
    let total = counts.told().max(1);
    let mut before = 0;
    let parts = all.into_iter().filter(|(_, count)| *count > 0).map(|(tone, count)| {
        let start = before * 1000 / total;
        before += count;
        // However few they are, they are seen.
        let length = (before * 1000 / total - start).max(4);
        Part { tone, start: start.min(996), length }
    });
    parts.collect()
}

fn error_line(group: ErrorGroup, records: &str) -> ErrorLine {
    let ErrorGroup { stream, code, count, sample, sample_id, who, .. } = group;
    let (name, tone) = match who.as_str() {
        "data" => ("data", "calm"),
        "credential" => ("credential", "warn"),
        "configuration" => ("configuration", "warn"),
        _ => ("remote", "calm"),
    };
    let filter = [("stream", stream.as_str()), ("error", &code)];
    let with_id = |id: &String| {
        // A shortened id is found by its beginning.
        let id: String = id.trim_end_matches('…').chars().take(super::records::SEARCH).collect();
        address(records, &[filter[0], filter[1], ("search", &id)])
    };
    ErrorLine {
        href: address(records, &filter),
        sample_href: sample_id.as_ref().map(with_id).unwrap_or_default(),
        hint: hint(&who, &code),
        count: counted(count, "record"),
        stream: (!stream.is_empty()).then(|| stream.clone()),
        code,
        who: name,
        tone,
        sample,
        sample_id,
    }
}

fn stream_line(name: String, counts: &Counts, calls: Option<u64>, records: &str) -> StreamLine {
    StreamLine {
        href: address(records, &[("stream", &name)]),
        name: if name.is_empty() { "no message".to_owned() } else { name },
        read: number(counts.read),
        succeeded: number(succeeded(counts)),
        failed: number(counts.trouble()),
        calls: calls.map_or_else(|| "–".to_owned(), number),
    }
}

/// Ends a job.
pub(super) async fn cancel(
    State(service): State<Arc<Service>>,
    viewer: Viewer,
    InPath(id): InPath<String>,
) -> Result<Response, Refused> {
    let job = jobs::visible(&service, &viewer.caller, &id)?;
    let job = jobs::cancel(&service, &job).await?;
    Ok(to(&job).into_response())
}

/// Queues a job for what this one did not write.
pub(super) async fn retry(
    State(service): State<Arc<Service>>,
    viewer: Viewer,
    InPath(id): InPath<String>,
) -> Result<Response, Refused> {
    let job = jobs::visible(&service, &viewer.caller, &id)?;
    let again = jobs::retry(&service, &job).await?;
    Ok(to(&again).into_response())
}

fn to(job: &Job) -> Redirect {
    Redirect::to(&format!("/ui/jobs/{}", job.uuid))
}
