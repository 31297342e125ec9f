//! Manifests that are almost right, and those that would take all time or memory.

use std::fs;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::almost::{edited, edits};
use crate::bodies::{manifest, template};
use crate::{cases, files};

const TOKENS: &[&str] = &[
    "{{ external_id }}",
    "{{ row.a",
    "{% for x in range(9999) %}",
    "$.id",
    "$.a[?@.b",
    "[",
    "]",
    "{",
    "}",
    ": ",
    "\n",
    "  ",
    "- ",
    "&a ",
    "*rows",
    "!!binary ",
    "|\n",
    ">-\n",
    "\"",
    "'",
    "#",
    "0",
    "-1",
    "1e400",
    "null",
    "99999999999999999999",
    "~",
    "<<: *rows",
    "\t",
    "\u{85}",
    "---\n",
    "...\n",
];

/// The text of a manifest that is right.
fn right() -> impl Strategy<Value = String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = vec![fs::read_to_string(root.join("src/connector/rest/sandbox.yaml")).unwrap()];
    for path in files(&root.join("fixtures/manifests")) {
        if path.extension().is_some_and(|ending| ending == "yaml") {
            texts.push(fs::read_to_string(path).unwrap());
        }
    }
    select(texts)
}

/// What is done to whole lines, which are the keys of a manifest.
#[derive(Clone, Copy, Debug)]
enum Change {
    Remove,
    Double,
    /// The value of one line under the key of another.
    SwapValues(Index),
    Indent,
}

fn changes() -> impl Strategy<Value = Vec<(Index, Change)>> {
    let change = prop_oneof![
        Just(Change::Remove),
        Just(Change::Double),
        any::<Index>().prop_map(Change::SwapValues),
        Just(Change::Indent),
    ];
    prop::collection::vec((any::<Index>(), change), 0..3)
}

fn changed(text: &str, changes: &[(Index, Change)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (at, change) in changes {
        let at = at.index(lines.len());
        match change {
            Change::Remove => drop(lines.remove(at)),
            Change::Double => lines.insert(at, lines[at].clone()),
            Change::Indent => lines[at].insert_str(0, "  "),
            Change::SwapValues(other) => {
                let other = other.index(lines.len());
                let halves = [at, other].map(|at| {
                    lines[at].split_once(':').map(|(key, value)| (key.to_owned(), value.to_owned()))
                });
                if let [Some((key, value)), Some((other_key, other_value))] = halves {
                    lines[at] = format!("{key}:{other_value}");
                    lines[other] = format!("{other_key}:{value}");
                }
            }
        }
    }
    lines.join("\n")
}

/// The beginning of a template, something to repeat, and the end.
fn nested() -> impl Strategy<Value = String> {
    const PARTS: &[(&str, &str, &str, &str)] = &[
        ("{{ ", "(", ")", " }}"),
        ("{{ ", "[", "]", " }}"),
        ("{{ ", "not ", "", "1 }}"),
        ("{{ 1", " + 1", "", " }}"),
        ("{{ 1", "|string", "", " }}"),
        ("", "{% for x in range(999) %}", "{% endfor %}", ""),
        ("", "{% if 1 %}", "{% endif %}", ""),
        ("$.a", "[?@.b", "]", ""),
        ("$", "..*", "", ""),
    ];
    (select(PARTS), 1..400_usize).prop_map(|((begin, open, close, end), times)| {
        format!("{begin}{}{}{end}", open.repeat(times), close.repeat(times))
    })
}

/// On a stack as large as that of the thread that reads manifests: without optimization the 64
/// levels that may be nested take more than a test's own.
#[test]
fn what_would_take_all_time_or_memory_is_refused() {
    let reading = std::thread::Builder::new().stack_size(8 << 20).spawn(read_bombs).unwrap();
    reading.join().unwrap();
}

fn read_bombs() {
    let head = "version: 1\nname: x\nbase_url: http://h\n";
    let mut bomb = format!("{head}x0: &x0 [a, a, a, a, a, a, a, a, a, a]\n");
    for level in 1..12 {
        let before = format!("*x{}", level - 1);
        bomb.push_str(&format!("x{level}: &x{level} [{}]\n", [before.as_str(); 10].join(", ")));
    }
    manifest(bomb.as_bytes());
    for (open, close) in
        [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", ""), ("!a ", ""), ("\"", "")]
    {
        let body = format!("{}{}", open.repeat(20_000), close.repeat(20_000));
        manifest(format!("{head}streams: {body}").as_bytes());
        let create = format!("{{method: POST, path: /, body: {body}}}");
        manifest(format!("{head}streams: {{\"*\": {{create: {create}}}}}").as_bytes());
    }
    for run_away in [
        "{% for x in range(9999) %}{% for y in range(9999) %}{{ x * y }}{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ 'x' * 99999999999 }}",
        "{{ range(99999999999) | list }}",
        "{{ [1] * 9999999 | string }}",
        "{{ 9 ** 999999999 }}",
        "{{ '%099999999999d' | format(1) }}",
    ] {
        template(run_away.as_bytes());
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn what_is_wrong_is_told_with_its_place(
        text in right(), changes in changes(), edits in edits(TOKENS)
    ) {
        manifest(&edited(changed(&text, &changes), &edits));
    }

    #[test]
    fn templates_and_paths_nest_as_deep_as_they_like(text in nested(), edits in edits(TOKENS)) {
        template(&edited(text, &edits));
    }
}
