//! Finds the row of each record in an answer, and its verdict.

use std::collections::HashMap;

use serde_json::Value;

use super::judge::unread;
use super::manifest::Unnamed;
use super::program::{Failures, Matched, Rows, Write};
use super::reading::Reading;
use super::select::{Listed, Path, Selector};
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
    let Write { rows, failures, unnamed, .. } = operation;
    let is_single = rows.is_none() && failures.is_none() && *unnamed == Unnamed::InDoubt;
    if is_single {
        let verdict = single(reading, operation, action);
        return match (batch.writes.as_slice(), &reading.body) {
            ([write], body) if !reading.is_about(operation, action, write, body.as_ref()) => {
                all(Verdict::InDoubt("the answer is about another record".into()))
            }
            ([write], Some(body)) => vec![reading.held(operation, write, body, verdict)],
            _ => all(verdict),
        };
    }
    if reading.body.is_none() && !reading.is_empty() {
        return all(unreadable(reading, operation));
    }
    let mut found = Found::new(batch);
    if let Some(rows) = rows
        && let Err(why) = found.add_rows(reading, operation, rows, property)
    {
        return all(Verdict::InDoubt(why.into()));
    }
    // A refusal of nobody knows whom may be of any record that is not named.
    let mut others = match unnamed {
        Unnamed::Written => unread(action),
        Unnamed::InDoubt => Verdict::InDoubt("the answer does not name the record".into()),
    };
    if let Some(failures) = failures
        && let Err(why) = found.add_failures(reading, operation, failures, property)
    {
        others = Verdict::InDoubt(why.into());
    }
    found.judged(&others)
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

/// A page of HTML is no success, but a rule may know the text.
fn unreadable(reading: &Reading<'_>, operation: &Write) -> Verdict {
    let ruled = reading.ruled_row(&reading.part(None), operation, &operation.told);
    ruled.unwrap_or_else(|| Verdict::InDoubt(reading.describe().into()))
}

/// The body is the row.
fn single(reading: &Reading<'_>, operation: &Write, action: Action) -> Verdict {
    let Write { external_id, remote_id, created, told, .. } = operation;
    // A template may find what it needs in a header.
    let reads = |selector: &Option<Selector>| matches!(selector, Some(Selector::At(_)));
    let reads_body = reads(external_id) || reads(remote_id) || reads(&told.error);
    let judge = |row| settle(operation, action, reading.row(operation, action, row));
    match &reading.body {
        Some(body) if body.is_object() || reads_body || created.is_some() => judge(Some(body)),
        Some(_) => judge(None),
        None if !reading.is_empty() => unreadable(reading, operation),
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

/// What the rows of an answer say of each write.
struct Found<'a> {
    batch: &'a WriteBatch,
    /// Of each write, with how many writes they are shared.
    verdicts: Vec<(Vec<Verdict>, usize)>,
}

impl<'a> Found<'a> {
    fn new(batch: &'a WriteBatch) -> Self {
        Self { batch, verdicts: vec![(Vec::new(), 1); batch.writes.len()] }
    }

    /// Takes the rows of all records. A row of none of them, or of several ids, is passed over.
    ///
    /// # Errors
    /// Why the rows say nothing of any record.
    fn add_rows(
        &mut self,
        reading: &Reading<'_>,
        operation: &Write,
        Rows { rows, matched }: &Rows,
        property: Option<&str>,
    ) -> Result<(), String> {
        let action = self.batch.action;
        let rows = reading.body.as_ref().and_then(|body| rows.rows(body));
        let rows = rows.ok_or_else(|| format!("no rows, but {}", reading.describe()))?;
        if matches!(matched, Matched::Position) && rows.len() != self.batch.writes.len() {
            let (rows, records) = (rows.len(), self.batch.writes.len());
            return Err(format!("the answer has {rows} rows for {records} records"));
        }
        let places = Places::new(matched, property, self.batch);
        for (at, row) in rows.into_iter().enumerate() {
            let [places] = &*places.of(reading, at, row) else { continue };
            for place in places {
                let Some(write) = self.batch.writes.get(*place) else { continue };
                if reading.is_about(operation, action, write, Some(row)) {
                    let verdict = reading.row(operation, action, Some(row));
                    let verdict = settle(operation, action, verdict);
                    // Of several records of one id, the row holds what the last one wrote.
                    let verdict = match places.last() {
                        Some(last) if last == place => reading.held(operation, write, row, verdict),
                        _ => verdict,
                    };
                    self.add(*place, verdict, places.len());
                }
            }
        }
        Ok(())
    }

    /// Takes a verdict on the write at `place`, which `sharers` writes have together; returns
    /// whether there is such a write.
    fn add(&mut self, place: usize, verdict: Verdict, sharers: usize) -> bool {
        let Some((verdicts, most)) = self.verdicts.get_mut(place) else { return false };
        verdicts.push(verdict);
        *most = sharers.max(*most);
        true
    }

    /// Takes the rows of refused records; one may be of several.
    ///
    /// # Errors
    /// Something was refused, and the answer does not say which record.
    fn add_failures(
        &mut self,
        reading: &Reading<'_>,
        operation: &Write,
        failures: &Failures,
        property: Option<&str>,
    ) -> Result<(), String> {
        let action = self.batch.action;
        let Rows { rows, matched } = &failures.rows;
        let rows = match reading.body.as_ref().map_or(Listed::Nothing, |body| rows.listed(body)) {
            Listed::Nothing => return Ok(()),
            Listed::Rows(rows) => rows,
            Listed::Other(other) => {
                let told = reading.redactor.excerpt(&other.to_string(), MAX_TOLD_CHARS);
                return Err(format!("something was refused, in no list: {told}"));
            }
        };
        let places = Places::new(matched, property, self.batch);
        let mut lost = None;
        for (at, row) in rows.into_iter().enumerate() {
            let mut is_known = false;
            for places in places.of(reading, at, row) {
                for place in &places {
                    let verdict = reading.failed_row(operation, failures, row);
                    let verdict = settle(operation, action, verdict);
                    is_known |= self.add(*place, verdict, places.len());
                }
            }
            if !is_known {
                lost.get_or_insert(row);
            }
        }
        match lost {
            None => Ok(()),
            Some(row) => {
                let told = reading.redactor.excerpt(&row.to_string(), MAX_TOLD_CHARS);
                Err(format!("something was refused, and nobody can tell which record: {told}"))
            }
        }
    }

    /// One verdict for each write; `others` is that of those that are not named.
    fn judged(self, others: &Verdict) -> Vec<Verdict> {
        let judge = |(verdicts, sharers): (Vec<Verdict>, usize)| match verdicts.as_slice() {
            [] => others.clone(),
            // One for each record of the id: which is whose does not matter where all are the same.
            [first, more @ ..]
                if more.len() < sharers && more.iter().all(|one| alike(first, one)) =>
            {
                first.clone()
            }
            _ => Verdict::InDoubt("the answer names the record more than once".into()),
        };
        self.verdicts.into_iter().map(judge).collect()
    }
}

/// Whether two verdicts say the same but for the words of a refusal.
fn alike(one: &Verdict, other: &Verdict) -> bool {
    one == other || matches!((one, other), (Verdict::Rejected(_), Verdict::Rejected(_)))
}

/// Characters of a row that is told.
const MAX_TOLD_CHARS: usize = 200;

/// Finds the writes that a row is about.
enum Places<'a> {
    Position,
    Index(&'a Selector),
    /// Two external ids may have one remote id.
    Id(Selector, HashMap<&'a str, Vec<usize>>),
}

impl<'a> Places<'a> {
    fn new(matched: &'a Matched, property: Option<&str>, batch: &'a WriteBatch) -> Self {
        let ids = |id: fn(&contract::Write) -> Option<&str>| {
            let mut ids: HashMap<_, Vec<usize>> = HashMap::new();
            for (place, write) in batch.writes.iter().enumerate() {
                if let Some(id) = id(write) {
                    ids.entry(id).or_default().push(place);
                }
            }
            ids
        };
        match matched {
            Matched::Position => Self::Position,
            Matched::Index(selector) => Self::Index(selector),
            Matched::ExternalId(own) => {
                let default = || Selector::At(Path::Property(property.unwrap_or_default().into()));
                let selector = own.clone().unwrap_or_else(default);
                Self::Id(selector, ids(|write| write.external_id.as_ref().map(ExternalId::as_str)))
            }
            Matched::RemoteId(selector) => Self::Id(
                selector.clone(),
                ids(|write| write.remote_id.as_ref().map(RemoteId::as_str)),
            ),
        }
    }

    /// For each id or place that the row names, the writes that have it, in their order.
    fn of(&self, reading: &Reading<'_>, at: usize, row: &Value) -> Vec<Vec<usize>> {
        let texts = |selector: &Selector| reading.part(Some(row)).texts(selector);
        match self {
            Self::Position => vec![vec![at]],
            Self::Index(index) => {
                texts(index).iter().filter_map(|text| Some(vec![text.parse().ok()?])).collect()
            }
            Self::Id(selector, ids) => {
                texts(selector).iter().filter_map(|text| ids.get(text.as_str()).cloned()).collect()
            }
        }
    }
}
