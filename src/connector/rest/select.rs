//! Selectors: where something stands in an answer.

use serde_json::Value;
use serde_json_path::JsonPath;

use super::template::{Template, Templates};
use super::text::{Text, Wrong};
use crate::connector::http::exact;

/// What finds something in a whole answer, or in a row of it.
#[derive(Clone, Debug)]
pub(super) enum Finder {
    /// Where it stands.
    At(Selector),
    /// A template that makes it of what stands there.
    Made(Template),
}

impl Finder {
    /// A JSON path, or a template over the names `known`.
    pub(super) fn parse(
        templates: &mut Templates,
        text: &Text,
        known: &[&str],
    ) -> Result<Self, Wrong> {
        if text.as_str().contains("{{") || text.as_str().contains("{%") {
            templates.find(text, known).map(Self::Made)
        } else {
            Selector::parse(text).map(Self::At)
        }
    }
}

/// Where something stands in an answer.
#[derive(Clone, Debug)]
pub(super) enum Selector {
    /// A query of RFC 9535.
    Path(JsonPath),
    /// The member of this name.
    Property(String),
}

impl Selector {
    /// Parses a JSON path.
    pub(super) fn parse(text: &Text) -> Result<Self, Wrong> {
        parse(text.as_str(), text).map(Self::Path)
    }

    /// The first scalar that is found, as text; see [`exact::text`].
    pub(super) fn text(&self, value: &Value) -> Option<String> {
        self.texts(value).next()
    }

    /// All scalars that are found, as texts.
    pub(super) fn texts(&self, value: &Value) -> impl Iterator<Item = String> {
        let found = match self {
            Self::Path(path) => path.query(value).all(),
            Self::Property(name) => value.get(name).into_iter().collect(),
        };
        found.into_iter().filter_map(exact::text)
    }

    /// The first object that is found.
    pub(super) fn object<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Path(path) => path.query(value).all().into_iter().find(|found| found.is_object()),
            Self::Property(name) => value.get(name).filter(|found| found.is_object()),
        }
    }

    /// All that is found, for people: scalars as they are, the rest as JSON, joined by `; `.
    /// `None` when nothing is found, or only `null`, `false` and empty texts and lists.
    pub(super) fn joined(&self, value: &Value) -> Option<String> {
        let found = match self {
            Self::Path(path) => path.query(value).all(),
            Self::Property(name) => value.get(name).into_iter().collect(),
        };
        let texts = found.into_iter().filter_map(|value| match value {
            Value::Null | Value::Bool(false) => None,
            Value::Array(list) if list.is_empty() => None,
            Value::Object(_) | Value::Array(_) => Some(value.to_string()),
            scalar => exact::text(scalar),
        });
        let texts: Vec<_> = texts.collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}

/// Where the rows of an answer stand.
#[derive(Clone, Debug)]
pub(super) struct RowsSelector {
    path: JsonPath,
    /// Whether the rows are the members of the list at `path`; otherwise the row is there itself.
    pub(super) members: bool,
}

impl RowsSelector {
    /// Parses a JSON path that ends in `[*]`, or one that leads to a single object.
    pub(super) fn parse(text: &Text) -> Result<Self, Wrong> {
        // The list is asked for, and then its members: an answer whose list is empty and one that
        // has no list at all must not look the same.
        match text.as_str().trim_end().strip_suffix("[*]") {
            Some(list) => Ok(Self { path: parse(list, text)?, members: true }),
            None => Ok(Self { path: parse(text.as_str(), text)?, members: false }),
        }
    }

    /// The rows; `None` when the answer does not have exactly one such list or object.
    pub(super) fn rows<'a>(&self, body: &'a Value) -> Option<&'a [Value]> {
        let found = self.path.query(body).exactly_one().ok()?;
        match found {
            Value::Array(list) if self.members => Some(list),
            Value::Object(_) if !self.members => Some(std::slice::from_ref(found)),
            _ => None,
        }
    }
}

fn parse(path: &str, text: &Text) -> Result<JsonPath, Wrong> {
    JsonPath::parse(path).map_err(|error| {
        let text_ = text.as_str();
        let message = format!(
            "`{text_}` is no JSONPath: {} (character {})",
            error.message(),
            error.position()
        );
        text.at().wrong(message)
    })
}
