//! What HubSpot refuses, loses, and asks to wait for.

use std::time::{Duration, Instant};

use serde_json::json;
use wiremock::ResponseTemplate;

use super::{COMPANIES, CONTACTS, place, schema};
use crate::support::odd::Odd;
use crate::support::{Place, Remote, counts, finish, record};

fn contacts(emails: impl Iterator<Item = String>) -> String {
    let lines =
        emails.map(|email| record("contacts", &json!({"email": email, "firstname": "Ann"})));
    schema("contacts", &["email", "firstname"]) + &lines.collect::<String>()
}

fn numbered(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("p{n}@example.com"))
}

#[test]
fn each_record_has_its_own_refusal() {
    let remote = Remote::start();
    let place = place(&remote);
    let mut input = contacts(numbered(5));
    input += &record("contacts", &json!({"email": "nonsense", "firstname": "Bad"}));
    place.done(input);
    assert_eq!(place.counts("contacts"), counts([("read", 6), ("created", 5), ("rejected", 1)]));
    assert_eq!(remote.crm_by(CONTACTS, "email").len(), 5);
    let row = place.results().into_iter().find(|row| row["outcome"] == "rejected").unwrap();
    assert_eq!(
        (&row["error_class"], &row["error_code"]),
        (&json!("InvalidPayloadError"), &json!("INVALID_EMAIL"))
    );
    assert!(row["error_message"].as_str().unwrap().contains("nonsense"), "{row}");
}

/// A call that is refused as a whole is halved until the bad record stands alone.
#[test]
fn one_bad_record_does_not_stop_the_others_of_its_call() {
    let remote = Remote::with("{all_or_nothing: true}");
    let place = place(&remote);
    let mut input = schema("companies", &["externalId", "name"]);
    for n in 0..20 {
        input += &record("companies", &json!({"externalId": n, "name": "Acme"}));
    }
    input += &schema("companies", &["externalId", "name", "nope"]);
    input += &record("companies", &json!({"externalId": 20, "name": "Acme", "nope": 1}));
    place.done(input);
    assert_eq!(place.counts("companies"), counts([("read", 21), ("created", 20), ("rejected", 1)]));
    assert_eq!(remote.crm(COMPANIES).len(), 20);
}

#[test]
fn answers_that_are_lost_or_lack_results_make_nothing_twice() {
    for fault in
        ["reset_after", "truncate_after", "drop_results, count: 3", "status_after, status: 502"]
    {
        let remote = Remote::with(&format!(
            "{{shuffle: true, faults: [{{on: 'POST /crm/objects/*/contacts/batch/create', calls: [1, 2], do: {fault}}}]}}"
        ));
        let place = place(&remote);
        place.done(contacts(numbered(250)));
        let held = remote.crm_by(CONTACTS, "email");
        assert_eq!(held.len(), 250, "{fault}: {:?}", place.counts("contacts"));
        let kind = fault.split(',').next().unwrap();
        assert!(remote.faults(kind) >= 1, "{fault}");
        place.done(contacts(numbered(250)));
        assert_eq!(remote.crm_by(CONTACTS, "email").len(), 250, "{fault}");
    }
}

#[test]
fn a_job_that_is_killed_makes_nothing_twice() {
    for step in ["intended:2", "sent:2", "answered:2", "recorded:2"] {
        let remote = Remote::start();
        let place = place(&remote);
        place.dies_at(step, contacts(numbered(250)));
        place.done(contacts(numbered(250)));
        assert_eq!(remote.crm_by(CONTACTS, "email").len(), 250, "{step}");
    }
}

/// Nobody looks for them first: the refusal names the one that is there.
#[test]
fn a_contact_that_is_there_is_changed() {
    let remote = Remote::start();
    let place = place(&remote).set("streams", json!({"contacts": {"lookup_fields": []}}));
    place.done(contacts(numbered(3)));
    place.done(contacts(numbered(2).chain(["new@example.com".to_owned()])).replace("Ann", "Bea"));
    assert_eq!(place.counts("contacts"), counts([("read", 3), ("created", 1), ("updated", 2)]));
    let held = remote.crm_by(CONTACTS, "email");
    assert_eq!((held.len(), &held["p1@example.com"]["firstname"]), (4, &json!("Bea")));
}

#[test]
fn a_spent_quota_of_a_day_ends_the_job_at_once() {
    let body = r#"{"status":"error","category":"RATE_LIMITS","policyName":"DAILY","message":"You have reached your daily limit."}"#;
    let remote = Remote::with(&format!(
        "{{faults: [{{on: 'POST /crm/objects/*/contacts/batch/create', calls: [2], do: status, status: 429, body: '{body}'}}]}}"
    ));
    let place = place(&remote);
    let began = Instant::now();
    let ran = place.run(contacts(numbered(250)));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("quota"), "{}", ran.stderr);
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_eq!(place.summary()["proof"]["holds"], true);
    place.done(contacts(numbered(250)));
    assert_eq!(remote.crm_by(CONTACTS, "email").len(), 250);
}

#[test]
fn scopes_that_are_missing_are_named() {
    let body = r#"{"status":"error","category":"MISSING_SCOPES","message":"This app has not been granted all required scopes.","errors":[{"message":"One or more are needed.","context":{"requiredGranularScopes":["crm.objects.contacts.write"]}}]}"#;
    let remote = Remote::with(&format!(
        "{{faults: [{{on: 'POST /crm/objects/*/contacts/batch/create', do: status, status: 403, body: '{body}'}}, \
         {{on: 'POST /crm/objects/*/contacts/batch/update', do: status, status: 403, body: '{body}'}}]}}"
    ));
    let place = place(&remote);
    place.run(contacts(numbered(2)));
    let row = &place.results()[0];
    assert_eq!(row["error_class"], "InvalidCredentialsError");
    assert!(row["error_message"].as_str().unwrap().contains("crm.objects.contacts.write"), "{row}");
    let checked = place.call(&["check", "--config", "config.json", "contacts"]);
    assert_eq!(checked.code, 3);
    assert!(checked.stdout.contains("crm.objects.contacts.write"), "{}", checked.stdout);
}

/// A token lasts for far more calls than are under way at once: two that others use up before a
/// call's turn would refuse that call for good.
#[test]
fn tokens_are_renewed_and_kept() {
    let remote = Remote::with("{token_calls: 20, static_token: false, rotate_refresh_token: true}");
    let place = Place::with(
        json!({"connector": "hubspot", "base_url": remote.url, "access_token": "old",
        "refresh_token": "sandbox-refresh", "client_id": "sandbox-client", "client_secret": "sandbox-secret",
        "redirect_uri": "https://app.example.com/callback", "expires_in": 1_700_000_000}),
    );
    let place = place.set("batch", json!({"records": 10})).set("max_in_flight", 4);
    place.done(contacts(numbered(450)));
    assert_eq!(remote.crm(CONTACTS).len(), 450);
    let calls = remote.calls();
    // That of the config, and two under way.
    assert!(calls["calls"]["POST /oauth/{version}/token"].as_u64() >= Some(3), "{calls}");
    let kept: serde_json::Value = serde_json::from_str(&place.read("config.json")).unwrap();
    assert_ne!(kept["access_token"], "old");
    assert_ne!(kept["refresh_token"], "sandbox-refresh");
    assert!(kept["expires_in"].as_u64().unwrap() > 1_700_000_000);
}

#[test]
fn what_the_config_lacks_is_told() {
    let remote = Remote::start();
    for (config, told) in [
        (json!({"hapikey": "0123"}), "private app"),
        (json!({}), "access_token"),
        (json!({"refresh_token": "r"}), "client_id"),
        (json!({"access_token": "t", "api_version": "v2"}), "2026-03"),
    ] {
        let mut config = config;
        config["connector"] = "hubspot".into();
        config["base_url"] = remote.url.clone().into();
        let ran = Place::with(config).run("");
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
}

/// Ids belong to the account: one that cannot be told now may be another one.
#[test]
fn an_account_that_is_not_told_ends_the_job_before_it_begins() {
    let fault = |status: u16| {
        Remote::with(&format!(
            "{{faults: [{{on: 'GET /account-info/*/*', do: status, status: {status}}}]}}"
        ))
    };
    let remote = fault(503);
    let ran = place(&remote).run(contacts(numbered(1)));
    assert_eq!((ran.code, ran.stdout.as_str()), (3, "{}\n"), "{}", ran.stderr);
    assert_eq!(remote.crm(CONTACTS).len(), 0);
    let remote = fault(403);
    let place = place(&remote);
    place.done(contacts(numbered(1)));
    assert_eq!(remote.crm(CONTACTS).len(), 1);
}

/// Under another namespace, what is known would be made once more.
#[test]
fn an_account_that_is_told_once_and_not_again_ends_the_job() {
    for (call, before, now) in [(1, "", "/62515"), (2, "/62515", "")] {
        let remote = Remote::with(&format!(
            "{{faults: [{{on: 'GET /account-info/*/*', calls: [{call}], do: status, status: 403}}]}}"
        ));
        let companies = schema("companies", &["externalId", "name"])
            + &record("companies", &json!({"externalId": "a", "name": "Acme"}));
        let place = place(&remote);
        place.done(&companies);
        let ran = place.run(&companies);
        assert_eq!((ran.code, remote.crm(COMPANIES).len()), (2, 1), "{}", ran.stderr);
        let host = remote.url.trim_start_matches("http://");
        for told in [format!("`hubspot:{host}{before}`"), format!("`hubspot:{host}{now}`")] {
            assert!(ran.stderr.contains(&told), "{told}: {}", ran.stderr);
        }
        // As the hint has it.
        let place = place.set("namespace", format!("hubspot:{host}{before}"));
        place.done(&companies);
        assert_eq!(remote.crm(COMPANIES).len(), 1);
    }
    // What is no account's details is another remote's answer, or a proxy's.
    let remote = Remote::with(
        "{faults: [{on: 'GET /account-info/*/*', do: status, status: 200, body: '{\"portal\": 1}'}]}",
    );
    let ran = place(&remote).run(contacts(numbered(1)));
    assert_eq!((ran.code, remote.crm(CONTACTS).len()), (3, 0), "{}", ran.stderr);
}

/// A token that no header can hold is not kept; the refresh token that came with it is.
#[test]
fn a_token_that_cannot_be_used_is_not_kept() {
    let body =
        json!({"access_token": "new\ntoken", "refresh_token": "next-refresh", "expires_in": 1800});
    let fault = json!({"on": "POST /oauth/*/token", "do": "status", "status": 200, "body": body.to_string()});
    let remote = Remote::with(&json!({"faults": [fault]}).to_string());
    let place = Place::with(json!({"connector": "hubspot", "base_url": remote.url,
        "refresh_token": "sandbox-refresh", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}));
    let ran = place.run(contacts(numbered(1)));
    assert_eq!((ran.code, remote.crm(CONTACTS).len()), (3, 0), "{}", ran.stderr);
    let kept: serde_json::Value = serde_json::from_str(&place.read("config.json")).unwrap();
    assert_eq!(
        (&kept["access_token"], &kept["refresh_token"]),
        (&json!(null), &json!("next-refresh"))
    );
    assert!(!ran.stderr.contains("new\ntoken"), "{}", ran.stderr);
}

/// The platform hands out tokens where it can, and says so where it cannot.
#[test]
fn tokens_come_from_the_platform() {
    let from_platform = |answer: ResponseTemplate, own: bool| {
        let remote = Remote::start();
        let platform = Odd::start(move |_, _| answer.clone());
        let mut config = json!({"connector": "hubspot", "base_url": remote.url,
            "_refresh_token_via_hg_api": true});
        if own {
            config["refresh_token"] = "sandbox-refresh".into();
            config["client_id"] = "sandbox-client".into();
            config["client_secret"] = "sandbox-secret".into();
        }
        let mut place = Place::with(config);
        for (name, value) in [
            ("API_URL", platform.server.uri().as_str()),
            ("API_KEY", "hush-api-key"),
            ("ENV_ID", "dev.example"),
            ("FLOW", "f/1"),
            ("TENANT", "t1"),
            ("TARGET", "hubspot"),
        ] {
            place = place.env(name, value);
        }
        let ran = place.run(contacts(numbered(2)));
        let asked = platform.world().asked.clone();
        (ran, asked, remote.crm(CONTACTS).len())
    };
    let token =
        json!({"success": true, "access_token": "sandbox-token", "expires_in": 4_000_000_000_u64});
    let (ran, asked, made) = from_platform(ResponseTemplate::new(200).set_body_json(token), false);
    assert_eq!((ran.code, made), (0, 2), "{}", ran.stderr);
    assert_eq!(
        asked,
        ["GET /dev.example/f%2F1/t1/connectors/hubspot/accesstoken?include_properties=expires_in "]
    );
    let no = |message: &str| {
        ResponseTemplate::new(400)
            .set_body_json(json!({"Code": "BadRequestError", "Message": message}))
    };
    let (ran, _, made) = from_platform(no("hubspot is not an available connector"), true);
    assert_eq!((ran.code, made), (0, 2), "{}", ran.stderr);
    let (ran, _, made) = from_platform(no("the tenant is unlinked"), true);
    assert_eq!((ran.code, made), (3, 0), "{}", ran.stderr);
    assert!(ran.stderr.contains("the tenant is unlinked"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hush-api-key"), "{}", ran.stderr);
}

/// By the name of the platform's own program.
#[test]
fn a_link_of_the_platforms_name_takes_the_connector() {
    let remote = Remote::start();
    let place = Place::with(json!({"base_url": remote.url, "access_token": "sandbox-token"}));
    place.file("config.json", place.config.to_string());
    let link = place.path("target-hubspot-v4");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_target-upsert"), &link).unwrap();
    let command = |arguments: &[&str]| {
        let mut command = std::process::Command::new(&link);
        command.args(arguments).current_dir(place.folder.path()).env_clear();
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        command.stderr(std::process::Stdio::piped());
        command
    };
    let ran = finish(
        command(&["--config", "config.json"]).spawn().unwrap(),
        contacts(numbered(2)).as_bytes(),
    );
    assert_eq!((ran.code, remote.crm(CONTACTS).len()), (0, 2), "{}", ran.stderr);
    let about = finish(command(&["--about", "--format=json"]).spawn().unwrap(), b"").stdout;
    let about: serde_json::Value = serde_json::from_str(&about).unwrap();
    assert_eq!(
        (&about["name"], &about["alerting_level"]),
        (&json!("target-hubspot-v4"), &json!("error"))
    );
    assert!(about["settings"]["properties"]["unified_api_schema"].is_object());
    assert!(about["capabilities"].to_string().contains("allows-fetch-access-token"));
}

/// What holds of all calls is asked once, and not for each record.
#[test]
fn an_object_and_a_property_that_cannot_be_are_told_by_few_calls() {
    let remote = Remote::start();
    let companies = |stream: &str| {
        let one = |n| record(stream, &json!({"externalId": n, "name": "Acme"}));
        schema(stream, &["externalId", "name"]) + &(0..250).map(one).collect::<String>()
    };
    let options = json!({"companies": {"external_id_property": "domain"}});
    let place = place(&remote).set("streams", options);
    place.done(companies("companies"));
    assert_eq!(place.counts("companies"), counts([("read", 250), ("rejected", 250)]));
    let row = &place.results()[0];
    assert!(row["error_message"].as_str().unwrap().contains("non-unique"), "{row}");
    place.done(companies("dragons"));
    assert_eq!(place.counts("dragons"), counts([("read", 250), ("rejected", 250)]));
    let asked: u64 = remote.calls()["statuses"]["400"].as_u64().unwrap();
    assert!(asked <= 6, "{asked}");
}
