//! What a job needs first: the connector that a configuration names, and the sandbox.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::config::environment::Environment;
use crate::config::write_back::TokenFile;
use crate::config::{Config, Loaded, StreamOptions};
use crate::connector::contract::{Account, CheckLine, Connector, RequestError, StreamSchema};
use crate::connector::error::{nearest, where_near};
use crate::connector::http::Meter;
use crate::connector::{self, Budgets, BuildError, Built, Credential, Settings, StreamSettings};
use crate::dispatch::no_token;
use crate::error::Error;
use crate::record::StreamName;
use crate::sandbox::{self, Running};
use crate::store;

/// A configuration, with the remote that it names.
#[derive(Debug)]
pub(crate) struct Setup {
    /// Ours, typed.
    pub(crate) config: Config,
    /// The remote.
    pub(crate) connector: Arc<dyn Connector>,
    /// What it writes with.
    pub(crate) credential: Option<Credential>,
    /// Connector and account; without the account, where only the remote can tell it: see
    /// [`Setup::ask_account`].
    pub(crate) namespace: String,
    /// The namespace is the config's own, or the sandbox's.
    is_named: bool,
    /// The namespace without an account, where one was asked for.
    pub(crate) without_account: Option<String>,
    /// The store's file.
    pub(crate) store: PathBuf,
    /// Serves as long as this lives.
    pub(crate) sandbox: Option<Running>,
}

/// What a connector shares with others. One that is alone has its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    /// The limits of its credential.
    pub(crate) budgets: Budgets,
    /// Counts its calls.
    pub(crate) meter: Meter,
}

fn connector_name(config: &Config, called: Option<&str>) -> Result<String, Error> {
    let named = config.connector.clone();
    let named = named.or_else(|| called.map(str::to_owned));
    named.or_else(|| config.sandbox.clone()).ok_or_else(|| {
        Error::usage("nothing says which remote to write to").hint(
            "name your config with `--config FILE` and set `connector` in it, or try it without any account: \
             target-upsert --sandbox rest --input fixtures/singer/contacts.jsonl",
        )
    })
}

/// What the connector is made of, without making it: its name and settings.
pub(crate) fn settings_alone(
    loaded: Loaded,
    called: Option<&str>,
) -> Result<(String, Settings), Error> {
    let name = connector_name(&loaded.config, called)?;
    Ok((name, settings(&loaded.config, loaded.values.0, loaded.token_file, Beside::default())))
}

/// Refuses a configuration that no connector can be made of. Nothing is called.
///
/// # Errors
/// Exit code 2, as of [`setup`].
pub(crate) fn try_out(loaded: Loaded) -> Result<(), Error> {
    if loaded.config.sandbox.is_some() {
        // What it lacks, the sandbox gives.
        return connector_name(&loaded.config, None).map(drop);
    }
    let (name, settings) = settings_alone(loaded, None)?;
    connector::build(&name, settings).map(drop).map_err(|error| unusable(&error))
}

fn unusable(error: &BuildError) -> Error {
    Error::usage(error.to_string()).hint_if(error.hint().as_deref())
}

/// Makes the connector, and starts the sandbox if it is asked for. `beside`: what it shares
/// with others that write.
pub(crate) async fn setup(
    loaded: Loaded,
    called: Option<&str>,
    beside: Beside,
) -> Result<Setup, Error> {
    let Loaded { mut config, values, token_file, .. } = loaded;
    let name = connector_name(&config, called)?;
    let mut values = values.0;
    let sandbox = match config.sandbox.clone() {
        Some(remote) => Some(start_sandbox(&remote, &mut config, &mut values).await?),
        None => None,
    };
    let token_file = if sandbox.is_some() { None } else { token_file };
    let settings = settings(&config, values, token_file, beside);
    let Built { connector, namespace, credential } =
        connector::build(&name, settings).map_err(|error| unusable(&error))?;
    let is_named = config.namespace.is_some() || config.sandbox.is_some();
    let namespace = match &config.namespace {
        Some(given) => given.clone(),
        // Its port is another one each time.
        None if config.sandbox.is_some() => format!("{name}@sandbox"),
        None => namespace,
    };
    let store = config.store.clone();
    Ok(Setup {
        config,
        connector,
        credential,
        namespace,
        is_named,
        without_account: None,
        store,
        sandbox,
    })
}

/// Times that a remote is asked for something, before the job is given up.
const ASKS: u32 = 4;

impl Setup {
    /// Asks the remote whether these streams can be written; where none is named, those that the config
    /// names. `create` makes what they need and the remote lacks.
    pub(crate) async fn check(&self, streams: &[StreamName], create: bool) -> Vec<CheckLine> {
        let named = self.config.streams.keys().filter(|name| *name != "*");
        let named: Vec<_> = named.map(|name| StreamName::new(&**name)).collect();
        let streams = if streams.is_empty() { &named } else { streams };
        self.connector.check(streams, create).await
    }

    /// Asks the remote whose account it is, where that tells ids apart and nobody has said so.
    ///
    /// # Errors
    /// Exit code 3: under another namespace, records that are known would be made a second time.
    pub(crate) async fn ask_account(&mut self) -> Result<(), Error> {
        if self.is_named {
            return Ok(());
        }
        match patiently(|| self.connector.account()).await {
            Ok(account) => {
                if account != Account::Unneeded {
                    self.without_account = Some(self.namespace.clone());
                }
                if let Account::Told(account) = account {
                    self.namespace.push_str(&format!("/{account}"));
                }
                Ok(())
            }
            Err(error) => Err(of_refused(error, "cannot learn whose account it is", || {
                "see `target-upsert check`; or set `namespace` in the config, which is then what tells \
                 this account's ids from another's"
                    .to_owned()
            })),
        }
    }
}

/// Has the connector learn of a stream what the remote alone can tell.
///
/// # Errors
/// Exit code 3. That the remote has no such object is said of the stream's records.
pub(crate) async fn learn(
    connector: &Arc<dyn Connector>,
    schema: &StreamSchema<'_>,
) -> Result<(), Error> {
    match patiently(|| connector.learn(schema)).await {
        Ok(()) | Err(RequestError::Refused { .. } | RequestError::Forbidden { .. }) => Ok(()),
        Err(error) => {
            let what = format!("cannot learn what the remote has for stream `{}`", schema.stream);
            let hint = || "see `target-upsert check`, then run the same input again".to_owned();
            Err(of_refused(error, &what, hint))
        }
    }
}

/// Asks a remote that does not answer a few times more.
async fn patiently<T, F>(ask: impl Fn() -> F) -> Result<T, RequestError>
where
    F: Future<Output = Result<T, RequestError>>,
{
    let mut asked = 1;
    loop {
        match ask().await {
            Err(RequestError::Unreachable(_) | RequestError::Throttled { .. }) if asked < ASKS => {
                tokio::time::sleep(Duration::from_secs(asked.into())).await;
                asked += 1;
            }
            answer => return answer,
        }
    }
}

/// What ends a job that could not ask.
fn of_refused(error: RequestError, what: &str, hint: impl Fn() -> String) -> Error {
    match error {
        error @ (RequestError::Unauthorized(_) | RequestError::NotKept(_)) => no_token(&error),
        error => Error::remote(what.to_owned()).caused_by(error).hint(hint()),
    }
}

fn settings(
    config: &Config,
    values: Map<String, Value>,
    config_file: Option<TokenFile>,
    beside: Beside,
) -> Settings {
    let of = |options: &StreamOptions| StreamSettings {
        object: options.object.clone(),
        external_id_property: options.external_id_property.clone(),
        lookup_fields: options.lookup_fields.as_ref().map(|fields| fields.names().to_vec()),
    };
    let streams: IndexMap<String, StreamSettings> =
        config.streams.iter().map(|(name, options)| (name.clone(), of(options))).collect();
    let agent = values.get("user_agent").and_then(Value::as_str).map(str::to_owned);
    Settings {
        base_url: config.base_url.clone(),
        config_file,
        timeout: config.timeout_secs.duration(),
        user_agent: agent
            .unwrap_or_else(|| concat!("target-upsert/", env!("CARGO_PKG_VERSION")).to_owned()),
        streams,
        lookup_fields: config
            .lookup_fields
            .iter()
            .map(|(name, fields)| (name.clone(), fields.names().to_vec()))
            .collect(),
        rate_limit: config.rate_limit,
        budgets: beside.budgets,
        environment: Environment::read(),
        meter: beside.meter,
        cache: (config.store != Path::new(":memory:"))
            .then(|| config.store.parent().unwrap_or(Path::new("")).to_owned()),
        values,
    }
}

/// The sandbox's records are kept beside the store, so that a second run finds what the first one
/// wrote.
async fn start_sandbox(
    remote: &str,
    config: &mut Config,
    values: &mut Map<String, Value>,
) -> Result<Running, Error> {
    if !sandbox::NAMES.contains(&remote) {
        let told = where_near(remote, nearest(remote, sandbox::NAMES.into_iter()).is_some());
        return Err(Error::usage(format!("there is no such sandbox{told}"))
            .hint(format!("the sandboxes are: {}", sandbox::NAMES.join(", "))));
    }
    let data = if config.store == Path::new(":memory:") {
        None
    } else {
        let folder = config.store.parent().unwrap_or(Path::new("")).to_owned();
        Some(folder.join(format!("sandbox-{remote}.jsonl")))
    };
    if data.is_some() {
        store::make_folder(&config.store)?;
    }
    let options = sandbox::Options { data, ..sandbox::Options::default() };
    let running = sandbox::start(options).await.map_err(sandbox_failed)?;
    let url = format!("http://{}", running.address());
    tracing::info!(%url, "The sandbox is up: a simulated remote, no account is touched.");
    config.base_url = Some(url);
    if remote == "rest" && config.manifest.is_none() {
        config.manifest = Some("sandbox".to_owned());
        values.insert("manifest".to_owned(), "sandbox".into());
    }
    for key in ["refresh_token", "private_key"] {
        values.remove(key);
    }
    values.extend(sandbox_credentials(remote));
    Ok(running)
}

/// The keys of a config by which a sandbox lets the connector in.
pub(crate) fn sandbox_credentials(remote: &str) -> impl Iterator<Item = (String, Value)> {
    let keys = sandbox::credentials(remote).iter();
    keys.map(|(key, value)| ((*key).to_owned(), (*value).into()))
}

pub(crate) fn sandbox_failed(error: sandbox::SandboxError) -> Error {
    Error::usage("the sandbox does not start").caused_by(error)
}
