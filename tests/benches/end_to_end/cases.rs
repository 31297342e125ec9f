//! One run of the program: what it is given, and what it took.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::process::{self, Took};
use super::remote::{Remote, Seen};
use super::{Options, input};

/// What all runs share.
pub struct Bench<'a> {
    pub options: &'a Options,
    pub remote: &'a Remote,
}

/// How the remote is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Calls {
    /// 100 records a call.
    #[default]
    Bulk,
    /// One.
    One,
}

/// What is known before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// Nothing.
    #[default]
    Cold,
    /// The ids of all records; each has changed.
    Changed,
    /// All.
    Unchanged,
}

/// One run.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Case {
    pub records: u64,
    pub calls: Calls,
    pub lookup: bool,
    pub start: Start,
    pub delay_millis: u64,
}

/// One run that was made.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// `target-upsert`, or one of the peer's sinks.
    pub system: &'static str,
    #[serde(flatten)]
    pub case: Case,
    pub seconds: f64,
    pub records_per_second: f64,
    /// Of the program alone.
    pub cpu_seconds: f64,
    /// Of the remote, in the same time.
    pub remote_cpu_seconds: f64,
    pub peak_bytes: u64,
    pub requests: u64,
    /// From the program's start to its first call.
    pub first_call_seconds: Option<f64>,
    /// From the last call's answer to the program's end.
    pub tail_seconds: Option<f64>,
}

impl Measured {
    fn new(system: &'static str, case: Case, took: Took, remote_cpu: f64, seen: Seen) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let records = case.records as f64;
        Self {
            system,
            case,
            seconds: took.seconds(),
            records_per_second: records / took.seconds(),
            cpu_seconds: took.cpu_seconds,
            remote_cpu_seconds: remote_cpu,
            peak_bytes: took.peak_bytes,
            requests: seen.calls,
            first_call_seconds: seen.span.map(|(first, _)| (first - took.started).as_secs_f64()),
            tail_seconds: seen.span.map(|(_, last)| (took.ended - last).as_secs_f64()),
        }
    }
}

impl Case {
    /// The stream that goes this way.
    pub fn stream(&self) -> &'static str {
        match (self.calls, self.lookup) {
            (Calls::Bulk, false) => "bulk",
            (Calls::Bulk, true) => "bulk_lookup",
            (Calls::One, false) => "one",
            (Calls::One, true) => "one_lookup",
        }
    }
}

impl Bench<'_> {
    /// Makes a run.
    pub fn run(&self, case: Case) -> Measured {
        self.remote.reset();
        let folder = self.folder();
        let first = self.input(case.stream(), case.records, 0);
        let (second, times) = match case.start {
            Start::Changed => (self.input(case.stream(), case.records, 1), 2),
            Start::Cold | Start::Unchanged => (first.clone(), 1),
        };
        if case.start != Start::Cold {
            self.go(&folder, &first);
        }
        self.measure("target-upsert", case, times, || self.go(&folder, &second))
    }

    /// Measures a run; after it the remote must have made each record once, and written it so often.
    pub fn measure(
        &self,
        system: &'static str,
        case: Case,
        times: u8,
        run: impl FnOnce() -> Took,
    ) -> Measured {
        self.remote.take();
        self.remote.slow_down(Duration::from_millis(case.delay_millis));
        let before = process::cpu_seconds("self");
        let took = run();
        let remote_cpu = process::cpu_seconds("self") - before;
        self.remote.must_hold(case.records, times);
        Measured::new(system, case, took, remote_cpu, self.remote.take())
    }

    /// An empty folder with the config of a run.
    pub fn folder(&self) -> PathBuf {
        let folder = self.options.out.join("run");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        std::fs::create_dir_all(&folder).unwrap();
        self.configure(&folder, json!({}));
        folder
    }

    /// Writes the config of a run, with `more` in it.
    pub fn configure(&self, folder: &Path, more: serde_json::Value) {
        let mut config = json!({
            "connector": "rest",
            "manifest": concat!(env!("CARGO_MANIFEST_DIR"), "/tests/benches/end_to_end/manifest.yaml"),
            "base_url": self.remote.url,
            "access_token": "bench",
        });
        if let (Some(config), serde_json::Value::Object(more)) = (config.as_object_mut(), more) {
            config.extend(more);
        }
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    }

    /// An input, made where it is not there yet.
    pub fn input(&self, stream: &str, records: u64, edition: u32) -> PathBuf {
        let path = self.options.out.join(format!("{stream}-{records}-{edition}.jsonl"));
        if !path.exists() {
            // Its name says that it is whole.
            let part = path.with_extension("part");
            input::write(&part, stream, records, edition);
            std::fs::rename(&part, &path).unwrap();
        }
        path
    }

    /// Runs the program in `folder`.
    pub fn go(&self, folder: &Path, input: &Path) -> Took {
        self.go_with(folder, input, &[])
    }

    /// The same with more arguments.
    pub fn go_with(&self, folder: &Path, input: &Path, arguments: &[&str]) -> Took {
        let mut command = self.program(folder);
        command.args(["--config", "config.json"]).args(arguments);
        process::run(&mut command, input, &folder.join("log.txt"))
    }

    /// The program, to be run in `folder`.
    pub fn program(&self, folder: &Path) -> Command {
        let mut command = process::command(&self.options.program);
        command.current_dir(folder);
        command
    }
}
