//! The config file that tokens come from and are kept in. Several jobs may share one, and where
//! refresh tokens rotate, each renewal ends what the others have read.

use std::fs::{File, TryLockError, canonicalize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep};

use crate::config::write_back::TokenFile;
use crate::connector::contract::RequestError;
use crate::file::{beside, open_lock};

/// Other jobs are waited for so long: each asks its endpoint once, with a timeout of its own.
const PATIENCE: Duration = Duration::from_secs(120);
/// So long until the next look.
const PAUSE: Duration = Duration::from_millis(50);

/// The file, and what it held.
pub(super) struct Keeper {
    file: TokenFile,
    /// What comes through a pipe can be kept nowhere, and is known to be so.
    is_file: bool,
    /// The refresh token that stood there when it was last looked at or written.
    seen: Mutex<Option<String>>,
}

/// Holds off the other jobs until it is dropped.
pub(super) type Turn = Option<File>;

impl Keeper {
    /// Of a config file, and the refresh token that was read there. Since then, another one may have come.
    pub(super) fn new(file: TokenFile, read: &SecretString) -> Self {
        // A pipe would be waited for.
        let is_file = file.path().is_file();
        let seen = Mutex::new(is_file.then(|| read.expose_secret().to_owned()));
        Self { file, is_file, seen }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Waits until no other job renews. Where a file system knows no locks, a renewal at the same
    /// moment is not held off.
    ///
    /// # Errors
    /// [`RequestError::NotKept`] when somebody holds the lock and does not let go.
    pub(super) async fn turn(&self) -> Result<Turn, RequestError> {
        if !self.is_file {
            return Ok(None);
        }
        let Ok((lock, name)) = lock_of(self.path()) else { return Ok(None) };
        let until = Instant::now() + PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Some(lock)),
                Err(TryLockError::Error(_)) => return Ok(None),
                Err(TryLockError::WouldBlock) if Instant::now() < until => sleep(PAUSE).await,
                Err(TryLockError::WouldBlock) => {
                    let text = format!(
                        "another process holds the lock on `{}`, for more than {} seconds; no new token \
                         was asked for",
                        name.display(),
                        PATIENCE.as_secs()
                    );
                    return Err(RequestError::NotKept(text.into()));
                }
            }
        }
    }

    /// The refresh token that another job has put into the file since.
    pub(super) fn newer(&self) -> Option<SecretString> {
        let now = self.is_file.then(|| refresh_token(&self.file)).flatten()?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_newer = seen.as_ref().is_some_and(|seen| *seen != now);
        is_newer.then(|| {
            *seen = Some(now.clone());
            now.into()
        })
    }

    /// Tries, before a token is asked for, what will be done with it.
    ///
    /// # Errors
    /// [`RequestError::NotKept`] when nothing can be written into the file.
    pub(super) async fn try_out(&self) -> Result<(), RequestError> {
        if !self.is_file {
            return Ok(());
        }
        self.put(Map::new()).await.map_err(|error| {
            self.not_kept(&format!(
                "no new token was asked for, since it could not be kept: {error}"
            ))
        })
    }

    /// Writes new values into the file.
    ///
    /// # Errors
    /// [`RequestError::NotKept`] when they are lost to the next job.
    pub(super) async fn write(&self, values: Map<String, Value>) -> Result<(), RequestError> {
        let refresh = values.get("refresh_token").and_then(Value::as_str).map(ToOwned::to_owned);
        if !self.is_file {
            // The job goes on: its records can still be written, and to end it brings no token
            // back.
            tracing::error!(
                path = self.path().display().to_string(),
                "The new tokens cannot be kept: the config is no file; the next job may need a new \
                 refresh token."
            );
            return Ok(());
        }
        self.put(values).await.map_err(|error| {
            self.not_kept(&format!("the new tokens could not be kept, and are lost: {error}"))
        })?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = refresh.or_else(|| seen.take());
        Ok(())
    }

    async fn put(&self, values: Map<String, Value>) -> io::Result<()> {
        let file = self.file.clone();
        tokio::task::spawn_blocking(move || file.write(&values)).await.map_err(io::Error::other)?
    }

    fn not_kept(&self, what: &str) -> RequestError {
        RequestError::NotKept(format!("config file `{}`: {what}", self.path().display()).into())
    }
}

/// What to lock, and its name: a file beside the config, for the config itself is replaced. Where
/// none can be made there, it is not replaced but written into, and can be locked.
fn lock_of(config: &Path) -> io::Result<(File, PathBuf)> {
    let config = canonicalize(config)?;
    let name = beside(&config, ".lock");
    match open_lock(&name) {
        Ok(lock) => Ok((lock, name)),
        Err(_) => Ok((File::open(&config)?, config)),
    }
}

fn refresh_token(file: &TokenFile) -> Option<String> {
    serde_json::from_str(file.read().ok()?.get("refresh_token")?.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Access;

    /// Another job may have renewed it between the reading and this.
    #[test]
    fn a_token_that_came_since_the_file_was_read_is_newer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let text = br#"{"refresh_token": "second"}"#;
        crate::file::replace(&path, Access::Owner, |out| io::Write::write_all(out, text)).unwrap();
        let newer = |read: &str| {
            let keeper = Keeper::new(path.clone().into(), &read.into());
            keeper.newer().map(|token| token.expose_secret().to_owned())
        };
        assert_eq!(newer("first").as_deref(), Some("second"));
        assert_eq!(newer("second"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_is_never_let_go_of_is_told_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        crate::file::replace(&path, Access::Owner, |out| io::Write::write_all(out, b"{}")).unwrap();
        let keeper = Keeper::new(path.clone().into(), &"old".into());
        // Whoever can read the folder or the config can lock them.
        for theirs in [folder.path(), &path] {
            let theirs = File::open(theirs).unwrap();
            theirs.lock().unwrap();
            assert!(keeper.turn().await.unwrap().is_some());
        }
        let (lock, name) = lock_of(&path).unwrap();
        lock.lock().unwrap();
        let error = keeper.turn().await.unwrap_err().to_string();
        assert!(error.contains(&*name.to_string_lossy()), "{error}");
        drop(lock);
        assert!(keeper.turn().await.unwrap().is_some());
    }
}
