//! Records that are written at once: one job of the lane stays open for them, so that nothing has to
//! be started for each, and what comes together may go out together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::Service;
use super::feed::{Feed, Lines};
use super::input::record_line;
use super::lane::{Lane, job_span};
use super::lock;
use super::problem::Problem;
use super::queue::{Ended, NewJob, Source, State};
use super::run::conclude;
use crate::error::Error;
use crate::job::Begun;
use crate::job::walk::{Input, walk};
use crate::json::fields::Fields;
use crate::pipeline::{Finished, Role};
use crate::store::jobs::JobId;
use crate::store::tasks::{self, KEY_MILLIS};

/// A job that nobody wrote with for so long ends; the next record begins another.
pub(super) const IDLE: Duration = Duration::from_secs(300);
/// How long a record that was accepted waits for room.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a job goes on by itself once it, or the service, is to end.
pub(super) const LAST_RECORDS: Duration = Duration::from_secs(1);
/// How long it does once its account is another one.
const LAST_CALLS: Duration = Duration::from_secs(10);
/// How long one that is to give way waits for a moment without records.
const RETIRES: Duration = Duration::from_secs(60);

/// A job that is open for records.
pub(super) struct Live {
    /// As the lane's store knows it.
    pub(super) uuid: String,
    pub(super) job: JobId,
    feed: Mutex<Feed>,
    waiting: Waiting,
    /// Ended when it has ended, and it is on disk how.
    over: CancellationToken,
    /// Ended to have it end early.
    stop: CancellationToken,
    /// Since when another one is to take its place.
    retires: Mutex<Option<Instant>>,
}

/// Why a record was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotSent {
    /// The job takes no more.
    Closed,
    /// That it is to be written could not be kept.
    NotKept,
    /// Too much waits to be written.
    Full,
    /// It has more bytes than a line of the input may.
    TooLong(usize),
}

/// Who waits for the record at which position.
type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<()>>>>;

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("uuid", &self.uuid).finish_non_exhaustive()
    }
}

impl Live {
    /// The lane's job that is open for records; another one where there is none, which writes first what
    /// the one before it was given and has not written. Not to be dropped on its way: see
    /// [`Service::whole`].
    ///
    /// # Errors
    /// 503 where the service ends; what kept a job from beginning.
    pub(super) async fn of(service: &Arc<Service>, lane: &Arc<Lane>) -> Result<Arc<Self>, Problem> {
        Self::of_noting(service, lane, &AtomicBool::default()).await
    }

    /// The same. `opens` is set where others wait for this: then it is not to be dropped.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub(super) async fn of_noting(
        service: &Arc<Service>,
        lane: &Arc<Lane>,
        opens: &AtomicBool,
    ) -> Result<Arc<Self>, Problem> {
        let open = || lane.live().filter(|live| live.goes_on());
        if let Some(live) = open() {
            return Ok(live);
        }
        let _turn = lane.beginning.lock().await;
        opens.store(true, Ordering::Release);
        if let Some(live) = open() {
            return Ok(live);
        }
        let account = lane.account();
        let begun = async {
            if let Some(before) = lane.live() {
                // What it has written last is known when it has ended.
                before.over().await;
            }
            lane.store().forget_tasks(KEY_MILLIS).await?;
            Ok::<_, Problem>(Self::start(service, lane).await?)
        };
        // Whatever it waits for may take long, and nobody has given it a record.
        let live = tokio::select! {
            biased;
            () = service.stop.cancelled() => return Err(Problem::ending()),
            live = begun => live?,
        };
        let went_on = tokio::select! {
            biased;
            () = service.stop.cancelled() => Err(Problem::ending()),
            went_on = live.go_on(lane) => went_on,
        };
        if went_on.is_err() {
            // The next one begins with what this one was not given.
            live.close();
        }
        // Others see it from here on, when what came before their records is on its way.
        lane.set_live(Arc::clone(&live));
        if !Arc::ptr_eq(&account, &lane.account()) {
            // Whoever has changed it may have looked before.
            Arc::clone(&live).end_soon();
        }
        if service.stop.is_cancelled() {
            // Whoever ends all that are open may have looked before.
            service.tasks.spawn(Arc::clone(&live).end(LAST_RECORDS));
        }
        went_on.map(|()| live)
    }

    /// Takes what earlier jobs were given and have not written.
    async fn go_on(&self, lane: &Lane) -> Result<(), Problem> {
        for task in lane.store().read(tasks::open)? {
            let Ok(record) = RawValue::from_string(task.record.clone()) else { continue };
            loop {
                let keep = |position| lane.store().take_on_task(task.clone(), self.job, position);
                match self.send(&task.stream, &record, keep) {
                    Ok((_, kept)) => {
                        kept.await?;
                        break;
                    }
                    Err(NotSent::Full | NotSent::NotKept) => tokio::time::sleep(PAUSE).await,
                    Err(NotSent::Closed) => return Ok(()),
                    Err(NotSent::TooLong(most)) => {
                        tracing::error!(
                            task = task.id,
                            most,
                            "A record that was accepted is too long now."
                        );
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Begins one.
    async fn start(service: &Arc<Service>, lane: &Arc<Lane>) -> Result<Arc<Self>, Error> {
        let span = job_span(&lane.name, None);
        Self::begin(service, lane).instrument(span).await
    }

    async fn begin(service: &Arc<Service>, lane: &Arc<Lane>) -> Result<Arc<Self>, Error> {
        let stop = CancellationToken::new();
        let (begun, ready) = lane.begin(Role::Live, None, stop.clone()).await?;
        let name = format!("{}-{} at once", lane.name.flow, lane.name.connector);
        let job = NewJob {
            uuid: begun.uuid.clone(),
            state: State::Running,
            run: Some(begun.uuid.clone()),
            ..NewJob::new(lane.name.clone(), Source::Live, name)
        };
        if let Err(not_kept) = service.queue.push(job, None, usize::MAX).await {
            let error = Some(not_kept.clone().into());
            conclude(service, &begun, Finished { error, ..Finished::default() }).await;
            return Err(not_kept.into());
        }
        if let Err(error) = ready {
            let told = Error::remote(error.full_message()).hint_if(error.hint_text());
            end(service, lane, &begun, Finished { error: Some(error), ..Finished::default() })
                .await;
            return Err(told);
        }
        let (lines, reader) = mpsc::channel();
        let waiting = Waiting::default();
        let bytes = Arc::new(AtomicUsize::new(0));
        let live = Arc::new(Self {
            uuid: begun.uuid.clone(),
            job: begun.job,
            feed: Mutex::new(Feed {
                lines: Some(lines),
                position: 0,
                waiting: Arc::clone(&bytes),
                most_bytes: begun.config.max_buffer_bytes,
                most_line: begun.config.max_line_bytes,
                streams: HashMap::new(),
                named: 0,
                used: Instant::now(),
            }),
            waiting: Arc::clone(&waiting),
            over: CancellationToken::new(),
            stop: stop.clone(),
            retires: Mutex::default(),
        });
        let watch = service.progress.begin(&begun.uuid, lane);
        let input = Input {
            on_progress: watch.on_progress(),
            on_settled: Box::new(move |outcomes| {
                watch.settle(outcomes);
                let mut waiting = lock(&waiting);
                for outcome in outcomes {
                    if let Some(waits) = waiting.remove(&outcome.position) {
                        // Who does not wait any more asks for it later.
                        waits.send(()).unwrap_or_default();
                    }
                }
            }),
            ..Input::new(Box::new(Lines {
                from: reader,
                line: Vec::new(),
                read: 0,
                waiting: bytes,
            }))
        };
        let (own, service, lane) = (Arc::clone(&live), Arc::clone(service), Arc::clone(lane));
        let tasks = service.tasks.clone();
        let walking = async move {
            let finished = walk(&begun, input, stop).await;
            own.close();
            end(&service, &lane, &begun, finished).await;
            own.over.cancel();
            lock(&own.waiting).clear();
        };
        tasks.spawn(walking.in_current_span());
        Ok(live)
    }

    /// Sends a record of `stream`; what is returned is told when its outcome is on disk, and is gone when
    /// the job has ended without. `keep` is told its position before it leaves, and keeps it from leaving
    /// with `None`.
    pub(super) fn send<T>(
        &self,
        stream: &str,
        record: &RawValue,
        keep: impl FnOnce(u64) -> Option<T>,
    ) -> Result<(oneshot::Receiver<()>, T), NotSent> {
        // Whoever brings it has seen that it is a record.
        let fields = Fields::of_text(record.get()).unwrap_or_default();
        let line = record_line(stream, record);
        let mut feed = lock(&self.feed);
        let new = feed.new_in(stream, &fields);
        if feed.is_full_for(new) {
            feed.lines = None;
        }
        let lines = feed.lines.clone().ok_or(NotSent::Closed)?;
        if line.len() > feed.most_line {
            return Err(NotSent::TooLong(feed.most_line));
        }
        // One is taken whatever its size.
        let waiting = feed.waiting.load(Ordering::Acquire);
        if waiting > 0 && waiting + line.len() > feed.most_bytes {
            return Err(NotSent::Full);
        }
        let position = feed.position + 1;
        let kept = keep(position).ok_or(NotSent::NotKept)?;
        let mut text = Vec::new();
        if new > 0 {
            text.extend(feed.schema(stream, &fields).into_bytes());
        }
        text.extend(line);
        feed.position = position;
        feed.used = Instant::now();
        let (settle, settled) = oneshot::channel();
        lock(&self.waiting).insert(position, settle);
        feed.waiting.fetch_add(text.len(), Ordering::AcqRel);
        if lines.send(text).is_err() {
            feed.lines = None;
            lock(&self.waiting).remove(&position);
            return Err(NotSent::Closed);
        }
        Ok((settled, kept))
    }

    /// Takes no more; what was taken is written.
    pub(super) fn close(&self) {
        lock(&self.feed).lines = None;
    }

    /// Has another one begin as soon as nobody waits for a record of this one; at the latest in a minute.
    pub(super) fn retire(&self) {
        lock(&self.retires).get_or_insert_with(Instant::now);
    }

    /// Whether the next record is for it.
    fn goes_on(&self) -> bool {
        let since = *lock(&self.retires);
        if since.is_some_and(|since| since.elapsed() > RETIRES || lock(&self.waiting).is_empty()) {
            self.close();
        }
        self.is_open()
    }

    /// Takes no more, from now on; what is returned ends what takes longer than `patience`.
    pub(super) fn end(self: Arc<Self>, patience: Duration) -> impl Future<Output = ()> {
        self.close();
        async move {
            if tokio::time::timeout(patience, self.over()).await.is_err() {
                self.stop.cancel();
            }
        }
    }

    /// Takes no more; what is not through in some seconds is left for the next one.
    pub(super) fn end_soon(self: Arc<Self>) {
        tokio::spawn(self.end(LAST_CALLS));
    }

    /// Whether more is taken.
    pub(super) fn is_open(&self) -> bool {
        lock(&self.feed).lines.is_some()
    }

    /// Whether it has ended, and it is on disk how.
    pub(super) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Waits until it has.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }

    /// Closes it where nobody has written with it for long.
    pub(super) fn close_if_idle(&self, now: Instant) {
        let mut feed = lock(&self.feed);
        if now.saturating_duration_since(feed.used) >= IDLE {
            feed.lines = None;
        }
    }
}

async fn end(service: &Service, lane: &Lane, begun: &Begun, finished: Finished) {
    let ended = Ended::from(&conclude(service, begun, finished).await.summary);
    service.end_job(&lane.name, &begun.uuid, begun.clock.elapsed(), ended).await;
}
