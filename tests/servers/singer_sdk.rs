//! The Singer SDK's own tests of targets over the real binary: the standard suite, the cases that
//! the SDK leaves out, and its data files that no case uses. What is beyond the SDK's own looking
//! is in `singer_sdk_suite.py`.

use std::path::Path;
use std::process::Command;

use crate::installed::program;
use crate::support::Remote;

/// Runs one class of the suite, or one test; all of it must pass, and be as many cases.
#[track_caller]
fn passes(suite: &str, cases: usize) {
    let remote = Remote::start();
    let folder = tempfile::tempdir().unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/singer_sdk_suite.py");
    let ran = Command::new(program("python"))
        .args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider", "--rootdir"])
        .arg(folder.path())
        .arg("--basetemp")
        .arg(folder.path().join("cases"))
        .arg(format!("{}::{suite}", file.display()))
        .current_dir(folder.path())
        .env_clear()
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PROGRAM", env!("CARGO_BIN_EXE_target-upsert"))
        .env("REMOTE", &remote.url)
        .output()
        .unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{told}\n{}", String::from_utf8_lossy(&ran.stderr));
    // Such as `16 passed in 2.61s`; one that was left out would be named beside it.
    let last = told.lines().last().unwrap();
    assert!(last.starts_with(&format!("{cases} passed in ")), "{last}");
}

#[test]
#[ignore = "needs the Singer SDK, which `tests/run` installs"]
fn its_standard_suite() {
    passes("TestStandard", 16);
}

#[test]
#[ignore = "needs the Singer SDK, which `tests/run` installs"]
fn its_cases_that_it_does_not_run_several_states_included() {
    passes("TestLeftOut", 2);
}

#[test]
#[ignore = "needs the Singer SDK, which `tests/run` installs"]
fn its_data_files_that_no_case_uses() {
    passes("TestFiles", 3);
    passes("test_every_data_file_has_a_case", 1);
}
