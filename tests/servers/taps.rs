//! The service runs a real tap: its config, catalog and state are as the tap wants them, and what it
//! brings is written once.

use serde_json::{Value, json};

use crate::installed::tap;
use crate::meltano::{A_DAY, DAYS, Source, day, held, order};
use crate::service::{Service, config, keep};
use crate::support::Remote;

/// A service whose tap asks `source` for all days before `end`.
fn configured(source: &Source, remote: &Remote, end: &str) -> Value {
    let schema = json!({"type": "object", "selected": true, "properties": {
        "number": {"type": "integer"}, "total": {"type": "number"}, "note": {"type": "string"},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}},
        "changed": {"type": "string", "format": "date-time"}}});
    let mut config = config(&remote.url);
    let flow = &mut config["environments"]["dev"]["flows"]["two"];
    // This tap knows of no key properties.
    flow["connectors"]["crm"]["config"]["streams"] = json!({"orders": {"external_id": "number"}});
    flow["taps"] = json!({"orders": {
        "command": [tap()],
        "catalog": "catalog.json",
        "environment": {"no_proxy": "127.0.0.1"},
        "config": {
            "url": format!("{}/{{resource}}?from={{start_datetime}}&to={{end_datetime}}", source.url),
            "streams": "orders", "schema_dir": ".", "auth_method": "no_auth",
            "datetime_key": "changed", "window_size_hours": 24,
            "start_datetime": day(0), "end_datetime": end}}});
    config["catalog"] = json!({"streams": [{"stream": "orders", "tap_stream_id": "orders",
        "schema": schema, "metadata": []}]});
    config["schema"] = schema;
    config
}

/// Writes what the service and the tap are given.
fn give(service: &Service, config: &mut Value) {
    let files = config.as_object_mut().unwrap();
    let (catalog, schema) = (files.remove("catalog").unwrap(), files.remove("schema").unwrap());
    keep(&service.path("catalog.json"), &catalog.to_string());
    keep(&service.path("orders.json"), &schema.to_string());
    keep(&service.path("serve.yaml"), &config.to_string());
}

#[track_caller]
fn run(service: &Service) {
    let body = json!({"environment": "dev", "flow": "two", "tenant": "acme", "connector": "crm",
        "tap": "orders"});
    let job = service.post("/api/v1/jobs", &body).is(201);
    let ended = service.ended(job["id"].as_str().unwrap());
    assert_eq!(ended["status"], "succeeded", "{ended}\n{}", service.log());
}

#[test]
#[ignore = "needs a tap, which `tests/run` installs"]
fn its_state_comes_back_and_what_is_new_is_written() {
    let (source, remote) = (Source::start(), Remote::start());
    let mut service = Service::of("{}");
    service.end();
    give(&service, &mut configured(&source, &remote, &day(DAYS)));
    service.begin();
    run(&service);
    assert_eq!(held(&remote), source.orders());
    assert_eq!(source.asked(), (0..DAYS).map(day).collect::<Vec<_>>());
    let state = service.get("/api/v1/taps/dev/two/acme/crm/orders/state").is(200);
    assert_eq!(state["state"]["bookmarks"]["orders"]["last_update"], day(DAYS));

    // The tap knows that it is through.
    run(&service);
    assert_eq!(source.asked(), Vec::<String>::new());
    assert_eq!(remote.calls()["records_written"], DAYS * A_DAY);

    // A day later it asks from there on, also after a restart.
    service.end();
    give(&service, &mut configured(&source, &remote, &day(DAYS + 1)));
    service.begin();
    source.orders.lock().unwrap().extend([order(3, DAYS, 2.5), order(900, DAYS, 1.5)]);
    run(&service);
    assert_eq!(source.asked(), [day(DAYS)]);
    assert_eq!(held(&remote), source.orders());
    assert_eq!(remote.calls()["records_written"], DAYS * A_DAY + 2);
}
