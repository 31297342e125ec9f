//! The commands in the README's tables of promises run tests that are there.

use std::path::{Path, PathBuf};

/// What stands between `start` and `end`, each time.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    text.split(start)
        .skip(1)
        .filter_map(|rest| rest.split_once(end))
        .map(|(name, _)| name)
        .collect()
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

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
    let named = between(&readme, "test(/^", "::/)");
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        assert!(is_there(name), "the README runs the tests of `{name}`, which are nowhere");
    }
}

/// A name without slashes is any part of a test's path: its module's, or its own.
#[test]
fn each_promise_names_parts_of_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        sources(&root.join(folder), &mut files);
    }
    let tests: Vec<String> = files
        .iter()
        .filter_map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let names =
                between(&text, "\nfn ", "(").join(" ") + &between(&text, "    fn ", "(").join(" ");
            text.contains("#[test]").then(|| format!("{} {names}", path.display()))
        })
        .collect();
    let named: Vec<&str> =
        between(&readme, "test(", ")").into_iter().filter(|name| !name.starts_with('/')).collect();
    assert!(named.len() > 4, "{named:?}");
    for name in named {
        let is_there = tests.iter().any(|test| test.contains(name));
        assert!(is_there, "the README runs the tests of `{name}`, which are nowhere");
    }
}

/// Names in the last column of what is kept from whom: files of tests, or of units.
#[test]
fn each_danger_names_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (_, section) = readme.split_once("\n## Security\n").unwrap();
    let rows = section.split_once("\n## ").unwrap().0.lines().filter(|line| line.starts_with("| "));
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        sources(&root.join(folder), &mut files);
    }
    let mut named = 0;
    for row in rows.skip(2) {
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let (files_of_tests, units) = last.split_once("units of ").unwrap_or((last, ""));
        for (names, folder) in [(files_of_tests, "tests"), (units, "src")] {
            for name in names.split('`').skip(1).step_by(2) {
                let is_of = |path: &PathBuf| {
                    let within = path.strip_prefix(root.join(folder)).ok();
                    let within = within.map(|path| path.with_extension(""));
                    within.is_some_and(|path| path.iter().any(|part| part == name))
                        && std::fs::read_to_string(path).unwrap().contains("#[test]")
                };
                assert!(files.iter().any(is_of), "no tests of `{name}` in {folder}: {row}");
                named += 1;
            }
        }
    }
    assert!(named > 30, "{named}");
}
