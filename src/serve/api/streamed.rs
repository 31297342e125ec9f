//! Answers that are written piece by piece: nothing of them is whole in memory.

use std::io::{self, BufWriter, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use tokio::sync::mpsc;

use crate::store::report::TellError;

/// Bytes that are sent at once.
const PART: usize = 64 << 10;
/// Parts that wait for the client: a slow one is not run ahead of.
const PARTS: usize = 4;

/// The body that `write` writes, on a thread of its own.
pub(super) fn streamed(
    write: impl FnOnce(&mut dyn Write) -> Result<(), TellError> + Send + 'static,
) -> Body {
    let (parts, received) = mpsc::channel(PARTS);
    tokio::task::spawn_blocking(move || {
        let mut out = BufWriter::with_capacity(PART, Out { parts: parts.clone() });
        let written = write(&mut out).and_then(|()| Ok(out.flush()?));
        if let Err(error) = written {
            // The answer is cut off, which says that it is not whole.
            drop(parts.blocking_send(Err(io::Error::other(error))));
        }
    });
    Body::new(Parts(received))
}

struct Out {
    parts: mpsc::Sender<io::Result<Bytes>>,
}

impl Write for Out {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.parts.blocking_send(Ok(Bytes::copy_from_slice(part))).map_err(gone)?;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Parts(mpsc::Receiver<io::Result<Bytes>>);

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|part| part.map(|part| part.map(Frame::data)))
    }
}
