//! How unified records are found: each by a field of its own object. A body has that as one value,
//! `Lead.Email=ann@example.com`, so that those of several objects can be asked for together, and
//! two that are of one person in two objects are two.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Unified;
use crate::connector::contract::{By, Found, Question, RequestError, Row};
use crate::connector::salesforce::Salesforce;
use crate::connector::salesforce::ids::spelled_id;
use crate::connector::salesforce::soql::{self, quoted};
use crate::json::exact;

/// The name of that value; with a number behind it, where the config has records found by several.
pub(in crate::connector::salesforce) const BY: &str = "$by";

pub(super) fn key(object: &str, field: &str, value: &str) -> String {
    format!("{object}.{field}={value}")
}

/// A member of a campaign, by both.
pub(super) fn pair(campaign: &str, person: &str) -> String {
    format!("{campaign}+{person}")
}

/// The name of the value in that place, from 0.
pub(super) fn name(place: usize) -> String {
    if place == 0 { BY.to_owned() } else { format!("{BY}.{}", place + 1) }
}

/// Read back.
fn place(name: &str) -> Option<usize> {
    match name.strip_prefix(BY)? {
        "" => Some(0),
        number => number.strip_prefix('.')?.parse::<usize>().ok()?.checked_sub(1),
    }
}

/// Object, field and value of a key.
fn parts(key: &str) -> Option<(&str, &str, &str)> {
    let (name, value) = key.split_once('=')?;
    let (object, field) = name.split_once('.')?;
    Some((object, field, value))
}

/// Values, and the keys that they are of.
type Wanted<'k> = Vec<(&'k str, &'k Arc<str>)>;

impl Salesforce {
    /// Answers a question about records of a unified stream. `property`: where external ids are
    /// kept.
    pub(in crate::connector::salesforce) async fn find_unified(
        &self,
        unified: &Unified,
        property: Option<&str>,
        question: &Question,
    ) -> Result<Found, RequestError> {
        let mut rows = Vec::new();
        match &question.by {
            By::Field(name) if name.starts_with(BY) => {
                rows.extend(self.find_keys(unified, question).await?);
            }
            by => {
                for object in &unified.objects {
                    let is_own = |id: &str| {
                        let prefix = object.key_prefix.as_deref();
                        *by != By::RemoteId || prefix.is_none_or(|prefix| id.starts_with(prefix))
                    };
                    let keys = question.keys.iter().filter(|key| is_own(key)).cloned();
                    let own = Question { keys: keys.collect(), ..question.clone() };
                    let is_kept = *by != By::ExternalId
                        || property.is_some_and(|name| object.field(name).is_some());
                    if !own.keys.is_empty() && is_kept {
                        rows.extend(self.find_all(&object.name, property, own).await?);
                    }
                }
            }
        }
        Ok(Found { rows, ..Found::default() })
    }

    async fn find_keys(
        &self,
        unified: &Unified,
        question: &Question,
    ) -> Result<Vec<Row>, RequestError> {
        let mut wanted: BTreeMap<(&str, &str), Wanted<'_>> = BTreeMap::new();
        for key in &question.keys {
            if let Some((object, field, value)) = parts(key) {
                wanted.entry((object, field)).or_default().push((value, key));
            }
        }
        let mut rows = Vec::new();
        for ((object, field), keys) in wanted {
            let whole: HashMap<&str, &Arc<str>> = keys.iter().copied().collect();
            let fields = unified.lookup_fields_of(object);
            let by_field = |name: &str| {
                let named = fields.get(place(name)?).or(fields.first());
                Some(named.map_or(field, String::as_str))
            };
            let found = if object == "CampaignMember"
                && keys.iter().all(|(key, _)| key.contains('+'))
            {
                let pairs =
                    keys.iter().filter_map(|(key, _)| key.split_once('+')).collect::<Vec<_>>();
                self.find_members(field, &pairs).await?
            } else {
                let mut own = question.clone();
                own.by = By::Field(field.into());
                own.keys = whole.keys().map(|key| Arc::from(*key)).collect();
                own.want
                    .extend(question.want.iter().filter_map(|name| by_field(name)).map(Arc::from));
                self.find_all(object, None, own).await?
            };
            for mut row in found {
                let Some(key) = whole.get(&*row.key) else { continue };
                row.key = Arc::clone(key);
                // Under the names by which the record has them, to be compared.
                for name in &question.want {
                    let held = by_field(name).and_then(|field| row.fields.get(field));
                    if let Some((field, value)) = by_field(name).zip(held.and_then(exact::text)) {
                        let own = self::key(object, field, &value);
                        row.fields.insert(name.to_string(), own.into());
                    }
                }
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// Members of campaigns, by campaign and person: keys of the rows are those [pairs](pair).
    pub(super) async fn find_members(
        &self,
        person: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Vec<Row>, RequestError> {
        let mut campaigns: Vec<String> =
            pairs.iter().map(|(campaign, _)| quoted(campaign)).collect();
        campaigns.sort_unstable();
        campaigns.dedup();
        let people: Vec<String> = pairs.iter().map(|(_, person)| quoted(person)).collect();
        let wanted: HashMap<(&str, &str), String> =
            pairs.iter().map(|(campaign, id)| ((*campaign, *id), pair(campaign, id))).collect();
        let mut rows = Vec::new();
        // Together they have room in an address.
        for campaigns in campaigns.chunks(100) {
            let with = format!(" AND CampaignId IN ({})", campaigns.join(","));
            for people in people.chunks(100) {
                let fields = ["Id", "CampaignId", person];
                for question in soql::questions("CampaignMember", &fields, person, people) {
                    let records = self.ask_all(&(question + &with)).await?;
                    for record in records {
                        let text = |name: &str| record.get(name).and_then(exact::text);
                        let (Some(id), Some(campaign), Some(own)) =
                            (text("Id"), text("CampaignId"), text(person))
                        else {
                            continue;
                        };
                        let ids = (spelled_id(&campaign), spelled_id(&own));
                        if let Some(key) = wanted.get(&ids) {
                            rows.push(Row {
                                key: key.as_str().into(),
                                remote_id: crate::record::RemoteId::new(id),
                                version: None,
                                fields: serde_json::Map::new(),
                                altered: None,
                            });
                        }
                    }
                }
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for (at, told) in [(0, "$by"), (1, "$by.2"), (9, "$by.10")] {
            assert_eq!((name(at).as_str(), place(told)), (told, Some(at)));
        }
        assert_eq!((place("$by.Email"), place("$by.0"), place("Email")), (None, None, None));
    }

    #[test]
    fn keys_are_read_back() {
        let key = key("Lead", "Email", "a=b.c@example.com");
        assert_eq!(parts(&key), Some(("Lead", "Email", "a=b.c@example.com")));
        assert_eq!(parts("nonsense"), None);
    }
}
