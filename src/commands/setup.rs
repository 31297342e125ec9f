//! The configuration that the command line names.

use std::path::Path;

use super::Called;
use crate::cli::Configured;
use crate::config::{self, Loaded, Source};
use crate::error::Error;

/// Reads the configuration that the command line names, and tells what is odd about it.
pub(super) fn load(configured: &Configured, called: &Called) -> Result<Loaded, Error> {
    let loaded = read(configured, called)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok(loaded)
}

/// The same, without a word.
pub(super) fn read(configured: &Configured, called: &Called) -> Result<Loaded, Error> {
    let sources: Vec<Source> = configured.sources().collect();
    let variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let mut loaded = config::load(&sources, &called.prefix(), called.connector(), &variables)?;
    if let Some(name) = &configured.sandbox {
        loaded.config.sandbox = Some(name.clone());
    }
    if let Some(store) = &configured.store {
        loaded.config.store.clone_from(store);
    }
    refuse_no_file(&loaded.config.store)?;
    Ok(loaded)
}

/// Before anything is made beside it: what stands in the store's place must be a file.
pub(super) fn refuse_no_file(store: &Path) -> Result<(), Error> {
    match std::fs::metadata(store) {
        Ok(place) if !place.is_file() => {
            let error = Error::usage(format!("the store `{}` is no file", store.display()));
            Err(if place.is_dir() {
                error.hint(format!("name a file in it: `{}`", store.join("store.db").display()))
            } else {
                error.hint("name a file with `--store`")
            })
        }
        _ => Ok(()),
    }
}
