//! What ends the calls of one job: a connector is shared by several, and knows none of them. [`until`]
//! says it for all that is called within, and whoever waits or sends there heeds [`stopped`].

use tokio_util::sync::CancellationToken;

tokio::task_local! {
    static STOP: CancellationToken;
}

/// Makes calls, of which none leaves once `stop` is ended: it ends in
/// [`RequestError::Stopped`](super::contract::RequestError::Stopped), and what was sent has a few seconds
/// left for its answer. A task that is spawned within is not of them.
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
