//! Reads and merges the config files, and says what is wrong with them, where.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::{keys_of, own_keys};
use super::write_back::TokenFile;
use super::wrong::without_value;
use super::{Config, StreamOptions, environment};
use crate::connector;
use crate::error::Error;
use crate::text::without_mark;

/// Where config values come from, in the order of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `--config FILE`.
    File(PathBuf),
    /// `--config ENV`.
    Environment,
}

/// A config that was read.
#[derive(Debug)]
pub struct Loaded {
    /// Ours, typed.
    pub config: Config,
    /// The whole flat object, for the connector. Holds secrets: never print it.
    pub values: Values,
    /// The file that tokens are written back to: the last one that has a token in it, else the
    /// first one.
    pub token_file: Option<TokenFile>,
    /// What is odd about it but does not hinder, each a line for people.
    pub warnings: Vec<String>,
}

/// A flat config object with secrets in it; its `Debug` shows the keys alone.
#[derive(Clone, Default, Deserialize)]
pub struct Values(pub Map<String, Value>);

impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Keys of the connectors that the platform's configs use, and those of our built-in manifests.
const CONNECTOR_KEYS: &[&str] = &[
    "access_token",
    "refresh_token",
    "client_id",
    "client_secret",
    "redirect_uri",
    "expires_in",
    "issued_at",
    "instance_url",
    "api_key",
    "user_agent",
    "token",
    "username",
    "password",
    "_refresh_token_via_hg_api",
];

const REFRESH: &str = "refresh_token";

/// Those of them that can be nothing but texts: a list would go out as one.
const TEXTS: &[&str] = &["access_token", "refresh_token", "client_id", "client_secret"];

/// Keys that would change what is written, and that this version does not carry out: taking them
/// in silence would write the wrong thing.
const NOT_CARRIED_OUT: &[&str] = &["stream_maps", "flattening_enabled"];

/// Where a value came from that no file has.
const ENVIRONMENT: &str = "the environment";

/// Reads `sources` in order, then the environment's `PREFIX_*` values over them. `called`: the
/// connector that the program was called by, unless a source names one.
///
/// # Errors
/// Exit code 2, naming the file and the key, for a file that is missing, no JSON, no object, or
/// has a value of the wrong type.
pub fn load(
    sources: &[Source],
    prefix: &str,
    called: Option<&str>,
    variables: &[(String, String)],
) -> Result<Loaded, Error> {
    let keys = own_keys();
    let of_connector = |values: &Map<String, Value>| keys_of_connector(values, called);
    let from_environment = |values: &Map<String, Value>| {
        let read = |values: &Map<String, Value>| {
            let more = of_connector(values);
            let typed = keys.iter().chain(&more).filter(|(_, typed)| **typed);
            let typed: Vec<String> = typed.map(|(key, _)| key.clone()).collect();
            environment::config_values(variables.iter().cloned(), prefix, &typed)
        };
        // The environment may name the connector, whose keys then have their types.
        read(&values.clone().into_iter().chain(read(values)).collect())
    };
    let mut merged = Merged::default();
    for source in sources {
        match source {
            Source::File(path) => merged.add_file(path)?,
            Source::Environment => merged.add(from_environment(&merged.values), ENVIRONMENT),
        }
    }
    merged.add(from_environment(&merged.values), ENVIRONMENT);
    let Merged { values, origin, .. } = &mut merged;
    let copies = nested_names(values);
    values.retain(|key, _| {
        keys.contains_key(key) || origin[key] != ENVIRONMENT || !copies.contains(key)
    });
    checked(merged, &keys, called)
}

/// The same of values that are at hand. `from`: where they come from, for people.
///
/// # Errors
/// As [`load`].
pub fn of_values(values: Map<String, Value>, from: &str) -> Result<Loaded, Error> {
    let mut merged = Merged::default();
    merged.add(values, from);
    checked(merged, &own_keys(), None)
}

fn keys_of_connector(values: &Map<String, Value>, called: Option<&str>) -> BTreeMap<String, bool> {
    let name = values.get("connector").and_then(Value::as_str).or(called);
    name.and_then(connector::config_schema).map(|schema| keys_of(&schema)).unwrap_or_default()
}

fn checked(
    merged: Merged,
    keys: &BTreeMap<String, bool>,
    called: Option<&str>,
) -> Result<Loaded, Error> {
    let Merged { values, origin, token_file, refresh_token } = merged;
    let config = typed(&values, &origin)?;
    if let Some(key) = NOT_CARRIED_OUT.iter().find(|key| is_set(config.rest.0.get(**key))) {
        return Err(Error::usage(format!("config key `{key}` is not carried out by this version"))
            .hint("take it out, if what it does is not needed"));
    }
    if let Some(key) = TEXTS.iter().find(|key| values.get(**key).is_some_and(is_structure)) {
        return Err(Error::usage(format!("config key `{key}` in {}: it is no text", origin[*key])));
    }
    let mut warnings = unknown_keys(&config, keys, &keys_of_connector(&values, called));
    if config.strict_config
        && let Some(warning) = warnings.first()
    {
        return Err(Error::usage(warning.clone()).hint("`strict_config` makes this an error"));
    }
    if let Some(file) = &token_file
        && origin.get(REFRESH).is_some_and(|from| from == ENVIRONMENT)
        && values.get(REFRESH) != refresh_token.as_ref()
    {
        warnings.push(format!(
            "`{REFRESH}` comes from the environment, and new ones are kept in `{}`: once it is replaced, \
             take it out of the environment",
            file.display()
        ));
    }
    let token_file = token_file.map(TokenFile::from);
    Ok(Loaded { config, values: Values(values), token_file, warnings })
}

/// The values of all sources, those of later ones over those of earlier ones.
#[derive(Default)]
struct Merged {
    values: Map<String, Value>,
    /// Where each came from, for people.
    origin: BTreeMap<String, String>,
    /// The file whose tokens are renewed.
    token_file: Option<PathBuf>,
    /// The one that stands in it.
    refresh_token: Option<Value>,
}

impl Merged {
    fn add(&mut self, more: Map<String, Value>, from: &str) {
        for (key, value) in more {
            self.origin.insert(key.clone(), from.to_owned());
            self.values.insert(key, value);
        }
    }

    fn add_file(&mut self, path: &Path) -> Result<(), Error> {
        let more = read_object(path)?;
        let has_token = more.keys().any(|key| key.ends_with("_token"));
        if has_token || self.token_file.is_none() {
            self.token_file = Some(path.to_owned());
            self.refresh_token = more.get(REFRESH).cloned();
        }
        self.add(more, &format!("`{}`", path.display()));
        Ok(())
    }
}

/// The values as our types have them. `origin`: where each came from.
fn typed(values: &Map<String, Value>, origin: &BTreeMap<String, String>) -> Result<Config, Error> {
    serde_path_to_error::deserialize(Value::Object(values.clone())).map_err(|error| {
        let path = error.path().to_string();
        let top = path.split(['.', '[']).next().unwrap_or_default();
        let from = origin.get(top).map_or("the configuration", String::as_str);
        Error::usage(format!("config key `{path}` in {from}: {}", without_value(error.inner())))
            .hint("see `schemas/config.schema.json` for what each key takes")
    })
}

/// What is wrong with keys that are neither ours nor, as far as is known, the connector's.
fn unknown_keys(
    config: &Config,
    ours: &BTreeMap<String, bool>,
    of_connector: &BTreeMap<String, bool>,
) -> Vec<String> {
    let by_stream = keys_of(&schemars::schema_for!(StreamOptions).to_value());
    let is_unknown = |key: &&String| {
        !CONNECTOR_KEYS.contains(&key.as_str())
            && !key.starts_with('_')
            && !of_connector.contains_key(*key)
    };
    let wrong = |key: &String| {
        if by_stream.contains_key(key) {
            return Some(format!(
                "config key `{key}` has no effect here: it is by stream, as in \
                 {{\"streams\": {{\"*\": {{\"{key}\": …}}}}}}"
            ));
        }
        let near = nearest(key, ours.keys().chain(of_connector.keys()).map(String::as_str))?;
        Some(format!("config key `{key}` is not known; did you mean `{near}`?"))
    };
    config.rest.0.keys().filter(is_unknown).filter_map(wrong).collect()
}

/// What Meltano calls the values within objects of its config file in the environment, which has
/// each of them a second time: `state.format` is `PREFIX_STATE_FORMAT`. They are no keys.
fn nested_names(values: &Map<String, Value>) -> BTreeSet<String> {
    fn add(name: &str, value: &Value, names: &mut BTreeSet<String>) {
        for (key, value) in value.as_object().into_iter().flatten() {
            let key = key.replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_lowercase();
            let name = format!("{name}_{key}");
            add(&name, value, names);
            names.insert(name);
        }
    }
    let mut names = BTreeSet::new();
    values.iter().for_each(|(key, value)| add(key, value, &mut names));
    names
}

fn is_structure(value: &Value) -> bool {
    value.is_array() || value.is_object()
}

fn is_set(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Object(map)) => !map.is_empty(),
        Some(_) => true,
    }
}

fn read_object(path: &Path) -> Result<Map<String, Value>, Error> {
    let text = std::fs::read(path).map_err(|error| {
        Error::usage(format!("cannot read the config file `{}`", path.display()))
            .caused_by(error)
            .hint("pass the path of a JSON file, or the word ENV, to `--config`")
    })?;
    serde_json::from_slice(without_mark(&text)).map_err(|error: serde_json::Error| {
        Error::usage(format!("the config file `{}` is not a JSON object", path.display()))
            .caused_by(without_value(&error))
    })
}

/// The known key that `key` was probably meant to be, if any is near.
pub(crate) fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::jaro_winkler(key, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Identity, Seconds, StateFormat};
    use crate::file::{Access, replace};
    use std::io::Write;

    fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> Source {
        let path = folder.path().join(name);
        replace(&path, Access::Everyone, |out| out.write_all(text.as_bytes())).unwrap();
        Source::File(path)
    }

    #[test]
    fn later_files_win_and_the_environment_wins_over_all() {
        let folder = tempfile::tempdir().unwrap();
        let first = file(&folder, "a.json", r#"{"identity": "source", "timeout_secs": 5, "x": 1}"#);
        let second = file(&folder, "b.json", r#"{"identity": "platform"}"#);
        let env = [("P_TIMEOUT_SECS".to_owned(), "9".to_owned())];
        let loaded = load(&[first, second], "P_", None, &env).unwrap();
        assert_eq!(loaded.config.identity, Some(Identity::Platform));
        assert_eq!(loaded.config.timeout_secs, Seconds::of(9));
        assert_eq!(loaded.config.rest.0["x"], 1);
    }

    #[test]
    fn a_refresh_token_of_the_environment_is_told_to_go_over_the_one_that_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let source = file(&folder, "a.json", r#"{"refresh_token": "kept", "strict_config": true}"#);
        for (given, told) in [("kept", 0), ("older", 1)] {
            let env = [("P_REFRESH_TOKEN".to_owned(), given.to_owned())];
            let warnings = load(std::slice::from_ref(&source), "P_", None, &env).unwrap().warnings;
            assert_eq!(warnings.len(), told, "{warnings:?}");
        }
    }

    /// As a panic would show it.
    #[test]
    fn the_debug_text_of_a_config_has_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let source = file(&folder, "a.json", r#"{"access_token": "hush", "db": {"pwd": "hush"}}"#);
        let shown = format!("{:?}", load(&[source], "P_", None, &[]).unwrap());
        assert!(shown.contains("access_token") && !shown.contains("hush"), "{shown}");
    }

    #[test]
    fn errors_name_file_key_and_what_was_expected() {
        let folder = tempfile::tempdir().unwrap();
        let source = file(&folder, "a.json", r#"{"batch": {"records": "many"}}"#);
        let message = load(&[source], "P_", None, &[]).unwrap_err().full_message();
        assert!(message.contains("`batch.records`") && message.contains("a.json"), "{message}");
        let source = file(&folder, "b.json", "{\"a\": 1,\n oops}");
        let message = load(&[source], "P_", None, &[]).unwrap_err().full_message();
        assert!(message.contains("line 2 column 2") && message.contains("b.json"), "{message}");
        let source = file(&folder, "c.json", "[1]");
        assert!(
            load(&[source], "P_", None, &[]).unwrap_err().full_message().contains("JSON object")
        );
    }

    #[test]
    fn an_unknown_key_warns_with_the_nearest_and_is_an_error_when_strict() {
        let folder = tempfile::tempdir().unwrap();
        let source = file(&folder, "a.json", r#"{"identitty": "source"}"#);
        let warnings = load(&[source], "P_", None, &[]).unwrap().warnings;
        assert_eq!(warnings, ["config key `identitty` is not known; did you mean `identity`?"]);
        let source = file(&folder, "b.json", r#"{"identitty": "source", "strict_config": true}"#);
        load(&[source], "P_", None, &[]).unwrap_err();
    }

    #[test]
    fn a_key_that_is_by_stream_is_told_where_it_belongs() {
        let folder = tempfile::tempdir().unwrap();
        let source = file(&folder, "a.json", r#"{"on_doubt": "resend", "mode": "update"}"#);
        let warnings = load(&[source], "P_", None, &[]).unwrap().warnings;
        assert_eq!(warnings.len(), 2);
        assert!(
            warnings.iter().any(|one| one.contains(r#"{"*": {"on_doubt": …}}"#)),
            "{warnings:?}"
        );
        // What the platform has for all streams is taken as it is.
        let source = file(&folder, "b.json", r#"{"lookup_fields": {"contacts": "email"}}"#);
        assert!(load(&[source], "P_", None, &[]).unwrap().warnings.is_empty());
    }

    /// Meltano puts the file's values into the environment too, those within objects under joined
    /// names, and each of them was told as a mistake.
    #[test]
    fn copies_of_the_files_nested_values_are_no_unknown_keys() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"state": {"format": "tap"}, "streams": {"my-orders": {"external_id": "n"}},
            "strict_config": true}"#;
        let source = file(&folder, "a.json", text);
        let env = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let copies = [
            env("P_STATE_FORMAT", "tap"),
            env("P_STREAMS_MY_ORDERS_EXTERNAL_ID", "n"),
            env("P_STRICT_CONFIG", "true"),
            env("P__DIALECT", "p"),
        ];
        let loaded = load(std::slice::from_ref(&source), "P_", None, &copies).unwrap();
        assert_eq!(loaded.config.rest.0.keys().collect::<Vec<_>>(), ["_dialect"]);
        assert_eq!(loaded.config.state.format, StateFormat::Tap);
        load(&[source], "P_", None, &[env("P_STATE_FORMATS", "tap")]).unwrap_err();
    }

    #[test]
    fn environment_values_of_word_keys_stay_words() {
        let env = [
            ("P_IDENTITY".to_owned(), "source".to_owned()),
            ("P_STATE".to_owned(), r#"{"format":"tap"}"#.to_owned()),
            ("P_SAVE_RECORD_IDS".to_owned(), "true".to_owned()),
        ];
        let loaded = load(&[Source::Environment], "P_", None, &env).unwrap();
        assert_eq!(loaded.config.identity, Some(Identity::Source));
        assert_eq!(loaded.config.state.format, StateFormat::Tap);
        assert!(loaded.config.save_record_ids);
    }
}
