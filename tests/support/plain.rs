//! A manifest in parts, and a remote as it describes, on which odd ones are built. The sandbox
//! answers to it too.

use std::time::Duration;

use serde_json::{Map, Value, json};
use wiremock::{Request, ResponseTemplate};

use super::odd::{Odd, World};
use super::{Place, Remote, text};

const HEAD: &str = r#"
version: 1
name: plain
base_url: "{{ config.base_url }}"
auth: { type: bearer, token: "{{ config.access_token }}" }
streams:
  "*":
    external_id_property: ext_id
"#;

pub const LOOKUP: &str = r#"
    lookup:
      method: POST
      path: "/v1/{{ object }}/search"
      body: { ext_id: { in: "{{ external_ids }}" } }
      rows: $.data[*]
      remote_id: $.id
      lag_secs: 1
"#;

pub const FIND: &str = r#"
    find:
      method: POST
      path: "/v1/{{ object }}/search"
      body: { "{{ field }}": { in: "{{ values }}" } }
      rows: $.data[*]
      remote_id: $.id
      lag_secs: 1
"#;

pub const READ: &str = r#"
    read:
      method: GET
      path: "/v1/{{ object }}/{{ remote_id }}"
      max_ids: 1
      rows: $
      remote_id: $.id
      lag_secs: 1
"#;

pub const CREATE: &str = r#"
    create:
      method: POST
      path: "/v1/{{ object }}"
      body: "{{ record }}"
      remote_id: $.id
"#;

/// After [`CREATE`].
pub const KEY: &str = "      idempotency_key_header: Idempotency-Key\n";

pub const UPDATE: &str = r#"
    update:
      method: PATCH
      path: "/v1/{{ object }}/{{ remote_id }}"
      body: "{{ record }}"
"#;

pub const DELETE: &str = r#"
    delete:
      method: DELETE
      path: "/v1/{{ object }}/{{ remote_id }}"
"#;

impl Place {
    /// One whose jobs write to `url` by a manifest of these parts.
    pub fn plain(url: &str, parts: &[&str]) -> Self {
        Self::with(json!({"connector": "rest", "base_url": url, "identity": "platform",
            "access_token": "sandbox-token", "retry": {"base_millis": 1}}))
        .manifest(HEAD.to_owned() + &parts.concat())
    }
}

/// The rows of a [`World`] that are there: those without a `gone`.
pub fn here(world: &World) -> Vec<&Value> {
    world.rows.iter().filter(|row| row.get("gone").is_none()).collect()
}

/// The body of a request.
pub fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

/// The last part of a request's path.
pub fn last(request: &Request) -> String {
    request.url.path().rsplit('/').next().unwrap_or_default().to_owned()
}

pub fn is_search(request: &Request) -> bool {
    request.url.path().ends_with("/search")
}

/// Whether a request makes a record.
pub fn is_create(request: &Request) -> bool {
    request.method.as_str() == "POST" && !is_search(request)
}

/// What the remote does whose searches show a row so long after it was added or, by
/// [`World::touch`], touched.
pub fn answer(world: &mut World, request: &Request, lag: Duration) -> ResponseTemplate {
    let ok = |status, body: &Value| ResponseTemplate::new(status).set_body_json(body);
    let body = body(request);
    if is_search(request) {
        let (field, asked) = body.as_object().unwrap().iter().next().unwrap();
        let asked: Vec<_> = asked["in"].as_array().unwrap().iter().map(text).collect();
        let found = here(world).into_iter().filter(|row| {
            world.age(row) >= lag && row.get(field).is_some_and(|held| asked.contains(&text(held)))
        });
        return ok(200, &json!({"data": found.collect::<Vec<_>>()}));
    }
    if is_create(request) {
        let id = world.add(body);
        return ok(201, &world.rows[id - 1]);
    }
    let Some(row) = world.row("id", &last(request)).filter(|row| row.get("gone").is_none()) else {
        return ok(404, &json!({"message": "no such record"}));
    };
    match request.method.as_str() {
        "DELETE" => row["gone"] = json!(true),
        "PATCH" => merge(row, &body),
        _ => {}
    }
    ok(200, row)
}

fn merge(row: &mut Value, change: &Value) {
    for (name, value) in change.as_object().unwrap() {
        row[name] = value.clone();
    }
}

impl Odd {
    /// External id and a field of each row that is there, in the order of creation.
    pub fn held(&self, field: &str) -> Vec<(String, String)> {
        let world = self.world();
        here(&world).into_iter().map(|row| (text(&row["ext_id"]), text(&row[field]))).collect()
    }
}

impl Remote {
    /// External id and a field of each record of an object, in the order of creation.
    pub fn held(&self, object: &str, field: &str) -> Vec<(String, String)> {
        let of =
            |row: &Map<String, Value>, field: &str| row.get(field).map_or_else(String::new, text);
        self.records(object).iter().map(|row| (of(row, "ext_id"), of(row, field))).collect()
    }
}

/// Such pairs, as a test expects them.
pub fn pairs<const N: usize>(all: [(&str, &str); N]) -> Vec<(String, String)> {
    all.into_iter().map(|(id, value)| (id.to_owned(), value.to_owned())).collect()
}
