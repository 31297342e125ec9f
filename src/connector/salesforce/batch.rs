//! Writes records with what is found before them and written after them. What belongs to a record
//! is written once its id is known; where that does not come to its end, the record is not done.

use std::sync::Arc;

use indexmap::IndexMap;

use super::Salesforce;
use super::after::add_trouble;
use super::collections::Row;
use super::describe::Description;
use super::part::{Entity, Part};
use super::relate::refused;
use crate::connector::contract::{Action, RequestError, Verdict, Write, WriteAnswer, WriteBatch};
use crate::connector::parts::{not_sent, of_error, written_id};

/// Not the name of an object: new files, which are written in another call.
const FILES: &str = "$files";

impl Salesforce {
    /// Writes a batch of records, of `object` where they do not say which. `property`: where
    /// external ids are kept.
    pub(super) async fn write_batch(
        &self,
        object: &Arc<Description>,
        property: Option<&str>,
        batch: &WriteBatch,
    ) -> Result<WriteAnswer, RequestError> {
        let WriteBatch { action, writes, .. } = batch;
        let parts: Result<Vec<Part>, String> =
            writes.iter().map(|write| Part::of(write, *action)).collect();
        let mut parts = parts.map_err(|why| RequestError::never_sent(&why))?;
        self.make_fields(&object.name, &mut parts).await.map_err(not_sent)?;
        self.relate(&object.name, *action, writes, &mut parts).await.map_err(not_sent)?;
        self.know_names(&mut parts).await.map_err(not_sent)?;
        let mut guard = None;
        if *action == Action::Create {
            guard = self.guard_new(writes, &mut parts).await.map_err(not_sent)?;
        }
        let mut objects = Vec::with_capacity(parts.len());
        for part in &parts {
            objects.push(match &part.object {
                Some(name) if *name != object.name => {
                    self.describe(name).await.map_err(not_sent)?
                }
                _ => Arc::clone(object),
            });
        }
        let mut verdicts: Vec<Option<Verdict>> = Vec::with_capacity(parts.len());
        for ((part, write), object) in parts.iter_mut().zip(writes).zip(&objects) {
            let verdict =
                part.verdict.take().or_else(|| judge(*action, property, part, write, object));
            verdicts.push(verdict);
        }
        let mut answered = WriteAnswer { status: 0, verdicts: Vec::new(), quiet: None };
        // Records of several objects go out together, but where they are found by an external id.
        let mut calls: IndexMap<&str, Vec<usize>> = IndexMap::new();
        for (place, object) in objects.iter().enumerate() {
            if verdicts[place].is_none() {
                // In a graph, `@{` begins a reference.
                let is_file = *action == Action::Create
                    && self.has_graphs()
                    && !writes[place].body.contains("@{");
                let call = match &parts[place].rest.put_on {
                    Some(Entity::Id(_)) if is_file => FILES,
                    _ if *action == Action::Upsert => object.name.as_str(),
                    _ => "",
                };
                calls.entry(call).or_default().push(place);
            }
        }
        let is_alone = calls.values().next().is_some_and(|places| places.len() == parts.len());
        for (call, mut places) in calls {
            // Of one object after another: a call takes few changes between them.
            places.sort_by_key(|place| (objects[*place].name.as_str(), *place));
            let rows: Vec<Row<'_>> = places
                .iter()
                .map(|place| Row {
                    description: &objects[*place],
                    write: &writes[*place],
                    fields: &parts[*place].fields,
                    key: parts[*place].rest.key.as_deref(),
                })
                .collect();
            let written = if call == FILES {
                let entities =
                    places.iter().map(|place| parts[*place].put_on().unwrap_or_default());
                let files: Vec<_> = rows.into_iter().zip(entities).collect();
                self.write_files(&files, property, batch.not_after).await
            } else {
                self.write_rows(*action, property, &rows, batch.not_after).await
            };
            match written {
                Ok(some) => {
                    answered.status = some.status;
                    for (place, verdict) in places.into_iter().zip(some.verdicts) {
                        verdicts[place] = Some(verdict);
                        if call == FILES {
                            // It was made together with its link.
                            parts[place].rest.put_on = None;
                        }
                    }
                }
                Err(error) if is_alone => return Err(error),
                // The other object's call may have been taken, so that this one's records are told
                // one by one; sent again, they are alone.
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
        drop(guard);
        self.write_after(batch, &parts, &mut answered.verdicts).await;
        Ok(answered)
    }

    /// Writes what belongs to records that were written.
    async fn write_after(&self, batch: &WriteBatch, parts: &[Part], verdicts: &mut [Verdict]) {
        let mut ids = Vec::with_capacity(parts.len());
        for ((part, write), verdict) in parts.iter().zip(&batch.writes).zip(verdicts.iter_mut()) {
            let id = written_id(verdict, write.remote_id.clone(), part.has_more());
            ids.push(id.filter(|_| part.has_more()));
        }
        self.join(parts, &ids, verdicts).await;
        self.put_on(parts, &ids, verdicts).await;
        for ((part, write), verdict) in parts.iter().zip(&batch.writes).zip(verdicts) {
            let id = written_id(verdict, write.remote_id.clone(), false);
            for missing in &part.missing {
                match (&id, &*verdict) {
                    (Some(id), _) => add_trouble(verdict, id, missing),
                    (None, Verdict::Altered(Some(id), _)) => {
                        add_trouble(verdict, &id.clone(), missing);
                    }
                    _ => {}
                }
            }
        }
    }
}

/// What becomes of a record that is not sent.
fn judge(
    action: Action,
    property: Option<&str>,
    part: &Part,
    write: &Write,
    object: &Description,
) -> Option<Verdict> {
    let name = &object.name;
    match action {
        Action::Create => {
            if let Some(lacks) = &part.rest.lacks {
                return Some(refused("lacks_fields", lacks.clone()));
            }
        }
        Action::Upsert => {
            let property = property.unwrap_or_default();
            if !object.field(property).is_some_and(|field| field.external_id) {
                let why = format!("{name} has no field `{property}` for external ids");
                return Some(refused("no_external_id", why));
            }
        }
        Action::Update => {
            let id = write.remote_id.as_ref()?;
            let prefix = object.key_prefix.as_deref();
            if prefix.is_some_and(|prefix| !id.as_str().starts_with(prefix)) {
                let why =
                    format!("the record is a {name}, and its remote id `{id}` is none of one");
                return Some(refused("other_object", why));
            }
            // Nothing of its own is to be changed.
            if part.fields == "{}" && (property.is_none() || write.external_id.is_none()) {
                let id = Some(id.clone());
                return Some(if part.has_more() {
                    Verdict::Updated(id)
                } else {
                    Verdict::Unchanged(id)
                });
            }
        }
        Action::Delete => {}
    }
    None
}
