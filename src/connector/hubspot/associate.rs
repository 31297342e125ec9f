//! Whom a record is associated with: told with a record that is made, and in calls of its own after
//! one that was there.
//!
//! <https://developers.hubspot.com/docs/api-reference/latest/crm/associations/associations-guide>.
//! To associate what is associated already changes nothing.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::HubSpot;
use super::paths::Api;
use super::problem::{Problem, failure, is_error, list};
use crate::connector::contract::{Action, RequestError, Verdict};
use crate::connector::http::Call;
use crate::connector::parts::{is_no, not_finished};
use crate::json::exact;
use crate::record::RemoteId;

/// Inputs of one call, half of what HubSpot takes: a call that is lost is made again
/// (<https://developers.hubspot.com/docs/api-reference/latest/crm/associations/associations-guide>).
const MAX_INPUTS: usize = 1000;

/// One record that another is associated with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Association {
    pub(super) to: End,
    /// Over the object of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<Origin>,
    pub(super) types: Vec<Type>,
}

/// The record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct End {
    pub(super) id: String,
    /// Needed where the record that is associated is there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) object_type: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Origin {
    pub(super) object_type: String,
}

/// How they are associated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Type {
    pub(super) association_category: String,
    pub(super) association_type_id: u64,
}

impl Association {
    /// Reads a record's `associations`.
    ///
    /// # Errors
    /// For people, in the words of the platform's target: what is missing.
    pub(super) fn read(list: &RawValue) -> Result<Vec<Self>, String> {
        let list = exact::parse(list.get().as_bytes()).unwrap_or_default();
        let list = list.as_array().ok_or("its `associations` are no list")?;
        list.iter().map(Self::read_one).collect()
    }

    fn read_one(one: &Value) -> Result<Self, String> {
        let text = |value: Option<&Value>| value.and_then(exact::text);
        let to = one.get("to");
        let id = text(to.and_then(|to| to.get("id")));
        let id = id.ok_or_else(|| format!("to id is required for the association {one}"))?;
        let object_type = text(to.and_then(|to| to.get("objectType")));
        let from = text(one.get("from").and_then(|from| from.get("objectType")));
        let types = one.get("types").and_then(Value::as_array).filter(|types| !types.is_empty());
        let types = types.ok_or_else(|| format!("types is required for the association {one}"))?;
        let types = types.iter().map(|one| {
            let category = text(one.get("associationCategory"));
            let id = text(one.get("associationTypeId")).and_then(|id| id.parse().ok());
            match (category, id) {
                (Some(association_category), Some(association_type_id)) => {
                    Ok(Type { association_category, association_type_id })
                }
                _ => Err(format!(
                    "an association type needs an associationCategory and a number as \
                     associationTypeId, and has {one}"
                )),
            }
        });
        Ok(Self {
            to: End { id, object_type },
            from: from.map(|object_type| Origin { object_type }),
            types: types.collect::<Result<_, _>>()?,
        })
    }

    /// With one record, by one type.
    pub(super) fn with(object: &str, id: &str, of: Type) -> Self {
        let to = End { id: id.to_owned(), object_type: Some(object.to_owned()) };
        Self { to, from: None, types: vec![of] }
    }

    /// As it is told with a record that is made.
    pub(super) fn inline(&self) -> Value {
        json!({"to": {"id": self.to.id}, "types": self.types})
    }
}

/// A type that HubSpot itself defines.
pub(super) fn default_type(association_type_id: u64) -> Type {
    Type { association_category: "HUBSPOT_DEFINED".to_owned(), association_type_id }
}

/// An association of a record that is there.
#[derive(Debug)]
pub(super) struct Link<'a> {
    /// Place of its record in the batch.
    pub(super) place: usize,
    /// Its remote id.
    pub(super) id: &'a str,
    pub(super) association: &'a Association,
}

impl HubSpot {
    /// Associates records of `object` that are there: `verdicts` of those that cannot be are changed
    /// to what is wrong. Each was written, so nothing is lost by writing it again.
    pub(super) async fn associate(
        &self,
        object: &str,
        links: Vec<Link<'_>>,
        verdicts: &mut [Verdict],
    ) {
        let mut by_path: BTreeMap<(&str, &str), Vec<Link<'_>>> = BTreeMap::new();
        for link in links {
            let from = link.association.from.as_ref().map_or(object, |from| &from.object_type);
            if let Some(to) = &link.association.to.object_type {
                by_path.entry((from, to)).or_default().push(link);
            } else {
                let why = "objectType is required for an association of a record that is there";
                verdicts[link.place] = refused(link.id, why);
            }
        }
        for (path, links) in by_path {
            let mut pieces: Vec<&[Link<'_>]> = links.chunks(MAX_INPUTS).collect();
            while let Some(piece) = pieces.pop() {
                let Err(error) = self.associate_some(path, piece, verdicts).await else { continue };
                if is_no(&error) && piece.len() > 1 {
                    // One that is refused takes none of the others with it.
                    let (left, right) = piece.split_at(piece.len() / 2);
                    pieces.extend([right, left]);
                    continue;
                }
                for link in piece {
                    let to = &link.association.to.id;
                    let why = format!("the association with {} {to}: {error}", path.1);
                    let verdict = &mut verdicts[link.place];
                    *verdict = not_done(verdict, link.id, &error, &why);
                }
            }
        }
    }

    async fn associate_some(
        &self,
        (from, to): (&str, &str),
        links: &[Link<'_>],
        verdicts: &mut [Verdict],
    ) -> Result<(), RequestError> {
        let inputs: Vec<Value> = links
            .iter()
            .map(|Link { id, association, .. }| {
                json!({"from": {"id": id}, "to": {"id": association.to.id}, "types": association.types})
            })
            .collect();
        let url = self.paths.of(Api::Associations, &[from, to, "batch", "create"])?;
        let body = Bytes::from(json!({"inputs": inputs}).to_string());
        let answer = self.post(url, body, false, None).await?;
        let redactor = self.client.redactor();
        let call = Call::Write { action: Action::Update, single: false };
        if !answer.is_success() {
            return Err(failure(&answer, call, redactor));
        }
        let body = answer.json(redactor).map_err(|what| RequestError::Protocol(what.into()))?;
        let (results, errors) = (list(&body, "results"), list(&body, "errors"));
        let done: HashSet<(String, String)> = results.iter().filter_map(pair).collect();
        // Where nothing is refused and nothing is named, a count tells as much as names do.
        let is_counted = results.len() == links.len() && results.iter().all(Value::is_object);
        if !is_error(&body) && done.is_empty() && is_counted {
            return Ok(());
        }
        for Link { place, id, association } in links {
            let to_id = &association.to.id;
            if done.contains(&((*id).to_owned(), to_id.clone())) {
                continue;
            }
            let error = errors.iter().find(|error| is_about(Problem(error), id, to_id));
            let error = error.or(match errors {
                [only] if links.len() == 1 => Some(only),
                _ => None,
            });
            verdicts[*place] = if let Some(error) = error {
                let said = Problem(error).rejection(redactor).message;
                refused(id, &format!("the association with {to} {to_id}: {said}"))
            } else {
                let why = "the answer does not name its association";
                not_finished(&verdicts[*place], &RemoteId::new(*id), why)
            };
        }
        Ok(())
    }
}

/// Whether an error is about the association of these two: of those that it names.
fn is_about(problem: Problem<'_>, from: &str, to: &str) -> bool {
    let names = |kind: &str, id: &str| {
        let named: Vec<String> = problem.context(kind).collect();
        (!named.is_empty()).then(|| named.iter().any(|named| named == id))
    };
    match (names("fromObjectId", from), names("toObjectId", to)) {
        (None, None) => false,
        (from, to) => from != Some(false) && to != Some(false),
    }
}

/// The two records of an association, in the form of any version.
fn pair(result: &Value) -> Option<(String, String)> {
    let id = |names: [&str; 2]| {
        names.into_iter().find_map(|name| result.pointer(name)).and_then(exact::text)
    };
    id(["/fromObjectId", "/from/id"]).zip(id(["/toObjectId", "/to/id"]))
}

/// A record that was written, and what belongs to it was not: for `error`, which may be the remote's
/// no.
pub(super) fn not_done(written: &Verdict, id: &str, error: &RequestError, why: &str) -> Verdict {
    if is_no(error) { refused(id, why) } else { not_finished(written, &RemoteId::new(id), why) }
}

/// A record that was written, and what belongs to it is refused.
pub(super) fn refused(id: &str, why: &str) -> Verdict {
    Verdict::Altered(Some(RemoteId::new(id)), why.into())
}
