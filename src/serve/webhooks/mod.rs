//! Who is told of the steps of jobs: webhooks. What is to be told is put into the queue's file with the
//! step itself ([`Hooks::wanting`]), and [`sender`] posts it until it is taken.

mod config;
mod sender;
mod sign;

use std::collections::HashSet;
use std::sync::Arc;

use secrecy::ExposeSecret as _;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, Notify, watch};
use url::Url;

pub(super) use config::{Step, WebhookConfig};
pub(super) use sender::run;

use super::api::PlatformJob;
use super::config::ServeConfig;
use super::queue::Job;
use super::telemetry;
use crate::connector::http::Redactor;
use crate::error::Error;
use crate::text::hex;
use sign::Signer;

/// Messages that wait for one webhook, at most; past that the oldest is given up.
const MOST_WAITING: u32 = 10_000;

/// Which webhook, over restarts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct HookName {
    pub(super) environment: String,
    pub(super) id: String,
}

impl std::fmt::Display for HookName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.environment, self.id)
    }
}

/// One webhook.
pub(super) struct Hook {
    pub(super) name: HookName,
    url: Url,
    signer: Signer,
    /// None: all.
    steps: Vec<Step>,
    flows: Option<Vec<String>>,
    /// What an answer may tell back: the secret, the address, signatures.
    redactor: Redactor,
    /// Told to try at once what it waits to try again.
    hurry: Notify,
    /// The receiver has said that it wants no more. Held while what waits is given up for that, so that
    /// nothing is which is asked for after.
    is_gone: Mutex<bool>,
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Hook").field(&self.name).finish()
    }
}

impl Hook {
    /// What of its address may be told: path and query may hold a secret.
    fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    fn wants(&self, job: &Job) -> bool {
        let flows = self.flows.as_ref();
        self.name.environment == job.lane.environment
            && (self.steps.is_empty() || self.steps.contains(&job.state.step()))
            && flows.is_none_or(|flows| flows.contains(&job.lane.flow))
    }
}

/// What is told of a job: what the platform's route would answer now.
pub(super) fn message(job: &Job) -> String {
    serde_json::to_string(&PlatformJob::from(job.clone())).unwrap_or_default()
}

/// All webhooks.
#[derive(Debug)]
pub(super) struct Hooks {
    all: Vec<Arc<Hook>>,
    most_waiting: u32,
    /// Told when there is more to send.
    more: watch::Sender<()>,
}

impl Hooks {
    /// Those of a configuration, with their secrets.
    ///
    /// # Errors
    /// Exit code 2, naming the place, and no secret.
    pub(super) fn read(config: &ServeConfig) -> Result<Self, Error> {
        let mut hooks = Vec::new();
        let mut names = HashSet::new();
        for (environment, place) in &config.environments {
            for (at, webhook) in place.webhooks.iter().enumerate() {
                let hook = read_one(environment, webhook).map_err(|error| {
                    let place = format!("`environments.{environment}.webhooks[{at}]`");
                    Error::usage(format!("{place}: {}", error.full_message()))
                        .hint_if(error.hint_text())
                })?;
                if !names.insert(hook.name.clone()) {
                    return Err(Error::usage(format!(
                        "two webhooks of environment `{environment}` are `{}`",
                        hook.name.id
                    ))
                    .hint("give each an `id` of its own"));
                }
                telemetry::hook_known(environment);
                hooks.push(Arc::new(hook));
            }
        }
        Ok(Self { all: hooks, most_waiting: MOST_WAITING, more: watch::Sender::new(()) })
    }

    /// All.
    pub(super) fn all(&self) -> &[Arc<Hook>] {
        &self.all
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Messages that wait for one, at most.
    pub(super) fn most_waiting(&self) -> u32 {
        self.most_waiting
    }

    /// Those that want to hear of the step that a job has come to.
    pub(super) fn wanting<'a>(&'a self, job: &'a Job) -> impl Iterator<Item = &'a HookName> {
        self.all.iter().filter(|hook| hook.wants(job)).map(|hook| &hook.name)
    }

    /// The one of this name.
    pub(super) fn find(&self, name: &HookName) -> Option<&Arc<Hook>> {
        self.all.iter().find(|hook| hook.name == *name)
    }

    /// There may be more to send.
    pub(super) fn wake(&self) {
        self.more.send_replace(());
    }
}

fn read_one(environment: &str, config: &WebhookConfig) -> Result<Hook, Error> {
    let url = config.address()?;
    let id = match &config.id {
        Some(id) if id.is_empty() => return Err(Error::usage("`id` is empty")),
        Some(id) => id.clone(),
        None => hex(&Sha256::digest(url.as_str())[..6]),
    };
    let secret = config.secret.read()?;
    let redactor = Redactor::default();
    redactor.add(secret.expose_secret());
    let place = [Some(url.path()), url.query(), url.password()];
    place.into_iter().flatten().for_each(|part| redactor.add(part));
    Ok(Hook {
        name: HookName { environment: environment.to_owned(), id },
        signer: Signer::new(&secret)?,
        redactor,
        url,
        steps: config.events.clone(),
        flows: config.flows.clone(),
        hurry: Notify::new(),
        is_gone: Mutex::default(),
    })
}

impl Hook {
    /// Has it sent to although its receiver has said that it wants no more: somebody knows better.
    pub(super) async fn bring_back(&self) {
        *self.is_gone.lock().await = false;
    }

    /// Has it try at once.
    pub(super) fn hurry(&self) {
        self.hurry.notify_one();
    }
}

#[cfg(test)]
impl Hooks {
    /// One for each of these names, of this environment, which lets so many wait.
    pub(super) fn of(environment: &str, ids: &[&str], most_waiting: u32) -> Self {
        let hook = |id: &&str| {
            Arc::new(Hook {
                name: HookName { environment: environment.to_owned(), id: (*id).to_owned() },
                url: "https://example.com".parse().unwrap(),
                signer: Signer::new(&"secret".into()).unwrap(),
                steps: Vec::new(),
                flows: None,
                redactor: Redactor::default(),
                hurry: Notify::new(),
                is_gone: Mutex::default(),
            })
        };
        let all = ids.iter().map(hook).collect();
        Self { all, most_waiting, more: watch::Sender::new(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(webhooks: &str) -> String {
        let text = format!("environments: {{dev: {{webhooks: {webhooks}}}}}");
        let error = Hooks::read(&ServeConfig::parse(&text).unwrap()).unwrap_err();
        format!("{} {}", error.full_message(), error.hint_text().unwrap_or_default())
    }

    #[test]
    fn an_address_that_others_can_listen_to_is_refused_without_its_secrets() {
        let told = wrong("[{url: 'http://user:hush@example.com/hush?hush', secret: {env: PATH}}]");
        assert!(told.contains("`environments.dev.webhooks[0]`"), "{told}");
        assert!(told.contains("in the clear") && told.contains("allow_http"), "{told}");
        assert!(!told.contains("hush"), "{told}");
        let told = wrong("[{url: 'ftp://example.com/hush', secret: {env: PATH}}]");
        assert!(told.contains("`ftp`") && !told.contains("hush"), "{told}");
    }

    #[test]
    fn a_secret_that_is_missing_and_names_that_are_one_are_refused() {
        let told = wrong("[{url: 'https://example.com', secret: {env: NO_SUCH_VARIABLE_HERE}}]");
        assert!(told.contains("NO_SUCH_VARIABLE_HERE"), "{told}");
        let one = "{url: 'https://example.com/hush', secret: {env: PATH}}";
        let told = wrong(&format!("[{one}, {one}]"));
        assert!(told.contains("an `id` of its own") && !told.contains("hush"), "{told}");
    }

    #[test]
    fn plain_http_goes_to_this_machine_or_where_it_is_allowed() {
        let hooks = "[{url: 'http://127.0.0.1:1', secret: {env: PATH}},
            {url: 'http://[::1]:1', secret: {env: PATH}},
            {url: 'http://localhost:1', secret: {env: PATH}},
            {url: 'http://hooks.internal', secret: {env: PATH}, allow_http: true}]";
        let text = format!("environments: {{dev: {{webhooks: {hooks}}}}}");
        assert_eq!(Hooks::read(&ServeConfig::parse(&text).unwrap()).unwrap().all().len(), 4);
    }
}
