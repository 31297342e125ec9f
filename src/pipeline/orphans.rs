//! Records that name others which the remote misses: those may be on their way in another call, or in
//! a bulk job. They are sent once more when nothing else is under way, and again as long as that writes
//! some of them; what is missed then is not there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Job;
use crate::connector::contract::{Action, Rejection};
use crate::dispatch::{Ended, Planned, Task};
use crate::outcome::{Fate, NOT_SENT, Trouble};

/// How long one waits, where the input does not end: the tap's STATE waits with it.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Why one was not sent once more.
pub(super) const ENDED: &str = "the job ended before it was sent once more";

/// A record that waits.
pub(super) struct Orphan {
    action: Action,
    planned: Planned,
    /// What the remote says of it.
    rejection: Rejection,
    since: Instant,
}

impl Job {
    pub(super) fn take_orphans(&mut self, action: Action, orphans: Vec<(Planned, Rejection)>) {
        let since = Instant::now();
        let orphans = orphans.into_iter();
        let waits = |(planned, rejection)| Orphan { action, planned, rejection, since };
        self.orphans.extend(orphans.map(waits));
        if self.gave_up || self.wiring.dispatcher.retry.is_over() {
            self.leave_orphans(ENDED);
        }
    }

    /// Sends those that wait, where what they wait for is not on its way any more.
    pub(super) fn send_orphans(&mut self, now: Instant, has_room: bool) {
        if self.orphans.is_empty() {
            return;
        }
        if !self.input_ended {
            let is_due = |orphan: &Orphan| orphan.since + LONGEST_WAIT <= now;
            let due = self.orphans.partition_point(is_due);
            let due: Vec<Orphan> = self.orphans.drain(..due).collect();
            self.send_again(due, true);
            if !has_room && self.is_quiet() {
                let why =
                    "more records wait for others than there is room for (`max_buffer_bytes`)";
                self.leave_orphans(why);
            }
            return;
        }
        if !self.is_quiet() {
            return;
        }
        if self.is_cut_off() {
            return self.leave_orphans(ENDED);
        }
        // Whom they name may be among those that wait for parents of their own, and come to their end
        // by themselves, unless they wait behind one of these.
        let is_blocked = self.turn.waiting() > 0 || !has_room;
        if self.is_waited_for() && !is_blocked {
            return;
        }
        // Or among themselves: as long as some are written, others may find theirs.
        let written: u64 =
            self.streams.iter().map(|state| state.counts.created + state.counts.updated).sum();
        let may_follow = self.orphans.len() > 1;
        let is_last = match self.orphans_round.replace(written) {
            Some(before) => before == written,
            None => !may_follow,
        };
        let orphans = std::mem::take(&mut self.orphans);
        self.send_again(orphans, is_last);
    }

    /// `is_last`: what is missed then is not there.
    fn send_again(&mut self, orphans: Vec<Orphan>, is_last: bool) {
        let mut calls: BTreeMap<(usize, Action), Vec<Planned>> = BTreeMap::new();
        for Orphan { action, mut planned, .. } in orphans {
            planned.has_waited = is_last;
            calls.entry((planned.record.stream.index, action)).or_default().push(planned);
        }
        for ((_, action), records) in calls {
            let Some(first) = records.first() else { continue };
            let stream = Arc::clone(&first.record.stream);
            if self.prepares(action, &records) {
                self.ready.push_back(self.whole(&stream, Task::Prepare(action), records));
                continue;
            }
            let batches = self.in_calls(&stream, action, records);
            self.ready.extend(batches);
        }
    }

    /// No call is on its way, or about to be.
    fn is_quiet(&self) -> bool {
        self.share.under_way() == 0 && self.ready.is_empty() && self.batcher.is_empty()
    }

    /// When the first of them has waited long enough.
    pub(super) fn orphans_due(&self) -> Option<Instant> {
        let first = self.orphans.first().filter(|_| !self.input_ended);
        first.map(|orphan| orphan.since + LONGEST_WAIT)
    }

    /// Another stream is written to the object of some.
    pub(super) fn share_orphans(&mut self) {
        for orphan in &self.orphans {
            self.turn.share(&orphan.planned.record);
        }
    }

    /// They are not sent: whom they name may yet come, in the next job.
    pub(super) fn leave_orphans(&mut self, why: &str) {
        for Orphan { action, planned, rejection, .. } in std::mem::take(&mut self.orphans) {
            let why = format!("{why}: {}", rejection.message);
            let ended = Ended::trouble(Fate::Failed, Trouble::other(NOT_SENT, why));
            self.end_locally(&planned, Some(action), ended, true);
        }
    }
}
