//! Whom records are associated with that say so by email, by name or through others: found before
//! the records are written, for all of a batch at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::HubSpot;
use super::super::associate::{Association, Type, default_type};
use super::super::find::{MAX_KEYS, MAX_SEARCHED, is_unique, results};
use super::super::part::Part;
use super::super::paths::Api;
use super::super::problem::{Problem, list};
use super::note::{TO_COMPANY, TO_DEAL};
use crate::connector::contract::{By, ErrorClass, Question, Rejection, RequestError, Row, Verdict};
use crate::connector::parts::is_no;
use crate::connector::stop::unless_stopped;
use crate::json::exact;
use crate::record::StreamName;

/// HubSpot's types of associations: a deal with a contact, where the account tells no other, and a
/// call with a deal.
const DEAL_TO_CONTACT: u64 = 3;
const CALL_TO_DEAL: u64 = 206;
/// What HubSpot says of a record that nothing is associated with.
const NO_ASSOCIATIONS: &str = "NO_ASSOCIATIONS_FOUND";
/// Pages of what is asked for, at most.
const MAX_PAGES: usize = 50;

impl HubSpot {
    /// Finds whom the records belong to. A note whose company or deal is not there, or is several, is
    /// refused; a deal whose contact is not there is written without it, and that is told.
    ///
    /// # Errors
    /// When nobody can tell now; nothing was written then.
    pub(in crate::connector::hubspot) async fn relate(
        &self,
        parts: &mut [Part],
    ) -> Result<(), RequestError> {
        self.contacts_of_deals(parts).await?;
        let company = |part: &Part| part.extras.company_name.clone();
        self.by_name(parts, ("companies", "name", "company"), TO_COMPANY, company).await?;
        let deal = |part: &Part| part.extras.deal_name.clone();
        self.by_name(parts, ("deals", "dealname", "deal"), TO_DEAL, deal).await?;
        self.deals_of_calls(parts).await
    }

    async fn contacts_of_deals(&self, parts: &mut [Part]) -> Result<(), RequestError> {
        let emails: BTreeSet<String> =
            parts.iter().filter_map(|part| part.extras.contact_email.clone()).collect();
        let has_ids = parts.iter().any(|part| part.extras.contact_id.is_some());
        if emails.is_empty() && !has_ids {
            return Ok(());
        }
        let found = self.find_all("contacts", "email", emails).await?;
        let of = self.deal_type().await?;
        for part in parts {
            let id = match (&part.extras.contact_email, &part.extras.contact_id) {
                (Some(email), _) => {
                    let ids = found.get(email).map(Vec::as_slice).unwrap_or_default();
                    if ids.is_empty() {
                        part.missing.push(format!(
                            "no contact has the email {email}; if it came in the same input, send the \
                             record again"
                        ));
                    }
                    ids.first().cloned()
                }
                (None, id) => id.clone(),
            };
            let association = id.map(|id| Association::with("contacts", &id, of.clone()));
            part.associations.extend(association);
        }
        Ok(())
    }

    /// The type that the account tells first, as the platform's target takes it.
    async fn deal_type(&self) -> Result<Type, RequestError> {
        let read = || async {
            let url = self.paths.of(Api::Associations, &["deals", "contacts", "labels"])?;
            let body = match self.body_of(&self.get(url).await?) {
                Ok(body) => body,
                Err(error) if is_no(&error) => Value::Null,
                Err(error) => return Err(error),
            };
            let first = body.pointer("/results/0");
            let of = first.and_then(|first| {
                let category = first.get("category")?.as_str()?.to_owned();
                let id = first.get("typeId").and_then(exact::text)?.parse().ok()?;
                Some(Type { association_category: category, association_type_id: id })
            });
            Ok(of.unwrap_or_else(|| default_type(DEAL_TO_CONTACT)))
        };
        unless_stopped(self.deal_type.get_or_try_init(read)).await?.cloned()
    }

    async fn by_name(
        &self,
        parts: &mut [Part],
        (object, property, what): (&str, &str, &str),
        of: u64,
        name: impl Fn(&Part) -> Option<String>,
    ) -> Result<(), RequestError> {
        let names: BTreeSet<String> = parts.iter().filter_map(&name).collect();
        if names.is_empty() {
            return Ok(());
        }
        // Before the answer, so that what it lacks is what was there then.
        let is_shown = self.is_shown(object);
        let found = self.find_all(object, property, names).await?;
        for part in parts {
            let Some(name) = name(part) else { continue };
            let refused = |how: &str| {
                Verdict::Rejected(Rejection {
                    class: ErrorClass::Other,
                    code: Some(format!("no_{what}").into()),
                    message: format!("{how} {what} found for the provided {what} name").into(),
                })
            };
            match found.get(&name).map(Vec::as_slice).unwrap_or_default() {
                [id] => part.associations.push(Association::with(object, id, default_type(of))),
                // It may have been made a moment ago.
                [] if !is_shown => {
                    let why = format!("no {what} is found by its name yet");
                    part.verdict = Some(Verdict::Busy(why.into()));
                }
                [] => part.verdict = Some(refused("No")),
                _ => part.verdict = Some(refused("More than one")),
            }
        }
        Ok(())
    }

    /// The ids of the records of `object` with these values, by value.
    async fn find_all(
        &self,
        object: &str,
        property: &str,
        values: BTreeSet<String>,
    ) -> Result<HashMap<String, Vec<String>>, RequestError> {
        let mut found: HashMap<String, Vec<String>> = HashMap::new();
        let values: Vec<Arc<str>> = values.into_iter().map(Arc::from).collect();
        let most = if is_unique(object, property) { MAX_KEYS } else { MAX_SEARCHED };
        for keys in values.chunks(most) {
            let by = By::Field(property.into());
            let question = Question::of_ids(StreamName::new(object), by, keys.to_vec());
            for row in self.all_pages(object, question).await? {
                let ids = found.entry(row.key.to_string()).or_default();
                let id = row.remote_id.to_string();
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
        }
        Ok(found)
    }

    async fn all_pages(
        &self,
        object: &str,
        mut question: Question,
    ) -> Result<Vec<Row>, RequestError> {
        let mut rows = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = self.find(object, None, &question).await?;
            rows.extend(page.rows);
            question.next = page.next;
            if question.next.is_none() {
                return Ok(rows);
            }
        }
        let why = format!("more than {MAX_PAGES} pages of {object} have one of these names");
        Err(RequestError::never_sent(&why))
    }

    /// A call belongs to the deals of its contact, too.
    async fn deals_of_calls(&self, parts: &mut [Part]) -> Result<(), RequestError> {
        let contacts: BTreeSet<String> =
            parts.iter().filter_map(|part| part.extras.deals_of.clone()).collect();
        if contacts.is_empty() {
            return Ok(());
        }
        let mut deals: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut inputs: Vec<Value> = contacts.iter().map(|id| json!({"id": id})).collect();
        for _ in 0..MAX_PAGES {
            if inputs.is_empty() {
                break;
            }
            inputs = self.page_of_deals(&inputs, &mut deals).await?;
        }
        for part in parts {
            let deals = part.extras.deals_of.as_ref().and_then(|contact| deals.get(contact));
            let associations = deals.into_iter().flatten();
            let with = |deal: &String| Association::with("deals", deal, default_type(CALL_TO_DEAL));
            part.associations.extend(associations.map(with));
        }
        Ok(())
    }

    /// Adds the deals of contacts, and returns what asks for those that have more.
    async fn page_of_deals(
        &self,
        inputs: &[Value],
        deals: &mut BTreeMap<String, Vec<String>>,
    ) -> Result<Vec<Value>, RequestError> {
        let url = self.paths.of(Api::Associations, &["contacts", "deals", "batch", "read"])?;
        let body = Bytes::from(json!({"inputs": inputs}).to_string());
        let answer = self.post(url, body, true, None).await?;
        let body = self.body_of(&answer)?;
        let results = results(&body)?;
        // Of a contact without deals it is an error that it has none.
        let has_none = |error: &Value| {
            Problem(error).is_not_found()
                || error["subCategory"].as_str().is_some_and(|what| what.ends_with(NO_ASSOCIATIONS))
        };
        if let Some(error) = list(&body, "errors").iter().find(|error| !has_none(error)) {
            let Rejection { message, .. } = Problem(error).rejection(self.client.redactor());
            return Err(RequestError::Unreachable(message));
        }
        let mut more = Vec::new();
        for result in results {
            let Some(from) = result.pointer("/from/id").and_then(exact::text) else { continue };
            if let Some(after) = result.pointer("/paging/next/after").and_then(exact::text) {
                more.push(json!({"id": from, "after": after}));
            }
            let to = result["to"].as_array().into_iter().flatten();
            let to = to.filter_map(|to| to.get("toObjectId").or_else(|| to.get("id")));
            deals.entry(from).or_default().extend(to.filter_map(exact::text));
        }
        Ok(more)
    }
}
