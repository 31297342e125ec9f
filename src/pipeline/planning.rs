//! From a record that has its key to a batch that is under way.

use std::sync::Arc;
use std::time::Instant;

use tracing::Instrument as _;

use super::parting::weight;
use super::waiting::Parents;
use super::{Job, MAX_PLANS, Role};
use crate::config::stream::Mode;
use crate::connector::contract::{Action, Row};
use crate::dispatch::{Batch, Ended, Held, Planned, Task};
use crate::error::Error;
use crate::json::fields::Fields;
use crate::outcome::{Fate, Trouble};
use crate::resolve;
use crate::resolve::claims::Claimed;
use crate::resolve::empty::only_empty;
use crate::resolve::gate::Key;
use crate::resolve::resend::CreateKey;
use crate::resolve::{Known, Plan};
use crate::store::doubts::Written;
use crate::stream::identity::id_in;
use crate::stream::{Partial, Record, Stream};

impl Job {
    /// Plans a record that has its key; where it has to wait for a parent, the next one of the key.
    pub(super) fn plan(&mut self, record: Record) -> Result<(), Error> {
        let mut next = Some(record);
        while let Some(record) = next.take() {
            let key = Key::of(&record);
            if !self.plan_one(record, false)? {
                next = self.turn.leave(&key);
            }
        }
        Ok(())
    }

    /// Plans a record that goes out without the parents that are not known.
    pub(super) fn plan_partial(&mut self, record: Record) -> Result<(), Error> {
        self.plan_one(record, true).map(drop)
    }

    /// Plans one record. `false`: it waits for another one, and gives its key back.
    fn plan_one(&mut self, mut record: Record, is_partial: bool) -> Result<bool, Error> {
        if !is_partial && self.waits_behind(&record)? {
            return Ok(false);
        }
        let known = self.known(&record)?;
        let plan = self.first_plan(&record, &known);
        let goes_out = matches!(plan, Plan::Lookup | Plan::Write(..));
        let mut related = None;
        if goes_out && self.has_relations(&record) {
            related = match self.find_parents(&record, is_partial)? {
                Parents::Parked => return Ok(false),
                Parents::Ended => return Ok(true),
                Parents::Known(related) => {
                    relate_lookup_values(&mut record, &related.body);
                    Some(related)
                }
            };
        }
        let object = record.stream.capabilities.object.as_ref();
        let is_shared = object
            .is_some_and(|object| self.wiring.role.is_beside() || self.shared.contains(object));
        // Another stream may be about to write what this one still has.
        if goes_out || is_shared {
            let is_asked_for = plan == Plan::Lookup && record.stream.capabilities.lookup.is_some();
            let Claimed::Free(free) = self.turn.claim(record, is_shared || is_asked_for) else {
                return Ok(true);
            };
            record = free;
        }
        let now = Instant::now();
        let mut planned = Planned::new(record, None, known.was_mapped);
        planned.visible = self.visible(&planned.record.stream, &known, now);
        if let Some(doubt) = known.doubt() {
            planned.key = CreateKey::of(&planned.record, doubt, now);
            planned.doubt = Some(doubt.clone());
            // No lookup ends the doubt: it goes out by its key, or since the user wants it so.
            planned.is_doubtful = matches!(plan, Plan::Write(Action::Create, _));
        }
        if let Some(related) = related {
            planned.body = related.body;
            planned.parents = related.parents;
            planned.is_partial = related.missing.is_some();
        }
        self.follow(planned, plan);
        Ok(true)
    }

    /// From when on it is believed that the remote does not have a record that a lookup does not
    /// show: it may have been written by this job, or by one that has just ended. `None`: at once.
    fn visible(&self, stream: &Stream, known: &Known, now: Instant) -> Option<Instant> {
        let lag = stream.lag();
        let of_doubt = known.doubt().map(|doubt| now + lag.saturating_sub(doubt.since_last()));
        let of_last_job = self.wiring.last_end.map(|ended| ended + lag);
        // Where the remote does not tell ids, it may have been written a moment ago.
        let mapped = known.mapped.as_ref().filter(|mapped| mapped.remote_id.is_none());
        let of_untold = mapped.map(|_| now + lag);
        [of_doubt, of_last_job, of_untold].into_iter().flatten().max().filter(|at| *at > now)
    }

    /// What the store knows of a record.
    fn known(&self, record: &Record) -> Result<Known, Error> {
        let store = &self.wiring.dispatcher.store;
        let stored = self.streams[record.stream.index].stored;
        let mut known = Known::default();
        if let Some(id) = &record.external_id {
            known.mapped = store.find(&stored, id)?;
            known.was_mapped = known
                .mapped
                .as_ref()
                .is_some_and(|mapped| mapped.remote_id.is_some() || mapped.fingerprint.is_some());
            known.doubt = store.find_doubt(&stored, id)?;
        } else if record.remote_id.is_none() {
            // That a stream has no records is to be told by each job.
            let or_before = !record.stands_in;
            known.written = store.find_written(&stored, &record.fingerprint, or_before)?;
            if self.wiring.role == Role::Live {
                // Each record is an input of its own, in which the same content is another record.
                known.written.take_if(|written| matches!(written, Written::Yes(_)));
            }
        }
        self.mind_parents(record, &mut known)?;
        Ok(known)
    }

    /// The same content with another remote id of a parent is another one: one was deleted at the
    /// remote and made anew, or the relation is new.
    fn mind_parents(&self, record: &Record, known: &mut Known) -> Result<(), Error> {
        let is_other = |then: Option<i64>| -> Result<bool, Error> {
            let Some(then) = then else { return Ok(false) };
            Ok(self.parents_now(record)?.is_some_and(|now| now != then))
        };
        if let Some(mapped) = &mut known.mapped
            && mapped.fingerprint == Some(record.fingerprint)
            && is_other(mapped.parents)?
        {
            mapped.fingerprint = None;
        }
        if let Some(doubt) = known.doubt_mut()
            && doubt.key.is_some()
            && is_other(doubt.parents)?
        {
            // Under its key the remote knows what was sent then.
            doubt.key = None;
        }
        Ok(())
    }

    /// What is to happen to a record, before its parents are looked at.
    fn first_plan(&self, record: &Record, known: &Known) -> Plan {
        if let Some(partial) = &record.partial {
            return resolve::plan_rest(record, partial.remote_id.clone());
        }
        let plan = resolve::plan(record, known);
        let is_upsert = plan == Plan::Write(Action::Upsert, None);
        if is_upsert
            && self.wiring.dispatcher.dry_run
            && record.stream.capabilities.lookup.is_some()
        {
            // A dry run tells what the remote would make of it.
            return Plan::Lookup;
        }
        plan
    }

    /// Whether parents are to be found first. Nothing is made in a dry run, so nobody could wait.
    fn has_relations(&self, record: &Record) -> bool {
        let options = &record.stream.options;
        !options.relations.is_empty()
            && options.mode != Mode::Delete
            && !self.wiring.dispatcher.dry_run
    }

    /// Does what a plan says.
    pub(super) fn follow(&mut self, mut planned: Planned, plan: Plan) {
        planned.plans += 1;
        planned.held = None;
        let mode = planned.record.stream.options.mode;
        let plan = if planned.plans > MAX_PLANS {
            let why = "the remote contradicts itself: what it has it cannot change, what it has not \
                       it cannot create, or what it shows is never what it has";
            Plan::Fail(Trouble::other("contradiction", why))
        } else {
            plan
        };
        match plan {
            Plan::Unchanged(remote_id) => {
                self.end_locally(&planned, None, Ended::under(Fate::Unchanged, remote_id), true);
            }
            Plan::Skip(trouble, remote_id) => {
                let ended = Ended { fate: Fate::Skipped, remote_id, trouble: Some(trouble) };
                self.end_locally(&planned, None, ended, true);
            }
            Plan::Gone(remote_id) => {
                let ended = Ended::under(Fate::Deleted, Some(remote_id));
                self.end_locally(&planned, Some(Action::Delete), ended, true);
            }
            Plan::Refuse(trouble) => {
                self.end_locally(&planned, None, Ended::trouble(Fate::Rejected, trouble), true);
            }
            Plan::Fail(trouble) => {
                self.end_locally(&planned, None, Ended::trouble(Fate::Failed, trouble), true);
            }
            Plan::InDoubt(doubt) => {
                // What the remote misses is not where it may have been made.
                planned.remote_id = None;
                let sent = crate::store::jobs::at_millis(doubt.first_millis);
                let why = format!(
                    "sent by an earlier job at {sent}, and nothing tells whether it was applied"
                );
                let trouble = Trouble::other("in_doubt", why);
                let action = Some(Action::Create);
                self.end_locally(&planned, action, Ended::trouble(Fate::InDoubt, trouble), true);
            }
            Plan::Lookup => self.gather(Task::Lookup, planned),
            Plan::Write(..) if planned.is_partial && mode == Mode::Insert => {
                let why = "its parents wait for it in turn, and in mode `insert` no record is written \
                           once more when they are there: use mode `upsert`";
                let ended = Ended::trouble(Fate::Rejected, Trouble::payload("no_parent", why));
                self.end_locally(&planned, None, ended, true);
            }
            Plan::Write(action, remote_id) => {
                let record = &planned.record;
                if let Some(id) = &remote_id {
                    self.turn.aim(record, id);
                }
                planned.remote_id = remote_id;
                let task = if must_read(&planned, action) {
                    Task::Read(action)
                } else {
                    Task::Write(action)
                };
                self.gather(task, planned);
            }
        }
    }

    /// A record that was read goes on to be written, with what was read in mind.
    pub(super) fn follow_read(&mut self, mut planned: Planned, action: Action, row: Row) {
        let mut held = Held { version: row.version, left: None };
        if planned.record.stream.options.only_empty() && action != Action::Delete {
            let kept = planned.record.kept.clone();
            let is_kept = |name: &str| kept.as_ref().is_none_or(|kept| kept.contains(name));
            let Some(left) = only_empty(&planned.body, &row.fields, is_kept) else {
                if planned.is_partial {
                    let (fate, attempts) = (Fate::Unchanged, planned.attempts);
                    let partial = Partial { remote_id: row.remote_id, action, fate, attempts };
                    return self.settle_partial(planned, partial);
                }
                let ended = Ended::under(Fate::Unchanged, Some(row.remote_id));
                return self.end_locally(&planned, Some(action), ended, true);
            };
            held.left = Some(left);
        }
        planned.held = Some(held);
        if action == Action::Update {
            // Another one, where it was merged into that.
            planned.remote_id = Some(row.remote_id);
        }
        self.gather(Task::Write(action), planned);
    }

    /// Puts a record into its batch.
    pub(super) fn gather(&mut self, task: Task, planned: Planned) {
        if self.gave_up || self.wiring.dispatcher.retry.is_over() {
            return self.leave_unsent(planned);
        }
        let stream = planned.record.stream.index;
        let limits = self.limits(&planned.record.stream, task);
        let bytes = weight(&planned, task);
        if planned.record.stream.capabilities.in_order {
            // Another batch that is still open would go out after this one.
            for ((stream, task), records) in self.batcher.take_others((stream, task)) {
                self.queue(stream, task, records);
            }
        }
        for full in self.batcher.push((stream, task), limits, bytes, planned, Instant::now()) {
            self.queue(stream, task, full);
        }
    }

    pub(super) fn queue(&mut self, stream: usize, task: Task, records: Vec<Planned>) {
        let stream = Arc::clone(&self.streams[stream].stream);
        match task {
            Task::Write(action) if self.prepares(action, &records) => {
                self.ready.push_back(self.whole(&stream, Task::Prepare(action), records));
            }
            Task::Write(action) => self.queue_writes(&stream, action, records),
            task => self.ready.push_back(self.whole(&stream, task, records)),
        }
    }

    /// Whether what records name is asked for before they are written.
    pub(super) fn prepares(&self, action: Action, records: &[Planned]) -> bool {
        let dispatcher = &self.wiring.dispatcher;
        let names_others =
            |planned: &Planned| dispatcher.connector.names_others(planned.outgoing());
        action != Action::Delete && !dispatcher.dry_run && records.iter().any(names_others)
    }

    /// Records that are dealt with together.
    pub(super) fn whole(&self, stream: &Arc<Stream>, task: Task, records: Vec<Planned>) -> Batch {
        let stored = self.streams[stream.index].stored;
        let (stream, id, locks) = (Arc::clone(stream), None, Arc::default());
        Batch { stream, stored, task, records, id, is_bulk: false, locks }
    }

    /// Records that are ready to be written go out in calls.
    pub(super) fn queue_writes(
        &mut self,
        stream: &Arc<Stream>,
        action: Action,
        records: Vec<Planned>,
    ) {
        for mut batch in self.part(stream, action, records) {
            if self.wiring.dispatcher.dry_run {
                self.streams[stream.index].planned.add(action, batch.records.len(), batch.is_bulk);
            }
            if let Some(ids) = &stream.capabilities.batch_ids
                && !batch.records.iter().any(|one| one.record.stands_in)
            {
                self.named_batches += 1;
                batch.id = Some(ids.id(self.named_batches - 1));
            }
            self.ready.push_back(batch);
        }
    }

    /// Starts as many batches as may be under way.
    pub(super) fn start_ready(&mut self, now: Instant) {
        while !self.ready.is_empty() && self.share.start(now) {
            let Some(batch) = self.take_ready() else {
                // All of them wait for batches under way, whose end is told.
                self.share.withdraw();
                break;
            };
            self.bulk_under_way += usize::from(batch.is_bulk);
            let dispatcher = Arc::clone(&self.wiring.dispatcher);
            let calls = Arc::clone(&self.streams[batch.stream.index].calls);
            let events = self.events.clone();
            let delivery = async move { dispatcher.deliver(batch, &calls, &events).await };
            self.tasks.spawn(delivery.in_current_span());
        }
        self.share.settle(!self.ready.is_empty());
    }
}

/// A relation that the record is found by stands at the remote as it goes out: with the parent's
/// remote id. `body`: the record with its parents.
fn relate_lookup_values(record: &mut Record, body: &str) {
    let options = &record.stream.options;
    let is_relation = |name: &str| options.relations.iter().any(|relation| relation.field == name);
    let names = options.lookup_names();
    if !names.iter().any(|name| is_relation(name)) {
        return;
    }
    let Ok(fields) = Fields::of_text(body) else { return };
    let values = names.iter().zip(&mut record.lookup_values);
    for (name, value) in values.filter(|(name, _)| is_relation(name)) {
        *value = id_in(&fields, name).ok().flatten().map(Into::into);
    }
}

/// Whether what the remote holds of a record must be known before it is written.
fn must_read(planned: &Planned, action: Action) -> bool {
    let stream = &planned.record.stream;
    let limits = stream.capabilities.limits(action);
    let only_empty = stream.options.only_empty() && action != Action::Delete;
    planned.remote_id.is_some()
        && planned.held.is_none()
        && (only_empty || limits.is_some_and(|limits| limits.reads_first))
}
