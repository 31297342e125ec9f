//! One process at a time may write to a store.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;
use crate::file::{beside, open_lock};

/// What stands behind the store's name in that of its lock.
pub const LOCK: &str = ".lock";

/// Holds the store until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct StoreLock {
    _file: File,
}

impl StoreLock {
    /// Takes the lock of the store at `path`: an advisory lock on a file beside it, which holds
    /// the owner's process id for people to read.
    ///
    /// # Errors
    /// Exit code 2 when another process has it.
    pub fn take(path: &Path) -> Result<Self, Error> {
        let lock_path = place(path);
        let failed = |error: std::io::Error| {
            Error::usage(format!("cannot lock the store `{}`", path.display()))
                .caused_by(error)
                .hint("name another place with `--store`")
        };
        let mut file = open_lock(&lock_path).map_err(failed)?;
        match patiently(&file) {
            Ok(()) => {
                let write = |file: &mut File| -> std::io::Result<()> {
                    file.set_len(0)?;
                    file.rewind()?;
                    writeln!(file, "{}", std::process::id())
                };
                // For people only: what a broken disk means, the store itself tells.
                drop(write(&mut file));
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // For the message only; an unreadable file changes nothing.
                let owner = match file.read_to_string(&mut owner) {
                    Ok(_) if !owner.trim().is_empty() => format!(" (process {})", owner.trim()),
                    _ => String::new(),
                };
                Err(Error::usage(format!(
                    "another process{owner} writes to the store `{}`",
                    path.display()
                ))
                .hint(
                    "wait until it has ended, or give this job a store of its own with `--store`",
                ))
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Whether a process has the store at `path`, as far as can be seen.
    pub fn is_taken(path: &Path) -> bool {
        let Ok(file) = File::open(place(path)) else { return false };
        // Held for no longer than this takes, which [`StoreLock::take`] outwaits.
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

/// The lock's file: one for all names that lead to the same store.
fn place(store: &Path) -> PathBuf {
    // One that is not there yet has a single name.
    let real = std::fs::canonicalize(store);
    beside(real.as_deref().unwrap_or(store), LOCK)
}

/// Takes the lock, which somebody may only be looking at.
fn patiently(file: &File) -> Result<(), TryLockError> {
    for _ in 0..4 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(25)),
            other => return other,
        }
    }
    file.try_lock()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_the_locks_place_leads_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let (store, theirs) = (folder.path().join("store.db"), folder.path().join("theirs"));
        let mut file = File::create(&theirs).unwrap();
        file.write_all(b"theirs").unwrap();
        std::os::unix::fs::symlink(&theirs, place(&store)).unwrap();
        StoreLock::take(&store).unwrap_err();
        assert_eq!(std::fs::read(&theirs).unwrap(), b"theirs");
        std::fs::remove_file(place(&store)).unwrap();
        drop(StoreLock::take(&store).unwrap());
    }
}
