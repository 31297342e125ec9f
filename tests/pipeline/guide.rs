//! The guide to manifests, followed step by step: its files are written, its commands run, and what
//! it says that they print is looked for. So is the README's pipe with a plain tap.

use std::path::Path;
use std::process::Command;

use crate::support::{Place, Remote, fixture};

/// What stands between two fences.
pub(crate) struct Block {
    /// The last heading above it.
    pub(crate) heading: String,
    /// Language, and the file's name if it is one.
    pub(crate) info: String,
    pub(crate) text: String,
}

/// All blocks of the guide, in their order.
pub(crate) fn blocks() -> Vec<Block> {
    let guide = std::fs::read_to_string(fixture("manifests/README.md")).unwrap();
    let mut blocks = Vec::new();
    let mut heading = String::new();
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let body: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            let (heading, info) = (heading.clone(), info.to_owned());
            blocks.push(Block { heading, info, text: body.join("\n") + "\n" });
        } else if line.starts_with('#') {
            line.trim_start_matches(['#', ' ']).clone_into(&mut heading);
        }
    }
    blocks
}

/// Runs a script in the folder, with the program in its path. Returns what it printed.
fn run(place: &Place, script: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_target-upsert"));
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", program.parent().unwrap().display());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(place.folder.path())
        .env_clear()
        .env("PATH", path)
        .output()
        .unwrap();
    let told =
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{script}\n{told}");
    told
}

#[test]
fn every_step_works_and_prints_what_it_says() {
    let remote = Remote::start();
    let port = remote.url.rsplit(':').next().unwrap();
    let place = Place::at(&remote, "sandbox");
    let mut printed = String::new();
    let mut steps = 0;
    for Block { heading, info, text } in blocks() {
        if !heading.starts_with("Step ") {
            continue;
        }
        let text = text.replace("8765", port);
        match info.split_once(' ') {
            // The last step's remote is another one.
            Some((_, "rough")) => {}
            Some((_, name)) => drop(place.file(name, &text)),
            None if info == "sh" => {
                printed = run(&place, &text);
                steps += 1;
            }
            None if info == "text" => {
                for line in text.lines() {
                    assert!(printed.contains(line), "{heading}: no {line:?} in\n{printed}");
                }
            }
            None => assert_eq!(info, "console", "{heading}: a block of an unknown kind"),
        }
    }
    assert_eq!(steps, 7);
    // The last step's remote that misbehaves.
    let rough = Remote::with(&place.read("rough.yaml"));
    place.file("config.json", place.read("config.json").replace(&remote.url, &rough.url));
    let last = blocks().into_iter().find(|block| block.info == "sh rough").unwrap();
    run(&place, &last.text);
    let held = rough.by_ext("people");
    assert_eq!(held.keys().collect::<Vec<_>>(), ["p-1", "p-2"]);
    assert!(rough.faults("reset_after") + rough.faults("status") > 0);
}

/// The README's way to give a plain tap its STATE back: the tap here brings one record a run, by
/// what its state says.
#[test]
fn a_plain_tap_gets_its_state_back() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").set("state", serde_json::json!({"format": "tap"}));
    place.file("config.json", place.config.to_string());
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let readme = readme.unwrap();
    let blocks = readme.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    let script = blocks.into_iter().find(|block| block.contains("> states.jsonl")).unwrap();
    place.file("state.json", "{}");
    let tap = r#"tap-something() {
        n=$(sed 's/[^0-9]//g' state.json)
        echo '{"type": "SCHEMA", "stream": "people", "key_properties": [], "schema": {"properties": {"externalId": {}}}}'
        echo "{\"type\": \"RECORD\", \"stream\": \"people\", \"record\": {\"externalId\": \"p-$((n + 1))\"}}"
        echo "{\"type\": \"STATE\", \"value\": {\"n\": $((n + 1))}}"
    }
    "#;
    for n in 1..4 {
        run(&place, &format!("{tap}{script}"));
        assert_eq!(place.read("state.json"), format!("{{\"n\": {n}}}\n"));
    }
    assert_eq!(remote.by_ext("people").keys().collect::<Vec<_>>(), ["p-1", "p-2", "p-3"]);
    // A run that passes no STATE on leaves the last one.
    run(&place, &format!("tap-something() {{ true; }}\n{script}"));
    assert_eq!(place.read("state.json"), "{\"n\": 3}\n");
}
