//! What comes from a tap or a remote is content, and never an order: to go somewhere else, to open
//! something, or to take all memory.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use flate2::{Compress, Compression, FlushCompress};
use serde_json::json;
use wiremock::ResponseTemplate;

use crate::support::odd::Odd;
use crate::support::{Place, Remote, contacts, record, schema};

/// A remote that sends every request to another host.
fn redirecting(status: u16, to: &Odd) -> Odd {
    let to = format!("{}/taken?token=hush", to.server.uri());
    Odd::start(move |_, _| ResponseTemplate::new(status).insert_header("location", &*to))
}

#[test]
fn a_redirect_takes_no_request_to_another_host() {
    for status in [301, 302, 303, 307, 308] {
        let other = Odd::start(|_, _| ResponseTemplate::new(200));
        let odd = redirecting(status, &other);
        // The token endpoint, a lookup, a write in bulk and alone.
        for manifest in
            ["rest-by-ext", "rest-lookup-bulk", "rest-one-by-one", "sandbox", "create-only"]
        {
            let asked = odd.world().asked.len();
            let remote = Remote::start();
            let mut place = Place::at(&remote, manifest)
                .set("base_url", odd.server.uri())
                .set("retry", json!({"base_millis": 1, "attempts": 2}));
            if manifest == "rest-by-ext" {
                place.config.as_object_mut().unwrap().remove("access_token");
            }
            let ran = place.run(contacts(2));
            assert_eq!(place.counts("contacts").get("created"), None, "{status} {manifest}");
            let told = ran.stderr + &place.read("results.jsonl");
            assert!(
                told.contains("redirect") && told.contains("127.0.0.1"),
                "{status} {manifest}: {told}"
            );
            // A manifest that cannot ask has nothing to check.
            if manifest != "create-only" {
                let checked = place.call(&["check", "--config", "config.json", "contacts"]);
                assert_eq!(checked.code, 3, "{status} {manifest}: {}", checked.stdout);
            }
            assert!(odd.world().asked.len() > asked, "{status} {manifest}");
        }
        let place =
            Place::with(json!({"connector": "api", "url": format!("{}/in", odd.server.uri()),
            "auth": true, "api_key": "hush-0123"}));
        place.run(contacts(2));
        assert!(place.read("results.jsonl").contains("redirect"), "{status}");
        let asked = &other.world().asked;
        assert!(asked.is_empty(), "{status}: {asked:?}");
    }
}

#[test]
fn a_batch_message_that_names_an_address_fetches_nothing() {
    let odd =
        Odd::start(|_, _| ResponseTemplate::new(200).set_body_string("{\"externalId\": 1}\n"));
    let host = odd.server.uri().replace("http://", "");
    for name in [
        format!("http://{host}/a.jsonl"),
        format!("HTTP://{host}/a.jsonl"),
        format!("file://{host}/a.jsonl"),
        format!("//{host}/a.jsonl"),
        format!("s3://{host}/a.jsonl"),
    ] {
        let remote = Remote::start();
        let place = Place::at(&remote, "sandbox");
        let batch = json!({"type": "BATCH", "stream": "contacts", "encoding": {"format": "jsonl"},
            "manifest": [name]});
        let ran = place.run(format!("{}{batch}\n", contacts(1)));
        assert_eq!(ran.code, 4, "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains("cannot be read"), "{name}: {}", ran.stderr);
        assert_eq!(remote.by_ext("contacts").len(), 1, "{name}");
    }
    let asked = &odd.world().asked;
    assert!(asked.is_empty(), "{asked:?}");
}

#[test]
fn a_batch_file_of_another_kind_is_told_without_what_stands_in_it() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").env("LOGLEVEL", "TRACE");
    let secret = place.file("shadow", "root:hush-0123:19000:0:99999:7:::\n\"hush-0123\"\n");
    let batch = json!({"type": "BATCH", "stream": "contacts", "encoding": {"format": "jsonl"},
        "manifest": [secret]});
    let ran = place.run(format!("{}{batch}\n", schema("contacts")));
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    let told =
        ran.stdout + &ran.stderr + &place.read("summary.json") + &place.read("results.jsonl");
    assert!(told.contains("line 1 of") && !told.contains("hush"), "{told}");
    assert_eq!(remote.calls()["records_written"], 0);
}

#[test]
fn a_batch_file_without_an_end_is_refused_before_it_is_opened() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let pipe = place.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for name in [pipe.to_str().unwrap(), "/dev/zero", "/"] {
        let batch = json!({"type": "BATCH", "stream": "contacts", "encoding": {"format": "jsonl"},
            "manifest": [name]});
        let ran = place.run(format!("{}{batch}\n", contacts(1)));
        assert_eq!(ran.code, 4, "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains("no regular file"), "{name}: {}", ran.stderr);
        assert_eq!(remote.by_ext("contacts").len(), 1, "{name}");
    }
}

/// A gzip stream that is small and stands for a line of `mebibytes` MiB of `byte`: one block of it,
/// again and again.
fn bomb(byte: u8, mebibytes: usize) -> Vec<u8> {
    let mut deflate = Compress::new(Compression::fast(), false);
    let mut add = |plain: &[u8]| {
        let mut block = Vec::with_capacity(64 << 10);
        deflate.compress_vec(plain, &mut block, FlushCompress::Full).unwrap();
        block
    };
    let block = add(&vec![byte; 1 << 20]);
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    gzip.extend(block.repeat(mebibytes));
    gzip.extend(add(b"\n"));
    gzip
}

#[test]
fn a_batch_file_that_inflates_without_end_is_told_at_the_cap() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").set("max_line_bytes", 1_000_000);
    let gzip = bomb(b'x', 300);
    assert!(gzip.len() < 3 << 20, "{} bytes", gzip.len());
    let path = place.file("a.jsonl.gz", gzip);
    let batch = json!({"type": "BATCH", "stream": "contacts",
        "encoding": {"format": "jsonl", "compression": "gzip"}, "manifest": [path]});
    let ran = place.run(format!("{}{batch}\n", contacts(2)));
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("bytes, over `max_line_bytes`"), "{}", ran.stderr);
    assert_eq!(remote.by_ext("contacts").len(), 2);
}

/// A remote that answers each request with `answer`, byte for byte.
fn answering(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map(Result::unwrap) {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || {
                if matches!(stream.read(&mut [0; 16 << 10]), Ok(read) if read > 0) {
                    // Whoever has seen enough hangs up.
                    drop(stream.write_all(&answer));
                }
            });
        }
    });
    url
}

#[test]
fn answers_made_to_take_all_memory_or_stack_are_cut_short() {
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n";
    let plain =
        |body: String| format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    let gzip = bomb(b' ', 2048);
    let mut inflating =
        format!("{head}Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", gzip.len())
            .into_bytes();
    inflating.extend(gzip);
    let headers = "X-Again: and again\r\n".repeat(5000);
    for (what, answer, words) in [
        ("inflates", inflating, "the answer is over the limit of 16777216 bytes"),
        ("long", plain("\"x\",".repeat(5 << 20)), "the answer is over the limit of 16777216 bytes"),
        ("deep list", plain("[".repeat(100_000)), "broken JSON (status 200)"),
        (
            "deep rows",
            plain(format!("{{\"results\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000))),
            "broken JSON (status 200)",
        ),
        ("many values", plain(format!("[{}1]", "1,".repeat(1_000_000))), "more than 500000 values"),
        (
            "many headers",
            format!("{head}{headers}Content-Length: 2\r\n\r\n{{}}").into_bytes(),
            "error sending request",
        ),
    ] {
        let url = answering(answer);
        let remote = Remote::start();
        for manifest in ["sandbox", "create-only", "rest-lookup-bulk"] {
            let place = Place::at(&remote, manifest)
                .set("base_url", url.as_str())
                .set("retry", json!({"attempts": 1, "base_millis": 1}));
            let ran = place.run(contacts(1));
            assert!([0, 3].contains(&ran.code), "{what} {manifest}: {ran:?}");
            assert_eq!(place.counts("contacts").get("created"), None, "{what} {manifest}");
            let told = ran.stderr + &place.read("results.jsonl");
            assert!(told.contains(words), "{what} {manifest}: {told}");
            assert_eq!(place.summary()["proof"]["holds"], true, "{what} {manifest}");
        }
    }
}

/// A manifest whose one request has this body.
fn manifest(body: &str) -> String {
    format!(
        "version: 1\nname: m\nbase_url: http://127.0.0.1:9\n\
         streams: {{ \"*\": {{ create: {{ method: POST, path: /x,\n body: {body} }} }} }}\n"
    )
}

#[test]
fn what_nests_a_hundred_thousand_levels_is_refused_wherever_it_stands() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let remote = Remote::start();
    let good =
        format!("\"connector\":\"rest\",\"manifest\":\"sandbox\",\"base_url\":\"{}\"", remote.url);
    let place = Place::with(json!({}));
    place.file("deep.json", format!("{{{good},\"more\":{deep}}}"));
    place.file("good.json", format!("{{{good}}}"));
    place.file("manifest.json", format!("{{{good},\"manifest\":\"deep.yaml\"}}"));
    place.file("deep.yaml", manifest(&deep));
    place.file("faults.yaml", format!("faults: {deep}\n"));
    place.file("state.json", format!("{{\"bookmarks\":{deep}}}"));
    let line = |kind: &str, key: &str| {
        format!(
            "{{\"type\":\"{kind}\",\"stream\":\"contacts\",\"key_properties\":[],\"{key}\":{deep}}}\n"
        )
    };
    place.file("schema.jsonl", line("SCHEMA", "schema"));
    place.file(
        "record.jsonl",
        contacts(1)
            + &line("RECORD", "record")
                .replace(&deep, &format!("{{\"externalId\":\"deep\",\"a\":{deep}}}")),
    );
    place.file("line.jsonl", format!("{deep}\n"));
    place.file("value.jsonl", line("STATE", "value"));
    for (arguments, code, words) in [
        (&["--config", "deep.json"][..], 2, "is not a JSON object"),
        (&["--config", "manifest.json"], 2, "deep.yaml:5:"),
        (&["sandbox", "--faults", "faults.yaml"], 2, "faults.yaml"),
        (&["--config", "good.json", "--state", "state.json"], 2, "state.json"),
        (&["--config", "good.json", "--input", "schema.jsonl"], 4, "line 1"),
        (&["--config", "good.json", "--input", "line.jsonl"], 4, "line 1"),
        (&["--config", "good.json", "--input", "record.jsonl"], 0, "nested deeper"),
        // It is passed on as it came, and nobody looks into it.
        (&["--config", "good.json", "--input", "value.jsonl"], 0, "succeeded"),
    ] {
        let ran = place.call(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(remote.by_ext("contacts").len(), 1, "and the record beside the deep one is written");
}

/// Each definition names the next one twice: a record that keeps to it was checked for ever.
#[test]
fn a_schema_that_stands_for_more_than_it_says_is_refused() {
    let mut schema = json!({"properties": {"externalId": {}, "v": {"$ref": "#/definitions/d0"}},
        "definitions": {"d60": {"type": "integer"}}});
    for n in 0..60 {
        let next = json!({"$ref": format!("#/definitions/d{}", n + 1)});
        schema["definitions"][format!("d{n}")] = json!({"allOf": [next, next]});
    }
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let line = json!({"type": "SCHEMA", "stream": "s", "key_properties": [], "schema": schema});
    let ran = place.run(format!(
        "{}{line}\n{}",
        contacts(1),
        record("s", &json!({"externalId": "a", "v": 1}))
    ));
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("line 3 of the input: the schema of stream `s`"), "{}", ran.stderr);
    assert_eq!(remote.by_ext("contacts").len(), 1, "and what stands before it is written");
}

/// A line of 20 MB took 1.4 GB.
#[test]
fn a_record_of_too_many_values_is_refused_by_itself() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let many = format!("[{}1]", "1,".repeat(600_000));
    let line =
        record("contacts", &json!({"externalId": "many", "v": "MANY"})).replace("\"MANY\"", &many);
    let ran = place.run(contacts(2) + &line);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let row = &place.results()[2];
    assert_eq!(
        (&row["outcome"], &row["error_code"]),
        (&json!("rejected"), &json!("record")),
        "{row}"
    );
    let message = row["error_message"].as_str().unwrap();
    assert!(message.contains("record 3 of the input has more than 500000 values"), "{message}");
    assert_eq!(remote.by_ext("contacts").len(), 2);
    // So is a SCHEMA, with the input.
    let line =
        schema("s").replace("\"externalId\":{}", &format!("\"externalId\":{{\"enum\":{many}}}"));
    let ran = place.run(line);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("more than 500000 values"), "{}", ran.stderr);
}

#[test]
fn a_few_lines_of_yaml_that_stand_for_billions_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]".to_owned();
    for n in 1..12 {
        let before = format!("*a{}", n - 1);
        bomb += &format!(", a{n}: &a{n} [{}]", [before.as_str(); 9].join(", "));
    }
    let place = Place::with(json!({"connector": "rest", "manifest": "m.yaml"}));
    place.file("m.yaml", manifest(&format!("{{ {bomb} }}")));
    let ran = place.run(contacts(1));
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("m.yaml:5:") && ran.stderr.contains("budget"), "{}", ran.stderr);
}

#[test]
fn a_template_that_runs_away_ends_in_a_rejection() {
    let remote = Remote::start();
    let manifest =
        std::fs::read_to_string(crate::support::fixture("manifests/create-only.yaml")).unwrap();
    let place = Place::at(&remote, "sandbox").set("manifest", "m.yaml").set(
        "streams",
        json!({"contacts": {"fields": {"n": {"template":
            "{% for a in range(999) %}{% for b in range(999) %}x{% endfor %}{% endfor %}"}}}}),
    );
    place.file("m.yaml", manifest);
    let ran = place.run(schema("contacts") + &record("contacts", &json!({"externalId": "a"})));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let row = &place.results()[0];
    assert_eq!(row["outcome"], "rejected", "{row}");
    assert!(row["error_message"].as_str().unwrap().contains("fuel"), "{row}");
    assert!(remote.records("contacts").is_empty());
}
