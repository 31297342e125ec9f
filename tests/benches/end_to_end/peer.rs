//! The peer: the hosted platform's own Singer SDK (from `PyPI`), with the smallest targets on it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::cases::{Bench, Case, Measured};
use super::process;

const PACKAGE: &str = "hotglue-singer-sdk==1.0.51";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/benches/end_to_end/peer.py");

/// A virtual environment with the SDK in it.
pub struct Peer {
    python: PathBuf,
}

/// Which of its sinks.
#[derive(Clone, Copy, Debug)]
pub enum Sink {
    /// One record a call.
    Record,
    /// 100 records a call.
    Batch,
}

impl Peer {
    /// Installs the SDK into a folder of `out`, once.
    pub fn install(out: &Path) -> Self {
        let folder = out.join("peer");
        let python = folder.join("bin/python");
        let installed = folder.join("installed.txt");
        if std::fs::read_to_string(&installed).is_ok_and(|package| package == PACKAGE) {
            return Self { python };
        }
        let must = |command: &mut Command| {
            let status = command.status().expect("python3");
            assert!(status.success(), "{command:?} ended with {status}; --no-peer goes without");
        };
        must(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE];
        must(Command::new(&python).args(pip));
        std::fs::write(&installed, PACKAGE).unwrap();
        Self { python }
    }

    /// Makes a run. It knows one kind of call only: a record is made, whatever was before.
    pub fn run(&self, bench: &Bench<'_>, case: Case, sink: Sink) -> Measured {
        bench.remote.reset();
        let folder = bench.folder();
        let config = json!({ "base_url": bench.remote.url });
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
        // It writes files into its parent folder.
        let inner = folder.join("inner");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::create_dir_all(folder.join(".secrets")).unwrap();
        let input = bench.input(case.stream(), case.records, 0);
        let (name, argument, calls) = match sink {
            Sink::Record => ("peer, record sink", "record", super::Calls::One),
            Sink::Batch => ("peer, batch sink", "batch", super::Calls::Bulk),
        };
        let mut command = process::command(&self.python);
        command.current_dir(&inner).args([SCRIPT, argument, "--config", "../config.json"]);
        let run = || process::run(&mut command, &input, &folder.join("log.txt"));
        bench.measure(name, Case { calls, ..case }, 1, run)
    }
}
