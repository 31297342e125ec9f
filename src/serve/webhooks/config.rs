//! `webhooks` of an environment, as `serve.yaml` has them.

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Host, Url};

use crate::error::Error;
use crate::serve::secret::SecretSource;

/// Whom the steps of jobs are told to.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// What it is known by, in the environment. Default: made of its address. With one, what waits
    /// follows to a new address.
    #[serde(default)]
    pub id: Option<String>,
    /// Where each step is posted to: `https`, or `http` on this machine. It may be `{env: NAME}` or
    /// `{file: PATH}`.
    pub url: Address,
    /// What it is signed with. One that begins with `whsec_` is base64 after that.
    pub secret: SecretSource,
    /// Only these steps. Default: all.
    #[serde(default)]
    pub events: Vec<Step>,
    /// Only jobs of these flows. Default: of all.
    #[serde(default)]
    pub flows: Option<Vec<String>>,
    /// Plain `http` to another machine: for a network that nobody else is in. Default false.
    #[serde(default)]
    pub allow_http: bool,
}

/// An address, or where it stands.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Address {
    /// It stands here.
    Text(String),
    /// It is a secret.
    Secret(SecretSource),
}

impl std::fmt::Debug for Address {
    /// It may hold a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Address")
    }
}

/// A step of a job's life, by the hosted platform's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Step {
    /// It was queued.
    JobCreated,
    /// It has begun.
    ExportStarted,
    /// An error has ended it, or somebody while it ran.
    ExportFailed,
    /// Its records have come to their ends.
    JobCompleted,
    /// It was ended before it began.
    JobCanceled,
}

impl Step {
    /// The platform's name.
    pub(in crate::serve) fn as_str(self) -> &'static str {
        match self {
            Self::JobCreated => "JOB_CREATED",
            Self::ExportStarted => "EXPORT_STARTED",
            Self::ExportFailed => "EXPORT_FAILED",
            Self::JobCompleted => "JOB_COMPLETED",
            Self::JobCanceled => "JOB_CANCELED",
        }
    }
}

impl WebhookConfig {
    /// The address.
    ///
    /// # Errors
    /// What is wrong with it, without it: it may hold a secret.
    pub(super) fn address(&self) -> Result<Url, Error> {
        let text: SecretString = match &self.url {
            Address::Text(text) => text.as_str().into(),
            Address::Secret(source) => source.read()?,
        };
        let url = Url::parse(text.expose_secret())
            .map_err(|error| Error::usage("the `url` of a webhook is none").caused_by(error))?;
        match (url.scheme(), url.host()) {
            ("https", Some(_)) => Ok(url),
            ("http", Some(host)) if self.allow_http || is_this_machine(&host) => Ok(url),
            ("http", Some(host)) => Err(Error::usage(format!(
                "the webhook to `{host}` would go over the network in the clear"
            ))
            .hint(
                "give it an `https` address, or say `allow_http: true` where nobody else can listen",
            )),
            (scheme, _) => Err(Error::usage(format!(
                "a webhook is posted over `https`, not over `{scheme}`"
            ))),
        }
    }
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => *name == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::queue::State;

    #[test]
    fn steps_have_the_names_that_jobs_are_told_by() {
        for step in State::ALL.map(State::step) {
            let named: Step = serde_json::from_value(step.as_str().into()).unwrap();
            assert_eq!(named, step);
        }
    }
}
