//! What comes later than it is asked for, and what comes too late: readings, versions, keys, calls
//! of jobs that are no more.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::odd::Odd;
use crate::support::plain::{CREATE, KEY, LOOKUP, READ, UPDATE, answer, is_create, last, pairs};
use crate::support::{Place, Remote, counts, record, schema, text};

/// Searches and readings show what was written so much later; a bit less than the manifests say.
const LAG: Duration = Duration::from_millis(900);

fn contact(content: &Value) -> String {
    record("contacts", content)
}

/// A record that was made a moment ago, and could not be read yet, was taken for gone and made
/// again.
#[test]
fn a_new_record_is_not_missed_before_a_reading_must_show_it() {
    let read_first = "      read_first: true\n";
    for (more, is_filled, name) in [(read_first, false, "Anne"), ("", true, "Ann")] {
        let odd = Odd::start(|world, request| {
            let told = answer(world, request, LAG);
            let row = world.row("id", &last(request)).cloned();
            if request.method.as_str() == "GET" && row.is_some_and(|row| world.age(&row) < LAG) {
                return ResponseTemplate::new(404);
            }
            told
        });
        let place = Place::plain(&odd.server.uri(), &[LOOKUP, READ, CREATE, UPDATE, more])
            .set("streams", json!({"*": {"only_upsert_empty_fields": is_filled}}));
        place.done(
            schema("contacts")
                + &contact(&json!({"externalId": "a", "name": "Ann"}))
                + &contact(&json!({"externalId": "a", "name": "Anne", "city": "Oslo"})),
        );
        let held = (odd.held("name"), odd.held("city"));
        assert_eq!(held, (pairs([("a", name)]), pairs([("a", "Oslo")])), "{:?}", place.results());
    }
}

/// A write to the version that a late reading shows is refused until it shows the present one.
#[test]
fn a_version_that_is_late_is_waited_for() {
    // When each version of a record came to be, by its id.
    let versions: Mutex<BTreeMap<String, Vec<Instant>>> = Mutex::default();
    let odd = Odd::start(move |world, request| {
        let mut versions = versions.lock().unwrap();
        let id = last(request);
        match request.method.as_str() {
            "GET" => {
                let known = &versions[&id];
                let shown = known.iter().filter(|since| since.elapsed() >= LAG).count().max(1);
                let told = world.row("id", &id).unwrap();
                let mut told = told.clone();
                told["version"] = json!(shown);
                ResponseTemplate::new(200).set_body_json(told)
            }
            "PATCH" => {
                let known = versions.get_mut(&id).unwrap();
                let named = request.headers.get("If-Match").map(|name| name.to_str().unwrap());
                if named != Some(known.len().to_string().as_str()) {
                    return ResponseTemplate::new(412).set_body_json(json!({"message": "changed"}));
                }
                known.push(Instant::now());
                answer(world, request, LAG)
            }
            _ => {
                let told = answer(world, request, LAG);
                if is_create(request) {
                    let id = world.rows.len().to_string();
                    versions.insert(id, vec![Instant::now()]);
                }
                told
            }
        }
    });
    let read = [READ, "      version: $.version\n"].concat();
    let update = [UPDATE, "      headers: { If-Match: \"{{ version }}\" }\n"].concat();
    let place = Place::plain(&odd.server.uri(), &[LOOKUP, &read, CREATE, &update]);
    let names = ["Ann", "Anna", "Anne"];
    let ann = names.map(|name| contact(&json!({"externalId": "a", "name": name})));
    place.done(schema("contacts") + &ann.concat());
    assert_eq!(odd.held("name"), pairs([("a", "Anne")]), "{:?}", place.results());
    let expected = counts([("read", 3), ("created", 1), ("updated", 2)]);
    assert_eq!(place.counts("contacts"), expected, "{:?}", place.results());
}

/// The remote forgets a key while the resend waits for the rate limit.
#[test]
fn a_key_that_runs_out_while_its_call_waits_is_not_sent() {
    let remote =
        Remote::with("{faults: [{on: \"POST /v1/{object}\", calls: [1], do: reset_after}]}");
    let place =
        Place::plain(&remote.url, &[CREATE, KEY, "      idempotency_key_secs: 2\n", UPDATE]);
    let limits = "limits: { requests: 1, per_secs: 3 }\nstreams:";
    let manifest = place.read("m.yaml").replace("streams:", limits);
    let place = place.manifest(manifest);
    place.done(schema("contacts") + &contact(&json!({"externalId": "a", "name": "Ann"})));
    assert_eq!(remote.held("contacts", "name"), pairs([("a", "Ann")]), "{:?}", place.results());
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("in_doubt", 1)]));
}

/// A killed job's update was still on its way, and came after those of the next.
#[test]
fn what_a_killed_job_had_on_its_way_is_waited_for_before_it_is_written_again() {
    let remote = Remote::with(
        "{faults: [{on: \"PATCH /v1/{object}/{id}\", calls: [1], do: slow, ms: 900}]}",
    );
    let place = Place::plain(&remote.url, &[LOOKUP, CREATE, UPDATE]);
    let ann = |name: &str| contact(&json!({"externalId": "a", "name": name}));
    place.done(schema("contacts") + &ann("Ann"));
    let input = schema("contacts") + &ann("Anna") + &ann("Anne");
    let mut child = place.job().spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    while remote.faults("slow") == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let since = Instant::now();
    child.kill().unwrap();
    child.wait().unwrap();
    place.done(&input);
    // By then the old call is through.
    std::thread::sleep(Duration::from_secs(1).saturating_sub(since.elapsed()));
    assert_eq!(remote.held("contacts", "name"), pairs([("a", "Anne")]), "{:?}", place.results());
}

/// What an old job had not written was written over what a later one had, which was killed and
/// never told so.
#[test]
fn an_old_job_is_not_tried_again_while_a_later_one_may_have_written_its_records() {
    for (faults, is_known) in [
        ("{on: \"POST /v1/{object}\", calls: [1], do: status, status: 403}", false),
        ("{on: \"PATCH /v1/{object}/{id}\", calls: [1], do: status, status: 403}", true),
    ] {
        let remote = Remote::with(&format!("{{faults: [{faults}]}}"));
        let place = Place::plain(&remote.url, &[LOOKUP, CREATE, UPDATE]);
        let ann =
            |name: &str| schema("contacts") + &contact(&json!({"externalId": "a", "name": name}));
        if is_known {
            place.done(ann("Ann"));
        }
        place.run(ann("Anna"));
        let job = text(&place.summary()["job_id"]);
        assert_eq!(remote.faults("status"), 1);
        place.dies_at("sent:1", ann("Anne"));
        assert_eq!(remote.held("contacts", "name"), pairs([("a", "Anne")]));
        let ran = place.call(&["jobs", "retry", &job, "--config", "config.json"]);
        assert_eq!(remote.held("contacts", "name"), pairs([("a", "Anne")]), "{}", ran.stderr);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("again"), "{}", ran.stderr);
        // Once it has been run again, nothing of it is open.
        place.done(ann("Anne"));
        place.call(&["jobs", "retry", &job, "--config", "config.json"]);
        assert_eq!(remote.held("contacts", "name"), pairs([("a", "Anne")]));
    }
}
