//! Properties of the user's own, which a record brings with it: they are made where they are not
//! there.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::super::HubSpot;
use super::super::part::Part;
use super::super::paths::Api;
use super::super::problem::failure;
use super::{MAX_KEPT, text_of};
use crate::connector::contract::RequestError;
use crate::connector::http::Call;
use crate::connector::parts::is_no;
use crate::connector::stop::unless_stopped;
use crate::json::exact;

/// A type of the unified schema, HubSpot's type of it, and how it is edited there.
const TYPES: [(&str, &str); 5] = [
    ("date", "date"),
    ("bool", "booleancheckbox"),
    ("enumeration", "select"),
    ("string", "textarea"),
    ("number", "number"),
];
/// Where HubSpot shows them.
const GROUP: &str = "contactinformation";

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::connector::hubspot) struct Field {
    pub(super) name: String,
    pub(super) label: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) value: Option<String>,
}

impl Field {
    /// Reads one of a record's `custom_fields`.
    ///
    /// # Errors
    /// For people: it has no name, or a type that HubSpot has not.
    pub(super) fn read(field: &Value) -> Result<Self, String> {
        let text = |name: &str| field.get(name).and_then(exact::text);
        let name = text("name").ok_or("one of its `custom_fields` has no `name`")?;
        if name.starts_with('$') {
            return Err(format!("`{name}` cannot be the name of a custom field"));
        }
        let kind = text("type").unwrap_or_else(|| "string".to_owned());
        if !TYPES.iter().any(|(known, _)| *known == kind) {
            return Err(format!(
                "the custom field `{name}` has the type `{kind}`, and HubSpot has date, bool, enumeration, \
                 string and number"
            ));
        }
        let value = match (kind.as_str(), field.get("value").and_then(text_of)) {
            ("date", Some(value)) => Some(day(&value).unwrap_or(&value).to_owned()),
            ("bool", Some(value)) => yes_or_no(&value).map_err(|()| {
                format!(
                    "the custom field `{name}` is `true` or `false`, and has the value `{value}`"
                )
            })?,
            (_, value) => value,
        };
        Ok(Self {
            label: text("label").unwrap_or_else(|| name.clone()),
            name: name.to_lowercase(),
            kind,
            value,
        })
    }

    fn definition(&self) -> Value {
        let edited = TYPES
            .iter()
            .find(|(known, _)| *known == self.kind)
            .map_or("text", |(_, edited)| edited);
        let option =
            |label: &str, value: &str| json!({"label": label, "value": value, "hidden": false});
        let options = match (self.kind.as_str(), &self.value) {
            ("bool", _) => vec![option("Yes", "true"), option("No", "false")],
            ("enumeration", Some(value)) => vec![option(value, value)],
            _ => Vec::new(),
        };
        json!({
            "groupName": GROUP, "hidden": false, "name": self.name, "label": self.label, "type": self.kind,
            "fieldType": edited, "options": options,
        })
    }
}

/// A text that says yes or no, as HubSpot spells it; nothing where it says nothing.
fn yes_or_no(text: &str) -> Result<Option<String>, ()> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "" => None,
        "true" | "1" => Some("true".to_owned()),
        "false" | "0" => Some("false".to_owned()),
        _ => return Err(()),
    })
}

/// The first day in a text: `2026-1-2` or `20260102`.
fn day(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find_map(|start| {
        let digits = |at: usize, most: usize| {
            bytes.iter().skip(at).take(most).take_while(|byte| byte.is_ascii_digit()).count()
        };
        if digits(start, 4) < 4 {
            return None;
        }
        let mut at = start + 4;
        for _ in 0..2 {
            at += usize::from(bytes.get(at) == Some(&b'-'));
            let found = digits(at, 2);
            if found == 0 {
                return None;
            }
            at += found;
        }
        text.get(start..at)
    })
}

/// Those that are known to be there, and those that cannot be made.
#[derive(Debug, Default)]
pub(in crate::connector::hubspot) struct CustomFields(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    is_read: bool,
    there: HashSet<String>,
    /// Why; their values are left out.
    refused: HashMap<String, String>,
}

impl HubSpot {
    /// Makes those properties of the records that are not there. The value of one that HubSpot does
    /// not let be made is left out, and that is told of the record.
    ///
    /// # Errors
    /// When nobody can tell now.
    pub(in crate::connector::hubspot) async fn make_fields(
        &self,
        parts: &mut [Part],
    ) -> Result<(), RequestError> {
        let mut wanted = BTreeMap::new();
        for part in parts.iter() {
            wanted.extend(part.extras.fields.iter().map(|field| (field.name.as_str(), field)));
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let mut known = unless_stopped(self.custom_fields.0.lock()).await?;
        if !known.is_read {
            self.read_fields(&mut known).await?;
        }
        for (name, field) in wanted {
            if known.there.contains(name) || known.refused.contains_key(name) {
                continue;
            }
            match self.make_field(field).await? {
                Ok(()) => drop(known.there.insert(name.to_owned())),
                Err(why) => drop(known.refused.insert(name.to_owned(), why)),
            }
        }
        if !known.refused.is_empty() {
            for part in parts.iter_mut() {
                part.leave_out(&known.refused);
            }
        }
        if known.refused.len() > MAX_KEPT {
            known.refused.clear();
        }
        if known.there.len() > MAX_KEPT {
            *known = Known::default();
        }
        Ok(())
    }

    /// Which there are. Where that may not be asked, each is tried to be made.
    async fn read_fields(&self, known: &mut Known) -> Result<(), RequestError> {
        let answer = self.get(self.paths.of(Api::Properties, &["contacts"])?).await?;
        let body = match self.body_of(&answer) {
            Ok(body) => body,
            Err(error) if is_no(&error) => Value::Null,
            Err(error) => return Err(error),
        };
        let names = body["results"].as_array().into_iter().flatten();
        known.there.extend(names.filter_map(|one| one["name"].as_str()).map(str::to_owned));
        known.is_read = true;
        Ok(())
    }

    /// Makes one; why not, where HubSpot says no.
    async fn make_field(&self, field: &Field) -> Result<Result<(), String>, RequestError> {
        let url = self.paths.of(Api::Properties, &["contacts"])?;
        let body = Bytes::from(field.definition().to_string());
        // Made twice, it is there.
        let answer = self.post(url, body, true, None).await?;
        if answer.is_success() || answer.status == 409 {
            return Ok(Ok(()));
        }
        match failure(&answer, Call::Read, self.client.redactor()) {
            error if is_no(&error) => Ok(Err(error.to_string())),
            error => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::day;

    #[test]
    fn days_are_found_in_a_text() {
        for (text, found) in [
            ("2026-01-02T03:04:05Z", Some("2026-01-02")),
            ("on 2026-1-2", Some("2026-1-2")),
            ("20260102", Some("20260102")),
            ("12026-01-02", Some("12026-01")),
            ("2026", None),
            ("soon", None),
            ("é2026-01-02", Some("2026-01-02")),
        ] {
            assert_eq!(day(text), found, "{text}");
        }
    }
}
