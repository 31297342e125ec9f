//! A program that runs as a child and is measured from outside, as the system counts it.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// How often a child's memory is read.
const LOOK: Duration = Duration::from_millis(5);

/// What a child took.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    pub started: Instant,
    pub ended: Instant,
    /// Of all its threads, user's and system's together.
    pub cpu_seconds: f64,
    /// Resident at most (`VmHWM`), of the last look at it.
    pub peak_bytes: u64,
}

impl Took {
    pub fn seconds(&self) -> f64 {
        (self.ended - self.started).as_secs_f64()
    }
}

/// Runs `command` with `input` as its stdin and its words in `log`; panics where it fails.
pub fn run(command: &mut Command, input: &Path, log: &Path) -> Took {
    let error = File::create(log).expect("a log file");
    let output = File::create(log.with_extension("out")).expect("an output file");
    let input = File::open(input).expect("the input");
    let command = command.stdin(input).stdout(output).stderr(error);
    let started = Instant::now();
    let mut child = command.spawn().expect("the program");
    let pid = Pid::from_child(&child);
    let mut peak_bytes = 0;
    loop {
        peak_bytes = peak(&child).unwrap_or(peak_bytes);
        // Is left to be reaped: what it took can be read until then.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        if waitid(WaitId::Pid(pid), options).expect("our own child").is_some() {
            break;
        }
        std::thread::sleep(LOOK);
    }
    let ended = Instant::now();
    let cpu_seconds = cpu_seconds(&child.id().to_string());
    let status = child.wait().expect("our own child");
    assert!(status.success(), "{command:?} ended with {status}; see {}", log.display());
    Took { started, ended, cpu_seconds, peak_bytes }
}

/// As `/proc` has it, in proc(5); `None` once the child has ended.
fn peak(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// CPU time of a process, `self` or a number, so far.
pub fn cpu_seconds(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("Linux");
    // The name, in brackets, may hold anything; `utime` and `stime` are the 12th and 13th behind it.
    let (_, behind) = stat.rsplit_once(')').expect("a name in brackets");
    let ticks = behind.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let ticks = ticks as f64;
    // Linux tells this in hundredths of a second wherever Rust runs.
    ticks / 100.0
}

/// A command without anything of this environment that a target listens to.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME", "LANG"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}
