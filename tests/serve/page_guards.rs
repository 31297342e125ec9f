//! Who may see the page and act by it, and what data may do to it.

use serde_json::{Value, json};

use crate::browser::{Browser, records};
use crate::service::{Service, config, contact, with_keys};
use crate::support::Remote;

const KEY: [(&str, &str); 1] = [("x-api-key", "admin-key")];

/// Queues a job, and waits for its end; its id.
fn queue(service: &Service, tenant: &str, records: &Value) -> String {
    queue_by(service, &KEY, tenant, records)
}

fn queue_by(service: &Service, key: &[(&str, &str)], tenant: &str, records: &Value) -> String {
    let body = json!({"environment": "dev", "flow": "two", "tenant": tenant, "connector": "crm",
        "name": format!("\"><img src=x onerror=alert(1)> {tenant}"), "records": {"contacts": records}});
    let queued = service.send("POST", "/api/v1/jobs", key, &body.to_string()).is(201);
    let id = queued["id"].as_str().unwrap().to_owned();
    service.ended_by(key, &id);
    id
}

#[test]
fn a_key_logs_in_until_logged_out() {
    let remote = Remote::start();
    let service = Service::start(&with_keys(&remote.url));
    let nobody = Browser::of(&service);
    let away = nobody.send("GET", "/ui/jobs?status=failed", &[], "");
    assert_eq!(away.status, 303);
    assert_eq!(away.headers["location"], "/ui/login?next=%2Fui%2Fjobs%3Fstatus%3Dfailed");
    let away = nobody.send("GET", "/ui/jobs", &[("hx-request", "true")], "");
    assert_eq!((away.status, &away.headers["www-authenticate"]), (401, &"Bearer".parse().unwrap()));
    assert_eq!(away.headers["hx-redirect"], "/ui/login?next=%2Fui%2Fjobs");
    let form = nobody.page("/ui/login?next=%2Fui%2Fjobs%3Fstatus%3Dfailed");
    assert!(form.contains("name=\"next\" value=\"/ui/jobs?status=failed\""), "{form}");
    let wrong = nobody.send("POST", "/ui/login", &[], "key=wrong-key&next=%2Fui%2Fjobs");
    assert_eq!(wrong.status, 401);
    assert_eq!(wrong.headers["www-authenticate"], "Bearer");
    assert!(wrong.text.contains("This key is not known."), "{}", wrong.text);
    assert!(!wrong.text.contains("wrong-key") && !wrong.headers.contains_key("set-cookie"));
    let right = nobody.send(
        "POST",
        "/ui/login",
        &[],
        "key=%20admin-key%0A&next=%2Fui%2Fjobs%3Fstatus%3Dfailed",
    );
    assert_eq!(
        (right.status, right.headers["location"].to_str().unwrap()),
        (303, "/ui/jobs?status=failed")
    );
    let cookie = right.headers["set-cookie"].to_str().unwrap().to_owned();
    let (token, marks) = cookie.split_once("; ").unwrap();
    assert_eq!(marks, "Path=/ui; Max-Age=43200; HttpOnly; SameSite=Strict");
    assert!(token.len() >= "session=".len() + 43, "{token}");
    let by_https = [("x-forwarded-proto", "https")];
    let secure = nobody.send("POST", "/ui/login", &by_https, "key=admin-key");
    assert!(secure.headers["set-cookie"].to_str().unwrap().ends_with("; Secure"));
    let elsewhere = nobody.send("POST", "/ui/login", &[], "key=admin-key&next=//evil.example");
    assert_eq!(elsewhere.headers["location"], "/ui/jobs");
    let admin = Browser { service: &service, cookie: token.to_owned() };
    assert!(admin.page("/ui/jobs").contains("administrator"));
    // The key of the page is none for requests, and the other way round.
    service.send("GET", "/api/v1/jobs", &[("cookie", token)], "").problem(401);
    assert_eq!(service.send("GET", "/ui/jobs", &KEY, "").status, 303);
    assert_eq!(admin.post("/ui/logout"), "/ui/login");
    assert_eq!(admin.send("GET", "/ui/jobs", &[], "").status, 303);
    let has_ended = "Your login has ended.";
    assert!(admin.page("/ui/login").contains(has_ended));
    assert!(!nobody.page("/ui/login").contains(has_ended));
    let log = service.log();
    assert!(log.contains("Refused: a login with a wrong key."), "{log}");
    let token = token.trim_start_matches("session=");
    for secret in ["wrong-key", "admin-key", token] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[test]
fn who_guesses_at_keys_waits() {
    let remote = Remote::start();
    let service = Service::start(&with_keys(&remote.url));
    let nobody = Browser::of(&service);
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                let own = Browser::of(&service);
                assert_eq!(own.send("POST", "/ui/login", &[], "key=guess").status, 401);
            });
        }
    });
    let refused = nobody.send("POST", "/ui/login", &[], "key=admin-key");
    assert_eq!(refused.status, 429);
    let secs: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&secs), "{secs}");
    assert!(!refused.headers.contains_key("set-cookie"));
}

#[test]
fn a_tenants_key_shows_that_tenant_alone() {
    let remote = Remote::start();
    let service = Service::start(&with_keys(&remote.url));
    let own = queue(&service, "acme", &json!([contact("c-1")]));
    let others = queue(&service, "other", &json!([contact("theirs")]));
    let acme = Browser::log_in(&service, "acme-key");
    for list in ["/ui/jobs", "/ui/jobs?tenant=other", "/ui/jobs?environment=dev&tenant=other"] {
        let page = acme.page(list);
        assert!(page.contains(&own) && !page.contains(&others), "{page}");
        assert!(!page.contains("<option value=\"other\""), "{page}");
    }
    acme.page(&format!("/ui/jobs/{own}/records"));
    for path in ["", "/records", "/records/1-1", "/results", "/rejects"] {
        let answer = acme.send("GET", &format!("/ui/jobs/{others}{path}"), &[], "");
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.text.contains("theirs"), "{}", answer.text);
    }
    for act in ["retry", "cancel"] {
        assert_eq!(acme.send("POST", &format!("/ui/jobs/{others}/{act}"), &[], "").status, 404);
    }
    let admin = Browser::log_in(&service, "admin-key");
    let page = admin.page("/ui/jobs");
    assert!(page.contains(&own) && page.contains(&others), "{page}");
}

#[test]
fn pages_of_other_origins_cannot_act() {
    let remote =
        Remote::with("{faults: [{on: 'POST *', calls: [1, 2, 3], do: status, status: 500}]}");
    for config in [config(&remote.url), with_keys(&remote.url)] {
        let service = Service::start(&config);
        let is_open = config["admin_keys"].is_null();
        let key = if is_open { &[][..] } else { &KEY };
        let id = queue_by(&service, key, "acme", &json!([contact("c-1")]));
        let browser =
            if is_open { Browser::of(&service) } else { Browser::log_in(&service, "admin-key") };
        let retry = format!("/ui/jobs/{id}/retry");
        let host = service.url.trim_start_matches("http://");
        let own = format!("http://{host}");
        for headers in [
            vec![],
            vec![("origin", "null")],
            vec![("origin", "http://evil.example")],
            vec![("origin", "https://127.0.0.1")],
            vec![("origin", &*own), ("sec-fetch-site", "cross-site")],
            vec![("origin", &*own), ("sec-fetch-site", "same-site")],
        ] {
            let mut all = vec![("cookie", browser.cookie.as_str())];
            all.extend(&headers);
            let answer = service.send("POST", &retry, &all, "");
            assert_eq!(answer.status, 403, "{headers:?}");
            assert_eq!(service.send("POST", "/ui/logout", &all, "").status, 403, "{headers:?}");
        }
        let listed = service.send("GET", "/api/v1/jobs", key, "").is(200);
        assert_eq!(listed["jobs"].as_array().unwrap().len(), 1);
        let own = browser.send("POST", &retry, &[("sec-fetch-site", "same-origin")], "");
        assert!(matches!(own.status, 303 | 409), "{own:?}");
        if !is_open {
            continue;
        }
        // Without keys a page must not even ask, and a name that leads here is not ours.
        let body = json!({"connector_id": "crm", "job_type": "write", "state": {"contacts": [contact("x")]}});
        let jobs = "/v2/dev/two/acme/jobs";
        for headers in [
            [("origin", "http://evil.example"), ("content-type", "text/plain")],
            [("sec-fetch-site", "cross-site"), ("content-type", "text/plain")],
            [("host", "evil.example"), ("content-type", "application/json")],
        ] {
            service.send("POST", jobs, &headers, &body.to_string()).problem(403);
        }
        for path in ["/ui/jobs", "/api/v1/jobs", "/ui/login"] {
            let answer = service.send("GET", path, &[("host", "evil.example:8080")], "");
            assert_eq!(answer.status, 403, "{path}");
        }
        assert_eq!(service.send("GET", "/ui/jobs", &[("host", "localhost:1")], "").status, 200);
        service.post(jobs, &body).is(201);
    }
}

#[test]
fn data_is_shown_as_it_is_and_does_nothing() {
    let remote = Remote::start();
    let service = Service::start(&with_keys(&remote.url));
    let script = "<script>alert(1)</script>\"'><b>&amp;";
    let long = "x".repeat(10_000);
    let bad = |id: &str| json!({"externalId": id, "email": format!("<i>{script}"), "note": script});
    let id = queue(&service, "acme", &json!([contact("c-1"), bad(script), bad(&long)]));
    let admin = Browser::log_in(&service, "admin-key");
    let list = admin.page(&format!("/ui/jobs/{id}/records?outcome=rejected"));
    let shown = records(&list);
    assert_eq!(shown.len(), 2, "{list}");
    assert!(shown[0].0.starts_with("&#60;script&#62;alert(1)"), "{shown:?}");
    let cursor = |place: usize| {
        let row = list.split("id=\"record-").nth(place).unwrap();
        row.split_once('"').unwrap().0.to_owned()
    };
    let pages = [
        "/ui/jobs".to_owned(),
        format!("/ui/jobs/{id}"),
        format!("/ui/jobs/{id}/records"),
        format!(
            "/ui/jobs/{id}/records?search=%3Cscript%3E%22&error=%22%3E%3Cscript%3E&stream=%3Cb%3E&sort=%3Cb%3E"
        ),
        format!("/ui/jobs/{id}/records/{}?history=1", cursor(1)),
        format!("/ui/jobs/{id}/records/{}", cursor(2)),
        "/ui/nothing/%3Cscript%3E".to_owned(),
        "/ui/login?next=%22%3E%3Cscript%3E".to_owned(),
    ];
    for path in &pages {
        let answer = admin.send("GET", path, &[], "");
        let page = &answer.text;
        // What runs has an address of ours, and nothing else has a script, a style or a handler.
        let scripts = page.matches("<script").count();
        assert_eq!(scripts, page.matches("<script src=\"/ui/assets/").count(), "{path}: {page}");
        for part in
            ["<img", "<b>", "<i>", " style=\"", "<style", " onerror=alert(1)> acme</h1>", "onclick"]
        {
            assert!(!page.contains(part), "{path}: {part} in {page}");
        }
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["referrer-policy"], "same-origin");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    let record = admin.page(&pages[5]);
    assert!(record.contains(&long), "the long one is shown whole");
}

#[test]
fn what_pages_are_made_of_is_kept_by_browsers() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let browser = Browser::of(&service);
    let home = browser.send("GET", "/", &[], "");
    assert_eq!((home.status, home.headers["location"].to_str().unwrap()), (303, "/ui/jobs"));
    let page = browser.page("/ui/jobs");
    let parts: Vec<_> =
        page.split('"').filter(|part| part.starts_with("/ui/assets/")).map(str::to_owned).collect();
    assert_eq!(parts.len(), 4, "{page}");
    for part in parts {
        let answer = browser.send("GET", &part, &[], "");
        assert_eq!(answer.status, 200, "{part}");
        assert_eq!(answer.headers["cache-control"], "public, max-age=31536000, immutable");
        let other = part.replacen("/ui/assets/", "/ui/assets/0", 1);
        assert_eq!(browser.send("GET", &other, &[], "").status, 404);
    }
}
