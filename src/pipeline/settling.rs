//! What follows from what the dispatcher tells, and outcomes that need no call.

use std::sync::Arc;
use std::time::Instant;

use tracing::Instrument as _;

use super::Job;
use super::orphans::ENDED;
use crate::config::stream::Mode;
use crate::connector::contract::Action;
use crate::dispatch::{Again, Ended, Event, Planned, Settled, Task};
use crate::error::Error;
use crate::outcome::{Fate, Trouble};
use crate::record::{ExternalId, RemoteId};
use crate::resolve;
use crate::resolve::Plan;
use crate::resolve::claims::{Seen, Stands};
use crate::resolve::gate::Key;
use crate::stream::{Partial, Record};

impl Job {
    pub(super) fn take_event(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Delivered { is_bulk, locks } => {
                self.bulk_under_way -= usize::from(is_bulk);
                self.turn.unlock(&locks);
                self.share.end();
            }
            Event::Turn(record) => self.plan(record)?,
            Event::NoParent(action, orphans) => self.take_orphans(action, orphans),
            Event::Divided(action, records) => self.send_on(action, records, true),
            Event::Prepared(action, records) => self.send_on(action, records, false),
            Event::Settled(settled) => self.take_settled(&settled)?,
            Event::Found(found) => {
                for (planned, ids) in found {
                    self.take_found(planned, ids);
                }
            }
            Event::Read(action, read) => {
                for (planned, row) in read {
                    self.follow_read(planned, action, row);
                }
            }
            Event::Partial(records) => self.take_partial(records)?,
            Event::Again(again) => {
                for (mut planned, why) in again {
                    let plan = self.plan_again(&mut planned, why)?;
                    self.follow(planned, plan);
                }
            }
            Event::Fatal(error) => self.give_up(error),
        }
        Ok(())
    }

    /// Sends records on: in calls of their own where a bulk job has not written them, or as is best
    /// once what they name was asked for.
    fn send_on(&mut self, action: Action, records: Vec<Planned>, is_divided: bool) {
        let Some(first) = records.first() else { return };
        let stream = Arc::clone(&first.record.stream);
        if self.gave_up || self.wiring.dispatcher.retry.is_over() {
            for planned in records {
                self.leave_unsent(planned);
            }
        } else if is_divided {
            let batches = self.in_calls(&stream, action, records);
            self.ready.extend(batches);
        } else {
            self.queue_writes(&stream, action, records);
        }
    }

    fn plan_again(&mut self, planned: &mut Planned, why: Again) -> Result<Plan, Error> {
        let stream = &planned.record.stream;
        let shown = Instant::now() + stream.lag();
        Ok(match (why, planned.remote_id.clone()) {
            (Again::Changed(action), remote_id) if planned.held.is_some() => {
                // A reading may show for a while what is there no more.
                let read = stream.capabilities.read;
                planned.not_before = read.map(|read| Instant::now() + read.lag);
                Plan::Write(action, remote_id)
            }
            (Again::Changed(_), _) => {
                // The manifest's mistake, in each run again.
                let why = "the remote says that the record has changed, and was told no version";
                Plan::Refuse(Trouble::other("changed", why))
            }
            (Again::Exists(id), _) => {
                planned.is_said_to_exist = id.is_none();
                let plan = resolve::plan_exists(&planned.record, id);
                planned.is_doubtful &= matches!(plan, Plan::Refuse(_));
                // It is there, though a lookup may not show it yet.
                planned.visible = Some(shown);
                plan
            }
            (Again::Missing, Some(id)) => {
                // Another create is another one, for the remote too.
                planned.key = None;
                if let Some(other) = self.other_id(&planned.record, &id)? {
                    return Ok(resolve::plan_exists(&planned.record, Some(other)));
                }
                // A lookup may show for a while what is there no more.
                planned.not_before = Some(shown);
                let plan = resolve::plan_missing(&planned.record, &id, planned.doubt.as_ref());
                let mode = planned.record.stream.options.mode;
                if mode == Mode::Upsert && !matches!(plan, Plan::Refuse(_)) {
                    self.tell_missing(&planned.record, &id);
                }
                plan
            }
            (Again::Missing, None) => {
                Plan::Refuse(Trouble::other("missing", "the remote misses it"))
            }
        })
    }

    /// Another remote id than the one that is missing, where the map has one: the record itself may
    /// have told a wrong one.
    fn other_id(&self, record: &Record, missing: &RemoteId) -> Result<Option<RemoteId>, Error> {
        let Some(id) = &record.external_id else { return Ok(None) };
        let stored = &self.streams[record.stream.index].stored;
        let mapped = self.wiring.dispatcher.store.find(stored, id)?;
        Ok(mapped.and_then(|mapped| mapped.remote_id).filter(|id| id != missing))
    }

    /// A remote id that is wrong, as one that was imported may be, makes a second record: that is
    /// told, of one record of a stream.
    fn tell_missing(&mut self, record: &Record, id: &RemoteId) {
        let state = &mut self.streams[record.stream.index];
        if !std::mem::replace(&mut state.has_told_missing, true) {
            tracing::warn!(
                "The remote has no record with the id `{id}`, which `{}` of stream `{}` was known by: such \
                 records are looked for, and created where they are not found (`on_missing` is `recreate`).",
                record.external_id.as_ref().map_or("", ExternalId::as_str),
                record.stream.name
            );
        }
    }

    fn take_found(&mut self, mut planned: Planned, ids: Vec<RemoteId>) {
        let now = Instant::now();
        let again = match self.turn.see(&planned.record, ids, now) {
            Seen::Later(at) => at,
            Seen::Ids(ids) => {
                let Some(at) = planned.visible.filter(|at| ids.is_empty() && now < *at) else {
                    let plan = if ids.is_empty() && planned.is_said_to_exist {
                        let why = "the remote says that it has the record, and does not find it: \
                                   another one may have a value that only one can have";
                        Plan::Refuse(Trouble::payload("exists", why))
                    } else {
                        resolve::plan_found(&planned.record, &ids)
                    };
                    return self.follow(planned, plan);
                };
                at
            }
        };
        planned.not_before = Some(again);
        self.gather(Task::Lookup, planned);
    }

    pub(super) fn take_settled(&mut self, settled: &Settled) -> Result<(), Error> {
        self.buffered = self.buffered.saturating_sub(settled.bytes);
        for outcome in settled.outcomes.iter() {
            let state = &mut self.streams[settled.stream];
            state.counts.add(outcome.fate);
            self.totals.add(outcome.fate);
            self.finished.errors.add(settled.stream, state.stream.name.as_str(), outcome);
            if outcome.must_come_again() {
                self.watermark.freeze(outcome.position);
            } else {
                self.watermark.end(outcome.position);
            }
            // All may have been read by then.
            self.finished.stopped |= self.wiring.stop.is_cancelled() && outcome.is_cut_off();
            self.parent_settled(settled.stream, outcome)?;
        }
        (self.wiring.on_progress)(&self.totals);
        (self.wiring.on_settled)(&settled.outcomes);
        for (key, outcome) in settled.keys.iter().zip(settled.outcomes.iter()) {
            let Some(key) = key else { continue };
            let stands = match &outcome.remote_id {
                _ if outcome.fate == Fate::Deleted => Stands::Nowhere,
                Some(remote_id) if outcome.fate.is_there() => Stands::At(remote_id),
                remote_id if outcome.may_be_applied() => Stands::Perhaps(remote_id.as_ref()),
                _ => Stands::Nowhere,
            };
            self.leave_claims(key, settled.stream, stands)?;
            self.leave_gate(key)?;
        }
        Ok(())
    }

    /// Gives back what a record is found by, to those who wait for it.
    pub(super) fn leave_claims(
        &mut self,
        key: &Key,
        stream: usize,
        stands: Stands<'_>,
    ) -> Result<(), Error> {
        let stream = &self.streams[stream].stream;
        let lag = stream.lag();
        for record in self.turn.give_back(key, stream, stands, lag) {
            self.plan(record)?;
        }
        Ok(())
    }

    /// Gives a key back to the next record that has it.
    fn leave_gate(&mut self, key: &Key) -> Result<(), Error> {
        if let Some(next) = self.turn.leave(key) {
            return self.plan(next);
        }
        let place = self.place_of(key);
        if let Some(next) = self.next_behind(&place)?
            && let Some(next) = self.turn.enter(next)
        {
            self.plan(next)?;
        }
        Ok(())
    }

    /// Whatever waits to be sent is not.
    pub(super) fn leave_all_unsent(&mut self) {
        let open = self.batcher.take_all().into_iter().flat_map(|(_, records)| records);
        let unsent: Vec<Planned> =
            self.ready.drain(..).flat_map(|batch| batch.records).chain(open).collect();
        for planned in unsent {
            self.leave_unsent(planned);
        }
        self.leave_orphans(ENDED);
    }

    /// A record that is not sent because the job has failed. It has an outcome all the same.
    pub(super) fn leave_unsent(&mut self, planned: Planned) {
        let (planned, action, ended) = crate::dispatch::not_sent(planned);
        self.end_locally(&planned, action, ended, true);
    }

    /// A record stands at the remote as it is to be, but for some of its relations.
    pub(super) fn settle_partial(&mut self, planned: Planned, partial: Partial) {
        let stored = self.streams[planned.record.stream.index].stored;
        let dispatcher = Arc::clone(&self.wiring.dispatcher);
        let events = self.events.clone();
        let settling = async move {
            dispatcher.settle_partial(stored, planned, partial, &events).await;
        };
        self.tasks.spawn(settling.in_current_span());
    }

    /// Ends a record without a call. `is_in_gate` says whether it went through the gate.
    pub(super) fn end_locally(
        &mut self,
        planned: &Planned,
        action: Option<Action>,
        ended: Ended,
        is_in_gate: bool,
    ) {
        let stream = planned.record.stream.index;
        let stored = self.streams[stream].stored.id;
        let key = is_in_gate.then(|| Key::of(&planned.record));
        let bytes = planned.record.size();
        let outcome = self.wiring.dispatcher.outcome(stored, planned, action, ended);
        self.local.push((stream, key, bytes, outcome));
    }

    /// Puts outcomes that needed no call on disk, a group for each stream.
    pub(super) fn settle_local(&mut self) {
        let mut local = std::mem::take(&mut self.local);
        local.sort_by_key(|(stream, ..)| *stream);
        let mut local = local.into_iter().peekable();
        while let Some((stream, key, bytes, outcome)) = local.next() {
            let mut settled = Settled { stream, outcomes: Arc::default(), keys: vec![key], bytes };
            let mut outcomes = vec![outcome];
            while let Some((_, key, bytes, outcome)) = local.next_if(|next| next.0 == stream) {
                settled.keys.push(key);
                settled.bytes += bytes;
                outcomes.push(outcome);
            }
            settled.outcomes = Arc::new(outcomes);
            let dispatcher = Arc::clone(&self.wiring.dispatcher);
            let events = self.events.clone();
            self.tasks.spawn(async move {
                let outcomes = Arc::clone(&settled.outcomes);
                let event = match dispatcher.store.record(dispatcher.job, outcomes, None).await {
                    Ok(()) => Event::Settled(settled),
                    Err(error) => Event::Fatal(error.into()),
                };
                // The job listens until all tasks have ended.
                drop(events.send(event));
            });
        }
    }
}
