//! Records without an external id are known by their content, in one input: which job has the input
//! of which, and what is left out of a retry.

use serde_json::json;

use crate::doubt::{events, quick, that_loses};
use crate::support::{Place, Remote, counts, fixture, record};

/// How often the remote has each event from `n = 0` on.
fn there(remote: &Remote, count: usize) -> Vec<usize> {
    let held = remote.records("events");
    (0..count).map(|n| held.iter().filter(|one| one["n"] == n).count()).collect()
}

/// One event, of a stream whose SCHEMA stands before it.
fn event(n: usize) -> String {
    events(0) + &record("events", &json!({"n": n}))
}

fn job_id(place: &Place) -> String {
    place.summary()["job_id"].as_str().unwrap().to_owned()
}

fn retry(place: &Place, job: &str) {
    let ran = place.call(&["jobs", "retry", job, "--config", "config.json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

/// Records among the rejects of a job.
fn rejects(place: &Place, job: &str) -> usize {
    let told = place.call(&["jobs", "rejects", job]).stdout;
    told.lines().filter(|line| line.contains("\"RECORD\"")).count()
}

#[test]
fn a_doubt_about_a_record_without_an_id_outlives_other_jobs() {
    let remote = that_loses(1, "");
    let place = quick(Place::at(&remote, "create-only"));
    place.done(events(3));
    let first = job_id(&place);
    std::fs::copy(place.path("rejects.jsonl"), place.path("before.jsonl")).unwrap();
    place.done(event(9));
    // Neither by a retry, nor by its rejects, nor by another record of the same content.
    retry(&place, &first);
    place.done(place.read("before.jsonl"));
    assert_eq!(place.counts("events"), counts([("read", 1), ("in_doubt", 1)]));
    place.done(event(1));
    assert_eq!(place.counts("events"), counts([("read", 1), ("in_doubt", 1)]));
    assert_eq!(there(&remote, 3), [1, 1, 1]);
    assert_eq!(place.call(&["ids", "doubts"]).stdout.lines().count(), 2);
    // Somebody has looked, and says that it is not there.
    let forgot = place.call(&["ids", "forget", "--doubts", "--stream", "events"]);
    assert_eq!(forgot.code, 0, "{}", forgot.stderr);
    retry(&place, &first);
    assert_eq!(there(&remote, 3), [1, 2, 1]);
}

/// A remote that is busy with one record whenever it is asked to make it.
pub(crate) fn busy(calls: &str) -> (Remote, Place) {
    let remote = Remote::with(&format!(
        "{{faults: [{{on: \"POST /v1/{{object}}\", calls: {calls}, do: status, status: 423}}]}}"
    ));
    let manifest = std::fs::read_to_string(fixture("manifests/create-only.yaml")).unwrap();
    let busy = "answers: [{ when: \"{{ status == 423 }}\", is: busy }]\nstreams:";
    let place = quick(Place::at(&remote, "create-only"));
    (remote, place.manifest(manifest.replace("streams:", busy)))
}

#[test]
fn what_was_written_is_not_written_again_where_the_tap_was_told_to_bring_all_again() {
    let (remote, place) = busy("[2, 3, 4]");
    place.done(events(3));
    assert_eq!(place.counts("events"), counts([("read", 3), ("created", 2), ("failed", 1)]));
    // A job between them that has none of the stream changes nothing.
    place.done(crate::support::contacts(1));
    place.done(events(3));
    assert_eq!(place.counts("events"), counts([("read", 3), ("created", 1), ("unchanged", 2)]));
    assert_eq!(there(&remote, 3), [1, 1, 1]);
    // Now all is done: in another input, the same content is another record.
    place.done(events(3));
    assert_eq!(there(&remote, 3), [2, 2, 2]);
}

#[test]
fn what_was_written_before_the_input_broke_off_is_not_written_again() {
    let remote = Remote::start();
    let place = quick(Place::at(&remote, "create-only"));
    assert_eq!(place.run(events(3) + "this is no message\n").code, 4);
    assert_eq!(place.counts("events"), counts([("read", 3), ("created", 3)]));
    place.done(events(4));
    assert_eq!(place.counts("events"), counts([("read", 4), ("created", 1), ("unchanged", 3)]));
    assert_eq!(there(&remote, 4), [1, 1, 1, 1]);
}

#[test]
fn after_a_first_run_with_a_limit_the_rest_is_written() {
    let remote = Remote::start();
    let place = quick(Place::at(&remote, "create-only")).arg("--limit").arg("2");
    place.done(events(4));
    assert_eq!(there(&remote, 4), [1, 1, 0, 0]);
    let place = place.arg("--limit").arg("9");
    let ran = place.call(&["--config", "config.json", "--input", "/dev/null"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    place.file("all.jsonl", events(4));
    let ran = place.call(&["--config", "config.json", "--input", "all.jsonl"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(there(&remote, 4), [1, 1, 1, 1]);
}

/// A remote that refuses its first create, and a job that has brought two.
fn refused() -> (Remote, Place, String) {
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/{object}\", calls: [1], do: status, status: 400}]}",
    );
    let place = quick(Place::at(&remote, "create-only"));
    place.done(events(2));
    assert_eq!(place.counts("events"), counts([("read", 2), ("created", 1), ("rejected", 1)]));
    let first = job_id(&place);
    (remote, place, first)
}

#[test]
fn what_a_retry_has_written_is_not_tried_again() {
    let (remote, place, first) = refused();
    retry(&place, &first);
    place.done(event(9));
    assert_eq!(rejects(&place, &first), 0);
    retry(&place, &first);
    assert_eq!(there(&remote, 2), [1, 1]);
}

#[test]
fn what_a_retry_of_a_retry_has_written_is_not_tried_again() {
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/{object}\", calls: [1, 3], do: status, status: 400}]}",
    );
    let place = quick(Place::at(&remote, "create-only"));
    place.done(events(2));
    let first = job_id(&place);
    retry(&place, "last");
    retry(&place, "last");
    assert_eq!(there(&remote, 2), [1, 1]);
    place.done(event(9));
    assert_eq!(rejects(&place, &first), 0);
    retry(&place, &first);
    assert_eq!(there(&remote, 2), [1, 1]);
}

#[test]
fn equal_records_of_one_input_that_are_all_to_be_written_have_each_a_key_of_their_own() {
    let remote = Remote::with("{idempotency: true}");
    let place = quick(Place::at(&remote, "create-with-key"))
        .set("streams", json!({"*": {"skip_unchanged": false}}));
    place.done(event(0) + &record("events", &json!({"n": 0})));
    assert_eq!(place.counts("events"), counts([("read", 2), ("created", 2)]));
    assert_eq!(there(&remote, 1), [2]);
}

#[test]
fn the_same_content_in_another_input_is_no_retry() {
    let (remote, place, first) = refused();
    place.done(event(0));
    assert_eq!((there(&remote, 1), rejects(&place, &first)), (vec![1], 1));
    retry(&place, &first);
    assert_eq!(there(&remote, 1), [2]);
}

#[test]
fn a_retry_that_is_killed_writes_nothing_twice_and_hides_nothing_of_the_next_input() {
    let (remote, place, first) = refused();
    let mut killed = place.command(&["jobs", "retry", &first, "--config", "config.json"]);
    let ran = crate::support::finish(killed.env("CRASH_AT", "told:1").spawn().unwrap(), b"");
    assert_eq!((ran.signal, there(&remote, 1)), (Some(9), vec![1]));
    retry(&place, &first);
    assert_eq!(there(&remote, 1), [1]);
    place.done(event(0));
    assert_eq!(there(&remote, 1), [2]);
}

#[test]
fn a_retry_sends_nothing_that_the_next_job_had_of_the_same_input() {
    // The credential is refused half way: the rest is not sent, and comes again.
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/{object}\", calls: [3], do: status, status: 401}]}",
    );
    let place = quick(Place::at(&remote, "create-only"));
    assert_eq!(place.run(events(5)).code, 3);
    let first = job_id(&place);
    place.done(events(5));
    assert_eq!(rejects(&place, &first), 0);
    retry(&place, &first);
    assert_eq!(there(&remote, 5), [1, 1, 1, 1, 1]);
}
