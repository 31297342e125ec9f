//! The JSON Schemas of all that goes in and out, made from the types.

use std::io::{self, Write};
use std::path::Path;

use serde_json::Value;

use super::reference;
use crate::config::Config;
use crate::connector;
use crate::error::{Error, ExitCode};
use crate::file::{Access, replace};
use crate::results::ResultRow;
use crate::state::line::{PlatformState, State};
use crate::summary::Summary;

/// The schema of the configuration.
pub(super) fn config() -> Value {
    schemars::schema_for!(Config).to_value()
}

/// All schemas, by the name of their file in `schemas/`.
pub fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("config.schema.json", config()),
        ("job-summary.schema.json", schemars::schema_for!(Summary).to_value()),
        ("result.schema.json", schemars::schema_for!(ResultRow).to_value()),
        ("state.schema.json", schemars::schema_for!(State).to_value()),
        ("state-platform.schema.json", schemars::schema_for!(PlatformState).to_value()),
        ("api.schema.json", connector::config_schema("api").unwrap_or_default()),
        ("manifest.schema.json", crate::connector::rest::manifest_schema()),
        ("faults.schema.json", schemars::schema_for!(crate::sandbox::Faults).to_value()),
    ]
}

pub(super) fn run(folder: &Path, readme: Option<&Path>) -> Result<ExitCode, Error> {
    for (name, schema) in all() {
        let path = folder.join(name);
        let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
        replace(&path, Access::Everyone, |out| writeln!(out, "{text}")).map_err(|error| {
            Error::usage(format!("cannot write `{}`", path.display())).caused_by(error)
        })?;
    }
    if let Some(path) = readme {
        write_reference(path).map_err(|error| {
            Error::usage(format!("cannot write the reference into `{}`", path.display()))
                .caused_by(error)
        })?;
    }
    Ok(ExitCode::Done)
}

/// Puts the reference between its marks.
fn write_reference(path: &Path) -> io::Result<()> {
    let [begin, end] = reference::MARKS;
    let text = std::fs::read_to_string(path)?;
    let parts = text.split_once(begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(end)?;
        Some((before, after))
    });
    let (before, after) = parts.ok_or_else(|| io::Error::other("it has no place for it"))?;
    replace(path, Access::Everyone, |out| {
        write!(out, "{before}{begin}{}{end}{after}", reference::manifest())
    })
}
