//! `serve`: the same over HTTP, until a signal ends it.

use std::net::SocketAddr;
use std::path::Path;

use super::runtime;
use super::signals::Signals;
use crate::error::{Error, ExitCode};
use crate::serve::{self, ServeConfig};

pub(super) fn run(config: &Path, listen: Option<SocketAddr>) -> Result<ExitCode, Error> {
    let mut config = ServeConfig::read(config)?;
    config.listen = listen.unwrap_or(config.listen);
    runtime()?.block_on(async {
        let mut signals = Signals::listen()?;
        let running = serve::start(config).await?;
        tracing::info!(address = %running.address(), "The service listens.");
        signals.recv().await;
        tracing::info!(
            "A signal was received: what is under way is finished, or waits for the next start. A second \
             one ends the service at once."
        );
        tokio::select! {
            () = running.stop() => {}
            () = signals.recv() => {}
        }
        Ok(ExitCode::Done)
    })
}
