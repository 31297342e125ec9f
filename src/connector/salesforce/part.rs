//! A record on its way out, taken apart: the fields of its object, and what is found before it and
//! written after it. A shape puts that into the body under names that begin with `$`, which no
//! field has; where a record of another object is to be found first, [`FIND`] stands in the field's
//! place.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::connector::contract::{Action, Verdict, Write};
use crate::json::fields::{Fields, finish_object, push_field};

/// The object of a record.
pub(super) const OBJECT: &str = "$object";
/// What is written beside its fields: a [`Rest`].
pub(super) const REST: &str = "$rest";
/// What stands in the place of a value that is to be found first: a list of [`Reference`]s.
pub(super) const FIND: &str = "$find";

/// What a record comes to.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// A JSON object: values by the names of fields.
    pub(super) fields: String,
    /// Its object; that of its stream, where it says none.
    pub(super) object: Option<String>,
    /// Fields whose values are to be found, and by what.
    pub(super) open: Vec<(String, Vec<Reference>)>,
    pub(super) rest: Rest,
    /// What became of it before it was sent: it is not.
    pub(super) verdict: Option<Verdict>,
    /// What it is written without, and why.
    pub(super) missing: Vec<String>,
}

/// A record of another object, by the value of a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reference {
    pub(super) object: String,
    pub(super) field: String,
    pub(super) value: String,
    /// The field of the found record that is taken; `Id` as a rule.
    pub(super) take: String,
    #[serde(default)]
    pub(super) lack: Lack,
}

/// What it means that nothing is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Lack {
    /// The record is refused.
    #[default]
    Refuse,
    /// It is written without it, and that is told of it.
    Tell,
    /// It is written without it.
    Leave,
}

impl Reference {
    /// By the id of the record that has this value.
    pub(super) fn to(object: &str, field: &str, value: &str, lack: Lack) -> Self {
        Self {
            object: object.to_owned(),
            field: field.to_owned(),
            value: value.to_owned(),
            take: "Id".to_owned(),
            lack,
        }
    }

    /// The same, by another field of it.
    pub(super) fn take(self, field: &str) -> Self {
        Self { take: field.to_owned(), ..self }
    }
}

/// What is done before a record is written, and after.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Rest {
    /// Why it can only be changed: what a new one would need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lacks: Option<String>,
    /// What only a new one is given.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) of_new: Map<String, Value>,
    /// The field that is an external id of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    /// Fields that are made where they are not there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) fields: Vec<NewField>,
    /// Campaigns that it is made a member of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) campaigns: Vec<Named>,
    /// Fields of it as their member.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) as_member: Map<String, Value>,
    /// Topics that are put on it, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) topics: Vec<String>,
    /// The record that a file is put on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) put_on: Option<Entity>,
}

/// A custom field of the user's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NewField {
    /// With `__c`.
    pub(super) name: String,
    pub(super) label: String,
}

/// A record by its id, or by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Named {
    Id(String),
    Name(String),
}

/// Any record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Entity {
    Id(String),
    Found(Reference),
}

impl Part {
    /// Of a record that a shape has made.
    ///
    /// # Errors
    /// For people: it is none.
    pub(super) fn of(write: &Write, action: Action) -> Result<Self, String> {
        let unreadable = |error: serde_json::Error| error.to_string();
        let fields = Fields::of_text(&write.body).map_err(unreadable)?;
        let mut part = Self::default();
        for (name, value) in &fields.0 {
            match &**name {
                OBJECT => part.object = serde_json::from_str(value.get()).map_err(unreadable)?,
                REST => part.rest = serde_json::from_str(value.get()).map_err(unreadable)?,
                name if name.starts_with('$') => {}
                name => match references(value.get()) {
                    Some(references) => part.open.push((name.to_owned(), references)),
                    None => push_field(&mut part.fields, name, value.get()),
                },
            }
        }
        for (name, value) in part.rest.of_new.iter().filter(|_| action == Action::Create) {
            push_field(&mut part.fields, name, &value.to_string());
        }
        part.fields = finish_object(part.fields);
        Ok(part)
    }

    /// Sets a field.
    pub(super) fn set(&mut self, name: &str, json: &str) {
        // `{…}` without its end.
        self.fields.pop();
        if self.fields == "{" {
            self.fields.clear();
        }
        push_field(&mut self.fields, name, json);
        self.fields.push('}');
    }

    /// Takes those fields out that `why` has an answer for, and keeps that.
    pub(super) fn leave_out(&mut self, why: impl Fn(&str) -> Option<String>) {
        let Ok(fields) = Fields::of_text(&self.fields) else { return };
        let mut left = String::new();
        for (name, value) in &fields.0 {
            match why(name) {
                Some(why) => self.missing.push(why),
                None => push_field(&mut left, name, value.get()),
            }
        }
        self.fields = finish_object(left);
    }

    /// The id of the record that a file is put on.
    pub(super) fn put_on(&self) -> Option<&str> {
        match self.rest.put_on.as_ref()? {
            Entity::Id(id) => Some(id),
            Entity::Found(_) => None,
        }
    }

    /// Whether more is written after it.
    pub(super) fn has_more(&self) -> bool {
        let Rest { campaigns, topics, put_on, .. } = &self.rest;
        !campaigns.is_empty() || !topics.is_empty() || put_on.is_some()
    }
}

/// Whether a body is nothing but the fields of its stream's own object: it may go out in any kind
/// of call, since nothing is found before it or written after it.
pub(super) fn is_plain(body: &str) -> bool {
    Fields::of_text(body)
        .is_ok_and(|fields| !fields.0.iter().any(|(name, _)| name.starts_with('$')))
}

/// A body without what is no field.
pub(super) fn told(body: &str) -> String {
    let Ok(fields) = Fields::of_text(body) else { return body.to_owned() };
    let mut told = String::new();
    for (name, value) in fields.0.iter().filter(|(name, _)| !name.starts_with('$')) {
        if references(value.get()).is_none() {
            push_field(&mut told, name, value.get());
        }
    }
    finish_object(told)
}

fn references(json: &str) -> Option<Vec<Reference>> {
    #[derive(Deserialize)]
    struct Finding {
        #[serde(rename = "$find")]
        find: Vec<Reference>,
    }
    let starts = json.strip_prefix('{')?.trim_start().strip_prefix('"')?.starts_with(FIND);
    starts.then(|| serde_json::from_str::<Finding>(json).ok()).flatten().map(|found| found.find)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_body_is_taken_apart() {
        let body = r#"{"$object":"Lead","$by":"Lead.Email=a","LastName":"Ann","AccountId":{"$find":[{"object":"Account",
            "field":"Name","value":"Acme","take":"Id","lack":"tell"}]},"Account__r":{"Ext__c":"x"},
            "$rest":{"of_new":{"Type":"New"},"topics":["a"]}}"#;
        let write = Write {
            external_id: None,
            remote_id: None,
            version: None,
            body: Arc::from(body),
            key: Arc::default(),
            says_id: false,
            stands_in: false,
            has_waited: false,
        };
        let mut part = Part::of(&write, Action::Create).unwrap();
        assert_eq!(part.fields, r#"{"LastName":"Ann","Account__r":{"Ext__c":"x"},"Type":"New"}"#);
        assert_eq!(part.object.as_deref(), Some("Lead"));
        assert_eq!((part.open.len(), part.open[0].1[0].lack), (1, Lack::Tell));
        assert!(part.has_more());
        part.set("AccountId", "\"001\"");
        part.leave_out(|name| (name == "LastName").then(|| "no".to_owned()));
        assert_eq!(part.fields, r#"{"Account__r":{"Ext__c":"x"},"Type":"New","AccountId":"001"}"#);
        let mut part = Part::of(&write, Action::Update).unwrap();
        assert_eq!(part.fields, r#"{"LastName":"Ann","Account__r":{"Ext__c":"x"}}"#);
        assert_eq!(told(body), part.fields);
        part.leave_out(|_| Some("no".to_owned()));
        part.set("A", "1");
        assert_eq!((part.fields.as_str(), part.missing.len()), (r#"{"A":1}"#, 2));
        assert!(!is_plain(body) && is_plain(r#"{"LastName":"Ann"}"#));
    }
}
