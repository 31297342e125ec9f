//! How a tap is called, and when.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::schedule::Schedule;
use crate::config::Seconds;
use crate::serve::secret::{SecretSource, resolved};

/// A program that brings records: a Singer tap.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TapConfig {
    /// The program and its arguments; no shell stands between. `--config FILE`, and `--state FILE` and
    /// `--catalog FILE` where there are such, are put behind them.
    pub command: Vec<String>,
    /// What it is given as `--config`. A text may be written as `{env: NAME}` or `{file: PATH}`, and is
    /// read there. Keys under a tenant's `taps` stand over these.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// The file that it is given as `--catalog`.
    pub catalog: Option<PathBuf>,
    /// Variables that it finds in its environment, beside `PATH`, `HOME`, `TMPDIR`, the language, the
    /// time zone, and what says how the network is reached. None other of the service's are there.
    #[serde(default)]
    pub environment: IndexMap<String, Variable>,
    /// The folder that it runs in. Default: the service's own.
    pub working_dir: Option<PathBuf>,
    /// The connectors of the flow that its records are written with. Default: all.
    #[serde(default)]
    pub connectors: Vec<String>,
    /// When it runs, for each tenant with an account: minute, hour, day of the month, month, day of the
    /// week; or six fields, of which the first is the second. Default: on request alone.
    pub cron: Option<String>,
    /// The time zone of `cron`, such as `Europe/Berlin`. Default `UTC`.
    pub timezone: Option<String>,
    /// How long it may run, which includes what it waits for the remote. Default 86400 (a day): one
    /// that hangs keeps its account's other jobs waiting.
    #[serde(default = "a_day")]
    pub timeout_secs: Seconds,
    /// How long it has to end when it is told to, before it is killed. Default 10.
    #[serde(default = "ten")]
    pub kill_secs: Seconds,
}

/// A variable of an environment.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a text, `{env: NAME}` or `{file: PATH}`; a number stands in quotes")]
pub enum Variable {
    /// As it stands.
    Text(String),
    /// Where it stands.
    Secret(SecretSource),
}

const fn a_day() -> Seconds {
    Seconds::of(86_400)
}

const fn ten() -> Seconds {
    Seconds::of(10)
}

impl TapConfig {
    /// Whether its records are written with this connector of its flow.
    pub(in crate::serve) fn is_for(&self, connector: &str) -> bool {
        self.connectors.is_empty() || self.connectors.iter().any(|id| id == connector)
    }

    /// When it runs by itself, if it does.
    ///
    /// # Errors
    /// The key that is wrong, and what is.
    pub(in crate::serve) fn schedule(&self) -> Result<Option<Schedule>, String> {
        match &self.cron {
            Some(cron) => Schedule::parse(cron, self.timezone.as_deref()).map(Some),
            None => Ok(None),
        }
    }

    /// What it needs and is not there, as far as that can be told without running it.
    pub(in crate::serve) fn lacks(&self) -> Vec<String> {
        let mut lacks = Vec::new();
        if let Some(program) = self.command.first().filter(|program| !self.is_there(program)) {
            lacks.push(format!("its program `{program}`"));
        }
        let files = self.catalog.iter().filter(|path| !path.is_file());
        let folders = self.working_dir.iter().filter(|path| !path.is_dir());
        lacks.extend(files.chain(folders).map(|path| format!("`{}`", path.display())));
        let secrets = self.environment.values().filter_map(|value| match value {
            Variable::Secret(source) => source.read().err(),
            Variable::Text(_) => None,
        });
        let secrets = secrets.chain(resolved(&self.config).err());
        lacks.extend(secrets.map(|error| error.full_message()));
        lacks
    }

    fn is_there(&self, program: &str) -> bool {
        if program.contains('/') {
            Path::new(program).is_file()
        } else {
            let folders = std::env::var_os("PATH").unwrap_or_default();
            // Where it is given other folders, the system looks there.
            self.environment.contains_key("PATH")
                || std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
        }
    }

    /// Refuses what could never run.
    ///
    /// # Errors
    /// The key that is wrong, and what is.
    pub(in crate::serve) fn check(&self) -> Result<(), String> {
        if self.command.first().is_none_or(String::is_empty) {
            return Err("command`: it names no program".to_owned());
        }
        let is_bad = |name: &&String| name.is_empty() || name.contains(['=', '\0']);
        if let Some(name) = self.environment.keys().find(is_bad) {
            return Err(format!("environment`: no variable can have the name `{name}`"));
        }
        self.schedule().map(drop)
    }
}
