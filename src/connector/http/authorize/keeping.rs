//! The config file that tokens come from and are kept in. Several jobs may share one, and where
//! refresh tokens rotate, each renewal ends what the others have read.

use std::fs::{File, canonicalize};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::config::write_back::write_back;

/// The file, and what it held.
pub(super) struct Keeper {
    path: PathBuf,
    /// The refresh token that stood there when it was last looked at or written.
    seen: Mutex<Option<String>>,
}

/// Holds off the other jobs until it is dropped.
pub(super) type Turn = Option<File>;

impl Keeper {
    /// Of the config file at `path`, which has just been read.
    pub(super) fn new(path: PathBuf) -> Self {
        let seen = Mutex::new(refresh_token(&path));
        Self { path, seen }
    }

    /// Waits until no other job renews. The folder is locked, for the file itself is replaced.
    /// Where that cannot be done, a renewal at the same moment is not held off.
    pub(super) async fn turn(&self) -> Turn {
        let path = self.path.clone();
        let lock = move || {
            let path = canonicalize(path).ok().filter(|path| path.is_file())?;
            let folder = File::open(path.parent()?).ok()?;
            folder.lock().ok()?;
            Some(folder)
        };
        tokio::task::spawn_blocking(lock).await.ok().flatten()
    }

    /// The refresh token that another job has put into the file since.
    pub(super) fn newer(&self) -> Option<SecretString> {
        let now = refresh_token(&self.path)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_newer = seen.as_ref().is_some_and(|seen| *seen != now);
        is_newer.then(|| {
            *seen = Some(now.clone());
            now.into()
        })
    }

    /// Writes new values into the file.
    pub(super) async fn write(&self, values: Map<String, Value>) {
        let path = self.path.clone();
        let refresh = values.get("refresh_token").and_then(Value::as_str).map(ToOwned::to_owned);
        let written = tokio::task::spawn_blocking(move || write_back(&path, &values)).await;
        let error = match written {
            Ok(Ok(())) => {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                *seen = refresh.or_else(|| seen.take());
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        // The job goes on: its records can still be written, and to end it brings no token back.
        tracing::error!(
            path = self.path.display().to_string(),
            error,
            "The new tokens could not be written to the config file; the next job may need a new \
             refresh token."
        );
    }
}

/// Nothing where `path` is no file: a pipe would be waited for.
fn refresh_token(path: &Path) -> Option<String> {
    path.is_file().then_some(())?;
    let config: Map<String, Value> = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    Some(config.get("refresh_token")?.as_str()?.to_owned())
}
