//! Upserts many records in one asynchronous call: NetSuite takes up to a hundred of one type, and works
//! through them in its own time.
//!
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/article_0127092747.html>
//!
//! The call carries an idempotency key, so that it is taken once however often it is sent; who sends it
//! again is told which job it has become. That is also how a job is found whose name was lost: another
//! call with its key, which does nothing, is told it, or takes the key so that the job can never begin.
//!
//! Which task is whose record, NetSuite does not tell. So a job whose tasks have all succeeded is
//! believed, with the ids that its records are found under; of any other, each record goes out once
//! more by itself, which leaves the same, and is told what became of it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use serde::{Deserialize, Serialize};
use url::Url;

use super::NetSuite;
use super::directory::folded;
use super::paths::{is_number, numbered};
use super::problem::{Problem, failure};
use super::record::{is_missing, with_external_id};
use super::reference::names_others;
use super::stream::{Learned, MAX_RECORDS};
use super::suiteql::{PREFER, one_external_id_of};
use super::table::Place;
use crate::connector::bulk::{Bulk, Opened, Progress, Ticket};
use crate::connector::contract::{Action, RequestError, Verdict, Write, WriteBatch};
use crate::connector::http::{Answer, Call};
use crate::json::exact;
use crate::record::{RemoteId, StreamName};

const KEY: HeaderName = HeaderName::from_static("x-netsuite-idempotency-key");
const COLLECTION: &str = "application/vnd.oracle.resource+json; type=collection";
/// Why a record goes out once more.
const UNTOLD: &str = "not all records of its job were taken, and which were is not told";

/// Jobs of this run.
#[derive(Debug, Default)]
pub(super) struct Jobs(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// What is handed over, by key, until it was.
    uploads: HashMap<String, Bytes>,
    /// The numbers of jobs, by key.
    numbers: HashMap<String, String>,
}

impl Jobs {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a job is known by, and whose it is.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    key: String,
    record_type: String,
    external_ids: Vec<String>,
}

impl Job {
    fn read(ticket: &Ticket) -> Result<Self, RequestError> {
        serde_json::from_str(&ticket.0)
            .map_err(|_| RequestError::never_sent("the job's ticket cannot be read"))
    }
}

#[async_trait]
impl Bulk for NetSuite {
    fn takes(&self, stream: &StreamName, action: Action, write: &Write) -> bool {
        // Lines would be appended: a call for many replaces none.
        let is_flat = !write.body.contains("\"items\"") && !names_others(&write.body);
        let id = write.external_id.as_ref();
        let is_native = matches!(self.known(stream), Learned::Native(_));
        action == Action::Upsert
            && is_native
            && is_flat
            && id.is_some_and(|id| !id.as_str().contains('|'))
    }

    async fn open(&self, batch: &WriteBatch) -> Result<Opened, RequestError> {
        let ids = batch.writes.iter().filter_map(|write| write.external_id.as_ref());
        let job = Job {
            key: uuid::Uuid::now_v7().to_string(),
            record_type: self.known(&batch.stream).record_type().to_owned(),
            external_ids: ids.map(ToString::to_string).collect(),
        };
        if job.external_ids.len() != batch.writes.len() || batch.writes.len() > MAX_RECORDS {
            return Err(RequestError::never_sent("its records cannot go out together"));
        }
        let items: Vec<String> = batch
            .writes
            .iter()
            .map(|write| with_external_id(&write.body, write, Action::Create))
            .collect();
        let ticket = serde_json::to_string(&job)
            .map_err(|error| RequestError::never_sent(&error.to_string()))?;
        let upload = Bytes::from(format!("{{\"items\":[{}]}}", items.join(",")));
        Ok(Opened { ticket: Ticket(ticket.into()), upload })
    }

    async fn upload(&self, ticket: &Ticket, upload: Bytes) -> Result<(), RequestError> {
        // Handed over with the call that starts it.
        let job = Job::read(ticket)?;
        self.jobs.known().uploads.insert(job.key, upload);
        Ok(())
    }

    async fn close(&self, ticket: &Ticket) -> Result<(), RequestError> {
        let job = Job::read(ticket)?;
        let upload = self.jobs.known().uploads.get(&job.key).cloned();
        let upload = upload.ok_or_else(|| RequestError::never_sent("nothing was handed over"))?;
        let url = self.paths.records(&job.record_type)?;
        let kind = (CONTENT_TYPE, HeaderValue::from_static(COLLECTION));
        self.directory.wrote(&Place::of(&job.record_type).table);
        self.submit(Method::PUT, url, upload, &job.key, Some(kind)).await?;
        self.jobs.known().uploads.remove(&job.key);
        Ok(())
    }

    fn name(&self, ticket: &Ticket) -> String {
        let Ok(job) = Job::read(ticket) else { return String::new() };
        let number = self.jobs.known().numbers.get(&job.key).cloned();
        number.unwrap_or(job.key)
    }

    async fn progress(&self, ticket: &Ticket) -> Result<Progress, RequestError> {
        let job = Job::read(ticket)?;
        let known = self.jobs.known().numbers.get(&job.key).cloned();
        let number = if let Some(number) = known {
            number
        } else {
            // It does nothing, and is told the job; or it takes the key.
            let mut url = self.paths.records(&job.record_type)?;
            url.query_pairs_mut().append_pair("limit", "1");
            match self.submit(Method::GET, url, Bytes::new(), &job.key, None).await? {
                Submitted::Before(number) => number,
                Submitted::Now => return Ok(Progress::Open),
            }
        };
        let answer = self.get(self.paths.job(&[&number])?).await?;
        if is_missing(&answer) {
            return Ok(Progress::Unknown);
        }
        let body = self.body_of(&answer)?;
        Ok(if body["completed"] == true { Progress::Done } else { Progress::Running })
    }

    async fn abandon(&self, ticket: &Ticket) -> Result<(), RequestError> {
        // Nobody but us knows of it, and its key is taken.
        let job = Job::read(ticket)?;
        let mut known = self.jobs.known();
        if known.numbers.contains_key(&job.key) {
            return Err(RequestError::never_sent("it has begun"));
        }
        known.uploads.remove(&job.key);
        Ok(())
    }

    async fn results(&self, ticket: &Ticket) -> Result<Vec<Verdict>, RequestError> {
        let job = Job::read(ticket)?;
        let number = self.jobs.known().numbers.get(&job.key).cloned();
        let number =
            number.ok_or_else(|| RequestError::never_sent("the job's number is not known"))?;
        self.directory.wrote(&Place::of(&job.record_type).table);
        let untold = || Verdict::Busy(UNTOLD.into());
        if !self.has_succeeded(&number, job.external_ids.len()).await? {
            return Ok(job.external_ids.iter().map(|_| untold()).collect());
        }
        let ids = self.ids_of(&job).await?;
        let of = |id: &String| match ids.get(&folded(id)) {
            Some(id) => Verdict::Upserted(Some(id.clone())),
            None => untold(),
        };
        Ok(job.external_ids.iter().map(of).collect())
    }
}

/// What has become of a call with a key.
enum Submitted {
    /// It is the first one.
    Now,
    /// There was one before, which has become this job.
    Before(String),
}

impl NetSuite {
    async fn submit(
        &self,
        method: Method,
        url: Url,
        body: Bytes,
        key: &str,
        kind: Option<(HeaderName, HeaderValue)>,
    ) -> Result<Submitted, RequestError> {
        let value = HeaderValue::from_str(key)
            .map_err(|_| RequestError::never_sent("the job's key cannot stand in a header"))?;
        let mut headers = vec![(PREFER, HeaderValue::from_static("respond-async")), (KEY, value)];
        headers.extend(kind);
        let is_probe = body.is_empty();
        let answer = self.send_with(method, url, body, is_probe, None, headers).await?;
        let number = || {
            let number = job_number(&answer);
            number
                .ok_or_else(|| RequestError::Unreachable("the answer does not name the job".into()))
        };
        let is_known = Problem::read(&answer.body)
            .is_some_and(|problem| problem.code() == "IDEMPOTENCY_ERROR");
        if is_known {
            let number = number()?;
            self.jobs.known().numbers.insert(key.to_owned(), number.clone());
            return Ok(Submitted::Before(number));
        }
        if is_probe && answer.is_success() {
            // At once or later: nothing had begun.
            return Ok(Submitted::Now);
        }
        if answer.status != 202 {
            return Err(match failure(&answer, Call::Read, self.client.redactor()) {
                // A success that is none of a job's.
                error if answer.is_success() => RequestError::Refused {
                    status: answer.status,
                    code: None,
                    message: format!("no job was made of the call: {error}").into(),
                },
                error => error,
            });
        }
        self.jobs.known().numbers.insert(key.to_owned(), number()?);
        Ok(Submitted::Now)
    }

    /// Whether a job has had a task for each of so many `records`, and all of them have.
    async fn has_succeeded(&self, number: &str, records: usize) -> Result<bool, RequestError> {
        let body = self.body_of(&self.get(self.paths.job(&[number, "task"])?).await?)?;
        let tasks = body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let told = tasks.iter().filter_map(|task| exact::text(&task["id"]));
        let ids: BTreeSet<String> = told.filter(|id| is_number(id)).collect();
        // One that is told twice leaves another one untold.
        if ids.len() != records {
            return Ok(false);
        }
        for id in ids {
            let answer = self.get(self.paths.job(&[number, "task", &id, "result"])?).await?;
            match Problem::read(&answer.body) {
                // What an upsert is answered; a question that has taken the key has a list.
                None if answer.status == 204 => {}
                None if answer.is_success() => return Ok(false),
                Some(no) if answer.status < 500 && !no.is_of_limit() && !no.is_of_login() => {
                    return Ok(false);
                }
                _ => return Err(failure(&answer, Call::Read, self.client.redactor())),
            }
        }
        Ok(true)
    }

    /// The ids of a job's records, by their external ids.
    async fn ids_of(&self, job: &Job) -> Result<HashMap<String, RemoteId>, RequestError> {
        let question = format!(
            "SELECT id, externalid FROM {}{} ORDER BY id",
            Place::of(&job.record_type).filtered(),
            one_external_id_of("externalid", job.external_ids.iter().map(String::as_str))
        );
        let rows = self.ask(&question).await?;
        let known = rows.iter().filter_map(|row| {
            let id = row.get("id").filter(|id| is_number(id))?;
            Some((folded(row.get("externalid")?), RemoteId::new(id)))
        });
        Ok(known.collect())
    }
}

/// The job that an answer names: `/services/rest/async/v1/job/{number}`.
fn job_number(answer: &Answer) -> Option<String> {
    let location = answer.headers.get(LOCATION)?.to_str().ok()?;
    let (before, number) = numbered(location)?;
    before.ends_with("/job").then(|| number.to_owned())
}
