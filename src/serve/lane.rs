//! A lane: one tenant's account at one connector, in one flow. It has a store of its own, a connector
//! that stays warm, and what the jobs in it share: whose turn it is, and how many calls may be under
//! way.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::config::{FlowConfig, ServeConfig};
use super::live::Live;
use super::problem::Problem;
use super::secret::resolved;
use crate::config::environment::Environment;
use crate::config::{Identity, of_values};
use crate::dispatch::concurrency::Limiter;
use crate::error::Error;
use crate::job::setup::{Setup, setup};
use crate::job::{Begins, Begun, MAX_IN_FLIGHT, beginning};
use crate::pipeline::Role;
use crate::resolve::turns::Turns;
use crate::store::Store;
use crate::store::jobs::Job;

/// Which lane.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct LaneName {
    pub(super) environment: String,
    pub(super) flow: String,
    pub(super) tenant: String,
    pub(super) connector: String,
}

impl fmt::Display for LaneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { environment, flow, tenant, connector } = self;
        write!(f, "{environment}/{flow}/{tenant}/{connector}")
    }
}

/// What is no part of a folder's name as it stands.
const UNSAFE: &AsciiSet = &CONTROLS
    .add(b'/')
    .add(b'\\')
    .add(b'%')
    .add(b'.')
    .add(b':')
    .add(b'*')
    .add(b'?')
    .add(b'"')
    .add(b'|');

impl LaneName {
    /// Its store, which may not be there yet.
    pub(super) fn store(&self, data: &Path) -> PathBuf {
        let Self { environment, flow, tenant, connector } = self;
        let parts = [environment, tenant, flow, connector];
        let mut folder = data.join("lanes");
        folder.extend(parts.map(|part| utf8_percent_encode(part, UNSAFE).to_string()));
        folder.join("store.db")
    }
}

/// A lane that is open.
pub(super) struct Lane {
    pub(super) name: LaneName,
    setup: Setup,
    store: Arc<Store>,
    limiter: Arc<Limiter>,
    turns: Arc<Turns>,
    /// What a killed job has left was found out.
    is_ready: OnceCell<()>,
    pub(super) live: tokio::sync::Mutex<Option<Arc<Live>>>,
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lane").field(&self.name.to_string()).finish()
    }
}

impl Lane {
    async fn open(name: LaneName, values: Map<String, Value>, data: &Path) -> Result<Self, Error> {
        let mut values = values;
        let store_path = name.store(data);
        values.insert("store".to_owned(), store_path.to_string_lossy().into());
        values.entry("connector").or_insert_with(|| name.connector.as_str().into());
        let mut loaded = of_values(values, &format!("the configuration of `{name}`"))?;
        for warning in &loaded.warnings {
            tracing::warn!("{name}: {warning}");
        }
        // The platform's clients name ids as it does.
        loaded.config.identity.get_or_insert(Identity::Platform);
        let mut setup = setup(loaded, None).await?;
        setup.ask_account().await?;
        let opening = tokio::task::spawn_blocking(move || Store::open(&store_path));
        let store = opening
            .await
            .map_err(|error| Error::ours("cannot open a store").caused_by(error))??;
        if let Some(without) = &setup.without_account {
            store.refuse_other_namespace(&setup.namespace, without)?;
        }
        let most = setup.config.max_in_flight.unwrap_or(MAX_IN_FLIGHT);
        Ok(Self {
            name,
            setup,
            store: Arc::new(store),
            limiter: Arc::new(Limiter::new(most)),
            turns: Arc::default(),
            is_ready: OnceCell::new(),
            live: tokio::sync::Mutex::new(None),
        })
    }

    /// The store.
    pub(super) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Begins a job. The first of a lane finds out what a killed one has left, and the others wait for
    /// that.
    pub(super) async fn begin(
        &self,
        role: Role,
        retries: Option<&Job>,
        stop: CancellationToken,
    ) -> Result<(Begun, Result<(), Error>), Error> {
        let begins = Begins {
            connector: Arc::clone(&self.setup.connector),
            namespace: self.setup.namespace.clone(),
            environment: Environment {
                flow: Some(self.name.flow.clone()),
                ..Environment::default()
            },
            retries,
            dry_run: false,
            limiter: Arc::clone(&self.limiter),
            turns: Arc::clone(&self.turns),
            role,
        };
        let begun = begins.begin(self.setup.config.clone(), Arc::clone(&self.store), stop).await?;
        let ready =
            self.is_ready.get_or_try_init(|| beginning::prepare(&begun, &[])).await.map(drop);
        Ok((begun, ready))
    }
}

/// The lanes that are open.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    open: Mutex<HashMap<LaneName, Arc<OnceCell<Arc<Lane>>>>>,
}

impl Lanes {
    /// Opens a lane, or finds it open.
    pub(super) async fn get(
        &self,
        config: &ServeConfig,
        name: &LaneName,
    ) -> Result<Arc<Lane>, Problem> {
        let cell = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(open.entry(name.clone()).or_default())
        };
        let lane = cell
            .get_or_try_init(|| async {
                let values = values_of(config, name)?;
                let lane = Lane::open(name.clone(), values, &config.data).await?;
                Ok::<_, Problem>(Arc::new(lane))
            })
            .await?;
        Ok(Arc::clone(lane))
    }

    /// One that is open.
    pub(super) fn find(&self, name: &LaneName) -> Option<Arc<Lane>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(name)?.get().cloned()
    }

    /// All that are open.
    pub(super) fn all(&self) -> Vec<Arc<Lane>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().filter_map(|cell| cell.get().cloned()).collect()
    }
}

/// All lanes that a configuration has.
pub(super) fn names(config: &ServeConfig) -> impl Iterator<Item = LaneName> {
    config.environments.iter().flat_map(move |(environment, place)| {
        place.tenants.keys().flat_map(move |tenant| names_of(config, environment, tenant))
    })
}

/// Those of a tenant.
pub(super) fn names_of(
    config: &ServeConfig,
    environment: &str,
    tenant: &str,
) -> impl Iterator<Item = LaneName> {
    let place = config.environments.get(environment);
    let has = place.and_then(|place| place.tenants.get(tenant)).map(|tenant| &tenant.connectors);
    let flows = place.into_iter().flat_map(|place| &place.flows);
    flows.flat_map(move |(flow, of)| {
        let both = move |id: &&String| has.is_some_and(|has| has.contains_key(*id));
        of.connectors.keys().filter(both).map(move |connector| LaneName {
            environment: environment.to_owned(),
            flow: flow.clone(),
            tenant: tenant.to_owned(),
            connector: connector.clone(),
        })
    })
}

/// A flow of an environment.
///
/// # Errors
/// 404 where there is no such environment or flow.
pub(super) fn flow_of<'a>(
    config: &'a ServeConfig,
    environment: &str,
    flow: &str,
) -> Result<&'a FlowConfig, Problem> {
    let missing = |what: &str, id: &str| Problem::not_found(format!("there is no {what} `{id}`"));
    let place = config.environments.get(environment);
    let place = place.ok_or_else(|| missing("environment", environment))?;
    place.flows.get(flow).ok_or_else(|| missing("flow", flow))
}

/// The configuration of a lane: the tenant's over the flow's.
///
/// # Errors
/// 404 where there is no such environment, flow or connector, or the tenant has none of it.
pub(super) fn values_of(
    config: &ServeConfig,
    name: &LaneName,
) -> Result<Map<String, Value>, Problem> {
    let LaneName { environment, flow, tenant, connector } = name;
    let missing = |what: &str, id: &str| Problem::not_found(format!("there is no {what} `{id}`"));
    let found = flow_of(config, environment, flow)?;
    let of_flow = found.connectors.get(connector).ok_or_else(|| {
        missing("connector", connector).hint(format!("flow `{flow}` has: {}", found.ids()))
    })?;
    let known = config.environments[environment].tenants.get(tenant);
    let known = known.ok_or_else(|| missing("tenant", tenant))?;
    let of_tenant = known.connectors.get(connector).ok_or_else(|| {
        Problem::not_found(format!("tenant `{tenant}` has no account at `{connector}`")).hint(
            format!("give it one under `environments.{environment}.tenants.{tenant}.connectors`"),
        )
    })?;
    let mut values = resolved(&of_flow.config)?;
    values.extend(resolved(of_tenant)?);
    Ok(values)
}
