//! Whole runs of the program, side by side with the hosted platform's own SDK, against a remote
//! that answers at once or after a while:
//!
//! ```text
//! cargo bench --bench end_to_end              # everything, some 10 minutes on two cores
//! cargo bench --bench end_to_end -- --help    # parts of it
//! ```
//! Writes a table to stdout, and `results.json` and `plot.svg` into `target/tmp/end_to_end`.
//!
//! After each run the remote is asked whether it has made each record once, and has written it as
//! often as was to be; the benchmark ends where that is not so.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it prints a table, and ends on the first surprise"
)]
#![allow(clippy::disallowed_methods, reason = "nobody reads its files before it has ended")]
#![allow(unreachable_pub, reason = "it is one binary")]

mod alone;
mod cases;
mod input;
mod peer;
mod plot;
mod process;
mod remote;
mod report;
mod targets;

use std::path::PathBuf;

use clap::Parser;

use alone::Through;
use cases::{Bench, Calls, Case, Start};
use peer::{Peer, Sink};
use remote::Remote;
use report::Report;

/// Measures whole runs.
#[derive(Debug, Parser)]
pub struct Options {
    /// Where everything is written.
    #[arg(long, default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/end_to_end"))]
    out: PathBuf,
    /// The program that is measured.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_target-upsert"))]
    program: PathBuf,
    /// Only these parts.
    #[arg(long, value_delimiter = ',', default_value = "sizes,ways,delays,targets")]
    parts: Vec<String>,
    /// Records of the largest run.
    #[arg(long, default_value_t = 1_000_000)]
    most: u64,
    /// Records of the peer's largest run: its time grows with their square.
    #[arg(long, default_value_t = 20_000)]
    peer_most: u64,
    /// Without the peer, which needs `python3` and the network once.
    #[arg(long)]
    no_peer: bool,
    /// What cargo says to benches.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    std::fs::create_dir_all(&options.out).unwrap();
    let peer = (!options.no_peer).then(|| Peer::install(&options.out));
    let remote = Remote::start();
    let bench = Bench { options: &options, remote: &remote };
    let mut report = Report::new(&options.out);
    let has = |part: &str| options.parts.iter().any(|one| one == part);
    if has("sizes") {
        for through in [Through::Sockets, Through::Client] {
            for calls in [Calls::Bulk, Calls::One] {
                report.remote_alone(alone::measure(&remote, through, calls));
            }
        }
        for records in [1_000, 5_000, 20_000, 100_000, 300_000, 1_000_000, 10_000_000] {
            let sized = Case { records, ..Case::default() };
            if records <= options.most {
                report.add(bench.run(sized));
            }
            if let Some(peer) = peer.as_ref().filter(|_| records <= options.peer_most) {
                report.add(peer.run(&bench, sized, Sink::Record));
                report.add(peer.run(&bench, sized, Sink::Batch));
            }
        }
    }
    if has("ways") {
        let records = 100_000.min(options.most);
        for calls in [Calls::Bulk, Calls::One] {
            for lookup in [false, true] {
                for start in [Start::Cold, Start::Changed, Start::Unchanged] {
                    report.add(bench.run(Case {
                        records,
                        calls,
                        lookup,
                        start,
                        ..Case::default()
                    }));
                }
            }
        }
    }
    if has("delays") {
        for delay_millis in [20, 50] {
            for (calls, records) in [(Calls::Bulk, 100_000), (Calls::One, 20_000)] {
                let records = records.min(options.most);
                report.add(bench.run(Case { records, calls, delay_millis, ..Case::default() }));
            }
            let few = Case { records: 200, delay_millis, ..Case::default() };
            if let Some(peer) = &peer {
                report.add(peer.run(&bench, few, Sink::Record));
                report.add(peer.run(&bench, Case { records: 5_000, ..few }, Sink::Batch));
            }
        }
    }
    if has("targets") {
        targets::measure(&bench, &mut report);
    }
    report.finish();
}
