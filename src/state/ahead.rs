//! Text that another thread makes ahead, while what stands before it is still being written.

use std::io::{self, BufWriter, Write};
use std::panic::resume_unwind;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::store::report::TellError;

/// Bytes handed over at once, about.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that wait to be written, at most: 4 MiB.
const CHUNKS: usize = 64;

/// Text that is being made.
pub(super) struct Ahead<'scope> {
    chunks: Receiver<Vec<u8>>,
    thread: ScopedJoinHandle<'scope, Result<(), TellError>>,
}

impl<'scope> Ahead<'scope> {
    /// Begins to make it; as much as may wait is made before anybody asks.
    ///
    /// # Errors
    /// No thread can be started.
    pub(super) fn start(
        scope: &'scope Scope<'scope, '_>,
        make: impl FnOnce(&mut dyn Write) -> Result<(), TellError> + Send + 'scope,
    ) -> io::Result<Self> {
        let (sender, chunks) = mpsc::sync_channel(CHUNKS);
        let thread = Builder::new().name("state".to_owned()).spawn_scoped(scope, move || {
            let mut out = BufWriter::with_capacity(CHUNK_BYTES, Chunks(sender));
            make(&mut out)?;
            Ok(out.flush()?)
        })?;
        Ok(Self { chunks, thread })
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// What `out` says, or who makes it.
    pub(super) fn write_to(self, out: &mut dyn Write) -> Result<(), TellError> {
        for chunk in &self.chunks {
            out.write_all(&chunk)?;
        }
        self.thread.join().unwrap_or_else(|panic| resume_unwind(panic))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// More than may wait.
    const LINES: usize = 200_000;

    fn make(out: &mut dyn Write) -> Result<(), TellError> {
        for number in 0..LINES {
            writeln!(out, "line {number:064}")?;
        }
        Ok(())
    }

    /// An output that is closed after so many bytes.
    struct Closing(usize);

    impl Write for Closing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_of_it_is_written_in_order() {
        let (mut ahead, mut expected) = (Vec::new(), Vec::new());
        std::thread::scope(|scope| Ahead::start(scope, make).unwrap().write_to(&mut ahead))
            .unwrap();
        make(&mut expected).unwrap();
        assert!(ahead == expected && ahead.len() > 2 * CHUNKS * CHUNK_BYTES);
    }

    #[test]
    fn an_output_that_closes_ends_the_maker() {
        let written = std::thread::scope(|scope| {
            Ahead::start(scope, make).unwrap().write_to(&mut Closing(CHUNK_BYTES * 3))
        });
        let TellError::Output(error) = written.unwrap_err() else { panic!("not of the output") };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        // Nobody asks for it.
        std::thread::scope(|scope| drop(Ahead::start(scope, make).unwrap()));
    }

    #[test]
    fn an_error_of_the_maker_is_told() {
        let written = std::thread::scope(|scope| {
            let fails = |out: &mut dyn Write| {
                out.write_all(b"a beginning")?;
                Err(TellError::Store(rusqlite::Error::QueryReturnedNoRows))
            };
            Ahead::start(scope, fails).unwrap().write_to(&mut Vec::new())
        });
        assert!(matches!(written, Err(TellError::Store(_))), "{written:?}");
    }
}
