//! Lookups whose answer comes in pages.

use std::collections::BTreeMap;

use serde_json::json;
use wiremock::ResponseTemplate;

use super::{body, last, merge, ok, people, query};
use crate::support::odd::Odd;
use crate::support::{counts, text};

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

/// A page that failed was asked for from the first page on, so that a remote that fails now and
/// then could not be asked for more pages than it answers in a row.
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
