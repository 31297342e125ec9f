//! Signals end a job in good order, and what would end it in another way is kept from it.

use std::io::{self, Write};
use std::path::Path;

use tokio_util::sync::CancellationToken;

use crate::config::environment::Environment;
use crate::error::Error;

/// Where the process may write no larger file, a signal would end it in the midst of its work: once
/// somebody listens, the write fails instead, as on a full disk.
pub(super) fn outlive_file_limit() -> Result<(), Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let kind = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    // Whoever has listened once keeps the signal's own way from the process for good.
    let listen = |runtime: tokio::runtime::Runtime| {
        let _entered = runtime.enter();
        signal(kind).map(drop)
    };
    runtime.and_then(listen).map_err(cannot_listen)
}

fn cannot_listen(error: io::Error) -> Error {
    Error::ours("cannot listen for signals").caused_by(error)
}

/// The first signal ends the reading, the second the process.
pub(super) fn watch(stop: CancellationToken, environment: &Environment) -> Result<(), Error> {
    let mut signals = Signals::listen()?;
    if environment.job_id.is_some() {
        announce_listener();
    }
    tokio::spawn(async move {
        signals.recv().await;
        tracing::info!(
            "A signal was received: what is in flight is finished, then the state is told."
        );
        stop.cancel();
        crate::file::wait_no_more();
        signals.recv().await;
        // What is not on disk yet is found out by the next run.
        #[expect(clippy::exit, reason = "asked for twice")]
        std::process::exit(130);
    });
    Ok(())
}

/// The signals that end a job in good order.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    user: tokio::signal::unix::Signal,
}

impl Signals {
    /// Listens for SIGTERM, SIGINT and SIGUSR1.
    pub(super) fn listen() -> Result<Self, Error> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = || -> io::Result<Self> {
            Ok(Self {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
                user: signal(SignalKind::user_defined1())?,
            })
        };
        listen().map_err(cannot_listen)
    }

    /// Waits for the next one.
    pub(super) async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.user.recv() => {}
        }
    }
}

/// The platform reads the process's id from this file before it sends SIGUSR1.
fn announce_listener() {
    let now = chrono::Utc::now().timestamp_micros();
    let path = Path::new("/tmp/user_signal.listener");
    // Anybody may put a link there.
    let written = crate::file::replace_itself(path, crate::file::Access::Everyone, |out| {
        let (seconds, micros) = (now / 1_000_000, now % 1_000_000);
        writeln!(out, "Signal listener started at {seconds}.{micros:06}")?;
        writeln!(out, "Thread ID: {0}\nProcess ID: {0}", std::process::id())
    });
    if let Err(error) = written {
        tracing::warn!(%error, path = %path.display(), "The signal listener file could not be written.");
    }
}
