//! For whom the service writes: the tenants of `serve.yaml`, and what was said of them, and of others,
//! over HTTP. The latter is kept encrypted, and read when a lane is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use axum::http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::watch;
use utoipa::ToSchema;

use super::auth::Keys;
use super::config::{ServeConfig, TenantConfig};
use super::lane::LaneName;
use super::problem::Problem;
use super::queue::{KeptKey, Queue};
use super::secret::resolved;
use crate::error::Error;
use crate::store::StoreError;
use crate::vault::Vault;

/// A tenant: its environment's id, and its own.
pub(super) type TenantName = (String, String);

/// All tenants.
#[derive(Debug)]
pub(super) struct Tenants {
    config: Arc<ServeConfig>,
    vault: Option<Arc<Vault>>,
    added: RwLock<BTreeMap<TenantName, Added>>,
    /// How often something was changed.
    changes: watch::Sender<u64>,
    /// One change at a time: what is on disk and what is known here are the same.
    changing: tokio::sync::Mutex<()>,
}

/// What was said of a tenant over HTTP.
#[derive(Clone, Debug, Default)]
struct Added {
    /// It is not in `serve.yaml`.
    is_new: bool,
    /// Its accounts, encrypted, by the connector's id: in the place of those in `serve.yaml`.
    connectors: BTreeMap<String, String>,
}

/// Where something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum SaidIn {
    /// In the configuration.
    File,
    /// Over HTTP.
    Api,
}

impl Tenants {
    /// Those of the configuration, and those that were kept.
    ///
    /// # Errors
    /// Exit code 2: the encryption key.
    pub(super) fn read(config: Arc<ServeConfig>, queue: &Queue) -> Result<Self, Error> {
        let vault = match &config.encryption_key {
            Some(source) => Some(Arc::new(Vault::new(&source.read()?)?)),
            None => None,
        };
        let mut added = BTreeMap::<TenantName, Added>::new();
        for name in queue.tenants()? {
            added.entry(name).or_default().is_new = true;
        }
        for (name, connector, sealed) in queue.accounts()? {
            added.entry(name).or_default().connectors.insert(connector, sealed);
        }
        let tenants = Self {
            config,
            vault,
            added: RwLock::new(added),
            changes: watch::Sender::new(0),
            changing: tokio::sync::Mutex::default(),
        };
        for ((environment, tenant), of) in &*tenants.added() {
            for connector in of.connectors.keys() {
                if let Err(error) = tenants.account(environment, tenant, connector) {
                    tracing::error!("{}", error.full_message());
                }
            }
        }
        Ok(tenants)
    }

    fn added(&self) -> RwLockReadGuard<'_, BTreeMap<TenantName, Added>> {
        self.added.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn added_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<TenantName, Added>> {
        let added = self.added.write().unwrap_or_else(PoisonError::into_inner);
        // Whoever sees this waits for the lock before it looks.
        self.changes.send_modify(|changes| *changes += 1);
        added
    }

    /// What tokens are kept with.
    pub(super) fn vault(&self) -> Option<&Arc<Vault>> {
        self.vault.as_ref()
    }

    /// How often something was changed: what was looked up before may be another now.
    pub(super) fn changes(&self) -> u64 {
        *self.changes.borrow()
    }

    /// Told of each change.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn in_file(&self, environment: &str, tenant: &str) -> Option<&TenantConfig> {
        self.config.environments.get(environment)?.tenants.get(tenant)
    }

    /// Where a tenant was named, if it was.
    pub(super) fn find(&self, environment: &str, tenant: &str) -> Option<SaidIn> {
        if self.in_file(environment, tenant).is_some() {
            return Some(SaidIn::File);
        }
        let name = (environment.to_owned(), tenant.to_owned());
        let is_known = self.config.environments.contains_key(environment);
        let is_added = self.added().get(&name).is_some_and(|added| added.is_new);
        (is_known && is_added).then_some(SaidIn::Api)
    }

    /// The tenants of an environment, in the order of their ids.
    pub(super) fn of(&self, environment: &str) -> Vec<String> {
        let in_file = self.config.environments.get(environment).into_iter();
        let mut all: BTreeSet<String> =
            in_file.flat_map(|place| place.tenants.keys().cloned()).collect();
        let added = self.added();
        let added = added.iter().filter(|((of, _), added)| of == environment && added.is_new);
        all.extend(added.map(|((_, tenant), _)| tenant.clone()));
        all.into_iter().filter(|tenant| self.find(environment, tenant).is_some()).collect()
    }

    /// The connectors that a tenant has accounts at, and where that was said.
    pub(super) fn connectors(&self, environment: &str, tenant: &str) -> BTreeMap<String, SaidIn> {
        let in_file = self.in_file(environment, tenant).into_iter();
        let mut all: BTreeMap<String, SaidIn> = in_file
            .flat_map(|tenant| tenant.connectors.keys().map(|id| (id.clone(), SaidIn::File)))
            .collect();
        if self.find(environment, tenant).is_some() {
            let added = self.added();
            let added = added.get(&(environment.to_owned(), tenant.to_owned()));
            let ids = added.into_iter().flat_map(|added| added.connectors.keys());
            all.extend(ids.map(|id| (id.clone(), SaidIn::Api)));
        }
        all
    }

    /// All lanes that there are.
    pub(super) fn lanes(&self) -> Vec<LaneName> {
        let environments = self.config.environments.keys();
        environments
            .flat_map(|environment| {
                let tenants = self.of(environment).into_iter();
                tenants.flat_map(|tenant| self.lanes_of(environment, &tenant))
            })
            .collect()
    }

    /// Those of a tenant.
    pub(super) fn lanes_of(&self, environment: &str, tenant: &str) -> Vec<LaneName> {
        let has = self.connectors(environment, tenant);
        let flows = self.config.environments.get(environment).into_iter();
        let flows = flows.flat_map(|place| &place.flows);
        flows
            .flat_map(|(flow, of)| {
                let both = of.connectors.keys().filter(|id| has.contains_key(*id));
                both.map(|connector| LaneName {
                    environment: environment.to_owned(),
                    flow: flow.clone(),
                    tenant: tenant.to_owned(),
                    connector: connector.clone(),
                })
            })
            .collect()
    }

    /// Refuses a lane that is none.
    ///
    /// # Errors
    /// 404 where there is no such environment, flow, connector or tenant, or the tenant has no account
    /// there.
    pub(super) fn check(&self, name: &LaneName) -> Result<(), Problem> {
        let LaneName { environment, flow, tenant, connector } = name;
        let found = self.config.flow(environment, flow)?;
        if !found.connectors.contains_key(connector) {
            let hint = format!("flow `{flow}` has: {}", found.ids());
            let missing = Problem::not_found(format!("there is no connector `{connector}`"));
            return Err(missing.hint(hint));
        }
        self.check_tenant(&(environment.clone(), tenant.clone()))?;
        if !self.connectors(environment, tenant).contains_key(connector) {
            let detail = format!("tenant `{tenant}` has no account at `{connector}`");
            return Err(Problem::not_found(detail).hint(format!(
                "give it one under `environments.{environment}.tenants.{tenant}.connectors` in the \
                 configuration, or with `PUT /api/v1/tenants/{environment}/{tenant}/connectors/{connector}`"
            )));
        }
        Ok(())
    }

    /// The configuration of a lane: the tenant's over the flow's.
    ///
    /// # Errors
    /// As [`check`](Self::check), and for secrets that cannot be read.
    pub(super) fn values(&self, name: &LaneName) -> Result<Map<String, Value>, Problem> {
        self.check(name)?;
        let LaneName { environment, tenant, connector, .. } = name;
        // Whoever asks can do nothing about it.
        let not_here = |error: Error| {
            tracing::error!(lane = %name, "An account cannot be opened: {}", error.full_message());
            Problem::of(StatusCode::SERVICE_UNAVAILABLE, &error).retry_after(60)
        };
        let mut values = self.of_flow(name)?.map_err(not_here)?;
        if let Some(account) = self.account(environment, tenant, connector).map_err(not_here)? {
            values.extend(account);
        } else if let Some(of) = self.in_file(environment, tenant)
            && let Some(account) = of.connectors.get(connector)
        {
            values.extend(resolved(account).map_err(not_here)?);
        }
        Ok(values)
    }

    /// What a lane's flow says of its connector, or what keeps its secrets from being read.
    ///
    /// # Errors
    /// 404 where there is no such flow.
    pub(super) fn of_flow(
        &self,
        name: &LaneName,
    ) -> Result<Result<Map<String, Value>, Error>, Problem> {
        let flow = self.config.flow(&name.environment, &name.flow)?;
        Ok(flow
            .connectors
            .get(&name.connector)
            .map_or_else(|| Ok(Map::new()), |connector| resolved(&connector.config)))
    }

    /// An account that was given over HTTP.
    fn account(
        &self,
        environment: &str,
        tenant: &str,
        connector: &str,
    ) -> Result<Option<Map<String, Value>>, Error> {
        let sealed = {
            let added = self.added();
            let added = added.get(&(environment.to_owned(), tenant.to_owned()));
            added.and_then(|added| added.connectors.get(connector).cloned())
        };
        let Some(sealed) = sealed else { return Ok(None) };
        let place = place(environment, tenant, connector);
        let vault = self.vault.as_ref().ok_or_else(no_key)?;
        let unreadable = |what: String| {
            Error::usage(format!("the account of `{place}` cannot be read: {what}"))
                .hint("set `encryption_key` as it was when it was given, or give it again")
        };
        let opened = vault.open(&place, &sealed).map_err(|error| unreadable(error.to_string()))?;
        serde_json::from_str(opened.expose_secret())
            .map(Some)
            .map_err(|_| unreadable("it is no config".to_owned()))
    }

    /// Refuses a tenant that is none.
    ///
    /// # Errors
    /// 404.
    pub(super) fn check_tenant(
        &self,
        (environment, tenant): &TenantName,
    ) -> Result<SaidIn, Problem> {
        let missing = || Problem::not_found(format!("there is no tenant `{tenant}`"));
        self.find(environment, tenant).ok_or_else(missing)
    }

    /// Adds a tenant, which has no account and no key, whoever had its id before. Whether it is new.
    ///
    /// # Errors
    /// 404 where there is no such environment.
    pub(super) async fn add(
        &self,
        queue: &Queue,
        keys: &Keys,
        name: TenantName,
    ) -> Result<bool, Problem> {
        let _changing = self.changing.lock().await;
        self.config.environment(&name.0)?;
        if self.check_tenant(&name).is_ok() {
            return Ok(false);
        }
        queue.add_tenant(name.clone()).await?;
        keys.forget(&name);
        self.added_mut().insert(name, Added { is_new: true, connectors: BTreeMap::new() });
        Ok(true)
    }

    /// Takes a tenant out, with its accounts and keys. What was written for it stays.
    ///
    /// # Errors
    /// 404 where there is none, 409 for one of `serve.yaml`.
    pub(super) async fn remove(
        &self,
        queue: &Queue,
        keys: &Keys,
        name: &TenantName,
    ) -> Result<(), Problem> {
        let _changing = self.changing.lock().await;
        if self.check_tenant(name)? == SaidIn::File {
            let detail = format!("tenant `{}` stands in the service's configuration", name.1);
            return Err(Problem::conflict(detail).hint("take it out there"));
        }
        queue.remove_tenant(name.clone()).await?;
        keys.forget(name);
        self.added_mut().remove(name);
        Ok(())
    }

    /// Makes a key for a tenant, which is told once; and what is known of it.
    ///
    /// # Errors
    /// 404 where there is no such tenant; as of [`Keys::make`].
    pub(super) async fn make_key(
        &self,
        queue: &Queue,
        keys: &Keys,
        name: TenantName,
    ) -> Result<(SecretString, KeptKey), Problem> {
        let _changing = self.changing.lock().await;
        self.check_tenant(&name)?;
        Ok(keys.make(queue, name).await?)
    }

    /// Gives a tenant an account at a connector, in the place of the one it had. Whether it had none.
    ///
    /// # Errors
    /// 404 where there is no such tenant, 503 where there is nothing to encrypt it with.
    pub(super) async fn set_account(
        &self,
        queue: &Queue,
        name: &TenantName,
        connector: &str,
        config: &Map<String, Value>,
    ) -> Result<bool, Problem> {
        let _changing = self.changing.lock().await;
        // It may have been taken out while the request was looked at.
        self.check_tenant(name)?;
        let (environment, tenant) = name.clone();
        let is_new = !self.connectors(&environment, &tenant).contains_key(connector);
        let no_vault = || Problem::of(StatusCode::SERVICE_UNAVAILABLE, &no_key());
        let vault = self.vault.as_ref().ok_or_else(no_vault)?;
        let text = serde_json::to_string(config).unwrap_or_default();
        let sealed = vault
            .seal(&place(&environment, &tenant, connector), &text)
            .map_err(|_| Error::ours("the system gives no random numbers"))?;
        queue.set_account(name.clone(), connector.to_owned(), Some(sealed.clone())).await?;
        let mut added = self.added_mut();
        added.entry(name.clone()).or_default().connectors.insert(connector.to_owned(), sealed);
        Ok(is_new)
    }

    /// Takes an account back that was given over HTTP: the one of `serve.yaml` counts again, if there is
    /// one. Whether there was any to take.
    ///
    /// # Errors
    /// What SQLite says.
    pub(super) async fn remove_account(
        &self,
        queue: &Queue,
        name: &TenantName,
        connector: &str,
    ) -> Result<bool, StoreError> {
        let _changing = self.changing.lock().await;
        queue.set_account(name.clone(), connector.to_owned(), None).await?;
        let mut added = self.added_mut();
        Ok(added.get_mut(name).is_some_and(|added| added.connectors.remove(connector).is_some()))
    }
}

/// What an account is encrypted for.
fn place(environment: &str, tenant: &str, connector: &str) -> String {
    let parts = [environment, tenant, connector];
    serde_json::to_string(&parts).unwrap_or_default()
}

fn no_key() -> Error {
    Error::usage("there is no `encryption_key`, which accounts are kept with").hint(
        "set `encryption_key` in the service's configuration: `openssl rand -base64 32` makes one",
    )
}
