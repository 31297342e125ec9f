//! Writes one record in a call of its own: a duplicate rule of the org names the records that it means
//! in the answer to such a call, and in no other.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/dome_upsert.htm>

use std::sync::atomic::Ordering;

use reqwest::Method;
use serde_json::Value;

use super::Salesforce;
use super::collections::{Row, errors, written};
use super::problem::{Problem, failure, refusals};
use super::shape::sent;
use crate::connector::contract::{Action, RequestError, Verdict};
use crate::connector::http::Call;
use crate::json::exact;
use crate::record::{ExternalId, RemoteId};

/// Records of a job that are written so, at most: each costs a call.
const MOST: usize = 100;

impl Salesforce {
    /// Writes a record that a duplicate rule has kept out, to be told which records it means.
    /// `None`: it is not tried, and stays out.
    pub(super) async fn ask_for_matches(
        &self,
        property: Option<&str>,
        action: Action,
        row: &Row<'_>,
        keys: &[&str],
    ) -> Option<Verdict> {
        let Row { description, write, fields, .. } = *row;
        if self.asked_for_matches.fetch_add(1, Ordering::Relaxed) >= MOST {
            return None;
        }
        let object = description.name.as_str();
        let external = write.external_id.as_ref().map(ExternalId::as_str);
        let id = write.remote_id.as_ref().map(RemoteId::as_str);
        let (method, segments) = match (action, property.zip(external), id) {
            (Action::Create, ..) => (Method::POST, vec!["sobjects", object]),
            (Action::Upsert, Some((property, value)), _) => {
                (Method::PATCH, vec!["sobjects", object, property, value])
            }
            (Action::Update, _, Some(id)) => (Method::PATCH, vec!["sobjects", object, id]),
            _ => return None,
        };
        // Of any other, its address says which it is.
        let is_new = action == Action::Create;
        let own = property.filter(|name| is_new && description.field(name).is_some());
        let with: Vec<(&str, &str)> = own.zip(external).into_iter().collect();
        let body = sent(None, &with, fields, self.keeps(description, action));
        let url = self.url(&segments).await.ok()?;
        let call = Call::Write { action, single: true };
        let redactor = self.client.redactor();
        let answer = match self.send(method, url, body.into(), false, None).await {
            Ok(answer) => answer,
            Err(error @ (RequestError::InDoubt { .. } | RequestError::Protocol(_))) => {
                return Some(Verdict::InDoubt(error.to_string().into()));
            }
            Err(_) => return None,
        };
        let told = exact::parse(&answer.body).unwrap_or_default();
        if answer.is_success() {
            // A change of one by its id is answered without a body.
            if answer.status == 204 && action == Action::Update {
                return Some(Verdict::Updated(write.remote_id.clone()));
            }
            if told["success"] == true && told.get("id").is_some() {
                return Some(written(action, write, &told, redactor));
            }
            return Some(Verdict::InDoubt(answer.describe(redactor).into()));
        }
        let Some(first) = refusals(&told).first().filter(|first| first.is_object()) else {
            return match failure(&answer, call, redactor) {
                error @ (RequestError::InDoubt { .. } | RequestError::Protocol(_)) => {
                    Some(Verdict::InDoubt(error.to_string().into()))
                }
                _ => None,
            };
        };
        Some(Problem(first).verdict(action, keys, redactor))
    }
}

/// Whether all that keeps a record out is a rule that does not say which records it means.
pub(super) fn lacks_matches(result: &Value) -> bool {
    let errors = errors(result);
    !errors.is_empty()
        && errors.iter().all(|error| {
            Problem(error).code() == "DUPLICATES_DETECTED" && Problem(error).matches().is_empty()
        })
}
