//! What is looked up among the records of a job, which may be many: on a thread and a connection of its
//! own, some at once, each for so long at most.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, InterruptHandle};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::Service;
use super::problem::Problem;
use super::queue::Job;
use crate::config::Seconds;
use crate::error::Error;
use crate::store::jobs::{self, Job as Run};
use crate::store::{open_for_reading, unreadable};

/// That read at once; others wait. Requests that write are not among them, nor do they wait for these.
const AT_ONCE: usize = 4;

/// How many read, and for how long.
#[derive(Debug)]
pub(super) struct Reading {
    turns: Arc<Semaphore>,
    most: Seconds,
}

impl Reading {
    pub(super) fn new(most: Seconds) -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), most }
    }
}

/// Ends what a connection does when nobody waits for it any more.
struct EndsWithThis(InterruptHandle);

impl Drop for EndsWithThis {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

impl Service {
    /// The run of a job in its lane's store; `None` for one that has not begun.
    ///
    /// # Errors
    /// 404 for one that the store does not have.
    pub(super) fn run_of(&self, job: &Job) -> Result<Option<(Connection, Run)>, Problem> {
        let Some(run) = &job.run else { return Ok(None) };
        let connection = open_for_reading(&job.lane.store(&self.config.data))?;
        let found = jobs::find(&connection, run).map_err(unreadable)?;
        let found = found.ok_or_else(|| Problem::not_found("the job's run is not in its store"))?;
        Ok(Some((connection, found)))
    }

    /// Reads of what a job has written, beside all else. It ends with the request. `None` for a job
    /// that has not begun.
    ///
    /// # Errors
    /// 503 where it takes too long; those of [`run_of`](Self::run_of), and what SQLite says.
    pub(super) async fn read_run<T: Send + 'static>(
        &self,
        job: &Job,
        work: impl FnOnce(&Connection, &Run) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<Option<T>, Problem> {
        let most = self.reading.most.duration();
        let too_slow = || {
            let detail = format!("the search took longer than {} seconds", most.as_secs_f64());
            Problem::unavailable(detail, 5)
                .hint("narrow the search: name a stream, an outcome or an error")
        };
        let until = Instant::now() + most;
        let turn = Arc::clone(&self.reading.turns).acquire_owned();
        let turn = tokio::time::timeout_at(until, turn).await;
        let Some(turn) = turn.ok().filter(|_| Instant::now() < until) else {
            return Err(too_slow());
        };
        let Some((connection, run)) = self.run_of(job)? else { return Ok(None) };
        let _end = EndsWithThis(connection.get_interrupt_handle());
        let reading = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&connection, &run)
        });
        let Ok(read) = tokio::time::timeout_at(until, reading).await else {
            return Err(too_slow());
        };
        let read = read.map_err(|error| Error::ours("a search has failed").caused_by(error))?;
        match read {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                Err(too_slow())
            }
            Err(error) => Err(unreadable(error).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_waits_for_ends() {
        let connection = Connection::open_in_memory().unwrap();
        let end = EndsWithThis(connection.get_interrupt_handle());
        let (begun, begins) = std::sync::mpsc::channel();
        let endless =
            "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers)
                       SELECT number FROM numbers WHERE number % 1000000 = 1";
        let thread = std::thread::spawn(move || {
            let mut statement = connection.prepare(endless)?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {
                begun.send(()).unwrap_or_default();
            }
            Ok::<_, rusqlite::Error>(())
        });
        begins.recv().unwrap();
        drop(end);
        let error = thread.join().unwrap().unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::OperationInterrupted));
    }
}
