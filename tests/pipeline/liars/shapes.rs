//! Requests and answers of another shape than most: what goes where, and in which form.

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::{body, last, merge, ok, people, query};
use crate::support::odd::Odd;
use crate::support::{counts, text};

#[test]
fn an_id_in_a_header() {
    let odd = Odd::start(|world, request| match request.method.as_str() {
        "POST" => {
            let id = world.add(body(request));
            ResponseTemplate::new(201).insert_header("Location", format!("/v2/people/{id}"))
        }
        "PATCH" => {
            merge(world.row("id", &last(request)).unwrap(), &body(request));
            ResponseTemplate::new(204)
        }
        _ => {
            let refs: Vec<_> = query(request).into_iter().map(|(_, value)| value).collect();
            let rows = world.rows.iter().filter(|row| refs.contains(&text(&row["ref"])));
            ok(&rows.cloned().collect())
        }
    });
    let place = odd.place("An id in a header");
    let records = |n: i32| ["a&b", "c", "d"].map(|id| json!({"externalId": id, "n": n}));
    place.done(people(&records(1)));
    assert_eq!(place.counts("people"), counts([("read", 3), ("created", 3)]));
    assert_eq!(place.results()[1]["RemoteId"], text(&odd.world().row("ref", "c").unwrap()["id"]));
    // With the id map lost, they are found by their ids, all in one call.
    std::fs::remove_dir_all(place.path(".target-upsert")).unwrap();
    odd.world().asked.clear();
    place.done(people(&records(2)));
    assert_eq!(place.counts("people"), counts([("read", 3), ("updated", 3)]));
    let world = odd.world();
    assert!(
        world.asked[0].starts_with("GET /v2/people?ref=a%26b&ref=c&ref=d"),
        "{:?}",
        world.asked
    );
    assert_eq!(world.rows.len(), 3);
    assert!(world.rows.iter().all(|row| row["n"] == 2));
}

#[test]
fn two_lines_for_each_record() {
    let odd = Odd::start(|world, request| {
        assert_eq!(request.headers["content-type"], "application/x-ndjson");
        let lines: Vec<Value> = String::from_utf8_lossy(&request.body)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let items = lines.chunks(2).map(|pair| {
            let id = pair[0]["index"]["_id"].clone();
            if pair[1]["n"].as_i64().is_none() {
                let error = json!({"type": "mapper_parsing_exception", "reason": "n is no number"});
                return json!({"index": {"_id": id, "status": 400, "error": error}});
            }
            let is_new = world.row("_id", id.as_str().unwrap()).is_none();
            if is_new {
                world.rows.push(json!({"_id": id}));
            }
            merge(world.row("_id", id.as_str().unwrap()).unwrap(), &pair[1]);
            json!({"index": {"_id": id, "status": if is_new { 201 } else { 200 }}})
        });
        ok(&json!({"errors": true, "items": items.collect::<Vec<_>>()}))
    });
    let place = odd.place("Several lines for a record, or one request for several");
    let person = |id: &str, n: Value| json!({"externalId": id, "n": n});
    let records = [person("a b", json!(1)), person("x", json!("one")), person("c", json!(3))];
    place.done(people(&records));
    assert_eq!(place.counts("people"), counts([("read", 3), ("created", 2), ("rejected", 1)]));
    assert!(place.read("results.jsonl").contains("n is no number"));
    place.done(people(&[person("a b", json!(2))]));
    assert_eq!(place.counts("people"), counts([("read", 1), ("updated", 1)]));
    let held =
        [json!({"_id": "a b", "ref": "a b", "n": 2}), json!({"_id": "c", "ref": "c", "n": 3})];
    assert_eq!(odd.world().rows, held);
}

#[test]
fn a_form_numbers_and_fields_in_the_path() {
    let odd = Odd::start(|world, request| match last(request).as_str() {
        "query" => {
            let refs = body(request)["refs"].clone();
            let refs = refs.as_array().unwrap();
            let found: Vec<_> =
                world.rows.iter().filter(|row| refs.contains(&row["ref"])).collect();
            ok(&json!({"found": found}))
        }
        "change" => {
            let change = body(request);
            let id = change["id"].as_u64().expect("a number").to_string();
            merge(world.row("id", &id).unwrap(), &change["set"]);
            ok(&json!({}))
        }
        _ => {
            assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
            let pairs = url::form_urlencoded::parse(&request.body).into_owned();
            let mut row: serde_json::Map<_, _> =
                pairs.map(|(name, value)| (name, Value::String(value))).collect();
            row.insert("path".to_owned(), request.url.path().into());
            ok(&json!({"id": world.add(Value::Object(row))}))
        }
    });
    let place = odd.place("A form, numbers, fields in the path");
    let person = |n: i32| json!({"externalId": "p", "team": "red & blue", "n": n, "price": 1.5, "o": {"k": [1, 2]}});
    place.done(people(&[person(1), json!({"externalId": "no team"})]));
    assert_eq!(place.counts("people"), counts([("read", 2), ("created", 1), ("rejected", 1)]));
    let told = place.results()[1]["error_message"].as_str().unwrap().to_owned();
    assert!(told.contains("the template at") && told.contains("undefined"), "{told}");
    {
        let world = odd.world();
        let [row] = world.rows.as_slice() else { panic!("{:?}", world.rows) };
        assert_eq!(row["path"], "/v2/teams/red%20%26%20blue/people/");
        assert_eq!(
            (&row["ref"], &row["price"], &row["n"]),
            (&json!("p"), &json!("1.5"), &json!("1"))
        );
        assert_eq!((&row["o[k][]"], &row["id"]), (&json!("2"), &json!(1)));
    }
    place.done(people(&[person(2)]));
    assert_eq!(place.counts("people"), counts([("read", 1), ("updated", 1)]));
    assert_eq!(odd.world().rows[0]["n"], 2);
}

#[test]
fn a_change_of_somebody_else_between_reading_and_writing_is_not_overwritten() {
    let odd = Odd::start(|world, request| {
        if request.method.as_str() == "POST" {
            let id = world.add(body(request));
            return ok(&json!({"id": id}));
        }
        let gets = world.asked.iter().filter(|asked| asked.starts_with("GET")).count();
        let row = world.row("id", &last(request)).unwrap();
        let version = format!("\"{}\"", row["rev"]);
        if request.method.as_str() == "GET" {
            if gets == 1 {
                // Somebody else writes as soon as we have read.
                merge(row, &json!({"rev": 2, "theirs": true}));
            }
            return ok(row).insert_header("ETag", version);
        }
        match request.headers.get("if-match") {
            Some(named) if named.to_str().unwrap() == version => {
                let change = body(request);
                merge(row, &change);
                row["rev"] = json!(3);
                ResponseTemplate::new(204)
            }
            Some(_) => ResponseTemplate::new(412),
            None => ResponseTemplate::new(428),
        }
    });
    let place = odd.place("Only the version that was read");
    place.done(people(&[json!({"externalId": "a", "rev": 1})]));
    place.done(people(&[json!({"externalId": "a", "ours": 1})]));
    assert_eq!(place.counts("people"), counts([("read", 1), ("updated", 1)]));
    let expected = json!({"id": 1, "ref": "a", "rev": 3, "theirs": true, "ours": 1});
    assert_eq!(odd.world().rows, [expected]);
    let asked = odd.world().asked.clone();
    assert_eq!(asked.iter().filter(|asked| asked.starts_with("PATCH")).count(), 2, "{asked:?}");
}
