//! What the org says of its objects: their names, and which fields they have. Asked for once, and kept
//! on disk for a while, since a description is large and calls are counted.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_describe.htm>

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Salesforce;
use crate::connector::contract::RequestError;
use crate::file::{Access, replace};

/// Objects whose records are not locked by those that name them.
const NEVER_LOCKED: [&str; 5] = ["User", "Group", "RecordType", "Profile", "BusinessHours"];
/// Seconds in which nobody is taken to have added a field.
const FRESH_SECS: u64 = 60;
/// The file in the cache's folder.
const FILE: &str = "salesforce-descriptions.json";

/// An object, by the names that a stream may have for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    name: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    label_plural: String,
}

/// An object with its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Description {
    pub(super) name: String,
    pub(super) createable: bool,
    pub(super) updateable: bool,
    pub(super) deletable: bool,
    /// What the ids of its records begin with.
    pub(super) key_prefix: Option<String>,
    pub(super) fields: Fields,
}

/// The fields of an object, found by their names in any case, as Salesforce takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Field>", into = "Vec<Field>")]
pub(super) struct Fields(IndexMap<String, Field>);

impl From<Vec<Field>> for Fields {
    fn from(fields: Vec<Field>) -> Self {
        fields.into_iter().collect()
    }
}

impl FromIterator<Field> for Fields {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> Self {
        let named = |field: Field| (field.name.to_ascii_lowercase(), field);
        Self(fields.into_iter().map(named).collect())
    }
}

impl From<Fields> for Vec<Field> {
    fn from(fields: Fields) -> Self {
        fields.0.into_values().collect()
    }
}

impl Fields {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Field> {
        self.0.values()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A field, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Field {
    pub(super) name: String,
    /// Such as `string`, `date`, `reference`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) createable: bool,
    pub(super) updateable: bool,
    pub(super) external_id: bool,
    pub(super) unique: bool,
    pub(super) case_sensitive: bool,
    /// Names of the objects whose records it names.
    pub(super) reference_to: Vec<String>,
    /// The record belongs to that one, and is deleted with it.
    pub(super) cascade_delete: bool,
    /// Under which a record of another object stands in its place: `Account` for `AccountId`.
    pub(super) relationship_name: Option<String>,
    /// What it is picked from, where it is.
    pub(super) picklist_values: Vec<Choice>,
}

/// A value of a picklist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Choice {
    pub(super) label: Option<String>,
    pub(super) value: String,
    pub(super) active: bool,
}

impl Field {
    /// Its values are numbers.
    pub(super) fn is_number(&self) -> bool {
        matches!(self.kind.as_str(), "double" | "int" | "currency" | "percent" | "long")
    }

    fn locks(&self) -> bool {
        self.kind == "reference"
            && self.createable
            && !self.reference_to.is_empty()
            && !self.reference_to.iter().any(|name| NEVER_LOCKED.contains(&name.as_str()))
    }
}

impl Description {
    /// The fields that are external ids, as the end of a sentence.
    pub(super) fn told_external_ids(&self) -> String {
        let names = self.fields.iter().filter(|field| field.external_id);
        match names.map(|field| field.name.as_str()).collect::<Vec<_>>().join("`, `") {
            names if names.is_empty() => "; it has none: make a field that is one".to_owned(),
            names => format!("; it has `{names}`"),
        }
    }

    /// A field by its name, in any case.
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.0.get(&name.to_ascii_lowercase())
    }

    /// The fields that name a record which is locked while this one is written: those first that it
    /// belongs to.
    pub(super) fn locks(&self) -> impl Iterator<Item = &Field> {
        let of = |belongs: bool| {
            self.fields.iter().filter(move |field| field.locks() && field.cascade_delete == belongs)
        };
        of(true).chain(of(false))
    }

    /// The field whose place a record of another object takes.
    pub(super) fn reference(&self, relationship: &str) -> Option<&Field> {
        self.fields.iter().find(|field| {
            field
                .relationship_name
                .as_deref()
                .is_some_and(|name| name.eq_ignore_ascii_case(relationship))
        })
    }
}

/// What is known of the org's objects.
#[derive(Debug)]
pub(super) struct Descriptions {
    folder: Option<PathBuf>,
    /// How long what is kept on disk holds.
    life: Duration,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The org that it is of; what is kept of another is none.
    org: Option<String>,
    listed: Option<Kept<Vec<Listed>>>,
    objects: HashMap<String, Arc<Description>>,
    kept: BTreeMap<String, Kept<Description>>,
}

/// Something with its age: seconds since 1970.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept<T> {
    at: u64,
    what: T,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct File {
    org: String,
    listed: Option<Kept<Vec<Listed>>>,
    objects: BTreeMap<String, Kept<Description>>,
}

impl Descriptions {
    /// Nothing is read yet. Without a folder nothing is kept.
    pub(super) fn new(folder: Option<PathBuf>, life: Duration) -> Self {
        let folder = folder.filter(|_| !life.is_zero());
        Self { folder, life, known: Mutex::default() }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins with what is kept of `org`.
    fn open(&self, org: &str) {
        let mut known = self.known();
        if known.org.as_deref() == Some(org) {
            return;
        }
        *known = Known { org: Some(org.to_owned()), ..Known::default() };
        let read = || {
            let text = std::fs::read(self.folder.as_ref()?.join(FILE)).ok()?;
            // One that cannot be read, of another version or another org, is as good as none.
            serde_json::from_slice::<File>(&text).ok().filter(|file| file.org == org)
        };
        let Some(file) = read() else { return };
        known.listed = file.listed.filter(|kept| self.is_young(kept.at));
        known.kept = file.objects.into_iter().filter(|(_, kept)| self.is_young(kept.at)).collect();
    }

    fn is_young(&self, at: u64) -> bool {
        now().checked_sub(at).is_some_and(|age| age < self.life.as_secs())
    }

    /// Keeps what was told, for the next job. That it cannot be kept costs that one some calls.
    fn save(&self) {
        let Some(folder) = &self.folder else { return };
        let known = self.known();
        let file = File {
            org: known.org.clone().unwrap_or_default(),
            listed: known.listed.clone(),
            objects: known.kept.clone(),
        };
        drop(known);
        let kept = replace(&folder.join(FILE), Access::Owner, |out| {
            serde_json::to_writer(out, &file).map_err(Into::into)
        });
        if let Err(error) = kept {
            tracing::debug!(%error, "Descriptions of objects are not kept.");
        }
    }

    /// What is known of an object.
    pub(super) fn of(&self, object: &str) -> Option<Arc<Description>> {
        self.known().objects.get(object).cloned()
    }

    /// An object may have changed since it was described: the next job asks for it again.
    pub(super) fn forget(&self, object: &str) {
        let was_kept = self.known().kept.remove(object).is_some();
        if was_kept {
            self.save();
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Salesforce {
    /// The object that a stream's name means: by its name, its label, or that of several.
    ///
    /// # Errors
    /// [`RequestError::Refused`], in the platform's words: there is none.
    pub(super) async fn resolve(&self, stream: &str) -> Result<String, RequestError> {
        self.descriptions.open(&self.org().await?);
        let find = |listed: &[Listed]| {
            let exact = |one: &&Listed| {
                [&one.name, &one.label, &one.label_plural].into_iter().any(|name| name == stream)
            };
            let by_name = |one: &&Listed| one.name.eq_ignore_ascii_case(stream);
            let by_label = |one: &&Listed| {
                [&one.label, &one.label_plural]
                    .into_iter()
                    .any(|own| own.eq_ignore_ascii_case(stream))
            };
            let found = listed.iter().find(exact).or_else(|| listed.iter().find(by_name));
            let found = found.or_else(|| listed.iter().find(by_label));
            found.map(|one| one.name.clone())
        };
        let kept = self.descriptions.known().listed.as_ref().and_then(|kept| find(&kept.what));
        if let Some(name) = kept {
            return Ok(name);
        }
        // It may have been made since.
        let body = self.get(&["sobjects"]).await?;
        let listed: Vec<Listed> = serde_json::from_value(body["sobjects"].clone())
            .map_err(|_| RequestError::Protocol("the list of objects cannot be read".into()))?;
        let found = find(&listed);
        self.descriptions.known().listed = Some(Kept { at: now(), what: listed });
        self.descriptions.save();
        found.ok_or_else(|| {
            RequestError::never_sent(&format!("Record type {stream} doesn't exist on Salesforce."))
        })
    }

    /// An object with its fields.
    ///
    /// # Errors
    /// When nobody can tell now.
    pub(super) async fn describe(&self, object: &str) -> Result<Arc<Description>, RequestError> {
        self.describe_with(object, &[]).await
    }

    /// The same. Where `wanted` names what it has not, and some minutes have gone by, it is asked for
    /// again: somebody may have added the field since.
    ///
    /// # Errors
    /// When nobody can tell now.
    pub(super) async fn describe_with(
        &self,
        object: &str,
        wanted: &[String],
    ) -> Result<Arc<Description>, RequestError> {
        if let Some(known) = self.descriptions.of(object) {
            return Ok(known);
        }
        let has_all = |kept: &Kept<Description>| {
            let lacks = |name: &String| {
                kept.what.field(name).is_none() && kept.what.reference(name).is_none()
            };
            now().saturating_sub(kept.at) < FRESH_SECS || !wanted.iter().any(lacks)
        };
        let kept = self.descriptions.known().kept.get(object).filter(|kept| has_all(kept)).cloned();
        let description = if let Some(Kept { what: kept, .. }) = kept {
            kept
        } else {
            let body = self.get(&["sobjects", object, "describe"]).await?;
            let described = read(&body)?;
            let kept = Kept { at: now(), what: described.clone() };
            self.descriptions.known().kept.insert(object.to_owned(), kept);
            self.descriptions.save();
            described
        };
        let description = Arc::new(description);
        let mut known = self.descriptions.known();
        known.objects.insert(object.to_owned(), Arc::clone(&description));
        Ok(description)
    }
}

fn read(body: &Value) -> Result<Description, RequestError> {
    let description = Description::deserialize(body).map_err(|_| {
        RequestError::Protocol("the description of an object cannot be read".into())
    })?;
    if description.name.is_empty() || description.fields.len() == 0 {
        return Err(RequestError::Protocol("an object was described without fields".into()));
    }
    Ok(description)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_description_is_kept_for_its_org_and_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let open = |org: &str, secs| {
            let all = Descriptions::new(Some(folder.path().into()), Duration::from_secs(secs));
            all.open(org);
            all
        };
        let body = json!({"name": "Account", "createable": true, "label": "Account", "urls": {}, "fields": [
            {"name": "AccountId", "type": "reference", "createable": true, "relationshipName": "Account"},
            {"name": "Ext__c", "type": "string", "externalId": true, "relationshipName": null}]});
        let described = read(&body).unwrap();
        assert_eq!(described.field("ext__C").map(|field| field.external_id), Some(true));
        assert_eq!(described.reference("account").map(|field| &*field.name), Some("AccountId"));
        let all = open("00D1", 60);
        all.known().kept.insert("Account".to_owned(), Kept { at: now(), what: described.clone() });
        all.save();
        let kept =
            |all: &Descriptions| all.known().kept.get("Account").map(|kept| kept.what.clone());
        assert_eq!(kept(&open("00D1", 60)), Some(described));
        assert_eq!(kept(&open("00D2", 60)), None);
        assert_eq!(kept(&open("00D1", 0)), None);
        let again = open("00D1", 60);
        again.forget("Account");
        assert_eq!(kept(&again), None);
        assert_eq!(kept(&open("00D1", 60)), None);
        replace(&folder.path().join(FILE), Access::Owner, |out| out.write_all(b"{")).unwrap();
        assert_eq!(kept(&open("00D1", 60)), None);
        read(&json!([])).unwrap_err();
    }
}
