//! Reads a manifest, and says what is wrong with it: file, line, column, and what may be meant.

use std::path::Path;

use serde_json::Value;

use super::manifest::Manifest;
use super::program::Program;
use super::text::{Place, Wrong};
use crate::config::yaml;
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
    let manifest: Manifest = yaml::read(text).map_err(|wrong| {
        let yaml::Wrong { line, column, message, hint } = wrong;
        told(file, Wrong { at: Place { line, column }, message, hint })
    })?;
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
