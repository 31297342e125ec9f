//! Records with the same lookup values are the same one at the remote, though their external ids or
//! their streams differ: the later waits for the earlier. And what this job has written lately
//! counts more than a lookup, which may not show it yet.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::gate::Key;
use crate::config::stream::LookupMethod;
use crate::connector::contract::{Capabilities, Lookup};
use crate::record::{RemoteId, StreamName};
use crate::stream::{Record, Stream};

/// What a record is found by: where, which value it is, and the value, in lower case where the
/// remote does not care.
type Claim = (Place, Of, Arc<str>);

/// Where values and remote ids tell records apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    /// In an object of the remote's, whichever streams are written to it.
    Object(Arc<str>),
    /// In the stream of this name.
    Stream(StreamName),
}

/// What a claim is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Of {
    /// The remote's own id.
    RemoteId,
    /// The external id, where the remote does not say what it keeps it in: two streams of an object
    /// may do it in two ways.
    ExternalId,
    /// The property of this name.
    Property(Arc<str>),
    /// These properties together.
    Properties(Arc<str>),
    /// What several values of the property of this name have in common that may be one record's, and
    /// need not be.
    Stem(Arc<str>),
}

/// A record at the remote.
type Target = (Place, RemoteId);

/// Before a record is asked for again whose target is being written by another one.
const PAUSE: Duration = Duration::from_millis(100);

/// Who looks for what.
///
/// A record takes its place behind all that it claims when it comes, and goes on when it is the
/// first everywhere: so nobody who comes later passes it at one claim while it waits for another.
#[derive(Debug, Default)]
pub struct Claims {
    /// Who claims it, in the order in which they came. The first may be on its way.
    queues: HashMap<Claim, VecDeque<Key>>,
    held: HashMap<Key, Held>,
    waiting: HashMap<Key, Record>,
    /// Which records on their way are written to it.
    targets: HashMap<Target, HashSet<Key>>,
    /// What was written so lately that a lookup may not show it.
    fresh: HashMap<Target, Fresh>,
    /// The same by what it is found by now.
    made: HashMap<Claim, HashSet<RemoteId>>,
    /// Until when no lookup is believed about these.
    unsure: HashMap<Subject, Instant>,
    fading: VecDeque<(Instant, Vec<Subject>)>,
}

/// What a lookup may be wrong about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    /// Who has this value.
    Claim(Claim),
    /// Which values this record has.
    Target(Target),
}

#[derive(Debug)]
struct Held {
    claims: Vec<Claim>,
    target: Option<Target>,
}

#[derive(Debug)]
struct Fresh {
    claims: Vec<Claim>,
    until: Instant,
}

/// What is known of what a record claims.
#[derive(Debug)]
pub enum Claimed {
    /// It may go on.
    Free(Record),
    /// Another record claims it too; this one is kept until that has come to its end.
    Waits,
}

/// Where a record stands that has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands<'a> {
    /// It was not written, or is there no more.
    Nowhere,
    /// There.
    At(&'a RemoteId),
    /// It may have been written; to this one, or to one that the remote has not told.
    Perhaps(Option<&'a RemoteId>),
}

/// What a lookup has found, in the light of what was written lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// These.
    Ids(Vec<RemoteId>),
    /// The lookup cannot be right yet: it is to be asked again, not before this.
    Later(Instant),
}

impl Claims {
    /// Claims what `record` is found by, or keeps the record until it can. `by_id`: its external id
    /// too, since other streams or spellings may have it.
    pub fn enter(&mut self, record: Record, by_id: bool) -> Claimed {
        let key = Key::of(&record);
        if !self.held.contains_key(&key) {
            let claims = claims(&record, by_id);
            if claims.is_empty() {
                return Claimed::Free(record);
            }
            for claim in &claims {
                self.queues.entry(claim.clone()).or_default().push_back(key.clone());
            }
            self.held.insert(key.clone(), Held { claims, target: None });
        }
        if self.is_first(&key) {
            return Claimed::Free(record);
        }
        self.waiting.insert(key, record);
        Claimed::Waits
    }

    /// A record that is under way claims its external id, too, from now on: another stream is written to
    /// its object. Nobody of that stream is under way yet.
    pub fn share(&mut self, record: &Record) {
        let key = Key::of(record);
        let held = self.held.entry(key.clone());
        let held = held.or_insert(Held { claims: Vec::new(), target: None });
        for claim in claims(record, true) {
            if !held.claims.contains(&claim) {
                self.queues.entry(claim.clone()).or_default().push_back(key.clone());
                held.claims.push(claim);
            }
        }
    }

    /// Whether nobody who came before still claims what it does.
    fn is_first(&self, key: &Key) -> bool {
        let mut held = self.held.get(key).into_iter().flat_map(|held| &held.claims);
        held.all(|claim| self.queues.get(claim).and_then(VecDeque::front) == Some(key))
    }

    /// A record that claims something is about to be written to `remote_id`.
    pub fn aim(&mut self, key: &Key, stream: &Stream, remote_id: &RemoteId) {
        let Some(held) = self.held.get_mut(key) else { return };
        let target = (place(stream), remote_id.clone());
        let before = held.target.replace(target.clone());
        self.unaim(key, before);
        self.targets.entry(target).or_default().insert(key.clone());
    }

    fn unaim(&mut self, key: &Key, target: Option<Target>) {
        let Some(target) = target else { return };
        if let Some(keys) = self.targets.get_mut(&target) {
            keys.remove(key);
            if keys.is_empty() {
                self.targets.remove(&target);
            }
        }
    }

    /// What `found` means for a record that a lookup has looked for.
    pub fn see(&self, record: &Record, found: Vec<RemoteId>, now: Instant) -> Seen {
        let key = Key::of(record);
        let Some(held) = self.held.get(&key) else { return Seen::Ids(found) };
        let place = place(&record.stream);
        let target = |id: &RemoteId| (place.clone(), id.clone());
        let is_aimed_at = |id: &RemoteId| {
            self.targets.get(&target(id)).is_some_and(|keys| keys.iter().any(|by| *by != key))
        };
        if found.iter().any(is_aimed_at) {
            return Seen::Later(now + PAUSE);
        }
        let fresh = |id: &RemoteId| self.fresh.get(&target(id)).filter(|fresh| now < fresh.until);
        // Found by what stands there no more, as far as we know.
        let is_stale = |fresh: &&Fresh| {
            let is_about = |claim: &Claim| held.claims.iter().any(|own| own.1 == claim.1);
            !fresh.claims.iter().any(|claim| held.claims.contains(claim))
                && fresh.claims.iter().any(is_about)
        };
        if let Some(stale) = found.iter().filter_map(fresh).find(is_stale) {
            return Seen::Later(stale.until);
        }
        let claimed = held.claims.iter().cloned().map(Subject::Claim);
        let subjects = claimed.chain(found.iter().map(|id| Subject::Target(target(id))));
        let unsure = subjects.filter_map(|subject| self.unsure.get(&subject)).max();
        if let Some(until) = unsure.filter(|until| now < **until) {
            return Seen::Later(*until);
        }
        // What another external id was made under is another record.
        let capabilities = &record.stream.capabilities;
        let is_spared = capabilities.spares_others && record.external_id.is_some();
        let is_field = |of: &Of| match of {
            Of::Property(name) => capabilities.external_id_property.as_deref() != Some(&**name),
            of => matches!(of, Of::Properties(_)),
        };
        let is_untold = |of: &Of| matches!(of, Of::Stem(_)) || (is_spared && is_field(of));
        let made = held.claims.iter().filter(|claim| !is_untold(&claim.1));
        let made = made.filter_map(|claim| self.made.get(claim)).flatten();
        let mut unseen: Vec<&RemoteId> =
            made.filter(|id| fresh(id).is_some() && !found.contains(id)).collect();
        if unseen.iter().any(|id| is_aimed_at(id)) {
            return Seen::Later(now + PAUSE);
        }
        unseen.sort_unstable();
        unseen.dedup();
        match unseen.iter().filter_map(|id| fresh(id)).map(|fresh| fresh.until).max() {
            None => Seen::Ids(found),
            Some(_) if found.is_empty() => Seen::Ids(unseen.into_iter().cloned().collect()),
            // It has others too: which of them it is, the remote tells when it shows all.
            Some(until) => Seen::Later(until),
        }
    }

    /// Gives back what the record of `key` claims, and says where it stands now. No lookup may show
    /// it for the time `lag`. Returns records that waited and can go on.
    pub fn leave(
        &mut self,
        key: &Key,
        stream: &Stream,
        stands: Stands<'_>,
        lag: Duration,
        now: Instant,
    ) -> Vec<Record> {
        self.fade(now);
        let Some(held) = self.held.get(key) else { return Vec::new() };
        // A second more, so that those who waited find it in any case.
        let until = now + lag + Duration::from_secs(1);
        match stands {
            Stands::Nowhere => {}
            Stands::Perhaps(remote_id) => {
                let claimed = held.claims.iter().cloned().map(Subject::Claim);
                let target = remote_id.map(|id| Subject::Target((place(stream), id.clone())));
                let subjects: Vec<_> = claimed.chain(target).collect();
                self.unsure.extend(subjects.iter().map(|subject| (subject.clone(), until)));
                self.fading.push_back((until, subjects));
            }
            Stands::At(remote_id) => {
                self.remember((place(stream), remote_id.clone()), held.claims.clone(), until);
            }
        }
        self.give_back(key)
    }

    /// Gives back what the record of `key` claims. Returns records that waited and can go on.
    pub fn give_back(&mut self, key: &Key) -> Vec<Record> {
        self.waiting.remove(key);
        let Some(held) = self.held.remove(key) else { return Vec::new() };
        self.unaim(key, held.target);
        let mut next = Vec::new();
        for claim in held.claims {
            let Some(queue) = self.queues.get_mut(&claim) else { continue };
            // It is the first, but for one that ends before its turn.
            if queue.front() == Some(key) {
                queue.pop_front();
            } else {
                queue.retain(|waiting| waiting != key);
            }
            match queue.front() {
                Some(first) => next.push(first.clone()),
                None => drop(self.queues.remove(&claim)),
            }
        }
        let mut free = Vec::new();
        for key in next {
            if self.is_first(&key)
                && let Some(record) = self.waiting.remove(&key)
            {
                free.push(record);
            }
        }
        free
    }

    fn remember(&mut self, target: Target, mut claims: Vec<Claim>, until: Instant) {
        // What this write has left alone is still there.
        for old in self.forget(&target) {
            if !claims.iter().any(|claim| claim.1 == old.1) {
                claims.push(old);
            }
        }
        let mut fading = vec![Subject::Target(target.clone())];
        for claim in &claims {
            if claim.1 == Of::ExternalId {
                fading.push(Subject::Claim(claim.clone()));
                self.unsure.insert(Subject::Claim(claim.clone()), until);
            } else {
                self.made.entry(claim.clone()).or_default().insert(target.1.clone());
            }
        }
        self.fading.push_back((until, fading));
        self.fresh.insert(target, Fresh { claims, until });
    }

    fn forget(&mut self, target: &Target) -> Vec<Claim> {
        let claims = self.fresh.remove(target).map(|fresh| fresh.claims).unwrap_or_default();
        for claim in &claims {
            if let Some(ids) = self.made.get_mut(claim) {
                ids.remove(&target.1);
                if ids.is_empty() {
                    self.made.remove(claim);
                }
            }
        }
        claims
    }

    /// What a lookup shows by now is not remembered, so that memory does not grow with the input.
    fn fade(&mut self, now: Instant) {
        while self.fading.front().is_some_and(|(until, ..)| *until <= now)
            && let Some((_, subjects)) = self.fading.pop_front()
        {
            for subject in subjects {
                if self.unsure.get(&subject).is_some_and(|until| *until <= now) {
                    self.unsure.remove(&subject);
                }
                if let Subject::Target(target) = subject
                    && self.fresh.get(&target).is_some_and(|fresh| fresh.until <= now)
                {
                    self.forget(&target);
                }
            }
        }
    }
}

fn place(stream: &Stream) -> Place {
    let object = stream.capabilities.object.clone();
    object.map_or_else(|| Place::Stream(stream.name.clone()), Place::Object)
}

fn claims(record: &Record, by_id: bool) -> Vec<Claim> {
    let capabilities = &record.stream.capabilities;
    let place = place(&record.stream);
    let mut claims = of_fields(record, &place);
    // Two that are one to the remote are two here.
    let is_loose = capabilities.lookup.is_some_and(|lookup| lookup.ignores_case || lookup.trims);
    if let Some(id) = record.external_id.as_ref().filter(|_| by_id || is_loose) {
        let property = capabilities.external_id_property.as_deref();
        let of = property.map_or(Of::ExternalId, |name| Of::Property(name.into()));
        claims.push((place.clone(), of, spelled(id.as_str(), capabilities.lookup)));
    }
    if let Some(id) = &record.remote_id {
        claims.push((place, Of::RemoteId, id.as_str().into()));
    }
    claims
}

fn spelled(value: &str, lookup: Option<Lookup>) -> Arc<str> {
    lookup.map_or(Cow::Borrowed(value), |lookup| lookup.spelled(value)).into()
}

fn of_fields(record: &Record, place: &Place) -> Vec<Claim> {
    let Capabilities { find, narrowed_behind, .. } = record.stream.capabilities;
    let options = &record.stream.options;
    if !super::has_values(options, &record.lookup_values) {
        return Vec::new();
    }
    let names = options.lookup_names();
    let values = names
        .iter()
        .zip(&record.lookup_values)
        .filter_map(|(name, value)| Some((name.as_str(), spelled(value.as_ref()?, find))));
    let stems = values.clone().filter_map(|(name, value)| {
        let stem = value.split(narrowed_behind?).next()?;
        Some((place.clone(), Of::Stem(name.into()), stem.into()))
    });
    let own: Vec<Claim> = match options.lookup_method.unwrap_or_default() {
        LookupMethod::All => {
            let values: Vec<_> = values.clone().map(|(_, value)| value.to_string()).collect();
            let all = |texts: &[String]| Arc::from(serde_json::json!(texts).to_string());
            vec![(place.clone(), Of::Properties(all(names)), all(&values))]
        }
        LookupMethod::Any | LookupMethod::Sequential => {
            let own = |(name, value): (&str, _)| (place.clone(), Of::Property(name.into()), value);
            values.clone().map(own).collect()
        }
    };
    own.into_iter().chain(stems).collect()
}
