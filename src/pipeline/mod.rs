//! The walk of a job: takes in what the intake has read, sends it out in batches, and ends when all
//! of it has an outcome. The one module that knows all the rooms.
//!
//! ```text
//! intake thread ─chunks→ [ this loop: gate → plan → batch → ready ] ─batches→ dispatcher tasks
//!                                   ↑ settled, found, again ──────────────────────┘
//! ```
//! All decisions are made here, one after another, by one task that owns all of a job's moving
//! parts: no locks, no races. The dispatcher's tasks only carry batches and tell what happened. No
//! chunk is taken while `max_buffer_bytes` of records are on their way, and a few at most wait to be;
//! what the tasks tell is of those records, so its channel needs no bound of its own.

mod circles;
mod orphans;
mod parting;
mod planning;
mod settling;
mod taking;
mod waiting;
mod wiring;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::orphans::Orphan;
use self::waiting::Waiting;
pub use self::wiring::{
    Chunk, Finished, ProgressHook, Role, SettledHook, StateSink, StreamHook, Wiring,
};
use crate::dispatch::concurrency::Share;
use crate::dispatch::{Batch, Calls, Event, Planned, Task};
use crate::error::Error;
use crate::outcome::Outcome;
use crate::resolve::gate::Key;
use crate::resolve::turns::Turn;
use crate::state::watermark::Watermark;
use crate::store::streams::StoredStream;
use crate::stream::batch::Batcher;
use crate::stream::{Record, Stream};
use crate::summary::{Counts, PlannedCounts, StreamSummary};

/// New plans that one record may need before it is given up: more means that the remote
/// contradicts itself.
const MAX_PLANS: u32 = 6;

/// How long a job goes on to send what it has read, once it is to end. Who asked for the end kills
/// it 10 to 30 seconds later, and then nothing is told.
pub const GRACE: Duration = Duration::from_secs(10);

/// One stream of the job.
struct StreamState {
    stream: Arc<Stream>,
    stored: StoredStream,
    counts: Counts,
    planned: PlannedCounts,
    calls: Arc<Calls>,
    /// That the remote misses a record was told.
    has_told_missing: bool,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Job {
    wiring: Wiring,
    events: mpsc::UnboundedSender<Event>,
    streams: Vec<StreamState>,
    /// Its turns with what other jobs write to, too.
    turn: Turn,
    /// Its share of the calls that may be under way.
    share: Share,
    /// Records that may go out only after one before them has come to its end.
    held: VecDeque<Record>,
    /// Objects of the remote that several streams are written to.
    shared: HashSet<Arc<str>>,
    /// Nothing more comes in before what is under way has come to its end.
    drains: bool,
    waiting: Waiting,
    batcher: Batcher<(usize, Task), Planned>,
    ready: VecDeque<Batch>,
    /// Records that wait for others which the remote misses.
    orphans: Vec<Orphan>,
    /// Records that had been written when those were sent last, after the input's end.
    orphans_round: Option<u64>,
    /// Batches that were given a name.
    named_batches: u64,
    /// What runs beside this loop: batches on their way, and outcomes that go to disk.
    tasks: JoinSet<()>,
    /// Batches on their way that are bulk jobs.
    bulk_under_way: usize,
    /// Bytes of records that were read and are not settled.
    buffered: usize,
    /// Outcomes that need no call, to be put on disk together.
    local: Vec<(usize, Option<Key>, usize, Outcome)>,
    watermark: Watermark,
    /// Position of the last record that was taken from the intake.
    position: u64,
    totals: Counts,
    finished: Finished,
    input_ended: bool,
    /// Some of the input stands beyond `--limit`.
    has_beyond: bool,
    /// Nothing more is sent, because of the remote or of us.
    gave_up: bool,
    /// Outcomes cannot be put on disk, or tasks were lost: nothing can be settled any more.
    is_broken: bool,
    /// The user wants the job to end: until then what was read is sent.
    grace: Option<Instant>,
    /// The store's stream for lines that are no message.
    unreadable: Option<StoredStream>,
}

/// Runs a job to its end. Whatever ends it, what was read has an outcome, and what has an outcome
/// is on disk.
pub async fn run(wiring: Wiring) -> Finished {
    let (events, mut told) = mpsc::unbounded_channel();
    let for_turns = events.clone();
    // A job that has ended has no records that wait.
    let turn = wiring.turns.join(Box::new(move |record| drop(for_turns.send(Event::Turn(record)))));
    let share = wiring.dispatcher.limiter.join(wiring.role.rank());
    let mut job = Job {
        wiring,
        events,
        streams: Vec::new(),
        turn,
        share,
        held: VecDeque::new(),
        shared: HashSet::new(),
        drains: false,
        waiting: Waiting::default(),
        batcher: Batcher::default(),
        ready: VecDeque::new(),
        orphans: Vec::new(),
        orphans_round: None,
        named_batches: 0,
        tasks: JoinSet::new(),
        bulk_under_way: 0,
        buffered: 0,
        local: Vec::new(),
        watermark: Watermark::default(),
        position: 0,
        totals: Counts::default(),
        finished: Finished::default(),
        input_ended: false,
        has_beyond: false,
        gave_up: false,
        is_broken: false,
        grace: None,
        unreadable: None,
    };
    while !job.is_through() || !told.is_empty() {
        if let Err(error) = job.step(&mut told).await {
            job.give_up(error);
        }
        if job.is_broken && job.tasks.is_empty() {
            break;
        }
    }
    job.finish()
}

impl Job {
    /// Waits for the next thing to happen, and does what follows from it.
    async fn step(&mut self, told: &mut mpsc::UnboundedReceiver<Event>) -> Result<(), Error> {
        let now = Instant::now();
        let has_room = self.buffered < self.wiring.max_buffer_bytes;
        self.admit_held()?;
        let can_read = !self.input_ended && has_room && !self.drains;
        let waits = self.drains || !self.held.is_empty();
        let is_awaited = self.wiring.role == Role::Live && self.ready.is_empty();
        let is_eager = is_awaited && self.share.has_room(now);
        if self.input_ended || waits || is_eager || (!has_room && self.is_free()) {
            // Nothing more comes in before something goes out: company is not waited for.
            for ((stream, task), records) in self.batcher.take_all() {
                self.queue(stream, task, records);
            }
        }
        self.admit_released()?;
        self.end_waiting()?;
        self.send_orphans(now, has_room);
        self.settle_local();
        self.mind_grace(now);
        if let Some(until) = self.wiring.dispatcher.limiter.paused_until(now)
            && !self.ready.is_empty()
        {
            self.wiring.dispatcher.retry.sit_out(until - now)?;
        }
        self.start_ready(now);
        if self.is_through() && told.is_empty() {
            // The last thing that was left was done just now, and nothing would wake this.
            return self.release_state();
        }
        let wake = self.wake(now, has_room);
        tokio::select! {
            biased;
            event = told.recv() => {
                if let Some(event) = event {
                    self.take_event(event)?;
                }
                while let Ok(event) = told.try_recv() {
                    self.take_event(event)?;
                }
            }
            () = self.wiring.stop.cancelled(), if self.grace.is_none() => {
                self.grace = Some(Instant::now() + GRACE);
                if !self.input_ended {
                    tracing::info!("Stopping: no more is read, what was read is written.");
                    self.finished.stopped = true;
                    self.input_ended = true;
                }
            }
            Some(ended) = self.tasks.join_next() => {
                if ended.is_err() {
                    self.is_broken = true;
                    return Err(Error::ours("a task that carries records has panicked"));
                }
            }
            chunk = self.wiring.input.recv(), if can_read => self.take_chunk(chunk).await?,
            () = self.share.freed(), if !self.ready.is_empty() => {}
            () = tokio::time::sleep_until(wake.into()) => {
                if has_room || self.is_free() {
                    for ((stream, task), records) in self.batcher.take_due(Instant::now()) {
                        self.queue(stream, task, records);
                    }
                }
            }
        }
        self.settle_local();
        self.release_state()
    }

    /// Once the job is to end, nothing is sent that would hold it up.
    fn mind_grace(&mut self, now: Instant) {
        let Some(grace) = self.grace else { return };
        let dispatcher = Arc::clone(&self.wiring.dispatcher);
        if now >= grace && !dispatcher.retry.is_over() {
            tracing::info!(
                "Stopping: what is not sent after {} seconds is left for the next run.",
                GRACE.as_secs()
            );
            dispatcher.retry.end();
        }
        if dispatcher.retry.is_over() || dispatcher.limiter.paused_until(now).is_some() {
            self.finished.stopped = true;
            self.leave_all_unsent();
            self.settle_local();
        }
    }

    /// Whether what waits goes out to make room for more. While a bulk job is under way it does not: the
    /// job's end makes room, and what waits may be the next one.
    fn is_free(&self) -> bool {
        self.ready.is_empty() && self.bulk_under_way == 0
    }

    fn wake(&self, now: Instant, has_room: bool) -> Instant {
        let paused = self.wiring.dispatcher.limiter.paused_until(now);
        let paused = paused.filter(|_| !self.ready.is_empty());
        let grace = self.grace.filter(|_| !self.wiring.dispatcher.retry.is_over());
        let due = self.batcher.next_due().filter(|_| has_room || self.is_free());
        let due = [due, paused, grace, self.orphans_due()].into_iter().flatten().min();
        due.unwrap_or(now + Duration::from_secs(3600))
    }

    /// There was more to read, which the next job brings.
    fn is_cut_off(&self) -> bool {
        self.finished.stopped || self.finished.error.is_some() || self.has_beyond
    }

    fn is_through(&self) -> bool {
        self.is_idle() && self.orphans.is_empty() && !self.is_waited_for()
    }

    /// Whether some wait for their parents.
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting.count() > 0 || self.waiting.has_released()
    }

    /// The input has ended, and nothing is on its way or about to be, but for those that wait.
    fn is_idle(&self) -> bool {
        self.input_ended
            && self.tasks.is_empty()
            && self.ready.is_empty()
            && self.batcher.is_empty()
            && self.turn.waiting() == 0
            && self.held.is_empty()
            && self.local.is_empty()
    }

    /// Nothing more can be read; what was read goes on.
    pub(super) fn end_reading(&mut self, error: Error) {
        self.input_ended = true;
        if self.finished.error.is_some() {
            error.tell_beside();
        } else {
            self.finished.error = Some(error);
        }
    }

    /// The job cannot go on: nothing new is read or sent, what is under way comes to its end.
    fn give_up(&mut self, error: Error) {
        self.input_ended = true;
        self.is_broken |= error.is_of_store();
        if !self.gave_up {
            // What ended the reading does not hide that the job cannot go on.
            if let Some(first) = self.finished.error.replace(error) {
                first.tell_beside();
            }
        } else if self.finished.error.as_ref().map(Error::full_message)
            != Some(error.full_message())
        {
            // Calls under way at once fail for one cause.
            error.tell_beside();
        }
        self.gave_up = true;
        self.leave_all_unsent();
        self.settle_local();
    }

    fn release_state(&mut self) -> Result<(), Error> {
        if let Some(state) = self.watermark.take_safe() {
            (self.wiring.on_state)(&state)?;
            self.finished.tap_state = Some(state);
        }
        Ok(())
    }

    fn finish(mut self) -> Finished {
        use std::sync::atomic::Ordering::Relaxed;
        let dry_run = self.wiring.dispatcher.dry_run;
        self.finished.comes_again = self.watermark.is_frozen();
        if self.finished.input.bad_lines > 0 {
            let bad = self.finished.input.bad_lines;
            let counts = Counts { read: bad, rejected: bad, ..Counts::default() };
            let summary = StreamSummary { counts, ..StreamSummary::default() };
            self.finished.streams.push((String::new(), summary));
        }
        for state in self.streams {
            let (lookups, writes) =
                (state.calls.lookups.load(Relaxed), state.calls.writes.load(Relaxed));
            let writes = if dry_run { 0 } else { writes };
            let summary = StreamSummary {
                counts: state.counts,
                planned: dry_run.then_some(state.planned),
                lookups,
                requests: lookups + writes,
                retries: state.calls.retries.load(Relaxed),
                bytes: state.calls.bytes.load(Relaxed),
                records_per_sec: 0.0,
            };
            self.finished.streams.push((state.stream.name.to_string(), summary));
        }
        self.finished
    }
}
