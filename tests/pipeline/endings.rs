//! What a job says last: what it has come to, why, and how things go on.

use serde_json::json;

use crate::doubt::{events, quick, that_loses};
use crate::support::{Place, Ran, Remote, contacts, counts, finish};

const ABSENT: &str = "no SCHEMA came of";

fn retry(place: &Place, job: &str) -> Ran {
    place.call(&["jobs", "retry", job, "--config", "config.json"])
}

/// A job that the remote has refused two records of, and its id.
fn with_rejects(remote: &Remote, place: &Place) -> String {
    place.done(contacts(2));
    assert_eq!(place.counts("contacts"), counts([("read", 2), ("rejected", 2)]));
    assert_eq!(remote.records("contacts").len(), 0);
    place.summary()["job_id"].as_str().unwrap().to_owned()
}

#[test]
fn one_call_is_one() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    assert!(place.done(contacts(1)).stderr.contains("with 1 call: read 1"));
    assert!(place.done(contacts(1)).stderr.contains("with 0 calls: read 1"));
}

#[test]
fn where_every_call_of_a_kind_fails_nothing_is_said_of_the_others() {
    let told = |manifest: &str, on: &str| {
        let remote =
            Remote::with(&format!("{{faults: [{{on: \"{on}\", do: status, status: 500}}]}}"));
        let ran = quick(Place::at(&remote, manifest)).run(contacts(1));
        assert_eq!(ran.code, 3, "{on}: {}", ran.stderr);
        ran.stderr
    };
    let writes = told("rest-lookup-bulk", "POST /v1/*/batch/*");
    assert!(writes.contains("error: every write to the remote failed"), "{writes}");
    let all = told("create-only", "POST *");
    assert!(all.contains("error: every call to the remote failed"), "{all}");
}

#[test]
fn where_records_are_in_doubt_the_end_says_how_a_doubt_ends() {
    let remote = Remote::with("{faults: [{on: \"POST /v1/{object}\", do: reset_after}]}");
    let place = quick(Place::at(&remote, "create-only"));
    let ran = place.run(contacts(2));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert_eq!(place.counts("contacts"), counts([("read", 2), ("in_doubt", 2)]));
    let hint = place.summary()["error"]["hint"].as_str().unwrap().to_owned();
    let of_records = place.summary()["errors"][0]["hint"].as_str().unwrap().to_owned();
    for told in [hint, of_records] {
        assert!(told.contains("`target-upsert ids doubts`"), "{told}");
        assert!(told.contains("\"When an answer is lost\""), "{told}");
    }
}

#[test]
fn options_of_a_stream_that_is_not_in_the_input_are_told_once() {
    let remote = Remote::start();
    let streams = json!({"*": {}, "contacts": {"relations": [{"field": "boss", "stream": "bosses"}]},
        "contcats": {"mode": "insert"}, "bosses": {"object": "people"}});
    let place = quick(Place::at(&remote, "sandbox")).set("streams", streams);
    let told = place.done(contacts(2)).stderr;
    assert_eq!(told.matches(ABSENT).count(), 1, "{told}");
    // A parent may have come with an earlier job.
    assert!(told.contains("no SCHEMA came of: `contcats`. "), "{told}");

    // What was not read may hold it.
    let told = place.run(contacts(1) + "no message\n").stderr;
    assert!(!told.contains(ABSENT), "{told}");
}

#[test]
fn a_retry_has_a_part_of_the_input_and_misses_no_stream() {
    let refuses = "{faults: [{on: \"POST /v1/{object}\", calls: [1, 2], do: status, status: 400}]}";
    let remote = Remote::with(refuses);
    let place = quick(Place::at(&remote, "create-only")).set("streams", json!({"events": {}}));
    place.done(contacts(2) + &events(1));
    let ran = retry(&place, "last");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(remote.by_ext("contacts").len(), 2);
    assert!(!ran.stderr.contains(ABSENT), "{}", ran.stderr);
}

#[test]
fn a_retry_that_was_killed_says_which_one_goes_on() {
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/*/batch/create\", calls: [1, 2, 3], do: status, status: 400}]}",
    );
    let place = quick(Place::at(&remote, "rest-lookup-bulk"));
    let first = with_rejects(&remote, &place);
    let mut command = place.command(&["jobs", "retry", "last", "--config", "config.json"]);
    let ran = finish(command.env("CRASH_AT", "sent:1").spawn().unwrap(), b"");
    assert_eq!(ran.signal, Some(9), "{}", ran.stderr);
    let ran = retry(&place, "last");
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("`target-upsert jobs retry {first}`")), "{}", ran.stderr);
    assert!(!ran.stderr.contains("the same input"), "{}", ran.stderr);
    assert_eq!(retry(&place, &first).code, 0);
    assert_eq!(remote.by_ext("contacts").len(), 2);
}

#[test]
fn a_retry_that_is_cut_off_says_which_one_goes_on() {
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/{object}\", calls: [1, 2], do: status, status: 400},
            {on: \"POST /v1/{object}\", calls: [3], do: status, status: 401}]}",
    );
    let place = quick(Place::at(&remote, "create-only")).set("max_in_flight", 1);
    let first = with_rejects(&remote, &place);
    let ran = retry(&place, "last");
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    let listed = place.call(&["jobs", "list", "--most", "1"]).stdout;
    let second = listed.split_whitespace().nth(5).unwrap();
    for job in [second, &first] {
        let way = format!("`target-upsert jobs retry {job}`");
        assert!(ran.stderr.contains(&way), "no {way} in {}", ran.stderr);
        assert_eq!(retry(&place, job).code, 0);
    }
    assert_eq!(remote.by_ext("contacts").len(), 2);
}

#[test]
fn a_wrong_remote_id_is_told_once_a_stream() {
    let remote = Remote::start();
    let place = quick(Place::at(&remote, "rest-one-by-one"));
    place.done(contacts(1));
    place.file("ids.csv", "InputId,RemoteId\nc-1,x-1\nc-2,x-2\n");
    assert_eq!(place.call(&["ids", "import", "ids.csv", "--stream", "contacts"]).code, 0);
    let told = place.done(contacts(3)).stderr;
    assert_eq!(place.counts("contacts"), counts([("read", 3), ("created", 2), ("unchanged", 1)]));
    assert_eq!(told.matches("The remote has no record with the id `x-").count(), 1, "{told}");
    assert!(told.contains("of stream `contacts`") && told.contains("`on_missing`"), "{told}");
}

/// The loss of one answer is no reason to point at what is not in doubt any more.
#[test]
fn where_nothing_is_in_doubt_nothing_is_said_of_doubts() {
    let remote = that_loses(1, "");
    let place = quick(Place::at(&remote, "rest-one-by-one"));
    let told = place.done(contacts(3)).stderr;
    assert!(!told.contains("doubts"), "{told}");
}
