//! The gate and the claims beside a list of the records that came and have not left.

use std::collections::HashSet;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use target_upsert::config::StreamOptions;
use target_upsert::config::stream::{Fields, LookupMethod};
use target_upsert::connector::contract::Capabilities;
use target_upsert::record::{ExternalId, Fingerprint, RemoteId, StreamName};
use target_upsert::resolve::claims::{Claimed, Claims, Seen, Stands};
use target_upsert::resolve::gate::Key;
use target_upsert::resolve::turns::Turns;
use target_upsert::stream::{Record, Stream};

fn stream() -> Arc<Stream> {
    stream_at(0)
}

/// One of several streams of one object, whose records are found by two fields.
fn stream_at(index: usize) -> Arc<Stream> {
    // They name the fields in another order.
    let names = if index == 0 { ["x", "y"] } else { ["y", "x"] };
    Arc::new(Stream {
        index,
        name: StreamName::from(index.to_string().as_str()),
        options: StreamOptions {
            lookup_fields: Some(Fields::Several(names.map(str::to_owned).into())),
            lookup_method: Some(LookupMethod::Any),
            ..StreamOptions::default()
        },
        capabilities: Capabilities { object: Some("o".into()), ..Capabilities::default() },
        schema_line: "".into(),
        version: 0,
    })
}

fn record(stream: &Arc<Stream>, position: usize) -> Record {
    Record {
        position: position as u64,
        stream: Arc::clone(stream),
        external_id: None,
        remote_id: None,
        lookup_values: Vec::new(),
        partial: None,
        fingerprint: Fingerprint([0; 32]),
        body: "{}".into(),
        kept: None,
        source: "{}".into(),
        custom_data: None,
        stands_in: false,
    }
}

/// Five ids and three contents, for records of any kind.
fn keyed(stream: &Arc<Stream>, position: usize, key: u8) -> Record {
    let mut record = record(stream, position);
    match key {
        0..3 => record.external_id = Some(ExternalId::new(key.to_string())),
        3..5 => record.remote_id = Some(RemoteId::new((key - 3).to_string())),
        _ => record.fingerprint = Fingerprint([key; 32]),
    }
    record
}

#[derive(Clone, Debug)]
enum Step {
    /// A record comes, with this of a few keys or claims.
    Enter(u8),
    /// One of those that are on their way leaves; this chooses it.
    Leave(prop::sample::Index),
    /// Time goes on.
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => any::<u8>().prop_map(Step::Enter),
        5 => any::<prop::sample::Index>().prop_map(Step::Leave),
        1 => (0u64..2500).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #![proptest_config(crate::cases(256))]

    #[test]
    fn of_each_key_one_record_is_on_its_way_and_all_come_in_their_order(steps in steps()) {
        let stream = stream();
        let turns = Arc::new(Turns::default());
        let (call, called) = mpsc::channel();
        let jobs = [0, 1].map(|job| {
            let call = call.clone();
            turns.join(Box::new(move |record| call.send((job, record)).unwrap()))
        });
        let job_of = |position: u64| (position % 2) as usize;
        // All that have not left, in the order in which they came.
        let mut here: Vec<(Key, u64)> = Vec::new();
        let mut on_the_way: Vec<(Key, u64)> = Vec::new();
        for (position, step) in steps.into_iter().enumerate() {
            match step {
                Step::Enter(key) => {
                    let record = keyed(&stream, position, key % 8);
                    let key = Key::of(&record);
                    let is_free = !here.iter().any(|(of, _)| *of == key);
                    here.push((key.clone(), record.position));
                    let job = &jobs[job_of(record.position)];
                    let passed = job.enter(record).map(|record| record.position);
                    prop_assert_eq!(passed, is_free.then_some(position as u64));
                    on_the_way.extend(passed.map(|position| (key, position)));
                }
                Step::Leave(which) if !on_the_way.is_empty() => {
                    let (key, left) = on_the_way.swap_remove(which.index(on_the_way.len()));
                    here.retain(|(_, position)| *position != left);
                    let own = jobs[job_of(left)].leave(&key).map(|next| (job_of(left), next));
                    let next = own.or_else(|| called.try_recv().ok());
                    prop_assert!(called.try_recv().is_err());
                    let expected = here.iter().find(|(of, _)| *of == key);
                    let expected = expected.map(|(_, position)| (job_of(*position), *position));
                    let next = next.map(|(job, next)| (job, next.position));
                    prop_assert_eq!(next, expected);
                    on_the_way.extend(next.map(|(_, position)| (key, position)));
                }
                Step::Leave(_) | Step::Wait(_) => {}
            }
            for (number, job) in jobs.iter().enumerate() {
                let own = |all: &[(Key, u64)]| {
                    all.iter().filter(|(_, position)| job_of(*position) == number).count()
                };
                prop_assert_eq!(job.taken(), own(&on_the_way));
                prop_assert_eq!(job.waiting(), own(&here) - own(&on_the_way));
            }
            for key in (0..8).map(|key| Key::of(&keyed(&stream, 0, key))) {
                let of_key = here.iter().filter(|(of, _)| *of == key).count();
                prop_assert_eq!(jobs[0].is_taken(&key), of_key > 0);
                prop_assert_eq!(jobs[1].has_next(&key), of_key > 1);
            }
        }
    }

    #[test]
    fn who_claims_what_another_does_waits_for_it(steps in steps()) {
        let stream = stream();
        let mut claims = Claims::default();
        let mut here: Vec<Claimant> = Vec::new();
        let now = Instant::now();
        for (position, step) in steps.into_iter().enumerate() {
            match step {
                Step::Enter(values) => {
                    let record = found_by(&stream, position, values);
                    if record.lookup_values.iter().all(Option::is_none) {
                        prop_assert!(matches!(claims.enter(record, false), Claimed::Free(_)));
                        continue;
                    }
                    let claimant = Claimant::of(&record);
                    let waits = here.iter().any(|other| other.shares_with(&claimant));
                    here.push(Claimant { waits, ..claimant });
                    prop_assert_eq!(matches!(claims.enter(record, false), Claimed::Waits), waits);
                }
                Step::Leave(which) => {
                    let places: Vec<usize> =
                        (0..here.len()).filter(|place| !here[*place].waits).collect();
                    if places.is_empty() {
                        continue;
                    }
                    let left = here.remove(*which.get(&places));
                    let freed = claims.leave(&left.key, &stream, Stands::Nowhere, Duration::ZERO, now);
                    let mut expected = Vec::new();
                    for place in 0..here.len() {
                        let (before, own) = (&here[..place], &here[place]);
                        if own.waits && !before.iter().any(|other| other.shares_with(own)) {
                            expected.push(own.position);
                            here[place].waits = false;
                        }
                    }
                    let mut positions: Vec<u64> = freed.iter().map(|record| record.position).collect();
                    positions.sort_unstable();
                    prop_assert_eq!(positions, expected);
                    for record in freed {
                        prop_assert!(matches!(claims.enter(record, false), Claimed::Free(_)));
                    }
                }
                Step::Wait(_) => {}
            }
        }
    }

    #[test]
    fn what_a_lagging_lookup_is_taken_to_say_is_the_truth(steps in steps()) {
        let mut world = World::default();
        for (position, step) in steps.into_iter().enumerate() {
            match step {
                // A record of a known target gets other values.
                Step::Enter(values) if values % 5 == 0 && !world.held.is_empty() => {
                    let target = usize::from(values / 5) % world.held.len();
                    let stream = &world.streams[position % 2];
                    let mut record = found_by(stream, position, values.wrapping_mul(7));
                    record.external_id = Some(ExternalId::new(format!("of-{target}")));
                    // The gate lets one of a key through.
                    if world.here.insert(Key::of(&record)) {
                        world.enter(record, Some(target));
                    }
                }
                Step::Enter(values) => {
                    let record = found_by(&world.streams[position % 2], position, values);
                    world.enter(record, None);
                }
                Step::Leave(which) if !world.on_the_way.is_empty() => {
                    let which = which.index(world.on_the_way.len());
                    world.go_on(which, position as u64 * 37 % (LAG_MILLIS + 1))?;
                }
                Step::Leave(_) => {}
                Step::Wait(millis) => world.now += Duration::from_millis(millis),
            }
        }
    }
}

/// A record that two fields of four values each may find.
fn found_by(stream: &Arc<Stream>, position: usize, values: u8) -> Record {
    let value = |of: u8| (of > 0).then(|| Arc::from(of.to_string()));
    let mut record = record(stream, position);
    record.external_id = Some(ExternalId::new(position.to_string()));
    record.lookup_values = in_order(stream, vec![value(values % 4), value(values / 4 % 4)]);
    record
}

/// From the stream's order of the fields to that of the first stream, or back.
fn in_order(stream: &Stream, mut values: Values) -> Values {
    if stream.index > 0 {
        values.reverse();
    }
    values
}

/// How late a lookup may show what was written.
const LAG_MILLIS: u64 = 1000;

type Values = Vec<Option<Arc<str>>>;

/// A remote whose lookups lag behind, and the records that are on their way to it.
struct World {
    /// Both are written to the one object.
    streams: [Arc<Stream>; 2],
    claims: Claims,
    now: Instant,
    /// By remote id: which values it had from when on.
    held: Vec<Vec<(Instant, Values)>>,
    on_the_way: Vec<OnTheWay>,
    /// Changes that have not ended.
    here: HashSet<Key>,
}

struct OnTheWay {
    key: Key,
    record: Record,
    /// Where it is to be written; `None` before it was looked up, or when it is to be created.
    target: Option<usize>,
    is_planned: bool,
    not_before: Option<Instant>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            streams: [stream_at(0), stream_at(1)],
            claims: Claims::default(),
            now: Instant::now(),
            held: Vec::new(),
            on_the_way: Vec::new(),
            here: HashSet::new(),
        }
    }
}

impl World {
    fn enter(&mut self, record: Record, target: Option<usize>) {
        let key = Key::of(&record);
        if let Claimed::Free(record) = self.claims.enter(record, false) {
            if let Some(target) = target {
                let id = RemoteId::new(target.to_string());
                self.claims.aim(&key, &record.stream, &id);
            }
            let is_planned = target.is_some();
            self.on_the_way.push(OnTheWay { key, record, target, is_planned, not_before: None });
        }
    }

    /// Which records a lookup finds that shows the world as it was at `then`.
    fn find(&self, values: &Values, then: Instant) -> Vec<usize> {
        let shares = |held: &Values| held.iter().zip(values).any(|(a, b)| a.is_some() && a == b);
        let shown = |versions: &Vec<(Instant, Values)>| {
            versions.iter().rfind(|(since, _)| *since <= then).is_some_and(|(_, held)| shares(held))
        };
        (0..self.held.len()).filter(|id| shown(&self.held[*id])).collect()
    }

    /// One that is on its way is looked up, or written.
    fn go_on(&mut self, which: usize, age: u64) -> Result<(), TestCaseError> {
        let lag = Duration::from_millis(LAG_MILLIS);
        let on = self.on_the_way.swap_remove(which);
        if on.is_planned {
            let target = on.target.unwrap_or(self.held.len());
            if target == self.held.len() {
                self.held.push(Vec::new());
            }
            // Fields that a record does not have are left alone.
            let mut values = in_order(&on.record.stream, on.record.lookup_values.clone());
            if let Some((_, before)) = self.held[target].last() {
                let pairs = values.iter_mut().zip(before);
                pairs.filter(|(own, _)| own.is_none()).for_each(|(own, old)| own.clone_from(old));
            }
            self.held[target].push((self.now, values));
            self.here.remove(&on.key);
            let id = RemoteId::new(target.to_string());
            // Of what it makes, the remote does not always tell the id.
            let is_told = on.target.is_some() || !target.is_multiple_of(3);
            let stands = if is_told { Stands::At(&id) } else { Stands::Perhaps(None) };
            for record in self.claims.leave(&on.key, &on.record.stream, stands, lag, self.now) {
                // Those of a known target are told by their ids.
                let target = match &record.external_id {
                    Some(id) => id.as_str().strip_prefix("of-").and_then(|id| id.parse().ok()),
                    None => None,
                };
                self.enter(record, target);
            }
            return Ok(());
        }
        if on.not_before.is_some_and(|at| self.now < at) {
            self.on_the_way.push(on);
            return Ok(());
        }
        let values = &in_order(&on.record.stream, on.record.lookup_values.clone());
        let then = self.now.checked_sub(Duration::from_millis(age)).unwrap();
        let ids = |found: Vec<usize>| -> Vec<RemoteId> {
            found.into_iter().map(|id| RemoteId::new(id.to_string())).collect()
        };
        let found = ids(self.find(values, then));
        match self.claims.see(&on.record, found, self.now) {
            Seen::Later(at) => {
                self.on_the_way.push(OnTheWay { not_before: Some(at), ..on });
            }
            Seen::Ids(mut seen) => {
                seen.sort_unstable();
                let mut truth = ids(self.find(values, self.now));
                truth.sort_unstable();
                prop_assert_eq!(&seen, &truth);
                match seen.as_slice() {
                    [] => self.on_the_way.push(OnTheWay { is_planned: true, ..on }),
                    [one] => {
                        self.claims.aim(&on.key, &on.record.stream, one);
                        let target = one.as_str().parse().ok();
                        self.on_the_way.push(OnTheWay { is_planned: true, target, ..on });
                    }
                    // Nothing is written to either.
                    _ => {
                        for record in self.claims.leave(
                            &on.key,
                            &on.record.stream,
                            Stands::Nowhere,
                            lag,
                            self.now,
                        ) {
                            self.enter(record, None);
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// Place of a lookup field, and its value.
type Claim = (usize, Arc<str>);

/// A record that claims something and has not left.
#[derive(Clone, Debug)]
struct Claimant {
    key: Key,
    position: u64,
    claims: Vec<Claim>,
    waits: bool,
}

impl Claimant {
    fn of(record: &Record) -> Self {
        let values = record.lookup_values.iter().enumerate();
        let claims = values.filter_map(|(place, value)| Some((place, value.clone()?))).collect();
        Self { key: Key::of(record), position: record.position, claims, waits: false }
    }

    fn shares_with(&self, other: &Self) -> bool {
        self.claims.iter().any(|claim| other.claims.contains(claim))
    }
}
