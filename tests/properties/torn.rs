//! A log whose end is lost or half written, as a machine without power leaves it.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use target_upsert::connector::contract::Action;
use target_upsert::outcome::Fate;

use crate::id_map::{End, Open, copy, outcome};
use crate::journal::outcomes;

/// A store of so many outcomes, each of them a commit of its own, as SIGKILL leaves it.
async fn killed(outcomes: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let Open { store, job, stream } = Open::at(folder.path()).await;
    for position in 1..=outcomes {
        let (fate, action) = (Fate::Updated, Some(Action::Update));
        let end = End { fate, action, remote_id: Some(1), attempts: 1 };
        let outcome = outcome(position, stream.id, None, &end);
        store.record(job, Arc::new(vec![outcome]), None).await.unwrap();
    }
    copy(folder.path())
}

/// How many outcomes are left; all that are left are the first ones.
async fn left(folder: &Path) -> u64 {
    let Open { store, job, stream } = Open::at(folder).await;
    let told: Vec<u64> = outcomes(&store, job, stream.id).iter().map(|row| row.1).collect();
    let count = told.len() as u64;
    assert_eq!(told, (1..=count).collect::<Vec<_>>());
    count
}

#[tokio::test]
async fn of_a_torn_log_the_first_commits_are_there() {
    let killed = killed(20).await;
    let log = std::fs::read(killed.path().join("store.db-wal")).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let mut counts = Vec::new();
    for _ in 0..40 {
        let folder = copy(killed.path());
        let mut torn = log.clone();
        let at = random.usize(..log.len());
        if random.bool() {
            torn.truncate(at);
        } else {
            torn[at] ^= 1 << random.u8(..8);
        }
        let mut file = std::fs::File::create(folder.path().join("store.db-wal")).unwrap();
        file.write_all(&torn).unwrap();
        counts.push((at, left(folder.path()).await));
    }
    // The further behind it is torn, the more is there.
    counts.sort_unstable();
    assert!(counts.is_sorted_by_key(|(_, count)| *count), "{counts:?}");
    assert!(counts.iter().any(|(_, count)| (5..15).contains(count)), "{counts:?}");
    assert_eq!(left(killed.path()).await, 20);
}
