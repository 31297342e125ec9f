//! What ends the calls of one job: a connector is shared by several, and knows none of them. [`until`]
//! says it for all that is called within, and whoever waits or sends there heeds [`stopped`].

use tokio_util::sync::CancellationToken;

tokio::task_local! {
    static STOP: CancellationToken;
}

/// Makes calls until `stop` is ended. From then on each ends in
/// [`RequestError::Stopped`](super::contract::RequestError::Stopped) and does not leave; those that were
/// sent have five seconds left for their answers. A task that is spawned within is not stopped.
pub(crate) async fn until<F: Future>(stop: CancellationToken, calls: F) -> F::Output {
    STOP.scope(stop, calls).await
}

/// Whether calls of this task are not to leave any more.
pub(super) fn is_stopped() -> bool {
    STOP.try_with(CancellationToken::is_cancelled).unwrap_or_default()
}

/// Ends when they are not; never where nobody ends them.
pub(super) async fn stopped() {
    match STOP.try_with(CancellationToken::clone) {
        Ok(stop) => stop.cancelled().await,
        Err(_) => std::future::pending().await,
    }
}
