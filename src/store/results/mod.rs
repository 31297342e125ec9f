//! What became of the records of a job, as somebody asks for it: filtered, sorted, page by page.
//!
//! In the order of the input a page is found by the key of `outcomes`, however many rows there are. Any
//! other order, and any filter, reads through the job's rows: no index is kept for it, since each would
//! cost every job that writes. Whoever asks for that does so with a limit in time.

mod query;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

pub use query::{Cursor, Key, Query};

use super::jobs::JobId;
use super::report::{OUTCOME_COLUMNS, OutcomeRow, outcome, streams};
use crate::outcome::Fate;

/// Hands the rows that `query` asks for to `each`. `None` where its cursor is no row of the job.
///
/// With `before`, the rows come in the opposite order, the nearest first.
///
/// # Errors
/// What SQLite says, or `each`.
pub fn each<E: From<rusqlite::Error>>(
    connection: &Connection,
    job: JobId,
    query: &Query,
    mut each: impl FnMut(Cursor, OutcomeRow<'_>) -> Result<(), E>,
) -> Result<Option<()>, E> {
    let streams = streams(connection, job)?;
    let mut conditions = vec!["job = ?".to_owned()];
    let mut values = vec![Value::from(job.0)];
    if let Some(wanted) = &query.stream {
        let Some((id, _)) = streams.iter().find(|(_, name)| name == wanted) else {
            return Ok(Some(()));
        };
        conditions.push("stream = ?".to_owned());
        values.push((*id).into());
    }
    if !query.fates.is_empty() {
        let marks = vec!["?"; query.fates.len()].join(", ");
        conditions.push(format!("outcome IN ({marks})"));
        values.extend(query.fates.iter().map(|fate| Value::from(fate.as_str().to_owned())));
    }
    if let Some(code) = &query.code {
        conditions.push("code = ?".to_owned());
        values.push(code.clone().into());
    }
    if let Some(text) = query.search.as_ref().filter(|text| !text.is_empty()) {
        // SQLite reads a pattern up to there, and would find much else.
        if text.contains('\0') {
            return Ok(Some(()));
        }
        let is_in = |column: &str| format!("{column} LIKE ? ESCAPE '\\'");
        let columns = ["external_id", "remote_id", "error"];
        conditions.push(format!("({})", columns.map(is_in).join(" OR ")));
        let pattern = format!("%{}%", escaped(text));
        values.extend(columns.map(|_| Value::from(pattern.clone())));
    }
    let is_back = query.before.is_some();
    let is_descending = query.is_descending != is_back;
    if let Some(cursor) = query.after.or(query.before) {
        let Some((condition, of_cursor)) =
            beyond(connection, job, query.key, cursor, is_descending)?
        else {
            return Ok(None);
        };
        conditions.push(condition);
        values.extend(of_cursor);
    }
    let direction = if is_descending { "DESC" } else { "ASC" };
    let (wanted, limit) = (conditions.join(" AND "), query.limit.map_or(-1, i64::from));
    let of_input = format!("stream {direction}, position {direction}");
    let mut statement = connection.prepare_cached(&match query.key.column() {
        None => format!(
            "SELECT {OUTCOME_COLUMNS}, stream FROM outcomes WHERE {wanted} ORDER BY {of_input} LIMIT {limit}"
        ),
        // Only keys are sorted. They are read in the direction that they are sorted in, since ids that
        // rise with the input would all come in and be thrown out again otherwise.
        Some(column) => format!(
            "WITH read (key, stream, position) AS (
                SELECT {column}, stream, position FROM outcomes WHERE {wanted} ORDER BY {of_input} LIMIT -1),
             sorted AS MATERIALIZED (
                SELECT * FROM read ORDER BY key {direction}, {of_input} LIMIT {limit})
             SELECT {OUTCOME_COLUMNS}, stream FROM sorted JOIN outcomes USING (stream, position)
             WHERE job = {} ORDER BY key {direction}, {of_input}",
            job.0
        ),
    })?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        let stream: i64 = row.get("stream")?;
        let name = streams.iter().find(|(id, _)| *id == stream).map_or("", |(_, name)| name);
        let row = outcome(row, name)?;
        each(Cursor { stream, position: row.position }, row)?;
    }
    Ok(Some(()))
}

/// A row of a page.
#[derive(Clone, Debug)]
pub struct Row {
    /// Where it stands.
    pub cursor: Cursor,
    /// Name of the stream; empty for a line that could not be read.
    pub stream: String,
    /// The user's id.
    pub external_id: Option<String>,
    /// The remote's id.
    pub remote_id: Option<String>,
    /// `create`, `update`, `upsert`, `delete`, or nothing when nothing was sent.
    pub action: Option<String>,
    /// How it ended.
    pub fate: Fate,
    /// Calls that it was part of.
    pub attempts: u32,
    /// HTTP status of the last answer.
    pub status: Option<u16>,
    /// The platform's class of the error.
    pub class: Option<String>,
    /// The remote's code of the error, or ours.
    pub code: Option<String>,
    /// The error, for people.
    pub error: Option<String>,
    /// From its first sending to its outcome.
    pub millis: u64,
    /// Name of the batch that it went out with last.
    pub batch_id: Option<String>,
}

impl Row {
    pub(super) fn of(cursor: Cursor, row: &OutcomeRow<'_>) -> Self {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Self {
            cursor,
            stream: row.stream.to_owned(),
            external_id: own(row.external_id),
            remote_id: own(row.remote_id),
            action: own(row.action),
            fate: row.fate,
            attempts: row.attempts,
            status: row.status,
            class: own(row.class),
            code: own(row.code),
            error: own(row.error),
            millis: row.millis,
            batch_id: own(row.batch_id),
        }
    }
}

/// Some rows in a row.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// In the order that was asked for.
    pub rows: Vec<Row>,
    /// There may be rows before them.
    pub has_before: bool,
    /// There are rows behind them.
    pub has_after: bool,
}

/// The page that `query` asks for, of at most `most` rows. `None` where its cursor is no row of the job.
///
/// # Errors
/// What SQLite says.
pub fn page(
    connection: &Connection,
    job: JobId,
    query: &Query,
    most: u32,
) -> rusqlite::Result<Option<Page>> {
    let mut rows = Vec::new();
    // One more tells whether there are more.
    let query = Query { limit: Some(most.saturating_add(1)), ..query.clone() };
    let found = each(connection, job, &query, |cursor, row| {
        rows.push(Row::of(cursor, &row));
        Ok::<_, rusqlite::Error>(())
    })?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let has_more = rows.len() > most;
    rows.truncate(most);
    let (mut has_before, mut has_after) = (query.after.is_some(), has_more);
    if query.before.is_some() {
        rows.reverse();
        (has_before, has_after) = (has_more, true);
    }
    Ok(found.map(|()| Page { rows, has_before, has_after }))
}

/// Whether a cursor is a row of the job.
///
/// # Errors
/// What SQLite says.
pub fn is_there(connection: &Connection, job: JobId, cursor: Cursor) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM outcomes WHERE job = ? AND stream = ? AND position = ?")?
        .exists(params![job, cursor.stream, cursor.position])
}

/// The condition that a row stands behind `cursor`, with its values; `None` where there is no such row.
fn beyond(
    connection: &Connection,
    job: JobId,
    key: Key,
    cursor: Cursor,
    is_descending: bool,
) -> rusqlite::Result<Option<(String, Vec<Value>)>> {
    let column = key.column();
    let at: Option<Value> = connection
        .prepare_cached(&format!(
            "SELECT {} FROM outcomes WHERE job = ? AND stream = ? AND position = ?",
            column.unwrap_or("0")
        ))?
        .query_row(params![job, cursor.stream, cursor.position], |row| row.get(0))
        .optional()?;
    let Some(at) = at else { return Ok(None) };
    let sign = if is_descending { '<' } else { '>' };
    let place = format!("(stream, position) {sign} (?, ?)");
    let mut values: Vec<Value> = vec![cursor.stream.into(), cursor.position.cast_signed().into()];
    let condition = match column {
        None => place,
        Some(column) => {
            values.splice(0..0, [at.clone(), at]);
            format!("({column} {sign} ? OR ({column} = ? AND {place}))")
        }
    };
    Ok(Some((condition, values)))
}

/// A text as a part of a `LIKE` pattern.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../schema.sql")).unwrap();
        connection
            .execute_batch(
                "INSERT INTO streams (id, namespace, name) VALUES (3, 'n', 'contacts'), (5, 'n', 'deals')",
            )
            .unwrap();
        let mut insert = connection
            .prepare(
                "INSERT INTO outcomes (job, stream, position, external_id, remote_id, outcome, attempts,
                     code, error, millis, fingerprint)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, zeroblob(32))",
            )
            .unwrap();
        for job in [1, 2] {
            for position in 1..=60_i64 {
                let stream = if position % 3 == 0 { 5 } else { 3 };
                let is_bad = position % 10 == 0;
                let (code, error) = if is_bad {
                    (Some("schema"), Some("`E-Mail` is 100% wrong"))
                } else {
                    (None, None)
                };
                insert
                    .execute(params![
                        job,
                        stream,
                        position,
                        format!("c_{position}"),
                        (!is_bad).then(|| format!("R{position}")),
                        if is_bad { "rejected" } else { "created" },
                        1,
                        code,
                        error,
                        position % 7,
                    ])
                    .unwrap();
            }
        }
        drop(insert);
        connection
    }

    fn page(connection: &Connection, query: &Query) -> Vec<(Cursor, u64)> {
        let mut rows = Vec::new();
        each::<rusqlite::Error>(connection, JobId(1), query, |cursor, row| {
            rows.push((cursor, row.millis));
            Ok(())
        })
        .unwrap()
        .unwrap();
        rows
    }

    #[test]
    fn pages_of_every_order_make_up_the_whole_forwards_and_back() {
        let store = store();
        for key in Key::ALL {
            for is_descending in [false, true] {
                let all = Query { key, is_descending, ..Query::default() };
                let whole = page(&store, &all);
                assert_eq!(whole.len(), 60, "{key:?}");
                let mut found = Vec::new();
                let mut query = Query { limit: Some(7), ..all.clone() };
                loop {
                    let rows = page(&store, &query);
                    let Some((last, _)) = rows.last() else { break };
                    query.after = Some(*last);
                    found.extend(rows);
                }
                assert_eq!(found, whole, "{key:?} {is_descending}");
                let before = Some(whole[30].0);
                let mut back = page(&store, &Query { before, limit: Some(7), ..all });
                back.reverse();
                assert_eq!(back, whole[23..30], "{key:?} {is_descending}");
            }
        }
        let slowest = Query { key: Key::Millis, is_descending: true, ..Query::default() };
        let millis: Vec<u64> = page(&store, &slowest).iter().map(|(_, millis)| *millis).collect();
        assert!(millis.is_sorted_by(|one, other| one >= other));
    }

    #[test]
    fn what_is_asked_for_is_found_and_nothing_else() {
        let store = store();
        let count = |query: Query| page(&store, &query).len();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(count(Query { stream: some("deals"), ..Query::default() }), 20);
        assert_eq!(count(Query { stream: some("none"), ..Query::default() }), 0);
        let fates = vec![Fate::Rejected, Fate::Failed];
        assert_eq!(count(Query { fates, ..Query::default() }), 6);
        assert_eq!(count(Query { code: some("schema"), ..Query::default() }), 6);
        for (text, found) in [
            ("", 60),
            ("c_1", 11),
            ("r59", 1),
            ("e-mail", 6),
            ("100%", 6),
            ("%", 6),
            ("_", 60),
            ("c%1", 0),
            ("\\", 0),
            ("' OR 1 --", 0),
        ] {
            assert_eq!(count(Query { search: some(text), ..Query::default() }), found, "{text}");
        }
        let fates = vec![Fate::Rejected];
        let all = Query { fates, stream: some("deals"), search: some("c_3"), ..Query::default() };
        assert_eq!(count(all), 1);
    }

    #[test]
    fn a_cursor_of_another_job_is_none() {
        let store = store();
        let after = Cursor::parse("3-61");
        assert!(after.is_some());
        let query = Query { after, ..Query::default() };
        let asked = each::<rusqlite::Error>(&store, JobId(1), &query, |_, _| Ok(()));
        assert!(asked.unwrap().is_none());
        for text in ["", "3", "-", "3-", "a-1", "3-+1", "3-1-1", "1-9223372036854775808"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
