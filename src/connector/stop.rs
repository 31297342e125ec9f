//! What ends the calls of one job: a connector is shared by several, and knows none of them. [`until`]
//! says it for all that is called within, and whoever waits or sends there heeds [`stopped`].

use tokio_util::sync::CancellationToken;

use super::contract::RequestError;

tokio::task_local! {
    static STOP: CancellationToken;
}

/// Makes calls until `stop` is ended. From then on each ends in
/// [`RequestError::Stopped`] and does not leave; those that were sent have five seconds left for their
/// answers. A task that is spawned within is not stopped.
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

/// Waits, unless nothing more is to leave: for a turn, for a time, or for a lock that another job has
/// while it calls.
///
/// # Errors
/// [`RequestError::Stopped`].
pub(super) async fn unless_stopped<W: Future>(wait: W) -> Result<W::Output, RequestError> {
    tokio::select! {
        biased;
        () = stopped() => Err(RequestError::Stopped),
        done = wait => Ok(done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_waits_on_for_what_another_job_holds() {
        let held = tokio::sync::Mutex::new(());
        let _others = held.lock().await;
        let stop = CancellationToken::new();
        let waiting = until(stop.clone(), async {
            (is_stopped(), unless_stopped(held.lock()).await.err(), is_stopped())
        });
        let (waited, ()) = tokio::join!(waiting, async { stop.cancel() });
        assert!(matches!(waited, (false, Some(RequestError::Stopped), true)), "{waited:?}");
        // Outside of it nothing is stopped.
        assert!(!is_stopped() && unless_stopped(async {}).await.is_ok());
    }
}
