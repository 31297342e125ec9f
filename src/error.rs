//! What stops a job, how the process ends, and what the user can do about it.
//!
//! A record that is refused is not an error: it is an outcome. An [`Error`] ends the whole run.

use std::fmt;
use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};

use rustix::io::Errno;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// All was read and told, also when some records were rejected; or a signal ended the job in
    /// good order.
    Done = 0,
    /// More records were rejected or failed than `max_rejected` allows.
    TooManyRejected = 1,
    /// The command line, the configuration or the store that it names is wrong. Where only a stream
    /// shows that, what was read before it is written and told.
    Usage = 2,
    /// The remote cannot be reached, or refuses the credential.
    Remote = 3,
    /// The input is not a Singer stream.
    Input = 4,
    /// Our fault, or this machine's: a full disk, a broken store, a closed stdout, a bug.
    Ours = 5,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

/// What can be done where no more files can be opened.
const MORE_FILES: &str = "allow more open files (`ulimit -n`): a job has some 20, and one for each call \
                          at once";

/// Why a run ends early: what happened, where, and the way out.
#[derive(Debug)]
pub struct Error {
    /// How the process ends because of it.
    pub exit: ExitCode,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error with a message: lowercase, no full stop, names in backticks.
    pub fn new(exit: ExitCode, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None, source: None }
    }

    /// The command line or the configuration is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    /// The remote is out of reach, or says no to the credential.
    pub fn remote(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Remote, message)
    }

    /// The input is not what a Singer target reads.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Input, message)
    }

    /// A bug of ours, or trouble of this machine.
    pub fn ours(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Ours, message)
    }

    /// Adds what the user can do, in an imperative sentence without full stop.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what the user can do, where that is known.
    #[must_use]
    pub fn hint_if(self, hint: Option<&str>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// Adds the cause, printed after the message.
    #[must_use]
    pub fn caused_by(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whether the store is what failed.
    pub fn is_of_store(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.is::<crate::store::StoreError>())
    }

    /// What led to it, the nearest first.
    fn causes(&self) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
        std::iter::successors(std::error::Error::source(self), |error| error.source())
    }

    /// Whether a disk is full, or does not do what it is to: it may later.
    pub fn is_of_disk(&self) -> bool {
        self.causes().any(|error| {
            let of_store = error.downcast_ref::<crate::store::StoreError>();
            let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            of_store.is_some_and(crate::store::StoreError::is_of_disk)
                || matches!(kind, Some(StorageFull | QuotaExceeded | FileTooLarge))
        })
    }

    /// What the user can do, if we know.
    pub fn hint_text(&self) -> Option<&str> {
        let hint = self.hint.as_deref();
        if self.is_out_of_files() { Some(MORE_FILES) } else { hint }
    }

    /// Tells it in the log, where another one is what the run ends with.
    pub fn tell_beside(&self) {
        let hint = self.hint_text().map(|hint| format!("; {hint}")).unwrap_or_default();
        tracing::error!("{}{hint}", self.full_message());
    }

    /// Whether the process may open no more files: wherever that shows, it is not for what was to
    /// be opened.
    fn is_out_of_files(&self) -> bool {
        let codes = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
        self.causes().any(|error| {
            let io = error.downcast_ref::<std::io::Error>();
            io.and_then(std::io::Error::raw_os_error).is_some_and(|code| codes.contains(&code))
        })
    }

    /// The message and all causes, in one line.
    pub fn full_message(&self) -> String {
        let mut text = self.message.clone();
        for error in self.causes() {
            text.push_str(": ");
            text.push_str(&error.to_string());
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_out_of_files_is_told_so_wherever_it_shows() {
        let denied = |errno: Errno| std::io::Error::from_raw_os_error(errno.raw_os_error());
        let error = |errno| Error::usage("x").caused_by(denied(errno)).hint("name another place");
        assert!(error(Errno::MFILE).hint_text().unwrap().contains("ulimit -n"));
        assert_eq!(error(Errno::ACCESS).hint_text(), Some("name another place"));
    }
}
