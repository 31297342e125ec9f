//! Jobs on a disk that fails: what is told as written is at the remote, and the same input run
//! again on a good disk ends with each record once.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Place, Ran, Remote, contacts, finish, record, schema, state};

/// Contacts of each input: each comes twice, and the second time counts.
const CONTACTS: usize = 12;
/// Rounds on one store with each kind of fault: on a new one, and on an old one.
const ROUNDS: u64 = 2;

/// What goes wrong with the disk; see `support/faulty_disk.c`.
#[derive(Clone, Copy, Debug)]
struct Fault {
    kind: &'static str,
    /// Number of the call that fails.
    call: u64,
    /// Whether all calls after it fail as well.
    lasts: bool,
}

/// Builds the faulty disk into `folder`.
fn build_disk(folder: &Path) -> PathBuf {
    let library = folder.join("faulty_disk.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/faulty_disk.c");
    let mut compiler = std::process::Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"]).args([&library, &source]);
    assert!(compiler.status().unwrap().success(), "the faulty disk cannot be built");
    library
}

/// Runs a job on the faulty disk. Returns what it left, and how many calls might have failed.
fn run_on(disk: &Path, place: &Place, fault: Fault, input: &str) -> (Ran, u64) {
    let count = disk.with_extension("count");
    let mut job = place.job();
    job.env("LD_PRELOAD", disk)
        .env("FAULTY_DISK_FOLDER", place.folder.path().canonicalize().unwrap())
        .env("FAULTY_DISK_KIND", fault.kind)
        .env("FAULTY_DISK_CALL", fault.call.to_string())
        .env("FAULTY_DISK_COUNT", &count);
    if fault.lasts {
        job.env("FAULTY_DISK_LASTS", "1");
    }
    let ran = finish(job.spawn().unwrap(), input.as_bytes());
    let calls = std::fs::read_to_string(&count).unwrap().parse().unwrap();
    (ran, calls)
}

/// The contacts of a round: all ids twice, the second time with the content that counts.
fn input(round: u64) -> String {
    let all = (0..2 * CONTACTS).map(|n| {
        let contact =
            json!({"externalId": format!("c-{}", n % CONTACTS), "visits": visits(round, n)});
        record("contacts", &contact) + &state(&json!({"read": n + 1}))
    });
    schema("contacts") + &all.collect::<String>()
}

fn visits(round: u64, n: usize) -> u64 {
    round * 1000 + n as u64
}

/// What a job has told of the round, on stdout and in its files, is so.
fn told_is_so(place: &Place, remote: &Remote, ran: &Ran, round: u64) {
    let held = remote.by_ext("contacts");
    let at_least = |ext_id: &str, least: u64| {
        let visits = held.get(ext_id).and_then(|record| record["visits"].as_u64());
        assert!(visits >= Some(least), "{ext_id}: {visits:?} is there, {least} was told");
    };
    if !ran.stdout.is_empty() {
        let state = ran.state();
        for entry in state["bookmarks"]["contacts"].as_array().into_iter().flatten() {
            if entry["success"] == true {
                at_least(entry["externalId"].as_str().unwrap(), visits(round, 0));
            }
        }
        for n in 0..usize::try_from(state["tap"]["read"].as_u64().unwrap_or(0)).unwrap() {
            at_least(&format!("c-{}", n % CONTACTS), visits(round, n));
        }
    }
    if place.path("results.jsonl").exists() {
        for row in place.results() {
            if ["created", "updated", "unchanged"].contains(&row["outcome"].as_str().unwrap()) {
                let n = usize::try_from(row["position"].as_u64().unwrap()).unwrap() - 1;
                at_least(&format!("c-{}", n % CONTACTS), visits(round, n));
            }
        }
    }
}

fn summary_is_so(place: &Place, ran: &Ran) {
    // One that could not be put in its place for good may stand there all the same.
    if place.path("summary.json").exists() && !ran.stderr.contains("cannot write the summary") {
        assert_eq!(place.summary()["exit_code"], ran.code, "{}", ran.stderr);
    }
}

/// A job on the faulty disk, and the same input again on a good one. Returns whether the disk
/// failed.
fn round(disk: &Path, place: &Place, remote: &Remote, fault: Fault, round: u64) -> bool {
    for file in ["results.jsonl", "summary.json"] {
        drop(std::fs::remove_file(place.path(file)));
    }
    let input = input(round);
    let (ran, calls) = run_on(disk, place, fault, &input);
    assert!([0, 5].contains(&ran.code), "{}: {}", ran.code, ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    told_is_so(place, remote, &ran, round);
    if ran.code == 0 {
        assert_eq!(place.summary()["proof"]["holds"], true);
        assert_eq!(place.results().len(), 2 * CONTACTS);
        all_is_there(remote, round);
    }
    summary_is_so(place, &ran);
    let again = place.done(&input);
    told_is_so(place, remote, &again, round);
    all_is_there(remote, round);
    calls >= fault.call
}

fn all_is_there(remote: &Remote, round: u64) {
    let held = remote.by_ext("contacts");
    assert_eq!(held.len(), CONTACTS);
    for n in 0..CONTACTS {
        assert_eq!(held[&format!("c-{n}")]["visits"], visits(round, CONTACTS + n), "c-{n}");
    }
}

/// Rounds with each kind of fault at one of the calls, by chance.
#[expect(clippy::print_stderr, reason = "shown when the test fails")]
fn on_faulty_disks(manifest: &str, seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let disk = build_disk(folder.path());
    let mut random = fastrand::Rng::with_seed(seed);
    let mut failed = 0;
    for (kind, lasts) in [
        ("full", true),
        ("full", false),
        ("broken", false),
        ("short", false),
        ("torn", false),
        ("sync", true),
        ("sync", false),
    ] {
        let remote = Remote::start();
        let place = Place::at(&remote, manifest).set("batch", json!({"records": 5}));
        for number in 0..ROUNDS {
            let call = random.u64(1..=if kind == "sync" { 10 } else { 50 });
            let fault = Fault { kind, call, lasts };
            eprintln!("{manifest}, round {number}: {fault:?}");
            failed += u32::from(round(&disk, &place, &remote, fault, number));
        }
    }
    assert!(failed >= 10, "the disk failed in {failed} rounds only");
}

#[test]
fn upserts_survive_a_faulty_disk() {
    on_faulty_disks("sandbox", 1);
}

#[test]
fn creates_after_a_lookup_survive_a_faulty_disk() {
    on_faulty_disks("rest-lookup-bulk", 2);
}

#[test]
fn creates_one_by_one_survive_a_faulty_disk() {
    on_faulty_disks("rest-one-by-one", 3);
}

#[test]
fn a_full_disk_is_told_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let disk = build_disk(folder.path());
    let remote = Remote::start();
    let place = Place::at(&remote, "rest-one-by-one");
    let fault = Fault { kind: "full", call: 20, lasts: true };
    let (ran, _) = run_on(&disk, &place, fault, &input(0));
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: free some space on that disk"), "{}", ran.stderr);
    place.done(input(0));
    all_is_there(&remote, 0);
}

#[test]
fn a_damaged_store_is_told_with_the_way_out() {
    /// Bytes of a page of the store.
    const PAGE: usize = 8192;
    let remote = Remote::start();
    let place = Place::at(&remote, "rest-one-by-one");
    place.done(input(0));
    let path = place.path(".target-upsert/store.db");
    let whole = std::fs::read(&path).unwrap();
    let mut noticed = 0;
    for page in 0..whole.len() / PAGE {
        let mut damaged = whole.clone();
        damaged[page * PAGE..][..64].iter_mut().for_each(|byte| *byte ^= 0xa5);
        place.file(".target-upsert/store.db", &damaged);
        let ran = place.run(input(1));
        assert!(!ran.stderr.contains("panicked"), "page {page}: {}", ran.stderr);
        match ran.code {
            // Nothing was read from this page.
            0 => all_is_there(&remote, 1),
            2 if page == 0 => {
                assert!(ran.stderr.contains("is not a store of target-upsert"), "{}", ran.stderr);
            }
            5 => {
                assert!(ran.stderr.contains("hint: the file is damaged"), "{}", ran.stderr);
                noticed += 1;
            }
            other => panic!("page {page}: {other}: {}", ran.stderr),
        }
        for file in ["store.db-wal", "store.db-shm"] {
            drop(std::fs::remove_file(place.path(".target-upsert").join(file)));
        }
    }
    assert!(noticed > 2, "damage was noticed {noticed} times only");
    // As the hint says.
    std::fs::remove_file(&path).unwrap();
    place.done(input(2));
    all_is_there(&remote, 2);
}

/// A remote that cannot be asked: an id that is lost is a record that is made twice.
#[test]
fn whichever_sync_fails_no_record_is_made_twice() {
    const COUNT: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    let disk = build_disk(folder.path());
    let good = Fault { kind: "sync", call: 0, lasts: false };
    let (_, calls) = {
        let remote = Remote::start();
        run_on(&disk, &Place::at(&remote, "create-only"), good, &contacts(COUNT))
    };
    assert!(calls > 5, "{calls} syncs");
    for call in 1..=calls {
        let remote = Remote::start();
        let place = Place::at(&remote, "create-only");
        let (ran, _) = run_on(&disk, &place, Fault { call, ..good }, &contacts(COUNT));
        assert!([0, 5].contains(&ran.code), "sync {call}: {}", ran.stderr);
        summary_is_so(&place, &ran);
        place.done(contacts(COUNT));
        let held = remote.by_ext("contacts");
        let results = place.results();
        for n in 0..COUNT {
            let id = format!("c-{n}");
            let is_told = |row: &Value| row["InputId"] == *id && row["outcome"] == "in_doubt";
            assert!(held.contains_key(&id) || results.iter().any(is_told), "sync {call}: {id}");
        }
    }
}
