//! Tokens that run out, are renewed, rotate, or are refused, in the middle of a job.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::odd::Odd;
use crate::support::{Place, Remote, contacts, counts, finish, fixture, state};

const TOKEN: &str = "POST /oauth/token";
/// Calls at once.
const IN_FLIGHT: u64 = 4;

/// A place whose jobs get their tokens by OAuth, whatever the manifest's own `auth` is.
fn place(remote: &Remote, manifest: &str) -> Place {
    let path = match manifest {
        "sandbox" => PathBuf::from("src/connector/rest/sandbox.yaml"),
        name => fixture("manifests").join(format!("{name}.yaml")),
    };
    let text = std::fs::read_to_string(path).unwrap();
    let auth = "auth: { type: oauth2_refresh, token_url: \"{{ base_url }}/oauth/token\" }";
    let lines = text.lines().map(|line| if line.starts_with("auth:") { auth } else { line });
    let place = Place::at(remote, "sandbox")
        .set("manifest", "m.yaml")
        .set("max_in_flight", IN_FLIGHT)
        .set("batch", json!({"records": 3}))
        .set("retry", json!({"base_millis": 1, "attempts": 12}));
    place.file("m.yaml", lines.collect::<Vec<_>>().join("\n"));
    place
}

/// Requests that are no renewal, and those of them that were refused with 401.
fn data_calls(remote: &Remote) -> (u64, u64) {
    let calls = remote.calls();
    let all = calls["calls"].as_object().unwrap().iter().filter(|(call, _)| *call != TOKEN);
    (
        all.filter_map(|(_, count)| count.as_u64()).sum(),
        calls["statuses"]["401"].as_u64().unwrap_or(0),
    )
}

fn renewals(remote: &Remote) -> u64 {
    remote.calls()["calls"][TOKEN].as_u64().unwrap_or(0)
}

const MANIFESTS: [&str; 4] = ["sandbox", "rest-lookup-bulk", "rest-one-by-one", "rest-by-ext"];

#[test]
fn a_token_that_runs_out_by_calls_is_renewed_once_and_loses_no_record() {
    for manifest in MANIFESTS {
        let remote = Remote::with("{static_token: false, latency_ms: 5, token_calls: 11}");
        let place = place(&remote, manifest);
        place.done(contacts(60));
        assert_eq!(remote.by_ext("contacts").len(), 60, "{manifest}");
        assert_eq!(place.counts("contacts"), counts([("read", 60), ("created", 60)]), "{manifest}");
        // A token is left only when it is used up; the first one, of the config, was good for none.
        let (all, refused) = data_calls(&remote);
        assert!(refused >= 1, "{manifest}");
        assert_eq!(
            renewals(&remote),
            (all - refused).div_ceil(11),
            "{manifest}: {}",
            remote.calls()
        );
    }
}

/// The remote takes the tokens for longer than is promised, so that a slow machine is in time too,
/// and it is the promise alone that renews them.
#[test]
fn a_token_that_runs_out_by_time_is_renewed_before_it_does() {
    let promise = json!({"access_token": "sandbox-token", "expires_in": 3});
    // It is renewed after half of what is promised. No more calls of 150 ms than these begin until
    // then, on any machine; into all that is promised as many fit as the test makes.
    let fit = IN_FLIGHT * (1500 / 150 + 1);
    for manifest in ["sandbox", "rest-lookup-bulk"] {
        let remote = Remote::with("{latency_ms: 150}");
        let answer = ResponseTemplate::new(200).set_body_json(&promise);
        let endpoint = Odd::start(move |_, _| answer.clone());
        let mut place = place(&remote, manifest).set("batch", json!({"records": 1}));
        let text = place.read("m.yaml");
        place.file("m.yaml", text.replace("{{ base_url }}", &endpoint.server.uri()));
        // The first token is to be got.
        place.config.as_object_mut().unwrap().remove("access_token");
        place.done(contacts(60));
        assert_eq!(place.counts("contacts"), counts([("read", 60), ("created", 60)]), "{manifest}");
        let (all, refused) = data_calls(&remote);
        let tokens = endpoint.world().asked.len() as u64;
        assert!(tokens >= all.div_ceil(fit), "{manifest}: {tokens} for {all} calls");
        assert_eq!(refused, 0, "{manifest}: {}", remote.calls());
    }
}

#[test]
fn a_token_that_the_remote_takes_back_is_renewed_once() {
    for (manifest, calls) in [
        ("sandbox", &["POST /v1/{object}/batch"][..]),
        ("rest-lookup-bulk", &["POST /v1/{object}/search", "POST /v1/{object}/batch/create"]),
        ("rest-one-by-one", &["POST /v1/{object}"]),
        ("rest-by-ext", &["PUT *"]),
    ] {
        let faults = calls
            .iter()
            .map(|call| format!("{{on: \"{call}\", calls: [3, 12], do: expire_token}}"));
        let faults = faults.collect::<Vec<_>>().join(", ");
        let remote = Remote::with(&format!("{{latency_ms: 5, faults: [{faults}]}}"));
        let place = place(&remote, manifest);
        place.done(contacts(60));
        assert_eq!(place.counts("contacts"), counts([("read", 60), ("created", 60)]), "{manifest}");
        let (expired, renewals) = (remote.faults("expire_token"), renewals(&remote));
        assert_eq!(expired, 2 * calls.len() as u64, "{manifest}: {}", remote.calls());
        // Two calls of one token that are refused at once share a renewal.
        assert!((2..=expired).contains(&renewals), "{manifest}: {}", remote.calls());
    }
}

#[test]
fn a_refused_credential_ends_the_job_and_nothing_more_is_asked_for() {
    let wrong = [("refresh_token", "wrong-refresh"), ("client_secret", "wrong-secret")];
    for (manifest, (key, value)) in MANIFESTS.iter().flat_map(|one| wrong.map(|two| (one, two))) {
        let remote = Remote::with("{static_token: false, latency_ms: 5}");
        let mut place = place(&remote, manifest).set(key, value);
        place.config.as_object_mut().unwrap().remove("access_token");
        let ran = place.run(contacts(60));
        assert_eq!(ran.code, 3, "{manifest}: {}", ran.stderr);
        assert!(ran.stderr.contains("the token endpoint answered invalid_"), "{}", ran.stderr);
        assert!(!ran.stderr.contains(value), "{}", ran.stderr);
        assert_eq!(data_calls(&remote).0, 0, "{manifest}: {}", remote.calls());
        assert_eq!(renewals(&remote), 1, "{manifest}: asked once, however many wait for it");
        assert_eq!(place.counts("contacts"), counts([("read", 60), ("failed", 60)]), "{manifest}");
        assert_eq!(ran.state()["summary"]["contacts"]["fail"], 60);
        // Mended, all of it comes again.
        let mended = place.set(
            key,
            format!("sandbox-{}", key.rsplit('_').next().unwrap().replace("token", "refresh")),
        );
        mended.done(contacts(60));
        assert_eq!(remote.by_ext("contacts").len(), 60, "{manifest}");
    }
}

/// A call that was under way when the refresh token was refused got its own 401 afterwards and
/// asked for a token once more.
#[test]
fn a_refresh_that_is_refused_in_mid_job_ends_it_with_the_state_of_what_was_written() {
    // A token is good for so many calls that some records are written, and not all.
    for (manifest, good_for) in MANIFESTS.into_iter().zip([10, 25, 80, 10]) {
        let remote = Remote::with(&format!(
            "{{static_token: false, latency_ms: 5, token_calls: {good_for}, faults: [{{on: \"{TOKEN}\", \
             calls: [3], do: status, status: 400, body: '{{\"error\": \"invalid_grant\"}}'}}]}}"
        ));
        let place = place(&remote, manifest);
        let input = contacts(90) + &state(&json!({"bookmark": 90}));
        let ran = place.run(&input);
        assert_eq!(ran.code, 3, "{manifest}: {}", ran.stderr);
        assert!(ran.stderr.contains("invalid_grant"), "{manifest}: {}", ran.stderr);
        // Two tokens; what was in flight when they ended was refused and not repeated.
        assert_eq!(renewals(&remote), 3, "{manifest}: {}", remote.calls());
        let (all, refused) = data_calls(&remote);
        assert_eq!(all - refused, 2 * good_for, "{manifest}: {}", remote.calls());
        assert!(refused <= 3 * IN_FLIGHT, "{manifest}: {}", remote.calls());
        let held = remote.by_ext("contacts");
        let written = held.len() as u64;
        assert!(written > 0, "{manifest}");
        let expected = counts([("read", 90), ("created", written), ("failed", 90 - written)]);
        assert_eq!(place.counts("contacts"), expected, "{manifest}");
        assert_eq!(place.summary()["proof"]["holds"], true);
        let told = ran.state();
        assert_eq!(told["summary"]["contacts"]["success"], written, "{manifest}");
        assert!(!told["tap"].to_string().contains("90"), "{manifest}: {told}");
        for row in place.results() {
            let is_held = held.contains_key(row["InputId"].as_str().unwrap());
            let code = if is_held { Value::Null } else { "not_sent".into() };
            assert_eq!((&row["success"], &row["error_code"]), (&json!(is_held), &code), "{row}");
        }
        // The others come again.
        let ran = place.done(&input);
        assert_eq!(remote.by_ext("contacts").len(), 90, "{manifest}");
        assert_eq!(remote.calls()["records_created"], 90, "{manifest}");
        assert!(ran.state()["tap"].to_string().contains("90"), "{manifest}");
    }
}

#[test]
fn a_rotated_refresh_token_is_kept_in_the_config_file() {
    let remote = Remote::with("{static_token: false, rotate_refresh_token: true, token_calls: 10}");
    let mut place = place(&remote, "rest-by-ext");
    place.done(contacts(35));
    let config: Value = serde_json::from_str(&place.read("config.json")).unwrap();
    assert_ne!(config["refresh_token"], "sandbox-refresh");
    assert_eq!(config["client_id"], "sandbox-client", "other keys stay");
    // The next job starts from it.
    place.config = config;
    place.done(contacts(40));
    assert_eq!(remote.by_ext("contacts").len(), 40);
}

/// What the config file held when a request came, beside the token that the request carried.
type Notes = Arc<Mutex<Vec<(String, Value)>>>;

/// A remote with a token endpoint that rotates; each token is good for five requests.
fn rotating(config: Arc<Mutex<PathBuf>>, notes: Notes) -> Odd {
    Odd::start(move |world, request| {
        if request.url.path() == "/oauth/token" {
            let n = world.add(json!({}));
            return ResponseTemplate::new(200).set_body_json(json!({"expires_in": 3600,
                "access_token": format!("access-{n}"), "refresh_token": format!("refresh-{n}")}));
        }
        let token = request.headers["authorization"].to_str().unwrap().to_owned();
        let stands = std::fs::read(&*config.lock().unwrap()).unwrap();
        let mut notes = notes.lock().unwrap();
        notes.push((token.clone(), serde_json::from_slice(&stands).unwrap()));
        let uses = notes.iter().filter(|(used, _)| *used == token).count();
        ResponseTemplate::new(if uses > 5 { 401 } else { 200 }).set_body_json(json!({"id": "1"}))
    })
}

#[test]
fn a_token_is_in_the_config_file_before_any_request_carries_it() {
    let (path, notes) = (Arc::default(), Notes::default());
    let odd = rotating(Arc::clone(&path), Arc::clone(&notes));
    let remote = Remote::start();
    let place = place(&remote, "rest-by-ext").set("base_url", odd.server.uri());
    *path.lock().unwrap() = place.path("config.json");
    place.done(contacts(40));
    let notes = notes.lock().unwrap();
    let mut tokens: Vec<&str> = notes.iter().map(|(token, _)| token.as_str()).collect();
    tokens.dedup();
    assert!(tokens.len() >= 8, "{tokens:?}");
    for (token, config) in notes.iter().filter(|(token, _)| token != "Bearer sandbox-token") {
        // Another renewal may have come in between, never one too few.
        let number = |text: &str| text.rsplit('-').next().unwrap().parse::<u64>().unwrap();
        for key in ["access_token", "refresh_token"] {
            let stands = config[key].as_str().unwrap();
            assert!(stands.starts_with(key.trim_end_matches("_token")), "{token}: {stands}");
            assert!(number(stands) >= number(token), "{token}: {key} is {stands}");
        }
    }
}

/// The first job to renew used up what the other had read, which then ended, though the file held a
/// new one.
#[test]
fn two_jobs_that_share_a_config_file_take_turns_and_each_others_new_tokens() {
    let remote = Remote::with(
        "{static_token: false, rotate_refresh_token: true, latency_ms: 20, token_calls: 10}",
    );
    let place = place(&remote, "rest-by-ext");
    let inputs = [contacts(60), contacts(60).replace("\"c-", "\"d-")];
    let mut commands = [place.job(), place.job()];
    for (n, command) in commands.iter_mut().enumerate() {
        command.args(["--store", &format!("store-{n}/store.db")]);
    }
    let [first, second] = commands.map(|mut command| command.spawn().unwrap());
    let ran = std::thread::scope(|scope| {
        let first = scope.spawn(|| finish(first, inputs[0].as_bytes()));
        [finish(second, inputs[1].as_bytes()), first.join().unwrap()]
    });
    for ran in &ran {
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    assert_eq!(remote.by_ext("contacts").len(), 120);
}
