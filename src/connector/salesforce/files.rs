//! Files are put on records: what a record of `ContentVersion` has as `LinkedEntityId`, which is an
//! id, or an external id (`{"Account/Ext__c": "x"}`). The document that a version is of is
//! Salesforce's to make, and its link to the record ours: a new file is made together with it, so
//! that none stands without (a graph, which is done whole or not at all); of one that is there it
//! is made after.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_graph_introduction.htm>,
//! <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_contentdocumentlink.htm>

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Salesforce;
use super::after::{Followed, not_done};
use super::collections::Row;
use super::ids::{long_id, told_id};
use super::part::{Entity, Lack, Part, Reference, Rest};
use super::problem::{Problem, failure, refusals};
use super::shape::typed;
use super::soql;
use crate::connector::contract::{Action, By, Question, RequestError, Verdict, WriteAnswer};
use crate::connector::http::Call;
use crate::json::exact;
use crate::record::{RemoteId, StreamName};

/// The object whose records are put on others.
pub(super) const OBJECT: &str = "ContentVersion";
/// The field that says on which.
pub(super) const LINKED: &str = "LinkedEntityId";

/// Graphs of one call.
/// <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_graph_limits.htm>
pub(super) const MAX_GRAPHS: usize = 75;
/// What is said of a graph that another one has kept from being done, or of a part of one.
const HALTED: &str = "PROCESSING_HALTED";

/// What is written beside a file's fields.
///
/// # Errors
/// For people: what it is to be put on cannot be read.
pub(super) fn rest(value: &RawValue) -> Result<Option<Rest>, String> {
    let value = exact::parse(value.get().as_bytes()).unwrap_or_default();
    let parsed = value.as_str().filter(|text| text.trim_start().starts_with('{'));
    let parsed = parsed.and_then(|text| exact::parse(text.as_bytes()).ok());
    let wrong = || {
        format!(
            "its `{LINKED}` names no record: it is an id, or `{{\"Object/External_Id__c\": \"value\"}}`"
        )
    };
    let entity = match parsed.as_ref().unwrap_or(&value) {
        Value::Null => return Ok(None),
        Value::Array(_) | Value::Bool(_) => return Err(wrong()),
        Value::Object(key) => {
            let (name, value) = key.iter().next().filter(|_| key.len() == 1).ok_or_else(wrong)?;
            let (object, field) = name.split_once('/').ok_or_else(wrong)?;
            let value = exact::text(value).ok_or_else(wrong)?;
            if !soql::is_name(object) || !soql::is_name(field) {
                return Err(wrong());
            }
            Entity::Found(Reference::to(object, field, &value, Lack::Refuse))
        }
        value => match exact::text(value) {
            Some(id) => Entity::Id(long_id(&id)),
            None => return Ok(None),
        },
    };
    Ok(Some(Rest { put_on: Some(entity), ..Rest::default() }))
}

impl Salesforce {
    /// Whether files are made together with their links.
    pub(super) fn has_graphs(&self) -> bool {
        self.paths.is_from(50)
    }

    /// Makes new files, each with its link to the record that stands beside it.
    pub(super) async fn write_files(
        &self,
        rows: &[(Row<'_>, &str)],
        property: Option<&str>,
        not_after: Option<Instant>,
    ) -> Result<WriteAnswer, RequestError> {
        self.quota.refuse_spent()?;
        let versions = self.paths.inside(&["sobjects", OBJECT]);
        let links = self.paths.inside(&["sobjects", "ContentDocumentLink"]);
        let mut graphs = String::new();
        for (place, (row, entity)) in rows.iter().enumerate() {
            let fields = self.sent(None, Action::Create, property, row);
            let entity = serde_json::to_string(entity).unwrap_or_default();
            if place > 0 {
                graphs.push(',');
            }
            graphs.push_str(&format!(
                "{{\"graphId\":\"{place}\",\"compositeRequest\":[\
                 {{\"method\":\"POST\",\"url\":\"{versions}\",\"referenceId\":\"file\",\"body\":{fields}}},\
                 {{\"method\":\"GET\",\"url\":\"{versions}/@{{file.id}}\",\"referenceId\":\"made\"}},\
                 {{\"method\":\"POST\",\"url\":\"{links}\",\"referenceId\":\"link\",\"body\":{{\
                 \"ContentDocumentId\":\"@{{made.ContentDocumentId}}\",\"{LINKED}\":{entity},\"ShareType\":\"V\"}}}}]}}"
            ));
        }
        let url = self.url(&["composite", "graph"]).await?;
        let body = Bytes::from(format!("{{\"graphs\":[{graphs}]}}"));
        let answer = self.send(Method::POST, url, body, false, not_after).await?;
        let redactor = self.client.redactor();
        let call = Call::Write { action: Action::Create, single: false };
        if !answer.is_success() {
            return Err(failure(&answer, call, redactor));
        }
        let told = exact::parse(&answer.body).unwrap_or_default();
        let told = told["graphs"].as_array();
        let told = told.ok_or_else(|| RequestError::Protocol(answer.describe(redactor).into()))?;
        let told: HashMap<String, &Value> = told
            .iter()
            .filter_map(|graph| Some((graph.get("graphId").and_then(exact::text)?, graph)))
            .collect();
        let verdicts = (0..rows.len()).map(|place| match told.get(&place.to_string()) {
            Some(graph) => self.graph_verdict(&rows[place].0, property, graph),
            None => Verdict::InDoubt("the answer does not say whether it was written".into()),
        });
        Ok(WriteAnswer { status: answer.status, verdicts: verdicts.collect(), quiet: None })
    }

    fn graph_verdict(&self, row: &Row<'_>, property: Option<&str>, graph: &Value) -> Verdict {
        let redactor = self.client.redactor();
        let calls = graph.pointer("/graphResponse/compositeResponse").and_then(Value::as_array);
        let calls = calls.map(Vec::as_slice).unwrap_or_default();
        if graph["isSuccessful"] == true {
            let file = calls.iter().find(|call| call["referenceId"] == "file");
            let id = file.and_then(|file| file.pointer("/body/id"));
            return Verdict::Created(told_id(id, redactor));
        }
        let errors = calls.iter().flat_map(|call| refusals(&call["body"]));
        let errors: Vec<&Value> =
            errors.filter(|error| !Problem(error).code().is_empty()).collect();
        let own = errors.iter().find(|error| Problem(error).code() != HALTED);
        match (own, errors.first()) {
            (Some(error), _) => {
                let keys: Vec<&str> = property.into_iter().chain(row.key).collect();
                Problem(error).verdict(Action::Create, &keys, redactor)
            }
            // Too many others were refused.
            (None, Some(error)) => Verdict::Busy(Problem(error).rejection(redactor).message),
            (None, None) => Verdict::InDoubt("it is told to have failed, and not why".into()),
        }
    }

    /// Puts the files that were written on their records. `ids`: under which they were.
    pub(super) async fn put_on(
        &self,
        parts: &[Part],
        ids: &[Option<RemoteId>],
        verdicts: &mut [Verdict],
    ) {
        let wanted: Vec<(usize, &str, &str)> = parts
            .iter()
            .zip(ids)
            .enumerate()
            .filter_map(|(place, (part, id))| Some((place, id.as_ref()?.as_str(), part.put_on()?)))
            .collect();
        if wanted.is_empty() {
            return;
        }
        let documents = self.documents(wanted.iter().map(|(_, id, _)| *id)).await;
        let mut links = Vec::new();
        for (place, id, entity) in wanted {
            match documents.as_ref().map(|all| all.get(id)) {
                Ok(Some(document)) => links.push((place, id, entity, document.clone())),
                Ok(None) => {
                    let told = Followed::Open("its document is not shown".into());
                    not_done(&mut verdicts[place], id, "the file", &told);
                }
                Err(why) => {
                    let told = Followed::Open(why.as_str().into());
                    not_done(&mut verdicts[place], id, "the file", &told);
                }
            }
        }
        let records: Vec<String> = links
            .iter()
            .map(|(_, _, entity, document)| {
                let with = [
                    ("ContentDocumentId", document.as_str()),
                    (LINKED, *entity),
                    ("ShareType", "V"),
                ];
                typed("ContentDocumentLink", &with, "{}")
            })
            .collect();
        let told = self.write_all(Action::Create, &records).await;
        for ((place, id, entity, _), told) in links.into_iter().zip(told) {
            not_done(&mut verdicts[place], id, &format!("the link to {entity}"), &told);
        }
    }

    /// The documents that versions are of.
    async fn documents(
        &self,
        versions: impl Iterator<Item = &str>,
    ) -> Result<HashMap<String, String>, String> {
        let keys = versions.map(Arc::from).collect();
        let mut question = Question::of_ids(StreamName::new(OBJECT), By::RemoteId, keys);
        question.want = vec!["ContentDocumentId".into()];
        let rows =
            self.find_all(OBJECT, None, question).await.map_err(|error| error.to_string())?;
        let document = |row: crate::connector::contract::Row| {
            Some((row.key.to_string(), exact::text(row.fields.get("ContentDocumentId")?)?))
        };
        Ok(rows.into_iter().filter_map(document).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(json: &str) -> Result<Option<Entity>, String> {
        let value: &RawValue = serde_json::from_str(json).unwrap();
        Ok(rest(value)?.and_then(|rest| rest.put_on))
    }

    #[test]
    fn a_record_is_named_by_its_id_or_an_external_one() {
        let id = Entity::Id("001A0000006Vm9uIAC".to_owned());
        assert_eq!(entity(r#""001A0000006Vm9u""#).unwrap(), Some(id));
        let found = Entity::Found(Reference::to("Account", "Ext__c", "5", Lack::Refuse));
        assert_eq!(entity(r#"{"Account/Ext__c": 5}"#).unwrap(), Some(found.clone()));
        assert_eq!(entity(r#""{\"Account/Ext__c\": \"5\"}""#).unwrap(), Some(found));
        assert_eq!(entity("null").unwrap(), None);
        assert_eq!(entity(r#""""#).unwrap(), None);
        for wrong in ["{}", r#"{"Account":"x"}"#, r#"{"A/b c":"x"}"#, r#"{"A/b":null}"#] {
            assert!(entity(wrong).unwrap_err().contains("External_Id__c"), "{wrong}");
        }
    }
}
