//! Addresses, bodies and answers, without a network. Whole jobs: `tests/pipeline/api/`.

use serde_json::{Value, json};

use super::address::Template;
use super::request::Added;
use super::*;
use crate::config::environment::Environment;
use crate::connector::contract::Write;
use crate::connector::http::Authorizer;
use crate::connector::{BuildError, Settings};
use crate::record::ExternalId;

fn environment() -> Environment {
    Environment {
        tenant: Some("a/b ü".to_owned()),
        flow: Some("f1".to_owned()),
        tap: Some("..".to_owned()),
        ..Environment::default()
    }
}

fn address(template: &str, stream: &str) -> Result<String, String> {
    let template = Template::parse(template, &environment())?;
    template.fill(stream).map(|url| url.to_string())
}

fn build(config: &Value) -> Result<Api, BuildError> {
    Api::build(Settings {
        values: config.as_object().unwrap().clone(),
        timeout: std::time::Duration::from_secs(60),
        user_agent: "test".to_owned(),
        environment: environment(),
        ..Settings::default()
    })
}

fn write(body: &str, remote_id: Option<&str>) -> Write {
    Write {
        external_id: Some(ExternalId::from("e-1")),
        remote_id: remote_id.map(RemoteId::from),
        version: None,
        body: body.into(),
        key: "key".into(),
        says_id: false,
        stands_in: false,
        has_waited: false,
    }
}

fn batch(bodies: &[&str], id: Option<&str>) -> WriteBatch {
    WriteBatch {
        stream: StreamName::from("contacts"),
        action: Action::Create,
        writes: bodies.iter().map(|body| write(body, None)).collect(),
        id: id.map(Into::into),
        not_after: None,
    }
}

fn body(api: &Api, batch: &WriteBatch) -> Result<String, String> {
    let body = api.request(batch)?.body.unwrap();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn addresses_are_filled_in_as_python_does_but_values_stay_in_their_place() {
    let to = |template: &str, stream: &str| address(template, stream).unwrap();
    assert_eq!(to("https://x.io/{stream}", "contacts"), "https://x.io/contacts");
    assert_eq!(to("https://x.io/{tenant}/{flow_id}", "s"), "https://x.io/a%2Fb%20%C3%BC/f1");
    assert_eq!(to("http://x.io/a?s={stream}&t=1", "a&b=c#d"), "http://x.io/a?s=a%26b%3Dc%23d&t=1");
    assert_eq!(to("https://x.io/{{a}}/{stream}?", "s"), "https://x.io/%7Ba%7D/s?");
    assert_eq!(to("https://{flow}.x.io/{stream}#part", "s"), "https://f1.x.io/s");
}

#[test]
fn an_address_that_leads_elsewhere_is_none() {
    for (template, stream, word) in [
        ("https://x.io/{streem}", "s", "`{streem}`"),
        ("https://x.io/{}", "s", "{connector_id}"),
        ("https://x.io/{stream!r}", "s", "`{stream!r}`"),
        ("https://x.io/{stream", "s", "not closed"),
        ("https://x.io/stream}", "s", "`}` without"),
        ("https://x.io/{connector_id}", "s", "`CONNECTOR_ID`"),
        ("https://x.io/{tap}/a", "s", "`.` or `..`"),
        ("https://x.io/{stream}", "..", "`.` or `..`"),
        ("https://{tenant}.x.io/", "s", "cannot stand in a host"),
        ("https://{stream}.x.io/", "evil.org/", "cannot stand in a host"),
        ("{stream}://x.io/", "https", "the scheme"),
        ("{stream}", "https://x.io", "the scheme"),
        ("ftp://x.io/{stream}", "s", "http or https"),
        ("https://me:secret@x.io/{stream}", "s", "credential"),
    ] {
        let wrong = address(template, stream).unwrap_err();
        assert!(wrong.contains(word), "{template}: {wrong}");
        assert!(!wrong.contains("secret"), "{wrong}");
    }
}

#[test]
fn a_record_gets_its_fields_where_python_puts_them() {
    let added = Added {
        stream: true,
        metadata: vec![("run".into(), "1.50".into()), ("own".into(), "\"ours\"".into())],
    };
    let stream = StreamName::from("contacts");
    let record = |body: &str, id, batch| {
        let write = write(body, id);
        added.record(&stream, &write, batch).map(std::borrow::Cow::into_owned)
    };
    assert_eq!(
        record(r#"{"n":1.50,"stream":"old","z":12345678901234567890123}"#, None, Some("b"))
            .unwrap(),
        r#"{"n":1.50,"stream":"contacts","z":12345678901234567890123,"metadata":{"run":1.50,"own":"ours"},"hgBatchId":"b"}"#
    );
    // Theirs is kept, and ours goes over it, in its place.
    assert_eq!(
        record(r#"{"metadata":{"own":1,"a":1e400},"b":2}"#, None, None).unwrap(),
        r#"{"metadata":{"own":"ours","a":1e400,"run":1.50},"b":2,"stream":"contacts"}"#
    );
    for nothing in ["null", "\"\"", "0", "-0.0", "false", "[ ]", "{ }"] {
        let sent = record(&format!(r#"{{"metadata":{nothing}}}"#), None, None).unwrap();
        assert!(sent.contains(r#""metadata":{"run":1.50,"own":"ours"}"#), "{sent}");
    }
    for something in ["\" \"", "1", "[1]", "true"] {
        record(&format!(r#"{{"metadata":{something}}}"#), None, None).unwrap_err();
    }
    // The id map's id goes to a record that has none.
    let with_id = |body: &str| {
        let write = write(body, Some("r-9"));
        Added::default().record(&stream, &write, None).unwrap().into_owned()
    };
    assert_eq!(with_id(r#"{"a":1}"#), r#"{"a":1,"id":"r-9"}"#);
    assert_eq!(with_id(r#"{"id":null,"a":1}"#), r#"{"id":"r-9","a":1}"#);
    assert_eq!(with_id(r#"{"id":7.0}"#), r#"{"id":7.0}"#);
    let mut bare = write("{}", None);
    bare.stands_in = true;
    assert_eq!(added.record(&stream, &bare, Some("b")).unwrap(), "{}");
}

#[test]
fn what_is_added_is_counted_to_the_byte() {
    let config = json!({"url": "https://x.io/", "process_as_batch": true, "add_stream_key": true,
        "metadata": "{\"a\": 1.50}", "inject_batch_ids": true});
    let api = build(&config).unwrap();
    let limits = api.capabilities(&StreamName::from("contacts")).unwrap().create.unwrap();
    let bodies = [r#"{"a":1}"#, r#"{"b":"ü"}"#];
    let sent = body(&api, &batch(&bodies, Some(&"b".repeat(BatchIds::BYTES)))).unwrap();
    let counted: usize = bodies.iter().map(|body| body.len() + limits.envelope_bytes).sum();
    assert_eq!(counted + 1, sent.len(), "{sent}");
}

#[test]
fn batches_are_named_as_theirs() {
    let ids = |prefix: &str| BatchIds { prefix: prefix.into() };
    // From Python: hashlib.md5(b"job_Example:contacts:0").hexdigest()
    assert_eq!(&*ids("job_Example:contacts:").id(0), "d7e52951d6a59673cf85aff9a779c1b2");
    assert_eq!(&*ids("t/flows/f/jobs/1:contacts:").id(12), "126a0d4026f7932488d5790551aa2d7a");
}

#[test]
fn ids_are_taken_only_where_they_are_surely_meant() {
    let one = build(&json!({"url": "https://x.io/"})).unwrap();
    let many = build(&json!({"url": "https://x.io/", "process_as_batch": true})).unwrap();
    let answer = |api: &Api, text: &str, records| -> Vec<Option<String>> {
        let verdicts = api.verdicts(text.as_bytes(), records).into_iter();
        verdicts
            .map(|verdict| match verdict {
                Verdict::Upserted(id) => id.map(|id| id.to_string()),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(answer(&one, r#"{"id": "a"}"#, 1), [some("a")]);
    assert_eq!(
        answer(&one, r#"{"id": 12345678901234567890123}"#, 1),
        [some("12345678901234567890123")]
    );
    for nothing in [
        "",
        "OK",
        "<html>",
        "[]",
        r#"[{"id": 1}]"#,
        r#"{"id": null}"#,
        r#"{"id": 0}"#,
        r#"{"id": true}"#,
        r#"{"id": {"a": 1}}"#,
        r#"{"id": ""}"#,
        r#"{"data": {"id": 1}}"#,
    ] {
        assert_eq!(answer(&one, nothing, 1), [None], "{nothing}");
    }
    assert_eq!(answer(&many, r#"[{"id": 1}, {}]"#, 2), [some("1"), None]);
    // The batch's own id is no record's.
    for nothing in [r#"{"id": 1}"#, r#"[{"id": 1}]"#, "[1, 2]", r#"[{"id": 1}, 2]"#] {
        assert_eq!(answer(&many, nothing, 2), [None, None], "{nothing}");
    }
}

#[test]
fn the_key_goes_where_it_is_asked_for() {
    for (auth, in_query) in [(false, false), (true, false), (false, true), (true, true)] {
        let config = json!({"url": "https://x.io/", "auth": auth, "api_key_url": in_query,
            "api_key": "a key&b"});
        let api = build(&config).unwrap();
        let has_header = matches!(api.client.authorizer(), Authorizer::Header { .. });
        assert_eq!(has_header, auth || in_query, "the header goes with the query");
        let url = api.address(&StreamName::from("s")).unwrap();
        assert_eq!(url.query(), in_query.then_some("x-api-key=a+key%26b"));
        let told = format!("{api:?} {:?}", api.request(&batch(&["{}"], None)).unwrap());
        assert!(!told.contains("key&b") && !told.contains("key%26b"), "{told}");
    }
}

#[test]
fn a_config_that_cannot_be_meant_is_refused() {
    let url = "https://x.io/";
    for (config, word) in [
        (json!({}), "`url`"),
        (json!({"url": url, "auth": true}), "`api_key`"),
        (json!({"url": url, "api_key_url": true, "api_key": ""}), "`api_key`"),
        (json!({"url": url, "auth": "perhaps"}), "`auth`"),
        (json!({"url": url, "batch_size": "many"}), "`batch_size`"),
        (json!({"url": url, "batch_size": 1.5}), "`batch_size`"),
        (json!({"url": url, "metadata": "no json"}), "`metadata`"),
        (json!({"url": url, "metadata": "[1]"}), "`metadata`"),
        (json!({"url": url, "method": "P OST"}), "`method`"),
        (
            json!({"url": url, "custom_headers": [{"name": "a b", "value": "c"}]}),
            "`custom_headers`",
        ),
        (
            json!({"url": url, "process_as_batch": true, "idempotency_key_header": "Key"}),
            "`idempotency_key_header`",
        ),
    ] {
        let wrong = build(&config).unwrap_err().to_string();
        assert!(wrong.contains(word), "{config}: {wrong}");
    }
    // What the platform's forms write, and what its target passes over.
    let api =
        build(&json!({"url": url, "process_as_batch": true, "batch_size": "50", "auth": null,
        "max_size_in_bytes": "", "metadata": "", "timeout": null, "method": "put",
        "custom_headers": [{"name": "a", "value": 1}, "b", {"name": "c", "value": "d"}]}))
        .unwrap();
    assert_eq!(
        (api.batch, api.method, api.headers.len()),
        (Some((50, usize::MAX)), Method::PUT, 1)
    );
    assert!(build(&json!({"url": url, "custom_headers": null})).is_ok());
}

#[test]
fn the_namespace_tells_accounts_apart_and_no_secret() {
    let of = |url: &str| build(&json!({"url": url})).unwrap().namespace().to_owned();
    let urls = [
        "https://x.io:8443/{flow}/{stream}",
        "https://x.io:8443/f2/{stream}",
        "https://x.io:8443/f1/{stream}?account=hush-hush-1",
        "https://x.io:8443/f1/{stream}?account=hush-hush-2",
        "https://x.io:8443/hush-hush-3",
    ];
    let names: std::collections::BTreeSet<String> = urls.into_iter().map(of).collect();
    assert_eq!(names.len(), 5);
    assert!(names.iter().all(|name| name.starts_with("api:x.io:8443#")), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("hush")), "{names:?}");
    // A new key is no new account.
    assert_eq!(of("https://x.io/?api_key=1&a=2"), of("https://x.io/?a=2&api_key=3"));
}

#[test]
fn another_address_takes_the_hosts_place() {
    let settings = |base: &str| Settings {
        values: json!({"url": "https://x.io/in/{stream}?a=1"}).as_object().unwrap().clone(),
        base_url: Some(base.to_owned()),
        user_agent: "test".to_owned(),
        ..Settings::default()
    };
    let api = Api::build(settings("http://127.0.0.1:9/proxy/")).unwrap();
    let url = api.address(&StreamName::from("a b")).unwrap();
    assert_eq!(url.as_str(), "http://127.0.0.1:9/proxy/in/a%20b?a=1");
    assert!(api.namespace().starts_with("api:x.io#"), "{}", api.namespace());
}
