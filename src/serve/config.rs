//! `serve.yaml`: where the service listens, what it keeps, and for whom it writes where.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::problem::Problem;
use super::secret::SecretSource;
use super::taps::{API, TapConfig};
use super::webhooks::WebhookConfig;
use crate::config::Seconds;
use crate::config::yaml;
use crate::error::Error;

/// Days that something is kept, at most: 100 years.
const KEEP_DAYS: f64 = 36_500.0;

/// What the service does.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "serve.yaml of target-upsert")]
pub struct ServeConfig {
    /// Address and port to listen on. Anything but this machine's own addresses needs an admin key.
    pub listen: SocketAddr,
    /// The folder of all that is kept: the queue, what was written, and what tenants have given.
    pub data: PathBuf,
    /// Keys that may do everything. Without any, whoever reaches the address may.
    pub admin_keys: Vec<SecretSource>,
    /// What is kept of tenants' credentials is encrypted with: 32 characters of chance or more. Without it
    /// none is taken over HTTP, and new tokens are kept as they are, for the service's user alone.
    pub encryption_key: Option<SecretSource>,
    /// Jobs that run at once. Default 8: each holds up to `max_buffer_bytes` of records.
    pub max_jobs: usize,
    /// Jobs that wait, at most; more are refused with 429. Default 10000.
    pub max_queued_jobs: usize,
    /// Connections at once; those past it wait to be accepted. Default 4096.
    pub max_connections: usize,
    /// Bytes of a request that queues a job, at most. Default 67108864 (64 MiB).
    pub max_body_bytes: usize,
    /// Bytes of a request that writes one record now, at most. Default 1048576 (1 MiB).
    pub max_record_bytes: usize,
    /// How long such a request waits for its outcome; past that the answer is 202, and the write goes
    /// on. Default 25: gateways give up after 30.
    pub deadline_secs: Seconds,
    /// How long a client may take to send its request, and to take each part of its answer. Default 30.
    pub request_secs: Seconds,
    /// How long what the remote has told of an account holds, such as fields and lists: the next use after
    /// that opens it anew, beside what is under way, and reads its secrets again. 0: never. Default 3600.
    pub renew_secs: Seconds,
    /// How long what became of a job is kept: its results, the content of its records, its calls. Ids are
    /// kept for good. Default 90.
    pub keep_days: f64,
    /// How long a search among the records of a job may take. Default 10.
    pub search_secs: Seconds,
    /// Where the service writes, by name: most have one for trying and one for real.
    pub environments: IndexMap<String, EnvironmentConfig>,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            data: PathBuf::from(".target-upsert/serve"),
            admin_keys: Vec::new(),
            encryption_key: None,
            max_jobs: 8,
            max_queued_jobs: 10_000,
            max_connections: 4096,
            max_body_bytes: 64 << 20,
            max_record_bytes: 1 << 20,
            deadline_secs: Seconds::of(25),
            request_secs: Seconds::of(30),
            renew_secs: Seconds::of(3600),
            keep_days: 90.0,
            search_secs: Seconds::of(10),
            environments: IndexMap::new(),
        }
    }
}

/// Flows, and tenants that use them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EnvironmentConfig {
    /// What is written where, by the flow's id.
    pub flows: IndexMap<String, FlowConfig>,
    /// For whom, by the tenant's id.
    pub tenants: IndexMap<String, TenantConfig>,
    /// Whom the steps of its jobs are told to.
    pub webhooks: Vec<WebhookConfig>,
}

/// What is written where.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowConfig {
    /// 1: a flow that writes alone, as the hosted platform's first version has it; 2: one whose
    /// connectors are named by each job. Default 2.
    #[serde(default = "two")]
    pub version: u8,
    /// The connectors that it may write with, by id.
    pub connectors: IndexMap<String, ConnectorConfig>,
    /// Programs that bring records, by name. Without one, records come with requests alone.
    #[serde(default)]
    pub taps: IndexMap<String, TapConfig>,
}

fn two() -> u8 {
    2
}

/// A connector of a flow: what holds for every tenant.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectorConfig {
    /// The keys of a config file (`schemas/config.schema.json`) and the connector's own. `connector` is
    /// the id, unless it stands here.
    pub config: Map<String, Value>,
}

/// Somebody whose records are written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TenantConfig {
    /// Keys that may do what is this tenant's.
    pub keys: Vec<SecretSource>,
    /// Its account at each connector: config keys over the flow's. A text may be written as
    /// `{env: NAME}` or `{file: PATH}`, and is read there.
    pub connectors: IndexMap<String, Map<String, Value>>,
    /// What is its own of each tap: config keys over the flow's, written in the same way.
    pub taps: IndexMap<String, Map<String, Value>>,
}

/// For people.
pub(super) fn names<'a>(ids: impl IntoIterator<Item = &'a String>) -> String {
    ids.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

impl FlowConfig {
    /// Its connectors, for people.
    pub(super) fn ids(&self) -> String {
        names(self.connectors.keys())
    }

    fn check_taps(&self) -> Result<(), String> {
        for (name, tap) in &self.taps {
            if matches!(name.as_str(), API | "") {
                return Err(format!(".{name}`: a tap cannot have this name"));
            }
            tap.check().map_err(|wrong| format!(".{name}.{wrong}"))?;
            if let Some(id) = tap.connectors.iter().find(|id| !self.connectors.contains_key(*id)) {
                return Err(format!(
                    ".{name}.connectors`: the flow has no `{id}`; it has: {}",
                    self.ids()
                ));
            }
        }
        Ok(())
    }
}

impl ServeConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// Exit code 2, with line and column.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::usage(format!("cannot read `{}`", path.display()))
                .caused_by(error)
                .hint("name the service's configuration with `--config FILE`")
        })?;
        Self::parse(&text).map_err(|message| {
            Error::usage(format!("`{}`: {message}", path.display()))
                .hint("see `schemas/serve.schema.json` for what each key takes")
        })
    }

    /// The same of its text.
    ///
    /// # Errors
    /// What is wrong, and where, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = yaml::read(text).map_err(|wrong| {
            let yaml::Wrong { line, column, message, hint } = wrong;
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            format!("line {line}, column {column}: {message}{hint}")
        })?;
        config.check()?;
        Ok(config)
    }

    /// Refuses to let other machines in without a key.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn check_listen(&self) -> Result<(), Error> {
        if !self.listen.ip().is_loopback() && self.admin_keys.is_empty() {
            return Err(Error::usage(format!(
                "`listen` is {}, which other machines can reach, and `admin_keys` is empty: anybody could \
                 write",
                self.listen
            ))
            .hint("name a variable with a key under `admin_keys`, or listen on 127.0.0.1"));
        }
        Ok(())
    }

    /// What ended before, in milliseconds of Unix time, is not kept any more.
    pub(super) fn kept_since_millis(&self) -> i64 {
        // In the bounds of `check`.
        #[expect(clippy::cast_possible_truncation, reason = "0 to 100 years")]
        let kept = (self.keep_days * 86_400_000.0) as i64;
        chrono::Utc::now().timestamp_millis() - kept
    }

    /// An environment.
    ///
    /// # Errors
    /// 404 where there is none.
    pub(super) fn environment(&self, id: &str) -> Result<&EnvironmentConfig, Problem> {
        let found = self.environments.get(id);
        found.ok_or_else(|| Problem::not_found(format!("there is no environment `{id}`")))
    }

    /// A flow of an environment.
    ///
    /// # Errors
    /// 404 where there is no such environment or flow.
    pub(super) fn flow(&self, environment: &str, flow: &str) -> Result<&FlowConfig, Problem> {
        let flows = &self.environment(environment)?.flows;
        flows.get(flow).ok_or_else(|| {
            Problem::not_found(format!("there is no flow `{flow}`"))
                .hint(format!("environment `{environment}` has: {}", names(flows.keys())))
        })
    }

    fn check(&self) -> Result<(), String> {
        if !(0.0..=KEEP_DAYS).contains(&self.keep_days) {
            return Err(format!("`keep_days` is {}, not 0 to {KEEP_DAYS}", self.keep_days));
        }
        if self.max_jobs == 0 {
            return Err("`max_jobs` is 0: no job would ever run".to_owned());
        }
        if self.max_connections == 0 {
            return Err("`max_connections` is 0: nobody could connect".to_owned());
        }
        for (name, environment) in &self.environments {
            // What an address begins with that means something else.
            if matches!(name.as_str(), "v2" | "api" | "tenant" | "ui" | "") {
                return Err(format!("`environments.{name}`: an environment cannot have this name"));
            }
            environment.check().map_err(|wrong| format!("`environments.{name}.{wrong}"))?;
        }
        Ok(())
    }
}

impl EnvironmentConfig {
    fn check(&self) -> Result<(), String> {
        for (flow, config) in &self.flows {
            if !matches!(config.version, 1 | 2) {
                return Err(format!("flows.{flow}.version`: it is {}, not 1 or 2", config.version));
            }
            if config.connectors.is_empty() {
                return Err(format!(
                    "flows.{flow}.connectors`: there is none, so nothing can be written"
                ));
            }
            config.check_taps().map_err(|wrong| format!("flows.{flow}.taps{wrong}"))?;
        }
        for (at, webhook) in self.webhooks.iter().enumerate() {
            let mut flows = webhook.flows.iter().flatten();
            if let Some(flow) = flows.find(|flow| !self.flows.contains_key(*flow)) {
                return Err(format!("webhooks[{at}].flows`: there is no flow `{flow}`"));
            }
        }
        for (tenant, config) in &self.tenants {
            let is_known =
                |id: &&String| self.flows.values().any(|flow| flow.connectors.contains_key(*id));
            if let Some(id) = config.connectors.keys().find(|id| !is_known(id)) {
                let all = self.flows.values().flat_map(|flow| flow.connectors.keys());
                let all = names(all.collect::<BTreeSet<_>>());
                return Err(format!(
                    "tenants.{tenant}.connectors.{id}`: no flow has such a connector; they have: {all}"
                ));
            }
            let is_known =
                |name: &&String| self.flows.values().any(|flow| flow.taps.contains_key(*name));
            if let Some(name) = config.taps.keys().find(|name| !is_known(name)) {
                return Err(format!("tenants.{tenant}.taps.{name}`: no flow has such a tap"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let wrong = |text: &str| ServeConfig::parse(text).unwrap_err();
        let open = ServeConfig::parse("listen: 0.0.0.0:80").unwrap().check_listen().unwrap_err();
        assert!(open.full_message().contains("anybody could write"), "{open:?}");
        assert!(wrong("max_jobs: 0").contains("max_jobs"));
        assert!(wrong("max_connections: 0").contains("max_connections"));
        assert!(wrong("keep_days: -1").contains("keep_days"));
        assert!(wrong("environments: {v2: {}}").contains("`environments.v2`"));
        assert!(wrong("environments: {ui: {}}").contains("`environments.ui`"));
        let text = "environments: {dev: {flows: {crm: {version: 3, connectors: {}}}}}";
        assert!(wrong(text).starts_with("`environments.dev.flows.crm.version`"), "{}", wrong(text));
        let text = "environments: {dev: {tenants: {acme: {connectors: {hubspot: {}}}}}}";
        assert!(wrong(text).contains("`environments.dev.tenants.acme.connectors.hubspot`"));
        let tap = |tap: &str| {
            wrong(&format!(
                "environments: {{dev: {{flows: {{crm: {{connectors: {{hubspot: {{}}}}, taps: {{{tap}}}}}}}}}}}"
            ))
        };
        let place = "`environments.dev.flows.crm.taps.orders";
        let told = tap("orders: {command: [tap], cron: '0 25 * * *'}");
        assert!(told.starts_with(&format!("{place}.cron`: `0 25 * * *`: ")), "{told}");
        assert!(tap("orders: {command: []}").starts_with(&format!("{place}.command`")));
        let told = tap("orders: {command: [tap], connectors: [crm]}");
        assert!(told.starts_with(&format!("{place}.connectors`")), "{told}");
        let told = tap("orders: {command: [tap], environment: {'A=B': x}}");
        assert!(told.starts_with(&format!("{place}.environment`")), "{told}");
        assert!(tap("orders: {command: [tap], environment: {A: 1}}").contains("stands in quotes"));
        assert!(tap("api: {command: [tap]}").contains("taps.api`"));
        assert!(tap("orders: {}").contains("command"));
        let text = "environments: {dev: {tenants: {acme: {taps: {orders: {}}}}}}";
        assert!(wrong(text).contains("`environments.dev.tenants.acme.taps.orders`"));
        let text = "environments: {dev: {webhooks: [{url: 'https://a.example', secret: {env: A}, flows: [b]}]}}";
        assert!(wrong(text).contains("`environments.dev.webhooks[0].flows`"), "{}", wrong(text));
        let told = wrong("\ndeadline_sec: 3\n");
        assert!(told.starts_with("line 2, column 1: unknown key `deadline_sec`"), "{told}");
        assert!(told.ends_with("did you mean `deadline_secs`?"), "{told}");
    }

    #[test]
    fn what_is_wrong_is_told_without_what_stands_there() {
        for text in [
            "environments:\n  dev:\n    tenants:\n      acme: { conectors: { hubspot: { access_token: a-secret } } }",
            "environments:\n  dev:\n    tenants: { acme: { conectors: 1,\n      access_token: a-secret } }",
            "encryption_key: a-secret",
            "encryption_key: {a-secret: b}",
            "admin_keys: a-secret",
            "admin_keys: [{key: a-secret}]",
            "admin_keys: [a-secret]",
            "max_jobs: a-secret",
            "listen: a-secret",
            "environments: {dev: {webhooks: [{url: a-secret, secret: a-secret}]}}",
            "environments: [a-secret",
        ] {
            let told = ServeConfig::parse(text).unwrap_err();
            assert!(told.starts_with("line ") && !told.contains("a-secret"), "{told}");
        }
    }
}
