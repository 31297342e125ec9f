//! Bulk calls of which a part fails: each record has a verdict of its own, and what was applied is
//! not sent again.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::odd::Odd;
use crate::support::{Place, Remote, counts, record, schema, state, text};

/// Manifests that write in bulk, and the call by which they make records.
const BULK: [(&str, &str); 2] = [
    ("sandbox", "POST /v1/{object}/batch"),
    ("rest-lookup-bulk", "POST /v1/{object}/batch/create"),
];

/// The call by which they change records that are known.
const UPDATE: &str = "POST /v1/{object}/batch/update";

/// Records in one batch.
const COUNT: usize = 100;

fn id(n: usize) -> String {
    format!("c-{n}")
}

/// As many records as one call takes; those at the places `bad` are refused by the remote.
fn input(bad: &[usize], visits: u64) -> String {
    let records = (0..COUNT).map(|n| {
        let email =
            if bad.contains(&n) { "no address".to_owned() } else { format!("c{n}@example.com") };
        record("contacts", &json!({"externalId": id(n), "email": email, "visits": visits}))
    });
    schema("contacts") + &records.collect::<String>()
}

/// A place whose jobs send the records in one batch, however slowly they come.
fn place(remote: &Remote, manifest: &str) -> Place {
    Place::at(remote, manifest)
        .set("batch", json!({"records": COUNT, "secs": 600}))
        .set("retry", json!({"base_millis": 1, "attempts": 12}))
}

/// Calls that it takes to find the bad ones of `count` records from `first` on, where a call with
/// one of them is refused as a whole: of a refused call both halves are sent.
fn halvings(bad: &[usize], first: usize, count: usize) -> u64 {
    let is_refused = bad.iter().any(|n| (first..first + count).contains(n));
    if !is_refused || count == 1 {
        return 1;
    }
    let left = count / 2;
    1 + halvings(bad, first, left) + halvings(bad, first + left, count - left)
}

fn count(remote: &Remote, name: &str) -> u64 {
    let calls = remote.calls();
    calls[name].as_u64().or_else(|| calls["calls"][name].as_u64()).unwrap_or(0)
}

/// The remote holds each good record once, with `visits`, and the results say of each record what
/// became of it.
#[track_caller]
fn assert_told(remote: &Remote, place: &Place, bad: &[usize], visits: u64, fate: &[&str]) {
    let held = remote.by_ext("contacts");
    let rows = place.results();
    assert_eq!(rows.len(), COUNT);
    for row in rows {
        let id = row["InputId"].as_str().unwrap();
        let is_bad = bad.iter().any(|n| self::id(*n) == id);
        let now = held.get(id).filter(|record| record["visits"] == visits);
        assert_eq!(now.is_some(), !is_bad, "{row}");
        let outcome = row["outcome"].as_str().unwrap();
        assert!(if is_bad { outcome == "rejected" } else { fate.contains(&outcome) }, "{row}");
        if let Some(now) = now {
            assert_eq!(text(&now["id"]), row["RemoteId"].as_str().unwrap());
        }
    }
}

#[test]
fn a_refused_call_is_halved_in_as_few_calls_as_that_takes() {
    for (manifest, create) in BULK {
        for bad in [&[41][..], &[0, 99], &[0, 1, 2, 3, 50, 51, 97]] {
            let remote = Remote::with("{all_or_nothing: true}");
            let place = place(&remote, manifest);
            let ran = place.done(input(bad, 1));
            let what = format!("{manifest} {bad:?}: {}", remote.calls());
            let good = (COUNT - bad.len()) as u64;
            assert_told(&remote, &place, bad, 1, &["created"]);
            assert_eq!(count(&remote, "records_created"), good, "{what}");
            assert_eq!(count(&remote, "records_updated"), 0, "{what}");
            assert_eq!(count(&remote, create), halvings(bad, 0, COUNT), "{what}");
            // At worst each bad record takes a path of its own down to itself.
            let depth = u64::from(COUNT.next_power_of_two().ilog2());
            assert!(count(&remote, create) <= 1 + 2 * bad.len() as u64 * depth, "{what}");
            let state = &ran.state()["summary"]["contacts"];
            assert_eq!((&state["success"], &state["fail"]), (&json!(good), &json!(bad.len())));

            // The same when they are changed; those that are new are the ones that were refused.
            place.done(input(bad, 2));
            let what = format!("{manifest} {bad:?}: {}", remote.calls());
            assert_told(&remote, &place, bad, 2, &["updated"]);
            assert_eq!(count(&remote, "records_created"), good, "{what}");
            assert_eq!(count(&remote, "records_updated"), good, "{what}");
        }
    }
}

#[test]
fn answers_lost_in_the_middle_of_halving_make_no_second_record() {
    let bad = [3, 70];
    let all = halvings(&bad, 0, COUNT);
    for (manifest, create) in BULK {
        for lost in (1..=all).step_by(5) {
            let remote = Remote::with(&format!(
                "{{all_or_nothing: true, faults: [{{on: \"{create}\", calls: [{lost}], do: reset_after}}]}}"
            ));
            let place = place(&remote, manifest);
            place.done(input(&bad, 1));
            assert_eq!(remote.faults("reset_after"), 1);
            assert_told(&remote, &place, &bad, 1, &["created", "updated"]);
            assert_eq!(count(&remote, "records_created"), 98, "{manifest} {lost}");
        }
    }
}

#[test]
fn a_remote_that_throttles_in_the_middle_of_halving_is_sent_nothing_twice() {
    let bad = [3, 70];
    let all = halvings(&bad, 0, COUNT);
    for (manifest, create) in BULK {
        let remote = Remote::with(&format!(
            "{{all_or_nothing: true, faults: [{{on: \"{create}\", every: 2, do: status, status: 429}}]}}"
        ));
        let place = place(&remote, manifest);
        place.done(input(&bad, 1));
        assert_told(&remote, &place, &bad, 1, &["created"]);
        let throttled = remote.faults("status");
        assert!(throttled >= all - 1, "{manifest}: {}", remote.calls());
        assert_eq!(count(&remote, create), all + throttled, "{manifest}: {}", remote.calls());
        assert_eq!(count(&remote, "records_written"), 98, "{manifest}: {}", remote.calls());
    }
}

#[test]
fn each_record_of_a_bulk_answer_has_its_own_verdict_in_any_order_of_the_rows() {
    for (manifest, create) in BULK {
        // Seeds: the rows come in another order each time.
        for seed in 0..4 {
            let bad = [0, 1, 17, 50, 98, 99];
            let remote = Remote::with(&format!("{{seed: {seed}}}"));
            let place = place(&remote, manifest);
            place.done(input(&bad, 1));
            assert_told(&remote, &place, &bad, 1, &["created"]);
            assert_eq!(count(&remote, create), 1, "{manifest}");
            for row in place.results().iter().filter(|row| row["outcome"] == "rejected") {
                assert_eq!(row["error_code"], "INVALID_EMAIL", "{row}");
            }
            // Of those that stand there, others are bad now.
            let bad = [2, 3, 17, 51];
            place.done(input(&bad, 2));
            let held = remote.by_ext("contacts");
            for row in place.results() {
                let id = row["InputId"].as_str().unwrap();
                let is_bad = bad.iter().any(|n| self::id(*n) == id);
                assert_eq!(row["outcome"] == "rejected", is_bad, "{row}");
                let visits = held.get(id).map(|record| record["visits"].clone());
                let before = ["c-2", "c-3", "c-51"].contains(&id).then(|| json!(1));
                assert_eq!(visits, if is_bad { before } else { Some(json!(2)) }, "{row}");
            }
        }
    }
}

#[test]
fn a_bulk_answer_that_leaves_records_out_leaves_them_in_doubt_and_not_lost() {
    for (manifest, call) in BULK {
        for call in [call, UPDATE] {
            let remote = Remote::with(&format!(
                "{{faults: [{{on: \"{call}\", every: 2, do: drop_results, count: 3}}]}}"
            ));
            let place = place(&remote, manifest).set("batch", json!({"records": 10}));
            place.done(input(&[5], 1));
            place.done(input(&[5], 2));
            assert!(remote.faults("drop_results") > 0);
            assert_told(&remote, &place, &[5], 2, &["updated"]);
            assert_eq!(count(&remote, "records_created"), 99, "{manifest} {call}");
        }
    }
}

#[test]
fn verdicts_that_nobody_asked_for_are_no_verdicts() {
    for (manifest, call) in BULK {
        let remote =
            Remote::with(&format!("{{faults: [{{on: \"{call}\", do: extra_results, count: 3}}]}}"));
        let place = place(&remote, manifest).set("batch", json!({"records": 10}));
        place.done(input(&[5, 77], 1));
        assert_told(&remote, &place, &[5, 77], 1, &["created"]);
    }
}

/// Applies what it is sent, and then tells lies about it: rows of strangers, no id, one record
/// twice with verdicts that contradict each other, the order turned round.
fn liar() -> Odd {
    Odd::start(|world, request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if request.url.path().ends_with("/search") {
            let asked = body["ext_id"]["in"].as_array().cloned().unwrap_or_default();
            let rows = world.rows.iter().filter(|row| asked.contains(&row["ext_id"]));
            return ResponseTemplate::new(200)
                .set_body_json(json!({"data": rows.cloned().collect::<Vec<_>>()}));
        }
        let mut results =
            vec![json!({"index": 7000, "ext_id": "stranger", "id": "77", "new": true})];
        for (index, sent) in body["inputs"].as_array().into_iter().flatten().enumerate() {
            let known = world.rows.iter_mut().find(|row| {
                row["ext_id"] == sent["ext_id"] || text(&row["id"]) == text(&sent["id"])
            });
            let is_new = known.is_none();
            let id = if let Some(row) = known {
                row["visits"] = sent["visits"].clone();
                row["id"].clone()
            } else {
                let id = json!((world.rows.len() + 1).to_string());
                let mut row = sent.clone();
                row["id"] = id.clone();
                world.rows.push(row);
                id
            };
            let row = json!({"index": index, "ext_id": sent["ext_id"], "id": id, "new": is_new});
            let refusal = json!({"index": index, "ext_id": sent["ext_id"],
                "error": {"code": "INVALID", "message": "contradicts"}});
            match (is_new, index % 10) {
                // The first time only, or a record would stay in doubt for ever.
                (true, 3) => results.extend([row, refusal]),
                (true, 5) => results.extend([refusal, row]),
                (true, 7) => results.push(json!({"id": "78", "new": true})),
                (true, 9) => {}
                _ => results.push(row),
            }
        }
        results.reverse();
        ResponseTemplate::new(200).set_body_json(json!({"results": results}))
    })
}

#[test]
fn what_an_answer_contradicts_itself_about_is_in_doubt_and_made_sure_of() {
    for (manifest, _) in BULK {
        let odd = liar();
        let remote = Remote::start();
        let place = place(&remote, manifest).set("base_url", odd.server.uri());
        place.done(input(&[], 1));
        let held: BTreeSet<String> =
            odd.world().rows.iter().map(|row| text(&row["ext_id"])).collect();
        assert_eq!((held.len(), odd.world().rows.len()), (COUNT, COUNT), "{manifest}");
        let all = place.counts("contacts");
        let written = ["created", "updated"].map(|name| all.get(name).copied().unwrap_or(0));
        assert_eq!(written.iter().sum::<u64>(), COUNT as u64, "{manifest}: {all:?}");
        // Each under the id that the remote gave it, and not under a stranger's.
        for row in place.results() {
            let mut rows = odd.world().rows.clone();
            rows.retain(|held| held["ext_id"] == row["InputId"]);
            assert_eq!(text(&rows[0]["id"]), row["RemoteId"].as_str().unwrap(), "{row}");
        }
        place.done(input(&[], 1));
        assert_eq!(place.counts("contacts"), counts([("read", 100), ("unchanged", 100)]));
    }
}

/// A remote that refuses searches for the ids that begin with `bad`: all searches, with `none`.
fn picky(none: bool) -> Odd {
    Odd::start(move |world, request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if request.url.path().ends_with("/search") {
            let is_bad = |id: &Value| none || text(id).starts_with("bad");
            return if body["ext_id"]["in"].as_array().unwrap().iter().any(is_bad) {
                ResponseTemplate::new(400).set_body_json(json!({"message": "no such form of id"}))
            } else {
                ResponseTemplate::new(200).set_body_json(json!({"data": []}))
            };
        }
        let mut results = Vec::new();
        for sent in body["inputs"].as_array().into_iter().flatten() {
            let id = world.add(sent.clone());
            results.push(json!({"ext_id": sent["ext_id"], "id": id.to_string()}));
        }
        ResponseTemplate::new(200).set_body_json(json!({"results": results}))
    })
}

/// 20 neighbours that the remote does not take even as a question, and 80 others, and a STATE.
fn neighbours() -> String {
    let id = |n: usize| if n < 20 { format!("bad-{n}") } else { format!("c-{n}") };
    let records = (0..100).map(|n| record("contacts", &json!({"externalId": id(n)})));
    schema("contacts") + &records.collect::<String>() + &state(&json!({"n": 100}))
}

#[test]
fn records_that_the_remote_refuses_to_be_asked_for_hold_nothing_up() {
    let odd = picky(false);
    let place = place(&Remote::start(), "rest-lookup-bulk").set("base_url", odd.server.uri());
    let ran = place.done(neighbours());
    let held = odd.world().rows.len();
    assert_eq!(held, 80);
    assert_eq!(
        place.counts("contacts"),
        counts([("read", 100), ("created", 80), ("rejected", 20)]),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.state()["tap"], json!({"n": 100}));
}

#[test]
fn a_remote_that_refuses_every_question_ends_the_job_and_the_records_come_again() {
    let odd = picky(true);
    let place = place(&Remote::start(), "rest-lookup-bulk").set("base_url", odd.server.uri());
    let ran = place.run(neighbours());
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert_eq!(place.counts("contacts"), counts([("read", 100), ("failed", 100)]));
    assert_eq!(ran.state().get("tap"), None);
    assert!(odd.world().rows.is_empty());
    // A good deal less than one for each of 100 records.
    let asked = odd.world().asked.len();
    assert!(asked < 80, "{asked}");
}
