//! Whom records name by a value of theirs: an account by its name, a contact by its email or by an
//! external id. Found before the records are written, for all of a batch at once. A value that
//! several have refuses its record: any of them would be a guess.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::Salesforce;
use super::part::{Entity, Lack, Part, Reference};
use crate::connector::contract::{
    Action, By, ErrorClass, Question, Rejection, RequestError, Row, Verdict, Write,
};
use crate::json::exact;
use crate::json::fields::push_text;
use crate::record::StreamName;

/// Records by object, field and value.
type FoundAll = HashMap<(String, String), HashMap<String, Vec<Row>>>;

impl Salesforce {
    /// Finds what `writes` name, and puts it into their parts. `object`: of those that name none.
    ///
    /// # Errors
    /// When nobody can tell now; nothing was written then.
    pub(super) async fn relate(
        &self,
        object: &str,
        action: Action,
        writes: &[Write],
        parts: &mut [Part],
    ) -> Result<(), RequestError> {
        if action == Action::Update {
            for part in parts.iter_mut().filter(|part| !part.open.is_empty()) {
                let object = self.describe(part.object.as_deref().unwrap_or(object)).await?;
                let may = |name: &str| object.field(name).is_none_or(|field| field.updateable);
                // Nothing is asked for that cannot be written.
                part.open.retain(|(name, _)| {
                    let may = may(name);
                    if !may {
                        self.tell_left_out(&object.name, name);
                    }
                    may
                });
            }
        }
        let mut wanted: BTreeMap<(String, String), (BTreeSet<String>, BTreeSet<String>)> =
            BTreeMap::new();
        for reference in parts.iter().flat_map(references) {
            let key = (reference.object.clone(), reference.field.clone());
            let (values, takes) = wanted.entry(key).or_default();
            values.insert(reference.value.clone());
            takes.insert(reference.take.clone());
        }
        let mut found = FoundAll::new();
        for ((object, field), (values, takes)) in wanted {
            let rows = self.find_values(&object, &field, values, takes).await?;
            found.insert((object, field), rows);
        }
        if found.is_empty() {
            return Ok(());
        }
        for (part, write) in parts.iter_mut().zip(writes) {
            // Whom a record would do without is waited for where some are about to come.
            let waits = |reference: &Reference| {
                !write.has_waited
                    && (reference.lack != Lack::Leave || self.is_written(&reference.object))
            };
            for (name, references) in std::mem::take(&mut part.open) {
                if let Err(verdict) = settle(part, &name, &references, &found, waits) {
                    part.verdict = Some(verdict);
                }
            }
            if let Some(Entity::Found(reference)) = part.rest.put_on.clone() {
                match one_of(&reference, &found) {
                    Ok(Some(row)) => {
                        part.rest.put_on = Some(Entity::Id(row.remote_id.to_string()));
                    }
                    Ok(None) => part.verdict = Some(missing(&reference)),
                    Err(verdict) => part.verdict = Some(verdict),
                }
            }
        }
        Ok(())
    }

    async fn find_values(
        &self,
        object: &str,
        field: &str,
        values: BTreeSet<String>,
        takes: BTreeSet<String>,
    ) -> Result<HashMap<String, Vec<Row>>, RequestError> {
        let mut question = Question::of_ids(
            StreamName::new(object),
            By::Field(field.into()),
            values.into_iter().map(Arc::from).collect(),
        );
        question.want = takes.into_iter().chain([field.to_owned()]).map(Arc::from).collect();
        let mut found: HashMap<String, Vec<Row>> = HashMap::new();
        for row in self.find_all(object, None, question).await? {
            let rows = found.entry(row.key.to_string()).or_default();
            if rows.iter().all(|known| known.remote_id != row.remote_id) {
                rows.push(row);
            }
        }
        Ok(found)
    }
}

fn references(part: &Part) -> impl Iterator<Item = &Reference> {
    let put_on = match &part.rest.put_on {
        Some(Entity::Found(reference)) => Some(reference),
        _ => None,
    };
    part.open.iter().flat_map(|(_, references)| references).chain(put_on)
}

/// Sets a field to what the first reference gives that gives something.
fn settle(
    part: &mut Part,
    name: &str,
    references: &[Reference],
    found: &FoundAll,
    waits: impl Fn(&Reference) -> bool,
) -> Result<(), Verdict> {
    let mut lacking = None;
    for reference in references {
        let Some(row) = one_of(reference, found)? else {
            lacking = Some(reference);
            continue;
        };
        // One that is there and has no such value is not waited for.
        if let Some(value) = taken(reference, row) {
            let mut json = String::new();
            push_text(&mut json, &value);
            part.set(name, &json);
            return Ok(());
        }
    }
    let Some(reference) = lacking else { return Ok(()) };
    if reference.lack == Lack::Refuse || waits(reference) {
        return Err(missing(reference));
    }
    if reference.lack == Lack::Tell {
        part.missing.push(words(reference));
    }
    Ok(())
}

/// The one record that a reference means; nothing where there is none.
///
/// # Errors
/// The refusal: there are several.
fn one_of<'f>(reference: &Reference, found: &'f FoundAll) -> Result<Option<&'f Row>, Verdict> {
    let Reference { object, field, value, .. } = reference;
    let rows = found.get(&(object.clone(), field.clone())).and_then(|rows| rows.get(value));
    let rows = rows.map(Vec::as_slice).unwrap_or_default();
    // Salesforce compares without regard to case; who has it to the letter is meant.
    let is_exact = |row: &&Row| get(row, field).and_then(exact::text).as_ref() == Some(value);
    let mut exact = rows.iter().filter(is_exact);
    match (exact.next(), exact.next(), rows) {
        (Some(row), None, _) | (None, None, [row]) => Ok(Some(row)),
        (None, None, []) => Ok(None),
        _ => Err(ambiguous(object, field, value)),
    }
}

/// What a reference takes of the record that it means.
fn taken(Reference { take, .. }: &Reference, row: &Row) -> Option<String> {
    if take == "Id" {
        return Some(row.remote_id.to_string());
    }
    get(row, take).and_then(exact::text)
}

fn get<'r>(row: &'r Row, name: &str) -> Option<&'r Value> {
    row.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A record that names one which several are.
pub(super) fn ambiguous(object: &str, field: &str, value: &str) -> Verdict {
    refused("ambiguous", format!("more than one {object} has the {field} `{value}`"))
}

/// A record that names one which nobody is, yet.
fn missing(reference: &Reference) -> Verdict {
    Verdict::NoParent(rejection("no_parent", words(reference)))
}

fn words(Reference { object, field, value, .. }: &Reference) -> String {
    format!("no {object} has the {field} `{value}`")
}

pub(super) fn refused(code: &str, message: String) -> Verdict {
    Verdict::Rejected(rejection(code, message))
}

fn rejection(code: &str, message: String) -> Rejection {
    Rejection { class: ErrorClass::Payload, code: Some(code.into()), message: message.into() }
}
