//! What is wrong with a manifest is told with its place before any call.

use super::*;

const GOOD: &str = r#"version: 1
name: test
base_url: "{{ config.base_url }}"
auth: { type: bearer, token: "{{ config.access_token }}" }
streams:
  "*":
    external_id_property: ext_id
    lookup:
      method: POST
      path: "/v1/{{ object }}/search"
      body: { ext_id: { in: "{{ external_ids }}" } }
      rows: $.data[*]
      remote_id: $.id
    upsert:
      method: POST
      path: "/v1/{{ object }}/batch"
      body: { inputs: "{{ records }}" }
      max_records: 100
      rows: $.results[*]
      match: external_id
      remote_id: $.id
"#;

/// The design's own example, word by word, but for the keys that it has no use for here.
const SKETCH: &str = r#"
version: 1
name: crm-plus
base_url: "{{ config.base_url }}"
auth: { type: bearer, token: "{{ config.access_token }}" }
limits: { requests: 100, per_secs: 10, in_flight: 8 }
answers:
  - { when: "{{ status == 409 and body.code == 'EXISTS' }}", is: exists, remote_id: $.existing_id }
  - { when: "{{ status == 400 }}", is: rejected, message: "$.errors[*].message", field: "$.errors[*].path" }
streams:
  "*":
    object: "{{ stream }}"
    lookup: { method: POST, path: "/v1/{{ object }}/search", body: { ext_id: { in: "{{ external_ids }}" } }, max_ids: 100,
              rows: "$.data[*]", external_id: $.ext_id, remote_id: $.id, next: $.paging.next }
    upsert: { method: POST, path: "/v1/{{ object }}/batch", body: { inputs: "{{ records }}" }, max_records: 100, max_bytes: 1000000,
              rows: "$.results[*]", match: external_id, external_id: $.ext_id, remote_id: $.id, created: "{{ row.new }}", error: $.error.message }
    update: { method: PATCH, path: "/v1/{{ object }}/{{ remote_id }}", body: "{{ record }}" }
    delete: { method: DELETE, path: "/v1/{{ object }}/{{ remote_id }}", missing_is_done: true }
"#;

fn told(text: &str) -> (String, Option<String>) {
    let error = of_text(text, "http://127.0.0.1:1").unwrap_err();
    (error.to_string(), error.hint())
}

#[tokio::test]
async fn the_design_s_example_works() {
    let remote = Remote::start("seed: 2").await;
    let connector = of_text(SKETCH, &remote.url()).unwrap();
    let capabilities = connector.capabilities(&stream()).unwrap();
    assert_eq!(capabilities.external_id_property.as_deref(), Some("ext_id"));
    assert_eq!(capabilities.reserved_properties, ["ext_id"]);
    assert_eq!(capabilities.max_in_flight, 8);
    let writes = [write(Some("a"), None, r#"{"n":1}"#), write(Some("b"), None, "{}")];
    let made = write_all(&connector, Action::Upsert, &writes).await;
    let ids = [ExternalId::from("a"), ExternalId::from("b")];
    let found = find_ids(&connector, &ids).await.unwrap();
    assert_eq!(found.len(), 2);
    let id = remote_id(&made[0]);
    let change = [write(Some("a"), Some(id.as_str()), r#"{"n":2.0}"#)];
    assert_eq!(write_all(&connector, Action::Update, &change).await, [Verdict::Updated(None)]);
    assert_eq!(remote.held("contacts").await[0]["n"].to_string(), "2.0");
    let gone = [write(None, Some(id.as_str()), "{}")];
    assert_eq!(write_all(&connector, Action::Delete, &gone).await, [Verdict::Deleted]);
    assert_eq!(write_all(&connector, Action::Delete, &gone).await, [Verdict::Deleted]);
    assert_eq!(remote.held("contacts").await.len(), 1);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    of_text(GOOD, "http://127.0.0.1:1").unwrap();
    let cases = [
        (
            "    upsert:",
            "    upsrt:",
            "test.yaml:14:5: unknown key `upsrt`",
            "did you mean `upsert`?",
        ),
        (
            "match: external_id",
            "match: extrnal_id",
            "test.yaml:20:14: unknown value `extrnal_id`",
            "did you mean `external_id`?",
        ),
        (
            "/{{ object }}/batch",
            "/{{ objct }}/batch",
            "test.yaml:16:13: unknown name `objct` in `{{ objct }}`",
            "did you mean `object`?",
        ),
        ("$.results[*]", "$.results[", "test.yaml:19:13: `$.results[` is no JSONPath", ""),
        (
            "/{{ object }}/search",
            "/{{ object }/search",
            "test.yaml:10:13: `{{ object }/search` is no template",
            "",
        ),
        (
            "inputs: \"{{ records }}\"",
            "inputs: \"{{ record }}\"",
            "test.yaml:17:23: `{{ record }}` means nothing here",
            "`{{ record }}` is for `max_records: 1`",
        ),
        (
            "inputs: \"{{ records }}\"",
            "inputs: []",
            "test.yaml:16:13: `upsert` sends no record",
            "put `{{ record }}`",
        ),
        ("version: 1", "version: 2", "test.yaml:1:10: version 2 of the manifest is not known", ""),
        ("type: bearer", "type: basic", "test.yaml:4:7: `type: basic` needs `username`", ""),
        ("match: external_id", "match: index", "test.yaml:19:13: `match: index` needs `index`", ""),
        (
            "match: external_id",
            "match: remote_id",
            "test.yaml:19:13: `match: remote_id` is for",
            "",
        ),
        (
            "max_records: 100",
            "max_records: many",
            "test.yaml:18:20: invalid u64 for `max_records`",
            "",
        ),
        ("max_records: 100", "max_records: 0", "test.yaml:16:13: `max_records` is at least 1", ""),
        (
            "max_records: 100",
            "missing_is_done: true",
            "test.yaml:16:13: `missing_is_done` means nothing to `upsert`",
            "",
        ),
        (
            "/v1/{{ object }}/batch",
            "v1/batch",
            "test.yaml:16:13: the path does not begin with `/`",
            "",
        ),
    ];
    all_told(&cases);
}

/// Each case: what is replaced in the good manifest by what, and how message and hint begin.
#[track_caller]
fn all_told(cases: &[(&str, &str, &str, &str)]) {
    for (old, new, message, hint) in cases {
        let (told, hinted) = told(&GOOD.replacen(old, new, 1));
        assert!(told.starts_with(message), "{told}");
        assert!(hinted.unwrap_or_default().starts_with(hint), "hint of {told}");
    }
}

#[test]
fn what_does_not_go_together_is_told_with_its_place() {
    all_told(&[
        (
            "      rows: $.results[*]\n      match: external_id\n",
            "",
            "test.yaml:16:13: nothing tells what becomes of single records",
            "add `rows` and `match`",
        ),
        (
            "match: external_id",
            "match: position\n      failures: { rows: \"$.e[*]\", match: external_id }",
            "test.yaml:21:25: `match: position` has a row for each record",
            "",
        ),
        (
            "remote_id: $.id\n",
            "remote_id: \"{{ rov.id }}\"\n",
            "test.yaml:13:18: unknown name `rov`",
            "did you mean `row`?",
        ),
        (
            "match: external_id",
            "match: external_id\n      read_after: true",
            "test.yaml:16:13: it reads what it writes",
            "",
        ),
        (
            "match: external_id",
            "match: external_id\n      unnamed: written\n      read_after: true",
            "test.yaml:16:13: `read_after` needs an answer that tells the `remote_id`",
            "",
        ),
        (
            "body: { inputs: \"{{ records }}\" }",
            "body: { inputs: \"{{ records }}\" }\n      encoding: lines",
            "test.yaml:17:13: `encoding: lines` needs a list",
            "",
        ),
    ]);
}

#[test]
fn what_the_config_lacks_is_told_by_name() {
    let manifest = GOOD.replace("config.access_token", "config.api_tokn");
    let (told, hint) = told(&manifest);
    assert_eq!(told, "the config has no `api_tokn`");
    assert_eq!(hint.unwrap(), "set it: the manifest `test.yaml` names it in line 4");
}

#[test]
fn a_template_that_runs_away_is_stopped() {
    let forever = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
    let manifest = GOOD.replace("{{ config.access_token }}", forever);
    let (told, _) = told(&manifest);
    assert!(told.contains("it was stopped after 50000 steps"), "{told}");
    let (told, _) = super::language::told(&GOOD.replace("name: test", "name: [test"));
    assert!(told.starts_with("test.yaml:"), "{told}");
}

#[test]
fn unknown_connectors_and_manifests_are_told_with_what_may_be_meant() {
    let error = build("resst", Settings::default()).unwrap_err();
    assert_eq!(error.to_string(), "unknown connector `resst`");
    assert_eq!(error.hint().as_deref(), Some("did you mean `rest`?"));
    let error = build("mailchimp", Settings::default()).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.hint()),
        (
            "unknown connector",
            Some("the connectors are: rest, hubspot, salesforce, netsuite, api".to_owned())
        )
    );
    let error = build("rest", settings("http://h", "sandbx")).unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("did you mean `sandbox`?"));
    let error = build("rest", Settings::default()).unwrap_err();
    assert_eq!(error.to_string(), "the config has no `manifest`");
}

#[test]
fn the_settings_of_a_stream_win() {
    let mut settings = settings("http://127.0.0.1:1", "");
    let own = crate::connector::StreamSettings {
        object: Some("people".to_owned()),
        external_id_property: Some("key".to_owned()),
        lookup_fields: None,
    };
    settings.streams.insert("contacts".to_owned(), own);
    let connector = Rest::of_text("test.yaml", GOOD, settings).unwrap();
    let capabilities = connector.capabilities(&stream()).unwrap();
    assert_eq!(capabilities.external_id_property.as_deref(), Some("key"));
    assert_eq!(capabilities.reserved_properties, ["key"]);
    assert_eq!(connector.bind(&stream()).unwrap().object, "people");
    let other = connector.capabilities(&StreamName::from("deals")).unwrap();
    assert_eq!(other.external_id_property.as_deref(), Some("ext_id"));
}

#[test]
fn ids_of_other_remotes_and_accounts_are_kept_apart() {
    let namespace = |manifest: &str, url: &str| {
        let connector = Rest::of_text("m.yaml", manifest, settings(url, "-")).unwrap();
        connector.namespace().to_owned()
    };
    let url = "https://api.example.com:8443/tenant-1/";
    assert_eq!(namespace(GOOD, url), "rest:test@api.example.com:8443/tenant-1");
    let other = GOOD.replace("name: test", "name: other");
    assert_eq!(namespace(&other, "http://h"), "rest:other@h");
}

#[test]
fn nothing_shows_a_secret() {
    let settings = settings("http://127.0.0.1:1", &fixture("rest-by-ext"));
    let shown = format!("{settings:?}");
    let connector = build("rest", settings).unwrap().connector;
    let shown = format!("{shown}{connector:?}{connector:#?}");
    for secret in ["sandbox-token", "sandbox-refresh", "sandbox-secret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn the_schema_documents_every_key() {
    fn check(schema: &Value, path: &str) {
        let Some(object) = schema.as_object() else {
            return;
        };
        for (name, property) in
            object.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            assert!(property.get("description").is_some(), "{path}.{name} has no documentation");
        }
        for (name, inner) in object {
            check(inner, &format!("{path}.{name}"));
        }
    }
    let schema = super::super::manifest_schema();
    assert_eq!(schema["title"], "Manifest of the rest connector");
    check(&schema, "$");
    check(&schema["$defs"], "$defs");
}
