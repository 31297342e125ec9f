//! Answers that are written piece by piece: nothing of them is whole in memory.

use std::io::{self, BufWriter, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::serve::problem::Problem;
use crate::store::report::TellError;

/// Bytes that are sent at once.
const PART: usize = 64 << 10;
/// Parts that wait for the client: a slow one is not run ahead of.
const PARTS: usize = 4;
/// Downloads at once: each has a thread, of which the runtime has so many.
const AT_ONCE: usize = 16;
/// Seconds after which one may have a turn.
const FULL_SECS: u64 = 30;

/// How many download, and how long a client may leave what it is sent.
#[derive(Debug)]
pub(in crate::serve) struct Downloads {
    turns: Arc<Semaphore>,
    patience: Duration,
}

/// The turn of one download.
pub(super) struct Turn {
    permit: OwnedSemaphorePermit,
    patience: Duration,
}

impl Downloads {
    /// None yet. `patience`: how long one may wait for its turn, and its client for each part.
    pub(in crate::serve) fn new(patience: Duration) -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), patience }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// 503 where there is none in time.
    pub(super) async fn turn(&self) -> Result<Turn, Problem> {
        let patience = self.patience;
        let turn = tokio::time::timeout(patience, Arc::clone(&self.turns).acquire_owned()).await;
        match turn {
            Ok(Ok(permit)) => Ok(Turn { permit, patience }),
            _ => Err(Problem::unavailable(
                format!("{AT_ONCE} downloads are under way, and no more may"),
                FULL_SECS,
            )),
        }
    }
}

/// The body that `write` writes, on a thread of its own. It is cut off where its client takes too long
/// for a part.
pub(super) fn streamed(
    turn: Turn,
    write: impl FnOnce(&mut dyn Write) -> Result<(), TellError> + Send + 'static,
) -> Body {
    let (parts, received) = mpsc::channel(PARTS);
    let is_whole = Arc::new(AtomicBool::new(false));
    let body = Parts { received, is_whole: Arc::clone(&is_whole) };
    let (runtime, patience) = (Handle::current(), turn.patience);
    tokio::task::spawn_blocking(move || {
        let mut out = BufWriter::with_capacity(PART, Out { parts, runtime, patience });
        match write(&mut out).and_then(|()| Ok(out.flush()?)) {
            Ok(()) => is_whole.store(true, Ordering::Release),
            Err(TellError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                tracing::debug!("A client has left its download.");
            }
            Err(error) => tracing::warn!(%error, "A download is cut off."),
        }
        // What is left in the buffer is not tried again.
        drop(out.into_parts());
        drop(turn.permit);
    });
    Body::new(body)
}

struct Out {
    parts: mpsc::Sender<Bytes>,
    runtime: Handle,
    patience: Duration,
}

impl Write for Out {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        let part = &part[..part.len().min(PART)];
        let sending = self.parts.send_timeout(Bytes::copy_from_slice(part), self.patience);
        self.runtime.block_on(sending).map_err(|error| match error {
            mpsc::error::SendTimeoutError::Timeout(_) => {
                let secs = self.patience.as_secs_f64();
                let why = format!("its client has taken nothing for {secs} seconds");
                io::Error::new(io::ErrorKind::TimedOut, why)
            }
            mpsc::error::SendTimeoutError::Closed(_) => io::ErrorKind::BrokenPipe.into(),
        })?;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the client is sent. It ends with an error where it is not whole: the answer's length is not
/// told before, and a good end would say that this is all.
struct Parts {
    received: mpsc::Receiver<Bytes>,
    is_whole: Arc<AtomicBool>,
}

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.received.poll_recv(context).map(|part| match part {
            Some(part) => Some(Ok(Frame::data(part))),
            None if self.is_whole.load(Ordering::Acquire) => None,
            None => Some(Err(io::Error::other("the answer is cut off"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn downloads() -> Downloads {
        Downloads::new(Duration::from_millis(20))
    }

    async fn read(body: Body) -> Result<Bytes, axum::Error> {
        axum::body::to_bytes(body, usize::MAX).await
    }

    #[tokio::test]
    async fn who_has_no_turn_in_time_is_told_to_come_again() {
        let downloads = downloads();
        let mut turns = Vec::new();
        for _ in 0..AT_ONCE {
            turns.push(downloads.turn().await.unwrap());
        }
        let refused = downloads.turn().await.err().unwrap();
        assert_eq!(refused.status(), axum::http::StatusCode::SERVICE_UNAVAILABLE);
        // A turn ends with its download.
        let body = streamed(turns.remove(0), |out| Ok(out.write_all(b"all")?));
        assert_eq!(read(body).await.unwrap(), "all");
        drop(Downloads { patience: Duration::from_secs(60), ..downloads }.turn().await.unwrap());
    }

    #[tokio::test]
    async fn what_is_not_whole_does_not_end_well() {
        let downloads = downloads();
        let turn = || downloads.turn();
        let fails = streamed(turn().await.unwrap(), |out| {
            out.write_all(b"some")?;
            Err(io::Error::other("no more").into())
        });
        assert!(read(fails).await.is_err());
        let panics = streamed(turn().await.unwrap(), |out| {
            out.write_all(b"some")?;
            panic!("a bug")
        });
        assert!(read(panics).await.is_err());
        let slow = streamed(turn().await.unwrap(), |out| Ok(out.write_all(&vec![0; 9 * PART])?));
        // It is over while nobody reads.
        while downloads.turns.available_permits() < AT_ONCE {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(read(slow).await.is_err());
    }
}
