//! Custom fields of unified records are made where an object has not got them: with
//! `create_custom_fields`, once in a job, by the Metadata API, which speaks SOAP. All permission
//! sets may write them from then on; without that, nobody would see them.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/meta_createMetadata.htm>

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use tokio::sync::Mutex;

use super::MAX_KEPT;
use super::soap::{Fault, Said, create_fields};
use crate::connector::contract::{Action, RequestError};
use crate::connector::http::{Call, Request};
use crate::connector::salesforce::Salesforce;
use crate::connector::salesforce::after::Followed;
use crate::connector::salesforce::part::{NewField, Part};
use crate::connector::salesforce::problem::failure;
use crate::connector::salesforce::shape::typed;
use crate::connector::stop::unless_stopped;

/// Fields of one call.
/// <https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta/salesforce_app_limits_cheatsheet/salesforce_app_limits_platform_metadata.htm>
const MAX_FIELDS: usize = 10;
/// Characters of a message that are told.
const MAX_CHARS: usize = 1000;

/// Those that this job has made or found made, and those that cannot be made, by object and name.
#[derive(Debug, Default)]
pub(in crate::connector::salesforce) struct MadeFields(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    there: HashSet<(String, String)>,
    /// Why; their values are left out.
    refused: HashMap<(String, String), String>,
}

impl Salesforce {
    /// Makes those custom fields of records that their objects have not. The value of one that
    /// Salesforce does not let be made is left out, and that is told of the record. `object`: of
    /// those that name none.
    ///
    /// # Errors
    /// When nobody can tell now.
    pub(in crate::connector::salesforce) async fn make_fields(
        &self,
        object: &str,
        parts: &mut [Part],
    ) -> Result<(), RequestError> {
        let mut wanted: BTreeMap<(&str, &str), &NewField> = BTreeMap::new();
        for part in parts.iter() {
            let object = part.object.as_deref().unwrap_or(object);
            wanted.extend(
                part.rest.fields.iter().map(|field| ((object, field.name.as_str()), field)),
            );
        }
        if wanted.is_empty() {
            return Ok(());
        }
        // Held over the making: what two batches need is made once.
        let mut known = unless_stopped(self.made_fields.0.lock()).await?;
        let is_known = |known: &Known, (object, name): &(&str, &str)| {
            let key = ((*object).to_owned(), (*name).to_owned());
            known.there.contains(&key) || known.refused.contains_key(&key)
        };
        let new: Vec<_> = wanted.into_iter().filter(|(key, _)| !is_known(&known, key)).collect();
        let mut made = Vec::new();
        for some in new.chunks(MAX_FIELDS) {
            let fields: Vec<(&str, &NewField)> =
                some.iter().map(|((object, _), field)| (*object, *field)).collect();
            let told = self.create_metadata(&fields).await?;
            for ((object, field), told) in fields.into_iter().zip(told) {
                let key = (object.to_owned(), field.name.clone());
                match told {
                    Ok(()) => {
                        tracing::info!(%object, field = %field.name, "The custom field was made.");
                        self.descriptions.forget(object);
                        made.push(key);
                    }
                    Err(why) => drop(known.refused.insert(key, why)),
                }
            }
        }
        if !made.is_empty() {
            // What is made twice is there, and a field that nobody may write is of no use.
            self.permit(&made).await?;
            known.there.extend(made);
        }
        for part in parts.iter_mut().filter(|part| !part.rest.fields.is_empty()) {
            let object = part.object.clone().unwrap_or_else(|| object.to_owned());
            part.leave_out(|name| {
                let why = known.refused.get(&(object.clone(), name.to_owned()))?;
                Some(format!("the custom field `{name}` cannot be made: {why}"))
            });
        }
        if known.there.len() + known.refused.len() > MAX_KEPT {
            *known = Known::default();
        }
        Ok(())
    }

    /// Makes some; why not, where Salesforce says no.
    async fn create_metadata(
        &self,
        fields: &[(&str, &NewField)],
    ) -> Result<Vec<Result<(), String>>, RequestError> {
        if let Some(told) = self.try_metadata(fields).await? {
            return Ok(told);
        }
        // The session has ended. Only a call of the REST API tells that so that it is renewed.
        self.get(&["limits"]).await?;
        let told = self.try_metadata(fields).await?;
        told.ok_or_else(|| RequestError::Unreachable("the session has ended".into()))
    }

    /// Nothing, where the session has ended.
    async fn try_metadata(
        &self,
        fields: &[(&str, &NewField)],
    ) -> Result<Option<Vec<Result<(), String>>>, RequestError> {
        self.quota.refuse_spent()?;
        let token = self.client.authorizer().access_token().await?;
        let url = self.paths.metadata(&self.instance().await?);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=UTF-8"));
        headers.insert(HeaderName::from_static("soapaction"), HeaderValue::from_static("\"\""));
        let held: Vec<_> = fields.iter().map(|(object, field)| (holder(object), *field)).collect();
        let body = Some(Bytes::from(create_fields(token.expose_secret(), &held)));
        // What is made twice is there.
        let request =
            Request { method: Method::POST, url, headers, body, reads_only: true, not_after: None };
        let answer = self.client.send(&request).await?;
        self.quota.heed(&answer);
        let redactor = self.client.redactor();
        let said = Said::read(&String::from_utf8_lossy(&answer.body));
        if let Some(Fault { faultcode: code, faultstring: text }) = &said.fault {
            let why = redactor.excerpt(text, MAX_CHARS);
            if code.ends_with("INVALID_SESSION_ID") {
                return Ok(None);
            }
            if code.ends_with("SERVER_UNAVAILABLE") {
                return Err(RequestError::Unreachable(why.into()));
            }
            return Ok(Some(vec![Err(why); fields.len()]));
        }
        if !answer.is_success() {
            return match failure(&answer, Call::Read, redactor) {
                error @ (RequestError::Refused { .. } | RequestError::Forbidden { .. }) => {
                    Ok(Some(vec![Err(error.to_string()); fields.len()]))
                }
                error => Err(error),
            };
        }
        let of = |(holder, field): &(&str, &NewField)| {
            let name = format!("{holder}.{}", field.name);
            let own = said.results().iter().find(|one| one.full_name == name);
            let own = own.or(match said.results() {
                [only] if fields.len() == 1 => Some(only),
                _ => None,
            })?;
            let error = own.errors.first();
            // Somebody else has made it.
            let is_there =
                error.is_some_and(|error| error.status_code == "DUPLICATE_DEVELOPER_NAME");
            if own.success == "true" || is_there {
                return Some(Ok(()));
            }
            let why = error.map(|error| match &*error.message {
                "" => &*error.status_code,
                message => message,
            });
            Some(Err(redactor.excerpt(why.unwrap_or_default(), MAX_CHARS)))
        };
        let unnamed =
            || RequestError::Unreachable("the answer does not name a field that was made".into());
        let told: Result<_, _> = held.iter().map(|field| of(field).ok_or_else(unnamed)).collect();
        told.map(Some)
    }

    /// Lets all permission sets read and write fields. One that may not is left as it is.
    async fn permit(&self, fields: &[(String, String)]) -> Result<(), RequestError> {
        let sets = match self.ask_all("SELECT Id FROM PermissionSet").await {
            Ok(sets) => sets,
            Err(error @ (RequestError::Refused { .. } | RequestError::Forbidden { .. })) => {
                tracing::warn!(%error, "Permission sets cannot be read: who may write the new fields is for an admin to say.");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut records = Vec::new();
        for (object, field) in fields {
            for set in sets.iter().filter_map(|set| set["Id"].as_str()) {
                let with = [
                    ("ParentId", set),
                    ("SobjectType", object.as_str()),
                    ("Field", &format!("{object}.{field}")),
                ];
                let may = r#"{"PermissionsEdit":true,"PermissionsRead":true}"#;
                records.push(typed("FieldPermissions", &with, may));
            }
        }
        let told = self.write_all(Action::Create, &records).await;
        let no = told.iter().find_map(|told| match told {
            Followed::Refused(why) | Followed::Open(why) => Some(why),
            _ => None,
        });
        if let Some(why) = no {
            tracing::warn!("Some permission sets may not write the new fields: {why}");
        }
        Ok(())
    }
}

/// The object that a field is made on: those of tasks are the activities'.
fn holder(object: &str) -> &str {
    if object == "Task" { "Activity" } else { object }
}
