//! The sandbox: simulated remotes on loopback, with a memory, and with faults on request.
//!
//! Users try their pipelines on it; the tests prove invariants on it. So it behaves as an honest
//! remote does, and as a nasty one does when it is told to, and knows nothing of the connectors
//! that talk to it.
//!
//! # Layout
//! - `faults`: the file that says what goes wrong, one `fault` after the other; `pattern` and
//!   `strikes`: for which call.
//! - `server`: connections; `gate`: the way of one request, with `admit`; `spoil`: the bytes of an answer.
//! - `world`: what is remembered: `memory` of `record`s with its `data` file, `tokens`,
//!   the rate limit's `window`, and the counts of `calls`.
//! - `remote`: what a remote is made of; `routes` finds the one that is meant; then the remotes
//!   themselves: `admin`, `rest`, `hubspot`, `netsuite` and `salesforce`.
//!
//! # A new remote
//! One folder with routes and plain functions, and its name in `REMOTES` and [`NAMES`]. Tokens,
//! the rate limit, faults, the memory and its file, counts and connections are there already.

mod admin;
mod admit;
mod calls;
mod data;
mod fault;
mod faults;
mod gate;
mod hubspot;
mod memory;
mod netsuite;
mod pattern;
mod record;
mod remote;
mod rest;
mod routes;
mod salesforce;
mod server;
mod spoil;
mod strikes;
#[cfg(test)]
mod tests;
mod tokens;
mod window;
mod world;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use fault::{Fault, RetryAfter};
pub use faults::{Faults, RateLimit, RetryAfterForm};

/// All that are served, on one port. The first also answers for paths that belong to none.
static REMOTES: &[remote::Remote] =
    &[rest::REMOTE, hubspot::REMOTE, netsuite::REMOTE, salesforce::REMOTE, admin::REMOTE];

/// The connectors that have a remote here. All are served at one address, whichever are named:
/// their paths do not meet.
pub const NAMES: [&str; 4] = ["rest", "hubspot", "salesforce", "netsuite"];

/// The keys of a config by which the remote of this name lets its connector in, and their values.
pub fn credentials(name: &str) -> &'static [(&'static str, &'static str)] {
    match name {
        "netsuite" => &netsuite::KEYS,
        _ => &[("access_token", tokens::STATIC_TOKEN)],
    }
}

/// How a sandbox is started.
#[derive(Debug, Default)]
pub struct Options {
    /// Port on 127.0.0.1; 0 takes any that is free.
    pub port: u16,
    /// File that keeps the records between two starts, made when it is not there. Without one they
    /// are kept in memory only.
    pub data: Option<PathBuf>,
    /// What goes wrong.
    pub faults: Faults,
}

/// A sandbox that is serving. Dropping it stops it too, but does not wait for the end.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    task: JoinHandle<()>,
    stop: DropGuard,
}

impl Running {
    /// Where it is reached: 127.0.0.1 and the port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections, whatever is under way on them, and waits until nothing runs any more
    /// and the data file is closed. What waits to be applied is not applied.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "The sandbox did not end in order.");
        }
    }
}

/// Starts the sandbox on 127.0.0.1, and on no other address. Serves until it is stopped.
///
/// # Errors
/// [`SandboxError::Bind`] when the port is taken; [`SandboxError::InUse`],
/// [`SandboxError::Data`] and [`SandboxError::Line`] when the data file cannot be used.
pub async fn start(options: Options) -> Result<Running, SandboxError> {
    let Options { port, data, faults } = options;
    let bind = |source| SandboxError::Bind { port, source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let memory = memory::Memory::open(data.as_deref())?;
    let faults = Arc::new(faults);
    let stop = CancellationToken::new();
    let shared = Arc::new(gate::Shared {
        remotes: REMOTES,
        faults: Arc::clone(&faults),
        world: Mutex::new(world::World::new(faults, memory)),
        stop: stop.clone(),
        tasks: TaskTracker::new(),
    });
    let task = tokio::spawn(server::serve(listener, shared));
    Ok(Running { address, task, stop: stop.drop_guard() })
}

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The port cannot be had.
    #[error("the sandbox cannot listen on port {port} of 127.0.0.1")]
    Bind {
        /// As asked for.
        port: u16,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The faults file cannot be read.
    #[error("the faults file `{}` cannot be read", path.display())]
    Read {
        /// Of the faults file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The faults file says something unknown or impossible.
    #[error("`{name}`: {message}")]
    Faults {
        /// The file's path, or `faults` for a text without one.
        name: String,
        /// What is wrong, with line and column where they are known.
        message: String,
    },
    /// The data file cannot be opened, read or written.
    #[error("the data file `{}` cannot be used", path.display())]
    Data {
        /// Of the data file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Another sandbox has the data file open.
    #[error("the data file `{}` is in use by another sandbox", path.display())]
    InUse {
        /// Of the data file.
        path: PathBuf,
    },
    /// A line of the data file is not one that the sandbox wrote. The file is left as it is.
    #[error("line {line} of the data file `{}`: {message}", path.display())]
    Line {
        /// Of the data file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What is wrong with it.
        message: String,
    },
}
