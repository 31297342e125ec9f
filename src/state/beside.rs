//! Text that another thread makes while what stands before it is still being written.

use std::io::{self, BufWriter, Write};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{Scope, ScopedJoinHandle};

use crate::store::report::TellError;

/// Bytes handed over at once.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that wait to be written.
const CHUNKS: usize = 64;

/// Text that is being made.
pub(super) struct Beside<'scope> {
    chunks: Receiver<Vec<u8>>,
    thread: ScopedJoinHandle<'scope, Result<(), TellError>>,
}

impl<'scope> Beside<'scope> {
    /// Begins to make it; the first [`CHUNKS`] are made before anybody asks.
    pub(super) fn start(
        scope: &'scope Scope<'scope, '_>,
        make: impl FnOnce(&mut dyn Write) -> Result<(), TellError> + Send + 'scope,
    ) -> Self {
        let (sender, chunks) = mpsc::sync_channel(CHUNKS);
        let thread = scope.spawn(move || {
            let mut out = BufWriter::with_capacity(CHUNK_BYTES, Chunks(sender));
            make(&mut out)?;
            Ok(out.flush()?)
        });
        Self { chunks, thread }
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// What `out` says, or who makes it.
    pub(super) fn write_to(self, out: &mut dyn Write) -> Result<(), TellError> {
        for chunk in &self.chunks {
            out.write_all(&chunk)?;
        }
        let lost = |_| TellError::Output(io::Error::other("a part of it was not made"));
        self.thread.join().map_err(lost)?
    }
}

struct Chunks(SyncSender<Vec<u8>>);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Who was to write it has met an error, which is the one that is told.
        self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
