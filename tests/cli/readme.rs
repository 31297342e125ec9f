//! The commands in the README's tables of promises run tests that are there.

use std::path::Path;

#[test]
fn each_promise_names_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let folders = ["tests/pipeline", "tests/properties"].map(|folder| root.join(folder));
    let is_there = |name: &str| {
        folders.iter().any(|folder| {
            folder.join(format!("{name}.rs")).exists() || folder.join(name).join("mod.rs").exists()
        })
    };
    let named: Vec<&str> = readme
        .split("test(/^")
        .skip(1)
        .filter_map(|rest| rest.split_once("::/)").map(|(name, _)| name))
        .collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        assert!(is_there(name), "the README runs the tests of `{name}`, which are nowhere");
    }
}
