//! The remotes: what a connector promises, and each one that is built in.
//!
//! [`contract`] is what the pipeline sees. [`http`] is the room that all connectors share.
//! [`rest`] is the one that needs no Rust: a manifest says how its remote is spoken to. [`api`]
//! posts to one address. [`hubspot`] and [`salesforce`] are CRMs, to which `country` gives the
//! platform's names of countries; [`netsuite`] keeps books. A [`shape`] is how records are made ready
//! for a remote; [`bulk`] jobs are batches that one works through in its own time; [`budgets`] are
//! what a credential may do, an [`exchange`] is what went over the wire; `parts` is of records that
//! take several calls, `once` of what is told once, `stop` of what ends a job's calls.

pub mod api;
pub mod budgets;
pub mod bulk;
pub mod capabilities;
pub mod contract;
mod country;
pub(crate) mod error;
pub mod exchange;
pub mod http;
pub mod hubspot;
pub mod netsuite;
mod once;
mod parts;
mod request_error;
pub mod rest;
pub mod salesforce;
pub mod shape;
pub(crate) mod stop;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use budgets::{Budgets, Credential};
pub use contract::Connector;
pub use error::BuildError;

use crate::config::RateLimit;
use crate::config::environment::Environment;
use crate::config::write_back::TokenFile;
use crate::config::wrong::without_value;
use crate::connector::http::Meter;
use crate::record::StreamName;

/// What a connector is built from.
#[derive(Clone, Default)]
pub struct Settings {
    /// The whole merged config, secrets included.
    pub values: Map<String, Value>,
    /// Where the remote is, over the connector's own address.
    pub base_url: Option<String>,
    /// The file that new tokens are written back to.
    pub config_file: Option<TokenFile>,
    /// From sending one call to the last byte of its answer.
    pub timeout: Duration,
    /// The `User-Agent` of all requests.
    pub user_agent: String,
    /// Of single streams, by name; `*` for all others.
    pub streams: IndexMap<String, StreamSettings>,
    /// `lookup_fields` by stream, in any case, for streams that have none of their own.
    pub lookup_fields: IndexMap<String, Vec<String>>,
    /// Over what the connector declares.
    pub rate_limit: Option<RateLimit>,
    /// Where the limits of its credential are found, for all that write with it.
    pub budgets: Budgets,
    /// What the platform says of the job.
    pub environment: Environment,
    /// What counts its calls.
    pub meter: Meter,
    /// The folder for what a remote has told of itself, so that it need not be asked each time.
    pub cache: Option<PathBuf>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("keys", &self.values.keys().collect::<Vec<_>>())
            .field("config_file", &self.config_file)
            .field("timeout", &self.timeout)
            .field("streams", &self.streams)
            .field("rate_limit", &self.rate_limit)
            .finish_non_exhaustive()
    }
}

/// What the user says of one stream, over what the connector declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamSettings {
    /// The remote's name for what the stream writes to.
    pub object: Option<String>,
    /// Where the remote keeps the external id.
    pub external_id_property: Option<String>,
    /// The properties by which its records are found.
    pub lookup_fields: Option<Vec<String>>,
}

/// One connector, for lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltIn {
    /// As in the config key `connector`.
    pub name: &'static str,
    /// One line for people.
    pub description: &'static str,
    /// What it can send at once, one line for people.
    pub limits: &'static str,
}

/// All connectors, by name.
pub fn built_in() -> &'static [BuiltIn] {
    const ALL: &[BuiltIn] = &[
        BuiltIn {
            name: "rest",
            description: "Any HTTP API with JSON, as a manifest describes it",
            limits: "as the manifest says",
        },
        BuiltIn {
            name: "hubspot",
            description: "HubSpot's CRM: contacts, companies, deals and any other object",
            limits: "100 records a call; calls as the account may make, 5 searches a second",
        },
        BuiltIn {
            name: "salesforce",
            description: "Salesforce: any object of an org, by its external ids",
            limits: "200 records a call, up to a part of the day's quota",
        },
        BuiltIn {
            name: "netsuite",
            description: "NetSuite: any record type of an account, and its books in the unified schema",
            limits: "one record a call, five calls at once, or as the account lets through",
        },
        BuiltIn {
            name: "api",
            description: "One address that takes posts, with the keys of the platform's target-api",
            limits: "as `batch_size` and `max_size_in_bytes` say; it is never asked what it has",
        },
    ];
    ALL
}

/// The JSON Schema of a connector's own config keys, where they are fixed.
pub fn config_schema(name: &str) -> Option<Value> {
    match name {
        "api" => Some(schemars::schema_for!(api::ApiConfig).to_value()),
        "hubspot" => Some(schemars::schema_for!(hubspot::HubSpotConfig).to_value()),
        "salesforce" => Some(schemars::schema_for!(salesforce::SalesforceConfig).to_value()),
        "netsuite" => Some(schemars::schema_for!(netsuite::NetSuiteConfig).to_value()),
        _ => None,
    }
}

/// The keys of a connector's own, out of a config.
fn own_keys<T: DeserializeOwned>(values: &Map<String, Value>) -> Result<T, BuildError> {
    serde_path_to_error::deserialize(Value::Object(values.clone())).map_err(|error| {
        let path = error.path().to_string();
        let message = format!("config key `{path}`: {}", without_value(error.inner()));
        BuildError::Setting { message, hint: None }
    })
}

/// What a config says of a stream: under its name, or for all.
fn of_stream<'a>(
    all: &'a IndexMap<String, StreamSettings>,
    stream: &StreamName,
) -> Option<&'a StreamSettings> {
    all.get(stream.as_str()).or_else(|| all.get("*"))
}

/// A text that says something.
fn given(value: Option<&String>) -> Option<&str> {
    value.map(|text| text.trim()).filter(|text| !text.is_empty())
}

fn wrong(message: impl Into<String>, hint: Option<&str>) -> BuildError {
    BuildError::Setting { message: message.into(), hint: hint.map(str::to_owned) }
}

/// A connector, ready for a job.
#[derive(Debug)]
pub struct Built {
    /// The remote.
    pub connector: Arc<dyn Connector>,
    /// The namespace of its ids, where the config gives none: connector, host and account.
    pub namespace: String,
    /// What it writes with, if it uses one.
    pub credential: Option<Credential>,
}

/// Builds the connector `name`. No I/O but the reading of a manifest.
///
/// # Errors
/// When there is no such connector, or `settings` lack what it needs.
pub fn build(name: &str, settings: Settings) -> Result<Built, BuildError> {
    match name {
        "rest" => {
            let rest = rest::Rest::build(settings)?;
            let (namespace, credential) =
                (rest.namespace().to_owned(), rest.authorizer().credential());
            Ok(Built { connector: Arc::new(rest), namespace, credential })
        }
        "hubspot" => hubspot::build(settings),
        "salesforce" => salesforce::build(settings),
        "netsuite" => netsuite::build(settings),
        "api" => api::build(settings),
        _ => Err(unknown(name)),
    }
}

/// The token that the connector `name` would send now, renewed if it is due. New tokens are
/// written back as in a job.
///
/// # Errors
/// As [`build`], and when no token can be had.
pub async fn access_token(name: &str, settings: Settings) -> Result<String, BuildError> {
    match name {
        "rest" => {
            let token = rest::Rest::build(settings)?.access_token().await?;
            Ok(token.expose_secret().to_owned())
        }
        "hubspot" => {
            let token = hubspot::HubSpot::build(settings)?.access_token().await?;
            Ok(token.expose_secret().to_owned())
        }
        "salesforce" => {
            let token = salesforce::Salesforce::build(settings)?.access_token().await?;
            Ok(token.expose_secret().to_owned())
        }
        "netsuite" => {
            let token = netsuite::NetSuite::build(settings)?.access_token().await?;
            Ok(token.expose_secret().to_owned())
        }
        // In the platform's words, which its callers look for.
        "api" => Err(BuildError::Setting {
            message: "Fetch access token support is not implemented".to_owned(),
            hint: None,
        }),
        _ => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> BuildError {
    let names = built_in().iter().map(|connector| connector.name);
    BuildError::Unknown { name: name.to_owned(), nearest: error::nearest(name, names) }
}
