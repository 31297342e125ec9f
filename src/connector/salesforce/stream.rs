//! What follows for a stream from what the org says of its object: where external ids are kept, by
//! which fields its records are found, what can be done with them.

use std::sync::Arc;
use std::time::Duration;

use super::collections::{ENVELOPE_BYTES, MAX_RECORDS};
use super::describe::Description;
use super::files;
use super::find::MAX_KEYS;
use super::shape::{Content, Warned};
use super::unified::{Kind, Unified};
use super::{Salesforce, bulk};
use crate::config::stream::LookupMethod;
use crate::connector::contract::{CallLimits, Capabilities, Lookup, RequestError, StreamSchema};
use crate::connector::shape::Shape;

/// Calls at once: an org takes 25 that last long, 5 where it is a trial.
const MAX_IN_FLIGHT: usize = 5;
/// Records that are gathered, so that those of one parent meet.
const GATHERS: usize = 2000;
/// Bytes of a call's body, at most.
const MAX_BYTES: usize = 5 << 20;
/// Where addresses of people are kept, as the platform's target looks for them.
const EMAILS: [&str; 7] = [
    "Email",
    "npe01__AlternateEmail__c",
    "npe01__HomeEmail__c",
    "npe01__Preferred_Email__c",
    "npe01__WorkEmail__c",
    "PersonEmail",
    "Other_Email__c",
];

/// A stream, and the object behind it.
#[derive(Debug)]
pub(super) struct Learned {
    /// Or why there is none.
    description: Result<Arc<Description>, String>,
    /// Where external ids are kept.
    pub(super) property: Option<String>,
    /// The field of a record that is its external id, where it says so by its name alone.
    field: Option<String>,
    /// Its records have an `Id`.
    has_id: bool,
    lookup_fields: Vec<String>,
    /// Its records are in the platform's unified schema.
    pub(super) unified: Option<Arc<Unified>>,
    pub(super) shape: Option<Arc<dyn Shape>>,
}

impl Learned {
    pub(super) fn unusable(why: &str) -> Self {
        Self {
            description: Err(why.to_owned()),
            property: None,
            field: None,
            has_id: false,
            lookup_fields: Vec::new(),
            unified: None,
            shape: None,
        }
    }

    pub(super) fn description(&self) -> Result<&Arc<Description>, RequestError> {
        self.description.as_ref().map_err(|why| RequestError::never_sent(why))
    }

    /// Whether its records are of an object, or may be.
    pub(super) fn writes(&self, object: &str) -> bool {
        match &self.unified {
            Some(unified) => unified.objects.iter().any(|own| own.name == object),
            None => self.description().is_ok_and(|own| own.name == object),
        }
    }

    pub(super) fn capabilities(
        &self,
        only_known_accounts: bool,
        bulk_from: usize,
    ) -> Result<Capabilities, RequestError> {
        let description = self.description()?;
        let is_file = description.name == files::OBJECT;
        let limits = CallLimits {
            max_records: if is_file { files::MAX_GRAPHS } else { MAX_RECORDS },
            max_bytes: MAX_BYTES,
            envelope_bytes: ENVELOPE_BYTES,
            reads_first: false,
            reads_after: false,
        };
        let lookup =
            Lookup { max_ids: MAX_KEYS, lag: Duration::ZERO, ignores_case: true, trims: true };
        let by_property = || self.property.as_ref().and_then(|name| description.field(name));
        let is_case_sensitive = by_property().is_some_and(|field| field.case_sensitive);
        let property = self.property.as_ref();
        let unified = self.unified.as_ref();
        // Records of `contacts` are of two objects: whoever writes to one of them shares it.
        let object = match description.name.as_str() {
            "Contact" | "Lead" => "Contact+Lead".to_owned(),
            name => name.to_owned(),
        };
        Ok(Capabilities {
            object: Some(object.into()),
            create: Some(limits).filter(|_| description.createable),
            update: Some(limits).filter(|_| description.updateable),
            upsert: property
                .map(|_| limits)
                .filter(|_| description.createable && description.updateable),
            delete: Some(limits).filter(|_| description.deletable),
            lookup: property.map(|_| Lookup { ignores_case: !is_case_sensitive, ..lookup }),
            find: Some(lookup),
            read: Some(lookup),
            bulk: bulk::limits(bulk_from).filter(|_| !is_file),
            gathers: if self.shape.as_ref().is_some_and(|shape| shape.locks_any()) {
                GATHERS
            } else {
                0
            },
            max_in_flight: MAX_IN_FLIGHT,
            external_id_property: self.property.clone(),
            external_id_field: self.field.clone(),
            spares_others: property.is_some(),
            remote_id_field: self.has_id.then(|| "Id".to_owned()),
            // As the platform's target has it: of streams in Salesforce's own words.
            only_updates: only_known_accounts && description.name == "Account" && unified.is_none(),
            reserved_properties: Vec::new(),
            remote_id_names: vec!["id".to_owned(), "Id".to_owned()],
            lookup_fields: self.lookup_fields.clone(),
            // As the platform's target has it.
            lookup_method: Some(LookupMethod::Sequential),
            lookup_names: unified.map(|unified| unified.lookup_names()).unwrap_or_default(),
            writes_after: unified.is_some() || is_file,
            ..Capabilities::default()
        })
    }
}

impl Salesforce {
    pub(super) async fn learn_of(
        &self,
        schema: &StreamSchema<'_>,
    ) -> Result<Learned, RequestError> {
        let settings = self.settings(schema.stream);
        let named = settings.and_then(|settings| settings.object.as_deref());
        let kind = Kind::of(schema.stream.as_str()).filter(|_| named.is_none());
        let first = kind.map(|kind| kind.objects()[0]);
        let name = self.resolve(named.or(first).unwrap_or(schema.stream.as_str())).await?;
        let description = self.describe_with(&name, schema.properties).await?;
        let kind = kind.filter(|kind| kind.is_meant(schema.properties, &description));
        let is_external = |name: &str| {
            description
                .field(name)
                .filter(|field| field.external_id)
                .map(|field| field.name.clone())
        };
        let given = settings.and_then(|settings| settings.external_id_property.as_deref());
        let (property, field) = if let Some(given) = given {
            let field = description.field(given).ok_or_else(|| {
                let why = format!("{name} has no field `{given}` for external ids");
                RequestError::never_sent(&(why + &description.told_external_ids()))
            })?;
            if !field.external_id {
                let why = format!("the field `{given}` of {name} is no external id in Salesforce");
                return Err(RequestError::never_sent(&(why + &description.told_external_ids())));
            }
            if !field.unique {
                tracing::warn!(
                    stream = %schema.stream, field = %given,
                    "The external id is not unique in Salesforce: a call whose answer is lost may make a \
                     second record. Mark the field as unique."
                );
            }
            // It is the user's id where a record has it.
            let mut named = schema.properties.iter();
            (Some(field.name.clone()), named.find(|name| name.eq_ignore_ascii_case(given)).cloned())
        } else if kind.is_some() {
            (None, None)
        } else {
            // As the platform's target takes it: the key first, then the first that there is.
            let mut candidates = schema.keys.iter().take(1).chain(schema.properties);
            candidates.find_map(|name| Some((is_external(name)?, name.clone()))).unzip()
        };
        let has_id = schema.properties.iter().any(|name| name == "Id");
        if let Some(kind) = kind {
            let unified = self.unified(kind, schema, &description).await?;
            return Ok(Learned {
                description: Ok(description),
                property,
                field: None,
                has_id,
                lookup_fields: Vec::new(),
                unified: Some(Arc::clone(&unified)),
                shape: Some(unified),
            });
        }
        let content = Content {
            description: Arc::clone(&description),
            clears_falsy_dates: self.clears_falsy_dates,
            property: property.clone(),
            locks: description.locks().cloned().collect(),
            told: Warned::new(schema.stream.as_str(), &self.descriptions),
        };
        Ok(Learned {
            lookup_fields: self.fields_to_look_by(schema, kind, &description),
            description: Ok(description),
            property,
            field,
            has_id,
            unified: None,
            shape: Some(Arc::new(content)),
        })
    }

    /// How the records of a unified stream are made. An object that this user does not see is none.
    async fn unified(
        &self,
        kind: Kind,
        schema: &StreamSchema<'_>,
        first: &Arc<Description>,
    ) -> Result<Arc<Unified>, RequestError> {
        let mut objects = vec![Arc::clone(first)];
        for name in kind.objects().iter().skip(1) {
            objects.extend(self.describe_if_any(name).await?);
        }
        let lookup_fields =
            objects.iter().map(|object| self.fields_to_look_by(schema, Some(kind), object));
        let lookup_fields = lookup_fields.collect();
        let is_person = kind == Kind::Contact;
        let member = if is_person { self.describe_if_any("CampaignMember").await? } else { None };
        Ok(Arc::new(Unified {
            kind,
            objects,
            member,
            lookup_fields,
            makes_fields: self.creates_fields,
            told: Warned::new(schema.stream.as_str(), &self.descriptions),
        }))
    }

    async fn describe_if_any(&self, name: &str) -> Result<Option<Arc<Description>>, RequestError> {
        match self.describe(name).await {
            Ok(description) => Ok(Some(description)),
            Err(RequestError::Refused { .. } | RequestError::Forbidden { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What records are found by beside their ids: what the config says, of the stream, the platform's
    /// name of it, or the object; else addresses of people. Unified records say that themselves.
    fn fields_to_look_by(
        &self,
        schema: &StreamSchema<'_>,
        kind: Option<Kind>,
        description: &Description,
    ) -> Vec<String> {
        let own = self.settings(schema.stream).and_then(|settings| settings.lookup_fields.clone());
        let is_meant = |name: &str| {
            name.eq_ignore_ascii_case(schema.stream.as_str())
                || name.eq_ignore_ascii_case(&description.name)
                || Kind::of(schema.stream.as_str())
                    .is_some_and(|kind| name.eq_ignore_ascii_case(kind.sink()))
        };
        let of_all = || {
            self.lookup_fields
                .iter()
                .find(|(name, _)| is_meant(name))
                .map(|(_, fields)| fields.clone())
        };
        let by_email = || {
            let has = |name: &&str| schema.properties.iter().any(|property| property == *name);
            let looks = self.looks_by_email && kind.is_none();
            let emails = EMAILS.iter().filter(|name| looks && has(name));
            emails.map(|name| (*name).to_owned()).collect()
        };
        let wanted = own.or_else(of_all).unwrap_or_else(by_email);
        let mut fields = Vec::new();
        for name in wanted {
            match description.field(&name) {
                Some(field) => fields.push(field.name.clone()),
                None if kind.is_none() => tracing::warn!(
                    stream = %schema.stream,
                    "{} has no field `{name}`, which is one of the `lookup_fields`: records are not found by it.",
                    description.name
                ),
                // Of several objects, one may have it.
                None => {}
            }
        }
        fields
    }
}
