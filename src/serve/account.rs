//! The account that a lane writes to: its connector, which stays warm, and its limit on calls, which all
//! lanes that write with one credential share.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::lane::LaneName;
use super::{lock, telemetry};
use crate::config::write_back::TokenFile;
use crate::config::{Identity, Loaded, of_values};
use crate::connector::http::Meter;
use crate::connector::{Budgets, Credential};
use crate::dispatch::concurrency::Limiter;
use crate::error::Error;
use crate::file::make_private_folder;
use crate::job::MAX_IN_FLIGHT;
use crate::job::setup::{Beside, Setup, setup, try_out};
use crate::store::Store;
use crate::text::hex;
use crate::vault::Vault;

/// An account that is ready.
pub(super) struct Account {
    pub(super) setup: Setup,
    pub(super) limiter: Arc<Limiter>,
    /// What it was made of.
    pub(super) of: Print,
}

/// A configuration, as far as it is to be told from another.
pub(super) type Print = [u8; 32];

/// Of a configuration.
pub(super) fn print(values: &Map<String, Value>) -> Print {
    Sha256::digest(serde_json::to_vec(values).unwrap_or_default()).into()
}

/// Where the tokens are that a remote has given in the place of those of a configuration.
pub(super) struct TokenFolder<'a> {
    pub(super) data: &'a Path,
    pub(super) vault: Option<&'a Arc<Vault>>,
    /// Who looks whether there is one, and makes it.
    pub(super) making: &'a Mutex<()>,
}

/// What has one limit: an account, and what is written to it with.
type Shared = (String, Option<Credential>);

/// What an account is opened with.
pub(super) struct With<'a> {
    pub(super) tokens: TokenFolder<'a>,
    pub(super) limits: &'a Limits,
    pub(super) meter: Meter,
}

/// The limits that accounts share.
#[derive(Debug, Default)]
pub(super) struct Limits {
    calls: Mutex<HashMap<Shared, Weak<Limiter>>>,
    rates: Budgets,
    /// See [`TokenFolder`].
    pub(super) making: Mutex<()>,
}

impl Limits {
    /// The limit on calls at once of all that write to an account with one credential: the least that one
    /// of them names.
    fn calls(&self, name: &LaneName, setup: &Setup) -> Arc<Limiter> {
        let most = setup.config.max_in_flight.unwrap_or(MAX_IN_FLIGHT);
        let new = || Arc::new(Limiter::counted(most, telemetry::throttled(name)));
        if setup.sandbox.is_some() {
            // Each has its own.
            return new();
        }
        let mut known = lock(&self.calls);
        known.retain(|_, limiter| limiter.strong_count() > 0);
        let of = (setup.namespace.clone(), setup.credential);
        if let Some(limiter) = known.get(&of).and_then(Weak::upgrade) {
            limiter.cap(most);
            return limiter;
        }
        let limiter = new();
        known.insert(of, Arc::downgrade(&limiter));
        limiter
    }
}

fn loaded(name: &LaneName, mut values: Map<String, Value>) -> Result<Loaded, Error> {
    values.entry("connector").or_insert_with(|| name.connector.as_str().into());
    of_values(values, &format!("the configuration of `{name}`"))
}

impl Account {
    /// Refuses what no account can be opened with, without a call. What is odd about it, as keys that
    /// nobody knows.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub(super) fn try_out(
        name: &LaneName,
        values: Map<String, Value>,
    ) -> Result<Vec<String>, Error> {
        let loaded = loaded(name, values)?;
        let warnings = loaded.warnings.clone();
        try_out(loaded).map(|()| warnings)
    }

    /// Makes the connector of a lane, and asks the remote nothing. `store`: the lane's.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub(super) async fn unasked(
        name: &LaneName,
        mut values: Map<String, Value>,
        store: &Path,
        with: &With<'_>,
    ) -> Result<Setup, Error> {
        values.insert("store".to_owned(), store.to_string_lossy().into());
        let token_file = with.tokens.of(&mut values)?;
        let mut loaded = loaded(name, values)?;
        loaded.token_file = token_file;
        for warning in &loaded.warnings {
            tracing::warn!("{name}: {warning}");
        }
        // The platform's clients name ids as it does.
        loaded.config.identity.get_or_insert(Identity::Platform);
        let beside = Beside { budgets: with.limits.rates.clone(), meter: with.meter.clone() };
        setup(loaded, None, beside).await
    }

    /// Makes the connector of a lane. `store`: the lane's.
    ///
    /// # Errors
    /// What is wrong with the configuration, or that the remote does not say whose account it is.
    pub(super) async fn open(
        name: &LaneName,
        values: Map<String, Value>,
        store: &Store,
        with: &With<'_>,
    ) -> Result<Self, Error> {
        let of = print(&values);
        let mut setup = Self::unasked(name, values, store.path(), with).await?;
        setup.ask_account().await?;
        if let Some(without) = &setup.without_account {
            store.refuse_other_namespace(&setup.namespace, without)?;
        }
        let limiter = with.limits.calls(name, &setup);
        Ok(Self { setup, limiter, of })
    }
}

impl TokenFolder<'_> {
    /// The file of what has replaced the refresh token in `values`, named by that; what it holds is put
    /// over them. `None` where there is no such token.
    fn of(&self, values: &mut Map<String, Value>) -> Result<Option<TokenFile>, Error> {
        const KEY: &str = "refresh_token";
        let token = values.get(KEY).and_then(Value::as_str).map(str::trim);
        let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
        let path = self.path(token);
        let _making = lock(self.making);
        let file = TokenFile::new(path.clone(), self.vault.cloned());
        let failed = |error: std::io::Error| {
            Error::usage(format!("new tokens cannot be kept in `{}`", path.display()))
                .caused_by(error)
                .hint("set `encryption_key` as it was, and let the service write there; or log in anew")
        };
        if path.exists() {
            for (key, value) in file.read().map_err(failed)? {
                if let Ok(value) = serde_json::from_str(value.get()) {
                    values.insert(key, value);
                }
            }
        } else {
            make_private_folder(path.parent().unwrap_or(self.data)).map_err(failed)?;
            let first = Map::from_iter([(KEY.to_owned(), token.into())]);
            file.make(&first).map_err(failed)?;
        }
        Ok(Some(file))
    }

    fn path(&self, token: &str) -> PathBuf {
        let name = hex(&Sha256::digest(token)[..16]);
        self.data.join("tokens").join(format!("{name}.json"))
    }
}
