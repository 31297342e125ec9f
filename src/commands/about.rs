//! `--about`: what this target is and takes, for platforms that ask.

use serde_json::{Map, Value, json};

use super::{Called, print};
use crate::cli::AboutFormat;
use crate::connector;
use crate::error::{Error, ExitCode};

const DESCRIPTION: &str =
    "Upserts a Singer stream into a business system's API, and tells what became of every record";

/// The platform's words for what a target can do.
const CAPABILITIES: &[&str] = &["about", "hotglue-exceptions-classes", FETCHES_TOKENS];
const FETCHES_TOKENS: &str = "allows-fetch-access-token";

pub(super) fn run(format: AboutFormat, called: &Called) -> Result<ExitCode, Error> {
    let (settings, capabilities) = settings(called);
    let version = env!("CARGO_PKG_VERSION");
    let about = json!({
        "name": called.name,
        "description": DESCRIPTION,
        "version": version,
        "sdk_name": "target-upsert",
        "sdk_version": version,
        "capabilities": capabilities,
        "alerting_level": alerting_level(called),
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
        AboutFormat::Markdown => markdown(called, version, &settings, &capabilities),
    };
    print(text.as_bytes())
}

/// How much the platform makes of failures, as its own targets say.
fn alerting_level(called: &Called) -> &'static str {
    match called.connector() {
        Some("hubspot") => "error",
        _ => "none",
    }
}

/// What can be set and what it can do; of a connector with keys of its own, called by its name,
/// those too.
fn settings(called: &Called) -> (Value, Vec<&'static str>) {
    let mut settings = super::schemas::config();
    let Some(own) = called.connector().and_then(connector::config_schema) else {
        return (settings, CAPABILITIES.to_vec());
    };
    for part in ["properties", "$defs"] {
        if let (Some(all), Some(own)) = (settings[part].as_object_mut(), own[part].as_object()) {
            all.extend(own.clone());
        }
    }
    // `api` has a key and no tokens.
    let has_tokens = called.connector() != Some("api");
    let capabilities = CAPABILITIES.iter().filter(|name| has_tokens || **name != FETCHES_TOKENS);
    (settings, capabilities.copied().collect())
}

fn markdown(called: &Called, version: &str, settings: &Value, capabilities: &[&str]) -> String {
    let mut page =
        format!("# `{}` {version}\n\n{DESCRIPTION}.\n\n## Capabilities\n\n", called.name);
    for capability in capabilities {
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
