//! Properties of all that parses what others wrote (Singer lines, manifests and their templates,
//! answers, snapshots, states), and the moving parts of a job beside models: the same in a few
//! lines that keep everything and are slow, compared after every step of many that chance has
//! chosen.
//!
//! What must hold of what is parsed is said once, in [`bodies`], and holds for any bytes. Here it
//! is tried on inputs that are almost right, since those get past the parsers.
//! `PROPTEST_CASES=10000` tries more than a run of all tests has time for; `tests/fuzz` goes on
//! where this ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod almost;
mod answers;
mod batcher;
mod bodies;
mod fingerprints;
mod gate;
mod id_map;
mod journal;
mod manifests;
mod schemas;
mod singer;
mod snapshots;
mod states;
mod torn;
mod watermark;

use std::path::{Path, PathBuf};

use proptest::prelude::*;

/// So many cases, unless `PROPTEST_CASES` says otherwise. No file is kept of what failed: the input
/// is printed, and belongs into a test of its own.
fn cases(count: u32) -> ProptestConfig {
    let is_given = std::env::var_os("PROPTEST_CASES").is_some();
    let given = ProptestConfig::default();
    let cases = if is_given { given.cases } else { count };
    ProptestConfig { cases, failure_persistence: None, ..given }
}

/// All that bytes can be taken for.
const BODIES: [fn(&[u8]); 6] = [
    bodies::singer_lines,
    bodies::manifest,
    bodies::template,
    bodies::answer,
    bodies::snapshot,
    bodies::state,
];

fn take_for_anything(data: &[u8]) {
    for body in BODIES {
        body(data);
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn every_fixture_can_be_taken_for_anything() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for path in files(&folder) {
        let data = std::fs::read(path).unwrap();
        take_for_anything(&data);
    }
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn any_bytes_can_be_taken_for_anything(data in prop::collection::vec(any::<u8>(), 0..200)) {
        take_for_anything(&data);
    }
}
