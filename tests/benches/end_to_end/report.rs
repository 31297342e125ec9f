//! What was measured: a table, a JSON file and a plot.

use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::alone::Alone;
use super::cases::{Calls, Measured, Start};
use super::plot;

/// All that was measured, in the order of its measuring.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    machine: Machine,
    remote_alone: Vec<Alone>,
    runs: Vec<Measured>,
    targets: Vec<Target>,
    #[serde(skip)]
    out: PathBuf,
}

#[derive(Debug, Serialize)]
struct Machine {
    processor: String,
    cores: usize,
    memory_bytes: u64,
    program: &'static str,
}

#[derive(Debug, Serialize)]
struct Target {
    what: String,
    unit: &'static str,
    is: f64,
    must_be: &'static str,
}

impl Default for Machine {
    fn default() -> Self {
        let value = |path: &str, name: &str| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split(':').nth(1)).unwrap_or("unknown").trim().to_owned()
        };
        let memory = value("/proc/meminfo", "MemTotal");
        let kib: u64 = memory.trim_end_matches(" kB").parse().unwrap_or(0);
        Self {
            processor: value("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_bytes: kib << 10,
            program: concat!("target-upsert ", env!("CARGO_PKG_VERSION")),
        }
    }
}

impl Report {
    pub fn new(out: &Path) -> Self {
        Self { out: out.to_owned(), ..Self::default() }
    }

    pub fn remote_alone(&mut self, alone: Alone) {
        let Alone { through, calls, records_per_second } = alone;
        println!("The remote alone, {through:?}, {calls:?}: {records_per_second:.0} records/s");
        self.remote_alone.push(alone);
    }

    pub fn add(&mut self, run: Measured) {
        println!("{}", line(&run));
        self.runs.push(run);
    }

    pub fn target(&mut self, what: &str, unit: &'static str, is: f64, must_be: &'static str) {
        println!("{what}: {is:.3} {unit} (must be {must_be})");
        self.targets.push(Target { what: what.to_owned(), unit, is, must_be });
    }

    /// Prints the table, and writes the files.
    pub fn finish(&self) {
        println!("\n{} cores, {}\n\n{}", self.machine.cores, self.machine.processor, self.table());
        let json = serde_json::to_string_pretty(self).unwrap();
        std::fs::write(self.out.join("results.json"), json + "\n").unwrap();
        plot::draw(&self.out.join("plot.svg"), &self.runs);
        println!("Written: results.json and plot.svg in {}", self.out.display());
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header([
            "system",
            "records",
            "way",
            "known before",
            "ms a call",
            "seconds",
            "records/s",
            "× the peer",
            "CPU s",
            "remote's CPU s",
            "peak MB",
            "calls",
            "first call ms",
            "tail s",
        ]);
        for run in &self.runs {
            let ratio = self.peer_of(run).map_or(String::new(), |peer| {
                format!("{:.0}", run.records_per_second / peer.records_per_second)
            });
            table.add_row([
                run.system.to_owned(),
                run.case.records.to_string(),
                way(run),
                known(run.case.start).to_owned(),
                run.case.delay_millis.to_string(),
                format!("{:.2}", run.seconds),
                format!("{:.0}", run.records_per_second),
                ratio,
                format!("{:.2}", run.cpu_seconds),
                format!("{:.2}", run.remote_cpu_seconds),
                megabytes(run.peak_bytes),
                run.requests.to_string(),
                run.first_call_seconds.map_or(String::new(), |s| format!("{:.0}", s * 1e3)),
                run.tail_seconds.map_or(String::new(), |s| format!("{s:.2}")),
            ]);
        }
        for column in table.column_iter_mut().skip(4) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    /// The peer's run beside one of ours: as many records, the same delay, one record a call.
    fn peer_of(&self, run: &Measured) -> Option<&Measured> {
        let is_peer = |other: &&Measured| {
            other.system.starts_with("peer, record")
                && other.case.records == run.case.records
                && other.case.delay_millis == run.case.delay_millis
        };
        let is_plain = run.system == "target-upsert" && run.case.start == Start::Cold;
        self.runs.iter().find(is_peer).filter(|_| is_plain && !run.case.lookup)
    }
}

fn line(run: &Measured) -> String {
    format!(
        "{}, {} records, {}, {}, {} ms: {:.2} s, {:.0} records/s, CPU {:.2} s (remote {:.2} s), {} MB, {} calls",
        run.system,
        run.case.records,
        way(run),
        known(run.case.start),
        run.case.delay_millis,
        run.seconds,
        run.records_per_second,
        run.cpu_seconds,
        run.remote_cpu_seconds,
        megabytes(run.peak_bytes),
        run.requests,
    )
}

fn megabytes(bytes: u64) -> String {
    format!("{}", bytes.div_ceil(1_000_000))
}

fn way(run: &Measured) -> String {
    let calls = match run.case.calls {
        Calls::Bulk => "100 a call",
        Calls::One => "1 a call",
    };
    format!("{calls}{}", if run.case.lookup { ", looked up" } else { "" })
}

fn known(start: Start) -> &'static str {
    match start {
        Start::Cold => "nothing",
        Start::Changed => "all, changed",
        Start::Unchanged => "all, unchanged",
    }
}
