//! Tenants that are added over HTTP, and what is kept of their accounts.

use serde_json::{Value, json};

use crate::service::{Answer, Service, config, contact, keep};
use crate::support::Remote;

const TENANTS: &str = "/api/v1/tenants/dev";

fn with_keys(url: &str) -> Value {
    let mut config = config(url);
    config["admin_keys"] = json!([{"env": "ADMIN_KEY"}]);
    config["encryption_key"] = json!({"env": "ENCRYPTION_KEY"});
    config
}

fn ask(service: &Service, method: &str, path: &str, key: &str, body: &Value) -> Answer {
    service.send(method, path, &[("x-api-key", key)], &body.to_string())
}

fn admin(service: &Service, method: &str, path: &str, body: &Value) -> Answer {
    ask(service, method, path, "admin-key", body)
}

fn write(service: &Service, tenant: &str, key: &str, id: &str) -> Answer {
    let place = format!("/dev/two/{tenant}/connectors/crm/contacts");
    ask(service, "POST", &place, key, &json!({"data": contact(id)}))
}

#[test]
fn a_tenant_is_added_writes_with_its_key_and_is_there_after_a_kill() {
    let remote = Remote::start();
    let mut service = Service::start(&with_keys(&remote.url));
    let nobody = json!({});
    let place = format!("{TENANTS}/new one");
    assert_eq!(admin(&service, "PUT", &place, &nobody).is(201)["id"], "new one");
    admin(&service, "PUT", &place, &nobody).is(200);
    assert!(write(&service, "new one", "admin-key", "c-0").problem(404).contains("no account"));
    let account = json!({"access_token": "sandbox-token"});
    let told = admin(&service, "PUT", &format!("{place}/connectors/crm"), &account).is(201);
    assert_eq!(told["connectors"], json!([{"id": "crm", "said_in": "api"}]));
    let made = admin(&service, "POST", &format!("{place}/keys"), &nobody).is(201);
    let key = made["key"].as_str().unwrap().to_owned();
    assert!(key.len() > 40);
    write(&service, "new one", &key, "c-1").is(200);
    write(&service, "acme", &key, "c-2").problem(403);
    service.kill();
    service.begin();
    write(&service, "new one", &key, "c-3").is(200);
    let seen = ask(&service, "GET", TENANTS, &key, &nobody).is(200);
    assert_eq!(seen.as_array().unwrap().len(), 1);
    assert!(!seen.to_string().contains(&key), "{seen}");
    // What is kept of secrets is nowhere as it is.
    service.end();
    let kept = service.everything();
    for secret in ["sandbox-token", &key, "admin-key"] {
        assert!(!kept.contains(secret), "{secret}");
    }
    service.begin();
    let id = made["id"].as_str().unwrap();
    admin(&service, "DELETE", &format!("{place}/keys/{id}"), &nobody);
    write(&service, "new one", &key, "c-4").problem(401);
    assert_eq!(admin(&service, "DELETE", &place, &nobody).status, 204);
    write(&service, "new one", "admin-key", "c-4").problem(404);
    admin(&service, "GET", &place, &nobody).problem(404);
    assert_eq!(remote.by_ext("contacts").len(), 2);
}

#[test]
fn another_account_holds_from_the_next_record_on() {
    let (one, other) = (Remote::start(), Remote::start());
    let service = Service::start(&with_keys(&one.url));
    write(&service, "acme", "admin-key", "c-1").is(200);
    let place = format!("{TENANTS}/acme/connectors/crm");
    let account = json!({"access_token": "sandbox-token", "base_url": other.url});
    let told = admin(&service, "PUT", &place, &account).is(200);
    assert_eq!(told["connectors"][0]["said_in"], "api");
    write(&service, "acme", "admin-key", "c-2").is(200);
    assert_eq!(admin(&service, "DELETE", &place, &json!({})).status, 204);
    write(&service, "acme", "admin-key", "c-3").is(200);
    admin(&service, "DELETE", &place, &json!({})).problem(404);
    assert_eq!(one.by_ext("contacts").keys().collect::<Vec<_>>(), ["c-1", "c-3"]);
    assert_eq!(other.by_ext("contacts").keys().collect::<Vec<_>>(), ["c-2"]);
}

#[test]
fn what_may_not_be_said_is_refused() {
    let remote = Remote::start();
    let service = Service::start(&with_keys(&remote.url));
    let place = format!("{TENANTS}/acme/connectors/crm");
    let account = |account: Value| admin(&service, "PUT", &place, &account).problem(422);
    assert!(account(json!({"access_token": {"env": "ADMIN_KEY"}})).contains("`access_token`"));
    assert!(account(json!({"access_token": {"file": "/etc/passwd"}})).contains("no request may"));
    assert!(account(json!({"manifest": "/etc/passwd"})).contains("`manifest`"));
    let odd = json!({"access_token": "sandbox-token", "base_ulr": "x"});
    let told = admin(&service, "PUT", &place, &odd).is(200);
    assert!(told["warnings"][0].as_str().unwrap().contains("`base_ulr`"), "{told}");
    // What no flow could write with.
    assert!(account(json!({"connector": "hubspott"})).contains("`hubspott`"));
    assert!(account(json!({"timeout_secs": "soon"})).contains("`timeout_secs`"));
    let missing = format!("{TENANTS}/acme/connectors/none");
    assert!(admin(&service, "PUT", &missing, &json!({})).problem(404).contains("`none`"));
    let told = admin(&service, "DELETE", &format!("{TENANTS}/acme"), &json!({})).problem(409);
    assert!(told.contains("configuration"), "{told}");
    admin(&service, "PUT", "/api/v1/tenants/none/x", &json!({})).problem(404);
    admin(&service, "PUT", &format!("{TENANTS}/a%2Fb"), &json!({})).problem(422);
    // A tenant may see itself, and change nothing.
    let made = admin(&service, "POST", &format!("{TENANTS}/acme/keys"), &json!({})).is(201);
    let key = made["key"].as_str().unwrap();
    ask(&service, "GET", &format!("{TENANTS}/acme"), key, &json!({})).is(200);
    ask(&service, "GET", &format!("{TENANTS}/other"), key, &json!({})).problem(403);
    for (method, path) in [("PUT", "acme/connectors/crm"), ("POST", "acme/keys"), ("PUT", "third")]
    {
        let told = ask(&service, method, &format!("{TENANTS}/{path}"), key, &json!({}));
        assert!(told.problem(403).contains("admin"));
    }
}

#[test]
fn without_an_encryption_key_no_account_is_kept() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let place = format!("{TENANTS}/acme/connectors/crm");
    let told = service.send("PUT", &place, &[], "{\"access_token\": \"a-secret\"}");
    assert!(told.problem(503).contains("`encryption_key`"));
    assert!(!service.everything().contains("a-secret"));
}

fn hubspot(url: &str) -> Value {
    let own = json!({"base_url": url, "client_id": "sandbox-client",
        "client_secret": "sandbox-secret", "redirect_uri": "https://app.example.com/callback"});
    let flow = json!({"connectors": {"hubspot": {"config": own}}});
    let account = json!({"refresh_token": "sandbox-refresh", "access_token": "old",
        "expires_in": 1_700_000_000});
    json!({"environments": {"dev": {"flows": {"one": flow, "two": flow},
        "tenants": {"acme": {"connectors": {"hubspot": account}}}}}})
}

#[test]
fn new_tokens_are_kept_and_shared_by_all_flows() {
    // Each renewal takes the refresh token before it back.
    for is_encrypted in [false, true] {
        let faults = "{token_calls: 6, static_token: false, rotate_refresh_token: true}";
        let remote = Remote::with(faults);
        let mut config = hubspot(&remote.url);
        if is_encrypted {
            config["encryption_key"] = json!({"env": "ENCRYPTION_KEY"});
        }
        let mut service = Service::start(&config);
        let write = |service: &Service, flow: &str, n: usize| {
            let data = json!({"externalId": format!("c-{n}"), "email": format!("c{n}@x.example")});
            let place = format!("/dev/{flow}/acme/connectors/hubspot/contacts");
            let told = service.post(&place, &json!({"data": data})).is(200);
            assert_eq!(told["state"]["bookmarks"]["contacts"][0]["success"], true, "{told}");
        };
        for n in 0..10 {
            write(&service, ["one", "two"][n % 2], n);
        }
        service.kill();
        service.begin();
        for n in 10..20 {
            write(&service, ["one", "two"][n % 2], n);
        }
        assert_eq!(remote.records("hubspot%2F0-1").len(), 20);
        let tokens = std::fs::read_dir(service.path(".target-upsert/serve/tokens")).unwrap();
        let tokens: Vec<_> = tokens.map(|file| file.unwrap().path()).collect();
        let kept = tokens.iter().find(|path| path.extension().is_some_and(|end| end == "json"));
        let kept = std::fs::read_to_string(kept.unwrap()).unwrap();
        assert_eq!(kept.contains("refresh_token"), !is_encrypted, "{kept}");
    }
}

#[test]
fn all_that_write_with_one_credential_share_its_limit() {
    let remote = Remote::with("{latency_ms: 30}");
    let mut config = config(&remote.url);
    for flow in ["one", "two"] {
        let own = &mut config["environments"]["dev"]["flows"][flow]["connectors"]["crm"]["config"];
        own["max_in_flight"] = 2.into();
        own["streams"] = json!({"contacts": {"batch_records": 1}});
    }
    let service = Service::start(&config);
    let mut jobs = Vec::new();
    for (n, (flow, tenant)) in
        [("one", "acme"), ("two", "acme"), ("one", "other"), ("two", "other")].iter().enumerate()
    {
        let records: Vec<_> = (0..20).map(|m| contact(&format!("c-{n}-{m}"))).collect();
        let body = json!({"environment": "dev", "flow": flow, "tenant": tenant, "connector": "crm",
            "records": {"contacts": records}});
        jobs.push(service.post("/api/v1/jobs", &body).is(201)["id"].as_str().unwrap().to_owned());
    }
    for job in &jobs {
        assert_eq!(service.ended(job)["status"], "succeeded");
    }
    assert_eq!(remote.by_ext("contacts").len(), 80);
    assert_eq!(remote.calls()["max_in_flight"], 2);
}

#[test]
fn a_start_with_another_encryption_key_loses_no_job() {
    let remote = Remote::with("{latency_ms: 1500}");
    let mut config = with_keys(&remote.url);
    config["max_jobs"] = 1.into();
    let mut service = Service::start(&config);
    let account = json!({"access_token": "sandbox-token"});
    let place = format!("{TENANTS}/acme/connectors/crm");
    admin(&service, "PUT", &place, &account).is(200);
    let job = |id: &str| {
        let body = json!({"environment": "dev", "flow": "two", "tenant": "acme", "connector": "crm",
            "records": {"contacts": [{"externalId": id}]}});
        admin(&service, "POST", "/api/v1/jobs", &body).is(201)["id"].as_str().unwrap().to_owned()
    };
    let jobs = ["c-1", "c-2", "c-3"].map(job);
    service.kill();
    config["encryption_key"] = json!({"env": "OTHER_ENCRYPTION_KEY"});
    keep(&service.path("serve.yaml"), &config.to_string());
    service.begin();
    assert!(service.log().contains("another key"), "{}", service.log());
    let key = [("x-api-key", "admin-key")];
    for id in &jobs {
        assert_eq!(service.ended_by(&key, id)["status"], "failed");
    }
    // It is for whoever runs the service to mend, and not for who writes.
    assert!(write(&service, "acme", "admin-key", "c-9").problem(503).contains("another key"));
    service.end();
    config["encryption_key"] = json!({"env": "ENCRYPTION_KEY"});
    keep(&service.path("serve.yaml"), &config.to_string());
    service.begin();
    for id in &jobs {
        let again =
            admin(&service, "POST", &format!("/api/v1/jobs/{id}/retry"), &json!({})).is(201);
        let again = service.ended_by(&key, again["id"].as_str().unwrap());
        assert_eq!(again["status"], "succeeded", "{again}");
    }
    assert_eq!(remote.by_ext("contacts").len(), 3);
}

/// What a product's "test the connection" asks for, also of an account that cannot be opened.
#[test]
fn an_account_is_checked_and_made_ready_over_http() {
    let remote = Remote::start();
    let own = json!({"base_url": remote.url,
        "streams": {"contacts": {"external_id_property": "acme_id"}}});
    let account = |token: &str, key: &str| json!({"keys": [{"env": key}], "connectors": {"hubspot": {"access_token": token}}});
    let service = Service::start(&json!({"admin_keys": [{"env": "ADMIN_KEY"}],
        "environments": {"dev": {
            "flows": {"two": {"connectors": {"hubspot": {"config": own}}}},
            "tenants": {"acme": account("sandbox-token", "ACME_KEY"),
                        "other": account("worn-out-token", "OTHER_KEY")}}}}));
    let check = |tenant: &str, key: &str, body: &Value| {
        ask(&service, "POST", &format!("/api/v1/check/dev/two/{tenant}/hubspot"), key, body)
    };
    let of = |told: &Value, subject: &str| {
        let all = told["checks"].as_array().unwrap().clone();
        all.into_iter().find(|check| check["subject"].as_str().unwrap().contains(subject)).unwrap()
    };
    let refused = check("other", "other-key", &json!({})).is(200);
    assert_eq!(refused["ok"], false);
    assert_eq!(of(&refused, "credential")["ok"], false, "{refused}");
    check("acme", "other-key", &json!({})).problem(403);
    check("none", "admin-key", &json!({})).problem(404);
    check("acme", "acme-key", &json!({"stream": []})).problem(422);
    check("acme", "acme-key", &json!(null)).is(200);
    let lacking = check("acme", "acme-key", &json!({"streams": ["contacts"]})).is(200);
    assert_eq!((&lacking["ok"], &of(&lacking, "credential")["ok"]), (&json!(false), &json!(true)));
    assert!(lacking.to_string().contains("with `create`"), "{lacking}");
    let place = "/dev/two/acme/connectors/hubspot/contacts";
    let data = json!({"data": {"externalId": "c-1", "email": "c-1@example.com"}});
    let write = || ask(&service, "POST", place, "acme-key", &data).is(200);
    assert_eq!(write()["state"]["bookmarks"]["contacts"][0]["success"], false);
    let made = check("acme", "acme-key", &json!({"create": true})).is(200);
    assert_eq!(made["ok"], true, "{made}");
    // What was learnt before does not hold any more, from this answer on.
    assert_eq!(write()["state"]["bookmarks"]["contacts"][0]["success"], true);
    assert_eq!(remote.records("hubspot%2F0-1").len(), 1);
    assert!(!service.everything().contains("worn-out-token"));
}

/// One that hangs as it is opened holds up neither the memory nor the one that is given in its place.
#[test]
fn an_account_that_hangs_gives_way_to_another() {
    let (remote, hangs) = (Remote::start(), Remote::with("{latency_ms: 600000}"));
    let account = |url: &str| json!({"base_url": url, "access_token": "sandbox-token"});
    let service = Service::start(&json!({"deadline_secs": 0.3, "max_record_bytes": 2_000_000,
        "admin_keys": [{"env": "ADMIN_KEY"}], "encryption_key": {"env": "ENCRYPTION_KEY"},
        "environments": {"dev": {
            "flows": {"two": {"connectors": {"hubspot": {}}}},
            "tenants": {"acme": {"connectors": {"hubspot": account(&hangs.url)}}}}}}));
    let write = |id: &str, note: &str| {
        let data =
            json!({"externalId": id, "email": format!("{id}@example.com"), "firstname": note});
        let place = "/dev/two/acme/connectors/hubspot/contacts";
        ask(&service, "POST", place, "admin-key", &json!({"data": data}))
    };
    let memory = || {
        let told = admin(&service, "GET", "/metrics", &json!(null)).text;
        let line = told.lines().find(|line| line.starts_with("process_resident_memory_bytes "));
        line.unwrap().rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    write("c-1", "").problem(503);
    let before = memory();
    let note = "x".repeat(1_500_000);
    for n in 0..40 {
        write(&format!("d-{n}"), &note).problem(503);
    }
    let grown = memory() - before;
    assert!(grown < 30e6, "{grown} bytes are held of records that were refused");
    let place = format!("{TENANTS}/acme/connectors/hubspot");
    admin(&service, "PUT", &place, &account(&remote.url)).is(200);
    service.wait_until(|| write("c-1", "").status == 200);
    assert_eq!(remote.records("hubspot%2F0-1").len(), 1, "what was refused is not written");
}

/// Whether the tenant has an account that it was not given, or knows this key.
fn has_others(service: &Service, tenant: &str, key: &str) -> bool {
    let told = admin(service, "GET", &format!("{TENANTS}/{tenant}"), &json!({})).is(200);
    assert_eq!(told["said_in"], "api");
    let is_known = write(service, tenant, key, "c-1").status != 401;
    told["connectors"] != json!([]) || told["keys"] != json!([]) || is_known
}

#[test]
fn who_gets_the_id_of_another_tenant_gets_nothing_of_its() {
    let remote = Remote::start();
    let config = with_keys(&remote.url);
    let mut service = Service::start(&config);
    let nobody = json!({});
    let place = format!("{TENANTS}/acme");
    let account = json!({"access_token": "sandbox-token"});
    admin(&service, "PUT", &format!("{place}/connectors/crm"), &account).is(200);
    let made = admin(&service, "POST", &format!("{place}/keys"), &nobody).is(201);
    let key = made["key"].as_str().unwrap();
    write(&service, "acme", key, "c-1").is(200);
    service.end();
    let mut without = config.clone();
    without["environments"]["dev"]["tenants"].as_object_mut().unwrap().remove("acme");
    keep(&service.path("serve.yaml"), &without.to_string());
    service.begin();
    ask(&service, "GET", "/api/v1/jobs", key, &nobody).problem(401);
    admin(&service, "PUT", &place, &nobody).is(201);
    assert!(!has_others(&service, "acme", key));
    service.kill();
    service.begin();
    assert!(!has_others(&service, "acme", key));
}

#[test]
fn what_comes_beside_the_end_of_a_tenant_ends_with_it() {
    let remote = Remote::start();
    let service = Service::start(&with_keys(&remote.url));
    let (nobody, account) = (json!({}), json!({"access_token": "sandbox-token"}));
    for round in 0..20 {
        let place = format!("{TENANTS}/new-{round}");
        admin(&service, "PUT", &place, &nobody).is(201);
        let answers = std::thread::scope(|scope| {
            let requests = [
                ("PUT", format!("{place}/connectors/crm"), &account),
                ("POST", format!("{place}/keys"), &nobody),
                ("DELETE", place.clone(), &nobody),
            ];
            let sent = requests.map(|(method, path, body)| {
                let service = &service;
                scope.spawn(move || admin(service, method, &path, body))
            });
            sent.map(|sent| sent.join().unwrap())
        });
        let statuses = answers.each_ref().map(|answer| answer.status);
        assert!(matches!(statuses, [201 | 404, 201 | 404, 204]), "{answers:?}");
        let made: Value = serde_json::from_str(&answers[1].text).unwrap();
        let key = made["key"].as_str().unwrap_or("none");
        assert_eq!(write(&service, &format!("new-{round}"), key, "c-1").status, 401);
        admin(&service, "PUT", &place, &nobody).is(201);
        assert!(!has_others(&service, &format!("new-{round}"), key));
    }
}
