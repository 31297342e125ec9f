//! Finds the row of each record in an answer, and its verdict.

use std::collections::HashMap;

use serde_json::Value;

use super::judge::{Reading, is_about, unread};
use super::manifest::Match;
use super::program::Write;
use super::select::Selector;
use crate::connector::contract::{self, Action, Verdict, WriteBatch};
use crate::record::{ExternalId, RemoteId};

/// The verdicts on all writes of `batch`, in their order. `property`: where the rows of the
/// stream hold the external id, for operations that do not say.
pub(super) fn verdicts(
    reading: &Reading<'_>,
    operation: &Write,
    property: Option<&str>,
    batch: &WriteBatch,
) -> Vec<Verdict> {
    let action = batch.action;
    let all = |verdict: Verdict| vec![verdict; batch.writes.len()];
    let Some((selector, matched)) = &operation.rows else {
        let verdict = single(reading, operation, action);
        return match (batch.writes.as_slice(), &reading.body) {
            ([write], Some(body)) => vec![reading.held(operation, write, body, verdict)],
            _ => all(verdict),
        };
    };
    let rows = reading.body.as_ref().and_then(|body| selector.rows(body));
    let Some(rows) = rows else {
        return all(Verdict::InDoubt(format!("no rows, but {}", reading.describe()).into()));
    };
    if *matched == Match::Position && rows.len() != batch.writes.len() {
        let (rows, records) = (rows.len(), batch.writes.len());
        let text = format!("the answer has {rows} rows for {records} records");
        return all(Verdict::InDoubt(text.into()));
    }
    let places = places(operation, *matched, property, batch, rows);
    let mut found: Vec<Vec<&Value>> = vec![Vec::new(); batch.writes.len()];
    for (row, place) in rows.iter().zip(places) {
        if let Some(place) = place
            && let (Some(write), Some(rows)) = (batch.writes.get(place), found.get_mut(place))
            && is_about(operation, action, write, row)
        {
            rows.push(row);
        }
    }
    let judged = found.into_iter().zip(&batch.writes).map(|(rows, write)| match rows.as_slice() {
        [row] => {
            let verdict = settle(operation, action, reading.row(operation, action, row));
            reading.held(operation, write, row, verdict)
        }
        [] => Verdict::InDoubt("the answer does not name the record".into()),
        _ => Verdict::InDoubt("the answer names the record more than once".into()),
    });
    judged.collect()
}

/// A record that was not there to be removed is as good as removed, where the manifest says so.
pub(super) fn settle(operation: &Write, action: Action, verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Missing if action == Action::Delete && operation.missing_is_done => {
            Verdict::Deleted
        }
        verdict => verdict,
    }
}

/// The body is the row.
fn single(reading: &Reading<'_>, operation: &Write, action: Action) -> Verdict {
    let Write { external_id, remote_id, created, error, .. } = operation;
    let is_read =
        external_id.is_some() || remote_id.is_some() || created.is_some() || error.is_some();
    match &reading.body {
        Some(body) if body.is_object() || is_read => {
            settle(operation, action, reading.row(operation, action, body))
        }
        Some(_) => unread(action),
        None if reading.is_empty() && (!is_read || action == Action::Delete) => unread(action),
        None => Verdict::InDoubt(reading.describe().into()),
    }
}

/// For each row, which of the writes it is about.
fn places(
    operation: &Write,
    matched: Match,
    property: Option<&str>,
    batch: &WriteBatch,
    rows: &[Value],
) -> Vec<Option<usize>> {
    let named = |selector: &Selector, id: fn(&contract::Write) -> Option<&str>| {
        let writes = batch.writes.iter().enumerate();
        let ids: HashMap<_, _> =
            writes.filter_map(|(place, write)| Some((id(write)?, place))).collect();
        let place = |row| ids.get(selector.text(row)?.as_str()).copied();
        rows.iter().map(place).collect()
    };
    match matched {
        Match::Position => (0..rows.len()).map(Some).collect(),
        Match::ExternalId => {
            let default = property.map(|name| Selector::Property(name.to_owned()));
            match operation.external_id.as_ref().or(default.as_ref()) {
                Some(id) => named(id, |write| write.external_id.as_ref().map(ExternalId::as_str)),
                None => vec![None; rows.len()],
            }
        }
        Match::RemoteId => match &operation.remote_id {
            Some(id) => named(id, |write| write.remote_id.as_ref().map(RemoteId::as_str)),
            None => vec![None; rows.len()],
        },
        Match::Index => {
            let index = operation.index.as_ref();
            rows.iter().map(|row| index?.text(row)?.parse().ok()).collect()
        }
    }
}
