//! Which object a path is about, and what its properties take: those of the catalog, and what the
//! account has made itself.

use serde_json::Value;

use super::catalog::{self, COMMON, Kind};
use super::problem::{Detail, Problem};
use crate::sandbox::memory::Memory;
use crate::sandbox::record::Fields;

/// Where the account's own objects stand in the memory.
pub(super) const SCHEMAS: &str = "hubspot/schemas";

/// An object.
#[derive(Clone, Debug)]
pub(super) struct Object {
    /// Its type's id, such as `0-1`.
    pub(super) id: String,
    pub(super) singular: String,
    /// Properties that an answer has where none are asked for.
    pub(super) shown: Vec<&'static str>,
}

/// A property.
#[derive(Clone, Debug)]
pub(super) struct Property {
    pub(super) kind: Kind,
    pub(super) is_unique: bool,
    pub(super) is_read_only: bool,
    pub(super) options: Vec<String>,
}

impl Object {
    /// The object of this name or type id.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn find(memory: &mut Memory, text: &str) -> Result<Self, Problem> {
        if let Some(object) = catalog::find(text) {
            return Ok(Self {
                id: object.id.to_owned(),
                singular: object.singular.to_owned(),
                shown: object.properties.iter().take(3).map(|property| property.name).collect(),
            });
        }
        for name in ["objectTypeId", "name", "fullyQualifiedName"] {
            let Some(id) = memory.find(SCHEMAS, name, text).first().copied() else { continue };
            let Some(schema) = memory.get(SCHEMAS, id) else { continue };
            let fields = schema.fields();
            let text = |name: &str| fields.id_text(name).unwrap_or_default();
            return Ok(Self {
                id: text("objectTypeId"),
                singular: text("name"),
                shown: Vec::new(),
            });
        }
        Err(Problem::invalid(format!("Unable to infer object type from: {text}")))
    }

    /// Where its records stand in the memory.
    pub(super) fn records(&self) -> String {
        format!("hubspot/{}", self.id)
    }

    /// Where the account's own properties of it stand in the memory.
    pub(super) fn properties(&self) -> String {
        format!("hubspot/properties/{}", self.id)
    }

    /// The property that tells when a record was changed last.
    pub(super) fn modified(&self) -> &'static str {
        if self.id == "0-1" { "lastmodifieddate" } else { "hs_lastmodifieddate" }
    }

    /// The properties that it comes with.
    pub(super) fn known(&self) -> impl Iterator<Item = &'static catalog::Property> {
        let own = catalog::find(&self.id).map_or(&[][..], |object| object.properties);
        own.iter().chain(COMMON)
    }

    /// Whether there is a property of this name.
    pub(super) fn has(&self, memory: &Memory, name: &str) -> bool {
        self.known().any(|property| property.name == name)
            || memory
                .after(&self.properties(), 0)
                .any(|(_, made)| made.fields().id_text("name").as_deref() == Some(name))
    }

    /// The property of this name.
    pub(super) fn property(&self, memory: &mut Memory, name: &str) -> Option<Property> {
        if let Some(property) = self.known().find(|property| property.name == name) {
            return Some(Property {
                kind: property.kind,
                is_unique: property.is_unique,
                is_read_only: property.is_read_only,
                options: property.options.iter().map(|&option| option.to_owned()).collect(),
            });
        }
        let id = *memory.find(&self.properties(), "name", name).first()?;
        Some(Property::of(&memory.get(&self.properties(), id)?.fields()))
    }
}

impl Property {
    /// As it was made by the properties API.
    pub(super) fn of(made: &Fields) -> Self {
        let kind = made.id_text("type").and_then(|text| Kind::parse(&text));
        let options = made.get("options").map_or("[]", |options| options.get());
        let options: Vec<Value> = serde_json::from_str(options).unwrap_or_default();
        let option = |option: &Value| option["value"].as_str().map(str::to_owned);
        Self {
            kind: kind.unwrap_or(Kind::Text),
            is_unique: made.get("hasUniqueValue").is_some_and(|value| value.get() == "true"),
            is_read_only: false,
            options: options.iter().filter_map(option).collect(),
        }
    }

    /// What is wrong with `value`, which is not empty, as one of the property `name`.
    pub(super) fn judge(&self, name: &str, value: &str) -> Result<(), Detail> {
        let wrong = |code, message| Err(Detail { code, message, property: Some(name.to_owned()) });
        if self.is_read_only {
            return wrong(
                "READ_ONLY_VALUE",
                format!("\"{name}\" is a read only property; its value cannot be set."),
            );
        }
        if name == "email" && !is_address(value) {
            return wrong("INVALID_EMAIL", format!("Email address {value} is invalid"));
        }
        match self.kind {
            Kind::Number if value.trim().parse::<f64>().is_err() => {
                wrong("INVALID_INTEGER", format!("{value} was not a valid number."))
            }
            Kind::Bool if !matches!(value, "true" | "false") => {
                wrong("INVALID_BOOLEAN", format!("{value} was not a valid boolean."))
            }
            Kind::Date | Kind::DateTime if !is_moment(value) => {
                wrong("INVALID_LONG", format!("{value} was not a valid long."))
            }
            // Several choices stand in one value, apart by semicolons.
            Kind::Choice
                if !value
                    .split(';')
                    .filter(|choice| !choice.is_empty())
                    .all(|choice| self.options.iter().any(|option| option == choice)) =>
            {
                let allowed = self.options.join(", ");
                let message = format!("{value} was not one of the allowed options: [{allowed}]");
                wrong("INVALID_OPTION", message)
            }
            _ => Ok(()),
        }
    }
}

fn is_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !host.ends_with('.') && !text.contains(' ')
    })
}

/// Milliseconds of Unix time, a day, or a moment in ISO 8601.
fn is_moment(text: &str) -> bool {
    text.parse::<i64>().is_ok()
        || chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
        || chrono::DateTime::parse_from_rfc3339(text).is_ok()
}
