//! Records that are written at once, over HTTP, under load: what the service adds to the time that its
//! remote takes. The load comes from `wrk`, which has to be installed (Debian: `apt-get install wrk`).
//!
//! ```text
//! cargo bench --bench serve                # three delays of the remote, some 3 minutes
//! cargo bench --bench serve -- --seconds 3
//! ```
//! The remote is the sandbox, in this process; it is measured by itself with the same calls first. After
//! each run it is asked whether it holds each record once.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it prints a table, and ends on the first surprise"
)]
#![allow(clippy::disallowed_methods, reason = "our own sandbox answers")]

use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use clap::Parser;
use serde_json::{Value, json};
use target_upsert::sandbox;

/// Measures records that are written at once.
#[derive(Debug, Parser)]
struct Options {
    /// The program that is measured.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_target-upsert"))]
    program: PathBuf,
    /// Seconds of each run.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Milliseconds that the remote takes for a call.
    #[arg(long, value_delimiter = ',', default_value = "0,20,100")]
    delays: Vec<u64>,
    /// Requests under way.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    connections: Vec<u32>,
    /// Calls of the service under way, at most.
    #[arg(long, default_value_t = 64)]
    max_in_flight: u32,
    /// What `cargo bench` hands on.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What `wrk` told of one run.
#[derive(Debug)]
struct Told {
    per_second: f64,
    median: f64,
    p99: f64,
    /// Answers that were none of success.
    refused: u64,
}

fn main() {
    let options = Options::parse();
    println!(
        "| remote | connections | remote p50, p99 | service p50, p99 | requests/s | of the remote's | peak |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for delay in &options.delays {
        for connections in &options.connections {
            measure(&options, *delay, *connections);
        }
    }
}

fn measure(options: &Options, delay: u64, connections: u32) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let faults = format!("{{latency_ms: {delay}}}").parse().unwrap();
    let running = sandbox::Options { faults, ..sandbox::Options::default() };
    let running = runtime.block_on(sandbox::start(running)).unwrap();
    let remote = format!("http://{}", running.address());
    let record = r#"{\"ext_id\":\"ID\",\"email\":\"ID@x.example\",\"name\":\"Ada\"}"#;
    let alone = Load {
        body: format!(r#"{{\"inputs\":[{record}]}}"#),
        url: format!("{remote}/v1/alone/batch"),
        key: "wrk.headers['Authorization'] = 'Bearer sandbox-token'",
        connections,
        seconds: options.seconds,
    };
    let alone = alone.run(folder.path());
    assert_eq!(alone.refused, 0, "{alone:?}");

    let service = Service::start(options, folder.path(), &remote);
    let record = record.replace("ext_id", "externalId");
    let load = Load {
        body: format!(r#"{{\"data\":{record}}}"#),
        url: format!("{}/dev/crm/acme/connectors/rest/contacts", service.url),
        key: "",
        connections,
        seconds: options.seconds,
    };
    let told = load.run(folder.path());
    assert_eq!(told.refused, 0, "{told:?}");
    let peak = service.peak_mib();
    drop(service);
    once_each(&runtime, &remote);
    println!(
        "| {delay} ms | {connections} | {:.1}, {:.1} ms | {:.1}, {:.1} ms | {:.0} | {:.0} % | {peak} MiB |",
        alone.median,
        alone.p99,
        told.median,
        told.p99,
        told.per_second,
        100.0 * told.per_second / alone.per_second,
    );
    runtime.block_on(running.stop());
}

/// Whether the remote holds each record once.
fn once_each(runtime: &tokio::runtime::Runtime, remote: &str) {
    let held: Vec<Value> = runtime.block_on(async {
        let answer = reqwest::get(format!("{remote}/_sandbox/objects/contacts")).await.unwrap();
        answer.json().await.unwrap()
    });
    let ids: std::collections::HashSet<_> =
        held.iter().map(|record| record["ext_id"].as_str().unwrap()).collect();
    assert!(!ids.is_empty());
    assert_eq!(ids.len(), held.len());
}

/// The same request again and again, each for a record of its own.
struct Load {
    /// A Lua string, with `ID` where the record's id is to stand.
    body: String,
    url: String,
    /// A line of the script, where a key is sent.
    key: &'static str,
    connections: u32,
    seconds: u32,
}

impl Load {
    fn run(&self, folder: &Path) -> Told {
        let script = folder.join("load.lua");
        let Self { body, url, key, connections, seconds } = self;
        let text = format!(
            "local n = 0\n\
             wrk.method = 'POST'\n\
             wrk.headers['Content-Type'] = 'application/json'\n\
             {key}\n\
             function request()\n\
                 n = n + 1\n\
                 return wrk.format(nil, nil, nil, (string.gsub(\"{body}\", 'ID', 'c-' .. n)))\n\
             end\n"
        );
        File::create(&script).unwrap().write_all(text.as_bytes()).unwrap();
        let ran = Command::new("wrk")
            .args(["--latency", "--threads", "1", "--timeout", "30s"])
            .args(["--connections", &connections.to_string(), "--duration", &format!("{seconds}s")])
            .arg("--script")
            .arg(&script)
            .arg(url)
            .output()
            .expect("`wrk`: install it, on Debian with `apt-get install wrk`");
        let text = String::from_utf8(ran.stdout).unwrap();
        assert!(ran.status.success(), "{text}");
        let value = |name: &str| {
            let line = text.lines().find(|line| line.trim_start().starts_with(name));
            line.and_then(|line| line.split_whitespace().last())
        };
        let refused = value("Non-2xx or 3xx responses:").map_or(0, |text| text.parse().unwrap());
        Told {
            per_second: value("Requests/sec:").unwrap().parse().unwrap(),
            median: millis(value("50%").unwrap()),
            p99: millis(value("99%").unwrap()),
            refused,
        }
    }
}

/// A time as `wrk` tells it.
fn millis(text: &str) -> f64 {
    let (number, factor) = match text {
        text if text.ends_with("us") => (text.trim_end_matches("us"), 0.001),
        text if text.ends_with("ms") => (text.trim_end_matches("ms"), 1.0),
        text => (text.trim_end_matches('s'), 1000.0),
    };
    number.parse::<f64>().unwrap() * factor
}

struct Service {
    process: Child,
    url: String,
}

impl Service {
    fn start(options: &Options, folder: &Path, remote: &str) -> Self {
        let connector = json!({"config": {"manifest": "sandbox", "base_url": remote,
            "access_token": "sandbox-token", "max_in_flight": options.max_in_flight}});
        let config = json!({"listen": "127.0.0.1:0", "environments": {"dev": {
            "flows": {"crm": {"connectors": {"rest": connector}}},
            "tenants": {"acme": {"connectors": {"rest": {}}}}}}});
        let path = folder.join("serve.yaml");
        File::create(&path).unwrap().write_all(config.to_string().as_bytes()).unwrap();
        let mut process = Command::new(&options.program)
            .args(["serve", "--log-format", "json", "--config"])
            .arg(&path)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = log
            .by_ref()
            .find_map(|line| {
                let told: Value = serde_json::from_str(&line.unwrap()).unwrap_or_default();
                told["fields"]["address"].as_str().map(str::to_owned)
            })
            .unwrap();
        // It is not to wait for somebody who reads.
        std::thread::spawn(move || log.for_each(drop));
        Self { process, url: format!("http://{address}") }
    }

    /// Resident at most, as `/proc` has it (proc(5)).
    fn peak_mib(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() >> 10
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
