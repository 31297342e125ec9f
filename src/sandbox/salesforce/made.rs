//! A field as the Metadata API takes it, and what it comes to.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/customfield.htm>. Of the types
//! those that records can be given values for.

use serde::{Deserialize, Serialize};

use super::catalog::{self, Field, Key, Kind, Object};
use super::objects::OBJECTS;
use super::problem::Problem;

/// A field that is made, or was.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Made {
    /// What is made: `CustomField`, with or without the prefix of its namespace.
    #[serde(default, rename = "@type", alias = "@xsi:type", skip_serializing)]
    pub(super) of: String,
    /// Such as `Contact.Nickname__c`.
    #[serde(default)]
    pub(super) full_name: String,
    #[serde(default)]
    label: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<Type>,
    #[serde(default)]
    length: Option<usize>,
    #[serde(default)]
    precision: Option<u32>,
    #[serde(default)]
    scale: Option<u32>,
    #[serde(default)]
    external_id: bool,
    #[serde(default)]
    unique: bool,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    default_value: Option<String>,
    #[serde(default)]
    reference_to: Option<String>,
    #[serde(default)]
    value_set: Option<ValueSet>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
enum Type {
    Checkbox,
    Currency,
    Date,
    DateTime,
    Email,
    LongTextArea,
    Lookup,
    Number,
    Percent,
    Phone,
    Picklist,
    Text,
    TextArea,
    Url,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ValueSet {
    #[serde(default)]
    restricted: bool,
    #[serde(default)]
    value_set_definition: Option<Definition>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Definition {
    #[serde(default)]
    value: Vec<PicklistValue>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct PicklistValue {
    full_name: String,
}

impl Made {
    /// What stands in front of the name, and the name.
    fn parts(&self) -> (&str, &str) {
        self.full_name.split_once('.').unwrap_or(("", &self.full_name))
    }

    pub(super) fn name(&self) -> &str {
        self.parts().1
    }

    /// Whether no record can be without a value.
    pub(super) fn is_required(&self) -> bool {
        self.required
    }

    /// The objects that have it: those of tasks and events are made for both at once.
    pub(super) fn objects(&self) -> impl Iterator<Item = &'static str> {
        let of = self.parts().0.to_owned();
        let is_of = move |object: &&&Object| match object.name {
            "Task" | "Event" => of == "Activity",
            name => name.eq_ignore_ascii_case(&of),
        };
        OBJECTS.iter().filter(is_of).map(|object| object.name)
    }

    /// The field itself.
    pub(super) fn field(&self) -> Field {
        let name: &'static str = self.parts().1.to_owned().leak();
        let length = |usual: usize| self.length.unwrap_or(usual);
        let digits = (self.precision.unwrap_or(18), self.scale.unwrap_or(0));
        let kind = match self.kind.unwrap_or(Type::Text) {
            Type::Checkbox => Kind::Bool,
            Type::Currency => Kind::Currency,
            Type::Date => Kind::Date,
            Type::DateTime => Kind::DateTime,
            Type::Email => Kind::Email,
            Type::LongTextArea => Kind::LongText(length(32_768)),
            Type::Lookup => Kind::Reference(self.referred().leak()),
            Type::Number => Kind::Double(digits.0, digits.1),
            Type::Percent => Kind::Percent(digits.0, digits.1),
            Type::Phone => Kind::Phone,
            Type::Picklist => Kind::Picklist(self.values().leak(), self.is_restricted()),
            Type::Text => Kind::Text(length(255)),
            Type::TextArea => Kind::LongText(255),
            Type::Url => Kind::Url,
        };
        let mut field = catalog::field(name, kind);
        field.is_required = self.required;
        field.label = self.label.clone().map(|label| &*label.leak());
        field.key = match (self.external_id, self.unique) {
            (true, false) => Key::External,
            (_, true) => Key::Unique,
            (false, false) => Key::No,
        };
        if kind == Kind::Bool {
            let is_set = self.default_value.as_deref() == Some("true");
            field.default = Some(if is_set { "true" } else { "false" });
        }
        field
    }

    fn referred(&self) -> Vec<&'static str> {
        let to = self.reference_to.as_deref().unwrap_or_default();
        OBJECTS.iter().map(|object| object.name).filter(|name| *name == to).collect()
    }

    fn values(&self) -> Vec<&'static str> {
        let definition = self.value_set.as_ref().and_then(|set| set.value_set_definition.as_ref());
        let values = definition.into_iter().flat_map(|definition| &definition.value);
        values.map(|value| &*value.full_name.clone().leak()).collect()
    }

    fn is_restricted(&self) -> bool {
        self.value_set.as_ref().is_some_and(|set| set.restricted)
    }

    /// # Errors
    /// It is of no object, its name is none, or something is missing that its type needs.
    pub(super) fn judge(&self) -> Result<(), Problem> {
        let (object, name) = self.parts();
        if self.objects().next().is_none() {
            let message = format!(
                "Entity Enumeration Or ID: bad value for restricted picklist field: {object}"
            );
            let code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST";
            return Err(Problem::of(code, &["fullName"], message));
        }
        let own = name.strip_suffix("__c").unwrap_or_default();
        let is_name = own.starts_with(|first: char| first.is_ascii_alphabetic())
            && own.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !own.contains("__")
            && !own.ends_with('_')
            && own.len() <= 40;
        if !is_name {
            let message = format!(
                "Custom field names can only contain alphanumeric characters, must begin with a \
                 letter, cannot end with an underscore or contain two consecutive underscores, and \
                 end with __c: {name}"
            );
            return Err(Problem::of("INVALID_FIELD", &["fullName"], message));
        }
        let missing = |what: &str| {
            let message = format!("Required field is missing: {what}");
            Err(Problem::of("REQUIRED_FIELD_MISSING", &[what], message))
        };
        let needs = |what: &'static str, kind: &str| {
            let message = format!("Must specify '{what}' for a CustomField of type {kind}");
            Err(Problem::of("FIELD_INTEGRITY_EXCEPTION", &[what], message))
        };
        let Some(kind) = self.kind else { return missing("type") };
        let is_text = matches!(kind, Type::Text | Type::LongTextArea);
        let is_number = matches!(kind, Type::Number | Type::Currency | Type::Percent);
        let told = format!("{kind:?}");
        match kind {
            _ if self.label.as_deref().is_none_or(str::is_empty) => missing("label"),
            _ if is_text && self.length.is_none() => needs("length", &told),
            _ if is_number && self.precision.is_none() => needs("precision", &told),
            _ if is_number && self.scale.is_none() => needs("scale", &told),
            Type::Checkbox if self.default_value.is_none() => needs("defaultValue", &told),
            Type::Lookup if self.referred().is_empty() => needs("referenceTo", &told),
            Type::Picklist if self.values().is_empty() => needs("valueSet", &told),
            _ => Ok(()),
        }
    }
}
