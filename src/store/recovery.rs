//! What a killed job left behind: outcomes whose ids are not in the map yet, and intents whose
//! fate nobody knows.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::change::Change;
use super::doubts::OpenDoubt;
use super::id_map::{mapped, unsure};
use super::jobs::JobId;
use super::journal::{self, Intent, IntentId, read_writes};
use super::siblings::{Beside, Siblings};
use super::{Store, StoreError, runs};
use crate::config::stream::LookupBy;
use crate::connector::contract::{Action, Ticket};
use crate::outcome::Fate;
use crate::record::ExternalId;

/// A batch that was about to be sent, or was sent, when its job was killed.
#[derive(Clone, Debug)]
pub struct Leftover {
    /// The intent.
    pub intent: IntentId,
    /// The job that was killed.
    pub job: JobId,
    /// Its stream's number in the store.
    pub stream: i64,
    /// Its stream's name.
    pub stream_name: String,
    /// When the intent was written: milliseconds of Unix time.
    pub sent_millis: i64,
    /// What the stream was written to, as the remote calls it; `None` when that is not known.
    pub object: Option<String>,
    /// What the records can be found by beside their external ids; `None` where that is nothing, or
    /// not known.
    pub lookup: Option<LookupBy>,
    /// What was to be done.
    pub action: Action,
    /// The bulk job that its records went out in, if they did.
    pub ticket: Option<Ticket>,
    /// Its records, less those that have an outcome; of a bulk job all of them, since an outcome may
    /// say no more than that it was under way.
    pub writes: Vec<Intent>,
}

/// Marks the jobs that were killed and brings the id map up to their outcomes. Whoever opens the
/// store does so first, be it only to change an id: what is changed then is not changed back.
///
/// No job is under way. Several may have been killed together, and others beside them have ended.
pub(super) fn fold_interrupted(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let siblings = Siblings::read(&transaction)?;
    // What was written to one record was settled in that order, whichever job it was of. A job beside
    // those that were killed may have written the newer content.
    let mut outcomes = transaction.prepare(
        "SELECT remote_id, fingerprint, custom_data, parents, stream, external_id, outcome, action,
                attempts
         FROM outcomes
         WHERE external_id IS NOT NULL AND job IN (
             SELECT jobs.id FROM jobs JOIN (SELECT min(started) AS first FROM jobs WHERE status = 'running')
             WHERE status = 'running' OR finished >= first)
         ORDER BY external_id, settled_micros, position",
    )?;
    let mut rows = outcomes.query([])?;
    while let Some(row) = rows.next()? {
        let stream: i64 = row.get(4)?;
        let external_id = ExternalId::new(row.get::<_, String>(5)?);
        // A word that this program does not know says that something may have been applied.
        let fate = Fate::parse(row.get_ref(6)?.as_str()?).unwrap_or(Fate::InDoubt);
        let action = row.get_ref(7)?.as_str_or_null()?.and_then(Action::parse);
        let told = mapped(row, 0)?;
        let remote_id = told.remote_id.clone();
        if let Some(change) = Change::by(fate, action, row.get(8)?, told) {
            change.apply(&transaction, stream, &external_id)?;
        }
        let beside = Beside { fate, action, remote_id: remote_id.as_ref() };
        beside.apply(&transaction, siblings.of(stream), &external_id)?;
    }
    drop(rows);
    drop(outcomes);
    // What they hold comes from those outcomes, or is in the map already.
    runs::clear(&transaction)?;
    doubt_sent(&transaction, &siblings, None)?;
    transaction.execute("UPDATE jobs SET status = 'interrupted' WHERE status = 'running'", [])?;
    transaction.commit()
}

/// What was on its way may have been applied, and a create says that what was there is gone: what stands
/// there is no longer known. `of`: a job that has not kept what was answered; all of them where it is
/// `None`, with what their bulk jobs have.
pub(super) fn doubt_sent(
    transaction: &Transaction<'_>,
    siblings: &Siblings,
    of: Option<JobId>,
) -> rusqlite::Result<()> {
    let mut left = transaction.prepare(
        "SELECT job, stream, writes FROM intents WHERE ?1 IS NULL OR job = ?1 AND ticket IS NULL",
    )?;
    let mut rows = left.query([of])?;
    while let Some(row) = rows.next()? {
        let (job, stream): (_, i64) = (row.get(0)?, row.get(1)?);
        let writes = unanswered(transaction, job, stream, &row.get::<_, String>(2)?)?;
        for external_id in writes.iter().filter_map(|write| write.external_id.as_ref()) {
            for known in std::iter::once(stream).chain(siblings.of(stream)) {
                unsure(transaction, known, external_id)?;
            }
        }
    }
    // All that is still to be known of these is that they may be under way.
    let sql = "UPDATE intents SET writes = '[]'
               WHERE NOT is_create AND ticket IS NULL AND (?1 IS NULL OR job = ?1)";
    transaction.execute(sql, [of]).map(drop)
}

/// Somebody has looked at the remote for records that a killed job left in doubt: the next job need
/// not. `ids`: which; all of the stream's when it is `None`. What a bulk job tells, it tells of all of
/// its records, by their places: of these nothing is taken out. Returns how many there were.
pub(super) fn settle(
    transaction: &Transaction<'_>,
    stream: i64,
    ids: Option<&[ExternalId]>,
) -> rusqlite::Result<usize> {
    let mut statement = transaction.prepare_cached(
        "SELECT id, writes FROM intents WHERE stream = ? AND (? OR ticket IS NULL)",
    )?;
    let rows = statement
        .query_map(params![stream, ids.is_none()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let intents = rows.collect::<rusqlite::Result<Vec<(i64, String)>>>()?;
    let ids: Option<HashSet<&ExternalId>> = ids.map(|ids| ids.iter().collect());
    let mut settled = 0;
    for (id, writes) in intents {
        let mut writes = read_writes(&writes)?;
        let before = writes.len();
        writes.retain(|write| match (&ids, &write.external_id) {
            (Some(ids), Some(id)) => !ids.contains(id),
            (Some(_), None) => true,
            (None, _) => false,
        });
        settled += before - writes.len();
        if before == 0 {
            continue;
        }
        if writes.is_empty() {
            transaction.execute("DELETE FROM intents WHERE id = ?", [id])?;
        } else if writes.len() < before {
            let left = params![journal::text(writes)?, id];
            transaction.execute("UPDATE intents SET writes = ? WHERE id = ?", left)?;
        }
    }
    Ok(settled)
}

/// Hands creates that a killed job had sent, and the next has not looked for yet, to `each`.
///
/// # Errors
/// What SQLite says, or `each`.
pub fn left<E: From<rusqlite::Error>>(
    connection: &Connection,
    mut each: impl FnMut(OpenDoubt) -> Result<(), E>,
) -> Result<(), E> {
    let mut statement = connection.prepare(
        "SELECT namespace, name, sent_millis, job, stream, writes FROM intents
         JOIN streams ON streams.id = stream WHERE is_create ORDER BY namespace, name, intents.id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (namespace, stream): (String, String) = (row.get(0)?, row.get(1)?);
        let sent_millis = row.get(2)?;
        let writes = &row.get::<_, String>(5)?;
        for write in unanswered(connection, row.get(3)?, row.get(4)?, writes)? {
            each(OpenDoubt {
                namespace: namespace.clone(),
                stream: stream.clone(),
                external_id: write.external_id.map(|id| id.to_string()),
                first_millis: sent_millis,
                last_millis: sent_millis,
            })?;
        }
    }
    Ok(())
}

/// Of an intent: its job is not under way.
const OF_ENDED: &str = "job NOT IN (SELECT jobs.id FROM jobs WHERE status = 'running')";

impl Store {
    /// Streams of `namespace` whose records were about to be changed when a job was killed.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn changing(&self, namespace: &str) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            connection
                .prepare(&format!(
                    "SELECT DISTINCT name FROM intents JOIN streams ON streams.id = stream
                     WHERE namespace = ? AND NOT is_create AND ticket IS NULL AND {OF_ENDED}"
                ))?
                .query_map([namespace], |row| row.get(0))?
                .collect()
        })
    }

    /// No call that was to change records of `namespace` is under way any more.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn end_changes(&self, namespace: &str) -> Result<(), StoreError> {
        let namespace = namespace.to_owned();
        self.write(move |transaction| {
            transaction.execute(
                &format!(
                    "DELETE FROM intents WHERE NOT is_create AND ticket IS NULL AND {OF_ENDED}
                        AND stream IN (SELECT id FROM streams WHERE namespace = ?)"
                ),
                [namespace],
            )
        })
        .await
        .map(drop)
    }

    /// The SCHEMA line that a leftover's records came by, where it was kept.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn schema_of(&self, leftover: &Leftover) -> Result<Option<String>, StoreError> {
        self.read(|connection| {
            connection
                .prepare(
                    "SELECT line FROM schemas WHERE job = ? AND stream = ? ORDER BY version DESC LIMIT 1",
                )?
                .query_row(params![leftover.job, leftover.stream], |row| row.get(0))
                .optional()
        })
    }

    /// The batches that killed jobs of `namespace` left in doubt.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn leftovers(&self, namespace: &str) -> Result<Vec<Leftover>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare(&format!(
                "SELECT intents.id, job, stream, name, sent_millis, writes, object, lookup, action,
                        ticket
                 FROM intents JOIN streams ON streams.id = stream
                 WHERE namespace = ? AND (is_create OR ticket IS NOT NULL) AND {OF_ENDED}
                 ORDER BY intents.id"
            ))?;
            let mut rows = statement.query([namespace])?;
            let mut leftovers = Vec::new();
            while let Some(row) = rows.next()? {
                let (job, stream) = (row.get(1)?, row.get(2)?);
                let (writes, action): (String, Option<String>) = (row.get(5)?, row.get(8)?);
                let ticket = row.get::<_, Option<String>>(9)?.map(|ticket| Ticket(ticket.into()));
                let writes = match &ticket {
                    Some(_) => read_writes(&writes)?,
                    None => unanswered(connection, job, stream, &writes)?,
                };
                let lookup: Option<String> = row.get(7)?;
                leftovers.push(Leftover {
                    intent: IntentId(row.get(0)?),
                    job,
                    stream,
                    stream_name: row.get(3)?,
                    sent_millis: row.get(4)?,
                    object: row.get(6)?,
                    lookup: lookup.map(|lookup| journal::parse(&lookup)).transpose()?,
                    // Those that have none are creates.
                    action: action
                        .and_then(|action| Action::parse(&action))
                        .unwrap_or(Action::Create),
                    ticket,
                    writes,
                });
            }
            Ok(leftovers)
        })
    }
}

/// The records of an intent, less those that have come to their end all the same. The outcome of a
/// record that was written without some of its relations is none of the call that was to follow.
fn unanswered(
    connection: &Connection,
    job: JobId,
    stream: i64,
    writes: &str,
) -> rusqlite::Result<Vec<Intent>> {
    let mut has_outcome = connection.prepare_cached(
        "SELECT 1 FROM outcomes WHERE job = ? AND stream = ? AND position = ? AND attempts > ?",
    )?;
    let mut open = Vec::new();
    for write in read_writes(writes)? {
        let before = write.attempts.map_or(-1, i64::from);
        if !has_outcome.exists(params![job, stream, write.position, before])? {
            open.push(write);
        }
    }
    Ok(open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Fingerprint;
    use crate::store::jobs::Status;

    #[tokio::test]
    async fn what_a_job_has_sent_and_not_kept_is_known_no_more_when_it_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let fill = |transaction: &Transaction<'_>| {
            transaction.execute_batch(
                "INSERT INTO streams (id, namespace, name) VALUES (1, 'a', 'contacts');
                 INSERT INTO jobs (id, uuid, connector, namespace, started, status)
                 VALUES (1, 'a', 'rest', 'a', '2020', 'running');
                 INSERT INTO id_map (stream, external_id, remote_id, fingerprint)
                 VALUES (1, 'sent', 'r-1', x'00'), (1, 'other', 'r-2', x'00');",
            )
        };
        store.write(fill).await.unwrap();
        let sent = Intent {
            position: 1,
            external_id: Some(ExternalId::new("sent".to_owned())),
            fingerprint: Fingerprint([0; 32]),
            lookup_values: Vec::new(),
            key: None,
            parents: None,
            attempts: None,
        };
        let intent = store.intend(JobId(1), 1, Action::Update, None, None, vec![sent]);
        intent.await.unwrap();
        store.finish_job(JobId(1), Status::Failed, 5, "{}".to_owned(), false).await.unwrap();
        let known = |connection: &Connection| {
            connection
                .prepare("SELECT external_id FROM id_map WHERE fingerprint IS NOT NULL")?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<String>>>()
        };
        assert_eq!(store.read(known).unwrap(), ["other"]);
        assert_eq!(store.changing("a").unwrap(), ["contacts"]);
    }
}
