//! The JSON Schemas of all that goes in and out, and the reference of manifests: made from the
//! types.

use std::io::Write;
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
        ("hubspot.schema.json", connector::config_schema("hubspot").unwrap_or_default()),
        ("salesforce.schema.json", connector::config_schema("salesforce").unwrap_or_default()),
        ("netsuite.schema.json", connector::config_schema("netsuite").unwrap_or_default()),
        ("manifest.schema.json", crate::connector::rest::manifest_schema()),
        ("serve.schema.json", schemars::schema_for!(crate::serve::ServeConfig).to_value()),
        ("faults.schema.json", schemars::schema_for!(crate::sandbox::Faults).to_value()),
    ]
}

/// All files of `schemas/`, by name, with their content: the schemas, and the reference of
/// manifests.
pub fn files() -> Vec<(&'static str, String)> {
    let schemas = all().into_iter().map(|(name, schema)| {
        let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
        (name, text + "\n")
    });
    let openapi = serde_json::to_string_pretty(&crate::serve::openapi()).unwrap_or_default();
    schemas
        .chain([("manifest.md", reference::manifest()), ("openapi.json", openapi + "\n")])
        .collect()
}

pub(super) fn run(folder: &Path) -> Result<ExitCode, Error> {
    for (name, text) in files() {
        let path = folder.join(name);
        replace(&path, Access::Everyone, |out| out.write_all(text.as_bytes())).map_err(
            |error| Error::usage(format!("cannot write `{}`", path.display())).caused_by(error),
        )?;
    }
    Ok(ExitCode::Done)
}
