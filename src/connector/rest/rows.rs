//! Finds the row of each record in an answer, and its verdict.

use std::collections::HashMap;

use serde_json::Value;

use super::judge::unread;
use super::manifest::{Match, Unnamed};
use super::program::{Named, Rows, Write};
use super::reading::Reading;
use super::select::{Finder, Selector};
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
    if operation.rows.is_none() && operation.failures.is_none() {
        // Nothing in the answer is about single records: it is a yes to all of them.
        if operation.unnamed == Unnamed::Written {
            return all(unread(action));
        }
        let verdict = single(reading, operation, action);
        return match (batch.writes.as_slice(), &reading.body) {
            ([write], Some(body)) => vec![reading.held(operation, write, body, verdict)],
            _ => all(verdict),
        };
    }
    if reading.body.is_none() && !reading.is_empty() {
        return all(Verdict::InDoubt(reading.describe().into()));
    }
    let mut found: Vec<Vec<Verdict>> = vec![Vec::new(); batch.writes.len()];
    let mut add = |place: usize, row: &Value, verdict: &dyn Fn(&contract::Write) -> Verdict| {
        if let (Some(write), Some(found)) = (batch.writes.get(place), found.get_mut(place))
            && reading.is_about(operation, action, write, row)
        {
            found.push(verdict(write));
        }
    };
    if let Some(Rows { rows, named }) = &operation.rows {
        let rows = reading.body.as_ref().and_then(|body| rows.rows(body));
        let Some(rows) = rows else {
            return all(Verdict::InDoubt(format!("no rows, but {}", reading.describe()).into()));
        };
        if named.matched == Match::Position && rows.len() != batch.writes.len() {
            let (rows, records) = (rows.len(), batch.writes.len());
            let text = format!("the answer has {rows} rows for {records} records");
            return all(Verdict::InDoubt(text.into()));
        }
        let places = Places::new(named, property, batch);
        for (at, row) in rows.into_iter().enumerate() {
            // A row of several records is a row of none.
            if let [place] = places.of(reading, at, row).as_slice() {
                add(*place, row, &|write| {
                    let verdict = reading.row(operation, action, Some(row));
                    reading.held(operation, write, row, settle(operation, action, verdict))
                });
            }
        }
    }
    if let Some(failures) = &operation.failures {
        let Rows { rows, named } = &failures.rows;
        let rows = reading.body.as_ref().and_then(|body| rows.rows(body));
        let places = Places::new(named, property, batch);
        for (at, row) in rows.unwrap_or_default().into_iter().enumerate() {
            // One cause may be told of several records.
            for place in places.of(reading, at, row) {
                add(place, row, &|_| {
                    settle(operation, action, reading.failed_row(operation, failures, row))
                });
            }
        }
    }
    let judged = found.into_iter().map(|mut verdicts| match (verdicts.pop(), verdicts.len()) {
        (Some(verdict), 0) => verdict,
        (None, _) if operation.unnamed == Unnamed::Written => unread(action),
        (None, _) => Verdict::InDoubt("the answer does not name the record".into()),
        (Some(_), _) => Verdict::InDoubt("the answer names the record more than once".into()),
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
    // A template may find what it needs in a header.
    let reads = |finder: &Option<Finder>| matches!(finder, Some(Finder::At(_)));
    let reads_body = reads(external_id) || reads(remote_id) || reads(error);
    let judge = |row| settle(operation, action, reading.row(operation, action, row));
    match &reading.body {
        Some(body) if body.is_object() || reads_body || created.is_some() => judge(Some(body)),
        Some(_) => judge(None),
        // A page of HTML is no success, but a rule may know the text.
        None if !reading.is_empty() => {
            let ruled = reading.ruled_row(&reading.part(None), operation, None);
            ruled.unwrap_or_else(|| Verdict::InDoubt(reading.describe().into()))
        }
        None if !reads_body => judge(None),
        // "No content" (RFC 9110 section 15.3.5) is all that there is to say of a known record.
        None if action == Action::Delete
            || (action == Action::Update && reading.answer.status == 204) =>
        {
            unread(action)
        }
        None => Verdict::InDoubt(reading.describe().into()),
    }
}

/// Finds the writes that a row is about.
enum Places<'a> {
    Position,
    Index(Option<Finder>),
    Id(Option<Finder>, HashMap<&'a str, usize>),
}

impl<'a> Places<'a> {
    fn new(named: &Named, property: Option<&str>, batch: &'a WriteBatch) -> Self {
        let ids = |id: fn(&contract::Write) -> Option<&str>| {
            let writes = batch.writes.iter().enumerate();
            writes.filter_map(|(place, write)| Some((id(write)?, place))).collect()
        };
        match named.matched {
            Match::Position => Self::Position,
            Match::Index => Self::Index(named.index.clone()),
            Match::ExternalId => {
                let default = property.map(|name| Selector::Property(name.to_owned()));
                let finder = named.external_id.clone().or(default.map(Finder::At));
                Self::Id(finder, ids(|write| write.external_id.as_ref().map(ExternalId::as_str)))
            }
            Match::RemoteId => Self::Id(
                named.remote_id.clone(),
                ids(|write| write.remote_id.as_ref().map(RemoteId::as_str)),
            ),
        }
    }

    fn of(&self, reading: &Reading<'_>, at: usize, row: &Value) -> Vec<usize> {
        let texts = |finder: &Option<Finder>| {
            finder.as_ref().map_or_else(Vec::new, |finder| reading.part(Some(row)).texts(finder))
        };
        match self {
            Self::Position => vec![at],
            Self::Index(index) => {
                texts(index).iter().filter_map(|text| text.parse().ok()).collect()
            }
            Self::Id(finder, ids) => {
                texts(finder).iter().filter_map(|text| ids.get(text.as_str()).copied()).collect()
            }
        }
    }
}
