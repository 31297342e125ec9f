//! Meltano runs a real tap into the real binary: its state comes back, a second run writes nothing,
//! and a run that fails leaves no state behind that the remote does not bear out.
//!
//! The loader's part of `meltano.yml` and the manifest are those of the README.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

use crate::installed::{program, tap};
use crate::support::{Remote, text};

/// Days with records, from the first of January 2026; the tap tells a STATE after each.
pub(crate) const DAYS: usize = 10;
/// Records of a day.
pub(crate) const A_DAY: usize = 20;
const STATE_ID: &str = "dev:tap-rest-api-to-target-upsert";

pub(crate) fn day(n: usize) -> String {
    format!("2026-01-{:02}T00:00:00", n + 1)
}

/// An API that gives orders by the time of their last change.
pub(crate) struct Source {
    pub(crate) url: String,
    pub(crate) orders: Arc<Mutex<Vec<Value>>>,
    /// The days from which on it was asked.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Source {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let orders = (0..DAYS * A_DAY).map(|n| order(n, n / A_DAY, 1.5)).collect();
        let source = Self { url, orders: Arc::new(Mutex::new(orders)), asked: Arc::default() };
        let (orders, asked) = (Arc::clone(&source.orders), Arc::clone(&source.asked));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                serve(client, &orders, &asked);
            }
        });
        source
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// All orders by their numbers; of one that changed the last.
    pub(crate) fn orders(&self) -> BTreeMap<String, Value> {
        let orders = self.orders.lock().unwrap();
        orders.iter().map(|order| (text(&order["number"]), order.clone())).collect()
    }
}

/// The order `n` as it was on a day.
pub(crate) fn order(n: usize, on: usize, total: f64) -> Value {
    let at = day(on).replace("T00:00", &format!("T12:{:02}", n % A_DAY));
    json!({"number": n, "total": total, "note": "Zoë \"Z\"", "lines": [{"sku": "a"}], "changed": at})
}

/// Answers `GET /orders?from=…&to=…`.
fn serve(mut client: TcpStream, orders: &Mutex<Vec<Value>>, asked: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|count| count == 1) {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let Some(path) = head.split(' ').nth(1) else { return };
    let query = reqwest::Url::parse(&format!("http://source{path}")).unwrap();
    let query: BTreeMap<_, _> = query.query_pairs().into_owned().collect();
    let is_asked = |order: &&Value| {
        let at = order["changed"].as_str().unwrap();
        *query["from"] <= *at && *at < *query["to"]
    };
    let found: Vec<Value> = orders.lock().unwrap().iter().filter(is_asked).cloned().collect();
    asked.lock().unwrap().push(query["from"].clone());
    let body = Value::from(found).to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
    drop(write!(client, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
}

/// The block of the README that begins with this line.
fn readme(first: &str) -> String {
    let blocks = include_str!("../../README.md").split("```yaml\n").skip(1);
    let mut blocks = blocks.map(|block| block.split("```").next().unwrap());
    blocks.find(|block| block.lines().next() == Some(first)).unwrap().to_owned()
}

/// A Meltano project in a folder of its own.
struct Project<'r> {
    folder: tempfile::TempDir,
    remote: &'r Remote,
}

impl<'r> Project<'r> {
    /// From `source` to `remote`; `more` is what its environment sets of the loader.
    fn new(source: &Source, remote: &'r Remote, mut more: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let project = Self { folder, remote };
        let schema = json!({"type": "object", "selected": true, "properties": {
            "number": {"type": "integer"}, "total": {"type": "number"}, "note": {"type": "string"},
            "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}},
            "changed": {"type": "string", "format": "date-time"}}});
        let catalog = json!({"streams": [{"stream": "orders", "tap_stream_id": "orders",
            "schema": schema, "metadata": []}]});
        let config = json!({
            "url": format!("{}/{{resource}}?from={{start_datetime}}&to={{end_datetime}}", source.url),
            "streams": "orders", "schema_dir": ".", "auth_method": "no_auth",
            "datetime_key": "changed", "window_size_hours": 24,
            "start_datetime": day(0), "end_datetime": day(DAYS),
        });
        // This tap knows of no key properties.
        more["streams"] = json!({"orders": {"external_id": "number"}});
        let yaml = json!({
            "default_environment": "dev",
            "project_id": "3f0d4c1e-6f0a-4b51-9a0e-5d1c8a7b2e10",
            "environments": [{"name": "dev", "config": {"plugins": {"loaders": [
                {"name": "target-upsert", "config": more}]}}}],
            "include_paths": ["loader.meltano.yml"],
            "plugins": {"extractors": [{
                "name": "tap-rest-api", "namespace": "tap_rest_api", "executable": "tap-rest-api",
                "capabilities": ["catalog", "state"], "catalog": "catalog.json", "config": config}]},
        });
        // YAML takes JSON as it is.
        project.write("meltano.yml", &yaml.to_string());
        project.write("loader.meltano.yml", &readme("plugins:"));
        project.write("my-api.yaml", &readme("version: 1"));
        project.write("catalog.json", &catalog.to_string());
        project.write("orders.json", &schema.to_string());
        project.write("tap.json", &config.to_string());
        project
    }

    fn write(&self, name: &str, content: &str) {
        let mut file = std::fs::File::create(self.folder.path().join(name)).unwrap();
        file.write_all(content.as_bytes()).unwrap();
    }

    /// A program that finds the three programs, and nothing beyond this machine.
    fn command(&self, program: &Path) -> Command {
        let target = Path::new(env!("CARGO_BIN_EXE_target-upsert"));
        let folders = [target.parent().unwrap(), tap().parent().unwrap(), Path::new("/usr/bin")]
            .map(|folder| folder.display().to_string());
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", folders.join(":"))
            .env("HOME", self.folder.path())
            .env("LANG", "C.UTF-8")
            .env("MELTANO_SEND_ANONYMOUS_USAGE_STATS", "false")
            .env("MELTANO_CLI_DISABLE_VERSION_CHECK", "true")
            .env("MELTANO_AUTO_INSTALL", "false")
            // Whatever would go out all the same finds nobody there.
            .env("http_proxy", "http://127.0.0.1:9")
            .env("https_proxy", "http://127.0.0.1:9")
            .env("no_proxy", "127.0.0.1")
            .env("TARGET_UPSERT_BASE_URL", &self.remote.url)
            .env("MY_API_TOKEN", "sandbox-token");
        command
    }

    fn meltano(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let environment = environment.iter().copied();
        self.command(&program("meltano")).args(arguments).envs(environment).output().unwrap()
    }

    fn run(&self, more: &[&str], environment: &[(&str, &str)]) -> Result<String, String> {
        let arguments = [&["run"], more, &["tap-rest-api", "target-upsert"]].concat();
        let ran = self.meltano(&arguments, environment);
        let told = String::from_utf8(ran.stderr).unwrap();
        if ran.status.success() { Ok(told) } else { Err(told) }
    }

    /// What Meltano hands to the tap next time.
    fn state(&self) -> Value {
        let ran = self.meltano(&["state", "get", STATE_ID], &[]);
        let state: Value = serde_json::from_slice(&ran.stdout).unwrap();
        state["singer_state"].clone()
    }

    /// The day up to which the tap is said to be through.
    fn bookmark(&self) -> String {
        self.state()["bookmarks"]["orders"]["last_update"].as_str().unwrap_or_default().to_owned()
    }

    /// The lines of the tap when it is run by hand.
    fn tap(&self) -> Vec<u8> {
        let arguments = ["--config", "tap.json", "--catalog", "catalog.json"];
        let ran = self.command(&tap()).args(arguments).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        ran.stdout
    }
}

/// What the remote holds, as the source has it. Fails where an order is there twice.
pub(crate) fn held(remote: &Remote) -> BTreeMap<String, Value> {
    let held = remote.by_ext("orders").into_iter().map(|(number, mut record)| {
        record.retain(|name, _| name != "id" && name != "ext_id");
        (number, Value::Object(record))
    });
    held.collect()
}

/// How often the remote was written to, and how many records.
fn writes(remote: &Remote) -> (Map<String, Value>, Value) {
    let calls = remote.calls();
    let mut by_route = calls["calls"].as_object().unwrap().clone();
    by_route.retain(|route, _| !route.ends_with("/search"));
    (by_route, calls["records_written"].clone())
}

/// The value of the last STATE among the lines of a tap.
fn last_state(lines: &[u8]) -> Value {
    let lines = std::str::from_utf8(lines).unwrap().lines();
    let mut messages = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    messages.rfind(|message| message["type"] == "STATE").unwrap()["value"].clone()
}

#[test]
#[ignore = "needs Meltano and a tap, which `tests/run` installs"]
fn the_state_comes_back_and_a_second_run_writes_nothing() {
    let (source, remote) = (Source::start(), Remote::start());
    let project = Project::new(&source, &remote, json!({"strict_config": true}));
    let told = project.run(&[], &[]).unwrap();
    assert!(!told.contains("did you mean"), "{told}");
    assert_eq!(held(&remote), source.orders());
    assert_eq!(source.asked(), (0..DAYS).map(day).collect::<Vec<_>>());
    let state = project.state();
    assert_eq!(state, last_state(&project.tap()));
    assert_eq!(project.bookmark(), day(DAYS));
    let written = writes(&remote);
    source.asked();

    // The tap knows that it is through: it asks for nothing, and nothing is written.
    project.run(&[], &[]).unwrap();
    assert_eq!((source.asked(), writes(&remote)), (vec![], written.clone()));
    assert_eq!(project.state(), state);

    // A tap that is made to forget brings all again, and nothing is written all the same.
    project.run(&["--full-refresh"], &[]).unwrap();
    assert_eq!((source.asked().len(), writes(&remote)), (DAYS, written));

    // A day later: it asks from there on, and what is new or has changed is written.
    source.orders.lock().unwrap().extend([order(3, DAYS, 2.5), order(900, DAYS, 1.5)]);
    project.run(&[], &[("TAP_REST_API_END_DATETIME", &day(DAYS + 1))]).unwrap();
    assert_eq!(source.asked(), [day(DAYS)]);
    assert_eq!(held(&remote), source.orders());
    assert_eq!(remote.calls()["records_written"], DAYS * A_DAY + 2);
    assert_eq!(project.bookmark(), day(DAYS + 1));
}

/// Runs until all is written, which takes more than one run. No state goes past what the remote
/// holds at the time. In the end each order is there once, written once. Gives what the runs that
/// were not enough told.
///
/// With one call in flight at a time records go out in the order of their days, so that a state
/// that is not the first is saved by the first run.
fn in_several_runs(
    faults: &str,
    in_flight: usize,
    (attempts, give_up_after): (u32, u32),
) -> Vec<Result<String, String>> {
    let (source, remote) = (Source::start(), Remote::with(faults));
    let more = json!({"max_in_flight": in_flight, "batch": {"records": A_DAY},
        "retry": {"base_millis": 1, "attempts": attempts, "give_up_after": give_up_after}});
    let project = Project::new(&source, &remote, more);
    let mut runs = Vec::new();
    loop {
        let ran = project.run(&[], &[]);
        let (through, held) = (project.bookmark(), held(&remote));
        for (number, order) in source.orders() {
            if *order["changed"].as_str().unwrap() < *through {
                assert_eq!(held.get(&number), Some(&order), "{through} before {number}\n{ran:?}");
            }
        }
        if held.len() == DAYS * A_DAY {
            ran.unwrap();
            break;
        }
        assert!(runs.len() < 9, "{ran:?}");
        assert!(through < day(DAYS) && (in_flight > 1 || through > day(1)), "{through}\n{ran:?}");
        runs.push(ran);
    }
    assert_eq!(held(&remote), source.orders());
    assert_eq!(remote.calls()["records_created"], DAYS * A_DAY);
    assert_eq!(remote.calls()["records_written"], DAYS * A_DAY);
    // The tap leaves in the state which stream an earlier run broke off in.
    assert_eq!(project.state()["bookmarks"], last_state(&project.tap())["bookmarks"]);
    runs
}

/// Faults of a remote that answers `status` to so many calls of a route, about half way.
fn half_way(route: &str, calls: usize, status: u16) -> String {
    let calls: Vec<_> = (105..105 + calls).collect();
    format!("{{faults: [{{on: \"{route}\", calls: {calls:?}, do: status, status: {status}}}]}}")
}

#[test]
#[ignore = "needs Meltano and a tap, which `tests/run` installs"]
fn a_run_that_is_refused_half_way_saves_no_state_beyond_what_is_there() {
    let runs = in_several_runs(&half_way("POST /v1/{object}", 2, 401), 1, (2, 10));
    assert!(runs[0].as_ref().unwrap_err().contains("the remote refuses the credential"));
}

#[test]
#[ignore = "needs Meltano and a tap, which `tests/run` installs"]
fn a_run_whose_remote_goes_down_half_way_saves_no_state_beyond_what_is_there() {
    // More bad calls than four lookups use up at once, and few enough for some runs.
    let runs = in_several_runs(&half_way("*", 34, 503), 4, (6, 10));
    let told = runs[0].as_ref().unwrap_err();
    // Which of them is found out first hangs on what was under way.
    let down = ["calls in a row failed", "the remote cannot be reached"];
    assert!(down.iter().any(|text| told.contains(text)), "{told}");
}

#[test]
#[ignore = "needs Meltano and a tap, which `tests/run` installs"]
fn what_failed_in_a_run_that_went_on_comes_again() {
    let runs = in_several_runs(&half_way("POST /v1/{object}", 8, 503), 4, (2, 10));
    assert!(runs[0].as_ref().unwrap().contains("completed with failures"), "{:?}", runs[0]);
}

#[test]
#[ignore = "needs a tap, which `tests/run` installs"]
fn the_tap_is_piped_in_without_an_orchestrator() {
    let (source, remote) = (Source::start(), Remote::start());
    let project = Project::new(&source, &remote, json!({}));
    let lines = project.tap();
    let place = crate::support::Place::at(&remote, "sandbox")
        .set("state", json!({"format": "tap"}))
        .set("streams", json!({"orders": {"external_id": "number"}}));
    let ran = place.done(&lines);
    assert_eq!(held(&remote), source.orders());
    let last: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last, last_state(&lines));
}
