//! The process of a tap: its output as a job reads it, and its end.
//!
//! It is the first of a process group of its own, so that what it starts ends with it. A shell beside
//! it waits for this process: should that be killed, the end of a pipe tells the shell, which kills the
//! group.

use std::io::{self, Read};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes, BytesMut};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::lines::Lines;

/// Bytes that are read of its output at once; a pipe holds as many, unless it was made larger.
const PART_BYTES: usize = 64 << 10;
/// Bytes that a pipe holds at most: `fs.pipe-max-size` (pipe(7)), unless an administrator raised it.
const PIPE_BYTES: usize = 1 << 20;
/// Parts that wait to be read. When they do the tap waits too, at its pipe.
const PARTS: usize = 4;
/// How long its last words may take after its end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Reads until this process has ended, then kills the group.
const GUARD: &str = "read -r _; kill -s KILL -- \"-$1\"";

/// How long a tap may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// To its end.
    pub(super) run: Duration,
    /// To end when it is told to.
    pub(super) end: Duration,
}

/// A tap that runs.
pub(super) struct Running {
    task: JoinHandle<()>,
    end: CancellationToken,
}

/// Why a tap does not run any more.
enum Ended {
    /// By itself.
    Exited(ExitStatus),
    /// It has ended, and something that it started holds its output.
    LeftBehind,
    /// It took longer than it may.
    TimedOut,
    /// Nobody wants the rest.
    NotWanted,
    /// The system said no.
    Lost(io::Error),
}

impl Running {
    /// Starts it. `stop` ends it.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn start(
        mut command: Command,
        lines: Lines,
        patience: Patience,
        stop: &CancellationToken,
    ) -> io::Result<(Self, Output)> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut process = command.spawn()?;
        let group = process.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let group = group.ok_or_else(|| io::Error::other("it has no process id"))?;
        let guard = guard(group)?;
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
            return Err(io::Error::other("it has no pipes"));
        };
        let (parts, from) = mpsc::channel(PARTS);
        let end = stop.child_token();
        let ended = end.clone();
        let running = async move {
            let last_words = lines.clone();
            let mut telling = tokio::spawn(lines.tell(stderr).in_current_span());
            let how = tokio::select! {
                biased;
                () = ended.cancelled() => Ended::NotWanted,
                () = tokio::time::sleep(patience.run) => Ended::TimedOut,
                () = parts.closed() => Ended::NotWanted,
                how = pass_on(&mut process, stdout, &parts, patience.end) => how,
            };
            if !matches!(how, Ended::Exited(_) | Ended::LeftBehind) {
                end_in_time(&mut process, group, patience.end).await;
            }
            // What it has started ends with it.
            signal(group, Signal::KILL);
            drop(guard);
            if tokio::time::timeout(LAST_WORDS, &mut telling).await.is_err() {
                telling.abort();
            }
            if let Some(why) = how.trouble(patience) {
                let why = last_words.with_last(&why);
                // Whoever does not read any more has an end of its own.
                drop(parts.send(Err(io::Error::other(why))).await);
            }
        };
        let task = tokio::spawn(running.in_current_span());
        Ok((Self { task, end }, Output { from, part: Bytes::new() }))
    }

    /// Ends it, unless it has. When this returns it is gone.
    pub(super) async fn end(self) {
        self.end.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "A tap was lost.");
        }
    }
}

impl Ended {
    /// What is wrong with this end.
    fn trouble(&self, patience: Patience) -> Option<String> {
        use std::os::unix::process::ExitStatusExt as _;
        Some(match self {
            Self::Exited(status) if status.success() => return None,
            Self::Exited(status) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("ended with exit code {code}"),
                (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
            },
            Self::LeftBehind => {
                "has ended, and something that it started held its output".to_owned()
            }
            Self::TimedOut => {
                let secs = patience.run.as_secs_f64();
                format!("was ended after {secs} seconds (`timeout_secs`)")
            }
            Self::NotWanted => "was ended before its end".to_owned(),
            Self::Lost(error) => format!("cannot be read: {error}"),
        })
    }
}

/// Passes on what it prints, until it has printed all and has ended. What it has left in its pipe is there
/// at once, and has an end: what comes late, or without an end, somebody else prints.
async fn pass_on(
    process: &mut Child,
    mut stdout: ChildStdout,
    parts: &mpsc::Sender<io::Result<Bytes>>,
    patience: Duration,
) -> Ended {
    let mut buffer = BytesMut::with_capacity(PART_BYTES);
    let status = loop {
        tokio::select! {
            biased;
            exited = process.wait() => match exited {
                Ok(status) => break status,
                Err(error) => return Ended::Lost(error),
            },
            read = stdout.read_buf(&mut buffer) => match read {
                Ok(0) => return process.wait().await.map_or_else(Ended::Lost, Ended::Exited),
                Ok(_) if parts.send(Ok(buffer.split().freeze())).await.is_err() => {
                    return Ended::NotWanted;
                }
                Ok(_) => buffer.reserve(PART_BYTES),
                Err(error) => return Ended::Lost(error),
            },
        }
    };
    let (mut bytes, mut left) = (PIPE_BYTES, patience);
    loop {
        buffer.reserve(PART_BYTES);
        let since = Instant::now();
        let read = tokio::time::timeout(left, stdout.read_buf(&mut buffer)).await;
        left = left.saturating_sub(since.elapsed());
        match read {
            Ok(Ok(0)) => return Ended::Exited(status),
            Ok(Ok(count)) if count <= bytes => bytes -= count,
            Ok(Err(error)) => return Ended::Lost(error),
            Ok(Ok(_)) | Err(_) => return Ended::LeftBehind,
        }
        if parts.send(Ok(buffer.split().freeze())).await.is_err() {
            return Ended::NotWanted;
        }
    }
}

/// Tells the group to end, and kills it when it has not in time. Its pipe is closed by then, so that it
/// does not wait to be read.
async fn end_in_time(process: &mut Child, group: Pid, patience: Duration) {
    signal(group, Signal::TERM);
    if tokio::time::timeout(patience, process.wait()).await.is_err() {
        signal(group, Signal::KILL);
        drop(process.wait().await);
    }
}

/// A group that is gone has ended.
fn signal(group: Pid, signal: Signal) {
    kill_process_group(group, signal).unwrap_or_default();
}

/// Kills the group should this process be killed. Gone when dropped.
fn guard(group: Pid) -> io::Result<Child> {
    Command::new("/bin/sh")
        .args(["-c", GUARD, "sh", &group.as_raw_nonzero().to_string()])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // What is meant for this process's group is not meant for it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// What a tap prints, to be read on a thread of its own. That the tap has failed is an error at the end:
/// without one, all is there.
pub(super) struct Output {
    from: mpsc::Receiver<io::Result<Bytes>>,
    part: Bytes,
}

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.from.blocking_recv() {
                Some(part) => self.part = part?,
                None => return Ok(0),
            }
        }
        let count = self.part.len().min(buffer.len());
        self.part.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
