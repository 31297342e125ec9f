//! The gate and the claims beside a list of the records that came and have not left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use target_upsert::config::StreamOptions;
use target_upsert::config::stream::LookupMethod;
use target_upsert::connector::contract::Capabilities;
use target_upsert::record::{ExternalId, Fingerprint, RemoteId, StreamName};
use target_upsert::resolve::claims::{Claimed, Claims};
use target_upsert::resolve::gate::{Gate, Key};
use target_upsert::stream::{Record, Stream};

fn stream() -> Arc<Stream> {
    let any = Some(LookupMethod::Any);
    Arc::new(Stream {
        index: 0,
        name: StreamName::from("s"),
        options: StreamOptions { lookup_method: any, ..StreamOptions::default() },
        capabilities: Capabilities::default(),
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
        let mut gate = Gate::default();
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
                    let passed = gate.enter(record).map(|record| record.position);
                    prop_assert_eq!(passed, is_free.then_some(position as u64));
                    on_the_way.extend(passed.map(|position| (key, position)));
                }
                Step::Leave(which) if !on_the_way.is_empty() => {
                    let (key, left) = on_the_way.swap_remove(which.index(on_the_way.len()));
                    here.retain(|(_, position)| *position != left);
                    let next = gate.leave(&key).map(|record| record.position);
                    let expected = here.iter().find(|(of, _)| *of == key);
                    prop_assert_eq!(next, expected.map(|(_, position)| *position));
                    on_the_way.extend(next.map(|position| (key, position)));
                }
                Step::Leave(_) | Step::Wait(_) => {}
            }
            prop_assert_eq!(gate.waiting(), here.len() - on_the_way.len());
            for key in (0..8).map(|key| Key::of(&keyed(&stream, 0, key))) {
                let of_key = here.iter().filter(|(of, _)| *of == key).count();
                prop_assert_eq!(gate.is_taken(&key), of_key > 0);
                prop_assert_eq!(gate.has_next(&key), of_key > 1);
            }
        }
    }

    #[test]
    fn who_claims_what_another_does_waits_for_it_and_finds_what_it_made(steps in steps()) {
        let stream = stream();
        let mut claims = Claims::default();
        let mut here: Vec<Claimant> = Vec::new();
        let mut made: Vec<Made> = Vec::new();
        let mut now = Instant::now();
        for (position, step) in steps.into_iter().enumerate() {
            match step {
                Step::Enter(values) => {
                    let value = |of: u8| (of > 0).then(|| Arc::from(of.to_string()));
                    let mut record = record(&stream, position);
                    record.external_id = Some(ExternalId::new(position.to_string()));
                    record.lookup_values = vec![value(values % 4), value(values / 4 % 4)];
                    if record.lookup_values.iter().all(Option::is_none) {
                        prop_assert!(matches!(claims.enter(record, now), Claimed::Free(_)));
                        continue;
                    }
                    let claimant = Claimant::of(&record);
                    let waits = here.iter().any(|other| other.shares_with(&claimant));
                    here.push(Claimant { waits, ..claimant.clone() });
                    let claimed = claims.enter(record, now);
                    prop_assert_eq!(matches!(claimed, Claimed::Waits), waits);
                    prop_assert_eq!(found(&claimed), claimant.made(&made, now).filter(|_| !waits));
                }
                Step::Leave(which) => {
                    let places: Vec<usize> =
                        (0..here.len()).filter(|place| !here[*place].waits).collect();
                    if places.is_empty() {
                        continue;
                    }
                    let left = here.remove(*which.get(&places));
                    // Every third was not written.
                    let id = (!left.position.is_multiple_of(3)).then(|| RemoteId::new(left.position.to_string()));
                    let lag = Duration::from_secs(1);
                    let freed = claims.leave(&left.key, id.as_ref(), lag, now);
                    for claim in id.iter().flat_map(|_| &left.claims) {
                        made.retain(|(of, ..)| of != claim);
                        let id = RemoteId::new(left.position.to_string());
                        made.push((claim.clone(), id, now + 2 * lag));
                    }
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
                        let expected = Claimant::of(&record).made(&made, now);
                        let claimed = claims.enter(record, now);
                        prop_assert!(!matches!(claimed, Claimed::Waits));
                        prop_assert_eq!(found(&claimed), expected);
                    }
                }
                Step::Wait(millis) => now += Duration::from_millis(millis),
            }
            prop_assert_eq!(claims.waiting(), here.iter().filter(|one| one.waits).count());
        }
    }
}

/// Place of a lookup field, and its value.
type Claim = (usize, Arc<str>);
/// What was made last of a claim, and until when it is remembered.
type Made = (Claim, RemoteId, Instant);

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

    /// What was made of the first of its claims of which anything was, a moment ago.
    fn made(&self, made: &[Made], now: Instant) -> Option<RemoteId> {
        self.claims.iter().find_map(|claim| {
            made.iter()
                .find(|(of, _, until)| of == claim && now < *until)
                .map(|made| made.1.clone())
        })
    }
}

fn found(claimed: &Claimed) -> Option<RemoteId> {
    match claimed {
        Claimed::Made(_, id) => Some(id.clone()),
        Claimed::Free(_) | Claimed::Waits => None,
    }
}
