//! The guide's recipes, each against a remote that is as the recipe says: odd, and some that lie.
//! What is asserted is what the remote holds.

mod failures;
mod lies;
mod pages;
mod shapes;

use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use crate::guide::blocks;
use crate::support::odd::Odd;
use crate::support::{Place, record, schema};

impl Odd {
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
