//! Writes up to a hundred records of an object in one call.
//!
//! `…/batch/create`, `update` and `upsert` take `{properties, id?, idProperty?, associations?,
//! objectWriteTraceId}` for each record; the answer names the last again, so that it can be told whose
//! result is whose. `…/batch/archive` takes ids, and answers with nothing.
//! <https://developers.hubspot.com/docs/api-reference/latest/crm/objects/objects/guide>

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use indexmap::IndexMap;

use super::HubSpot;
use super::associate::{Association, Link};
use super::find::object_id;
use super::judge::{self, Sent, altered};
use super::part::Part;
use super::paths::Api;
use super::problem::failure;
use crate::connector::contract::{
    Action, By, ErrorClass, Question, Rejection, RequestError, Verdict, Write, WriteAnswer,
    WriteBatch,
};
use crate::connector::http::Call;
use crate::connector::parts::{not_sent, of_error, written_id};
use crate::json::fields::push_text;
use crate::record::{ExternalId, RemoteId};

/// Inputs of one call.
pub(super) const MAX_INPUTS: usize = 100;
/// What stands around a record's properties: `{"properties":…,"id":"","idProperty":"",
/// "associations":[],"objectWriteTraceId":""},`
pub(super) const ENVELOPE_BYTES: usize = 160;

impl HubSpot {
    /// Writes records of any of `objects`: of the first, where they do not say which. `property`: where
    /// their external ids are kept.
    pub(super) async fn write_batch(
        &self,
        objects: &[&str],
        property: Option<&str>,
        batch: &WriteBatch,
    ) -> Result<WriteAnswer, RequestError> {
        let WriteBatch { action, writes, .. } = batch;
        let object = objects.first().copied().unwrap_or_default();
        let parts = writes.iter().map(|write| Part::of(write, *action, property));
        let mut parts: Vec<Part> = parts
            .collect::<Result<_, _>>()
            .map_err(|message| RequestError::never_sent(&message))?;
        if *action != Action::Delete {
            self.make_fields(&mut parts).await.map_err(not_sent)?;
            self.relate(&mut parts).await.map_err(not_sent)?;
        } else if objects.len() > 1 {
            self.find_objects(objects, batch, &mut parts).await.map_err(not_sent)?;
        }
        let mut verdicts: Vec<Option<Verdict>> =
            parts.iter_mut().map(|part| part.verdict.take()).collect();
        let mut answered = WriteAnswer { status: 0, verdicts: Vec::new(), quiet: None };
        // Activities are of two objects.
        let mut objects: IndexMap<&str, Vec<usize>> = IndexMap::new();
        for (place, part) in parts.iter().enumerate() {
            if verdicts[place].is_none() {
                objects.entry(part.object_or(object)).or_default().push(place);
            }
        }
        let is_alone = objects.values().next().is_some_and(|places| places.len() == parts.len());
        for (own, places) in objects {
            match self.write_some(own, property, batch, &parts, &places).await {
                Ok(some) => {
                    answered.status = some.status;
                    answered.quiet = answered.quiet.max(some.quiet);
                    for (place, verdict) in places.into_iter().zip(some.verdicts) {
                        verdicts[place] = Some(verdict);
                    }
                }
                Err(error) if is_alone => return Err(error),
                // The other object's call may have been taken, so that this one's records are told one
                // by one; sent again, they are alone.
                Err(error) => {
                    for place in places {
                        verdicts[place] = Some(of_error(&error));
                    }
                }
            }
        }
        let untold = || Verdict::InDoubt("nothing was said of it".into());
        answered.verdicts =
            verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(untold)).collect();
        self.write_after(object, batch, &parts, &mut answered.verdicts).await;
        Ok(answered)
    }

    /// Finds which of `objects` records are of that are to be archived, whatever they say of it
    /// themselves.
    async fn find_objects(
        &self,
        objects: &[&str],
        batch: &WriteBatch,
        parts: &mut [Part],
    ) -> Result<(), RequestError> {
        let id = |write: &Write| input_id(Action::Delete, write).map(Arc::from);
        let keys: BTreeSet<Arc<str>> = batch.writes.iter().filter_map(id).collect();
        let keys = keys.into_iter().collect();
        let question = Question::of_ids(batch.stream.clone(), By::RemoteId, keys);
        let mut found: HashMap<Arc<str>, Vec<&str>> = HashMap::new();
        for object in objects {
            for row in self.read(object, None, &question).await?.rows {
                found.entry(row.key).or_default().push(object);
            }
        }
        for (part, write) in parts.iter_mut().zip(&batch.writes) {
            let own =
                id(write).and_then(|id| found.get(&id)).map(Vec::as_slice).unwrap_or_default();
            match own {
                [] => part.verdict = Some(Verdict::Missing),
                [object] => part.object = Some((*object).to_owned()),
                // What it says of itself tells them apart.
                several if part.object.as_deref().is_some_and(|own| several.contains(&own)) => {}
                several => {
                    part.verdict = Some(Verdict::Rejected(Rejection {
                        class: ErrorClass::Payload,
                        code: Some("ambiguous".into()),
                        message: format!("{} have this id: say its `type`", several.join(" and "))
                            .into(),
                    }));
                }
            }
        }
        Ok(())
    }

    /// Writes records of one object, by their places in the batch.
    async fn write_some(
        &self,
        object: &str,
        property: Option<&str>,
        batch: &WriteBatch,
        parts: &[Part],
        places: &[usize],
    ) -> Result<WriteAnswer, RequestError> {
        let action = batch.action;
        let inputs: Vec<(&Write, &Part)> =
            places.iter().map(|place| (&batch.writes[*place], &parts[*place])).collect();
        let verb = match action {
            Action::Create => "create",
            Action::Update => "update",
            Action::Upsert => "upsert",
            Action::Delete => "archive",
        };
        let url = self.paths.of(Api::Objects, &[object, "batch", verb])?;
        let body = Bytes::from(body(action, property, &inputs));
        self.refuse_known(&url)?;
        self.writes(object);
        let answer = self.post(url.clone(), body.clone(), false, batch.not_after).await?;
        let quiet = self.limits.quiet();
        let status = answer.status;
        self.writes(object);
        let redactor = self.client.redactor();
        let sent = Sent { action, property, inputs: &inputs };
        if let Some(verdicts) = judge::verdicts(&sent, &answer, redactor) {
            return Ok(WriteAnswer { status, verdicts, quiet });
        }
        let call = Call::Write { action, single: false };
        Err(self.noted(&url, &body, failure(&answer, call, redactor)))
    }

    /// Writes what belongs to records that were written, and could not be told with them.
    async fn write_after(
        &self,
        object: &str,
        batch: &WriteBatch,
        parts: &[Part],
        verdicts: &mut [Verdict],
    ) {
        let is_made = batch.action == Action::Create;
        let mut ids = Vec::with_capacity(parts.len());
        let mut links: BTreeMap<&str, Vec<(usize, &Association)>> = BTreeMap::new();
        for (place, (part, write)) in parts.iter().zip(&batch.writes).enumerate() {
            let verdict = &mut verdicts[place];
            let known = input_id(Action::Update, write).map(RemoteId::new);
            let has_more = part.has_lists() || (!is_made && !part.associations.is_empty());
            let id = written_id(verdict, known, has_more);
            if id.is_some() && !is_made {
                let own = links.entry(part.object_or(object)).or_default();
                own.extend(part.associations.iter().map(|association| (place, association)));
            }
            ids.push(id);
        }
        for (object, links) in links {
            let links = links.into_iter().filter_map(|(place, association)| {
                Some(Link { place, id: ids[place].as_ref()?.as_str(), association })
            });
            self.associate(object, links.collect(), verdicts).await;
        }
        self.put_on_lists(parts, &ids, verdicts).await;
        for (part, verdict) in parts.iter().zip(verdicts) {
            for missing in &part.missing {
                *verdict = match &*verdict {
                    Verdict::Altered(id, why) => {
                        Verdict::Altered(id.clone(), format!("{why}; {missing}").into())
                    }
                    // One that is open is written once more, and tells it then.
                    verdict => altered(verdict.clone(), missing),
                };
            }
        }
    }
}

/// The name of an input, in its call.
pub(super) fn trace(place: usize) -> String {
    format!("record-{place}")
}

/// The id that an input has.
pub(super) fn input_id(action: Action, write: &Write) -> Option<&str> {
    match action {
        Action::Create => None,
        Action::Upsert => write.external_id.as_ref().map(ExternalId::as_str),
        Action::Update | Action::Delete => {
            write.remote_id.as_ref().map(|id| object_id(id.as_str()))
        }
    }
}

fn body(action: Action, property: Option<&str>, inputs: &[(&Write, &Part)]) -> String {
    let mut body = String::from("{\"inputs\":[");
    for (place, (write, part)) in inputs.iter().enumerate() {
        body.push_str(if place == 0 { "{" } else { ",{" });
        let id = input_id(action, write);
        if let Some(id) = id {
            body.push_str("\"id\":");
            push_text(&mut body, id);
        }
        if action == Action::Delete {
            body.push('}');
            continue;
        }
        if id.is_some() {
            body.push(',');
        }
        if let (Action::Upsert, Some(property)) = (action, property) {
            body.push_str("\"idProperty\":");
            push_text(&mut body, property);
            body.push(',');
        }
        body.push_str("\"properties\":");
        body.push_str(&part.properties);
        if action == Action::Create {
            let inline = part.associations.iter().map(|one| one.inline().to_string());
            body.push_str(&format!(",\"associations\":[{}]", inline.collect::<Vec<_>>().join(",")));
        }
        body.push_str(&format!(",\"objectWriteTraceId\":\"{}\"}}", trace(place)));
    }
    body.push_str("]}");
    body
}
