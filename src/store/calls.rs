//! Calls that wrote records, or tried to: what was sent and what was heard, for who looks at one record.

use std::time::Duration;

use rusqlite::{Connection, params};
use serde_json::Value;

use super::Store;
use super::jobs::JobId;
use crate::connector::contract::Action;
use crate::connector::exchange::Told;

/// Objects that the list of records of a request may stand in.
const LEVELS: usize = 3;

/// A call that has come to its end.
#[derive(Clone, Debug)]
pub struct Call {
    /// The stream's number in the store.
    pub stream: i64,
    /// The places of its records among those of the input, in the order in which they were sent.
    pub positions: Vec<u64>,
    /// What it was to do.
    pub action: Action,
    /// When it began, in milliseconds of Unix time.
    pub sent_millis: i64,
    /// How long it took.
    pub took: Duration,
    /// Its requests and their answers.
    pub exchanges: Vec<Told>,
}

impl Call {
    /// Of a request of this call: the record that was sent from `position`, where the request has the
    /// records in a list. `None` where it has not, or has one alone.
    pub fn own_part(&self, request: &str, position: u64) -> Option<String> {
        let place = self.positions.iter().position(|at| *at == position)?;
        let records = self.positions.len();
        let request: Value = serde_json::from_str(request).ok().filter(|_| records > 1)?;
        let mut level = vec![&request];
        // The first list of that length, from the outside in.
        for _ in 0..=LEVELS {
            let lists = level.iter().filter_map(|value| value.as_array());
            if let Some(list) = lists.into_iter().find(|list| list.len() == records) {
                return serde_json::to_string_pretty(&list[place]).ok();
            }
            let within = level.iter().filter_map(|value| value.as_object());
            level = within.flat_map(|object| object.values()).collect();
        }
        None
    }
}

impl Store {
    /// Keeps a call, unless too much waits to be written: records do not wait for it.
    pub fn keep_call(&self, job: JobId, call: Call) {
        let kept = self.writer.enqueue(move |transaction| {
            let Call { stream, positions, action, sent_millis, took, exchanges } = call;
            let (first, last) = (positions.iter().min(), positions.iter().max());
            let json = |error: serde_json::Error| rusqlite::Error::ToSqlConversionFailure(error.into());
            transaction
                .prepare_cached(
                    "INSERT INTO calls
                         (job, stream, first, last, positions, action, sent_millis, millis, exchanges)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![
                    job,
                    stream,
                    first,
                    last,
                    serde_json::to_string(&positions).map_err(json)?,
                    action.as_str(),
                    sent_millis,
                    i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
                    serde_json::to_string(&exchanges).map_err(json)?,
                ])
                .map(drop)
        });
        drop(kept);
    }
}

/// The calls of a job that the record at `position` of a stream was part of, in the order in which they
/// ended.
///
/// # Errors
/// What SQLite says.
pub fn of_record(
    connection: &Connection,
    job: JobId,
    stream: i64,
    position: u64,
) -> rusqlite::Result<Vec<Call>> {
    let mut statement = connection.prepare_cached(
        "SELECT positions, action, sent_millis, millis, exchanges FROM calls
         WHERE job = ?1 AND stream = ?2 AND first <= ?3 AND last >= ?3
           AND EXISTS (SELECT 1 FROM json_each(positions) WHERE value = ?3)
         ORDER BY id",
    )?;
    let rows = statement.query_map(params![job, stream, position], |row| {
        let (positions, action): (String, String) = (row.get(0)?, row.get(1)?);
        let (millis, exchanges): (u64, String) = (row.get(3)?, row.get(4)?);
        Ok(Call {
            stream,
            positions: serde_json::from_str(&positions).unwrap_or_default(),
            action: Action::parse(&action).unwrap_or(Action::Upsert),
            sent_millis: row.get(2)?,
            took: Duration::from_millis(millis),
            exchanges: serde_json::from_str(&exchanges).unwrap_or_default(),
        })
    })?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_request_a_record_has_its_part() {
        let call = |positions: &[u64]| Call {
            stream: 1,
            positions: positions.to_vec(),
            action: Action::Create,
            sent_millis: 0,
            took: Duration::ZERO,
            exchanges: Vec::new(),
        };
        let two = call(&[7, 9]);
        let request = r#"{"all": [1], "inputs": [{"id": "a"}, {"id": "b"}]}"#;
        assert_eq!(two.own_part(request, 9).unwrap(), "{\n  \"id\": \"b\"\n}");
        assert_eq!(two.own_part(request, 8), None);
        assert_eq!(two.own_part(r#"[[1], "b"]"#, 7).unwrap(), "[\n  1\n]");
        assert_eq!(two.own_part(r#"{"inputs": [1, 2, 3]}"#, 7), None);
        assert_eq!(two.own_part("no JSON", 7), None);
        assert_eq!(call(&[7]).own_part("[1]", 7), None);
    }
}
