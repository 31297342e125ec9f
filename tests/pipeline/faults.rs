//! A remote that fails in every way that the sandbox knows: nothing lost, nothing twice.

use serde_json::json;
use wiremock::ResponseTemplate;

use crate::support::odd::Odd;
use crate::support::{Place, Remote, contacts, counts, fixture, record, schema};

const MANIFESTS: [&str; 4] = ["sandbox", "rest-one-by-one", "rest-lookup-bulk", "rest-by-ext"];

/// Quick tries, so that a test does not wait for what a user would.
fn quick(place: Place) -> Place {
    place.set("retry", json!({"base_millis": 1, "attempts": 12}))
}

/// A quarter of all calls fails in this way. By chance, so that it keeps no step with the retries.
fn faults(fault: &str) -> String {
    format!("{{faults: [{{on: \"*\", rate: 0.25, {fault}}}]}}")
}

#[test]
fn answers_that_are_lost_after_the_write_make_no_second_record() {
    for fault in [
        "do: reset_after",
        "do: status_after, status: 500",
        "do: status_after, status: 502",
        "do: empty_after",
        "do: truncate_after",
    ] {
        for manifest in MANIFESTS {
            let remote = Remote::with(&faults(fault));
            let place = quick(Place::at(&remote, manifest)).set("batch", json!({"records": 7}));
            place.done(contacts(60));
            assert!(remote.calls()["faults"].as_object().is_some_and(|all| !all.is_empty()));
            let held = remote.by_ext("contacts");
            assert_eq!(held.len(), 60, "{fault} {manifest}");
            let all = place.counts("contacts");
            assert_eq!(all["read"], 60);
            assert_eq!(
                all.get("created").unwrap_or(&0) + all.get("updated").unwrap_or(&0),
                60,
                "{fault} {manifest}: {all:?}"
            );
            // The second run knows them all.
            place.done(contacts(60));
            assert_eq!(place.counts("contacts"), counts([("read", 60), ("unchanged", 60)]));
        }
    }
}

#[test]
fn calls_that_fail_before_anything_is_applied_are_made_again() {
    for fault in [
        "do: reset",
        "do: status, status: 500",
        "do: status, status: 503",
        "do: status, status: 429",
        "do: status, status: 429, retry_after: {seconds: 0}",
        "do: html",
    ] {
        for manifest in MANIFESTS {
            let remote = Remote::with(&faults(fault));
            let place = quick(Place::at(&remote, manifest)).set("batch", json!({"records": 7}));
            place.done(contacts(60));
            assert_eq!(remote.by_ext("contacts").len(), 60, "{fault} {manifest}");
            assert!(place.summary()["streams"]["contacts"]["retries"].as_u64().unwrap() > 0);
        }
    }
}

#[test]
fn a_throttled_call_waits_as_long_as_the_remote_asks() {
    for form in ["{seconds: 1}", "{date_in_secs: 2}"] {
        let remote = Remote::with(&format!(
            "{{faults: [{{on: \"POST /v1/*/batch\", calls: [1], do: status, status: 429, retry_after: {form}}}]}}"
        ));
        let place = quick(Place::at(&remote, "sandbox"));
        place.done(contacts(5));
        assert_eq!(remote.by_ext("contacts").len(), 5);
        let waited = place.summary()["throttled_secs"].as_f64().unwrap();
        assert!(waited >= 0.9, "{form}: waited {waited} s");
    }
}

#[test]
fn a_remote_that_asks_for_hours_ends_the_job_with_the_state_told() {
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/*/batch\", calls: [2], do: status, status: 429, retry_after: {seconds: 7200}}]}",
    );
    let place = quick(Place::at(&remote, "sandbox")).set("max_in_flight", 1);
    let ran = place.run(contacts(250));
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("7200 seconds"), "{}", ran.stderr);
    let written = remote.by_ext("contacts").len();
    assert_eq!(ran.state()["summary"]["contacts"]["success"], written);
    assert_eq!(place.summary()["proof"]["holds"], true);
    assert_eq!(place.counts("contacts")["read"], 250);
}

#[test]
fn a_remote_out_of_reach_ends_the_job_with_exit_code_3() {
    let url = {
        let remote = Remote::start();
        remote.url.clone()
    };
    let place = quick(Place::with(json!({
        "connector": "rest", "manifest": "sandbox", "base_url": url,
        "access_token": "sandbox-token",
    })));
    let ran = place.run(contacts(10));
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("hint:"), "{}", ran.stderr);
    assert_eq!(place.counts("contacts"), counts([("read", 10), ("failed", 10)]));
    assert_eq!(place.summary()["status"], "failed");
}

#[test]
fn a_lookup_that_lags_is_not_believed_too_early() {
    // A new record stays invisible for a second; the first create's answer is lost.
    let remote = Remote::with(
        "{search_lag_ms: 1000, faults: [{on: \"POST /v1/*/batch/create\", calls: [1], do: reset_after}]}",
    );
    let place = quick(Place::at(&remote, "rest-lookup-bulk"));
    place.done(contacts(10));
    assert_eq!(remote.by_ext("contacts").len(), 10);
    // Found after all: that it holds our content is made sure of.
    assert_eq!(place.counts("contacts"), counts([("read", 10), ("updated", 10)]));
}

#[test]
fn a_hanging_call_is_given_up_after_the_timeout() {
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/*/batch\", calls: [1], do: hang_after, ms: 60000}]}",
    );
    let place = quick(Place::at(&remote, "sandbox")).set("timeout_secs", 1);
    place.done(contacts(10));
    assert_eq!(remote.by_ext("contacts").len(), 10);
}

#[test]
fn an_answer_of_two_gigabytes_is_not_read() {
    let remote = Remote::with("{faults: [{on: \"POST /v1/*/batch\", calls: [1], do: huge}]}");
    let place = quick(Place::at(&remote, "sandbox"));
    place.done(contacts(10));
    assert_eq!(remote.by_ext("contacts").len(), 10);
}

#[test]
fn a_redirect_is_refused_and_names_the_host() {
    let remote = Remote::with(
        "{faults: [{on: \"*\", do: redirect, to: \"https://elsewhere.example/x?token=hush\"}]}",
    );
    let place = quick(Place::at(&remote, "sandbox"));
    let ran = place.run(contacts(3));
    let all = ran.stderr.clone() + &place.read("results.jsonl");
    assert!(all.contains("elsewhere.example"), "{all}");
    assert!(!all.contains("hush"), "{all}");
    assert_eq!(place.counts("contacts")["rejected"], 3);
}

#[test]
fn a_conflict_that_names_the_record_becomes_an_update() {
    for manifest in ["rest-one-by-one", "rest-lookup-bulk"] {
        // The lookup does not see it yet, the create does.
        let remote = Remote::with("{search_lag_ms: 60000, unique_ext_id: true}");
        let input = |city: &str| {
            schema("contacts") + &record("contacts", &json!({"externalId": "a", "city": city}))
        };
        quick(Place::at(&remote, manifest)).done(input("Oslo"));
        let fresh = quick(Place::at(&remote, manifest));
        fresh.done(input("Bergen"));
        assert_eq!(remote.by_ext("contacts")["a"]["city"], "Bergen", "{manifest}");
        assert_eq!(fresh.counts("contacts"), counts([("read", 1), ("updated", 1)]), "{manifest}");
    }
}

#[test]
fn two_records_of_one_external_id_at_the_remote_are_told_and_not_touched() {
    let remote = Remote::start();
    let input =
        schema("contacts") + &record("contacts", &json!({"externalId": "a", "city": "Oslo"}));
    // Two jobs that know nothing of each other and of no lookup.
    for _ in 0..2 {
        let create_only = Place::at(&remote, "create-only");
        create_only.done(&input);
    }
    assert_eq!(remote.records("contacts").len(), 2);
    let place = Place::at(&remote, "rest-lookup-bulk");
    place.done(
        schema("contacts") + &record("contacts", &json!({"externalId": "a", "city": "Bergen"})),
    );
    let row = &place.results()[0];
    assert_eq!(
        (&row["outcome"], &row["error_code"]),
        (&json!("rejected"), &json!("ambiguous")),
        "{row}"
    );
    assert!(remote.records("contacts").iter().all(|record| record["city"] == "Oslo"));

    // One of them, and always the same one, if the user says so.
    let place = place.set("streams", json!({"*": {"on_ambiguous": "first"}}));
    for city in ["Bergen", "Tromsø"] {
        let input =
            schema("contacts") + &record("contacts", &json!({"externalId": "a", "city": city}));
        place.done(input);
        assert_eq!(place.counts("contacts"), counts([("read", 1), ("updated", 1)]));
        let held = remote.records("contacts");
        assert_eq!((&held[0]["city"], &held[1]["city"]), (&json!(city), &json!("Oslo")));
    }
}

#[test]
fn a_create_that_nothing_can_look_up_is_told_as_in_doubt_and_never_sent_again() {
    let remote = Remote::with("{faults: [{on: \"POST /v1/*\", calls: [2], do: reset_after}]}");
    let place = quick(Place::at(&remote, "create-only")).set("max_in_flight", 1);
    place.done(contacts(5));
    assert_eq!(place.counts("contacts"), counts([("read", 5), ("created", 4), ("in_doubt", 1)]));
    assert_eq!(remote.by_ext("contacts").len(), 5);
    // Run again, and again: it stays in doubt, and nothing is there twice.
    for _ in 0..2 {
        place.done(contacts(5));
        assert_eq!(
            place.counts("contacts"),
            counts([("read", 5), ("unchanged", 4), ("in_doubt", 1)])
        );
        assert_eq!(remote.by_ext("contacts").len(), 5);
    }
}

#[test]
fn more_rejected_than_allowed_is_exit_code_1() {
    let remote = Remote::start();
    let bad = |n: usize| record("contacts", &json!({"externalId": n, "email": "no"}));
    let input = schema("contacts") + &bad(1) + &bad(2);
    assert_eq!(Place::at(&remote, "sandbox").set("max_rejected", 1).run(&input).code, 1);
    assert_eq!(Place::at(&remote, "sandbox").set("max_rejected", 2).run(&input).code, 0);
}

#[test]
fn what_failed_is_never_unchanged_next_time() {
    let ways = [
        ("sandbox", "POST /v1/{object}/batch/update", 1),
        ("rest-lookup-bulk", "POST /v1/{object}/batch/update", 1),
        ("rest-one-by-one", "PATCH *", 1),
        ("rest-by-ext", "PUT *", 2),
    ];
    let input = |city: &str| {
        schema("contacts") + &record("contacts", &json!({"externalId": "a", "city": city}))
    };
    for (manifest, call, first) in ways {
        // Applied or not, the job does not know; the next one says what is to be there.
        for (fault, next) in [("status_after", "Oslo"), ("status", "Bergen")] {
            let second = first + 1;
            let remote = Remote::with(&format!(
                "{{faults: [{{on: \"{call}\", calls: [{first}, {second}], do: {fault}, status: 500}}]}}"
            ));
            let place =
                Place::at(&remote, manifest).set("retry", json!({"attempts": 2, "base_millis": 1}));
            place.done(input("Oslo"));
            place.run(input("Bergen"));
            assert_eq!(remote.faults(fault), 2, "{manifest}");
            let all = place.counts("contacts");
            assert!(!all.contains_key("updated") && !all.contains_key("unchanged"), "{all:?}");
            place.done(input(next));
            assert_eq!(remote.by_ext("contacts")["a"]["city"], next, "{manifest} {fault}");
            assert_eq!(place.counts("contacts").get("unchanged"), None, "{manifest} {fault}");
        }
    }
}

#[test]
fn what_was_refused_after_a_try_without_an_answer_is_not_what_was_there_before() {
    let ways = [("rest-by-ext", "PUT *", [2, 3]), ("rest-one-by-one", "PATCH *", [1, 2])];
    let input = |city: &str| {
        schema("contacts") + &record("contacts", &json!({"externalId": "a", "city": city}))
    };
    for (manifest, call, [lost, refused]) in ways {
        let remote = Remote::with(&format!(
            "{{faults: [{{on: \"{call}\", calls: [{lost}], do: status_after, status: 500}},
                {{on: \"{call}\", calls: [{refused}], do: status, status: 400}}]}}"
        ));
        let place = quick(Place::at(&remote, manifest));
        place.done(input("Oslo"));
        place.done(input("Bergen"));
        assert_eq!(place.counts("contacts"), counts([("read", 1), ("rejected", 1)]), "{manifest}");
        assert_eq!(remote.by_ext("contacts")["a"]["city"], "Bergen", "{manifest}");
        place.done(input("Oslo"));
        assert_eq!(remote.by_ext("contacts")["a"]["city"], "Oslo", "{manifest}");
    }
}

/// A place whose manifest declares no limit, and knows the headers that tell one.
fn that_reads_quotas(remote: &Remote) -> Place {
    let manifest = std::fs::read_to_string(fixture("manifests/rest-by-ext.yaml")).unwrap();
    let limits = "limits: { in_flight: 1, remaining_header: X-RateLimit-Remaining, \
                  reset_header: X-RateLimit-Reset }\nstreams:";
    Place::at(remote, "sandbox").manifest(manifest.replacen("streams:", limits, 1))
}

#[test]
fn a_quota_that_the_headers_tell_is_never_overdrawn() {
    let remote = Remote::with("{rate_limit: {requests: 4, per_secs: 1}}");
    let place = that_reads_quotas(&remote);
    place.done(contacts(10));
    let calls = remote.calls();
    assert_eq!(remote.by_ext("contacts").len(), 10);
    assert_eq!(calls["statuses"].get("429"), None, "{calls}");
    assert!(place.summary()["throttled_secs"].as_f64().unwrap() >= 2.0);
}

#[test]
fn a_quota_that_is_spent_for_hours_ends_the_job_with_its_state() {
    let remote = Remote::with("{rate_limit: {requests: 2, per_secs: 36000}}");
    let place = that_reads_quotas(&remote);
    let ran = place.run(contacts(10));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("its quota is probably spent"), "{}", ran.stderr);
    assert_eq!(ran.state()["summary"]["contacts"]["success"], 2);
    assert_eq!(remote.by_ext("contacts").len(), 2);
}

/// Each create that failed was looked up, and the lookup's answer took it for a sign of life: a
/// remote that fails every write was asked to the end of the input, and the job ended well.
#[test]
fn a_remote_that_answers_lookups_and_fails_every_write_ends_the_job() {
    let remote = Remote::with("{faults: [{on: \"POST /v1/{object}\", do: status, status: 500}]}");
    let place = Place::at(&remote, "rest-one-by-one")
        .set("retry", json!({"base_millis": 1, "attempts": 2, "give_up_after": 3}))
        .set("max_in_flight", 1);
    let ran = place.run(contacts(40));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("3 calls in a row failed"), "{}", ran.stderr);
    let asked = &remote.calls()["calls"];
    assert!(asked["POST /v1/{object}"].as_u64().unwrap() <= 8, "{asked}");
    assert!(remote.records("contacts").is_empty());
}

#[test]
fn a_remote_that_fails_most_calls_is_not_asked_without_end() {
    let remote = Remote::with("{faults: [{on: \"PUT *\", rate: 0.8, do: status, status: 500}]}");
    let retry = |budget: f64| json!({"attempts": 50, "max_wait_secs": 0, "budget": budget, "give_up_after": 1000});
    let place = Place::at(&remote, "rest-by-ext").set("retry", retry(0.5));
    let ran = place.done(contacts(300));
    assert!(ran.stderr.contains("budget of retries is spent"), "{}", ran.stderr);
    // As many first tries as records; a hundred retries, and one more for two answers.
    let asked = remote.calls()["calls"]["PUT /v1/{object}/by-ext/{ext_id}"].as_u64().unwrap();
    let written = remote.by_ext("contacts").len() as u64;
    assert!(asked <= 300 + 100 + written / 2, "{asked} calls, {written} written");
    assert!(written < 300, "{written}");
    assert_eq!(place.counts("contacts")["created"], written);
    // The others come again.
    place.set("retry", retry(100.0)).done(contacts(300));
    assert_eq!(remote.by_ext("contacts").len(), 300);
}

#[test]
fn an_input_that_ends_in_a_mistake_does_not_hide_that_the_remote_is_gone() {
    // The mistake is read before the first answer comes.
    let remote = Remote::with("{latency_ms: 4000}");
    let place = Place::at(&remote, "rest-one-by-one")
        .set("access_token", "wrong")
        .set("max_in_flight", 1)
        .set("batch", json!({"records": 1}));
    // Whose ids these are is not said.
    let unclear = json!({"type": "SCHEMA", "stream": "users", "key_properties": ["id"],
        "schema": {"properties": {"id": {}}}});
    let ran = place.run(contacts(50) + &format!("{unclear}\n"));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("\"identity\": \"source\""), "{}", ran.stderr);
    assert!(remote.calls()["statuses"]["401"].as_u64().unwrap() < 5, "{}", remote.calls());
    assert_eq!(place.counts("contacts"), counts([("read", 50), ("failed", 50)]));
}

/// A wait that is longer than any clock can tell was added to one, and the job died of it.
#[test]
fn a_quiet_that_never_ends_ends_the_job_with_its_state() {
    let reset = vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9.9e21")];
    for headers in [reset, vec![("retry-after", "9.9e18")]] {
        let what = format!("{headers:?}");
        let odd = Odd::start(move |world, request| {
            world.add(serde_json::from_slice(&request.body).unwrap_or_default());
            let status = if headers[0].0 == "retry-after" { 429 } else { 201 };
            let answer = ResponseTemplate::new(status).set_body_json(json!({"id": "1"}));
            headers.iter().fold(answer, |answer, (name, value)| answer.insert_header(*name, *value))
        });
        let remote = Remote::start();
        let place = that_reads_quotas(&remote).set("base_url", odd.server.uri());
        let manifest =
            place.read("m.yaml").replace("{ type: oauth2_refresh, ", "{ type: none } # ");
        let place = place.manifest(manifest.replace("      external_id: $.ext_id\n", ""));
        let ran = place.run(contacts(3));
        assert_eq!(ran.code, 3, "{what} {}", ran.stderr);
        assert!(ran.stderr.contains("its quota is probably spent"), "{}", ran.stderr);
        assert_eq!(odd.world().rows.len(), 1, "{:?}", odd.world().asked);
        assert_eq!(place.counts("contacts")["read"], 3);
    }
}
