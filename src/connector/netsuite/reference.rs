//! Somebody whom a record names by something other than NetSuite's id. In a body stands [`FIND`] in
//! that one's place, until it is found.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::directory::folded;
use super::suiteql::Row;
use crate::json::fields::{Fields, finish_object, push_field, push_text};

/// The one name of an object that stands in the place of somebody.
pub(super) const FIND: &str = "$find";

/// Somebody, by one of several values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reference {
    /// The table of SuiteQL.
    pub(super) table: String,
    /// Of a transaction: its `type` there.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
    /// What it is to the record, for people.
    pub(super) what: String,
    /// Columns and values, in the order in which they are tried.
    pub(super) by: Vec<(By, String)>,
    /// Names are those of the record's subsidiary.
    #[serde(default)]
    pub(super) within: bool,
    /// Who else is meant, where it is nobody's place. Who is named must be there all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) or: Option<Box<Reference>>,
    /// Whose it is, where that is said: of several of one number, that one's is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) of: Option<Box<Reference>>,
}

/// What somebody is found by: a column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum By {
    Id,
    Name,
    ItemId,
    ExternalId,
    TranId,
    EntityId,
    AcctNumber,
    Symbol,
}

impl By {
    /// Its name in SuiteQL.
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::ItemId => "itemid",
            Self::ExternalId => "externalid",
            Self::TranId => "tranid",
            Self::EntityId => "entityid",
            Self::AcctNumber => "acctnumber",
            Self::Symbol => "symbol",
        }
    }

    /// As the platform calls it in its errors.
    fn word(self) -> &'static str {
        match self {
            Self::ItemId | Self::TranId | Self::EntityId | Self::AcctNumber => "number",
            Self::ExternalId => "externalId",
            other => other.column(),
        }
    }

    /// Whether several subsidiaries may have somebody of their own by the same value.
    pub(super) fn is_shared(self) -> bool {
        matches!(self, Self::Name | Self::AcctNumber)
    }
}

impl Reference {
    /// Why a record is refused that names somebody who is not there, in the words of the platform's
    /// target. `scope`: the subsidiary that names were looked for in.
    pub(super) fn nobody(&self, scope: Option<&str>) -> String {
        let tries = self.by.iter().map(|(by, value)| format!("by {} {value}", by.word()));
        let scope = scope.filter(|_| self.within).map(|scope| format!("within subsidiary {scope}"));
        let tries: Vec<String> = tries.chain(scope).collect();
        let told = match tries.split_last() {
            Some((last, before)) if !before.is_empty() => {
                format!("{}, and {last}", before.join(", "))
            }
            _ => tries.concat(),
        };
        format!("Unable to find {}. Tried lookup {told}.", self.what)
    }

    fn says(&self, what: By) -> Option<&str> {
        self.by.iter().find(|(by, _)| *by == what).map(|(_, said)| said.as_str())
    }

    /// Whether a document that was found by its number has an external id, and not the one that is said:
    /// another one of the same number.
    pub(super) fn is_contradicted(&self, row: &Row) -> bool {
        self.kind.is_some() && row.get(By::ExternalId.column()).is_some() && !self.is_confirmed(row)
    }

    /// Whether who was found has the id or the external id that is said, if one is.
    pub(super) fn is_confirmed(&self, row: &Row) -> bool {
        let held = row.get(By::ExternalId.column()).map(folded);
        let by_id = self.says(By::Id).is_some_and(|said| row.get("id") == Some(said));
        by_id || self.says(By::ExternalId).is_none_or(|said| held == Some(folded(said)))
    }

    /// The same, of several in a list, which the platform tells all at once.
    pub(super) fn nobody_of(list: &[&Self]) -> String {
        let what = list.first().map_or("", |reference| &reference.what);
        let missing = list.iter().filter_map(|reference| reference.by.first());
        let missing: Vec<String> = missing
            .map(|(by, value)| format!("{} {value}", if *by == By::Id { "ID" } else { "Name" }))
            .collect();
        format!("Unable to find references for {what}. Missing: {}", missing.join(", "))
    }

    /// Why a record is refused that names somebody by a value that several have.
    pub(super) fn several(&self, by: By, value: &str, ids: [&str; 2]) -> String {
        let [first, second] = ids;
        let or = if by == By::TranId { ", or say whose it is" } else { "" };
        format!(
            "several have the {} `{value}` that its {} is to have, such as those with the ids {first} and \
             {second}: name the one by its id{or}",
            by.word(),
            self.what
        )
    }

    /// The object that stands in its place.
    pub(super) fn placed(&self) -> Value {
        json!({FIND: self})
    }

    /// From an object that stands in somebody's place.
    pub(super) fn of(fields: &Fields<'_>) -> Option<Self> {
        serde_json::from_str(fields.get(FIND)?.get()).ok()
    }
}

/// Whether somebody is still to be found for a body.
pub(super) fn names_others(body: &str) -> bool {
    static NEEDLE: LazyLock<String> = LazyLock::new(|| format!("{{\"{FIND}\":"));
    body.contains(&**NEEDLE)
}

/// All who are still to be found for a body, from its first on.
pub(super) fn references(json: &str) -> Vec<Reference> {
    let mut all = Vec::new();
    if names_others(json) {
        collect(json, &mut all);
    }
    all
}

fn collect(json: &str, all: &mut Vec<Reference>) {
    match json.as_bytes().first() {
        Some(b'{') => {
            let Ok(fields) = Fields::of_text(json) else { return };
            if let Some(reference) = Reference::of(&fields) {
                return all.push(reference);
            }
            for (_, value) in &fields.0 {
                collect(value.get(), all);
            }
        }
        Some(b'[') => {
            let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json) else { return };
            for item in items {
                collect(item.get(), all);
            }
        }
        _ => {}
    }
}

/// A body with those whom `found` finds in their places, all else byte for byte. `scope`: the
/// subsidiary of the record; of what is inside something that names one, it is that.
///
/// # Errors
/// What `found` says of the first one that it does not find.
pub(super) fn fill<E>(
    json: &str,
    scope: Option<&str>,
    found: &impl Fn(&Reference, Option<&str>) -> Result<String, E>,
) -> Result<String, E> {
    if !names_others(json) {
        return Ok(json.to_owned());
    }
    match json.as_bytes().first() {
        Some(b'{') => {
            let Ok(fields) = Fields::of_text(json) else { return Ok(json.to_owned()) };
            if let Some(reference) = Reference::of(&fields) {
                return Ok(by_id(&found(&reference, scope)?));
            }
            // First, for all others are of it.
            let subsidiary = fields.get("subsidiary").map(|own| fill(own.get(), scope, found));
            let subsidiary = subsidiary.transpose()?;
            let own_scope = subsidiary.as_deref().and_then(first_id);
            let scope = own_scope.as_deref().or(scope);
            let mut filled = String::with_capacity(json.len());
            for (name, value) in &fields.0 {
                match subsidiary.as_ref().filter(|_| name == "subsidiary") {
                    Some(own) => push_field(&mut filled, name, own),
                    None => push_field(&mut filled, name, &fill(value.get(), scope, found)?),
                }
            }
            Ok(finish_object(filled))
        }
        Some(b'[') => {
            let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json) else {
                return Ok(json.to_owned());
            };
            let items: Result<Vec<String>, E> =
                items.into_iter().map(|item| fill(item.get(), scope, found)).collect();
            Ok(format!("[{}]", items?.join(",")))
        }
        _ => Ok(json.to_owned()),
    }
}

/// `{"id":"…"}`
pub(super) fn by_id(id: &str) -> String {
    let mut json = String::from("{\"id\":");
    push_text(&mut json, id);
    json.push('}');
    json
}

/// The id of somebody, or of the first of several.
pub(super) fn first_id(json: &str) -> Option<String> {
    let fields = Fields::of_text(json).ok()?;
    if let Some(id) = fields.get("id") {
        return serde_json::from_str(id.get()).ok();
    }
    let items: Vec<&RawValue> = serde_json::from_str(fields.get("items")?.get()).ok()?;
    first_id(items.first()?.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(what: &str, value: &str) -> Reference {
        Reference {
            table: what.to_owned(),
            kind: None,
            what: what.to_owned(),
            by: vec![(By::Name, value.to_owned())],
            within: true,
            or: None,
            of: None,
        }
    }

    #[test]
    fn who_is_found_takes_its_place_and_all_else_stays() {
        let of = |what: &str, value: &str| named(what, value).placed().to_string();
        let body = format!(
            r#"{{"memo": "1.50", "location":{},"item":{{"items":[{{"rate":1.50,"location":{}}},
                {{"subsidiary":{},"location":{}}}]}},"subsidiary":{}}}"#,
            of("location", "A"),
            of("location", "B"),
            of("subsidiary", "2"),
            of("location", "C"),
            of("subsidiary", "1"),
        );
        let asked: Vec<String> =
            references(&body).into_iter().map(|reference| reference.by[0].1.clone()).collect();
        assert_eq!(asked, ["A", "B", "2", "C", "1"]);
        let found = |reference: &Reference, scope: Option<&str>| {
            Ok::<_, ()>(match &*reference.table {
                "subsidiary" => reference.by[0].1.clone(),
                _ => format!("{}{}", reference.by[0].1, scope.unwrap_or("-")),
            })
        };
        assert_eq!(
            fill(&body, None, &found).unwrap(),
            r#"{"memo":"1.50","location":{"id":"A1"},"item":{"items":[{"rate":1.50,"location":{"id":"B1"}},{"subsidiary":{"id":"2"},"location":{"id":"C2"}}]},"subsidiary":{"id":"1"}}"#
        );
        assert_eq!(fill(r#"{"a":1.0}"#, None, &found).unwrap(), r#"{"a":1.0}"#);
        fill(&body, None, &|_: &Reference, _: Option<&str>| Err::<String, _>(())).unwrap_err();
    }

    #[test]
    fn the_first_of_several_is_the_scope() {
        assert_eq!(first_id(r#"{"items":[{"id":"3"},{"id":"4"}]}"#).as_deref(), Some("3"));
        assert_eq!(first_id(r#"{"items":[]}"#), None);
    }
}
