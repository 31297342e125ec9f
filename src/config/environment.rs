//! The environment variables that a job reads. (`LOGLEVEL` is read where logging begins, and
//! `TARGET_UPSERT_*` with the config files.)

use std::path::PathBuf;

use serde_json::{Map, Value};

/// The platform's variables, read once at the start.
#[derive(Clone, Default)]
pub struct Environment {
    /// `JOB_ID`: the platform's id of this job; names the incremental state file and makes the
    /// signal listener file.
    pub job_id: Option<String>,
    /// `FLOW`: part of the snapshots' names, and of addresses.
    pub flow: Option<String>,
    /// `TENANT`: part of addresses.
    pub tenant: Option<String>,
    /// `TAP`: part of addresses.
    pub tap: Option<String>,
    /// `CONNECTOR_ID`: part of addresses.
    pub connector_id: Option<String>,
    /// `ENV_ID`, `TARGET`, `API_URL`: where the platform hands out tokens.
    pub env_id: Option<String>,
    /// See `env_id`.
    pub target: Option<String>,
    /// See `env_id`.
    pub api_url: Option<String>,
    /// `API_KEY`: a secret, with which it does.
    pub api_key: Option<String>,
    /// `JOB_ROOT`: part of the batches' names.
    pub job_root: Option<String>,
    /// `SNAPSHOT_DIR`: where snapshots are, unless `snapshot_dir` says so.
    pub snapshot_dir: Option<PathBuf>,
    /// `STREAMING_JOB` is exactly `True`: the state is `{"tap":…,"target":…}`.
    pub streaming_job: bool,
    /// `OUTPUT_MAPPED_RECORD` is `true` in any case: each state entry tells what was sent.
    pub output_mapped_record: bool,
}

impl std::fmt::Debug for Environment {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("job_id", &self.job_id)
            .field("flow", &self.flow)
            .finish_non_exhaustive()
    }
}

impl Environment {
    /// Reads the process's environment.
    pub fn read() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            job_id: text("JOB_ID"),
            flow: text("FLOW"),
            tenant: text("TENANT"),
            tap: text("TAP"),
            connector_id: text("CONNECTOR_ID"),
            env_id: text("ENV_ID"),
            target: text("TARGET"),
            api_url: text("API_URL"),
            api_key: text("API_KEY"),
            job_root: text("JOB_ROOT"),
            snapshot_dir: text("SNAPSHOT_DIR").map(PathBuf::from),
            streaming_job: text("STREAMING_JOB").as_deref() == Some("True"),
            output_mapped_record: text("OUTPUT_MAPPED_RECORD")
                .is_some_and(|value| value.eq_ignore_ascii_case("true")),
        }
    }

    /// Whether the hosted platform runs us, so that its meaning of ids holds.
    pub fn is_platform(&self) -> bool {
        self.job_id.is_some() && self.flow.is_some()
    }

    /// Where the platform keeps the state of a job that it starts again.
    pub fn incremental_state(&self) -> Option<PathBuf> {
        let job_id = self.job_id.as_ref()?;
        Some(PathBuf::from(format!("/home/hotglue/{job_id}/incremental_target_state.json")))
    }
}

/// Names after the prefix that are ours but no config keys.
const NOT_CONFIG: &[&str] = &["loglevel", "log", "log_format"];

/// The config values among `variables`: `TARGET_UPSERT_ACCESS_TOKEN` gives `access_token`.
///
/// `prefix` is the program's name in capitals with a trailing underscore. Values of the keys in
/// `typed` are read as JSON where they are JSON; of other keys only objects and arrays are, so
/// that a token of digits stays text.
pub fn config_values(
    variables: impl Iterator<Item = (String, String)>,
    prefix: &str,
    typed: &[String],
) -> Map<String, Value> {
    let mut values = Map::new();
    for (name, text) in variables {
        let Some(key) = name.strip_prefix(prefix).map(str::to_lowercase) else { continue };
        if key.is_empty() || NOT_CONFIG.contains(&key.as_str()) {
            continue;
        }
        let is_json = typed.contains(&key) || text.starts_with(['{', '[']);
        let value = if is_json { serde_json::from_str(&text).ok() } else { None };
        values.insert(key, value.unwrap_or(Value::String(text)));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_text_unless_the_key_is_typed() {
        let variables = [
            ("TARGET_UPSERT_ACCESS_TOKEN", "0123"),
            ("TARGET_UPSERT_TIMEOUT_SECS", "5"),
            ("TARGET_UPSERT_STORE", "123"),
            ("TARGET_UPSERT_STREAMS", r#"{"*":{"object":"x"}}"#),
            ("TARGET_UPSERT_LOGLEVEL", "DEBUG"),
            ("PATH", "/bin"),
        ];
        let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let values = config_values(variables, "TARGET_UPSERT_", &["timeout_secs".to_owned()]);
        assert_eq!(
            Value::Object(values),
            serde_json::json!({"access_token": "0123", "timeout_secs": 5, "store": "123",
                "streams": {"*": {"object": "x"}}})
        );
    }
}
