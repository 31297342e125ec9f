//! The one thread that writes: work of many tasks in one transaction, one sync for all.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::reader::Commits;

/// Pieces of work in one transaction, at most; bounds the time that the first one waits. When many
/// runs are folded, some seconds, it waits for that too.
const GROUP: usize = 256;
/// Pieces of work that may wait; past that the callers do.
const QUEUE: usize = 1024;

/// Tells the caller, once it is known whether the transaction is on disk.
type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Ends when it is known whether the transaction is on disk.
pub(crate) type Written<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;
/// Does its part in the transaction, if there is one, and says whom to tell.
type Work = Box<dyn FnOnce(Option<&Transaction<'_>>) -> (rusqlite::Result<()>, Reply) + Send>;

/// The handle of the writing thread; dropping it ends the thread after what waits is done.
#[derive(Debug)]
pub(crate) struct Writer {
    path: Arc<Path>,
    queue: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// `between`: what is done between two transactions, after one that is on disk.
    pub(crate) fn start(
        path: Arc<Path>,
        connection: Connection,
        commits: Commits,
        between: impl FnMut(&mut Connection) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (queue, work) = mpsc::channel(QUEUE);
        let for_thread = Arc::clone(&path);
        // Whose store it is.
        let span = tracing::Span::current();
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            span.in_scope(|| run(&for_thread, connection, work, &commits, between));
        })?;
        Ok(Self { path, queue: Some(queue), thread: Some(thread) })
    }

    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, told) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(|| self.closed())?;
        queue.send(piece(work, answer)).await.map_err(|_| self.closed())?;
        told.await.unwrap_or_else(|_| Err(self.closed()))
    }

    /// The same: it is in the queue when this returns, behind what was given before and before what
    /// comes later. `None`: the queue is full.
    pub(crate) fn enqueue<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Option<Written<T>> {
        let (answer, told) = oneshot::channel();
        let closed = self.closed();
        self.queue.as_ref()?.try_send(piece(work, answer)).ok()?;
        Some(Box::pin(async move { told.await.unwrap_or(Err(closed)) }))
    }

    pub(crate) fn write_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, told) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(|| self.closed())?;
        queue.blocking_send(piece(work, answer)).map_err(|_| self.closed())?;
        told.blocking_recv().unwrap_or_else(|_| Err(self.closed()))
    }

    fn closed(&self) -> StoreError {
        StoreError::Closed { path: Arc::clone(&self.path) }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("The store's thread panicked.");
        }
    }
}

fn piece<T: Send + 'static>(
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    answer: oneshot::Sender<Result<T, StoreError>>,
) -> Work {
    Box::new(move |transaction| {
        let (result, value) = match transaction.map(work) {
            Some(Ok(value)) => (Ok(()), Some(value)),
            Some(Err(error)) => (Err(error), None),
            None => (Ok(()), None),
        };
        let reply: Reply = Box::new(move |committed| {
            let told = match (committed, value) {
                (Ok(()), Some(value)) => Ok(value),
                (Err(error), _) => Err(error),
                // Not reached: without a value the transaction fails as a whole.
                (Ok(()), None) => return,
            };
            // A caller that is gone does not want to know.
            drop(answer.send(told));
        });
        (result, reply)
    })
}

fn run(
    path: &Arc<Path>,
    mut connection: Connection,
    mut queue: mpsc::Receiver<Work>,
    commits: &Commits,
    mut between: impl FnMut(&mut Connection),
) {
    connection.set_prepared_statement_cache_capacity(64);
    while let Some(first) = queue.blocking_recv() {
        let mut replies = Vec::new();
        let result = group(&mut connection, first, &mut queue, &mut replies).map_err(|error| {
            StoreError::Sqlite { path: Arc::clone(path), source: Arc::new(error) }
        });
        commits.add();
        for reply in replies {
            reply(result.clone());
        }
        if result.is_ok() {
            between(&mut connection);
        }
    }
}

fn group(
    connection: &mut Connection,
    first: Work,
    queue: &mut mpsc::Receiver<Work>,
    replies: &mut Vec<Reply>,
) -> rusqlite::Result<()> {
    let transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => {
            replies.push(first(None).1);
            return Err(error);
        }
    };
    let mut next = Some(first);
    while let Some(work) = next {
        let (result, reply) = work(Some(&transaction));
        replies.push(reply);
        result?;
        next = if replies.len() < GROUP { queue.try_recv().ok() } else { None };
    }
    transaction.commit()
}
