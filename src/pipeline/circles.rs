//! The end of waiting: who still waits when the input has ended and nothing is under way any more.
//!
//! Either nobody comes whom a record waits for, and it is rejected with the parent's name. Or the
//! parent waits itself, and somewhere they wait in a circle: there one record is written without
//! the relation, and once more with it when the others are known.

use std::collections::HashMap;

use super::Job;
use super::waiting::{PAGE, before, parent_place};
use crate::config::stream::Relation;
use crate::dispatch::{Ended, Planned, not_sent};
use crate::error::Error;
use crate::outcome::{Fate, Trouble};
use crate::resolve::relations::{Missing, Unrelated};
use crate::store::StoreError;
use crate::store::parking::{NotWritten, Parked, Parking};
use crate::stream::Record;

/// Records that are looked at for circles at once; in a longer circle some are written twice that
/// need not be.
const MAX_WALK: usize = 100_000;

/// Code of a record whose parent is not known.
const NO_PARENT: &str = "no_parent";

impl Job {
    /// When nothing else is to be done any more: brings those who still wait to their end.
    pub(super) fn end_waiting(&mut self) -> Result<(), Error> {
        while self.is_idle() && self.waiting.count() > 0 && !self.waiting.has_released() {
            let is_cut_off = self.is_cut_off();
            let Some(parking) = &self.waiting.parking else { return Ok(()) };
            let page = parking.after(self.waiting.cursor, PAGE)?;
            let Some(last) = page.last() else {
                self.waiting.cursor = 0;
                if !std::mem::take(&mut self.waiting.moved) {
                    self.break_circles()?;
                }
                continue;
            };
            self.waiting.cursor = last.position;
            for parked in page {
                let position = parked.position;
                if is_cut_off {
                    // Its parent may stand in what was not read.
                    if let Some(record) = self.thaw(position)? {
                        let planned = Planned::new(record, None, false);
                        let (planned, action, ended) = not_sent(planned);
                        self.end_locally(&planned, action, ended, false);
                    }
                } else if !self.has_hope(&parked)?
                    && let Some(record) = self.thaw(position)?
                {
                    let is_known = self.is_known(&parked.awaited)?;
                    self.waiting.moved = true;
                    self.readmit(record, !is_known)?;
                }
            }
        }
        Ok(())
    }

    /// Whether what a record waits for waits itself.
    fn has_hope(&self, parked: &Parked) -> Result<bool, StoreError> {
        let Some(parking) = &self.waiting.parking else { return Ok(false) };
        Ok(match before(&parked.awaited) {
            Some(own) => parking.first_of(&own)?.is_some_and(|first| first < parked.position),
            None => parking.first_of(&parked.awaited)?.is_some(),
        })
    }

    /// All who wait do so for others who wait: somewhere is a circle. One record of each that is
    /// found goes out without the parents that are not known.
    fn break_circles(&mut self) -> Result<(), Error> {
        let mut chosen = Vec::new();
        if let Some(parking) = &self.waiting.parking {
            let mut seen: HashMap<u64, u64> = HashMap::new();
            let mut from = 0;
            while seen.len() < MAX_WALK {
                let page = parking.after(from, PAGE)?;
                let Some(last) = page.last() else { break };
                from = last.position;
                for start in page {
                    walk(parking, start.position, &mut seen, &mut chosen)?;
                }
            }
        }
        for position in chosen {
            if self.buffered >= self.wiring.max_buffer_bytes {
                // The others are found again when these have gone.
                break;
            }
            let Some(record) = self.thaw(position)? else { continue };
            let Some(record) = self.turn.enter(record) else { continue };
            let capabilities = &record.stream.capabilities;
            if record.partial.is_some() || capabilities.update.or(capabilities.upsert).is_none() {
                self.reject_orphan(record)?;
            } else {
                self.plan_partial(record)?;
            }
        }
        Ok(())
    }

    /// A record whose parent is not known and will not be.
    pub(super) fn reject_orphan(&mut self, record: Record) -> Result<(), Error> {
        let (fate, code, why) = self.why_lost(&record)?;
        let why = match &record.partial {
            Some(partial) => format!("written as `{}`, but not in full: {why}", partial.remote_id),
            None => why,
        };
        let trouble = match fate {
            Fate::Rejected => Trouble::payload(code, why),
            _ => Trouble::other(code, why),
        };
        let remote_id = record.partial.as_ref().map(|partial| partial.remote_id.clone());
        let planned = Planned::new(record, remote_id, false);
        self.end_locally(&planned, None, Ended::trouble(fate, trouble), true);
        Ok(())
    }

    /// What becomes of a record whose parent is not known, the code of that, and why.
    fn why_lost(&self, record: &Record) -> Result<(Fate, &'static str, String), Error> {
        let relations = &record.stream.options.relations;
        let missing = match self.relate(record) {
            Ok(related) => related.missing,
            Err(Unrelated::Store(error)) => return Err(error.into()),
            Err(Unrelated::Trouble(trouble)) => {
                return Ok((Fate::Rejected, NO_PARENT, trouble.message.into()));
            }
        };
        let Some(Missing { relation, id }) = missing else {
            return Ok((Fate::Rejected, NO_PARENT, "its parent is not known".to_owned()));
        };
        let Relation { field, stream, .. } = &relations[relation];
        let name = format!("its parent `{id}` of stream `{stream}` (field `{field}`)");
        let place = parent_place(self.parent(&relations[relation])?.id, &id);
        let Some(parking) = &self.waiting.parking else {
            return Ok((Fate::Rejected, NO_PARENT, name));
        };
        let trouble = parking.trouble(&place)?;
        let waits = parking.first_of(&place)?.is_some();
        Ok(match trouble {
            // Whether it was written, nobody knows, and no later job finds out.
            Some(NotWritten { outcome, comes_again: false, why })
                if outcome == Fate::InDoubt.as_str() =>
            {
                (Fate::Rejected, "parent_in_doubt", format!("{name} is in doubt: {why}"))
            }
            Some(NotWritten { outcome, comes_again, why }) => {
                // With a parent that does not come again, the record need not either.
                let fate = if comes_again { Fate::Failed } else { Fate::Rejected };
                // A chain of such reasons would grow with each of its links.
                let why = if why.starts_with("its parent ") {
                    format!("{name} was not written ({outcome}) for want of its own parent")
                } else {
                    format!("{name} was not written ({outcome}): {why}")
                };
                (fate, NO_PARENT, why)
            }
            None if waits => {
                let why = "waits for this record in turn, and the remote cannot update records";
                (Fate::Rejected, NO_PARENT, format!("{name} {why}"))
            }
            None => (
                Fate::Rejected,
                NO_PARENT,
                format!("{name} is neither in the input nor known from earlier jobs"),
            ),
        })
    }
}

/// Follows who waits for whom from `start`, up to somebody who was seen before. In a circle that is
/// closed by this walk, one is chosen; so is the last of a walk that is too long.
fn walk(
    parking: &Parking,
    start: u64,
    seen: &mut HashMap<u64, u64>,
    chosen: &mut Vec<u64>,
) -> Result<(), StoreError> {
    let mut at = Some(start);
    while let Some(position) = at {
        if let Some(walk) = seen.insert(position, start) {
            if walk == start {
                chosen.push(position);
            }
            break;
        }
        if seen.len() >= MAX_WALK {
            chosen.push(position);
            break;
        }
        at = match parking.places(position)? {
            Some((_, awaited)) => parking.first_of(&before(&awaited).unwrap_or(awaited))?,
            None => None,
        };
    }
    Ok(())
}
