//! What is promised in figures beside whole runs: start, snapshot, state, a dry run.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::time::Instant;

use serde_json::json;

use super::cases::{Bench, Case};
use super::input::ID_PREFIX;
use super::report::Report;

/// Times that the start is measured; the middle one counts.
const STARTS: usize = 11;

pub fn measure(bench: &Bench<'_>, report: &mut Report) {
    let records = bench.options.most;
    report.target("start to first call", "s", first_call(bench), "< 0.05");
    report.target("dry run without lookup", "MB/s", dry_run(bench, records), ">= 300");
    report.target(
        &format!("snapshot of {records} ids, 500 records"),
        "s",
        snapshot(bench, records),
        "< 10",
    );
    report.target(
        &format!("state of {records} mappings, printed"),
        "s",
        state(bench, records),
        "< 10",
    );
}

fn first_call(bench: &Bench<'_>) -> f64 {
    let one = Case { records: 1, ..Case::default() };
    let first = |_| bench.run(one).first_call_seconds.unwrap();
    let mut all: Vec<f64> = (0..STARTS).map(first).collect();
    all.sort_by(f64::total_cmp);
    all[STARTS / 2]
}

fn dry_run(bench: &Bench<'_>, records: u64) -> f64 {
    let input = bench.input("bulk", records, 0);
    bench.remote.reset();
    let took = bench.go_with(&bench.folder(), &input, &["--dry-run"]);
    assert_eq!(bench.remote.take().calls, 0, "a dry run writes nothing");
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let bytes = std::fs::metadata(&input).unwrap().len() as f64;
    bytes / 1e6 / took.seconds()
}

/// A job of 500 records with the snapshot of all ids before it.
fn snapshot(bench: &Bench<'_>, records: u64) -> f64 {
    let folder = bench.folder();
    bench.configure(&folder, json!({ "save_record_ids": true, "snapshot_dir": "snapshots" }));
    std::fs::create_dir_all(folder.join("snapshots")).unwrap();
    let path = folder.join("snapshots/bulk_None.snapshot.csv");
    let mut out = BufWriter::new(File::create(path).unwrap());
    writeln!(out, "InputId,RemoteId,CustomData").unwrap();
    for id in 0..records {
        writeln!(out, "{ID_PREFIX}{id},{},{{}}", id + 1_000_000_000).unwrap();
    }
    out.flush().unwrap();
    bench.remote.reset();
    let took = bench.go(&folder, &bench.input("bulk", 500, 0));
    bench.remote.must_hold(500, 1);
    let listed = bench.program(&folder).args(["ids", "list"]).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains(&records.to_string()), "ids that the store has: {listed}");
    took.seconds()
}

/// The state line of a job that made all records.
fn state(bench: &Bench<'_>, records: u64) -> f64 {
    let folder = bench.folder();
    bench.remote.reset();
    bench.go(&folder, &bench.input("bulk", records, 0));
    let out = File::create(folder.join("state.json")).unwrap();
    let mut command = bench.program(&folder);
    command.args(["jobs", "state", "last"]).stdout(out);
    let began = Instant::now();
    assert!(command.status().unwrap().success());
    let seconds = began.elapsed().as_secs_f64();
    let state = std::fs::read(folder.join("state.json")).unwrap();
    let mappings = memchr::memmem::find_iter(&state, b"\"RemoteId\"").count() as u64;
    assert_eq!(mappings, records, "mappings in the state");
    seconds
}
