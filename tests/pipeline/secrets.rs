//! No secret is printable: not in a log, an error, the summary, the results, a panic.

use std::net::TcpListener;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use wiremock::{Request, ResponseTemplate};

use crate::support::odd::Odd;
use crate::support::secrets::{HUSH, all_commands, job, leak, told};
use crate::support::{Place, Remote, contacts};

const SECRETS: [&str; 3] =
    ["hush-token-0123456789", "hush-refresh-0123456789", "hush-secret-0123456789"];

/// A place whose credentials are wrong and easy to find in a text.
fn place(remote: &Remote, manifest: &str) -> Place {
    Place::at(remote, manifest)
        .set("access_token", SECRETS[0])
        .set("refresh_token", SECRETS[1])
        .set("client_secret", SECRETS[2])
        .set("retry", serde_json::json!({"attempts": 2, "base_millis": 1}))
        .env("LOGLEVEL", "TRACE")
}

#[test]
fn nothing_that_is_written_has_a_secret_in_it() {
    let faults = [
        "{static_token: false}",
        "{faults: [{on: \"*\", do: reset}]}",
        "{faults: [{on: \"*\", do: html}]}",
        "{faults: [{on: \"*\", do: status, status: 400, body: '{\"message\": \"bad token hush-token-0123456789 hush-refresh-0123456789\"}'}]}",
        "{faults: [{on: \"*\", do: status, status: 401, body: '{\"error\": \"invalid_grant\", \"error_description\": \"hush-secret-0123456789 hush-refresh-0123456789\"}'}]}",
    ];
    for faults in faults {
        for manifest in ["sandbox", "rest-by-ext"] {
            let remote = Remote::with(faults);
            let place = place(&remote, manifest);
            let ran = place.run(contacts(3));
            assert_ne!((ran.code, ran.stdout.contains("true")), (0, true), "{faults}");
            let checked = place.call(&["check", "--config", "config.json", "contacts"]);
            let token = place.call(&["--access-token", "--config", "config.json"]);
            let mut all = ran.stdout + &ran.stderr + &checked.stdout + &checked.stderr;
            // What it prints on stdout is the token that was asked for, or why there is none.
            assert!(token.stdout.contains("access_token") || token.stdout.contains("error"));
            all += &token.stderr;
            if token.stdout.contains("error") {
                all += &token.stdout;
            }
            for entry in std::fs::read_dir(place.folder.path()).unwrap() {
                let entry = entry.unwrap();
                if entry.file_name() == "config.json" || entry.path().is_dir() {
                    continue;
                }
                all += &String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap());
            }
            for entry in std::fs::read_dir(place.path(".target-upsert")).unwrap() {
                all += &String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap());
            }
            for secret in SECRETS {
                assert!(!all.contains(secret), "{manifest} {faults}: {secret} is in\n{all}");
            }
        }
    }
}

/// The remote told back what it was sent, as some do for what they refuse; only texts of a few
/// names at the top of the config were known as secrets.
#[test]
fn what_a_login_sends_is_in_no_output_when_the_remote_tells_it_back() {
    let secrets = ["hush-passwd-1", "hush-nested-22", "8877665544332211", "hush-literal-55"];
    for login in [true, false] {
        let odd = Odd::start(move |_, request| {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            if request.url.path() == "/login" && login {
                let token = json!({"token": "hush/token+9999=="});
                return ResponseTemplate::new(200).set_body_json(token);
            }
            let header = request.headers.get("x-token").map(|value| value.to_str().unwrap());
            let told = header.unwrap_or_default().replace('/', "\\/");
            let query = request.url.query().unwrap_or_default();
            let text =
                format!("{{\"message\": \"bad: {told} {} {query}\"}}", body.replace('"', "'"));
            ResponseTemplate::new(422).set_body_string(text)
        });
        let place = Place::with(json!({
            "connector": "rest", "manifest": "m.yaml", "base_url": odd.server.uri(),
            "passwd": secrets[0], "db": {"password": secrets[1]}, "pin_key": 8_877_665_544_332_211_u64,
        }))
        .env("LOGLEVEL", "TRACE");
        place.file("m.yaml", LOGIN);
        let ran = place.run(contacts(1));
        let checked = place.call(&["check", "--config", "config.json", "contacts"]);
        let mut all = ran.stdout + &ran.stderr + &checked.stdout + &checked.stderr;
        for name in ["summary.json", "results.jsonl"] {
            all += &place.read(name);
        }
        assert!(all.contains("[secret]"), "{all}");
        for secret in secrets.iter().chain(&["hush/token+9999==", "hush\\/token"]) {
            assert!(!all.contains(secret), "{secret} is in\n{all}");
        }
    }
}

const LOGIN: &str = r#"
version: 1
name: m
base_url: "{{ config.base_url }}"
auth:
  type: login
  login:
    method: POST
    path: /login
    body: { user: bob, password: "{{ config.passwd }}", more: { db: "{{ config.db.password }}" },
            pin: "{{ config.pin_key }}", fixed: hush-literal-55 }
    token: $.token
  header: X-Token
  key: "{{ token }}"
streams:
  "*":
    create:
      method: POST
      path: /create
      query: { nested: "{{ config.db.password }}" }
      body: "{{ record }}"
"#;

/// A stream that creates, and a check, with what stands before them.
fn manifest(auth: &str) -> String {
    format!(
        "version: 1\nname: m\nbase_url: \"{{{{ config.base_url }}}}\"\n{auth}\n\
         check: {{ method: GET, path: /me }}\n\
         streams: {{ \"*\": {{ create: {{ method: POST, path: /x, body: \"{{{{ record }}}}\" }} }} }}\n"
    )
}

/// Every way to say who sends a request.
const WAYS: [&str; 10] = [
    "auth: { type: bearer, token: \"{{ config.access_token }}\" }",
    "auth: { type: basic, username: bob, password: \"{{ config.password }}\" }",
    "auth: { type: api_key, header: X-It, key: \"Basic {{ ('bob:' ~ config.password) | base64 }}\" }",
    "auth: { type: api_key, query: it, key: \"{{ config.it }}\" }",
    "auth: { type: none }\nheaders: { Authorization: \"Basic {{ ('bob:' ~ config.password) | base64 }}\" }",
    "auth: { type: none }\nheaders: { X-Api-Key: \"hush-literal-0123\" }",
    "auth: { type: oauth2_refresh, token_url: \"{{ base_url }}/token\", parameters: { assertion: \"{{ config.it }}\" } }",
    "auth: { type: oauth2_client_credentials, token_url: \"{{ base_url }}/token\", client_in: basic }",
    "auth: { type: oauth2_client_assertion, token_url: \"{{ base_url }}/token\", scope: a }",
    "auth: { type: oauth1, consumer_key: key, consumer_secret: \"{{ config.password }}\", token: \"{{ config.it }}\", token_secret: \"{{ config.access_token }}\" }",
];

/// Tells a request back, as remotes do for people who look for their mistake: each status in
/// another encoding.
fn echo(status: u16, request: &Request) -> ResponseTemplate {
    let mut seen = format!("{} ", request.url);
    let plain =
        ["accept", "accept-encoding", "content-length", "content-type", "host", "user-agent"];
    let headers = request.headers.iter().map(|(name, value)| {
        let value = value.to_str().unwrap();
        let told = format!("{value} ({}) ", value.rsplit(' ').next().unwrap());
        (plain.contains(&name.as_str()), told)
    });
    // Of a long text the end is not told: what has no secret comes last.
    let (plain, others): (Vec<_>, Vec<_>) = headers.partition(|(is_plain, _)| *is_plain);
    seen.extend(others.into_iter().map(|(_, told)| told));
    seen += &String::from_utf8_lossy(&request.body);
    seen.extend(plain.into_iter().map(|(_, told)| told));
    let body =
        json!({"message": seen, "error": "invalid_grant", "error_description": seen}).to_string();
    let body = match status {
        400 => body,
        401 => body.replace('/', "\\/").replace('+', "\\u002B").replace('=', "\\u003d"),
        403 => percent_encoding::utf8_percent_encode(&seen, percent_encoding::NON_ALPHANUMERIC)
            .to_string(),
        200 => format!("<!doctype html> {seen}"),
        _ => seen.clone(),
    };
    let place =
        format!("https://elsewhere.example/?seen={}", request.url.query().unwrap_or("hush"));
    let answer = ResponseTemplate::new(status).set_body_string(body);
    if status == 302 { answer.insert_header("location", place) } else { answer }
}

/// Base64 of a basic authorization was not known as a secret where OAuth sends it or a template
/// makes it, a credential that follows a scheme only together with it, a key that a manifest holds
/// not at all, and nothing that was written as `\u002B`.
#[test]
fn a_remote_that_tells_the_credential_back_finds_no_ear() {
    let key = rcgen::KeyPair::generate().unwrap();
    let key = BASE64_STANDARD.encode(key.serialized_der());
    let key = format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----");
    let mut leaks = Vec::new();
    for (auth, gives_token) in WAYS.iter().flat_map(|way| [(way, true), (way, false)]) {
        if !gives_token && !auth.contains("oauth2") {
            continue;
        }
        for status in [200, 302, 400, 401, 403, 500] {
            let odd = Odd::start(move |_, request| {
                if gives_token && request.url.path() == "/token" {
                    let token =
                        json!({"access_token": "hush/fresh+9==", "refresh_token": "hush/next+9=="});
                    return ResponseTemplate::new(200).set_body_json(token);
                }
                echo(status, request)
            });
            let place = Place::with(json!({"connector": "rest", "manifest": "m.yaml",
                "base_url": odd.server.uri(), "access_token": format!("{HUSH}-access"), "password": HUSH,
                "it": format!("{HUSH}-it"), "refresh_token": format!("{HUSH}-refresh"),
                "client_id": "client", "client_secret": HUSH, "private_key": key, "expires_in": 1,
                "retry": {"attempts": 2, "base_millis": 1}}));
            place.file("m.yaml", manifest(auth));
            let (place, ran) = match status {
                401 => all_commands(place),
                _ => job(place),
            };
            let all = told(&place, &ran);
            assert!(all.contains(&status.to_string()), "{auth} {status}: {all}");
            // Where a token is promised none of the body is told, and of a redirect the host alone.
            let mut is_quoted = status != 302 && (gives_token || status != 200);
            // Nor is the end of a long form that is encoded twice.
            is_quoted &= gives_token || status != 403 || !auth.contains("client_assertion");
            assert!(all.contains("[secret]") || !is_quoted, "{auth} {status}: {all}");
            // So begins what is signed.
            assert!(!all.contains("eyJ0eXAi"), "{auth} {status}: {all}");
            leaks.extend(leak(&format!("{auth} {status}"), &all));
        }
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
}

/// What Python, PHP and templates make of a password that is no ASCII stood in the log, as did JSON
/// in JSON, numbers of characters and what was no UTF-8.
#[test]
fn a_secret_is_known_under_whatever_escapes_it_is_told_back() {
    let secret = "p\u{e4}ssw\u{f6}rt/9+z-hush";
    let json = r"p\u00e4ssw\u00f6rt\/9+z-hush";
    for told in [
        json.to_owned(),
        serde_json::json!({"message": format!("{{\"p\": \"{json}\"}}")}).to_string(),
        secret.chars().map(|c| format!("&#x{:X};", u32::from(c))).collect::<Vec<_>>().concat(),
        "p%25C3%25A4ssw%25C3%25B6rt%252F9%252Bz%252Dhush".to_owned(),
        "p%e4ssw%f6rt%2f9%2bz-hush".to_owned(),
        String::new(),
    ] {
        let body = if told.is_empty() { b"p\xe4ssw\xf6rt/9+z-hush".to_vec() } else { told.into() };
        let sent = body.clone();
        let odd = Odd::start(move |_, _| ResponseTemplate::new(422).set_body_bytes(body.clone()));
        let place = Place::with(json!({"connector": "rest", "manifest": "m.yaml",
            "base_url": odd.server.uri(), "access_token": secret}));
        place.file(
            "m.yaml",
            manifest("auth: { type: api_key, query: it, key: \"{{ config.access_token }}\" }"),
        );
        let (place, ran) = all_commands(place);
        let all = crate::support::secrets::told(&place, &ran);
        assert!(all.contains("[secret]"), "{all}");
        assert!(
            !all.contains("9+z") && !all.contains("hush"),
            "{}: {all}",
            String::from_utf8_lossy(&sent)
        );
    }
}

/// It was stored with the record, in the id map and the state.
#[test]
fn a_credential_that_is_told_as_a_records_id_is_not_taken_for_one() {
    let odd = Odd::start(|_, _| ResponseTemplate::new(200).set_body_json(json!({"id": HUSH})));
    let place = Place::with(json!({"connector": "rest", "manifest": "m.yaml",
        "base_url": odd.server.uri(), "access_token": HUSH}));
    let text =
        manifest("auth: { type: api_key, header: X-It, key: \"{{ config.access_token }}\" }");
    place.file("m.yaml", text.replace("path: /x,", "path: /x, remote_id: $.id,"));
    let (place, ran) = job(place);
    let all = told(&place, &ran);
    assert_eq!(place.counts("contacts")["in_doubt"], 1, "{all}");
    assert!(all.contains("as the id or the version of a record"), "{all}");
    assert_eq!(leak("rest", &all), None);
    let place = Place::with(json!({"connector": "api", "url": odd.server.uri(), "auth": true,
        "api_key": HUSH}));
    let (place, ran) = job(place);
    assert_eq!(place.counts("contacts")["created"], 1);
    assert_eq!(leak("api", &told(&place, &ran)), None);
}

/// Of a redirect the host alone is told, and a remote can put into it what it was sent. A host's
/// name is in lower case, whatever the credential is in.
#[test]
fn a_redirect_to_a_host_that_is_named_after_the_credential_is_told_without_it() {
    let token = "Hush-Token.0123456789";
    let odd = Odd::start(move |_, _| {
        let to = format!("https://a.{token}.elsewhere.example/");
        ResponseTemplate::new(307).insert_header("location", to)
    });
    let mut leaks = Vec::new();
    for auth in [WAYS[0], WAYS[3], WAYS[6], WAYS[7]] {
        let place = Place::with(json!({"connector": "rest", "manifest": "m.yaml",
            "base_url": odd.server.uri(), "access_token": token, "it": token,
            "refresh_token": token, "client_id": "client", "client_secret": token,
            "expires_in": 1}));
        place.file("m.yaml", manifest(auth));
        let (place, ran) = all_commands(place);
        let all = told(&place, &ran);
        assert!(all.contains("a.[secret].elsewhere.example"), "{auth}: {all}");
        leaks.extend(leak(auth, &all));
    }
    let place = Place::with(json!({"connector": "api", "url": odd.server.uri(), "auth": true,
        "api_key": token}));
    let (place, ran) = job(place);
    let all = told(&place, &ran);
    assert!(all.contains("a.[secret].elsewhere.example"), "{all}");
    leaks.extend(leak("api", &all));
    assert!(leaks.is_empty(), "{leaks:#?}");
}

#[test]
fn a_remote_out_of_reach_is_told_without_the_credential() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let resets = TcpListener::bind("127.0.0.1:0").unwrap();
    let resetting = format!("http://{}", resets.local_addr().unwrap());
    std::thread::spawn(move || resets.incoming().for_each(drop));
    let slow = Odd::start(|_, _| ResponseTemplate::new(200).set_delay(Duration::from_secs(20)));
    let proxy = format!("http://bob:hush-0123@{closed}");
    let mut leaks = Vec::new();
    for (way, url, proxy, words) in [
        (WAYS[0], "http://no-such-host.invalid", "", "dns error"),
        (WAYS[6], "http://no-such-host.invalid", "", "dns error"),
        (WAYS[3], &*format!("http://{closed}"), "", "connection refused"),
        (WAYS[6], &*format!("http://{closed}"), "", "connection refused"),
        (WAYS[3], &*slow.server.uri().replace("http:", "https:"), "", "corrupt message"),
        (WAYS[3], &*slow.server.uri(), "", "timed out"),
        (WAYS[6], &*slow.server.uri(), "", "timed out"),
        (WAYS[3], &*resetting, "", "connection "),
        (WAYS[6], &*resetting, "", "connection "),
        (WAYS[3], &*slow.server.uri(), &*proxy, "connection refused"),
        (WAYS[3], "https://127.0.0.1:1", &*proxy, "connection refused"),
    ] {
        let place = Place::with(json!({"connector": "rest", "manifest": "m.yaml", "base_url": url,
            "access_token": format!("{HUSH}-access"), "it": format!("{HUSH}-it"), "expires_in": 1,
            "refresh_token": format!("{HUSH}-refresh"), "client_id": "client",
            "client_secret": HUSH, "timeout_secs": 1, "retry": {"attempts": 1}}))
        .env("ALL_PROXY", proxy);
        place.file("m.yaml", manifest(way));
        let (place, ran) = all_commands(place);
        let all = told(&place, &ran);
        assert!(all.to_lowercase().contains(words), "{url} {way}: {all}");
        leaks.extend(leak(&format!("{url} {way}"), &all));
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
}
