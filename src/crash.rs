//! Named steps at which a debug build dies when it is told to, as `kill -9` would have it, so that
//! the tests see what each of them leaves behind. In a release build there is nothing of it.
//!
//! `CRASH_AT=answered:3` in the environment kills the process when it comes to the step `answered`
//! for the third time.

/// The steps.
pub const STEPS: [&str; 15] = [
    // A file was written (the config with new tokens, results, a snapshot) and stands beside the
    // old one; it has taken its place.
    "replacing",
    "replaced",
    // What a killed job left was looked up, and is not recorded.
    "recovering",
    // The intent is on disk, the call has not left.
    "intended",
    // The records of a bulk job are handed over, and it was not closed.
    "uploaded",
    // The call was taken; its answer was not read.
    "sent",
    // The answer was read, the outcome is not on disk.
    "answered",
    // The outcome is on disk, nothing tells of it.
    "recorded",
    // The answer asks for another plan, and what is to be kept of it is on disk.
    "replanned",
    // Records stand at the remote without some of their relations, and that is on disk.
    "partial",
    // Some of the ids are in a run or in the map, and memory has them too.
    "moved",
    // Some of the ids are in the map.
    "folding",
    // All of them are; memory has them too.
    "folded",
    // Some of the state line is out.
    "telling",
    // All of it is; the job is not marked as ended.
    "told",
];

/// A process comes to a step.
#[cfg(debug_assertions)]
pub fn point(step: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicI64, Ordering};

    static DEATH: LazyLock<Option<(String, AtomicI64)>> = LazyLock::new(|| {
        let told = std::env::var("CRASH_AT").ok()?;
        let (step, count) = told.split_once(':')?;
        // Or a test of a step that is none would see nothing, and pass.
        assert!(STEPS.contains(&step), "`CRASH_AT` names no step: {step}");
        Some((step.to_owned(), AtomicI64::new(count.parse().ok()?)))
    });
    debug_assert!(STEPS.contains(&step), "{step}");
    if let Some((death, left)) = &*DEATH
        && death == step
        && left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        // It cannot fail, and if it did there would be nothing else to do.
        let _sent =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

/// A process comes to a step, and goes on.
#[cfg(not(debug_assertions))]
pub fn point(_: &str) {}
