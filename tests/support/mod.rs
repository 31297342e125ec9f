//! What the tests share: remotes with a memory on ports of their own, and jobs of the real binary
//! in folders of their own.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

mod beside;
pub mod odd;
pub mod plain;
pub mod secrets;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use target_upsert::sandbox::{self, Faults, Running};

/// A file of `fixtures/`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The text of a file of `fixtures/singer/`.
pub fn singer(name: &str) -> String {
    std::fs::read_to_string(fixture("singer").join(name)).unwrap()
}

/// A sandbox of one test, on loopback, on a port of its own.
pub struct Remote {
    runtime: tokio::runtime::Runtime,
    running: Option<Running>,
    pub url: String,
}

impl Remote {
    /// One without faults.
    pub fn start() -> Self {
        Self::with("{}")
    }

    /// One that does what `faults`, the text of a faults file, says.
    pub fn with(faults: &str) -> Self {
        let faults: Faults = faults.parse().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let options = sandbox::Options { faults, ..sandbox::Options::default() };
        let running = runtime.block_on(sandbox::start(options)).unwrap();
        let url = format!("http://{}", running.address());
        Self { runtime, running: Some(running), url }
    }

    fn get(&self, path: &str) -> String {
        self.runtime.block_on(async {
            let answer = reqwest::get(format!("{}{path}", self.url)).await.unwrap();
            assert_eq!(answer.status(), 200);
            #[expect(clippy::disallowed_methods, reason = "our own sandbox answers")]
            answer.text().await.unwrap()
        })
    }

    /// What the remote holds of an object: each record as raw text, in the order of creation.
    pub fn raw(&self, object: &str) -> Vec<BTreeMap<String, Box<RawValue>>> {
        serde_json::from_str(&self.get(&format!("/_sandbox/objects/{object}"))).unwrap()
    }

    /// The same as values; numbers of many digits lose some.
    pub fn records(&self, object: &str) -> Vec<Map<String, Value>> {
        serde_json::from_str(&self.get(&format!("/_sandbox/objects/{object}"))).unwrap()
    }

    /// What the remote holds, by external id. Fails where an external id is there twice.
    pub fn by_ext(&self, object: &str) -> BTreeMap<String, Map<String, Value>> {
        let mut found = BTreeMap::new();
        for record in self.records(object) {
            let ext_id = text(&record["ext_id"]);
            let before = found.insert(ext_id.clone(), record);
            assert!(before.is_none(), "the remote has {ext_id:?} twice");
        }
        found
    }

    /// What was asked of it; see `GET /_sandbox/calls`.
    pub fn calls(&self) -> Value {
        serde_json::from_str(&self.get("/_sandbox/calls")).unwrap()
    }

    /// How often a fault was done.
    pub fn faults(&self, kind: &str) -> u64 {
        self.calls()["faults"][kind].as_u64().unwrap_or(0)
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop());
        }
    }
}

/// An id as text: the digits of a number, or the text itself.
pub fn text(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

/// A folder with a config and a store, in which jobs run one after another.
pub struct Place {
    pub folder: tempfile::TempDir,
    pub config: Value,
    env: Vec<(String, String)>,
    arguments: Vec<String>,
}

impl Place {
    /// One whose jobs write to `remote` by a manifest: `sandbox`, or one of `fixtures/manifests/`.
    pub fn at(remote: &Remote, manifest: &str) -> Self {
        let built_in = manifest == "sandbox";
        let path = fixture("manifests").join(format!("{manifest}.yaml"));
        let manifest = if built_in { manifest.to_owned() } else { path.display().to_string() };
        Self::with(json!({
            "connector": "rest",
            "manifest": manifest,
            "base_url": remote.url,
            "access_token": "sandbox-token",
            "refresh_token": "sandbox-refresh",
            "client_id": "sandbox-client",
            "client_secret": "sandbox-secret",
        }))
    }

    /// One with this config.
    pub fn with(config: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, config, env: Vec::new(), arguments: Vec::new() }
    }

    /// Sets a config key.
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.config[key] = value.into();
        self
    }

    /// Sets an environment variable of the jobs.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds an argument to the jobs.
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the folder, and gives its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::File::create(&path).unwrap().write_all(content.as_ref()).unwrap();
        path
    }

    /// Has the jobs write by a manifest with this text.
    pub fn manifest(self, text: impl AsRef<[u8]>) -> Self {
        let path = self.file("m.yaml", text);
        self.set("manifest", path.display().to_string())
    }

    /// The text of a file in the folder.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The program with these arguments, in the folder, in an environment of its own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_target-upsert"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program with these arguments to its end.
    pub fn call(&self, arguments: &[&str]) -> Ran {
        finish(self.command(arguments).spawn().unwrap(), b"")
    }

    /// The command of a job, with all its files in the folder.
    pub fn job(&self) -> Command {
        self.file("config.json", self.config.to_string());
        let mut arguments = vec![
            "--config",
            "config.json",
            "--summary",
            "summary.json",
            "--results",
            "results.jsonl",
            "--rejects",
            "rejects.jsonl",
        ];
        arguments.extend(self.arguments.iter().map(String::as_str));
        let mut command = self.command(&arguments);
        command.stdin(Stdio::piped());
        command
    }

    /// Runs a job over `input` to its end.
    pub fn run(&self, input: impl AsRef<[u8]>) -> Ran {
        finish(self.job().spawn().unwrap(), input.as_ref())
    }

    /// Runs a job that dies when it comes to a named step for the n-th time: `sent:2`.
    #[track_caller]
    pub fn dies_at(&self, step: &str, input: impl AsRef<[u8]>) {
        let child = self.job().env("CRASH_AT", step).spawn().unwrap();
        let ran = finish(child, input.as_ref());
        assert_eq!(ran.signal, Some(9), "stderr:\n{}", ran.stderr);
    }

    /// Runs a job that must end with exit code 0.
    #[track_caller]
    pub fn done(&self, input: impl AsRef<[u8]>) -> Ran {
        let ran = self.run(input);
        assert_eq!(ran.code, 0, "stderr:\n{}", ran.stderr);
        let proof = self.summary()["proof"].clone();
        assert_eq!(proof["holds"], true, "{proof}");
        ran
    }

    /// The summary of the last job.
    pub fn summary(&self) -> Value {
        serde_json::from_str(&self.read("summary.json")).unwrap()
    }

    /// Counts of a stream in the last summary, without those that are zero.
    pub fn counts(&self, stream: &str) -> BTreeMap<String, u64> {
        let summary = self.summary();
        let stream = &summary["streams"][stream];
        COUNTS
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), stream[name].as_u64()?)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// The result rows of the last job.
    pub fn results(&self) -> Vec<Value> {
        self.read("results.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

const COUNTS: [&str; 9] = [
    "read",
    "created",
    "updated",
    "unchanged",
    "deleted",
    "rejected",
    "failed",
    "skipped",
    "in_doubt",
];

/// Counts as [`Place::counts`] gives them.
pub fn counts<const N: usize>(all: [(&str, u64); N]) -> BTreeMap<String, u64> {
    all.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

/// What a process left.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Exit code; -1 for one that a signal ended.
    pub code: i32,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The one state line on stdout.
    #[track_caller]
    pub fn state(&self) -> Value {
        let line = self.stdout.strip_suffix('\n').expect("stdout ends with a line end");
        assert!(!line.contains('\n'), "stdout has one line: {line}");
        serde_json::from_str(line).unwrap()
    }
}

/// Gives `input` to a process and waits for its end.
pub fn finish(mut child: Child, input: &[u8]) -> Ran {
    // A program that ends before it has read all is no failure of the test.
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_vec();
        std::thread::spawn(move || drop(stdin.write_all(&input)));
    }
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        signal: std::os::unix::process::ExitStatusExt::signal(&output.status),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A SCHEMA line of a stream with an `externalId` and fields of any kind.
pub fn schema(stream: &str) -> String {
    json!({"type": "SCHEMA", "stream": stream, "key_properties": [],
        "schema": {"type": "object", "properties": {"externalId": {}}}})
    .to_string()
        + "\n"
}

/// A RECORD line.
pub fn record(stream: &str, record: &Value) -> String {
    json!({"type": "RECORD", "stream": stream, "record": record}).to_string() + "\n"
}

/// A STATE line.
pub fn state(value: &Value) -> String {
    json!({"type": "STATE", "value": value}).to_string() + "\n"
}

/// A SCHEMA and `count` records of the stream `contacts` with the ids `c-0`, `c-1` and so on.
pub fn contacts(count: usize) -> String {
    let records = (0..count).map(|n| {
        record("contacts", &json!({"externalId": format!("c-{n}"), "email": format!("c{n}@example.com"), "visits": n}))
    });
    schema("contacts") + &records.collect::<String>()
}
