//! A bulk job: what it is made of, its states, and how it is told.

use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::catalog::{Field, Object};
use super::super::{held, ids};
use super::work::{Done, Work};

/// What the ids of jobs begin with.
pub(super) const PREFIX: &str = "750";

/// A job.
#[derive(Debug)]
pub(in super::super) struct Job {
    pub(super) object: &'static Object,
    pub(super) operation: Operation,
    /// By what an upsert knows its records.
    pub(super) key: Option<&'static Field>,
    pub(super) line_ending: LineEnding,
    pub(super) delimiter: Delimiter,
    pub(super) allows_duplicates: bool,
    pub(super) version: String,
    pub(super) created: String,
    pub(super) state: State,
    /// What was uploaded first.
    pub(super) data: Option<String>,
    pub(super) uploads: u64,
    pub(super) retries: u64,
    /// What is left to do, once it is begun.
    pub(super) work: Option<Work>,
    pub(super) done: Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// Closed then, to be complete at that time; in the second half of it, rows are written.
    Closed {
        begin: Instant,
        due: Instant,
    },
    Complete,
    Failed,
    Aborted,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) enum Operation {
    Insert,
    Update,
    Upsert,
    Delete,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum LineEnding {
    #[default]
    Lf,
    CrLf,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Delimiter {
    Backquote,
    Caret,
    #[default]
    Comma,
    Pipe,
    Semicolon,
    Tab,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Upsert => "upsert",
            Self::Delete => "delete",
        }
    }
}

impl LineEnding {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "LF",
            Self::CrLf => "CRLF",
        }
    }
}

impl Delimiter {
    fn as_str(self) -> &'static str {
        match self {
            Self::Backquote => "BACKQUOTE",
            Self::Caret => "CARET",
            Self::Comma => "COMMA",
            Self::Pipe => "PIPE",
            Self::Semicolon => "SEMICOLON",
            Self::Tab => "TAB",
        }
    }

    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Backquote => b'`',
            Self::Caret => b'^',
            Self::Comma => b',',
            Self::Pipe => b'|',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
        }
    }
}

impl Job {
    pub(super) fn state(&self, now: Instant) -> &'static str {
        match self.state {
            State::Open => "Open",
            State::Closed { begin, due } if now <= begin + (due - begin) / 2 => "UploadComplete",
            State::Closed { .. } => "InProgress",
            State::Complete => "JobComplete",
            State::Failed => "Failed",
            State::Aborted => "Aborted",
        }
    }

    /// Whether nothing will become of it any more.
    pub(super) fn is_over(&self) -> bool {
        !matches!(self.state, State::Open | State::Closed { .. })
    }

    pub(super) fn told(&self, number: u64, now: Instant) -> Value {
        let id = ids::long(PREFIX, number);
        let mut told = json!({
            "id": id,
            "operation": self.operation.as_str(),
            "object": self.object.name,
            "createdById": held::user(),
            "createdDate": self.created,
            "systemModstamp": self.created,
            "state": self.state(now),
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": self.version.parse::<f64>().unwrap_or_default(),
            "jobType": "V2Ingest",
            "lineEnding": self.line_ending.as_str(),
            "columnDelimiter": self.delimiter.as_str(),
        });
        if let Some(key) = self.key {
            told["externalIdFieldName"] = key.name.into();
        }
        if self.state == State::Open {
            told["contentUrl"] =
                format!("services/data/v{}/jobs/ingest/{id}/batches", self.version).into();
        }
        told
    }

    /// With the numbers that only a look at one job tells.
    pub(super) fn told_whole(&self, number: u64, now: Instant) -> Value {
        let mut told = self.told(number, now);
        told["retries"] = self.retries.into();
        told["totalProcessingTime"] = 0.into();
        told["apiActiveProcessingTime"] = 0.into();
        told["apexProcessingTime"] = 0.into();
        told["numberRecordsProcessed"] =
            (self.done.successful.len() + self.done.failed.len()).into();
        told["numberRecordsFailed"] = self.done.failed.len().into();
        if let Some(error) = &self.done.error {
            told["errorMessage"] = error.clone().into();
        }
        told
    }
}
