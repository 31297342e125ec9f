//! Jobs as they are listed: the newest first, filtered, page by page.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::Queue;
use super::job::{COLUMNS, Filter, Job, LISTED, job};
use crate::store::StoreError;

impl Queue {
    /// The newest jobs that `filter` lets through, newest first.
    pub(in crate::serve) fn list(&self, filter: &Filter) -> Result<Vec<Job>, StoreError> {
        self.read(|connection| list(connection, filter))
    }
}

fn list(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Job>> {
    let (sql, values) = query(filter);
    connection.prepare_cached(&sql)?.query_map(params_from_iter(values), job)?.collect()
}

/// What is not asked for is no condition, so that an index serves the rest.
fn query(filter: &Filter) -> (String, Vec<Value>) {
    let Filter { environment, flow, tenant, connector, states, before, most, with_summaries } =
        filter;
    // An environment alone has most of the jobs: they are read as they came, and not sorted.
    let is_of_environment = if tenant.is_some() { "environment = ?" } else { "+environment = ?" };
    let mut conditions = Vec::new();
    let mut values = Vec::new();
    for (condition, value) in [
        (is_of_environment, environment),
        ("tenant = ?", tenant),
        ("flow = ?", flow),
        ("connector = ?", connector),
    ] {
        if let Some(value) = value {
            conditions.push(condition.to_owned());
            values.push(Value::from(value.clone()));
        }
    }
    match &states[..] {
        [] => {}
        [state] => {
            conditions.push("status = ?".to_owned());
            values.push(state.as_str().to_owned().into());
        }
        // Of several, an index on them would have to be sorted.
        several => {
            conditions.push(format!("+status IN ({})", vec!["?"; several.len()].join(", ")));
            values.extend(several.iter().map(|state| Value::from(state.as_str().to_owned())));
        }
    }
    if let Some(before) = before {
        conditions.push("id < ?".to_owned());
        values.push((*before).into());
    }
    let columns = if *with_summaries { COLUMNS } else { LISTED };
    let wanted = if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", conditions.join(" AND "))
    };
    values.push(i64::from(*most).into());
    (format!("{columns}{wanted} ORDER BY id DESC LIMIT ?"), values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::lane::LaneName;
    use crate::serve::queue::{Ended, NewJob, Source, State, file};
    use crate::serve::webhooks::Hooks;
    use crate::summary::Counts;

    fn filter(named: &[&str], states: &[State], before: Option<i64>) -> Filter {
        let own = |name: &str| named.contains(&name).then(|| name.chars().take(1).collect());
        Filter {
            environment: own("environment"),
            flow: own("flow"),
            tenant: own("tenant"),
            connector: own("connector"),
            states: states.to_vec(),
            before,
            most: 10,
            with_summaries: false,
        }
    }

    #[test]
    fn every_list_is_read_in_its_order_by_the_index_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let connection = file::open(&folder.path().join("serve.db")).unwrap();
        let all: &[&str] = &["environment", "tenant", "flow", "connector"];
        let two = [State::Succeeded, State::CompletedWithFailures];
        for (named, states, before, expected) in [
            (&[][..], &[][..], None, "SCAN jobs"),
            (&[], &[], Some(9), "SEARCH jobs USING INTEGER PRIMARY KEY (rowid<?)"),
            (&["environment"], &[], None, "SCAN jobs"),
            (&all[..2], &[], None, "INDEX jobs_of_tenant (environment=? AND tenant=?)"),
            (
                &all[..2],
                &two,
                Some(9),
                "INDEX jobs_of_tenant (environment=? AND tenant=? AND id<?)",
            ),
            (&all[..3], &[], None, "INDEX jobs_by_tenant (environment=? AND tenant=? AND flow=?)"),
            (&all[..3], &two, None, "INDEX jobs_by_tenant (environment=? AND tenant=? AND flow=?)"),
            (
                all,
                &two[..1],
                Some(9),
                "INDEX jobs_by_tenant (environment=? AND tenant=? AND flow=? AND id<?)",
            ),
            (&[], &two[..1], None, "INDEX jobs_by_status (status=?)"),
            (&["environment"], &two[..1], Some(9), "INDEX jobs_by_status (status=? AND id<?)"),
            (&["connector"], &two, None, "SCAN jobs"),
        ] {
            let (sql, values) = query(&filter(named, states, before));
            let plan: Vec<String> = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .unwrap()
                .query_map(params_from_iter(values), |row| row.get(3))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            assert!(
                plan.len() == 1 && plan[0].ends_with(expected),
                "{named:?} {states:?}: {plan:?}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_asked_for_is_listed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(folder.path(), Hooks::of("none", &[], 1)).unwrap();
        // Every second one of another tenant, every third one of another flow; each fifth one ends.
        for n in 1..=30 {
            let lane = LaneName {
                environment: "e".to_owned(),
                tenant: if n % 2 == 0 { "t" } else { "other" }.to_owned(),
                flow: if n % 3 == 0 { "f" } else { "other" }.to_owned(),
                connector: "c".to_owned(),
            };
            let new = NewJob::new(lane, Source::Api, n.to_string());
            let uuid = new.uuid.clone();
            queue.push(new, None, 100).await.unwrap();
            if n % 5 == 0 {
                let state = if n % 10 == 0 { State::Succeeded } else { State::Failed };
                let proof = Counts { created: 2, ..Counts::default() };
                let summary = serde_json::json!({"proof": proof,
                    "streams": {"b": {"read": 2}}, "long": 1})
                .to_string();
                let ended = Ended { state, message: String::new(), summary: Some(summary) };
                queue.end(&uuid, ended).await.unwrap();
            }
        }
        let listed = |filter: Filter| -> Vec<i64> {
            queue.list(&filter).unwrap().iter().map(|job| job.number).collect()
        };
        assert_eq!(listed(filter(&[], &[], None)), (21..=30).rev().collect::<Vec<_>>());
        assert_eq!(listed(filter(&["environment"], &[], Some(3))), [2, 1]);
        let tenant: &[&str] = &["environment", "tenant"];
        assert_eq!(listed(filter(tenant, &[], Some(9))), [8, 6, 4, 2]);
        assert_eq!(listed(filter(tenant, &[State::Succeeded], None)), [30, 20, 10]);
        let both = [State::Succeeded, State::Failed];
        assert_eq!(listed(filter(&[], &both, Some(21))), [20, 15, 10, 5]);
        let all: &[&str] = &["environment", "tenant", "flow", "connector"];
        assert_eq!(listed(filter(all, &[State::Queued], None)), [24, 18, 12, 6]);
        assert_eq!(listed(filter(&["flow"], &both, None)), [30, 15]);
        let one = |with_summaries| {
            let filter = Filter { with_summaries, ..filter(tenant, &both, None) };
            queue.list(&filter).unwrap().swap_remove(0)
        };
        let (brief, whole) = (one(false), one(true));
        assert!(brief.summary.is_none() && whole.summary.unwrap().contains("long"));
        assert_eq!(brief.brief.unwrap().read["b"], 2);
        assert_eq!(whole.brief.unwrap().proof.created, 2);
    }
}
