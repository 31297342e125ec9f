//! Answers that say in a place of their own what failed, or say nothing at all.

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::{body, ok, people};
use crate::guide::blocks;
use crate::support::odd::Odd;
use crate::support::{Place, counts};

#[test]
fn failures_in_a_list_of_their_own() {
    let odd = Odd::start(|world, request| {
        let mut errors = Vec::new();
        for (place, item) in body(request)["items"].as_array().unwrap().iter().enumerate() {
            if item["n"].as_i64().unwrap() % 4 == 3 {
                errors.push(json!({"line": place + 1, "reason": "n is odd"}));
            } else {
                world.add(item.clone());
            }
        }
        ok(&if errors.is_empty() { json!({}) } else { json!({"errors": errors}) })
    });
    let place = odd.place("Failures in a list of their own");
    let records: Vec<_> = (0..60).map(|n| json!({"externalId": format!("p{n}"), "n": n})).collect();
    place.done(people(&records));
    assert_eq!(place.counts("people"), counts([("read", 60), ("created", 45), ("rejected", 15)]));
    for row in place.results() {
        let n = row["position"].as_u64().unwrap() - 1;
        let expected = if n % 4 == 3 { json!("n is odd") } else { Value::Null };
        assert_eq!(row["error_message"], expected, "{row}");
    }
    let world = odd.world();
    assert_eq!((world.rows.len(), world.asked.len()), (45, 2));
}

/// Such a row was passed over, and its record counted as written, for the answer did not name it.
#[test]
fn a_failure_of_nobody_knows_whom_leaves_all_others_in_doubt() {
    let answers = [
        json!({"errors": [{"reason": "quota"}]}),
        json!({"errors": [{"line": 77, "reason": "quota"}]}),
        json!({"errors": {"reason": "quota"}}),
        json!({"errors": "quota"}),
    ];
    for answer in answers {
        let told = answer.clone();
        let odd = Odd::start(move |_, _| ok(&told));
        let place = odd.place("Failures in a list of their own");
        place
            .run(people(&[json!({"externalId": "a", "n": 0}), json!({"externalId": "b", "n": 1})]));
        assert_eq!(place.counts("people"), counts([("read", 2), ("in_doubt", 2)]), "{answer}");
        assert!(place.read("results.jsonl").contains("quota"));
    }
    for answer in [json!({}), json!({"errors": null}), json!({"errors": []}), json!(null)] {
        let told = answer.clone();
        let odd = Odd::start(move |_, _| ok(&told));
        let place = odd.place("Failures in a list of their own");
        place.done(people(&[json!({"externalId": "a", "n": 0})]));
        assert_eq!(place.counts("people"), counts([("read", 1), ("created", 1)]), "{answer}");
    }
}

#[test]
fn a_whole_call_that_is_answered_with_a_page_is_in_doubt_unless_a_rule_knows_the_text() {
    let answer = |text: &'static str| {
        Odd::start(move |_, _| ResponseTemplate::new(200).set_body_raw(text, "text/plain"))
    };
    let whole = |recipe: String| {
        let (before, rest) = recipe.split_once("  failures:").unwrap();
        let (_, after) = rest.split_once("  unnamed:").unwrap();
        format!("{before}  unnamed:{after}")
    };
    let heading = "Failures in a list of their own";
    let records = [json!({"externalId": "a", "n": 0}), json!({"externalId": "b", "n": 1})];
    let odd = answer("<html>Please log in</html>");
    let place = odd.place_with(heading, whole);
    place.run(people(&records));
    assert_eq!(place.counts("people"), counts([("read", 2), ("in_doubt", 2)]));
    let odd = answer("OK 2");
    let place = odd.place_with(heading, whole);
    let manifest = place.read("odd.yaml");
    let rule =
        "row_answers:\n  - { when: \"{{ text is startingwith('OK') }}\", is: created }\nstreams";
    place.file("odd.yaml", manifest.replace("streams", rule));
    place.done(people(&records));
    assert_eq!(place.counts("people"), counts([("read", 2), ("created", 2)]));
}

#[test]
fn a_page_of_html_is_no_yes_to_a_call() {
    let odd = Odd::start(|_, _| {
        ResponseTemplate::new(200).set_body_raw("<html>Please log in</html>", "text/html")
    });
    let place = odd.place("Failures in a list of their own");
    place.run(people(&[json!({"externalId": "a", "n": 0}), json!({"externalId": "b", "n": 1})]));
    assert_eq!(place.counts("people"), counts([("read", 2), ("in_doubt", 2)]));
}

#[test]
fn errors_of_the_call_and_of_the_record_inside_a_200() {
    let odd = Odd::start(|world, request| {
        if world.asked.len() == 1 {
            let error = json!({"message": "slow down", "extensions": {"code": "THROTTLED"}});
            return ok(&json!({"errors": [error]}));
        }
        let sent = body(request)["variables"]["in"].clone();
        if sent["name"].as_str().is_none() {
            let error = json!([{"message": "name is needed", "field": ["name"]}]);
            return ok(&json!({"data": {"createContact": {"id": null, "userErrors": error}}}));
        }
        let id = world.add(sent);
        ok(&json!({"data": {"createContact": {"id": id, "userErrors": []}}}))
    });
    let block = blocks().into_iter().find(|block| block.info == "yaml graphql").unwrap();
    let place = odd.place("An id in a header");
    let head = "version: 1\nname: odd\nbase_url: \"{{ config.base_url }}\"\n";
    place.file("odd.yaml", head.to_owned() + &block.text);
    place.done(people(&[json!({"externalId": "a", "name": "Ann"}), json!({"externalId": "b"})]));
    assert_eq!(place.counts("people"), counts([("read", 2), ("created", 1), ("rejected", 1)]));
    assert!(place.read("results.jsonl").contains("name is needed"));
    assert_eq!(odd.world().rows.len(), 1);
}

/// A remote that changes records in bulk, found by its own ids.
const BY_REMOTE_ID: &str = r#"
version: 1
name: by-remote-id
base_url: "{{ config.base_url }}"
streams:
  "*":
    update:
      method: POST
      path: "/v1/{{ object }}/change"
      body: { items: "{{ records }}" }
      record: { id: "{{ remote_id }}" }
      max_records: 100
"#;

/// Of two records of one remote id the answer was taken for the last one's alone: the other one,
/// which no row names then, was told as written.
#[test]
fn an_answer_for_a_remote_id_is_for_all_records_of_it() {
    let failures = r#"      unnamed: written
      failures: { rows: "$.errors[*]", match: remote_id, remote_id: $.id, error: $.error }
"#;
    let rows = "      rows: $.rows[*]\n      match: remote_id
      remote_id: $.id\n      error: $.error\n";
    let refused = || json!({"id": "r1", "error": "bad"});
    let taken = || json!({"id": "r1"});
    // What the remote does to the three records that it is sent, and how they end.
    let cases = [
        (failures, json!({"errors": [refused()]}), false, ["rejected", "rejected", "updated"]),
        (rows, json!({"rows": [taken(), {"id": "r2"}]}), true, ["updated"; 3]),
        (rows, json!({"rows": [taken(), {"id": "r2"}, taken()]}), true, ["updated"; 3]),
        (
            rows,
            json!({"rows": [refused(), {"id": "r2"}, refused()]}),
            false,
            ["rejected", "rejected", "updated"],
        ),
        // Nobody can tell which of them was.
        (
            rows,
            json!({"rows": [taken(), {"id": "r2"}, refused()]}),
            true,
            ["in_doubt", "in_doubt", "updated"],
        ),
    ];
    for (manifest, answer, applies, fates) in cases {
        let told = answer.clone();
        let odd = Odd::start(move |world, request| {
            for item in body(request)["items"].as_array().unwrap() {
                if applies || item["id"] != "r1" {
                    world.rows.push(item.clone());
                }
            }
            ok(&told)
        });
        let place = Place::with(json!({"connector": "rest", "base_url": odd.server.uri(),
            "identity": "platform", "retry": {"base_millis": 1, "attempts": 2}}));
        let place = place.manifest(BY_REMOTE_ID.to_owned() + manifest);
        place.file("ids.csv", "InputId,RemoteId\na,r1\nb,r1\nc,r2\n");
        let namespace = ["--namespace", "liar"];
        let import = [&["ids", "import", "ids.csv", "--stream", "people"][..], &namespace].concat();
        assert_eq!(place.call(&import).code, 0);
        let place = place.set("namespace", "liar");
        let records = ["a", "b", "c"].map(|name| json!({"externalId": name, "name": name}));
        place.done(people(&records));
        let mut ended = place.results();
        ended.sort_by_key(|row| row["position"].as_u64());
        let ended: Vec<_> = ended.iter().map(|row| row["outcome"].clone()).collect();
        assert_eq!(ended, fates, "{answer}");
        let held = odd.world().row("id", "r1").is_some();
        assert_eq!(held, applies, "{answer}");
        let last = odd.world().rows.iter().rev().find(|row| row["id"] == "r1").cloned();
        assert!(last.is_none_or(|row| row["name"] == "b"), "{answer}");
    }
}
