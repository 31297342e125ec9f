//! The guide's recipes, each against a remote that is as the recipe says: odd, and some that lie.
//! What is asserted is what the remote holds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::guide::blocks;
use crate::support::{Place, counts, record, schema};

/// What a remote holds, and what it was asked.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) rows: Vec<Value>,
    pub(crate) asked: Vec<String>,
}

impl World {
    fn row(&mut self, key: &str, value: &str) -> Option<&mut Value> {
        self.rows.iter_mut().find(|row| text(&row[key]) == value)
    }

    pub(crate) fn add(&mut self, mut row: Value) -> usize {
        let id = self.rows.len() + 1;
        row["id"] = json!(id);
        self.rows.push(row);
        id
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A remote of one test.
pub(crate) struct Odd {
    _runtime: tokio::runtime::Runtime,
    pub(crate) server: MockServer,
    world: Arc<Mutex<World>>,
}

impl Odd {
    pub(crate) fn start(
        answer: impl Fn(&mut World, &Request) -> ResponseTemplate + Send + Sync + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let world: Arc<Mutex<World>> = Arc::default();
        let held = Arc::clone(&world);
        let server = runtime.block_on(async {
            let server = MockServer::start().await;
            let respond = move |request: &Request| {
                let mut world = held.lock().unwrap();
                let body = String::from_utf8_lossy(&request.body);
                let query = request.url.query().unwrap_or_default();
                let path = request.url.path();
                world.asked.push(format!("{} {path}?{query} {body}", request.method));
                answer(&mut world, request)
            };
            Mock::given(any()).respond_with(respond).mount(&server).await;
            server
        });
        Self { _runtime: runtime, server, world }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// A job by the recipe that stands under `heading`.
    fn place(&self, heading: &str) -> Place {
        self.place_with(heading, |recipe| recipe)
    }

    fn place_with(&self, heading: &str, change: impl Fn(String) -> String) -> Place {
        let find = |info: &str| {
            let mut blocks = blocks().into_iter();
            blocks.find(|block| block.heading == heading && block.info == info)
        };
        let recipe = change(find("yaml recipe").unwrap().text);
        let mut manifest =
            "version: 1\nname: odd\nbase_url: \"{{ config.base_url }}\"\n".to_owned();
        if let Some(answers) = find("yaml answers") {
            manifest += &format!("answers:\n{}", answers.text);
        }
        manifest += "streams:\n  \"*\":\n    external_id_property: ref\n";
        for line in recipe.lines() {
            manifest += &format!("    {line}\n");
        }
        let place = Place::with(json!({
            "connector": "rest",
            "manifest": "odd.yaml",
            "base_url": self.server.uri(),
            "retry": {"base_millis": 1, "attempts": 3},
        }));
        place.file("odd.yaml", manifest);
        place
    }
}

fn people(records: &[Value]) -> String {
    schema("people") + &records.iter().map(|one| record("people", one)).collect::<String>()
}

fn query(request: &Request) -> Vec<(String, String)> {
    request.url.query_pairs().into_owned().collect()
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn last(request: &Request) -> String {
    request.url.path().rsplit('/').next().unwrap().to_owned()
}

fn ok(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn merge(row: &mut Value, change: &Value) {
    for (name, value) in change.as_object().unwrap() {
        row[name] = value.clone();
    }
}

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
fn pages_of_all_rows_whatever_was_asked_for() {
    let heading = "Pages by number, by `Link`, by offset";
    let by_link = |recipe: String| {
        recipe
            .replace("{{ (next | default(1) | int) + 1 if count == 50 }}", "{{ links.next }}")
            .replace("page: \"{{ next }}\", ", "")
    };
    let by_offset = |recipe: String| {
        recipe
            .replace("default(1) | int) + 1 if", "default(0) | int) + count if")
            .replace(" page: ", " offset: ")
    };
    let by_number = |recipe: String| recipe;
    let changes: [&dyn Fn(String) -> String; 3] = [&by_number, &by_link, &by_offset];
    for change in changes {
        let odd = Odd::start(|world, request| match request.method.as_str() {
            "GET" => {
                let asked: BTreeMap<_, _> = query(request).into_iter().collect();
                let at = |name: &str| asked.get(name).map(|text| text.parse::<usize>().unwrap());
                let from = at("offset").or(at("page").map(|page| (page - 1) * 50));
                let from = from.or(at("start")).unwrap_or(0);
                let rows: Vec<_> = world.rows.iter().skip(from).take(50).cloned().collect();
                let answer = ok(&json!(rows));
                if from + 50 < world.rows.len() {
                    let next = format!("</v2/people?start={}>; rel=\"next\"", from + 50);
                    return answer
                        .append_header("Link", "</v2/people>; rel=\"first\"")
                        .append_header("Link", next);
                }
                answer
            }
            "POST" => {
                let id = world.add(body(request));
                ok(&json!({"id": id}))
            }
            _ => {
                merge(world.row("id", &last(request)).unwrap(), &body(request));
                ok(&json!({}))
            }
        });
        for n in 0..120 {
            odd.world().add(json!({"ref": format!("theirs-{n}"), "n": 0}));
        }
        odd.world().rows[7]["ref"] = json!("ours-1");
        odd.world().rows[119]["ref"] = json!("ours-2");
        let place = odd.place_with(heading, change);
        place.done(people(
            &["ours-1", "ours-2", "ours-3"].map(|id| json!({"externalId": id, "n": 1})),
        ));
        let expected = counts([("read", 3), ("created", 1), ("updated", 2)]);
        assert_eq!(place.counts("people"), expected, "{:?}", odd.world().asked);
        let world = odd.world();
        let written = world.rows.iter().filter(|row| row["n"] == 1);
        let written: Vec<_> = written.map(|row| text(&row["ref"])).collect();
        assert_eq!(written, ["ours-1", "ours-2", "ours-3"]);
        assert_eq!(world.asked.iter().filter(|asked| asked.starts_with("GET")).count(), 3);
    }
}

#[test]
fn the_first_page_for_ever_ends_the_lookup_and_nothing_is_made() {
    let odd = Odd::start(|world, _| ok(&json!(world.rows)));
    for n in 0..50 {
        odd.world().add(json!({"ref": format!("theirs-{n}")}));
    }
    let place = odd.place("Pages by number, by `Link`, by offset");
    let ran = place.run(people(&[json!({"externalId": "a"})]));
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("the pages of a lookup go in a circle"), "{}", ran.stderr);
    assert!(ran.stderr.contains("mend `next`"), "{}", ran.stderr);
    // Nothing is made, and nothing asked for again and again.
    let asked = odd.world().asked.clone();
    assert!(asked.iter().all(|asked| asked.starts_with("GET")) && asked.len() == 2, "{asked:?}");
}

/// A page that failed was asked for from the first page on, so that a remote that fails now and then
/// could not be asked for more pages than it answers in a row.
#[test]
fn a_page_that_fails_is_asked_for_again_and_not_all_before_it() {
    let odd = Odd::start(|world, request| {
        if request.method.as_str() != "GET" {
            let id = world.add(body(request));
            return ok(&json!({"id": id}));
        }
        let gets = world.asked.iter().filter(|asked| asked.starts_with("GET")).count();
        if gets % 3 == 0 {
            return ResponseTemplate::new(503);
        }
        let asked: BTreeMap<_, _> = query(request).into_iter().collect();
        let from = asked.get("page").map_or(0, |page| (page.parse::<usize>().unwrap() - 1) * 50);
        ok(&json!(world.rows.iter().skip(from).take(50).collect::<Vec<_>>()))
    });
    for n in 0..420 {
        odd.world().add(json!({"ref": format!("theirs-{n}")}));
    }
    let place = odd.place("Pages by number, by `Link`, by offset");
    place.done(people(&[json!({"externalId": "a"})]));
    assert_eq!(place.counts("people"), counts([("read", 1), ("created", 1)]));
    let gets = odd.world().asked.iter().filter(|asked| asked.starts_with("GET")).count();
    assert_eq!(gets, 9 + 4, "nine pages, four of them asked for twice");
    assert_eq!(place.summary()["streams"]["people"]["lookups"], 13);
}

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

/// It says 204 to an update of what is not there and to a delete that it does not do, 500 to a
/// record that is there already, and shows back what was sent while it keeps five letters of it.
fn liar() -> Odd {
    Odd::start(|world, request| {
        let short = |row: &Value| {
            let mut row = row.clone();
            if let Some(name) = row["name"].as_str() {
                row["name"] = json!(name.chars().take(5).collect::<String>());
            }
            row
        };
        match request.method.as_str() {
            "POST" => {
                let sent = body(request);
                if world.row("ref", sent["ref"].as_str().unwrap()).is_some() {
                    let text = "IntegrityError: UNIQUE constraint failed: people.ref";
                    return ResponseTemplate::new(500).set_body_string(text);
                }
                let id = world.add(short(&sent));
                let mut shown = sent;
                shown["id"] = json!(id);
                ResponseTemplate::new(201).set_body_json(shown)
            }
            "PATCH" => {
                let change = short(&body(request));
                if let Some(row) = world.row("id", &last(request)) {
                    merge(row, &change);
                }
                ResponseTemplate::new(204)
            }
            "DELETE" => ResponseTemplate::new(204),
            // A filter that it does not understand is no filter.
            _ => {
                let (name, values) = query(request).remove(0);
                let values: Vec<_> = values.split(',').collect();
                let is_asked =
                    |row: &&Value| name != "id" || values.contains(&text(&row["id"]).as_str());
                ok(&world.rows.iter().filter(is_asked).cloned().collect())
            }
        }
    })
}

const LIES: &str = "When the remote lies";

#[test]
fn what_a_liar_keeps_otherwise_is_told_and_sent_again() {
    let odd = liar();
    let place = odd.place(LIES);
    let records =
        [json!({"externalId": "a", "name": "Ann"}), json!({"externalId": "b", "name": "Barbara"})];
    place.done(people(&records));
    assert_eq!(place.counts("people"), counts([("read", 2), ("created", 1), ("failed", 1)]));
    let told = place.read("results.jsonl");
    assert!(
        told.contains("`name` was sent as \\\"Barbara\\\" and is held as \\\"Barba\\\""),
        "{told}"
    );
    place.done(people(&records));
    assert_eq!(place.counts("people"), counts([("read", 2), ("unchanged", 1), ("failed", 1)]));
    assert_eq!(odd.world().rows.len(), 2);
}

#[test]
fn what_a_liar_has_already_is_updated_and_what_it_lost_is_made_again() {
    let odd = liar();
    let place = odd.place(LIES);
    place.done(people(&[json!({"externalId": "a", "name": "Ann"})]));
    // Somebody deletes it behind our back; the update is answered with 204 all the same.
    odd.world().rows[0] = json!({"id": 77, "ref": "stranger", "name": "Sue"});
    place.done(people(&[json!({"externalId": "a", "name": "Anna"})]));
    assert_eq!(place.counts("people"), counts([("read", 1), ("created", 1)]));
    assert_eq!(odd.world().row("ref", "a").unwrap()["name"], "Anna");
    assert_eq!(odd.world().row("ref", "stranger").unwrap()["name"], "Sue");
    // The filter by `ref` shows all; the record that a lost id map does not know is found all the
    // same. Were the lookup blind, the 500 would tell.
    std::fs::remove_dir_all(place.path(".target-upsert")).unwrap();
    place.done(people(&[json!({"externalId": "a", "name": "Ana"})]));
    assert_eq!(place.counts("people"), counts([("read", 1), ("updated", 1)]));
    assert_eq!(odd.world().rows.len(), 2);
}

#[test]
fn a_duplicate_that_is_told_as_a_500_is_found_and_updated() {
    // The lookup shows a record only once it was asked for twice: what is new to it looks missing.
    let odd = Odd::start(|world, request| match request.method.as_str() {
        "POST" => {
            let text = "IntegrityError: UNIQUE constraint failed: people.ref";
            ResponseTemplate::new(500).set_body_string(text)
        }
        "PATCH" => {
            merge(world.row("id", &last(request)).unwrap(), &body(request));
            ResponseTemplate::new(204)
        }
        _ => {
            let asked = world.asked.iter().filter(|asked| asked.contains("?ref=")).count();
            let rows: Vec<_> = world.rows.iter().filter(|_| asked > 1).collect();
            ok(&json!(rows))
        }
    });
    odd.world().add(json!({"ref": "a", "name": "Old"}));
    let place = odd.place(LIES);
    place.done(people(&[json!({"externalId": "a", "name": "New"})]));
    assert_eq!(place.counts("people"), counts([("read", 1), ("updated", 1)]));
    assert_eq!(odd.world().rows, [json!({"id": 1, "ref": "a", "name": "New"})]);
}

#[test]
fn a_delete_that_was_none_is_told() {
    let odd = liar();
    odd.place(LIES).done(people(&[json!({"externalId": "a", "name": "Ann"})]));
    let place = odd.place(LIES).set("streams", json!({"*": {"mode": "delete"}}));
    place.done(people(&[json!({"externalId": "a"})]));
    assert_eq!(place.counts("people"), counts([("read", 1), ("failed", 1)]));
    assert!(place.read("results.jsonl").contains("still has it"));
}
