//! Reads a manifest, and says what is wrong with it: file, line, column, and what may be meant.

use std::path::Path;

use serde_json::Value;
use serde_path_to_error::Segment;

use super::manifest::Manifest;
use super::program::Program;
use super::text::Wrong;
use crate::connector::error::{BuildError, nearest};

/// Manifests that are part of the program, by name.
const BUILT_IN: &[(&str, &str)] = &[("sandbox", include_str!("sandbox.yaml"))];

/// A manifest that can be used.
#[derive(Debug)]
pub(super) struct Loaded {
    /// Path or name, for messages.
    pub(super) file: String,
    /// What it means.
    pub(super) program: Program,
}

impl Loaded {
    /// The same failure as an error, in this file.
    pub(super) fn wrong(&self, wrong: Wrong) -> BuildError {
        told(&self.file, wrong)
    }
}

/// Reads the built-in manifest `name`, or the file at that path.
///
/// # Errors
/// When there is no such file, or what it says is unknown or impossible.
pub(super) fn load(name: &str) -> Result<Loaded, BuildError> {
    if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
        return parse(name, text);
    }
    let text = std::fs::read_to_string(name).map_err(|source| BuildError::Read {
        path: Path::new(name).to_owned(),
        source,
        nearest: nearest(name, BUILT_IN.iter().map(|(known, _)| *known)),
    })?;
    parse(name, &text)
}

/// Reads the text of a manifest; `file` is for messages.
///
/// # Errors
/// When what it says is unknown or impossible.
pub(super) fn parse(file: &str, text: &str) -> Result<Loaded, BuildError> {
    let mut key = None;
    let manifest: Manifest = serde_saphyr::with_deserializer_from_str(text, |manifest| {
        serde_path_to_error::deserialize(manifest).map_err(|error| {
            key = last_key(error.path());
            error.into_inner()
        })
    })
    .map_err(|error| told(file, unreadable(&error, key.as_deref())))?;
    let program = Program::compile(manifest).map_err(|wrong| told(file, wrong))?;
    Ok(Loaded { file: file.to_owned(), program })
}

/// The JSON Schema of manifests.
pub(super) fn schema() -> Value {
    schemars::schema_for!(Manifest).to_value()
}

fn told(file: &str, wrong: Wrong) -> BuildError {
    let Wrong { at, message, hint } = wrong;
    BuildError::Manifest { file: file.to_owned(), line: at.line, column: at.column, message, hint }
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
fn unreadable(error: &serde_saphyr::Error, key: Option<&str>) -> Wrong {
    use serde_saphyr::Error::{SerdeUnknownField, SerdeUnknownVariant};
    let error = error.without_snippet();
    let at = error.location().map_or_else(Default::default, |location| super::text::Place {
        line: location.line(),
        column: location.column(),
    });
    let (what, found, expected) = match error {
        SerdeUnknownField { field, expected, .. } => ("key", field, expected),
        SerdeUnknownVariant { variant, expected, .. } => ("value", variant, expected),
        other => {
            let told = other.to_string();
            // The place is told before it.
            let told = told.split(" at line ").next().unwrap_or(&told);
            let of = key.map(|key| format!(" for `{key}`")).unwrap_or_default();
            return at.wrong(format!("{told}{of}"));
        }
    };
    // What is near to nothing that is known may be a credential that has come here by mistake.
    let (message, hint) = match nearest(found, expected.iter().copied()) {
        Some(nearest) => {
            (format!("unknown {what} `{found}`"), format!("did you mean `{nearest}`?"))
        }
        None => (format!("unknown {what}"), format!("known here: {}", expected.join(", "))),
    };
    Wrong { hint: Some(hint), ..at.wrong(message) }
}
