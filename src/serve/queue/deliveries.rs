//! What is to be told to webhooks: put into the file with the step that it tells of, so that neither is
//! there without the other.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::Queue;
use super::delivery::{Attempt, Delivery, DeliveryState, MESSAGES, delivery};
use super::job::{LISTED, job};
use crate::serve::telemetry;
use crate::serve::webhooks::{self, HookName, Hooks};
use crate::store::StoreError;

/// How long a message that was taken is known.
const DELIVERED_MILLIS: i64 = 24 * 3600 * 1000;
/// How long one that was given up is.
const FAILED_MILLIS: i64 = 30 * DELIVERED_MILLIS;

/// Has the step that a job has come to told to whoever wants to hear of it. Part of the transaction
/// that makes the step.
pub(super) fn tell(
    transaction: &Transaction<'_>,
    hooks: &Hooks,
    uuid: &str,
) -> rusqlite::Result<()> {
    if hooks.is_empty() {
        return Ok(());
    }
    let found =
        transaction.prepare_cached(&format!("{LISTED} WHERE uuid = ?"))?.query_row([uuid], job)?;
    let now = chrono::Utc::now().timestamp_millis();
    let mut body = None;
    for hook in hooks.wanting(&found) {
        // It is what the job was at this step, whenever it is sent.
        let body: &String = body.get_or_insert_with(|| webhooks::message(&found));
        transaction
            .prepare_cached(
                "INSERT INTO deliveries
                     (uuid, environment, hook, event, job, body, status, created_millis, updated_millis,
                      since_millis, attempts)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'waiting', ?7, ?7, ?7, 0)",
            )?
            .execute(params![
                uuid::Uuid::now_v7().to_string(),
                hook.environment,
                hook.id,
                found.state.step().as_str(),
                found.uuid,
                body,
                now,
            ])?;
        make_room(transaction, hook, hooks.most_waiting(), now)?;
    }
    Ok(())
}

/// Gives the oldest up where more wait than may.
fn make_room(
    transaction: &Transaction<'_>,
    hook: &HookName,
    most: u32,
    now: i64,
) -> rusqlite::Result<()> {
    let given_up = transaction
        .prepare_cached(
            "UPDATE deliveries SET status = 'failed', updated_millis = ?4,
                 last_error = 'too many events wait for this webhook'
             WHERE status = 'waiting' AND environment = ?1 AND hook = ?2 AND id <=
                 (SELECT id FROM deliveries WHERE status = 'waiting' AND environment = ?1 AND hook = ?2
                  ORDER BY id DESC LIMIT 1 OFFSET ?3)",
        )?
        .execute(params![hook.environment, hook.id, most, now])?;
    if given_up > 0 {
        telemetry::hook_gave_up(&hook.environment, given_up);
        tracing::error!(webhook = %hook, "Too many events wait for a webhook: the oldest was given up.");
    }
    Ok(())
}

impl Queue {
    /// Whom the steps of jobs are told to.
    pub(in crate::serve) fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// The oldest message that waits for a webhook.
    pub(in crate::serve) fn next_delivery(
        &self,
        hook: &HookName,
    ) -> Result<Option<Delivery>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "{MESSAGES} WHERE status = 'waiting' AND environment = ? AND hook = ? ORDER BY id LIMIT 1"
                ))?
                .query_row([&hook.environment, &hook.id], delivery)
                .optional()
        })
    }

    /// A message was taken, with this status.
    pub(in crate::serve) async fn delivered(
        &self,
        number: i64,
        status: u16,
    ) -> Result<(), StoreError> {
        self.write(move |transaction| {
            transaction
                .prepare_cached(
                    "UPDATE deliveries SET status = 'delivered', attempts = attempts + 1,
                         last_status = ?2, last_error = NULL, updated_millis = ?3 WHERE id = ?1",
                )?
                .execute(params![number, status, chrono::Utc::now().timestamp_millis()])
                .map(drop)
        })
        .await
    }

    /// A try has failed. Messages to that webhook that wait since before `older` are given up; how many
    /// were.
    pub(in crate::serve) async fn not_delivered(
        &self,
        hook: &HookName,
        attempt: Attempt,
        older: i64,
    ) -> Result<usize, StoreError> {
        let hook = hook.clone();
        self.write(move |transaction| {
            let Attempt { number, status, why, gives_up } = attempt;
            let now = chrono::Utc::now().timestamp_millis();
            transaction
                .prepare_cached(
                    "UPDATE deliveries SET attempts = attempts + 1, last_status = ?2, last_error = ?3,
                         updated_millis = ?4 WHERE id = ?1",
                )?
                .execute(params![number, status, why, now])?;
            transaction
                .prepare_cached(
                    "UPDATE deliveries SET status = 'failed', updated_millis = ?1
                     WHERE status = 'waiting' AND environment = ?2 AND hook = ?3
                         AND (since_millis < ?4 OR (?5 AND id = ?6))",
                )?
                .execute(params![now, hook.environment, hook.id, older, gives_up, number])
        })
        .await
    }

    /// Gives up all that waits for a webhook.
    pub(in crate::serve) async fn give_up(
        &self,
        hook: &HookName,
        why: &'static str,
    ) -> Result<(), StoreError> {
        let hook = hook.clone();
        let environment = hook.environment.clone();
        let given_up = self.write(move |transaction| give_up(transaction, &hook, why)).await?;
        telemetry::hook_gave_up(&environment, given_up);
        Ok(())
    }

    /// Gives up what waits for webhooks that the configuration has no more.
    pub(in crate::serve) async fn give_up_unknown(&self) -> Result<(), StoreError> {
        let waited_for: Vec<HookName> = self.read(|connection| {
            connection
                .prepare(
                    "SELECT DISTINCT environment, hook FROM deliveries WHERE status = 'waiting'",
                )?
                .query_map([], |row| Ok(HookName { environment: row.get(0)?, id: row.get(1)? }))?
                .collect()
        })?;
        for hook in waited_for.into_iter().filter(|hook| self.hooks.find(hook).is_none()) {
            tracing::error!(webhook = %hook,
                "Events that wait for a webhook are given up: the configuration has it no more.");
            self.give_up(&hook, "the configuration has this webhook no more").await?;
        }
        Ok(())
    }

    /// How many messages wait, by environment.
    pub(in crate::serve) fn waiting_deliveries(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT environment, count(*) FROM deliveries WHERE status = 'waiting'
                     GROUP BY environment",
                )?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// The newest messages, or those before `before`, newest first.
    pub(in crate::serve) fn deliveries(
        &self,
        state: Option<DeliveryState>,
        before: Option<i64>,
        most: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let state = state.map(DeliveryState::as_str);
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "{MESSAGES} WHERE (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR id < ?2)
                     ORDER BY id DESC LIMIT ?3"
                ))?
                .query_map(params![state, before, most], delivery)?
                .collect()
        })
    }

    /// The message of this id.
    pub(in crate::serve) fn delivery(&self, id: &str) -> Result<Option<Delivery>, StoreError> {
        self.read(|connection| find(connection, id))
    }

    /// Has a message sent again, whatever has become of it.
    pub(in crate::serve) async fn send_again(
        &self,
        id: &str,
    ) -> Result<Option<Delivery>, StoreError> {
        let id = id.to_owned();
        let found = self
            .write(move |transaction| {
                transaction
                    .prepare_cached(
                        "UPDATE deliveries SET status = 'waiting', since_millis = ?2, updated_millis = ?2
                         WHERE uuid = ?1",
                    )?
                    .execute(params![id, chrono::Utc::now().timestamp_millis()])?;
                find(transaction, &id)
            })
            .await?;
        self.hooks.wake();
        Ok(found)
    }

    /// Forgets messages that were taken a day ago, or given up a month ago; of the latter, it keeps as
    /// many for each webhook as may wait.
    pub(in crate::serve) async fn forget_deliveries(&self) -> Result<(), StoreError> {
        let now = chrono::Utc::now().timestamp_millis();
        let most = self.hooks.most_waiting();
        self.write(move |transaction| forget(transaction, now, most)).await
    }
}

fn find(connection: &Connection, id: &str) -> rusqlite::Result<Option<Delivery>> {
    connection
        .prepare_cached(&format!("{MESSAGES} WHERE uuid = ?"))?
        .query_row([id], delivery)
        .optional()
}

fn give_up(transaction: &Transaction<'_>, hook: &HookName, why: &str) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached(
            "UPDATE deliveries SET status = 'failed', updated_millis = ?3, last_error = ?4
             WHERE status = 'waiting' AND environment = ?1 AND hook = ?2",
        )?
        .execute(params![hook.environment, hook.id, chrono::Utc::now().timestamp_millis(), why])
}

fn forget(transaction: &Transaction<'_>, now: i64, most: u32) -> rusqlite::Result<()> {
    transaction.execute(
        "DELETE FROM deliveries WHERE (status = 'delivered' AND updated_millis < ?1)
             OR (status = 'failed' AND updated_millis < ?2)",
        [now - DELIVERED_MILLIS, now - FAILED_MILLIS],
    )?;
    transaction
        .execute(
            "DELETE FROM deliveries WHERE id IN (
                 SELECT id FROM (SELECT id, row_number() OVER (
                     PARTITION BY environment, hook ORDER BY id DESC) AS place
                     FROM deliveries WHERE status = 'failed') WHERE place > ?)",
            [most],
        )
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::lane::LaneName;
    use crate::serve::queue::{Ended, NewJob, Queued, Source, State};

    fn new_job(uuid: &str, environment: &str) -> NewJob {
        let lane = LaneName {
            environment: environment.to_owned(),
            flow: "f".to_owned(),
            tenant: "t".to_owned(),
            connector: "c".to_owned(),
        };
        NewJob { uuid: uuid.to_owned(), ..NewJob::new(lane, Source::Api, String::new()) }
    }

    fn told(queue: &Queue, state: Option<DeliveryState>) -> Vec<(String, String)> {
        let mut found = queue.deliveries(state, None, 1000).unwrap();
        found.reverse();
        found.into_iter().map(|delivery| (delivery.job, delivery.event)).collect()
    }

    async fn push(queue: &Queue, uuid: &str, environment: &str) {
        let queued = queue.push(new_job(uuid, environment), None, 10).await.unwrap();
        assert_eq!(queued, Queued::New);
    }

    fn pair(job: &str, event: &str) -> (String, String) {
        (job.to_owned(), event.to_owned())
    }

    #[tokio::test]
    async fn each_step_is_told_once_and_to_its_own_environment() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(folder.path(), Hooks::of("dev", &["h"], 100)).unwrap();
        push(&queue, "a", "dev").await;
        push(&queue, "b", "prod").await;
        queue.begin("a", "run").await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        // A killed service takes it up.
        queue.take_up().await.unwrap();
        queue.begin("a", "run").await.unwrap();
        let ended = Ended { state: State::Failed, message: String::new(), summary: None };
        queue.end("a", ended).await.unwrap();
        push(&queue, "c", "dev").await;
        queue.cancel("c").await.unwrap();
        queue.cancel("c").await.unwrap();
        let expected = [
            pair("a", "JOB_CREATED"),
            pair("a", "EXPORT_STARTED"),
            pair("a", "EXPORT_FAILED"),
            pair("c", "JOB_CREATED"),
            pair("c", "JOB_CANCELED"),
        ];
        assert_eq!(told(&queue, None), expected);
    }

    #[tokio::test]
    async fn the_oldest_gives_way_and_no_other_hooks() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(folder.path(), Hooks::of("dev", &["h", "g"], 2)).unwrap();
        push(&queue, "a", "dev").await;
        let first = queue.next_delivery(&queue.hooks().all()[1].name).unwrap().unwrap();
        queue.delivered(first.number, 200).await.unwrap();
        for uuid in ["b", "c"] {
            push(&queue, uuid, "dev").await;
        }
        assert_eq!(told(&queue, Some(DeliveryState::Failed)), [pair("a", "JOB_CREATED")]);
        assert_eq!(told(&queue, Some(DeliveryState::Waiting)).len(), 4);
    }

    #[tokio::test]
    async fn what_is_old_is_given_up_with_a_failure_and_forgotten_later() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(folder.path(), Hooks::of("dev", &["h"], 2)).unwrap();
        for uuid in ["a", "b"] {
            push(&queue, uuid, "dev").await;
        }
        let hook = queue.hooks().all()[0].name.clone();
        let first = queue.next_delivery(&hook).unwrap().unwrap();
        let attempt = |gives_up| Attempt {
            number: first.number,
            status: Some(500),
            why: "no".to_owned(),
            gives_up,
        };
        assert_eq!(queue.not_delivered(&hook, attempt(false), 0).await.unwrap(), 0);
        assert_eq!(queue.not_delivered(&hook, attempt(true), 0).await.unwrap(), 1);
        let now = chrono::Utc::now().timestamp_millis();
        assert_eq!(queue.not_delivered(&hook, attempt(false), now + 1000).await.unwrap(), 1);
        let found = queue.delivery(&first.id).unwrap().unwrap();
        assert_eq!((found.attempts, found.last_status), (3, Some(500)));
        queue.forget_deliveries().await.unwrap();
        assert_eq!(told(&queue, None).len(), 2);
        let later = now + FAILED_MILLIS + 1000;
        queue.write(move |transaction| forget(transaction, now, 1)).await.unwrap();
        assert_eq!(told(&queue, None), [pair("b", "JOB_CREATED")], "as many are kept as may wait");
        queue.write(move |transaction| forget(transaction, later, 1)).await.unwrap();
        assert_eq!(told(&queue, None), []);
    }
}
