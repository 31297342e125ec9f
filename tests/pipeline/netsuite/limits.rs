//! Few calls at once, in one limit with all others of the account.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{customers, place};
use crate::support::{Remote, counts};

/// One call at a time is the worst case; what is refused for that is sent again.
#[test]
fn an_account_that_takes_one_call_at_a_time_takes_all() {
    let remote = Remote::with("{latency_ms: 5, netsuite: {concurrency: 1}}");
    let place = place(&remote);
    place.done(customers(40, "a@x.example"));
    assert_eq!(place.counts("customer"), counts([("read", 40), ("created", 40)]));
    assert_eq!(remote.books_by("customer").len(), 40);
}

/// Five at once, which is what any account takes; more for one whose owner says so.
#[test]
fn an_account_gets_no_more_calls_at_once_than_it_takes() {
    let most = |configured: Option<u64>| {
        let remote = Remote::with("{latency_ms: 20, netsuite: {concurrency: 50}}");
        let place = place(&remote).set("max_in_flight", json!(configured));
        place.done(customers(120, "a@x.example"));
        assert_eq!(place.counts("customer"), counts([("read", 120), ("created", 120)]));
        remote.calls()["max_in_flight"].as_u64().unwrap()
    };
    assert!((2..=5).contains(&most(None)));
    assert!(most(Some(20)) > 5);
    assert_eq!(most(Some(1)), 1);
}

/// What the account tells of its limit is obeyed, also with a time.
#[test]
fn a_limit_is_obeyed() {
    let remote = Remote::with(
        "{faults: [{on: 'PUT /services/rest/record/v1/*/*', calls: [3], do: status, status: 429, \
         retry_after: {seconds: 1}}]}",
    );
    let place = place(&remote);
    let begin = Instant::now();
    place.done(customers(10, "a@x.example"));
    assert!(begin.elapsed() >= Duration::from_secs(1));
    assert_eq!(place.counts("customer"), counts([("read", 10), ("created", 10)]));
    assert_eq!(remote.calls_to("PUT", "/record/"), 11);
}

/// Under load NetSuite refuses logins that are good.
#[test]
fn a_login_that_is_refused_in_between_is_tried_again() {
    let body = json!({"title": "Unauthorized", "status": 401,
        "o:errorDetails": [{"detail": "Invalid login attempt.", "o:errorCode": "INVALID_LOGIN"}]});
    for status in [401, 403, 400] {
        let remote = Remote::with(&format!(
            "{{faults: [{{on: 'PUT /services/rest/record/v1/*/*', calls: [3, 4], do: status, status: {status}, body: '{body}'}}]}}"
        ));
        let place = place(&remote);
        place.done(customers(10, "a@x.example"));
        assert_eq!(
            place.counts("customer"),
            counts([("read", 10), ("created", 10)]),
            "{status}: {:?}",
            place.results()
        );
    }
    // One that is refused all the time is wrong.
    let remote = Remote::with(&format!(
        "{{faults: [{{on: 'PUT /services/rest/record/v1/*/*', calls: [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20], do: status, status: 401, body: '{body}'}}]}}"
    ));
    let place = super::place(&remote);
    let ran = place.run(customers(10, "a@x.example"));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("Invalid login attempt"), "{}", ran.stderr);
}
