//! Records that wait for a parent: a relation names it, and its remote id is not known yet.
//!
//! They wait on disk ([`parking`](crate::store::parking)) until the parent has come to its end.
//! What becomes of those whose parent does not: [`circles`](super::circles).

use std::collections::BTreeSet;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Job;
use crate::config::stream::Relation;
use crate::dispatch::{Ended, Planned};
use crate::error::Error;
use crate::outcome::{Fate, Outcome};
use crate::record::{ExternalId, Fingerprint, RemoteId, StreamName};
use crate::resolve::claims::Stands;
use crate::resolve::gate::Key;
use crate::resolve::relations::{Related, Unrelated, relate};
use crate::store::StoreError;
use crate::store::parking::{NotWritten, Parked, Parking, Place};
use crate::store::streams::StoredStream;
use crate::stream::{Partial, Record, Stream};

/// Records that are read from disk at once.
pub(super) const PAGE: usize = 256;
/// Who waits for whom.
#[derive(Default)]
pub(super) struct Waiting {
    /// Opened when the first stream with relations comes up.
    pub(super) parking: Option<Parking>,
    /// The streams that relations name, by name.
    parents: HashMap<String, StoredStream>,
    /// What is known now, so that those who wait for it go on, as memory allows.
    released: VecDeque<Released>,
    /// How far the last look at all who wait has come.
    pub(super) cursor: u64,
    /// Whether it has brought somebody to an end.
    pub(super) moved: bool,
}

#[derive(Debug)]
struct Released {
    place: Place,
    /// It will not be known any more.
    is_lost: bool,
}

/// A record that waits, but for what stands beside it.
#[derive(Serialize, Deserialize)]
struct Frozen {
    stream: usize,
    version: u32,
    external_id: Option<ExternalId>,
    remote_id: Option<RemoteId>,
    lookup_values: Vec<Option<Arc<str>>>,
    partial: Option<Partial>,
    fingerprint: String,
    body: Arc<str>,
    kept: Option<Arc<BTreeSet<String>>>,
    source: Arc<str>,
    custom_data: Option<Arc<str>>,
}

/// What becomes of a record with relations.
pub(super) enum Parents {
    /// It can go out, as this.
    Known(Related),
    /// It waits.
    Parked,
    /// It has come to its end.
    Ended,
}

impl Waiting {
    /// How many wait.
    pub(super) fn count(&self) -> u64 {
        self.parking.as_ref().map_or(0, Parking::count)
    }

    /// Whether those who are about to go on are still to be read.
    pub(super) fn has_released(&self) -> bool {
        !self.released.is_empty()
    }
}

impl Job {
    /// Gets ready for the relations of a stream.
    pub(super) async fn expect_parents(&mut self, stream: &Stream) -> Result<(), Error> {
        let dispatcher = Arc::clone(&self.wiring.dispatcher);
        for relation in &stream.options.relations {
            if self.waiting.parking.is_none() {
                self.waiting.parking = Some(Parking::new()?);
            }
            if !self.waiting.parents.contains_key(&relation.stream) {
                let name = StreamName::new(relation.stream.as_str());
                let capabilities = dispatcher.connector.capabilities(&name).unwrap_or_default();
                let (namespace, object) = (&self.wiring.namespace, capabilities.object.as_deref());
                let stored = dispatcher.store.stream(namespace, name.as_str(), object).await?;
                (self.wiring.on_stream)(stored, &relation.stream)?;
                self.waiting.parents.insert(relation.stream.clone(), stored);
            }
        }
        Ok(())
    }

    /// Whether an earlier record of the same key waits; then this one waits behind it.
    pub(super) fn waits_behind(&mut self, record: &Record) -> Result<bool, Error> {
        let Some(parking) = self.waiting.parking.as_ref().filter(|parking| parking.count() > 0)
        else {
            return Ok(false);
        };
        let own = self.place(record);
        let first = parking.first_of(&own)?;
        if first.is_none_or(|first| first > record.position) {
            return Ok(false);
        }
        self.park(record, behind(&own))?;
        Ok(true)
    }

    /// Finds the parents of a record. `is_partial`: those that are not known are left out.
    pub(super) fn find_parents(
        &mut self,
        record: &Record,
        is_partial: bool,
    ) -> Result<Parents, Error> {
        let relations = &record.stream.options.relations;
        match self.relate(record) {
            Ok(Related { missing: Some(missing), .. }) if !is_partial => {
                let parent = self.parent(&relations[missing.relation])?;
                self.park(record, parent_place(parent.id, &missing.id))?;
                Ok(Parents::Parked)
            }
            Ok(related) => Ok(Parents::Known(related)),
            Err(Unrelated::Store(error)) => Err(error.into()),
            Err(Unrelated::Trouble(trouble)) => {
                let planned = Planned::new(record.clone(), None, false);
                let ended = Ended::trouble(Fate::Rejected, trouble);
                self.end_locally(&planned, None, ended, true);
                Ok(Parents::Ended)
            }
        }
    }

    /// The hash of the remote ids that its parents have now; `None` where one of them is not known.
    pub(super) fn parents_now(&self, record: &Record) -> Result<Option<i64>, Error> {
        if record.stream.options.relations.is_empty() {
            return Ok(Some(0));
        }
        match self.relate(record) {
            Ok(Related { parents, missing: None, .. }) => Ok(Some(parents)),
            Ok(_) | Err(Unrelated::Trouble(_)) => Ok(None),
            Err(Unrelated::Store(error)) => Err(error.into()),
        }
    }

    /// Puts the remote ids of a record's parents into its body.
    pub(super) fn relate(&self, record: &Record) -> Result<Related, Unrelated> {
        let relations = &record.stream.options.relations;
        let store = &self.wiring.dispatcher.store;
        relate(&record.body, relations, |place, id| {
            match self.waiting.parents.get(&relations[place].stream) {
                Some(parent) => store.find(parent, id),
                None => Ok(None),
            }
        })
    }

    /// The stream that a relation leads to.
    pub(super) fn parent(&self, relation: &Relation) -> Result<StoredStream, Error> {
        let parent = self.waiting.parents.get(&relation.stream).copied();
        parent
            .ok_or_else(|| Error::ours(format!("nobody expects `{}` as parents", relation.stream)))
    }

    fn place(&self, record: &Record) -> Place {
        self.place_of(&Key::of(record))
    }

    fn park(&mut self, record: &Record, awaited: Place) -> Result<(), Error> {
        let frozen = Frozen {
            stream: record.stream.index,
            version: record.stream.version,
            external_id: record.external_id.clone(),
            remote_id: record.remote_id.clone(),
            lookup_values: record.lookup_values.clone(),
            partial: record.partial.clone(),
            fingerprint: record.fingerprint.to_string(),
            body: Arc::clone(&record.body),
            kept: record.kept.clone(),
            source: Arc::clone(&record.source),
            custom_data: record.custom_data.clone(),
        };
        let content = serde_json::to_string(&frozen)
            .map_err(|error| Error::ours("a record cannot be kept").caused_by(error))?;
        let own = self.place(record);
        let position = record.position;
        if let Some(parking) = &mut self.waiting.parking {
            parking.park(&Parked { position, own, awaited, content })?;
        }
        self.buffered = self.buffered.saturating_sub(record.size());
        Ok(())
    }

    /// Takes a record off the disk.
    pub(super) fn thaw(&mut self, position: u64) -> Result<Option<Record>, Error> {
        let Some(parking) = &mut self.waiting.parking else { return Ok(None) };
        let Some(parked) = parking.take(position)? else { return Ok(None) };
        let frozen: Frozen = serde_json::from_str(&parked.content)
            .map_err(|error| Error::ours("a kept record cannot be read").caused_by(error))?;
        let fingerprint = Fingerprint::from_hex(&frozen.fingerprint)
            .ok_or_else(|| Error::ours("a kept record has no fingerprint"))?;
        let current = &self.streams[frozen.stream].stream;
        let stream = if current.version == frozen.version {
            Arc::clone(current)
        } else {
            Arc::new(Stream { version: frozen.version, ..Stream::clone(current) })
        };
        let record = Record {
            position,
            stream,
            external_id: frozen.external_id,
            remote_id: frozen.remote_id,
            lookup_values: frozen.lookup_values,
            partial: frozen.partial,
            fingerprint,
            body: frozen.body,
            kept: frozen.kept,
            source: frozen.source,
            custom_data: frozen.custom_data,
            // It has no fields that could name a parent.
            stands_in: false,
        };
        self.buffered += record.size();
        Ok(Some(record))
    }

    /// A record of a parent's stream has come to its end: who waits for it goes on.
    pub(super) fn parent_settled(&mut self, stream: usize, outcome: &Outcome) -> Result<(), Error> {
        let Some(parking) = &self.waiting.parking else { return Ok(()) };
        let Some(id) = &outcome.external_id else { return Ok(()) };
        let mut parents = self.waiting.parents.values();
        if !parents.any(|parent| parent.id == outcome.stream) {
            return Ok(());
        }
        let place = parent_place(outcome.stream, id);
        if outcome.fate.is_there() {
            if parking.count() == 0 {
                return Ok(());
            }
            self.waiting.released.push_back(Released { place, is_lost: false });
            return Ok(());
        }
        let trouble = NotWritten {
            outcome: outcome.fate.as_str().to_owned(),
            comes_again: outcome.must_come_again(),
            why: outcome.trouble.as_ref().map_or("", |trouble| &*trouble.message).to_owned(),
        };
        parking.set_trouble(&place, &trouble)?;
        // Another record of this id may come, or wait for this one.
        let key = Key::External(self.streams[stream].stream.name.clone(), id.clone());
        let is_last = self.input_ended && !self.turn.has_next(&key);
        if is_last && parking.first_of(&place)?.is_none() {
            self.waiting.released.push_back(Released { place, is_lost: true });
        }
        Ok(())
    }

    /// Records stand at the remote without some of their relations: who waits for them goes on, and
    /// so do they.
    pub(super) fn take_partial(&mut self, records: Vec<Record>) -> Result<(), Error> {
        for record in records {
            let place = self.place(&record);
            // It may wait for long, and nobody may wait in memory for it.
            let remote_id = record.partial.as_ref().map(|partial| partial.remote_id.clone());
            let stands = remote_id.as_ref().map_or(Stands::Nowhere, Stands::At);
            self.leave_claims(&Key::of(&record), record.stream.index, stands)?;
            self.waiting.released.push_back(Released { place, is_lost: false });
            self.plan(record)?;
        }
        Ok(())
    }

    /// The records that waited behind one of the same key, which has left the gate.
    pub(super) fn next_behind(&mut self, own: &Place) -> Result<Option<Record>, Error> {
        let Some(parking) = self.waiting.parking.as_ref().filter(|parking| parking.count() > 0)
        else {
            return Ok(None);
        };
        let next = parking.waiting_for(&behind(own), 1)?;
        let next = next.first().map(|parked| parked.position);
        match next {
            Some(position) if parking.first_of(own)? == next => self.thaw(position),
            _ => Ok(None),
        }
    }

    /// The place of a gate's key.
    pub(super) fn place_of(&self, key: &Key) -> Place {
        // A key is of a record that this job has read, so its stream is known.
        let of_key = self.streams.iter().find(|state| state.stream.name == *key.stream());
        let stream = of_key.map_or(0, |state| state.stored.id);
        match key {
            Key::External(_, id) => parent_place(stream, id),
            Key::Remote(_, id) => Place { stream, key: format!("r:{id}") },
            Key::Content(_, fingerprint) => Place { stream, key: format!("c:{fingerprint}") },
        }
    }

    /// Lets those go on whose parents are known by now, or lost, as far as there is room.
    pub(super) fn admit_released(&mut self) -> Result<(), Error> {
        while self.buffered < self.wiring.max_buffer_bytes
            && let Some(Released { place, is_lost }) = self.waiting.released.front()
        {
            let (place, is_lost) = (place.clone(), *is_lost);
            let Some(parking) = &self.waiting.parking else {
                // Nobody waits for anybody.
                self.waiting.released.clear();
                return Ok(());
            };
            let page = parking.waiting_for(&place, PAGE)?;
            let positions: Vec<u64> = page.iter().map(|parked| parked.position).collect();
            let is_known = self.is_known(&place)?;
            if positions.is_empty() || (!is_lost && !is_known) {
                self.waiting.released.pop_front();
                continue;
            }
            for position in positions {
                if let Some(record) = self.thaw(position)? {
                    // A parent that failed may be there all the same, under an id that was told.
                    self.readmit(record, is_lost && !is_known)?;
                }
            }
        }
        Ok(())
    }

    /// Lets a record go on that has waited.
    pub(super) fn readmit(&mut self, record: Record, is_lost: bool) -> Result<(), Error> {
        let Some(record) = self.turn.enter(record) else { return Ok(()) };
        if is_lost { self.reject_orphan(record) } else { self.plan(record) }
    }

    /// Whether a parent is known.
    pub(super) fn is_known(&self, place: &Place) -> Result<bool, StoreError> {
        let parent = self.waiting.parents.values().find(|parent| parent.id == place.stream);
        match (parent, place.key.strip_prefix("e:")) {
            (Some(parent), Some(id)) => {
                let store = &self.wiring.dispatcher.store;
                Ok(store.find(parent, &ExternalId::from(id))?.is_some())
            }
            _ => Ok(false),
        }
    }
}

/// The place of a record that others may wait for.
pub(super) fn parent_place(stream: i64, id: &ExternalId) -> Place {
    Place { stream, key: format!("e:{id}") }
}

/// What a record waits for that comes after another one of the same key.
fn behind(own: &Place) -> Place {
    Place { stream: own.stream, key: format!("b:{}", own.key) }
}

/// The key of the other one, if `awaited` is of that kind.
pub(super) fn before(awaited: &Place) -> Option<Place> {
    let key = awaited.key.strip_prefix("b:")?;
    Some(Place { stream: awaited.stream, key: key.to_owned() })
}
