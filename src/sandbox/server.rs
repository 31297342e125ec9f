//! Connections: accepted, served, and closed without a word when a fault asks for it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::gate::{self, Shared};

/// How long nothing is accepted after the system refused to: mostly for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until the sandbox is stopped, and then until every task has ended.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            () = shared.stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                shared.tasks.spawn(connection(stream, Arc::clone(&shared)));
            }
            Err(error) => {
                tracing::warn!(%error, "A connection to the sandbox was not accepted.");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    shared.tasks.close();
    shared.tasks.wait().await;
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "A connection answers with delay.");
    }
    let abort = CancellationToken::new();
    let service = service_fn(|request| {
        let (shared, abort) = (Arc::clone(&shared), abort.clone());
        async move {
            if let Some(answer) = gate::answer(shared, request).await {
                return Ok::<_, Infallible>(answer);
            }
            abort.cancel();
            // The connection is dropped, and this with it.
            std::future::pending().await
        }
    });
    let mut serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        served = &mut serving => {
            if let Err(error) = served {
                tracing::debug!(%error, "A connection to the sandbox ended early.");
            }
        }
        () = shared.stop.cancelled() => {}
        () = abort.cancelled() => {
            // Without lingering the close is a reset, not an orderly end.
            let stream = serving.into_parts().io.into_inner();
            if let Err(error) = stream.set_zero_linger() {
                tracing::debug!(%error, "A connection is closed in order instead of reset.");
            }
        }
    }
}
