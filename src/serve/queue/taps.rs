//! What is kept of taps: how far each is through, and up to when its schedule was followed.

use rusqlite::{Connection, OptionalExtension, params};

use super::steps::insert;
use super::{LaneName, NewJob, Queue};
use crate::store::StoreError;

/// What became of a run that a schedule wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Planned {
    /// Its job waits for its turn.
    New,
    /// The one before it waits or runs: this one is passed over.
    PassedOver,
    /// It was begun, or passed over, before.
    Before,
}

/// Why a tap's state was not set: a job that will set it is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) struct NotSet;

const PLACE: &str =
    "environment = ?1 AND flow = ?2 AND tenant = ?3 AND connector = ?4 AND tap = ?5";

impl Queue {
    /// The last STATE of a tap that is safe, and when it was kept.
    pub(in crate::serve) fn tap_state(
        &self,
        lane: &LaneName,
        tap: &str,
    ) -> Result<Option<(String, i64)>, StoreError> {
        let LaneName { environment, flow, tenant, connector } = lane;
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT value, updated_millis FROM tap_states WHERE {PLACE}"
                ))?
                .query_row(params![environment, flow, tenant, connector, tap], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()
        })
    }

    /// Keeps what a job of the tap has come to.
    pub(in crate::serve) async fn keep_tap_state(
        &self,
        lane: &LaneName,
        tap: &str,
        value: String,
    ) -> Result<(), StoreError> {
        let (lane, tap) = (lane.clone(), tap.to_owned());
        self.write(move |transaction| set(transaction, &lane, &tap, Some(&value))).await
    }

    /// Sets the tap's state, or has it start over, unless a job of it is under way.
    pub(in crate::serve) async fn set_tap_state(
        &self,
        lane: &LaneName,
        tap: &str,
        value: Option<String>,
    ) -> Result<Result<(), NotSet>, StoreError> {
        let (lane, tap) = (lane.clone(), tap.to_owned());
        self.write(move |transaction| {
            if count(transaction, &lane, &tap, "status = 'running'")? > 0 {
                return Ok(Err(NotSet));
            }
            set(transaction, &lane, &tap, value.as_deref()).map(Ok)
        })
        .await
    }

    /// Up to when the schedule of each of these was followed; one that is new, or another than before,
    /// begins now.
    pub(in crate::serve) async fn plan(
        &self,
        plans: Vec<(LaneName, String, String)>,
        now_millis: i64,
    ) -> Result<Vec<i64>, StoreError> {
        self.write(move |transaction| {
            let mut statement = transaction.prepare_cached(
                "INSERT INTO tap_plans (environment, flow, tenant, connector, tap, schedule, planned_millis)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT DO UPDATE SET
                     planned_millis = iif(schedule = ?6, planned_millis, ?7), schedule = ?6
                 RETURNING planned_millis",
            )?;
            let mut last = Vec::with_capacity(plans.len());
            for (LaneName { environment, flow, tenant, connector }, tap, schedule) in plans {
                let of = params![environment, flow, tenant, connector, tap, schedule, now_millis];
                last.push(statement.query_row(of, |row| row.get(0))?);
            }
            Ok(last)
        })
        .await
    }

    /// Puts the job of a planned run into the queue, and that it was, in one: for one time it is done
    /// once.
    pub(in crate::serve) async fn push_planned(
        &self,
        job: NewJob,
        at_millis: i64,
    ) -> Result<Planned, StoreError> {
        self.step(move |transaction, hooks| {
            let LaneName { environment, flow, tenant, connector } = &job.lane;
            let tap = job.tap.as_deref().unwrap_or_default();
            let planned = transaction
                .prepare_cached(&format!(
                    "UPDATE tap_plans SET planned_millis = ?6 WHERE {PLACE} AND planned_millis < ?6"
                ))?
                .execute(params![environment, flow, tenant, connector, tap, at_millis])?;
            if planned == 0 {
                return Ok(Planned::Before);
            }
            if count(transaction, &job.lane, tap, "status IN ('queued', 'running')")? > 0 {
                return Ok(Planned::PassedOver);
            }
            insert(transaction, hooks, &job)?;
            Ok(Planned::New)
        })
        .await
    }
}

/// Jobs of a tap that stand so.
fn count(
    connection: &Connection,
    lane: &LaneName,
    tap: &str,
    stand: &str,
) -> rusqlite::Result<u64> {
    let LaneName { environment, flow, tenant, connector } = lane;
    connection
        .prepare_cached(&format!("SELECT count(*) FROM jobs WHERE {PLACE} AND {stand}"))?
        .query_row(params![environment, flow, tenant, connector, tap], |row| row.get(0))
}

fn set(
    connection: &Connection,
    lane: &LaneName,
    tap: &str,
    value: Option<&str>,
) -> rusqlite::Result<()> {
    let LaneName { environment, flow, tenant, connector } = lane;
    let of = params![environment, flow, tenant, connector, tap];
    let Some(value) = value else {
        let mut statement =
            connection.prepare_cached(&format!("DELETE FROM tap_states WHERE {PLACE}"))?;
        return statement.execute(of).map(drop);
    };
    let now = chrono::Utc::now().timestamp_millis();
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO tap_states
                 (environment, flow, tenant, connector, tap, value, updated_millis)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![environment, flow, tenant, connector, tap, value, now])
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::config::ServeConfig;
    use crate::serve::queue::{Source, State};
    use crate::serve::webhooks::Hooks;

    fn lane(connector: &str) -> LaneName {
        let own = str::to_owned;
        LaneName {
            environment: own("dev"),
            flow: own("crm"),
            tenant: own("acme"),
            connector: own(connector),
        }
    }

    fn job(uuid: &str, connector: &str, state: State) -> NewJob {
        NewJob {
            uuid: uuid.to_owned(),
            state,
            tap: Some("orders".to_owned()),
            ..NewJob::new(lane(connector), Source::Tap, String::new())
        }
    }

    fn hooks() -> Hooks {
        Hooks::read(&ServeConfig::default()).unwrap()
    }

    #[tokio::test]
    async fn a_planned_time_brings_one_job() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(folder.path(), hooks()).unwrap();
        let plan = |schedule: &str, now| {
            queue.plan(vec![(lane("hubspot"), "orders".to_owned(), schedule.to_owned())], now)
        };
        assert_eq!(plan("hourly", 1000).await.unwrap(), [1000]);
        // The next start goes on from there; another schedule begins anew.
        assert_eq!(plan("hourly", 2000).await.unwrap(), [1000]);
        assert_eq!(plan("daily", 3000).await.unwrap(), [3000]);
        let push = async |uuid: &str, at| {
            queue.push_planned(job(uuid, "hubspot", State::Queued), at).await.unwrap()
        };
        assert_eq!(push("a", 3000).await, Planned::Before);
        assert_eq!(push("a", 4000).await, Planned::New);
        assert_eq!(push("b", 4000).await, Planned::Before);
        assert_eq!(push("b", 5000).await, Planned::PassedOver);
        queue.cancel("a").await.unwrap();
        // It was passed over for good.
        assert_eq!(push("b", 5000).await, Planned::Before);
        assert_eq!(push("b", 6000).await, Planned::New);
        assert_eq!(queue.waiting().unwrap().len(), 1);
        assert_eq!(plan("daily", 9000).await.unwrap(), [6000]);
    }

    #[tokio::test]
    async fn each_tap_of_each_account_has_a_state() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(folder.path(), hooks()).unwrap();
        let (one, other) = (lane("hubspot"), lane("netsuite"));
        let value = |lane: &LaneName, tap: &str| {
            queue.tap_state(lane, tap).unwrap().map(|(value, _)| value)
        };
        queue.keep_tap_state(&one, "orders", "{\"n\":1}".to_owned()).await.unwrap();
        queue.keep_tap_state(&one, "orders", "{\"n\":2}".to_owned()).await.unwrap();
        queue.keep_tap_state(&one, "people", "{\"n\":3}".to_owned()).await.unwrap();
        assert_eq!(value(&one, "orders").as_deref(), Some("{\"n\":2}"));
        assert_eq!(value(&one, "people").as_deref(), Some("{\"n\":3}"));
        assert_eq!(value(&other, "orders"), None);
        // A job that runs keeps it; one that waits begins with what is set.
        queue.push(job("a", "hubspot", State::Queued), None, 9).await.unwrap();
        assert_eq!(queue.set_tap_state(&one, "orders", None).await.unwrap(), Ok(()));
        assert_eq!(value(&one, "orders"), None);
        queue.begin("a", "run").await.unwrap();
        let set = queue.set_tap_state(&one, "orders", Some("{}".to_owned())).await.unwrap();
        assert_eq!((set, value(&one, "orders")), (Err(NotSet), None));
        assert_eq!(queue.set_tap_state(&one, "people", None).await.unwrap(), Ok(()));
        assert_eq!(value(&one, "people"), None);
    }
}
