//! Intents before a call, outcomes after it.
//!
//! A create has an intent, for it cannot be sent twice. So has any other call on records that the
//! id map knows: it can be sent twice and leaves the same, but what the map says that stands at the
//! remote does not hold any more once the call has left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use rusqlite::types::Type;
use rusqlite::{Statement, Transaction, params};
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::jobs::JobId;
use super::siblings::{Beside, Siblings};
use super::streams::StoredStream;
use super::{Store, StoreError, doubts};
use crate::config::stream::LookupBy;
use crate::connector::contract::{Action, Ticket};
use crate::crash::point;
use crate::outcome::{Fate, Outcome};
use crate::record::{ExternalId, Fingerprint, RemoteId};

/// A record that is about to be sent.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Place among the records of the input.
    pub position: u64,
    /// The user's id.
    pub external_id: Option<ExternalId>,
    /// Of its prepared content.
    pub fingerprint: Fingerprint,
    /// What else it can be found by.
    pub lookup_values: Vec<Option<Arc<str>>>,
    /// Under which the remote knows the same create again, if it does.
    pub key: Option<Arc<str>>,
    /// Of the remote ids that stand in it for its parents; `None` when that is not known.
    pub parents: Option<i64>,
    /// Calls that it was part of before; `None` when that is not known.
    pub attempts: Option<u32>,
}

/// A record of an intent as it stands in the store: a store of version 2 has no keys, one of
/// version 3 no parents, one of version 4 no attempts.
#[derive(Serialize, Deserialize)]
struct Row(
    u64,
    Option<ExternalId>,
    Fingerprint,
    Vec<Option<Arc<str>>>,
    #[serde(default)] Option<Arc<str>>,
    #[serde(default)] Option<i64>,
    #[serde(default)] Option<u32>,
);

/// A batch of intents on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntentId(pub(super) i64);

impl Store {
    /// Puts on disk that `writes` are about to be sent by calls that do `action`. `lookup`: what
    /// their lookup values are of; `ticket`: the bulk job that they are handed over to.
    ///
    /// # Errors
    /// What SQLite says; then nothing may be sent.
    pub async fn intend(
        &self,
        job: JobId,
        stream: i64,
        action: Action,
        lookup: Option<LookupBy>,
        ticket: Option<Ticket>,
        writes: Vec<Intent>,
    ) -> Result<IntentId, StoreError> {
        let now = chrono::Utc::now().timestamp_millis();
        self.write(move |transaction| {
            let lookup = lookup.as_ref().map(json).transpose()?;
            let rows = text(writes)?;
            let id = transaction
                .prepare_cached(
                    "INSERT INTO intents (job, stream, sent_millis, writes, is_create, lookup, ticket,
                                          action)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                )?
                .insert(params![
                    job,
                    stream,
                    now,
                    rows,
                    action == Action::Create,
                    lookup,
                    ticket.map(|ticket| ticket.0),
                    action.as_str(),
                ])?;
            Ok(IntentId(id))
        })
        .await
    }

    /// Puts outcomes on disk; with them goes the intent that they are the last outcomes of. When
    /// this returns, the ids are found by [`Store::find`].
    ///
    /// # Errors
    /// What SQLite says; then none of it happened.
    pub async fn record(
        &self,
        job: JobId,
        outcomes: Arc<Vec<Outcome>>,
        done: Option<IntentId>,
    ) -> Result<(), StoreError> {
        let (rows, has_doubts) = (Arc::clone(&outcomes), Arc::clone(&self.has_doubts));
        self.write(move |transaction| insert_all(transaction, job, &rows, done, &has_doubts))
            .await?;
        point("recorded");
        for outcome in outcomes.iter() {
            let Some(external_id) = &outcome.external_id else { continue };
            let own = Change::of(outcome).map(|change| (outcome.stream, change));
            let changes = self.beside(outcome, external_id)?.into_iter().chain(own);
            let key = |stream| (stream, external_id.clone());
            self.overlay.insert(changes.map(|(stream, change)| (key(stream), change)));
        }
        Ok(())
    }

    /// What an outcome changes of what other streams know.
    fn beside(
        &self,
        outcome: &Outcome,
        external_id: &ExternalId,
    ) -> Result<Vec<(i64, Change)>, StoreError> {
        let mut changes = Vec::new();
        for id in self.siblings_of(outcome.stream) {
            let known = self.find(&StoredStream::from(id), external_id)?;
            let change = Beside::of(outcome).change(known);
            changes.extend(change.map(|change| (id, change)));
        }
        Ok(changes)
    }

    /// Puts outcomes of a job that has ended on disk, and what they say into the id map itself:
    /// should this job be killed, the next one looks at its outcomes alone. Nothing of this job may
    /// have been recorded before.
    ///
    /// # Errors
    /// What SQLite says; then none of it happened.
    pub async fn record_late(
        &self,
        job: JobId,
        outcomes: Vec<Outcome>,
        done: IntentId,
    ) -> Result<(), StoreError> {
        let has_doubts = Arc::clone(&self.has_doubts);
        self.write(move |transaction| {
            let siblings = Siblings::read(transaction)?;
            insert_all(transaction, job, &outcomes, Some(done), &has_doubts)?;
            for outcome in &outcomes {
                // It is known of each of these whether something was made.
                let is_known = match outcome.fate {
                    Fate::Rejected => true,
                    Fate::Failed => !outcome.is_unfinished(),
                    _ => false,
                };
                if is_known {
                    doubts::end(transaction, job, outcome)?;
                }
                let Some(external_id) = &outcome.external_id else { continue };
                if let Some(change) = Change::of(outcome) {
                    change.apply(transaction, outcome.stream, external_id)?;
                }
                let others = siblings.of(outcome.stream);
                Beside::of(outcome).apply(transaction, others, external_id)?;
            }
            Ok(())
        })
        .await
    }

    /// Gives up the hold of an intent whose records were not applied for sure.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn withdraw(&self, intent: IntentId) -> Result<(), StoreError> {
        self.write(move |transaction| {
            transaction.prepare_cached("DELETE FROM intents WHERE id = ?")?.execute([intent.0])?;
            Ok(())
        })
        .await
    }
}

/// Records of an intent, as they stand in the store.
pub(super) fn text(writes: Vec<Intent>) -> rusqlite::Result<String> {
    let row = |write: Intent| {
        let Intent { position, external_id, fingerprint, lookup_values, key, parents, attempts } =
            write;
        Row(position, external_id, fingerprint, lookup_values, key, parents, attempts)
    };
    json(&writes.into_iter().map(row).collect::<Vec<_>>())
}

/// The same, read back. An intent that cannot be read is an error: passed over, its records could
/// be created twice.
pub(super) fn read_writes(text: &str) -> rusqlite::Result<Vec<Intent>> {
    let rows: Vec<Row> = parse(text)?;
    let write = |row: Row| {
        let Row(position, external_id, fingerprint, lookup_values, key, parents, attempts) = row;
        Intent { position, external_id, fingerprint, lookup_values, key, parents, attempts }
    };
    Ok(rows.into_iter().map(write).collect())
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Reads what [`json`] has written.
pub(super) fn parse<T: serde::de::DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into()))
}

fn insert_all(
    transaction: &Transaction<'_>,
    job: JobId,
    outcomes: &[Outcome],
    done: Option<IntentId>,
    has_doubts: &AtomicBool,
) -> rusqlite::Result<()> {
    let mut row = transaction.prepare_cached(OUTCOME)?;
    for outcome in outcomes {
        insert(&mut row, transaction, job, outcome)?;
        doubts::remember(transaction, job, outcome, has_doubts)?;
    }
    if let Some(intent) = done {
        transaction.prepare_cached("DELETE FROM intents WHERE id = ?")?.execute([intent.0])?;
    }
    Ok(())
}

const OUTCOME: &str = "
    INSERT OR REPLACE INTO outcomes (job, stream, position, external_id, remote_id, action, outcome,
        attempts, status, class, code, error, millis, fingerprint, custom_data, batch_id, parents,
        found_by, settled_micros)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Microseconds of Unix time that never go back, whatever the clock does.
fn settled_micros() -> i64 {
    static LAST: AtomicI64 = AtomicI64::new(0);
    let now = chrono::Utc::now().timestamp_micros();
    now.max(LAST.fetch_max(now, Ordering::Relaxed))
}

fn insert(
    row: &mut Statement<'_>,
    transaction: &Transaction<'_>,
    job: JobId,
    outcome: &Outcome,
) -> rusqlite::Result<()> {
    let trouble = outcome.trouble.as_ref();
    row.execute(params![
        job,
        outcome.stream,
        outcome.position,
        outcome.external_id.as_ref().map(ExternalId::as_str),
        outcome.remote_id.as_ref().map(RemoteId::as_str),
        outcome.action.map(Action::as_str),
        outcome.fate.as_str(),
        outcome.attempts,
        outcome.status,
        trouble.and_then(|trouble| trouble.class.platform_name()),
        trouble.map(|trouble| &*trouble.code),
        trouble.map(|trouble| &*trouble.message),
        outcome.millis,
        outcome.fingerprint.0,
        outcome.custom_data.as_deref(),
        outcome.batch_id.as_deref(),
        outcome.parents,
        outcome.found_by,
        settled_micros(),
    ])?;
    if let Some(content) = &outcome.content {
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO contents (job, stream, position, schema_version, source, body)
                 VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                job,
                outcome.stream,
                outcome.position,
                content.schema_version,
                content.source.as_deref(),
                content.body.as_deref(),
            ])?;
    }
    Ok(())
}
