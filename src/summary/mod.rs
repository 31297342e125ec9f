//! The job summary: one JSON document that says what became of a job, and proves that no record
//! is missing from it.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::connector::contract::{Action, ErrorClass, Quota};
use crate::outcome::{Fate, Outcome};
use crate::store::jobs::Status;
use crate::text::cut;

/// Kinds of errors that are told apart, at most: a remote that puts a new text into each code
/// must not grow the summary without bound.
const MAX_KINDS: usize = 100;
/// Characters of a text that a tap or a remote has made, at most: the summary is for people, and
/// the results have each text in full.
const MAX_CHARS: usize = 300;

/// What became of a job.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "target-upsert job summary")]
pub struct Summary {
    /// A UUID of version 7: ids sort by the time of the start.
    pub job_id: String,
    /// The connector's name.
    pub connector: String,
    /// Connector and account, which keeps ids apart.
    pub namespace: String,
    /// Start, RFC 3339 in UTC.
    pub started: String,
    /// End, RFC 3339 in UTC.
    pub finished: String,
    /// From start to end.
    pub seconds: f64,
    /// How it ended.
    pub status: Status,
    /// The exit code of the process.
    pub exit_code: u8,
    /// What ended the job early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// Nothing was written; each stream's `planned` says what would have been.
    pub dry_run: bool,
    /// In a dry run: what is left of the calls that may be made, where the remote tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// What was read beside records.
    pub input: Input,
    /// By stream, in the order of their first SCHEMA.
    pub streams: IndexMap<String, StreamSummary>,
    /// Errors of records, grouped by stream and kind, most frequent first.
    pub errors: Vec<ErrorGroup>,
    /// Records of all streams, and whether each has exactly one outcome.
    pub proof: Proof,
    /// Seconds that calls waited because the remote throttled, added up.
    pub throttled_secs: f64,
    /// Files that the job wrote, by what they are.
    pub files: BTreeMap<String, String>,
}

/// What ended a job early.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct JobError {
    /// For people.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What was read beside records.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Input {
    /// Lines, blank ones not counted.
    pub lines: u64,
    /// Bytes of the lines.
    pub bytes: u64,
    /// STATE messages.
    pub states: u64,
    /// `ACTIVATE_VERSION` messages.
    pub activate_versions: u64,
    /// Messages of unknown types, by type.
    pub unknown: BTreeMap<String, u64>,
    /// Lines that were no message, passed over as `on_bad_line` says; each is a rejected record of
    /// the stream with the empty name.
    pub bad_lines: u64,
}

/// What became of one stream.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct StreamSummary {
    /// Its records.
    #[serde(flatten)]
    pub counts: Counts,
    /// In a dry run: what would have been done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned: Option<PlannedCounts>,
    /// Calls that asked which records are there.
    pub lookups: u64,
    /// Calls in all.
    pub requests: u64,
    /// Calls that were made again.
    pub retries: u64,
    /// Bytes of records sent, resends included.
    pub bytes: u64,
    /// Records read, by the job's seconds.
    pub records_per_sec: f64,
}

/// Records by what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Read from the input.
    pub read: u64,
    /// Made at the remote.
    pub created: u64,
    /// Changed at the remote.
    pub updated: u64,
    /// Left as they are.
    pub unchanged: u64,
    /// Removed at the remote.
    pub deleted: u64,
    /// The schema or the remote says no.
    pub rejected: u64,
    /// Not written for another reason.
    pub failed: u64,
    /// Left out as the user asked.
    pub skipped: u64,
    /// Sent, and nobody knows whether it was applied.
    pub in_doubt: u64,
}

impl Counts {
    /// One more record of this fate.
    pub fn add(&mut self, fate: Fate) {
        *match fate {
            Fate::Created => &mut self.created,
            Fate::Updated => &mut self.updated,
            Fate::Unchanged => &mut self.unchanged,
            Fate::Deleted => &mut self.deleted,
            Fate::Rejected => &mut self.rejected,
            Fate::Failed => &mut self.failed,
            Fate::Skipped => &mut self.skipped,
            Fate::InDoubt => &mut self.in_doubt,
        } += 1;
    }

    /// Records that have an outcome.
    pub fn told(&self) -> u64 {
        self.created
            + self.updated
            + self.unchanged
            + self.deleted
            + self.rejected
            + self.failed
            + self.skipped
            + self.in_doubt
    }

    /// Records that somebody has to look at.
    pub fn trouble(&self) -> u64 {
        self.rejected + self.failed + self.in_doubt
    }

    fn merge(&mut self, other: &Self) {
        self.read += other.read;
        self.created += other.created;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.deleted += other.deleted;
        self.rejected += other.rejected;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.in_doubt += other.in_doubt;
    }
}

/// What a dry run would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedCounts {
    /// Records to be created.
    pub create: u64,
    /// Records to be updated.
    pub update: u64,
    /// Records that the remote itself would have created or updated.
    pub upsert: u64,
    /// Records to be deleted.
    pub delete: u64,
    /// Calls that write.
    pub calls: u64,
    /// Bulk jobs, each of which takes some calls of its own.
    pub bulk_jobs: u64,
}

impl PlannedCounts {
    /// A batch that would go out.
    pub fn add(&mut self, action: Action, records: usize, is_bulk: bool) {
        let count = match action {
            Action::Create => &mut self.create,
            Action::Update => &mut self.update,
            Action::Delete => &mut self.delete,
            Action::Upsert => &mut self.upsert,
        };
        *count += records as u64;
        let calls = if is_bulk { &mut self.bulk_jobs } else { &mut self.calls };
        *calls += 1;
    }
}

/// Errors of one kind in one stream.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ErrorGroup {
    /// The stream; empty for lines that are no message.
    pub stream: String,
    /// The remote's code, or ours.
    pub code: String,
    /// The platform's class, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Records.
    pub count: u64,
    /// The first one's message.
    pub sample: String,
    /// The first one's external id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_id: Option<String>,
    /// Who can mend it: `data`, `credential`, `remote`, `configuration`.
    pub who: String,
    /// What to do about it.
    pub hint: String,
}

/// Invariant: every record of the input has exactly one outcome.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    /// The counts of all streams.
    #[serde(flatten)]
    pub counts: Counts,
    /// `read` is the sum of the others. If it is not, that is a bug of ours.
    pub holds: bool,
    /// The same in words and figures.
    pub line: String,
}

/// Errors as they come in, grouped.
#[derive(Clone, Debug, Default)]
pub struct Errors {
    groups: IndexMap<(usize, Box<str>), ErrorGroup>,
}

impl Errors {
    /// Takes one outcome of the stream at `index`, if it has an error.
    pub fn add(&mut self, index: usize, stream: &str, outcome: &Outcome) {
        let trouble = outcome.trouble.as_ref().filter(|_| outcome.fate.is_trouble());
        let Some(trouble) = trouble else { return };
        let is_full = self.groups.len() >= MAX_KINDS;
        let mut key = (index, Box::from(cut(&trouble.code, MAX_CHARS)));
        if is_full && !self.groups.contains_key(&key) {
            key = (index, "other".into());
        }
        let code = key.1.to_string();
        let group = self.groups.entry(key).or_insert_with(|| {
            let own = if trouble.is_remote { "" } else { &*code };
            let (who, hint) = advice(own, trouble.class);
            ErrorGroup {
                stream: stream.to_owned(),
                code,
                class: trouble.class.platform_name().map(str::to_owned),
                count: 0,
                sample: cut(&trouble.message, MAX_CHARS),
                sample_id: outcome.external_id.as_ref().map(|id| cut(id.as_str(), MAX_CHARS)),
                who: who.to_owned(),
                hint: hint.to_owned(),
            }
        });
        group.count += 1;
    }

    /// The groups, most frequent first.
    pub fn finish(self) -> Vec<ErrorGroup> {
        let mut groups: Vec<_> = self.groups.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        groups
    }
}

/// Who can mend an error, and how. `code`: ours, or nothing.
fn advice(code: &str, class: ErrorClass) -> (&'static str, &'static str) {
    match code {
        "fields" => {
            ("configuration", "mend the template under `fields`, or give the records what it names")
        }
        "stream" => (
            "configuration",
            "name the stream as the remote or the manifest does, or its `object` with `streams`",
        ),
        "bad_line" => ("data", "see how the input was made: these lines are no Singer messages"),
        "forbidden" => ("credential", "give the credential the permission that the message names"),
        "missing" => (
            "data",
            "the remote id is not there: take it out of the record, or set `on_missing` to `recreate`",
        ),
        "ambiguous" => (
            "data",
            "merge the records at the remote that share the external id, or set `on_ambiguous` to `first`",
        ),
        "no_external_id" => (
            "configuration",
            "give the records an external id, or name its field with `external_id`",
        ),
        "cannot_create" | "cannot_update" | "cannot_delete" | "cannot_find" => (
            "configuration",
            "name the operation in the manifest, or choose another `mode`: `target-upsert check` tells what \
             the remote can do",
        ),
        "in_doubt" => (
            "remote",
            "`target-upsert ids doubts` lists them, and the README says how a doubt ends, under \"When an \
             answer is lost\": look at the remote whether the record is there. If it is, tell its id with `ids import`; if \
             not, `ids forget --stream STREAM ID` (all that are in doubt: `--doubts`) lets it go out when it comes \
             again, as by `jobs retry`. \
             `on_doubt: resend`, under `streams`, sends such records again without a look",
        ),
        "altered" => (
            "data",
            "the record is there, but not as it was sent: see the message, and send it again once that is mended",
        ),
        "not_there" | "still_there" => {
            ("remote", "the remote says yes and does something else: look at it there")
        }
        "changed" => (
            "configuration",
            "the remote wants to be told a version: name `version` in the manifest's `update`",
        ),
        "contradiction" => (
            "remote",
            "see the calls with LOGLEVEL=debug: what the remote answers does not go together",
        ),
        "lookup_refused" if class != ErrorClass::Payload => (
            "configuration",
            "see the calls with LOGLEVEL=debug, and `target-upsert check`: the lookup is refused",
        ),
        "parent_in_doubt" => (
            "remote",
            "end the doubt about the parent first, which sending the record again does not: `target-upsert \
             ids doubts` lists it, and the README says how, under \"When an answer is lost\"; then \
             `target-upsert jobs retry last` writes the record",
        ),
        "unfinished" => (
            "remote",
            "run the same input again, or `target-upsert jobs retry last`: what is lacking is written then",
        ),
        "no_parent" => {
            ("data", "mend the parent that the message names, then run the same input again")
        }
        "not_sent" => (
            "remote",
            "run the same input again, or `target-upsert jobs retry last`, once the cause is mended",
        ),
        "unreachable" | "no_answer" | "cut_off" | "throttled" | "busy" | "lookup_failed" => (
            "remote",
            "run the same input again, or `target-upsert jobs retry last`: what was written is not \
             written twice, unless `on_doubt: resend` allows it",
        ),
        _ => match class {
            ErrorClass::Payload => (
                "data",
                "mend the records, as `target-upsert jobs rejects last` or `--rejects FILE` tells them, \
                 and pipe them in again",
            ),
            ErrorClass::Credentials => {
                ("credential", "check the credential with `target-upsert check`")
            }
            ErrorClass::Other => ("remote", "see the message; the record can be sent again"),
        },
    }
}

impl Proof {
    /// Adds up the streams.
    pub fn of<'a>(streams: impl Iterator<Item = &'a Counts>) -> Self {
        let mut counts = Counts::default();
        streams.for_each(|stream| counts.merge(stream));
        let holds = counts.read == counts.told();
        let line = format!(
            "read {} = created {} + updated {} + unchanged {} + deleted {} + rejected {} + failed {} \
             + skipped {} + in doubt {}",
            counts.read,
            counts.created,
            counts.updated,
            counts.unchanged,
            counts.deleted,
            counts.rejected,
            counts.failed,
            counts.skipped,
            counts.in_doubt,
        );
        let line = if holds { line } else { format!("{line} does not hold: please report this") };
        Self { counts, holds, line }
    }

    /// The same of a job that its store has failed: that there are records without an outcome is no
    /// mistake of the count.
    #[must_use]
    pub fn cut_off(mut self) -> Self {
        if !self.holds {
            self.line = self.line.replace(
                "please report this",
                "the store failed before it had the outcomes of all records",
            );
        }
        self
    }
}

#[cfg(test)]
mod tests;
