//! Records that are found by their fields, that are read before they are written, and of which only
//! what is empty is filled in.

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::odd::Odd;
use crate::support::{Place, Remote, counts, fixture, record, schema};

/// A job with a store of its own and these options of all streams.
fn place(remote: &Remote, manifest: &str, options: &Value) -> Place {
    Place::at(remote, manifest)
        .set("client_id", "sandbox-client")
        .set("client_secret", "sandbox-secret")
        .set("retry", json!({"base_millis": 1}))
        .set("streams", json!({"*": options}))
}

fn people(records: &[Value]) -> String {
    schema("contacts") + &records.iter().map(|one| record("contacts", one)).collect::<String>()
}

/// What others have put there: two Anns, one Bob, and an id that is not ours.
fn others(remote: &Remote) {
    place(remote, "sandbox", &json!({})).done(people(&[
        json!({"externalId": "x1", "email": "ann@x.com", "last": "Lee", "city": "Oslo"}),
        json!({"externalId": "x2", "email": "ann@y.com", "last": "Lee", "phone": "1"}),
        json!({"externalId": "x3", "email": "bob@x.com", "last": "Ray", "city": "Rome"}),
    ]));
}

/// Cities at the remote, by external id.
fn cities(remote: &Remote) -> Vec<(String, Value)> {
    remote
        .by_ext("contacts")
        .into_iter()
        .map(|(id, held)| (id, held.get("city").cloned().unwrap_or_default()))
        .collect()
}

#[test]
fn what_others_made_is_found_by_a_field_and_taken_over() {
    for manifest in ["sandbox", "rest-conditional"] {
        let remote = Remote::start();
        others(&remote);
        let place = place(&remote, manifest, &json!({"lookup_fields": "email"}));
        let input = people(&[
            json!({"externalId": "o1", "email": "ann@x.com", "city": "Bergen"}),
            json!({"externalId": "o2", "email": "new@x.com", "city": "Narvik"}),
            json!({"externalId": "o3", "city": "Tromsø"}),
        ]);
        place.done(&input);
        assert_eq!(
            place.counts("contacts"),
            counts([("read", 3), ("created", 2), ("updated", 1)]),
            "{manifest}"
        );
        let held = remote.by_ext("contacts");
        assert_eq!(held.len(), 5, "{held:?}");
        assert_eq!((&held["o1"]["city"], &held["o1"]["last"]), (&json!("Bergen"), &json!("Lee")));
        // The id map knows them now.
        place.done(&input);
        assert_eq!(place.counts("contacts"), counts([("read", 3), ("unchanged", 3)]));
    }
}

#[test]
fn all_fields_must_be_the_same_or_any_or_the_first_that_tells() {
    let ask = |method: &str, fields: Value, record: Value| {
        let remote = Remote::start();
        others(&remote);
        let options = json!({"lookup_fields": fields, "lookup_method": method});
        let place = place(&remote, "sandbox", &options);
        place.done(people(&[record]));
        let row = place.results()[0].clone();
        let error = row["error_message"].as_str().unwrap_or_default().to_owned();
        (row["outcome"].as_str().unwrap().to_owned(), error, remote.by_ext("contacts"))
    };
    let lee = |email: &str| json!({"externalId": "o", "last": "Lee", "email": email});
    let names = || json!(["last", "email"]);
    let (outcome, _, held) = ask("all", names(), lee("ann@y.com"));
    assert_eq!((outcome.as_str(), &held["o"]["phone"]), ("updated", &json!("1")));
    let (outcome, ..) = ask("all", names(), lee("bob@x.com"));
    assert_eq!(outcome, "created");
    let (outcome, error, held) = ask("any", names(), lee("ann@y.com"));
    assert_eq!(outcome, "rejected");
    assert!(error.contains("2 records that it could be"), "{error}");
    assert_eq!(held.len(), 3);
    let (outcome, _, held) = ask("sequential", names(), lee("ann@y.com"));
    assert_eq!((outcome.as_str(), &held["o"]["phone"]), ("updated", &json!("1")));
    let (outcome, ..) = ask("sequential", names(), lee("none@x.com"));
    assert_eq!(outcome, "rejected");
    let (outcome, ..) = ask("sequential", names(), json!({"externalId": "o", "last": "Poe"}));
    assert_eq!(outcome, "created");
}

#[test]
fn a_record_without_any_id_is_found_by_its_fields() {
    let remote = Remote::start();
    others(&remote);
    let place = place(&remote, "sandbox", &json!({"lookup_fields": ["email"]}));
    let input = json!({"type": "SCHEMA", "stream": "contacts", "key_properties": [],
        "schema": {"properties": {"email": {}, "city": {}}}});
    let input = input.to_string()
        + "\n"
        + &record("contacts", &json!({"email": "bob@x.com", "city": "Milan"}))
        + &record("contacts", &json!({"email": "new@x.com", "city": "Nice"}));
    place.done(&input);
    assert_eq!(place.counts("contacts"), counts([("read", 2), ("created", 1), ("updated", 1)]));
    place.done(&input);
    assert_eq!(remote.records("contacts").len(), 4, "a second run finds what the first made");
}

#[test]
fn two_new_records_of_one_email_make_one_record_though_the_lookup_lags() {
    let remote = Remote::with("{search_lag_ms: 3000}");
    let options = json!({"lookup_fields": "email"});
    let place = place(&remote, "rest-conditional", &options).set("batch", json!({"records": 1}));
    place.done(people(&[
        json!({"externalId": "a", "email": "same@x.com", "city": "Oslo"}),
        json!({"externalId": "b", "email": "other@x.com", "city": "Rome"}),
        json!({"externalId": "c", "email": "same@x.com", "city": "Bergen"}),
        json!({"externalId": "d", "email": "same@x.com", "city": "Narvik"}),
    ]));
    assert_eq!(place.counts("contacts"), counts([("read", 4), ("created", 2), ("updated", 2)]));
    assert_eq!(cities(&remote), [("b".into(), json!("Rome")), ("d".into(), json!("Narvik"))]);
}

#[test]
fn a_create_in_doubt_is_found_again_by_its_fields() {
    let remote =
        Remote::with("{faults: [{on: \"POST /v1/{object}\", calls: [1, 2], do: reset_after}]}");
    let place = place(&remote, "rest-conditional", &json!({"lookup_fields": "email"}));
    let records: Vec<_> = (0..6).map(|n| json!({"email": format!("c{n}@x.com")})).collect();
    let input = people(&records);
    place.done(&input);
    assert_eq!(remote.faults("reset_after"), 2);
    assert_eq!(remote.records("contacts").len(), 6);
    assert_eq!(place.counts("contacts")["read"], 6);
    assert!(!place.counts("contacts").contains_key("in_doubt"));
}

#[test]
fn only_what_is_empty_at_the_remote_is_filled() {
    for manifest in ["sandbox", "rest-conditional"] {
        let remote = Remote::start();
        others(&remote);
        let options = json!({"lookup_fields": "email", "only_upsert_empty_fields": true});
        let place = place(&remote, manifest, &options);
        let input = people(&[
            json!({"externalId": "o1", "email": "ann@x.com", "city": "Bergen", "phone": "7"}),
            json!({"externalId": "o2", "email": "ann@y.com", "last": "Loo"}),
            json!({"externalId": "o4", "email": "new@x.com", "city": "Nice"}),
        ]);
        place.done(&input);
        let expected = counts([("read", 3), ("created", 1), ("updated", 1), ("unchanged", 1)]);
        assert_eq!(place.counts("contacts"), expected, "{manifest}");
        let by_mail = |mail: &str| {
            let mut held = remote.records("contacts").into_iter();
            held.find(|held| held["email"] == mail).unwrap()
        };
        let ann = by_mail("ann@x.com");
        assert_eq!((&ann["city"], &ann["phone"]), (&json!("Oslo"), &json!("7")));
        assert_eq!(by_mail("ann@y.com")["last"], "Lee");
        assert_eq!(by_mail("new@x.com")["city"], "Nice");
    }
}

/// A list says which, by their names in the record or by those that they go out under: all others are
/// written.
#[test]
fn a_list_says_what_stays_where_it_is_filled() {
    let remote = Remote::start();
    let fields = json!({"city": {"from": "town"}, "phone": {"template": "{{ prefix }}7"}});
    let place = |more: serde_json::Value| {
        let mut options = json!({"lookup_fields": "email", "fields": fields});
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        place(&remote, "sandbox", &options)
    };
    let ann = |word: &str| {
        people(&[json!({"externalId": "o1", "email": "ann@x.com", "town": word, "prefix": word,
            "last": word, "first": word})])
    };
    place(json!({})).done(ann("Oslo"));
    let again = place(json!({"only_upsert_empty_fields": ["town", "prefix", "Last"]}));
    again.done(ann("Bergen"));
    assert_eq!(
        again.counts("contacts"),
        counts([("read", 1), ("updated", 1)]),
        "{:?} {:?}",
        again.results(),
        remote.records("contacts")
    );
    let held = &remote.records("contacts")[0];
    assert_eq!(
        (&held["city"], &held["phone"], &held["last"], &held["first"]),
        (&json!("Oslo"), &json!("Oslo7"), &json!("Oslo"), &json!("Bergen"))
    );
}

#[test]
fn a_write_goes_to_the_version_that_was_read() {
    let remote = Remote::start();
    others(&remote);
    let place = place(&remote, "rest-conditional", &json!({}));
    place.done(people(&[json!({"externalId": "x1", "city": "Bergen"})]));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("updated", 1)]));
    // The first write finds another version: it is read again, and sent again.
    let remote = Remote::with(
        "{faults: [{on: \"PATCH /v1/{object}/{id}\", calls: [1], do: status, status: 412}]}",
    );
    others(&remote);
    let place = self::place(&remote, "rest-conditional", &json!({}));
    place.done(people(&[json!({"externalId": "x1", "city": "Bergen"})]));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("updated", 1)]));
    assert_eq!(cities(&remote)[0].1, "Bergen");
    // One that is gone is seen before it is written, and made anew.
    remote.reset();
    place.done(people(&[json!({"externalId": "x1", "city": "Rome"})]));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("created", 1)]));
    let delete = self::place(&remote, "rest-conditional", &json!({"mode": "delete"}));
    delete.done(people(&[json!({"externalId": "x1"}), json!({"externalId": "none"})]));
    assert_eq!(delete.counts("contacts"), counts([("read", 2), ("deleted", 1), ("skipped", 1)]));
    assert!(remote.records("contacts").is_empty());
}

#[test]
fn what_the_remote_cannot_do_is_said_before_anything_is_written() {
    for (options, what) in [
        (json!({"lookup_fields": "email"}), "`lookup_fields`"),
        (json!({"only_upsert_empty_fields": true}), "`only_upsert_empty_fields`"),
    ] {
        let remote = Remote::start();
        let place = place(&remote, "rest-lookup-bulk", &options);
        let ran = place.run(people(&[json!({"externalId": "a", "email": "a@x.com"})]));
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(what) && ran.stderr.contains("contacts"), "{}", ran.stderr);
        assert!(remote.records("contacts").is_empty());
    }
}

#[test]
fn the_platform_s_keys_for_lookups_are_understood() {
    let remote = Remote::start();
    others(&remote);
    let place = place(&remote, "sandbox", &json!({}))
        .set("lookup_fields", json!({"CONTACTS": ["email"]}))
        .set("lookup_method", "sequential")
        .set("only_upsert_empty_fields", true);
    place.done(people(&[json!({"externalId": "o1", "email": "bob@x.com", "city": "Nice"})]));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("unchanged", 1)]));
    assert_eq!(remote.records("contacts").len(), 3);
}

/// A record that waited for one of its values left the others to those who came later, and did not
/// see what they made: one email was made twice.
#[test]
fn a_record_that_waits_for_one_value_is_not_passed_at_another() {
    for method in ["any", "sequential"] {
        let remote = Remote::with("{search_lag_ms: 3000}");
        let options = json!({"lookup_fields": ["email", "phone"], "lookup_method": method});
        let place = place(&remote, "sandbox", &options);
        place.done(people(&[
            json!({"externalId": "B", "email": "no address", "phone": "1"}),
            json!({"externalId": "D", "email": "d@x.com", "phone": "1"}),
            json!({"externalId": "A", "email": "d@x.com", "phone": "2"}),
        ]));
        let expected = counts([("read", 3), ("created", 1), ("updated", 1), ("rejected", 1)]);
        assert_eq!(place.counts("contacts"), expected, "{method}");
        assert_eq!(remote.records("contacts").len(), 1, "{method}");
    }
}

/// Finds by any property, beside what `rest-by-ext` does.
const FIND: &str = r#"    find:
      method: POST
      path: "/v1/{{ object }}/search"
      body: { "{{ field }}": { in: "{{ values }}" }, after: "{{ next }}" }
      rows: $.data[*]
      remote_id: $.id
      next: $.paging.next
"#;

/// A native upsert knows nothing of what the lookup has found: it made a second record beside it.
#[test]
fn a_remote_that_cannot_change_what_is_found_is_not_asked_for_it() {
    let manifest = std::fs::read_to_string(fixture("manifests/rest-by-ext.yaml")).unwrap() + FIND;
    let update = "    update: { method: PATCH, path: '/v1/{{ object }}/{{ remote_id }}', body: '{{ record }}' }\n";
    let input = people(&[json!({"externalId": "o1", "email": "bob@x.com", "city": "Nice"})]);
    let job = |options: &Value, manifest: &str| {
        let remote = Remote::start();
        others(&remote);
        let place = place(&remote, "sandbox", options).manifest(manifest);
        let ran = place.run(&input);
        let held = remote.records("contacts");
        let nice = held.iter().filter(|one| one.get("city") == Some(&json!("Nice"))).count();
        (ran, (held.len(), nice))
    };
    let (ran, held) = job(&json!({"lookup_fields": "email"}), &manifest);
    assert_eq!((ran.code, held), (2, (3, 0)), "{}", ran.stderr);
    for word in ["`lookup_fields`", "`contacts`", "`update`"] {
        assert!(ran.stderr.contains(word), "{}", ran.stderr);
    }
    // What is not written over needs no more; nor what has an update.
    let insert = json!({"lookup_fields": "email", "mode": "insert"});
    let (ran, held) = job(&insert, &manifest);
    assert_eq!((ran.code, held), (0, (3, 0)), "{}", ran.stderr);
    let (ran, held) = job(&json!({"lookup_fields": "email"}), &(manifest + update));
    assert_eq!((ran.code, held), (0, (3, 1)), "{}", ran.stderr);
}

/// A remote whose search and whose ids do not care about upper and lower case.
fn without_case() -> Odd {
    Odd::start(|world, request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        if request.url.path().ends_with("/search") {
            let (field, asked) = body.as_object().unwrap().iter().next().unwrap();
            let low = |value: &Value| value.as_str().unwrap_or_default().to_lowercase();
            let asked: Vec<_> = asked["in"].as_array().unwrap().iter().map(low).collect();
            let rows = world.rows.iter().filter(|row| asked.contains(&low(&row[field])));
            let rows: Vec<_> = rows.cloned().collect();
            return ResponseTemplate::new(200).set_body_json(json!({"data": rows}));
        }
        let id = match request.method.as_str() {
            "PATCH" => {
                let id = request.url.path().rsplit('/').next().unwrap().to_owned();
                world.row("id", &id).unwrap()["city"] = body["city"].clone();
                id
            }
            _ => world.add(body).to_string(),
        };
        ResponseTemplate::new(200).set_body_json(json!({"id": id}))
    })
}

const WITHOUT_CASE: &str = r#"
version: 1
name: without-case
base_url: "{{ config.base_url }}"
streams:
  "*":
    external_id_property: ext_id
    LOOKUP
      rows: $.data[*]
      remote_id: $.id
      ignore_case: true
    create: { method: POST, path: "/v1/{{ object }}", body: "{{ record }}", remote_id: $.id }
    update: { method: PATCH, path: "/v1/{{ object }}/{{ remote_id }}", body: "{{ record }}" }
"#;

/// Two spellings of what the remote takes for one were both looked for, both not found, and both
/// created.
#[test]
fn where_the_remote_ignores_case_two_spellings_make_one_record() {
    let path = "method: POST\n      path: \"/v1/{{ object }}/search\"\n      ";
    let by_id =
        format!("lookup:\n      {path}body: {{ ext_id: {{ in: \"{{{{ external_ids }}}}\" }} }}");
    let by_field = format!(
        "find:\n      {path}body: {{ \"{{{{ field }}}}\": {{ in: \"{{{{ values }}}}\" }} }}"
    );
    let person = |id: &str, email: &str, city: &str| json!({"externalId": id, "email": email, "last": if id == "p" { "Å" } else { "å" }, "city": city});
    let ids = [person("A-é", "a@x.com", "Oslo"), person("a-É", "b@x.com", "Rome")];
    let emails = [person("p", "A@x.com", "Oslo"), person("q", "a@X.com", "Rome")];
    let fields =
        |method: &str| json!({"lookup_fields": ["email", "last"], "lookup_method": method});
    let one = json!({"lookup_fields": "email"});
    for (lookup, options, records) in [
        (&by_id, json!({}), &ids),
        // Where there is no `lookup`, the ids are found by `find`.
        (&by_field, json!({}), &ids),
        (&by_field, one, &emails),
        (&by_field, fields("all"), &emails),
        (&by_field, fields("any"), &emails),
        (&by_field, fields("sequential"), &emails),
    ] {
        let odd = without_case();
        let place = place(&Remote::start(), "sandbox", &options).set("base_url", odd.server.uri());
        let place = place.manifest(WITHOUT_CASE.replace("LOOKUP", lookup));
        place.done(people(records));
        let world = odd.world();
        let cities: Vec<_> = world.rows.iter().map(|row| &row["city"]).collect();
        assert_eq!(cities, ["Rome"], "{options} {lookup}");
        let all = place.counts("contacts");
        assert_eq!(all, counts([("read", 2), ("created", 1), ("updated", 1)]), "{options}");
    }
}
