//! A text in YAML, and what is wrong with it: its place and its key. Never a value, nor the line that it
//! stands in: it may be a secret.

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use super::wrong::without_value;
use crate::connector::error::nearest;

/// What is wrong with a text.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// From 1; 0 where no place is known.
    pub(crate) line: u64,
    /// From 1; 0 where no place is known.
    pub(crate) column: u64,
    /// What, for people.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
}

/// Reads a text.
///
/// # Errors
/// When it is no YAML, or says what is unknown or impossible.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Wrong> {
    let mut key = None;
    serde_saphyr::with_deserializer_from_str(text, |value| {
        serde_path_to_error::deserialize(value).map_err(|error| {
            key = last_key(error.path());
            error.into_inner()
        })
    })
    .map_err(|error| wrong(&error, key.as_deref()))
}

/// The key whose value is at `path`. Values that know their place have a `value` in theirs.
fn last_key(path: &serde_path_to_error::Path) -> Option<String> {
    let mut keys = path.iter().filter_map(|segment| match segment {
        Segment::Map { key } if key != "value" => Some(key),
        _ => None,
    });
    keys.next_back().cloned()
}

/// `key`: whose value cannot be read, where that is known.
fn wrong(error: &serde_saphyr::Error, key: Option<&str>) -> Wrong {
    use serde_saphyr::Error::{SerdeUnknownField, SerdeUnknownVariant};
    let error = error.without_snippet();
    let (line, column) =
        error.location().map_or((0, 0), |location| (location.line(), location.column()));
    let (what, found, expected) = match error {
        SerdeUnknownField { field, expected, .. } => ("key", field, expected),
        SerdeUnknownVariant { variant, expected, .. } => ("value", variant, expected),
        other => {
            let told = other.to_string();
            // The place is told before it.
            let told = without_value(&told.split(" at line ").next().unwrap_or(&told));
            let of = key.map(|key| format!(" for `{key}`")).unwrap_or_default();
            return Wrong { line, column, message: format!("{told}{of}"), hint: None };
        }
    };
    // What is near to nothing that is known may be a credential that has come here by mistake.
    let (message, hint) = match nearest(found, expected.iter().copied()) {
        Some(nearest) => {
            (format!("unknown {what} `{found}`"), format!("did you mean `{nearest}`?"))
        }
        None => (format!("unknown {what}"), format!("known here: {}", expected.join(", "))),
    };
    Wrong { line, column, message, hint: Some(hint) }
}
