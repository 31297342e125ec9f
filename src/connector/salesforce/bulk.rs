//! Bulk jobs: up to ten thousand records in one upload, which the org works through in its own time,
//! at some ten calls of the day's quota.
//!
//! A job takes one upload, and does nothing before it is closed. What became of its rows is told in
//! three lists, in no order: rows are known again by the external id or the id, and new ones that
//! have neither by all that they say.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/bulk_api_2_0_ingest.htm>

use std::collections::HashMap;
use std::sync::PoisonError;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Salesforce;
use super::collections::unwritable_fields;
use super::describe::Description;
use super::ids::{is_id, long_id, told_id};
use super::problem::failure;
use super::rows::{self, By, ResultRow, Table};
use super::unified;
use crate::connector::contract::{
    Action, Bulk, BulkLimits, Opened, Progress, RequestError, Ticket, Verdict, Write, WriteBatch,
};
use crate::connector::http::{Answer, Call};
use crate::json::exact;
use crate::record::{ExternalId, StreamName};

/// Rows of one job: as many as the org works through in one piece.
const MAX_RECORDS: usize = 10_000;
/// Bytes of a job. Results tell all rows again, and no answer is read beyond a cap.
const MAX_BYTES: usize = 8 << 20;
/// Bytes of results: below the cap on answers, 16 MiB.
const MAX_TOLD_BYTES: usize = 15 << 20;
const CSV: &str = "text/csv; charset=UTF-8";

/// Which batches are worth a job, by the config's `bulk_from`.
pub(super) fn limits(from: usize) -> Option<BulkLimits> {
    (from > 0).then_some(BulkLimits {
        min_records: from.min(MAX_RECORDS),
        max_records: MAX_RECORDS,
        max_bytes: MAX_BYTES,
    })
}

/// A job, as it is kept on disk.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    id: String,
    object: String,
    action: Action,
    /// The column that rows are known again by; all of `columns` where there is none.
    by: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    columns: Vec<String>,
    /// What each row is known by.
    keys: Vec<String>,
}

impl Job {
    fn read(ticket: &Ticket) -> Result<Self, RequestError> {
        serde_json::from_str(&ticket.0)
            .map_err(|_| RequestError::never_sent("the store has no bulk job that can be read"))
    }

    fn by(&self) -> By<'_> {
        self.by.as_deref().map_or(By::Row(&self.columns), By::Column)
    }
}

#[async_trait]
impl Bulk for Salesforce {
    fn takes(&self, stream: &StreamName, action: Action, write: &Write) -> bool {
        if action == Action::Delete {
            return true;
        }
        // It would clear the field.
        let is_null = |id: &ExternalId| id.as_str().trim() == rows::NULL;
        // Another record may name a campaign that is made under its name: a call looks before.
        let is_guarded = action == Action::Create && unified::is_named_campaign(&write.body);
        if write.external_id.as_ref().is_some_and(is_null) || is_guarded {
            return false;
        }
        let learned = self.learned(stream);
        let description = learned.as_ref().and_then(|learned| learned.description().ok());
        description
            .is_some_and(|description| rows::cells(description, &write.body, |_| true).is_some())
    }

    async fn open(&self, batch: &WriteBatch) -> Result<Opened, RequestError> {
        self.quota.refuse_spent()?;
        let learned = self.known(&batch.stream)?;
        let (description, property) = (learned.description()?, learned.property.as_deref());
        let table = self.table(description, property, batch)?;
        let (by, columns, keys) = match batch.action {
            Action::Create => (None, table.columns(), table.digests()),
            Action::Upsert => {
                let keys = batch.writes.iter().map(|write| {
                    let id = write.external_id.as_ref().map(ExternalId::as_str);
                    id.unwrap_or_default().trim().to_owned()
                });
                (property.map(str::to_owned), Vec::new(), keys.collect())
            }
            Action::Update | Action::Delete => {
                let keys = batch.writes.iter().map(|write| id_of(write).unwrap_or_default());
                (Some("Id".to_owned()), Vec::new(), keys.collect())
            }
        };
        let mut wanted = json!({"object": description.name, "operation": operation(batch.action),
            "contentType": "CSV", "lineEnding": "LF"});
        if batch.action == Action::Upsert {
            wanted["externalIdFieldName"] = property.into();
        }
        let url = self.url(&["jobs", "ingest"]).await?;
        let answer = self.send(Method::POST, url, wanted.to_string().into(), true, None).await?;
        let body = self.body_of(&answer)?;
        let id = body.get("id").and_then(exact::text).filter(|id| is_id(id)).ok_or_else(|| {
            RequestError::Protocol("a bulk job was made, and its id is not told".into())
        })?;
        let (object, action) = (description.name.clone(), batch.action);
        let job = Job { id, object, action, by, columns, keys };
        let text = serde_json::to_string(&job)
            .map_err(|error| RequestError::never_sent(&error.to_string()))?;
        Ok(Opened { ticket: Ticket(text.into()), upload: table.csv().into() })
    }

    async fn upload(&self, ticket: &Ticket, upload: Bytes) -> Result<(), RequestError> {
        let job = Job::read(ticket)?;
        let url = self.url(&["jobs", "ingest", &job.id, "batches"]).await?;
        let answer = self.send_as(CSV, Method::PUT, url, upload, false, None).await?;
        if answer.is_success() { Ok(()) } else { Err(self.refused(&answer, job.action)) }
    }

    async fn close(&self, ticket: &Ticket) -> Result<(), RequestError> {
        let job = Job::read(ticket)?;
        let answer = self.change(&job, "UploadComplete", true).await?;
        if answer.is_success() { Ok(()) } else { Err(self.failed(&answer)) }
    }

    fn name(&self, ticket: &Ticket) -> String {
        Job::read(ticket).map(|job| job.id).unwrap_or_default()
    }

    async fn progress(&self, ticket: &Ticket) -> Result<Progress, RequestError> {
        let job = Job::read(ticket)?;
        let url = self.url(&["jobs", "ingest", &job.id]).await?;
        let answer = self.send(Method::GET, url, Bytes::new(), true, None).await?;
        if answer.status == 404 {
            // A proxy may say so too, in words of its own.
            let is_told = exact::parse(&answer.body).is_ok_and(|body| body.is_array());
            let why = "the bulk job is not found, and Salesforce does not say so";
            return if is_told {
                Ok(Progress::Unknown)
            } else {
                Err(RequestError::Unreachable(why.into()))
            };
        }
        let body = self.body_of(&answer)?;
        let why = || -> Box<str> {
            let message = body["errorMessage"].as_str().filter(|message| !message.is_empty());
            let redactor = self.client.redactor();
            let message = redactor.excerpt(message.unwrap_or("Salesforce does not say why"), 500);
            format!("job {}: {message}", job.id).into()
        };
        match body["state"].as_str().unwrap_or_default() {
            "Open" => Ok(Progress::Open),
            "UploadComplete" | "InProgress" => Ok(Progress::Running),
            "JobComplete" => Ok(Progress::Done),
            "Failed" => Ok(Progress::Broken(why())),
            "Aborted" => Ok(Progress::Aborted(format!("job {} was aborted", job.id).into())),
            _ => Err(RequestError::Protocol("a bulk job is in no state that is known".into())),
        }
    }

    async fn abandon(&self, ticket: &Ticket) -> Result<(), RequestError> {
        let job = Job::read(ticket)?;
        let answer = self.change(&job, "Aborted", false).await?;
        if !answer.is_success() {
            return Err(self.failed(&answer));
        }
        // A close that a killed run has sent may have come just before.
        let told = self.info(&job).await?;
        if told["numberRecordsProcessed"].as_u64().is_some_and(|count| count > 0) {
            return Err(RequestError::never_sent("it had begun when it was aborted"));
        }
        Ok(())
    }

    async fn results(&self, ticket: &Ticket) -> Result<Vec<Verdict>, RequestError> {
        let job = Job::read(ticket)?;
        let info = self.info(&job).await?;
        let number = |name: &str| info[name].as_u64();
        let written = number("numberRecordsProcessed")
            .zip(number("numberRecordsFailed"))
            .map(|(processed, failed)| processed.saturating_sub(failed));
        let mut verdicts = Verdicts::new(&job);
        for list in ["successfulResults", "failedResults", "unprocessedrecords"] {
            if verdicts.is_whole() {
                break;
            }
            // One that is too long to be read is so the next time: the others say what they say.
            let Some(rows) = self.list(&job, list).await? else { continue };
            let count = rows.len() as u64;
            if list == "successfulResults"
                && written.is_some_and(|written| count < written)
                && self.is_first_told(&job.id, count)
            {
                let why = format!("{count} results are told of {}", written.unwrap_or_default());
                return Err(RequestError::Protocol(why.into()));
            }
            for row in rows {
                let key = row.key.clone();
                let verdict = match list {
                    "successfulResults" => self.success(job.action, row),
                    "failedResults" => self.failure_of(&job, row),
                    _ => Verdict::Busy("the bulk job ended before its turn".into()),
                };
                verdicts.put(&key, verdict);
            }
        }
        Ok(verdicts.into_all())
    }
}

impl Salesforce {
    /// The rows of a batch.
    fn table(
        &self,
        description: &Description,
        property: Option<&str>,
        batch: &WriteBatch,
    ) -> Result<Table, RequestError> {
        let mut table = Table::default();
        for write in &batch.writes {
            let mut row = Vec::new();
            if matches!(batch.action, Action::Update | Action::Delete) {
                row.push(("Id".to_owned(), id_of(write).unwrap_or_default()));
            }
            if batch.action != Action::Delete {
                let external = write.external_id.as_ref().map(|id| id.as_str().to_owned());
                row.extend(property.map(str::to_owned).zip(external));
                let keeps = self.keeps(description, batch.action);
                let cells = rows::cells(description, &write.body, keeps);
                row.extend(cells.ok_or_else(|| {
                    RequestError::never_sent("a record cannot be a row of a bulk job")
                })?);
            }
            table.push(row);
        }
        if table.told_bytes() > MAX_TOLD_BYTES {
            let why = "its rows have so many columns that its results could not be read";
            return Err(RequestError::never_sent(why));
        }
        Ok(table)
    }

    /// Nothing in a list says where it ends: one that is shorter than its job says was cut off, unless
    /// it is as short when it is asked for again.
    fn is_first_told(&self, job: &str, count: u64) -> bool {
        let mut told = self.short_results.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert((job.to_owned(), count))
    }

    /// One of the lists of what became of a job's rows.
    async fn list(&self, job: &Job, list: &str) -> Result<Option<Vec<ResultRow>>, RequestError> {
        let url = self.url(&["jobs", "ingest", &job.id, list]).await?;
        let answer = match self.send(Method::GET, url, Bytes::new(), true, None).await {
            Err(RequestError::Protocol(why)) => {
                tracing::warn!(job = %job.id, %list, "Results of a bulk job cannot be read: {why}");
                return Ok(None);
            }
            answer => answer?,
        };
        if !answer.is_success() {
            return Err(self.failed(&answer));
        }
        let first = (list != "unprocessedrecords").then_some("sf__Id");
        let rows = rows::told(&answer.body, &job.by(), first);
        rows.map(Some).map_err(|why| RequestError::Protocol(why.into()))
    }

    async fn info(&self, job: &Job) -> Result<Value, RequestError> {
        let url = self.url(&["jobs", "ingest", &job.id]).await?;
        self.body_of(&self.send(Method::GET, url, Bytes::new(), true, None).await?)
    }

    async fn change(&self, job: &Job, state: &str, again: bool) -> Result<Answer, RequestError> {
        let url = self.url(&["jobs", "ingest", &job.id]).await?;
        let body = json!({ "state": state }).to_string();
        self.send(Method::PATCH, url, body.into(), again, None).await
    }

    fn failed(&self, answer: &Answer) -> RequestError {
        failure(answer, Call::Read, self.client.redactor())
    }

    fn refused(&self, answer: &Answer, action: Action) -> RequestError {
        failure(answer, Call::Write { action, single: false }, self.client.redactor())
    }

    fn success(&self, action: Action, row: ResultRow) -> Verdict {
        let id = told_id(row.id.map(Value::from).as_ref(), self.client.redactor());
        match action {
            Action::Create => Verdict::Created(id),
            Action::Update => Verdict::Updated(id),
            Action::Upsert => match row.is_new {
                Some(true) => Verdict::Created(id),
                Some(false) => Verdict::Updated(id),
                None => Verdict::Upserted(id),
            },
            Action::Delete => Verdict::Deleted,
        }
    }

    fn failure_of(&self, job: &Job, row: ResultRow) -> Verdict {
        let error = rows::problem(&row.error.unwrap_or_default());
        let errors = std::slice::from_ref(&error);
        let keys: Vec<&str> = job.by.as_deref().into_iter().collect();
        match self.refusal(job.action, errors, &keys) {
            // A call can leave out what may not be set on it, and tells whether it is missing itself.
            Verdict::Rejected(rejection) if unwritable_fields(errors).is_some() => {
                Verdict::Busy(rejection.message)
            }
            Verdict::Missing if job.action == Action::Update => {
                Verdict::Busy("it, or one that it names, is not there".into())
            }
            verdict => verdict,
        }
    }
}

/// Verdicts of a job's rows, as they come in.
struct Verdicts {
    /// Places of rows by their keys: rows that say the same may be several.
    open: HashMap<String, Vec<usize>>,
    found: Vec<Option<Verdict>>,
    left: usize,
}

impl Verdicts {
    fn new(job: &Job) -> Self {
        let mut open: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, key) in job.keys.iter().enumerate().rev() {
            open.entry(key.clone()).or_default().push(place);
        }
        Self { open, found: vec![None; job.keys.len()], left: job.keys.len() }
    }

    fn is_whole(&self) -> bool {
        self.left == 0
    }

    fn put(&mut self, key: &str, verdict: Verdict) {
        // A row that nobody has sent, or that is told again, says nothing.
        let Some(place) = self.open.get_mut(key).and_then(Vec::pop) else { return };
        self.found[place] = Some(verdict);
        self.left -= 1;
    }

    fn into_all(self) -> Vec<Verdict> {
        let none = || Verdict::InDoubt("the bulk job does not tell what became of it".into());
        self.found.into_iter().map(|verdict| verdict.unwrap_or_else(none)).collect()
    }
}

fn operation(action: Action) -> &'static str {
    match action {
        Action::Create => "insert",
        Action::Update => "update",
        Action::Upsert => "upsert",
        Action::Delete => "delete",
    }
}

fn id_of(write: &Write) -> Option<String> {
    write.remote_id.as_ref().map(|id| long_id(id.as_str()))
}
