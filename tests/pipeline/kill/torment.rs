//! Kills jobs again and again, at named steps and at random instants, until so many have died; each
//! goes on where the one before was killed.
//!
//! `KILLS=500 KILL_SEED=7 tests/run -E 'test(/^kill::/)'` kills more of them, by another chance.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "how it came to a failure")]

use std::collections::BTreeMap;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Place, Ran, finish};

/// Jobs that die in each test, where the environment does not say otherwise.
const KILLS: u32 = 17;

/// What is done to one kind of remote.
pub(super) struct Torment<'a> {
    /// The named steps at which jobs die, each at least once.
    pub(super) steps: &'a [&'a str],
    /// Whether jobs die at random instants too.
    pub(super) at_random: bool,
    /// The input of a round: it is given to jobs until one ends by itself; then the next begins.
    pub(super) input: &'a dyn Fn(usize) -> String,
    /// Whether all that a round brought stands at the remote, and nothing twice.
    pub(super) check: &'a dyn Fn(&Place, usize),
    /// Called when a job was killed in a round, with the number of records that it has told to be
    /// safe.
    pub(super) safe: &'a dyn Fn(usize, usize),
}

/// How a job is to die.
#[derive(Debug)]
enum Death {
    At(String, u32),
    After(Duration),
}

/// Tells how it came to a failure.
struct History {
    seed: u64,
    lines: Vec<String>,
}

impl Drop for History {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("KILL_SEED={}\n{}", self.seed, self.lines.join("\n"));
        }
    }
}

fn from_environment<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

impl Torment<'_> {
    /// Kills jobs of `place`.
    pub(super) fn inflict(&self, mut place: Place) {
        let (kills, seed) = (from_environment("KILLS", KILLS), from_environment("KILL_SEED", 1));
        let mut history = History { seed, lines: Vec::new() };
        let mut chance = fastrand::Rng::with_seed(seed);
        let mut died: BTreeMap<&str, u32> = self.steps.iter().map(|step| (*step, 0)).collect();
        let (mut killed, mut round) = (0, 0);
        let mut left_intent = false;
        let mut whole = Duration::from_millis(400);
        while killed < kills || died.values().any(|count| *count == 0) {
            assert!(history.lines.len() < kills as usize * 8, "steps that were not met: {died:?}");
            let death = self.choose(&died, whole, left_intent, &mut chance);
            keep_tokens(&mut place);
            let format = if chance.bool() { "tap" } else { "full" };
            place = place.set("state", json!({"format": format}));
            let (started, before) = (Instant::now(), last_job(&place).0);
            let ran = run(&place, &(self.input)(round), &death);
            history.lines.push(format!("round {round}, {format}, {death:?}: {}", ran.code));
            // Only then is there something to recover.
            let is_killed = ran.signal == Some(9);
            left_intent = matches!(&death, Death::At(step, _) if is_killed && step == "intended");
            match (ran.code, death) {
                (_, death) if is_killed => {
                    killed += 1;
                    if let Death::At(step, _) = death
                        && let Some(count) = died.get_mut(&*step)
                    {
                        *count += 1;
                    }
                    (self.safe)(round, if format == "tap" { told(&ran.stdout) } else { 0 });
                    let (job, has_ended) = last_job(&place);
                    if job > before && has_ended {
                        (self.check)(&place, round);
                        round += 1;
                    }
                }
                (0, _) => {
                    whole = started.elapsed();
                    (self.check)(&place, round);
                    round += 1;
                }
                (code, _) => panic!("exit code {code}: {}", ran.stderr),
            }
        }
        keep_tokens(&mut place);
        place.done((self.input)(round));
        (self.check)(&place, round);
        println!("{killed} jobs killed in {round} rounds, at steps {died:?}");
    }

    /// First every step once, then by chance.
    fn choose(
        &self,
        died: &BTreeMap<&str, u32>,
        whole: Duration,
        left_intent: bool,
        chance: &mut fastrand::Rng,
    ) -> Death {
        let missing: Vec<&str> =
            died.iter().filter(|(_, count)| **count == 0).map(|(step, _)| *step).collect();
        if missing == ["recovering"] && !left_intent {
            // Updates come first, one by one or together; it is to be a create.
            let count = if chance.bool() { chance.u32(1..=8) } else { chance.u32(30..=60) };
            return Death::At("intended".to_owned(), count);
        }
        if !missing.is_empty() {
            return Death::At(missing[chance.usize(..missing.len())].to_owned(), 1);
        }
        if self.at_random && chance.bool() {
            return Death::After(whole.mul_f64(chance.f64()));
        }
        let step = self.steps[chance.usize(..self.steps.len())];
        let most = if ["folded", "told"].contains(&step) { 1 } else { 7 };
        Death::At(step.to_owned(), chance.u32(1..=most))
    }
}

/// A killed job may have written new tokens into its config. Whole it is in any case.
fn keep_tokens(place: &mut Place) {
    if place.path("config.json").exists() {
        place.config = serde_json::from_str(&place.read("config.json")).unwrap();
    }
}

/// The tap's last STATE on stdout that is a whole line: records before it.
fn told(stdout: &str) -> usize {
    let whole = stdout.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let last = whole.lines().last().map(|line| serde_json::from_str(line).unwrap());
    last.map_or(0, |state: serde_json::Value| {
        usize::try_from(state["n"].as_u64().unwrap()).unwrap()
    })
}

/// The number of the last job, and whether it has ended by itself: then its input does not come again, and
/// the same records without ids would be others, also where it was killed after that.
fn last_job(place: &Place) -> (i64, bool) {
    let path = place.path(".target-upsert/store.db");
    let sql = "SELECT id, status = 'succeeded'
                   AND NOT EXISTS (SELECT 1 FROM streams WHERE last_job IS NOT NULL)
               FROM jobs ORDER BY id DESC LIMIT 1";
    // Before the first job there is no store.
    let store =
        rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE);
    let found =
        store.and_then(|store| store.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))));
    found.unwrap_or_default()
}

/// Runs a job to its death or its end.
fn run(place: &Place, input: &str, death: &Death) -> Ran {
    let mut job = place.job();
    let wait = match death {
        Death::At(step, count) => {
            job.env("CRASH_AT", format!("{step}:{count}"));
            // Past any job's end: only what hangs meets it, and the test's own end.
            Duration::from_secs(60)
        }
        Death::After(wait) => *wait,
    };
    let child = job.spawn().unwrap();
    let pid = child.id();
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let killer = std::thread::spawn(move || {
        if receiver.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            // The child is reaped only after this thread was joined, so the id is its own.
            drop(std::process::Command::new("kill").args(["-9", &pid.to_string()]).status());
        }
    });
    let ran = finish(child, input.as_bytes());
    // The killer may have done its work by now, and listens no more.
    drop(sender);
    killer.join().unwrap();
    ran
}
