//! The journal beside a model, with crashes: the files of the store are copied as they are on disk
//! at that moment, which is what SIGKILL leaves, and the copy is gone on with.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use target_upsert::config::stream::{LookupBy, LookupMethod};
use target_upsert::connector::contract::{Action, Ticket};
use target_upsert::outcome::{Fate, Outcome};
use target_upsert::record::{ExternalId, RemoteId};
use target_upsert::store::doubts::Written;
use target_upsert::store::jobs::{JobId, Status};
use target_upsert::store::journal::{Intent, IntentId};
use target_upsert::store::recovery::Leftover;
use target_upsert::store::{Store, report};

use crate::id_map::{
    End, IDS, Map, NAMESPACE, Open, STREAM, apply, copy, end, external_id, fingerprint, key,
    outcome, runtime,
};

type Ids = Vec<Option<u8>>;
/// Positions of records, and their ids.
type Positions = Vec<(u64, Option<u8>)>;

#[derive(Clone, Debug)]
enum Step {
    /// Records with these ids are about to be sent, which were part of so many calls before: some
    /// of them stand at the remote without some of their relations. They are sent at once, or handed
    /// over to a bulk job.
    Intend(Action, Ids, u32, bool),
    /// The answer for so many of them comes; the last one closes the intent.
    Answer(prop::sample::Index, Vec<End>),
    /// A batch that needs no intent comes to its end.
    Settle(Vec<(u8, End)>),
    /// Nothing of an intent was applied.
    Withdraw(prop::sample::Index),
    Fold,
    /// The job ends in good order, or with an error, and its input comes again, or not; the next
    /// one begins, which may be a retry.
    Finish(bool, bool, bool),
    /// The job is killed; the next one begins, which may be a retry. It finds what is in doubt at
    /// the remote, or does not.
    Crash(bool, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let ids = || prop::collection::vec(prop::option::weighted(0.8, 0..IDS), 1..4);
    prop_oneof![
        6 => (prop::sample::select(vec![Action::Create, Action::Update]), ids(), 0u32..3, prop::bool::weighted(0.3))
            .prop_map(|(action, ids, attempts, in_bulk)| Step::Intend(action, ids, attempts, in_bulk)),
        6 => (any::<prop::sample::Index>(), prop::collection::vec(end(), 1..4))
            .prop_map(|(which, ends)| Step::Answer(which, ends)),
        4 => prop::collection::vec((0..IDS, end()), 1..4).prop_map(Step::Settle),
        1 => any::<prop::sample::Index>().prop_map(Step::Withdraw),
        2 => Just(Step::Fold),
        2 => any::<(bool, bool, bool)>()
            .prop_map(|(good, again, retry)| Step::Finish(good, again, retry)),
        3 => any::<(bool, bool)>().prop_map(|(is_found, retry)| Step::Crash(is_found, retry)),
    ]
}

/// An intent, with its records that have no outcome: position and id of each.
struct OpenIntent {
    id: IntentId,
    job: JobId,
    action: Action,
    lookup: Option<LookupBy>,
    /// Calls that they were part of before.
    attempts: u32,
    /// The bulk job that they were handed over to, and all that were.
    ticket: Option<(Ticket, Positions)>,
    open: Positions,
}

/// What is known of a record without an external id.
#[derive(Clone, Debug, PartialEq)]
enum Fated {
    Written(Option<RemoteId>),
    InDoubt,
}

/// What was put on disk.
#[derive(Default)]
struct Model {
    /// By job and position.
    outcomes: BTreeMap<(JobId, u64), Outcome>,
    map: Map,
    intents: Vec<OpenIntent>,
    /// The last create of each external id whose fate is open.
    doubts: BTreeMap<ExternalId, Outcome>,
    /// Records without an external id that were written from this input, by position, and the job
    /// that did.
    written: BTreeMap<u64, (JobId, Fated)>,
    /// The input of the last job that was no retry comes again.
    comes_again: bool,
    /// The job is a retry.
    is_retry: bool,
    position: u64,
}

impl Model {
    fn next(&mut self) -> u64 {
        self.position += 1;
        self.position
    }

    fn record(&mut self, job: JobId, outcome: Outcome) {
        apply(&mut self.map, &outcome);
        if let Some(id) = outcome.external_id.clone() {
            match (outcome.fate, outcome.action) {
                (Fate::InDoubt, Some(Action::Create)) => {
                    self.doubts.insert(id, outcome.clone());
                }
                (Fate::Created | Fate::Updated | Fate::Deleted, _) | (Fate::Unchanged, Some(_)) => {
                    self.doubts.remove(&id);
                }
                (Fate::Skipped, _) if outcome.remote_id.is_some() => {
                    self.doubts.remove(&id);
                }
                _ => {}
            }
        } else {
            let written = match outcome.fate {
                Fate::Created | Fate::Updated if outcome.action == Some(Action::Create) => {
                    Some(Fated::Written(outcome.remote_id.clone()))
                }
                Fate::InDoubt if outcome.action == Some(Action::Create) => Some(Fated::InDoubt),
                _ => None,
            };
            self.written.extend(written.map(|written| (outcome.position, (job, written))));
        }
        self.outcomes.insert((job, outcome.position), outcome);
    }

    /// A bulk job tells that nothing was made of a record.
    fn know_not_made(&mut self, position: u64, id: Option<u8>) {
        match id {
            Some(id) => drop(self.doubts.remove(&external_id(id))),
            None => {
                self.written.retain(|of, (_, fated)| *of != position || *fated != Fated::InDoubt);
            }
        }
    }

    /// Whether a record of this id is under way: no other one is sent then.
    fn is_open(&self, id: u8) -> bool {
        self.intents.iter().any(|intent| intent.open.iter().any(|(_, of)| *of == Some(id)))
    }
}

fn intent(position: u64, id: Option<u8>, attempts: u32) -> Intent {
    Intent {
        position,
        external_id: id.map(external_id),
        fingerprint: fingerprint(position),
        lookup_values: vec![None, id.map(|id| Arc::from(format!("{id}@example.com")))],
        key: key(position),
        parents: position.is_multiple_of(3).then_some(7),
        attempts: Some(attempts),
    }
}

/// What the intents of a store are found by: not always the same.
fn lookup(position: u64) -> Option<LookupBy> {
    let names = vec!["phone".to_owned(), "email".to_owned()];
    let method = if position.is_multiple_of(2) { LookupMethod::Any } else { LookupMethod::All };
    (!position.is_multiple_of(3)).then_some(LookupBy { names, method })
}

/// How a record ends that stands at the remote without some of its relations: it keeps its id.
fn of_partial(end: &End) -> End {
    let remote_id = end.remote_id.or(Some(8));
    match end.fate {
        Fate::Rejected | Fate::Skipped | Fate::Unchanged => {
            End { fate: Fate::Failed, action: Some(Action::Create), remote_id, ..*end }
        }
        _ => End { remote_id, ..*end },
    }
}

/// A store and what should be in it.
struct Place {
    folder: tempfile::TempDir,
    open: Open,
    model: Model,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open = Open::at(folder.path()).await;
        let model = Model { comes_again: true, ..Model::default() };
        Self { folder, open, model }
    }

    async fn follow(&mut self, step: Step) -> Result<(), TestCaseError> {
        let Open { store, job, stream } = &self.open;
        match step {
            Step::Intend(action, ids, attempts, in_bulk) => {
                self.intend(action, ids, attempts, in_bulk).await;
            }
            Step::Answer(which, ends) => self.answer(which, &ends).await,
            Step::Settle(ends) => {
                let mut outcomes = Vec::new();
                for (id, end) in ends {
                    if !self.model.is_open(id) {
                        let outcome = outcome(self.model.next(), stream.id, Some(id), &end);
                        self.model.record(*job, outcome.clone());
                        outcomes.push(outcome);
                    }
                }
                store.record(*job, Arc::new(outcomes), None).await.unwrap();
            }
            Step::Withdraw(which) if !self.model.intents.is_empty() => {
                let place = which.index(self.model.intents.len());
                let intent = self.model.intents.remove(place);
                store.withdraw(intent.id).await.unwrap();
            }
            Step::Withdraw(_) => {}
            Step::Fold => store.fold().await.unwrap(),
            Step::Finish(is_good, comes_again, retry) => {
                let status = if is_good { Status::Succeeded } else { Status::Failed };
                store.finish_job(*job, status, 0, "{}".into(), comes_again).await.unwrap();
                if !self.model.is_retry {
                    self.model.comes_again = !is_good || comes_again;
                }
                self.go_on(false, retry).await?;
            }
            Step::Crash(is_found, retry) => self.go_on(is_found, retry).await?,
        }
        self.check()
    }

    /// Records are about to be sent that were part of so many calls before.
    async fn intend(&mut self, action: Action, mut ids: Ids, attempts: u32, in_bulk: bool) {
        let Open { store, job, stream } = &self.open;
        let mut seen = Vec::new();
        ids.retain(|id| {
            let is_free = id.is_none_or(|id| !self.model.is_open(id) && !seen.contains(&id));
            seen.extend(*id);
            is_free
        });
        let open: Vec<_> = ids.into_iter().map(|id| (self.model.next(), id)).collect();
        for (position, id) in open.iter().filter(|(_, id)| attempts > 0 && id.is_some()) {
            let (fate, action) = (Fate::Failed, Some(Action::Create));
            let partial = End { fate, action, remote_id: Some(8), attempts };
            let outcome = outcome(*position, stream.id, *id, &partial);
            self.model.record(*job, outcome.clone());
            store.record(*job, Arc::new(vec![outcome]), None).await.unwrap();
        }
        let write = |(position, id): &(u64, Option<u8>)| intent(*position, *id, attempts);
        let writes = open.iter().map(write).collect();
        let lookup = open.first().and_then(|(position, _)| lookup(*position));
        let ticket = in_bulk.then(|| Ticket(format!("job of {open:?}").into()));
        let intended =
            store.intend(*job, stream.id, action, lookup.clone(), ticket.clone(), writes);
        let (id, job) = (intended.await.unwrap(), *job);
        let ticket = ticket.map(|ticket| (ticket, open.clone()));
        self.model.intents.push(OpenIntent { id, job, action, lookup, attempts, ticket, open });
    }

    /// Records of one intent come to their end.
    async fn answer(&mut self, which: prop::sample::Index, ends: &[End]) {
        let Open { store, job, stream } = &self.open;
        if self.model.intents.is_empty() {
            return;
        }
        let place = which.index(self.model.intents.len());
        let OpenIntent { id: intent, open, attempts, .. } = &mut self.model.intents[place];
        let (intent, before) = (*intent, *attempts);
        let ended: Vec<_> = open.drain(..ends.len().min(open.len())).collect();
        let is_last = open.is_empty();
        if is_last {
            self.model.intents.remove(place);
        }
        let mut outcomes = Vec::new();
        for ((position, id), end) in ended.into_iter().zip(ends) {
            let end = End { attempts: before + end.attempts.max(1), ..end.clone() };
            let end = if before > 0 && id.is_some() { of_partial(&end) } else { end };
            let outcome = outcome(position, stream.id, id, &end);
            self.model.record(*job, outcome.clone());
            outcomes.push(outcome);
        }
        store.record(*job, Arc::new(outcomes), is_last.then_some(intent)).await.unwrap();
    }

    /// The store's files as they are now are opened by the next job, which finds out about what the
    /// last one left in doubt.
    async fn go_on(&mut self, is_found: bool, is_retry: bool) -> Result<(), TestCaseError> {
        let folder = copy(self.folder.path());
        let retried = is_retry.then_some(self.open.job);
        self.open = Open::for_job(folder.path(), retried).await;
        self.folder = folder;
        let Open { store, .. } = &self.open;
        // What was on its way may have been applied.
        for (_, id) in self.model.intents.iter().flat_map(|intent| &intent.open) {
            if let Some(mapped) = id.and_then(|id| self.model.map.get_mut(&external_id(id))) {
                mapped.fingerprint = None;
            }
        }
        if !self.model.comes_again {
            // In another input, the same content is another record, but for what is in doubt. A
            // retry's input is of the job that it tries again.
            self.model
                .written
                .retain(|_, (of, fated)| *fated == Fated::InDoubt || Some(*of) == retried);
        }
        self.model.is_retry = is_retry;
        self.model.comes_again |= !is_retry;
        // Only a create cannot be sent again; and what was handed over is asked for.
        self.model
            .intents
            .retain(|intent| intent.action == Action::Create || intent.ticket.is_some());
        self.check()?;
        let leftovers = store.leftovers(NAMESPACE).unwrap();
        let told: Vec<_> = leftovers.iter().map(of_leftover).collect();
        let expected: Vec<_> = self.model.intents.iter().map(of_intent).collect();
        prop_assert_eq!(told, expected);
        let intents = std::mem::take(&mut self.model.intents);
        for (leftover, intent) in leftovers.into_iter().zip(intents) {
            let of = leftover.job;
            let mut outcomes = Vec::new();
            for (position, id) in intent.open.into_iter().filter(|_| is_found) {
                let fate = match (&intent.ticket, position % 3) {
                    (Some(_), 0) => Fate::Created,
                    (Some(_), 1) => Fate::Rejected,
                    (Some(_), _) => Fate::Failed,
                    (None, _) => Fate::InDoubt,
                };
                let remote_id = matches!(fate, Fate::Created | Fate::InDoubt).then_some(9);
                if remote_id.is_none() {
                    self.model.know_not_made(position, id);
                }
                let end = End { fate, action: Some(intent.action), remote_id, attempts: 1 };
                let outcome = outcome(position, leftover.stream, id, &end);
                self.model.record(of, outcome.clone());
                outcomes.push(outcome);
            }
            store.record_late(of, outcomes, leftover.intent).await.unwrap();
        }
        Ok(())
    }

    /// All of what was put on disk is there.
    fn check(&self) -> Result<(), TestCaseError> {
        let Open { store, job, stream } = &self.open;
        prop_assert_eq!(self.open.found(), self.model.map.clone());
        prop_assert_eq!(outcomes(store, *job, stream.id), expected(&self.model.outcomes));
        for id in (0..IDS).map(external_id) {
            let told = store.find_doubt(stream, &id).unwrap();
            let told = told.map(|doubt| (doubt.fingerprint, doubt.key, doubt.parents));
            let of = |last: &Outcome| (Some(last.fingerprint), last.key.clone(), last.parents);
            prop_assert_eq!(told, self.model.doubts.get(&id).map(of));
        }
        for position in 1..=self.model.position {
            let known = store.find_written(stream, &fingerprint(position), false).unwrap();
            let known = known.map(|written| match written {
                Written::Yes(remote_id) => Fated::Written(remote_id),
                Written::InDoubt(_) => Fated::InDoubt,
            });
            let expected = self.model.written.get(&position).map(|(_, fated)| fated.clone());
            prop_assert_eq!(known, expected);
        }
        Ok(())
    }
}

pub(crate) type Told = (JobId, u64, Option<String>, Option<String>, Fate, Option<String>);

/// The outcomes of all jobs up to this one.
pub(crate) fn outcomes(store: &Store, last: JobId, stream: i64) -> Vec<Told> {
    let mut told = Vec::new();
    for job in (1..=last.0).map(JobId) {
        let rows = store.read(|connection| {
            report::outcomes(connection, job, (stream, STREAM), |row| {
                let owned = |text: Option<&str>| text.map(str::to_owned);
                let (id, remote_id) = (owned(row.external_id), owned(row.remote_id));
                told.push((job, row.position, id, remote_id, row.fate, owned(row.action)));
                Ok::<_, rusqlite::Error>(())
            })
        });
        rows.unwrap();
    }
    told
}

fn expected(outcomes: &BTreeMap<(JobId, u64), Outcome>) -> Vec<Told> {
    let text = |id: &RemoteId| id.to_string();
    let told = |((job, position), outcome): (&(JobId, u64), &Outcome)| {
        let id = outcome.external_id.as_ref().map(ToString::to_string);
        let remote_id = outcome.remote_id.as_ref().map(text);
        let action = outcome.action.map(|action| action.as_str().to_owned());
        (*job, *position, id, remote_id, outcome.fate, action)
    };
    outcomes.iter().map(told).collect()
}

/// A record of an intent: its position, its id, what else it can be found by, its key, its parents,
/// the calls before.
type Write =
    (u64, Option<ExternalId>, Vec<Option<Arc<str>>>, Option<Arc<str>>, Option<i64>, Option<u32>);
/// An intent that is left over: its job, what its records are found by, and these.
type Left = (JobId, Option<LookupBy>, Vec<Write>, Action, Option<Ticket>);

fn of_write(write: &Intent) -> Write {
    assert_eq!(write.fingerprint, fingerprint(write.position));
    let Intent { position, external_id, lookup_values, key, parents, attempts, .. } = write.clone();
    (position, external_id, lookup_values, key, parents, attempts)
}

fn of_leftover(leftover: &Leftover) -> Left {
    let Leftover { job, lookup, action, ticket, .. } = leftover;
    let writes = leftover.writes.iter().map(of_write).collect();
    (*job, lookup.clone(), writes, *action, ticket.clone())
}

fn of_intent(left: &OpenIntent) -> Left {
    let write =
        |(position, id): &(u64, Option<u8>)| of_write(&intent(*position, *id, left.attempts));
    // Of a bulk job, all that was handed over.
    let of = left.ticket.as_ref().map_or(&left.open, |(_, all)| all);
    let ticket = left.ticket.as_ref().map(|(ticket, _)| ticket.clone());
    (left.job, left.lookup.clone(), of.iter().map(write).collect(), left.action, ticket)
}

proptest! {
    #![proptest_config(crate::cases(16))]

    #[test]
    fn what_was_put_on_disk_outlives_crashes(steps in prop::collection::vec(step(), 1..50)) {
        runtime().block_on(async {
            let mut place = Place::new().await;
            for step in steps {
                place.follow(step).await?;
            }
            Ok::<_, TestCaseError>(())
        })?;
    }
}
