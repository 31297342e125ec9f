//! Records that name others which the remote misses: those may be on their way in another call, or in
//! a bulk job. They are sent once more when nothing else is under way; what is missed then is not
//! there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Job;
use crate::connector::contract::{Action, Rejection};
use crate::dispatch::{Ended, NOT_SENT, Planned};
use crate::outcome::{Fate, Trouble};

/// How long one waits at least, and until nothing is on its way, where the input does not end: the
/// tap's STATE waits with it.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

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
            self.leave_orphans();
        }
    }

    /// Sends those that wait, where what they wait for is not on its way.
    pub(super) fn send_orphans(&mut self, now: Instant, has_room: bool) {
        let is_time =
            self.input_ended || !has_room || self.orphans_due().is_some_and(|due| due <= now);
        if self.orphans.is_empty() || !self.is_quiet() || !is_time {
            return;
        }
        if self.is_cut_off() {
            return self.leave_orphans();
        }
        // Whom they name may be among those that wait for parents of their own, and come to their end
        // by themselves, unless they wait behind one of these.
        let is_blocked = self.gate.waiting() > 0 || self.claims.waiting() > 0 || !has_room;
        if self.input_ended && self.is_waited_for() && !is_blocked {
            return;
        }
        let mut calls: BTreeMap<(usize, Action), Vec<Planned>> = BTreeMap::new();
        for Orphan { action, mut planned, .. } in std::mem::take(&mut self.orphans) {
            planned.has_waited = true;
            calls.entry((planned.record.stream.index, action)).or_default().push(planned);
        }
        for ((_, action), records) in calls {
            let Some(first) = records.first() else { continue };
            let stream = Arc::clone(&first.record.stream);
            let batches = self.in_calls(&stream, action, records);
            self.ready.extend(batches);
        }
    }

    /// No call is on its way, or about to be.
    fn is_quiet(&self) -> bool {
        self.under_way == 0 && self.ready.is_empty() && self.batcher.is_empty()
    }

    /// When the first of them has waited long enough.
    pub(super) fn orphans_due(&self) -> Option<Instant> {
        self.orphans.first().filter(|_| self.is_quiet()).map(|orphan| orphan.since + LONGEST_WAIT)
    }

    /// Nothing more is sent: whom they name may yet come, in the next job.
    pub(super) fn leave_orphans(&mut self) {
        for Orphan { action, planned, rejection, .. } in std::mem::take(&mut self.orphans) {
            let why = format!("the job ended before it was sent once more: {}", rejection.message);
            let ended = Ended::trouble(Fate::Failed, Trouble::other(NOT_SENT, why));
            self.end_locally(&planned, Some(action), ended, true);
        }
    }
}
