//! The id map beside a map in memory: what was recorded last is found at any time, whether it
//! stands in the overlay, in a run or in the table, and also when the job was killed in between.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use proptest::prelude::*;
use target_upsert::connector::contract::Action;
use target_upsert::outcome::{Fate, Outcome};
use target_upsert::record::{ExternalId, Fingerprint, RemoteId};
use target_upsert::store::Store;
use target_upsert::store::id_map::{Entry, Forget, Mapped, entries, forget};
use target_upsert::store::imports::{Destination, Doubts, import_beside};
use target_upsert::store::jobs::{JobId, NewJob, Status};
use target_upsert::store::streams::StoredStream;

pub(crate) type Map = BTreeMap<ExternalId, Mapped>;

pub(crate) const NAMESPACE: &str = "rest:test";
pub(crate) const STREAM: &str = "contacts";
pub(crate) const IDS: u8 = 6;
/// With those of a crowd: more than the overlay of a debug build holds.
const ALL_IDS: u8 = IDS + 110;

pub(crate) fn external_id(id: u8) -> ExternalId {
    ExternalId::new(format!("c-{id}"))
}

pub(crate) fn outcome(position: u64, stream: i64, id: Option<u8>, end: &End) -> Outcome {
    Outcome {
        position,
        stream,
        external_id: id.map(external_id),
        remote_id: end.remote_id.map(|id| RemoteId::new(id.to_string())),
        action: end.action,
        fate: end.fate,
        attempts: end.attempts,
        status: None,
        trouble: None,
        millis: 1,
        fingerprint: fingerprint(position),
        parents: position.is_multiple_of(2).then_some(-7),
        found_by: None,
        custom_data: position.is_multiple_of(3).then(|| format!("{{\"n\":{position}}}").into()),
        batch_id: None,
        key: key(position),
        may_be_resent: false,
        content: None,
    }
}

pub(crate) fn key(position: u64) -> Option<Arc<str>> {
    position.is_multiple_of(2).then(|| format!("key-{position}").into())
}

pub(crate) fn fingerprint(position: u64) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&position.to_le_bytes());
    Fingerprint(bytes)
}

/// How a record ends.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) fate: Fate,
    pub(crate) action: Option<Action>,
    pub(crate) remote_id: Option<u8>,
    pub(crate) attempts: u32,
}

/// Ends as the dispatcher tells them: what was not sent has no action.
pub(crate) fn end() -> impl Strategy<Value = End> {
    let action = prop::sample::select(vec![Action::Create, Action::Update, Action::Upsert]);
    let ends = (prop::sample::select(Fate::ALL.to_vec()), prop::option::of(action));
    (ends, prop::option::of(0u8..9), 1u32..4).prop_map(|((fate, action), remote_id, attempts)| {
        let action = match fate {
            Fate::Deleted => Some(Action::Delete),
            Fate::Created | Fate::Updated | Fate::InDoubt => action.or(Some(Action::Create)),
            Fate::Skipped => None,
            _ => action,
        };
        let attempts = if action.is_some() { attempts } else { 0 };
        End { fate, action, remote_id, attempts }
    })
}

/// What an outcome says of its external id.
pub(crate) fn apply(map: &mut Map, outcome: &Outcome) {
    let Some(id) = outcome.external_id.clone() else { return };
    let is_known = outcome.remote_id.is_some() || outcome.action == Some(Action::Upsert);
    let fingerprint = match outcome.fate {
        Fate::Created | Fate::Updated => Some(outcome.fingerprint),
        Fate::Unchanged if outcome.action.is_some() => Some(outcome.fingerprint),
        Fate::Failed | Fate::InDoubt if is_known => None,
        Fate::Skipped if outcome.remote_id.is_some() => None,
        // A try before the one that was refused may have been applied.
        Fate::Rejected if is_known && outcome.attempts > 1 => None,
        Fate::Deleted => {
            map.remove(&id);
            return;
        }
        _ => return,
    };
    let (remote_id, custom_data) = (outcome.remote_id.clone(), outcome.custom_data.clone());
    map.insert(id, Mapped { remote_id, fingerprint, custom_data, parents: outcome.parents });
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// What SIGKILL leaves of a store: the shared memory beside it is made anew.
pub(crate) fn copy(from: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["store.db", "store.db-wal"] {
        std::fs::copy(from.join(file), folder.path().join(file)).unwrap();
    }
    folder
}

/// A store under a job.
pub(crate) struct Open {
    pub(crate) store: Store,
    pub(crate) job: JobId,
    pub(crate) stream: StoredStream,
}

impl Open {
    pub(crate) async fn at(folder: &Path) -> Self {
        Self::for_job(folder, None).await
    }

    /// Under a job that retries this one, if any.
    pub(crate) async fn for_job(folder: &Path, retries: Option<JobId>) -> Self {
        let store = Store::open(&folder.join("store.db")).unwrap();
        let uuid = uuid::Uuid::now_v7().to_string();
        let job = store
            .begin_job(NewJob { uuid, namespace: NAMESPACE.into(), retries, ..NewJob::default() })
            .await
            .unwrap();
        let stream = store.begin_stream(job, NAMESPACE, STREAM, None).await.unwrap();
        Self { store, job, stream }
    }

    /// Everything that is found.
    pub(crate) fn found(&self) -> Map {
        let find =
            |id| Some((external_id(id), self.store.find(&self.stream, &external_id(id)).unwrap()?));
        (0..ALL_IDS).filter_map(find).collect()
    }

    /// Records so many that the overlay moves what it holds.
    async fn crowd(&self, position: u64, model: &mut Map) {
        let end = End {
            fate: Fate::Created,
            action: Some(Action::Create),
            remote_id: Some(1),
            attempts: 1,
        };
        let crowd = |id| outcome(position * 1000 + u64::from(id), self.stream.id, Some(id), &end);
        let outcomes: Vec<Outcome> = (IDS..ALL_IDS).map(crowd).collect();
        for outcome in &outcomes {
            apply(model, outcome);
        }
        self.store.record(self.job, Arc::new(outcomes), None).await.unwrap();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Record(u8, End),
    Crowd,
    Fold,
    /// The job ends, and the next one begins.
    Finish,
    /// The job is killed, and the next one begins.
    Kill,
    /// The job is killed, and somebody forgets an id, all, or what is in doubt.
    Forget(Forget),
    /// The job is killed, and somebody takes in an id from elsewhere.
    Import(u8, u8, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..IDS, end()).prop_map(|(id, end)| Step::Record(id, end)),
        4 => Just(Step::Crowd),
        2 => Just(Step::Fold),
        1 => Just(Step::Finish),
        1 => Just(Step::Kill),
        2 => prop_oneof![
            4 => (0..IDS).prop_map(|id| Forget::Ids(vec![external_id(id)])),
            1 => Just(Forget::All),
            1 => Just(Forget::Doubts),
        ].prop_map(Step::Forget),
        2 => (0..IDS, 0u8..9, any::<bool>())
            .prop_map(|(id, remote, overwrite)| Step::Import(id, remote, overwrite)),
    ]
}

/// An entry from elsewhere changes what is known, or is taken where nothing is; a fingerprint stays
/// only with its remote id.
fn import(map: &mut Map, entry: &Entry, overwrite: bool) {
    let known = map.get(&entry.external_id);
    if known.is_some_and(|known| known.remote_id.is_some() && !overwrite) {
        return;
    }
    let is_same = known.is_some_and(|known| known.remote_id == entry.mapped.remote_id);
    let known = known.filter(|_| is_same);
    let fingerprint = known.and_then(|known| known.fingerprint);
    let parents = known.and_then(|known| known.parents);
    map.insert(entry.external_id.clone(), Mapped { fingerprint, parents, ..entry.mapped.clone() });
}

async fn follow(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let mut open = Open::at(folder.path()).await;
    let mut model = Map::new();
    for (position, step) in (1..).zip(steps) {
        match step {
            Step::Record(id, end) => {
                let outcome = outcome(position, open.stream.id, Some(id), &end);
                apply(&mut model, &outcome);
                open.store.record(open.job, Arc::new(vec![outcome]), None).await.unwrap();
            }
            Step::Crowd => open.crowd(position, &mut model).await,
            Step::Fold => open.store.fold().await.unwrap(),
            Step::Finish => {
                let done =
                    open.store.finish_job(open.job, Status::Succeeded, 0, "{}".into(), false);
                done.await.unwrap();
                drop(open);
                open = Open::at(folder.path()).await;
            }
            Step::Kill => {
                drop(open);
                open = Open::at(folder.path()).await;
            }
            Step::Forget(what) => {
                let stream = open.stream.id;
                drop(open);
                let store = Store::open(&folder.path().join("store.db")).unwrap();
                let told = what.clone();
                let forgotten = store.write(move |transaction| forget(transaction, stream, &told));
                forgotten.await.unwrap();
                drop(store);
                match what {
                    Forget::Ids(ids) => model.retain(|known, _| !ids.contains(known)),
                    Forget::All => model.clear(),
                    Forget::Doubts => {}
                }
                open = Open::at(folder.path()).await;
            }
            Step::Import(id, remote_id, overwrite) => {
                let stream = open.stream;
                drop(open);
                let store = Store::open(&folder.path().join("store.db")).unwrap();
                let remote_id = Some(RemoteId::new(remote_id.to_string()));
                let mapped =
                    Mapped { remote_id, fingerprint: None, custom_data: None, parents: None };
                let entry = Entry { external_id: external_id(id), mapped };
                import(&mut model, &entry, overwrite);
                let taken = move || {
                    if overwrite {
                        store.import_blocking(stream, vec![entry], Doubts::Stay)
                    } else {
                        let base = store.base();
                        store.write_blocking(move |transaction| {
                            let into = Destination::stream(transaction, base, "rest:test", STREAM)?;
                            import_beside(transaction, &into, &entry).map(drop)
                        })
                    }
                };
                tokio::task::spawn_blocking(taken).await.unwrap().unwrap();
                open = Open::at(folder.path()).await;
            }
        }
        prop_assert_eq!(open.found(), model.clone());
    }
    open.store.fold().await.unwrap();
    let table = open.store.read(|connection| {
        entries(connection, open.stream.id, |rows| rows.collect::<Result<Vec<_>, _>>())?
    });
    let table: Map =
        table.unwrap().into_iter().map(|entry| (entry.external_id, entry.mapped)).collect();
    prop_assert_eq!(table, model);
    Ok(())
}

proptest! {
    #![proptest_config(crate::cases(16))]

    #[test]
    fn what_was_recorded_last_is_found(steps in prop::collection::vec(step(), 1..60)) {
        runtime().block_on(follow(steps))?;
    }
}

/// Each of several tasks writes an id of its own, while others fold all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_newest_is_found_while_folds_are_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let open = Arc::new(Open::at(folder.path()).await);
    let is_done = Arc::new(AtomicBool::new(false));
    let folding = [(); 3].map(|()| {
        let (open, is_done) = (Arc::clone(&open), Arc::clone(&is_done));
        tokio::spawn(async move {
            while !is_done.load(Relaxed) {
                open.store.fold().await.unwrap();
            }
        })
    });
    let crowding = {
        let (open, is_done) = (Arc::clone(&open), Arc::clone(&is_done));
        tokio::spawn(async move {
            for round in 1.. {
                if is_done.load(Relaxed) {
                    return;
                }
                open.crowd(100 + round, &mut Map::new()).await;
            }
        })
    };
    let writing = (0..IDS).map(|id| {
        let open = Arc::clone(&open);
        tokio::spawn(async move {
            let mut model = Map::new();
            for round in 1..=100 {
                let fate = if round % 7 == 0 { Fate::Deleted } else { Fate::Updated };
                let action = Some(Action::Update);
                let end = End { fate, action, remote_id: Some(id), attempts: 1 };
                let position = u64::from(id) * 1000 + round;
                let outcome = outcome(position, open.stream.id, Some(id), &end);
                apply(&mut model, &outcome);
                open.store.record(open.job, Arc::new(vec![outcome]), None).await.unwrap();
                for _ in 0..20 {
                    let found = open.store.find(&open.stream, &external_id(id)).unwrap();
                    assert_eq!(found.as_ref(), model.get(&external_id(id)), "round {round}");
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    for task in writing.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    is_done.store(true, Relaxed);
    crowding.await.unwrap();
    for task in folding {
        task.await.unwrap();
    }
}
