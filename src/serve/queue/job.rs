//! A job of the service, and what is asked and told of it.

use indexmap::IndexMap;
use rusqlite::Row;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::serve::lane::LaneName;
use crate::serve::webhooks::Step;
use crate::store::jobs::Status;
use crate::summary::{Counts, Summary};

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::serve) enum State {
    /// It waits for its turn.
    Queued,
    /// It is under way.
    Running,
    /// Every record was written.
    Succeeded,
    /// Some records were not.
    CompletedWithFailures,
    /// It was stopped before its input's end.
    Stopped,
    /// An error ended it.
    Failed,
    /// Somebody ended it before it began.
    Cancelled,
}

impl State {
    pub(in crate::serve) const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::CompletedWithFailures,
        Self::Stopped,
        Self::Failed,
        Self::Cancelled,
    ];

    pub(in crate::serve) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::CompletedWithFailures => "completed_with_failures",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub(in crate::serve) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// The states that the platform has this name for.
    pub(in crate::serve) fn of_platform(name: &str) -> Option<Vec<Self>> {
        let states: Vec<_> =
            Self::ALL.into_iter().filter(|state| state.step().as_str() == name).collect();
        (!states.is_empty()).then_some(states)
    }

    /// Whether it has come to its end.
    pub(in crate::serve) fn is_end(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// The step of its life that a job in this state has come to.
    pub(in crate::serve) fn step(self) -> Step {
        match self {
            Self::Queued => Step::JobCreated,
            Self::Running => Step::ExportStarted,
            Self::Succeeded | Self::CompletedWithFailures => Step::JobCompleted,
            Self::Stopped | Self::Failed => Step::ExportFailed,
            Self::Cancelled => Step::JobCanceled,
        }
    }
}

/// Where a job's records come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::serve) enum Source {
    /// A request brought them.
    Api,
    /// Requests bring them one by one, and wait.
    Live,
    /// Another job, that did not write them.
    Retry,
    /// A program that runs for it.
    Tap,
}

impl Source {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Live => "live",
            Self::Retry => "retry",
            Self::Tap => "tap",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "live" => Self::Live,
            "retry" => Self::Retry,
            "tap" => Self::Tap,
            _ => Self::Api,
        }
    }
}

/// A job of the service.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Job {
    /// Its place among all.
    pub(in crate::serve) number: i64,
    pub(in crate::serve) uuid: String,
    pub(in crate::serve) lane: LaneName,
    pub(in crate::serve) source: Source,
    pub(in crate::serve) name: String,
    pub(in crate::serve) state: State,
    /// In milliseconds of Unix time, as the others.
    pub(in crate::serve) created_millis: i64,
    pub(in crate::serve) started_millis: Option<i64>,
    pub(in crate::serve) updated_millis: i64,
    pub(in crate::serve) records: Option<u64>,
    pub(in crate::serve) retries: Option<String>,
    /// Its last run, as the lane's store knows it.
    pub(in crate::serve) run: Option<String>,
    pub(in crate::serve) message: Option<String>,
    pub(in crate::serve) summary: Option<String>,
    /// The tap that brings its records.
    pub(in crate::serve) tap: Option<String>,
    /// Once it has a summary.
    pub(in crate::serve) brief: Option<Brief>,
}

/// What a summary says in short.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::serve) struct Brief {
    pub(in crate::serve) proof: Counts,
    /// Records that were read, by stream.
    pub(in crate::serve) read: IndexMap<String, u64>,
}

/// Jobs of an environment that have not ended.
#[derive(Clone, Debug)]
pub(in crate::serve) struct OpenJobs {
    pub(in crate::serve) environment: String,
    pub(in crate::serve) state: State,
    pub(in crate::serve) count: u64,
    pub(in crate::serve) oldest_millis: i64,
}

/// A job that is to be queued, or begins at once.
#[derive(Clone, Debug)]
pub(in crate::serve) struct NewJob {
    pub(in crate::serve) uuid: String,
    pub(in crate::serve) lane: LaneName,
    pub(in crate::serve) source: Source,
    pub(in crate::serve) name: String,
    pub(in crate::serve) state: State,
    pub(in crate::serve) records: Option<u64>,
    pub(in crate::serve) retries: Option<String>,
    pub(in crate::serve) run: Option<String>,
    pub(in crate::serve) tap: Option<String>,
}

impl NewJob {
    /// One that waits for its turn, and no more than that.
    pub(in crate::serve) fn new(lane: LaneName, source: Source, name: String) -> Self {
        Self {
            uuid: uuid::Uuid::now_v7().to_string(),
            lane,
            source,
            name,
            state: State::Queued,
            records: None,
            retries: None,
            run: None,
            tap: None,
        }
    }
}

/// A key that a client gave to a request, and what was asked for.
#[derive(Clone, Debug)]
pub(in crate::serve) struct RequestKey {
    pub(in crate::serve) key: String,
    pub(in crate::serve) fingerprint: [u8; 32],
}

/// How a job has ended.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Ended {
    pub(in crate::serve) state: State,
    /// For people.
    pub(in crate::serve) message: String,
    pub(in crate::serve) summary: Option<String>,
}

impl From<&Summary> for Ended {
    fn from(summary: &Summary) -> Self {
        let error = summary.error.as_ref().map(|error| &error.message);
        Self {
            state: match summary.status {
                Status::Succeeded => State::Succeeded,
                Status::CompletedWithFailures => State::CompletedWithFailures,
                Status::Stopped => State::Stopped,
                Status::Running | Status::Failed | Status::Interrupted => State::Failed,
            },
            message: error.unwrap_or(&summary.proof.line).clone(),
            summary: serde_json::to_string(summary).ok(),
        }
    }
}

/// What became of a request to queue a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Queued {
    /// The job waits for its turn.
    New,
    /// This job does it already: of the same request, or it retries the same one.
    Before(String),
    /// The key was given to another request.
    OtherRequest,
    /// As many jobs wait as may.
    Full,
}

/// Which jobs are looked for, newest first.
#[derive(Clone, Debug, Default)]
pub(in crate::serve) struct Filter {
    pub(in crate::serve) environment: Option<String>,
    pub(in crate::serve) flow: Option<String>,
    pub(in crate::serve) tenant: Option<String>,
    pub(in crate::serve) connector: Option<String>,
    /// In one of these; none: in any.
    pub(in crate::serve) states: Vec<State>,
    /// Those before this one.
    pub(in crate::serve) before: Option<i64>,
    pub(in crate::serve) most: u32,
    /// With their whole summaries, which may be long.
    pub(in crate::serve) with_summaries: bool,
}

macro_rules! columns {
    ($summary:literal) => {
        concat!(
            "SELECT id, uuid, environment, flow, tenant, connector, source, name, status,
                 created_millis, started_millis, updated_millis, records, retries, run, message, ",
            $summary,
            ", tap, brief FROM jobs"
        )
    };
}

/// The columns that [`job`] reads.
pub(super) const COLUMNS: &str = columns!("summary");
/// The same without the summary.
pub(super) const LISTED: &str = columns!("NULL");

/// A row of them.
pub(super) fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    Ok(Job {
        number: row.get(0)?,
        uuid: row.get(1)?,
        lane: LaneName {
            environment: row.get(2)?,
            flow: row.get(3)?,
            tenant: row.get(4)?,
            connector: row.get(5)?,
        },
        source: Source::parse(row.get_ref(6)?.as_str()?),
        name: row.get(7)?,
        // A word that this program does not know is no success.
        state: State::parse(row.get_ref(8)?.as_str()?).unwrap_or(State::Failed),
        created_millis: row.get(9)?,
        started_millis: row.get(10)?,
        updated_millis: row.get(11)?,
        records: row.get(12)?,
        retries: row.get(13)?,
        run: row.get(14)?,
        message: row.get(15)?,
        summary: row.get(16)?,
        tap: row.get(17)?,
        // One that cannot be read is none: it is for people.
        brief: match row.get_ref(18)?.as_str_or_null()? {
            Some(text) => serde_json::from_str(text).ok(),
            None => None,
        },
    })
}
