//! Why a connector cannot be built, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::contract::RequestError;

/// Below this likeness, from 0 to 1, a name is no slip of another.
const MIN_LIKENESS: f64 = 0.7;

/// Why a connector cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No connector has this name.
    #[error("unknown connector{}", where_near(name, nearest.is_some()))]
    Unknown {
        /// As asked for.
        name: String,
        /// A name that it may be a slip of.
        nearest: Option<String>,
    },
    /// The config lacks a key.
    #[error("the config has no `{key}`")]
    MissingKey {
        /// Of the config.
        key: String,
        /// What to do.
        hint: String,
    },
    /// A value of the config cannot be used.
    #[error("{message}")]
    Setting {
        /// For people; holds no secret.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The manifest's file cannot be read.
    #[error("the manifest{} cannot be read: {source}", where_path(path, nearest.is_some()))]
    Read {
        /// Of the manifest.
        path: PathBuf,
        /// What the system says; the message has it.
        #[source]
        source: io::Error,
        /// A built-in manifest that may be meant.
        nearest: Option<String>,
    },
    /// The manifest says something unknown or impossible.
    #[error("{file}:{line}:{column}: {message}")]
    Manifest {
        /// Path or name of the manifest.
        file: String,
        /// From 1; 0 when no place is to blame.
        line: u64,
        /// From 1; 0 when no place is to blame.
        column: u64,
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// No token can be had.
    #[error(transparent)]
    Token(#[from] RequestError),
}

impl BuildError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let meant = |nearest: &Option<String>| {
            nearest.as_ref().map(|nearest| format!("did you mean `{nearest}`?"))
        };
        match self {
            Self::Unknown { nearest, .. } => meant(nearest).or_else(|| {
                let names = super::built_in().iter().map(|connector| connector.name);
                Some(format!("the connectors are: {}", names.collect::<Vec<_>>().join(", ")))
            }),
            Self::Read { nearest, .. } => meant(nearest).or_else(|| {
                let hint = "set `manifest` to the path of a YAML file, as seen from the folder \
                            that the program runs in";
                Some(hint.to_owned())
            }),
            Self::MissingKey { hint, .. } => Some(hint.clone()),
            Self::Setting { hint, .. } | Self::Manifest { hint, .. } => hint.clone(),
            Self::Token(_) => None,
        }
    }
}

/// A word of the config, where it is near to one that is known; any other may be a credential that
/// has come under the wrong key.
pub(crate) fn where_near(word: &str, is_near: bool) -> String {
    if is_near { format!(" `{word}`") } else { String::new() }
}

/// The same of what should be a path, and is told where it looks like one.
fn where_path(path: &Path, is_near: bool) -> String {
    let is_path = path.components().count() > 1 || path.extension().is_some();
    where_near(&path.display().to_string(), is_near || is_path)
}

/// The one of `names` that `name` is most likely a slip of.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let scored = names.map(|known| (strsim::jaro_winkler(name, known), known));
    let best = scored.filter(|(likeness, _)| *likeness >= MIN_LIKENESS);
    best.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known.to_owned())
}
