//! `--about`: what this target is and takes, for platforms that ask.

use serde_json::{Map, Value, json};

use super::{Called, print};
use crate::cli::AboutFormat;
use crate::error::{Error, ExitCode};

const DESCRIPTION: &str =
    "Upserts a Singer stream into a business system's API, and tells what became of every record";

/// The platform's words for what a target can do.
const CAPABILITIES: &[&str] = &["about", "hotglue-exceptions-classes", "allows-fetch-access-token"];

pub(super) fn run(format: AboutFormat, called: &Called) -> Result<ExitCode, Error> {
    let settings = super::schemas::config();
    let version = env!("CARGO_PKG_VERSION");
    let about = json!({
        "name": called.name,
        "description": DESCRIPTION,
        "version": version,
        "sdk_name": "target-upsert",
        "sdk_version": version,
        "capabilities": CAPABILITIES,
        "alerting_level": "none",
        "settings": settings,
    });
    let text = match format {
        AboutFormat::Json => serde_json::to_string_pretty(&about).unwrap_or_default() + "\n",
        AboutFormat::Text => about
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| match value {
                Value::String(text) => format!("{key}: {text}\n"),
                other => format!("{key}: {other}\n"),
            })
            .collect(),
        AboutFormat::Markdown => markdown(called, version, &settings),
    };
    print(text.as_bytes())
}

fn markdown(called: &Called, version: &str, settings: &Value) -> String {
    let mut page =
        format!("# `{}` {version}\n\n{DESCRIPTION}.\n\n## Capabilities\n\n", called.name);
    for capability in CAPABILITIES {
        page.push_str(&format!("* `{capability}`\n"));
    }
    page.push_str("\n## Settings\n\n| Setting | Default | Description |\n| --- | --- | --- |\n");
    let empty = Map::new();
    let properties = settings["properties"].as_object().unwrap_or(&empty);
    for (name, property) in properties {
        let default = match &property["default"] {
            Value::Null => "–".to_owned(),
            value => format!("`{value}`"),
        };
        let description = property["description"].as_str().unwrap_or_default().replace('\n', " ");
        page.push_str(&format!("| `{name}` | {default} | {description} |\n"));
    }
    page
}
