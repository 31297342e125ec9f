//! What the overlay has given up, on its way into the id map: sorted runs in the table `id_runs`.
//!
//! Ids come in random order, so nearly each of those that are written into a large table is a page of
//! its own. A run goes behind the last one, page after page; many runs together go into the table in
//! one pass over it. Nothing is lost with them, as with the overlay.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator as _;
use rusqlite::{Connection, OptionalExtension, Row, Rows, Transaction, params};

use super::change::Change;
use super::id_map::{Mapped, mapped};
use crate::crash::point;
use crate::record::{ExternalId, RemoteId};

/// What is told of an id, beside its key.
const COLUMNS: &str = "is_gone, remote_id, fingerprint, custom_data, parents";

fn change(row: &Row<'_>, first: usize) -> rusqlite::Result<Change> {
    if row.get(first)? { Ok(Change::Remove) } else { mapped(row, first + 1).map(Change::Set) }
}

/// Puts one change into a run. They are to come in the order of stream and id.
pub(super) fn put(
    transaction: &Transaction<'_>,
    run: u64,
    (stream, external_id): (i64, &ExternalId),
    change: &Change,
) -> rusqlite::Result<()> {
    let nothing = Mapped { remote_id: None, fingerprint: None, custom_data: None, parents: None };
    let (is_gone, mapped) = match change {
        Change::Set(mapped) => (false, mapped),
        Change::Remove => (true, &nothing),
    };
    transaction
        .prepare_cached(&format!(
            "INSERT INTO id_runs (run, stream, external_id, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        ))?
        .execute(params![
            run,
            stream,
            external_id.as_str(),
            is_gone,
            mapped.remote_id.as_ref().map(RemoteId::as_str),
            mapped.fingerprint.map(|fingerprint| fingerprint.0),
            mapped.custom_data.as_deref(),
            mapped.parents,
        ])?;
    Ok(())
}

/// The newest change of an id that the runs of these numbers hold.
pub(super) fn find(
    connection: &Connection,
    runs: Range<u64>,
    (stream, external_id): (i64, &ExternalId),
) -> rusqlite::Result<Option<Change>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM id_runs WHERE run = ? AND stream = ? AND external_id = ?"
    ))?;
    for run in runs.rev() {
        let found = statement
            .query_row(params![run, stream, external_id.as_str()], |row| change(row, 0))
            .optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Moves the runs of these numbers, which are all that there are, into the map: the newest change of
/// each id.
pub(super) fn fold(transaction: &Transaction<'_>, runs: Range<u64>) -> rusqlite::Result<()> {
    let sql = format!(
        "SELECT stream, external_id, {COLUMNS} FROM id_runs WHERE run = ?
         ORDER BY stream, external_id"
    );
    let mut statements =
        runs.clone().map(|_| transaction.prepare(&sql)).collect::<rusqlite::Result<Vec<_>>>()?;
    let mut cursors = Vec::with_capacity(statements.len());
    // By key, of one key the newest run first.
    let mut heads = BinaryHeap::with_capacity(statements.len());
    for (index, (statement, run)) in statements.iter_mut().zip(runs).enumerate() {
        let mut rows = statement.query([run])?;
        heads.extend(key(&mut rows)?.map(|key| Reverse((key, Reverse(index)))));
        cursors.push(rows);
    }
    let mut last = None;
    while let Some(Reverse((at, Reverse(index)))) = heads.pop() {
        let rows = &mut cursors[index];
        if last.as_ref() != Some(&at)
            && let Some(row) = rows.get()
        {
            change(row, 2)?.apply(transaction, at.0, &at.1)?;
            point("folding");
        }
        heads.extend(key(rows)?.map(|key| Reverse((key, Reverse(index)))));
        last = Some(at);
    }
    drop(cursors);
    clear(transaction)
}

/// Goes to the next row; its stream and id.
fn key(rows: &mut Rows<'_>) -> rusqlite::Result<Option<(i64, ExternalId)>> {
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some((row.get(0)?, ExternalId::new(row.get_ref(1)?.as_str()?))))
}

/// Drops all runs.
pub(super) fn clear(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM id_runs", []).map(drop)
}
